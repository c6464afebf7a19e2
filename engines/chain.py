"""Chains of jobs: pictures that other jobs made, and how all of it is made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engines.job import Event, Job, Result

Run = Callable[[Job], Iterator[Event]]


def steps(job: Job) -> list[Job]:
    """Every job of the chain, in the order in which they were made; `job` is the last."""
    return [step for origin in job.origins.values() for step in steps(origin)] + [job]


def remade(job: Job, run: Run) -> Job:
    """`job` with every picture that another job made, made again from that chain's beginning."""
    images = dict(job.images)
    origins = {role: remade(origin, run) for role, origin in job.origins.items()}
    for role, origin in origins.items():
        results = [event for event in run(origin) if isinstance(event, Result)]
        images[role] = results[-1].picture
    return job.with_(images=images, origins=origins)
