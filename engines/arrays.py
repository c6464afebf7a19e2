"""Weights as plain arrays: safetensors, .npz and .npy. Headers are read and held against the size
of the file before anything is allocated; no object arrays, so no pickles. Imports torch only to
give out tensors."""

from __future__ import annotations

import json
import math
import struct
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 100 << 20
BLOCK = 16 << 20


class ArraysError(ValueError):
    """The rest of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class TensorInfo:
    shape: tuple[int, ...]
    dtype: str  # "float32", "float16", "bfloat16", "int64", ...


class Arrays:
    """An opened file: names, shapes and types; the numbers when asked for."""

    format = ""
    infos: dict[str, TensorInfo]
    metadata: dict[str, str]

    def __init__(self, path: Path) -> None:
        self.path, self.infos, self.metadata = path, {}, {}

    def tensors(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of one tensor, a few megabytes at a time."""
        raise NotImplementedError


_SAFETENSORS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"},
    **{"I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32"},
    **{"U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
}
_WIDTH = {"bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}


class Safetensors(Arrays):
    """A safetensors file; names without the :0 of TensorFlow variables."""

    format = "safetensors"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, LONGEST_HEADER):
                raise ArraysError("claims a header larger than the file; it is damaged")
            header = json.loads(file.read(length))
        self._start = 8 + length
        said = header.pop("__metadata__", None) or {}
        self.metadata = {str(k): str(v) for k, v in said.items()}
        self._places: dict[str, tuple[int, int]] = {}
        for name, entry in header.items():
            self._add(name.removesuffix(":0"), entry)
        end = 0
        for begin, after in sorted(self._places.values()):
            if begin != end:
                raise ArraysError("is damaged: its tensors overlap or leave gaps")
            end = after
        if end != size - self._start:
            raise ArraysError("is damaged or cut off; please download or copy it again")

    def _add(self, name: str, entry: Any) -> None:
        dtype = _SAFETENSORS.get(entry["dtype"])
        if dtype is None:
            raise ArraysError("holds a kind of number that Ganvas does not read")
        shape = tuple(int(n) for n in entry["shape"])
        begin, end = (int(n) for n in entry["data_offsets"])
        width = _WIDTH.get(dtype) or np.dtype(dtype).itemsize
        if min((*shape, 0)) < 0 or end - begin != width * math.prod(shape):
            raise ArraysError("is damaged: a tensor has no proper shape")
        self.infos[name] = TensorInfo(shape, dtype)
        self._places[name] = begin, end

    def tensors(self) -> dict[str, Tensor]:
        from safetensors.torch import load_file

        return {name.removesuffix(":0"): t for name, t in load_file(self.path).items()}

    def blocks(self, name: str) -> Iterator[bytes]:
        begin, end = self._places[name]
        with self.path.open("rb") as file:
            file.seek(self._start + begin)
            for start in range(begin, end, BLOCK):
                yield file.read(min(BLOCK, end - start))


class Numpy(Arrays):
    """.npz archives and single .npy files; names without the :0 of TensorFlow variables."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._members: dict[str, str] = {}
        if not zipfile.is_zipfile(path):
            self.format = "npy"
            with path.open("rb") as file:
                self.infos[path.stem] = _header(file, path.stat().st_size)
            return
        self.format = "npz"
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy").removesuffix(":0")
                self._members[name] = member.filename
                with archive.open(member) as file:
                    self.infos[name] = _header(file, member.file_size)

    def _array(self, name: str) -> np.ndarray:
        if not self._members:
            return np.load(self.path, allow_pickle=False)
        with (
            zipfile.ZipFile(self.path) as archive,
            archive.open(self._members[name]) as file,
        ):
            return np.lib.format.read_array(file, allow_pickle=False)

    def tensors(self) -> dict[str, Tensor]:
        import torch

        arrays = {name: self._array(name) for name in self.infos}
        return {
            name: torch.from_numpy(np.array(a, a.dtype.newbyteorder("="), order="C"))
            for name, a in arrays.items()
        }

    def blocks(self, name: str) -> Iterator[bytes]:
        array = self._array(name)
        yield np.array(array, array.dtype.newbyteorder("="), order="C").tobytes()


def _header(file: Any, size: int) -> TensorInfo:
    """Shape and type of a .npy stream of `size` bytes."""
    shape, dtype = _shape_and_type(file)
    if dtype.hasobject:
        raise ArraysError("holds Python objects, not only numbers")
    if dtype.kind not in "fiubc":
        raise ArraysError("holds a kind of number that Ganvas does not read")
    if math.prod(shape) * dtype.itemsize > size:
        raise ArraysError("is damaged or cut off; please download or copy it again")
    return TensorInfo(tuple(shape), dtype.newbyteorder("=").name)


def _shape_and_type(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    reader = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    try:
        shape, _, dtype = reader(file)
    except tokenize.TokenError as error:  # numpy's own parser, on what is no Python literal
        raise ArraysError("is damaged or cut off; please download or copy it again") from error
    return shape, dtype
