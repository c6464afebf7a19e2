"""Training a captioner on pictures with captions: the next word, given the picture and the words
before (Xu et al. 2015), with attention that is asked to look everywhere in the end.

The sets are small, so each picture is turned, zoomed, lit and partly hidden anew each time; colours
keep their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.captiondata import Captioned
from engines.families.captioning.config import Config
from engines.families.captioning.net import Captioner
from engines.job import Picture
from engines.training import Recipe, Trainer, descend, told

_NETWORK: dict[str, Any] = {"kind": "late", "widths": (32, 64, 112, 176), "embed": 128,
                            "attention": 128, "hidden": 256, "dropout": 0.5}  # fmt: skip
# smooth: label smoothing; even: how strongly attention is asked to sum to one over each cell;
# forget: chance of a word before to be hidden, so that the picture is looked at
_LOSSES: dict[str, Any] = {"smooth": 0.1, "even": 0.5, "forget": 0.1, "decay": 0.05,
                           "turn": 10.0, "zoom": 0.15, "light": 0.12, "hide": 0.25}  # fmt: skip


class Taught(nn.Module):
    """The captioner as it is trained: forward(photo, words) as `Captioner.taught`."""

    def __init__(self, net: Captioner) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.taught(photo, words)


class CaptionTrainer(Trainer):
    nets = ("net",)
    averaged = ("net",)

    def __init__(self, recipe: Recipe, data: Captioned) -> None:
        self.recipe, self.data = recipe, data
        self.losses = told(_LOSSES, recipe.losses)
        network = told(_NETWORK, recipe.network)
        self.config = Config(
            network["kind"],
            words=len(data.vocabulary),
            vocabulary=data.vocabulary,
            widths=tuple(network["widths"]),
            embed=network["embed"],
            attention=network["attention"],
            hidden=network["hidden"],
            size=recipe.stages[-1].size,
            longest=data.longest,
        )
        self.net = Taught(Captioner(self.config, network["dropout"]))
        self.optimisers = {
            "net": torch.optim.AdamW(self.net.parameters(), weight_decay=self.losses["decay"])
        }

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        words, end = batch["words"], self.config.end
        photo = varied(batch["photo"], self.losses, noise)
        forgot = layers.uniform(words.shape, noise) < self.losses["forget"]
        logits, attention = self.net(photo, words.masked_fill(forgot, end))
        wanted = F.pad(words, (0, 1), value=end)
        counts = torch.arange(wanted.shape[1], device=words.device) <= batch["lengths"][:, None]
        each = F.cross_entropy(
            logits.float().transpose(1, 2), wanted, reduction="none",
            label_smoothing=self.losses["smooth"],
        )  # fmt: skip
        total = counts.sum()
        loss = (each * counts).sum() / total
        even = _unevenness(attention * counts[..., None], batch["lengths"])
        descend(fabric, loss + self.losses["even"] * even, self.optimisers["net"])
        with torch.no_grad():
            right = ((logits.argmax(2) == wanted) & counts).sum() / total
        return {"words": loss.detach(), "even": even.detach(), "right": right}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Eight photos with what is said of them below, and what should be below that."""
        taught = averages["net"]
        assert isinstance(taught, Taught)
        device = next(taught.parameters()).device
        raw = self.data.batch(0xFFFF, 8, self.config.size, rank=99)
        tiles = []
        for pixels, words in zip(raw["photo"], raw["words"]):
            with torch.inference_mode():
                photo = torch.from_numpy(pixels)[None].to(device)
                said = taught.net(photo, beams=3)["captions"][0].words
            texts = (self.config.text(said), self.config.text(tuple(words)))
            tiles.append(_tile(pixels, texts))
        rows = [np.concatenate(tiles[k : k + 4], 1) for k in (0, 4)]
        return Picture(np.concatenate(rows, 0))

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        taught = averages["net"]
        assert isinstance(taught, Taught)
        self.write(path, taught.net.state_dict(), "captioning", self.config, half)


def _unevenness(attention: Tensor, lengths: Tensor) -> Tensor:
    """How far what all words together look at is from being everything equally: attention
    (B, T, cells), zero where there is no word."""
    cells = attention.shape[2]
    share = attention.sum(1) * cells / (lengths[:, None] + 1)
    return (share - 1).square().mean() / cells


def varied(photo: Tensor, told: Mapping[str, float], noise: torch.Generator) -> Tensor:
    """Photos (B, 3, H, W) in [-1, 1], each turned by up to `turn` degrees, zoomed and moved by up
    to `zoom`, lit by up to `light`, and with the chance `hide` partly hidden by a grey square."""
    count, _, height, width = photo.shape
    draw = layers.uniform((count, 9), noise) * 2 - 1
    turn, zoom = draw[:, 0] * told["turn"] * torch.pi / 180, 1 + draw[:, 1] * told["zoom"]
    cos, sin = turn.cos() * zoom, turn.sin() * zoom
    tall = height / width
    theta = torch.stack(
        (cos, -sin * tall, draw[:, 2] * told["zoom"], sin / tall, cos, draw[:, 3] * told["zoom"]), 1
    ).view(-1, 2, 3)
    grid = F.affine_grid(theta, [*photo.shape], align_corners=False)
    made = F.grid_sample(photo, grid, padding_mode="border", align_corners=False)
    contrast = 1 + draw[:, 4, None, None, None] * told["light"]
    made = made * contrast + draw[:, 5, None, None, None] * told["light"]
    rows = torch.linspace(-1, 1, height, device=photo.device)
    columns = torch.linspace(-1, 1, width, device=photo.device)
    hidden = (
        ((rows - draw[:, 6, None]).abs() < 0.3)[:, :, None]
        & ((columns - draw[:, 7, None]).abs() < 0.3)[:, None]
        & ((draw[:, 8] + 1) / 2 < told["hide"])[:, None, None]
    )
    return made.masked_fill(hidden[:, None], 0.0).clamp(-1, 1)


def _tile(pixels: np.ndarray, texts: tuple[str, ...]) -> np.ndarray:
    """A picture (3, H, W) in [-1, 1] above texts, 320 pixels wide."""
    picture = ((pixels.transpose(1, 2, 0) + 1) * 127.5).round().astype(np.uint8)
    scale = 128 / picture.shape[0]
    picture = cv2.resize(picture, None, fx=scale, fy=scale)
    tile = np.full((128 + 30 * len(texts), 320, 3), 255, np.uint8)
    left = (320 - picture.shape[1]) // 2
    tile[:128, left : left + picture.shape[1]] = picture
    for row, text in enumerate(texts):
        for line, part in enumerate((text[:52], text[52:104])):
            place = (4, 140 + 30 * row + 12 * line)
            cv2.putText(
                tile, part, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, (30, 30, 30), 1, cv2.LINE_AA
            )
    return tile
