"""An IcGAN that learns from pairs of portraits (engines/facepairs.py), without a discriminator."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from engines import taught
from engines.facepairs import FacePairs
from engines.families.icgan.config import PARTS
from engines.families.icgan.train import IcGANTrainer
from engines.training import Recipe, descend


class IcGANPupil(IcGANTrainer):
    """[losses]  reconstruction: of photos redrawn; edited: of what changes with the labels; class:
    of the labels that a critic is to see in it; y and prior as in IcGANTrainer. The others weigh
    nothing here."""

    nets = (*PARTS, "critic")
    averaged = PARTS

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        super().__init__(recipe, data)
        del self.discriminator
        self.critic, optimiser = taught.critic(len(data.attributes))
        kept = {part: self.optimisers[part] for part in PARTS}
        self.optimisers = {**kept, "critic": optimiser}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        own, wanted = (2 * v - 1 for v in taught.values(batch))
        code, said = self.encoder_z(photo).float(), self.encoder_y(photo).float()
        plain, made = (self.generator(torch.cat((code, y), 1)).float() for y in (own, wanted))
        drawn = taught.losses(photo, batch["aim"], plain, made)
        parts = {
            "reconstruction": drawn["plain"],
            "edited": drawn["edit"],
            "y": ((said - own).square() * batch["known"]).sum() / batch["known"].sum().clamp(min=1),
            "prior": code.mean(0).square().mean() + (code.std(0) - 1).square().mean(),
        }
        found = {}
        if self.losses["class"]:
            critic = self.critic, self.optimisers["critic"]
            edited = photo + made - plain
            found["critic"], parts["class"] = taught.judged(fabric, *critic, edited, batch, noise)
        total = torch.stack([float(self.losses[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, *(self.optimisers[part] for part in PARTS))
        return found | {name: part.detach() for name, part in parts.items()}
