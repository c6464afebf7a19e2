"""ONNX graphs as weights: the few kinds of net whose graphs Ganvas knows, under the key names of
their torch files. Nothing of a graph is run; the rest of them the doctor names by what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.arrays import TensorInfo
from engines.tfcheckpoint import varint

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 64 << 20  # bytes that a graph of a kind we know has at most
_TYPES = {1: "float32", 10: "float16"}  # of ONNX's numbers of types
Names = dict[str, str]  # key of the torch file -> name in the graph


class NotKnown(ValueError):
    """A graph of another kind, or one that is cut off."""


@dataclass(frozen=True)
class Step:
    """One operation of a graph, with the names of what it takes."""

    kind: str
    inputs: tuple[str, ...]


class Graph:
    """The operations of a graph in their order, and its weights. Raises NotKnown."""

    format = "onnx"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[Step] = []
        self._weights: dict[str, np.ndarray] = {}
        for number, value in _fields(_only(path.read_bytes(), 7)):
            if number == 1:
                self.steps.append(_step(value))
            elif number == 5:
                name, array = _weight(value)
                self._weights[name] = array
        self.infos = {n: TensorInfo(a.shape, str(a.dtype)) for n, a in self._weights.items()}

    def tensors(self) -> dict[str, Tensor]:
        import torch

        return {name: torch.from_numpy(array.copy()) for name, array in self._weights.items()}

    def blocks(self, name: str) -> Iterator[bytes]:
        yield self._weights[name].tobytes()


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of every field of a protobuf message: an integer, or bytes."""
    at = 0
    while at < len(data):
        tag, start = varint(data, at)
        number, wire = tag >> 3, tag & 7
        value, end = varint(data, start)
        if start == at or number == 0 or wire not in (0, 1, 2, 5) or end == start:
            raise NotKnown("no message")
        if wire == 0:
            at = end
        else:
            length = {1: 8, 2: value, 5: 4}[wire]
            begin = end if wire == 2 else start
            at = begin + length
            if at > len(data):
                raise NotKnown("cut off")
            value = data[begin:at]
        yield number, value


def _only(data: bytes, wanted: int) -> bytes:
    for number, value in _fields(data):
        if number == wanted and isinstance(value, bytes):
            return value
    raise NotKnown("no graph")


def _step(data: bytes) -> Step:
    """NodeProto: 1 inputs, 4 kind."""
    found = list(_fields(data))
    kind = next((v.decode() for n, v in found if n == 4), "")
    return Step(kind, tuple(v.decode() for n, v in found if n == 1))


def _weight(data: bytes) -> tuple[str, np.ndarray]:
    """TensorProto: 1 sides, 2 type, 4 floats, 8 name, 9 raw numbers."""
    found = list(_fields(data))
    shape = tuple(_sides(found))
    name = next((v.decode() for n, v in found if n == 8), "")
    kind = _TYPES.get(next((v for n, v in found if n == 2), 0))
    raw = b"".join(v for n, v in found if n in (4, 9) and isinstance(v, bytes))
    if kind is None or len(raw) != np.dtype(kind).itemsize * int(np.prod(shape)):
        return name, np.zeros(0, np.float32)  # of a kind that no net here has
    return name, np.frombuffer(raw, np.dtype(kind).newbyteorder("<")).reshape(shape)


def _sides(found: Sequence[tuple[int, Any]]) -> Iterator[int]:
    """One by one, or packed."""
    for number, value in found:
        if number == 1 and isinstance(value, int):
            yield value
        elif number == 1:
            at = 0
            while at < len(value):
                side, end = varint(value, at)
                if end == at:
                    raise NotKnown("no number")
                at = end
                yield side


# ---- the kinds of net ----------------------------------------------------------------------------


def known(path: Path) -> tuple[Graph, Names, dict[str, Any]] | None:
    """(graph, its weights' names by the keys of the torch file, metadata as a file of ours has it)
    where the graph is of a kind that Ganvas knows."""
    if path.stat().st_size > LARGEST:
        return None
    try:
        graph = Graph(path)
    except (NotKnown, UnicodeDecodeError):
        return None
    if names := _style_net(graph):
        return graph, names, {}
    if names := _squeezenet(graph):
        return graph, names, {"backbone": {"kind": "squeezenet", "scale": "caffe"}}
    return None


def _style_net(graph: Graph) -> Names:
    """The net of Johnson et al. 2016 as Torch had it: nine convolutions and two for each block
    beyond five, told apart by their order; {} for another."""
    kinds = [step.kind for step in graph.steps]
    convolutions = [s for s in graph.steps if s.kind in ("Conv", "ConvTranspose")]
    norms = [s for s in graph.steps if s.kind == "InstanceNormalization"]
    blocks = (len(convolutions) - 6) // 2
    wanted = 5 + 2 * blocks
    ends = [step.kind for step in convolutions[-3:]]
    if ends != ["ConvTranspose", "ConvTranspose", "Conv"] or "Tanh" not in kinds:
        return {}
    if blocks < 1 or len(norms) != wanted or len(convolutions) != wanted + 1:
        return {}
    inner = [f"res{n}" for n in range(1, blocks + 1)]
    names = ["conv1", "conv2", "conv3", *(f"{r}.conv{h}" for r in inner for h in (1, 2)),
             "deconv1", "deconv2", "deconv3"]  # fmt: skip
    beside = ["in1", "in2", "in3", *(f"{r}.in{h}" for r in inner for h in (1, 2)), "in4", "in5"]
    found: Names = {}
    for key, step in zip(names, convolutions, strict=True):
        found |= dict(zip((f"{key}.conv2d.weight", f"{key}.conv2d.bias"), step.inputs[1:]))
    for key, step in zip(beside, norms, strict=True):
        found |= dict(zip((f"{key}.weight", f"{key}.bias"), step.inputs[1:]))
    return found if set(found.values()) <= set(graph.infos) else {}


def _squeezenet(graph: Graph) -> Names:
    """SqueezeNet 1.1 from Caffe (Iandola et al. 2016); {} for another."""
    places = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
    found: Names = {}
    for name in graph.infos:
        match = re.fullmatch(r"(conv1|conv10|fire(\d)/(\w+))_([wb])_0", name)
        if match is None:
            continue
        word = "weight" if match[4] == "w" else "bias"
        stem = {"conv1": "features.0", "conv10": "classifier.1"}.get(match[1])
        place = places.get(int(match[2] or 0))
        if stem is None and place:
            stem = f"features.{place}.{match[3].replace('squeeze1x1', 'squeeze')}"
        found[f"{stem}.{word}"] = name
    return found if len(found) == 52 else {}
