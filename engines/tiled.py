"""Pictures larger than memory, in tiles without seams.

Instance norm divides by statistics of the whole picture, which no tile knows. So a first pass sees
windows spread over the picture together and keeps the statistics that each norm (and each
layers.Statistics) finds in them; then every tile is normalised by these. Tiles overlap by all that
one result pixel can see: where two meet, both have the same numbers. What differs from a pass over
the whole picture is only how well the windows stand for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines import executor, memory
from engines.family import Model
from engines.job import Event, Progress
from engines.layers import InstanceNorm2d, Statistics

WINDOW = 256  # pixels: side of a window of the first pass
TILE = 768  # pixels: side of a tile where memory decides, before its overlap
WINDOWS = 24  # of the first pass over a picture in tiles, where memory does not decide
Kept = dict[nn.Module, tuple[Tensor, ...]]
Pass = Callable[[Tensor], Tensor]


def reach(net: nn.Module) -> int:
    """Pixels to each side that one result pixel can see, for nets whose layers follow one
    another."""
    step, far = 1.0, 0.0
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            far += step * (layer.kernel_size[0] - 1) / 2
            step *= layer.stride[0]
        elif isinstance(layer, nn.ConvTranspose2d):
            step /= layer.stride[0]
            far += step * (layer.kernel_size[0] - 1) / 2
    return int(-(-far // 1))


def windows(x: Tensor, count: int, side: int = WINDOW) -> Tensor:
    """(n, C, side, side), n at most `count`: windows of x (1, C, H, W) spread evenly over it, from
    rim to rim."""
    height, width = x.shape[-2:]
    tall, wide = min(side, height), min(side, width)
    across = max(1, min(round((count * width / height) ** 0.5), count, -(-width // wide)))
    down = max(1, min(count // across, -(-height // tall)))
    tops = _spread(height - tall, down)
    lefts = _spread(width - wide, across)
    return torch.cat([x[..., t : t + tall, n : n + wide] for t in tops for n in lefts])


def _spread(most: int, count: int) -> list[int]:
    return [round(most * n / max(count - 1, 1)) for n in range(count)] if count > 1 else [most // 2]


@contextmanager
def measuring(net: nn.Module) -> Iterator[Kept]:
    """While it lasts, instance norms normalise a batch as if it were one picture, and what they
    find is kept."""
    kept: Kept = {}

    def found(layer: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        if isinstance(layer, Statistics):
            kept[layer] = layer.forward(x.transpose(0, 1).reshape(1, x.shape[1], -1, x.shape[3]))
        else:
            spread, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
            kept[layer] = mean, spread
        return kept[layer]

    with _hooked(net, found):
        yield kept


@contextmanager
def normalising(net: nn.Module, kept: Kept) -> Iterator[None]:
    """While it lasts, the layers use statistics of another pass."""
    with _hooked(net, lambda layer, _: kept[layer]):
        yield


@contextmanager
def _hooked(net: nn.Module, found: Callable[[nn.Module, Tensor], Any]) -> Iterator[None]:
    """Statistics give what is found; norms divide by it."""

    def hook(layer: nn.Module, given: tuple[Tensor, ...], _: Any) -> Any:
        said = found(layer, given[0])
        return said if isinstance(layer, Statistics) else _normalised(layer, given[0], *said)

    layers = [m for m in net.modules() if isinstance(m, InstanceNorm2d | Statistics)]
    hooks = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _normalised(layer: nn.Module, x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    assert isinstance(layer, InstanceNorm2d)
    return F.batch_norm(x, mean.to(x.dtype), spread.to(x.dtype), layer.weight, layer.bias,
                        eps=layer.eps)  # fmt: skip


def grid(length: int, tile: int, multiple: int) -> list[tuple[int, int]]:
    """(start, end) of parts of at most `tile`, all but the last as long as one another; starts are
    multiples of `multiple`."""
    count = max(1, -(-length // tile))
    part = -(-length // (count * multiple)) * multiple
    return [(start, min(start + part, length)) for start in range(0, length, part)]


def tiles(
    x: Tensor, run: Pass, made: Tensor, tile: int, margin: int, multiple: int
) -> Iterator[int]:
    """Fill `made` (1, C, H, W) with what `run` makes of x (1, C', H, W), tile by tile; how many are
    done, after each. H and W are multiples of `multiple`."""
    height, width = x.shape[-2:]
    margin = -(-margin // multiple) * multiple
    done = 0
    for top, bottom in grid(height, tile, multiple):
        for left, right in grid(width, tile, multiple):
            up, low = max(top - margin, 0), min(bottom + margin, height)
            west, east = max(left - margin, 0), min(right + margin, width)
            part = run(x[..., up:low, west:east])
            inner = part[..., top - up : bottom - up, left - west : right - west]
            made[..., top:bottom, left:right] = inner.to(made)
            done += 1
            yield done


# ---- a run ---------------------------------------------------------------------------------------


def through(
    model: Model,
    x: Tensor,
    rest: tuple[Any, ...],
    asked: str,
    margin: int,
    multiple: int,
    note: str,
) -> Generator[Event, None, tuple[Tensor, bool]]:
    """(what `model(x, *rest)` makes of a picture x (1, C, H, W), whether in tiles).

    multiple  of which H and W are multiples
    asked     as the cards' Choice of tiles has it
    margin    pixels to each side that a result pixel can see
    note      of the Progress after each tile
    """
    side, count = plan(model, x, rest, asked)
    if not side:
        return model(x, *rest), False
    with measuring(model.module) as kept:
        model(windows(x, count), *rest)

    def run(window: Tensor) -> Tensor:  # between two tiles the net may serve another job
        with normalising(model.module, kept):
            return model(window, *rest)

    total = len(grid(x.shape[-2], side, multiple)) * len(grid(x.shape[-1], side, multiple))
    made = torch.empty((1, 3, *x.shape[-2:]))
    for done in tiles(x, run, made, side, margin, multiple):
        yield Progress(done, total, note)
    return made, True


def plan(model: Model, x: Tensor, rest: tuple[Any, ...], asked: str) -> tuple[int, int]:
    """(side of a tile, 0 for one pass over all; windows of the first pass)."""
    if asked.isdigit():
        side = int(asked)
        return (side if max(x.shape[-2:]) > side else 0), WINDOWS
    if x.numel() < executor.LARGE:  # a prediction takes seconds the first time
        return 0, 0
    free = memory.free_bytes(model.device)
    if asked == "off" or free is None:
        return 0, 0
    needed = memory.pass_bytes(model.module, (x, *rest), {})
    if needed is None or needed <= free:
        return 0, 0
    one = memory.pass_bytes(model.module, (x[..., :256, :256], *rest), {}) or free
    fitting = int(0.7 * free / max(one, 1))
    side = min(TILE, int(fitting**0.5) * 256 - 256)
    return max(256, side // 256 * 256), min(max(fitting, 4), 64)
