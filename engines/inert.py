"""Pickles read as inert data: no class of the file is imported, no function of the file is called.

Everything that a pickle names becomes an Inert stub that remembers what was done to it, except a
closed list of plain containers and of torch's tensor-rebuilding functions, which become LazyTensor
(shape, type, where its numbers lie). Works for zip files of torch, for the older format without
zip, and for plain pickles. Imports torch only to give out numbers.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
MOST_DATA = 256 << 20  # bytes of a data.pkl: names and shapes only, never numbers


class InertError(ValueError):
    """The rest of a sentence that begins with the file's name."""


class Inert:
    """What stands for an object of a class or the result of a function that was not called."""

    name = ""
    args: tuple[Any, ...]
    state: dict[Any, Any]
    items: list[Any]
    entries: dict[Any, Any]

    def __new__(cls, *args: Any, **named: Any) -> Inert:
        made = object.__new__(cls)
        made.args, made.state, made.items, made.entries = args, {}, [], {}
        return made

    def __call__(self, *args: Any, **named: Any) -> Inert:
        return type(self)(*args)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}
        self.state = dict(state) if isinstance(state, Mapping) else {"state": state}

    def append(self, item: Any) -> None:
        self.items.append(item)

    def extend(self, items: Any) -> None:
        self.items.extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"Inert({self.name})"


class _Bounded:
    """A file from which no more is read than there is, whatever length a pickle claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._file.tell()
        return self._file.read(left if count < 0 else min(count, left))

    def readline(self) -> bytes:
        return self._file.readline(1 << 20)


@dataclass(frozen=True)
class Storage:
    """Numbers in the file: `key` names them there."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class LazyTensor:
    """A view of a storage: shape, strides and offset in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> str:
        return self.storage.dtype


@dataclass
class Tree:
    """What a file holds. `notes` are sentences for the user."""

    root: Any
    notes: list[str] = field(default_factory=list)


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
}
WIDTH = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
_PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("builtins", "frozenset"): frozenset,
}
DANGEROUS = (
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "builtins",
    "__builtin__",
    "shutil",
    "socket",
    "importlib",
    "runpy",
    "ctypes",
    "pty",
    "io",
    "_io",
    "pathlib",
    "pickle",
    "marshal",
    "tempfile",
    "urllib",
    "http",
    "commands",
    "webbrowser",
    "operator",
    "functools",
    "types",
    "code",
)


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Any:
    if not isinstance(storage, Storage):
        raise InertError("is damaged: a tensor has no numbers")
    shape, strides = tuple(int(n) for n in shape), tuple(int(n) for n in strides)
    last = int(offset) + sum((n - 1) * s for n, s in zip(shape, strides)) if all(shape) else 0
    if min((*shape, *strides, int(offset), 0)) < 0 or last >= max(storage.count, 1):
        raise InertError("is damaged: a tensor reaches beyond its numbers")
    return LazyTensor(storage, int(offset), shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    return data


_TORCH: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): _rebuild,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
    ("torch", "Size"): lambda sizes=(): tuple(sizes),
}


class Reader(pickle.Unpickler):
    """find_class answers from closed lists; all else is an inert stub, noted if its module could do
    harm."""

    def __init__(self, file: Any, storage: Callable[[Any], Any], encoding: str = "utf-8") -> None:
        super().__init__(file, encoding=encoding, errors="strict")
        self._storage = storage
        self.strangers: dict[str, None] = {}
        self.harmful: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if (module, name) in _TORCH:
            return _TORCH[module, name]
        if module in ("torch", "torch.storage", "torch.cuda") and name in _STORAGES:
            return _STORAGES[name]
        if module in ("torch", "torch.storage") and name in ("UntypedStorage", "TypedStorage"):
            return "uint8"
        full = f"{module}.{name}"
        if module.split(".")[0] in DANGEROUS:
            self.harmful[full] = None
        else:
            self.strangers[full] = None
        return type("Inert", (Inert,), {"name": full})

    def persistent_load(self, pid: Any) -> Any:
        return self._storage(pid)

    def get_extension(self, code: int) -> Any:
        raise InertError("uses a pickle extension, which Ganvas does not read")

    def notes(self) -> list[str]:
        said = []
        if self.harmful:
            said.append(
                f"The file asks to run {', '.join(list(self.harmful)[:3])}; Ganvas did not run "
                "it. Trust it with care."
            )
        if self.strangers:
            count = len(self.strangers)
            said.append(
                f"{count} kind{'s' * (count > 1)} of Python object in the file "
                f"({', '.join(list(self.strangers)[:3])}) "
                "were read as inert data."
            )
        return said


def _load(file: BinaryIO, storage: Callable[[Any], Any]) -> tuple[Any, Reader]:
    """One pickle from the file's position; Python 2 strings as utf-8, and as latin-1 if that
    fails."""
    start = file.tell()
    bounded = _Bounded(file, file.seek(0, io.SEEK_END))
    for encoding in ("utf-8", "latin-1"):
        file.seek(start)
        reader = Reader(bounded, storage, encoding)
        try:
            return reader.load(), reader
        except InertError:
            raise
        except UnicodeDecodeError:
            continue
        except RecursionError as error:
            raise InertError("is nested too deeply to be weights") from error
        except (
            Exception
        ) as error:  # a pickle is a program: any opcode of a damaged one may raise anything
            raise InertError(
                "is damaged or is no weights file; please download or copy it again"
            ) from error
    raise InertError("holds text in an unknown encoding")


def _storage_of(pid: Any) -> Storage:
    """The storage that a torch persistent id names: ("storage", type, key, device, count[,
    view])."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise InertError("refers to data outside the file")
    dtype = pid[1] if isinstance(pid[1], str) else None
    if dtype not in WIDTH:
        raise InertError("holds a kind of number that Ganvas does not read")
    return Storage(str(pid[2]), dtype, int(pid[4]))


def read_zip(path: Path) -> Tree:
    """The object of a zip file of torch, its tensors lazy. Only data.pkl is read."""
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        main = next(name for name in sizes if name.endswith("data.pkl"))
        if sizes[main] > min(MOST_DATA, 1000 * path.stat().st_size):
            raise InertError("claims more names than weights can have")
        folder = main.removesuffix("data.pkl")

        def storage(pid: Any) -> Storage:
            found = _storage_of(pid)
            if sizes.get(f"{folder}data/{found.key}", -1) < found.count * WIDTH[found.dtype]:
                raise InertError(
                    "is damaged: numbers are missing; please download or copy it again"
                )
            return found

        root, reader = _load(io.BytesIO(archive.read(main)), storage)
    return Tree(root, reader.notes())


@dataclass
class _Legacy:
    root: Any
    notes: list[str]
    places: dict[str, tuple[int, int]]  # storage key -> (byte position, count)


def _legacy(path: Path) -> _Legacy:
    """The older format: magic, protocol, system, object, storage keys, then the numbers of each
    storage."""
    found: dict[str, Storage] = {}

    def storage(pid: Any) -> Any:
        if isinstance(pid, tuple) and pid and pid[0] == "module":
            return pid[1]
        made = _storage_of(pid)
        view = pid[5] if len(pid) > 5 else None
        found[made.key] = made
        if view is not None:
            raise InertError(
                "shares numbers between tensors in a way of torch 0.1 that Ganvas does not read"
            )
        return made

    size = path.stat().st_size
    with path.open("rb") as file:
        first, reader = _load(file, storage)
        if first != MAGIC:
            return _Legacy(first, reader.notes(), {})
        for _ in range(2):
            _load(file, storage)
        root, reader = _load(file, storage)
        keys, _ = _load(file, storage)
        places: dict[str, tuple[int, int]] = {}
        for key in keys:
            known = found.get(str(key))
            (count,) = struct.unpack("<q", file.read(8))
            if known is None or count < known.count or count < 0:
                raise InertError("is damaged: its list of numbers does not match")
            places[str(key)] = (file.tell(), count)
            if file.tell() + count * WIDTH[known.dtype] > size:
                raise InertError("is cut off; please download or copy it again")
            file.seek(count * WIDTH[known.dtype], io.SEEK_CUR)
    if missing := set(found) - set(places):
        raise InertError(
            f"is cut off: {len(missing)} tensors have no numbers; please download or copy it again"
        )
    return _Legacy(root, reader.notes(), places)


def read_legacy(path: Path) -> Tree:
    """The object of a torch file of the older format, or of any plain pickle."""
    read = _legacy(path)
    return Tree(read.root, read.notes)


def read_tensors(path: Path, format: str, lazy: Mapping[str, LazyTensor]) -> dict[str, Tensor]:
    """The numbers of lazy tensors, by their key. Storages are read once each."""
    import torch

    storages = {t.storage.key: t.storage for t in lazy.values()}
    raw: dict[str, Tensor] = {}
    for key, data in _bytes(path, format, storages):
        dtype = getattr(torch, storages[key].dtype)
        raw[key] = torch.frombuffer(data, dtype=dtype) if len(data) else torch.empty(0, dtype=dtype)
    return {
        name: torch.as_strided(raw[t.storage.key], t.shape, t.strides, t.offset)
        .contiguous()
        .clone()
        for name, t in lazy.items()
    }


def _bytes(
    path: Path, format: str, storages: Mapping[str, Storage]
) -> Iterator[tuple[str, bytearray]]:
    if format == "torch-zip":
        with zipfile.ZipFile(path) as archive:
            main = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            folder = main.removesuffix("data.pkl")
            big = (
                f"{folder}byteorder" in archive.namelist()
                and archive.read(f"{folder}byteorder") == b"big"
            )
            for key, storage in storages.items():
                data = archive.read(f"{folder}data/{key}")[: storage.count * WIDTH[storage.dtype]]
                yield key, _native(data, WIDTH[storage.dtype], big)
        return
    places = _legacy(path).places
    with path.open("rb") as file:
        for key, storage in storages.items():
            file.seek(places[key][0])
            yield key, bytearray(file.read(storage.count * WIDTH[storage.dtype]))


def _native(data: bytes, width: int, big: bool) -> bytearray:
    if not big or width == 1:
        return bytearray(data)
    return bytearray(np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes())


def module_tensors(module: Inert) -> dict[str, LazyTensor]:
    """state_dict() of a whole pickled nn.Module, by walking what its stubs remember."""
    found: dict[str, LazyTensor] = {}
    for table in ("_parameters", "_buffers"):
        held = module.state.get(table)
        unsaved = module.state.get("_non_persistent_buffers_set") or ()
        for name, value in (held or {}).items() if isinstance(held, Mapping) else ():
            if isinstance(value, LazyTensor) and name not in unsaved:
                found[str(name)] = value
    below = module.state.get("_modules")
    for name, child in (below or {}).items() if isinstance(below, Mapping) else ():
        if isinstance(child, Inert):
            found |= {f"{name}.{k}": v for k, v in module_tensors(child).items()}
    return found
