"""What a style transfer takes, before it runs: memory, seconds, and the tiles and the memory of
L-BFGS with which it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines import memory, pace
from engines.backbones import layer_table
from engines.families.style.config import Setting
from engines.families.style.descent import HISTORY
from engines.families.style.objective import Features, total_variation
from engines.family import Model
from engines.planner import SCRATCH, SHARE, UNKNOWN, Estimate, chosen_tile, cost

Size = tuple[int, int]
PICTURE = 12  # bytes of a pixel of the picture
COPIES = {"lbfgs": 8, "adam": 9}  # of the picture: itself, its gradient, what a step makes of them


@dataclass(frozen=True)
class Room:
    """How a picture of one size is worked on. tile 0: whole; `history` of L-BFGS."""

    size: Size
    tile: int
    history: int
    bytes: float
    macs: float  # of one step
    sizes: int = 1  # of windows that are looked at


def room(model: Model, setting: Setting, size: Size, tiles: str, method: str, steps: int) -> Room:
    """`tiles` is "auto", "off" or a side in pixels."""
    free = memory.free_bytes(model.device) or UNKNOWN
    pixels = size[0] * size[1]
    one = cost(model.config, setting.layers, setting.pooling)
    kept = pixels * (PICTURE * COPIES[method] + _content(model, setting))
    history = 0
    if method == "lbfgs":
        history = int(min(HISTORY, steps, max(5, 0.3 * free / (2 * PICTURE * pixels))))
        kept += 2 * PICTURE * pixels * history
    grid = Features(model, model.module, setting).grid  # type: ignore[arg-type]
    rim = grid.rim
    each = one.bytes * SCRATCH.get(model.device.type, 1.0)
    tile = chosen_tile(tiles, size, SHARE * free - kept, each, rim)
    seen = pixels * grid.looks(size, tile, True)
    window = min(pixels, (tile + 2 * rim) ** 2) if tile else pixels
    macs = one.macs * (1.5 * seen if tile else pixels)  # a pass there first, for the sums
    return Room(size, tile, history, kept + each * window, macs, grid.sizes(size, tile, True))


def _content(model: Model, setting: Setting) -> float:
    """Bytes per pixel of the maps that are aimed at."""
    asked = {name for name, _ in setting.content}
    return sum(layer.bytes for layer in layer_table(model.config) if layer.name in asked)


def estimate(
    model: Model, setting: Setting, rungs: Sequence[tuple[Room, int]], styles: int, method: str
) -> Estimate:
    """Of all sizes with their steps; `styles` pictures are looked at once at every size."""
    macs, copying, begin = speed(model, setting)
    seconds = 0.0
    for one, steps in rungs:
        seconds += begin * one.sizes
        pixels = one.size[0] * one.size[1]
        seconds += one.macs * (steps + 0.5 * (styles + 1)) / macs
        seconds += PICTURE * pixels * COPIES[method] * 3 * steps / copying
        # the history grows by one a step, and is read twice
        seconds += 4 * PICTURE * pixels * steps * min(one.history, steps / 2) / copying
    widest = max((one for one, _ in rungs), key=lambda one: one.bytes)
    return Estimate(widest.bytes, seconds, widest.tile)


def speed(model: Model, setting: Setting) -> pace.Pace:
    """Measured once for each set of layers."""
    features = Features(model, model.module, setting)  # type: ignore[arg-type]
    one = cost(model.config, setting.layers)

    def look(x: Tensor) -> Tensor:
        maps = features(x * 255, setting.layers)
        return torch.stack([m.mean() for m in maps.values()]).sum()

    key = f"{setting.layers} {setting.pooling}"
    return pace.speed(model, key, look, one.macs, total_variation, PICTURE * 20)
