"""Where the pictures of a job come from: whoever draws or holds one says so by role."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engines.controls import ImageInput, ModelCard, SketchInput, Text
from engines.job import Job, Picture

KEPT = 32  # pictures of which it is known what job made them

Draw = Callable[[], Picture | None]


@dataclass(frozen=True)
class _Source:
    picture: Draw
    drawing: Callable[[], Any] | None


class Sources:
    """role -> a picture and, where it is drawn, the vector strokes behind it (JSON-able)."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._before = Job("")
        self._made: list[tuple[Picture, Job]] = []

    def remember(self, before: Job) -> None:
        """What lay on the desk before, for roles of which nobody has said anything yet."""
        self._before = before

    def register(self, role: str, picture: Draw, drawing: Callable[[], Any] | None = None) -> None:
        self._sources[role] = _Source(picture, drawing)

    def pictures(self, roles: Iterable[str] | None = None) -> dict[str, Picture]:
        """What there is for these roles, or for all."""
        wanted = self._sources if roles is None else [r for r in roles if r in self._sources]
        found = {role: self._sources[role].picture() for role in wanted}
        return {role: picture for role, picture in found.items() if picture is not None}

    def made_by(self, picture: Picture, job: Job) -> None:
        """A picture that will lie on a desk is the result of `job`."""
        self._made = [*self._made[1 - KEPT :], (picture, job)]

    def origin(self, picture: Picture | None) -> Job | None:
        """The job that made this very picture, not one that looks the same."""
        return next((job for made, job in self._made if made is picture), None)

    def origins(self, pictures: Mapping[str, Picture]) -> dict[str, Job]:
        found = {role: self.origin(picture) for role, picture in pictures.items()}
        return {role: job for role, job in found.items() if job is not None}

    def take_origins(self, job: Job) -> None:
        """A recipe comes back, and with it what made its pictures."""
        for role, origin in job.origins.items():
            if role in job.images:
                self.made_by(job.images[role], origin)

    def drawings(self, roles: Iterable[str]) -> dict[str, Any]:
        known = {role: self._sources[role] for role in roles if role in self._sources}
        return {role: s.drawing() for role, s in known.items() if s.drawing is not None}

    def everything(self) -> tuple[dict[str, Picture], dict[str, Any]]:
        """Pictures and strokes of all roles, also of those whose model is still loading or has
        not been in use since."""
        pictures = self.pictures()
        drawings = self.drawings(pictures)
        waiting = {r: p for r, p in self._before.images.items() if r not in self._sources}
        strokes = {r: d for r, d in self._before.drawings.items() if r in waiting}
        return {**waiting, **pictures}, {**strokes, **drawings}


def missing_input(card: ModelCard, job: Job) -> ImageInput | SketchInput | Text | None:
    """The first picture that the model needs and the job does not have, else the first text."""
    for control in card.inputs():
        if not control.optional and control.role not in job.images:
            return control
    texts = (c for c in card.controls if isinstance(c, Text) and c.needed)
    return next((c for c in texts if not str(job.values.get(c.name, "")).strip()), None)
