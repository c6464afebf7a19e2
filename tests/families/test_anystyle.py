"""Any picture as style: AdaIN, MicroAST, whitening and colouring."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engines import checkpoint, doctor, tiled
from engines.checkpoint import open_checkpoint
from engines.engine import Engine, EngineError
from engines.families.anystyle import net
from engines.families.anystyle.build import build
from engines.families.anystyle.config import (
    AnyConfig,
    Config,
    MicroConfig,
    Pair,
    WCTConfig,
    recognise,
    to_dict,
)
from engines.families.anystyle.microast import MicroAST, Residual
from engines.families.anystyle.painting import LOOKS
from engines.families.anystyle.wct import WCT, Spread
from engines.job import Job, Picture, Progress, Result
from engines.layers import Moments

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)
ADAIN = Config((4, 6, 8), (1, 2, 1), ((8, 6), (6,), (4, 3)), (True, True, False))
MICRO = MicroConfig((4, 8, 16))
WCTS = WCTConfig((Pair((4, 6), (2, 1), (6, 5, 3)), Pair((4,), (1,), (3,))))
ALL: tuple[AnyConfig, ...] = (ADAIN, MICRO, WCTS)
each = pytest.mark.parametrize("config", ALL, ids=lambda c: type(c).__name__)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Picture:
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Picture(np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)))


def built(config: AnyConfig) -> nn.Module:
    """With weights by which differences go through."""
    torch.manual_seed(1)
    module = build(config).eval()
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and "modulator" not in name:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.1)  # type: ignore[arg-type]
    if isinstance(module, MicroAST):  # into the range of colours
        last = module.decoder.dec3[10].conv_layer
        nn.init.normal_(last.weight, 0.0, 0.005)  # type: ignore[arg-type]
        nn.init.constant_(last.bias, 0.5)  # type: ignore[arg-type]
    return module


def written(path: Path, config: AnyConfig) -> str:
    metadata = {"family": "any_style", "config": to_dict(config)}
    checkpoint.save(path, built(config).state_dict(), metadata)
    return str(path)


def run(engine: Engine, path: str, values: dict[str, Any] | None = None, **more: Picture) -> Result:
    images = {"photo": picture(1), "style": picture(2), **more}
    *_, last = engine.run(Job("any_style", path, values or {}, images))
    assert isinstance(last, Result)
    return last


# ---- the nets ------------------------------------------------------------------------------------


def test_exchanged_moments_are_those_of_the_other() -> None:
    x, y = torch.rand(2, 4, 9, 7), torch.rand(2, 4, 5, 5) * 3 + 1
    moments = Moments()
    moved = net.exchanged(x, moments(x), moments(y))
    for mine, theirs in zip(moments(moved), moments(y), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-3)
    mean, deviation = Moments(correction=1)(x)
    assert torch.allclose(mean[..., 0, 0], x.mean((2, 3)))
    assert torch.allclose(deviation[..., 0, 0], x.std((2, 3)), atol=1e-4)


def test_a_photo_in_its_own_look_is_decoded_as_it_is() -> None:
    module, x = built(ADAIN), torch.rand(1, 3, 32, 24)
    with torch.inference_mode():
        own, plain = module(x, module(x)), module(x, module(torch.rand(1, 3, 16, 16)), 0.0)
    assert torch.allclose(own, plain, atol=1e-3)


def test_whitening_and_colouring_gives_mean_and_covariance_of_the_style() -> None:
    module = built(WCTS)
    assert isinstance(module, WCT)
    pair = WCTS.pairs[0]
    x, style = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 32, 48) ** 2
    with torch.inference_mode():
        maps, wanted = module._map(x, pair), module._map(style, pair)
        made = module._coloured(maps, module._look(style, pair), pair)
        spread = Spread()
        (mean, root, _), (aim, aim_root, _) = spread(made), spread(wanted)
    assert torch.allclose(mean, aim, atol=1e-3)
    assert torch.allclose(root @ root, aim_root @ aim_root, atol=2e-2 * float(aim_root.abs().max()))
    mean, root, inverse = spread(maps)
    assert torch.allclose(root @ inverse @ root, root, atol=1e-3)  # also where a channel is dead


def test_a_modulated_layer_is_what_the_paper_says() -> None:
    torch.manual_seed(0)
    layer, x = Residual(4), torch.randn(1, 4, 6, 6)
    gain, share = torch.randn(1, 4, 1, 1), torch.randn(1, 4, 1, 1)
    y = torch.relu(gain * layer.conv1(x) + share * x)
    assert torch.allclose(layer(x, gain, share), x + gain * layer.conv2(y) + share * y)
    assert torch.allclose(layer(x), x + layer.conv2(torch.relu(layer.conv1(x))))


def test_microast_moves_the_moments_of_both_levels_to_the_style() -> None:
    module = built(MICRO)
    assert isinstance(module, MicroAST)
    seen: list[torch.Tensor] = []
    for layer in (module.decoder.dec1, module.decoder.dec2):
        layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32) ** 3
    with torch.inference_mode():
        module(x, module(style))
        fine, deep = module.style_encoder(style)
    for found, wanted in zip(seen, (deep, fine), strict=True):
        assert torch.allclose(found.mean((2, 3)), wanted.mean((2, 3)), atol=1e-3)
        assert torch.allclose(found.std((2, 3)), wanted.std((2, 3)), atol=1e-2)


@each
def test_tiles_are_one_pass_with_the_same_statistics(config: AnyConfig) -> None:
    module, x = built(config), torch.rand(1, 3, 128, 160)
    step = config.multiple_of
    with torch.inference_mode():
        look = module(torch.rand(1, 3, 32, 32))
        with tiled.measuring(module) as kept:
            module(tiled.windows(x, 4, 64), look)
        with tiled.normalising(module, kept):
            whole, made = module(x, look), torch.empty_like(x)
            for _ in tiled.tiles(x, lambda w: module(w, look), made, 64, module.reach(), step):  # type: ignore[operator]
                pass
    assert (whole - made).abs().max() < 1e-3 * max(1.0, float(whole.abs().max()))


# ---- files ---------------------------------------------------------------------------------------


def test_the_parts_of_a_folder_are_one_net(tmp_path: Path) -> None:
    module = built(MICRO)
    for part in ("content_encoder", "style_encoder", "modulator", "decoder"):
        state = module.get_submodule(part).state_dict()
        torch.save(state, _inside(tmp_path / "micro") / f"{part}_iter_3.pth.tar")
    assert recognise(open_checkpoint(tmp_path / "micro")) == MICRO
    assert doctor.inspect(tmp_path / "micro").kind == "model"
    part = doctor.inspect(tmp_path / "micro" / "modulator_iter_3.pth.tar")
    assert part.kind == "other" and "open the folder" in part.message

    module = built(WCTS)
    for level in (1, 2):
        for word, end in (("encoder", "SE"), ("decoder", "SD")):
            state = module.get_submodule(f"{word}{level}").state_dict()
            extra = {"conv11_aux.weight": torch.zeros(8, 4, 1, 1)} if word == "encoder" else {}
            file = _inside(tmp_path / "wct") / f"{level}{end}.pth"
            torch.save({"model": {**state, **extra}}, file)
    assert recognise(open_checkpoint(tmp_path / "wct")) == WCTS
    (tmp_path / "wct" / "2SD.pth").unlink()  # what is left of level 2 is over
    assert recognise(open_checkpoint(tmp_path / "wct")) is None


def _inside(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


# ---- what a person may ask for -------------------------------------------------------------------


@each
def test_strength_amounts_and_colours_count(
    config: AnyConfig, engine: Engine, tmp_path: Path
) -> None:
    path = written(tmp_path / "n.safetensors", config)
    one = run(engine, path).pictures
    assert run(engine, path, {"strength": 0.5}).pictures != one
    assert run(engine, path, style=picture(3)).pictures != one
    assert run(engine, path, {"amount2": 0}, style2=picture(3)).pictures == one
    assert run(engine, path, {"amount2": 1}, style2=picture(3)).pictures != one
    assert run(engine, path, style2=picture(2)).pictures == one  # the same style twice
    none = {"strength": 0}
    assert run(engine, path, none).pictures == run(engine, path, none, style=picture(5)).pictures
    kept = run(engine, path, {"colours": "luminance"}).pictures[0]
    before, after = (
        np.asarray(Image.fromarray(p.pixels).convert("YCbCr"), int) for p in (picture(1), kept)
    )
    assert np.abs(before - after)[..., 1:].mean() < np.abs(before - after)[..., 0].mean()
    assert run(engine, path, {"colours": "match"}).pictures != one


def test_a_strip_leads_from_one_style_to_another(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "n.safetensors", ADAIN)
    strip = run(engine, path, {"strip": "3"}, style2=picture(3))
    assert len(strip.pictures) == 3 and strip.texts[1] == "50 % of the second style"
    assert strip.pictures[0] == run(engine, path).pictures[0]
    assert strip.pictures[2] == run(engine, path, style=picture(3)).pictures[0]
    with pytest.raises(EngineError, match="add a second"):
        run(engine, path, {"strip": "3"})
    with pytest.raises(EngineError, match="give one of them more"):
        run(engine, path, {"amount": 0})


def test_a_style_is_looked_at_once(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "n.safetensors", ADAIN)
    run(engine, path)
    memo = engine.load(path, "any_style").memo
    looks = list(memo)
    run(engine, path, {"strength": 0.3})
    assert list(memo) == looks
    for scale in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3):
        run(engine, path, {"scale": scale})
    assert len(memo) == LOOKS and not set(memo) & set(looks)


def test_a_large_photo_comes_in_tiles(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path / "n.safetensors", ADAIN)
    images = {"photo": picture(1, (600, 300)), "style": picture(2)}
    asked = {"tiles": "256", "longest": 600}
    events = list(engine.run(Job("any_style", path, asked, images)))
    assert [e.done for e in events if isinstance(e, Progress)][-6:] == [1, 2, 3, 4, 5, 6]
    last = events[-1]
    assert isinstance(last, Result) and "in tiles" in last.notes[0]
    assert last.pictures[0].size == (600, 300)


# ---- files of other people -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "network"), [("microast", "MicroAST"), ("vgg19_16x_wct", "WCT")])
def test_real_nets_paint_in_the_colours_of_the_style(
    name: str, network: str, engine: Engine
) -> None:
    if not (WEIGHTS / name).is_dir():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    path = str(WEIGHTS / name)
    assert doctor.inspect(Path(path)).network.startswith(network)
    rng = np.random.default_rng(0)
    red = Picture((rng.integers(0, 256, (80, 80, 1)) * [1, 0.2, 0.1]).astype(np.uint8))
    disc = np.hypot(*np.mgrid[-32:32, -40:40]) < 20
    photo = Picture(np.where(disc[..., None], [240, 220, 120], [60, 90, 140]).astype(np.uint8))
    made = run(engine, path, photo=photo, style=red).pictures[0].pixels.astype(float)
    assert made[..., 0].mean() > 2 * made[..., 2].mean()  # red, as the style is
    small = run(engine, path, {"strength": 0.0}, photo=photo, style=red).pictures[0]
    light = [np.asarray(Image.fromarray(p.pixels).convert("L").resize((10, 8)), float)
             for p in (photo, small)]  # fmt: skip
    assert np.corrcoef(light[0].ravel(), light[1].ravel())[0, 1] > 0.8
