"""Numbers of models that translate photos: the judge of both sides; a tiny model, whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engines import evaluate_translators as measured
from engines.checkpoint import open_checkpoint, save
from engines.families.cyclegan import CycleGAN
from engines.families.cyclegan.config import Config
from engines.residual import ResNetConfig
from engines.unpaireddata import UnpairedPhotos

TINY = ResNetConfig(width=4, blocks=1, norm="instance")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Blue pictures on one side, orange ones on the other."""
    rng = np.random.default_rng(0)
    colours = {"photo": (40, 80, 200), "monet": (220, 140, 40)}
    for split, count in (("train", 6), ("test", 3)):
        for side, colour in colours.items():
            folder = tmp_path / "monet2photo" / split / side
            folder.mkdir(parents=True)
            for n in range(count):
                pixels = np.clip(rng.normal(colour, 30, (48, 64, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n}.png")
    return tmp_path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SEEN", 32), ("KEPT", 40), ("BATCH", 4), ("OWN", ())):
        monkeypatch.setattr(measured, name, value)


def sides(data: Path, split: str) -> UnpairedPhotos:
    folder = data / "monet2photo" / split
    files = [sorted((folder / side).glob("*.png")) for side in ("photo", "monet")]
    return UnpairedPhotos((files[0], files[1]), keep=48)


@pytest.mark.usefixtures("small")
def test_the_judge_tells_the_sides_apart_and_is_found_again(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    net = measured.train_judge(sides(data, "train"), path, 30, say=lambda _: None)
    held = sides(data, "test")
    blue, orange = (measured.as_second(net, side) for side in held.sides)
    assert blue.max() < 0.5 < orange.min()
    again = measured.as_second(measured.load_judge(path), held.sides[0])
    assert np.allclose(again, blue, atol=1e-5)


@pytest.mark.usefixtures("small")
def test_a_translator_is_measured_both_ways_and_its_numbers_are_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "OWN", ("landscape",))
    torch.manual_seed(0)
    config = Config(ab=TINY, ba=TINY, names=("Photo", "Monet"))
    family, model = CycleGAN(), tmp_path / "model.safetensors"
    metadata = {"family": family.id, "config": family.to_dict(config)}
    save(model, family.build(config).state_dict(), metadata)
    said: list[str] = []
    options = ["photo-to-monet", "--data", str(data), "--model", str(model), "--steps", "20",
               "--judge", str(tmp_path / "judge.safetensors"), "--write",
               "--sheet", str(tmp_path / "sheet.jpg")]  # fmt: skip
    assert measured.main(options, said.append) == 0
    numbers = open_checkpoint(model).metadata["card"]["numbers"]
    assert numbers["there: pictures held out"] == numbers["back: pictures held out"] == 3
    assert numbers["judge right"] == 1.0 and numbers["there: likely before"] < 0.5
    assert 0 < numbers["there: cycle error"] < 1 and 0 <= numbers["back: judged so"] <= 1
    assert Image.open(tmp_path / "sheet.jpg").width > 1000
