"""Numbers of models that paint label maps: agreement, the trivial answer, the segmenter, and the
whole on a tiny model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engines import evaluate_labels as measured
from engines import palettes
from engines.checkpoint import open_checkpoint, save
from engines.evaluate_labels import agreement, nearest
from engines.families.pix2pixhd import Pix2PixHD
from engines.families.pix2pixhd.config import Config
from engines.labeldata import LabelledPhotos


@pytest.fixture
def streets(tmp_path: Path) -> LabelledPhotos:
    """Six maps of sky above road, and their photos: each class in a colour of its own."""
    rng = np.random.default_rng(3)
    files = []
    for number in range(6):
        labels = np.zeros((64, 64), np.uint8)
        labels[20 + 4 * number :] = 3
        photo = np.where(labels[..., None] == 3, (60, 60, 60), (90, 160, 240)).astype(np.uint8)
        photo = np.clip(photo + rng.normal(0, 8, photo.shape), 0, 255).astype(np.uint8)
        at = tmp_path / f"{number}.png", tmp_path / f"{number}p.png"
        cv2.imwrite(str(at[0]), labels)
        cv2.imwrite(str(at[1]), photo)
        files.append(at)
    return LabelledPhotos(files, "camvid")


def test_agreement_is_the_mean_over_classes_that_occur() -> None:
    wanted = [np.array([[0, 0], [1, 1]])]
    assert agreement(wanted, wanted, 12) == 1.0
    assert agreement([np.array([[0, 0], [1, 0]])], wanted, 12) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert agreement([np.full((2, 2), 5)], wanted, 12) == 0.0


def test_nearest_is_the_map_of_most_equal_pixels() -> None:
    maps = [np.full((70, 90), n, np.uint8) for n in (1, 4, 7)]
    asked = np.full((70, 90), 4, np.uint8)
    asked[:20] = 1
    assert nearest([asked, maps[2]], maps) == [1, 2]


def test_the_segmenter_learns_and_a_painter_is_measured(
    streets: LabelledPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "SEEN", 32)
    monkeypatch.setattr(measured, "WIDTHS", (6, 8))
    monkeypatch.setattr(measured, "BATCH", 3)
    path = tmp_path / "segmenter.safetensors"
    measured.train_segmenter(streets, path, 60, say=lambda _: None)
    net = measured.load_segmenter(path)
    maps, photos = zip(*(streets.pair(i) for i in range(len(streets))))
    told = measured.seen(net, photos, measured.size_seen(streets))
    assert agreement(told, maps, 12) > 0.8

    config = Config(12, False, 0, 4, 2, 1, 0, 1, "instance", palette="camvid", native=(64, 64))
    torch.manual_seed(1)
    family = Pix2PixHD()
    model = tmp_path / "model.safetensors"
    body = {"family": family.id, "config": family.to_dict(config)}
    save(model, family.build(config).state_dict(), body)
    numbers, sheet = measured.evaluate_labels(model, streets, streets, net, most=4)
    assert numbers["maps held out"] == 4
    assert numbers["real mean IoU"] > 0.8 > numbers["mean IoU"]
    assert numbers["nearest map's share of real IoU"] == pytest.approx(1)  # the same maps are known
    assert numbers["nearest map's L1"] == 0 and numbers["L1"] > 0
    assert sheet.shape[1] >= 4 * 64
    measured.evaluate.write_numbers(model, numbers)
    assert open_checkpoint(model).metadata["card"]["numbers"] == numbers
    assert palettes.palette("camvid").title
