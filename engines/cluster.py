"""Many jobs, the same events, here or on a Ray cluster. Knows no window, no network, no files.

Ray is no dependency of Ganvas: it is used where a person has installed it. Every machine of a
cluster runs this very program and finds the models by digest in its own catalogue.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any

from engines.engine import Engine
from engines.errors import EngineError, failure
from engines.job import Event, Failed, Job

if TYPE_CHECKING:
    from engines.catalogue import Catalogue

PLACES = ("here", "ray")


def run_many(
    jobs: Iterable[Job],
    on: str = "here",
    device: str = "auto",
    catalogue: Catalogue | None = None,
    engine: Engine | None = None,
) -> Iterator[tuple[int, Event]]:
    """(number of the job, event) for every event of every job; closing it cancels what runs.

    A job ends with one Result or one Failed, and a failed job fails alone. `jobs` is read only as
    fast as jobs end, so that a list too long for memory may be made as it goes. Here they run in
    order; on "ray" one job for each graphics card (or two processors) runs at a time, and events
    of several jobs come mixed. Raises EngineError if the place is not to be had.
    """
    if on == "here":
        return _here(jobs, engine or Engine(device, catalogue=catalogue))
    if on == "ray":
        return _on_ray(jobs, _ray(), device)
    raise EngineError("input", f"Jobs run on {' or '.join(PLACES)}, not on “{on}”.")


def _here(jobs: Iterable[Job], engine: Engine) -> Iterator[tuple[int, Event]]:
    for number, job in enumerate(jobs):
        with closing(_events(engine, job)) as events:
            for event in events:
                yield number, event


def _events(engine: Engine, job: Job) -> Generator[Event]:
    try:
        yield from engine.run(job)
    except Exception as error:  # a failed job fails alone
        yield failure(error)


# ---- Ray -----------------------------------------------------------------------------------------


def _ray() -> Any:
    found = find_spec("ray")
    if found is None or found.origin is None:  # a folder of that name is no Ray
        raise EngineError(
            "device", "Ray is not installed here; install it (pip install ray), or run on “here”."
        )
    import ray  # pyright: ignore[reportMissingImports]

    return ray


class _Lane:
    """One engine in one process of the cluster."""

    def __init__(self, device: str) -> None:
        self.engine = Engine(device)

    def run(self, job: Job) -> Iterator[Event]:
        yield from _events(self.engine, job)


def _on_ray(jobs: Iterable[Job], ray: Any, device: str) -> Iterator[tuple[int, Event]]:
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    lanes = _lanes(ray, device)
    waiting = enumerate(jobs)
    running: dict[Any, tuple[int, Any]] = {}  # stream of events -> number of its job, its lane
    try:
        for lane, (number, job) in zip(lanes, islice(waiting, len(lanes))):
            running[_start(lane, job)] = (number, lane)
        while running:
            stream = ray.wait(list(running), num_returns=1, fetch_local=False)[0][0]
            number, lane = running[stream]
            event = _next(ray, stream)
            if event is not None:
                yield number, event
            if event is None or isinstance(event, Failed):
                del running[stream]
                following = next(waiting, None)
                if following is not None:
                    running[_start(lane, following[1])] = (following[0], lane)
    finally:
        for lane in lanes:
            ray.kill(lane)


def _lanes(ray: Any, device: str) -> list[Any]:
    """One for each graphics card, or for each two processors."""
    there = ray.cluster_resources()
    cards, processors = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    if device == "cpu":
        cards = 0
    wish = {"num_gpus": 1} if cards else {"num_cpus": min(2, processors)}
    make = ray.remote(**wish)(_Lane)
    return [make.remote(device) for _ in range(cards or max(1, processors // 2))]


def _start(lane: Any, job: Job) -> Any:
    return lane.run.options(num_returns="streaming").remote(job)


def _next(ray: Any, stream: Any) -> Event | None:
    """The next event; None when the job is over."""
    try:
        return ray.get(next(stream))
    except StopIteration:
        return None
    except Exception as error:  # the machine is gone, or what came cannot be read
        return failure(error)
