"""Enlarging: any super-resolution network that spandrel recognises, and ours."""

from __future__ import annotations

from engines.family import Family


class Enlarge(Family):
    id, title = "enlarge", "Enlarger"
