"""Work on a graphics card that is done again and again on tensors that stay where they are:
recorded as one CUDA graph. Knows no network and no paper.

A step of a style or a dream starts some hundred kernels, each of which is done sooner than Python
starts the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import torch

log = logging.getLogger("engine")

WARM = 2  # times before a recording: kernels are chosen, libraries take their memory
T = TypeVar("T")


class Repeated(Generic[T]):
    """Repeated(work, device)() does what work() does. On a card the first WARM times are as they
    are, the next is recorded; what it gives is then overwritten by the next time.

    work  may ask for no value of a tensor. One that cannot be recorded is done as it is.
    """

    def __init__(self, work: Callable[[], T], device: torch.device) -> None:
        self._work, self._device = work, device
        self._left = WARM if device.type == "cuda" else -1  # -1: never recorded
        self._graph: torch.cuda.CUDAGraph | None = None
        self._made: T | None = None

    @property
    def is_recorded(self) -> bool:
        return self._graph is not None

    def __call__(self) -> T:
        if self._graph is not None:
            self._graph.replay()
            return self._made  # type: ignore[return-value]
        if self._left < 0:
            return self._work()
        if self._left:
            self._left -= 1
            return self._beside()
        try:
            return self._recorded()
        except (RuntimeError, TypeError) as error:
            log.info("no recording: %s", error)
            self._left = -1
            return self._work()

    def _beside(self) -> T:
        """On the stream that records."""
        here, side = torch.cuda.current_stream(self._device), _side(self._device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            made = self._work()
        here.wait_stream(side)
        return made

    def _recorded(self) -> T:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=_side(self._device), capture_error_mode="thread_local"):
            made = self._work()
        graph.replay()
        self._graph, self._made = graph, made
        return made


@cache
def _side(device: torch.device) -> Any:
    """One for all, as libraries keep memory for every stream that they are used on."""
    return torch.cuda.Stream(device)
