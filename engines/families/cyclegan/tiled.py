"""Pictures larger than memory, in tiles without seams.

Instance norm divides by statistics of the whole picture, which no tile knows. So a first pass sees
windows spread over the picture together and keeps the statistics that each norm finds in them; then
every tile is normalised by these. Tiles overlap by all that one result pixel can see: where two
meet, both have the same numbers. What differs from a pass over the whole picture is only how well
the windows stand for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.layers import InstanceNorm2d

WINDOW = 256  # pixels: side of a window of the first pass
Statistics = dict[nn.Module, tuple[Tensor, Tensor]]
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
def measuring(net: nn.Module) -> Iterator[Statistics]:
    """While it lasts, instance norms normalise a batch as if it were one picture, and what they
    find is kept."""
    kept: Statistics = {}

    def norm(layer: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> Tensor:
        x = given[0].float()
        spread, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        kept[layer] = mean, spread
        return _normalised(given[0], mean, spread)

    with _hooked(net, norm):
        yield kept


@contextmanager
def normalising(net: nn.Module, kept: Statistics) -> Iterator[None]:
    """While it lasts, instance norms use statistics of another pass."""
    with _hooked(net, lambda layer, given, _: _normalised(given[0], *kept[layer])):
        yield


@contextmanager
def _hooked(net: nn.Module, hook: Callable[..., Tensor]) -> Iterator[None]:
    hooks = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, InstanceNorm2d)]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _normalised(x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    return F.batch_norm(x, mean.to(x.dtype), spread.to(x.dtype), eps=1e-5)


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
