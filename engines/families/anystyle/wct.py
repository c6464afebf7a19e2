"""Whitening and colouring (Li et al. 2017): the photo's maps lose their covariance and get the
style's, from the deepest level to the shallowest; see net.py for the call."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbonenet import Backbone
from engines.families.anystyle.config import Pair, WCTConfig, way_back
from engines.layers import Statistics

LEAST = 1e-5  # share of the largest eigenvalue below which a direction holds nothing


class Decoder(nn.Module):
    """The map of a level (B, C, h, w) -> RGB (B, 3, H, W) from 0 on, about up to 1."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.names = way_back(pair)
        into = pair.widths[-1]
        for name, width in zip(self.names, pair.decoder, strict=True):
            self.add_module(name, nn.Conv2d(into, width, 3, padding=1, padding_mode="reflect"))
            into = width

    def forward(self, x: Tensor) -> Tensor:
        for name, after in pairwise((*self.names, "conv11")):
            x = F.relu(self.get_submodule(name)(x))
            if name[4] != after[4]:  # the stage
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x


class Spread(Statistics):
    """(B, C, h, w) -> mean (B, C, 1), root of the covariance (B, C, C) and the root's inverse, in
    single precision."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = x.double().flatten(2)
        mean = flat.mean(2, keepdim=True)
        flat = flat - mean
        covariance = flat @ flat.transpose(1, 2) / max(flat.shape[2] - 1, 1)
        values, axes = torch.linalg.eigh(covariance)
        kept = values > LEAST * values[:, -1:].clamp(min=1e-12)
        root = torch.where(kept, values, 0).clamp(min=0).sqrt()
        inverse = torch.where(kept, 1 / root.clamp(min=1e-12), 0)
        made = ((axes * v[:, None]) @ axes.transpose(1, 2) for v in (root, inverse))
        return mean.float(), *(one.float() for one in made)  # pyright: ignore[reportReturnType]


class WCT(nn.Module):
    def __init__(self, config: WCTConfig) -> None:
        super().__init__()
        self.config = config
        for pair in config.pairs:
            self.add_module(f"encoder{pair.level}", Backbone(pair.encoder))
            self.add_module(f"decoder{pair.level}", Decoder(pair))
            self.add_module(f"spread{pair.level}", Spread())

    def forward(self, x: Tensor, look: Tensor | None = None, amount: float = 1.0) -> Tensor:
        if look is None:
            return torch.cat([self._look(x, pair) for pair in self.config.pairs], 1)
        sizes = [c * (c + 1) for c in (pair.widths[-1] for pair in self.config.pairs)]
        for pair, part in zip(self.config.pairs, look.split(sizes, 1), strict=True):
            y = self._map(x, pair)
            coloured = self._coloured(y, part, pair)
            decoder = self.get_submodule(f"decoder{pair.level}")
            x = decoder(torch.lerp(y, coloured.to(y.dtype), amount))
        return x

    def _map(self, x: Tensor, pair: Pair) -> Tensor:
        layer = f"relu{pair.level}_1"
        encoder = self.get_submodule(f"encoder{pair.level}")
        return encoder(x, [layer])[layer]

    def _look(self, x: Tensor, pair: Pair) -> Tensor:
        mean, root, _ = self.get_submodule(f"spread{pair.level}")(self._map(x, pair))
        return torch.cat((mean.flatten(1), root.flatten(1)), 1)

    def _coloured(self, y: Tensor, part: Tensor, pair: Pair) -> Tensor:
        count = y.shape[1]
        mean, root = part[:, :count, None].float(), part[:, count:].float()
        own, _, inverse = self.get_submodule(f"spread{pair.level}")(y)
        change = root.reshape(-1, count, count) @ inverse
        return (change @ (y.float().flatten(2) - own) + mean).reshape(y.shape)

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see: every level sees the one before."""
        there = (2 * sum(depth * 2**n for n, depth in enumerate(pair.depths))
                 + 2 ** (pair.level + 1) for pair in self.config.pairs)  # fmt: skip
        return sum(there)
