"""How much two pictures differ: numbers and a map, from pixels alone."""

from __future__ import annotations

import cv2
import numpy as np

from engines import images
from engines.job import Picture

_STEADY = 0.5 * 0.03**2  # C3 of the paper, for values in [0, 1]


def structure_error(one: Picture, other: Picture) -> float:
    """0 where light and dark lie alike at every place, 0.5 where they have nothing in common, 1
    where each is the other's negative: (1 - s) / 2 by the structure term s of SSIM (Wang et al.
    2004) on luma, windows of 11 pixels, mean over the picture. Both of one size."""
    a, b = (images.to_grey(p).pixels.astype(np.float32) / 255 for p in (one, other))

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    mean_a, mean_b = mean(a), mean(b)
    spread_a = np.sqrt(np.maximum(mean(a * a) - mean_a**2, 0))
    spread_b = np.sqrt(np.maximum(mean(b * b) - mean_b**2, 0))
    common = mean(a * b) - mean_a * mean_b
    likeness = (common + _STEADY) / (spread_a * spread_b + _STEADY)
    return float(np.clip((1 - likeness) / 2, 0, 1).mean())


def difference(one: Picture, other: Picture) -> np.ndarray:
    """(H, W) in [0, 1]: mean over RGB of the absolute difference. Both of one size."""
    a, b = (images.flatten(p).pixels.astype(np.float32) for p in (one, other))
    return np.abs(a - b).mean(2) / 255


MADE = np.array([232, 116, 59], np.float32)  # RGB: for eyes of any kind
REAL = np.array([47, 183, 168], np.float32)


def judged_map(picture: Picture, sure: np.ndarray) -> Picture:
    """The picture in grey under what a discriminator says of its parts, `sure` (H, W) in [0, 1]:
    orange where it takes them for made, teal where for real."""
    grey = images.to_grey(picture).pixels[..., None].astype(np.float32)
    tint = MADE + sure[..., None].astype(np.float32) * (REAL - MADE)
    return Picture(np.rint((grey + tint) / 2).astype(np.uint8))


def error_map(found: np.ndarray, most: float = 0.5) -> Picture:
    """A difference (H, W) as colours from dark blue (none) to yellow (`most` and above)."""
    steps = (np.clip(found / most, 0, 1) * 255).astype(np.uint8)
    return Picture(cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB))
