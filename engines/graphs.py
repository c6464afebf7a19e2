"""Drafts on a graphics card by CUDA graphs: all kernels of a pass launched at once, since launching
is most of the time that a small network takes there. Knows no paper, no job and no window.

A graph replays what was recorded, on buffers of its own, so each call (shapes, values, mode) has
one. What cannot be recorded, whatever the reason, stays eager.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines import layers
from engines.family import Model
from engines.lanes import KEPT, WORTH, mode_of
from engines.tensors import entered

log = logging.getLogger("engine")

EAGER, RECORDED = "PyTorch", "CUDA graph"
LARGEST = 20_000_000  # numbers in the inputs of a pass; larger ones need not be live

Key = tuple[Any, ...]


@dataclass
class _Recorded:
    """graph runs from `given` to `made`, buffers that stay where they are, as does what it reads
    besides, `held`."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    made: Tensor | tuple[Tensor, ...] | list[Tensor]
    held: tuple[Tensor, ...]


class Graphs:
    """The graphs of one network; see LanesLike."""

    def __init__(self) -> None:
        self.runs = 0
        self.state = EAGER
        self._seen: OrderedDict[Key, int] = OrderedDict()  # passes of a call
        self._graphs: dict[Key, _Recorded | None] = {}  # None: cannot be recorded
        self._given_up = False

    @property
    def bytes(self) -> int:
        """Buffers at both ends; those between share the pool that torch counts."""
        ends = (r for r in self._graphs.values() if r is not None)
        return sum(t.nbytes for r in ends for t in (*r.given, *_tensors(r.made)))

    def run(self, model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> Any | None:
        """What the network answers, None where it has to be asked itself."""
        key = None if self._given_up else key_of(model, given, named)
        if key is None:
            self.state = EAGER
            return None
        recorded = self._recorded(key, model, given, named)
        self.state = EAGER if recorded is None else RECORDED
        if recorded is None:
            return None
        for buffer, x in zip(recorded.given, _tensors([*given, *named.values()])):
            buffer.copy_(x, non_blocking=True)
        recorded.graph.replay()
        self.runs += 1
        made = [
            t.float() if t.dtype != torch.float32 else t.clone() for t in _tensors(recorded.made)
        ]
        return made[0] if isinstance(recorded.made, Tensor) else type(recorded.made)(made)

    def distrust(self) -> str:
        """A draft was visibly not the exact picture."""
        self._graphs.clear()
        self._given_up = True
        return RECORDED

    def _recorded(
        self, key: Key, model: Model, given: Sequence[Any], named: Mapping[str, Any]
    ) -> _Recorded | None:
        self._seen[key] = self._seen.get(key, 0) + 1
        self._seen.move_to_end(key)
        if len(self._seen) > KEPT:
            self._graphs.pop(self._seen.popitem(last=False)[0], None)
        if key not in self._graphs and self._seen[key] >= WORTH:
            try:
                self._graphs[key] = _record(model, given, named)
            except (RuntimeError, TypeError) as error:
                log.info("%s cannot be recorded: %s", model.checkpoint, error)
                self._graphs[key] = None
        return self._graphs.get(key)


def key_of(model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> Key | None:
    """What tells one call from another; None for those that no graph can stand for: with
    gradients, hooks or training, with noise (drawn on the processor), for large pictures, and for
    arguments that are neither tensors nor plain values."""
    mode = mode_of(model.layers)
    values = [*given, *named.values()]
    tensors = [x for x in values if isinstance(x, Tensor)]
    plain = all(isinstance(x, Tensor | str | int | float | None) for x in values)
    if mode is None or mode[1] or model.card.needs_grad or not plain or not tensors:
        return None
    if model.device.type != "cuda" or sum(x.numel() for x in tensors) >= LARGEST:
        return None
    known = ((tuple(x.shape), x.dtype) if isinstance(x, Tensor) else x for x in values)
    return (mode, tuple(named), model.dtype, *known)


def _record(model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> _Recorded:
    """Warmed up on a stream of its own, as recording asks for."""
    places = [_buffer(x, model) for x in given]
    words = {name: _buffer(x, model) for name, x in named.items()}
    side = torch.cuda.Stream(model.device)
    side.wait_stream(torch.cuda.current_stream(model.device))
    with torch.cuda.stream(side):
        for _ in range(2):
            model.module(*places, **words)
    torch.cuda.current_stream(model.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = model.module(*places, **words)
    if not isinstance(made, Tensor | tuple | list) or len(_tensors(made)) != len(
        [made] if isinstance(made, Tensor) else made
    ):
        raise TypeError("its results are no plain tensors")
    return _Recorded(graph, _tensors([*places, *words.values()]), made, layers.kept())


def _buffer(value: Any, model: Model) -> Any:
    """A copy of what the network is given, as it takes it."""
    if not isinstance(value, Tensor):
        return value
    return entered(value, model.device, model.dtype, copy=True)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [x for x in value if isinstance(x, Tensor)]
