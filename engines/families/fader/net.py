"""Fader Networks (Lample et al. 2017): an autoencoder whose decoder is told the attributes, the
adversaries of its training, and the classifier that measures it. Keys as in the official files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.fader.config import Config, Norm, block_channels
from engines.layers import InstanceNorm2d

SLOPE = 0.2


class AutoEncoder(nn.Module):
    """Photos (B, 3, size, size) in [-1, 1] -> features; features and attributes -> photos."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        sides = [3, *(config.channels(level) for level in range(config.levels))]
        self.enc_layers = nn.ModuleList(
            _down(a, b, None if level == 0 else config.norm)
            for level, (a, b) in enumerate(pairwise(sides))
        )
        self.dec_layers = nn.ModuleList(_up(config, block) for block in range(config.levels))

    def forward(self, *x: Tensor, attributes: Tensor | None = None) -> list[Tensor] | Tensor:
        """Encodes photos without attributes, and decodes features with them (B, config.given)."""
        return self.encode(x[0]) if attributes is None else self.decode(x, attributes)

    def encode(self, x: Tensor) -> list[Tensor]:
        """The features that the decoder sees, the code (the deepest) last."""
        found = []
        for layer in self.enc_layers:
            x = layer(x)
            found.append(x)
        return found[-1 - self.config.skips :]

    def decode(self, features: Sequence[Tensor], attributes: Tensor) -> Tensor:
        x = features[-1]
        planes = attributes[:, :, None, None].to(x.dtype)
        for block, layer in enumerate(self.dec_layers):
            parts = [x, planes.expand(-1, -1, *x.shape[2:])]
            if 1 <= block <= self.config.skips:
                parts.append(features[-1 - block])
            x = layer(torch.cat(parts, 1))
        return x


def _down(inputs: int, outputs: int, norm: Norm | None, dropout: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, 2, 1)]
    if norm is not None:
        layers.append(_norm(norm, outputs))
    layers.append(nn.LeakyReLU(SLOPE, inplace=True))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _up(config: Config, block: int) -> nn.Sequential:
    inputs, outputs = block_channels(config, block)
    if config.upscale == "convtranspose":
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
    elif config.upscale == "upsampling":
        layers = [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)]
    else:
        shuffled = nn.Conv2d(inputs, 4 * outputs, 3, 1, 1, bias=False)
        layers = [shuffled, nn.PixelShuffle(2)]
    if block == config.levels - 1:
        return nn.Sequential(*layers, nn.Tanh())
    return nn.Sequential(*layers, _norm(config.norm, outputs), nn.ReLU(inplace=True))


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else InstanceNorm2d(channels, affine=True)


class _Reader(nn.Module):
    """Halves a picture or code down to one pixel, then names its attributes: (B, outputs)."""

    def __init__(
        self, sides: Sequence[int], first: int, hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(
            *(
                _down(a, b, "batch" if level + first else None, dropout)
                for level, (a, b) in enumerate(pairwise(sides))
            )
        )
        self.proj_layers = nn.Sequential(
            nn.Linear(sides[-1], hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj_layers(self.conv_layers(x).flatten(1))


class LatentDiscriminator(_Reader):
    """The outermost features that the decoder sees -> logits (B, config.given), a pair an
    attribute."""

    def __init__(self, config: Config, hidden: int = 512, dropout: float = 0.3) -> None:
        first = config.levels - config.skips
        halvings = config.size.bit_length() - 1
        sides = [config.channels(level) for level in range(first - 1, halvings)]
        super().__init__(sides, first, hidden, config.given, dropout)


class Classifier(_Reader):
    """Photos (B, 3, size, size) in [-1, 1] -> logits, a pair an attribute."""

    def __init__(self, config: Config, hidden: int = 512, dropout: float = 0.0) -> None:
        halvings = config.size.bit_length() - 1
        sides = [3, *(config.channels(level) for level in range(halvings))]
        super().__init__(sides, 0, hidden, config.given, dropout)


class PatchDiscriminator(nn.Module):
    """Photos (B, 3, H, W) -> probability (B,) that they are real, the mean over their patches."""

    def __init__(self, width: int = 32, most: int = 512, levels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for level in range(levels + 1):
            out = min(width * 2**level, most)
            layers.append(nn.Conv2d(before, out, 4, 2 if level < levels else 1, 1))
            layers += [nn.BatchNorm2d(out)] if level else []
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            before = out
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, 4, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1).mean(1)


def attribute_loss(
    logits: Tensor, labels: Tensor, known: Tensor | None = None, flipped: bool = False
) -> Tensor:
    """Cross-entropy of pairs of logits (B, 2 x A) with labels (B, A) in {0, 1}, summed over the
    attributes; labels that are not known (0) do not count. `flipped`: with what is not the case,
    which the encoder wants its code to say."""
    pairs = logits.unflatten(1, (-1, 2)).float()
    wanted = (1 - labels if flipped else labels).long()
    each = F.cross_entropy(pairs.flatten(0, 1), wanted.flatten(), reduction="none")
    each = each.reshape(labels.shape)
    if known is None:
        return each.mean(0).sum()
    return ((each * known).sum(0) / known.sum(0).clamp(min=1)).sum()
