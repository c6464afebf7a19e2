"""Training the face-ageing cGAN (Antipov et al. 2017): a GAN told an age group, and its encoder.

The paper trains the encoder afterwards, on a hundred thousand drawn faces, and searches the code of
each real face; the widespread code trains encoder and generator on until the embedding of a drawn
face is that of the real one. Here all nets learn side by side; what goes beyond the paper weighs
nothing unless the recipe's [losses] asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import embedder, layers, redraw
from engines.facedata import LabelledFaces
from engines.families.ageing import UTK
from engines.families.ageing import config as configs
from engines.families.ageing.config import Config
from engines.families.ageing.net import Discriminator, Encoder, Generator
from engines.job import Picture
from engines.layers import moved
from engines.training import Recipe, RecipeError, Trainer, descend, names, seed_dropout, sheet, told

_NETWORK: dict[str, Any] = {
    "groups": configs.GROUPS,  # as a person reads them, one for each attribute of the data
    "z": 100,
    "width": 32,
    "hidden": 4096,
    "dense": 2048,
    "maps": 256,
    "levels": 4,
    "reader": False,
    "discriminator_width": 64,
}
_LOSSES: dict[str, Any] = {
    "gan": 1.0,
    "encoder": 1.0,  # Euclidean distance of codes of drawn pictures, as in the paper
    "real": 0.9,  # what the critic is told of real photos, as in the widespread code
    "identity": 0.0,  # distance of embeddings of real faces and what both make of them
    "reconstruction": 0.0,  # mean absolute difference of the same
    "aged": 0.0,  # the critic also judges real faces at other ages, and who they are is kept
    "age": 0.0,  # what is drawn looks its age to the reader
    "prior": 0.0,  # codes of real photos keep mean zero and spread one
    "moved": 0.0,  # share of the side by which the critic's pictures are moved at random
}


class AgeingTrainer(Trainer):
    """One step updates the discriminator, then generator and encoder at once. Photos of an age that
    nobody told are left out. All learn at the stage's rate (the widespread code: 2e-4, its encoder
    1e-3)."""

    nets = ("generator", "discriminator", "encoder")
    averaged = ("generator", "encoder")

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        groups = names(network["groups"], data.attributes, "age groups")
        self.config = Config(
            groups, *(network[n] for n in ("z", "width", "hidden", "dense", "maps", "levels")),
            reader=network["reader"],
        )  # fmt: skip
        if self.losses["age"] and not self.config.reader:
            raise RecipeError("The loss “age” needs a net with a reader.")
        self.person = embedder.installed() if self.losses["identity"] else None
        if self.losses["identity"] and self.person is None:
            raise RecipeError("The loss “identity” needs the face embedder; train that first.")
        self.generator, self.encoder = Generator(self.config), Encoder(self.config)
        self.discriminator = Discriminator(
            len(groups), self.config.size, network["discriminator_width"], self.config.levels
        )
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999)),
            "encoder": torch.optim.Adam(self.encoder.parameters(), 2e-4),
        }

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """The photos of a known age."""
        aged = batch["labels"].sum(1) == 1
        return {name: batch[name][aged] for name in ("photo", "labels")}

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        seed_dropout(noise)  # its dropout
        real = batch["photo"].contiguous(memory_format=torch.channels_last)
        label = batch["labels"]
        other = label[layers.uniform(len(label), noise).argsort()]
        z = layers.normal((len(label), self.config.z), noise)
        drawn = {"free": self._draw(z, other)}
        code, ages = (found.float() for found in self.encoder(real))
        if self.losses["reconstruction"] or self.losses["identity"]:
            drawn["same"] = self._draw(code, label)
        if self.losses["aged"]:
            drawn["aged"] = self._draw(code, other)
        found = self._discriminate(fabric, real, label, other, drawn, noise)
        parts = self._judged(drawn, other, noise)
        again = self.encoder(drawn["free"].detach())[0].float()
        parts["encoder"] = (again - z).square().sum(1).add(1e-8).sqrt().mean()
        parts |= self._kept(real, drawn, code)
        if self.config.reader:
            parts["reader"] = F.cross_entropy(ages, label.argmax(1))
        weights = {"reader": 1.0, **self.losses}
        total = torch.stack([float(weights[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, self.optimisers["generator"], self.optimisers["encoder"])
        return found | {name: part.detach() for name, part in parts.items()}

    def _draw(self, code: Tensor, label: Tensor) -> Tensor:
        return self.generator(torch.cat((code, label), 1)).float()

    def _discriminate(
        self,
        fabric: Fabric,
        real: Tensor,
        label: Tensor,
        other: Tensor,
        drawn: Mapping[str, Tensor],
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        fakes = [made.detach() for name, made in drawn.items() if name != "same"]
        seen = moved(torch.cat([real, *fakes]), self.losses["moved"], noise)
        scores = self.discriminator(seen, torch.cat([label] + [other] * len(fakes))).float()
        right, wrong = scores[: len(real)], scores[len(real) :]
        goal = torch.full_like(right, float(self.losses["real"]))
        losses = {
            "D_real": F.binary_cross_entropy_with_logits(right, goal),
            "D_fake": F.softplus(wrong).mean(),
        }
        loss = (losses["D_real"] + losses["D_fake"]) / 2
        descend(fabric, loss, self.optimisers["discriminator"])
        return {name: loss.detach() for name, loss in losses.items()}

    def _judged(
        self, drawn: Mapping[str, Tensor], other: Tensor, noise: torch.Generator
    ) -> dict[str, Tensor]:
        """What the critic and the reader of ages say of drawn faces; neither learns from it."""
        judged = {"gan": drawn["free"]} | ({"aged": drawn["aged"]} if "aged" in drawn else {})
        for judge in (self.discriminator, self.encoder):
            judge.requires_grad_(False)
        seen = moved(torch.cat(list(judged.values())), self.losses["moved"], noise)
        scores = self.discriminator(seen, torch.cat([other] * len(judged))).float()
        said = F.softplus(-scores).view(len(judged), -1).mean(1)
        parts = dict(zip(judged, said))
        if self.losses["age"]:
            self.encoder.eval()
            ages = self.encoder(list(judged.values())[-1])[1].float()
            parts["age"] = F.cross_entropy(ages, other.argmax(1))
            self.encoder.train()
        for judge in (self.discriminator, self.encoder):
            judge.requires_grad_(True)
        return parts

    def _kept(self, real: Tensor, drawn: Mapping[str, Tensor], code: Tensor) -> dict[str, Tensor]:
        """How much of a real face is left in what is drawn of its code."""
        if "same" not in drawn:
            return {}
        parts = {"reconstruction": (drawn["same"] - real).abs().mean()}
        parts["prior"] = code.mean(0).square().mean() + (code.std(0) - 1).square().mean()
        if self.person is not None:
            template = redraw.scaled(UTK, self.config.size)
            self.person.to(real.device)
            wanted = self.person.of(real, template).detach()
            faces = [drawn[name] for name in ("same", "aged") if name in drawn]
            far = [embedder.distance(self.person.of(x, template), wanted).mean() for x in faces]
            parts["identity"] = torch.stack(far).mean()
        return parts

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos, what is drawn of them at each age group, and six faces of nobody."""
        encode, draw = averages["encoder"], averages["generator"]
        device = next(draw.parameters()).device
        raw = self.data.batch(0xFFFF, 6, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(device)
        count = len(self.config.groups)
        with torch.inference_mode():
            code = encode(photo)[0].float()
            labels = torch.eye(count, device=device)
            rows = [draw(torch.cat((code, label.expand(6, -1)), 1)) for label in labels]
            free = torch.randn(code.shape, generator=torch.Generator().manual_seed(1)).to(code)
            rows.append(draw(torch.cat((free, labels[torch.arange(6) % count]), 1)))
        return sheet([photo, *rows])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, self.joined(averages), "aging", self.config, half)
