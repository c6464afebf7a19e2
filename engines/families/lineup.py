"""A tool that shows one face to several models: what each makes of it, side by side, and how much
the person stays the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any, Protocol

from engines import faces
from engines.controls import (
    Attributes,
    Choice,
    FacePoints,
    FaceTemplate,
    ImageInput,
    ModelCard,
    Slider,
    Text,
)
from engines.errors import told
from engines.family import Family, register
from engines.job import Event, Job, Picture, Progress, Result, Value

# a face with room around it, so that the crop of every model lies within
PORTRAIT = FaceTemplate((384, 384), (156.0, 176.0), (228.0, 176.0), (192.0, 253.0))
POINTS = (*PORTRAIT.left_eye, *PORTRAIT.right_eye, *PORTRAIT.mouth)
UNMEASURED = "Identity distances need the face embedder, which is not installed."
SCALE = "Identity distance (id): 0 the same face, about 1 a stranger."


class Conductor(Protocol):
    """What is asked of the engine."""

    def describe(self, reference: str) -> ModelCard: ...
    def run(self, job: Job) -> Iterator[Event]: ...


class Lineup(Family):
    """The texts of the result name each model, with the identity distance; its values hold the
    model under "model", and what to set there for the same edit."""

    id, title, tool, conducts = "lineup", "One face through every model", True, True

    def card(self, config: Any) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("face", "Photo"),
                ImageInput("other", "Second photo", optional=True),
                FacePoints("points", "Face"),
                Text("models", "Models", longest=20_000, help="Names or files, one a line."),
                Text("wish", "Attribute", help="Which one is changed, where a model has it."),
            ),
            half_ok=False,
            summary="Shows one face to every face model.",
        )

    def run(self, model: Any, job: Job) -> Iterator[Event]:
        engine: Conductor = model
        start = time.perf_counter()
        points = [float(n) for n in job.values["points"] or ()]  # pyright: ignore
        cut = faces.cut(job.images["face"], PORTRAIT, points)
        names = [name for name in str(job.values["models"]).splitlines() if name.strip()]
        cards: list[ModelCard] = []
        pictures, values, notes = [cut.crop], [dict[str, Value]()], list(cut.notes)
        for done, name in enumerate(names):
            now = Progress(done, len(names), name.rpartition("/")[2].partition("@")[0])
            yield now
            try:
                card = engine.describe(name)
                asked = edit(card, str(job.values["wish"]), "other" in job.images)
                made = yield from _made(engine, card, asked, cut.crop, job, now)
            except Exception as error:
                if not (sentence := told(error)[1]):
                    raise
                notes.append(sentence)
                continue
            pictures.append(made)
            cards.append(card)
            values.append({"model": card.checkpoint, **asked})
        texts = ("The photo", *_texts(cards, pictures))
        notes.append(SCALE if _apart(cut.crop, cut.crop) is not None else UNMEASURED)
        seconds = time.perf_counter() - start
        yield Result(tuple(pictures), texts, seconds, tuple(notes), cut.fit, values=tuple(values))


def edit(card: ModelCard, wish: str = "", other: bool = False) -> dict[str, Value]:
    """Values that change a face as the model was trained to: the label named by `wish` fully on,
    else the first; the oldest age; the object of the other photo, or none of it."""
    for control in card.controls:
        if isinstance(control, Attributes) and control.name == "attributes":
            words = [label.casefold() for label in control.labels]
            place = words.index(wish.casefold()) if wish.casefold() in words else 0
            return {control.name: [float(n == place) for n in range(len(words))]}
        if isinstance(control, Slider) and control.name == "age":
            return {control.name: control.high}
        if isinstance(control, Choice) and {"swap", "remove"} <= {v for v, _ in control.options}:
            return {control.name: "swap" if other else "remove"}
    return {}


def _made(
    engine: Conductor,
    card: ModelCard,
    asked: dict[str, Value],
    face: Picture,
    job: Job,
    now: Progress,
) -> Generator[Event, None, Picture]:
    """Runs the model on the face: what is yielded says that it works, what is returned is its
    picture."""
    images = {"face": face}
    if card.control("other") is not None and "other" in job.images:
        images["other"] = job.images["other"]
    inner = Job(card.family, card.checkpoint, {**asked, "points": list(POINTS)}, images, seed=0)
    made = face
    for event in engine.run(inner):
        if isinstance(event, Result):
            made = event.pictures[0]
        else:
            yield now
    return made


def _texts(cards: list[ModelCard], pictures: list[Picture]) -> Iterator[str]:
    names = [card.network.partition(",")[0].partition(" ")[0] for card in cards]
    times = Counter(names)
    for card, name, picture in zip(cards, names, pictures[1:]):
        if times[name] > 1 or not name:
            name = card.checkpoint.partition("@")[0].rpartition("/")[2]
        far = _apart(pictures[0], picture)
        yield name if far is None else f"{name} · id {far:.2f}"


def _apart(a: Picture, b: Picture) -> float | None:
    from engines import embedder

    return embedder.between(a, b, PORTRAIT)


register(Lineup())
