"""Zhang et al. 2016, "Colorful Image Colorization": likely colours for a grey photo.

The network says the colours, coarsely; the light of every pixel is the photo's own, kept to the
last bit by arithmetic (paste.py) and not by training.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from engines import images
from engines.controls import ImageInput, ModelCard, SizeRule, Slider, gate
from engines.families.colourise import config as configs
from engines.families.colourise import paste
from engines.families.colourise.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = "Zhang et al. 2016, Colorful Image Colorization"
LIKELY = "The colours are likely ones, not the true ones; light and detail are the photo's own."
MODERATE = 0.7  # the network is surer of its colours than it should be on photos it never saw
LONGEST = 4  # times the trained side: what the long side of a photo may have in the network


class Colourise(Family):
    id, title = "colourise", "Colouriser"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.colourise.net import ColourNet

        return ColourNet(config)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            "Colourise",
            controls=(
                ImageInput("photo", "Photo"),
                gate(),
                Slider(
                    "vivid",
                    "Vividness",
                    0.0,
                    1.0,
                    0.05,
                    0.5,
                    help="Low: the mean of all colours that are likely, which is pale. High: the "
                    "likeliest one alone, which is strong and may be patchy.",
                ),
                Slider(
                    "saturation",
                    "Saturation",
                    0.0,
                    2.0,
                    0.05,
                    MODERATE,
                    help="Multiplies the colours; light stays as it is. At 1 they are as strong as "
                    "the network paints them; a little less is nearer to the photos.",
                ),
            ),
            size=SizeRule(native=(config.native, config.native)),
            rooms=("translate",),
            network=f"U-Net, {len(config.widths)} levels, {config.bins} colours",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        given, alpha = images.split_alpha(job.images["photo"])
        grey = images.to_grey(given).pixels
        vivid = float(job.values["vivid"])  # pyright: ignore[reportArgumentType]
        chroma = _chroma(model, grey, 0.38 ** (2 * vivid))
        chroma = chroma * float(job.values["saturation"])  # pyright: ignore[reportArgumentType]
        made = images.with_alpha(Picture(paste.coloured(grey, chroma)), alpha)
        yield Result((made,), seconds=time.perf_counter() - start, notes=(LIKELY,))


def _chroma(model: Model, grey: np.ndarray, temperature: float) -> np.ndarray:
    """(H, W, 2) float32: the chroma of every pixel of `grey` (H, W) uint8.

    The network sees the picture at the size that it was trained at and speaks of every second
    pixel; its chroma is enlarged linearly, as that of a JPEG is. (Guiding it by the luminance, He
    and Sun 2015, made the error larger, not smaller, for true chroma of real photos.)
    """
    from torch.nn import functional

    from engines import tensors
    from engines.families.colourise.net import mean_chroma

    height, width = grey.shape
    scale = model.config.native / min(height, width)
    longest = LONGEST * model.config.native
    size = tuple(min(longest, max(1, round(side * scale))) for side in (width, height))
    seen = Picture(images.resize(grey, (size[0], size[1])))
    multiple = model.config.multiple_of
    x, crop = tensors.pad_to_multiple(
        tensors.to_tensor(seen, 1, model.device), multiple, 2 * multiple
    )
    bins = model.module.get_buffer("bins").float()
    half = mean_chroma(model(x), bins, temperature)
    full = crop(functional.interpolate(half, scale_factor=2.0, mode="bilinear"))
    planes = full[0].permute(1, 2, 0).cpu().numpy()
    return cv2.resize(planes, (width, height), interpolation=cv2.INTER_LINEAR)


register(Colourise())
