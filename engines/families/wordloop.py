"""A tool that goes round from words to picture to words: engines/loop.py as a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engines import loop
from engines.controls import ModelCard, Slider, Text
from engines.family import Family, register
from engines.job import Event, Job


class WordLoop(Family):
    """The texts of the result are the captions, its numbers "drift 1" and on, see engines/loop."""

    id, title, tool, conducts = "word_loop", "From words to picture to words", True, True

    def card(self, config: Any) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                Text("caption", "Caption", longest=500, needed=True),
                Text("painter", "Painter", help="The model that paints captions."),
                Text("captioner", "Captioner", help="The model that tells what a picture shows."),
                Slider("turns", "Turns", 1, 12, 1, 4),
            ),
            half_ok=False,
            summary="A caption paints a picture, the picture gets its caption, and so on.",
        )

    def run(self, model: Any, job: Job) -> Iterator[Event]:
        said = {name: str(job.values[name]) for name in ("captioner", "painter", "caption")}
        turns = round(float(job.values["turns"]))  # pyright: ignore[reportArgumentType]
        yield from loop.around(
            model, said["captioner"], said["painter"], said["caption"], turns=turns, seed=job.seed
        )


register(WordLoop())
