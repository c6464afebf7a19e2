"""Training a face-ageing net that adds to the photo what it draws (`Config.adds`), on photos of
known age alone.

As the discriminator of Antipov et al. 2017 this one is told an age and says whether a photo is real
and of that age; real photos that are said to be of another age teach it to look at the age (Reed et
al. 2016, "Generative Adversarial Text to Image Synthesis"). Beside it stands a critic that reads
the age, as the class head of StarGAN's discriminator does (Choi et al. 2018). What is added is kept
small, nothing is to be added at the photo's own age, and the person is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import embedder, layers, redraw, taught
from engines.facedata import LabelledFaces
from engines.families.ageing import UTK
from engines.families.ageing import config as configs
from engines.families.ageing.config import Config
from engines.families.ageing.net import AgeCGAN, Discriminator, aged
from engines.job import Picture
from engines.training import Recipe, RecipeError, Trainer, descend, names, seed_dropout, sheet, told

_NETWORK: dict[str, Any] = {
    "groups": configs.GROUPS,  # as a person reads them, one for each attribute of the data
    "z": 32,
    "width": 16,
    "most": 64,
    "hidden": 64,
    "dense": 64,
    "maps": 24,
    "levels": 5,
    "discriminator_width": 32,
}
_LOSSES: dict[str, Any] = {
    "gan": 1.0,
    "class": 0.5,  # of the age that the critic is to see
    "change": 2.0,  # mean absolute size of what is added
    "own": 10.0,  # the same at the photo's own age
    "identity": 1.0,  # distance of embeddings of the photo and of what becomes of it
    "reader": 0.5,
    "slope": 5.0,  # gamma of R1 (Mescheder et al. 2018)
    "slope_every": 8,  # steps
    "moved": 0.06,  # share of the side by which the discriminator's pictures are moved at random
}


class _Whole(AgeCGAN):
    def forward(self, photo: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Photos (B, 3, size, size) in [-1, 1] and labels (B, groups) -> the photos at these ages,
        and logits (B, groups) of the ages that they have."""
        features = self.encoder.features(photo)
        code, ages = self.encoder.told(features[-1])
        return aged(self.generator, photo, features, code, label), ages


class AgeingAdder(Trainer):
    """One step of the critic, of the discriminator, and of encoder and generator. Photos of an age
    that nobody told are left out."""

    nets = ("net", "discriminator", "critic")
    averaged = ("net",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        groups = names(network.pop("groups"), data.attributes, "age groups")
        width = network.pop("discriminator_width")
        self.config = replace(Config(groups, **network), reader=True, adds=True)
        self.person = embedder.installed() if self.losses["identity"] else None
        if self.losses["identity"] and self.person is None:
            raise RecipeError("The loss “identity” needs the face embedder; train that first.")
        self.net = _Whole(self.config)
        self.net.generator.drop.p = 0.0  # what is added is learned, not its noise
        last = [layer for layer in self.net.generator.main if isinstance(layer, nn.Conv2d)][-1]
        nn.init.zeros_(last.weight)
        self.discriminator = Discriminator(
            len(groups), self.config.size, width, self.config.levels, norm=False
        )
        self._bare = self.discriminator  # without Fabric, in full precision: for slopes
        self.critic, optimiser = taught.critic(len(groups))
        self.optimisers = {
            "net": torch.optim.Adam(self.net.parameters(), 2e-4, (0.5, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.99)),
            "critic": optimiser,
        }

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """The photos of a known age, and ages for them by chance."""
        known = batch["labels"].sum(1) == 1
        label = batch["labels"][known]
        wanted = torch.randint(label.shape[1], (2, len(label)), generator=noise)
        wanted, other = F.one_hot(wanted, label.shape[1]).float()
        return {"photo": batch["photo"][known], "labels": label, "wanted": wanted, "other": other}

    def turn(self) -> bool:
        """Whether the step holds the slope on photos."""
        every = int(self.losses["slope_every"])
        return bool(self.losses["slope"]) and self.done % every == 0

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        label, wanted = batch["labels"], batch["wanted"]
        seed_dropout(noise)
        critic = self.critic, self.optimisers["critic"]
        found = {"critic": self._read(fabric, photo, label, noise)}
        made, ages = (x.float() for x in self.net(photo, wanted))
        found["D"] = self._discriminate(fabric, photo, made.detach(), batch, noise)
        self.discriminator.requires_grad_(False)
        said = self.discriminator(self._moved(made, noise), wanted).float()
        self.discriminator.requires_grad_(True)
        stays = (label * wanted).sum(1)
        change = (made - photo).abs().mean((1, 2, 3))
        parts = {
            "gan": F.softplus(-said).mean(),
            "class": F.cross_entropy(critic[0](taught.seen(made, noise)).float(), wanted.argmax(1)),
            "change": change.mean(),
            "own": (change * stays).mean(),
            "reader": F.cross_entropy(ages, label.argmax(1)),
        }
        if self.person is not None:
            parts["identity"] = self._far(photo, made)
        total = torch.stack([float(self.losses[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, self.optimisers["net"])
        return found | {name: part.detach() for name, part in parts.items()}

    def _read(self, fabric: Fabric, photo: Tensor, label: Tensor, noise: torch.Generator) -> Tensor:
        """One step of the critic. Its loss."""
        self.critic.train()
        said = self.critic(taught.seen(photo, noise)).float()
        wrong = F.cross_entropy(said, label.argmax(1), label_smoothing=0.1)
        descend(fabric, wrong, self.optimisers["critic"])
        self.critic.eval()
        return wrong.detach()

    def _moved(self, photo: Tensor, noise: torch.Generator) -> Tensor:
        return layers.moved(photo, float(self.losses["moved"]), noise, light=0.0)

    def _discriminate(
        self,
        fabric: Fabric,
        photo: Tensor,
        made: Tensor,
        batch: Mapping[str, Tensor],
        noise: torch.Generator,
    ) -> Tensor:
        label, wanted, other = batch["labels"], batch["wanted"], batch["other"]
        real = self._moved(photo, noise)
        seen = torch.cat((real, self._moved(made, noise), real))
        said = self.discriminator(seen, torch.cat((label, wanted, other))).float()
        right, drawn, wrong = said.view(3, -1)
        differs = 1 - (label * other).sum(1)
        terms = [
            F.softplus(-right).mean(),
            F.softplus(drawn).mean() / 2,
            (F.softplus(wrong) * differs).mean() / 2,
        ]
        loss = torch.stack(terms).sum()
        total = loss
        if self.turn():
            every, gamma = int(self.losses["slope_every"]), float(self.losses["slope"])
            total = loss + gamma / 2 * every * _slope(self._bare, real, label)
        descend(fabric, total, self.optimisers["discriminator"])
        return loss.detach()

    def _far(self, photo: Tensor, made: Tensor) -> Tensor:
        assert self.person is not None
        template = redraw.scaled(UTK, self.config.size)
        self.person.to(photo.device)
        with torch.no_grad():
            wanted = self.person.of(photo, template)
        return embedder.distance(self.person.of(made, template), wanted).mean()

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: eight photos, and the same at each age group."""
        net = averages["net"]
        device = next(net.parameters()).device
        raw = self.data.batch(0xFFFF, 8, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(device)
        net.eval()
        with torch.inference_mode():
            labels = torch.eye(len(self.config.groups), device=device)
            rows = [net(photo, label.expand(8, -1))[0].clamp(-1, 1) for label in labels]
        return sheet([photo, *rows])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["net"].state_dict(), "aging", self.config, half)


def _slope(judge: nn.Module, photo: Tensor, label: Tensor) -> Tensor:
    """The mean square of the gradient of what is said of photos, by their pixels."""
    photo = photo.detach().requires_grad_(True)
    said = judge(photo, label).float().sum()
    (gradient,) = torch.autograd.grad(said, photo, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
