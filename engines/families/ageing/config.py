"""What the weights of a face-ageing net say of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    """

    groups: tuple[str, ...] = GROUPS
    z: int = 100
    width: int = 32
    hidden: int = 4096
    dense: int = 2048
    maps: int = 256
    levels: int = 4
    reader: bool = False

    @property
    def size(self) -> int:
        """Side in pixels of what it sees and makes."""
        return 4 * 2**self.levels


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
    config = Config(groups, code[0], start[0], code[1], first[0], maps[0] // 64, levels, reader)
    return config if len(groups) == count and dict(layers(config)) == shapes else None


def layers(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of every weight but biases and norms."""
    before = 3
    for level in range(config.levels):
        out = config.width * 2**level
        place = 0 if level == 0 else 3 * level - 1
        yield f"encoder.main.{place}.weight", (out, before, 5, 5)
        before = out
    yield "encoder.hidden.weight", (config.hidden, 16 * before)
    yield "encoder.code.weight", (config.z, config.hidden)
    if config.reader:
        yield "encoder.reader.weight", (len(config.groups), config.hidden)
    yield "generator.first.weight", (config.dense, config.z + len(config.groups))
    yield "generator.second.weight", (64 * config.maps, config.dense)
    before = config.maps
    for level in range(1, config.levels):
        out = 3 if level == config.levels - 1 else before // 2
        yield f"generator.main.{4 * level - 3}.weight", (out, before, 5, 5)
        before = out
