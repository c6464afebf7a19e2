"""Training IcGAN (Perarnau et al. 2016): a conditional GAN, and the two encoders that invert it.

The paper trains the encoders after the GAN; here all nets learn side by side. What goes beyond the
paper has weights of its own in the recipe's [losses], zero unless it asks for it: reconstruction of
real photos, an adversary for edited ones, and the encoder's opinion of what was drawn. A thousand
portraits are too few for the paper's losses alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.facedata import LabelledFaces
from engines.families.icgan import config as configs
from engines.families.icgan.config import PARTS, Config
from engines.families.icgan.net import Discriminator, IcGAN
from engines.job import Picture
from engines.layers import init_weights, moved
from engines.training import Recipe, Trainer, descend, names, sheet, told

_NETWORK: dict[str, Any] = {
    "labels": (),  # as a person reads them, one for each attribute of the data
    "z": 100,
    "width": 64,
    "encoder": 32,
    "hidden": (4096, 512),
    "levels": 4,
    "face": "celeba",
    "discriminator_width": 64,
}
_LOSSES: dict[str, Any] = {
    "gan": 1.0,
    "z": 1.0,  # of the encoder on generated pictures, as in the paper
    "y": 1.0,  # of the encoder on real ones, as in the paper
    "reconstruction": 0.0,  # mean absolute difference of real photos and what both make of them
    "edited": 0.0,  # the adversary also judges real photos with other attributes
    "label": 0.0,  # what is drawn shows what was asked for, as the encoder sees it
    "prior": 0.0,  # codes of real photos keep mean zero and spread one
    "moved": 0.0,  # share of the side by which the adversary's pictures are moved at random
    "class": 0.0,  # of pairs alone; see families/icgan/taught.py
}


class IcGANTrainer(Trainer):
    """One step updates the discriminator, then generator and both encoders at once, all at the
    stage's rate (the paper: 2e-4, its encoders 1e-4)."""

    nets = (*PARTS, "discriminator")
    averaged = PARTS

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        labels = names(network["labels"], data.attributes)
        self.config = Config(
            labels,
            network["z"],
            network["width"],
            network["encoder"],
            tuple(network["hidden"]),
            network["levels"],
            network["face"],
        )
        net = IcGAN(self.config)
        init_weights(net)
        self.generator, self.encoder_z, self.encoder_y = (net.get_submodule(p) for p in PARTS)
        self.discriminator = Discriminator(
            len(labels), network["discriminator_width"], network["levels"]
        )
        init_weights(self.discriminator)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999)),
            "encoder_z": torch.optim.Adam(self.encoder_z.parameters(), 2e-4, (0.1, 0.999)),
            "encoder_y": torch.optim.AdamW(
                self.encoder_y.parameters(), 2e-4, (0.1, 0.999), weight_decay=0.05
            ),
        }

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        real = batch["photo"].contiguous(memory_format=torch.channels_last)
        said = self.encoder_y(real).float()
        y = torch.where(batch["known"] > 0, batch["labels"] * 2 - 1, said.detach().sign())
        other = y[layers.uniform(len(y), noise).argsort()]
        z = layers.normal((len(y), self.config.z), noise)
        fake = self.generator(torch.cat((z, other), 1)).float()
        code = edited = None
        if self.losses["reconstruction"] or self.losses["edited"]:
            code = self.encoder_z(real).float()
        if code is not None and self.losses["edited"]:
            edited = self.generator(torch.cat((code, other), 1)).float()
        found = self._discriminate(fabric, real, y, other, fake, edited, noise)
        parts = {
            "y": ((said - (batch["labels"] * 2 - 1)).square() * batch["known"]).sum()
            / batch["known"].sum().clamp(min=1),
            "z": F.mse_loss(self.encoder_z(fake.detach()).float(), z),
        }
        parts |= self._judged(fake, edited, other, noise)
        if code is not None:
            parts |= self._back(real, code, y)
        total = torch.stack([float(self.losses[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, *(self.optimisers[part] for part in PARTS))
        return found | {name: part.detach() for name, part in parts.items()}

    def _discriminate(
        self,
        fabric: Fabric,
        real: Tensor,
        y: Tensor,
        other: Tensor,
        fake: Tensor,
        edited: Tensor | None,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        """The paper's critic: a real photo with its labels is right, with others wrong, and so is
        what was drawn; both wrongs weigh half."""
        wrongs = [real, fake.detach()] + ([] if edited is None else [edited.detach()])
        seen = moved(torch.cat([real, *wrongs]), self.losses["moved"], noise)
        scores = self.discriminator(seen, torch.cat([y] + [other] * len(wrongs))).float()
        right, *rest = scores.chunk(1 + len(wrongs))
        same = (other == y).all(1)
        differs = (~same).to(right)
        mislabelled = F.softplus(rest[0]).view(len(right), -1).mean(1) * differs
        losses = {
            "D_real": F.softplus(-right).mean(),
            "D_label": mislabelled.sum() / differs.sum().clamp(min=1),
            "D_fake": torch.stack([F.softplus(score).mean() for score in rest[1:]]).mean(),
        }
        loss = (losses["D_real"] + 0.5 * losses["D_label"] + 0.5 * losses["D_fake"]) / 2
        descend(fabric, loss, self.optimisers["discriminator"])
        return {name: loss.detach() for name, loss in losses.items()}

    def _judged(
        self, fake: Tensor, edited: Tensor | None, other: Tensor, noise: torch.Generator
    ) -> dict[str, Tensor]:
        """What discriminator and label encoder say of drawn pictures; neither learns from it."""
        drawn = [fake] if edited is None else [fake, edited]
        judges = (self.discriminator, self.encoder_y)
        for judge in judges:
            judge.requires_grad_(False)
        labels = torch.cat([other] * len(drawn))
        scores = self.discriminator(
            moved(torch.cat(drawn), self.losses["moved"], noise), labels
        ).float()
        on_drawn = F.softplus(-scores).view(len(drawn), -1).mean(1)
        parts = {"gan": on_drawn[0]}
        if edited is not None:
            parts["edited"] = on_drawn[1]
        if self.losses["label"]:
            self.encoder_y.eval()
            parts["label"] = (self.encoder_y(drawn[-1]).float() - other).square().mean()
            self.encoder_y.train()
        for judge in judges:
            judge.requires_grad_(True)
        return parts

    def _back(self, real: Tensor, code: Tensor, y: Tensor) -> dict[str, Tensor]:
        again = self.generator(torch.cat((code, y), 1)).float()
        centre, spread = code.mean(0), code.std(0)
        return {
            "reconstruction": (again - real).abs().mean(),
            "prior": centre.square().mean() + (spread - 1).square().mean(),
        }

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos, what is drawn of them, then with every attribute turned; last six faces
        of nobody."""
        device = next(averages["generator"].parameters()).device
        raw = self.data.batch(0xFFFF, 6, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(device)
        with torch.inference_mode():
            z, y = averages["encoder_z"](photo), averages["encoder_y"](photo)
            own = [configs.thresholded(row) for row in y.tolist()]
            wanted = [own] + [
                [configs.turned(self.config, row, i) for row in own]
                for i in range(len(self.config.labels))
            ]
            draw = averages["generator"]
            rows = [draw(torch.cat((z, z.new_tensor(told)), 1)) for told in wanted]
            free = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).to(z)
            rows.append(draw(torch.cat((free, z.new_tensor(own)), 1)))
        return sheet([photo, *rows])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, self.joined(averages), "icgan", self.config, half)
