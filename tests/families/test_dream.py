"""DeepDream: what grows and where, octaves, guides, going on, and what a run says of itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import looking
import numpy as np
import pytest
import torch
from looking import SMALL, ended, small_model
from torch import Tensor

from engines import backbonenet, backbones, checkpoint, images, pace
from engines.backbones import GOOGLENET, SQUEEZENET, STARTER, VGG16, Config, layer_names
from engines.controls import ControlError
from engines.engine import Engine, EngineError
from engines.families.dream import budget, dreaming
from engines.families.dream.ascent import smoothed
from engines.families.dream.config import (
    Look,
    Setting,
    default_layer,
    looks,
    octave_sizes,
    offered,
    text,
)
from engines.families.dream.objective import Objective, matched
from engines.job import Job, Picture, Preview, Progress, Result

picture = partial(looking.picture, low=60, high=196)
TWO = Setting((Look("relu2_2"), Look("relu3_1", 0.5, (1, 4))))


def colours(seed: int, height: int, width: int) -> Tensor:
    return torch.randn((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


# ---- what is asked for ---------------------------------------------------------------------------


def test_layers_and_channels_are_read_in_any_spelling() -> None:
    found = looks(VGG16, "r43, conv4-1:12+40 + 12=0.5; relu5_1=0")
    assert found == (Look("relu4_3"), Look("conv4_1", 0.5, (12, 40)))
    assert looks(VGG16, text(found)) == found
    for wrong in ("relu9_1", "relu1_1:64", "relu1_1:x", "relu1_1:-1", "relu1_1=much", ""):
        with pytest.raises(ControlError):
            looks(VGG16, wrong)


@pytest.mark.parametrize("config", [VGG16, GOOGLENET, SQUEEZENET, STARTER, SMALL])
def test_every_backbone_has_a_usual_layer_and_layers_to_offer(config: Config) -> None:
    assert default_layer(config) in dict(offered(config))
    assert set(dict(offered(config))) <= set(layer_names(config))


def test_octaves_are_limited_to_what_fits() -> None:
    asked = Setting((Look("relu3_1"),), octaves=4, ratio=2.0)  # stride 4
    assert octave_sizes(SMALL, asked, (400, 320)) == [(50, 40), (100, 80), (200, 160), (400, 320)]
    assert octave_sizes(SMALL, asked, (100, 70)) == [(50, 35), (100, 70)]
    assert octave_sizes(SMALL, asked, (32, 32)) == [(32, 32)]
    deep = Setting((Look("relu5_3"),), octaves=4, ratio=2.0)  # stride 16
    assert octave_sizes(VGG16, deep, (400, 320))[0] == (100, 80)


# ---- gradients -----------------------------------------------------------------------------------


def objective(setting: Setting, tile: int = 0, guide: bool = False) -> Objective:
    net = backbonenet.random(SMALL, 3)
    maps = net(colours(9, 48, 64), setting.layers) if guide else None
    return Objective(net, SMALL, setting, maps, tile)


@pytest.mark.parametrize("guide", [False, True])
@pytest.mark.parametrize("aim", ["l2", "mean"])
def test_tiles_have_the_gradient_of_the_whole(aim: Any, guide: bool) -> None:
    x, setting = colours(5, 96, 128), replace(TWO, aim=aim)
    whole, terms = ended(objective(setting, guide=guide).gradient(x))
    pauses = list(objective(setting, 32, guide).gradient(x))
    parts, found = ended(objective(setting, 32, guide).gradient(x))
    assert len(pauses) == 11
    assert torch.allclose(parts, whole, atol=1e-5 * float(whole.abs().max()))
    for name, value in terms.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-4)


@pytest.mark.parametrize("aim", ["l2", "mean", "class"])
def test_the_gradient_is_that_of_the_terms(aim: Any) -> None:
    found = objective(replace(TWO, aim=aim, klass=2))
    x, way = colours(5, 40, 48).double().float(), colours(6, 40, 48)
    way /= way.norm()
    slope = float((ended(found.gradient(x))[0] * way).sum())

    def total(moved: Tensor) -> float:
        return sum(float(v) for v in ended(found.gradient(moved))[1].values())

    step = 0.05
    ahead, behind = total(x + step * way), total(x - step * way)
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=0.03)


def test_one_channel_alone_grows() -> None:
    x = colours(5, 40, 48)
    one = ended(objective(Setting((Look("relu3_1", 1.0, (1,)),))).gradient(x))[0]
    other = ended(objective(Setting((Look("relu3_1", 1.0, (4,)),))).gradient(x))[0]
    both = ended(objective(Setting((Look("relu3_1", 1.0, (1, 4)),))).gradient(x))[0]
    assert torch.allclose(both, (one + other) / 2, atol=1e-7) and not torch.allclose(one, other)


def test_matches_are_the_best_products_whatever_is_held_at_once(monkeypatch: Any) -> None:
    mine, theirs = colours(1, 7, 5)[0], colours(2, 6, 9)[0]
    known = (mine.flatten(1).T @ theirs.flatten(1)).argmax(1)
    assert torch.equal(matched(mine, theirs), known)
    monkeypatch.setattr("engines.families.dream.objective.PRODUCTS", 60)
    assert torch.equal(matched(mine, theirs), known)


def test_a_blur_keeps_what_is_even_and_its_sum() -> None:
    flat = torch.full((1, 3, 12, 14), 2.5)
    assert torch.allclose(smoothed(flat, 1.5), flat, atol=1e-5)
    dot = torch.zeros((1, 1, 31, 31))
    dot[..., 15, 15] = 1
    assert float(smoothed(dot, 1.0).sum()) == pytest.approx(1, abs=1e-5)
    assert float(smoothed(dot, 0.5).max()) > float(smoothed(dot, 1.5).max())


# ---- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, str]:
    return small_model(tmp_path_factory.mktemp("dream"))


def made(model: tuple[Engine, str], values: dict[str, Any], **more: Picture) -> list[Any]:
    engine, path = model
    card = engine.describe(path, "dream")
    values = {"steps": 4, "every": 3, "jitter": 6, **values}
    return list(engine.run(Job("dream", card.checkpoint, values, {"photo": picture(1), **more},
                               seed=4)))  # fmt: skip


def result(model: tuple[Engine, str], values: dict[str, Any], **more: Picture) -> Result:
    last = made(model, values, **more)[-1]
    assert isinstance(last, Result)
    return last


def answer(found: list[Any]) -> tuple[float, float]:
    """What grows, first and last."""
    terms = [e.terms for e in found if isinstance(e, Progress) and e.terms]
    return sum(terms[0].values()), sum(terms[-1].values())


def test_a_run_says_what_it_will_take_and_shows_how_it_goes(model: tuple[Engine, str]) -> None:
    seen = made(model, {"octaves": 2, "ratio": 1.25, "layers": "relu2_2"})
    first = next(e for e in seen if isinstance(e, Progress) and not e.note.startswith("Loading"))
    assert (first.done, first.total) == (0, 8) and first.note.startswith("About ")
    assert [e.done for e in seen if isinstance(e, Progress) and e.terms] == [3, 6, 8]
    assert [e.picture.size for e in seen if isinstance(e, Preview)] == [(38, 32), (48, 40)]
    assert seen[-1].pictures[0].size == (48, 40) and not seen[-1].notes


@pytest.mark.parametrize(
    "values",
    [{}, {"aim": "mean"}, {"aim": "class", "class": 2}, {"layers": "relu3_1:3"}, {"tiles": "256"},
     {"normalise": "mean", "smooth": 0}, {"enlarging": "whole"}],
)  # fmt: skip
def test_what_is_asked_for_grows(model: tuple[Engine, str], values: dict[str, Any]) -> None:
    first, last = answer(made(model, {"octaves": 1, "steps": 8, "every": 1, **values}))
    assert last > first * 1.02 if first > 0 else last > first


def test_octaves_that_do_not_fit_are_told(model: tuple[Engine, str]) -> None:
    assert result(model, {"octaves": 8}).notes[0].startswith("Of the 8 octaves asked for, ")


def test_what_answers_to_nothing_is_told(tmp_path: Path) -> None:
    net = backbonenet.random(SMALL, 3)
    net.get_submodule("features.0").bias.fill_(-100)  # type: ignore[union-attr, operator]
    path = tmp_path / "dead.safetensors"
    checkpoint.save(path, net.state_dict(), backbones.to_metadata(SMALL))
    engine = Engine("cpu")
    found = result((engine, str(path)), {"octaves": 1, "layers": "relu1_1"})
    assert found.pictures == (picture(1),) and found.notes[0].startswith("Nothing in this photo")


def test_outside_of_the_mask_the_pixels_stay(model: tuple[Engine, str]) -> None:
    mask = np.zeros((80, 96), np.uint8)
    mask[:, 48:] = 255
    for enlarging in ("detail", "whole"):
        values = {"octaves": 2, "ratio": 1.2, "layers": "relu2_2", "enlarging": enlarging}
        found = result(model, values, mask=Picture(mask)).picture.pixels
        known = picture(1).pixels
        assert np.array_equal(found[:, :22], known[:, :22])
        assert np.abs(found[:, 28:].astype(int) - known[:, 28:]).mean() > 3


def test_only_the_dream_goes_to_the_next_octave(model: tuple[Engine, str]) -> None:
    """So that the photo stays as sharp as it was; the other way it melts."""
    values = {"octaves": 3, "ratio": 1.1, "rate": 0.1, "steps": 1, "layers": "relu1_1"}
    known = picture(1).pixels.astype(int)
    sharp, melted = (np.abs(result(model, {**values, "enlarging": e}).picture.pixels - known).mean()
                     for e in ("detail", "whole"))  # fmt: skip
    assert sharp < 1 < 10 < melted


def test_going_on_begins_with_the_picture_so_far(model: tuple[Engine, str]) -> None:
    """A whole one is dreamt on at every octave, one that was stopped from its own on."""
    values = {"octaves": 2, "ratio": 1.25, "layers": "relu2_2"}
    once = result(model, values).pictures[0]
    again = made(model, values, progress=once)
    assert again[-1].pictures == result(model, values, photo=once).pictures
    small = picture(7, 38, 32)
    stopped = [e.done for e in made(model, values, progress=small) if isinstance(e, Progress)]
    assert stopped[0] == 0 and stopped[-1] == 8
    whole = made(model, {**values, "enlarging": "whole"}, progress=once)
    done = [e.done for e in whole if isinstance(e, Progress)]
    assert min(d for d in done if d) == 5  # the last octave alone
    assert answer(again)[1] > answer(made(model, values))[1]


def test_a_guide_gives_its_features_and_the_map_says_which(model: tuple[Engine, str]) -> None:
    """Guided by itself, a place is matched with itself where its vector is the longest around."""
    photo = picture(3, 64, 64)
    values = {"octaves": 1, "layers": "relu2_2", "steps": 1, "rate": 0.1, "smooth": 0}
    found = result(model, values, photo=photo, guide=photo)
    places = found.beside["Match map"].pixels[..., :2].astype(float) / 255
    net = backbonenet.random(SMALL, 3)
    x = net.enter(torch.from_numpy(found.picture.pixels.copy()).permute(2, 0, 1)[None] / 255)
    features = net(x, ["relu2_2"])["relu2_2"][0].flatten(1).T
    guide = net(net.enter(torch.from_numpy(photo.pixels.copy()).permute(2, 0, 1)[None] / 255),
                ["relu2_2"])["relu2_2"][0].flatten(1)  # fmt: skip
    best = (features @ guide).argmax(1).reshape(32, 32).numpy()
    cells = np.rint(places[::2, ::2] * 32 - 0.5).astype(int)
    same = (cells[..., 1] * 32 + cells[..., 0]) == best
    assert same.mean() > 0.97  # the picture was rounded to 255 steps in between
    assert result(model, values, photo=photo).beside == {}


def test_a_guided_dream_comes_nearer_to_its_guide(model: tuple[Engine, str]) -> None:
    guide = Picture(np.full((40, 40, 3), (250, 40, 40), np.uint8))
    values = {"octaves": 1, "steps": 12, "every": 1, "layers": "relu2_2"}
    first, last = answer(made(model, values, guide=guide))
    assert last > first
    assert result(model, values, guide=guide).pictures != result(model, values).pictures


def test_transparency_stays(model: tuple[Engine, str]) -> None:
    alpha = np.full((40, 48), 77, np.uint8)
    found = result(model, {"octaves": 1}, photo=images.with_alpha(picture(1), alpha)).picture
    assert np.array_equal(found.pixels[..., 3], alpha)


def test_a_plan_is_told_without_a_run(model: tuple[Engine, str]) -> None:
    engine, path = model
    card = engine.describe(path, "dream")
    job = Job("dream", card.checkpoint, {"longest": 64}, {"photo": picture(1, 400, 300)})
    assert engine.plan(job).startswith("About ") and engine.plan(Job("edges")) == ""
    with pytest.raises(EngineError, match="relu9_9"):
        engine.plan(job.with_(values={"layers": "relu9_9"}))


@pytest.mark.parametrize(("seconds", "times"), [(500.0, 3), (None, 1)])
def test_a_plan_far_from_the_run_has_the_speed_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float | None, times: int
) -> None:
    counted, true = [], pace._measured  # type: ignore[attr-defined]
    monkeypatch.setattr(pace, "_measured", lambda *a: counted.append(1) or true(*a))
    if seconds is not None:
        wrong = partial(replace, seconds=seconds)
        monkeypatch.setattr(dreaming, "estimate", lambda *a: wrong(true_estimate(*a)))
    true_estimate, model = budget.estimate, small_model(tmp_path)
    for _ in range(3):
        made(model, {"octaves": 1})
    assert len(counted) == times


def test_one_file_is_a_model_of_both_families(model: tuple[Engine, str]) -> None:
    engine, path = model
    assert {engine.describe(path, id).family for id in backbones.FAMILIES} == {
        "neural_style", "dream",
    }  # fmt: skip
