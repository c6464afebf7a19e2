"""A GeneGAN that learns from portraits in each other's spectacles (engines/faceswaps.py) instead of
critics."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from engines import taught
from engines.faceswaps import FaceSwaps
from engines.families.genegan.train import GeneGANTrainer, decay
from engines.training import Recipe, descend


class GeneGANPupil(GeneGANTrainer):
    """[losses]  cycle: of photos drawn again from their own parts; gan: of those with an object
    that was taken off, put on, or handed over; nothing and decay as in GeneGANTrainer. The others
    weigh nothing here."""

    nets = averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: FaceSwaps) -> None:
        super().__init__(recipe, data)
        self.optimisers = {"generator": torch.optim.Adam(self.generator.parameters(), 1e-3)}
        del self.critic_with, self.critic_without

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        return batch

    def turn(self) -> bool:
        return False

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        self.generator.train()
        ax, be = (
            batch[n].contiguous(memory_format=torch.channels_last) for n in ("with", "without")
        )
        face, thing = self.generator(torch.cat((ax, be)))
        (a, b), (x, e) = face.chunk(2), thing.chunk(2)
        nothing = torch.zeros_like(x)
        neighbour = torch.arange(len(b), device=b.device) ^ 1
        drawn = self.generator(
            torch.cat((a, b, b, a, b, b[neighbour])), torch.cat((x, e, nothing, nothing, x, x))
        ).float()
        again, same, bare, off, on, handed = drawn.chunk(6)
        told = batch["swaps"][:, None, None, None]
        parts = {
            "cycle": taught.off(again, ax) + taught.off(same, be) + taught.off(bare, be),
            "gan": taught.edit(ax, be, off)
            + taught.edit(be, ax, on)
            + taught.edit(be[neighbour] * told, batch["other"] * told, handed * told),
            "nothing": e.float().abs().mean(),
        }
        total = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        total = total + float(self.losses["decay"]) * decay(self.generator)
        descend(fabric, total, self.optimisers["generator"])
        return {name: part.detach() for name, part in parts.items()}
