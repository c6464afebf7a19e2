"""What fits into memory: sizes of networks, what a pass will take, what is free, what counts as too
much.

On a graphics card too much raises an error; on the CPU the operating system ends the program
instead. So passes on the CPU are predicted before they run, on tensors that have shapes but no
numbers.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from engines.heap import MAPPED

_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "insufficient memory",
          "cannot allocate memory")  # fmt: skip
GAPS = 0.25  # measured: what lies unused between smaller pieces, as a share of them
LOADED = 25 << 20  # measured: code and tables of torch that a first pass reads in, once for all


class PassTooLarge(MemoryError):
    """A pass that was predicted to need more memory than is free; nothing was computed."""


def is_out_of_memory(error: BaseException) -> bool:
    """Torch says it in one class on graphics cards and in words on the CPU; numpy and OpenCV
    likewise."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | OSError) and any(word in text for word in _WORDS)


def module_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers; what two names share counts once."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
                for t in (*module.parameters(), *module.buffers())}  # fmt: skip
    return sum(storages.values())


def total_bytes() -> int:
    """Memory of this computer, or of the container that we run in."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        installed = _windows_memory()[0]
    return min(installed, _container_limit() or installed)


def free_bytes(device: torch.device | None = None) -> int | None:
    """Memory that can be taken without swapping, of a graphics card or of this computer; None where
    it cannot be known."""
    if device is not None and device.type != "cpu":
        return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = {
            name: int(rest.split()[0]) << 10 for name, rest in (x.split(":", 1) for x in lines)
        }
        free = known["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return _windows_memory()[1] if os.name == "nt" else None
    limit, used = _container_limit(), _read_number("memory.current")
    return min(free, max(limit - used, 0)) if limit and used is not None else free


def _container_limit() -> int | None:
    return _read_number("memory.max")


def _read_number(name: str) -> int | None:
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text())
    except (OSError, ValueError):  # no container, or "max"
        return None


def _windows_memory() -> tuple[int, int]:
    """(installed, free) bytes."""

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.total), int(status.free)


# ---- predicting a pass ---------------------------------------------------------------------------


def pass_bytes(
    module: nn.Module, inputs: Sequence[Any], named: Mapping[str, Any], gradients: bool = False
) -> int | None:
    """The most bytes by which the process grows during `module(*inputs, **named)`, if that is its
    first pass, beside weights and inputs; on a graphics card, what is taken there. None for a
    network whose way depends on numbers, which fake tensors lack."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    on_card = any(t.is_cuda for t in module.parameters())
    watch = _Watch(on_card)
    try:
        with (
            torch.inference_mode(False),  # which would hide convolutions in larger operations
            torch.set_grad_enabled(gradients),
            FakeTensorMode(allow_non_fake_inputs=True),
        ):
            given = [_fake(x) for x in inputs]
            extra = {name: _fake(x) for name, x in named.items()}
            state = {name: _fake(x) for name, x in _state(module)}
            watch.ignore([*given, *extra.values(), *state.values()])
            with watch:
                functional_call(module, state, tuple(given), extra)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError):
        return None
    return int(watch.peak) + (0 if on_card else LOADED)


def _fake(value: Any) -> Any:
    """A tensor like `value` without numbers (inside FakeTensorMode)."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers; fake ones stand in for them, lest the pass change what a net
    remembers."""
    yield from module.named_parameters()
    yield from module.named_buffers()


class _Watch(TorchDispatchMode):
    """Adds up the storages that operations make and subtracts them when they die. At its peak
    stands what an operation needs besides while it runs, and what the C library keeps of small
    pieces that were freed (mallopt(3): pieces from 32 MiB on go back to the system at once, of the
    others twice as much may stay). On a card nothing that was freed is kept."""

    def __init__(self, on_card: bool = False) -> None:
        super().__init__()
        self._on_card = on_card
        self.peak = 0
        self._now = {True: 0, False: 0}  # of large pieces, of small ones
        self._kept = 0
        self._alive: set[int] = set()

    def ignore(self, values: Sequence[Any]) -> None:
        """These are there before: what shares their storage needs none."""
        self._alive |= {t.untyped_storage()._cdata for t in _tensors(list(values))}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self._count(tensor.untyped_storage())
        if func is torch.ops.aten.convolution.default:
            pieces = _scratch(args[0], args[1], result, args[6])
            for piece in pieces:
                self._add(piece)
            for piece in pieces:
                self._now[piece >= MAPPED] -= piece
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._alive:
            return
        self._alive.add(key)
        self._add(storage.nbytes())
        weakref.finalize(storage, self._gone, key, storage.nbytes())

    def _add(self, count: int) -> None:
        self._now[count >= MAPPED] += count
        if self._on_card:
            self.peak = max(self.peak, sum(self._now.values()))
            return
        self._kept = min(max(self._kept, self._now[False]), 2 * MAPPED)
        small = max(self._now[False] * (1 + GAPS), self._kept)
        self.peak = max(self.peak, self._now[True] + small)

    def _gone(self, key: int, count: int) -> None:
        self._alive.discard(key)
        self._now[count >= MAPPED] -= count


def _scratch(given: Tensor, weight: Tensor, made: Tensor, transposed: bool) -> tuple[int, ...]:
    """The pieces, in bytes, that a convolution takes on a processor beside what it is given and
    makes. Measured with oneDNN: it sorts the weights anew, and maps as well unless their channels
    lie last."""
    if given.device.type != "cpu":
        return ()
    if given.is_contiguous(memory_format=torch.channels_last):
        return (_bytes(weight),)
    maps = (_bytes(given), _bytes(made))
    return (_bytes(weight), *(maps if transposed else (max(maps),)))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
