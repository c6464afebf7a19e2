"""Perarnau et al. 2016, "Invertible Conditional GANs for image editing": a photo is encoded into
what it shows (y) and the rest (z), y is edited, and a conditional generator decodes both.

Carries the official nets (CelebA, 18 attributes, 64 pixels), whose three Torch7 files make one of
ours, and our starter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines import faces, redraw
from engines.controls import (
    Attributes,
    Choice,
    Control,
    FaceTemplate,
    ImageInput,
    ModelCard,
    Slider,
    Toggle,
)
from engines.families.icgan import config as configs
from engines.families.icgan.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result, Value

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = "Perarnau et al. 2016, Invertible Conditional GANs for image editing"
FARTHEST = 2.0


class IcGAN(Family):
    id, title = "icgan", "Face attributes, encoded"
    trainer = "icgan.train:IcGANTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.icgan import net

        return net.IcGAN(config)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def card(self, config: Config) -> ModelCard:
        return redraw.card(
            self,
            f"Faces by {len(config.labels)} attributes",
            _controls(config),
            f"IcGAN {config.size}, z of {config.z} and {len(config.labels)} attributes",
            PAPER,
            template(config),
        )

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        rounded = bool(job.values["threshold"])
        own = _look(model, job.images["face"], redraw.points(job), rounded)
        other = _look(model, job.images["other"], (), rounded) if "other" in job.images else None
        pictures, texts, values = _pictures(model, job, own, other)
        notes = (*own.cut.notes, _shown(model.config, own.y))
        notes += (redraw.REDRAWN,) if job.values["face_from"] == "made" else ()
        seconds = time.perf_counter() - start
        yield Result(pictures, texts, seconds, notes, own.cut.fit, values=values)


def template(config: Config) -> FaceTemplate:
    """How a face lies in the model's crop: the reference takes x 30..168 and y 40..178 of aligned
    CelebA pictures, which is not their middle."""
    if config.face == "celeba":
        return redraw.scaled(redraw.cropped(faces.CELEBA_178, 30, 40, 138), config.size)
    return redraw.scaled(faces.OWN, config.size)


def _controls(config: Config) -> tuple[Control, ...]:
    return (
        Attributes(
            "attributes",
            "Change",
            config.labels,
            -FARTHEST,
            FARTHEST,
            exclusive=config.exclusive,
            trained=(-1.0, 1.0),
            help="0: as the photo is. 1: the attribute is on, −1: it is off; beyond, the change is "
            "exaggerated.",
        ),
        Choice(
            "targets",
            "Targets",
            (("one", "As set"), ("all", "Every attribute, one by one")),
            "one",
            help="Every attribute: one picture for each, set as the paper does: others of its "
            "group are taken off, Male is turned over.",
        ),
        redraw.FACE_FROM,
        Toggle(
            "threshold",
            "Attributes as yes or no",
            True,
            help="What the encoder sees is rounded to yes or no before it is edited, as the paper "
            "does.",
        ),
        ImageInput("other", "Second photo", optional=True),
        Choice(
            "mix",
            "Second photo gives",
            (("y", "Its attributes"), ("z", "Its z: all but attributes"), ("both", "Everything")),
            "y",
            help="The photos trade attributes (y) or what is left of a face (z); everything: one "
            "face turns into the other.",
        ),
        Slider("blend", "How much of it", 0.0, 1.0, 0.05, 1.0),
    )


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A photo's cut, its crop x (1, 3, H, W) in [-1, 1], z (1, config.z), and y, one number a
    label."""

    cut: faces.Cut
    x: Tensor
    z: Tensor
    y: tuple[float, ...]


def _look(model: Model, photo: Picture, points: Sequence[float], threshold: bool) -> _Seen:
    """The photo, encoded, so that a slider costs one decoding."""

    def see(cut: faces.Cut, x: Tensor) -> _Seen:
        z, y = model(x)
        numbers = [float(v) for v in y[0]]
        return _Seen(cut, x, z, tuple(configs.thresholded(numbers) if threshold else numbers))

    return redraw.look(model, photo, points, template(model.config), see, threshold)


def _pictures(
    model: Model, job: Job, own: _Seen, other: _Seen | None
) -> tuple[tuple[Picture, ...], tuple[str, ...], tuple[dict[str, Value], ...]]:
    """Edited photos, what each is called, and the values that make each alone where there are
    such."""
    config = model.config
    if job.values["targets"] == "all":
        wanted = [configs.turned(config, own.y, i) for i in range(len(config.labels))]
        pictures = tuple(_decoded(model, job, own, own.z, y) for y in wanted)
        values = tuple(_alone(config, own.y, y) for y in wanted)
        return pictures, config.labels, values if other is None else ()
    strengths = redraw.numbers(job, "attributes")
    share = redraw.number(job, "blend") if other else 0.0
    z, y = _mixed(own, other, str(job.values["mix"]), share)
    made = [_decoded(model, job, own, z, configs.target(config, y, strengths))]
    if other is None:
        return tuple(made), (), ()
    z, y = _mixed(other, own, str(job.values["mix"]), share)
    made.append(_decoded(model, job, other, z, configs.target(config, y, strengths)))
    return tuple(made), ("Photo", "Second photo"), ()


def _alone(config: Config, own: Sequence[float], y: Sequence[float]) -> dict[str, Value]:
    """The values of a job that makes y of the photo's own; none where no strengths give it."""
    strengths = [float(b > 0) - float(b < 0) if a != b else 0.0 for a, b in zip(own, y)]
    made = configs.target(config, own, strengths)
    same = all(abs(a - b) < 1e-6 for a, b in zip(made, y))
    return {"targets": "one", "attributes": strengths} if same else {}


def _mixed(own: _Seen, other: _Seen | None, mix: str, share: float) -> tuple[Tensor, list[float]]:
    """z and y, linear between two photos in those of the two that are mixed."""
    if other is None:
        return own.z, list(own.y)
    z = own.z + share * (other.z - own.z) if mix in ("z", "both") else own.z
    if mix == "z":
        return z, list(own.y)
    return z, [a + share * (b - a) for a, b in zip(own.y, other.y)]


def _decoded(model: Model, job: Job, seen: _Seen, z: Tensor, y: Sequence[float]) -> Picture:
    made = model(z, z.new_tensor([list(y)]))
    plain = model(seen.z, z.new_tensor([list(seen.y)]))
    edited = redraw.shown(seen.x, made, plain, str(job.values["face_from"]))
    return redraw.finished(seen.cut, edited, job)


def _shown(config: Config, y: Sequence[float]) -> str:
    found = [label.lower() for label, value in zip(config.labels, y) if value > 0]
    return f"The encoder sees: {', '.join(found) or 'none of its attributes'}."


register(IcGAN())
