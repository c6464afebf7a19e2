"""Feed-forward style nets: files of other people, what a person may ask for, any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines import checkpoint, doctor, tiled
from engines.checkpoint import open_checkpoint
from engines.engine import Engine
from engines.families.faststyle import net
from engines.families.faststyle.config import Config, recognise
from engines.job import Job, Picture, Progress, Result

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)
KINDS: tuple[Any, ...] = ("plain", "torch", "mobilenet")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Picture:
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Picture(np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)))


def written(path: Path, config: Config, **more: torch.Tensor) -> str:
    torch.manual_seed(0)
    module = net.build(config)
    for layer in module.modules():  # so that what it paints fills the range
        if isinstance(layer, net.InstanceNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
    if config.kind == "plain":
        last = module.get_submodule("deconv3.conv2d")
        torch.nn.init.normal_(last.weight, 0.0, 2.0)  # type: ignore[arg-type]
        torch.nn.init.constant_(last.bias, 127.0)  # type: ignore[arg-type]
    checkpoint.save(path, {**module.state_dict(), **more}, {})
    return str(path)


def run(engine: Engine, path: str, photo: Picture, **values: Any) -> Result:
    *_, last = engine.run(Job("fast_style", path, values, {"photo": photo}))
    assert isinstance(last, Result)
    return last


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_is_told_by_its_weights_alone(kind: Any, tmp_path: Path) -> None:
    config = Config(kind, (4, 6, 8), 3)
    opened = open_checkpoint(written(tmp_path / "net.safetensors", config))
    assert recognise(opened) == config
    over = written(tmp_path / "over.safetensors", config, extra=torch.zeros(3))
    assert recognise(open_checkpoint(over)) is None


def test_statistics_that_old_instance_norms_kept_are_left_out(tmp_path: Path) -> None:
    config = Config("plain", (4, 6, 8), 1)
    path = written(tmp_path / "old.safetensors", config, **{"in1.running_mean": torch.ones(4)})
    assert recognise(open_checkpoint(path)) == config
    assert doctor.inspect(Path(path)).kind == "model"


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_gives_the_size_it_takes(kind: Any) -> None:
    module = net.build(Config(kind, (4, 6, 8), 2)).eval()
    with torch.inference_mode():
        assert module(torch.rand(1, 3, 48, 36) * 255).shape == (1, 3, 48, 36)


def test_strength_goes_from_the_photo_to_the_style(engine: Engine, tmp_path: Path) -> None:
    path, photo = written(tmp_path / "n.safetensors", Config("plain", (4, 6, 8), 1)), picture(1)
    none, half, full = (run(engine, path, photo, strength=s).pictures[0] for s in (0, 0.5, 1))
    assert none == photo and full != photo
    middle = (photo.pixels.astype(int) + full.pixels) / 2
    assert np.abs(half.pixels - middle).max() <= 0.5


def test_the_colours_of_the_photo_can_stay(engine: Engine, tmp_path: Path) -> None:
    path, photo = written(tmp_path / "n.safetensors", Config("plain", (4, 6, 8), 1)), picture(1)
    made = run(engine, path, photo, colours="luminance").pictures[0]
    before, after = (
        np.asarray(Image.fromarray(p.pixels).convert("YCbCr"), int) for p in (photo, made)
    )
    assert np.abs(before - after)[..., 1:].mean() < 6 < np.abs(before - after)[..., 0].mean()


def test_scale_and_size_are_asked_for(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "n.safetensors", Config("plain", (4, 6, 8), 1))
    photo = picture(1, (150, 90))
    assert run(engine, path, photo).pictures[0].size == (150, 90)
    assert run(engine, path, photo, longest=100).pictures[0].size == (100, 60)
    large = run(engine, path, photo, scale=2.0).pictures[0]
    assert large.size == (150, 90)
    fine = run(engine, path, photo).pictures[0]
    grain = [np.abs(np.diff(p.pixels.astype(int), axis=1)).mean() for p in (large, fine)]
    assert grain[0] < grain[1]


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_one_pass_with_the_same_statistics(kind: Any) -> None:
    torch.manual_seed(0)
    module = net.build(Config(kind, (4, 6, 8), 1)).eval()
    x = torch.rand(1, 3, 160, 200) * 255
    with torch.inference_mode():
        with tiled.measuring(module) as kept:
            module(tiled.windows(x, 4, 64))
        with tiled.normalising(module, kept):
            whole, made = module(x), torch.empty_like(x)
            for _ in tiled.tiles(x, module, made, 64, module.reach(), 4):  # type: ignore[operator]
                pass
    assert (whole - made).abs().max() < 1e-2  # of 255


def test_a_large_photo_comes_in_tiles(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "n.safetensors", Config("plain", (4, 6, 8), 1))
    events = list(engine.run(Job("fast_style", path, {"tiles": "256", "longest": 600},
                                 {"photo": picture(1, (600, 300))})))  # fmt: skip
    assert [e.done for e in events if isinstance(e, Progress)][-6:] == [1, 2, 3, 4, 5, 6]
    last = events[-1]
    assert isinstance(last, Result) and "in tiles" in last.notes[0]


# ---- files of other people -----------------------------------------------------------------------


def real(name: str) -> str:
    if not (WEIGHTS / name).is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    return str(WEIGHTS / name)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("fast_style/candy_nc16.model", Config("plain", (16, 32, 64))),
        ("fast_style/mosaic_nc8.model", Config("plain", (8, 16, 32))),
        ("fast_style/candy_mobilenet.pth", Config("mobilenet", (32, 64, 128))),
        ("fast_style_onnx/candy.onnx", Config("torch", (16, 32, 64))),
    ],
)
def test_real_nets_paint(name: str, config: Config, engine: Engine) -> None:
    """A net that was put together wrongly gives noise or one colour: of a smooth photo all of these
    make a picture of many colours whose places of light stay."""
    path, photo = real(name), picture(3, (96, 80))
    assert recognise(open_checkpoint(path)) == config
    made = run(engine, path, photo).pictures[0].pixels.astype(float)
    assert made.std() > 30 and np.mean((made == 0) | (made == 255)) < 0.3
    light = [np.asarray(Image.fromarray(p.astype(np.uint8)).convert("L").resize((12, 10)), float)
             for p in (photo.pixels, made)]  # fmt: skip
    assert np.corrcoef(light[0].ravel(), light[1].ravel())[0, 1] > 0.4


def test_the_onnx_graph_says_itself_how_its_colours_go() -> None:
    """Its first step subtracts Caffe's mean in the order blue, green, red, its last adds it."""
    opened = open_checkpoint(real("fast_style_onnx/mosaic.onnx"))
    graph = opened.source
    mean = graph.tensors()["scale_B"].reshape(3)  # type: ignore[union-attr]
    module = net.build(Config("torch", (16, 32, 64)))
    assert torch.allclose(mean, module.get_buffer("mean").reshape(3), atol=1e-3)


def test_a_squeezenet_graph_knows_a_lion(engine: Engine) -> None:
    from engines import backbonenet, backbones

    lion = WEIGHTS.parent / "data" / "style_content" / "content" / "lion.jpg"
    opened = open_checkpoint(real("squeezenet/SqueezeNet_fp16.onnx"))
    if not lion.is_file():
        pytest.skip("The photo of a lion is not here.")
    config = backbones.recognise(opened)
    assert config is not None and (config.kind, config.scale) == ("squeezenet", "caffe")
    module, _ = backbonenet.load(config, opened)
    pixels = np.asarray(Image.open(lion).convert("RGB").resize((227, 227)), np.float32) / 255
    with torch.inference_mode():
        x = module.enter(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        scores = module(x, ["class"])["class"].softmax(1)[0]
    assert int(scores.argmax()) == 291 and float(scores.max()) > 0.9


def test_a_graph_that_is_cut_off_is_no_net(tmp_path: Path) -> None:
    data = Path(real("fast_style_onnx/candy.onnx")).read_bytes()
    cut = tmp_path / "candy.onnx"
    cut.write_bytes(data[: len(data) // 2])
    verdict = doctor.inspect(cut)
    assert verdict.kind == "other" and "cut off" in verdict.message
