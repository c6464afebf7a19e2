"""Chroma onto luminance: deterministic arithmetic that no training can change. Knows no network."""

from __future__ import annotations

import numpy as np

_LUMA = np.array((19595, 38470, 7471), np.int64)  # of 65536: as PIL converts to grey


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
