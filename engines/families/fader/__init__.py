"""Lample et al. 2017, "Fader Networks: Manipulating Images by Sliding Attributes": a code that says
nothing of the attributes, and a decoder that is told them.

Carries the official autoencoders (CelebA, 256 pixels, one attribute each), which come as whole
pickled modules, and our starter.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines import faces, redraw
from engines.controls import (
    Attributes,
    Choice,
    Control,
    FaceTemplate,
    ModelCard,
    Slider,
)
from engines.families.fader import config as configs
from engines.families.fader.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Progress, Result, Value

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = "Lample et al. 2017, Fader Networks: Manipulating Images by Sliding Attributes"


class Fader(Family):
    id, title = "fader", "Fader networks"
    trainer = "fader.train:FaderTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.fader import net

        return net.AutoEncoder(config)

    def card(self, config: Config) -> ModelCard:
        count = len(config.labels)
        many = f"{count} attributes" if count > 1 else config.labels[0].lower()
        return redraw.card(
            self,
            f"Faces faded by {many}",
            _controls(config),
            f"Fader network {config.size}, {config.levels} levels, {many}",
            PAPER,
            template(config),
        )

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        seen = _look(model, job)
        own, notes = yield from _own(model, job, seen)
        rows, texts = _wanted(model.config, job, own)
        values = tuple(_alone(own, row) for row in rows) if texts else ()
        pictures = _decoded(model, job, seen, own, rows)
        if job.values["targets"] != "strip":
            notes += _beyond(model.config, rows)
        notes += (redraw.REDRAWN,) if job.values["face_from"] == "made" else ()
        seconds = time.perf_counter() - start
        notes = (*seen.cut.notes, *notes)
        yield Result(pictures, texts, seconds, notes, seen.cut.fit, values=values)


def template(config: Config) -> FaceTemplate:
    """How a face lies in the model's crop: the middle 178 pixels of aligned CelebA pictures, or as
    our own data sets have it."""
    if config.face == "celeba":
        return faces.celeba(config.size, 178)
    return redraw.scaled(faces.OWN, config.size)


def _controls(config: Config) -> tuple[Control, ...]:
    labels = config.labels
    targets = [("one", "As set"), ("strip", "A strip, from without to with")]
    if len(labels) > 1:
        targets.append(("all", "Every attribute, one by one"))
    in_strip = ("targets", "strip")
    strips = tuple((str(place), label) for place, label in enumerate(labels))
    return (
        Attributes(
            "attributes",
            "Change",
            labels,
            -config.farthest,
            config.farthest,
            trained=(-1.0, 1.0),
            help="0: as the photo is. 1: as far as from a face without it to a face with it; "
            "beyond, the change is exaggerated.",
        ),
        Choice(
            "targets",
            "Targets",
            tuple(targets),
            "one",
            help="A strip: one attribute fades in, from picture to picture, and beyond at both "
            "ends.",
        ),
        Choice("strip", "Strip of", strips, "0", when=in_strip),
        Slider(
            "reach",
            "Ends of the strip",
            1.0,
            config.farthest,
            0.1,
            2.0,
            trained=(1.0, 1.0),
            help="1: from absent to present. The authors show 2 for glasses and 10 for subtle "
            "attributes.",
            still=True,
            when=in_strip,
        ),
        Slider("count", "Pictures in the strip", 2.0, 12.0, 1.0, 6.0, still=True, when=in_strip),
        Choice(
            "own",
            "What the photo has",
            (("seen", "As the model redraws it best"), ("told", "As said below")),
            "seen",
            help="Seen: the attributes with which the photo comes back with the least error.",
        ),
        Attributes("has", "The photo has", labels, 0.0, 1.0, still=True, when=("own", "told")),
        redraw.FACE_FROM,
    )


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A face, encoded: its cut, its crop x (1, 3, H, W) in [-1, 1], and the features that the
    decoder takes."""

    cut: faces.Cut
    x: Tensor
    features: list[Tensor]


def _look(model: Model, job: Job) -> _Seen:
    """The face of the job, encoded, so that a slider runs the decoder alone."""
    face, where = template(model.config), redraw.points(job)
    return redraw.look(
        model, job.images["face"], where, face, lambda cut, x: _Seen(cut, x, model(x))
    )


def _own(
    model: Model, job: Job, seen: _Seen
) -> Generator[Event, None, tuple[list[float], tuple[str, ...]]]:
    """The attributes that the photo has, and what to tell of them: as said, or those of a few with
    which it is redrawn with the least error. These are remembered."""
    if job.values["own"] == "told":
        return redraw.numbers(job, "has"), ()
    known = model.memo.get("own")
    if known is None or known[0] is not seen:
        rows, errors = configs.combinations(len(model.config.labels)), []
        for done, row in enumerate(rows):
            if done % 4 == 0 and done:
                yield Progress(done, len(rows), "Seeing what the photo has")
            made = _draw(model, seen.features, row)
            errors.append((made - seen.x).square().mean().item())
        model.memo["own"] = known = seen, rows[errors.index(min(errors))]
    found = [label.lower() for label, on in zip(model.config.labels, known[1]) if on]
    told = ", ".join(found) or "none of its attributes"
    return list(known[1]), (f"The photo is redrawn best with: {told}.",)


def _wanted(
    config: Config, job: Job, own: Sequence[float]
) -> tuple[list[list[float]], tuple[str, ...]]:
    """Values of all attributes for each picture, and what the pictures are called."""
    edited = [a + b for a, b in zip(own, redraw.numbers(job, "attributes"))]
    if job.values["targets"] == "all":
        count = len(config.labels)
        return [[1 - v if i == j else v for j, v in enumerate(own)] for i in range(count)], (
            config.labels
        )
    if job.values["targets"] != "strip":
        return [edited], ()
    place = int(str(job.values["strip"]))
    values = configs.strip(redraw.number(job, "reach"), round(redraw.number(job, "count")))
    rows = [[value if i == place else v for i, v in enumerate(edited)] for value in values]
    return rows, tuple(f"{config.labels[place]} {value:.2f}" for value in values)


def _alone(own: Sequence[float], row: Sequence[float]) -> dict[str, Value]:
    """The values of a job that makes this row's picture alone."""
    return {"targets": "one", "attributes": [round(a - b, 6) for a, b in zip(row, own)]}


def _decoded(
    model: Model, job: Job, seen: _Seen, own: Sequence[float], rows: Sequence[Sequence[float]]
) -> tuple[Picture, ...]:
    face_from = str(job.values["face_from"])
    plain = _redrawn(model, seen, own) if face_from == "change" else seen.x
    pictures = []
    for row in rows:
        edited = redraw.shown(seen.x, _draw(model, seen.features, row), plain, face_from)
        pictures.append(redraw.finished(seen.cut, edited, job))
    return tuple(pictures)


def _redrawn(model: Model, seen: _Seen, own: Sequence[float]) -> Tensor:
    """The photo with its own attributes; the last one is remembered."""
    known = model.memo.get("redrawn")
    if known is None or known[0] is not seen or known[1] != own:
        model.memo["redrawn"] = known = seen, list(own), _draw(model, seen.features, own)
    return known[2]


def _draw(model: Model, features: Sequence[Tensor], row: Sequence[float]) -> Tensor:
    told = features[-1].new_tensor([configs.planes(row)])
    return model(*features, attributes=told)


def _beyond(config: Config, rows: Sequence[Sequence[float]]) -> tuple[str, ...]:
    far = [
        label
        for place, label in enumerate(config.labels)
        if any(not -1e-6 <= row[place] <= 1 + 1e-6 for row in rows)
    ]
    return (f"{', '.join(far)}: beyond what the model was trained on.",) if far else ()


register(Fader())
