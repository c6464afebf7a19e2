"""The networks for any style. All are called alike:

    net(x)                 the look of pictures (B, 3, H, W) in [0, 1], as one vector each (B, n);
                           vectors of several pictures may be mixed
    net(x, look, amount)   pictures painted in that look, (B, 3, H, W) around [0, 1];
                           amount 0: as the photo is, 1: all of the style

H and W are multiples of the configuration's `multiple_of`. This module holds AdaIN; the others lie
beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbonenet import Backbone
from engines.families.anystyle.config import Config
from engines.layers import Moments

Pair = tuple[Tensor, Tensor]  # (mean, deviation) of each channel, (B, C, 1, 1)


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
        self.last = (len(config.stages) - 1, len(config.stages[-1]) - 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        given = iter(levels)
        x = next(given)
        for number, stage in enumerate(self):
            if number:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                x = torch.cat((x, next(given)), 1) if self.skips[number] else x
            for place, convolution in enumerate(stage.children()):
                x = convolution(x)
                x = x if (number, place) == self.last else F.relu(x)
        return x


class AdaIN(nn.Module):
    """Huang & Belongie 2017, with moments exchanged at several levels. Pictures get a mirrored
    border, lest the zeros around an encoder's maps become a frame."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Backbone(config.encoder), Decoder(config)
        self.own = nn.ModuleList(Moments() for _ in config.levels)

    def forward(self, x: Tensor, look: Tensor | None = None, amount: float = 1.0) -> Tensor:
        border = 3 * self.config.multiple_of
        x = F.pad(x, (border,) * 4, mode="reflect")
        found = self.encoder(self.encoder.enter(x), self.config.levels)
        levels = list(found.values())
        own = [moments(level) for moments, level in zip(self.own, levels, strict=True)]
        if look is None:
            return look_of(own)
        made = self.decoder(dressed(levels, own, look, self.config.channels, amount))
        return made[..., border:-border, border:-border]

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see."""
        there = sum(depth * 2**n for n, depth in enumerate(self.config.depths))
        back = sum(len(one) * 2**n for n, one in enumerate(reversed(self.config.stages)))
        return there + back + 2 ** len(self.config.depths)


def look_of(own: Sequence[Pair]) -> Tensor:
    """(B, 2 x channels of all levels): means of every level, then deviations."""
    return torch.cat([pair[side].flatten(1) for side in (0, 1) for pair in own], 1)


def dressed(
    levels: Sequence[Tensor],
    own: Sequence[Pair],
    look: Tensor,
    channels: Sequence[int],
    amount: float = 1.0,
) -> list[Tensor]:
    """The maps of a photo, whose moments are `own`, with another look, or part of the way there."""
    means, deviations = (side.split(list(channels), 1) for side in look.float().chunk(2, 1))
    made: list[Tensor] = []
    for x, mine, mean, deviation in zip(levels, own, means, deviations, strict=True):
        other = exchanged(x, mine, (mean[..., None, None], deviation[..., None, None]))
        made.append(torch.lerp(x, other, amount))
    return made


def exchanged(x: Tensor, own: Pair, other: Pair) -> Tensor:
    """`x` (B, C, h, w), whose moments are `own`, with other ones (eq. 8)."""
    return ((x - own[0]) / own[1] * other[1] + other[0]).to(x.dtype)
