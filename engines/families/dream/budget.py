"""What a dream takes, before it runs: memory, seconds, and the tiles with which it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engines import memory
from engines.backbones import HEAD, layer_names, layer_table
from engines.families.dream.ascent import Ascent
from engines.families.dream.config import Setting
from engines.family import Model
from engines.pace import Pace, speed
from engines.planner import SHARE, UNKNOWN, Estimate, Room, chosen_tile, cost, is_mapped
from engines.windows import Grid

Size = tuple[int, int]
PICTURE = 12  # bytes of a pixel of the picture
COPIES = 7  # of the picture: itself, the photo at all sizes, its gradient and what is made of it
MOVED = 30 * PICTURE  # bytes that a step reads and writes beside the network's, for a pixel
SCRATCH = {"cpu": (1.47, 2.8)}  # measured: what maps take of memory, and those of tiles with gaps


def room(model: Model, setting: Setting, size: Size, tiles: str, guide: Size | None) -> Room:
    """`tiles` is "auto", "off" or a side in pixels."""
    free = memory.free_bytes(model.device) or UNKNOWN
    pixels = size[0] * size[1]
    one = cost(model.config, _layers(model, setting), half=model.half)
    kept = pixels * PICTURE * COPIES + _weights(model, setting)
    grid = Grid(model.config, setting.layers)
    rim = grid.rim
    whole, each = (one.bytes * n for n in SCRATCH.get(model.device.type, (1.0, 1.0)))
    tile = chosen_tile(tiles, size, SHARE * free - kept, whole, each, rim)
    window = min(pixels, (tile + 2 * rim) ** 2) if tile else pixels
    seen = pixels * grid.looks(size, tile)
    macs = one.macs * seen
    macs += _products(model, setting, size, guide) if guide else 0
    held = kept + window * (each if tile else whole)
    fresh = one.bytes * seen if is_mapped(model.config, window) else 0.0
    windows = grid.count(size, tile)
    return Room(size, tile, held, macs, grid.sizes(size, tile), windows, fresh)


def _layers(model: Model, setting: Setting) -> tuple[str, ...]:
    """Those that are looked at; a class is told by all of them."""
    return layer_names(model.config)[-1:] if setting.aim == "class" else setting.layers


def _weights(model: Model, setting: Setting) -> float:
    """Bytes of the weights that are looked through: a processor lays them out anew for itself, for
    the way there and for the way back; a card takes them as they are."""
    if model.device.type != "cpu":
        return 0.0
    table, wanted = layer_table(model.config), _layers(model, setting)
    last = max(n for n, layer in enumerate(table) if layer.name in wanted)
    return 8.0 * sum(layer.parameters for layer in table[: last + 1])


def _products(model: Model, setting: Setting, size: Size, guide: Size) -> float:
    """Multiply-adds that match every place of a picture with every place of a guide."""
    found = 0.0
    for layer in layer_table(model.config):
        if layer.name in setting.layers:
            mine, theirs = ((n[0] * n[1]) / layer.stride**2 for n in (size, guide))
            found += mine * theirs * layer.channels
    return found


def estimate(
    model: Model, setting: Setting, octaves: Sequence[Room], guide: Size | None
) -> Estimate:
    """Of all octaves with their steps, and of the matching at the end."""
    pace = _speed(model, setting)
    seconds = sum(pace.looking(one) for one in octaves) * setting.steps
    seconds += pace.begin * sum(one.sizes for one in octaves)
    pixels = sum(one.size[0] * one.size[1] for one in octaves)
    seconds += MOVED * pixels * setting.steps / pace.copied
    if guide:
        seconds += octaves[-1].macs / (2 * pace.macs)
    widest = max(octaves, key=lambda one: one.bytes)
    return Estimate(widest.bytes, seconds, widest.tile)


def _speed(model: Model, setting: Setting) -> Pace:
    layers = (HEAD,) if setting.aim == "class" else setting.layers
    one = cost(model.config, _layers(model, setting), half=model.half)

    def look(x: Tensor) -> Tensor:
        maps = model(model.module.enter(x), layers)  # type: ignore[operator]
        return torch.stack([m.square().mean() for m in maps.values()]).sum()

    plain = replace(setting, smooth=1.0, normalise="std")
    ascent = Ascent(plain, 0.1, *torch.tensor([0.0, 1.0], device=model.device))

    def step(x: Tensor) -> Tensor:
        still = x.detach()
        return ascent.moved(still, still, 0, (7, -5)).sum() + x.sum()

    return speed(model, str(layers), look, one.macs, step, MOVED)
