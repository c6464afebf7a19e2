"""Masks of a photo by classic filters: how strong its edges are (Sobel), where stripes of one
direction and width lie (Gabor), how light it is. Knows no torch, Qt or network.

A mask is float32 (H, W) in [0, 1], soft where the filter's answer is. Lengths are pixels of the
picture given here; `from_photo` takes them as shares of the photo, so that a photo and its small
copy have the same mask.
"""

from __future__ import annotations

import cv2
import numpy as np

from engines import images
from engines.job import Picture

LONGEST = 1024  # pixels on a mask's longer side: masks are soft, and a hand waits for them
FADE = 6.0  # steps of lightness over which a mask ends
LOBE = 0.56  # of a wavelength: the deviation of a Gabor filter that answers to one octave
LONG = 2.0  # a Gabor filter is so many times longer along its stripes than across them
FINE = 16.0  # pixels: longer waves are looked for in a smaller picture


def from_photo(
    photo: Picture,
    filter: str = "edges",
    weakest: float = 10.0,
    smooth: float = 0.3,
    direction: float = 0.0,
    wavelength: float = 1.5,
    faintest: float = 6.0,
    darkest: float = 60.0,
    lightest: float = 100.0,
    blur: float = 0.0,
    invert: bool = False,
    join: str = "replace",
    painted: Picture | None = None,
) -> Picture:
    """A mask uint8 (H, W) of the photo, LONGEST pixels or fewer on its longer side; 255: wholly.

    filter               "edges", "stripes" or "lightness"
    weakest, smooth      of edges: contrast in % of black to white; % of the photo's longer side
    direction, wavelength, faintest  of stripes: degrees from level, counter-clockwise; % of the
                         longer side; contrast in % of black to white
    darkest, lightest    of lightness: CIE L*, 0 to 100
    blur                 standard deviation in % of the longer side
    join                 with what is `painted`: "replace" it, "add" to it, stay "within" it
    """
    scale = min(1.0, LONGEST / max(photo.size))
    wide, high = (max(round(side * scale), 1) for side in photo.size)
    rgb = images.flatten(photo).pixels
    rgb = cv2.resize(rgb, (wide, high), interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    percent = max(wide, high) / 100
    if filter == "edges":
        mask = edges(rgb, weakest / 100, smooth * percent)
    elif filter == "stripes":
        mask = stripes(rgb, direction, wavelength * percent, faintest / 100)
    elif filter == "lightness":
        mask = lightness(rgb, darkest, lightest)
    else:
        raise ValueError(f"A mask is of edges, stripes or lightness, not of “{filter}”.")
    mask = 1 - mask if invert else mask
    mask = cv2.GaussianBlur(mask, (0, 0), blur * percent) if blur > 0 else mask
    return Picture(_joined(np.rint(255 * mask).astype(np.uint8), join, painted))


def edges(rgb: np.ndarray, weakest: float, smooth: float) -> np.ndarray:
    """Where colour changes by more than `weakest` (of black to white); wholly from twice as much.

    The gradient is taken by Sobel's kernels of the photo blurred by `smooth` pixels, the strongest
    of its three channels, and scaled so that it is the height of a step (Lindeberg 1998)."""
    smooth = max(smooth, 0.5)
    blurred = cv2.GaussianBlur(rgb.astype(np.float32) / 255, (0, 0), smooth)
    dx, dy = (
        cv2.Sobel(blurred, cv2.CV_32F, *way, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        for way in ((1, 0), (0, 1))
    )
    slope = np.hypot(dx, dy).max(2)
    return _over(slope * np.sqrt(2 * np.pi * (smooth**2 + 1 / 3)), weakest)


def stripes(rgb: np.ndarray, direction: float, wavelength: float, faintest: float) -> np.ndarray:
    """Where stripes of this direction (degrees from level, counter-clockwise) and wavelength
    (pixels) lie whose contrast is more than `faintest`; wholly from twice as much.

    How strongly a pair of Gabor filters answers, one even and one odd, so that it does not matter
    where a stripe begins (Daugman 1985). A sine from black to white has contrast 1."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    high, wide = grey.shape
    wavelength = max(wavelength, 2.0)
    scale = min(1.0, FINE / wavelength)
    size = max(round(wide * scale), 1), max(round(high * scale), 1)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    even, odd = _gabor(np.deg2rad(direction), wavelength * scale)
    answers = (cv2.filter2D(small, -1, k, borderType=cv2.BORDER_REFLECT_101) for k in (even, odd))
    contrast = 4 * np.hypot(*answers)
    return _over(cv2.resize(contrast, (wide, high), interpolation=cv2.INTER_LINEAR), faintest)


def lightness(rgb: np.ndarray, darkest: float, lightest: float) -> np.ndarray:
    """Where CIE L* lies between the two, in either order; it fades beyond them."""
    low, high = sorted((darkest, lightest))
    found = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    beyond = np.maximum(low - found, found - high)
    return (1 - beyond / FADE).clip(0, 1)


def _gabor(direction: float, wavelength: float) -> tuple[np.ndarray, np.ndarray]:
    """The even and the odd filter; their window sums to 1, and neither answers to flat grey."""
    across = LOBE * wavelength
    reach = int(np.ceil(3 * across * LONG))
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along = right * np.cos(direction) - down * np.sin(direction)
    off = right * np.sin(direction) + down * np.cos(direction)
    window = np.exp(-((off / across) ** 2 + (along / (across * LONG)) ** 2) / 2)
    window /= window.sum()
    wave = 2 * np.pi * off / wavelength
    even = window * np.cos(wave)
    return even - window * even.sum(), window * np.sin(wave)


def _over(strength: np.ndarray, least: float) -> np.ndarray:
    """From 0 at `least` to 1 at twice as much."""
    return (strength / max(least, 1e-3) - 1).clip(0, 1).astype(np.float32)


def _joined(mask: np.ndarray, join: str, painted: Picture | None) -> np.ndarray:
    if painted is None or join == "replace":
        return mask
    grey = images.coverage(painted).pixels
    other = cv2.resize(grey, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.maximum(mask, other) if join == "add" else np.minimum(mask, other)
