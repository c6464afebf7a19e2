"""Face ageing as a person meets it: the strip, the search that keeps the person, and its cancel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint, embedder
from engines.controls import defaults
from engines.embedder import Embedder
from engines.engine import Engine
from engines.families.ageing.config import GROUPS, Config, label, named, recognise
from engines.families.ageing.net import AgeCGAN, search
from engines.family import families
from engines.job import Job, Picture, Preview, Progress, Result

TINY = Config(z=8, width=2, hidden=8, dense=12, maps=8, reader=True)
ADDING = replace(TINY, width=3, most=8, adds=True)


def saved(path: Path, config: Config) -> Path:
    torch.manual_seed(2)
    net = AgeCGAN(config)
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.weight.mul_(3)  # an untrained net says too little to be seen
    body = {"family": "aging", "config": families()["aging"].to_dict(config)}
    checkpoint.save(path, net.state_dict(), body)
    return path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embedder, "FILE", tmp_path / "face-embedder.safetensors")
    return saved(tmp_path / "age.safetensors", TINY)


@pytest.fixture
def adding(model: Path) -> Path:
    return saved(model.with_name("adding.safetensors"), ADDING)


def photo() -> Picture:
    rows = np.linspace(0, 255, 64).astype(np.uint8)
    return Picture(np.stack(np.broadcast_arrays(rows[:, None], rows[None], rows[::-1, None]), 2))


def events(engine: Engine, model: Path, **values: Any) -> Any:
    card = engine.describe(str(model))
    told = {**defaults(card), "output": "crop", **values}
    if card.control("steps") is not None:
        told |= {"steps": values.get("steps", 10.0)}
    return engine.run(Job("aging", card.checkpoint, told, {"face": photo()}))


def test_ages_between_groups() -> None:
    assert label(TINY, 2) == [0, 0, 1, 0, 0, 0]
    assert label(TINY, 4.25) == [0, 0, 0, 0, 0.75, 0.25]
    assert named(TINY, 2.0) == "30-39" and named(TINY, 4.25) == "50-59 to 60+"
    assert named(TINY, 5.0) == GROUPS[-1] and label(TINY, 9)[-1] == 1


def test_the_search_comes_closer() -> None:
    torch.manual_seed(0)
    weights = torch.randn(4, 12)
    goal = torch.randn(1, 4) @ weights

    def draw(code: torch.Tensor) -> torch.Tensor:
        return (code @ weights).tanh()

    def loss(made: torch.Tensor) -> torch.Tensor:
        return (made - goal.tanh()).square().mean()

    start = torch.zeros(1, 4)
    found = list(search(draw, loss, start, 40))
    least = [far for _, _, far in found]
    assert least == sorted(least, reverse=True) and least[-1] < 1e-3 < float(loss(draw(start)))
    assert torch.equal(start, torch.zeros(1, 4))
    assert float(loss(draw(found[-1][0]))) == pytest.approx(least[-1], rel=1e-3, abs=1e-9)


def test_the_strip_shows_every_group_and_says_what_is_not_measured(model: Path) -> None:
    *steps, result = events(Engine("cpu"), model, show="strip", face_from="made")
    assert isinstance(result, Result) and len(set(result.pictures)) == 6
    assert result.texts == GROUPS and embedder.ABSENT in result.notes
    assert any("went by pixels" in note for note in result.notes)
    searched = [e for e in steps if isinstance(e, Progress) and e.total == 10]
    assert [e.done for e in searched] == list(range(1, 11))
    assert sum(isinstance(e, Preview) for e in steps) == 2


def test_a_slider_does_not_search_again_but_another_search_does(model: Path) -> None:
    engine = Engine("cpu")
    first = list(events(engine, model, age=1.0))[-1]
    again = list(events(engine, model, age=3.0))
    assert len(again) == 1 and again[0].pictures != first.pictures
    assert len(list(events(engine, model, age=3.0, steps=5.0))) > 5
    assert len(list(events(engine, model, search="none"))) == 1


def test_a_search_can_be_cancelled_and_starts_anew(model: Path) -> None:
    engine = Engine("cpu")
    whole = list(events(engine, model, age=1.0))[-1]
    engine.unload_all()
    running = events(engine, model, age=1.0)
    while not (isinstance(event := next(running), Progress) and event.done == 3):
        pass
    running.close()
    assert list(events(engine, model, age=1.0))[-1].pictures == whole.pictures


def test_with_an_embedder_the_person_is_measured_and_kept(model: Path) -> None:
    torch.manual_seed(5)
    net = Embedder(embedder.Config(widths=(4, 8), length=8)).eval()
    embedder.write(net, embedder.FILE, {"title": "tiny"})
    engine = Engine("cpu")

    def far(result: Result) -> float:
        return float(result.texts[0].rsplit(" ", 1)[1])

    shared = {"own": "3", "age": 3.0, "face_from": "made"}
    plain, kept = (
        list(events(engine, model, search=by, steps=60.0, **shared))[-1]
        for by in ("none", "identity")
    )
    assert far(kept) < far(plain)
    assert any("identity distance" in note for note in kept.notes)


def test_one_that_adds_needs_no_search_and_keeps_the_photo(adding: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(adding))
    assert card.control("search") is None and card.control("face_from") is None
    assert card.control("own") is None and not card.needs_grad
    (result,) = events(engine, adding, show="strip")
    assert len(set(result.pictures)) == 6
    assert any(note.startswith("The model sees an age") for note in result.notes)
    alone = list(events(engine, adding, age=4.0))[-1]
    far = np.abs(alone.pictures[0].pixels.astype(int) - result.pictures[4].pixels)
    assert far.max() <= 1


def test_one_that_adds_nothing_leaves_the_photo_as_it_is(tmp_path: Path) -> None:
    net = AgeCGAN(ADDING).eval()
    last = net.generator.main[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    x = torch.rand(2, 3, ADDING.size, ADDING.size) * 2 - 1
    label = torch.eye(6)[:2]
    with torch.inference_mode():
        assert torch.equal(net(net(x)[0], label, x), x)


@pytest.mark.parametrize("config", [TINY, ADDING, replace(ADDING, most=2048)])
def test_a_file_tells_its_configuration(tmp_path: Path, config: Config) -> None:
    opened = checkpoint.open_checkpoint(saved(tmp_path / "one.safetensors", config))
    assert recognise(opened) == config
