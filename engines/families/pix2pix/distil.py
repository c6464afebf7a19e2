"""A small MultimodalUNet that learns from a larger one; see engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines import layers
from engines.datasets import EdgePhotos
from engines.distil import DistilTrainer, begin, open_teacher
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.config import MultimodalConfig
from engines.families.pix2pix.multimodal import MultimodalUNet
from engines.families.pix2pix.train import export_generator
from engines.job import Picture
from engines.training import Recipe, RecipeError, sheet, told

BOLDEST = 1.5  # how far from the mean code the codes are that the student sees


class MultimodalDistiller(DistilTrainer):
    """Trains a MultimodalUNet on batches of EdgePhotos.

    [network]  widths and trunk of the student (see MultimodalConfig); the rest is the teacher's
    """

    def __init__(self, recipe: Recipe, data: EdgePhotos) -> None:
        config, teacher = open_teacher(recipe, Pix2Pix())
        if not isinstance(teacher, MultimodalUNet) or not isinstance(config, MultimodalConfig):
            raise RecipeError("The teacher takes no edges with colour hints.")
        network = told({"widths": config.widths, "trunk": config.trunk}, recipe.network)
        widths = tuple(network["widths"])
        if len(widths) != len(config.widths):
            raise RecipeError(f"The teacher has {len(config.widths)} widths, not {len(widths)}.")
        self.data = data
        self.config = replace(config, widths=widths, trunk=network["trunk"])
        student = MultimodalUNet(self.config)
        begin(student, teacher, axes(config), groups(config), groups(self.config))
        self.pair(recipe, teacher, student)

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        edges, hints = batch["edges"], batch["hints"]
        teacher = self.teacher
        assert isinstance(teacher, MultimodalUNet)
        strength = BOLDEST * layers.uniform((len(edges), 1), noise)
        off = layers.normal((len(edges), self.config.code), noise) @ teacher.code_spread.T
        grain = layers.normal(edges.shape, noise)
        return [(edges, hints, teacher.code_mean + strength * off, grain)]

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: edges, hints, what the teacher makes, what the student makes of them."""
        student, teacher = averages["student"], self.teacher
        assert isinstance(teacher, MultimodalUNet)
        device = next(student.parameters()).device
        size = self.recipe.stages[-1].size
        raw = self.data.batch(0xFFFF, 8, size, rank=99)
        edges, hints = (torch.from_numpy(raw[name]).to(device) for name in ("edges", "hints"))
        codes = teacher.sample_code(list(range(8)), 1.0).to(device)
        grain = teacher.sample_noise(list(range(8)), size).to(device)
        with torch.inference_mode():
            made = [net(edges, hints, codes, grain).float() for net in (teacher, student)]
        return sheet([edges.expand(-1, 3, -1, -1), hints[:, :3] + 1 - hints[:, 3:], *made])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        card = dict(self.recipe.card) | {"sketch": self.data.stats()}
        export_generator(averages["student"], self.config, card, path, half)


def groups(config: MultimodalConfig) -> dict[str, int]:
    """How many channels each group of axes() has."""
    downs = {f"down {level}": width for level, width in enumerate(config.widths)}
    ups = {f"up {level}": width for level, width in enumerate(config.ups)}
    fine = {"refined": config.trunk, "fine": config.trunk // 2}
    rest = {"inner": config.widths[-1], "hint": 4, "ink": 1}
    return downs | ups | fine | rest


def axes(config: MultimodalConfig) -> dict[str, Sequence[Sequence[str]]]:
    """Which groups of channels lie along the axes of each weight of a MultimodalUNet."""
    last = f"down {len(config.widths) - 1}"
    found: dict[str, Sequence[Sequence[str]]] = {
        "stem.weight": [["down 0"]],
        "stem.bias": [["down 0"]],
        "middle.0.first.weight": [["inner"], [last]],
        "middle.0.norm.affine.weight": [["inner"] * 2],
        "middle.0.norm.affine.bias": [["inner"] * 2],
        "middle.0.second.weight": [[last], ["inner"]],
        "middle.0.second.bias": [[last]],
    }
    for level in range(len(config.widths) - 1):
        hint = ["hint"] if level >= config.first_hinted else []
        found[f"down.{level}.weight"] = [[f"down {level + 1}"], [f"down {level}", *hint]]
    below, trunk = last, f"up {len(config.ups) - 1}"
    for level in range(len(config.ups)):
        out, skip = f"up {level}", f"down {len(config.widths) - 2 - level}"
        found[f"up.{level}.conv.weight"] = [[out], [below, skip]]
        found[f"up.{level}.grain"] = [[], [out]]
        found[f"up.{level}.norm.affine.weight"] = [[out] * 2]
        found[f"up.{level}.norm.affine.bias"] = [[out] * 2]
        if config.dyed:
            found[f"up.{level}.dye.weight"] = [[out] * 2]
        below = out
    return found | {
        "refine.first.weight": [["refined"], [trunk]],
        "refine.norm.affine.weight": [["refined"] * 2],
        "refine.norm.affine.bias": [["refined"] * 2],
        "refine.second.weight": [[trunk], ["refined"]],
        "refine.second.bias": [[trunk]],
        "fine.weight": [["fine"], [trunk, "ink"]],
        "fine.bias": [["fine"]],
        "out.weight": [[], ["fine"]],
    }
