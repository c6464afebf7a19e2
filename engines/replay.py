"""Training steps on a CUDA card, recorded once and started with one call (CUDA graphs).

A step of a small network starts some thousands of kernels, each of which is done sooner than the
next one is started, so that the card waits for Python most of the time. What is recorded needs no
Python: the card is given the batch, the noise's seed and the learning rate, and runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

WARM = 3  # steps before a recording: kernels are chosen, memory is taken, optimisers get a state

Batch = dict[str, Tensor]
Shares = Mapping[str, float | Tensor]
Learn = Callable[[Batch, torch.Generator, Shares], dict[str, Tensor]]


def recordable(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    """Let an optimiser keep learning rate and step count on the card, as a recording needs them."""
    for group in optimiser.param_groups:
        group["capturable"] = True
        group["lr"] = torch.as_tensor(float(group["lr"]), device=device)
    for state in optimiser.state.values():
        if "step" in state:
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float32, device=device)


@dataclass
class _Recording:
    batch: Batch
    shares: dict[str, Tensor]
    graph: torch.cuda.CUDAGraph
    losses: dict[str, Tensor]


class Replay:
    """Replay(learn, source, turn)(batch, seed, shares) does what learn(batch, source(seed), shares)
    does. The first WARM steps of every turn and batch shape run as they are, the next is recorded.

    learn   may ask for no value of a tensor and may draw from `source` and the card's own generator
    turn()  steps of the same turn do the same
    The losses it gives are those of the last step until the next one.
    """

    def __init__(
        self,
        learn: Learn,
        source: Callable[[int], torch.Generator],
        turn: Callable[[], Hashable],
    ) -> None:
        self._learn, self._source, self._turn = learn, source, turn
        self._stream = torch.cuda.Stream()
        self._pool: Any = None
        self._warm: dict[Hashable, int] = {}
        self._recordings: dict[Hashable, _Recording] = {}

    def __call__(self, batch: Batch, seed: int, shares: Mapping[str, float]) -> dict[str, Tensor]:
        shapes = tuple((name, x.shape, x.dtype) for name, x in batch.items())
        key = self._turn(), shapes
        if key not in self._recordings and self._warm.get(key, 0) < WARM:
            self._warm[key] = self._warm.get(key, 0) + 1
            return self._as_it_is(batch, seed, shares)
        if key not in self._recordings:
            self._recordings[key] = self._recorded(batch, seed, shares)
        found = self._recordings[key]
        for name, x in batch.items():
            found.batch[name].copy_(x, non_blocking=True)
        for name, share in shares.items():
            found.shares[name].fill_(share)
        self._source(seed)
        found.graph.replay()
        return found.losses

    def _as_it_is(self, batch: Batch, seed: int, shares: Shares) -> dict[str, Tensor]:
        """A step on the stream that records, as its gradients are made on the same one."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = self._learn(_on_card(batch), self._source(seed), shares)
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses

    def _recorded(self, batch: Batch, seed: int, shares: Mapping[str, float]) -> _Recording:
        held = _on_card(batch)
        told = {name: torch.tensor(share, device="cuda") for name, share in shares.items()}
        graph = torch.cuda.CUDAGraph()
        source = self._source(seed)
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            losses = self._learn(held, source, told)
        self._pool = self._pool or graph.pool()
        return _Recording(held, told, graph, losses)


def _on_card(batch: Batch) -> Batch:
    return {name: x.to("cuda") for name, x in batch.items()}
