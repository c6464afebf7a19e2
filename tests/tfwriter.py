"""TensorFlow checkpoints as its savers write them: an index, which is a LevelDB table of protobuf
messages, and the numbers beside it. Written from the formats' descriptions, apart from the reader.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int64": 9, "bool": 10, "float16": 19}
Block = Callable[[bytes], tuple[int, bytes]]  # how a block is packed, and the packed block


def number(value: int) -> bytes:
    """A varint."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes((*made, value))


def field(place: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return number(place << 3) + number(value)
    return number(place << 3 | 2) + number(len(value)) + value


def entry(dtype: int, shape: tuple[int, ...], begin: int, size: int, shard: int = 0) -> bytes:
    """A BundleEntryProto; zeros are left out, as protobuf does."""
    dimensions = b"".join(field(2, field(1, n)) for n in shape)
    made = field(1, dtype) + field(2, dimensions)
    for place, value in ((3, shard), (4, begin), (5, size)):
        made += field(place, value) if value else b""
    return made + number(6 << 3 | 5) + bytes(4)


def header(shards: int = 1, big: bool = False) -> bytes:
    return field(1, shards) + (field(2, 1) if big else b"") + field(3, field(1, 1))


def checksum(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 * (value & 1))
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def plain(block: bytes) -> tuple[int, bytes]:
    return 0, block


def snappy(block: bytes) -> tuple[int, bytes]:
    """Packed with every kind of piece: texts with short and long lengths, copies far and near."""
    made, position = bytearray(number(len(block))), 0
    while position < len(block):
        found, best = 0, 0
        for back in range(1, min(position, 3000) + 1):
            length = 0
            while (
                length < 60
                and position + length < len(block)
                and block[position + length] == block[position - back + length % back]
            ):
                length += 1
            if length > best:
                found, best = back, length
        if best >= 4:
            if best <= 11 and found < 2048:
                made += bytes((1 | (best - 4) << 2 | found >> 8 << 5, found & 255))
            elif position % 2:
                made += bytes((2 | (best - 1) << 2,)) + struct.pack("<H", found)
            else:
                made += bytes((3 | (best - 1) << 2,)) + struct.pack("<I", found)
            position += best
            continue
        piece = block[position : position + (3 if position % 2 else 70)]
        tag = bytes(((len(piece) - 1) << 2,)) if len(piece) <= 60 else bytes((240, len(piece) - 1))
        made += tag + piece
        position += len(piece)
    return 1, bytes(made)


def table(rows: list[tuple[bytes, bytes]], pack: Block = plain, per_block: int = 7) -> bytes:
    """A LevelDB table; keys share their beginnings with the key before."""
    made, handles = bytearray(), []

    def add(entries: list[tuple[bytes, bytes]], packed: Block) -> bytes:
        body, before = bytearray(), b""
        for key, value in entries:
            shared = 0
            while shared < min(len(before), len(key)) and before[shared] == key[shared]:
                shared += 1
            rest = key[shared:]
            body += number(shared) + number(len(rest)) + number(len(value)) + rest + value
            before = key
        kind, block = packed(bytes(body) + struct.pack("<II", 0, 1))
        begin = len(made)
        made.extend(block + bytes((kind,)))
        made.extend(struct.pack("<I", checksum(block + bytes((kind,)))))
        return number(begin) + number(len(block))

    for start in range(0, len(rows), per_block):
        part = rows[start : start + per_block]
        handles.append((part[-1][0] + b"\x7f", add(part, pack)))
    filters = add([], plain)
    footer = (filters + add(handles, plain)).ljust(40, b"\0")
    return bytes(made) + footer + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


def write(
    stem: Path,
    variables: Mapping[str, np.ndarray[Any, Any]],
    shards: int = 1,
    pack: Block = plain,
    extra: tuple[tuple[bytes, bytes], ...] = (),
) -> Path:
    """stem.index and stem.data-0000N-of-0000M; gives the index."""
    parts = [bytearray() for _ in range(shards)]
    rows = [(b"", header(shards)), *extra]
    for place, (name, value) in enumerate(sorted(variables.items())):
        part, data = parts[place % shards], value.tobytes()
        told = entry(TYPES[value.dtype.name], value.shape, len(part), len(data), place % shards)
        rows.append((name.encode(), told))
        part.extend(data)
    for place, part in enumerate(parts):
        stem.with_name(f"{stem.name}.data-{place:05d}-of-{shards:05d}").write_bytes(part)
    index = stem.with_name(f"{stem.name}.index")
    index.write_bytes(table(sorted(rows), pack))
    return index
