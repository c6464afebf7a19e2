"""Faster ways to run a network on the CPU, for drafts: what is seen while a pen or slider moves.
Knows no paper, no job and no window.

The first passes of a network run in torch. Meanwhile `Workshop` has another process convert it
(lanemaking.py), and the lane is taken once it is here and warm. What is kept, exported or replayed
is always computed by torch alone, so that the same job gives the same pixels whether there is a
lane or not.

Which calls qualify is said once, in `call_of`.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines import winograd
from engines.lanestore import (
    STATES,
    Argument,
    Call,
    Facts,
    Order,
    Store,
    compiled,
    openvino,
    write_order,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.family import LanesLike, Model
    from engines.job import Job, Picture, Result

log = logging.getLogger("engine")

PRECISIONS = ("fp32", "bf16", "int8")  # what is tried, the better of drafts last
WORTH = 3  # passes of the same call before it is converted
SAMPLES = 8  # of its last inputs that are kept to find the ranges of int8
KEPT = 4  # calls of one network whose lanes stay in memory
LARGEST = 4_000_000  # numbers in the inputs of a pass; larger ones need not be live
SPARE = 1_500_000_000  # bytes that must be free for a conversion, beside its network
LEAVE_SECONDS = 2.0  # that close() waits for a lane to be opened
VISIBLE = 4.0  # steps of 255 by which drafts may differ on average


# ---- what qualifies ------------------------------------------------------------------------------


def call_of(model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> Call | None:
    """The call as data, None where only torch can do it: on a graphics card, where gradients are
    needed, for large pictures, while hooks change the network or part of it is being trained, and
    for arguments that are neither tensors nor plain values.

    Several sizes are several calls. Batch norms may all use the statistics of the picture, and
    dropouts may draw noise from a generator.
    """
    import torch

    if model.device.type != "cpu" or model.dtype != torch.float32 or model.card.needs_grad:
        return None
    arguments = [_argument("", x) for x in given] + [_argument(n, x) for n, x in named.items()]
    known = [a for a in arguments if a is not None]
    tensors = [x for x in (*given, *named.values()) if isinstance(x, torch.Tensor)]
    if len(known) < len(arguments) or not 0 < sum(x.numel() for x in tensors) < LARGEST:
        return None
    mode = mode_of(model.layers)
    return None if mode is None else Call(tuple(known), *mode)


def _argument(name: str, value: Any) -> Argument | None:
    import torch

    if isinstance(value, torch.Tensor):
        return Argument(name, tuple(value.shape)) if value.dtype == torch.float32 else None
    plain = value is None or isinstance(value, str | int | float | bool)
    return Argument(name, None, value) if plain else None


def mode_of(layers: Iterable[nn.Module]) -> tuple[bool, bool] | None:
    """(batch statistics, noise) of a network with these layers as it is now; None where hooks
    change it, or part of it is being trained."""
    from torch import nn

    from engines.layers import SeededDropout

    norms: set[bool] = set()
    noise = False
    for layer in layers:
        if layer._forward_hooks or layer._forward_pre_hooks:
            return None
        if isinstance(layer, nn.BatchNorm2d):
            norms.add(layer.training)
        elif layer.training:
            return None
        if isinstance(layer, SeededDropout):
            noise = noise or layer.noise is not None
    return None if len(norms) > 1 else (True in norms, noise)


# ---- a lane --------------------------------------------------------------------------------------


class Lane:
    """A converted network, compiled and warm. Raises RuntimeError if its files are broken."""

    def __init__(self, store: Store, key: str, facts: Facts, precision: str, threads: int) -> None:
        stem, self.bytes = facts.files[precision]
        self.precision, self.facts = precision, facts
        network = openvino().Core().read_model(*store.files(key, stem))
        if precision == "fp32" and facts.winograd:
            network, grown = winograd.with_fewer_products(network)
            self.bytes += grown
        self._request = compiled(network, threads, precision).create_infer_request()
        shapes = [tuple(port.shape) for port in self._request.model_inputs]
        self._request.infer([np.zeros(shape, np.float32) for shape in shapes])

    @property
    def title(self) -> str:
        return f"OpenVINO {self.precision}"

    def __call__(self, tensors: Sequence[Tensor], module: nn.Module) -> Any:
        """The results of a pass over the tensors of its call; noise is drawn as `module` would."""
        import torch

        arrays = [x.detach().contiguous().numpy() for x in (*tensors, *self._masks(module))]
        made = self._request.infer(arrays, share_inputs=True, share_outputs=True)
        results = [torch.from_numpy(made[n].copy()) for n in range(len(made))]
        if self.facts.outputs == "one":
            return results[0]
        return tuple(results) if self.facts.outputs == "tuple" else results

    def _masks(self, module: nn.Module) -> list[Tensor]:
        import torch

        from engines.layers import SeededDropout

        if not self.facts.dropouts:
            return []
        noise = next(m.noise for m in module.modules() if isinstance(m, SeededDropout))
        return [(torch.rand(shape, generator=noise) >= p).float()
                for shape, p in self.facts.dropouts]  # fmt: skip


@dataclass
class _Way:
    """How one call runs now. state: "new", then "asked" of the workshop, which answers "absent" or
    with a lane; "ordered" while one is made; "settled" when nothing better will come. why: a key of
    STATES."""

    lane: Lane | None = None
    state: str = "new"
    why: str = ""
    passes: int = 0
    samples: deque[list[np.ndarray]] = field(default_factory=lambda: deque(maxlen=SAMPLES))


class Lanes:
    """The lanes of one network. Used by the thread that computes; the workshop's thread only puts
    its answers there."""

    def __init__(self, workshop: Workshop, path: Path, digest: str, family: str) -> None:
        self._workshop = workshop
        self._order = partial(Order, str(path), digest, family)
        self._ways: OrderedDict[Call, _Way] = OrderedDict()
        self._last: _Way | None = None
        self.runs = 0  # passes that were done so far
        self.trusted = PRECISIONS

    @property
    def bytes(self) -> int:
        return sum(way.lane.bytes for way in self._ways.values() if way.lane)

    @property
    def state(self) -> str:
        """What drafts run in, for the status line."""
        way = self._last
        if way is not None and way.lane is not None:
            return way.lane.title
        if way is not None and way.state == "ordered":
            return STATES["preparing"]
        why = STATES.get(way.why, "") if way is not None else ""
        return f"{STATES['torch']}: {why}" if why else STATES["torch"]

    def run(self, model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> Any | None:
        """What the network answers, None where torch has to be asked."""
        call = call_of(model, given, named)
        if call is None:
            self._last = None
            return None
        way = self._last = self._way(call)
        tensors = [x for x, a in zip((*given, *named.values()), call.arguments) if a.shape]
        if way.state != "settled":
            self._ask(call, way, tensors)
        if way.lane is None:
            return None
        try:
            made = way.lane(tensors, model.module)
        except RuntimeError as error:  # a broken lane costs time, never a picture
            log.warning("%s: the lane failed: %s", model.checkpoint, error)
            self._workshop.store.drop(self._order(call).key())
            self._ways[call] = _Way(state="settled", why="failed")
            return None
        self.runs += 1
        return made

    def _way(self, call: Call) -> _Way:
        way = self._ways.setdefault(call, _Way())
        self._ways.move_to_end(call)
        while len(self._ways) > KEPT:
            self._ways.popitem(last=False)
        return way

    def _ask(self, call: Call, way: _Way, tensors: Sequence[Tensor]) -> None:
        """Have the lane opened if it was made before; made, if its call comes again and again."""
        way.passes += 1
        if way.state == "ordered":
            return
        way.samples.append([x.detach().numpy().copy() for x in tensors])
        if way.state == "new":
            way.state = "asked"
            self._workshop.open(self._order(call), self._wanted(), way)
        elif way.state == "absent" and way.passes >= WORTH:
            way.state = "ordered"
            self._workshop.make(self._order(call), self._wanted(), way, list(way.samples))

    def _wanted(self) -> tuple[str, ...]:
        return tuple(p for p in self._workshop.precisions if p in self.trusted)

    def distrust(self) -> str:
        """A draft was visibly not the exact picture: never again with that precision. Gives it."""
        used = {way.lane.precision for way in self._ways.values() if way.lane}
        worst = next((p for p in reversed(PRECISIONS) if p in used), PRECISIONS[0])
        self.trusted = tuple(p for p in self.trusted if p != worst)
        for call, way in self._ways.items():
            if way.lane is not None and way.lane.precision == worst:
                self._workshop.refuse(self._order(call), worst)
                way.lane, way.state = None, "new"
        return worst


class Guard:
    """Marks what is a draft, and measures the last one against the exact picture that follows."""

    def __init__(self) -> None:
        self._last: tuple[Job, tuple[Picture, ...]] | None = None

    def passed(self, result: Result, model: Model, job: Job, runs: int | None) -> Result:
        """`result`, marked if anything of it came through a lane. runs: how many passes the lanes
        had done when the draft began, None for what is exact."""
        lanes = model.lanes
        if lanes is None:
            return result
        if runs is not None and (lanes.runs > runs or (lanes.runs and model.remembers_drafts)):
            self._last = job, result.pictures
            return replace(result, draft=True)
        if self._last is not None and self._last[0].digest == job.digest:
            self._judge(lanes, model.checkpoint, self._last[1], result.pictures)
            self._last = None
        return result

    @staticmethod
    def _judge(
        lanes: LanesLike, name: str, drafts: Sequence[Picture], exact: Sequence[Picture]
    ) -> None:
        worst = max((_apart(a, b) for a, b in zip(drafts, exact)), default=0.0)
        log.debug("%s: the draft differed by %.2f of 255 on average", name, worst)
        if worst > VISIBLE:
            lost = lanes.distrust()
            log.warning("%s: a draft in %s differed by %.1f of 255", name, lost, worst)


def _apart(one: Picture, two: Picture) -> float:
    """Mean difference of two pictures, in steps of 255."""
    if one.pixels.shape != two.pixels.shape:
        return 255.0
    return float(np.abs(one.pixels.astype(np.int16) - two.pixels).mean())


# ---- the workshop --------------------------------------------------------------------------------


class Workshop:
    """Opens and makes lanes behind the one that computes: a thread with a queue, and one process at
    a time. precisions: what may be tried, the better of drafts last."""

    def __init__(
        self,
        precisions: Sequence[str] = PRECISIONS,
        store: Store | None = None,
        threads: int = os.cpu_count() or 1,
    ) -> None:
        self.precisions, self.store, self.threads = tuple(precisions), store or Store(), threads
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def open(self, order: Order, precisions: Sequence[str], way: _Way) -> None:
        """Give `way` the lane of an earlier time, or say "absent"."""
        self._later(partial(self._open, order, precisions, way))

    def make(
        self, order: Order, precisions: Sequence[str], way: _Way, samples: list[list[np.ndarray]]
    ) -> None:
        """Have the lane made, and give it to `way` as soon as any of it is here."""
        self._later(partial(self._make, order, precisions, way, samples))

    def refuse(self, order: Order, precision: str) -> None:
        """Remember for the next time that this precision is visible."""
        self._later(partial(self._refuse, order, precision))

    def close(self) -> None:
        """Make and open nothing any more."""
        self._closed = True
        self._orders.put(None)
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        if self._thread is not None:
            self._thread.join(LEAVE_SECONDS)

    def wait(self) -> None:
        """Until all that was asked for so far is done."""
        done = threading.Event()
        self._later(done.set)
        done.wait()

    def _later(self, work: Callable[[], None]) -> None:
        if self._closed:
            return
        self._orders.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=_work, args=(self._orders,), daemon=True)
            self._thread.start()

    def _open(self, order: Order, precisions: Sequence[str], way: _Way) -> None:
        self._give(order, precisions, way)
        if way.state == "asked":
            way.state = "absent"

    def _give(self, order: Order, precisions: Sequence[str], way: _Way) -> None:
        """The best lane that is on disk; "settled" when all that is wanted was tried."""
        key = order.key()
        facts = self.store.facts(key)
        if facts is None:
            return
        best = next((p for p in reversed(precisions) if p in facts.files), None)
        if best is not None and (way.lane is None or way.lane.precision != best):
            try:
                way.lane = Lane(self.store, key, facts, best, self.threads)
            except RuntimeError as error:
                log.warning("a lane is broken and is made again: %s", error)
                self.store.drop(key)
                return
            log.info("%s takes drafts: %s ms a pass", way.lane.title, facts.measured)
        if all(facts.tried(p) for p in precisions):
            way.state = "settled"
            way.samples.clear()
            way.why = next((facts.refused[p] for p in precisions if p in facts.refused), "")

    def _make(
        self, order: Order, precisions: Sequence[str], way: _Way, samples: list[list[np.ndarray]]
    ) -> None:
        if not self._fits(order):
            way.state, way.why = "settled", "memory"
            return
        with tempfile.TemporaryDirectory(prefix="ganvas-lane-") as folder:
            path = Path(folder) / "order.safetensors"
            write_order(path, order, samples)
            for _ in self._lines(path, precisions, Path(folder) / "log"):
                self._give(order, precisions, way)
        if way.state != "settled":
            way.state, way.why = "settled", "failed"

    def _lines(self, order: Path, precisions: Sequence[str], errors: Path) -> Any:
        command = [sys.executable, "-m", "engines.lanemaking", str(order), str(self.store.folder),
                   ",".join(precisions)]  # fmt: skip
        root = Path(__file__).resolve().parent.parent
        flags = getattr(subprocess, "IDLE_PRIORITY_CLASS", 0)
        flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
        with errors.open("w") as told, subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=told, text=True, creationflags=flags
        ) as process:  # fmt: skip
            self._process = process
            if self._closed:
                process.kill()
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):
                    yield line
        self._process = None
        if process.returncode and not self._closed:
            log.warning("a lane could not be made: %s", errors.read_text(errors="replace")[-2000:])

    def _refuse(self, order: Order, precision: str) -> None:
        facts = self.store.facts(order.key())
        if facts is not None:
            facts.files.pop(precision, None)
            facts.refused[precision] = "visible"
            self.store.publish(order.key(), facts)

    def _fits(self, order: Order) -> bool:
        from engines import memory

        free = memory.free_bytes()
        return free is None or free > SPARE + 4 * Path(order.path).stat().st_size


def _work(orders: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (work := orders.get()) is not None:
        try:
            work()
        except Exception:  # what is only faster must not end the thread
            log.exception("a lane could not be prepared")
