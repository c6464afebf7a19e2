"""Training fast style: what the data gives, what the losses say, what a training writes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engines import backbonenet, backbones, checkpoint
from engines.backbones import Config as BackboneConfig
from engines.datasets import DataError
from engines.engine import Engine
from engines.families.anystyle.net import exchanged
from engines.job import Job, Picture, Result
from engines.perceptual import content_loss, gram, gram_loss, moment_loss, moments, normalise
from engines.styledata import make, recoloured
from engines.training import RecipeError, train_file

VGG = BackboneConfig(widths=(6, 8, 10, 12), depths=(1, 1, 1, 1), classes=3, hidden=0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft photos, and striped pictures of style."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for n in range(4):
        photo = cv2.resize(rng.integers(0, 255, (5, 6, 3)).astype(np.uint8), (60, 48))
        style = np.zeros((40, 56, 3), np.uint8)
        style[:, n % 3 :: 4] = rng.integers(100, 255, 3)
        for name, pixels in (("photos", photo), ("styles", style)):
            (folder / name).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / name / f"{n}.png"), pixels)
    return folder


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    checkpoint.save(path, backbonenet.random(VGG).state_dict(), backbones.to_metadata(VGG))
    return path


TABLE = {"photos": [{"folder": "photos"}], "styles": [{"folder": "styles"}]}


def test_a_batch_holds_parts_of_photos_and_of_styles(root: Path) -> None:
    data = make({**TABLE, "same": 0.5, "kept": 30}, root, 1)
    assert min(data.photos.pictures[0].shape[:2]) == 30
    batch, again = data.batch(3, 4, (32, 24)), data.batch(3, 4, (32, 24))
    assert all(np.array_equal(batch[n], again[n]) for n in ("photo", "style"))
    assert batch["photo"].shape == batch["style"].shape == (4, 3, 24, 32)
    assert batch["photo"].dtype == np.uint8
    same = (batch["photo"] == batch["style"]).all((1, 2, 3))
    assert same.tolist() == [True, True, False, False]
    assert set(make({**TABLE, "styled": False}, root, 1).batch(0, 2, (16, 16))) == {"photo"}


def test_shipped_styles_and_single_files_are_found(root: Path) -> None:
    shipped = {"folder": "styles", "only": "mosaic.jpg", "shipped": True}
    assert len(make({**TABLE, "styles": [shipped]}, root, 1).styles.pictures) == 1
    with pytest.raises(DataError, match=r"no none\.jpg"):
        make({**TABLE, "styles": [{**shipped, "only": "none.jpg"}]}, root, 1)
    with pytest.raises(DataError, match="misspell"):
        make({**TABLE, "styles": [{"file": "x"}]}, root, 1)


def test_another_hue_keeps_grey_grey() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    red = grey.copy()
    red[..., 0] = 220
    for seed in range(5):
        made = recoloured(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(made, axis=2).max() <= 1
        assert np.ptp(recoloured(red, np.random.default_rng(seed)).astype(int), axis=2).max() > 20


def test_normalised_activations_have_the_mean_one_and_say_the_same() -> None:
    net, x = backbonenet.random(VGG), torch.rand((2, 3, 32, 32))
    relus = [node.name for node in net.nodes if node.kind == "relu"]
    before = net(net.enter(x), [*relus, "class"])
    normalise(net, x)
    after = net(net.enter(x), [*relus, "class"])
    for name in relus:
        assert float(after[name].mean()) == pytest.approx(1.0, abs=1e-4)
        assert torch.allclose(after[name], before[name] / before[name].mean(), atol=1e-3)
    assert torch.allclose(after["class"], before["class"], atol=1e-4)


def test_losses_are_what_the_papers_say() -> None:
    noise = torch.Generator().manual_seed(0)
    x, y = (torch.rand((2, 5, 8, 6), generator=noise) + n for n in (0, 1))
    mean, deviation = moments(y)
    moved = exchanged(x, moments(x), (mean, deviation))
    assert torch.allclose(moments(moved)[0], mean, atol=1e-4)
    assert torch.allclose(moments(moved)[1], deviation, atol=1e-3)
    assert float(moment_loss({"a": moved}, {"a": y})) < 1e-5
    own = (x.mean((2, 3)) - y.mean((2, 3))).square().mean()
    spread = (x.std((2, 3), correction=0) - y.std((2, 3), correction=0)).square().mean()
    assert float(moment_loss({"a": x}, {"a": y})) == pytest.approx(float(own + spread), rel=1e-3)
    by_hand = torch.einsum("bchw,bdhw->bcd", x, x) / 48
    assert torch.allclose(gram(x), by_hand, atol=1e-5)
    apart = (gram(x) - gram(y)).norm(dim=(1, 2)) / gram(y).norm(dim=(1, 2))
    assert float(gram_loss({"a": x}, {"a": gram(y)})) == pytest.approx(float(apart.mean()), 1e-3)
    assert float(content_loss(2 * x, x)) == pytest.approx(1.0)


RECIPE = """
name = "tiny"
trainer = "{trainer}"
ema = 0.5
[files]
backbone = "../judge.safetensors"
[data]
kind = "styles"
photos = [{{folder = "photos"}}]
styles = [{{folder = "styles"}}]
{data}
[network]
{network}
[losses]
{losses}
[every]
losses = 4
[[stage]]
size = [32, 32]
batch = 2
steps = 24
rate = {rate}
[card]
style = "stripes"
"""
RECIPES = {
    "fast_style": RECIPE.format(
        trainer="faststyle.train:FastStyleTrainer", data="styled = false", rate=5e-3,
        network="widths = [6, 8, 10]\nblocks = 1",
        losses='content_layer = "relu3_1"\nstyle_layers = ["relu1_1", "relu2_1"]',
    ),
    "any_style": RECIPE.format(
        trainer="anystyle.train:AnyStyleTrainer", data="same = 0.5", rate=3e-3, losses="",
        network="stages = [[12, 10], [8], [8], [6, 3]]\nskips = [true, true, false, false]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", list(RECIPES))
def test_a_training_learns_and_its_file_paints(
    family: str, root: Path, vgg: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPES[family])
    (tmp_path / "judge.safetensors").write_bytes(vgg.read_bytes())
    out = tmp_path / "run"
    assert isinstance(list(train_file(recipe, root, out, "cpu"))[-1], Result)
    rows = [line.split(",") for line in (out / "losses.csv").read_text().splitlines()]
    place = rows[0].index("style")
    assert float(rows[-1][place]) < 0.8 * float(rows[1][place])
    engine, made = Engine("cpu"), str(out / "model.safetensors")
    assert engine.describe(made).family == family
    photo = Picture(np.full((30, 41, 3), 128, np.uint8))
    images = {"photo": photo} | ({"style": photo} if family == "any_style" else {})
    *_, last = engine.run(Job(family, made, images=images))
    assert isinstance(last, Result) and last.pictures[0].size == (41, 30)


def test_a_judge_that_is_not_there_or_no_vgg_is_told(root: Path, vgg: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPES["fast_style"].replace("backbone =", "critic ="))
    with pytest.raises(RecipeError, match="--file critic="):
        list(train_file(recipe, root, tmp_path / "run", "cpu"))
    with pytest.raises(RecipeError, match="no file"):
        list(train_file(recipe, root, tmp_path / "run", "cpu", files={"other": vgg}))
    recipe.write_text(RECIPES["fast_style"])
    squeeze = tmp_path / "squeeze.safetensors"
    config = BackboneConfig("squeezenet", (8,), (1,), classes=3)
    checkpoint.save(squeeze, backbonenet.random(config).state_dict(), backbones.to_metadata(config))
    with pytest.raises(RecipeError, match="no VGG"):
        list(train_file(recipe, root, tmp_path / "run", "cpu", files={"backbone": squeeze}))
