"""Training of the colouriser (Zhang et al. 2016, "Colorful Image Colorization"): classification of
chroma, rare values weighing more, so that colours do not average to grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers, spoiling
from engines.families.colourise.config import Config
from engines.families.colourise.net import ColourNet, mean_chroma
from engines.job import Picture
from engines.photodata import Photos
from engines.training import Recipe, Trainer, descend, sheet, told

STEP = 0.05  # of chroma, between neighbouring bins
RAREST = 2e-5  # share of the pixels of the training photos that a bin must have
LEVEL = 0.5  # 0: every value weighs the same; 1: as its rarity says (lambda of the paper is 0.5)
TEMPERATURE = 0.38  # of the paper

_NETWORK: dict[str, Any] = {"widths": Config.widths, "blocks": Config.blocks}


class ColouriseTrainer(Trainer):
    """[network]  widths, blocks (see Config)
    [losses]   class: weight of the cross-entropy; mean: of the distance of the mean chroma
    """

    nets = ("generator",)
    averaged = ("generator",)
    known_losses: Mapping[str, Any] = {"class": 1.0, "mean": 2.0}

    def __init__(self, recipe: Recipe, data: Photos) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(self.known_losses, recipe.losses)
        bins, shares = self.colours()
        self.config = Config(
            len(bins), tuple(network["widths"]), network["blocks"], min(recipe.stages[-1].size)
        )
        self.generator = ColourNet(self.config)
        self.generator.bins.copy_(torch.from_numpy(bins))
        weights = 1 / ((1 - LEVEL) * shares + LEVEL / len(shares))
        self.weights = torch.from_numpy(weights / (weights * shares).sum()).float()
        self.optimisers = {
            "generator": torch.optim.AdamW(
                self.generator.parameters(), 1e-3, (0.9, 0.99), weight_decay=0.02
            )
        }

    def colours(self) -> tuple[np.ndarray, np.ndarray]:
        """The chroma values that it chooses among, (n, 2), and how common each is."""
        return common_chroma(self.data.photos)

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            ycc = spoiling.to_ycc(relit(spoiling.from_bytes(batch["photo"]), noise))
            chroma = F.avg_pool2d(ycc[:, 1:], 2)
            given = worn(ycc[:, :1], noise)
        given = given.contiguous(memory_format=torch.channels_last)
        parts = self.parts(self.generator(given).float(), given, chroma)
        loss = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        return {name: part.detach() for name, part in parts.items()}

    def parts(self, logits: Tensor, given: Tensor, chroma: Tensor) -> dict[str, Tensor]:
        """The losses of what the net says of luminance `given` whose chroma is (N, 2, h, w)."""
        bins = self.generator.bins
        target = nearness(chroma, bins)
        self.weights = self.weights.to(logits.device)  # once
        weight = self.weights[target.argmax(1)]
        crossed = -(target * torch.log_softmax(logits, 1)).sum(1)
        return {"class": (crossed * weight).mean(), "mean": self.off(logits, chroma)}

    def off(self, logits: Tensor, chroma: Tensor) -> Tensor:
        mean = mean_chroma(logits, self.generator.bins, 1.0)
        return F.smooth_l1_loss(mean, chroma, beta=0.02)

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: grey, coloured, the photo, for eight fixed training windows."""
        generator = averages["generator"]
        assert isinstance(generator, ColourNet)
        device = next(generator.parameters()).device
        raw = self.data.batch(0xFFFF, 8, self.recipe.stages[-1].size, rank=99)
        photo = spoiling.from_bytes(torch.from_numpy(raw["photo"])).to(device)
        grey = spoiling.to_ycc(photo)[:, :1]
        with torch.inference_mode():
            chroma = mean_chroma(generator(grey * 2 - 1), generator.bins, TEMPERATURE)
        chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear")
        made = spoiling.to_rgb(torch.cat((grey, chroma), 1))
        return sheet([x * 2 - 1 for x in (grey.expand_as(photo), made, photo)])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["generator"].state_dict(), "colourise", self.config, half)


def common_chroma(photos: Sequence[np.ndarray], most: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """The chroma values (n, 2) float32 on a grid of STEP that the photos have, and the share of
    each, smoothed over its neighbours; from up to `most` photos, every fourth pixel both ways."""
    picks = np.linspace(0, len(photos) - 1, min(most, len(photos))).astype(int)
    rgb = np.concatenate([photos[i][::4, ::4].reshape(-1, 3) for i in picks]).astype(np.float32)
    chroma = rgb @ np.array(spoiling.YCC[1:], np.float32).T / 255
    reach = round(0.5 / STEP)
    cells = np.rint(chroma / STEP).astype(int) + reach
    side = 2 * reach + 1
    counts = np.bincount(cells[:, 0] * side + cells[:, 1], minlength=side * side)
    found = np.nonzero(counts > max(1, RAREST * len(chroma)))[0]
    bins = (np.stack([found // side, found % side], 1) - reach) * STEP
    near = np.exp(-np.square(bins[:, None] - bins[None]).sum(2) / (2 * STEP**2))
    shares = (near / near.sum(0)) @ counts[found].astype(np.float64)
    return bins.astype(np.float32), shares / shares.sum()


def nearness(chroma: Tensor, bins: Tensor) -> Tensor:
    """(N, 2, h, w) to (N, bins, h, w): how much of each pixel belongs to each bin; sums to 1."""
    c, b = chroma.float(), bins.float()
    far = c.square().sum(1, keepdim=True) - 2 * torch.einsum("nchw,qc->nqhw", c, b)
    far = far + b.square().sum(1)[:, None, None]
    return torch.softmax(-far / (2 * (STEP / 2) ** 2), 1)


def relit(x: Tensor, noise: torch.Generator) -> Tensor:
    """Photos (N, 3, H, W) in [0, 1] in another light: gamma, contrast."""
    drawn = layers.uniform((2, len(x), 1, 1, 1), noise)
    return ((x.clamp(min=1e-3) ** (0.7 + 0.7 * drawn[0]) - 0.5) * (0.8 + 0.3 * drawn[1]) + 0.5
            ).clamp(0, 1)  # fmt: skip


def worn(grey: Tensor, noise: torch.Generator) -> Tensor:
    """Luminance (N, 1, H, W) in [0, 1] as old photos have it, in [-1, 1]: for a part of them soft
    and grainy."""
    drawn = layers.uniform((4, len(grey)), noise)
    soft = spoiling.blurred(grey, drawn[0] * 1.2 * (drawn[1] < 0.3))
    grain = layers.normal((1, 1, *grey.shape[-2:]), noise)
    amount = (drawn[2] * 0.04 * (drawn[3] < 0.3))[:, None, None, None]
    return (soft + grain * amount).clamp(0, 1) * 2 - 1
