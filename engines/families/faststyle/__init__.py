"""Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution": one
net for one style, one pass for a photo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engines import images, styling
from engines.controls import Choice, ImageInput, ModelCard, SizeRule, Slider, gate
from engines.families.faststyle import config as configs
from engines.families.faststyle.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Johnson et al. 2016, Perceptual Losses for Real-Time Style Transfer and Super-Resolution; "
    "Ulyanov et al. 2016, Instance Normalization: The Missing Ingredient for Fast Stylization"
)
STEP, LEAST = 4, 32  # pixels: sides are multiples of the one, and the other or more


class FastStyle(Family):
    id, title = "fast_style", "Fast style"
    trainer = "train:FastStyleTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.faststyle import net

        return net.build(config)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            f"Paint like {config.style}" if config.style else self.title,
            controls=(
                ImageInput("photo", "Photo"),
                gate(),
                Slider("strength", "Style strength", 0, 1, 0.01, 1.0,
                       help="Blends the painted picture with the photo."),
                Choice("colours", "Colours", (("style", "From the style"),
                                              ("luminance", "Keep those of the photo")), "style"),
                Slider("scale", "Style scale", 0.5, 2, 0.05, 1.0,
                       help="Size of the brush strokes; above 1 the result is softer."),
                styling.LONGEST,
                styling.TILES,
            ),
            size=SizeRule(LEAST, STEP),
            rooms=("style",),
            network=config.title,
            paper=PAPER,
        )  # fmt: skip

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        """A Progress after each tile where there are tiles."""
        from engines import tensors, tiled

        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        given = images.flatten(given)
        size = styling.final_size(job.size or given.size, round(styling.number(job, "longest")))
        photo = styling.sized(given, size)
        scale = styling.number(job, "scale")
        inner = (max(1, round(size[0] / scale)), max(1, round(size[1] / scale)))
        x = tensors.to_tensor(styling.sized(given, inner), 3, model.device, low=0, high=255)
        padded, crop = tensors.pad_to_multiple(x, STEP, LEAST)
        asked, margin = str(job.values["tiles"]), model.module.reach()  # pyright: ignore[reportCallIssue]
        y, in_tiles = yield from tiled.through(
            model, padded, (), asked, margin, STEP, styling.TILED
        )
        made = _finished(tensors.to_picture(crop(y), 0, 255), photo, job)
        yield Result(
            (images.with_alpha(made, alpha),),
            seconds=time.perf_counter() - start,
            notes=(styling.IN_TILES,) if in_tiles else (),
        )


def _finished(made: Picture, photo: Picture, job: Job) -> Picture:
    """`made` at the size of `photo`, with its colours and as much of it as the job asks for."""
    made = styling.sized(made, photo.size)
    if job.values["colours"] == "luminance":
        made = styling.with_colours_of(made, photo)
    return styling.blended(photo, made, styling.number(job, "strength"))


register(FastStyle())
