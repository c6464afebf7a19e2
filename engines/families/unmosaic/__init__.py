"""Isola et al. 2017 and Wang et al. 2018, put to a use: a marked region that is in mosaic is
restored, and nothing else is touched.

What was within a square is gone; the detail is invented, and the result says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engines import images
from engines.controls import ImageInput, ModelCard, SizeRule
from engines.families.unmosaic import config as configs
from engines.families.unmosaic.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks; Wang et "
    "al. 2018, High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
)


class Unmosaic(Family):
    id, title = "unmosaic", "Mosaic remover"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.unmosaic.net import MosaicNet

        return MosaicNet(config)

    def from_dict(self, body: dict[str, Any]) -> Config:
        return Config(tuple(body["widths"]), body["blocks"], tuple(body["sides"]))

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            "Remove a mosaic",
            controls=(ImageInput("photo", "Photo"), ImageInput("mask", "Region in mosaic")),
            size=SizeRule(multiple_of=config.multiple_of),
            rooms=("translate",),
            network=f"U-Net, {len(config.widths)} levels",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        import torch

        from engines import tensors

        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        mask = images.resize(images.to_grey(job.images["mask"]).pixels, given.size)
        region = torch.tensor(mask > 127, dtype=torch.float32)[None, None]
        x = tensors.to_tensor(given, 3, model.device)
        rule = model.config.multiple_of, 2 * model.config.multiple_of
        (x, crop), (region, _) = (tensors.pad_to_multiple(t, *rule) for t in (x, region))
        region = region.to(x)
        made = tensors.to_picture(crop(x + model(x, region) * region))
        made = images.with_alpha(made, alpha)
        yield Result((made,), seconds=time.perf_counter() - start)


register(Unmosaic())
