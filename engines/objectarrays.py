"""A .npy file that holds a dictionary of arrays, as pix2pixHD saves its feature clusters: the
arrays as weights under the dictionary's keys. The pickle inside is read as inert data
(engines/inert.py), never unpickled. Imports torch only to give out tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines import inert
from engines.arrays import Arrays, ArraysError, TensorInfo
from engines.inert import Inert

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 64 << 20  # bytes of a file that is read whole
_KINDS = {f"{kind}{width}" for kind, widths in (("f", (2, 4, 8)), ("i", (1, 2, 4, 8)), ("u", (1,)))
          for width in widths}  # fmt: skip
OTHER = "holds Python objects, not only numbers"


def holds_objects(path: Path) -> bool:
    """Whether a .npy file says that it holds objects."""
    with path.open("rb") as file:
        head = file.read(256)
    return head.startswith(b"\x93NUMPY") and b"'descr': '|O'" in head


class ObjectArrays(Arrays):
    """Raises ArraysError where the object is no dictionary of arrays."""

    format = "npy"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if path.stat().st_size > LARGEST:
            raise ArraysError(OTHER)
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            root = inert.load(file, {}, _refuse).root
        held = _state(root)
        if shape != () or not isinstance(held, tuple) or not isinstance(held[-1], list):
            raise ArraysError(OTHER)
        table = held[-1][0] if len(held[-1]) == 1 else None
        if not isinstance(table, Mapping) or not table:
            raise ArraysError(OTHER)
        self._arrays = {str(key): _array(value) for key, value in table.items()}
        for key, array in self._arrays.items():
            self.infos[key] = TensorInfo(array.shape, array.dtype.name)

    def tensors(self) -> dict[str, Tensor]:
        import torch

        return {key: torch.from_numpy(array.copy()) for key, array in self._arrays.items()}

    def blocks(self, name: str) -> Iterator[bytes]:
        yield self._arrays[name].tobytes()


def _refuse(_: Any) -> Any:
    raise ArraysError(OTHER)


def _state(value: Any) -> Any:
    """What numpy would have given to the array it rebuilds: (version, shape, type, order,
    numbers)."""
    if isinstance(value, Inert) and value.name.endswith("multiarray._reconstruct"):
        return value.state.get("state")
    return None


def _array(value: Any) -> np.ndarray:
    state = _state(value)
    if not isinstance(state, tuple) or len(state) != 5:
        raise ArraysError(OTHER)
    _, shape, kind, in_columns, data = state
    name = str(kind.args[0]) if isinstance(kind, Inert) and kind.args else ""
    if name.lstrip("<>") not in _KINDS or not isinstance(shape, tuple):
        raise ArraysError("holds a kind of number that Ganvas does not read")
    order = kind.state.get("state", (3, "<"))[1]
    dtype = np.dtype(name.lstrip("<>")).newbyteorder(">" if order == ">" else "<")
    data = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
        raise ArraysError("is damaged or cut off; please download or copy it again")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if in_columns else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("=")))
