"""Broken and hostile weights files: each is refused in one sentence, or its numbers are taken and
the user warned; nothing planted ever runs, and no claim of size is believed."""

from __future__ import annotations

import ast
import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusal import TINY, is_one_sentence, refused
from torch import nn

from engines import checkpoint, doctor, inert, torchfile
from engines.checkpoint import CheckpointError, fill, open_checkpoint, save
from engines.families.pix2pix.net import UNet


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(1)
    return UNet(TINY)


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return dict(net.state_dict())


# ---- broken --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "empty", "is empty"),
        (b"these are my notes\n" * 9, "not-weights", "text file"),
        ("größer als zuvor\n".encode() * 200, "not-weights", "text file"),
        (b"(a note in brackets.)\nand more.", "not-weights", "text file"),
        (b"<!DOCTYPE html><html>404</html>", "not-weights", "web page"),
        (b"\n\n  <html><head><title>Google Drive", "not-weights", "web page"),
        (b"\xef\xbb\xbf<html>", "not-weights", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "not-weights", "Git LFS"),
        (bytes(range(256)) * 4, "not-weights", "not a weights file"),
        (bytes(4096), "not-weights", "only zeros"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "not-weights", "is a picture"),
        (b"\x1f\x8b\x08" + bytes(99), "not-weights", "unpack it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "not-weights", "Keras"),
        (b"4\n1\n3\nV 1\n13\nnn.Sequential\n3\n2\n", "not-weights", "Torch7 file in text form"),
        (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\r\0\0\0nn.Sequential", "damaged", "cut off"),
        (b"\x80\x02", "damaged", "damaged"),
        (b"\x80\x02}q\x00.trailing", "not-weights", "no weights"),
        (b"PK\x03\x04" + b"\0" * 60, "damaged", "damaged"),
        (b"\x93NUMPY\x01\x00", "damaged", "damaged"),
    ],
)
def test_what_is_no_weights_file_is_said(
    tmp_path: Path, content: bytes, kind: str, words: str
) -> None:
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(content)
    assert words in refused(path, kind)
    verdict = doctor.inspect(path)
    assert verdict.kind in ("refused", "other") and is_one_sentence(verdict.message)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "nowhere.pth", "missing")


def test_archives_that_are_not_of_torch(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", b"123")
    assert "unpack it" in refused(tmp_path / "photos.zip", "not-weights")
    with tarfile.open(tmp_path / "net.pth.tar", "w") as archive:
        archive.add(tmp_path / "photos.zip", "photos.zip")
    assert "TAR archive" in refused(tmp_path / "net.pth.tar", "not-weights")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files(net: nn.Module, tmp_path: Path, zipped: bool, share: float) -> None:
    path = tmp_path / "cut.pth"
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "again" in refused(path, "damaged")


def test_truncated_safetensors(net: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    save(path, net.state_dict(), {})
    data = path.read_bytes()
    for share in (0.05, 0.5, 0.99):
        path.write_bytes(data[: int(len(data) * share)])
        refused(path, "damaged")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_any_flipped_byte_gives_a_sentence_or_a_net(
    net: nn.Module, tmp_path: Path, zipped: bool
) -> None:
    path = tmp_path / "flipped.pth"
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    random = np.random.default_rng(3)
    for place in random.integers(0, min(len(data), 12_000), 150):
        broken = bytearray(data)
        broken[place] ^= int(random.integers(1, 256))
        path.write_bytes(broken)
        try:
            fill(UNet(TINY), open_checkpoint(path))
        except CheckpointError as error:
            assert is_one_sentence(str(error)), str(error)


# ---- claims of size ------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", [5 << 30, (1 << 63) - 1, (1 << 64) - 1])
def test_a_header_that_claims_gigabytes(tmp_path: Path, claim: int) -> None:
    path = tmp_path / "huge.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", claim) + header + b"\0" * 4)
    assert "header larger than the file" in refused(path, "damaged")


@pytest.mark.parametrize(
    "entry",
    [
        '{"dtype":"F32","shape":[40000,40000],"data_offsets":[0,6400000000]}',
        '{"dtype":"F32","shape":[40000,40000],"data_offsets":[0,64]}',
        '{"dtype":"F32","shape":[-1,-16],"data_offsets":[0,64]}',
        '{"dtype":"F32","shape":[16],"data_offsets":[-64,0]}',
        '{"dtype":"F4","shape":[16],"data_offsets":[0,64]}',
        '{"shape":[16]}',
        "[]",
    ],
)
def test_a_safetensors_entry_that_lies(tmp_path: Path, entry: str) -> None:
    header = f'{{"a":{entry}}}'.encode()
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)
    refused(path, "damaged")


@pytest.mark.parametrize("places", [((0, 8), (4, 12)), ((0, 4), (8, 12)), ((0, 4), (4, 8))])
def test_safetensors_entries_that_overlap_or_leave_gaps(tmp_path: Path, places: Any) -> None:
    entries = ",".join(
        f'"{n}":{{"dtype":"U8","shape":[{end - begin}],"data_offsets":[{begin},{end}]}}'
        for n, (begin, end) in enumerate(places)
    )
    header = f"{{{entries}}}".encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 12)
    refused(path, "damaged")


def test_names_out_of_a_file_cannot_break_the_sentence(tmp_path: Path) -> None:
    torch.save({"a\nb\x1b[31m" + "c" * 500: torch.ones(1)}, tmp_path / "names.pth")
    refused(tmp_path / "names.pth", "mismatch")
    message = doctor.inspect(tmp_path / "names.pth").message
    assert is_one_sentence(message) and "\x1b" not in message and len(message) < 250


def test_metadata_of_ours_that_is_no_table(tmp_path: Path) -> None:
    header = (
        b'{"__metadata__":{"ganvas":"[1]"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    )
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    refused(path, "damaged")


GIGABYTES = 5 << 30
LENGTHS = {
    "LONG4": b"\x8b" + struct.pack("<i", 0x7FFFFFFF),
    "BINUNICODE": b"X" + struct.pack("<I", 0xFFFFFFFF),
    "BINUNICODE8": b"\x8d" + struct.pack("<Q", GIGABYTES),
    "BINBYTES8": b"\x8e" + struct.pack("<Q", GIGABYTES),
    "BYTEARRAY8": b"\x96" + struct.pack("<Q", GIGABYTES),
    "FRAME": b"\x95" + struct.pack("<Q", GIGABYTES),
    "memo": b"}r" + struct.pack("<I", 0xFFFFFFFF) + b"0",
    "negative": b"T" + struct.pack("<i", -5),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_that_claims_gigabytes(tmp_path: Path, name: str, nested: bool) -> None:
    """(A memo index of four billion makes Python's own unpickler ask for 64 GB.)"""
    file = io.BytesIO()
    for part in (torchfile.MAGIC, 1001, {}) if nested else ():
        pickle.dump(part, file, protocol=2)
    file.write(b"\x80\x04" + LENGTHS[name])
    (tmp_path / "huge.pth").write_bytes(file.getvalue())
    refused(tmp_path / "huge.pth", "damaged")


def rewritten(source: Path, target: Path, change: Any) -> None:
    """A zip file of torch with another data.pkl."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.endswith("data.pkl") else data)


def with_tensor(path: Path, count: int, shape: Any, strides: Any, *state: Any) -> None:
    """A zip file of torch with four numbers, and one tensor that says this of them."""

    class Here:
        pass

    class Tensor:
        def __reduce__(self) -> Any:
            arguments = (Here(), 0, shape, strides, False, {})
            return (torch._utils._rebuild_tensor_v2, arguments, *state)

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            is_here = isinstance(obj, Here)
            return ("storage", torch.FloatStorage, "0", "cpu", count) if is_here else None

    body = io.BytesIO()
    Writer(body, protocol=2).dump({"w": Tensor()})
    small = path.with_suffix(".small")
    torch.save({"w": torch.zeros(4)}, small)
    rewritten(small, path, lambda _: body.getvalue())


@pytest.mark.parametrize(
    ("count", "shape", "strides"),
    [
        (1 << 40, (1 << 40,), (1,)),  # a storage larger than its file
        (4, (1 << 30,), (0,)),  # four numbers expanded to gigabytes
        (4, (1 << 20, 1 << 20), (0, 0)),
        (4, (5,), (1,)),  # beyond the end
        (4, (-1,), (1,)),
        (4, (2,), (1, 1)),
        (4, (2,) * 40, (0,) * 40),
    ],
)
def test_a_tensor_that_claims_more_than_there_is(
    tmp_path: Path, count: int, shape: Any, strides: Any
) -> None:
    with_tensor(tmp_path / "huge.pth", count, shape, strides)
    refused(tmp_path / "huge.pth", "damaged")


@pytest.mark.parametrize("state", [{"shape": (1 << 40,)}, (None, {"shape": (1 << 40,)})])
def test_build_cannot_change_a_tensor_that_was_checked(tmp_path: Path, state: Any) -> None:
    """BUILD writes into the __dict__ of whatever was rebuilt, in Python's own unpickler."""
    with_tensor(tmp_path / "built.pth", 4, (4,), (1,), state)
    opened = open_checkpoint(tmp_path / "built.pth")
    assert opened.shape("w") == (4,) and opened.tensors()["w"].tolist() == [0, 0, 0, 0]


def test_zip_bombs(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros(1, np.float32))
    for name, inside in (("b.npz", "a.npy"), ("b.pth", "archive/data/0")):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl" if name == "b.pth" else "c.npy", array.getvalue())
            archive.writestr(inside, array.getvalue() + b"\0" * (200 << 20))
        assert path.stat().st_size < 1 << 20
        assert "unpack to far more" in refused(path, "damaged")


def test_an_array_header_that_is_no_literal(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    (tmp_path / "a.npy").write_bytes(array.getvalue().replace(b"'shape'", b"'sh}pe("))
    refused(tmp_path / "a.npy", "damaged")


def test_an_array_header_that_lies(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    )
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    refused(tmp_path / "a.npy", "damaged")


def legacy(path: Path, view: Any) -> None:
    """A file of torch 0.1 to 0.3, in which a tensor names a part of a larger storage."""

    class Part:
        pass

    class Tensor:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor, (Part(), 1, (2,), (1,))

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            is_part = isinstance(obj, Part)
            return ("storage", torch.FloatStorage, "7", "cpu", 6, view) if is_part else None

    file = io.BytesIO()
    for part in (torchfile.MAGIC, 1001, {}):
        pickle.dump(part, file, protocol=2)
    Writer(file, protocol=2).dump({"w": Tensor()})
    pickle.dump(["7"], file, protocol=2)
    path.write_bytes(file.getvalue() + struct.pack("<q6f", 6, *range(6)))


def test_parts_of_storages_in_old_files(tmp_path: Path) -> None:
    legacy(tmp_path / "old.pth", ("8", 2, 3))
    opened = open_checkpoint(tmp_path / "old.pth")
    assert opened.tensors()["w"].tolist() == [3, 4] and opened.not_finite() is None
    for view in (("8", 2, 5), ("8", -1, 3), ("8", 2, 2), "x", ("8", 2)):
        legacy(tmp_path / "old.pth", view)
        refused(tmp_path / "old.pth", "damaged")


# ---- claims of time ------------------------------------------------------------------------------


def doubling(start: bytes, times: int) -> bytes:
    """A pickle of pairs of pairs of ...: 2 ** times values in a few bytes each."""
    return b"\x80\x02" + start + b"2\x86" * times


@pytest.mark.parametrize(
    "body",
    {
        "pairs of pairs": doubling(b")", 70) + b".",
        "pairs as a key": b"\x80\x02}" + doubling(b")", 70)[2:] + b"K\x01s.",
        "pairs in a set": b"\x80\x04\x8f(" + doubling(b")", 70)[2:] + b"\x90.",
        "dictionaries of dictionaries": b"\x80\x02}"
        + b"q\x00}(U\x01ah\x00U\x01bh\x00u" * 70
        + b".",
        "a list in itself": b"\x80\x02]q\x00h\x00a.",
        "a dictionary in itself": b"\x80\x02}q\x00U\x01ah\x00s.",
        "deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "many marks": b"\x80\x02" + b"(" * 100_000,
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.timeout(60)
def test_a_small_pickle_cannot_keep_us_for_ever(tmp_path: Path, body: tuple[str, bytes]) -> None:
    (tmp_path / "loop.pth").write_bytes(body[1])
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path / "loop.pth")
    assert is_one_sentence(str(caught.value))


def test_a_flood_of_instructions_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inert, "MOST_STEPS", 10_000)
    (tmp_path / "flood.pth").write_bytes(b"\x80\x02" + b"]" * 20_000 + b".")
    assert "more than weights can need" in refused(tmp_path / "flood.pth", "damaged")


# ---- planted code --------------------------------------------------------------------------------


class Attack:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> Any:
        return self.call, self.args


def attacks(mark: Path) -> dict[str, Attack]:
    """What leaves a file `mark` behind when it runs."""
    write = f"open({str(mark)!r}, 'w')"
    return {
        "posix.system": Attack(os.system, f"touch {mark}"),
        "builtins.eval": Attack(eval, write),
        "builtins.exec": Attack(exec, write),
        "open": Attack(builtins.open, str(mark), "w"),
        "subprocess.Popen": Attack(subprocess.Popen, ["touch", str(mark)]),
        "code.InteractiveInterpreter": Attack(_interpreter(), write),
        "torch.load": Attack(torch.load, str(mark)),
    }


def _interpreter() -> Any:
    import code

    return code.InteractiveInterpreter


@pytest.mark.parametrize("attack", ["posix.system", "builtins.eval", "builtins.exec", "open"])
def test_the_attacks_are_real(tmp_path: Path, attack: str) -> None:
    """Python's own unpickler runs them: else the tests below would prove nothing."""
    mark = tmp_path / "ran"
    data = pickle.dumps(attacks(mark)[attack])
    code = f"import pickle; pickle.loads({data!r})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert mark.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("attack", attacks(Path("mark")))
@pytest.mark.parametrize("place", ["beside", "inside", "deep", "alone"])
def test_planted_code_never_runs(
    net: nn.Module, tmp_path: Path, zipped: bool, attack: str, place: str
) -> None:
    mark = tmp_path / "ran"
    planted = attacks(mark)[attack]
    held: Any = {
        "beside": {"state_dict": net.state_dict(), "hook": planted},
        "inside": {**net.state_dict(), "model.hook": planted},
        "deep": {"opt": [({"a": (planted,)},)], "netG": net.state_dict()},
        "alone": planted,
    }[place]
    path = tmp_path / "planted.pth"
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    mark.unlink(missing_ok=True)
    if place == "alone":
        assert "holds no weights but asks to run" in refused(path, "unsafe")
        assert doctor.inspect(path).kind == "refused"
    else:
        made = UNet(TINY)
        notes = fill(made, open_checkpoint(path))
        assert "asks to run" in notes[0] and "which Ganvas did not do" in notes[0]
        assert is_one_sentence(notes[0])
        assert torch.equal(
            made.state_dict()["model.model.0.weight"], state_of(net)["model.model.0.weight"]
        )
        assert "asks to run" in doctor.inspect(path).notes[0]
    assert not mark.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_planted_code_in_a_plain_pickle(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for attack in attacks(mark).values():
        (tmp_path / "plain.pkl").write_bytes(pickle.dumps(attack, protocol=protocol))
        refused(tmp_path / "plain.pkl", "unsafe")
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_planted_code_in_a_whole_module(net: nn.Module, tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "ran"
    net.hook = attacks(mark)["posix.system"]  # pyright: ignore[reportAttributeAccessIssue]
    torch.save(net, tmp_path / "module.pth", _use_new_zipfile_serialization=zipped)
    made = UNet(TINY)
    notes = fill(made, open_checkpoint(tmp_path / "module.pth"))
    assert "posix.system" in notes[0] and not mark.exists()
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), made.state_dict().values())
    )


def text(word: str) -> bytes:
    return b"\x8c" + bytes([len(word)]) + word.encode()


def call(module: str, name: str, *args: bytes) -> bytes:
    return text(module) + text(name) + b"\x93(" + b"".join(args) + b"tR"


HARD = {
    "torch's own import of os": lambda m: call("torch", "serialization.os.system", text(m)),
    "a dunder walk": lambda m: call("collections", "OrderedDict.__class__.__base__", text(m)),
    "getattr chain": lambda m: call(
        "builtins", "getattr", text("torch") + text("hub") + b"\x93", text("load")
    ),
    "getattr to os.system": lambda m: (
        call("builtins", "getattr", text("os") + text("path") + b"\x93", text("os"))
        + b"("
        + text(m)
        + b"tR"
    ),
    "torch.hub.load": lambda m: call("torch.hub", "load", text("a/b"), text(m)),
    "a function given to a rebuilder": lambda m: call(
        "torch._tensor",
        "_rebuild_from_type_v2",
        text("os") + text("system") + b"\x93",
        b"N",
        b"(" + text(m) + b"t",
        b"N",
    ),
    "INST": lambda m: b"(" + text(m) + b"iposix\nsystem\n",
    "OBJ": lambda m: b"(cposix\nsystem\n" + text(m) + b"o",
    "NEWOBJ": lambda m: text("subprocess") + text("Popen") + b"\x93(" + text(m) + b"t\x81",
    "NEWOBJ_EX": lambda m: text("subprocess") + text("Popen") + b"\x93()t}\x92",
    "a __setstate__ by BUILD": lambda m: (
        call("builtins", "exec", text(m)) + b"}" + text("a") + b"K\x01sb"
    ),
    "numpy's runstring": lambda m: call("numpy.testing._private.utils", "runstring", text(m), b"}"),
    "somebody's eval": lambda m: call("pandas.core.computation.eval", "eval", text(m)),
    "an extension code": lambda m: b"\x82\x01",
    "operator.methodcaller": lambda m: call("operator", "attrgetter", text("system")),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("nested", ["plain", "legacy", "zip"])
def test_hand_written_attacks_never_run(tmp_path: Path, name: str, nested: str) -> None:
    mark = tmp_path / "ran"
    body = b"\x80\x04" + HARD[name](f"touch {mark}") + b"."
    path = tmp_path / "hard.pth"
    if nested == "zip":
        torch.save({"w": torch.zeros(1)}, tmp_path / "small.pth")
        rewritten(tmp_path / "small.pth", path, lambda _: body)
    else:
        file = io.BytesIO()
        for part in (torchfile.MAGIC, 1001, {}) if nested == "legacy" else ():
            pickle.dump(part, file, protocol=2)
        path.write_bytes(file.getvalue() + body + pickle.dumps([]))
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert caught.value.kind in ("unsafe", "damaged"), str(caught.value)
    assert is_one_sentence(str(caught.value)) and not mark.exists()


def test_a_storage_in_a_pickle_cannot_carry_code(tmp_path: Path) -> None:
    """torch.storage._load_from_bytes runs torch.load on bytes of the pickle."""
    mark = tmp_path / "ran"
    inner = io.BytesIO()
    torch.save(attacks(mark)["posix.system"], inner, _use_new_zipfile_serialization=False)
    data = inner.getvalue()
    body = call("torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(data)) + data)
    (tmp_path / "p.pkl").write_bytes(b"\x80\x04" + body + b".")
    refused(tmp_path / "p.pkl", "damaged")
    assert not mark.exists()


def test_nothing_of_the_file_is_imported(tmp_path: Path) -> None:
    (tmp_path / "p.pkl").write_bytes(b"\x80\x02cthis\ns\n.")
    sys.modules.pop("this", None)
    assert str(torchfile.TorchLegacy(tmp_path / "p.pkl").root) == "this.s"
    assert "this" not in sys.modules


def test_what_is_harmless_is_not_called_harmful(net: nn.Module, tmp_path: Path) -> None:
    import argparse
    import functools
    import pathlib

    held = {
        "state_dict": net.state_dict(),
        "args": argparse.Namespace(path=pathlib.PurePosixPath("/a"), norm=functools.partial(int)),
        "best": np.float64(0.5),
        "rng": np.random.default_rng(1).random(3),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
    }
    torch.save(held, tmp_path / "usual.pth")
    opened = open_checkpoint(tmp_path / "usual.pth")
    assert not opened.unsafe and "were read as inert data" in opened.notes[-1]


def test_python_2_pickles_with_foreign_bytes(tmp_path: Path) -> None:
    path = tmp_path / "old.pickle"
    path.write_bytes(b"\x80\x02}(U\x05caf\xe9!K\x01U\x05caf\xc3\xa9K\x02u.")
    assert torchfile.TorchLegacy(path).root == {"café!": 1, "café": 2}
    path.write_bytes(b"(dp0\nS'caf\\xe9'\np1\nI7\nsVW\\u00f6rter\np2\nL9L\ns.")
    assert torchfile.TorchLegacy(path).root == {"café": 7, "Wörter": 9}
    old = pickle.dumps({"a": [1.5, (2, None), {"x"}]}, protocol=0)
    path.write_bytes(old)
    assert torchfile.TorchLegacy(path).root == {"a": [1.5, (2, None), {"x"}]}


@pytest.mark.parametrize("protocol", range(6))
def test_the_machine_reads_what_pickle_writes(tmp_path: Path, protocol: int) -> None:
    value = {
        "numbers": [0, 1, -1, 255, 65536, -(1 << 40), 1 << 100, 1.25, float("inf")],
        "text": ["", "a", "Wörter", "x" * 70_000, "\ud800"],
        "bytes": [b"", b"\x00\xff", b"y" * 300],
        "kinds": [None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1, 2}],
        "ordered": OrderedDict(a=1, b=2),
    }
    value["same"] = value["numbers"]
    path = tmp_path / "v.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    if protocol < 2:  # without the mark that these begin with, only dictionaries and lists
        assert path.read_bytes()[:1] in b"(}"
    read = torchfile.TorchLegacy(path).root
    assert read == value and read["same"] is read["numbers"]


def test_an_archive_of_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", a=np.array([{}], dtype=object))
    assert "Python objects" in refused(tmp_path / "o.npz", "damaged")


def test_only_one_module_reads_other_peoples_pickles() -> None:
    """torch.load is called in one place, and only with weights_only."""
    for path in Path(checkpoint.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert name not in ("pickle.load", "pickle.loads", "pickle.Unpickler"), path
            if isinstance(node, ast.Call) and name == "torch.load":
                assert path.name in ("checkpoint.py", "training.py"), path
                safe = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert safe.get("weights_only") == "True", path
