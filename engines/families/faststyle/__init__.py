"""Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution": one
net for one style, one pass for a photo."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engines import images
from engines.controls import ImageInput, ModelCard, SizeRule
from engines.families.faststyle import config as configs
from engines.families.faststyle.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Johnson et al. 2016, Perceptual Losses for Real-Time Style Transfer and Super-Resolution; "
    "Ulyanov et al. 2016, Instance Normalization: The Missing Ingredient for Fast Stylization"
)
STEP = 4  # pixels: sides are multiples of it


class FastStyle(Family):
    id, title = "fast_style", "Fast style"
    trainer = "train:FastStyleTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.faststyle import net

        return net.build(config)

    def to_dict(self, config: Config) -> dict[str, Any]:
        return configs.to_dict(config)

    def from_dict(self, body: Mapping[str, Any]) -> Config:
        return configs.from_dict(body)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            f"Paint like {config.style}" if config.style else "Fast style",
            controls=(ImageInput("photo", "Photo"),),
            size=SizeRule(16, STEP),
            rooms=("style",),
            network=config.title,
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        from engines import tensors

        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        x = tensors.to_tensor(given, 3, model.device, low=0, high=255)
        padded, crop = tensors.pad_to_multiple(x, STEP, 16)
        made = tensors.to_picture(crop(model(padded)), 0, 255)
        yield Result((images.with_alpha(made, alpha),), seconds=time.perf_counter() - start)


register(FastStyle())
