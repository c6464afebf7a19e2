"""A picture enlarged tile by tile without seams.

A tile is given with a rim of its surroundings. Where two tiles meet they are blended over a narrow
band on both sides of the border: for a network whose pixels see no farther than the rest of the
rim, both say the same there, and the result is that of one pass; for others (attention) the change
from one tile to the next is gradual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

BAND = 8  # pixels of the small picture on each side of a border that are blended
LEAST, MOST = 16, 64  # pixels of rim beyond the band


def reach(net: nn.Module) -> int:
    """Pixels of rim that a network wants: all that one result pixel can see through the
    convolutions that come one after another, within LEAST and MOST."""
    far = sum(
        (layer.kernel_size[0] - 1) * layer.dilation[0] / 2
        for layer in net.modules()
        if isinstance(layer, nn.Conv2d)
    )
    return int(min(max(far, LEAST), MOST))


def spans(length: int, tile: int, multiple: int) -> list[tuple[int, int]]:
    """(start, end) of equal parts of at most about `tile`, starts being multiples of
    `multiple`."""
    count = max(1, -(-length // tile))
    part = -(-length // (count * multiple)) * multiple
    return [(start, min(start + part, length)) for start in range(0, length, part)]


def enlarged(
    x: Tensor,
    run: Callable[[Tensor], Tensor],
    made: Tensor,
    scale: int,
    tile: int,
    rim: int,
    multiple: int,
) -> Iterator[int]:
    """Fill `made` (1, C, scale * H, scale * W), zero at first, with what `run` makes of parts of x
    (1, C, H, W); how many are done, after each."""
    height, width = x.shape[-2:]
    rim = -(-(rim + BAND) // multiple) * multiple
    done = 0
    for top, bottom in spans(height, tile, multiple):
        for left, right in spans(width, tile, multiple):
            up, low = max(top - rim, 0), min(bottom + rim, height)
            west, east = max(left - rim, 0), min(right + rim, width)
            part = run(x[..., up:low, west:east]).to(made)
            down = _weights(top, bottom, up, low, height, scale, made)
            across = _weights(left, right, west, east, width, scale, made)
            place = made[..., scale * up : scale * low, scale * west : scale * east]
            place += part * down[:, None] * across
            done += 1
            yield done


def _weights(
    start: int, end: int, first: int, last: int, length: int, scale: int, like: Tensor
) -> Tensor:
    """How much each pixel (of the large picture) of first..last counts: 1 within start..end, a ramp
    around each of the two where the picture goes on, such that those of neighbours sum to 1."""
    place = (torch.arange(scale * first, scale * last) + 0.5) / scale
    rising = torch.ones(()) if start == 0 else (place - start) / (2 * BAND) + 0.5
    falling = torch.ones(()) if end == length else (end - place) / (2 * BAND) + 0.5
    return (rising.clamp(0, 1) * falling.clamp(0, 1)).expand(len(place)).to(like)
