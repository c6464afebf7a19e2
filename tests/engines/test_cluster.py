"""Many jobs at once: the same events as one by one, and a failed job fails alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from engines import cluster
from engines.cluster import run_many
from engines.engine import Engine
from engines.errors import EngineError
from engines.job import Event, Failed, Job, Picture, Result


def photo(shade: int) -> Picture:
    pixels = np.full((24, 32, 3), 255, np.uint8)
    pixels[6:18, 8:24] = shade
    return Picture(pixels)


def edges(shade: int = 0) -> Job:
    return Job("edges", images={"photo": photo(shade)})


def last(events: list[tuple[int, Event]]) -> dict[int, Event]:
    return dict(events)


def test_the_events_are_those_of_the_engine() -> None:
    jobs = [edges(0), edges(90)]
    found = last(list(run_many(jobs)))
    assert list(found) == [0, 1]
    for number, job in enumerate(jobs):
        alone = list(Engine("cpu").run(job))[-1]
        together = found[number]
        assert isinstance(alone, Result) and isinstance(together, Result)
        assert together.pictures == alone.pictures


def test_a_failed_job_fails_alone_with_a_sentence() -> None:
    jobs = [Job("edges"), Job("juggling"), Job("pix2pix", "nobody@0123456789abcdef"), edges()]
    found = last(list(run_many(jobs)))
    assert [type(found[n]) for n in range(4)] == [Failed, Failed, Failed, Result]
    kinds = [e.kind for e in found.values() if isinstance(e, Failed)]
    assert kinds == ["input", "input", "missing-model"]
    assert "juggling" in str(found[1])


def test_a_mistake_of_ours_is_told_and_the_rest_goes_on() -> None:
    class Clumsy(Engine):
        def run(self, job: Job) -> Iterator[Event]:
            if job.seed == 1:
                raise ZeroDivisionError("a bug")
            yield Result()

    found = last(list(run_many([Job("x", seed=1), Job("x", seed=2)], engine=Clumsy("cpu"))))
    assert isinstance(found[0], Failed) and found[0].kind == "internal"
    assert "ZeroDivisionError" in found[0].message and "Traceback" in found[0].details
    assert isinstance(found[1], Result)


def test_jobs_are_made_only_as_fast_as_they_are_run() -> None:
    made: list[int] = []

    def endless() -> Iterator[Job]:
        while True:
            made.append(len(made))
            yield edges()

    results = run_many(endless())
    while not isinstance(next(results)[1], Result):
        pass
    assert made == [0]
    results.close()  # type: ignore[attr-defined]  # a generator
    assert made == [0]


def test_closing_cancels_the_job_that_runs() -> None:
    ended: list[str] = []

    class Slow(Engine):
        def run(self, job: Job) -> Iterator[Event]:
            try:
                yield Result()
            finally:
                ended.append("closed")

    running = run_many([edges(), edges()], engine=Slow("cpu"))
    next(running)
    running.close()  # type: ignore[attr-defined]  # a generator
    assert ended == ["closed"]


def test_an_unknown_place_is_refused_at_once() -> None:
    with pytest.raises(EngineError, match="here or ray, not on “moon”"):
        run_many([], on="moon")


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="Ray is not installed here; install it") as caught:
        run_many([edges()], on="ray")
    assert caught.value.kind == "device"
    folder = ModuleSpec("ray", None, is_package=True)  # what find_spec says of a mere folder
    monkeypatch.setattr(cluster, "find_spec", lambda name: folder)
    with pytest.raises(EngineError, match="Ray is not installed here"):
        run_many([edges()], on="ray")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_the_same_pictures(tmp_path: Path) -> None:
    jobs = [edges(shade) for shade in (0, 40, 80, 120)] + [Job("juggling")]
    here, there = last(list(run_many(jobs))), last(list(run_many(jobs, on="ray", device="cpu")))
    assert sorted(there) == [0, 1, 2, 3, 4]
    for number in range(4):
        one, other = here[number], there[number]
        assert isinstance(one, Result) and isinstance(other, Result)
        assert one.pictures == other.pictures
    assert isinstance(there[4], Failed) and "juggling" in there[4].message
