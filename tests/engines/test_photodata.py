"""Photos in memory and what spoils them on the device."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from engines import images, pairs, spoiling
from engines.datasets import DataError, make_dataset
from engines.job import Picture
from engines.photodata import Photos, Set


def smooth(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.ascontiguousarray(
        images.resize(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8), size)
    )


def filled(folder: Path, count: int, size: tuple[int, int]) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(Picture(smooth(size, number)).to_png())
    return folder


def test_a_batch_is_a_function_of_seed_step_and_rank(tmp_path: Path) -> None:
    filled(tmp_path / "a", 5, (50, 40))
    one, two = (Photos(tmp_path, [Set("a")], turned=True, seed=3) for _ in range(2))
    first = one.batch(7, 4, (24, 32))["photo"]
    assert first.shape == (4, 32, 24, 3) and first.dtype == np.uint8
    assert np.array_equal(first, two.batch(7, 4, (24, 32))["photo"])
    assert not np.array_equal(first, one.batch(8, 4, (24, 32))["photo"])
    assert not np.array_equal(first, one.batch(7, 4, (24, 32), rank=1)["photo"])


def test_windows_are_cut_from_photos_and_small_ones_are_enlarged(tmp_path: Path) -> None:
    filled(tmp_path / "a", 1, (20, 16))
    data = Photos(tmp_path, [Set("a")])
    window = data.batch(0, 1, (12, 10))["photo"][0]
    places = [(t, n) for t in range(7) for n in range(9)]
    cut = [data.photos[0][t : t + 10, n : n + 12] for t, n in places]
    assert any(np.array_equal(window, c) or np.array_equal(window, c[:, ::-1]) for c in cut)
    assert data.batch(0, 2, (32, 48))["photo"].shape == (2, 48, 32, 3)


def test_sets_come_up_by_their_shares_and_tables_choose(tmp_path: Path) -> None:
    filled(tmp_path / "a", 8, (16, 16))
    filled(tmp_path / "b", 2, (16, 16))
    (tmp_path / "b.csv").write_text("file,split\n0.png,train\n1.png,test\n")
    data = Photos(tmp_path, [Set("a"), Set("b", "b.csv", share=3.0)])
    assert len(data) == 9 and abs(data.chances[-1] - 0.75) < 1e-9
    short = Photos(tmp_path, [Set("a")], short=24)
    assert {p.shape for p in short.photos} == {(24, 24, 3)}


def test_what_is_missing_is_one_sentence(tmp_path: Path) -> None:
    filled(tmp_path / "a", 1, (16, 16))
    with pytest.raises(DataError, match="There is no folder"):
        Photos(tmp_path, [Set("c")])
    with pytest.raises(DataError, match=r"There is no b\.csv"):
        Photos(tmp_path, [Set("a", "b.csv")])
    (tmp_path / "b.csv").write_text("file,split\n0.png,test\n")
    with pytest.raises(DataError, match=r"No row of b\.csv"):
        Photos(tmp_path, [Set("a", "b.csv")])
    with pytest.raises(DataError, match="misspell"):
        make_dataset({"kind": "photos", "sets": [{"folders": "a"}]}, tmp_path, 0)


# ---- spoiling ------------------------------------------------------------------------------------


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return spoiling.from_bytes(torch.tensor(pixels)[None])


def as_bytes(x: torch.Tensor) -> np.ndarray:
    return (spoiling.to_bytes(x)[0] * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quality", [20, 60, 92])
def test_jpeg_is_that_of_a_file(quality: int) -> None:
    pixels = smooth((61, 43))
    pixels = np.clip(pixels + np.random.default_rng(0).normal(0, 12, pixels.shape), 0, 255)
    pixels = pixels.astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    real = np.asarray(Image.open(file)).astype(int)
    made = as_bytes(spoiling.jpeg(as_tensor(pixels), torch.tensor([float(quality)])))
    assert np.abs(made - real).mean() < 0.4 * np.abs(pixels - real).mean()


def test_blur_is_a_gaussian_and_zero_is_none() -> None:
    pixels = smooth((40, 30))
    x = as_tensor(pixels).repeat(2, 1, 1, 1)
    made = spoiling.blurred(x, torch.tensor([0.0, 1.5]), 6)
    assert torch.equal(made[0], x[0])
    real = cv2.GaussianBlur(pixels, (13, 13), 1.5, borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(as_bytes(made[1:]).astype(int) - real).max() <= 1


def test_smaller_is_what_pillow_makes() -> None:
    pixels = smooth((48, 32))
    real = images.resize(pixels, (12, 8)).astype(int)
    assert np.abs(as_bytes(spoiling.smaller(as_tensor(pixels), 4)) - real).max() <= 2
    area = cv2.resize(pixels, (12, 8), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(as_bytes(spoiling.smaller(as_tensor(pixels), 4, area=True)) - area).max() <= 1


def test_pixelated_is_the_mosaic_of_the_pair_maker() -> None:
    pixels = smooth((48, 36))
    made = as_bytes(spoiling.pixelated(as_tensor(pixels), 12)).astype(int)
    assert np.abs(made - pairs.mosaic(pixels, 12)).max() <= 1
    moved = spoiling.pixelated(as_tensor(pixels), 10, 3, 4)[0]
    assert moved.shape == (3, 36, 48)
    assert (moved[:, :7, :6] == moved[:, :1, :1]).all() and (moved[:, 7, 6] != moved[:, 6, 6]).any()


def test_colours_come_back() -> None:
    x = torch.rand(2, 3, 5, 5)
    assert torch.allclose(spoiling.to_rgb(spoiling.to_ycc(x)), x, atol=1e-5)
    grey = spoiling.to_ycc(torch.full((1, 3, 1, 1), 0.4)).flatten()
    assert torch.allclose(grey, torch.tensor([0.4, 0.0, 0.0]), atol=1e-6)
