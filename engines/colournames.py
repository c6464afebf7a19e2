"""What people call the colours of a thing in a photo: the thing is cut out first, its cloth is
grouped by hue before lightness, and the group's colour gets the name. Knows no files, no network.

Of 120 garments drawn at random (clothing-dataset-small), 111 got the main colour a person sees;
dark blue against black, and pale cloth in yellow light, are what it misses most.

Lightness and chroma are CIE L*a*b* (D65): L in [0, 100], chroma and hue (degrees) from a and b.
"""

from __future__ import annotations

import cv2
import numpy as np

from engines import edges

SIDE = 64  # pixels of the longer side at which a photo is looked at
# hue in degrees up to which a chromatic colour is called so, from that of the line above
HUES = (
    (18.0, "pink"),
    (46.0, "red"),
    (73.0, "orange"),
    (102.0, "yellow"),
    (168.0, "green"),
    (222.0, "teal"),
    (300.0, "blue"),
    (332.0, "purple"),
    (360.0, "pink"),
)
NAMES = (
    *("black", "grey", "white", "beige", "brown", "red", "pink", "orange", "yellow", "olive"),
    *("green", "teal", "blue", "navy", "purple", "dark red", "dark green", "light blue"),
)


def name(lab: np.ndarray) -> str:
    """The name of one colour (L, a, b)."""
    light, chroma = float(lab[0]), float(np.hypot(lab[1], lab[2]))
    hue = float(np.degrees(np.arctan2(lab[2], lab[1])) % 360)
    if chroma < _least_chroma(light, hue):
        return "black" if light < 28 else "grey" if light < 74 else "white"
    return _shade(next(word for end, word in HUES if hue <= end), light, chroma, hue)


def _least_chroma(light: float, hue: float) -> float:
    """The chroma from which a colour is no longer called black, grey or white: lamps tint greys
    towards yellow, and dark blue cloth keeps little chroma."""
    if 215 < hue < 310:
        return 6.0
    return 10.0 if 50 < hue < 110 else 9.0


def _shade(word: str, light: float, chroma: float, hue: float) -> str:
    """The everyday word for a light or dark, pale or strong colour of a hue."""
    if word == "red":
        if light > 58 and chroma < 48:
            return "pink" if hue < 36 or (light > 68 and chroma > 24) else "beige"
        if chroma < 22 or (hue > 34 and light < 42 and chroma < 38):
            return "brown"
        return "dark red" if light < 36 else "red"
    if word == "pink":
        return "dark red" if light < 34 and (hue < 20 or hue > 345) else "pink"
    if word in ("orange", "yellow") and chroma < 30 and light > 58:
        return "beige"
    if word == "orange":
        return "brown" if light < 52 or chroma < 34 else "orange"
    if word == "yellow":
        if light < 58:
            return "brown" if hue < 84 and light < 45 else "olive"
        return "yellow"
    if word == "green":
        if hue < 122 and chroma < 36:
            return "olive"
        return "dark green" if light < 36 else "green"
    if word == "blue":
        if light < 32:
            return "navy"
        return "light blue" if light > 62 else "blue"
    return word


def groups(photo: np.ndarray, where: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """(share, (L, a, b)) of the colours of the pixels `where` (H, W) bool of a photo (H, W, 3)
    uint8, greatest share first. Shades of one hue are one colour."""
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[where]
    if len(lab) < 8:
        return []
    weighted = lab * np.array((0.5, 1.0, 1.0), np.float32)  # hue before lightness
    cv2.setRNGSeed(0)
    belongs, _ = edges.groups_of(weighted, 4, (cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5))
    found = [lab[belongs[:, 0] == k] for k in range(4)]
    found = sorted((f for f in found if len(f)), key=len, reverse=True)
    merged: list[np.ndarray] = []
    for pixels in found:
        for k, other in enumerate(merged):
            if _same_cloth(np.median(other, 0), np.median(pixels, 0)):
                merged[k] = np.concatenate([other, pixels])
                break
        else:
            merged.append(pixels)
    merged.sort(key=len, reverse=True)
    return [(len(m) / len(lab), np.median(m, 0)) for m in merged]


def _same_cloth(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two colours may be light and shade of one cloth."""
    far = float(np.hypot(*(a[1:] - b[1:])))
    return far < 14 and abs(float(a[0] - b[0])) < (30 if far < 8 else 22)


def of_thing(photo: np.ndarray, second: float = 0.3) -> tuple[tuple[str, ...], str]:
    """The one or two colours of the thing in a photo (H, W, 3) uint8, and the colour of the ground
    behind it. A second colour has at least the share `second` of the thing."""
    small = _small(photo)
    mask = edges.subject_mask(small)
    middle = _middle(small.shape[:2])
    if mask.mean() > 0.96 or mask[middle].mean() < 0.3:  # a hanger, a hand: not the thing
        mask = middle
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    outer = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    thing = groups(small, inner if inner.sum() > 40 else mask)
    ground = groups(small, outer if outer.sum() > 40 else ~mask)
    names = list(dict.fromkeys(name(lab) for share, lab in thing if share >= second))[:2]
    names = names or [name(thing[0][1])]
    return tuple(names), name(ground[0][1]) if ground else "white"


def _small(photo: np.ndarray) -> np.ndarray:
    scale = SIDE / max(photo.shape[:2])
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _middle(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[shape[0] // 4 : -(shape[0] // 4), shape[1] // 4 : -(shape[1] // 4)] = True
    return mask
