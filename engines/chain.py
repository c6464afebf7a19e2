"""Chains of jobs: pictures that other jobs made, and how all of it is made again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from engines.job import Event, Job, Picture, Result

Run = Callable[[Job], Iterator[Event]]


def steps(job: Job) -> list[Job]:
    """Every job of the chain, in the order in which they were made; `job` is the last."""
    return [step for origin in job.origins.values() for step in steps(origin)] + [job]


def again(job: Job) -> Generator[Job, Picture, Job]:
    """Yields, in order, every job that made a picture for `job` and is sent what it makes now;
    returns `job` with those pictures."""
    images, origins = dict(job.images), dict(job.origins)
    for role, origin in job.origins.items():
        origins[role] = yield from again(origin)
        images[role] = yield origins[role]
    return job.with_(images=images, origins=origins)


def remade(job: Job, run: Run) -> Job:
    """`job` with every picture that another job made, made again from that chain's beginning."""
    walk = again(job)
    try:
        wanted = next(walk)
        while True:
            results = [event for event in run(wanted) if isinstance(event, Result)]
            wanted = walk.send(results[-1].picture)
    except StopIteration as end:
        return end.value
