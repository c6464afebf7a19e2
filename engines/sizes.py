"""The same job on smaller pictures, for want of memory, and its result at the size that was asked
for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engines import images
from engines.controls import ModelCard, SketchInput
from engines.gates import Gate
from engines.job import Job, Picture, Result

SMALLEST = 64  # pixels of the shorter side below which shrinking helps nobody


@dataclass(frozen=True)
class Shrunk:
    """A way to run a job. share: of the sides of its pictures; notes: what to tell with the
    result; gate: which places of it count."""

    job: Job
    share: float = 1.0
    notes: tuple[str, ...] = ()
    full: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()  # (small size, full size)
    gate: Gate | None = None

    def enlarged(self, result: Result) -> Result:
        if self.share < 1:
            beside = {title: self._enlarged(p) for title, p in result.beside.items()}
            pictures = tuple(self._enlarged(p) for p in result.pictures)
            result = replace(result, pictures=pictures, beside=beside)
        return replace(result, notes=(*result.notes, *self.notes))

    def _enlarged(self, picture: Picture) -> Picture:
        guess = (round(picture.width / self.share), round(picture.height / self.share))
        return Picture(images.resize(picture.pixels, dict(self.full).get(picture.size, guess)))


def shrunk(job: Job, card: ModelCard, shares: Sequence[float]) -> Iterator[Shrunk]:
    """`job` at every share of its size, down to SMALLEST."""
    if not job.images:
        return
    for share in shares:
        if min(min(p.size) for p in job.images.values()) * share < SMALLEST:
            return
        yield _at(job, card, share)


def _at(job: Job, card: ModelCard, share: float) -> Shrunk:
    pictures: dict[str, Picture] = {}
    for role, picture in job.images.items():
        control = card.control(role)
        smooth = not (isinstance(control, SketchInput) and control.kind == "labels")
        pictures[role] = Picture(
            images.resize(picture.pixels, _scaled(picture.size, share), smooth)
        )
    largest = max((p.size for p in job.images.values()), key=lambda size: size[0] * size[1])
    small = _scaled(largest, share)
    full = tuple((pictures[role].size, picture.size) for role, picture in job.images.items())
    size = _scaled(job.size, share) if job.size else None
    if job.size and size:
        full = (*full, (size, job.size))
    note = (
        f"There was too little memory for {largest[0]} x {largest[1]} pixels: "
        f"computed at {small[0]} x {small[1]} and enlarged."
    )
    return Shrunk(job.with_(images=pictures, size=size), share, (note,), full)


def _scaled(size: tuple[int, int], share: float) -> tuple[int, int]:
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))
