"""A small transformer net that learns from a larger one; see engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.distil import DistilTrainer, begin, open_teacher, widths_of
from engines.families.faststyle import FastStyle
from engines.families.faststyle.config import Config
from engines.families.faststyle.net import TransformerNet
from engines.job import Picture
from engines.styledata import Styles
from engines.training import Recipe, RecipeError, sheet

SAMPLES = 0xFFFF


class FastStyleDistiller(DistilTrainer):
    """Trains on the photos of a batch of Styles; its losses are in units of one grey level.

    [network]  widths of the student; the rest is the teacher's
    """

    def __init__(self, recipe: Recipe, data: Styles) -> None:
        config, teacher = open_teacher(recipe, FastStyle())
        if not isinstance(teacher, TransformerNet):
            raise RecipeError("The teacher is not a plain transformer net.")
        assert isinstance(config, Config)
        self.data = data
        self.config = replace(config, widths=widths_of(recipe, config.widths))
        student = TransformerNet(self.config)
        begin(student, teacher, axes(config), groups(config), groups(self.config))
        self.pair(recipe, teacher, student)

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        return [(batch["photo"].float().contiguous(memory_format=torch.channels_last),)]

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: photos, how the teacher paints them, and the student."""
        device = next(self.student.parameters()).device
        raw = self.data.batch(SAMPLES, 6, self.recipe.stages[-1].size, rank=99)["photo"]
        photos = torch.from_numpy(raw).to(device).float()
        with torch.inference_mode():
            made = [net(photos) for net in (self.teacher, averages["student"])]
        return sheet([row / 127.5 - 1 for row in (photos, *made)])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["student"].state_dict(), "fast_style", self.config, half)


def groups(config: Config) -> dict[str, int]:
    """How many channels each group of axes() has."""
    first, second, third = config.widths
    inner = {f"block {number}": third for number in range(1, config.blocks + 1)}
    rest = {"down 0": first, "down 1": second, "middle": third, "up 1": second, "up 0": first}
    return rest | inner


def axes(config: Config) -> dict[str, Sequence[Sequence[str]]]:
    """Which groups of channels lie along the axes of each weight of a plain net."""
    found: dict[str, Sequence[Sequence[str]]] = {}

    def layer(name: str, norm: str, out: str, given: str | None) -> None:
        found[f"{name}.conv2d.weight"] = [[out], [given] if given else []]
        for weight in (f"{name}.conv2d.bias", f"{norm}.weight", f"{norm}.bias"):
            found[weight] = [[out]]

    layer("conv1", "in1", "down 0", None)
    layer("conv2", "in2", "down 1", "down 0")
    layer("conv3", "in3", "middle", "down 1")
    for number in range(1, config.blocks + 1):
        layer(f"res{number}.conv1", f"res{number}.in1", f"block {number}", "middle")
        layer(f"res{number}.conv2", f"res{number}.in2", "middle", f"block {number}")
    layer("deconv1", "in4", "up 1", "middle")
    layer("deconv2", "in5", "up 0", "up 1")
    found["deconv3.conv2d.weight"] = [[], ["up 0"]]
    return found
