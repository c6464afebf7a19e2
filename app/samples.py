"""What comes with Ganvas to begin with: drawings and label maps, as examples and as stamps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.theme import RESOURCES


@dataclass(frozen=True)
class Sample:
    """models   the beginnings of the names of models that know such things
    palette  of a label map: what its numbers mean
    stamp    a part to be set on a map, not a map
    """

    id: str
    title: str
    models: tuple[str, ...]
    drawing: dict[str, Any]
    palette: str = ""
    stamp: bool = False


@cache
def _all() -> tuple[Sample, ...]:
    """By their order in the files."""
    found = []
    for path in sorted((RESOURCES / "samples").glob("*.json")):
        body = json.loads(path.read_text("utf-8"))
        drawing = {k: body[k] for k in ("size", "items", "palette", "ground") if k in body}
        palette, stamp = body.get("palette", ""), bool(body.get("stamp"))
        models = tuple(body.get("models", ()))
        sample = Sample(path.stem, body["title"], models, drawing, palette, stamp)
        found.append((body.get("order", 99), sample))
    return tuple(sample for _, sample in sorted(found, key=lambda pair: (pair[0], pair[1].id)))


def samples() -> list[Sample]:
    """Outlines."""
    return [sample for sample in _all() if not sample.palette]


def samples_for(model: str) -> list[Sample]:
    """What a model of this name was trained on; nothing for a model we know nothing of."""
    return [s for s in samples() if any(model.startswith(name) for name in s.models)]


def maps(palette: str) -> list[Sample]:
    """Whole label maps in the classes of a palette."""
    return [s for s in _all() if palette and s.palette == palette and not s.stamp]


def parts(palette: str) -> list[Sample]:
    """What can be stamped on a map in the classes of a palette."""
    return [s for s in _all() if palette and s.palette == palette and s.stamp]
