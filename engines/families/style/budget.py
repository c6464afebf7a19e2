"""What a style transfer takes, before it runs: memory, seconds, and the tiles and the memory of
L-BFGS with which it fits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engines import memory, pace
from engines.backbones import layer_table
from engines.families.style.config import Setting
from engines.families.style.descent import HISTORY
from engines.families.style.objective import Features, gram_sum, total_variation
from engines.family import Model
from engines.planner import SHARE, UNKNOWN, Estimate, Room, chosen_tile, cost, is_mapped

Size = tuple[int, int]
PICTURE = 12  # bytes of a pixel of the picture
SCRATCH = {"cpu": 2.05}  # measured: what maps take of memory on a processor
RECALLED = 2  # measured: how much longer the products of a history take than copying it
COPIES = {"lbfgs": 8, "adam": 9}  # of the picture: itself, its gradient, what a step makes of them


def room(model: Model, setting: Setting, size: Size, tiles: str, method: str, steps: int) -> Room:
    """`tiles` is "auto", "off" or a side in pixels."""
    free = memory.free_bytes(model.device) or UNKNOWN
    pixels = size[0] * size[1]
    one = cost(model.config, setting.layers, setting.pooling, model.half)
    kept = pixels * (PICTURE * COPIES[method] + _content(model, setting))
    history = 0
    if method == "lbfgs":
        history = int(min(HISTORY, steps, max(5, 0.3 * free / (2 * PICTURE * pixels))))
        kept += 2 * PICTURE * pixels * history
    grid = Features(model, model.module, setting).grid  # type: ignore[arg-type]
    rim = grid.rim
    each = one.bytes * SCRATCH.get(model.device.type, 1.0)
    tile = chosen_tile(tiles, size, SHARE * free - kept, each, each, rim)
    seen = pixels * grid.looks(size, tile, True)
    window = min(pixels, (tile + 2 * rim) ** 2) if tile else pixels
    macs = one.macs * (1.5 * seen if tile else pixels)  # a pass there first, for the sums
    fresh = one.bytes * seen if is_mapped(model.config, window) else 0.0
    sizes = grid.sizes(size, tile, True)
    held = kept + each * window
    windows = grid.count(size, tile) * (2 if tile else 1)
    return Room(size, tile, held, macs, sizes, windows, fresh, history)


def _content(model: Model, setting: Setting) -> float:
    """Bytes per pixel of the maps that are aimed at."""
    asked = {name for name, _ in setting.content}
    return sum(layer.bytes for layer in layer_table(model.config) if layer.name in asked)


def estimate(
    model: Model, setting: Setting, rungs: Sequence[tuple[Room, int]], styles: int, method: str
) -> Estimate:
    """Of all sizes with their steps; `styles` pictures are looked at once at every size."""
    found, seconds = speed(model, setting), 0.0
    for one, steps in rungs:
        seconds += found.begin * one.sizes
        pixels = one.size[0] * one.size[1]
        seconds += found.looking(one) * (steps + 0.5 * (styles + 1))
        seconds += PICTURE * pixels * COPIES[method] * 3 * steps / found.copied
        # the history grows by one a step, and is read twice
        recalled = 4 * PICTURE * pixels * steps * min(one.history, steps / 2)
        seconds += RECALLED * recalled / found.copied
    widest = max((one for one, _ in rungs), key=lambda one: one.bytes)
    return Estimate(widest.bytes, seconds, widest.tile)


def speed(model: Model, setting: Setting) -> pace.Pace:
    """Measured once for each set of layers."""
    features = Features(model, model.module, setting)  # type: ignore[arg-type]
    one = cost(model.config, setting.layers, half=model.half)

    def look(x: Tensor) -> Tensor:
        maps = features(x * 255, setting.layers)
        found = [maps[name].square().mean() for name, _ in setting.content]
        found += [gram_sum(maps[name]).square().mean() for name, _ in setting.style]
        return torch.stack(found).sum()

    key = f"{setting.layers} {setting.pooling}"
    return pace.speed(model, key, look, one.macs, total_variation, PICTURE * 20)
