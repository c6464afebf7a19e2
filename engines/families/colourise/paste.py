"""Chroma onto luminance: deterministic arithmetic that no training can change. Knows no network."""

from __future__ import annotations

import cv2
import numpy as np

RADIUS = 4  # pixels of the small picture that a guided window reaches to each side
SOFT = 1e-3  # variance of luminance (black to white is 1) below which the guide does not count
_LUMA = np.array((19595, 38470, 7471), np.int64)  # of 65536: as PIL converts to grey


def guided(chroma: np.ndarray, small: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Chroma (h, w, 2) at the size of `grey` (H, W), its borders at those of the luminance.

    The fast guided filter (He and Sun 2015): in every window of the small picture, whose luminance
    is `small` (h, w) uint8, chroma is linear in luminance.
    """
    light = small.astype(np.float32) / 255
    side = (2 * RADIUS + 1,) * 2

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, side, borderType=cv2.BORDER_REFLECT)

    average = mean(light)
    spread = mean(light * light) - average**2
    size = (grey.shape[1], grey.shape[0])
    fine = grey.astype(np.float32) / 255
    found: list[np.ndarray] = []
    for plane in np.moveaxis(chroma.astype(np.float32), 2, 0):
        centre = mean(plane)
        slope = (mean(light * plane) - average * centre) / (spread + SOFT)
        offset = centre - slope * average
        slope, offset = (cv2.resize(mean(x), size) for x in (slope, offset))
        found.append(slope * fine + offset)
    return np.stack(found, 2)


def coloured(grey: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 whose luminance, as PIL and `images.to_grey` compute it, is `grey` (H, W)
    uint8 exactly; chroma (H, W, 2) are Cb and Cr of ITU-R BT.601 in [-0.5, 0.5].

    Where a colour would leave 0..255 it is brought nearer to grey, never clipped, which would
    change the light.
    """
    light = grey.astype(np.float32)[..., None]
    cb, cr = chroma[..., :1] * 255, chroma[..., 1:] * 255
    offset = np.concatenate((1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb), 2)
    # one step of room, for the correction of what rounding does to the light
    room = np.where(offset > 0, np.maximum(254 - light, 0), np.maximum(light - 1, 0))
    share = np.min(room / np.maximum(np.abs(offset), 1e-6), axis=2, keepdims=True)
    made = np.rint(light + offset * np.minimum(share, 1)).astype(np.int64)
    found = (made @ _LUMA + 32768) >> 16
    made += (grey.astype(np.int64) - found)[..., None]
    return made.astype(np.uint8)
