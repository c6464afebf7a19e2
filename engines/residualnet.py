"""The ResNet generator of Johnson et al. 2016, key for key as CycleGAN and pix2pixHD save it.

Pictures are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn

from engines.layers import Norm, ReflectionPad2d, SeededDropout, has_bias, norm_layer
from engines.residual import ResNetConfig


class ResNetBlock(nn.Module):
    def __init__(self, channels: int, norm: Norm, dropout: bool, bias: bool) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            return [
                ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3, bias=bias),
                norm_layer(norm, channels),
            ]

        noise = [SeededDropout()] if dropout else []
        self.conv_block = nn.Sequential(*half(), nn.ReLU(True), *noise, *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def stem(inputs: int, width: int, norm: Norm, bias: bool) -> list[nn.Module]:
    """A 7x7 convolution to `width` channels at full size."""
    return [
        ReflectionPad2d(3),
        nn.Conv2d(inputs, width, 7, bias=bias),
        norm_layer(norm, width),
        nn.ReLU(True),
    ]


def halving(width: int, norm: Norm, bias: bool) -> list[nn.Module]:
    """Half the size, 2 x `width` channels."""
    down = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias)
    return [down, norm_layer(norm, 2 * width), nn.ReLU(True)]


def doubling(width: int, norm: Norm, bias: bool) -> list[nn.Module]:
    """Twice the size, from 2 x `width` channels to `width`."""
    up = nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1, bias=bias)
    return [up, norm_layer(norm, width), nn.ReLU(True)]


def head(width: int, outputs: int) -> list[nn.Module]:
    """A 7x7 convolution to a picture in [-1, 1]."""
    return [ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]


class ResNet(nn.Module):
    """forward(picture) -> picture; H and W are multiples of config.multiple_of. With `outputs` 0 it
    ends with `width` channels of features instead."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        norm, bias = config.norm, config.bias or has_bias(config.norm)
        widths = [config.width * 2**level for level in range(config.downs)]
        parts = stem(config.inputs, config.width, norm, bias)
        for width in widths:
            parts += halving(width, norm, bias)
        parts += [
            ResNetBlock(config.widest, norm, config.dropout, bias) for _ in range(config.blocks)
        ]
        for width in reversed(widths):
            parts += doubling(width, norm, bias)
        if config.outputs:
            parts += head(config.width, config.outputs)
        self.model = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
