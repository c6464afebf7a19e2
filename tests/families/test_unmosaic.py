"""The mosaic remover: only the marked region changes, squares are found, and how it trains."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engines import checkpoint, images, pairs, training
from engines.checkpoint import open_checkpoint
from engines.engine import Engine, EngineError
from engines.families.unmosaic import INVENTED, marked, squares
from engines.families.unmosaic.config import Config
from engines.families.unmosaic.net import MosaicNet
from engines.families.unmosaic.train import (
    Parts,
    UnmosaicTrainer,
    blobs,
    put_in_mosaic,
    restored,
)
from engines.family import candidates
from engines.job import Job, Picture, Progress, Result, job_from_png, save_png
from engines.photodata import Photos, Set

CONFIG = Config(widths=(4, 6, 8), blocks=1)


def saved(path: Path) -> Path:
    """A network that changes everything it may."""
    torch.manual_seed(0)
    net = MosaicNet(CONFIG)
    net.unet.head.bias.data.fill_(0.8)
    checkpoint.save(path, net.state_dict(), {})
    return path


def scene(size: tuple[int, int] = (160, 120), seed: int = 0) -> np.ndarray:
    """(H, W, 3): detail at every scale."""
    rng = np.random.default_rng(seed)
    layers = [images.resize(rng.integers(0, 256, (n, n, 3), dtype=np.uint8), size).astype(float)
              for n in (4, 12, 40, 120)]  # fmt: skip
    return (sum(layers) / 4).astype(np.uint8)


def region(size: tuple[int, int], left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((size[1], size[0]), bool)
    mask[top:bottom, left:right] = True
    return mask


# ---- squares -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [4, 7, 12, 20])
@pytest.mark.parametrize("quality", [None, 95])
def test_the_side_of_the_squares_is_found(side: int, quality: int | None) -> None:
    mask = region((160, 120), 23, 11, 131, 103)
    pixels = pairs.mosaic(scene(), side, mask)
    if quality:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(file))
    assert squares.grid(pixels, mask) == squares.Grid(side, 0, 0)


def test_squares_that_begin_anywhere_are_found() -> None:
    whole = pairs.mosaic(scene((180, 140)), 12)
    pixels = np.ascontiguousarray(whole[5:125, 9:169])
    found = squares.grid(pixels, region((160, 120), 20, 15, 140, 110))
    assert found == squares.Grid(12, 3, 7)


def test_the_colours_of_squares_are_interpolated() -> None:
    """A ramp in mosaic becomes a ramp again, wherever its squares begin."""
    ramp = np.repeat(np.linspace(20, 220, 120)[None, :, None], 72, 0).repeat(3, 2).astype(np.uint8)
    pixels = pairs.mosaic(ramp, 12)
    inner = region((120, 72), 18, 0, 102, 72)
    made = squares.smooth(pixels, squares.Grid(12, 0, 0))
    assert np.abs(made.astype(int) - ramp)[inner].max() <= 2
    assert np.abs(pixels.astype(int) - ramp)[inner].max() > 8
    shifted = squares.smooth(np.ascontiguousarray(pixels[:, 5:]), squares.Grid(12, 7, 0))
    assert np.array_equal(shifted[:, 20:90], made[:, 25:95])


def test_where_there_are_none_none_are_found() -> None:
    mask = region((160, 120), 20, 10, 130, 100)
    assert squares.grid(scene(), mask) is None
    assert squares.grid(np.full((120, 160, 3), 90, np.uint8), mask) is None
    assert squares.grid(scene(), region((160, 120), 5, 5, 8, 8)) is None


def test_a_region_is_blended_within_its_rim_and_nowhere_else() -> None:
    mask = region((40, 30), 10, 8, 30, 22)
    weight = squares.feathered(mask)
    assert (weight[~mask] == 0).all() and weight[15, 20] == 1 and 0 < weight[8, 20] < 0.5
    to_rim = squares.feathered(region((40, 30), 0, 0, 20, 30))
    assert to_rim[0, 0] == 1  # the rim of the picture is no rim of the region
    black, white = np.zeros((30, 40, 3), np.uint8), np.full((30, 40, 3), 255, np.uint8)
    made = squares.put_back(black, white, mask)
    assert (made[~mask] == 0).all() and (made[15, 20] == 255).all()


# ---- runs ----------------------------------------------------------------------------------------


def test_nothing_outside_of_the_region_changes(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    mask = region((160, 120), 30, 20, 90, 80)
    for side in (6, 20):  # within what it has seen, and beyond
        pixels = pairs.mosaic(scene(), side, mask)
        marks = Picture(mask.astype(np.uint8) * 255)
        job = Job(card.family, card.checkpoint, {}, {"photo": Picture(pixels), "mask": marks})
        result = list(engine.run(job))[-1]
        assert isinstance(result, Result) and INVENTED in result.notes
        made = result.picture.pixels
        assert np.array_equal(made[~mask], pixels[~mask])
        inner = region((160, 120), 36, 26, 84, 74)
        assert (made[inner] != pixels[inner]).mean() > 0.9


def test_less_is_invented_where_less_is_asked_for(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    mask = region((160, 120), 30, 20, 90, 80)
    pixels = pairs.mosaic(scene(), 6, mask)
    given = {"photo": Picture(pixels), "mask": Picture(mask.astype(np.uint8) * 255)}

    def made(share: float) -> np.ndarray:
        job = Job(card.family, card.checkpoint, {"invented": share}, given)
        return list(engine.run(job))[-1].picture.pixels.astype(int)

    known = squares.smooth(pixels, squares.Grid(6, 0, 0))
    assert np.array_equal(made(0.0), squares.put_back(pixels, known, mask))
    assert np.abs((made(0.0) + made(1.0)) / 2 - made(0.5)).max() <= 1.5


def test_the_recipe_says_that_detail_is_invented(tmp_path: Path) -> None:
    from engines.controls import checked

    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    grey = Picture(np.zeros((9, 9), np.uint8))
    job = checked(Job(card.family, card.checkpoint, {}, {"photo": grey, "mask": grey}), card)
    save_png(grey, job, tmp_path / "a.png")
    assert job_from_png(tmp_path / "a.png").values["invented"] == 0.5


def test_a_region_is_marked_in_white_or_by_strokes() -> None:
    white = np.zeros((6, 8), np.uint8)
    white[2:4, 3:6] = 255
    strokes = np.zeros((6, 8, 4), np.uint8)
    strokes[2:4, 3:6] = (0, 0, 0, 255)
    colour = np.dstack([white] * 3 + [np.full_like(white, 255)])
    for mask in (white, strokes, colour):
        assert np.array_equal(marked(Picture(mask), (8, 6)), white > 0)
    assert marked(Picture(white), (16, 12)).sum() == 4 * white.astype(bool).sum()
    with pytest.raises(images.ImageError, match="Mark the region"):
        marked(Picture(np.zeros((6, 8), np.uint8)), (8, 6))


def test_an_empty_mask_is_one_sentence(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    empty = Picture(np.zeros((20, 20), np.uint8))
    job = Job(card.family, card.checkpoint, {}, {"photo": empty, "mask": empty})
    with pytest.raises(EngineError, match="Mark the region that is in mosaic first"):
        list(engine.run(job))


def test_a_region_without_squares_is_told(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    mask = Picture(region((160, 120), 30, 20, 90, 80).astype(np.uint8) * 255)
    job = Job(card.family, card.checkpoint, {}, {"photo": Picture(scene()), "mask": mask})
    assert any("No grid of squares" in note for note in list(engine.run(job))[-1].notes)


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Photos:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(Picture(scene((72, 64), number)).to_png())
    return Photos(tmp_path, [Set("data")])


def recipe(steps: int = 20) -> training.Recipe:
    stage = training.Stage(steps, (32, 32), 4, 2e-3)
    sizes = {"widths": [6, 8, 8], "blocks": 1, "discriminator": 4, "sides": [4, 6]}
    every = {"losses": 5, "samples": 1000, "state": 1000}
    losses = {"gan": 0.02, "matching": 0.5}
    return training.Recipe("tiny", "unmosaic.train:UnmosaicTrainer", (stage,), {}, sizes, losses,
                           every=every)  # fmt: skip


def test_spoiled_photos_are_in_mosaic_within_what_is_marked(data: Photos) -> None:
    trainer = UnmosaicTrainer(recipe(), data)
    photo = torch.from_numpy(data.batch(0, 8, (48, 48))["photo"]).permute(0, 3, 1, 2) / 127.5 - 1
    for seed in range(5):
        noise = torch.Generator().manual_seed(seed)
        spoiled = put_in_mosaic(photo, trainer.config.sides, noise)
        clear = spoiled.region == 0
        far = (spoiled.seen - photo).abs()
        plain = far.mean((1, 2, 3)) > 0
        assert plain.any() and set(spoiled.region.unique().tolist()) <= {0.0, 1.0}
        # JPEG touches all of some pictures; the others are untouched where nothing is marked
        untouched = (far * clear).amax((1, 2, 3)) == 0
        assert untouched.sum() >= 1


def test_all_of_a_batch_is_in_some_part() -> None:
    for count in (1, 3, 4, 16):
        grids = Parts.drawn(count, (4, 16), torch.Generator().manual_seed(count)).grids
        assert [n for a, b, *_ in grids for n in range(a, b)] == list(range(count))
        assert all(
            4 <= side <= 16 and top < side and left < side for _, _, side, top, left in grids
        )


def test_regions_are_neither_empty_nor_everything() -> None:
    found = blobs(torch.zeros(64, 3, 64, 64), torch.Generator().manual_seed(0)).mean((1, 2, 3))
    assert 0.1 < found.mean() < 0.6 and found.max() < 0.98


def test_the_network_begins_with_the_picture_as_it_is() -> None:
    seen, mask = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    net = MosaicNet(CONFIG)
    net.unet.head.bias.data.zero_()
    assert torch.equal(restored(net, seen, mask), seen)


def test_it_trains_and_its_file_runs(data: Photos, tmp_path: Path) -> None:
    events = list(training.train(recipe(), tmp_path / "out", data, "cpu"))
    assert any(isinstance(e, Progress) and "D_real" in e.note for e in events)
    (family, config), *_ = candidates(open_checkpoint(events[-1].texts[0]))
    assert family.id == "unmosaic" and config.sides == (4, 6)
    engine = Engine("cpu")
    card = engine.describe(events[-1].texts[0])
    mask = region((72, 64), 10, 10, 50, 50)
    pixels = pairs.mosaic(scene((72, 64)), 6, mask)
    images_ = {"photo": Picture(pixels), "mask": Picture(mask.astype(np.uint8) * 255)}
    made = list(engine.run(Job(card.family, card.checkpoint, {}, images_)))[-1]
    assert made.picture.size == (72, 64)


def test_it_learns_what_one_photo_shows(data: Photos) -> None:
    """Overfit: with the same spoiled photo again and again the error in the region falls."""
    torch.manual_seed(0)
    net = MosaicNet(Config(widths=(12, 16), blocks=1))
    trainer = UnmosaicTrainer(recipe(), data)
    photo = torch.from_numpy(data.batch(0, 2, (32, 32))["photo"]).permute(0, 3, 1, 2) / 127.5 - 1
    spoiled = put_in_mosaic(photo, trainer.config.sides, torch.Generator().manual_seed(3))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    errors = []
    for _ in range(50):
        error = (restored(net, spoiled.seen, spoiled.region) - photo).abs().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.95 * errors[0] and min(errors[:5]) > errors[-1]


def test_a_small_one_learns_what_a_large_one_adds(data: Photos, tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = MosaicNet(CONFIG)
    torch.nn.init.normal_(teacher.unet.head.weight, 0.0, 0.3)
    checkpoint.save(tmp_path / "teacher.safetensors", teacher.state_dict(), {})
    small = training.Recipe(
        "tiny",
        "unmosaic.distil:UnmosaicDistiller",
        (training.Stage(60, (32, 32), 4, 4e-3),),
        {},
        {"widths": [3, 4, 6]},
        ema=0.8,
        files={"teacher": str(tmp_path / "teacher.safetensors")},
        every={"losses": 1, "samples": 1000, "state": 1000},
    )
    events = list(training.train(small, tmp_path / "out", data, "cpu"))
    losses = [float(e.note.split()[1]) for e in events if isinstance(e, Progress)]
    (family, config), *_ = candidates(open_checkpoint(events[-1].texts[0]))
    assert family.id == "unmosaic" and config == Config((3, 4, 6), 1, CONFIG.sides)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
