"""Writes files as Torch7 would, for tests of their reader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np


class Lua:
    """Writes what Torch7 would: plain values, and (class, contents) for torch objects."""

    def __init__(self) -> None:
        self.out, self.index, self.memo = bytearray(), 0, {}

    def int(self, *numbers: int) -> None:
        self.out += struct.pack(f"<{len(numbers)}i", *numbers)

    def text(self, text: str) -> None:
        self.int(len(text))
        self.out += text.encode()

    def value(self, value: Any) -> Lua:
        if value is None:
            self.int(0)
        elif isinstance(value, bool):
            self.int(5, value)
        elif isinstance(value, int | float):
            self.int(1)
            self.out += struct.pack("<d", value)
        elif isinstance(value, str):
            self.int(2)
            self.text(value)
        elif id(value) in self.memo:
            self.int(*self.memo[id(value)])
        else:
            self.index += 1
            kind = 3 if isinstance(value, dict) else 4
            self.memo[id(value)] = (kind, self.index)
            self.int(kind, self.index)
            self.table(value) if kind == 3 else self.object(value)
        return self

    def table(self, table: dict[Any, Any]) -> None:
        self.int(len(table))
        for key, value in table.items():
            self.value(key).value(value)

    def object(self, value: Any) -> None:
        self.text("V 1")
        if isinstance(value, np.ndarray):
            name = {"float32": "Float", "float64": "Double"}[str(value.dtype)]
            self.text(f"torch.{name}Tensor")
            strides = [s // value.itemsize for s in value.strides]
            self.int(value.ndim)
            self.out += struct.pack(f"<{2 * value.ndim + 1}q", *value.shape, *strides, 1)
            self.index += 1
            self.int(4, self.index)
            self.text("V 1")
            self.text(f"torch.{name}Storage")
            self.out += struct.pack("<q", value.size) + value.tobytes()
        else:
            self.text(value[0])
            self.value(value[1])


def sequential(*modules: Any) -> tuple[str, dict[str, Any]]:
    return "nn.Sequential", {"modules": dict(enumerate(modules, 1)), "train": False}


def write(path: Path, value: Any) -> Path:
    path.write_bytes(Lua().value(value).out)
    return path
