"""A StarGAN generator that learns from pairs of portraits (engines/facepairs.py) instead of a
discriminator, with the labeller that travels with it. For sets of a few hundred photos, on which a
discriminator of Choi et al. 2018 lets paint pass for hair; what it learns can be a start for
families.stargan.train.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines import taught
from engines.facepairs import FacePairs
from engines.families.stargan import config as configs
from engines.families.stargan.config import Config
from engines.families.stargan.net import Generator, Labeller, begin, class_loss
from engines.job import Picture
from engines.training import Recipe, Trainer, descend, names, seed_dropout, sheet, told

_NETWORK: dict[str, Any] = {
    "labels": (),  # as a person reads them, one for each attribute of the data
    "width": 64,
    "blocks": 6,
    "template": "own",
    "labeller": (20, 40, 64, 96),
}
_LOSSES = {"decay": 0.05}  # of the labeller's weights


class StarGANPupil(Trainer):
    """One step teaches the labeller the real photos, and the generator what pairs show. Labels that
    nobody gave are the labeller's opinion."""

    nets = averaged = ("generator", "labeller")

    def __init__(self, recipe: Recipe, data: FacePairs) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        labels = names(network["labels"], data.attributes)
        self.config = Config(
            labels,
            network["width"],
            network["blocks"],
            size=recipe.stages[-1].size[0],
            labeller=tuple(network["labeller"]),
            template=network["template"],
            adds=True,
        )
        self.parts = configs.parts(self.config)
        self.generator = Generator(self.config)
        begin(self.generator)
        self.labeller = Labeller(self.config.labeller, len(labels))
        decayed = {"params": self.labeller.parameters(), "weight_decay": self.losses["decay"]}
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 1e-3, (0.9, 0.99)),
            "labeller": torch.optim.AdamW([decayed], 1e-3, (0.9, 0.99)),
        }

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo, aim = batch["photo"], batch["aim"]
        labels, known = batch["labels"], batch["known"]
        real = torch.where(batch["back"][:, None, None, None], aim, photo)
        seed_dropout(noise)
        self.labeller.train()
        logits = self.labeller(real).float()
        terms = [
            class_loss(logits[:, part], labels[:, part], exclusive, known[:, part])
            for part, exclusive in self.parts
        ]
        named = torch.stack(terms).sum()
        descend(fabric, named, self.optimisers["labeller"])
        self.labeller.eval()
        with torch.no_grad():
            opinion = (self.labeller(real).float() > 0).float()
        target = torch.where(known > 0, labels, opinion) + batch["change"]
        edit = taught.edit(photo, aim, self.generator(photo, target).float())
        descend(fabric, edit, self.optimisers["generator"])
        return {"labeller": named.detach(), "edit": edit.detach()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos, the same with their own labels, then every target of each."""
        generator = averages["generator"]
        device = next(generator.parameters()).device
        raw = self.data.batch(0xFFFF, 6, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(device)
        with torch.inference_mode():
            logits = averages["labeller"](photo).float().tolist()
            own = [configs.shown(self.config, row) for row in logits]
            wanted = [configs.all_targets(self.config, row) for row in own]
            rows = [photo]
            for column in (own, *zip(*wanted)):
                rows.append(generator(photo, photo.new_tensor(column)).float())
        return sheet(rows)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        state = {
            f"{name}.{key}": value
            for name in self.averaged
            for key, value in averages[name].state_dict().items()
        }
        self.write(path, state, "stargan", self.config, half)
