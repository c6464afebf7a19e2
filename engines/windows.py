"""Windows over a picture, for features that are those of the whole picture: every window has a core
that counts and a rim that the core's features see. Knows no term and no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engines.backbones import MINIMUM, Config, layer_table

RIM = 128  # pixels of rim at most: beyond, a feature sees next to nothing
PHASES = 2  # places from which a moving grid may be cut, along each side: each new size of window
# costs a processor's library the making of code for it
Span = tuple[int, int, int, int]  # begin and end of the core, begin and end of the window


@dataclass(frozen=True)
class Window:
    rows: Span
    columns: Span

    def of(self, x: Tensor) -> Tensor:
        """Its part of (..., H, W), a view."""
        return x[..., self.rows[2] : self.rows[3], self.columns[2] : self.columns[3]]

    def core(self, features: Tensor, stride: int) -> Tensor:
        """What counts of a map (..., h, w) of this window."""
        top, bottom = _inner(self.rows, stride, features.shape[-2])
        left, right = _inner(self.columns, stride, features.shape[-1])
        return features[..., top:bottom, left:right]

    def part(self, features: Tensor, size: Sequence[int], stride: int) -> Tensor:
        """The same positions, `size` (h, w) of them, in a map of the whole picture."""
        top, left = self.rows[0] // stride, self.columns[0] // stride
        return features[..., top : top + size[0], left : left + size[1]]


def _inner(span: Span, stride: int, length: int) -> tuple[int, int]:
    begin, end, outer, far = span
    last = length if end == far else (end - outer) // stride
    return (begin - outer) // stride, last


class Grid:
    """How a picture is cut for the maps of some layers."""

    def __init__(self, config: Config, layers: Sequence[str]) -> None:
        seen = [layer for layer in layer_table(config) if layer.name in layers]
        self.strides = {layer.name: layer.stride for layer in seen}
        self.multiple = max(self.strides.values(), default=1)
        field = max((layer.field for layer in seen), default=1)
        self.rim = -(-min(field // 2 + self.multiple, RIM) // self.multiple) * self.multiple

    def windows(
        self, size: Sequence[int], tile: int, noise: torch.Generator | None = None
    ) -> list[Window]:
        """Windows whose cores cover a picture of `size` (height, width) and are at most `tile` on a
        side, cut from the corner, or from a place that `noise` draws."""
        rows, columns = (self._drawn(length, tile, noise) for length in size)
        return [Window(r, c) for r in rows for c in columns]

    def count(self, size: Sequence[int], tile: int) -> int:
        """How many windows there are, from the corner on."""
        return math.prod(len(self._cuts(length, tile, False)[0]) for length in size)

    def sizes(self, size: Sequence[int], tile: int, moving: bool = False) -> int:
        """How many windows of different sizes there are, all told if the grid moves."""
        return math.prod(
            len({far - outer for cut in self._cuts(length, tile, moving) for *_, outer, far in cut})
            for length in size
        )

    def looks(self, size: Sequence[int], tile: int, moving: bool = False) -> float:
        """How often a pixel is looked at, in the mean."""
        found = 1.0
        for length in size:
            cuts = self._cuts(length, tile, moving)
            seen = sum(far - outer for cut in cuts for *_, outer, far in cut)
            found *= seen / (len(cuts) * length)
        return found

    def _cuts(self, length: int, tile: int, moving: bool) -> list[list[Span]]:
        """Every way in which a side may be cut. tile 0: not at all."""
        tile = tile or length
        moves = self._moves(length, tile) if moving else [0]
        return [self._spans(length, tile, move) for move in moves]

    def _drawn(self, length: int, tile: int, noise: torch.Generator | None) -> list[Span]:
        moves = [0] if noise is None else self._moves(length, tile)
        chosen = int(torch.randint(len(moves), (1,), generator=noise)) if len(moves) > 1 else 0
        return self._spans(length, tile, moves[chosen])

    def _step(self, tile: int) -> int:
        return max(self.multiple, tile // self.multiple * self.multiple)

    def _moves(self, length: int, tile: int) -> list[int]:
        """By how much a grid may begin before the side does."""
        if length <= tile:
            return [0]
        step = self._step(tile)
        found = (step * n // PHASES // self.multiple * self.multiple for n in range(PHASES))
        return sorted(set(found))

    def _spans(self, length: int, tile: int, move: int) -> list[Span]:
        step = self._step(tile)
        cuts = [0, *range(step - move, length, step), length] if length > tile else [0, length]
        if len(cuts) > 2 and cuts[-1] - cuts[-2] < self.multiple:
            del cuts[-2]  # a core narrower than one position of the coarsest map
        return [(begin, end, *self._outer(begin, end, length)) for begin, end in pairwise(cuts)]

    def _outer(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """Begin and end of the window of a core: no network takes less than MINIMUM."""
        last = max(0, length - MINIMUM) // self.multiple * self.multiple
        outer = max(0, min(begin - self.rim, last))
        return outer, min(length, max(end + self.rim, outer + MINIMUM))
