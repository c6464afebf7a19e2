"""The networks of a CycleGAN model (Zhu et al. 2017), key for key as their files.

Pictures are (B, 3, H, W) in [-1, 1]; H and W are multiples of 4.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from engines.families.cyclegan.config import (
    Config,
    JudgeConfig,
    MobileConfig,
    Net,
    PlainConfig,
)
from engines.layers import PatchDiscriminator, ReflectionPad2d, norm_layer
from engines.residual import ResNetConfig
from engines.residualnet import ResNet, head, stem

Part = Literal["ab", "ba", "judge_a", "judge_b"]


class _Separable(nn.Module):
    """A depthwise 3x3 convolution without padding, then a pointwise one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(before, before, 3, groups=before),
            norm_layer("instance", before),
            nn.Conv2d(before, after, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _MobileBlock(nn.Module):
    """Place 4 was a dropout layer, which is idle in use."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            ReflectionPad2d(1),
            _Separable(channels, inner),
            norm_layer("instance", inner),
            nn.ReLU(True),
            nn.Identity(),
            ReflectionPad2d(1),
            _Separable(inner, channels),
            norm_layer("instance", channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def _down(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, 2, 1),
        norm_layer("instance", after),
        nn.ReLU(True),
    ]


def _up(before: int, after: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1),
        norm_layer("instance", after),
        nn.ReLU(True),
    ]


class MobileResNet(nn.Module):
    def __init__(self, config: MobileConfig) -> None:
        super().__init__()
        a, b, c = config.downs
        up, full = config.ups
        self.model = nn.Sequential(
            *stem(config.inputs, a, "instance", True),
            *_down(a, b),
            *_down(b, c),
            *(_MobileBlock(c, inner) for inner in config.inner),
            *_up(c, up),
            *_up(up, full),
            *head(full, config.outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PlainNet(nn.Module):
    """Borders are filled with zeros."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        w = config.width
        convolutions: list[tuple[nn.Module, int]] = [
            (nn.Conv2d(config.inputs, w, 7, 1, 3), w),
            (nn.Conv2d(w, 2 * w, 3, 2, 1), 2 * w),
            (nn.Conv2d(2 * w, 4 * w, 3, 2, 1), 4 * w),
            (nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, output_padding=1), 2 * w),
            (nn.ConvTranspose2d(2 * w, w, 3, 2, 1, output_padding=1), w),
        ]
        parts: list[nn.Module] = []
        for convolution, width in convolutions:
            norm = [norm_layer("instance", width)] if config.norm == "instance" else []
            parts += [convolution, *norm, nn.ReLU(True)]
        parts += [nn.Conv2d(w, config.outputs, 7, 1, 3), nn.Tanh()]
        setattr(self, config.root, nn.Sequential(*parts))
        self.root = config.root

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule(self.root)(x)


def generator(config: Net) -> nn.Module:
    if isinstance(config, ResNetConfig):
        return ResNet(config)
    return MobileResNet(config) if isinstance(config, MobileConfig) else PlainNet(config)


def judge(config: JudgeConfig) -> PatchDiscriminator:
    return PatchDiscriminator(config.inputs, config.width, config.layers, config.norm)


class CycleGAN(nn.Module):
    """forward(x, part): the picture that "ab" or "ba" makes, or the score map (B, 1, h, w) of
    "judge_a" or "judge_b", 1 for a picture of that side, 0 for a made one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.ab = generator(config.ab)
        if config.ba is not None:
            self.ba = generator(config.ba)
        if config.judge_a is not None:
            self.judge_a = judge(config.judge_a)
        if config.judge_b is not None:
            self.judge_b = judge(config.judge_b)

    def forward(self, x: Tensor, part: Part = "ab") -> Tensor:
        return self.get_submodule(part)(x)
