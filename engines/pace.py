"""How fast this device looks through a backbone: measured, once for each set of layers; and what is
heard of it while it looks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from engines import heap
from engines.family import Model
from engines.job import Event, Progress, Result
from engines.planner import Room
from engines.repeated import WARM, Repeated

PROBE = 256  # pixels: side of the picture that the speed is measured on
SMALL = 128  # of the one that tells what a pass takes at least
FRESH = 128 << 20  # bytes of memory, of which it is measured how long the system takes for them
QUICK = 0.15  # seconds: a pass that takes less is measured on one of twice the side
FAR = 1.5  # times its plan: a run that takes as much tells that the plan was wrong
WORTH = 2.0  # seconds: shorter runs are not worth to be planned anew
MENDED = "speeds measured anew"
Pass = Callable[[Tensor], Tensor]
clock = time.perf_counter
T = TypeVar("T")


class Pace(NamedTuple):
    """Multiply-adds and copied bytes in a second, and seconds that the first pass of a size takes
    besides: a processor's library makes itself code for every size. fresh: bytes in a second that
    the system hands out and takes back, of pieces of memory that it is asked for one by one. each:
    seconds that every pass takes, however small the picture. launch: seconds that a pass takes at
    least on a card where it is not recorded, as those of tiles are: Python starts its kernels."""

    macs: float
    copied: float
    begin: float
    fresh: float = math.inf
    each: float = 0.0
    launch: float = 0.0

    def looking(self, room: Room) -> float:
        """Seconds that one step looks for."""
        found = room.macs / self.macs + self.each * room.windows
        if room.tile or not heap.can_keep():
            found += room.fresh / self.fresh
        return max(found, self.launch * room.windows) if room.tile else found


@dataclass
class Steps:
    done: int
    total: int


def watched(
    running: Generator[None, None, T], steps: Steps, note: str
) -> Generator[Event, None, T]:
    """What `running` returns, with a Progress wherever it pauses: after every tile. Pieces of many
    sizes leave gaps, so that then not all of the memory is kept for the next step."""
    is_cut = False
    while True:
        try:
            next(running)
        except StopIteration as end:
            if is_cut:
                heap.trim()
            return end.value
        is_cut = True
        yield Progress(steps.done, steps.total, note)


def speed(model: Model, key: str, look: Pass, macs: float, copy: Pass, moved: float) -> Pace:
    """How fast a model looks, measured once for each key.

    key   under which it is remembered
    look  a picture (1, 3, H, W) in [0, 1] -> a number, by `macs` multiply-adds per pixel there and
          back
    copy  the same, by nothing but reading and writing `moved` bytes per pixel
    """
    if f"speed {key}" not in model.memo:
        model.memo[f"speed {key}"] = _measured(model, look, macs, copy, moved)
    return model.memo[f"speed {key}"]


def minded(model: Model, planned: float, running: Iterator[Event]) -> Iterator[Event]:
    """The events of a run that was told to take `planned` seconds. If it takes far longer or
    shorter, what was measured of this model is forgotten: another program was at work, then or now.
    Only a few times, as a plan may be wrong in itself. Time between the events does not count."""
    spent, begin = 0.0, _now(model)
    for event in running:
        spent += _now(model) - begin
        if isinstance(event, Result):
            _mind(model, planned, spent)
        yield event
        begin = _now(model)


def _mind(model: Model, planned: float, spent: float) -> None:
    again = model.memo.get(MENDED, 0)
    if spent + planned > WORTH and not 1 / FAR < spent / max(planned, 1e-6) < FAR and again < 3:
        for key in [key for key in model.memo if key.startswith("speed ")]:
            del model.memo[key]
        model.memo[MENDED] = again + 1


def _measured(model: Model, look: Pass, macs: float, copy: Pass, moved: float) -> Pace:
    if model.device.type == "cuda":
        return _measured_on_card(model, look, macs, copy, moved)
    with heap.keeping():  # as a run does
        return _measured_here(model, look, macs, copy, moved)


def _measured_here(model: Model, look: Pass, macs: float, copy: Pass, moved: float) -> Pace:
    small = _noise(model, SMALL)
    least = min(_seconds(model, look, small) for _ in range(4))
    side, x = PROBE, _noise(model, PROBE)
    first = _seconds(model, look, x)
    if first < QUICK:
        side, x = 2 * PROBE, _noise(model, 2 * PROBE)
        first = _seconds(model, look, x)
    looking = median((first, *(_seconds(model, look, x) for _ in range(2))))
    copying = min(_seconds(model, copy, x) for _ in range(2))
    begin = max(0.0, first - looking)
    copied = moved * side**2 / max(copying, 1e-6)
    fresh = _fresh() if model.device.type == "cpu" else math.inf
    share = SMALL**2 / side**2
    each = max(0.0, min(looking / 2, (least - share * looking) / (1 - share)))
    return Pace(macs * side**2 / (looking - each), copied, begin, fresh, each)


def _measured_on_card(model: Model, look: Pass, macs: float, copy: Pass, moved: float) -> Pace:
    """As steps are taken there: recorded, after some that are not."""
    side = 2 * PROBE
    small = _noise(model, SMALL)
    _seconds(model, look, _noise(model, PROBE))  # libraries are read in
    launch = min(_seconds(model, look, small) for _ in range(4))
    x = _noise(model, side)
    again = Repeated(lambda: torch.autograd.grad(look(x), x)[0], model.device)
    begin = _now(model)
    for _ in range(WARM + 1):
        again()
    begin = _now(model) - begin
    looking = _mean_seconds(model, again)
    _seconds(model, copy, x)
    copying = _mean_seconds(model, lambda: copy(x).backward())
    begin = max(0.0, begin - (WARM + 1) * looking)
    whole, copied = macs * side**2 / looking, moved * side**2 / copying
    return Pace(whole, copied, begin, launch=launch)


def _mean_seconds(model: Model, run: Callable[[], object], times: int = 10) -> float:
    begin = _now(model)
    for _ in range(times):
        run()
    return (_now(model) - begin) / times


def _fresh() -> float:
    """What writing a piece of memory for the first time takes longer than writing it again."""
    longer = []
    for _ in range(3):
        begin = clock()
        piece = torch.empty(FRESH, dtype=torch.uint8).zero_()
        middle = clock()
        piece.zero_()
        again = clock() - middle
        del piece
        longer.append(clock() - begin - 2 * again)
    return FRESH / max(median(longer), 1e-6)


def _noise(model: Model, side: int) -> Tensor:
    x = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    return x.to(model.device).requires_grad_()


def _seconds(model: Model, run: Pass, x: Tensor) -> float:
    begin = _now(model)
    run(x).backward()
    return _now(model) - begin


def _now(model: Model) -> float:
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return clock()
