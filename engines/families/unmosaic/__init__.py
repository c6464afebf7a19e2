"""Isola et al. 2017 and Wang et al. 2018, put to a use: a marked region that is in mosaic is
restored, and nothing else is touched.

What was within a square is gone; the detail is invented, and the result says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from engines import images
from engines.controls import ImageInput, ModelCard, SizeRule, Slider
from engines.families.unmosaic import config as configs
from engines.families.unmosaic.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks; Wang et "
    "al. 2018, High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
)

INVENTED = "Invented detail: what was within a square is gone, and this is a guess."
MARGIN = 48  # pixels around the region that the network sees


class Unmosaic(Family):
    id, title = "unmosaic", "Mosaic remover"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.unmosaic.net import MosaicNet

        return MosaicNet(config)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            "Remove a mosaic",
            controls=(
                ImageInput("photo", "Photo"),
                ImageInput("mask", "Region in mosaic"),
                Slider(
                    "invented",
                    "Invented detail",
                    0.0,
                    1.0,
                    0.05,
                    0.5,
                    help="What was within a square is gone. 0: its known colours, smoothed. 1: all "
                    "that the network invents. Never take it for what was there.",
                ),
            ),
            size=SizeRule(multiple_of=config.multiple_of),
            rooms=("translate",),
            live=False,
            network=f"U-Net, {len(config.widths)} levels",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        from engines.families.unmosaic import squares

        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        pixels = images.flatten(given).pixels
        region = marked(job.images["mask"], given.size)
        grid = squares.grid(pixels, region)
        side = grid.side if grid else 0
        box = squares.around(region, MARGIN + 2 * side)
        seen, marks = pixels[box.part], region[box.part]
        part = _restored(model, seen, marks, side)
        notes = [INVENTED]
        grid = squares.grid(seen, marks)
        if grid is None:
            notes.append("No grid of squares was found in the region; is it in mosaic?")
        else:
            share = float(job.values["invented"])  # pyright: ignore[reportArgumentType]
            part = cv2.addWeighted(part, share, squares.smooth(seen, grid), 1 - share, 0)
        made = pixels.copy()
        made[box.part] = squares.put_back(seen, part, marks)
        picture = images.with_alpha(Picture(made), alpha)
        yield Result((picture,), seconds=time.perf_counter() - start, notes=tuple(notes))


def marked(mask: Picture, size: tuple[int, int]) -> np.ndarray:
    """The region (H, W) bool that a mask means: where it is white; or, of strokes on a transparent
    sheet, where they are. Raises ImageError."""
    is_sheet = mask.channels == 4 and bool((mask.pixels[..., 3] < 255).any())
    strength = mask.pixels[..., 3] if is_sheet else images.to_grey(mask).pixels
    region = images.resize(strength, size, smooth=False) > 127
    if not region.any():
        raise images.ImageError(
            "Mark the region that is in mosaic first: white in the mask, or strokes on a "
            "transparent sheet."
        )
    return region


def _restored(model: Model, pixels: np.ndarray, region: np.ndarray, side: int | None) -> np.ndarray:
    """The network's picture (H, W, 3) uint8 of `pixels`. Squares of a side larger than it has seen
    are made smaller first; 0: unknown."""
    import torch

    from engines import tensors

    size = (pixels.shape[1], pixels.shape[0])
    largest = model.config.sides[1]
    share = 0.75 * largest / side if side > largest else 1.0
    small = (max(1, round(size[0] * share)), max(1, round(size[1] * share)))
    x = tensors.to_tensor(Picture(images.resize(pixels, small)), 3, model.device)
    marks = images.resize(region.astype(np.uint8), small, smooth=False)
    mask = torch.tensor(marks, dtype=torch.float32, device=model.device)[None, None]
    rule = model.config.multiple_of, 2 * model.config.multiple_of
    (x, crop), (mask, _) = (tensors.pad_to_multiple(t, *rule) for t in (x, mask))
    made = tensors.to_picture(crop(x + model(x, mask) * mask))
    return images.resize(made.pixels, size)


register(Unmosaic())
