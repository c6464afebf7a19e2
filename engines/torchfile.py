"""Files of torch.save, and pickles with tensors in them: the object they hold as inert data, and
the numbers of its tensors when asked for. Imports torch only to give out tensors.

Before anything is allocated, every claim of size is held against the file: a storage may not be
larger than what lies in the file for it, a tensor may not reach beyond its storage.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from engines import inert
from engines.inert import InertError, Named

if TYPE_CHECKING:
    from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
MOST_NAMES = 64 << 20  # bytes of a data.pkl: names and shapes, never numbers
EXPANDED = 1 << 24  # numbers in a tensor that repeats those of a smaller storage
BLOCK = 16 << 20  # bytes
CUT_OFF = "is damaged or cut off; please download or copy it again"

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
WIDTH = {
    **{"complex128": 16, "complex64": 8, "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8, "uint32": 4, "uint16": 2},
    **{"uint8": 1, "bool": 1, "float8_e4m3fn": 1, "float8_e5m2": 1},
}


@dataclass(frozen=True, slots=True)
class Storage:
    """`count` numbers in the file, from number `start` of those that are called `key` there; `data`
    is set where they lie in the pickle itself."""

    key: str
    dtype: str
    count: int
    start: int = 0
    data: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        return self.count * WIDTH[self.dtype]


@dataclass(frozen=True, slots=True)
class LazyTensor:
    """A view of a storage: shape, strides and offset in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> str:
        return self.storage.dtype

    @property
    def is_whole(self) -> bool:
        """Whether it holds every number of its storage once."""
        return math.prod(self.shape) == self.storage.count and 0 not in self.strides


# ---- what is rebuilt -----------------------------------------------------------------------------


def lazy_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> LazyTensor:
    """A view of `storage`; raises InertError where it would reach beyond it."""
    if not isinstance(storage, Storage):
        raise InertError("is damaged: a tensor has no numbers")
    shape, strides = tuple(int(n) for n in shape), tuple(int(n) for n in strides)
    offset = int(offset)
    if len(shape) != len(strides) or len(shape) > 32 or min((*shape, *strides, offset)) < 0:
        raise InertError("is damaged: a tensor has no proper shape")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides)) if all(shape) else 0
    if last >= max(storage.count, 1) or math.prod(shape) > max(storage.count, EXPANDED):
        raise InertError("is damaged: a tensor reaches beyond its numbers")
    return LazyTensor(storage, offset, shape, strides)


def _rebuild_typed(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> LazyTensor:
    """Newer kinds of number lie in untyped bytes, their kind beside them."""
    dtype = str(rest[2]).removeprefix("torch.") if len(rest) > 2 else ""
    if not isinstance(storage, Storage) or dtype not in WIDTH:
        raise InertError("holds a kind of number that Ganvas does not read")
    count = storage.size // WIDTH[dtype]
    return lazy_tensor(replace(storage, dtype=dtype, count=count), offset, shape, strides)


def _first(value: Any, *_: Any) -> Any:
    return value


def _subclass(function: Any, _kind: Any, args: Any, _state: Any) -> Any:
    """A tensor with attributes, or of a subclass: its numbers."""
    return _CALLS[str(function)](*args) if str(function) in _CALLS else inert.Inert(str(function))


def _from_bytes(data: Any) -> Storage:
    """A storage that was pickled without torch.save: a file of torch in itself."""
    if not isinstance(data, bytes):
        raise InertError("is damaged: numbers in it are no bytes")
    inner = _read_legacy(io.BytesIO(data), nested=True)
    storage = inner.root
    if not isinstance(storage, Storage) or storage.key not in inner.places:
        raise InertError("is damaged: numbers in it cannot be found")
    start = inner.places[storage.key]
    return replace(storage, data=data[start : start + storage.size])


_REBUILT: dict[str, Any] = {
    "torch._utils._rebuild_tensor": lazy_tensor,
    "torch._utils._rebuild_tensor_v2": lazy_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch.Size": lambda sizes=(): tuple(sizes),
}
# storages and kinds of number are named, never called
_TYPES: dict[str, Any] = {
    f"{module}.{name}": lambda *_: inert.Inert("storage")
    for module in ("torch", "torch.storage", "torch.cuda")
    for name in (*_STORAGES, "TypedStorage")
} | {f"torch.{dtype}": lambda *_: inert.Inert("dtype") for dtype in WIDTH}
_CALLS: dict[str, Any] = {**_REBUILT, **_TYPES}
_PLAIN_CALLS = {**_CALLS, "torch.storage._load_from_bytes": _from_bytes}


def _storage_of(pid: Any) -> Storage:
    """What a persistent id of torch names: ("storage", type, key, device, count[, view])."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise InertError("refers to data outside the file")
    name = pid[1].name if isinstance(pid[1], Named) else ""
    count = pid[4]
    if name not in _STORAGES or not isinstance(count, int) or count < 0:
        raise InertError("holds a kind of number that Ganvas does not read")
    return Storage(str(pid[2]), _STORAGES[name], count)


def _part(storage: Storage, view: Any) -> Storage:
    """A part of a storage, as torch 0.1 to 0.3 shared numbers: (key, start, count)."""
    _, start, count = view
    if not 0 <= start <= start + count <= storage.count:
        raise InertError("is damaged: a tensor reaches beyond its numbers")
    return replace(storage, start=start, count=count)


# ---- the two formats -----------------------------------------------------------------------------


@dataclass
class TorchFile:
    """An opened file: `root` is the object as inert data, with LazyTensors in it."""

    path: Path
    root: Any
    strangers: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    format = ""

    def stream(self, storage: Storage) -> AbstractContextManager[BinaryIO]:
        """Where the numbers of a storage begin."""
        raise NotImplementedError

    def native(self, data: bytes, width: int) -> bytearray:
        """`data` in this machine's byte order."""
        return bytearray(data)

    def bytes_of(self, storage: Storage) -> bytearray:
        with self.stream(storage) as file:
            data = self.native(file.read(storage.size), WIDTH[storage.dtype])
        if len(data) != storage.size:
            raise InertError(CUT_OFF)
        return data

    def blocks(self, tensor: LazyTensor) -> Iterator[bytearray]:
        """The bytes of a tensor's numbers in any order, a few megabytes at a time where they lie
        together."""
        storage, width = tensor.storage, WIDTH[tensor.dtype]
        if tensor.is_whole:
            with self.stream(storage) as file:
                for start in range(0, storage.size, BLOCK):
                    yield self.native(file.read(min(BLOCK, storage.size - start)), width)
            return
        whole = np.frombuffer(self.bytes_of(storage), f"V{width}")
        strides = tuple(width * s for s in tensor.strides)
        view = np.lib.stride_tricks.as_strided(whole[tensor.offset :], tensor.shape, strides)
        yield bytearray(view.tobytes())

    def tensors(self, wanted: Mapping[str, LazyTensor]) -> dict[str, Tensor]:
        """The tensors themselves, by name; every storage is read once, and shared as it was."""
        import torch

        raw: dict[Storage, Tensor] = {}
        for storage in {t.storage: None for t in wanted.values()}:
            dtype = getattr(torch, storage.dtype)
            data = self.bytes_of(storage)
            raw[storage] = (
                torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            )
        return {
            name: torch.as_strided(raw[t.storage], t.shape, t.strides, t.offset)
            for name, t in wanted.items()
        }


class TorchZip(TorchFile):
    """The format since torch 1.6, and TorchScript's: data.pkl beside one file for each storage."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            self._main = min((n for n in sizes if n.endswith("data.pkl")), key=len)
            self._folder = self._main.removesuffix("data.pkl")
            if sizes[self._main] > MOST_NAMES:
                raise InertError("claims more names than weights can have")

            def storage(pid: Any) -> Storage:
                found = _storage_of(pid)
                if sizes.get(f"{self._folder}data/{found.key}", -1) < found.size:
                    raise InertError(CUT_OFF)
                return found

            order = f"{self._folder}byteorder"
            self._big = sizes.get(order, 99) < 9 and archive.read(order) == b"big"
            self.format = "torchscript" if f"{self._folder}constants.pkl" in sizes else "torch-zip"
            read = inert.load(io.BytesIO(archive.read(self._main)), _CALLS, storage)
        super().__init__(path, read.root, read.strangers, read.unsafe)

    @contextmanager
    def stream(self, storage: Storage) -> Iterator[Any]:
        with (
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self._folder}data/{storage.key}") as file,
        ):
            yield file

    def native(self, data: bytes, width: int) -> bytearray:
        if self._big and width > 1:
            return bytearray(np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes())
        return bytearray(data)


class TorchLegacy(TorchFile):
    """The older format, one stream of pickles with the numbers behind them; or any plain pickle."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            read = _read_legacy(file)
        self._places = read.places
        self.format = "torch-legacy" if read.is_torch else "pickle"
        super().__init__(path, read.root, read.strangers, read.unsafe)

    @contextmanager
    def stream(self, storage: Storage) -> Iterator[Any]:
        if storage.data is not None:
            yield io.BytesIO(storage.data)
            return
        with self.path.open("rb") as file:
            file.seek(self._places[storage.key] + storage.start * WIDTH[storage.dtype])
            yield file


@dataclass
class _Legacy:
    root: Any
    strangers: tuple[str, ...]
    unsafe: tuple[str, ...]
    is_torch: bool = False
    places: dict[str, int] = field(default_factory=dict)  # storage key -> byte position


def _read_legacy(file: BinaryIO, nested: bool = False) -> _Legacy:
    """Magic number, protocol, system, object, keys of storages, then count and numbers of each; or
    one plain object."""
    found: dict[str, Storage] = {}

    def persistent(pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module":
            return pid[1]  # (module, class, source file, source text)
        made = _storage_of(pid)
        if found.setdefault(made.key, made) != made:
            raise InertError("is damaged: two tensors disagree about the numbers they share")
        return _part(made, pid[5]) if len(pid) > 5 and pid[5] is not None else made

    calls = _CALLS if nested else _PLAIN_CALLS
    first = inert.load(file, calls, persistent)
    if first.root != MAGIC:
        return _Legacy(first.root, first.strangers, first.unsafe)
    inert.load(file, calls, persistent)
    inert.load(file, calls, persistent)
    read = inert.load(file, calls, persistent)
    keys = inert.load(file, calls, persistent).root
    return _Legacy(read.root, read.strangers, read.unsafe, True, _places(file, keys, found))


def _places(file: BinaryIO, keys: Any, found: Mapping[str, Storage]) -> dict[str, int]:
    """Where the numbers of each storage begin; all of them must be there."""
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    places: dict[str, int] = {}
    for key in map(str, keys if isinstance(keys, list) else ()):
        if key not in found or key in places:
            raise InertError("is damaged: its list of numbers does not match")
        file.seek(position)
        head = file.read(8)
        count = struct.unpack("<q", head)[0] if len(head) == 8 else -1
        if count < found[key].count or position + 8 + count * WIDTH[found[key].dtype] > size:
            raise InertError(CUT_OFF)
        places[key] = position + 8
        position += 8 + count * WIDTH[found[key].dtype]
    if set(found) - set(places):
        raise InertError(CUT_OFF)
    return places
