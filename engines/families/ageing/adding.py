"""Training a face-ageing net that adds to the photo what it draws (`Config.adds`), on photos of
known age alone.

As the discriminator of Antipov et al. 2017 this one is told an age and says whether a photo is real
and of that age; real photos that are said to be of another age teach it to look at the age (Reed et
al. 2016, "Generative Adversarial Text to Image Synthesis"). A second one sees patches alone (Isola
et al. 2017). Beside them stands a critic that reads the age, as the class head of StarGAN's
discriminator does (Choi et al. 2018); it also learns to read from what is drawn how old the photo
was, and so to look past marks that no photo has. What is added is kept small and smooth, colours
more so than light, nothing is to be added at the photo's own age, and the person is kept.
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
    "patch_width": 16,
}
_LOSSES: dict[str, Any] = {
    "gan": 1.0,
    "patch": 1.0,
    "class": 0.1,  # of the age that the critic is to see
    "change": 1.0,  # mean absolute size of what is added
    "colour": 2.0,  # the same of what it changes in the colours
    "smooth": 8.0,  # of the differences between neighbouring pixels of what is added
    "own": 10.0,  # mean absolute size of what is added at the photo's own age
    "identity": 1.0,  # distance of embeddings of the photo and of what becomes of it
    "reader": 0.5,
    "slope": 0.1,  # gamma of R1 (Mescheder et al. 2018)
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

    nets = ("net", "discriminator", "patches", "critic")
    averaged = ("net",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        groups = names(network.pop("groups"), data.attributes, "age groups")
        width, patch_width = network.pop("discriminator_width"), network.pop("patch_width")
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
        self.patches = layers.PatchDiscriminator(3, patch_width, 2, "none")
        for layer in (*self.discriminator.modules(), *self.patches.modules()):
            if isinstance(layer, nn.Conv2d):  # without norms they begin as loud as their input
                nn.init.kaiming_normal_(layer.weight, 0.2)
        self._bare = self.discriminator  # without Fabric, in full precision: for slopes
        self.critic, optimiser = taught.critic(len(groups))
        self.optimisers = {
            "net": torch.optim.Adam(self.net.parameters(), 2e-4, (0.5, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.99)),
            "patches": torch.optim.Adam(self.patches.parameters(), 2e-4, (0.5, 0.99)),
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
        made, ages = (x.float() for x in self.net(photo, wanted))
        found = {"critic": self._read(fabric, photo, made.detach(), label, noise)}
        found |= self._discriminate(fabric, photo, made.detach(), batch, noise)
        judges = self.discriminator, self.patches
        for judge in judges:
            judge.requires_grad_(False)
        seen = self._moved(made, noise)
        said, patches = self.discriminator(seen, wanted).float(), self.patches(seen).float()
        for judge in judges:
            judge.requires_grad_(True)
        stays = (label * wanted).sum(1)
        added = made - photo
        change = added.abs().mean((1, 2, 3))
        read = self.critic(taught.seen(made, noise)).float()
        parts = {
            "gan": F.softplus(-said).mean(),
            "patch": F.softplus(-patches).mean(),
            "class": F.cross_entropy(read, wanted.argmax(1)),
            "change": change.mean(),
            "colour": (added - added.mean(1, keepdim=True)).abs().mean(),
            "smooth": _slopes(added),
            "own": (change * stays).mean(),
            "reader": F.cross_entropy(ages, label.argmax(1)),
        }
        if self.person is not None:
            parts["identity"] = self._far(photo, made)
        total = torch.stack([float(self.losses[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, self.optimisers["net"])
        return found | {name: part.detach() for name, part in parts.items()}

    def _read(
        self, fabric: Fabric, photo: Tensor, made: Tensor, label: Tensor, noise: torch.Generator
    ) -> Tensor:
        """One step of the critic. Its loss on the photos."""
        self.critic.train()
        said = self.critic(taught.seen(torch.cat((photo, made)), noise)).float()
        real, drawn = (
            F.cross_entropy(part, label.argmax(1), label_smoothing=0.1) for part in said.chunk(2)
        )
        descend(fabric, real + drawn / 2, self.optimisers["critic"])
        self.critic.eval()
        return real.detach()

    def _moved(self, photo: Tensor, noise: torch.Generator) -> Tensor:
        return layers.moved(photo, float(self.losses["moved"]), noise, light=0.0)

    def _discriminate(
        self,
        fabric: Fabric,
        photo: Tensor,
        made: Tensor,
        batch: Mapping[str, Tensor],
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        """One step of both discriminators. Their losses."""
        label, wanted, other = batch["labels"], batch["wanted"], batch["other"]
        real, drawn = self._moved(photo, noise), self._moved(made, noise)
        seen = torch.cat((real, drawn, real))
        said = self.discriminator(seen, torch.cat((label, wanted, other))).float()
        right, wrong, untrue = said.view(3, -1)
        differs = 1 - (label * other).sum(1)
        untrue = (F.softplus(untrue) * differs).mean()
        whole = F.softplus(-right).mean() + (F.softplus(wrong).mean() + untrue) / 2
        right, wrong = self.patches(seen[: 2 * len(real)]).float().chunk(2)
        patch = F.softplus(-right).mean() + F.softplus(wrong).mean()
        total = whole + patch
        if self.turn():
            every, gamma = int(self.losses["slope_every"]), float(self.losses["slope"])
            total = total + gamma / 2 * every * _slope(self._bare, real, label)
        descend(fabric, total, self.optimisers["discriminator"], self.optimisers["patches"])
        return {"D": whole.detach(), "P": patch.detach()}

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


def _slopes(added: Tensor) -> Tensor:
    across, down = added[..., 1:] - added[..., :-1], added[..., 1:, :] - added[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def _slope(judge: nn.Module, photo: Tensor, label: Tensor) -> Tensor:
    """The mean square of the gradient of what is said of photos, by their pixels."""
    photo = photo.detach().requires_grad_(True)
    said = judge(photo, label).float().sum()
    (gradient,) = torch.autograd.grad(said, photo, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
