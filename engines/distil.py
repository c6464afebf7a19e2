"""Distillation (Hinton et al. 2015): a small network learns what a larger one of its kind makes of
the same inputs. What the teacher makes is a function of what it is given, so the student needs no
discriminator to be as sharp; it begins with the teacher's strongest channels (Li et al. 2017,
"Pruning Filters for Efficient ConvNets").

A teacher with transposed convolutions paints a grid that keeps its place when the picture moves.
The mean of what it paints of the picture in other places (Coifman & Donoho 1995,
Translation-Invariant De-Noising) has none, and neither has a student that learns this mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.checkpoint import open_checkpoint
from engines.family import Family
from engines.training import Recipe, RecipeError, Trainer, descend, told

Axes = Mapping[str, Sequence[Sequence[str]]]
"""Weight -> per axis, from the first, the groups of channels that lie along it, in their order.
Axes that are not named are as long in student and teacher."""

_LOSSES = {
    "pixel": 1.0,  # mean absolute difference in [-1, 1]
    "slope": 1.0,  # the same of the differences between neighbouring pixels
}


def slim(
    teacher: Mapping[str, Tensor],
    axes: Axes,
    wide: Mapping[str, int],
    narrow: Mapping[str, int],
    turned: Collection[str] = (),
) -> dict[str, Tensor]:
    """The teacher's weights, of every group of channels its strongest. A channel is as strong as
    the weights that read it: norms make its own scale meaningless.

    wide, narrow  how many channels a group has in the teacher and in the student
    turned        weights of transposed convolutions, which read along their first axis
    """
    strength = {group: torch.zeros(count) for group, count in wide.items()}
    for name, along in axes.items():
        reads = int(name not in turned)
        if len(along) > reads and along[reads] and teacher[name].dim() > 2:
            squares = teacher[name].float().transpose(0, reads).flatten(1).square().sum(1)
            for group, part in zip(along[reads], squares.split([wide[g] for g in along[reads]])):
                strength[group] += part
    kept = {
        group: found.topk(narrow[group]).indices.sort().values for group, found in strength.items()
    }
    slimmed = dict(teacher)
    for name, along in axes.items():
        for axis, groups in enumerate(along):
            starts = torch.tensor([0] + [wide[g] for g in groups[:-1]]).cumsum(0).tolist()
            if groups:
                places = torch.cat([kept[g] + start for g, start in zip(groups, starts)])
                slimmed[name] = slimmed[name].index_select(axis, places)
    return slimmed


def open_teacher(recipe: Recipe, family: Family) -> tuple[Any, nn.Module]:
    """The network of the recipe's file "teacher" with its config, in eval mode and frozen. Raises
    RecipeError or CheckpointError."""
    if "teacher" not in recipe.files:
        raise RecipeError("The recipe names no file teacher, which the student learns from.")
    path = Path(recipe.files["teacher"])
    opened = open_checkpoint(path)
    config = family.recognise(opened)
    if config is None:
        raise RecipeError(f"{path.name} does not hold a network of the family {family.id}.")
    module, _ = family.load(config, opened)
    return config, module.eval().requires_grad_(False)


def widths_of(recipe: Recipe, wide: Sequence[int]) -> tuple[int, ...]:
    """The widths of a student whose recipe tells no more of its network, as many as the teacher's.
    Raises RecipeError."""
    narrow = tuple(told({"widths": wide}, recipe.network)["widths"])
    if len(narrow) != len(wide):
        raise RecipeError(f"The teacher has {len(wide)} widths, not {len(narrow)}.")
    return narrow


class DistilTrainer(Trainer):
    """What a family's trainer of students derives from: it sets recipe, teacher and student.

    [losses]  weights: pixel, slope

    places  in how many of a period of its grid, drawn by chance, the teacher sees the first of a
            pass's arguments; 0: where it is
    even    keep the student's transposed convolutions even (layers.even_doublings)
    """

    nets = ("student",)
    averaged = ("student",)
    teacher: nn.Module
    student: nn.Module
    places, period, even = 0, 1, False

    def pair(self, recipe: Recipe, teacher: nn.Module, student: nn.Module) -> None:
        self.recipe, self.teacher, self.student = recipe, teacher, student
        self.weights = told(_LOSSES, recipe.losses)
        self.optimisers = {"student": torch.optim.Adam(student.parameters(), 2e-4, (0.9, 0.99))}

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        """The arguments of every pass of teacher and student that a step compares."""
        raise NotImplementedError

    def answer(self, arguments: tuple[Any, ...], noise: torch.Generator) -> Tensor:
        """What the student is to learn from the teacher about one pass; without gradients."""
        if not self.places:
            return self.teacher(*arguments).float()
        given, *others = arguments
        return everywhere(
            lambda moved: self.teacher(moved, *others), given, self.period, self.places, noise
        )

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        pairs = []
        self.teacher.to(noise.device)
        for arguments in self.asked(batch, noise):
            with torch.no_grad():
                wanted = self.answer(arguments, noise)
            pairs.append((self.student(*arguments).float(), wanted))
        parts = {
            "pixel": torch.stack([(made - wanted).abs().mean() for made, wanted in pairs]).mean(),
            "slope": torch.stack([_slopes(made - wanted) for made, wanted in pairs]).mean(),
        }
        loss = torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["student"])
        if self.even:
            layers.even_doublings(self.student)
        return {name: part.detach() for name, part in parts.items()}

    def learnt(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The student's weights as they are written."""
        if self.even:  # of what the training began with some is left in the average
            layers.even_doublings(averages["student"])
        return averages["student"].state_dict()


def _slopes(off: Tensor) -> Tensor:
    across, down = off[..., 1:] - off[..., :-1], off[..., 1:, :] - off[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def begin(
    student: nn.Module,
    teacher: nn.Module,
    axes: Axes,
    wide: Mapping[str, int],
    narrow: Mapping[str, int],
    turned: Collection[str] = (),
) -> None:
    """Give the student the teacher's strongest channels. Raises RecipeError where the student is
    not a narrower teacher."""
    if wider := [group for group in wide if narrow[group] > wide[group]]:
        raise RecipeError(f"The student has more channels than its teacher ({wider[0]}).")
    student.load_state_dict(slim(teacher.state_dict(), axes, wide, narrow, turned))


def everywhere(
    paint: Callable[[Tensor], Tensor],
    given: Tensor,
    period: int,
    places: int,
    noise: torch.Generator,
) -> Tensor:
    """The mean of what is painted of pictures (N, C, H, W) that lie in `places` places of a grid of
    that period, drawn by chance; as they lie, (N, 3, H, W). Sides are multiples of the period."""
    wide = F.pad(given, (period, period, period, period), mode="reflect")
    height, width = given.shape[2:]
    seen = []
    for _ in range(places):
        down, right = (layers.uniform((2,), noise) * period).long().tolist()
        moved = wide[:, :, down : down + height + period, right : right + width + period]
        made = paint(moved).float()[:, :, period - down :, period - right :]
        seen.append(made[:, :, :height, :width])
    return torch.stack(seen).mean(0)
