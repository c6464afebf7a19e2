"""The loop from words to picture to words, with nets whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engines import loop
from engines.controls import ImageInput, ModelCard, SketchInput, Text
from engines.errors import EngineError
from engines.job import Event, Job, Picture, Preview, Progress, Result

CARDS = {
    "says": ModelCard("captioning", "Says", (ImageInput("photo", "Picture"),)),
    "paints": ModelCard("attngan", "Paints", (Text("caption", "Caption"),)),
    "draws": ModelCard("pix2pix", "Draws", (SketchInput("edges", "Drawing", "edges", (8, 8)),)),
}


class Echo:
    """An engine whose painter hides the number of its caption in a picture's pixels, and whose
    captioner reads it there and forgets the first word each time."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seeds: list[int] = []

    def describe(self, name: str) -> ModelCard:
        return CARDS[name]

    def run(self, job: Job) -> Iterator[Event]:
        yield Progress(0, 1)
        if job.family == "captioning":
            text = self.said[int(job.images["photo"].pixels[0, 0])]
            yield Result((job.images["photo"],), (text.partition(" ")[2] or text, "another"))
            return
        self.said.append(str(job.values.get("caption", "a drawn red hat")))
        self.seeds.append(job.seed)
        yield Result((Picture(np.full((4, 4), len(self.said) - 1, np.uint8)),))


def going(**asked: Any) -> list[Event]:
    return list(loop.around(Echo(), "says", **asked))  # type: ignore[arg-type]


def test_each_caption_paints_the_next_picture() -> None:
    events = going(painter="paints", caption="big red hat", turns=3)
    result = events[-1]
    assert isinstance(result, Result)
    assert result.texts == ("red hat", "hat", "hat")
    assert [p.pixels[0, 0] for p in result.pictures] == [0, 1, 2]
    assert [e.note for e in events if isinstance(e, Progress)] == ["red hat", "hat", "hat"]
    assert sum(isinstance(e, Preview) for e in events) == 3
    assert result.notes == (
        "Drift from “big red hat”: 0.20, 0.50, 0.50 (0: the same words, 1: none of them).",
    )


def test_a_drawing_gets_its_caption_and_goes_on_from_there() -> None:
    drawn = Job("pix2pix", seed=7)
    (*_, alone) = going(drawn=drawn)
    assert isinstance(alone, Result)
    assert alone.texts == ("drawn red hat",)
    assert "0.00" in alone.notes[0]
    (*_, result) = going(drawn=drawn, painter="paints", turns=2)
    assert isinstance(result, Result)
    assert result.texts == ("drawn red hat", "red hat")


def test_the_seed_stays_so_that_words_alone_make_the_difference() -> None:
    engine = Echo()
    list(loop.around(engine, "says", "paints", "a b", turns=2, seed=5))  # type: ignore[arg-type]
    assert engine.seeds == [5, 5]


def test_what_cannot_go_round_is_refused_in_a_sentence() -> None:
    with pytest.raises(EngineError, match="begins with a caption"):
        going()
    with pytest.raises(EngineError, match="Draws paints no captions"):
        going(painter="draws", caption="a")
    with pytest.raises(EngineError, match="Paints gives no captions"):
        list(loop.around(Echo(), "paints", "paints", "a"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("a red hat", "the red hat", 0),
        ("a red hat", "hat of red", 0),
        ("a red hat", "a blue hat", 0.5),
        ("a red hat", "two shoes", 1),
        ("a", "the", 0),
        ("red", "", 1),
    ],
)
def test_drift_counts_words_that_matter(one: str, other: str, far: float) -> None:
    assert loop.drift(one, other) == far == loop.drift(other, one)


def test_the_loop_is_a_job_too() -> None:
    from engines.controls import checked
    from engines.family import families

    family = families()["word_loop"]
    job = Job("word_loop", values={"caption": "big red hat", "painter": "paints",
                                   "captioner": "says", "turns": 2}, seed=5)  # fmt: skip
    conductor = Echo()
    *_, made = family.run(conductor, checked(job, family.card(None)))  # type: ignore[arg-type]
    assert isinstance(made, Result) and made.texts == ("red hat", "hat")
    assert made.numbers == {"drift 1": pytest.approx(0.2), "drift 2": pytest.approx(0.5)}
    assert conductor.seeds == [5, 5]
