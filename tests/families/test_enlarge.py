"""Enlarging: what spandrel makes of files, tiles without seams, transparency, and how it trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from engines import checkpoint, doctor, images, spoiling, training
from engines.checkpoint import CheckpointError, open_checkpoint
from engines.engine import Engine, EngineError
from engines.families.enlarge import _opaque, net, tiles
from engines.families.enlarge.config import Config
from engines.family import candidates, families
from engines.job import Job, Picture, Progress, Result
from engines.photodata import Photos, Set

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)


def compact(scale: int = 4, width: int = 8, depth: int = 3) -> Config:
    sizes = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": width, "num_conv": depth}
    told = {**sizes, "upscale": scale, "act_type": "prelu"}
    return Config("Compact", told, "RealESRGAN Compact", scale=scale)


def saved(config: Config, path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    checkpoint.save(path, net.build(config).net.state_dict(), {})
    return path


def photo(size: tuple[int, int], channels: int = 3, seed: int = 0) -> Picture:
    """Soft shapes, as photos have them."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (size[1] // 6 + 2, size[0] // 6 + 2, channels), dtype=np.uint8)
    pixels = images.resize(rough[..., 0] if channels == 1 else rough, size)
    return Picture(np.ascontiguousarray(pixels))


def run(engine: Engine, path: Path, picture: Picture, **values: Any) -> list[Any]:
    card = engine.describe(str(path))
    return list(engine.run(Job(card.family, card.checkpoint, values, {"photo": picture})))


# ---- files ---------------------------------------------------------------------------------------


def test_a_file_of_others_is_read_from_names_and_shapes(tmp_path: Path) -> None:
    for wrap in (
        dict,
        lambda s: {"params_ema": s},
        lambda s: {f"module.{k}": v for k, v in s.items()},
    ):
        state = net.build(compact()).net.state_dict()
        torch.save(wrap(state), tmp_path / "realesr.pth")
        found = candidates(open_checkpoint(tmp_path / "realesr.pth"))
        assert [(f.id, c) for f, c in found] == [("enlarge", compact())]
        verdict = doctor.inspect(tmp_path / "realesr.pth")
        assert verdict.kind == "model" and "RealESRGAN Compact ×4" in verdict.message


def test_weights_that_only_begin_like_a_network_are_nobodys(tmp_path: Path) -> None:
    state = net.build(compact()).net.state_dict()
    del state["body.2.bias"]
    torch.save(state, tmp_path / "odd.pth")
    assert candidates(open_checkpoint(tmp_path / "odd.pth")) == []


def test_recognising_allocates_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_checkpoint(saved(compact(), tmp_path / "a.safetensors"))
    monkeypatch.setattr(checkpoint.Checkpoint, "tensors", lambda self: pytest.fail("numbers read"))
    assert families()["enlarge"].recognise(opened) == compact()


def test_damaged_numbers_are_refused(tmp_path: Path) -> None:
    state = net.build(compact()).net.state_dict()
    state["body.0.weight"][0, 0, 0, 0] = float("nan")
    checkpoint.save(tmp_path / "nan.safetensors", state, {})
    with pytest.raises(CheckpointError, match="not finite"):
        net.load(compact(), open_checkpoint(tmp_path / "nan.safetensors"))


# gain in decibels over bicubic that the files' README states of a photo of a skyline: 30.5 - 27.9
# for x2, 28.7 - 26.9 and 29.3 - 26.9 for x4
@pytest.mark.parametrize(
    ("name", "scale", "gain"),
    [
        ("swift_srgan_2x.pth.tar", 2, 1.0),
        ("swift_srgan_4x.pth.tar", 4, 0.5),
        ("team34_craft_x4.pth", 4, 1.3),
    ],
)
def test_real_enlargers_enlarge(name: str, scale: int, gain: float) -> None:
    path = WEIGHTS / "upscale" / name
    data = WEIGHTS.parent / "data" / "camvid" / "test" / "photo"
    if not path.is_file() or not data.is_dir():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    real = np.asarray(Image.open(sorted(data.iterdir())[5]).convert("RGB"))[64:192, 64:256]
    size = (real.shape[1], real.shape[0])
    small = images.resize(real, (size[0] // scale, size[1] // scale))
    made = run(Engine("cpu"), path, Picture(small))[-1].picture
    assert made.size == size
    assert psnr(made.pixels, real) > psnr(images.resize(small, size), real) + gain


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(made.astype(float) - real).mean()))


# ---- a picture -----------------------------------------------------------------------------------


def test_tiles_of_a_convolutional_net_give_what_one_pass_gives(tmp_path: Path) -> None:
    engine, path = Engine("cpu"), saved(compact(depth=6), tmp_path / "a.safetensors")
    given = photo((150, 90))
    whole = run(engine, path, given, tiles="off")[-1].picture.pixels.astype(int)
    module = engine.load(str(path)).module
    assert tiles.reach(module) == tiles.LEAST  # its 8 convolutions see 8 pixels far
    for side in (30, 41, 64):
        x = torch.from_numpy(given.pixels / 255).permute(2, 0, 1)[None].float()
        made = torch.zeros(1, 3, 360, 600)
        with torch.inference_mode():
            list(tiles.enlarged(x, module, made, 4, side, tiles.reach(module), 1))
        found = (made[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(found - whole).max() <= 1


def test_the_blend_of_tiles_sums_to_one() -> None:
    """A net that only repeats pixels: however it is tiled, the picture comes out."""

    def repeated(part: torch.Tensor) -> torch.Tensor:
        return F.interpolate(part, scale_factor=2.0)

    x = torch.rand(1, 3, 53, 70)
    for side, multiple in ((30, 1), (40, 8), (36, 4), (100, 1)):
        made = torch.zeros(1, 3, 106, 140)
        count = list(tiles.enlarged(x, repeated, made, 2, side, 0, multiple))
        assert torch.allclose(made, repeated(x), atol=1e-6)
        assert count == list(range(1, len(count) + 1))


def test_nets_that_differ_between_tiles_change_gradually() -> None:
    """A net that adds another grey to every tile: the step at a border is spread over the band."""
    levels = iter(np.linspace(0, 1, 12))
    made = torch.zeros(1, 1, 80, 80)
    x = torch.zeros(1, 1, 80, 80)
    list(tiles.enlarged(x, lambda p: p + next(levels), made, 1, 40, 16, 1))
    steps = torch.cat((made.diff(dim=-1).abs().flatten(), made.diff(dim=-2).abs().flatten()))
    assert steps.max() < 2 / 11 / (2 * tiles.BAND) + 1e-6


def test_a_large_picture_tells_its_progress_and_can_be_stopped(tmp_path: Path) -> None:
    engine, path = Engine("cpu"), saved(compact(2, 4, 1), tmp_path / "a.safetensors")
    seen = run(engine, path, photo((400, 140)), tiles="128")
    told = [e for e in seen if isinstance(e, Progress) and e.total]
    assert [e.done for e in told] == list(range(1, told[0].total + 1)) and len(told) == 8
    assert seen[-1].picture.size == (800, 280)


def test_transparency_is_enlarged_beside_and_bleeds_no_colour(tmp_path: Path) -> None:
    engine, path = Engine("cpu"), saved(compact(), tmp_path / "a.safetensors")
    pixels = np.zeros((20, 24, 4), np.uint8)
    pixels[..., 1] = 255  # what nobody sees is green
    pixels[6:14, 8:16] = (200, 30, 30, 255)
    given = Picture(pixels)
    hidden = _opaque(given).pixels
    assert hidden[..., 1].max() < 60 and (hidden[6:14, 8:16] == (200, 30, 30)).all()
    made = run(engine, path, given)[-1].picture
    assert made.size == (96, 80) and made.channels == 4
    assert np.array_equal(made.pixels[..., 3], images.resize(pixels[..., 3], (96, 80)))
    opaque = run(engine, path, Picture(hidden))[-1].picture
    assert np.array_equal(opaque.pixels, made.pixels[..., :3])


def test_grey_stays_grey_and_less_than_the_net_makes_may_be_asked(tmp_path: Path) -> None:
    engine, path = Engine("cpu"), saved(compact(), tmp_path / "a.safetensors")
    assert run(engine, path, photo((20, 16), 1))[-1].picture.pixels.shape == (64, 80)
    for times in ("4", "3", "2"):
        made = run(engine, path, photo((20, 16)), scale=times)[-1].picture
        assert made.size == (20 * int(times), 16 * int(times))


def test_a_result_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = saved(compact(), tmp_path / "a.safetensors")
    wide = Picture(np.zeros((4200, 4200), np.uint8))
    with pytest.raises(EngineError, match="16800 x 16800 pixels; cut out a part"):
        run(Engine("cpu"), path, wide)


# ---- training ------------------------------------------------------------------------------------


def photos(folder: Path, count: int = 6, size: tuple[int, int] = (80, 64)) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(photo(size, seed=number).to_png())
    return folder


def recipe(**network: Any) -> training.Recipe:
    stage = training.Stage(30, (48, 48), 4, 2e-3)
    sizes = {"width": 8, "depth": 2, **network}
    every = {"losses": 10, "samples": 1000, "state": 1000}
    return training.Recipe("tiny", "enlarge.train:EnlargeTrainer", (stage,), {}, sizes, every=every)


def test_it_trains_and_its_file_runs(tmp_path: Path) -> None:
    data = Photos(photos(tmp_path / "data").parent, [Set("data")], turned=True)
    events = list(training.train(recipe(), tmp_path / "out", data, "cpu"))
    losses = [float(e.note.split()[1]) for e in events if isinstance(e, Progress)]
    assert losses[-1] < losses[0]
    path = Path(events[-1].texts[0])
    (family, config), *_ = candidates(open_checkpoint(path))
    assert family.id == "enlarge" and config.scale == 4
    result = run(Engine("cpu"), path, photo((20, 16)))[-1]
    assert isinstance(result, Result) and result.picture.size == (80, 64)


def test_the_file_computes_what_was_trained(tmp_path: Path) -> None:
    from engines.families.enlarge.train import EnlargeTrainer, enlarged

    data = Photos(photos(tmp_path / "data").parent, [Set("data")])
    trainer = EnlargeTrainer(recipe(), data)
    trainer.export({"generator": trainer.generator}, tmp_path / "a.safetensors", half=False)
    module = net.load(compact(), open_checkpoint(tmp_path / "a.safetensors"))
    x = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        assert torch.allclose(module(x), enlarged(trainer.generator, x, 4), atol=1e-6)


def test_small_pictures_are_made_as_told(tmp_path: Path) -> None:
    from engines.families.enlarge.train import EnlargeTrainer

    data = Photos(photos(tmp_path / "data").parent, [Set("data")])
    trainer = EnlargeTrainer(recipe(spoiled={"blurred": 0.0, "jpeg": 0.0}), data)
    large = torch.rand(4, 3, 32, 32)
    made = trainer.made_small(large, torch.Generator().manual_seed(0))
    wanted = torch.cat((spoiling.smaller(large[:2], 4), F.avg_pool2d(large[2:], 4)))
    assert (made - wanted).abs().max() <= 0.5 / 255 + 1e-6
