"""A StarGAN generator that learns from pairs of portraits (engines/facepairs.py) instead of a
discriminator, with the labeller that travels with it. For sets of a few hundred photos, on which a
discriminator of Choi et al. 2018 lets paint pass for hair; what it learns can be a start for
families.stargan.train.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from engines import taught
from engines.facedata import LabelledFaces
from engines.facepairs import FacePairs
from engines.families.stargan.net import Generator, begin
from engines.families.stargan.train import StarGANTrainer
from engines.recogniser import varied
from engines.training import Recipe, descend, told

SEEN = 16  # portraits from which the labeller learns at each step
_LOSSES = {
    "decay": taught.DECAY,  # of the labeller's weights
    "class": 0.02,  # of what the critic is to see; see engines/taught.py
}


class StarGANPupil(StarGANTrainer):
    """One step teaches the labeller and a critic real photos, and the generator what pairs show and
    what the critic is to see of it."""

    nets = ("generator", "labeller", "critic")
    averaged = ("generator", "labeller")

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        losses = told(_LOSSES, recipe.losses)
        super().__init__(replace(recipe, losses={}), data)
        self.recipe, self.losses = recipe, losses
        self.nets, self.averaged = type(self).nets, type(self).averaged
        del self.discriminator
        self.config = replace(self.config, edits=True)
        self.generator = Generator(self.config)
        begin(self.generator)
        self.critic, optimiser = taught.critic(len(self.config.labels))
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 1e-3, (0.9, 0.99)),
            "labeller": taught.decaying(self.labeller, float(losses["decay"])),
            "critic": optimiser,
        }

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """With portraits for the labeller (`seen`, and their `seen_labels` and `seen_known`), as it
        needs to see more of them than there are pairs."""
        step = int(torch.randint(2**31, (1,), generator=noise))
        size = batch["photo"].shape[-1], batch["photo"].shape[-2]
        seen = LabelledFaces.batch(self.data, step, SEEN, size, rank=SEEN)
        names = {"photo": "seen", "labels": "seen_labels", "known": "seen_known"}
        return batch | {new: torch.from_numpy(seen[old]) for old, new in names.items()}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = batch["photo"]
        seen = varied(batch["seen"], noise), batch["seen_labels"], batch["seen_known"]
        labeller = self.labeller, self.optimisers["labeller"]
        found = {"labeller": taught.learn(fabric, *labeller, *seen, noise)}
        made = self.generator(photo, batch["change"] - batch["from"]).float()
        parts = {"edit": taught.edit(photo, batch["aim"], made)}
        loss = parts["edit"]
        if weight := float(self.losses["class"]):
            critic = self.critic, self.optimisers["critic"]
            found["critic"], parts["class"] = taught.judged(fabric, *critic, made, batch, noise)
            loss = loss + weight * parts["class"]
        descend(fabric, loss, self.optimisers["generator"])
        return found | {name: part.detach() for name, part in parts.items()}
