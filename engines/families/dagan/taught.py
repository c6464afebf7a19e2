"""A DA-GAN that learns from pairs of portraits (engines/facepairs.py) what the attended region is
to become; see families/dagan/train.py for what it learns beside that."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from engines import layers, taught
from engines.facepairs import FacePairs
from engines.families.dagan.train import DAGANTrainer
from engines.training import Recipe


class DAGANPupil(DAGANTrainer):
    """Sources are the pictures of a pair without the attribute, targets those with it. [losses]
    identity: of s' and the other picture of its pair; reconstruction: of t' and t; extent: how far
    the region is from where the pictures of a pair differ; critic: of the attribute that a critic
    is to see in s'. The others as in DAGANTrainer."""

    nets = (*DAGANTrainer.nets, "critic")

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        super().__init__(recipe, data)
        self.critic, self.optimisers["critic"] = taught.critic(1)

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """Pairs that differ wholly, the sources before the targets; and the real photos."""
        change = (batch["change"] - batch["from"])[:, 0]
        pairs = change.abs() > 0.5
        if pairs.sum() < 2:
            return {"photo": batch["photo"][:0]}
        turned = (change[pairs] < 0)[:, None, None, None]
        photo, aim = batch["photo"][pairs], batch["aim"][pairs]
        source, target = torch.where(turned, aim, photo), torch.where(turned, photo, aim)
        real = {name: batch[name] for name in ("labels", "known")} | {"real": taught.real(batch)}
        return {"photo": torch.cat((source, target)), **real}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        found = {}
        if len(batch["photo"]) and self.losses["critic"]:
            critic = self.critic, self.optimisers["critic"]
            real = taught.seen(batch["real"], noise), batch["labels"], batch["known"]
            found["critic"] = taught.learn(fabric, *critic, *real, noise)
        return found | super().step(fabric, batch, noise)

    def _told_by_judges(
        self, drawn: Tensor, mask: Tensor, sources: int, noise: torch.Generator
    ) -> dict[str, Tensor]:
        told = super()._told_by_judges(drawn, mask, sources, noise)
        if self.losses["critic"]:
            said = self.critic(taught.seen(drawn[:sources], noise)).float()
            told["critic"] = F.softplus(-said).mean()
        return told

    def _kept(
        self, photo: Tensor, drawn: Tensor, seen: Mapping[str, Tensor], sources: int
    ) -> dict[str, Tensor]:
        source, target = photo[:sources], photo[sources:]
        where = layers.differing(source, target, 0.3)
        parts = super()._kept(photo, drawn, seen, sources)
        weight = 1 + taught.CHANGED * where
        parts["identity"] = taught.off(drawn[:sources], target, weight)
        parts["reconstruction"] = taught.off(drawn[sources:], target)
        parts["extent"] = (seen["mask"] - torch.cat((where, where))).abs().mean()
        return parts
