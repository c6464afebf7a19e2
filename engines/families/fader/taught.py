"""A Fader network that learns from pairs of portraits (engines/facepairs.py). The pairs say what
the decoder is to make of an attribute, so that nothing needs to be kept out of the code."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from engines import taught
from engines.facepairs import FacePairs
from engines.families.fader.train import FaderTrainer
from engines.training import Recipe


class FaderPupil(FaderTrainer):
    """[losses]  reconstruction: of photos redrawn; edited: of what changes with the labels; class:
    of the labels that a critic is to see in it; clip as in FaderTrainer. The others weigh nothing
    here."""

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        super().__init__(recipe, data)
        for name in self.nets[1:]:
            delattr(self, name)
        self.nets = ("autoencoder", "critic")
        self.critic, optimiser = taught.critic(len(data.attributes))
        self.optimisers = {"autoencoder": self.optimisers["autoencoder"], "critic": optimiser}

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        return batch

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        self.autoencoder.train()
        features = self.autoencoder(photo)
        plain, made = (self._decode(features, v) for v in taught.values(batch))
        off = taught.losses(photo, batch["aim"], plain, made)
        parts = {"reconstruction": off["plain"], "edited": off["edit"]}
        found = {}
        if self.losses["class"]:
            critic = self.critic, self.optimisers["critic"]
            edited = photo + made - plain
            found["critic"], parts["class"] = taught.judged(fabric, *critic, edited, batch, noise)
        total = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        self._update(fabric, "autoencoder", total)
        return found | {name: part.detach() for name, part in parts.items()}
