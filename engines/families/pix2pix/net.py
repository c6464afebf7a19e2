"""The official pix2pix and CycleGAN generators, key for key: U-Net and ResNet (Isola et al. 2017, Zhu et al. 2017).

Pictures are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.families.pix2pix.config import ResNetConfig, UNetConfig
from engines.layers import Norm, SeededDropout, norm_layer


class SkipBlock(nn.Module):
    """One level of the U-Net: down, all deeper levels, up; the input is concatenated (not at the outermost).

    With `skip` off zeros take the input's place, which shows what the link carries.
    """

    def __init__(self, layers: list[nn.Module], outermost: bool) -> None:
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
        width, depth = config.width, config.depth
        widths = [width * min(2**level, 8) for level in range(depth)]
        bias = config.norm != "batch"
        block: SkipBlock | None = None
        for level in reversed(range(depth)):
            inner = widths[level]
            outer = widths[level - 1] if level else config.inputs
            block = _level(level, depth, outer, inner, config, block, bias)
        assert block is not None
        self.model = block

    def levels(self) -> list[SkipBlock]:
        """The skip blocks from the outermost in."""
        return [m for m in self.modules() if isinstance(m, SkipBlock)]

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def _level(level: int, depth: int, outer: int, inner: int, config: UNetConfig, deeper: SkipBlock | None,
           bias: bool) -> SkipBlock:  # fmt: skip
    # not in place: the activation must not touch what the skip link passes on
    down = nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)
    if level == 0:
        up = nn.ConvTranspose2d(inner * 2, config.outputs, 4, 2, 1)
        return SkipBlock([down, *_some(deeper), nn.ReLU(), up, nn.Tanh()], True)
    if deeper is None:
        up = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias)
        return SkipBlock(
            [nn.LeakyReLU(0.2), down, nn.ReLU(), up, norm_layer(config.norm, outer)], False
        )
    up = nn.ConvTranspose2d(inner * 2, outer, 4, 2, 1, bias=bias)
    layers = [nn.LeakyReLU(0.2), down, norm_layer(config.norm, inner), deeper, nn.ReLU(), up,
              norm_layer(config.norm, outer)]  # fmt: skip
    if config.dropout and depth - 5 > 0 and 4 <= level < depth - 1:
        layers.append(SeededDropout())
    return SkipBlock(layers, False)


def _some(block: SkipBlock | None) -> list[nn.Module]:
    return [] if block is None else [block]


class ResNetBlock(nn.Module):
    def __init__(self, channels: int, norm: Norm, dropout: bool, bias: bool) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            return [
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3, bias=bias),
                norm_layer(norm, channels),
            ]

        noise = [SeededDropout()] if dropout else []
        self.conv_block = nn.Sequential(*half(), nn.ReLU(True), *noise, *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """forward(picture) -> picture; H and W are multiples of 4 (Johnson et al. 2016)."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        bias = norm != "batch"
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(config.inputs, width, 7, bias=bias),
                                   norm_layer(norm, width), nn.ReLU(True)]  # fmt: skip
        for _ in range(2):
            layers += [
                nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias),
                norm_layer(norm, 2 * width),
                nn.ReLU(True),
            ]
            width *= 2
        layers += [ResNetBlock(width, norm, config.dropout, bias) for _ in range(config.blocks)]
        for _ in range(2):
            up = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=bias)
            layers += [up, norm_layer(norm, width // 2), nn.ReLU(True)]
            width //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, config.outputs, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
