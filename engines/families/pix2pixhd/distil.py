"""A small pix2pixHD generator that learns from a larger one; see engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.distil import DistilTrainer, begin, open_teacher
from engines.families.pix2pixhd import Pix2PixHD as Family
from engines.families.pix2pixhd.config import Config
from engines.families.pix2pixhd.net import Pix2PixHD, generator_input, one_hot
from engines.families.pix2pixhd.train import painted
from engines.job import Picture
from engines.labeldata import LabelledPhotos
from engines.residual import axes, groups, turned
from engines.training import Recipe, RecipeError, sheet, told

SAMPLES = 0xFFFF


class Pix2PixHDDistiller(DistilTrainer):
    """Of a global generator with instance norms alone.

    [network]  width; the rest is the teacher's; places, even: see DistilTrainer
    """

    def __init__(self, recipe: Recipe, data: LabelledPhotos) -> None:
        config, teacher = open_teacher(recipe, Family())
        assert isinstance(config, Config) and isinstance(teacher, Pix2PixHD)
        if config.enhancers or config.encoder is not None or config.norm != "instance":
            raise RecipeError("The teacher has more than a global generator with instance norms.")
        if config.labels != len(data.using):
            raise RecipeError(f"The teacher knows {config.labels} classes, not {len(data.using)}.")
        network = told({"width": config.width, "places": 0, "even": False}, recipe.network)
        self.places, self.even = int(network["places"]), bool(network["even"])
        self.period = config.multiple_of
        self.data = data
        native = recipe.stages[-1].size
        self.config = replace(config, width=network["width"], native=(native[0], native[1]))
        student = Pix2PixHD(self.config)
        wide, narrow = config.global_net, self.config.global_net
        begin(
            student.generator,
            teacher.generator,
            axes(wide),
            groups(wide),
            groups(narrow),
            turned(wide),
        )
        self.pair(recipe, teacher, student)

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        return [(self.given(batch),)]

    def given(self, batch: Mapping[str, Tensor]) -> Tensor:
        hot = one_hot(batch["labels"], self.config.labels)
        return generator_input(hot, batch["objects"] if self.config.edges else None, None)

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: label map, the teacher's picture, the student's, the photo."""
        device = next(self.student.parameters()).device
        size = self.recipe.stages[-1].size
        raw = self.data.batch(SAMPLES, min(4, len(self.data)), size, rank=99)
        batch = {name: torch.from_numpy(a).to(device) for name, a in raw.items()}
        with torch.inference_mode():
            made = [net(self.given(batch)) for net in (self.teacher, averages["student"])]
        return sheet([painted(self.data, raw), *made, batch["photo"]])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, self.learnt(averages), "pix2pixhd", self.config, half)
