"""The face finder's network and its training: faces pasted onto pictures without any.

A small fully convolutional net; each cell of 8 x 8 pixels scores whether the middle of a face (half
way from eyes to mouth) lies in it, and gives the places of eyes and mouth (after Zhou et al. 2019,
"Objects as Points", without its heat map's Gaussian: cells near the middle are left out instead).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines.datasets import Batch, chosen, photo_files, read_rgb
from engines.job import Picture
from engines.training import Recipe, Trainer, descend

STRIDE = 8  # pixels of a cell
UNIT = 16.0  # pixels that one unit of the network's places stands for
EYES = (
    55.0,
    70.0,
    89.0,
    70.0,
    72.0,
    106.5,
)  # left eye, right eye, mouth in the 144-pixel portraits
BETWEEN = (12.0, 30.0)  # eye distances the net learns; other sizes come by resizing the photo


class Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.GroupNorm(8, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.norm(self.first(x))))


class FaceFinder(nn.Module):
    """forward(photo (B, 3, H, W) in [-1, 1]) -> scores (B, 1, H/8, W/8) as logits, places (B, 6,
    H/8, W/8): x, y of left eye, right eye and mouth from the cell's middle, in 16 pixels."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, width, 3, 2, 1),
        )  # fmt: skip
        self.body = nn.Sequential(*(Block(width, d) for d in (1, 2, 3, 1)))
        self.head = nn.Conv2d(width, 7, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)  # pyright: ignore[reportOptionalSubscript]

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        found = self.head(F.relu(self.body(self.stem(photo))))
        return found[:, :1], found[:, 1:]


@dataclass
class PastedFaces:
    """Aligned portraits (144 x 144) turned, scaled, lit and pasted onto other pictures.

    Batches: photo (N, 3, H, W) in [-1, 1], score (N, 1, h, w) in {0, 1}, -1 where it does not
    count, places (N, 6, h, w)."""

    folder: Path
    faces: tuple[str, ...]
    grounds: tuple[str, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        self.portraits = [f for name in self.faces for f in photo_files(self.folder / name)]
        self.others = [f for name in self.grounds for f in photo_files(self.folder / name)]

    def __len__(self) -> int:
        return len(self.portraits)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = chosen(count, len(self), self.seed, step, rank)
        rows = [self._sample(int(pick), size, rng) for pick in picks]
        photo, score, places = (np.stack(column) for column in zip(*rows))
        signed = photo.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return {"photo": signed, "score": score, "places": places}

    def _sample(
        self, index: int, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        canvas = self._ground(size, rng)
        cells = (size[1] // STRIDE, size[0] // STRIDE)
        score, places = np.zeros((1, *cells), np.float32), np.zeros((6, *cells), np.float32)
        if rng.random() < 0.85:
            self._paste(canvas, index, rng, score, places)
        return _lit(canvas, rng), score, places

    def _ground(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        other = read_rgb(self.others[int(rng.integers(len(self.others)))])
        scale = max(size[0] / other.shape[1], size[1] / other.shape[0]) * rng.uniform(1.0, 2.2)
        large = cv2.resize(other, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x = int(rng.integers(0, max(large.shape[1] - size[0], 0) + 1))
        y = int(rng.integers(0, max(large.shape[0] - size[1], 0) + 1))
        part = large[y : y + size[1], x : x + size[0]]
        return cv2.resize(part, size) if part.shape[1::-1] != size else part.copy()

    def _paste(
        self,
        canvas: np.ndarray,
        index: int,
        rng: np.random.Generator,
        score: np.ndarray,
        places: np.ndarray,
    ) -> None:
        height, width = canvas.shape[:2]
        face = read_rgb(self.portraits[index])
        if face.shape[0] != 144:
            face = cv2.resize(face, (144, 144), interpolation=cv2.INTER_AREA)
        points = np.array(EYES).reshape(3, 2)
        if rng.random() < 0.5:
            face, points = face[:, ::-1], points[[1, 0, 2]] * (-1, 1) + (143, 0)
        low, high = (np.log(b) for b in (BETWEEN[0] * 0.8, BETWEEN[1] * 1.25))
        between = float(np.exp(rng.uniform(low, high)))
        tone = (face / np.float32(255)) ** np.float32(np.exp(rng.normal(0, 0.35))) * 255
        face = tone.astype(np.uint8)  # skin and light of every shade
        scale, angle = between / 34.0, float(rng.normal(0, 11))
        if rng.random() < 0.1:
            angle = float(rng.uniform(-40, 40))
        turn = cv2.getRotationMatrix2D((72.0, 86.0), angle, scale)
        turn[0, 0] *= rng.uniform(0.9, 1.08)
        middle = points.mean(0) @ turn[:, :2].T + turn[:, 2]
        turn[:, 2] += rng.uniform((0.1 * width, 0.1 * height), (0.9 * width, 0.9 * height)) - middle
        mask = np.zeros((144, 144), np.float32)
        if rng.random() < 0.7:  # the head alone; else the whole portrait
            axes = (int(rng.uniform(42, 62)), int(rng.uniform(56, 70)))
            cv2.ellipse(mask, (72, 80), axes, 0, 0, 360, 1.0, -1)
        else:
            mask[3:-3, 3:-3] = 1
        mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(1.5, 5)))
        sized = (width, height)
        blend = cv2.warpAffine(mask, turn, sized)[..., None]
        moved = cv2.warpAffine(
            face, turn, sized, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
        )
        canvas[...] = (moved * blend + canvas * (1 - blend)).astype(np.uint8)
        there = points @ turn[:, :2].T + turn[:, 2]
        self._mark(there, between, score, places)

    @staticmethod
    def _mark(points: np.ndarray, between: float, score: np.ndarray, places: np.ndarray) -> None:
        middle = (points[0] + points[1]) / 4 + points[2] / 2
        rows, columns = np.indices(score.shape[1:])
        centres = np.stack([(columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE], 0)
        far = np.hypot(*(centres - middle[:, None, None]))
        fits = BETWEEN[0] <= between <= BETWEEN[1]
        score[0][far < max(0.9 * between, 10)] = -1
        if fits:
            score[0][far < max(0.3 * between, 5.7)] = 1
        for k in range(3):
            places[2 * k : 2 * k + 2] = (points[k][:, None, None] - centres) / UNIT


def make(data: dict[str, Any], root: Path, seed: int) -> PastedFaces:
    """The [data] table of a recipe: faces and grounds, lists of folders below the data root."""
    faces, grounds = (tuple(str(n) for n in data.pop(key)) for key in ("faces", "grounds"))
    return PastedFaces(root, faces, grounds, seed)


def _lit(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another camera: light, contrast, cast, blur, noise, sometimes grey."""
    x = photo.astype(np.float32)
    x = (x - 128) * rng.uniform(0.6, 1.25) + 128 + rng.uniform(-40, 40)
    x *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    if rng.random() < 0.15:
        x[...] = x.mean(2, keepdims=True)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.4:
        x += rng.normal(0, rng.uniform(2, 12), x.shape).astype(np.float32)
    return np.clip(x, 0, 255).astype(np.uint8)


class FinderTrainer(Trainer):
    """Binary cross entropy on the scores (faces weigh as much as all the rest, hard cells more:
    Lin et al. 2017, focal loss), smooth L1 on the places."""

    nets = ("finder",)
    averaged = ("finder",)

    def __init__(self, recipe: Recipe, data: PastedFaces) -> None:
        self.recipe, self.data = recipe, data
        self.finder = FaceFinder()
        self.optimisers = {
            "finder": torch.optim.AdamW(self.finder.parameters(), 1e-3, weight_decay=1e-4)
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        scores, places = self.finder(batch["photo"])
        wanted, counts = batch["score"].clamp(min=0), (batch["score"] >= 0).float()
        plain = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        missed = (scores.sigmoid() - wanted).abs().detach()
        loss = (plain * counts * missed.square()).sum() / wanted.sum().clamp(min=1)
        near = wanted.expand_as(places)
        apart = F.smooth_l1_loss(places, batch["places"], reduction="none", beta=0.1)
        place = (apart * near).sum() / near.sum().clamp(min=1)
        descend(fabric, loss + 2 * place, self.optimisers["finder"])
        return {"score": loss.detach(), "place": place.detach()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Twelve training pictures, scores above one half marked in red."""
        raw = self.data.batch(0xFFFF, 12, self.recipe.stages[-1].size, rank=99)
        finder = averages["finder"]
        with torch.inference_mode():
            scores, _ = finder(torch.from_numpy(raw["photo"]).to(next(finder.parameters()).device))
        heat = F.interpolate(scores.sigmoid().cpu(), scale_factor=STRIDE)
        shown = torch.from_numpy(raw["photo"]).clone()
        shown[:, :1] = torch.where(heat > 0.5, 1.0, shown[:, :1])
        rows = [torch.cat(list(part), 2) for part in shown.chunk(2)]
        sheet = ((torch.cat(rows, 1) + 1) * 127.5).clamp(0, 255).byte()
        return Picture(np.ascontiguousarray(sheet.permute(1, 2, 0).numpy()))

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        from engines.checkpoint import save

        card: dict[str, Any] = dict(self.recipe.card)
        save(
            path, averages["finder"].state_dict(), {"part": "face finder", "card": card}, half=half
        )
