"""What looking at a picture through a backbone costs, told from its layer table before it runs:
memory and multiply-adds. Knows no paper and imports no torch.

For style and dream, which need the gradient of the picture and none of the weights: every map stays
until the way back has passed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from engines.backbones import MINIMUM, Config, layer_table, nodes
from engines.heap import MAPPED

FLOAT, INDEX = 4, 8  # bytes of a number, and of the place that a maximum came from
SIDES = (256, 384, 512, 768, 1024, 1536, 2048)  # of tiles, to choose from
SHARE = 0.8  # of the free memory that a run may take
UNKNOWN = 4 << 30  # free bytes where nobody tells


@dataclass(frozen=True)
class Cost:
    """Of a pass there and back, per pixel of the picture: bytes at the peak, multiply-adds."""

    bytes: float
    macs: float


def cost(config: Config, layers: Collection[str], pooling: str = "max", half: bool = False) -> Cost:
    """Up to the deepest of `layers`, whose maps something is computed from (a gradient of its own
    size comes back into each). With maps in half precision those are there in full too."""
    wanted = set(layers)
    table = {layer.name: layer for layer in layer_table(config)}
    known = [node for node in nodes(config) if node.name in table]
    last = max((n for n, node in enumerate(known) if node.name in wanted), default=-1)
    steps = known[: last + 1]
    uses = Counter(name for node in steps for name in node.inputs)
    held = peak = macs = 0.0
    part = 0.5 if half else 1.0
    held += 3 * FLOAT * 2  # the picture as the network takes it, and its gradient
    for node in steps:
        layer = table[node.name]
        before = sum(table[name].bytes if name else 3 * FLOAT for name in node.inputs)
        in_place = node.kind == "relu" and uses[node.inputs[0]] == 1 and not {*node.inputs} & wanted
        held += 0 if in_place else layer.bytes * part
        if node.norm:
            held += layer.bytes * part
        if half and node.name in wanted:
            held += layer.bytes
        if node.kind == "pool" and pooling == "max":
            held += layer.bytes * INDEX / FLOAT
        back = (layer.bytes + before) * part + (layer.bytes if node.name in wanted else 0)
        peak = max(peak, held + back)
        macs += 2 * layer.macs
    return Cost(peak, macs)


def is_mapped(config: Config, pixels: float) -> bool:
    """Whether the widest maps of a window are pieces of memory that the system hands out anew in
    every step."""
    return max(layer.bytes for layer in layer_table(config)) * pixels >= MAPPED


@dataclass(frozen=True)
class Estimate:
    """What a run will take. `tile` 0: pictures are looked at whole."""

    bytes: float
    seconds: float
    tile: int = 0

    def times(self, count: int) -> Estimate:
        """The same, `count` times one after another."""
        return Estimate(self.bytes, self.seconds * count, self.tile)

    @property
    def sentence(self) -> str:
        """The time, the peak of memory and, if there are any, the tiles."""
        size = f"{self.bytes / 1e9:.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.0f} MB"
        minutes, seconds = divmod(round(self.seconds), 60)
        time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        if self.seconds < 9.95:
            time = f"{max(self.seconds, 0.1):.1f} s"
        said = f"About {time} and {size} of memory"
        return f"{said}, in tiles of {self.tile} pixels" if self.tile else said


@dataclass(frozen=True)
class Room:
    """How a picture of one size is worked on: in tiles of a side (0: whole), with so many bytes at
    the peak. Of one step: multiply-adds, windows that are looked at, sizes that they have, and
    bytes that the system hands out. history: of L-BFGS."""

    size: tuple[int, int]
    tile: int
    bytes: float
    macs: float
    sizes: int
    windows: int
    fresh: float
    history: int = 0


def largest_tile(spare: float, per_pixel: float, rim: int, sides: tuple[int, ...]) -> int:
    """The largest of `sides` whose window, with its rim all round, fits into `spare` bytes; the
    smallest if none does."""
    fitting = [side for side in sides if per_pixel * (side + 2 * rim) ** 2 <= spare]
    return max(fitting, default=min(sides))


def chosen_tile(
    asked: str, size: tuple[int, int], spare: float, whole: float, per_pixel: float, rim: int
) -> int:
    """Side of the tiles that a picture is looked at in, 0: whole. `asked` is "auto", "off" or a
    side in pixels. whole, per_pixel: bytes of a pixel of a whole picture, and of a tile."""
    if min(size) < MINIMUM or asked == "off":
        return 0
    if asked.isdigit():
        return int(asked) if int(asked) < max(size) else 0
    if whole * size[0] * size[1] <= spare:
        return 0
    tile = largest_tile(spare, per_pixel, rim, SIDES)
    return tile if tile < max(size) else 0
