"""Huang & Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization": any picture as style, one pass for a photo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engines import images
from engines.controls import ImageInput, ModelCard, SizeRule, Slider
from engines.families.anystyle import config as configs
from engines.families.anystyle.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Huang & Belongie 2017, Arbitrary Style Transfer in Real-time with Adaptive Instance "
    "Normalization"
)


class AnyStyle(Family):
    id, title = "any_style", "Any style"
    trainer = "train:AnyStyleTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.anystyle import net

        return net.AnyStyle(config)

    def to_dict(self, config: Config) -> dict[str, Any]:
        return configs.to_dict(config)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("photo", "Photo"),
                ImageInput("style", "Style"),
                Slider("strength", "Style strength", 0, 1, 0.01, 1.0),
            ),
            size=SizeRule(2 * config.multiple_of, config.multiple_of),
            rooms=("style",),
            network=config.title,
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        from engines import tensors

        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        step = model.config.multiple_of
        x, crop = tensors.pad_to_multiple(
            tensors.to_tensor(given, 3, model.device, low=0), step, 2 * step
        )
        style, _ = tensors.pad_to_multiple(
            tensors.to_tensor(job.images["style"], 3, model.device, low=0), step, 2 * step
        )
        made = model(x, model(style), float(str(job.values["strength"])))
        picture = tensors.to_picture(crop(made), low=0)
        yield Result((images.with_alpha(picture, alpha),), seconds=time.perf_counter() - start)


register(AnyStyle())
