"""The language of everything that is shown: English in the source, other languages from JSON.

A text may hold {placeholders}. Sentences that come from the engine with their values already in
them are recognised by their pattern, so they are translated too. Knows no widget.
"""

from __future__ import annotations

import json
import re
import weakref
from functools import cache
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale, QObject, Signal
from shiboken6 import isValid

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "i18n"
NAMES = {"en": "English", "zh_CN": "简体中文"}
_HOLE = re.compile(r"\{(\w+)\}")


class Signals(QObject):
    changed = Signal(str)


signals = Signals()
_now: dict[str, Any] = {"code": "en", "texts": {}, "patterns": []}
_said: dict[tuple[int, str], tuple[weakref.ref[Any], str, dict[str, Any]]] = {}


def languages() -> dict[str, str]:
    """Code -> name in that language, for every language there is."""
    return {code: NAMES[code] for code in NAMES if code == "en" or _file(code).exists()}


def language() -> str:
    return _now["code"]


def set_language(code: str) -> None:
    """ "en", "zh_CN", or "system" for that of the desktop. Everything said is said anew."""
    if code == "system":
        code = "zh_CN" if QLocale.system().language() == QLocale.Language.Chinese else "en"
    texts = {} if code == "en" else _read(code)
    patterns = [(_pattern(source), wanted) for source, wanted in texts.items() if _tells(source)]
    _now.update(code=code, texts=texts, patterns=patterns)
    _say_again()
    signals.changed.emit(code)


def tr(text: str, **values: Any) -> str:
    """`text` in the language shown now, its placeholders filled with `values`, which are translated
    too where they are texts of ours."""
    wanted = _now["texts"].get(text)
    if wanted is None:
        wanted = text if values else _by_pattern(text)
    if not values:
        return wanted
    known = _now["texts"]
    return wanted.format(
        **{k: known.get(v, v) if isinstance(v, str) else v for k, v in values.items()}
    )


def say(owner: QObject, setter: str, text: str, **values: Any) -> None:
    """Call owner.setter(tr(text)) now and at every change of language; the last text counts."""
    _said[id(owner), setter] = (weakref.ref(owner), text, values)
    getattr(owner, setter)(tr(text, **values))


def _say_again() -> None:
    for key, (held, text, values) in list(_said.items()):
        owner = held()
        if owner is not None and isValid(owner):
            getattr(owner, key[1])(tr(text, **values))
        else:
            del _said[key]


def _by_pattern(text: str) -> str:
    for pattern, wanted in _now["patterns"]:
        match = pattern.fullmatch(text)
        if match:
            parts = {hole: _now["texts"].get(v, v) for hole, v in match.groupdict().items()}
            return wanted.format(**parts)
    return text


def _tells(source: str) -> bool:
    """Whether a text with holes is distinct enough to be found again with its holes filled."""
    return bool(_HOLE.search(source)) and (source.endswith(".") or not source.startswith("{"))


@cache
def _pattern(source: str) -> re.Pattern[str]:
    """A sentence with holes as an expression that finds what is in them."""
    pieces, seen = [], set()
    for n, piece in enumerate(_HOLE.split(source)):
        if n % 2 == 0:
            pieces.append(re.escape(piece))
        else:
            pieces.append(f"(?P={piece})" if piece in seen else f"(?P<{piece}>.+?)")
            seen.add(piece)
    return re.compile("".join(pieces), re.DOTALL)


def _file(code: str) -> Path:
    return FOLDER / f"{code}.json"


def _read(code: str) -> dict[str, str]:
    return json.loads(_file(code).read_text("utf-8"))
