"""Networks that were made faster, as files on disk, found by what they stand for. Knows no torch
and no network.

One folder per call of a network: `facts.json`, written last and whole, names the files that belong
to it. Several programs may read and write at once; whoever writes last is right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engines.folders import cache_folder

log = logging.getLogger("engine")

FORMAT = 2  # of the files; another one makes all anew
LIMIT = 2_000_000_000  # bytes that all lanes may take on disk
STALE = 3600.0  # seconds after which a folder without facts is nobody's work any more

# for the status line: what drafts run in, and after a colon why it is no faster lane
STATES = {
    "torch": "PyTorch",
    "preparing": "PyTorch, until the fast lane is ready",
    "slower": "The fast lane is not faster on this processor.",
    "different": "The numbers of the fast lane differ too much from the exact ones.",
    "visible": "Fast drafts differed visibly from the exact picture.",
    "unconvertible": "This network cannot be converted.",
    "failed": "The fast lane failed.",
    "memory": "There is too little memory to prepare the fast lane.",
}

Shape = tuple[int, ...]


def openvino() -> ModuleType:
    """The library, with what it would tell its maker switched off."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def compiled(network: Any, threads: int, precision: str = "fp32") -> Any:
    """Ready to run on the CPU: between the layers in full precision unless "bf16" is asked for."""
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    return openvino().Core().compile_model(network, "CPU", config)


def knows_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 itself; to emulate it would be slow."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@dataclass(frozen=True)
class Argument:
    """What a pass is given in one place: a tensor of `shape`, or else the plain `value`."""

    name: str = ""  # "" where it is given by its place
    shape: Shape | None = None
    value: str | float | bool | None = None


@dataclass(frozen=True)
class Call:
    """How a network is called. batch_statistics: its batch norms use those of the picture; noise:
    its dropouts are on, drawing from a generator."""

    arguments: tuple[Argument, ...]
    batch_statistics: bool = False
    noise: bool = False


@dataclass(frozen=True)
class Order:
    """A call of the network in a weights file, as a family builds it."""

    path: str
    digest: str
    family: str
    call: Call

    def key(self) -> str:
        """Where its lane lies: by weights, call, libraries and processor, not by the path."""
        libraries = {name: version(name) for name in ("torch", "openvino", "nncf")}
        known = (FORMAT, self.digest, self.family, asdict(self.call), libraries, _processor())
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        body = json.loads(text)
        call = body["call"]
        arguments = tuple(
            Argument(a["name"], tuple(a["shape"]) if a["shape"] is not None else None, a["value"])
            for a in call["arguments"]
        )
        made = Call(arguments, call["batch_statistics"], call["noise"])
        return cls(body["path"], body["digest"], body["family"], made)


def read_order(path: Path) -> tuple[Order, list[list[np.ndarray]]]:
    """The order and the inputs of several passes, in the order of its tensors."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        order = Order.from_json(file.metadata()["order"])
        count = sum(a.shape is not None for a in order.call.arguments)
        names = sorted(file.keys(), key=lambda name: [int(n) for n in name.split(".")])
        flat = [file.get_tensor(name) for name in names]
    return order, [flat[n : n + count] for n in range(0, len(flat), count)]


def write_order(path: Path, order: Order, samples: Sequence[Sequence[np.ndarray]]) -> None:
    from safetensors.numpy import save_file

    named = {f"{n}.{m}": np.ascontiguousarray(array)
             for n, sample in enumerate(samples) for m, array in enumerate(sample)}  # fmt: skip
    save_file(named, path, metadata={"order": order.to_json()})


def _processor() -> list[str]:
    """What it can compute decides whether eight bits are faster."""
    core = openvino().Core()
    found = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [platform.machine(), core.get_property("CPU", "FULL_DEVICE_NAME"), *sorted(found)]


@dataclass
class Facts:
    """What is known of a lane.

    files      precision -> [stem of its .xml and .bin, bytes of both]; fp32 and bf16 may share them
    refused    precision -> why there is no such file, a key of STATES
    winograd   whether fp32 computes its convolutions so (winograd.py); not so in its files
    error      what happened where it could not be converted
    outputs    "one" tensor, or a "tuple" or "list" of them
    dropouts   [shape of the mask, probability] of each dropout, in order of execution
    measured   milliseconds of a pass, by "torch" and precision, on one core
    differs    precision -> mean difference from torch, as a share of the range of the results
    """

    files: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    outputs: str = "one"
    dropouts: list[tuple[Shape, float]] = field(default_factory=list[tuple[Shape, float]])
    measured: dict[str, float] = field(default_factory=dict[str, float])
    differs: dict[str, float] = field(default_factory=dict[str, float])
    winograd: bool = False
    error: str = ""

    def tried(self, precision: str) -> bool:
        return precision in self.files or precision in self.refused


class Store:
    """The folder of all lanes, below `limit` bytes: the least recently used leave."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = folder or cache_folder() / "lanes"
        self.limit = limit

    def place(self, key: str) -> Path:
        return self.folder / key

    def facts(self, key: str) -> Facts | None:
        """What is known of this lane, None if nothing; what is broken is deleted."""
        path = self.place(key) / "facts.json"
        if not path.exists():
            return None
        facts = self._read(key)
        if facts is None:
            log.warning("the lane %s is broken", key)
            self.drop(key)
            return None
        with suppress(OSError):
            os.utime(path)  # used now
        return facts

    def _read(self, key: str) -> Facts | None:
        """The facts, None if they or the files that they name are broken."""
        try:
            facts = Facts(**json.loads((self.place(key) / "facts.json").read_text("utf-8")))
            facts.files = {k: (str(stem), int(size)) for k, (stem, size) in facts.files.items()}
            facts.dropouts = [(tuple(shape), float(p)) for shape, p in facts.dropouts]
            whole = all(self._bytes(key, stem) == size for stem, size in facts.files.values())
        except (OSError, ValueError, TypeError):
            return None
        return facts if whole else None

    def publish(self, key: str, facts: Facts) -> None:
        """Whole or not at all."""
        folder = self.place(key)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".facts.{os.getpid()}.part"
        part.write_text(json.dumps(asdict(facts)), "utf-8")
        part.replace(folder / "facts.json")

    def files(self, key: str, stem: str) -> tuple[Path, Path]:
        """(.xml, .bin) of a network."""
        folder = self.place(key)
        return folder / f"{stem}.xml", folder / f"{stem}.bin"

    def kept(self, key: str, stem: str) -> tuple[str, int]:
        """What `Facts.files` says of a network that lies there now."""
        return stem, self._bytes(key, stem)

    def _bytes(self, key: str, stem: str) -> int:
        return sum(path.stat().st_size for path in self.files(key, stem))

    def drop(self, key: str) -> None:
        shutil.rmtree(self.place(key), ignore_errors=True)

    def prune(self, but: str = "") -> None:
        """Delete what nobody finished, files that no facts name, and the least recently used lanes
        beyond the limit."""
        found = sorted(self._entries(), reverse=True)  # the most recently used first
        total = 0
        for used, key in found:
            self._tidy(key)
            total += sum(p.stat().st_size for p in self.place(key).glob("*") if p.is_file())
            old = time.time() - used > STALE
            unfinished = not (self.place(key) / "facts.json").exists() and old
            if key != but and (total > self.limit or unfinished):
                self.drop(key)

    def _entries(self) -> Iterator[tuple[float, str]]:
        """(when it was last used, key) of every folder."""
        for folder in self.folder.glob("*"):
            with suppress(OSError):
                facts = folder / "facts.json"
                yield (facts if facts.exists() else folder).stat().st_mtime, folder.name

    def _tidy(self, key: str) -> None:
        facts = self._read(key)
        if facts is None:
            return
        named = {stem for stem, _ in facts.files.values()}
        for path in self.place(key).glob("*"):
            is_ours = path.name == "facts.json" or path.stem in named
            with suppress(OSError):
                if not is_ours and time.time() - path.stat().st_mtime > STALE:
                    path.unlink()
