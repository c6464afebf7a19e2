"""A film of dreams: each picture is the one before, moved a little and dreamt on. Knows no network:
it gives jobs and takes their pictures. Imports no torch.

The end leads into the beginning: pictures beyond the end fade into those that the film began with,
while both go on moving. Held are the last picture and those of the fade, whatever the length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from engines.images import ImageError, flatten
from engines.job import Job, Picture

MOST = 3000  # pictures of one film
FADE = 24  # pictures of a fade at most
CALM = 0.2  # how far each picture's colours go back to those of the photo


@dataclass(frozen=True)
class Motion:
    """From one picture to the next: enlarged by `zoom`, turned by `turn` degrees against the clock,
    then shifted by shares of width and height to the right and down."""

    zoom: float = 1.02
    turn: float = 0.0
    right: float = 0.0
    down: float = 0.0


def moved(picture: Picture, motion: Motion) -> Picture:
    """RGB of the same size; what comes in over the rim is mirrored."""
    width, height = picture.size
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), motion.turn, motion.zoom)
    matrix[:, 2] += motion.right * width, motion.down * height
    pixels = cv2.warpAffine(
        flatten(picture).pixels, matrix, picture.size, flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return Picture(pixels)


def calmed(picture: Picture, like: Picture) -> Picture:
    """Mean and deviation of each colour a little nearer to those of `like`: dreaming on and on
    would leave nothing but black and white."""
    pixels, aim = (flatten(p).pixels.reshape(-1, 3) for p in (picture, like))
    mean, spread = pixels.mean(0), pixels.std(0) + 1e-3
    scale = 1 + CALM * ((aim.std(0) + 1e-3) / spread - 1)
    made = (pixels - mean) * scale + mean + CALM * (aim.mean(0) - mean)
    size = (picture.height, picture.width, 3)
    return Picture(np.rint(made.clip(0, 255)).astype(np.uint8).reshape(size))


class Journey:
    """job     of the first picture
    frames  of the film
    steps, octaves  of every picture but the first, which the job says
    """

    def __init__(
        self, job: Job, motion: Motion, frames: int, steps: int = 3, octaves: int = 2
    ) -> None:
        if not 3 <= frames <= MOST:
            raise ImageError(f"A film of dreams has 3 to {MOST} pictures.")
        if not (0.5 <= motion.zoom <= 2 and abs(motion.right) < 1 and abs(motion.down) < 1):
            raise ImageError("From one picture to the next the zoom is 0.5 to 2, a shift below 1.")
        self.frames, self.fade = frames, min(FADE, frames // 3)
        self._first, self._motion = job, motion
        self._changes = {"steps": steps, "octaves": octaves}
        self._last: Picture | None = None
        self._begun: deque[bytes] = deque()  # the first pictures, which the end fades into
        self._given = self._taken = 0

    @property
    def total(self) -> int:
        """Pictures that are dreamt: those of the film and those that fade."""
        return self.frames + self.fade

    def next(self) -> Job | None:
        """The job of the next picture; None when all were given. Asked for anew once its picture
        was taken."""
        if self._given == self.total:
            return None
        number, self._given = self._given, self._given + 1
        if self._last is None:
            return self._first
        images = {role: p for role, p in self._first.images.items() if role != "progress"}
        images["photo"] = calmed(moved(self._last, self._motion), self._first.images["photo"])
        values = {**self._first.values, **self._changes}
        return self._first.with_(values=values, images=images, seed=self._first.seed + number,
                                 origins={}, drawings={})  # fmt: skip

    def take(self, picture: Picture) -> Iterator[Picture]:
        """The pictures of the film that are ready with this one."""
        number, self._taken, self._last = self._taken, self._taken + 1, flatten(picture)
        if number < self.fade:
            self._begun.append(self._last.to_png())
        elif number < self.frames:
            yield self._last
        else:
            share = (number - self.frames + 1) / (self.fade + 1)
            yield _mixed(self._last, Picture.from_png(self._begun.popleft()), share)


def _mixed(one: Picture, other: Picture, share: float) -> Picture:
    return Picture(cv2.addWeighted(one.pixels, 1 - share, other.pixels, share, 0).astype(np.uint8))
