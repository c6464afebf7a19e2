"""Zhou et al. 2017, "GeneGAN: Learning Object Transfiguration and Attribute Subspace from Unpaired
Data": a photo is split into a face and an object (glasses, a smile), and joined anew with another
photo's object, or with none.

Carries the reference's nets from TensorFlow's variables (a checkpoint or an .npz), and our starter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines import faces, redraw
from engines.controls import Choice, Control, FaceTemplate, ImageInput, ModelCard, Slider
from engines.families.genegan import config as configs
from engines.families.genegan.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result, Value

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Zhou et al. 2017, GeneGAN: Learning Object Transfiguration and Attribute Subspace from "
    "Unpaired Data"
)
# 70 pixels between the pupils of 256, as the reference states; height and mouth as in CelebA
CELEBA_256 = FaceTemplate((256, 256), (93.0, 112.0), (163.0, 112.0), (128.0, 185.0))
ALONE = "There is no second photo, so the object can only be taken off."


class GeneGAN(Family):
    id, title = "genegan", "Object swap"
    trainer = "genegan.train:GeneGANTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.genegan import net

        return net.GeneGAN(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        if not configs.is_foreign(checkpoint):
            return super().load(config, checkpoint)
        from engines.families.genegan import net

        return net.load_variables(config, checkpoint)

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        if configs.is_foreign(checkpoint):
            return self.load(config, checkpoint)[1]  # its variables have other names and shapes
        return super().examine(config, checkpoint)

    def card(self, config: Config) -> ModelCard:
        return redraw.card(
            self,
            f"{config.label} from face to face",
            _controls(config),
            f"GeneGAN {config.size}, {config.object} of {config.code} channels are the object",
            PAPER,
            template(config),
        )

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        own = _look(model, job.images["face"], redraw.points(job))
        other = _look(model, job.images["other"], ()) if "other" in job.images else None
        pictures, texts, notes = _pictures(model, job, own, other)
        if job.values["face_from"] == "made":
            notes += (redraw.REDRAWN,)
        seconds, notes = time.perf_counter() - start, (*own.cut.notes, *notes)
        values = tuple(_alone(job, text) for text in texts)
        yield Result(pictures, texts, seconds, notes, own.cut.fit, values=values)


def template(config: Config) -> FaceTemplate:
    """How a face lies in the model's crop."""
    return redraw.scaled(CELEBA_256 if config.face == "celeba" else faces.OWN, config.size)


def _controls(config: Config) -> tuple[Control, ...]:
    what = config.label.lower()
    return (
        ImageInput("other", "Second photo", optional=True),
        Choice(
            "targets",
            "Show",
            (
                ("swap", "Traded"),
                ("remove", "Taken off"),
                ("strip", "A strip of strengths"),
                ("matrix", "2 × 2: every face with every object"),
            ),
            "swap",
            help=f"Traded: the photos exchange their {what}. Taken off: the photo without. A "
            "strip: that of the second photo comes in, from picture to picture.",
        ),
        Slider(
            "strength",
            "How much of it",
            -1.0,
            3.0,
            0.05,
            1.0,
            trained=(0.0, 1.0),
            help="0: as the photo is. 1: all of it, as trained; beyond, it is exaggerated.",
        ),
        Slider(
            "count",
            "Pictures in the strip",
            2.0,
            12.0,
            1.0,
            5.0,
            still=True,
            when=("targets", "strip"),
        ),
        redraw.FACE_FROM,
    )


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A photo, split: its cut, its crop x (1, 3, H, W) in [-1, 1], face and object as maps of
    features, and what both give when they are joined again."""

    cut: faces.Cut
    x: Tensor
    face: Tensor
    object: Tensor
    plain: Tensor


def _look(model: Model, photo: Picture, points: Sequence[float]) -> _Seen:
    """The photo, split, so that a slider costs one joining."""

    def see(cut: faces.Cut, x: Tensor) -> _Seen:
        face, thing = model(x)
        return _Seen(cut, x, face, thing, model(face, thing))

    return redraw.look(model, photo, points, template(model.config), see)


def _pictures(
    model: Model, job: Job, own: _Seen, other: _Seen | None
) -> tuple[tuple[Picture, ...], tuple[str, ...], tuple[str, ...]]:
    """Edited photos, what each is called, and what is to be told."""
    targets, share = str(job.values["targets"]), redraw.number(job, "strength")
    nothing = own.object.new_zeros(own.object.shape)
    thing = other.object if other is not None and targets != "remove" else nothing
    notes = () if other is not None or targets == "remove" else (ALONE,)

    def joined(seen: _Seen, given: Tensor, amount: float) -> Picture:
        return _joined(model, job, seen, seen.object + amount * (given - seen.object))

    if targets == "strip":
        count = round(redraw.number(job, "count"))
        shares = [n / (count - 1) * share for n in range(count)]
        texts = tuple(f"{amount:.2f}" for amount in shares)
        return tuple(joined(own, thing, amount) for amount in shares), texts, notes
    if targets == "matrix":
        rows = [("Photo", own)] + ([("Second photo", other)] if other is not None else [])
        label = model.config.label.lower()
        columns = [(f"the photo's {label}", own.object)]
        columns.append((f"the second photo's {label}" if other is not None else "none", thing))
        made = [(f"{face}, {name}", seen, o) for face, seen in rows for name, o in columns]
        pictures = tuple(_joined(model, job, seen, o) for _, seen, o in made)
        return pictures, tuple(text for text, *_ in made), notes
    made = [joined(own, thing, share)]
    if targets == "remove" or other is None:
        return tuple(made), (), notes
    made.append(joined(other, own.object, share))
    return tuple(made), ("Photo", "Second photo"), notes


def _alone(job: Job, text: str) -> dict[str, Value]:
    """The values of a job that makes a picture of the strip alone; none of other pictures."""
    if job.values["targets"] != "strip":
        return {}
    return {"targets": "swap", "strength": float(text)}


def _joined(model: Model, job: Job, seen: _Seen, thing: Tensor) -> Picture:
    made = model(seen.face, thing)
    edited = redraw.shown(seen.x, made, seen.plain, str(job.values["face_from"]))
    return redraw.finished(seen.cut, edited, job)


register(GeneGAN())
