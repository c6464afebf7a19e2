"""A small classifier of photos: judge of what generators make, and critic of one that learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers


class Block(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False),
            nn.BatchNorm2d(b),
        )
        self.skip = nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class Recogniser(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> class scores (B, classes). A small residual network (He et al.
    2016)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            Block(24, 48, 2),
            Block(48, 96, 2),
            Block(96, 160, 2),
            Block(160, 192, 1),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(192, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


def varied(photos: Tensor, noise: torch.Generator) -> Tensor:
    """Mirrored, scaled, turned, recoloured: (B, 3, H, W) in [-1, 1], where their noise is."""
    count = len(photos)
    r = layers.uniform((count, 8), noise) * 2 - 1
    zoom, turn = 1 + 0.2 * r[:, 0], 0.25 * r[:, 1]
    flip = torch.where(r[:, 2] > 0, 1.0, -1.0)
    matrix = torch.stack(
        (
            torch.stack((flip * zoom * turn.cos(), -zoom * turn.sin(), 0.15 * r[:, 3]), 1),
            torch.stack((flip * zoom * turn.sin(), zoom * turn.cos(), 0.15 * r[:, 4]), 1),
        ),
        1,
    )
    grid = F.affine_grid(matrix, list(photos.shape), align_corners=False)
    moved = F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)
    gain = 1 + 0.3 * r[:, 5:8, None, None] * layers.uniform((count, 1, 1, 1), noise)
    return (moved * gain).clamp(-1, 1)
