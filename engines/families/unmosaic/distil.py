"""A small mosaic remover that learns from a larger one; see engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines import spoiling, unet
from engines.distil import Axes, DistilTrainer, begin, open_teacher, widths_of
from engines.families.unmosaic import Unmosaic
from engines.families.unmosaic.config import Config
from engines.families.unmosaic.net import MosaicNet
from engines.families.unmosaic.train import put_in_mosaic, shown
from engines.job import Picture
from engines.photodata import Photos
from engines.training import Recipe


class UnmosaicDistiller(DistilTrainer):
    """Compares what both add within the regions.

    [network]  widths of the student; the rest is the teacher's
    """

    def __init__(self, recipe: Recipe, data: Photos) -> None:
        config, teacher = open_teacher(recipe, Unmosaic())
        assert isinstance(config, Config)
        self.data = data
        self.config = replace(config, widths=widths_of(recipe, config.widths))
        student = MosaicNet(self.config)
        begin(student, teacher, axes(config), groups(config), groups(self.config))
        self.pair(recipe, _Within(teacher), _Within(student))

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        photo = spoiling.from_bytes(batch["photo"]) * 2 - 1
        spoiled = put_in_mosaic(photo, self.config.sides, noise)
        return [(spoiled.seen.contiguous(memory_format=torch.channels_last), spoiled.region)]

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: in mosaic, as the teacher restores it, as the student does, and the photo."""
        nets = [net.get_submodule("net") for net in (self.teacher, averages["student"])]
        return shown(self.data, self.recipe, self.config, *nets)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        state = averages["student"].get_submodule("net").state_dict()
        self.write(path, state, "unmosaic", self.config, half)


class _Within(nn.Module):
    """What a net adds, within the region alone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, seen: Tensor, region: Tensor) -> Tensor:
        return self.net(seen, region) * region


def groups(config: Config) -> dict[str, int]:
    """How many channels each group of axes() has."""
    return unet.groups(config.widths, config.blocks)


def axes(config: Config) -> Axes:
    """Which groups of channels lie along the axes of each weight of a MosaicNet."""
    return unet.axes(len(config.widths), config.blocks)
