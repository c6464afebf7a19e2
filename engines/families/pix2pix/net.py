"""The official U-Net of pix2pix, key for key (Isola et al. 2017).

Pictures are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.families.pix2pix.config import UNetConfig
from engines.layers import SeededDropout, has_bias, norm_layer


class SkipBlock(nn.Module):
    """One level of the U-Net: down, all deeper levels, up; the input is concatenated (not at the
    outermost).

    With `skip` off zeros take the input's place, which shows what the link carries.
    """

    def __init__(self, layers: list[nn.Module], outermost: bool = False) -> None:
        super().__init__()
        self.outermost = outermost
        self.skip = True
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        deeper = self.model(x)
        if self.outermost:
            return deeper
        return torch.cat((x if self.skip else torch.zeros_like(x), deeper), 1)


class UNet(nn.Module):
    """forward(picture) -> picture; H and W are multiples of 2 ** depth."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        block = _innermost(config)
        for level in reversed(range(1, config.depth - 1)):
            block = _middle(config, level, block)
        self.model = _outermost(config, block)

    def levels(self) -> list[SkipBlock]:
        """The blocks from the outermost in; `levels()[1].skip = False` cuts the finest link."""
        return [m for m in self.modules() if isinstance(m, SkipBlock)]

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def _innermost(config: UNetConfig) -> SkipBlock:
    """Not normalised on its way down: at the coarsest level one pixel may be all there is."""
    width, above = config.widths[-1], config.widths[-2]
    bias = has_bias(config.norm)
    down = nn.Conv2d(above, width, 4, 2, 1, bias=bias)
    up = nn.ConvTranspose2d(width, above, 4, 2, 1, bias=bias)
    return SkipBlock([nn.LeakyReLU(0.2), down, nn.ReLU(), up, norm_layer(config.norm, above)])


def _middle(config: UNetConfig, level: int, deeper: SkipBlock) -> SkipBlock:
    width, above = config.widths[level], config.widths[level - 1]
    bias = has_bias(config.norm)
    # not in place: the activation must not touch what the skip link passes on
    layers = [
        nn.LeakyReLU(0.2),
        nn.Conv2d(above, width, 4, 2, 1, bias=bias),
        norm_layer(config.norm, width),
        deeper,
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, above, 4, 2, 1, bias=bias),
        norm_layer(config.norm, above),
    ]
    if config.noisy and level >= 4:
        layers.append(SeededDropout())
    return SkipBlock(layers)


def _outermost(config: UNetConfig, deeper: SkipBlock) -> SkipBlock:
    width = config.width
    down = nn.Conv2d(config.inputs, width, 4, 2, 1, bias=has_bias(config.norm))
    up = nn.ConvTranspose2d(2 * width, config.outputs, 4, 2, 1)
    return SkipBlock([down, deeper, nn.ReLU(), up, nn.Tanh()], outermost=True)
