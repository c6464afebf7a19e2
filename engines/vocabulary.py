"""Vocabularies beside captioning nets: pickled tables of words and JSON word maps, read as inert
data. Knows no network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import formats, torchfile
from engines.checkpoint import DAMAGE, CheckpointError
from engines.inert import Inert

LARGEST = 64 << 20  # bytes
FEWEST = 20  # words of a JSON file of numbers that is taken for a word map
TABLES = ("word2idx", "stoi", "wordtoix", "word_map", "word_to_ix", "w2i")
_SIGNS = {
    "start": ("<start>", "<sos>", "<bos>", "<s>"),
    "end": ("<end>", "<eos>", "</s>"),
    "unknown": ("<unk>", "<unknown>"),
    "padding": ("<pad>",),
}


@dataclass(frozen=True)
class Vocabulary:
    """Words by their number, "" where a number has none; numbers of the signs, -1 where there is
    no such sign."""

    words: tuple[str, ...]
    start: int
    end: int
    unknown: int
    padding: int


def read_table(path: Path) -> tuple[dict[str, int], str]:
    """(word -> number, and what holds it: "vocabulary" or "attngan-captions", a pickle, or a JSON
    "word-map"); empty for anything else."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        return {}, ""
    try:
        if formats.sniff(path) == "pickle":
            root = torchfile.TorchLegacy(path).root
            kind = "attngan-captions" if isinstance(root, list) else "vocabulary"
            return _table(root), kind
        body = json.loads(path.read_text(encoding="utf-8"))
    except (RecursionError, *DAMAGE):
        return {}, ""
    is_map = isinstance(body, dict) and len(body) > FEWEST
    if is_map and all(type(v) is int for v in body.values()):
        return body, "word-map"
    return {}, ""


def _table(root: Any) -> dict[str, int]:
    """The word-to-number table in a pickled object."""
    held = _entries(root)
    if isinstance(held, list):  # AttnGAN's captions.pickle: [train, test, ixtoword, wordtoix]
        tables = (t for t in held if isinstance(t, dict) and all(isinstance(k, str) for k in t))
        held = {"wordtoix": next(tables, None)}
    if not isinstance(held, dict):
        return {}
    for name in TABLES:
        table = _entries(held.get(name))
        if isinstance(table, dict):
            return {w: n for w, n in table.items() if isinstance(w, str) and type(n) is int}
    return {}


def _entries(held: Any) -> Any:
    return {**held.state, **held.entries} if isinstance(held, Inert) else held


def lacking(table: dict[str, int]) -> str:
    """What no captioning net can do without and the table lacks, as the end of a sentence; ""
    where nothing."""
    lower = {word.lower() for word in table}
    absent = [s for s in ("start", "end", "unknown") if lower.isdisjoint(_SIGNS[s])]
    if not absent:
        return ""
    names = [_SIGNS[s][0] for s in absent]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return (
        f"a word map of {len(table):,} words without its special words {listed}, so no captioning "
        "net can use it"
    )


def read(path: Path) -> Vocabulary:
    """Raises CheckpointError with one sentence where the file is no vocabulary for captions."""
    table, _ = read_table(path)
    if not table:
        raise CheckpointError("not-weights", f"{path.name} is no vocabulary.")
    if reason := lacking(table):
        raise CheckpointError("mismatch", f"{path.name} is {reason}.")
    most = max(table.values())
    if min(table.values()) < 0 or most >= 2 * len(table) + 100:
        raise CheckpointError("damaged", f"{path.name} numbers its words in no order.")
    words = [""] * (most + 1)
    for word, number in table.items():
        words[number] = word
    place = {word.lower(): number for word, number in table.items() if word.startswith("<")}
    signs = {k: next((place[s] for s in names if s in place), -1) for k, names in _SIGNS.items()}
    return Vocabulary(tuple(words), **signs)


def beside(path: Path) -> Path | None:
    """The vocabulary that lies in a folder, or in the folder of a file; the first by name."""
    folder = path if path.is_dir() else path.parent
    files = [p for p in sorted(folder.iterdir()) if _may_be(p)]
    return next((p for p in files if read_table(p)[0]), None)


def _may_be(path: Path) -> bool:
    name = path.name.lower()
    named = any(word in name for word in ("vocab", "wordmap", "word_map", "word2idx", "captions"))
    return named and path.suffix in (".pkl", ".pickle", ".json") and path.is_file()
