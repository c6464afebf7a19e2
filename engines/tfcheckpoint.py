"""TensorFlow checkpoints read without TensorFlow: the index is a LevelDB table of small protobuf
messages (name, type, shape, place of every variable), the numbers lie beside it one after another.

Nothing in such a file is ever run. No length in it is believed before it is held against the size
of the file. Imports torch only to give out tensors.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.arrays import BLOCK, Arrays, ArraysError, TensorInfo

if TYPE_CHECKING:
    from torch import Tensor

MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # at the end of a LevelDB table
FOOTER = 48
LARGEST_INDEX = 16 << 20  # bytes; a thousand variables take about 60,000
MOST_SHARDS = 1000
MOST_DIMENSIONS = 32
DAMAGED = "is damaged or cut off; please download or copy it again"
OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # behind the names of TensorFlow 2
TEXT = 7
# numbers of tensorflow.DataType
TYPES = {
    **{1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8"},
    **{8: "complex64", 9: "int64", 10: "bool", 14: "bfloat16", 17: "uint16", 18: "complex128"},
    **{19: "float16", 22: "uint32", 23: "uint64"},
}
_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_LISTED = re.compile(rb'model_checkpoint_path: "([^"\\\n]{1,1000})"')


# ---- which files belong together -----------------------------------------------------------------


def index_of(path: Path) -> Path | None:
    """The index that this file is, or belongs to: numbers beside it, or a folder's list of its
    checkpoints. None for everything else, and for an index whose numbers are not there."""
    if path.stat().st_size and _ends_a_table(path):
        return path if _shards(path) else None
    index = None
    if match := _DATA.fullmatch(path.name):
        index = path.with_name(f"{match[1]}.index")
    elif listed := _listed(path):
        index = path.with_name(f"{listed}.index")
    if index is None or not index.is_file() or not _ends_a_table(index):
        return None
    return index if _shards(index) else None


def index_in(folder: Path) -> Path | None:
    """The index of a folder's one checkpoint, or of that which its list says is the last."""
    listed = folder / "checkpoint"
    if listed.is_file() and (index := index_of(listed)):
        return index
    found = [p for p in sorted(folder.glob("*.index")) if p.is_file() and index_of(p)]
    return found[0] if len(found) == 1 else None


def _listed(path: Path) -> str:
    """The checkpoint that a list of them names, without its folder; "" if this is no such list."""
    with path.open("rb") as file:
        match = _LISTED.match(file.read(2000))
    name = match[1].decode("utf-8", "replace") if match else ""
    return re.split(r"[/\\]", name)[-1]


def _ends_a_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - len(MAGIC), 0))
        return file.read() == MAGIC


def _shards(index: Path) -> list[Path]:
    """Files of numbers beside an index, in order; [] if one is missing."""
    stem = index.name.removesuffix(".index")
    for first in index.parent.glob("*.data-00000-of-*"):
        count = first.name.rpartition("-of-")[2]
        if first.name != f"{stem}.data-00000-of-{count}" or not re.fullmatch(r"\d{5}", count):
            continue
        if not 0 < int(count) <= MOST_SHARDS:
            return []
        names = [index.with_name(f"{stem}.data-{n:05d}-of-{count}") for n in range(int(count))]
        return names if all(name.is_file() for name in names) else []
    return []


# ---- the file ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    file: Path
    begin: int
    size: int


class TensorFlow(Arrays):
    """A checkpoint by its index: variables with numbers. Texts and the parts of variables that were
    split over machines are left out, which `notes` tell."""

    format = "tensorflow-checkpoint"

    def __init__(self, index: Path) -> None:
        super().__init__(index)
        self.notes: list[str] = []
        self._places: dict[str, _Place] = {}
        shards = _shards(index)
        sizes = [shard.stat().st_size for shard in shards]
        table = iter(_table(index))
        key, value = next(table, (b"?", b""))
        if key:
            raise ArraysError("is a LevelDB table, but no TensorFlow checkpoint")
        header = _message(value)
        if _number(header, 2):
            raise ArraysError("holds numbers in the order of another kind of computer")
        if _number(header, 1) != len(shards):
            raise ArraysError("lacks some of the files that hold its numbers; copy all of them")
        split = 0
        for key, value in table:
            entry = _message(value)
            if key[:1] == b"\0" or 7 in entry:
                split += 7 in entry
            elif _number(entry, 1) != TEXT:
                self._add(key, entry, shards, sizes)
        if sum(place.size for place in self._places.values()) > sum(sizes):
            raise ArraysError("is damaged: its variables share their numbers")
        if split:
            many = "variables saved in slices were" if split > 1 else "variable saved in slices was"
            self.notes.append(f"{split} {many} left out.")

    def _add(
        self, key: bytes, entry: dict[int, list[Any]], shards: list[Path], sizes: list[int]
    ) -> None:
        name = key.decode("utf-8", "replace").removesuffix(OBJECT).removesuffix(":0")
        dtype = TYPES.get(_number(entry, 1))
        if dtype is None:
            raise ArraysError("holds a kind of number that Ganvas does not read")
        shape = _shape(entry)
        shard, begin, size = (_number(entry, field) for field in (3, 4, 5))
        fits = shard < len(shards) and begin + size <= sizes[shard]
        if not fits or size != math.prod(shape) * _width(dtype) or name in self.infos:
            raise ArraysError(DAMAGED)
        self.infos[name] = TensorInfo(shape, dtype)
        self._places[name] = _Place(shards[shard], begin, size)

    def tensors(self) -> dict[str, Tensor]:
        return {name: self._tensor(name) for name in self.infos}

    def _tensor(self, name: str) -> Tensor:
        import torch

        info = self.infos[name]
        data = bytearray(b"".join(self.blocks(name)))
        stored = "uint16" if info.dtype == "bfloat16" else info.dtype
        array = np.frombuffer(data, np.dtype(stored).newbyteorder("<")).astype(stored)
        made = torch.from_numpy(array).reshape(info.shape)
        return made.view(torch.bfloat16) if info.dtype == "bfloat16" else made

    def blocks(self, name: str) -> Iterator[bytes]:
        place = self._places[name]
        with place.file.open("rb") as file:
            file.seek(place.begin)
            for start in range(0, place.size, BLOCK):
                part = file.read(min(BLOCK, place.size - start))
                if len(part) < min(BLOCK, place.size - start):
                    raise ArraysError(DAMAGED)
                yield part


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _shape(entry: dict[int, list[Any]]) -> tuple[int, ...]:
    """Of a TensorShapeProto: field 2 are its dimensions, whose field 1 is their length."""
    told = entry.get(2, [b""])[-1]
    dimensions = _message(told if isinstance(told, bytes) else b"\0").get(2, [])
    if len(dimensions) > MOST_DIMENSIONS or not all(isinstance(d, bytes) for d in dimensions):
        raise ArraysError(DAMAGED)
    shape = tuple(_number(_message(d), 1) for d in dimensions)
    if any(length >> 48 for length in shape):
        raise ArraysError(DAMAGED)
    return shape


# ---- protobuf ------------------------------------------------------------------------------------


def varint(data: bytes, start: int) -> tuple[int, int]:
    """(value, where it ends) of a number of up to 64 bits in groups of seven; it ends where it
    starts if it is none."""
    value = 0
    for place, byte in enumerate(data[start : start + 10]):
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, start + place + 1
    return 0, start


def _take(data: bytes, start: int) -> tuple[int, int]:
    value, after = varint(data, start)
    if after == start:
        raise ArraysError(DAMAGED)
    return value, after


def _message(data: bytes) -> dict[int, list[Any]]:
    """Field -> its values: numbers, or bytes of texts and of messages inside."""
    found: dict[int, list[Any]] = {}
    position = 0
    while position < len(data):
        tag, position = _take(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _take(data, position)
        else:
            length = {1: 8, 5: 4}.get(wire, -1)
            if wire == 2:
                length, position = _take(data, position)
            if not 0 <= length <= len(data) - position:
                raise ArraysError(DAMAGED)
            value, position = data[position : position + length], position + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def _number(message: dict[int, list[Any]], field: int) -> int:
    """The last value of a field that is a number; zero if it is absent, as protobuf has it."""
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ArraysError(DAMAGED)
    return value


# ---- LevelDB tables ------------------------------------------------------------------------------


def _table(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values in order."""
    size = path.stat().st_size
    if not FOOTER <= size <= LARGEST_INDEX:
        raise ArraysError(DAMAGED)
    data = path.read_bytes()
    footer = data[-FOOTER:]
    if footer[-len(MAGIC) :] != MAGIC:
        raise ArraysError(DAMAGED)
    _, position = _handle(footer, 0)  # of a block that tells of filters
    top, _ = _handle(footer, position)
    left = 4 * LARGEST_INDEX
    for _, value in _entries(_block(data, top, left)):
        block = _block(data, _handle(value, 0)[0], left)
        left -= len(block)
        yield from _entries(block)


def _handle(data: bytes, start: int) -> tuple[tuple[int, int], int]:
    """((begin, size) of a block, where the handle ends)."""
    begin, start = _take(data, start)
    size, start = _take(data, start)
    return (begin, size), start


def _block(data: bytes, handle: tuple[int, int], most: int) -> bytes:
    """A block without what follows it: a byte for how it is packed, and a checksum."""
    begin, size = handle
    end = begin + size
    if end + 5 > len(data):
        raise ArraysError(DAMAGED)
    (told,) = struct.unpack_from("<I", data, end + 1)
    if told != _checksum(data[begin : end + 1]):
        raise ArraysError(DAMAGED)
    block = data[begin:end]
    if data[end] == 1:
        block = _unpacked(block, most)
    elif data[end] != 0:
        raise ArraysError("is packed in a way that Ganvas does not read")
    if len(block) < 4 or len(block) > most:
        raise ArraysError(DAMAGED)
    return block


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys, of which each tells only how it differs from the one before, and values."""
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ArraysError(DAMAGED)
    key, position = b"", 0
    while position < end:
        shared, position = _take(block, position)
        rest, position = _take(block, position)
        length, position = _take(block, position)
        if shared > len(key) or position + rest + length > end:
            raise ArraysError(DAMAGED)
        key = key[:shared] + block[position : position + rest]
        position += rest
        yield key, block[position : position + length]
        position += length


@cache
def _crc_table() -> tuple[int, ...]:
    def row(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return tuple(map(row, range(256)))


def _checksum(data: bytes) -> int:
    """CRC-32C, turned and shifted as LevelDB stores it."""
    rows, value = _crc_table(), 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ rows[(value ^ byte) & 255]
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _unpacked(data: bytes, most: int) -> bytes:
    """Snappy: pieces of text, and copies of what came before."""
    size, position = _take(data, 0)
    if size > most:
        raise ArraysError(DAMAGED)
    made = bytearray()
    while position < len(data) and len(made) <= size:
        tag = data[position]
        kind, position = tag & 3, position + 1
        extra = {0: max((tag >> 2) - 59, 0), 1: 1, 2: 2, 3: 4}[kind]
        if position + extra > len(data):
            raise ArraysError(DAMAGED)
        number = int.from_bytes(data[position : position + extra], "little")
        position += extra
        if kind == 0:
            length = (number if extra else tag >> 2) + 1
            made += data[position : position + length]
            position += length
            continue
        length = (tag >> 2 & 7) + 4 if kind == 1 else (tag >> 2) + 1
        back = number | (tag >> 5 << 8) if kind == 1 else number
        if not 0 < back <= len(made):
            raise ArraysError(DAMAGED)
        piece = made[-back:]
        made += (piece * (length // len(piece) + 1))[:length]
    if len(made) != size:
        raise ArraysError(DAMAGED)
    return bytes(made)
