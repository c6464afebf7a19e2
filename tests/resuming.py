"""Whether a training that was stopped goes on to the weights of one that was not."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from engines import training
from engines.datasets import DataSet
from engines.job import Event, Progress


def stopped_and_resumed(
    recipe: training.Recipe, data: DataSet, folder: Path, after: int = 3
) -> list[Event]:
    """Train once as a whole and once stopped after a step and resumed; both have to write the same.
    The recipe tells its losses at every step. Gives the events of what was resumed."""
    whole, cut = folder / "whole", folder / "cut"
    list(training.train(recipe, whole, data, "cpu"))
    running = training.train(recipe, cut, data, "cpu")
    assert isinstance(running, Generator)
    for event in running:
        if isinstance(event, Progress) and event.done == after:
            break
    running.close()
    resumed = list(training.train(recipe, cut, data, "cpu", resume=True))
    for name in ("model.safetensors", "losses.csv"):
        first, second = ((run / name).read_bytes().splitlines() for run in (whole, cut))
        assert first == second
    return resumed
