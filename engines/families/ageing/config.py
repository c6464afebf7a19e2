"""What the weights of a face-ageing net say of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
GROUPS = ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")  # years, as Antipov et al. part them

MOST_GROUPS = 120


@dataclass(frozen=True)
class Config:
    """groups  of age, the youngest first
    z       length of what is left of a face
    width   channels of the encoder's first layer, doubling with each level
    hidden  units of the encoder's last layer but one
    dense   units of the generator's first layer
    maps    channels of the generator's first map, 8 x 8 pixels; half as many with each doubling
    levels  halvings of the encoder down to 4 x 4 pixels
    reader  the encoder also says which group a photo belongs to (ours, not the paper's)
    adds    the generator draws what is added to the photo, and is given what the encoder sees at
            every size; a code alone has room for the look of a face, not for this one (ours)
    most    channels that no layer of the encoder goes beyond
    """

    groups: tuple[str, ...] = GROUPS
    z: int = 100
    width: int = 32
    hidden: int = 4096
    dense: int = 2048
    maps: int = 256
    levels: int = 4
    reader: bool = False
    adds: bool = False
    most: int = 2048

    @property
    def size(self) -> int:
        """Side in pixels of what it sees and makes."""
        return 4 * 2**self.levels

    @property
    def seen(self) -> tuple[int, ...]:
        """Channels of the encoder's layers, at 1/2, 1/4, ... of the size."""
        return tuple(min(self.width * 2**level, self.most) for level in range(self.levels))

    @property
    def drawn(self) -> tuple[tuple[int, int], ...]:
        """Channels in and out of the generator's convolutions, all but the last behind a doubling
        of the size; from maps of 8 x 8 pixels on."""
        if not self.adds:
            widths = [self.maps // 2**level for level in range(self.levels - 1)]
            return tuple(pairwise((*widths, 3)))
        before, found = self.maps, list[tuple[int, int]]()
        for beside in (*reversed(self.seen[:-2]), 3):
            out = max(beside, self.width)
            found.append((before + beside + len(self.groups), out))
            before = out
        return (*found, (before, 3))


def label(config: Config, age: float) -> list[float]:
    """The label of a place among the groups, 0 the youngest: one-hot, or between two."""
    age = min(max(age, 0.0), len(config.groups) - 1.0)
    return [max(0.0, 1 - abs(age - place)) for place in range(len(config.groups))]


def named(config: Config, age: float) -> str:
    """ "30-39", or "30-39 to 40-49" between two groups."""
    low, high = int(age), min(int(age) + 1, len(config.groups) - 1)
    if abs(age - round(age)) < 0.05:
        return config.groups[round(age)]
    return f"{config.groups[low]} to {config.groups[high]}"


def recognise(checkpoint: Checkpoint) -> Config | None:
    shapes = {k: s for k, s in checkpoint.shapes().items() if len(s) > 1}
    first, maps = shapes.get("generator.first.weight"), shapes.get("generator.second.weight")
    code, start = shapes.get("encoder.code.weight"), shapes.get("encoder.main.0.weight")
    if first is None or maps is None or code is None or start is None:
        return None
    count = first[1] - code[0]
    if not 2 <= count <= MOST_GROUPS:
        return None
    groups = tuple(checkpoint.metadata.get("config", {}).get("groups", ()))
    groups = groups or (GROUPS if count == len(GROUPS) else tuple(map(str, range(1, count + 1))))
    levels = sum(k.startswith("encoder.main.") for k in shapes)
    reader = "encoder.reader.weight" in shapes
    ends = [shape[0] for key, shape in shapes.items() if key.startswith("encoder.main.")]
    config = Config(groups, code[0], start[0], code[1], first[0], maps[0] // 64, levels, reader)
    if max(ends) < start[0] * 2 ** (levels - 1):
        config = replace(config, most=max(ends))
    drawn = sum(k.startswith("generator.main.") for k in shapes)
    config = replace(config, adds=drawn == levels)
    return config if len(groups) == count and dict(layers(config)) == shapes else None


def layers(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of every weight but biases and norms."""
    for level, (before, out) in enumerate(pairwise((3, *config.seen))):
        place = 0 if level == 0 else 3 * level - 1
        yield f"encoder.main.{place}.weight", (out, before, 5, 5)
    yield "encoder.hidden.weight", (config.hidden, 16 * config.seen[-1])
    yield "encoder.code.weight", (config.z, config.hidden)
    if config.reader:
        yield "encoder.reader.weight", (len(config.groups), config.hidden)
    yield "generator.first.weight", (config.dense, config.z + len(config.groups))
    yield "generator.second.weight", (64 * config.maps, config.dense)
    for number, (before, out) in enumerate(config.drawn):
        place = 3 * number + (number < config.levels - 1) if config.adds else 4 * number + 1
        yield f"generator.main.{place}.weight", (out, before, 5, 5)
