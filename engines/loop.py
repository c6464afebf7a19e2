"""The loop: a caption paints a picture, the picture gets its caption, that caption paints the next
one. What is left of the first words tells how well both nets understand each other.

Knows cards and jobs; which nets they are is the caller's choice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from engines.controls import ModelCard, Text
from engines.errors import EngineError
from engines.job import Event, Job, Picture, Preview, Progress, Result
from engines.wording import words_of

CAPTIONER = "captioning"
SMALL_WORDS = frozenset(("a", "an", "the", "of", "on", "in", "at", "with", "and", "is", "are"))


class Conductor(Protocol):
    """What is asked of the engine."""

    def describe(self, reference: str) -> ModelCard: ...
    def run(self, job: Job) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Turn:
    """A picture, what is said of it, and how far that is from the first words, see `drift`."""

    picture: Picture
    caption: str
    drift: float


def drift(first: str, caption: str) -> float:
    """0 where two captions have the same words that matter, 1 where they share none: one minus the
    harmonic mean of the shares of each that the other has. Order and small words do not count."""
    a, b = (set(words_of(text)) - SMALL_WORDS for text in (first, caption))
    return 1 - 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def caption_of(engine: Conductor, captioner: str, picture: Picture) -> Result:
    """What a captioner says of a picture: its texts are captions, the best first. Raises
    EngineError."""
    card = engine.describe(captioner)
    if card.family != CAPTIONER:
        raise EngineError("input", f"{card.title} gives no captions; choose a captioner.")
    return _last(engine.run(Job(card.family, card.checkpoint, {}, {"photo": picture})))


def around(
    engine: Conductor,
    captioner: str,
    painter: str = "",
    caption: str = "",
    drawn: Job | None = None,
    turns: int = 3,
    seed: int = 0,
) -> Iterator[Event]:
    """Round and round from a caption, or from what a job paints (a drawing): Progress and Preview
    for every picture, then a Result: the pictures, their captions, and the drift of each.

    The first words are `caption`, or those that the drawing's photo gets. Without a painter a
    drawing ends with its caption. Raises EngineError.
    """
    start = time.perf_counter()
    painting = engine.describe(painter) if painter else None
    if painting is None and drawn is None:
        raise EngineError("input", "A loop begins with a caption and its painter, or a drawing.")
    first, text, made = caption, caption, list[Turn]()
    total = turns if painting else 1
    for turn in range(total):
        job = drawn if turn == 0 and drawn is not None else None
        picture = _last(engine.run(job or _painted(painting, text, seed))).picture
        yield Preview(picture)
        text = caption_of(engine, captioner, picture).texts[0]
        first = first or text
        made.append(Turn(picture, text, drift(first, text)))
        yield Progress(turn + 1, total, text)
    pictures, captions = tuple(t.picture for t in made), tuple(t.caption for t in made)
    drifts = ", ".join(f"{t.drift:.2f}" for t in made)
    notes = (f"Drift from “{first}”: {drifts} (0: the same words, 1: none of them).",)
    numbers = {f"drift {n}": t.drift for n, t in enumerate(made, 1)}
    yield Result(pictures, captions, time.perf_counter() - start, notes, numbers=numbers)


def _painted(card: ModelCard | None, caption: str, seed: int) -> Job:
    """The job that paints a caption."""
    assert card is not None
    control = next((c for c in card.controls if isinstance(c, Text)), None)
    if control is None:
        raise EngineError("input", f"{card.title} paints no captions; choose a words model.")
    return Job(card.family, card.checkpoint, {control.name: caption}, {}, seed=seed)


def _last(events: Iterator[Event]) -> Result:
    *_, result = events
    assert isinstance(result, Result)
    return result
