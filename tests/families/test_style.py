"""Neural style: what is minimised, how, and what a person may ask for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from looking import SMALL, ended, picture, small_model
from torch import Tensor

from engines import backbonenet, backbones, checkpoint, images, pace, styling
from engines.controls import ClassChoice, ControlError
from engines.engine import Engine, EngineError
from engines.families.style import transfer
from engines.families.style.config import (
    Setting,
    default_setting,
    ladder,
    terms,
    text,
)
from engines.families.style.descent import LBFGS, Adam
from engines.families.style.objective import Features, Objective, Region, Targets, blended
from engines.job import Job, Picture, Preview, Progress, Result
from engines.windows import Grid

ALL = Setting((("relu2_2", 1.0),), (("relu1_1", 1.0), ("relu3_1", 0.5)), pixel=2.0)


def colours(seed: int, height: int, width: int) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed)) * 255


def objective(setting: Setting, tile: int = 0, noise: Any = None, mask: bool = True) -> Objective:
    net = backbonenet.random(SMALL, 3)
    features = Features(net, net, setting, tile)
    photo = colours(1, 96, 128)
    grams = [ended(features.grams(colours(seed, 80, 64))) for seed in (2, 3)]
    left = torch.zeros((1, 1, 96, 128))
    left[..., :64] = 1
    regions = [Region(grams[0], 0.5, left), Region(grams[1], 1.0, 1 - left)]
    regions = regions if mask else [Region(blended(grams, (1.0, 1.0)))]
    return Objective(
        features, setting, Targets(ended(features.content(photo)), regions, photo), noise
    )


@pytest.mark.parametrize("mask", [False, True])
def test_tiles_have_the_gradient_of_the_whole_wherever_they_lie(mask: bool) -> None:
    x = colours(5, 96, 128).requires_grad_()
    whole = ended(objective(ALL, mask=mask).descend(x))
    expected = x.grad.clone()  # type: ignore[union-attr]
    in_tiles = objective(ALL, 32, torch.Generator().manual_seed(0), mask)
    assert len(in_tiles.features.windows(x)) == 12
    for _ in range(2):  # from another place each time
        found = ended(in_tiles.descend(x))
        for name, value in whole.items():
            assert float(found[name]) == pytest.approx(float(value), rel=1e-4), name
        assert torch.allclose(x.grad, expected, atol=2e-5 * float(expected.abs().max()))


def test_tiles_of_a_picture_of_any_size_cover_it_once() -> None:
    grid = Grid(SMALL, ["relu1_1", "relu3_1"])
    for size in ((96, 128), (97, 41), (100, 33)):
        for seed in range(4):
            seen = torch.zeros(size, dtype=torch.int64)
            for window in grid.windows(size, 32, torch.Generator().manual_seed(seed)):
                seen[window.rows[0] : window.rows[1], window.columns[0] : window.columns[1]] += 1
            assert seen.min() == seen.max() == 1


def test_a_moving_grid_begins_at_few_places_and_a_whole_picture_is_never_cut() -> None:
    """Each size of window costs the making of code for it."""
    grid = Grid(SMALL, ["relu1_1", "relu3_1"])
    size, noise = (200, 331), torch.Generator().manual_seed(0)
    assert len(grid.windows(size, 331, noise)) == 1
    assert grid.sizes(size, 0, moving=True) == grid.sizes(size, 331) == 1
    assert grid.looks(size, 0, moving=True) == 1
    found, counts, area = set(), [], 0
    for _ in range(400):
        windows = grid.windows(size, 64, noise)
        shapes = [window.of(torch.empty(size)).shape for window in windows]
        found |= set(shapes)
        counts.append(len(windows))
        area += sum(h * w for h, w in shapes)
    assert len(found) <= grid.sizes(size, 64, moving=True) <= 2 * len(found)
    assert set(counts) == {24}
    seen = area / len(counts) / (size[0] * size[1])
    assert seen == pytest.approx(grid.looks(size, 64, moving=True), rel=0.02)
    assert grid.sizes(size, 64) < len(found)


def test_a_style_in_tiles_has_the_matrices_of_the_whole() -> None:
    net = backbonenet.random(SMALL, 3)
    x, alpha = colours(2, 72, 96), torch.ones((1, 1, 72, 96))
    alpha[..., 48:] = 0
    whole = ended(Features(net, net, ALL).grams(x, alpha))
    parts = ended(Features(net, net, ALL, 24).grams(x, alpha))
    other = ended(Features(net, net, ALL).grams(x))
    for name, value in whole.items():
        assert torch.allclose(parts[name], value, rtol=1e-4, atol=1e-4 * float(value.max()))
        assert not torch.allclose(other[name], value, rtol=1e-2)


def test_the_gradient_is_that_of_the_terms() -> None:
    setting = replace(ALL, class_weight=3.0, klass=2)
    found = objective(setting)
    x = colours(5, 96, 128).requires_grad_()
    ended(found.descend(x))
    slope = x.grad.clone()  # type: ignore[union-attr]
    aside = torch.randn(x.shape, generator=torch.Generator().manual_seed(6))
    way = slope / slope.norm() + aside / aside.norm()  # along it and away from it
    way /= way.norm()

    def total(moved: Tensor) -> float:
        return sum(map(float, ended(found.descend(moved.requires_grad_())).values()))

    step = 2.0
    ahead, behind = (total((x + sign * step * way).detach()) for sign in (1, -1))
    assert (ahead - behind) / (2 * step) == pytest.approx(float((slope * way).sum()), rel=0.05)


def test_every_term_is_one_that_can_be_left_out() -> None:
    x = colours(5, 96, 128).requires_grad_()
    names = set(ended(objective(replace(ALL, class_weight=1.0)).descend(x)))
    assert names == {"content relu2_2", "style relu1_1", "style relu3_1", "smoothness", "colour",
                     "class"}  # fmt: skip
    for change in ({"content_weight": 0.0}, {"style_weight": 0.0}, {"tv": 0.0}, {"pixel": 0.0}):
        assert len(ended(objective(replace(ALL, **change)).descend(x))) < len(names) - 1
    nothing = replace(ALL, content_weight=0.0, style_weight=0.0, tv=0.0, pixel=0.0)
    assert ended(objective(nothing).descend(x)) == {} and not x.grad.any()  # type: ignore[union-attr]


def rosen(x: Tensor) -> Tensor:
    return (20 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() / 40


def test_adam_goes_where_torchs_goes() -> None:
    ours = torch.linspace(-1, 1, 12, dtype=torch.float64).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    mine, other = Adam(ours, 0.1), torch.optim.Adam([theirs], 0.1)
    for _ in range(30):
        for x, optimiser in ((ours, mine), (theirs, other)):
            x.grad = None
            rosen(x).backward()
            optimiser.step()
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("history", [3, 100])
def test_lbfgs_goes_where_torchs_goes(history: int) -> None:
    ours = torch.linspace(-1, 1, 12, dtype=torch.float64).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    mine = LBFGS(ours, 1.0, history)
    other = torch.optim.LBFGS([theirs], 1.0, max_iter=1, history_size=history, tolerance_grad=-1,
                              tolerance_change=-1)  # fmt: skip
    for _ in range(12):
        ours.grad = None
        rosen(ours).backward()
        mine.step()

        def closure() -> Tensor:
            theirs.grad = None
            loss = rosen(theirs)
            loss.backward()
            return loss

        other.step(closure)  # type: ignore[arg-type]
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-8)


# ---- what is asked for ---------------------------------------------------------------------------


def test_layers_are_read_with_their_weights_in_any_spelling() -> None:
    found = terms(backbones.VGG19, "r11, conv2_1 = 0.5; relu5-1=0")
    assert found == (("relu1_1", 1.0), ("conv2_1", 0.5))
    assert terms(backbones.VGG19, text(found)) == found
    for wrong in ("relu9_1", "relu1_1=much", "relu1_1=-1", "relu1_1=nan"):
        with pytest.raises(ControlError):
            terms(backbones.VGG19, wrong)


def test_every_backbone_has_its_usual_layers() -> None:
    for config in (backbones.VGG16, backbones.GOOGLENET, backbones.SQUEEZENET, SMALL):
        setting = default_setting(config)
        assert set(setting.layers) <= set(backbones.layer_names(config))


def test_coarse_to_fine_doubles_the_size_and_halves_the_steps() -> None:
    assert ladder((1000, 500), True, 200) == [((250, 125), 200), ((500, 250), 100),
                                              ((1000, 500), 50)]  # fmt: skip
    assert ladder((1000, 500), False, 200) == [((1000, 500), 200)]
    assert ladder((1000, 500), True, 200, begin=500) == [((500, 250), 200), ((1000, 500), 100)]
    assert ladder((1000, 500), True, 12, begin=5000)[0] == ((1000, 500), 12)
    assert styling.final_size((300, 200), 512) == (300, 200)


def test_a_style_takes_the_colours_of_the_photo() -> None:
    rng = np.random.default_rng(0)
    photo = Picture(rng.integers((90, 20, 100), (140, 60, 200), (20, 30, 3)).astype(np.uint8))
    style = rng.integers(60, 200, (24, 20, 4)).astype(np.uint8)
    style[:, 10:, 3] = 0
    style[:, :10, 3] = 255
    made = styling.matched(Picture(style), photo)
    shown = made.pixels[:, :10, :3].reshape(-1, 3).astype(float)
    known = photo.pixels.reshape(-1, 3).astype(float)
    assert np.allclose(shown.mean(0), known.mean(0), atol=2)
    assert np.allclose(np.cov(shown.T), np.cov(known.T), atol=60)
    assert np.array_equal(made.pixels[..., 3], style[..., 3])


# ---- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, str]:
    return small_model(tmp_path_factory.mktemp("style"))


def made(model: tuple[Engine, str], values: dict[str, Any], **more: Picture) -> list[Any]:
    engine, path = model
    card = engine.describe(path, "neural_style")
    given = {"photo": picture(1), "style": picture(2, 30, 50), **more}
    values = {"steps": 10, "every": 4, **values}
    return list(engine.run(Job("neural_style", card.checkpoint, values, given, seed=4)))


def result(model: tuple[Engine, str], values: dict[str, Any], **more: Picture) -> Result:
    last = made(model, values, **more)[-1]
    assert isinstance(last, Result)
    return last


def test_a_run_says_what_it_will_take_and_shows_how_it_goes(model: tuple[Engine, str]) -> None:
    seen = made(model, {})
    first = next(e for e in seen if isinstance(e, Progress) and not e.note.startswith("Loading"))
    assert first.done == 0 and first.note.startswith("About ")
    shown = [e for e in seen if isinstance(e, Progress) and e.terms]
    assert [e.done for e in shown] == [1, 4, 5, 8, 10]
    assert sum(isinstance(e, Preview) for e in seen) == 3
    sums = [sum(e.terms.values()) for e in shown]
    assert sums == sorted(sums, reverse=True) and sums[-1] < 0.9 * sums[0]
    assert {name.split()[0] for name in shown[0].terms} == {"content", "style", "smoothness"}


def test_a_plan_far_from_the_run_has_the_speed_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, true = [], pace._measured  # type: ignore[attr-defined]
    monkeypatch.setattr(pace, "_measured", lambda *a: counted.append(1) or true(*a))
    true_estimate, model = transfer.estimate, small_model(tmp_path)
    for _ in range(2):
        made(model, {})
    assert len(counted) == 1
    monkeypatch.setattr(transfer, "estimate", lambda *a: replace(true_estimate(*a), seconds=500.0))
    for _ in range(2):
        made(model, {})
    assert len(counted) == 2


def test_adam_and_every_start_lower_the_loss(model: tuple[Engine, str]) -> None:
    for values in ({"method": "adam", "rate": 5}, {"start": "noise"}, {"start": "style"},
                   {"pooling": "average"}, {"tiles": "256"}):  # fmt: skip
        shown = [e for e in made(model, values) if isinstance(e, Progress) and e.terms]
        assert sum(shown[-1].terms.values()) < sum(shown[0].terms.values()), values


def test_a_larger_photo_is_painted_small_first(model: tuple[Engine, str]) -> None:
    photo = picture(1, 400, 200)
    seen = made(model, {"longest": 384}, photo=photo)
    assert {e.picture.size for e in seen if isinstance(e, Preview)} == {(192, 96), (384, 192)}
    assert seen[-1].pictures[0].size == (384, 192)


def test_going_on_begins_with_the_picture_so_far(model: tuple[Engine, str]) -> None:
    so_far = picture(9, low=100, high=110)
    still = {"content": 0, "strength": 0, "tv": 0, "grain": 0}
    assert result(model, still, progress=so_far).pictures == (so_far,)
    assert result(model, still).pictures == (picture(1),)


def test_in_a_film_a_picture_keeps_to_the_one_before_where_that_is_asked(
    model: tuple[Engine, str],
) -> None:
    """Drawn to the photo and to it alike, a pixel comes to lie in the middle."""
    photo, aim = picture(1).pixels.astype(float), picture(8).pixels
    left = np.zeros(aim.shape[:2], np.uint8)
    left[:, :24], left[:, 24:30] = 255, 85
    values = {"content": 0, "strength": 0, "tv": 0, "pixel": 1000, "steps": 40, "grain": 0}
    before = Picture(np.dstack((aim, left)))
    found = result(model, values, progress=picture(8), before=before).picture.pixels
    share = left[..., None] / 255
    assert np.abs(found - (photo + share * aim) / (1 + share)).max() < 2


def test_a_painted_region_takes_its_own_style_only(model: tuple[Engine, str]) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[:, 24:] = 255
    dark, light = picture(3, 40, 40, 0, 60), picture(4, 40, 40, 200, 256)
    values = {"content": 0, "steps": 40, "start": "noise"}
    pixels = result(model, values, style=dark, style2=light, mask2=Picture(mask)).picture.pixels
    assert pixels[:, 34:].mean() > pixels[:, :14].mean() + 40


def test_every_region_has_terms_of_its_own(model: tuple[Engine, str]) -> None:
    def told(**more: Picture) -> set[str]:
        found = [e.terms for e in made(model, {}, **more) if isinstance(e, Progress) and e.terms]
        return {name.partition(" relu")[0] for name in found[-1]} - {"content", "smoothness"}

    mask = Picture(np.eye(40, 48, dtype=np.uint8) * 255)
    assert told(style2=picture(3)) == {"style"}
    assert told(style2=picture(3), mask2=mask) == {"style 1", "style 2"}
    more = {"style2": picture(3), "style3": picture(4), "mask2": mask}
    assert told(**more) == {"style 2", "style mixed"}


def test_a_plan_counts_the_pictures_of_a_strip(
    model: tuple[Engine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, path = model
    card = engine.describe(path, "neural_style")
    monkeypatch.setattr(pace, "speed", lambda *_: pace.Pace(2e10, 1e12, 0.0))
    given = {"photo": picture(1, 300, 300), "style": picture(2), "style2": picture(3)}
    values = {"longest": 300, "steps": 100, "tiles": "256"}

    def seconds(**more: Any) -> float:
        job = Job("neural_style", card.checkpoint, {**values, **more}, given)
        found = re.fullmatch(r"About ([\d.]+) s and \d+ MB of memory, in tiles of 256 pixels",
                             engine.plan(job))  # fmt: skip
        assert found is not None
        return float(found[1])

    once = seconds()
    assert seconds(strip="3") == pytest.approx(3 * once, abs=2)
    # 300 pixels in tiles of 256 begin at the corner or half a tile before: four lengths
    monkeypatch.setattr(pace, "speed", lambda *_: pace.Pace(2e10, 1e12, 3.0))
    assert seconds() == pytest.approx(once + 4**2 * 3, abs=1)


def test_a_class_is_asked_for_by_its_name(tmp_path: Path) -> None:
    named = replace(SMALL, names=("cat", "red fox", "grey fox", "owl"))
    path = tmp_path / "named.safetensors"
    state = backbonenet.random(SMALL, 3).state_dict()
    checkpoint.save(path, state, {**backbones.to_metadata(SMALL), "classes": list(named.names)})
    engine = Engine("cpu")
    card = engine.describe(str(path), "neural_style")
    assert isinstance(card.control("class"), ClassChoice)
    given = {"photo": picture(1), "style": picture(2, 30, 50)}

    def painted(klass: Any) -> Picture:
        values = {"steps": 10, "class_weight": 1000, "class": klass, "strength": 0}
        *_, last = engine.run(Job("neural_style", card.checkpoint, values, given, seed=4))
        assert isinstance(last, Result)
        return last.picture

    assert painted("Grey Fox") == painted(2) != painted(3)
    with pytest.raises(EngineError, match="“fox”; most like it are red fox / grey fox"):
        painted("fox")


def test_amounts_mix_styles(model: tuple[Engine, str]) -> None:
    one = result(model, {}).pictures
    assert result(model, {"amount2": 0}, style2=picture(5)).pictures == one
    assert result(model, {"amount2": 0.5}, style2=picture(5)).pictures != one
    with pytest.raises(EngineError, match="amount 0"):
        made(model, {"amount": 0})


def test_a_strip_leads_from_one_style_to_the_other(model: tuple[Engine, str]) -> None:
    second = picture(5, 30, 50, 150, 256)
    strip = result(model, {"strip": "3"}, style2=second)
    assert strip.texts == ("100 : 0", "50 : 50", "0 : 100") and strip.sheet is not None
    assert strip.pictures[0] == result(model, {}).pictures[0]
    assert strip.pictures[2] != strip.pictures[1] != strip.pictures[0]
    with pytest.raises(EngineError, match="second style"):
        made(model, {"strip": "3"})


def test_brightness_alone_leaves_the_colours_of_the_photo(model: tuple[Engine, str]) -> None:
    grey = Picture(np.repeat(picture(1).pixels[..., :1], 3, axis=2))
    free, kept = (result(model, {"colours": c}, photo=grey).picture.pixels.astype(int)
                  for c in ("style", "luminance"))  # fmt: skip
    assert np.ptp(kept, axis=2).max() <= 2 < np.ptp(free, axis=2).max()


def test_a_photo_keeps_its_transparency(model: tuple[Engine, str]) -> None:
    alpha = np.full((40, 48), 77, np.uint8)
    found = result(model, {}, photo=images.with_alpha(picture(1), alpha)).picture
    assert np.array_equal(found.pixels[..., 3], alpha)


def test_a_layer_that_is_not_there_is_told(model: tuple[Engine, str]) -> None:
    with pytest.raises(EngineError, match="relu9_9"):
        made(model, {"style_layers": "relu9_9"})
