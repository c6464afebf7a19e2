"""Weights on disk: read any of the formats people have, repair what is known to break, write one
format of our own.

All weights enter here (law 4): safetensors, torch files with `weights_only=True`, and whatever that
refuses through the inert reader (engines/inert.py), which runs no code of the file. torch is
imported only where tensors are made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines import inert

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger("engine")

METADATA = "ganvas"
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "params_ema",
    "params",
    "net",
    "network",
    "generator",
    "netG",
    "G",
    "weights",
    "module",
)


class CheckpointError(ValueError):
    """A file that gives no weights. `kind` is a stable word: "missing", "empty", "damaged",
    "not-weights", "mismatch", "nan"; the message is one sentence for the user."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class TensorInfo:
    shape: tuple[int, ...]
    dtype: str  # "float32", "float16", "bfloat16", "int64", ...


@dataclass
class Checkpoint:
    """An opened weights file: names and shapes at once, numbers when asked for.

    metadata  what our own files say of themselves ({} for others): family, config, title, card
    notes     one sentence for everything that was unwrapped, renamed or left out
    objects   what lay beside the tensors, as inert data
    """

    path: Path
    format: str
    infos: dict[str, TensorInfo]
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    objects: Any = None
    source: dict[str, Any] = field(
        default_factory=dict
    )  # our key -> key or lazy tensor in the file

    def keys(self) -> tuple[str, ...]:
        return tuple(self.infos)

    def shape(self, key: str) -> tuple[int, ...] | None:
        info = self.infos.get(key)
        return None if info is None else info.shape

    def dtype(self, key: str) -> str | None:
        info = self.infos.get(key)
        return None if info is None else info.dtype

    def parts(self) -> tuple[str, ...]:
        """First components of the keys, in order."""
        return tuple(dict.fromkeys(key.split(".", 1)[0] for key in self.infos))

    @property
    def parameters(self) -> int:
        """Numbers in all floating-point tensors."""
        return sum(
            int(np.prod(i.shape, dtype=np.int64)) for i in self.infos.values() if "float" in i.dtype
        )

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    @cached_property
    def digest(self) -> str:
        return file_digest(self.path)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, on the CPU. Raises CheckpointError if the file turns out to be damaged."""
        try:
            return _READERS[self.format](self)
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise _damaged(self.path) from error


def file_digest(path: Path) -> str:
    """First 16 hex digits of the sha256 of a file; computed once while the file stays as it is."""
    status = path.stat()
    return _digest(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        "damaged", f"{path.name} is damaged or cut off; please download or copy it again."
    )


# ---- opening -------------------------------------------------------------------------------------


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read names and shapes of a weights file. Raises CheckpointError with one sentence."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("missing", f"There is no file {path.name}.")
    if path.stat().st_size == 0:
        raise CheckpointError("empty", f"{path.name} is empty.")
    with path.open("rb") as file:
        head = file.read(512)
    kind = sniff(head, path)
    if kind not in _OPENERS:
        raise CheckpointError("not-weights", f"{path.name} {kind}.")
    try:
        opened = _OPENERS[kind](path)
    except CheckpointError:
        raise
    except inert.InertError as error:
        raise CheckpointError("damaged", f"{path.name} {error}.") from error
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        struct.error,
        zipfile.BadZipFile,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as error:
        log.info("%s: %r", path, error)
        raise _damaged(path) from error
    if not opened.infos:
        raise CheckpointError("not-weights", f"{path.name} can be read but holds no weights.")
    return opened


def sniff(head: bytes, path: Path) -> str:
    """One of the formats that are opened here, or the rest of a sentence that says what the file
    is."""
    text = head.lstrip().lower()
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "pickle"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not weights; the download link has probably expired"
    if text.startswith(b"version https://git-lfs"):
        return "is only a Git LFS pointer; fetch the real file it stands for"
    if len(head) > 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] >= 2:
        return "safetensors"
    if head[:4] == b"\x89HDF":
        return "is an HDF5 file (Keras), which Ganvas cannot read; save its weights as .npz"
    if path.suffix == ".onnx":
        return "is an ONNX graph, which is not used for this yet"
    if path.suffix in (".pb", ".index") or ".data-0" in path.name:
        return "is a TensorFlow file, which Ganvas reads only when its variables are saved as .npz"
    if path.suffix == ".t7":
        return "is a Torch7 file; the room that reads it is not built yet"
    if all(32 <= b < 127 or b in b"\r\n\t" for b in head):
        return "is a text file, not weights"
    return "is not a weights file that Ganvas knows"


def _open_safetensors(path: Path) -> Checkpoint:
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size - 8, 100 << 20):
            raise CheckpointError(
                "damaged", f"{path.name} claims a header larger than the file; it is damaged."
            )
        header = json.loads(file.read(length))
    said = header.pop("__metadata__", {})
    room = size - 8 - length
    infos: dict[str, TensorInfo] = {}
    for key, entry in header.items():
        dtype, width = _SAFETENSORS[entry["dtype"]]
        shape = tuple(int(n) for n in entry["shape"])
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= room or end - begin != width * int(
            np.prod(shape, dtype=object)
        ):
            raise _damaged(path)
        infos[key] = TensorInfo(shape, dtype)
    metadata = json.loads(said[METADATA]) if METADATA in said else {}
    return _tidied(Checkpoint(path, "safetensors", infos, metadata, source={k: k for k in infos}))


_SAFETENSORS = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}


def _open_npz(path: Path) -> Checkpoint:
    infos: dict[str, TensorInfo] = {}
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > max(64 * size, 1 << 24):
                raise CheckpointError(
                    "damaged", f"{path.name} would unpack to far more than it can hold."
                )
            with archive.open(member) as file:
                major, _ = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if major == 1
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            if dtype.hasobject:
                raise CheckpointError(
                    "not-weights", f"{path.name} holds Python objects, not only numbers."
                )
            infos[member.filename.removesuffix(".npy").removesuffix(":0")] = TensorInfo(
                shape, str(dtype)
            )
    source = {k: k for k in infos}
    return Checkpoint(path, "npz", infos, source=source)


def _open_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if names and all(name.endswith(".npy") for name in names):
        return _open_npz(path)
    if any(name.endswith("data.pkl") for name in names):
        return _from_tree(path, "torch-zip", inert.read_zip(path))
    raise CheckpointError(
        "not-weights", f"{path.name} is a ZIP archive without weights; unpack it first."
    )


def _open_pickle(path: Path) -> Checkpoint:
    return _from_tree(path, "torch-legacy", inert.read_legacy(path))


def _open_npy(path: Path) -> Checkpoint:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return Checkpoint(
        path,
        "npy",
        {path.stem: TensorInfo(array.shape, str(array.dtype))},
        source={path.stem: path.stem},
    )


_OPENERS = {
    "safetensors": _open_safetensors,
    "zip": _open_zip,
    "pickle": _open_pickle,
    "npy": _open_npy,
}


def _from_tree(path: Path, format: str, tree: inert.Tree) -> Checkpoint:
    """Find the state dict in what a torch file holds: bare, wrapped, several nets in one, or a
    whole module."""
    notes = list(tree.notes)
    found, where = _state_dict(tree.root)
    if where:
        notes.append(f"The weights lay inside “{where}” and were taken out.")
    infos = {k: TensorInfo(t.shape, t.dtype) for k, t in found.items()}
    return _tidied(Checkpoint(path, format, infos, {}, tuple(notes), tree.root, dict(found)))


def _state_dict(root: Any) -> tuple[dict[str, inert.LazyTensor], str]:
    """(tensors by dotted key, name of the wrapper they lay in)."""
    if isinstance(root, inert.Inert):
        return inert.module_tensors(root), f"whole module {root.name}"
    if not isinstance(root, Mapping):
        return {}, ""
    bare = {str(k): v for k, v in root.items() if isinstance(v, inert.LazyTensor)}
    if bare:
        return bare, ""
    inside = {
        str(k): _state_dict(v)[0] for k, v in root.items() if isinstance(v, Mapping | inert.Inert)
    }
    inside = {k: v for k, v in inside.items() if v}
    for name in WRAPPERS:
        if name in inside and (len(inside) == 1 or name.startswith(("params", "state", "model"))):
            return inside[name], name
    if len(inside) == 1:
        name, tensors = next(iter(inside.items()))
        return tensors, name
    return {f"{part}.{k}": t for part, tensors in inside.items() for k, t in tensors.items()}, ""


def _tidied(opened: Checkpoint) -> Checkpoint:
    """Without a `module.` prefix that all keys share, and without TensorFlow's `:0`."""
    if any(key.endswith(":0") for key in opened.infos):
        opened.infos = {k.removesuffix(":0"): v for k, v in opened.infos.items()}
        opened.source = {k.removesuffix(":0"): v for k, v in opened.source.items()}
    for prefix in ("module.", "_orig_mod."):
        if opened.infos and all(key.startswith(prefix) for key in opened.infos):
            cut = len(prefix)
            opened.infos = {k[cut:]: v for k, v in opened.infos.items()}
            opened.source = {k[cut:]: v for k, v in opened.source.items()}
            opened.notes += (f"Every name began with “{prefix}”; that was taken off.",)
    return opened


# ---- the numbers ---------------------------------------------------------------------------------


def _read_safetensors(opened: Checkpoint) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    tensors = load_file(opened.path)
    return {key: tensors[name] for key, name in opened.source.items()}


def _read_npz(opened: Checkpoint) -> dict[str, Tensor]:
    import torch

    with np.load(opened.path, allow_pickle=False) as archive:
        arrays = {name.removesuffix(":0"): archive[name] for name in archive.files}
    return {key: torch.from_numpy(np.array(arrays[key])) for key in opened.infos}


def _read_npy(opened: Checkpoint) -> dict[str, Tensor]:
    import torch

    return {opened.path.stem: torch.from_numpy(np.load(opened.path, allow_pickle=False))}


def _read_torch(opened: Checkpoint) -> dict[str, Tensor]:
    return inert.read_tensors(opened.path, opened.format, opened.source)


_READERS = {
    "safetensors": _read_safetensors,
    "npz": _read_npz,
    "npy": _read_npy,
    "torch-zip": _read_torch,
    "torch-legacy": _read_torch,
}


# ---- into a network ------------------------------------------------------------------------------


def fill(module: nn.Module, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Load every weight into `module`, or nothing. Returns a sentence for every repair.

    Raises CheckpointError: "mismatch" naming what is missing or left over, "nan" when a tensor
    holds NaN or infinity.
    """
    import torch

    wanted = module.state_dict()
    given, notes = repaired(checkpoint.tensors(), wanted)
    missing = [k for k in wanted if k not in given]
    surplus = [k for k in given if k not in wanted]
    wrong = [k for k in wanted if k in given and given[k].shape != wanted[k].shape]
    if missing or surplus or wrong:
        raise CheckpointError(
            "mismatch", _misfit(checkpoint.path.name, missing, surplus, wrong, wanted, given)
        )
    bad = [
        k for k, t in given.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())
    ]
    if bad:
        raise CheckpointError(
            "nan",
            f"{checkpoint.path.name} holds numbers that are not finite (first in {bad[0]}); its "
            "training failed.",
        )
    module.load_state_dict(given, strict=True)
    for note in notes:
        log.info("%s: %s", checkpoint.path.name, note)
    return (*checkpoint.notes, *notes)


def _misfit(
    name: str,
    missing: list[str],
    surplus: list[str],
    wrong: list[str],
    wanted: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
) -> str:
    if wrong:
        key = wrong[0]
        return (
            f"{name} does not fit: {key} is {tuple(given[key].shape)} where "
            f"{tuple(wanted[key].shape)} is needed "
            f"({len(wrong)} such)."
        )
    parts = [
        f"{len(keys)} weights {word} (first {keys[0]})"
        for keys, word in ((missing, "are missing"), (surplus, "are left over"))
        if keys
    ]
    return f"{name} does not fit: {' and '.join(parts)}."


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def repaired(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """`given` with what torch's history did to old files undone, as far as `wanted` needs it, and a
    sentence each."""
    given, notes = dict(given), []
    moved = _shifted(given, wanted)
    if moved:
        given = {moved.get(k, k): t for k, t in given.items()}
        notes.append(
            "Block numbers were shifted by dropout layers that hold no weights; they were put back."
        )
    surplus = [k for k in given if k not in wanted and k.rsplit(".", 1)[-1] in STATISTICS]
    if surplus:
        for key in surplus:
            del given[key]
        notes.append(
            f"{len(surplus)} running statistics of instance norms, which are not used, were left "
            "out."
        )
    counters = [k for k in wanted if k not in given and k.endswith("num_batches_tracked")]
    for key in counters:
        given[key] = wanted[key].clone().zero_()
    if counters:
        notes.append(f"{len(counters)} batch counters, which old files lack, were set to zero.")
    return given, notes


_INDEX = re.compile(r"^(.*conv_block\.)(\d+)(\..*)$")


def _place(key: str) -> tuple[int, str]:
    """Order of a weight in its block: by layer number, then by name."""
    match = _INDEX.match(key)
    return int(match[2]) if match else -1, key


def _shifted(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Old key -> new key where blocks were built with (or without) a dropout layer that moved the
    second half by one.

    Only when, block by block, the same number of weights of the same shapes come out.
    """
    if set(given) >= set(wanted):
        return {}

    def blocks(keys: Mapping[str, Tensor]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key in keys:
            match = _INDEX.match(key)
            if match and key.rsplit(".", 1)[-1] not in STATISTICS:
                found.setdefault(match[1], []).append(key)
        return {block: sorted(keys, key=_place) for block, keys in found.items()}

    old, new = blocks(given), blocks(wanted)
    moved: dict[str, str] = {}
    for block, keys in new.items():
        theirs = old.get(block, [])
        if [given[k].shape for k in theirs] != [wanted[k].shape for k in keys]:
            return {}
        moved |= {a: b for a, b in zip(theirs, keys) if a != b}
    renamed_layers = {a.rsplit(".", 1)[0]: b.rsplit(".", 1)[0] for a, b in moved.items()}
    for key in given:  # statistics move with their layer
        layer, _, last = key.rpartition(".")
        if last in STATISTICS and layer in renamed_layers:
            moved[key] = f"{renamed_layers[layer]}.{last}"
    return moved


# ---- our own format ------------------------------------------------------------------------------


def save(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], half: bool = False
) -> None:
    """Write a safetensors file of ours; it appears whole or not at all.

    metadata is JSON-able (family, config, title, card, ...); with `half`, floating-point tensors
    become float16.
    """
    from safetensors.torch import save_file

    path = Path(path)
    ready = {}
    for key, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        ready[key] = tensor.half() if half and tensor.is_floating_point() else tensor
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(ready, part, {METADATA: json.dumps(dict(metadata), ensure_ascii=False)})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
