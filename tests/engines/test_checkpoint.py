"""Old, odd, broken and hostile weights files."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engines import checkpoint, inert
from engines.checkpoint import CheckpointError, fill, open_checkpoint, save
from engines.families.pix2pix.config import ResNetConfig, UNetConfig
from engines.families.pix2pix.net import ResNet, UNet

TINY = UNetConfig(width=4, depth=5, dropout=False)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(1)
    return UNet(TINY)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def refused(path: Path, kind: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        opened = open_checkpoint(path)
        fill(UNet(TINY), opened)
    assert caught.value.kind == kind
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and path.name in sentence
    return sentence


# ---- formats -------------------------------------------------------------------------------------
# -------------------


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrap", ["bare", "state_dict", "module.", "params_ema", "nets", "whole"])
def test_every_way_of_saving_gives_the_same_weights(
    net: nn.Module, tmp_path: Path, zipped: bool, wrap: str
) -> None:
    state = net.state_dict()
    held: Any = {
        "bare": state,
        "state_dict": {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        "module.": OrderedDict((f"module.{k}", v) for k, v in state.items()),
        "params_ema": {"params": {k: v * 0 for k, v in state.items()}, "params_ema": state},
        "nets": {"iteration": 7, "netG": state},
        "whole": net,
    }[wrap]
    path = tmp_path / "old.pth"
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    opened = open_checkpoint(path)
    assert opened.format == ("torch-zip" if zipped else "torch-legacy")
    assert set(opened.keys()) == set(state)
    assert all(opened.shape(k) == tuple(v.shape) for k, v in state.items())
    other = UNet(TINY)
    notes = fill(other, opened)
    assert same(net, other)
    assert bool(notes) == (wrap != "bare")
    assert all(note.endswith(".") for note in notes)


def test_our_own_format_keeps_metadata_and_halves(net: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    save(
        path,
        net.state_dict(),
        {"family": "pix2pix", "config": {"depth": 5}, "card": {"title": "Tür"}},
        half=True,
    )
    opened = open_checkpoint(path)
    assert opened.metadata["card"]["title"] == "Tür"
    assert opened.dtype("model.model.0.weight") == "float16"
    other = UNet(TINY)
    fill(other, opened)
    close = zip(net.state_dict().values(), other.state_dict().values())
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in close)
    assert not list(tmp_path.glob("*.part"))
    assert len(opened.digest) == 16


def test_numpy_archives(net: nn.Module, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
    other = UNet(TINY)
    fill(other, open_checkpoint(tmp_path / "w.npz"))
    assert same(net, other)


def test_views_and_shared_storages_are_kept(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    state = {
        "a": base,
        "b": base.t(),
        "c": base[1:, 2:4],
        "d": nn.Parameter(base[0]),
        "e": torch.tensor(3),
    }
    for zipped in (True, False):
        torch.save(state, tmp_path / "v.pt", _use_new_zipfile_serialization=zipped)
        read = open_checkpoint(tmp_path / "v.pt").tensors()
        assert all(torch.equal(read[k], state[k]) for k in state)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_every_kind_of_number(tmp_path: Path, dtype: str) -> None:
    value = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, dtype))
    for zipped in (True, False):
        torch.save({"w": value}, tmp_path / "n.pt", _use_new_zipfile_serialization=zipped)
        opened = open_checkpoint(tmp_path / "n.pt")
        assert opened.dtype("w") == dtype and torch.equal(opened.tensors()["w"], value)


# ---- repairs -------------------------------------------------------------------------------------
# -------------------


def test_surplus_instance_norm_statistics_are_left_out(tmp_path: Path) -> None:
    net = ResNet(ResNetConfig(width=4, blocks=2))
    state = dict(net.state_dict())
    for layer in ("model.2", "model.5", "model.10.conv_block.2"):
        state |= {f"{layer}.running_mean": torch.zeros(4), f"{layer}.running_var": torch.ones(4),
                  f"{layer}.num_batches_tracked": torch.tensor(1)}  # fmt: skip
    torch.save(state, tmp_path / "old.pth")
    other = ResNet(ResNetConfig(width=4, blocks=2))
    notes = fill(other, open_checkpoint(tmp_path / "old.pth"))
    assert same(net, other) and any("9 running statistics" in n for n in notes)


def test_missing_batch_counters_are_set_to_zero(net: nn.Module, tmp_path: Path) -> None:
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    other = UNet(TINY)
    notes = fill(other, open_checkpoint(tmp_path / "old.pth"))
    assert same(net, other) and any("counters" in n for n in notes)


@pytest.mark.parametrize("dropped", [True, False])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_block_numbers_shifted_by_dropout_are_put_back(
    tmp_path: Path, dropped: bool, norm: Any
) -> None:
    source = ResNet(ResNetConfig(width=4, blocks=3, norm=norm, dropout=dropped))
    target = ResNet(ResNetConfig(width=4, blocks=3, norm=norm, dropout=not dropped))
    torch.save(source.state_dict(), tmp_path / "shifted.pth")
    notes = fill(target, open_checkpoint(tmp_path / "shifted.pth"))
    assert same(source, target) and any("shifted by dropout" in n for n in notes)


def test_a_net_is_never_filled_in_part(net: nn.Module, tmp_path: Path) -> None:
    state = dict(net.state_dict())
    del state["model.model.3.bias"]
    torch.save(state, tmp_path / "part.pth")
    target = UNet(TINY)
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"1 weights are missing \(first model\.model\.3\.bias\)"
    ):
        fill(target, open_checkpoint(tmp_path / "part.pth"))
    assert all(torch.equal(v, target.state_dict()[k]) for k, v in before.items())


def test_another_net_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(ResNet(ResNetConfig(width=4, blocks=2)).state_dict(), tmp_path / "other.pth")
    assert "does not fit" in refused(tmp_path / "other.pth", "mismatch")
    torch.save(
        UNet(UNetConfig(width=8, depth=5, dropout=False)).state_dict(), tmp_path / "wide.pth"
    )
    assert "(8, 3, 4, 4) where (4, 3, 4, 4)" in refused(tmp_path / "wide.pth", "mismatch")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(net: nn.Module, tmp_path: Path, bad: float) -> None:
    state = net.state_dict()
    state["model.model.0.weight"][0, 0, 0, 0] = bad
    torch.save(state, tmp_path / "nan.pth")
    assert "not finite" in refused(tmp_path / "nan.pth", "nan")


# ---- broken --------------------------------------------------------------------------------------
# -------------------


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "empty", "is empty"),
        (b"these are my notes\n" * 9, "not-weights", "text file"),
        (b"<!DOCTYPE html><html>404</html>", "not-weights", "web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "not-weights",
            "Git LFS pointer",
        ),
        (bytes(range(256)) * 4, "not-weights", "not a weights file"),
        (b"\x80\x02", "damaged", "damaged"),
        (b"PK\x03\x04" + b"\0" * 60, "damaged", "damaged"),
    ],
)
def test_what_is_no_weights_file_is_said(
    tmp_path: Path, content: bytes, kind: str, words: str
) -> None:
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(content)
    assert words in refused(path, kind)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "nowhere.pth", "missing")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
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


@pytest.mark.parametrize("claim", [5 << 30, (1 << 63) - 1])
def test_a_header_that_claims_gigabytes(tmp_path: Path, claim: int) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(
        struct.pack("<Q", claim)
        + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        + b"\0" * 4
    )
    assert "header larger than the file" in refused(path, "damaged")


def test_a_tensor_that_claims_gigabytes(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[40000,40000],"data_offsets":[0,6400000000]}}'
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)
    refused(path, "damaged")
    legacy = io.BytesIO()
    for part in (inert.MAGIC, 1001, {}):
        pickle.dump(part, legacy, protocol=2)
    legacy.write(b"\x80\x02" + b"\x8b" + struct.pack("<i", 0x7FFFFFFF))  # LONG4 of two gigabytes
    (tmp_path / "huge.pth").write_bytes(legacy.getvalue())
    refused(tmp_path / "huge.pth", "damaged")


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    array = io.BytesIO()
    np.save(array, np.zeros(1, np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", array.getvalue() + b"\0" * (200 << 20))
    assert path.stat().st_size < 1 << 20
    assert "unpack" in refused(path, "damaged")


# ---- hostile -------------------------------------------------------------------------------------
# -------------------


class Attack:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> Any:
        return self.call, self.args


def attacks(mark: Path) -> dict[str, Attack]:
    return {
        "os.system": Attack(os.system, f"touch {mark}"),
        "eval": Attack(eval, f"open({str(mark)!r}, 'w')"),
        "exec": Attack(exec, f"open({str(mark)!r}, 'w')"),
        "open": Attack(builtins.open, str(mark), "w"),
        "getattr": Attack(getattr, os, "system"),
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["os.system", "eval", "exec", "open"])
@pytest.mark.parametrize("place", ["beside", "inside", "alone"])
def test_planted_code_never_runs(
    net: nn.Module, tmp_path: Path, zipped: bool, name: str, place: str
) -> None:
    mark = tmp_path / "ran"
    attack = attacks(mark)[name]
    held: Any = {
        "beside": {"state_dict": net.state_dict(), "hook": attack},
        "inside": {**net.state_dict(), "model.hook": attack},
        "alone": attack,
    }[place]
    path = tmp_path / "planted.pth"
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    mark.unlink(missing_ok=True)
    if place == "alone":
        refused(path, "not-weights")
    else:
        notes = fill(UNet(TINY), open_checkpoint(path))
        assert any("did not run" in note for note in notes)
    assert not mark.exists()


def test_planted_code_in_a_plain_pickle_and_in_a_whole_module(
    net: nn.Module, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(attacks(mark)["os.system"]))
    refused(tmp_path / "plain.pkl", "not-weights")
    net.hook = attacks(mark)["os.system"]  # pyright: ignore[reportAttributeAccessIssue]
    torch.save(net, tmp_path / "module.pth")
    mark.unlink(missing_ok=True)
    other = UNet(TINY)
    assert any(
        "did not run" in note for note in fill(other, open_checkpoint(tmp_path / "module.pth"))
    )
    assert not mark.exists() and same(net, other)


def test_a_pickle_cannot_reach_attributes_of_what_it_gets(tmp_path: Path) -> None:
    """STACK_GLOBAL with a dotted name, the trick that walks from an allowed module to os.system."""
    for module, name in (
        ("torch", "serialization.os.system"),
        ("collections", "OrderedDict.__class__.__base__"),
    ):
        body = (
            b"\x80\x04\x8c"
            + bytes([len(module)])
            + module.encode()
            + b"\x8c"
            + bytes([len(name)])
            + name.encode()
        )
        path = tmp_path / "dotted.pkl"
        path.write_bytes(body + b"\x93\x8c\x04true\x85R.")
        root = inert.read_legacy(path).root
        assert isinstance(root, inert.Inert) and root.name == f"{module}.{name}"


def test_python_2_pickles_with_foreign_bytes(tmp_path: Path) -> None:
    body = b"\x80\x02}U\x05caf\xe9!K\x01s."  # {"caf\xe9!": 1} as Python 2 wrote it
    (tmp_path / "old.pickle").write_bytes(body)
    assert inert.read_legacy(tmp_path / "old.pickle").root == {"café!": 1}


def test_nothing_of_the_file_is_imported(tmp_path: Path) -> None:
    (tmp_path / "p.pkl").write_bytes(b"\x80\x02cthis\ns\n.")
    import sys

    sys.modules.pop("this", None)
    inert.read_legacy(tmp_path / "p.pkl")
    assert "this" not in sys.modules


def test_an_archive_of_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", a=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="Python objects"):
        open_checkpoint(tmp_path / "o.npz")


def test_the_shapes_of_a_large_file_are_read_without_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"w": torch.zeros(1000, 1000)}, tmp_path / "large.pth")
    read: list[int] = []
    whole = zipfile.ZipFile.read

    def counting(self: zipfile.ZipFile, name: Any, *args: Any) -> bytes:
        data = whole(self, name, *args)
        read.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipFile, "read", counting)
    assert open_checkpoint(tmp_path / "large.pth").shape("w") == (1000, 1000)
    assert sum(read) < 10_000


def test_only_one_module_unpickles() -> None:
    assert checkpoint.open_checkpoint.__module__ == "engines.checkpoint"
    for path in Path(checkpoint.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name not in ("inert.py", "training.py"):
            assert "pickle.load" not in text and "torch.load" not in text, path
