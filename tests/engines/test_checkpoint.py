"""Weights in every common format and wrapping, the repairs of old ones, and our own format (broken
and hostile files: test_hostile.py)."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusal import TINY, refused
from torch import nn

from engines import doctor
from engines.checkpoint import (
    CheckpointError,
    TorchSource,
    fill,
    fitting,
    open_checkpoint,
    save,
)
from engines.families.pix2pix.config import ResNetConfig, UNetConfig
from engines.families.pix2pix.net import UNet
from engines.residualnet import ResNet

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(1)
    return UNet(TINY)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


# ---- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        *("bare", "state_dict", "module.", "params_ema", "ema", "nets", "generator", "cycle"),
        *("lightning", "tensors", "whole", "parallel", "mixed", "list"),
    ],
)
def test_every_way_of_saving_gives_the_same_weights(
    net: nn.Module, tmp_path: Path, zipped: bool, wrap: str
) -> None:
    state = net.state_dict()
    other = {k: v * 0 for k, v in state.items()}
    critic = {"model.0.weight": torch.zeros(3), "model.0.bias": torch.zeros(3)}
    adam = torch.optim.Adam(net.parameters())
    sum(p.sum() for p in net.parameters()).backward()
    adam.step()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    held: Any = {
        "bare": state,
        "state_dict": {"epoch": 3, "state_dict": state, "optimizer": adam.state_dict()},
        "module.": OrderedDict((f"module.{k}", v) for k, v in state.items()),
        "params_ema": {"params": other, "params_ema": state},
        "ema": {"g": other, "d": critic, "g_ema": state, "g_optim": adam.state_dict()},
        "nets": {"iteration": 7, "netG": state, "optG": adam.state_dict()},
        "generator": {"generator": state, "discriminator": critic, "args": argparse.Namespace(a=1)},
        "cycle": {"netG_A": state, "netG_B": other, "netD_A": critic, "netD_B": critic},
        "lightning": {
            "pytorch-lightning_version": "1.9",
            "state_dict": {f"generator.{k}": v for k, v in state.items()}
            | {f"discriminator.{k}": v for k, v in critic.items()},
            "optimizer_states": [adam.state_dict()],
        },
        "tensors": {"step": torch.tensor(3), "netG": state},
        "whole": net,
        "parallel": nn.DataParallel(net),
        "mixed": {"G": net, "D": nn.Conv2d(1, 1, 1), "opt_G": adam},
        "list": [state, 17],
    }[wrap]
    path = tmp_path / "old.pth"
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    opened = open_checkpoint(path)
    assert opened.format == ("torch-zip" if zipped else "torch-legacy")
    assert set(opened.keys()) == set(state), opened.notes
    assert all(opened.shape(k) == tuple(v.shape) for k, v in state.items())
    made = UNet(TINY)
    notes = fill(made, opened)
    assert same(net, made)
    assert bool(notes) == (wrap != "bare")
    assert all(note.endswith(".") and ". " not in note for note in notes)
    assert opened.not_finite() is None


def test_several_nets_that_belong_together_stay_apart_by_name(tmp_path: Path) -> None:
    parts = {"epoch": 3, "encoder": nn.Conv2d(3, 4, 1), "decoder": {"out.weight": torch.zeros(2)}}
    torch.save(parts, tmp_path / "captions.pth.tar")
    opened = open_checkpoint(tmp_path / "captions.pth.tar")
    assert opened.keys() == ("encoder.weight", "encoder.bias", "decoder.out.weight")
    assert opened.parts() == ("encoder", "decoder")


def test_a_state_dict_that_was_pickled_without_torch(net: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(net.state_dict()))
    made = UNet(TINY)
    fill(made, open_checkpoint(tmp_path / "w.pkl"))
    assert same(net, made)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_torchscript(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
    torch.jit.script(plain).save(tmp_path / "script.pt")
    opened = open_checkpoint(tmp_path / "script.pt")
    assert opened.format == "torchscript" and set(opened.keys()) == set(plain.state_dict())
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
    fill(made, opened)
    assert same(plain, made)


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


def test_half_precision_is_refused_where_it_would_overflow(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="too large for half precision"):
        save(tmp_path / "x.safetensors", {"w": torch.tensor([1e6])}, {}, half=True)
    assert not list(tmp_path.iterdir())


def test_a_broken_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save(path, {"w": torch.ones(1)}, {"title": "old"})
    with pytest.raises(TypeError):
        save(path, {"w": torch.ones(1)}, {"title": object()})
    assert open_checkpoint(path).metadata == {"title": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_tensors_that_share_numbers_are_saved_apart(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    given = {"a": base, "b": base, "c": base[2:4], "d": base[:1].expand(3)}
    save(tmp_path / "x.safetensors", given, {})
    read = open_checkpoint(tmp_path / "x.safetensors").tensors()
    assert all(torch.equal(read[k], given[k]) for k in given)


def test_parts_of_other_peoples_safetensors_are_chosen(net: nn.Module, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {f"module.generator.{k}": v for k, v in net.state_dict().items()}
    save_file({**state, "module.discriminator.w": torch.ones(2)}, tmp_path / "x.safetensors")
    made = UNet(TINY)
    fill(made, open_checkpoint(tmp_path / "x.safetensors"))
    assert same(net, made)


def test_numpy_archives(net: nn.Module, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
    other = UNet(TINY)
    fill(other, open_checkpoint(tmp_path / "w.npz"))
    assert same(net, other)


@pytest.fixture(params=["torch.load", "the inert reader"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to the numbers of a torch file."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise pickle.UnpicklingError("not today")

    if request.param != "torch.load":
        monkeypatch.setattr(torch, "load", refuse)


def test_views_and_shared_storages_are_kept(tmp_path: Path, reader: None) -> None:
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


@pytest.mark.parametrize(
    "dtype",
    [
        *("float64", "float16", "bfloat16", "int64", "int16", "uint8", "bool"),
        *("complex64", "float8_e4m3fn", "uint16"),
    ],
)
def test_every_kind_of_number(tmp_path: Path, dtype: str, reader: None) -> None:
    value = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, dtype)).contiguous()
    for zipped in (True, False):
        torch.save({"w": value}, tmp_path / "n.pt", _use_new_zipfile_serialization=zipped)
        opened = open_checkpoint(tmp_path / "n.pt")
        assert opened.dtype("w") == dtype
        read = opened.tensors()["w"]
        assert read.dtype == value.dtype and read.tolist() == value.tolist()


# ---- repairs -------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("dropped", [True, False])
def test_shifted_blocks_with_surplus_statistics(tmp_path: Path, dropped: bool) -> None:
    """An instance-norm net of 2017: statistics where none are kept, and behind a moved layer."""
    config = ResNetConfig(width=4, blocks=2)
    source = ResNet(replace(config, dropout=dropped))
    state = dict(source.state_dict())
    second = 7 if dropped else 6
    for layer in ("model.2", "model.10.conv_block.2", f"model.11.conv_block.{second}"):
        state |= {f"{layer}.running_mean": torch.zeros(4), f"{layer}.running_var": torch.ones(4)}
    torch.save(state, tmp_path / "old.pth")
    target = ResNet(replace(config, dropout=not dropped))
    notes = fill(target, open_checkpoint(tmp_path / "old.pth"))
    assert same(source, target) and len(notes) == 2 and "6 running" in notes[1]


@pytest.mark.parametrize("stored", [True, False, None])
def test_dropout_of_the_unet_moves_no_names(tmp_path: Path, stored: bool | None) -> None:
    """In the decoder of the official U-Net dropout stands last in its block, so that files with and
    without it are alike."""
    source = UNet(replace(TINY, depth=6, dropout=stored))
    torch.save(source.state_dict(), tmp_path / "u.pth")
    for wanted in (True, False):
        target = UNet(replace(TINY, depth=6, dropout=wanted))
        assert fill(target, open_checkpoint(tmp_path / "u.pth")) == () and same(source, target)


def test_instance_norms_whose_memory_the_file_lacks_forget_it(tmp_path: Path) -> None:
    def tiny(memory: bool) -> nn.Sequential:
        norm = nn.InstanceNorm2d(4, affine=True, track_running_stats=memory)
        return nn.Sequential(nn.Conv2d(3, 4, 1), norm)

    source, target = tiny(False), tiny(True)
    torch.save(source.state_dict(), tmp_path / "n.pth")
    notes = fill(target, open_checkpoint(tmp_path / "n.pth"))
    assert "1 instance norms, whose running statistics the file lacks" in notes[0]
    x = torch.randn(1, 3, 5, 5)
    assert torch.equal(source.eval()(x), target.eval()(x))


def test_missing_statistics_of_a_batch_norm_are_not_made_up(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    state = {k: v for k, v in net.state_dict().items() if "running" not in k}
    torch.save(state, tmp_path / "n.pth")
    with pytest.raises(CheckpointError, match=r"2 weights are missing \(first 1.running_mean\)"):
        fill(net, open_checkpoint(tmp_path / "n.pth"))


def test_statistics_of_a_norm_that_the_net_lacks_are_left_over(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    torch.save({**net.state_dict(), "1.running_mean": torch.zeros(4)}, tmp_path / "n.pth")
    with pytest.raises(CheckpointError, match=r"1 weight is left over \(first 1.running_mean\)"):
        fill(net, open_checkpoint(tmp_path / "n.pth"))


def test_old_names_of_norm_weights(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    nn.init.normal_(net[1].weight)
    names = {"1.weight": "1.gamma", "1.bias": "1.beta"}
    torch.save({names.get(k, k): v for k, v in net.state_dict().items()}, tmp_path / "n.pth")
    made = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert "renamed" in fill(made, open_checkpoint(tmp_path / "n.pth"))[0] and same(net, made)


def test_shapes_alone_tell_what_fits(net: nn.Module, tmp_path: Path) -> None:
    torch.save({k: v for k, v in net.state_dict().items() if "tracked" not in k}, tmp_path / "n.pt")
    with torch.device("meta"):
        empty = UNet(TINY)
    plan = fitting(empty, open_checkpoint(tmp_path / "n.pt"))
    assert plan.zeroed and len(plan.notes) == 1


def test_a_net_is_never_filled_in_part(net: nn.Module, tmp_path: Path) -> None:
    state = dict(net.state_dict())
    del state["model.model.3.bias"]
    torch.save(state, tmp_path / "part.pth")
    target = UNet(TINY)
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"1 weight is missing \(first model\.model\.3\.bias\)"
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


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_what_lies_unused_in_a_storage_may_be_anything(tmp_path: Path, zipped: bool) -> None:
    base = torch.tensor([1.0, float("nan"), 2.0])
    torch.save({"w": base[::2]}, tmp_path / "v.pt", _use_new_zipfile_serialization=zipped)
    assert open_checkpoint(tmp_path / "v.pt").not_finite() is None
    torch.save({"w": base[1:]}, tmp_path / "v.pt", _use_new_zipfile_serialization=zipped)
    assert open_checkpoint(tmp_path / "v.pt").not_finite() == "w"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_not_finite_in_every_format(tmp_path: Path, dtype: str) -> None:
    value = torch.tensor([1.0, float("inf")]).to(getattr(torch, dtype))
    save(tmp_path / "a.safetensors", {"good": torch.ones(2), "bad": value}, {})
    torch.save({"good": torch.ones(2), "bad": value}, tmp_path / "a.pt")
    names = ["a.safetensors", "a.pt"]
    if dtype != "bfloat16":
        np.savez(tmp_path / "a.npz", good=np.ones(2), bad=value.numpy())
        names.append("a.npz")
    for name in names:
        assert open_checkpoint(tmp_path / name).not_finite() == "bad", name


def test_a_large_file_is_judged_by_its_names_and_a_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor builds no network and holds no tensor, though it sees every number."""
    torch.save(UNet(UNetConfig(width=16)).state_dict(), tmp_path / "large.pth")
    read: list[int] = []
    whole = zipfile.ZipFile.read

    def counting(self: zipfile.ZipFile, name: Any, *args: Any) -> bytes:
        data = whole(self, name, *args)
        read.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipFile, "read", counting)
    monkeypatch.setattr(torch, "load", None)
    assert open_checkpoint(tmp_path / "large.pth").shape("model.model.0.weight") == (16, 3, 4, 4)
    assert sum(read) < 20_000
    verdict = doctor.inspect(tmp_path / "large.pth")
    assert verdict.kind == "model" and verdict.parameters > 3_000_000
    assert sum(read) < 60_000


def test_both_readers_see_the_same_numbers_in_real_files() -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    compared = 0
    for path in sorted(
        p for p in WEIGHTS.rglob("*") if p.suffix in (".pth", ".pt", ".model", ".tar")
    ):
        if path.parent.name == "broken":
            continue
        source = open_checkpoint(path).source
        assert isinstance(source, TorchSource)
        inert, torchs = source.by_machine(), source.by_torch()
        assert inert and list(inert) == list(torchs), path
        assert all(torch.equal(inert[k], torchs[k]) for k in inert), path
        compared += 1
    assert compared == 32
