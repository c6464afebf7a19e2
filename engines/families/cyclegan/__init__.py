"""Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks": photos into another domain and back, learned without pairs.

Carries the official generators of both directions from one folder, their compressed kin
(GAN-Compression), small nets of tutorials, and ours. A single ResNet generator opens as pix2pix's.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines import images
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Toggle
from engines.families.cyclegan import config as configs
from engines.families.cyclegan.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Progress, Result

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
    "Networks"
)
TILED = (
    "The picture was translated in tiles without seams; the balance of its colours, which comes "
    "from windows of it, may differ a little from that of one pass."
)


class CycleGAN(Family):
    id, title = "cyclegan", "Photo translation"
    trainer = "cyclegan.train:CycleGANTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.cyclegan import net

        return net.CycleGAN(config)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def to_dict(self, config: Config) -> dict[str, Any]:
        return configs.to_dict(config)

    def from_dict(self, body: dict[str, Any]) -> Config:
        return configs.from_dict(body)

    def card(self, config: Config) -> ModelCard:
        a, b = config.names
        both = " and back" if config.ba else ""
        return ModelCard(
            self.id,
            f"{a} to {b}{both}",
            controls=_controls(config),
            size=SizeRule(config.minimum, config.multiple_of, native=(256, 256)),
            rooms=("translate",),
            network=f"CycleGAN, {configs.title(config.ab)}{both}",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        backward = job.values.get("direction") == "BtoA"
        way, back = ("ba", "ab") if backward else ("ab", "ba")
        made = yield from _translated(model, job, given, way)
        pictures = [images.with_alpha(made.picture, alpha)]
        texts: tuple[str, ...] = ()
        found: Picture | None = None
        if job.values.get("round") and model.config.ba:
            from engines.families.cyclegan import measure

            found = (yield from _translated(model, job, made.picture, back)).picture
            shown = measure.error_map(measure.difference(given, found))
            pictures += [images.with_alpha(found, alpha), shown]
            texts = ("Translated", "And back", "Error")
        judge = "judge_a" if backward else "judge_b"
        notes = (*made.notes, *_consistency(model, given, made.picture, found, judge))
        yield Result(tuple(pictures), texts, seconds=time.perf_counter() - start, notes=notes)


def _controls(config: Config) -> tuple[Control, ...]:
    a, b = config.names
    controls: list[Control] = [ImageInput("photo", "Photo")]
    if config.ba:
        controls += [
            Choice(
                "direction",
                "Direction",
                (("AtoB", f"{a} → {b}"), ("BtoA", f"{b} → {a}")),
                "AtoB",
            ),
            Toggle(
                "round",
                "There and back",
                False,
                help="Translates the result back and shows where it differs from the photo.",
            ),
        ]
    controls.append(
        Choice(
            "tiles",
            "Tiles",
            (
                ("auto", "Where memory is short"),
                ("off", "Never"),
                ("256", "256 pixels"),
                ("512", "512 pixels"),
                ("1024", "1024 pixels"),
            ),
            "auto",
            help="Large photos are translated piece by piece; the pieces meet without seams.",
        )
    )
    return tuple(controls)


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Made:
    picture: Picture
    notes: tuple[str, ...] = ()


def _translated(model: Model, job: Job, given: Picture, part: str) -> Generator[Event, None, _Made]:
    """One direction, at the size of `given`: whole, or in tiles with a Progress for each."""
    import torch

    from engines import tensors, tiled

    rule = model.config.multiple_of, model.config.minimum
    x, crop = tensors.pad_to_multiple(tensors.to_tensor(given, 3, model.device), *rule)
    side, count = tiled.plan(model, x, (part,), str(job.values["tiles"]))
    if not side:
        return _Made(tensors.to_picture(crop(model(x, part))))

    net = model.module.get_submodule(part)
    with tiled.measuring(net) as kept:
        model(tiled.windows(x, count), part)

    def run(window: Tensor) -> Tensor:  # between two tiles the net may serve another job
        with tiled.normalising(net, kept):
            return model(window, part)

    reach, multiple = tiled.reach(net), model.config.multiple_of
    total = len(tiled.grid(x.shape[-2], side, multiple))
    total *= len(tiled.grid(x.shape[-1], side, multiple))
    made = torch.empty((1, 3, *x.shape[-2:]))
    for done in tiled.tiles(x, run, made, side, reach, multiple):
        yield Progress(done, total, "Translating in tiles")
    return _Made(tensors.to_picture(crop(made)), (TILED,))


def _consistency(
    model: Model, given: Picture, made: Picture, back: Picture | None, judge: str
) -> tuple[str, ...]:
    """Two sentences with the two halves of a complete translation: is it still the same thing, and
    does it look like the other side."""
    from engines.families.cyclegan import measure

    said = f"structure error {measure.structure_error(given, made):.3f}"
    if back is not None:
        said += f", cycle error {measure.difference(given, back).mean():.3f}"
    content = f"Content consistency: {said} (0: nothing was lost)."
    if getattr(model.config, judge) is None:
        return (content, "Domain consistency: not measured; the model has no discriminator.")
    before, after = (_score(model, picture, judge) for picture in (given, made))
    return (
        content,
        f"Domain consistency: the discriminator gives the result {after:.2f}, the input "
        f"{before:.2f} (1: like the pictures it was trained on).",
    )


def _score(model: Model, picture: Picture, judge: str) -> float:
    """Mean score of a picture of at most 512 pixels a side; larger ones are made smaller."""
    from engines import tensors

    scale = min(1.0, 512 / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = Picture(images.resize(images.flatten(picture).pixels, size))
    x, _ = tensors.pad_to_multiple(tensors.to_tensor(small, 3, model.device), 4, 64)
    return float(model(x, judge).mean())


register(CycleGAN())
