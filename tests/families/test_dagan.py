"""DA-GAN as a person meets it: the region found, moved by hand, and nothing changed outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint
from engines.controls import defaults
from engines.engine import Engine
from engines.families.dagan.config import Config
from engines.families.dagan.net import DAGAN, distance, group_distances
from engines.family import families
from engines.job import Job, Picture, Result

TINY = Config("Smile", 4, (4, 6), region=0, steep=2.0, classes=1, blocks=1, judges=2)


@pytest.fixture(params=["draws", "adds"])
def model(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    torch.manual_seed(4)
    path = tmp_path / "attention.safetensors"
    config = replace(TINY, adds=request.param == "adds")
    body = {"family": "dagan", "config": families()["dagan"].to_dict(config)}
    checkpoint.save(path, DAGAN(config).state_dict(), body)
    assert families()["dagan"].recognise(checkpoint.open_checkpoint(path)) == config
    return path


def photo() -> Picture:
    rows = np.linspace(0, 255, 128).astype(np.uint8)
    return Picture(np.stack(np.broadcast_arrays(rows[:, None], rows[None], rows[::-1, None]), 2))


def run(model: Path, **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(model))
    told = {**defaults(card), **values}
    made = list(engine.run(Job("dagan", card.checkpoint, told, {"face": photo()})))[-1]
    assert isinstance(made, Result)
    return made


def changed(result: Result, place: int = 0) -> np.ndarray:
    return (result.pictures[place].pixels != photo().pixels).any(2)


def test_nothing_changes_outside_of_the_box(model: Path) -> None:
    result = run(model, box=[60, 30, 40, 50])
    rows, columns = np.nonzero(changed(result))
    assert len(rows) > 200
    assert rows.min() >= 30 - 8 and rows.max() < 80 + 8
    assert columns.min() >= 60 - 8 and columns.max() < 100 + 8
    assert "You said a region of 40 x 50 pixels at (60, 30)." in result.notes


def test_the_box_moves_what_changes(model: Path) -> None:
    left, right = (changed(run(model, box=[x, 50, 30, 30])) for x in (20, 80))
    assert np.nonzero(left)[1].mean() + 40 < np.nonzero(right)[1].mean()


def test_without_a_box_the_model_says_where_it_looks(model: Path) -> None:
    result = run(model, show="attention")
    assert len(result.pictures) == 2 and result.texts[0] == "Smile"
    numbers = [float(n) for n in result.texts[1].removeprefix("Attended region: ").split(", ")]
    again = run(model, box=numbers)
    assert any(f"{numbers[2]:.0f} x {numbers[3]:.0f} pixels" in note for note in result.notes)
    share = changed(result) == changed(again)
    assert share.mean() > 0.97
    dark = changed(result, 1)
    x, y = numbers[0] + numbers[2] / 2, numbers[1] + numbers[3] / 2
    assert dark.mean() > 0.2 and not dark[int(y), int(x)]


def test_strength_and_scores(model: Path) -> None:
    assert not changed(run(model, strength=0.0)).any()
    result = run(model)
    assert any("instance score" in note and "set score" in note for note in result.notes)
    assert any("before" in note and "now" in note for note in result.notes)
    assert any("public" in note for note in families()["dagan"].card(TINY).notes)


def test_one_that_adds_nothing_leaves_the_photo_as_it_is() -> None:
    config = replace(TINY, adds=True)
    torch.manual_seed(5)
    net = DAGAN(config).eval()
    last = [m for m in net.generator.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    x = torch.rand(2, 3, config.size, config.size) * 2 - 1
    with torch.inference_mode():
        assert not torch.equal(net(x)["made"], x)
        last.weight.zero_()
        last.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
        assert torch.equal(net(x)["made"], x)


def test_distances_on_fixed_codes() -> None:
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert float(distance(a, a + 0.5)) == pytest.approx(0.5)
    within, between = group_distances(torch.zeros(3, 2), a)
    assert float(within) == pytest.approx(2.0) and float(between) == pytest.approx(2.5)
