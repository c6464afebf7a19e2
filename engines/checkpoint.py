"""Weights on disk: read any of the formats people have, repair what is known to break, write one
format of our own.

All weights enter here (law 4). Names and shapes of a torch file are read by a machine that cannot
import or call anything (engines/inert.py), whatever is planted in it. Its numbers come from
torch.load with weights_only=True where that takes the file, and by the inert reader where it does
not. torch is imported only where tensors are made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from engines import formats, onnxfile, repairs, unwrap
from engines.arrays import ArraysError, Numpy, Safetensors, TensorInfo
from engines.inert import InertError, shown
from engines.objectarrays import ObjectArrays, holds_objects
from engines.tfcheckpoint import TensorFlow, index_in, index_of
from engines.torch7 import Torch7
from engines.torchfile import LazyTensor, TorchFile, TorchLegacy, TorchZip

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger("engine")

METADATA = "ganvas"
WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt", ".npz", ".model", ".tar", ".pkl", ".t7")
EXPANSION, SMALL = 64, 16 << 20  # an archive may unpack to this many times its size, or to this
DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(struct.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError),
    *(OverflowError, ZeroDivisionError, SyntaxError),
)


class CheckpointError(ValueError):
    """A file that gives no weights. `kind` is a stable word: "missing", "empty", "damaged",
    "unsafe", "not-weights", "mismatch", "nan"; the message is one sentence for the user."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Source(Protocol):
    """Where the numbers of an opened file come from."""

    def tensors(self) -> dict[str, Tensor]: ...

    def blocks(self, name: str) -> Iterator[bytes | bytearray]: ...


@dataclass
class Checkpoint:
    """An opened weights file: names and shapes at once, numbers when asked for.

    metadata  what our own files say of themselves ({} for others): family, config, title, card
    notes     one sentence for everything that was unwrapped, renamed or left out
    unsafe    what the file asks to run, which Ganvas never does
    objects   what lay beside the tensors, as inert data
    """

    path: Path
    format: str
    infos: dict[str, TensorInfo]
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    objects: Any = None
    unsafe: tuple[str, ...] = ()
    source: Source | None = None
    names: dict[str, str] = field(default_factory=dict)  # our key -> name in the source

    def keys(self) -> tuple[str, ...]:
        return tuple(self.infos)

    def shape(self, key: str) -> tuple[int, ...] | None:
        info = self.infos.get(key)
        return None if info is None else info.shape

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {key: info.shape for key, info in self.infos.items()}

    def dtype(self, key: str) -> str | None:
        info = self.infos.get(key)
        return None if info is None else info.dtype

    def called(self, names: Mapping[str, str]) -> Checkpoint:
        """The same file with these of its tensors alone: key they shall have -> key they have."""
        infos = {new: self.infos[old] for new, old in names.items()}
        sources = {new: self.names.get(old, old) for new, old in names.items()}
        return replace(self, infos=infos, names=sources)

    def inside(self, places: Mapping[str, str]) -> dict[str, str]:
        """For `called`: what lies at each place, a beginning of keys, below the part's name."""
        return {
            f"{part}.{key.removeprefix(begin)}": key
            for part, begin in places.items()
            for key in self.infos
            if key.startswith(begin)
        }

    def parts(self) -> tuple[str, ...]:
        """First components of the keys, in order."""
        return tuple(dict.fromkeys(key.split(".", 1)[0] for key in self.infos))

    @property
    def parameters(self) -> int:
        """Numbers in all floating-point tensors."""
        return sum(math.prod(i.shape) for i in self.infos.values() if "float" in i.dtype)

    @property
    def size_bytes(self) -> int:
        files = self.path.iterdir() if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())

    @cached_property
    def digest(self) -> str:
        return file_digest(self.path)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, on the CPU. Raises CheckpointError if the file turns out to be damaged."""
        try:
            given = self._read.tensors()
            return {key: given[self.names.get(key, key)] for key in self.infos}
        except DAMAGE as error:
            raise _damaged(self.path) from error

    def not_finite(self) -> str | None:
        """The first tensor that holds NaN or infinity; numbers pass through a few megabytes of
        memory. Raises CheckpointError if the file turns out to be damaged."""
        try:
            for key, info in self.infos.items():
                blocks = self._read.blocks(self.names.get(key, key))
                if not all(_is_finite(block, info.dtype) for block in blocks):
                    return key
        except DAMAGE as error:
            raise _damaged(self.path) from error
        return None

    @property
    def _read(self) -> Source:
        if self.source is None:
            raise ValueError("names and shapes only")
        return self.source


def _is_finite(block: bytes | bytearray, dtype: str) -> bool:
    if dtype == "bfloat16":
        return not bool(((np.frombuffer(block, np.uint16) & 0x7F80) == 0x7F80).any())
    if dtype in ("float16", "float32", "float64", "complex64", "complex128"):
        return bool(np.isfinite(np.frombuffer(block, dtype)).all())
    return True


def file_digest(path: Path) -> str:
    """First 16 hex digits of the sha256 of a file, or over those of a folder's files; computed once
    while a file stays as it is."""
    if path.is_dir():
        told = "".join(file_digest(p) for p in sorted(path.iterdir()) if p.is_file())
        return hashlib.sha256(told.encode()).hexdigest()[:16]
    status = path.stat()
    return _digest(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        "damaged", f"{path.name} is damaged or cut off; please download or copy it again."
    )


def may_be_weights(path: Path) -> bool:
    """Whether there is such a file, or a folder with a weights file directly in it."""
    try:
        if path.is_dir():
            return any(p.suffix in WEIGHTS and p.is_file() for p in path.iterdir())
        return path.is_file()
    except (OSError, ValueError):  # too long, or a NUL inside
        return False


# ---- opening -------------------------------------------------------------------------------------


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read names and shapes of a weights file, or of all that a folder holds as one (a net in
    parts). Raises CheckpointError with one sentence."""
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise CheckpointError("missing", f"There is no file {path.name}.")
    if path.stat().st_size == 0:
        raise CheckpointError("empty", f"{path.name} is empty; please download or copy it again.")
    try:
        kind = formats.sniff(path)
        opened = _OPENERS[kind](path) if kind in _OPENERS else _open_onnx(path, kind)
    except CheckpointError:
        raise
    except (InertError, ArraysError) as error:
        raise CheckpointError("damaged", f"{path.name} {error}.") from error
    except PermissionError as error:
        raise CheckpointError("missing", f"{path.name} may not be read by you.") from error
    except DAMAGE as error:
        log.info("%s: %s", path, type(error).__name__)
        raise _damaged(path) from error
    if opened.infos:
        return opened
    if opened.unsafe:
        raise CheckpointError(
            "unsafe",
            f"{path.name} holds no weights but asks to run {_named(opened.unsafe)}, which Ganvas "
            "did not do; delete it.",
        )
    raise CheckpointError("not-weights", f"{path.name} can be read but holds no weights.")


def _open_safetensors(path: Path) -> Checkpoint:
    source = Safetensors(path)
    metadata = json.loads(source.metadata.get(METADATA, "{}"))
    if not isinstance(metadata, dict):
        raise _damaged(path)
    names = {name: name for name in source.infos}
    notes: list[str] = []
    if not metadata:
        names, notes = unwrap.tidied(names, notes)
    infos = {key: source.infos[name] for key, name in names.items()}
    return Checkpoint(
        path, source.format, infos, metadata, tuple(notes), source=source, names=names
    )


def _open_numpy(path: Path) -> Checkpoint:
    source = ObjectArrays(path) if holds_objects(path) else Numpy(path)
    return Checkpoint(path, source.format, source.infos, source=source)


def _open_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [m.filename for m in members]
    size = path.stat().st_size
    if sum(m.file_size for m in members) > max(EXPANSION * size, SMALL):
        raise ArraysError("would unpack to far more than it can hold, and was not read")
    if len(set(names)) < len(names):
        raise ArraysError("is damaged: it holds two files of the same name")
    if names and all(name.endswith(".npy") for name in names):
        return _open_numpy(path)
    if any(name.endswith("data.pkl") for name in names):
        return _of_torch(TorchZip(path))
    raise CheckpointError(
        "not-weights", f"{path.name} is a ZIP archive without weights; unpack it first."
    )


def _of_torch(file: TorchFile) -> Checkpoint:
    found, notes = unwrap.weights(file.root, LazyTensor)
    if file.unsafe:
        notes.insert(
            0,
            f"The file asks to run {_named(file.unsafe)}, which Ganvas did not do: only numbers "
            "were taken from it.",
        )
    strangers = [name for name in file.strangers if name not in file.unsafe]
    if strangers and found:
        kinds = "kinds" if len(strangers) > 1 else "kind"
        notes.append(
            f"The file holds {len(strangers)} {kinds} of Python object besides tensors "
            f"({_named(strangers)}), which were read as inert data."
        )
    infos = {key: TensorInfo(t.shape, t.dtype) for key, t in found.items()}
    return Checkpoint(
        file.path,
        file.format,
        infos,
        {},
        tuple(notes),
        file.root,
        file.unsafe,
        TorchSource(file, found),
    )


def _open_onnx(path: Path, kind: str) -> Checkpoint:
    """A graph of a kind that we know; CheckpointError for any other file."""
    found = onnxfile.known(path) if "ONNX graph" in kind else None
    if found is None:
        raise CheckpointError("not-weights", f"{path.name} {kind}.")
    graph, names, metadata = found
    infos = {key: graph.infos[name] for key, name in names.items()}
    return Checkpoint(path, graph.format, infos, metadata, source=graph, names=names)


def _open_torch7(path: Path) -> Checkpoint:
    file = Torch7(path)
    infos = {key: TensorInfo(t.shape, t.dtype) for key, t in file.found.items()}
    return Checkpoint(
        path,
        file.format,
        infos,
        {},
        tuple(file.notes),
        file.root,
        source=TorchSource(file, file.found),
    )


def _open_tensorflow(path: Path) -> Checkpoint:
    """A checkpoint by its index, its numbers or the list of its folder."""
    source = TensorFlow(index_of(path) or path)
    notes = tuple(source.notes)
    return Checkpoint(source.path, source.format, source.infos, {}, notes, source=source)


def _open_folder(path: Path) -> Checkpoint:
    """The last TensorFlow checkpoint in it; else every weights file, each one's names behind the
    file's own."""
    if index := index_in(path):
        return open_checkpoint(index)
    parts: dict[str, Checkpoint] = {}
    for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
        try:
            parts[file.name.split(".", 1)[0]] = open_checkpoint(file)
        except CheckpointError as error:
            if error.kind not in ("not-weights", "empty"):
                raise
    if not parts:
        raise CheckpointError("not-weights", f"{path.name} holds no weights file.")
    infos = {f"{n}.{k}": info for n, part in parts.items() for k, info in part.infos.items()}
    notes = tuple(dict.fromkeys(note for part in parts.values() for note in part.notes))
    unsafe = tuple(dict.fromkeys(what for part in parts.values() for what in part.unsafe))
    told = [part.metadata for part in parts.values() if part.metadata]
    metadata = told[0] if len(told) == 1 else {}  # of the one part that is of ours
    return Checkpoint(path, "folder", infos, metadata, notes, None, unsafe, _Parts(parts))


class _Parts:
    """The numbers of several files, each one's names behind the file's own."""

    def __init__(self, parts: Mapping[str, Checkpoint]) -> None:
        self._parts = parts

    def tensors(self) -> dict[str, Tensor]:
        return {f"{n}.{k}": t for n, part in self._parts.items() for k, t in part.tensors().items()}

    def blocks(self, name: str) -> Iterator[bytes | bytearray]:
        stem, _, key = name.partition(".")
        part = self._parts[stem]
        return part._read.blocks(part.names.get(key, key))


def _named(names: tuple[str, ...] | list[str]) -> str:
    """The first names of a list, as many as a sentence bears."""
    first = ", ".join(map(shown, names[:3]))
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"


_OPENERS = {
    "safetensors": _open_safetensors,
    "zip": _open_zip,
    "pickle": lambda path: _of_torch(TorchLegacy(path)),
    "npy": _open_numpy,
    "torch7": _open_torch7,
    "tensorflow": _open_tensorflow,
}


class TorchSource:
    """The numbers of a torch file."""

    def __init__(self, file: TorchFile, found: Mapping[str, LazyTensor]) -> None:
        self._file, self._found = file, found

    def tensors(self) -> dict[str, Tensor]:
        return self.by_torch() or self.by_machine()

    def by_machine(self) -> dict[str, Tensor]:
        """By the machine that cannot call anything: for every file."""
        return self._file.tensors(self._found)

    def by_torch(self) -> dict[str, Tensor]:
        """torch's own reading, {} if the file is none for it or it sees other weights in it."""
        import torch

        if self._file.strangers or self._file.format not in ("torch-zip", "torch-legacy"):
            return {}
        try:
            root = torch.load(self._file.path, map_location="cpu", weights_only=True)
            given, _ = unwrap.weights(root, torch.Tensor)
        except (pickle.UnpicklingError, *DAMAGE) as error:
            log.info("%s: torch.load refused it (%s)", self._file.path, type(error).__name__)
            return {}
        if {k: tuple(t.shape) for k, t in given.items()} != {
            k: t.shape for k, t in self._found.items()
        }:
            return {}
        return {key: tensor.detach() for key, tensor in given.items()}

    def blocks(self, name: str) -> Iterator[bytearray]:
        return self._file.blocks(self._found[name])


# ---- into a network ------------------------------------------------------------------------------


def fitting(module: nn.Module, checkpoint: Checkpoint) -> repairs.Plan:
    """How the weights come into `module`, decided by names and shapes (which may be on torch's
    "meta" device, without numbers). Raises CheckpointError "mismatch" naming what does not fit."""
    plan = repairs.plan(checkpoint.shapes(), module)
    wanted = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    unused = {f"{layer}.{word}" for layer in plan.forgetful for word in repairs.STATISTICS}
    given = {plan.name(k): s for k, s in checkpoint.shapes().items() if k not in plan.dropped}
    missing = [k for k in wanted if k not in given and k not in plan.zeroed and k not in unused]
    surplus = [k for k in given if k not in wanted]
    wrong = [k for k in wanted if k in given and given[k] != wanted[k]]
    if missing or surplus or wrong:
        name = checkpoint.path.name
        raise CheckpointError("mismatch", _misfit(name, missing, surplus, wrong, wanted, given))
    return plan


def _misfit(
    name: str,
    missing: list[str],
    surplus: list[str],
    wrong: list[str],
    wanted: Mapping[str, tuple[int, ...]],
    given: Mapping[str, tuple[int, ...]],
) -> str:
    if wrong:
        key = wrong[0]
        return (
            f"{name} does not fit: {shown(key)} is {given[key]} where {wanted[key]} is needed "
            f"({len(wrong)} such)."
        )
    parts = [
        f"{len(keys)} weight{'s are' if len(keys) > 1 else ' is'} {word} (first {shown(keys[0])})"
        for keys, word in ((missing, "missing"), (surplus, "left over"))
        if keys
    ]
    return f"{name} does not fit: {' and '.join(parts)}."


def not_finite(path: Path, key: str) -> CheckpointError:
    return CheckpointError(
        "nan",
        f"{path.name} holds numbers that are not finite (first in {shown(key)}); its training "
        "failed.",
    )


def fill(module: nn.Module, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Load every weight into `module`, or nothing. Returns a sentence for every repair.

    Raises CheckpointError: "mismatch" naming what is missing or left over, "nan" when a tensor
    holds NaN or infinity.
    """
    import torch

    plan = fitting(module, checkpoint)
    tensors = checkpoint.tensors()
    given = {plan.name(k): t for k, t in tensors.items() if k not in plan.dropped}
    for key, tensor in given.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise not_finite(checkpoint.path, key)
    for name in plan.zeroed:
        given[name] = torch.zeros((), dtype=torch.int64)
    for name in plan.forgetful:
        norm = module.get_submodule(name)
        setattr(norm, "track_running_stats", False)  # noqa: B010  (torch types it as a tensor)
        for word in repairs.STATISTICS:
            norm.register_buffer(word, None)
    module.load_state_dict(given, strict=True)
    for note in plan.notes:
        log.info("%s: %s", checkpoint.path.name, note)
    return (*checkpoint.notes, *plan.notes)


# ---- our own format ------------------------------------------------------------------------------


def save(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], half: bool = False
) -> None:
    """Write a safetensors file of ours; it appears whole or not at all.

    metadata is JSON-able (family, config, title, card, ...); with `half`, floating-point tensors
    become float16. Raises CheckpointError "nan" where a number is too large for float16.
    """
    import torch
    from safetensors.torch import save_file

    path = Path(path)
    ready: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        made = tensor.detach().to("cpu", copy=True).contiguous()
        if half and made.is_floating_point():
            made = made.half()
            if not torch.isfinite(made).all() and torch.isfinite(tensor).all():
                raise CheckpointError(
                    "nan", f"{key} is too large for half precision; save {path.name} without it."
                )
        ready[key] = made
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(ready, part, {METADATA: json.dumps(dict(metadata), ensure_ascii=False)})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


# ---- the state of a training ---------------------------------------------------------------------


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and numbers in nested dictionaries; the file appears whole or not at all."""
    import torch

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        torch.save(dict(state), part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_state(path: Path, device: Any) -> dict[str, Any]:
    """What save_state wrote, its tensors on `device`. Raises CheckpointError."""
    import torch

    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, *DAMAGE) as error:
        message = (
            f"{path.name} is damaged, so the training cannot go on; start it without resuming."
        )
        raise CheckpointError("damaged", message) from error
