"""What kind of file this is, by its content and never by its name: readable weights, or in plain
words what else. Recognises graphs of other programs (ONNX, TensorFlow) without reading them."""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engines.tfcheckpoint import MAGIC, index_of, varint

READABLE = ("safetensors", "zip", "pickle", "npy", "torch7", "tensorflow")
HEAD = 1024
_OLD_PICKLE = re.compile(rb"\((?:[dl]p?\d*\n|i\w+\n\w+\n)|c[\w.]+\n\w+\n|[\]}]q.|[\]}]\.")
# the first object of a file: a torch object with its version or class, or a table with its length
_TORCH7 = re.compile(
    rb"\x04\0\0\0\x01\0\0\0[\x01-\x7f]\0\0\0[A-Za-z]|\x03\0\0\0\x01\0\0\0.{3}\0[\x01\x02]\0\0\0",
    re.DOTALL,
)
LFS = "is only a Git LFS pointer; fetch the real file it stands for"
KERAS = "is an HDF5 file (Keras), which Ganvas reads only when its variables are saved as .npz"
WEB = "is a web page, not weights; the download link has probably expired"


@dataclass(frozen=True)
class Foreign:
    """A file that holds no weights we read. `what` is "an ONNX graph", `format` a stable word."""

    format: str
    what: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        """The rest of a sentence that begins with the file's name."""
        return f"is {self.what}" + (f", {self.advice}" if self.advice else "")


def sniff(path: Path) -> str:
    """One of READABLE, or the rest of a sentence that says what the file is."""
    head = _head(path)
    kind = _readable(path, head)
    if kind:
        return kind
    for starts, sentence in _STARTS:
        if head.startswith(starts):
            return sentence
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return WEB
    if head[257:262] == b"ustar":
        return "is a TAR archive; unpack it first"
    known = foreign(path)
    if known:
        return known.sentence
    if not head.strip(b"\0"):
        return "holds only zeros; its download was not finished"
    if _is_text(head):
        return "is a text file, not weights"
    return "is not a weights file that Ganvas knows"


_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", LFS),
    (b"\x89HDF", KERAS),
    (b"\x89PNG", "is a picture, not weights"),
    (b"\xff\xd8\xff", "is a picture, not weights"),
    (b"GIF8", "is a picture, not weights"),
    (b"%PDF", "is a PDF document, not weights"),
    (b"\x1f\x8b", "is a compressed file (gzip); unpack it first"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it first"),
    (b"Rar!", "is a RAR archive; unpack it first"),
    (b"PK\x05\x06", "is an empty ZIP archive"),
    (b"GGUF", "is a language model (GGUF), which Ganvas has no use for"),
)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the end may be cut
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t\f\ufeff" for letter in text)


def _readable(path: Path, head: bytes) -> str:
    if index_of(path):
        return "tensorflow"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if _TORCH7.match(head):
        return "torch7"
    if head[8:9] == b"{" and not _is_text(head[:8]) and int.from_bytes(head[:8], "little") >= 2:
        return "safetensors"
    if _OLD_PICKLE.match(head) and _tail(path, 16).rstrip().endswith(b"."):
        return "pickle"
    return ""


def _tail(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - count, 0))
        return file.read()


# ---- graphs of other programs --------------------------------------------------------------------


def foreign(path: Path) -> Foreign | None:
    """The graph, checkpoint half or list of another program that this file is."""
    if path.stat().st_size == 0:
        return None
    head = _head(path)
    for tell in (_torch7, _lite, _table, _graph, _list, _numbers):
        found = tell(path, head)
        if found:
            return found
    return None


def _torch7(path: Path, head: bytes) -> Foreign | None:
    if re.match(rb"4\n1\n\d+\nV 1\n|3\n1\n\d+\n", head):
        return Foreign(
            "torch7",
            "a Torch7 file in text form",
            "which Ganvas reads only in binary form; save it anew without “ascii”",
        )
    return None


def _lite(path: Path, head: bytes) -> Foreign | None:
    return Foreign("tflite", "a TensorFlow Lite graph") if head[4:8] == b"TFL3" else None


def _table(path: Path, head: bytes) -> Foreign | None:
    if _tail(path, 8) == MAGIC:
        what = "the index of a TensorFlow checkpoint"
        return Foreign("tensorflow", what, "whose numbers (….data-…) must lie beside it")
    return None


def _list(path: Path, head: bytes) -> Foreign | None:
    if head.startswith(b"model_checkpoint_path:"):
        return Foreign("tensorflow", "the list of a TensorFlow checkpoint folder; open the folder")
    return None


def _numbers(path: Path, head: bytes) -> Foreign | None:
    """The numbers of a TensorFlow checkpoint carry no mark but their name."""
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        what = "the numbers of a TensorFlow checkpoint"
        return Foreign("tensorflow", what, "whose index (….index) must lie beside it")
    return None


def _graph(path: Path, head: bytes) -> Foreign | None:
    if head[:1] not in (b"\x08", b"\n"):
        return None
    with path.open("rb") as file:
        fields, whole = _fields(file, path.stat().st_size)
        numbers = {number for number, *_ in fields}
        cut = "" if whole else " that is cut off"
        if _is_onnx(fields, numbers, head):
            return Foreign("onnx", f"an ONNX graph{cut}")
        if numbers == {1, 2} and fields[0][1] == 0 and all(w == 2 for _, w, *_ in fields[1:]):
            advice = "whose weights Ganvas reads; open the folder “variables” beside it"
            return Foreign("tensorflow", f"the graph of a TensorFlow SavedModel{cut}", advice)
        if (
            fields
            and fields[0][:2] == (1, 2)
            and numbers <= {1, 2, 3, 4}
            and _is_node(file, fields)
        ):
            return Foreign("tensorflow", f"a frozen TensorFlow graph{cut}")
    return None


Field = tuple[int, int, int, int]  # number, wire type, begin, end


def _is_onnx(fields: list[Field], numbers: set[int], head: bytes) -> bool:
    """ir_version first, then only fields of a ModelProto, one of them the graph."""
    if (
        not fields
        or fields[0][:2] != (1, 0)
        or not numbers <= {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
    ):
        return False
    return any(number == 7 and wire == 2 for number, wire, *_ in fields) and head[1] < 64


def _fields(file: BinaryIO, size: int) -> tuple[list[Field], bool]:
    """Top-level fields of a protobuf message, and whether they end where the file ends."""
    found: list[Field] = []
    position = 0
    while position < size and len(found) < 100_000:
        file.seek(position)
        window = file.read(20)
        tag, used = varint(window, 0)
        value, after = varint(window, used)
        wire, number = tag & 7, tag >> 3
        length = {0: after - used, 1: 8, 2: after - used + value, 5: 4}.get(wire, -1)
        if length < 0 or used == 0 or number == 0:
            return [], False
        begin = position + (after if wire == 2 else used)
        position += used + length
        found.append((number, wire, begin, position))
    return found, position == size


def _is_node(file: BinaryIO, fields: list[Field]) -> bool:
    """Whether the first entry of a graph has a name and an operation, both in letters."""
    _, _, begin, end = fields[0]
    file.seek(begin)
    data = file.read(min(end - begin, 512))
    texts: list[bytes] = []
    position = 0
    for expected in (b"\x0a", b"\x12"):
        if data[position : position + 1] != expected:
            return False
        length, start = varint(data, position + 1)
        texts.append(data[start : start + length])
        position = start + length
    return all(t and t.isascii() and t.decode().isprintable() for t in texts)


def holds(path: Path) -> Callable[[tuple[bytes, ...]], bool]:
    """A question to a file: does it hold all of these strings of bytes? Nothing is read into
    memory."""

    def ask(marks: tuple[bytes, ...]) -> bool:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return all(data.find(mark) >= 0 for mark in marks)

    return ask
