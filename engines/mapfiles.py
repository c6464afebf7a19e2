"""What a file may mean as a label map, before anyone has said so: its numbers or colours, how much
of the map each covers, and which classes they become by a table. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from engines import images, palettes
from engines.controls import Control, SketchInput
from engines.job import Picture
from engines.palettes import Imported, Palette

MOST = 64  # values that a table of a person's has; the rest is taken for noise
SURE = 0.9  # share of the map from which its values are believed to be meant
STEP = 24  # colours closer than this in every channel are one colour to a table

Meaning = Literal["numbers", "colours", "photo"]
Value = int  # a number, or a colour as 0xRRGGBB


@dataclass(frozen=True)
class MapFile:
    """A picture (H, W, C) as one sees it, and the numbers (H, W) that its file stores, if any."""

    picture: Picture
    numbers: np.ndarray | None = None

    @cached_property
    def by_number(self) -> tuple[tuple[Value, float], ...]:
        """(number, share of the map), the most frequent first."""
        if self.numbers is None:
            return ()
        return _shares(self.numbers)

    @cached_property
    def by_colour(self) -> tuple[tuple[Value, float], ...]:
        """(colour, share of the map that it or one much like it covers), the most frequent
        first."""
        rgb = images.flatten(self.picture).pixels.astype(np.int64)
        found = _shares(rgb @ np.array([1 << 16, 1 << 8, 1]))[: 16 * MOST]
        kept: list[list[float]] = []
        for value, share in found:
            like = next((row for row in kept if _are_alike(int(row[0]), value)), None)
            if like is not None:
                like[1] += share
            elif len(kept) < MOST:
                kept.append([value, share])
        return tuple((int(value), share) for value, share in kept)

    def values(self, meaning: Meaning) -> tuple[tuple[Value, float], ...]:
        return self.by_number if meaning == "numbers" else self.by_colour


def open_map(source: str | Path | bytes) -> MapFile:
    """Raises ImageError."""
    return MapFile(images.open_picture(source), palettes.stored_numbers(source))


def open_given(path: Path, control: Control | None) -> Picture:
    """The picture in a file as a model's input takes it: of a map of classes or looks the numbers
    that the file stores, of a map of objects numbers from 0 on, of all else what one sees. Raises
    ImageError."""
    if not isinstance(control, SketchInput) or control.kind != "labels":
        return images.open_picture(path)
    if control.optional and not control.classes:
        return palettes.open_objects(path)
    file = open_map(path)
    meant, _ = meaning(file, palettes.named(control.palette, control.classes))
    if meant != "numbers" or file.numbers is None:
        return file.picture
    return Picture(np.clip(file.numbers, 0, 255).astype(np.uint8))


def of_picture(picture: Picture) -> MapFile:
    """A picture that came without a file; a grey one holds numbers."""
    grey = picture.channels == 1
    return MapFile(picture, picture.pixels.astype(np.int64) if grey else None)


def meaning(file: MapFile, using: Palette) -> tuple[Meaning, bool]:
    """What the file seems to be, and whether that is beyond doubt."""
    known = sum(share for n, share in file.by_number if n < len(using))
    if file.numbers is not None and len(file.by_number) <= MOST:
        return "numbers", known > 0.9999
    _, distance = palettes.nearest(images.flatten(file.picture).pixels, using)
    if (distance <= palettes.NEAR).mean() >= SURE:
        return "colours", True
    if sum(share for _, share in file.by_colour[:MOST]) >= SURE and _is_flat(file.picture):
        return "colours", False
    return "photo", True


def table(file: MapFile, meant: Meaning, using: Palette, numbering: str = "") -> dict[Value, int]:
    """The class that each value most probably stands for: by number, by one of the palette's
    numberings, or by the nearest colour."""
    if meant == "numbers":
        known = using.ids[numbering] if numbering else {n: n for n in range(len(using))}
        return {value: known.get(value, using.unknown) for value, _ in file.by_number[:MOST]}
    values = [value for value, _ in file.by_colour]
    labels, _ = palettes.nearest(_rgb(values)[None], using)
    return {value: int(label) for value, label in zip(values, labels[0])}


def read(file: MapFile, meant: Meaning, using: Palette, wanted: Mapping[Value, int]) -> Imported:
    """The map by a table; numbers that it lacks become the palette's `unknown`, colours that it
    lacks the class of the nearest clear place."""
    if meant == "numbers":
        assert file.numbers is not None
        labels, lost = palettes.mapped(file.numbers, wanted, using.unknown)
        return Imported(labels, palettes.lost_note(lost, using))
    values = list(wanted)
    theirs = Palette("theirs", "this picture", ("",) * len(values), _colours(values))
    found = palettes.from_colours(file.picture, theirs)
    ours = np.array([wanted[value] for value in values], np.uint8)
    return Imported(Picture(ours[found.labels.pixels]), found.notes)


def _shares(values: np.ndarray) -> tuple[tuple[int, float], ...]:
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple((int(found[n]), float(counts[n] / values.size)) for n in order)


def _are_alike(one: int, other: int) -> bool:
    return all(abs((one >> s & 255) - (other >> s & 255)) < STEP for s in (16, 8, 0))


def _is_flat(picture: Picture) -> bool:
    """Whether most pixels equal their neighbour, as in a map and in no photo."""
    pixels = images.flatten(picture).pixels
    return bool((pixels[:, 1:] == pixels[:, :-1]).all(2).mean() >= SURE / 2)


def _colours(values: list[Value]) -> tuple[tuple[int, int, int], ...]:
    return tuple((v >> 16 & 255, v >> 8 & 255, v & 255) for v in values)


def _rgb(values: list[Value]) -> np.ndarray:
    return np.array(_colours(values), np.uint8)
