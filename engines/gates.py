"""A mask gates what a model made: there its result counts, elsewhere the photo stays as it is.
Whatever the family, which never sees the mask. Knows neither torch nor Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from engines import images
from engines.controls import ImageInput, ModelCard
from engines.job import Event, Job, Picture, Preview, Result

EventT = TypeVar("EventT", bound=Event)
BAND = 512  # rows that are blended at a time


@dataclass(frozen=True)
class Gate:
    """mask: of any size, see images.coverage."""

    photo: Picture
    mask: Picture

    def over(self, event: EventT) -> EventT:
        """The event with its pictures gated."""
        if isinstance(event, Preview):
            return replace(event, picture=self.laid(event.picture))
        if isinstance(event, Result):
            return replace(event, pictures=tuple(map(self.laid, event.pictures)))
        return event

    def laid(self, made: Picture) -> Picture:
        """`made` where the mask holds and the photo where it does not, in its size, where that is
        another by bicubic. Where the mask is 0 every pixel is the photo's. Raises ImageError."""
        (wide, high), (width, height) = self.photo.size, made.size
        if abs(width * high - height * wide) > max(wide, high):
            raise images.ImageError(
                f"A mask needs a result of the photo's shape; this one is {width} x {height} for a "
                f"photo of {wide} x {high}."
            )
        stays, made = _alike(Picture(images.resize(self.photo.pixels, made.size)), made)
        share = images.resize(images.coverage(self.mask).pixels, made.size)
        return Picture(_blended(stays.pixels, made.pixels, share))


def split(job: Job, card: ModelCard) -> tuple[Job, Gate | None]:
    """A checked job as its family shall see it, and what its mask makes of that."""
    control = control_of(card)
    if control is None or control.role not in job.images:
        return job, None
    rest = {role: picture for role, picture in job.images.items() if role != control.role}
    return job.with_(images=rest), Gate(rest[control.over], job.images[control.role])


def control_of(card: ModelCard) -> ImageInput | None:
    """The mask that gates the model, if its card has one."""
    return next((c for c in card.inputs() if isinstance(c, ImageInput) and c.gates), None)


def _alike(photo: Picture, made: Picture) -> tuple[Picture, Picture]:
    """Both with as many channels; a result without transparency takes the photo's."""
    if photo.channels == 4 and made.channels != 4:
        return photo, images.with_alpha(made, photo.pixels[..., 3])
    if made.channels == 4 and photo.channels != 4:
        return images.with_alpha(photo, np.full(photo.pixels.shape[:2], 255, np.uint8)), made
    if photo.channels != made.channels:
        return images.flatten(photo), images.flatten(made)
    return photo, made


def _blended(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Of two (H, W) or (H, W, C) uint8, `share` (H, W) of 255 of the second. Rounded; 255² fits in
    16 bits, and what is wholly one of them comes back to the bit."""
    made = np.empty_like(below)
    share = share if below.ndim == 2 else share[..., None]
    for top in range(0, len(made), BAND):
        rows = slice(top, top + BAND)
        weight = share[rows].astype(np.uint16)
        made[rows] = (below[rows] * (255 - weight) + above[rows] * weight + 127) // 255
    made.flags.writeable = False  # so that Picture makes no second copy
    return made
