"""Speeds that were measured are forgotten where a run shows that they are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engines import pace
from engines.job import Event, Progress, Result
from engines.planner import Room


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "clock", made)
    return made


def model(**memo: Any) -> Any:
    return SimpleNamespace(device=torch.device("cpu"), memo={"speed relu1_1": 1.0, **memo})


def steps(clock: Clock, count: int, seconds: float) -> Iterator[Event]:
    for n in range(count):
        clock.now += seconds
        yield Progress(n + 1, count) if n + 1 < count else Result()


def ran(looked: Any, planned: float, clock: Clock, seconds: float, waiting: float = 0.0) -> int:
    told = 0
    for _ in pace.minded(looked, planned, steps(clock, 10, seconds / 10)):
        clock.now += waiting
        told += 1
    return told


def test_passes_of_tiles_take_as_long_as_it_takes_to_start_them() -> None:
    speed = pace.Pace(1e9, 1e9, 0.0, each=0.25, launch=3.0)
    for tile, seconds in ((0, 3.0), (256, 6.0)):
        room = Room((512, 512), tile, 1e6, 2.5e9, 1, 2, 0.0)
        assert speed.looking(room) == pytest.approx(seconds)
    slow = Room((512, 512), 256, 1e6, 9e9, 1, 2, 0.0)
    assert speed.looking(slow) == pytest.approx(9.5)


def test_a_run_far_from_its_plan_has_the_speed_measured_anew(clock: Clock) -> None:
    for planned, seconds in ((6.0, 10.0), (35.0, 3.0)):
        looked = model(other=2)
        assert ran(looked, planned, clock, seconds) == 10
        assert "speed relu1_1" not in looked.memo and looked.memo["other"] == 2


def test_a_run_near_its_plan_keeps_it(clock: Clock) -> None:
    for seconds in (4.5, 6.0, 8.5):
        looked = model()
        ran(looked, 6.0, clock, seconds)
        assert looked.memo == {"speed relu1_1": 1.0}


def test_pauses_between_steps_do_not_count(clock: Clock) -> None:
    looked = model()
    ran(looked, 6.0, clock, 6.0, waiting=5.0)
    assert "speed relu1_1" in looked.memo


def test_short_runs_and_those_that_were_stopped_tell_nothing(clock: Clock) -> None:
    looked = model()
    ran(looked, 0.2, clock, 0.6)
    running = pace.minded(looked, 50.0, steps(clock, 10, 0.3))
    next(running)
    running.close()
    assert "speed relu1_1" in looked.memo


def test_a_plan_that_is_wrong_in_itself_is_not_measured_for_ever(clock: Clock) -> None:
    looked = model()
    for _ in range(3):
        ran(looked, 6.0, clock, 20.0)
        assert "speed relu1_1" not in looked.memo
        looked.memo["speed relu1_1"] = 1.0
    ran(looked, 6.0, clock, 20.0)
    assert "speed relu1_1" in looked.memo
