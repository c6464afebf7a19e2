"""What can be read off a picture in mosaic, and the way a restored region goes back into it. Knows
no network."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LONGEST = 96  # pixels: the largest side of a square that is looked for
FEATHER = 3  # pixels inside the rim of a region over which it is blended


@dataclass(frozen=True)
class Box:
    """A part of a picture: left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def part(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def around(region: np.ndarray, margin: int) -> Box:
    """The box of all that is marked in `region` (H, W) bool, and `margin` more on each side."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    height, width = region.shape
    return Box(
        max(int(columns[0]) - margin, 0),
        max(int(rows[0]) - margin, 0),
        min(int(columns[-1]) + 1 + margin, width),
        min(int(rows[-1]) + 1 + margin, height),
    )


@dataclass(frozen=True)
class Grid:
    """Squares of `side` pixels; `left` and `top` (0..side-1) are where the first whole ones
    begin."""

    side: int
    left: int
    top: int


def grid(pixels: np.ndarray, region: np.ndarray) -> Grid | None:
    """The squares in the region (H, W) bool of `pixels` (H, W, 3) uint8; None where there are
    none."""
    across, down = _steps(pixels, region), _steps(pixels.swapaxes(0, 1), region.T)
    side = max(_period(across) or 0, _period(down) or 0)
    return Grid(side, _phase(across, side), _phase(down, side)) if side else None


def smooth(pixels: np.ndarray, squares: Grid) -> np.ndarray:
    """The mean colour of every square of `pixels` (H, W, 3) uint8, interpolated by bicubic: what
    can be said of a mosaic without inventing anything."""
    height, width = pixels.shape[:2]
    side = squares.side
    top, left = ((side - begin) % side for begin in (squares.top, squares.left))
    rims = (top, -(height + top) % side), (left, -(width + left) % side)
    padded = np.pad(pixels, (*rims, (0, 0)), mode="edge")
    down, across = (n // side for n in padded.shape[:2])
    means = padded.reshape(down, side, across, side, 3).mean((1, 3), dtype=np.float32)
    large = cv2.resize(means, (across * side, down * side), interpolation=cv2.INTER_CUBIC)
    part = large[top : top + height, left : left + width]
    return part.round().clip(0, 255).astype(np.uint8)


def _steps(pixels: np.ndarray, region: np.ndarray) -> np.ndarray:
    """How much the columns of the region differ from their left neighbours, (W - 1,): the mean of
    the absolute difference, less what is usual (noise, JPEG)."""
    values = pixels.astype(np.int16)
    jump = np.abs(np.diff(values, axis=1)).max(2).astype(np.float64)
    both = region[:, 1:] & region[:, :-1]
    count = both.sum(0)
    mean = (jump * both).sum(0) / np.maximum(count, 1)
    usual = np.median(mean[count > 0]) if (count > 0).any() else 0.0
    return np.maximum(mean - 1.5 * usual - 1.0, 0) * (count > 0)


def _period(steps: np.ndarray) -> int | None:
    """The longest distance at which nearly all of the steps lie on one grid, which the region holds
    at least twice."""
    found = np.flatnonzero(steps)
    if len(found) < 3:
        return None
    most = min(LONGEST, int(found[-1] - found[0]) // 2)
    shares = {period: _on_grid(steps, period) for period in range(3, most + 1)}
    best = max(shares.values(), default=0.0)
    return max((p for p, share in shares.items() if share >= max(0.6, best - 0.05)), default=None)


def _phase(steps: np.ndarray, period: int) -> int:
    """The first column of a square: one after the step before it."""
    place = np.arange(len(steps)) % period
    return (int(np.bincount(place, weights=steps, minlength=period).argmax()) + 1) % period


def _on_grid(steps: np.ndarray, period: int) -> float:
    """The share of the steps that lies on the best grid of this period, less what would if they lay
    anywhere: 0 for those, 1 if all do."""
    place = np.arange(len(steps)) % period
    share = float(np.bincount(place, weights=steps).max() / steps.sum())
    return (share - 1 / period) / (1 - 1 / period)


def feathered(region: np.ndarray) -> np.ndarray:
    """How much a restored pixel counts, (H, W) float32: 0 outside of the region, rising to 1 within
    FEATHER pixels of its rim. The rim of the picture is none."""
    padded = np.pad(region.astype(np.uint8), 1, mode="edge")
    far = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.clip(far / (FEATHER + 1), 0, 1) * region


def put_back(pixels: np.ndarray, restored: np.ndarray, region: np.ndarray) -> np.ndarray:
    """`restored` over `pixels` (both (H, W, 3) uint8) in the region; elsewhere `pixels` to the last
    bit."""
    share = feathered(region)[..., None]
    mixed = pixels + (restored.astype(np.float32) - pixels) * share
    return np.where(region[..., None], mixed.round().clip(0, 255), pixels).astype(np.uint8)
