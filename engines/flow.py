"""How things move from one picture of a film to the next, where that can be trusted, and pictures
carried along. Knows no network and no file. Imports no torch.

The flow is dense inverse search (Kroeger et al. 2016); where it is trusted is decided as by Ruder
et al. 2016, Artistic Style Transfer for Videos: forth and back must lead home. What changed its
look on the way (a flash, a fade) is not trusted either (Bonneel et al. 2015, Blind Video Temporal
Consistency).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from engines.job import Picture

LOOKED = 640  # pixels of the longer side that flow is looked for with, at most
LEAST = 16  # pixels that a side of a picture needs for its flow
CHANGED = 24.0  # levels by which a thing may look different, and still be the same


@dataclass(frozen=True)
class Motion:
    """Between two pictures of one size.

    back     (H, W, 2) float32: where in the picture before, relative to its own place, each pixel
             of the one now was: right, down
    trusted  (H, W) bool: whether that is so
    """

    back: np.ndarray
    trusted: np.ndarray
    _places: tuple[np.ndarray, np.ndarray] = field(repr=False)

    @property
    def share(self) -> float:
        """Of the picture that is trusted."""
        return float(self.trusted.mean())

    def carried(self, before: Picture) -> Picture:
        """The picture before with its things where they are now; RGB."""
        return Picture(cv2.remap(before.pixels, *self._places, cv2.INTER_CUBIC,
                                 borderMode=cv2.BORDER_REPLICATE))  # fmt: skip

    def weight(self) -> np.ndarray:
        """(H, W) float32 in [0, 1]: `trusted`, with soft edges inside of it."""
        inner = cv2.erode(self.trusted.astype(np.float32), np.ones((5, 5), np.uint8))
        return cv2.GaussianBlur(inner, (5, 5), 0)

    def difference(self, carried: Picture, now: Picture) -> tuple[float, int]:
        """(sum of absolute differences from 0 to 255, mean over the colours, of the trusted pixels;
        how many they are)."""
        return float(cv2.absdiff(carried.pixels, now.pixels)[self.trusted].mean(1).sum()), int(
            self.trusted.sum()
        )


def motion(before: Picture, now: Picture) -> Motion:
    """From one RGB picture to another of its size, both LEAST pixels high and wide or more."""
    share = min(1.0, LOOKED / max(now.size))
    size = (max(LEAST, round(now.width * share)), max(LEAST, round(now.height * share)))
    old, new = (_grey(picture, size) for picture in (before, now))
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    back, forth = (search.calc(*pair, None) for pair in ((new, old), (old, new)))  # type: ignore
    home = _leads_home(back, forth)
    back = _enlarged(back, now.size)
    places = _places(back)
    home = cv2.resize(home.astype(np.uint8), now.size, interpolation=cv2.INTER_NEAREST) > 0
    made = Motion(back, home, places)
    same = _looks_same(made.carried(before), now)
    return Motion(back, home & same & _inside(places), places)


def _grey(picture: Picture, size: tuple[int, int]) -> np.ndarray:
    grey = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _enlarged(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    high, wide = flow.shape[:2]
    scale = np.array([size[0] / wide, size[1] / high], np.float32)
    return cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * scale


def _places(back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) in the picture before of every pixel now."""
    y, x = np.mgrid[: back.shape[0], : back.shape[1]].astype(np.float32)
    return x + back[..., 0], y + back[..., 1]


def _inside(places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    x, y = places
    return (x >= 0) & (y >= 0) & (x <= x.shape[1] - 1) & (y <= y.shape[0] - 1)


def _leads_home(back: np.ndarray, forth: np.ndarray) -> np.ndarray:
    """Sundaram et al. 2010, as Ruder et al. take it: forth from where a pixel was comes back to it,
    within a hundredth of the way and half a pixel."""
    along = cv2.remap(forth, *_places(back), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart = ((along + back) ** 2).sum(2)
    return apart <= 0.01 * ((along**2).sum(2) + (back**2).sum(2)) + 0.5


def _looks_same(carried: Picture, now: Picture) -> np.ndarray:
    """Mean over the colours, with the noise of single pixels taken away."""
    apart = carried.pixels.astype(np.float32) - now.pixels
    return np.abs(cv2.GaussianBlur(apart, (5, 5), 0)).mean(2) <= CHANGED
