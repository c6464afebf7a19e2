"""The colouriser: the light of every pixel stays, colours follow borders, and how it trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from engines import checkpoint, images, training
from engines.checkpoint import open_checkpoint
from engines.engine import Engine
from engines.families.colourise import paste
from engines.families.colourise.config import Config
from engines.families.colourise.net import ColourNet, mean_chroma
from engines.families.colourise.train import (
    ColouriseTrainer,
    common_chroma,
    nearness,
)
from engines.family import candidates
from engines.job import Job, Picture, Progress, Result
from engines.photodata import Photos, Set

CONFIG = Config(bins=9, widths=(4, 6, 8), native=48)


def saved(path: Path) -> Path:
    torch.manual_seed(0)
    net = ColourNet(CONFIG)
    net.bins.copy_(torch.cartesian_prod(*[torch.tensor([-0.3, 0.0, 0.3])] * 2))
    net.unet.head.weight.data *= 20  # far from the mean of all bins
    metadata = {"family": "colourise", "config": {"native": 48}}
    checkpoint.save(path, net.state_dict(), metadata)
    return path


def test_light_is_kept_exactly_whatever_the_colours() -> None:
    """Every grey against chroma far beyond what a screen shows."""
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 400, 1)
    chroma = np.random.default_rng(0).uniform(-0.9, 0.9, (256, 400, 2)).astype(np.float32)
    made = paste.coloured(grey, chroma)
    assert np.array_equal(images.to_grey(Picture(made)).pixels, grey)
    assert made[40:216].std(2).mean() > 20  # and it is in colour


def test_no_chroma_gives_the_grey_picture() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (9, 7), dtype=np.uint8)
    made = paste.coloured(grey, np.zeros((9, 7, 2), np.float32))
    assert (made == grey[..., None]).all()


def test_the_hue_survives_where_the_colour_is_too_strong() -> None:
    grey = np.full((1, 1), 230, np.uint8)
    strong, weak = (paste.coloured(grey, np.full((1, 1, 2), (0.0, s), np.float32))[0, 0].astype(int)
                    for s in (0.5, 0.05))  # fmt: skip
    assert strong[0] > 230 > strong[1] and strong[0] <= 254
    ratio = (strong[0] - 230) / (230 - strong[1])
    assert abs(ratio - (weak[0] - 230) / (230 - weak[1])) < 0.25


def test_a_run_keeps_light_size_and_transparency(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    rng = np.random.default_rng(2)
    pixels = images.resize(rng.integers(0, 256, (9, 12, 4), dtype=np.uint8), (130, 70))
    given = Picture(np.ascontiguousarray(pixels))
    made = list(engine.run(Job(card.family, card.checkpoint, {}, {"photo": given})))[-1]
    assert isinstance(made, Result) and "likely" in made.notes[0]
    result = made.picture
    assert result.size == (130, 70) and np.array_equal(result.pixels[..., 3], pixels[..., 3])
    rgb = Picture(np.ascontiguousarray(result.pixels[..., :3]))
    assert images.to_grey(rgb) == images.to_grey(given)
    assert rgb.pixels.std(2).mean() > 1


def test_vividness_and_saturation_do_what_they_say(tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(saved(tmp_path / "a.safetensors")))
    rough = np.random.default_rng(3).integers(60, 190, (8, 8), np.uint8)
    given = Picture(images.resize(rough, (64, 64)))

    def colour(**values: float) -> float:
        job = Job(card.family, card.checkpoint, dict(values), {"photo": given})
        return float(list(engine.run(job))[-1].picture.pixels.std(2).mean())

    assert colour(vivid=0.0) < colour(vivid=0.5) < colour(vivid=1.0)
    assert colour(saturation=0.0) == 0 and colour(saturation=0.5) < colour(saturation=1.0)


def test_the_annealed_mean_goes_from_mean_to_mode() -> None:
    bins = torch.tensor([[0.2, 0.0], [-0.2, 0.1]])
    logits = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    share = torch.sigmoid(torch.tensor(1.0))
    mean = share * bins[0] + (1 - share) * bins[1]
    assert torch.allclose(mean_chroma(logits, bins, 1.0).flatten(), mean)
    assert torch.allclose(mean_chroma(logits, bins, 1e-3).flatten(), bins[0])


def test_bins_are_the_colours_that_the_photos_have() -> None:
    red, grey = np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 128, np.uint8)
    red[..., 0] = 200
    bins, shares = common_chroma([red, grey, grey])
    assert len(bins) == 2 and abs(shares.sum() - 1) < 1e-9
    nearest = np.abs(bins).sum(1).argmin()
    assert np.allclose(bins[nearest], 0) and abs(shares[nearest] - 2 / 3) < 0.01
    assert bins[1 - nearest][1] > 0.3  # Cr of red


def test_nearness_names_the_nearest_bin_and_sums_to_one() -> None:
    bins = torch.cartesian_prod(*[torch.arange(-2, 3) * 0.05] * 2)
    chroma = torch.rand(2, 2, 5, 6) * 0.2 - 0.1
    found = nearness(chroma, bins)
    assert torch.allclose(found.sum(1), torch.ones(2, 5, 6))
    far = (chroma[:, None] - bins[None, :, :, None, None]).square().sum(2)
    assert torch.equal(found.argmax(1), far.argmin(1))


def test_it_learns_colours_that_follow_from_the_light(tmp_path: Path) -> None:
    """Bright things are yellow, dark ones blue: after a minute of steps it says so."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        light = images.resize(rng.integers(0, 256, (5, 5), dtype=np.uint8), (64, 64))
        rgb = np.where(light[..., None] > 128, (230, 200, 60), (40, 50, 150)).astype(np.uint8)
        (folder / f"{number}.png").write_bytes(Picture(rgb).to_png())
    stage = training.Stage(60, (32, 32), 4, 3e-3)
    sizes = {"widths": [8, 8, 8]}
    every = {"losses": 10, "samples": 1000, "state": 1000}
    trainer = "colourise.train:ColouriseTrainer"
    recipe = training.Recipe("tiny", trainer, (stage,), {}, sizes, every=every)
    data = Photos(tmp_path, [Set("data")])
    events = list(training.train(recipe, tmp_path / "out", data, "cpu"))
    losses = [float(e.note.split()[1]) for e in events if isinstance(e, Progress)]
    assert losses[-1] < 0.5 * losses[0]
    (family, config), *_ = candidates(open_checkpoint(events[-1].texts[0]))
    assert family.id == "colourise" and config.native == 32
    engine = Engine("cpu")
    card = engine.describe(events[-1].texts[0])
    real = np.asarray(data.photos[0])
    grey = images.to_grey(Picture(real))
    job = Job(card.family, card.checkpoint, {}, {"photo": grey})
    made = list(engine.run(job))[-1].picture.pixels.astype(int)
    plain = np.abs(grey.pixels[..., None].astype(int) - real).mean()
    assert np.abs(made - real).mean() < 0.7 * plain


def test_the_trainer_draws_the_same_each_time(tmp_path: Path) -> None:
    """What makes resumed trainings equal: a step depends on nothing but batch and noise."""
    folder = tmp_path / "data"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    (folder / "a.png").write_bytes(Picture(pixels).to_png())
    data = Photos(tmp_path, [Set("data")])
    stage = training.Stage(1, (16, 16), 2)
    recipe = training.Recipe("t", "", (stage,), {}, {"widths": [4, 4]})
    from lightning_fabric import Fabric

    found = []
    for _ in range(2):
        torch.manual_seed(0)
        trainer = ColouriseTrainer(recipe, data)
        batch = {"photo": torch.from_numpy(data.batch(0, 2, (16, 16))["photo"])}
        noise = torch.Generator().manual_seed(5)
        found.append(trainer.step(Fabric(accelerator="cpu"), batch, noise)["class"])
    assert torch.equal(*found) and F.relu(found[0]) > 0


def test_a_small_one_learns_what_a_large_one_says(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = images.resize(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), (64, 64))
        (tmp_path / "data" / f"{number}.png").write_bytes(Picture(pixels).to_png())
    data = Photos(tmp_path, [Set("data")])
    teacher = saved(tmp_path / "teacher.safetensors")
    recipe = training.Recipe(
        "tiny",
        "colourise.distil:ColouriseDistiller",
        (training.Stage(150, (32, 32), 4, 1e-2),),
        {},
        {"widths": [4, 5, 6]},
        {"mean": 0.0},
        ema=0.9,
        files={"teacher": str(teacher)},
        every={"losses": 10, "samples": 1000, "state": 1000},
    )
    events = list(training.train(recipe, tmp_path / "out", data, "cpu"))
    losses = [float(e.note.split()[1]) for e in events if isinstance(e, Progress)]
    made = open_checkpoint(events[-1].texts[0])
    (family, config), *_ = candidates(made)
    assert config.widths == (4, 5, 6) and config.bins == CONFIG.bins and config.native == 32
    large, _ = family.load(CONFIG, open_checkpoint(teacher))
    small, _ = family.load(config, made)
    assert torch.allclose(small.bins.float(), large.bins.float(), atol=1e-3)
    assert losses[-1] < losses[0]
    grey = torch.from_numpy(data.batch(0, 4, (32, 32))["photo"]).float().mean(1, True) / 127.5 - 1
    untaught, _ = family.load(config, made)
    for module in untaught.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    with torch.inference_mode():
        wanted, learnt, chance = (n(grey).softmax(1) for n in (large, small, untaught))
    assert (learnt - wanted).abs().mean() < 0.7 * (chance - wanted).abs().mean()
