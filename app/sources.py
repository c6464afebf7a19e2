"""Where the pictures of a job come from: whoever draws or holds one says so by role."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from engines.job import Picture

Draw = Callable[[], Picture | None]


@dataclass(frozen=True)
class _Source:
    picture: Draw
    drawing: Callable[[], Any] | None


class Sources:
    """role -> a picture and, where it is drawn, the vector strokes behind it (JSON-able)."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def register(self, role: str, picture: Draw, drawing: Callable[[], Any] | None = None) -> None:
        self._sources[role] = _Source(picture, drawing)

    def knows(self, role: str) -> bool:
        return role in self._sources

    def pictures(self, roles: Iterable[str] | None = None) -> dict[str, Picture]:
        """What there is for these roles, or for all."""
        wanted = self._sources if roles is None else [r for r in roles if r in self._sources]
        found = {role: self._sources[role].picture() for role in wanted}
        return {role: picture for role, picture in found.items() if picture is not None}

    def drawings(self, roles: Iterable[str]) -> dict[str, Any]:
        known = {role: self._sources[role] for role in roles if role in self._sources}
        return {role: s.drawing() for role, s in known.items() if s.drawing is not None}
