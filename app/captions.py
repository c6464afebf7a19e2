"""What the picture shown is said to be: asks a captioner that is here, and remembers the answer by
the picture's digest. Knows no widget and no net.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.door import CatalogueLike
from app.models import reference
from app.results import Follow
from engines.job import Cancelled, Event, Failed, Job, Picture, Result

FAMILY = "captioning"
NONE = "There is no captioner here; open a model file of one first."
MOST = 64  # captions kept in mind


@dataclass(frozen=True)
class Caption:
    """What is said of a picture: `texts` with the chosen one first, `shares` how sure the captioner
    is of each, as the sentence `sure` says too; for the words of `told`, the first choice of the
    captioner `by`, `looked` shows where each looked, once asked for."""

    picture: Picture
    texts: tuple[str, ...]
    sure: str = ""
    told: str = ""
    looked: tuple[Picture, ...] = ()
    by: str = ""
    shares: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.texts[0]


Then = Callable[[Caption | None], None]


@dataclass
class _Asked:
    picture: Picture
    attention: bool
    by: str
    then: list[Then] = field(default_factory=list[Then])


class Captions(QObject):
    """`changed` after every answer: of which picture is in the Caption."""

    changed = Signal(object)  # Caption
    failed = Signal(str, object)  # place, Failed

    def __init__(
        self,
        catalogue: CatalogueLike,
        submit: Callable[[Job, Follow], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._catalogue, self._submit = catalogue, submit
        self._known: dict[str, Caption] = {}  # by the picture's digest, oldest first
        self._asked: dict[int, _Asked] = {}

    def captioner(self) -> str:
        """What names the captioner that is asked, "" where there is none."""
        entries: tuple[Any, ...] = tuple(getattr(self._catalogue, "entries", tuple)())
        fitting = [
            e for e in entries
            if getattr(e, "family", "") == FAMILY and getattr(e, "installed", True)
        ]  # fmt: skip
        return reference(fitting[0]) if fitting else ""

    def of(self, picture: Picture) -> Caption | None:
        return self._known.get(picture.digest)

    def ask(self, picture: Picture, then: Then | None = None) -> None:
        """Have the picture described; `changed` follows, or `failed`. `then` gets the caption, or
        None where there is none."""
        known = self.of(picture)
        if known is not None:
            self.changed.emit(known)
            if then:
                then(known)
            return
        self._send(picture, False, then)

    def look(self, picture: Picture) -> None:
        """Have it told where each word looked; `changed` follows."""
        known = self.of(picture)
        if known is None or known.looked or any(a.attention for a in self._asked.values()):
            return
        self._send(picture, True, None)

    def choose(self, picture: Picture, text: str) -> None:
        """Another of the texts is the caption now."""
        known = self.of(picture)
        if known is not None and text in known.texts and text != known.text:
            texts = (text, *(t for t in known.texts if t != text))
            share = dict(zip(known.texts, known.shares))
            shares = tuple(share[t] for t in texts) if len(share) == len(texts) else ()
            self._keep(replace(known, texts=texts, shares=shares))

    def keep(self, picture: Picture, texts: tuple[str, ...], sure: str, by: str) -> None:
        """What the captioner in use said of its picture."""
        known = self.of(picture)
        if texts and (known is None or known.by != by or known.told != texts[0]):
            self._keep(Caption(picture, texts, sure, texts[0], by=by, shares=_shares(sure)))
        elif known is not None:
            self.changed.emit(known)

    def _send(self, picture: Picture, attention: bool, then: Then | None) -> None:
        known = self.of(picture)
        captioner = known.by if known is not None and known.by else self.captioner()
        if not captioner:
            self.failed.emit("caption", Failed("missing-model", NONE))
            if then:
                then(None)
            return
        values = {"show": "attention"} if attention else {}
        job = Job(FAMILY, captioner, values, {"photo": picture})
        ticket = self._submit(job, self._follow)
        self._asked[ticket] = _Asked(picture, attention, captioner, [then] if then else [])

    def _follow(self, ticket: int, event: Event) -> None:
        asked = self._asked.get(ticket)
        if asked is None or not isinstance(event, Result | Failed | Cancelled):
            return
        del self._asked[ticket]
        caption = None
        if isinstance(event, Result) and event.texts:
            caption = self._learnt(asked, event)
            self._keep(caption)
        elif isinstance(event, Failed):
            self.failed.emit("caption", event)
        for then in asked.then:
            then(caption)

    def _learnt(self, asked: _Asked, result: Result) -> Caption:
        known = self.of(asked.picture)
        if asked.attention and known is not None:
            return replace(known, looked=result.pictures[1:])
        sure = result.notes[0] if result.notes else ""
        texts, shares = result.texts, _shares(sure)
        return Caption(asked.picture, texts, sure, texts[0], by=asked.by, shares=shares)

    def _keep(self, caption: Caption) -> None:
        self._known.pop(caption.picture.digest, None)
        self._known[caption.picture.digest] = caption
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        self.changed.emit(caption)


def _shares(sure: str) -> tuple[str, ...]:
    """ "Sure to 83%, 5%; least of ..." as ("83%", "5%")."""
    return tuple(re.findall(r"\d+%", sure.partition(";")[0]))
