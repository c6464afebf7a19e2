"""A global generator of pix2pixHD with fewer blocks that learns from one with more; see
engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines import layers
from engines.distil import DistilTrainer, everywhere, open_teacher
from engines.families.pix2pixhd import Pix2PixHD as Family
from engines.families.pix2pixhd.config import Config
from engines.families.pix2pixhd.net import Pix2PixHD, generator_input, one_hot
from engines.job import Picture
from engines.labeldata import LabelledPhotos
from engines.training import Recipe, RecipeError, sheet, told


class Pix2PixHDDistiller(DistilTrainer):
    """[network]  blocks: residual blocks of the student, which are some of the teacher's; places:
    in how many places of its grid the teacher sees each label map (0: where it is); even: keep the
    student's transposed convolutions even (layers.even_doublings)
    """

    def __init__(self, recipe: Recipe, data: LabelledPhotos) -> None:
        config, teacher = open_teacher(recipe, Family())
        assert isinstance(config, Config) and isinstance(teacher, Pix2PixHD)
        if config.enhancers or config.features:
            raise RecipeError("The teacher is not a global generator alone.")
        if config.labels != len(data.using):
            raise RecipeError("The teacher paints other classes than the data has.")
        asked = told({"blocks": config.blocks, "places": 0, "even": False}, recipe.network)
        blocks, self.places, self.even = asked["blocks"], int(asked["places"]), bool(asked["even"])
        if not 0 < blocks <= config.blocks:
            raise RecipeError(f"The teacher has {config.blocks} blocks; the student needs some.")
        self.data, self.config = data, replace(config, blocks=blocks)
        student = Pix2PixHD(self.config)
        student.load_state_dict(fewer(teacher.state_dict(), config, blocks))
        self.pair(recipe, teacher, student)

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        hot = one_hot(batch["labels"], self.config.labels)
        edges = batch["objects"] if self.config.edges else None
        return [(generator_input(hot, edges, None),)]

    def answer(self, arguments: tuple[Any, ...], noise: torch.Generator) -> Tensor:
        if not self.places:
            return super().answer(arguments, noise)
        return everywhere(self.teacher, *arguments, self.config.multiple_of, self.places, noise)

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        found = super().step(fabric, batch, noise)
        if self.even:
            layers.even_doublings(self.student)
        return found

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: label maps, the teacher's pictures and the student's, the photos."""
        device = next(self.student.parameters()).device
        raw = self.data.batch(0xFFFF, min(4, len(self.data)), self.recipe.stages[-1].size, rank=99)
        batch = {name: torch.from_numpy(a).to(device) for name, a in raw.items()}
        ((given,),) = self.asked(batch, torch.Generator())
        with torch.inference_mode():
            made = [net(given).float() for net in (self.teacher, averages["student"])]
        colours = self.data.using.table[raw["labels"][:, 0]]
        shown = torch.from_numpy(colours).permute(0, 3, 1, 2).float() / 127.5 - 1
        return sheet([shown, *made, batch["photo"]])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        if self.even:  # of what the training began with some is left in the average
            layers.even_doublings(averages["student"])
        self.write(path, averages["student"].state_dict(), "pix2pixhd", self.config, half)


def fewer(teacher: Mapping[str, Tensor], config: Config, blocks: int) -> dict[str, Tensor]:
    """The teacher's weights without some of its residual blocks; those that stay lie evenly."""
    first = 4 + 3 * config.downs  # place of the first block in generator.model
    kept = torch.linspace(0, config.blocks - 1, blocks).round().int().tolist()
    moved = {first + old: first + new for new, old in enumerate(kept)}
    found = {}
    for name, weight in teacher.items():
        *before, place, rest = name.split(".", 3)
        number = int(place)
        if first <= number < first + config.blocks:
            if number not in moved:
                continue
            number = moved[number]
        elif number >= first + config.blocks:
            number -= config.blocks - blocks
        found[".".join((*before, str(number), rest))] = weight
    return found
