"""Files of Torch7 (`torch.save` of Lua, binary): the nets they hold as names and shapes, and the
numbers when asked for. Nothing of the file runs; a Lua function in it is refused.

A file is one object: a tag (nil, number, string, table, torch object, boolean, function), then its
contents; tables and torch objects carry an index, so that a second mention is the index alone.
Every claim of size is held against the file before anything is allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engines import unwrap
from engines.inert import Inert, InertError, shown
from engines.torchfile import CUT_OFF, WIDTH, LazyTensor, Storage, TorchFile, lazy_tensor

if TYPE_CHECKING:
    from torch import Tensor

NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)
MOST_OBJECTS = 1_000_000
DEEPEST = 100  # objects inside objects; a net inside a net takes three
LONGEST = 1 << 20  # bytes of a string: names, not texts

_KINDS = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Cuda": "float32",
}
_KINDS |= {f"Cuda{name}": kind for name, kind in _KINDS.items() if name != "Cuda"}
_STORAGES = {f"torch.{name}Storage": kind for name, kind in _KINDS.items()}
_TENSORS = {f"torch.{name}Tensor": kind for name, kind in _KINDS.items()}
_OWN = ("weight", "bias", "running_mean", "running_var")  # of a module; the rest is left from a run


@dataclass(frozen=True, slots=True)
class InverseStd(LazyTensor):
    """What old batch norms keep instead of a variance: 1 / sqrt(variance + eps)."""

    eps: float


class Torch7(TorchFile):
    """An opened file. `found` are the tensors of its net, named by the places of its modules, which
    Torch7 counts from one ("2.weight"); `notes` are sentences. Raises InertError."""

    format = "torch7"

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            root = _Reader(file, path.stat().st_size).root()
        super().__init__(path, root)
        tree = _tree(root, 0)
        self.found: dict[str, LazyTensor]
        if isinstance(root, Inert) and isinstance(tree, dict):
            self.found, self.notes = dict(_flat(tree, "")), []
        elif isinstance(tree, dict):
            self.found, self.notes = unwrap.weights(tree, LazyTensor)
        else:
            self.found, self.notes = {}, []
        if any(isinstance(t, InverseStd) for t in self.found.values()):
            self.notes.append("Spreads of an old batch norm were turned into variances.")

    @contextmanager
    def stream(self, storage: Storage) -> Iterator[BinaryIO]:
        with self.path.open("rb") as file:
            file.seek(int(storage.key))
            yield file

    def tensors(self, wanted: Mapping[str, LazyTensor]) -> dict[str, Tensor]:
        made = super().tensors(wanted)
        for name, lazy in wanted.items():
            if isinstance(lazy, InverseStd):
                made[name] = made[name].double().pow(-2).sub(lazy.eps).float()
        return made


class _Reader:
    """The machine that turns tags into inert data: torch objects become Inert, tables dict."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.left, self.seen = MOST_OBJECTS, {}

    def root(self) -> Any:
        made = self.value(0)
        if self.file.read(1):
            raise InertError("is damaged: something follows the object it holds")
        return made

    def take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) != count:
            raise InertError(CUT_OFF)
        return data

    def int(self) -> int:
        return struct.unpack("<i", self.take(4))[0]

    def longs(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}q", self.take(8 * count))

    def text(self) -> str:
        count = self.int()
        if not 0 <= count <= LONGEST:
            raise InertError("is damaged: a name in it has no proper length")
        return self.take(count).decode("utf-8", "replace")

    def value(self, depth: int) -> Any:
        self.left -= 1
        if depth > DEEPEST or self.left < 0:
            raise InertError("holds more objects than weights can have")
        kind = self.int()
        if kind == NIL:
            return None
        if kind == NUMBER:
            number = struct.unpack("<d", self.take(8))[0]
            return int(number) if number.is_integer() else number
        if kind == STRING:
            return self.text()
        if kind == BOOLEAN:
            return self.int() != 0
        if kind in (TABLE, OBJECT):
            index = self.int()
            if index in self.seen:
                return self.seen[index]
            return self.table(index, depth) if kind == TABLE else self.object(index, depth)
        if kind in FUNCTIONS:
            raise InertError(
                "holds a Lua function, which Ganvas does not run; save its net after clearState()"
            )
        raise InertError("is damaged: it holds something that Torch7 does not know")

    def table(self, index: int, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        self.seen[index] = made
        for _ in range(max(0, self.int())):
            key, value = self.value(depth + 1), self.value(depth + 1)
            if not isinstance(key, str | int | float):
                raise InertError("is damaged: a table in it has a key that is no name")
            made[key] = value
        return made

    def object(self, index: int, depth: int) -> Any:
        name = self.text()
        if name.startswith("V "):
            name = self.text()
        if name in _STORAGES:
            made: Any = self.storage(_STORAGES[name])
        elif name in _TENSORS:
            made = self.tensor(_TENSORS[name], depth)
        else:
            made = self.seen[index] = Inert(name)
            state = self.value(depth + 1)
            made.state = state if isinstance(state, dict) else {}
        self.seen[index] = made
        return made

    def storage(self, dtype: str) -> Storage:
        (count,) = self.longs(1)
        place = self.file.tell()
        if not 0 <= count <= (self.size - place) // WIDTH[dtype]:
            raise InertError(CUT_OFF)
        self.file.seek(count * WIDTH[dtype], 1)
        return Storage(str(place), dtype, count)

    def tensor(self, dtype: str, depth: int) -> LazyTensor:
        dims = self.int()
        if not 0 <= dims <= 32:
            raise InertError("is damaged: a tensor has no proper shape")
        shape, strides, (first,) = self.longs(dims), self.longs(dims), self.longs(1)
        storage = self.value(depth + 1)
        if dims == 0 or storage is None:
            return LazyTensor(Storage(str(self.file.tell()), dtype, 0), 0, (0,), (1,))
        if isinstance(storage, Storage) and storage.dtype != dtype:
            raise InertError("is damaged: a tensor and its numbers are of two kinds")
        return lazy_tensor(storage, first - 1, shape, strides)


# ---- from modules to names -----------------------------------------------------------------------


def _tree(value: Any, depth: int) -> Any:
    """Nested dictionaries of tensors by name: of a module its own weights and, by place, those of
    its modules."""
    if depth > DEEPEST:
        raise InertError("is damaged: its modules contain themselves")
    if isinstance(value, Inert):
        return _module(value, depth)
    if isinstance(value, dict):
        return {_name(k): _tree(v, depth + 1) for k, v in value.items()}
    return value


def _module(module: Inert, depth: int) -> dict[str, Any]:
    state = module.state
    made: dict[str, Any] = {}
    for name in _OWN:
        held = state.get(name)
        if isinstance(held, LazyTensor) and 0 not in held.shape:
            made[name] = _unfolded(held, state) if name == "weight" else held
    std = state.get("running_std")
    if isinstance(std, LazyTensor) and "running_var" not in made:
        eps = state.get("eps")
        eps = float(eps) if isinstance(eps, int | float) else 1e-5
        made["running_var"] = InverseStd(std.storage, std.offset, std.shape, std.strides, eps)
    inside = state.get("modules")
    if isinstance(inside, dict):
        made |= {_name(k): _tree(v, depth + 1) for k, v in inside.items() if isinstance(v, Inert)}
    return made


def _unfolded(weight: LazyTensor, state: Mapping[Any, Any]) -> LazyTensor:
    """The kernel (out, in, height, width) that SpatialConvolutionMM keeps as a matrix."""
    sides = [state.get(name) for name in ("nOutputPlane", "nInputPlane", "kH", "kW")]
    if len(weight.shape) != 2 or not all(isinstance(n, int) and n > 0 for n in sides):
        return weight
    out, into, tall, wide = (int(n) for n in sides if n)
    if weight.shape != (out, into * tall * wide) or weight.strides != (weight.shape[1], 1):
        return weight
    strides = (weight.shape[1], tall * wide, wide, 1)
    return lazy_tensor(weight.storage, weight.offset, (out, into, tall, wide), strides)


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, LazyTensor]]:
    for name, value in tree.items():
        if isinstance(value, LazyTensor):
            yield prefix + name, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")


def _name(key: Any) -> str:
    return shown(str(key))
