"""Both generators of a CycleGAN, small ones that learn from larger ones; see engines/distil.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines.distil import DistilTrainer, begin, open_teacher
from engines.families.cyclegan import CycleGAN as Family
from engines.families.cyclegan.config import Config, JudgeConfig
from engines.families.cyclegan.net import CycleGAN
from engines.families.cyclegan.train import Judges, judge_loss, signed
from engines.job import Picture
from engines.layers import init_weights
from engines.residual import ResNetConfig, axes, groups, turned
from engines.training import Recipe, RecipeError, descend, sheet, told
from engines.unpaireddata import SAMPLES, UnpairedPhotos


class CycleGANDistiller(DistilTrainer):
    """[network]  width of both generators; the rest is the teacher's; places: in how many of a
    period of its grid, drawn by chance, the teacher sees each photo (0: where it is); even: keep
    the student's transposed convolutions even (layers.even_doublings); judge_width: of the
    discriminators. Those of the teacher, which are kept where it is 0, learned to know the
    teacher's pictures; others learn along to tell real pictures of their side from real ones of the
    other, and so say how far a translation has come.
    """

    def __init__(self, recipe: Recipe, data: UnpairedPhotos) -> None:
        config, teacher = open_teacher(recipe, Family())
        assert isinstance(config, Config)
        ab, ba = config.ab, config.ba
        if not isinstance(ab, ResNetConfig) or not isinstance(ba, ResNetConfig):
            raise RecipeError("The teacher is not two residual networks.")
        network = {"width": ab.width, "places": 0, "even": False, "judge_width": 0}
        asked = told(network, recipe.network)
        width, self.places, self.even = asked["width"], int(asked["places"]), bool(asked["even"])
        self.period = 2 ** max(ab.downs, ba.downs)
        self.data = data
        self.config = replace(config, ab=replace(ab, width=width), ba=replace(ba, width=width))
        if asked["judge_width"]:
            side = JudgeConfig(width=int(asked["judge_width"]))
            self.config = replace(self.config, judge_a=side, judge_b=side)
        student = CycleGAN(replace(self.config, judge_a=None, judge_b=None))
        for part, (wide, narrow) in {
            "ab": (ab, self.config.ab),
            "ba": (ba, self.config.ba),
        }.items():
            assert isinstance(narrow, ResNetConfig)
            nets = student.get_submodule(part), teacher.get_submodule(part)
            begin(*nets, axes(wide), groups(wide), groups(narrow), turned(wide))
        self.pair(recipe, teacher, student)
        if asked["judge_width"]:
            self.nets = self.averaged = ("student", "judges")
            self.judges = Judges(self.config)
            init_weights(self.judges)
            self.optimisers["judges"] = torch.optim.Adam(
                self.judges.parameters(), 2e-4, (0.5, 0.999)
            )

    def asked(self, batch: Mapping[str, Tensor], noise: torch.Generator) -> list[tuple[Any, ...]]:
        return [(signed(batch["a"]), "ab"), (signed(batch["b"]), "ba")]

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        found = super().step(fabric, batch, noise)
        if "judges" in self.nets:
            found["judges"] = self.teach_judges(fabric, batch)
        return found

    def teach_judges(self, fabric: Fabric, batch: Mapping[str, Tensor]) -> Tensor:
        """One step of the discriminators on real pictures; their loss."""
        a, b = signed(batch["a"]), signed(batch["b"])
        scores = self.judges(torch.cat((a, b)), torch.cat((b, a)))
        loss = torch.stack([judge_loss(score.float()) for score in scores]).sum()
        descend(fabric, loss, self.optimisers["judges"])
        return loss.detach()

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: pictures of A, the teacher's and the student's of B; then of B, of A."""
        device = next(self.student.parameters()).device
        raw = self.data.batch(SAMPLES, min(6, len(self.data)), self.recipe.stages[-1].size, rank=99)
        rows: list[Tensor] = []
        for name, part in (("a", "ab"), ("b", "ba")):
            given = signed(torch.from_numpy(raw[name]).to(device))
            with torch.inference_mode():
                made = [net(given, part) for net in (self.teacher, averages["student"])]
            rows += [given, *made]
        return sheet(rows)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        judges = averages.get("judges", self.teacher).state_dict()
        judges = {k: v for k, v in judges.items() if k.startswith("judge")}
        state = judges | self.learnt(averages)
        self.write(path, state, "cyclegan", self.config, half)
