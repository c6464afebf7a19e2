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

from engines import images, patchgan
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Toggle, gate
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
NEEDS = (
    "; open the photo translation (CycleGAN) that it was trained with first and then this, its "
    "name saying which side it judges (latest_net_D_A.pth) where there are two"
)
VIEWS = ("And back", "Error")  # of a round trip, beside the translation


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

    def beside(self, judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
        return configs.beside(judge, model)

    def needs(self, judge: Checkpoint) -> str:
        found = patchgan.recognise(judge.shapes())
        return NEEDS if found and found.inputs == 3 else ""

    def to_dict(self, config: Config) -> dict[str, Any]:
        return configs.to_dict(config)

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
        beside: dict[str, Picture] = {}
        found: Picture | None = None
        if job.values.get("round") and model.config.ba:
            from engines import measure

            found = (yield from _translated(model, job, made.picture, back)).picture
            shown = measure.error_map(measure.difference(given, found))
            beside = dict(zip(VIEWS, (images.with_alpha(found, alpha), shown)))
        judge = "judge_a" if backward else "judge_b"
        numbers = _consistency(model, given, made.picture, found, judge)
        seconds = time.perf_counter() - start
        picture = images.with_alpha(made.picture, alpha)
        yield Result((picture,), (), seconds, made.notes, numbers=numbers, beside=beside)


def _controls(config: Config) -> tuple[Control, ...]:
    a, b = config.names
    controls: list[Control] = [ImageInput("photo", "Photo"), gate()]
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
) -> dict[str, float]:
    """The two halves of a complete translation: is it still the same thing ("structure error" and
    "cycle error", 0 where nothing was lost), and does it look like the other side ("likeness" by
    the discriminator, of the result and before it of the input; 1: like what it was trained on)."""
    from engines import measure

    numbers = {"structure error": measure.structure_error(given, made)}
    if back is not None:
        numbers["cycle error"] = float(measure.difference(given, back).mean())
    if getattr(model.config, judge) is not None:
        numbers["likeness before"] = _score(model, given, judge)
        numbers["likeness"] = _score(model, made, judge)
    return numbers


def _score(model: Model, picture: Picture, judge: str) -> float:
    """Mean score of a picture of at most 512 pixels a side; larger ones are made smaller."""
    from engines import tensors

    scale = min(1.0, 512 / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = Picture(images.resize(images.flatten(picture).pixels, size))
    x, _ = tensors.pad_to_multiple(tensors.to_tensor(small, 3, model.device), 4, 64)
    return float(model(x, judge).mean())


register(CycleGAN())
