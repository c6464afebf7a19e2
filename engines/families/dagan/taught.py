"""A DA-GAN that learns from pairs of portraits (engines/facepairs.py) what the attended region is
to become; see families/dagan/train.py for what it learns beside that."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engines import layers, taught
from engines.families.dagan.train import DAGANTrainer


class DAGANPupil(DAGANTrainer):
    """Sources are the pictures of a pair without the attribute, targets those with it. [losses]
    identity: of s' and the other picture of its pair; reconstruction: of t' and t; extent: how far
    the region is from where the pictures of a pair differ. The others as in DAGANTrainer."""

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """Pairs that differ wholly, the sources before the targets."""
        change = (batch["change"] - batch["from"])[:, 0]
        pairs = change.abs() > 0.5
        if pairs.sum() < 2:
            return {"photo": batch["photo"][:0]}
        turned = (change[pairs] < 0)[:, None, None, None]
        photo, aim = batch["photo"][pairs], batch["aim"][pairs]
        source, target = torch.where(turned, aim, photo), torch.where(turned, photo, aim)
        return {"photo": torch.cat((source, target))}

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
