"""The network of Huang & Belongie 2017, with exchanged moments at several levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbonenet import Backbone
from engines.families.anystyle.config import Config
from engines.perceptual import adain, maps, moments


class Decoder(nn.ModuleList):
    """Maps of the levels, coarsest first -> RGB (B, 3, H, W) around [0, 1]."""

    def __init__(self, config: Config) -> None:
        stages: list[nn.Module] = []
        last = 0
        for number, widths in enumerate(config.stages):
            into = last + config.skips[number] * config.widths[-1 - number]
            convolutions: list[nn.Module] = []
            for width in widths:
                convolutions.append(nn.Conv2d(into, width, 3, padding=1, padding_mode="reflect"))
                into = width
            stages.append(nn.ModuleList(convolutions))
            last = into
        super().__init__(stages)
        self.skips = config.skips

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        given = iter(levels)
        x = next(given)
        for number, stage in enumerate(self):
            if number:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            if number and self.skips[number]:
                x = torch.cat((x, next(given)), 1)
            for place, convolution in enumerate(stage):  # pyright: ignore[reportArgumentType]
                x = convolution(x)
                if (number, place) != (len(self) - 1, len(stage) - 1):  # pyright: ignore[reportArgumentType]
                    x = F.relu(x)
        return x


class AnyStyle(nn.Module):
    """A call takes RGB (B, 3, H, W) in [0, 1], H and W multiples of 8 from 16 on.

    Without `look` it gives the look of the pictures, (B, 2 x channels of all levels): means, then
    deviations. With a look it gives the pictures painted, unclamped; looks may be mixed as vectors.
    amount  0: as the photo is, 1: all of the style
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Backbone(config.encoder), Decoder(config)

    def forward(self, x: Tensor, look: Tensor | None = None, amount: float = 1.0) -> Tensor:
        found = list(maps(self.encoder, x, self.config.levels).values())
        if look is None:
            return look_of(found)
        return self.decoder(dressed(found, look, self.config.channels, amount))


def look_of(levels: Sequence[Tensor]) -> Tensor:
    """(B, 2 x channels of all levels): means of every level, then deviations."""
    pairs = [moments(level) for level in levels]
    return torch.cat([p[side].flatten(1) for side in (0, 1) for p in pairs], 1)


def dressed(
    levels: Sequence[Tensor], look: Tensor, channels: Sequence[int], amount: float = 1.0
) -> list[Tensor]:
    """The maps of a photo with another look, or part of the way there."""
    means, deviations = (side.split(list(channels), 1) for side in look.float().chunk(2, 1))
    made: list[Tensor] = []
    for x, mean, deviation in zip(levels, means, deviations, strict=True):
        other = adain(x, mean[..., None, None], deviation[..., None, None])
        made.append(torch.lerp(x, other, amount))
    return made
