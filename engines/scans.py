"""Pictures that measure instead of show: depth, height, heat. What such a camera paints with false
colours becomes a number a pixel again, holes are filled, and faint steps are made as strong as bold
ones, so that edges.py sees structure and not brightness. Knows no torch, Qt or network.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

FALSE = 14.0  # mean distance in RGB from the nearest colour of a map, below which it is that map
SOUGHT = 4096  # pixels that are compared with every map
_OPENCV = ("JET", "TURBO", "RAINBOW", "HSV", "HOT", "INFERNO", "MAGMA", "PLASMA", "VIRIDIS",
           "CIVIDIS", "PARULA", "COOL", "OCEAN", "PINK")  # fmt: skip
# The palette that most thermal cameras start with, as stops from cold to hot.
_IRON = ((0, 0, 10), (30, 0, 130), (130, 0, 155), (200, 45, 90), (235, 110, 15), (250, 180, 20),
         (255, 235, 110), (255, 255, 245))  # fmt: skip


def to_values(pixels: np.ndarray) -> np.ndarray:
    """(H, W) uint8; near or hot is whatever the device made bright. Of a grey picture its values,
    of one in false colours their places in the map of colours; holes are filled from around them,
    and contrast is evened out over the picture (CLAHE, Zuiderveld 1994)."""
    grey = pixels if pixels.ndim == 2 else unfalse(pixels[..., :3])
    holes = hole_mask(grey)
    if holes.any():
        grey = cv2.inpaint(grey, holes.astype(np.uint8), 3, cv2.INPAINT_NS)
    low, high = np.percentile(grey[~holes] if not holes.all() else grey, (1, 99))
    stretched = (grey.astype(np.float32) - low) * (255 / max(float(high - low), 1.0))
    even = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4))
    return even.apply(stretched.clip(0, 255).astype(np.uint8))


def hole_mask(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: where a device measured nothing, and says so by 0. A hole is a jump: values that
    sink to 0 bit by bit are no hole."""
    empty = values == 0
    if not empty.any() or empty.all():
        return np.zeros(values.shape, bool)
    rim = cv2.dilate(empty.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~empty
    beside = np.percentile(values[rim], 25)
    return empty if beside >= 24 else np.zeros(values.shape, bool)


def unfalse(rgb: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of a picture (H, W, 3): where each colour stands in the map of colours it was
    painted with, or its luma where no known map fits."""
    luma = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    name = colour_map(rgb)
    if name is None:
        return luma
    place = _places(name)
    coarse = rgb >> 3
    return place[coarse[..., 0], coarse[..., 1], coarse[..., 2]]


def colour_map(rgb: np.ndarray) -> str | None:
    """The map of false colours that a picture (H, W, 3) is painted with; None for a photo, and for
    grey."""
    flat = rgb.reshape(-1, 3)
    some = flat[:: max(1, len(flat) // SOUGHT)].astype(np.float32)
    if float(np.ptp(some, axis=1).mean()) < 12:
        return None
    distances = {name: _distance(some, _colours(name)) for name in (*_OPENCV, "IRON")}
    best = min(distances, key=lambda name: distances[name])
    return best if distances[best] < FALSE else None


def _distance(some: np.ndarray, colours: np.ndarray) -> float:
    """Mean distance of (N, 3) from the nearest of (256, 3), without the worst tenth (frames,
    legends, crosses of the device)."""
    nearest = np.linalg.norm(some[:, None] - colours[None, ::4], axis=2).min(1)
    return float(np.sort(nearest)[: max(1, round(0.9 * len(nearest)))].mean())


@lru_cache(maxsize=32)
def _colours(name: str) -> np.ndarray:
    """(256, 3) float32 RGB, low to high."""
    if name == "IRON":
        stops = np.array(_IRON, np.float32)
        at = np.linspace(0, len(stops) - 1, 256)
        return np.stack([np.interp(at, range(len(stops)), stops[:, c]) for c in range(3)], 1)
    ramp = np.arange(256, dtype=np.uint8)[None]
    painted = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name}"))
    return painted[0, :, ::-1].astype(np.float32)


@lru_cache(maxsize=2)
def _places(name: str) -> np.ndarray:
    """(32, 32, 32) uint8: of every colour, five bits a channel, the nearest place in a map."""
    steps = np.arange(32, dtype=np.float32) * 8 + 4
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    colours = _colours(name).astype(np.float32)
    far = (cube**2).sum(1)[:, None] - 2 * cube @ colours.T + (colours**2).sum(1)[None]
    return far.argmin(1).astype(np.uint8).reshape(32, 32, 32)
