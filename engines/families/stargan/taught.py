"""A StarGAN generator that learns from pairs of portraits (engines/facepairs.py) instead of a
discriminator, with the labeller that travels with it. For sets of a few hundred photos, on which a
discriminator of Choi et al. 2018 lets paint pass for hair; what it learns can be a start for
families.stargan.train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import taught
from engines.facepairs import FacePairs
from engines.families.stargan.net import Generator, begin
from engines.families.stargan.train import StarGANTrainer
from engines.recogniser import Recogniser, varied
from engines.training import Recipe, descend, seed_dropout, told

CRITIC = (96, 96)  # height and width of what the critic sees


class StarGANPupil(StarGANTrainer):
    """One step teaches the labeller and a critic the labels of real photos, and the generator what
    pairs show and what the critic is to see of it: pairs alone teach the mean of what a label may
    look like, which is faint. The critic, a classifier that sees everything varied, stands where
    the class head of the paper's discriminator does (equation 3)."""

    nets = ("generator", "labeller", "critic")
    averaged = ("generator", "labeller")

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        losses = told({"class": 0.02, "decay": 0.05}, recipe.losses)
        super().__init__(replace(recipe, losses={}), data)
        self.recipe, self.losses = recipe, losses
        self.nets, self.averaged = type(self).nets, type(self).averaged
        del self.discriminator
        self.config = replace(self.config, adds=True)
        self.generator = Generator(self.config)
        begin(self.generator)
        self.critic = Recogniser(len(self.config.labels))
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 1e-3, (0.9, 0.99)),
            **{n: self._decaying(getattr(self, n)) for n in ("labeller", "critic")},
        }

    def _decaying(self, net: nn.Module) -> torch.optim.Optimizer:
        decayed = {"params": net.parameters(), "weight_decay": self.losses["decay"]}
        return torch.optim.AdamW([decayed], 1e-3, (0.9, 0.99))

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo, aim, change = batch["photo"], batch["aim"], batch["change"]
        real = torch.where(batch["back"][:, None, None, None], aim, photo)
        found = self._teach(fabric, "labeller", varied(real, noise), batch, noise)
        target = self._filled(real, batch["labels"], batch["known"]) + change
        made = self.generator(photo, target).float()
        parts = {"edit": taught.edit(photo, aim, made)}
        loss = parts["edit"]
        if weight := float(self.losses["class"]):
            found |= self._teach(fabric, "critic", self._seen(real, noise), batch, noise)
            said = self.critic(self._seen(made, noise)).float()
            changed = (change - batch["from"]).ne(0).float()
            parts["class"] = self._asked(said, target, changed)
            loss = loss + weight * parts["class"]
        descend(fabric, loss, self.optimisers["generator"])
        return found | {name: part.detach() for name, part in parts.items()}

    def _seen(self, photo: Tensor, noise: torch.Generator) -> Tensor:
        return varied(F.interpolate(photo, CRITIC, mode="bilinear", antialias=True), noise)

    def _teach(
        self,
        fabric: Fabric,
        name: str,
        photo: Tensor,
        batch: Mapping[str, Tensor],
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        net = getattr(self, name)
        seed_dropout(noise)
        net.train()
        loss = self._class_loss(net(photo), batch["labels"], batch["known"])
        descend(fabric, loss, self.optimisers[name])
        net.eval()
        return {name: loss.detach()}

    def _asked(self, said: Tensor, target: Tensor, changed: Tensor) -> Tensor:
        """The class loss of edits; of their labels (N, C) only those that changed count."""
        return F.binary_cross_entropy_with_logits(said, target, changed, reduction="sum") / len(
            said
        )
