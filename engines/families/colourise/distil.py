"""A small colouriser that learns from a larger one how likely each colour is (Hinton et al. 2015,
"Distilling the Knowledge in a Neural Network")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engines import unet
from engines.distil import Axes, begin, open_teacher
from engines.families.colourise import Colourise
from engines.families.colourise.config import Config
from engines.families.colourise.net import LAST, ColourNet
from engines.families.colourise.train import ColouriseTrainer
from engines.photodata import Photos
from engines.training import Recipe, RecipeError


class ColouriseDistiller(ColouriseTrainer):
    """[network]  as in ColouriseTrainer, each width at most the teacher's; the colours, levels and
               blocks are the teacher's
    [losses]   teacher: weight of the cross-entropy of the teacher's chances and its own; mean: of
               the distance of the mean chroma to that of the photo
    """

    known_losses: Mapping[str, Any] = {"teacher": 1.0, "mean": 1.0}

    def __init__(self, recipe: Recipe, data: Photos) -> None:
        config, teacher = open_teacher(recipe, Colourise())
        assert isinstance(config, Config) and isinstance(teacher, ColourNet)
        self.teacher = teacher
        super().__init__(recipe, data)
        own = self.config
        if (len(own.widths), own.blocks) != (len(config.widths), config.blocks):
            raise RecipeError(
                f"The teacher has {len(config.widths)} widths and {config.blocks} blocks a level."
            )
        begin(self.generator, teacher, axes(config), groups(config), groups(own))

    def colours(self) -> tuple[np.ndarray, np.ndarray]:
        bins = self.teacher.bins.float().numpy()
        return bins, np.full(len(bins), 1 / len(bins))

    def parts(self, logits: Tensor, given: Tensor, chroma: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            chances = torch.softmax(self.teacher.to(given.device)(given).float(), 1)
        crossed = -(chances * torch.log_softmax(logits, 1)).sum(1).mean()
        return {"teacher": crossed, "mean": self.off(logits, chroma)}


def groups(config: Config) -> dict[str, int]:
    """How many channels each group of axes() has."""
    return unet.groups(config.widths, config.blocks, LAST)


def axes(config: Config) -> Axes:
    """Which groups of channels lie along the axes of each weight of a ColourNet."""
    return unet.axes(len(config.widths), config.blocks, "batch", LAST)
