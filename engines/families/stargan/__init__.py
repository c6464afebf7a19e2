"""Choi et al. 2018, "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
Image-to-Image Translation": one net for every label of a face.

Carries the official nets (CelebA, RaFD, both at once) at 128 and 256 pixels, and ours, which brings
a small net along that sees which labels a photo already has.
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
    ModelCard,
    SizeRule,
    Toggle,
)
from engines.families.stargan import config as configs
from engines.families.stargan.config import RAFD, Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Judged, Result, Value

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Choi et al. 2018, StarGAN: Unified Generative Adversarial Networks for Multi-Domain "
    "Image-to-Image Translation"
)
UNSEEN = (
    "This model cannot see what the photo shows: say it under “The photo has”, or join it with its "
    "discriminator; else labels that you leave alone may change too."
)
FARTHEST = 2.0


class StarGAN(Family):
    id, title = "stargan", "Face attributes"
    trainer = "stargan.train:StarGANTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.stargan import build

        return build.build(config)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.joined(checkpoint)

    def beside(self, judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
        return configs.beside(judge, model)

    def needs(self, judge: Checkpoint) -> str:
        return configs.needs(judge)

    def card(self, config: Config) -> ModelCard:
        face = template(config, config.size or 128)
        return ModelCard(
            self.id,
            f"Faces by {len(config.labels)} labels",
            controls=(*faces.CONTROLS, *_controls(config)),
            size=SizeRule(4, 4, square=True, native=face.size),
            rooms=("faces",),
            network=f"StarGAN, {config.blocks} blocks of {4 * config.width} channels, "
            f"{len(config.labels)} labels"
            + (", without norms; it moves and adds to what the photo has" if config.edits else ""),
            paper=PAPER,
            face=face,
        )

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        config, seen = model.config, _look(model, job)
        own, notes = _own(config, job, seen)
        strengths = redraw.numbers(job, "attributes")
        mask = redraw.painted(seen.cut, job)
        texts, values = (), ()
        if job.values["targets"] == "all":
            made, texts = _all(model, seen.x, own, mask), config.labels
            asked = configs.all_targets(config, own)
            values = tuple(_alone(config, own, index) for index in range(len(texts)))
        else:
            axes = redraw.numbers(job, "expression") if config.axes else []
            steps = configs.passes(config, own, strengths, axes)
            made = _edited(model, seen.x, own, steps, mask)
            wanted = configs.target(config, configs.mixed(config, own, axes), strengths)
            asked = [wanted]
            if job.values["targets"] == "back":
                made += _edited(model, made[0], own, configs.returning(config, own, steps), mask)
                texts, asked = ("As set", "And back"), [wanted, own]
            notes += _beyond(config, wanted)
        pictures = tuple(redraw.finished(seen.cut, x, job) for x in made)
        explain = config.sees and job.values["explain"]
        judged = _judged(model, [seen.x, *made], [own, *asked]) if explain else ()
        yield Result(
            pictures,
            texts,
            seconds=time.perf_counter() - start,
            notes=(*seen.cut.notes, *notes),
            fit=seen.cut.fit,
            values=values,
            judged=judged,
        )


def template(config: Config, side: int) -> FaceTemplate:
    """How a face lies in the model's crop of `side` pixels."""
    if config.template == "celeba":
        return faces.celeba(side, 178)
    return redraw.scaled(faces.OWN, side)


def _controls(config: Config) -> tuple[Control, ...]:
    labels, exclusive = config.labels, config.exclusive
    controls: list[Control] = [
        Attributes(
            "attributes",
            "Change",
            labels,
            -FARTHEST,
            FARTHEST,
            exclusive=exclusive,
            trained=(-1.0, 1.0),
            help="0: as the photo is. 1: the label is on, −1: it is off. Beyond, a change is "
            "exaggerated.",
        ),
        *_expressions(config),
        Choice(
            "targets",
            "Targets",
            (
                ("one", "As set"),
                ("all", "Every label"),
                ("back", "And back"),
            ),
            "one",
            help="Every label: one picture for each, hair colours and expressions set, all others "
            "turned over. And back: what comes of the changed face when the model is told the "
            "labels that the photo had, as in training.",
        ),
    ]
    if config.sees:
        controls.append(
            Choice(
                "own",
                "What the photo has",
                (("seen", "As the model sees it"), ("told", "As said below")),
                "seen",
                help="The model is told all labels of the face it shall make, those that stay too.",
            )
        )
        controls.append(
            Toggle(
                "explain",
                "Explain",
                False,
                help="Tells what the net that sees says of the photo and of the result.",
            )
        )
    controls += [
        Attributes(
            "has",
            "The photo has",
            labels,
            0.0,
            1.0,
            default=config.usual,
            exclusive=exclusive,
            help="What is true of the photo already: the model is told all labels of the face it "
            "shall make, those that stay too.",
            still=True,
            when=("own", "told") if config.sees else (),
        ),
    ]
    if config.size is None:
        controls.append(
            Choice(
                "side",
                "Trained at",
                (("128", "128 pixels"), ("256", "256 pixels")),
                "128",
                help="The file does not tell; the official models come in both sizes.",
            )
        )
    return tuple(controls)


def _expressions(config: Config) -> tuple[Control, ...]:
    """Sliders with a neutral face in the middle."""
    if not config.axes:
        return ()
    labels = tuple(f"{low} to {high.lower()}" for low, high in config.axes)
    return (
        Attributes(
            "expression",
            "Expression",
            labels,
            -FARTHEST,
            FARTHEST,
            trained=(-1.0, 1.0),
            help="In the middle: as the photo is. To both sides one expression; several mix.",
        ),
    )


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A face ready for the generator: its cut, x (1, 3, H, W) in [-1, 1], and the labels that the
    model sees in it."""

    cut: faces.Cut
    x: Tensor
    labels: tuple[float, ...] | None


def _look(model: Model, job: Job) -> _Seen:
    """The face of the job, and what the model sees in it."""
    config = model.config
    side = config.size or int(str(job.values["side"]))

    def see(cut: faces.Cut, x: Tensor) -> _Seen:
        labels = tuple(configs.shown(config, model(x)[0].tolist())) if config.sees else None
        return _Seen(cut, x, labels)

    return redraw.look(model, job.images["face"], redraw.points(job), template(config, side), see)


def _own(config: Config, job: Job, seen: _Seen) -> tuple[list[float], tuple[str, ...]]:
    """The labels that the photo has, and what to tell of them."""
    has = redraw.numbers(job, "has")
    if seen.labels is not None and job.values["own"] == "seen":
        shown = [label for label, on in zip(config.labels, seen.labels) if on]
        return list(seen.labels), (f"The model sees: {', '.join(shown).lower() or 'none'}.",)
    untold = not config.sees and has == list(config.usual) and config.labels != RAFD
    return has, (UNSEEN,) if untold else ()


def _judged(
    model: Model, pictures: Sequence[Tensor], asked: Sequence[Sequence[float]]
) -> tuple[Judged, ...]:
    """What both heads of the discriminator say of crops (1, 3, H, W), the photo first."""
    import torch

    from engines import tensors

    labels = model.config.labels
    source, logits = model(torch.cat(list(pictures)), heads=True)
    maps = [[]] * len(pictures) if source is None else source[:, 0].tolist()
    return tuple(
        Judged(
            tensors.to_picture(x),
            tuple(map(tuple, rows)),
            dict(zip(labels, configs.probabilities(model.config, classes))),
            dict(zip(labels, told)),
        )
        for x, rows, classes, told in zip(pictures, maps, logits.tolist(), asked, strict=True)
    )


def _beyond(config: Config, wanted: Sequence[float]) -> tuple[str, ...]:
    far = [label for label, v in zip(config.labels, wanted) if not -1e-6 <= v <= 1 + 1e-6]
    if not far:
        return ()
    return (f"{', '.join(far)}: beyond what the model was trained on.",)


def _edited(
    model: Model,
    x: Tensor,
    own: Sequence[float],
    steps: Sequence[Sequence[float]],
    mask: np.ndarray | None,
) -> list[Tensor]:
    made = x
    for vector in steps:
        made = _pass(model, made, own, [vector], mask)
    return [made]


def _all(model: Model, x: Tensor, own: Sequence[float], mask: np.ndarray | None) -> list[Tensor]:
    """Every target, in one batch."""
    config = model.config
    vectors = [
        configs.told(config, wanted, 0 < config.joint <= index)
        for index, wanted in enumerate(configs.all_targets(config, own))
    ]
    if config.edits:
        vectors = [[v - has for v, has in zip(vector, own)] for vector in vectors]
    made = _pass(model, x, own, vectors, mask)
    return [one[None] for one in made]


def _alone(config: Config, own: Sequence[float], index: int) -> dict[str, Value]:
    """The values of a job that makes the `index`-th of all targets alone; none where the photo has
    a label by half."""
    if own[index] not in (0.0, 1.0):
        return {}
    strengths = [0.0] * len(own)
    strengths[index] = 1.0 if configs.group_of(config, index) or not own[index] else -1.0
    return {"targets": "one", "attributes": strengths}


def _pass(
    model: Model,
    x: Tensor,
    own: Sequence[float],
    vectors: Sequence[Sequence[float]],
    mask: np.ndarray | None,
) -> Tensor:
    """(B, 3, H, W): a picture for each vector. Outside of the mask the generator is told the labels
    that the photo has, or that none changes, and what it makes there is put back."""
    import torch

    label = torch.tensor(vectors, dtype=torch.float32, device=x.device)
    many = x.expand(len(vectors), -1, -1, -1)
    if mask is None:
        return model(many, label)
    painted = torch.from_numpy(mask).to(x.device)[None, None]
    stays = [configs.staying(model.config, own, bool(v[-1])) for v in vectors]
    keep = torch.tensor(stays, dtype=torch.float32, device=x.device)
    planes = label[..., None, None] * painted + keep[..., None, None] * (1 - painted)
    return many * (1 - painted) + model(many, planes) * painted


register(StarGAN())
