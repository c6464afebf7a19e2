"""Turns any job into events: finds and loads weights, keeps or evicts them, runs, translates
errors.

Used from one thread. torch is imported when the first network is asked for; tools run without it.
Knows no window and no paper.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines import gates
from engines.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from engines.controls import ControlError, ModelCard, checked
from engines.errors import EngineError
from engines.family import Family, LanesLike, Model, families
from engines.family import candidates as recognised
from engines.images import ImageError, contact_sheet
from engines.job import Event, Job, JobError, Progress, Result
from engines.lanes import Guard, Lanes, Workshop
from engines.sizes import Shrunk, shrunk
from engines.weights import Loaded, Shelf, Weights, split_reference, told_card

if TYPE_CHECKING:
    import torch

    from engines.catalogue import Catalogue

__all__ = ["Engine", "EngineError"]

log = logging.getLogger("engine")

Key = tuple[str, str]  # digest of the weights, id of the family
SHARES = (0.71, 0.5, 0.35, 0.25)  # of the picture's sides, tried when memory is short


@dataclass
class _Kept:
    model: Model
    bytes: int
    told: bool = False  # whether a result has carried the notes of loading


class Engine:
    """device         "auto" (cuda, then mps, then cpu), "cpu", "cuda", "cuda:1", "mps"
    memory_budget  bytes that kept models may take together; None: a share of what the device has.
                   The least recently used leave first; one model alone may exceed it
    half           allow half precision where the model's card and the device do
    cpu_fallback   let the CPU take over when a graphics card has too little memory
    lanes          precisions that drafts on the CPU may be computed in, apart from torch's:
                   "fp32", "bf16", "int8"; networks are converted to them in the background. On a
                   CUDA card any of them lets drafts be replayed as graphs. Empty: no draft differs
    """

    def __init__(
        self,
        device: str = "auto",
        memory_budget: int | None = None,
        catalogue: Catalogue | None = None,
        half: bool = True,
        cpu_fallback: bool = False,
        lanes: Sequence[str] = (),
    ) -> None:
        self._asked = device
        self._device: torch.device | None = None
        self._budget = memory_budget
        self._half = half
        self._cpu_fallback = cpu_fallback
        self._shelf, self._loaded = Shelf(catalogue), Loaded()
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()  # least recently used first
        self._running: Counter[Key] = Counter()
        self._drafts = bool(lanes)
        able = self._drafts and find_spec("openvino") is not None
        self._workshop = Workshop(lanes) if able else None
        self._guard = Guard()
        self._ungated: tuple[str, Result] | None = None  # digest of its job, and the last of all
        if self._workshop is not None:
            weakref.finalize(self, self._workshop.close)
        if device not in ("auto", "cpu"):
            _ = self.device  # an explicit wish that cannot be met is refused at once

    # ---- device and memory ----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        if self._device is None:
            from engines.devices import choose

            self._device = choose(self._asked)
            log.info("computing on %s", self._device)
        return self._device

    @property
    def budget(self) -> int:
        """Bytes that kept models may take together."""
        if self._budget is None:
            from engines.devices import usual_budget

            self._budget = usual_budget(self.device)
        return self._budget

    def memory(self) -> dict[str, Any]:
        """{"used": bytes of all kept models, "budget": bytes, "device": its name, "lane": what
        drafts of the model used last run in, "" where nothing but torch was asked for}. Before
        torch is here nothing is known, and nothing waits for it."""
        if self._device is None and "torch" not in sys.modules:
            return {"used": 0, "budget": 0, "device": "", "lane": ""}
        last = next(reversed(self._kept.values()), None)
        lane = last.model.lanes.state if last is not None and last.model.lanes else ""
        used, device = self._used(), str(self.device)
        return {"used": used, "budget": self.budget, "device": device, "lane": lane}

    def unload_all(self) -> None:
        """Forget every model. One that is running leaves when its run ends."""
        self._kept.clear()
        self._ungated = None
        self._release()

    def _used(self) -> int:
        lanes = (kept.model.lanes.bytes for kept in self._kept.values() if kept.model.lanes)
        return sum(kept.bytes for kept in self._kept.values()) + sum(lanes)

    def _make_room(self, wanted: int, but: Key | None = None) -> None:
        """Evict the least recently used until `wanted` more bytes fit, or nothing idle is left."""
        idle = [key for key in self._kept if key != but and not self._running[key]]
        evicted = False
        while idle and self._used() + wanted > self.budget:
            self._evict(idle.pop(0))
            evicted = True
        if evicted:
            self._release()

    def _evict_idle(self, but: Key | None = None) -> bool:
        """Evict every model that is not running; False if there was none."""
        idle = [key for key in self._kept if key != but and not self._running[key]]
        for key in idle:
            self._evict(key)
        self._release()
        return bool(idle)

    def _evict(self, key: Key) -> None:
        log.info("%s leaves memory", self._kept.pop(key).model.checkpoint)

    def _release(self) -> None:
        """Give back what nothing refers to any more."""
        gc.collect()
        if self._device is not None:
            from engines.devices import empty_cache

            empty_cache(self._device)

    # ---- loading --------------------------------------------------------------------------------

    def candidates(self, reference: str) -> list[Family]:
        """The families that recognise these weights, best first; several: ask which."""
        return [family for family, _ in recognised(_opened(self._shelf.find(reference)))]

    def find(self, reference: str) -> Path:
        """The file or folder of a path, "name" or "name@digest". Raises EngineError."""
        return self._shelf.find(reference).path

    def describe(self, reference: str, family: str = "") -> ModelCard:
        """The card of a model, which is loaded for it, or of a tool by its id. What it is used for
        is what a person said, or else what its name tells."""
        tool = families().get(reference)
        if tool is not None and tool.tool:
            return tool.card(None)
        card = self._told(reference, family) or self.load(reference, family).card
        (name, digest), known = split_reference(card.checkpoint), families()[card.family]
        preset = self._shelf.chosen_preset(digest) or known.told_by(name)
        return known.presented(card, preset) if preset else card

    def _told(self, reference: str, family: str) -> ModelCard | None:
        """The card of a model that was loaded before, as long as torch is not here: the window need
        not wait for it. The model is loaded by its first job."""
        if "torch" in sys.modules:
            return None
        weights = self._shelf.find(reference)
        checkpoint = _opened(weights)
        found, config = _picked(checkpoint, weights, family or weights.family)
        return self._loaded.completed(told_card(found.card(config), checkpoint)[0], weights)

    def load(self, reference: str, family: str = "") -> Model:
        """The model of a path, "name" or "name@digest", ready on the device; kept for the next
        time.

        family: settles a tie; otherwise what the person chose once, what the file says, the best.
        """
        _, digest = split_reference(reference)
        kept = (
            self._known(digest, family or self._shelf.chosen_family(reference)) if digest else None
        )
        if kept is None:
            weights = self._shelf.find(reference)
            family = family or weights.family
            kept = self._known(weights.digest, family) or self._read(weights, family)
        self._kept.move_to_end(_key(kept.model))
        return kept.model

    def _known(self, digest: str, family: str) -> _Kept | None:
        return next(
            (
                kept
                for key, kept in self._kept.items()
                if key[0] == digest and family in ("", key[1])
            ),
            None,
        )

    def _read(self, weights: Weights, wanted: str) -> _Kept:
        checkpoint = _opened(weights)
        family, config = _picked(checkpoint, weights, wanted)
        self._make_room(4 * checkpoint.parameters)
        try:
            model = self._built(family, config, checkpoint, weights)
        except (MemoryError, RuntimeError, OSError) as error:
            if not _is_out_of_memory(error):
                raise
            model = None
        if model is None:
            self._evict_idle()
            model = self._built_or_refused(family, config, checkpoint, weights)
        kept = self._kept[_key(model)] = _Kept(model, _bytes(model))
        self._make_room(0, but=_key(model))
        return kept

    def _built_or_refused(
        self, family: Family, config: Any, checkpoint: Checkpoint, weights: Weights
    ) -> Model:
        try:
            return self._built(family, config, checkpoint, weights)
        except (MemoryError, RuntimeError, OSError) as error:
            if not _is_out_of_memory(error):
                raise
            message = f"There is not enough memory to load {weights.name}{self._remedy()}."
            raise EngineError("memory", message, str(error)) from error

    def _built(
        self, family: Family, config: Any, checkpoint: Checkpoint, weights: Weights
    ) -> Model:
        from engines import executor

        started = time.perf_counter()
        try:
            module, repairs = family.load(config, checkpoint)
        except CheckpointError as error:
            raise EngineError("checkpoint", str(error), error.kind) from error
        card, remarks = told_card(family.card(config), checkpoint)
        dtype = executor.half_type(self.device, self._half and card.half_ok)
        parameters = sum(p.numel() for p in module.parameters())
        module = executor.prepare(module, self.device, dtype)
        notes = tuple(dict.fromkeys((*checkpoint.notes, *repairs, *remarks)))
        card = replace(
            card,
            checkpoint=weights.reference,
            parameters=parameters,
            notes=(*card.notes, *notes),
        )
        self._loaded.keep(card, weights.digest)
        for note in notes:
            log.info("%s: %s", weights.name, note)
        log.info("%s loaded in %.2f s", weights.reference, time.perf_counter() - started)
        return Model(family, module, config, card, self.device, dtype, executor.execute,
                     weights.reference, notes, self._lanes_for(family, weights))  # fmt: skip

    def _lanes_for(self, family: Family, weights: Weights) -> LanesLike | None:
        if self._drafts and self.device.type == "cuda":
            from engines.graphs import Graphs

            return Graphs()
        if self._workshop is not None and self.device.type == "cpu":
            return Lanes(self._workshop, weights.path, weights.digest, family.id)
        return None

    # ---- running --------------------------------------------------------------------------------

    def plan(self, job: Job) -> str:
        """What a job will take, before it runs: one line, "" where its family does not say. Raises
        EngineError."""
        family = _family(job.family)
        if family.tool:
            return ""
        model = self.load(job.checkpoint, job.family)
        try:
            with self._busy(model), _step_mode(model, False)():
                return family.plan(model, checked(job, model.card))
        except (ControlError, ImageError, JobError) as error:
            raise EngineError("input", str(error)) from error

    def run(self, job: Job, draft: bool = False) -> Iterator[Event]:
        """Any Progress and Preview, then one Result, last. Close it to cancel. Raises EngineError.

        draft: may be computed in a faster lane; the Result says whether it was. What is not a draft
        is torch's answer alone, the same whether there are lanes or not.
        """
        try:
            family = _family(job.family)
            if family.tool:
                yield from self._attempt(family, None, checked(job, family.card(None)))
                return
            name, digest = split_reference(job.checkpoint)
            if not digest or self._known(digest, job.family) is None:
                yield Progress(0, 0, f"Loading {Path(name).name}")
            model = self.load(job.checkpoint, job.family)
            with self._busy(model):
                yield from self._climb(model, checked(job, model.card), draft and not family.tells)
        except (ControlError, ImageError, JobError) as error:
            raise EngineError("input", str(error)) from error

    @contextmanager
    def _busy(self, model: Model) -> Generator[None]:
        """A model at work is not evicted."""
        key = _key(model)
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1

    def _climb(self, model: Model, job: Job, draft: bool) -> Iterator[Event]:
        """The ladder for short memory: as asked; alone on the device; smaller; on the CPU; a
        sentence."""
        last = ""
        job, gate = gates.split(job, model.card)
        if gate and self._ungated and self._ungated[0] == job.digest:
            start = time.perf_counter()
            made = _presented(self._ungated[1], gate)  # the mask alone is another
            yield replace(made, seconds=time.perf_counter() - start)
            return
        for way in self._ways(model, job):
            way = replace(way, gate=gate)
            try:
                yield from self._attempt(model.family, model, way.job, way, draft)
                return
            except (MemoryError, RuntimeError, OSError) as error:
                if not _is_out_of_memory(error):
                    raise
                last = str(error)
                log.warning("out of memory: %s", last)
            model.forget()
            self._release()
        width, height = _largest(job)
        raise EngineError(
            "memory",
            f"There is not enough memory for {width} x {height} pixels{self._remedy()}.",
            last,
        )

    def _ways(self, model: Model, job: Job) -> Iterator[Shrunk]:
        yield Shrunk(job)
        if self._evict_idle(but=_key(model)) or model.device.type != "cpu":
            yield Shrunk(job)
        if model.family.shrinks:
            yield from shrunk(job, model.card, SHARES)
        if self._cpu_fallback and model.device.type != "cpu":
            self._move_to_cpu(model)
            yield Shrunk(
                job, notes=("The graphics card has too little memory: computed on the CPU.",)
            )

    def _move_to_cpu(self, model: Model) -> None:
        import torch

        from engines import executor

        model.device, model.dtype = torch.device("cpu"), torch.float32
        executor.prepare(model.module, model.device, model.dtype)
        self._kept.pop(_key(model), None)  # the next job starts on the device again

    def _remedy(self) -> str:
        if self._device is not None and self._device.type != "cpu" and not self._cpu_fallback:
            return "; use a smaller picture, or let the CPU take over in the settings"
        return "; use a smaller picture or close other programs"

    def _attempt(
        self,
        family: Family,
        model: Model | None,
        job: Job,
        way: Shrunk | None = None,
        draft: bool = False,
    ) -> Iterator[Event]:
        """The events of one run, its result completed with time and notes. Numbers that are no
        picture, in half precision, are computed again in full."""
        try:
            yield from self._steps(family, model, job, way, draft)
        except ArithmeticError as error:
            if model is None or type(error).__name__ != "NotFinite":
                raise
            if not self._to_full_precision(model):
                name = split_reference(model.checkpoint)[0]
                message = (
                    f"{name} answered with numbers that are no picture; its weights may be damaged."
                )
                raise EngineError("checkpoint", message) from error
        else:
            return
        yield from self._steps(family, model, job, way, draft)

    def _to_full_precision(self, model: Model) -> bool:
        import torch

        from engines import executor

        if model.dtype == torch.float32:
            return False
        log.warning("%s overflows half precision", model.checkpoint)
        model.dtype = torch.float32
        model.forget()
        executor.prepare(model.module, model.device, model.dtype)
        kept = self._kept.get(_key(model))
        if kept is not None:
            kept.bytes = _bytes(model)
        return True

    def _steps(
        self, family: Family, model: Model | None, job: Job, way: Shrunk | None, draft: bool
    ) -> Iterator[Event]:
        grad = _step_mode(model, draft)
        runs = model.lanes.runs if draft and model and model.lanes else None
        seconds = 0.0
        given = self if family.conducts else model
        events = family.run(given, job)  # type: ignore[arg-type]  # tools take no model
        try:
            while True:
                started = time.perf_counter()
                with grad():
                    event = next(events, None)
                seconds += time.perf_counter() - started
                if event is None:
                    raise EngineError("internal", f"{family.title} ended without a picture.")
                if isinstance(event, Result):
                    event = self._completed(event, model, seconds, way)
                    event = self._guard.passed(event, model, job, runs) if model else event
                    self._remember(event, model, way)
                    yield _presented(event, way.gate if way else None)
                    return
                yield way.gate.over(event) if way and way.gate else event
        finally:
            with grad():
                events.close()  # type: ignore[attr-defined]  # a family's run is a generator

    def _completed(
        self, result: Result, model: Model | None, seconds: float, way: Shrunk | None
    ) -> Result:
        notes: tuple[str, ...] = ()
        kept = self._kept.get(_key(model)) if model is not None else None
        if kept is not None and model is not None and not kept.told:
            kept.told, notes = True, model.notes
        if way is not None:
            result = way.enlarged(result)
        return replace(result, seconds=seconds, notes=(*result.notes, *notes))

    def _remember(self, result: Result, model: Model | None, way: Shrunk | None) -> None:
        """The last result that a mask may gate: while that alone is changed, no network runs."""
        if model and way and way.share == 1 and gates.control_of(model.card) and not result.draft:
            self._ungated = way.job.digest, result


def _presented(result: Result, gate: gates.Gate | None) -> Result:
    """As it is shown: gated, and several pictures on a sheet."""
    result = gate.over(result) if gate else result
    if len(result.pictures) < 2:
        return result
    titles = result.texts if len(result.texts) == len(result.pictures) else ()
    return replace(result, sheet=contact_sheet(result.pictures, titles))


def _family(name: str) -> Family:
    known = families()
    if name not in known:
        raise EngineError(
            "input", f"This recipe asks for “{name}”, which this Ganvas does not know."
        )
    return known[name]


def _key(model: Model) -> Key:
    return split_reference(model.checkpoint)[1], model.family.id


def _opened(weights: Weights) -> Checkpoint:
    try:
        return open_checkpoint(weights.path)
    except CheckpointError as error:
        raise EngineError("checkpoint", str(error), error.kind) from error


def _picked(checkpoint: Checkpoint, weights: Weights, wanted: str) -> tuple[Family, Any]:
    if found := recognised(checkpoint, wanted):
        return found[0]
    if wanted and recognised(checkpoint):
        raise EngineError("checkpoint", f"{weights.name} holds no weights of “{wanted}”.")
    from engines import doctor

    raise EngineError("checkpoint", doctor.inspect(weights.path).message)


def _largest(job: Job) -> tuple[int, int]:
    sizes = [p.size for p in job.images.values()] + ([job.size] if job.size else [])
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _bytes(model: Model) -> int:
    from engines.memory import module_bytes

    return module_bytes(model.module)


def _is_out_of_memory(error: BaseException) -> bool:
    from engines.memory import is_out_of_memory

    return is_out_of_memory(error)


def _step_mode(model: Model | None, draft: bool) -> Callable[[], AbstractContextManager[Any]]:
    """What to enter around every step of a run, never over a yield: a leak of it would reach
    whoever holds the generator, and between two steps the model may serve another run."""
    if model is None:
        return nullcontext
    import torch

    grad = torch.enable_grad if model.card.needs_grad else torch.inference_mode

    @contextmanager
    def mode() -> Generator[None]:
        model.draft = draft
        try:
            with grad():
                yield
        finally:
            model.draft = False

    return mode
