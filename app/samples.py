"""The drawings that come with Ganvas: examples for a first look, and stamps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.theme import RESOURCES


@dataclass(frozen=True)
class Sample:
    """`models` are the beginnings of the names of models that know such things."""

    id: str
    title: str
    models: tuple[str, ...]
    drawing: dict[str, Any]


@cache
def samples() -> tuple[Sample, ...]:
    """By their order in the files."""
    found = []
    for path in sorted((RESOURCES / "samples").glob("*.json")):
        body = json.loads(path.read_text("utf-8"))
        drawing = {"size": body["size"], "items": body["items"]}
        sample = Sample(path.stem, body["title"], tuple(body["models"]), drawing)
        found.append((body.get("order", 99), sample))
    return tuple(sample for _, sample in sorted(found, key=lambda pair: (pair[0], pair[1].id)))


def samples_for(model: str) -> list[Sample]:
    """What a model of this name was trained on; nothing for a model we know nothing of."""
    return [s for s in samples() if any(model.startswith(name) for name in s.models)]
