"""What official networks of this paper were trained for: their tasks as presets. A file holds the
same tensors whatever its task; only its name, or a person, says which it is.

Isola et al. 2017 show seven: labels to street scene, architectural labels to photo, map to aerial
photo and back, black and white to colour, edges to photo, sketch to photo, day to night.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engines import images, palettes
from engines.controls import Choice, ImageInput, ModelCard, SketchInput
from engines.job import Picture

PRESET = "task"
UNKNOWN = "any"


@dataclass(frozen=True)
class Task:
    """gives    what a person gives: "labels" is painted in the classes of `palette`, "lines" are
             drawn, a "photo" is dropped; `grey`: its colours are taken away first
    marks    parts of file names that tell of it (the official downloads and data sets)
    """

    id: str
    title: str
    gives: str
    label: str
    marks: tuple[str, ...]
    palette: str = ""
    grey: bool = False

    @property
    def rooms(self) -> tuple[str, ...]:
        return {"labels": ("paint",), "lines": ("draw",), "photo": ("translate",)}[self.gives]


TASKS = (
    Task("facades", "Façade labels to photo", "labels", "Label map",
         ("facades_label2photo", "label2facade", "facade"), "facades"),
    Task("streets", "Street labels to photo", "labels", "Label map",
         ("cityscapes_label2photo", "cityscapes"), "cityscapes"),
    Task("map", "Map to aerial photo", "labels", "Map", ("map2sat", "map2aerial"), "maps"),
    Task("aerial", "Aerial photo to map", "photo", "Aerial photo", ("sat2map", "aerial2map")),
    Task("colour", "Black and white to colour", "photo", "Photo",
         ("colorization", "colourise", "bw2color", "gray2color"), grey=True),
    Task("edges", "Edges to photo", "lines", "Edges", ("edges2", "edge2")),
    Task("sketch", "Sketch to photo", "lines", "Sketch", ("sketch2", "sketches2")),
    Task("night", "Day to night", "photo", "Photo by day", ("day2night",)),
)  # fmt: skip
_BY_ID = {task.id: task for task in TASKS}
_BACKWARDS = ("photo2label", "photo2facade", "night2day")  # no preset gives what these take

CHOICE = Choice(
    PRESET,
    "Trained for",
    ((UNKNOWN, "Not known"), *((task.id, task.title) for task in TASKS)),
    UNKNOWN,
    help="What the network learned to make of what: labels are painted then, lines are drawn, "
    "photos are dropped. The file does not say; it is remembered for it.",
    preset=True,
)


def told_by(name: str) -> str:
    """The task that the name of a file or folder tells of; "" if it does not."""
    name = name.lower().replace("-", "_")
    if any(mark in name for mark in _BACKWARDS):
        return ""
    return next((t.id for t in TASKS if any(mark in name for mark in t.marks)), "")


def presented(card: ModelCard, value: str) -> ModelCard:
    """The card of a network of unknown task as that of one trained for `value`."""
    task = _BY_ID.get(value)
    if task is None or card.control(PRESET) is None:
        return card
    controls = tuple(
        replace(c, default=task.id) if isinstance(c, Choice) and c.preset else
        _given(task, c) if isinstance(c, SketchInput) else c
        for c in card.controls
        if task.gives == "photo" or not (isinstance(c, ImageInput) and c.gates)
    )  # fmt: skip
    return replace(card, title=task.title, controls=controls, rooms=task.rooms)


def _given(task: Task, drawn: SketchInput) -> SketchInput:
    if task.gives == "labels":
        classes = len(palettes.palette(task.palette))
        return SketchInput(
            drawn.role, task.label, "labels", drawn.size, palette=task.palette, classes=classes
        )
    return replace(drawn, label=task.label, photo=task.gives == "photo")


def seen_by(value: str, given: Picture, size: tuple[int, int]) -> Picture:
    """What the network is shown of what a person gave, at `size` (width, height): a map of class
    numbers in the colours of its palette, a photo without its colours."""
    task = _BY_ID.get(value)
    if task is None:
        return given if given.size == size else Picture(images.resize(given.pixels, size))
    if task.palette and given.channels == 1:
        numbers = images.resize(given.pixels, size, smooth=False)
        return Picture(np.ascontiguousarray(palettes.palette(task.palette).table[numbers]))
    seen = images.to_grey(given) if task.grey else given
    return seen if seen.size == size else Picture(images.resize(seen.pixels, size))
