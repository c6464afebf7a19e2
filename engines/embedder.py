"""Our own small face embedder: how alike are two faces? A ResNet that turns a face into a direction
(He et al. 2016), trained to tell people apart by their angles (Deng et al. 2019, ArcFace).

It measures our own edits and is no means to recognise people: trained on a thousand portraits, it
is often wrong. Its weights (resources/models/face-embedder.safetensors) may be absent.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.checkpoint import CheckpointError, fill, open_checkpoint, save
from engines.job import Picture
from engines.tensors import to_tensor

if TYPE_CHECKING:
    from engines.controls import FaceTemplate

FILE = Path(__file__).resolve().parent.parent / "resources" / "models" / "face-embedder.safetensors"
KIND = "face-embedder"
ABSENT = "How alike the faces are is not measured: the face embedder is not installed."


@dataclass(frozen=True)
class Config:
    """widths   channels at 1/2, 1/4, ... of the crop's size
    length   of an embedding
    size     side of the crop in pixels
    points   left eye, right eye and mouth on it, in pixels
    """

    widths: tuple[int, ...] = (32, 64, 96, 160)
    length: int = 128
    size: int = 64
    points: tuple[float, ...] = (19.1, 25.0, 44.9, 25.0, 32.0, 52.7)


class _Block(nn.Module):
    """Two convolutions beside a shortcut; halves the size."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.short = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        )
        self.after = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.main(x) + self.short(x))


class Embedder(nn.Module):
    """Crops (B, 3, size, size) in [-1, 1] -> directions (B, length) of length one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        blocks: list[nn.Module] = []
        before = 3
        for width in config.widths:
            blocks.append(_Block(before, width))
            before = width
        self.main = nn.Sequential(*blocks)
        side = config.size // 2 ** len(config.widths)
        self.head = nn.Linear(before * side * side, config.length, bias=False)
        self.norm = nn.BatchNorm1d(config.length)
        self._cuts: dict[Hashable, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.norm(self.head(self.main(x).flatten(1))).float(), dim=1)

    def of(self, x: Tensor, template: FaceTemplate) -> Tensor:
        """Directions (B, length) of faces (B, 3, H, W) that lie as `template` says;
        differentiable, and on the device of the embedder."""
        x = x.to(self.head.weight)
        key = template, x.shape[-2:], x.device, x.dtype
        if key not in self._cuts:
            scale = torch.tensor([x.shape[-1], x.shape[-2]])
            matrix = _onto(self.config, template)
            self._cuts[key] = _normalised(matrix, self.config.size, scale).to(x)
        size = [len(x), 3, self.config.size, self.config.size]
        theta = self._cuts[key].expand(len(x), -1, -1)
        grid = F.affine_grid(theta, size, align_corners=False)
        return self(F.grid_sample(x, grid, padding_mode="reflection", align_corners=False))


def distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine of two directions (..., length): 0 the same face, about 1 strangers, 2 at most."""
    return 1 - (a * b).sum(-1)


def between(a: Picture, b: Picture, template: FaceTemplate) -> float | None:
    """The distance of two crops whose faces lie as `template` says; None without an embedder."""
    net = installed()
    if net is None:
        return None
    with torch.inference_mode():
        first, second = (net.of(to_tensor(p), template) for p in (a, b))
        return float(distance(first, second))


def _onto(config: Config, template: FaceTemplate) -> np.ndarray:
    """(2, 3): pixels of our crop -> pixels of the template's, by the similarity that brings eyes
    and mouth closest (least squares)."""
    ours = np.array(config.points).reshape(3, 2)
    theirs = np.array([template.left_eye, template.right_eye, template.mouth])
    rows = [[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in ours]
    a, b, right, down = np.linalg.lstsq(np.concatenate(rows), theirs.ravel(), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


def _normalised(matrix: np.ndarray, side: int, size: Tensor) -> Tensor:
    """(1, 2, 3) for affine_grid, which counts from -1 to 1: our crop of `side` -> a crop of `size`
    (width, height)."""
    turn = torch.tensor(matrix[:, :2], dtype=torch.float64)
    move = torch.tensor(matrix[:, 2], dtype=torch.float64)
    centre = turn @ torch.full((2,), side / 2, dtype=torch.float64) + move
    half = size.double() / 2
    return torch.cat((turn * (side / 2) / half[:, None], ((centre - half) / half)[:, None]), 1)[
        None
    ]


# ---- on disk -------------------------------------------------------------------------------------


def write(net: Embedder, path: Path, card: dict[str, Any], half: bool = True) -> None:
    body = {"kind": KIND, "config": asdict(net.config), "card": card}
    save(path, net.state_dict(), body, half=half)


def read(path: Path) -> Embedder:
    """Raises CheckpointError."""
    opened = open_checkpoint(path)
    if opened.metadata.get("kind") != KIND:
        raise CheckpointError("mismatch", f"{path.name} is no face embedder.")
    told: dict[str, Any] = opened.metadata["config"]
    body: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    # whoever asks first must not spoil it for a search, nor draw from the global source
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        net = Embedder(Config(**body))
        fill(net, opened)
    return net.eval().float().requires_grad_(False)


def installed() -> Embedder | None:
    """The shipped embedder on the CPU, read once; None where its file is absent."""
    return _read_once(FILE, FILE.stat().st_mtime_ns) if FILE.is_file() else None


@lru_cache(maxsize=1)
def _read_once(path: Path, _: int) -> Embedder:
    return read(path)
