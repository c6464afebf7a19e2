"""Faces in a photo, with eyes and mouth: a small network of our own, or YuNet where its file is.

The network (see FaceFinder) sees the photo at several sizes; each cell says how likely a face's
middle lies in it and where eyes and mouth then are. Importing this loads no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from engines.folders import data_folder
from engines.images import flatten
from engines.job import Picture

if TYPE_CHECKING:
    from torch import nn

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "resources" / "models" / "face-finder.safetensors"
YUNET = "GANVAS_FACE_DETECTOR"  # a YuNet file; else the newest *yunet*.onnx of the models folder
LONGEST = 960  # pixels of the photo's longer side that are looked through
LIKELY = 0.7
OVERLAP = 0.35  # of two boxes, intersection over union, from which they are one face
INSIDE = 0.7  # share of the smaller of two boxes within the larger, from which they are one face
STEP = 0.62  # from one size of the photo to the next


@dataclass(frozen=True)
class Face:
    """box (x, y, width, height) and points (x, y of left eye, right eye, middle of the mouth; left
    as seen), in pixels of the photo; score in [0, 1]; notes are sentences on how it fits."""

    box: tuple[float, float, float, float]
    points: tuple[float, ...]
    score: float
    notes: tuple[str, ...] = ()


def find(photo: Picture, own: Path | None = None) -> tuple[Face, ...]:
    """Every face, the largest first. Without a detector's file there is none."""
    scale = min(1.0, LONGEST / max(photo.size))
    size = tuple(max(1, round(side * scale)) for side in photo.size)
    pixels = photo.pixels
    if scale < 1:  # before anything is copied at full size
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = flatten(Picture(pixels)).pixels
    small = np.repeat(small[..., None], 3, 2) if small.ndim == 2 else small
    yunet = _yunet_file()
    found = _by_yunet(small, yunet) if yunet else _by_network(small, own or OWN)
    grown = [_at_full_size(face, 1 / scale) for face in found]
    return tuple(sorted(grown, key=lambda face: -face.box[2] * face.box[3]))


def _at_full_size(face: Face, scale: float) -> Face:
    x, y, width, height = (round(n * scale, 2) for n in face.box)
    points = tuple(round(n * scale, 2) for n in face.points)
    return replace(face, box=(x, y, width, height), points=points)


def box_of(points: Sequence[float]) -> tuple[float, float, float, float]:
    """The frame from brow to chin around eyes and mouth."""
    left, right, mouth = np.array(points, np.float64).reshape(3, 2)
    between = max(float(np.hypot(*(right - left))), 1.0)
    middle = (left + right) / 2 * 0.5 + mouth * 0.5
    down = mouth - (left + right) / 2
    height = max(float(np.hypot(*down)), 0.7 * between)
    side = max(2.1 * between, 1.9 * height)
    return (
        float(middle[0] - side / 2),
        float(middle[1] - side * 0.56),
        float(side),
        float(side * 1.12),
    )


# ---- YuNet -----------------------------------------------------------------------------------


def _yunet_file() -> Path | None:
    named = os.environ.get(YUNET, "")
    if named:
        return Path(named) if Path(named).is_file() else None
    folder = data_folder() / "models"
    kept = sorted(folder.glob("*yunet*.onnx")) if folder.is_dir() else []
    return max(kept, key=lambda file: file.stat().st_mtime, default=None)


def _by_yunet(rgb: np.ndarray, file: Path) -> list[Face]:
    """Wu et al. 2023, YuNet: five points; those of the mouth's corners are averaged."""
    height, width = rgb.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(file), "", (width, height), 0.6, 0.3, 200)
    _, rows = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    found = []
    for row in rows if rows is not None else ():
        eyes = sorted((row[4:6], row[6:8]), key=lambda p: float(p[0]))
        mouth = (row[10:12] + row[12:14]) / 2
        points = tuple(float(n) for n in (*eyes[0], *eyes[1], *mouth))
        x, y, wide, high = (float(n) for n in row[:4])
        found.append(Face((x, y, wide, high), points, float(row[14])))
    return found


# ---- our own -----------------------------------------------------------------------------------


def _by_network(rgb: np.ndarray, file: Path) -> list[Face]:
    if not file.is_file():
        return []
    net, found = _network(file, file.stat().st_mtime_ns), []
    small, scale = rgb, 1.0
    first = max(1.0, 160 / min(rgb.shape[:2]))  # a small picture is enlarged once
    if first > 1:
        small, scale = cv2.resize(rgb, None, fx=first, fy=first), first
    while min(small.shape[:2]) >= 48:
        found += _looked(small, net, scale)
        size = tuple(round(side * STEP) for side in small.shape[1::-1])
        small, scale = cv2.resize(small, size, interpolation=cv2.INTER_AREA), scale * STEP
    return [_closer(face, rgb, net) for face in _merged(found)]


def _closer(face: Face, rgb: np.ndarray, net: nn.Module) -> Face:
    """A second look at the size that the network knows best: away from it, it draws a face's points
    towards the size it knows."""
    from engines.findernet import BETWEEN

    side = 160
    for _ in range(2):
        points = np.reshape(face.points, (3, 2))
        between = float(np.hypot(*(points[1] - points[0])))
        scale = float(np.sqrt(BETWEEN[0] * BETWEEN[1])) / max(between, 1.0)
        corner = points.mean(0) - side / 2 / scale
        matrix = np.array([[scale, 0, 0], [0, scale, 0]], np.float32)
        matrix[:, 2] = -corner * scale
        part = cv2.warpAffine(
            rgb, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        seen = _looked(part, net)
        middle = (side / 2, side / 2)
        near = [f for f in seen if np.hypot(*(np.reshape(f.points, (3, 2)).mean(0) - middle)) < 30]
        if not near:
            return face
        best = max(near, key=lambda f: f.score)
        placed = tuple(float(n) for n in (np.reshape(best.points, (3, 2)) / scale + corner).ravel())
        face = Face(box_of(placed), placed, face.score)
    return face


def _looked(rgb: np.ndarray, net: nn.Module, scale: float = 1.0) -> list[Face]:
    """Faces that the network sees in (H, W, 3), in pixels of a picture 1 / scale as large."""
    import torch

    from engines.findernet import STRIDE, UNIT

    x = torch.tensor(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        scores, places = net(x)
    return _read(scores[0, 0].sigmoid().numpy(), places[0].numpy(), (STRIDE, UNIT), scale)


def _read(
    scores: np.ndarray, places: np.ndarray, grid: tuple[int, float], scale: float
) -> list[Face]:
    """Local maxima of the scores (h, w) as faces; places (6, h, w) are offsets from the cell.
    grid: pixels of a cell, pixels of one unit of the places."""
    stride, unit = grid
    peaks = (scores >= LIKELY) & (scores >= cv2.dilate(scores, np.ones((3, 3), np.uint8)))
    found = []
    for row, column in np.argwhere(peaks):
        centre = np.tile(((column + 0.5) * stride, (row + 0.5) * stride), 3)
        points = (centre + places[:, row, column] * unit) / scale
        numbers = tuple(float(n) for n in points)
        found.append(Face(box_of(numbers), numbers, float(scores[row, column])))
    return found


def _merged(found: Iterable[Face]) -> list[Face]:
    """One of each group of overlapping faces: the likeliest."""
    kept: list[Face] = []
    for face in sorted(found, key=lambda f: -f.score):
        if not any(_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _same(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes are of one face: alike, or one inside the other."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    one, two = a[2] * a[3], b[2] * b[3]
    return inside >= OVERLAP * (one + two - inside) or inside >= INSIDE * min(one, two)


@cache
def _network(file: Path, _stamp: int) -> nn.Module:
    import torch

    from engines import checkpoint
    from engines.findernet import FaceFinder

    with torch.random.fork_rng(devices=[]):  # a run draws from no global source
        net = FaceFinder()
    checkpoint.fill(net, checkpoint.open_checkpoint(file))
    return net.eval()
