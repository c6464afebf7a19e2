"""What a style transfer takes, before it runs: memory, seconds, and the tiles and the memory of
L-BFGS with which it fits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engines import memory
from engines.backbonenet import MINIMUM
from engines.backbones import layer_table
from engines.families.style.config import Setting
from engines.families.style.descent import HISTORY
from engines.families.style.objective import Features, total_variation
from engines.family import Model
from engines.planner import Cost, Estimate, cost, largest_tile

Size = tuple[int, int]
PICTURE = 12  # bytes of a pixel of the picture
COPIES = {"lbfgs": 8, "adam": 9}  # of the picture: itself, its gradient, what a step makes of them
SIDES = (256, 384, 512, 768, 1024, 1536, 2048)  # of tiles, to choose from
SHARE = 0.8  # of the free memory that a run may take
SCRATCH = {"cpu": 2.05}  # measured: what oneDNN and the C library take beside the maps
UNKNOWN = 4 << 30  # free bytes where nobody tells
PROBE = 256  # pixels: side of the picture that the speed is measured on


@dataclass(frozen=True)
class Room:
    """How a picture of one size is worked on. tile 0: whole; `history` of L-BFGS."""

    size: Size
    tile: int
    history: int
    bytes: float
    macs: float  # of one step


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
    rim = Features(model, model.module, setting).grid.rim  # type: ignore[arg-type]
    each = one.bytes * SCRATCH.get(model.device.type, 1.0)
    tile = _tile(tiles, size, SHARE * free - kept, each, rim)
    seen = pixels * _more(size, tile, rim)
    window = min(pixels, (tile + 2 * rim) ** 2) if tile else pixels
    macs = one.macs * (1.5 * seen if tile else pixels)  # a pass there first, for the sums
    return Room(size, tile, history, kept + each * window, macs)


def _content(model: Model, setting: Setting) -> float:
    """Bytes per pixel of the maps that are aimed at."""
    asked = {name for name, _ in setting.content}
    return sum(layer.bytes for layer in layer_table(model.config) if layer.name in asked)


def _tile(asked: str, size: Size, spare: float, each: float, rim: int) -> int:
    if min(size) < MINIMUM or asked == "off":
        return 0
    if asked.isdigit():
        return int(asked) if int(asked) < max(size) else 0
    if each * size[0] * size[1] <= spare:
        return 0
    tile = largest_tile(spare, each, rim, SIDES)
    return tile if tile < max(size) else 0


def _more(size: Size, tile: int, rim: int) -> float:
    """How often a pixel is looked at, in the mean."""
    if not tile:
        return 1.0
    seen = [sum(min(n, b + tile + rim) - max(0, b - rim) for b in range(0, n, tile)) for n in size]
    return seen[0] * seen[1] / (size[0] * size[1])


def estimate(
    model: Model, setting: Setting, rungs: Sequence[tuple[Room, int]], styles: int, method: str
) -> Estimate:
    """Of all sizes with their steps; `styles` pictures are looked at once at every size."""
    macs, copying = speed(model, setting)
    seconds = 0.0
    for one, steps in rungs:
        pixels = one.size[0] * one.size[1]
        seconds += one.macs * (steps + 0.5 * (styles + 1)) / macs
        seconds += PICTURE * pixels * COPIES[method] * 3 * steps / copying
        # the history grows by one a step, and is read twice
        seconds += 4 * PICTURE * pixels * steps * min(one.history, steps / 2) / copying
    widest = max((one for one, _ in rungs), key=lambda one: one.bytes)
    return Estimate(widest.bytes, seconds, widest.tile)


def speed(model: Model, setting: Setting) -> tuple[float, float]:
    """(multiply-adds, copied bytes) in a second, measured once for each set of layers."""
    key = f"speed {setting.layers} {setting.pooling}"
    if key not in model.memo:
        model.memo[key] = _measured(model, setting, cost(model.config, setting.layers))
    return model.memo[key]


def _measured(model: Model, setting: Setting, one: Cost) -> tuple[float, float]:
    features = Features(model, model.module, setting)  # type: ignore[arg-type]
    x = torch.rand((1, 3, PROBE, PROBE), generator=torch.Generator().manual_seed(0))
    x = (x * 255).to(model.device).requires_grad_()
    best = float("inf")
    for _ in range(2):
        begin = _now(model)
        maps = features(x, setting.layers)
        torch.stack([m.mean() for m in maps.values()]).sum().backward()
        best = min(best, _now(model) - begin)
    begin = _now(model)
    total_variation(x).backward()
    moved = x.numel() * 4 * 20  # about as many reads and writes
    return one.macs * PROBE**2 / best, moved / max(_now(model) - begin, 1e-6)


def _now(model: Model) -> float:
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return time.perf_counter()
