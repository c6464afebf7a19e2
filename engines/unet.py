"""A U-Net of residual blocks for restoration, and its configuration's rules. Knows no paper's data.

Unlike the U-Net of Isola et al. 2017 it has no transposed convolutions (no checkerboard) and works
at any size that is a multiple of its coarsest step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["batch", "none"]


class Block(nn.Module):
    """x + conv(act(conv(x))), activated; the second convolution begins at zero where no norm
    follows it (Zhang et al. 2019, Fixup)."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        plain = norm == "none"
        self.first = nn.Conv2d(width, width, 3, 1, 1, bias=plain)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=plain)
        self.norms = nn.ModuleList() if plain else nn.ModuleList(
            nn.BatchNorm2d(width) for _ in range(2)
        )  # fmt: skip
        last = self.second if plain else self.norms[1]
        nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = F.leaky_relu(self.norms[0](y) if self.norms else y, 0.1)
        y = self.second(y)
        return F.leaky_relu(x + (self.norms[1](y) if self.norms else y), 0.1)


class UNet(nn.Module):
    """(N, inputs, H, W) to (N, outputs, H / 2**last, W / 2**last); H and W are multiples of
    2**(len(widths) - 1).

    widths  channels at 1, 1/2, 1/4, ... of the size
    blocks  residual blocks of a level on the way down; on the way up it has one
    last    the level that the output is read from
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        blocks: int = 1,
        norm: Norm = "none",
        last: int = 0,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(inputs, widths[0], 3, 1, 1)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(width, norm) for _ in range(blocks))) for width in widths
        )
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[n] + widths[n + 1], widths[n], 3, 1, 1),
                          nn.LeakyReLU(0.1), Block(widths[n], norm))
            for n in reversed(range(last, len(widths) - 1))
        )  # fmt: skip
        self.head = nn.Conv2d(widths[last], outputs, 3, 1, 1)
        for layer in (self.stem, *self.downs, *(up[0] for up in self.ups)):  # pyright: ignore[reportIndexIssue]
            nn.init.kaiming_normal_(layer.weight, 0.1)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        kept: list[Tensor] = []
        for number, level in enumerate(self.levels):
            x = level(x if number == 0 else F.leaky_relu(self.downs[number - 1](x), 0.1))
            kept.append(x)
        for number, up in enumerate(self.ups):
            beside = kept[-2 - number]
            x = up(torch.cat((beside, F.interpolate(x, scale_factor=2.0)), 1))
        return self.head(x)


# ---- its channels, for students that begin with a teacher's strongest (engines/distil.py) --------


def groups(widths: Sequence[int], blocks: int = 1, last: int = 0) -> dict[str, int]:
    """How many channels each group of axes() has."""
    found: dict[str, int] = {}
    for level, width in enumerate(widths):
        found |= {f"down {level}": width}
        found |= {f"down {level} {block}": width for block in range(blocks)}
        if last <= level < len(widths) - 1:
            found |= {f"up {level}": width, f"up {level} 0": width}
    return found


def axes(
    levels: int, blocks: int = 1, norm: Norm = "none", last: int = 0, name: str = "unet"
) -> Mapping[str, Sequence[Sequence[str]]]:
    """Which groups of channels lie along the axes of each weight of a UNet called `name`, of so
    many widths."""
    found: dict[str, Sequence[Sequence[str]]] = {}

    def layer(layer: str, out: str, *given: str) -> None:
        found[f"{name}.{layer}.weight"] = [[out], list(given)]
        found[f"{name}.{layer}.bias"] = [[out]]

    def block(block: str, group: str, inner: str) -> None:
        for number, (place, out, given) in enumerate(
            (("first", inner, group), ("second", group, inner))
        ):
            if norm == "none":
                layer(f"{block}.{place}", out, given)
                continue
            found[f"{name}.{block}.{place}.weight"] = [[out], [given]]
            for kind in ("weight", "bias", "running_mean", "running_var"):
                found[f"{name}.{block}.norms.{number}.{kind}"] = [[out]]

    top = levels - 1
    layer("stem", "down 0")
    for level in range(levels):
        if level:
            layer(f"downs.{level - 1}", f"down {level}", f"down {level - 1}")
        for number in range(blocks):
            block(f"levels.{level}.{number}", f"down {level}", f"down {level} {number}")
    for number, level in enumerate(reversed(range(last, top))):
        below = f"down {top}" if level == top - 1 else f"up {level + 1}"
        layer(f"ups.{number}.0", f"up {level}", f"down {level}", below)
        block(f"ups.{number}.2", f"up {level}", f"up {level} 0")
    found[f"{name}.head.weight"] = [[], [f"up {last}"]]
    return found
