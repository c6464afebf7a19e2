"""The starter backbone: its data, its losses, and what a training writes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engines import backbonenet, backbones
from engines.backbone_train import BackboneTrainer, Heads, task_losses
from engines.backbonedata import UNKNOWN, Mixed, Set, make
from engines.checkpoint import open_checkpoint
from engines.datasets import DataError
from engines.family import candidates
from engines.job import Result
from engines.training import Recipe, Stage, train


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red squares and blue discs, faces that smile or not, and houses with maps of their parts."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    rows = {"things": ["file,split,class"], "faces": ["file,split,smile"]}
    for n in range(8):
        picture = rng.integers(0, 80, (40, 48, 3)).astype(np.uint8)
        if n % 2:
            cv2.circle(picture, (24, 20), 14, (20, 20, 240), -1)
        else:
            cv2.rectangle(picture, (8, 8), (38, 34), (240, 20, 20), -1)
        for name in ("things", "faces"):
            write(folder / name / "train" / f"{n}.png", picture)
        rows["things"].append(f"{n}.png,train,{'disc' if n % 2 else 'square'}")
        rows["faces"].append(f"train/{n}.png,train,{n % 2}")
        write(folder / "house" / "photo" / f"{n}.png", picture)
        labels = np.zeros((40, 48), np.uint8)
        labels[10:] = 2
        write(folder / "house" / "label" / f"{n}.png", labels)
    for name, lines in rows.items():
        (folder / name / "labels.csv").write_text("\n".join(lines))
    return folder


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def data(root: Path) -> Mixed:
    return Mixed(
        root,
        [
            Set("things/train", table="things/labels.csv", column="class"),
            Set("faces/train", name="face", table="faces/labels.csv"),
            Set("house/photo", labels="house/label", palette="facades", share=2.0),
        ],
        ("smile",),
    )


def test_a_batch_says_what_is_known_of_each_picture(root: Path) -> None:
    found = data(root)
    assert found.classes == ("square", "disc", "face") and found.places == 12
    batch = found.batch(3, 200, (32, 24))
    again = found.batch(3, 200, (32, 24))
    assert all(np.array_equal(batch[name], again[name]) for name in batch)
    klass, known, maps = batch["klass"], batch["known"][:, 0], batch["map"]
    assert batch["photo"].shape == (200, 3, 24, 32) and maps.shape == (200, 3, 4)
    assert np.array_equal(known > 0, klass == 2)  # faces alone have the attribute
    assert np.array_equal(klass == UNKNOWN, (maps != UNKNOWN).any((1, 2)))
    assert set(np.unique(maps)) == {UNKNOWN, 2}  # 0 is the palette's unknown
    assert (klass == UNKNOWN).mean() == pytest.approx(0.5, abs=0.12)  # by their share
    red = batch["photo"][klass == 0, 0].mean() - batch["photo"][klass == 0, 2].mean()
    blue = batch["photo"][klass == 1, 2].mean() - batch["photo"][klass == 1, 0].mean()
    assert red > 25 and blue > 25  # of 255
    assert batch["photo"].dtype == np.uint8
    spoiled = np.abs(batch["photo"].astype(int) - batch["spoiled"].astype(int)).mean() / 127.5
    assert 0.01 < spoiled < 0.5


def test_what_is_missing_is_told(root: Path) -> None:
    with pytest.raises(DataError, match="no other"):
        Mixed(root, [Set("things/train", table="other.csv", column="class")])
    with pytest.raises(DataError, match="sets"):
        make({"sets": [{"wrong": 1}]}, root, 0)


def test_what_nobody_knows_costs_nothing() -> None:
    heads = Heads(
        backbones.Config(widths=(4, 4, 4, 6, 6), depths=(1,) * 5, classes=3, hidden=0), 2, 5
    )
    photo = torch.rand((2, 3, 32, 32)) * 2 - 1
    batch = {
        "photo": photo,
        "klass": torch.full((2,), UNKNOWN),
        "labels": torch.zeros((2, 2)),
        "known": torch.zeros((2, 2)),
        "map": torch.full((2, 4, 4), UNKNOWN),
    }
    with torch.no_grad():
        made = heads(torch.cat((photo, photo)))
    assert made["restored"].shape == (4, 3, 32, 32) and made["places"].shape == (4, 5, 4, 4)
    found = task_losses(made, batch)
    assert [float(found[n]) for n in ("class", "attributes", "map")] == [0.0, 0.0, 0.0]
    assert float(found["restored"]) > 0
    made["restored"] = torch.cat((photo, photo))
    assert float(task_losses(made, batch)["restored"]) == 0.0
    batch["klass"] = torch.tensor([2, UNKNOWN])
    assert float(task_losses(made, batch)["class"]) > 0


def test_a_training_learns_and_writes_a_backbone_that_is_recognised(
    root: Path, tmp_path: Path
) -> None:
    recipe = Recipe(
        "tiny",
        "engines.backbone_train:BackboneTrainer",
        (Stage(30, (32, 32), 12, 5e-3),),
        {},
        {"widths": [8, 8, 12, 12, 12], "depths": [1, 1, 1, 1, 1]},
        every={"losses": 5, "samples": 1000, "state": 1000},
    )
    last = list(train(recipe, tmp_path, data(root), "cpu"))[-1]
    assert isinstance(last, Result)
    rows = [line.split(",") for line in (tmp_path / "losses.csv").read_text().splitlines()]
    total = [sum(map(float, row[1:5])) for row in rows[1:]]
    assert total[-1] < 0.8 * total[0]
    opened = open_checkpoint(tmp_path / "model.safetensors")
    config = backbones.recognise(opened)
    assert config is not None and (config.classes, config.norm) == (3, False)
    assert opened.metadata["classes"] == ["square", "disc", "face"]
    assert "neural_style" in [family.id for family, _ in candidates(opened)]


def test_what_is_written_computes_what_was_trained(root: Path, tmp_path: Path) -> None:
    recipe = Recipe("tiny", "", (Stage(1, (32, 32), 2),), {},
                    {"widths": [4, 6, 8, 8, 8], "depths": [1, 2, 1, 1, 1]})  # fmt: skip
    trainer = BackboneTrainer(recipe, data(root))
    for layer in trainer.heads.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    heads = trainer.heads.eval()
    trainer.export({"heads": heads}, tmp_path / "net.safetensors", half=False)
    opened = open_checkpoint(tmp_path / "net.safetensors")
    config = backbones.recognise(opened)
    assert config is not None
    net, _ = backbonenet.load(config, opened)
    x = torch.randn((1, 3, 40, 36))
    layers = ["relu2_2", "relu5_1", "class"]
    with torch.no_grad():
        before, after = heads.backbone(x, layers), net(x, layers)
    assert torch.allclose(before["class"], after["class"], rtol=1e-3, atol=1e-3)
    for name in layers[:2]:  # of the mean one
        scale = after[name].sum() / before[name].sum()
        assert torch.allclose(scale * before[name], after[name], rtol=1e-3, atol=1e-3), name
