"""Chains of jobs: what a recipe keeps of them, and how they are made again."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines import chain
from engines.job import Event, Job, JobError, Picture, Progress, Result, job_from_png, save_png


def picture(value: int) -> Picture:
    return Picture(np.full((3, 4, 3), value, np.uint8))


FIRST = Job("double", "d@1", images={"photo": picture(5)}, drawings={"photo": {"items": [1]}})
SECOND = Job("add", "a@2", {"by": 3}, {"photo": picture(10)}, origins={"photo": FIRST})
THIRD = Job(
    "add", "a@2", {"by": 1}, {"photo": picture(13), "style": picture(0)}, origins={"photo": SECOND}
)


def run(job: Job) -> Iterator[Event]:
    pixels = job.images["photo"].pixels
    yield Progress(1, 1)
    made = pixels * 2 if job.family == "double" else pixels + np.uint8(job.values["by"])
    yield Result((Picture(made),))


def test_a_recipe_keeps_its_chain_wherever_it_goes(tmp_path: Path) -> None:
    save_png(picture(14), THIRD, tmp_path / "a.png")
    for job in (Job.from_json(THIRD.to_json()), job_from_png(tmp_path / "a.png"),
                pickle.loads(pickle.dumps(THIRD))):  # fmt: skip
        assert [step.digest for step in chain.steps(job)] == [
            step.digest for step in (FIRST, SECOND, THIRD)
        ]
        assert chain.steps(job)[0].drawings == FIRST.drawings


def test_where_a_picture_came_from_does_not_change_what_is_made_of_it() -> None:
    assert THIRD.digest == THIRD.with_(origins={}).digest
    assert "origins" not in json.loads(FIRST.to_json())


def test_a_chain_is_made_again_from_its_first_picture() -> None:
    changed = SECOND.with_(origins={"photo": FIRST.with_(images={"photo": picture(20)})})
    made = chain.remade(THIRD.with_(origins={"photo": changed}), run)
    assert made.images == {"photo": picture(43), "style": picture(0)}
    assert made.origins["photo"].images == {"photo": picture(40)}
    assert chain.remade(THIRD, run).digest == THIRD.digest


def test_a_chain_without_end_is_refused() -> None:
    body = "{}"
    for _ in range(3000):
        body = f'{{"ganvas": 1, "family": "f", "checkpoint": "", "origins": {{"r": {body}}}}}'
    with pytest.raises(JobError, match="not a Ganvas recipe"):
        Job.from_json(body)
