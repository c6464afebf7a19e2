"""A photo in which several faces were changed, one after the other: what each change put where.

Knows pixels alone. A Collage is made for a photo and then touched by one thread only, that of the
background: comparing and joining photos of many megapixels takes longer than a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engines.job import Picture

Rect = tuple[float, float, float, float]


@dataclass(frozen=True)
class Patch:
    """Pixels (H, W, C) uint8 that a face's change put at (x, y) of the photo."""

    x: int
    y: int
    pixels: np.ndarray


class Collage:
    """The photo and the patch of every face that was changed, by the number of the face."""

    def __init__(self, photo: Picture) -> None:
        self.photo = photo
        self.patches: dict[int, Patch] = {}

    def keep(self, face: int, before: Picture, after: Picture | None, box: Rect) -> None:
        """What became of a face, by the photo without and with its change; after=None: nothing."""
        patch = difference(before, after, box) if after is not None else None
        self.patches.pop(face, None)
        if patch is not None:
            self.patches[face] = patch

    def without(self, face: int) -> Picture:
        """The photo with the changes of all faces but this one."""
        return patched(self.photo, (p for n, p in self.patches.items() if n != face))


def difference(before: Picture, after: Picture, box: Rect) -> Patch | None:
    """What changed around a face (x, y, width, height), as the smallest rectangle; None where
    nothing did or the sizes differ. Looks no further than 1.5 boxes away: no template does."""
    if before.size != after.size or before.channels != after.channels:
        return None
    x, y, width, height = box
    left, top = max(int(x - 1.5 * width), 0), max(int(y - 1.5 * height), 0)
    around = np.s_[top : int(y + 2.5 * height) + 1, left : int(x + 2.5 * width) + 1]
    old, new = before.pixels[around], after.pixels[around]
    changed = (old != new).reshape(*old.shape[:2], -1).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return None
    inner = new[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Patch(left + int(columns[0]), top + int(rows[0]), inner)


def patched(photo: Picture, patches: Iterable[Patch]) -> Picture:
    """The photo itself where there are none."""
    patches = list(patches)
    if not patches:
        return photo
    pixels = photo.pixels.copy()
    for patch in patches:
        height, width = patch.pixels.shape[:2]
        pixels[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
    pixels.flags.writeable = False  # so that Picture makes no second copy
    return Picture(pixels)
