"""A face-ageing net that learns from pairs of portraits (engines/facepairs.py) instead of a
discriminator."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from engines import taught
from engines.facepairs import FacePairs
from engines.families.ageing.train import AgeingTrainer
from engines.training import Recipe, descend


class AgeingPupil(AgeingTrainer):
    """[losses]  reconstruction: of photos redrawn; aged: of what changes with the age; class: of
    the age that a critic is to see in it; prior as in AgeingTrainer. The others weigh nothing
    here."""

    nets = ("generator", "encoder", "critic")
    averaged = ("generator", "encoder")

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        super().__init__(recipe, data)
        self.optimisers = {part: self.optimisers[part] for part in self.averaged}
        del self.discriminator
        self.critic, self.optimisers["critic"] = taught.critic(len(data.attributes))
        self.generator.drop.p = 0.0  # the change between two pictures is learned, not its noise

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """The pairs of a known age."""
        aged = batch["labels"].sum(1) == 1
        return {name: found[aged] for name, found in batch.items()}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        own, wanted = taught.values(batch)
        code, ages = (found.float() for found in self.encoder(photo))
        plain, made = (self._draw(code, label) for label in (own, wanted))
        off = taught.losses(photo, batch["aim"], plain, made)
        parts = {
            "reconstruction": off["plain"],
            "aged": off["edit"],
            "prior": code.mean(0).square().mean() + (code.std(0) - 1).square().mean(),
        }
        if self.config.reader:
            parts["reader"] = F.cross_entropy(ages, own.clamp(0, 1))
        found = {}
        if self.losses["class"]:
            critic = self.critic, self.optimisers["critic"]
            edited = photo + made - plain
            found["critic"], parts["class"] = taught.judged(fabric, *critic, edited, batch, noise)
        weights = {"reader": 1.0, **self.losses}
        total = torch.stack([float(weights[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, *(self.optimisers[part] for part in self.averaged))
        return found | {name: part.detach() for name, part in parts.items()}
