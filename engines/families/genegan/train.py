"""Training GeneGAN (Zhou et al. 2017) on two sets of photos, with an object and without it, of
which no two belong together.

The paper's critics are trained as in Arjovsky et al. 2017; "lsgan" and "vanilla" are here for small
sets and short trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines.facedata import LabelledFaces
from engines.families.genegan.config import Config
from engines.families.genegan.net import Critic, GeneGAN
from engines.job import Picture
from engines.layers import GANLoss, moved
from engines.training import Recipe, RecipeError, Trainer, descend, sheet, told

_NETWORK: dict[str, Any] = {
    "label": "",  # the object as a person calls it; the attribute's name if absent
    "width": 128,
    "levels": 3,
    "object": 128,  # channels
    "face": "celeba",
    "critic_width": 128,
}
_LOSSES: dict[str, Any] = {
    "mode": "wgan",  # of the critics: "wgan" (weights clipped, RMSProp), "lsgan" or "vanilla"
    "gan": 1.0,
    "cycle": 1.0,  # photos drawn again from their own parts; mean absolute difference in [0, 1]
    "nothing": 1.0,  # size of the object of photos that have none
    "parallelogram": 0.01,  # Ax + Be - Bx - Ae; mean absolute value in [0, 255]
    "decay": 5e-5,  # half the mean square of the kernels of splitter and joiner
    "clip": 0.01,  # greatest weight of a critic ("wgan")
    "often": 100,  # times that the critics learn before every `period`-th update of the others
    "period": 500,
    "moved": 0.0,  # share of the side by which the critics' pictures are moved at random
}
MODES = {"wgan": "wgangp", "lsgan": "lsgan", "vanilla": "vanilla"}  # as GANLoss calls them


class GeneGANTrainer(Trainer):
    """One step of both critics, then one of splitter and joiner. Half of a batch's photos have the
    object (the first of the data's attributes), half have none."""

    nets = ("generator", "critic_with", "critic_without")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        if self.losses["mode"] not in MODES:
            raise RecipeError("The critics' mode is wgan, lsgan or vanilla.")
        attribute = data.attributes[0]
        self.config = Config(
            str(network["label"]) or attribute.replace("_", " ").capitalize(),
            recipe.stages[-1].size[0],
            *(network[name] for name in ("width", "levels", "object", "face")),
        )
        if not 0 < self.config.object < self.config.code:
            raise RecipeError(f"The object takes 1 to {self.config.code - 1} channels of the code.")
        if {stage.size for stage in recipe.stages} != {(self.config.size,) * 2}:
            raise RecipeError("Every stage of a GeneGAN has one and the same square size.")
        self._sets = tuple(data.split(attribute, has) for has in (True, False))
        if not all(len(members) for members in self._sets):
            raise RecipeError(f"“{attribute}” is the same in all photos; GeneGAN needs both kinds.")
        self.generator: nn.Module = GeneGAN(self.config)
        self.critic_with: nn.Module = Critic(self.config, network["critic_width"])
        self.critic_without: nn.Module = Critic(self.config, network["critic_width"])
        for module in self.modules().values():
            _begin(module)
        self.criterion = GANLoss(MODES[self.losses["mode"]])
        self.optimisers = {n: self._optimiser(m) for n, m in self.modules().items()}

    def _optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        if self.losses["mode"] == "wgan":
            return torch.optim.RMSprop(module.parameters(), 5e-5, alpha=0.8, eps=1e-10)
        return torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999))

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        self._learning(True)
        ax, be = (
            batch[name].contiguous(memory_format=torch.channels_last)
            for name in ("with", "without")
        )
        waits = self._only_critics()
        with torch.set_grad_enabled(not waits):
            made = crossed(self.generator, ax, be)
        found = self._criticise(fabric, ax, be, made, noise)
        self._learning(False)
        parts = generator_losses(ax, be, made)
        share = float(self.losses["moved"])
        for name, critic, picture in (
            ("Bx", self.critic_with, made["Bx"]),
            ("Ae", self.critic_without, made["Ae"]),
        ):
            parts[name] = self.criterion(critic(moved(picture, share, noise)).float(), True)
        if not waits:
            weights = {n: float(self.losses[weight]) for n, weight in PARTS.items()}
            total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
            total = total + float(self.losses["decay"]) * decay(self.generator)
            descend(fabric, total, self.optimisers["generator"])
        return found | {name: part.detach() for name, part in parts.items()}

    def _learning(self, on: bool) -> None:
        for critic in (self.critic_with, self.critic_without):
            critic.train().requires_grad_(on)
        self.generator.train()

    def turn(self) -> bool:
        return self._only_critics()

    def _only_critics(self) -> bool:
        """Whether splitter and joiner stay as they are in this step."""
        extra = int(self.losses["often"]) - 1
        round_ = int(self.losses["period"]) + extra
        return self.done % round_ < extra

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """Photos with the object and as many without, (N/2, 3, H, W) each: of the batch as far as
        there are enough, else drawn from the whole set."""
        photo = batch["photo"]
        half = max(len(photo) // 2, 1)
        size = (photo.shape[-1], photo.shape[-2])
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=noise)))
        found = []
        for has, members in zip((1.0, 0.0), self._sets):
            fits = (batch["known"][:, 0] > 0) & (batch["labels"][:, 0] == has)
            chosen = photo[fits][:half]
            lacking = half - len(chosen)
            if lacking:
                picks = rng.choice(members, lacking)
                fresh = np.stack([self.data.varied(int(pick), size, rng) for pick in picks])
                tensor = torch.from_numpy(fresh.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
                chosen = torch.cat((chosen, tensor.to(photo)))
            found.append(chosen)
        return {"with": found[0], "without": found[1]}

    def _criticise(
        self,
        fabric: Fabric,
        ax: Tensor,
        be: Tensor,
        made: Mapping[str, Tensor],
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        found, share = {}, float(self.losses["moved"])
        for name, real, fake in (
            ("critic_with", ax, made["Bx"]),
            ("critic_without", be, made["Ae"]),
        ):
            critic = getattr(self, name)
            truth, lie = (
                critic(moved(x.detach(), share, noise)).float() for x in (real, fake)
            )  # one by one: each kind has its own batch statistics
            loss = self.criterion(truth, True) + self.criterion(lie, False)
            descend(fabric, loss, self.optimisers[name])
            if self.losses["mode"] == "wgan":
                with torch.no_grad():
                    for weight in critic.parameters():
                        weight.clamp_(-float(self.losses["clip"]), float(self.losses["clip"]))
            found[name] = loss.detach()
        return found

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos with the object; without it; then what crossing them gives: Bx, half of
        it, Ae, and both drawn again."""
        net = averages["generator"]
        size = self.recipe.stages[-1].size
        device = next(net.parameters()).device
        given = []
        for members in self._sets:
            picks = members[np.linspace(0, len(members) - 1, 6).astype(int)]
            photos = np.stack([self.data.photo(int(pick), size) for pick in picks])
            tensor = torch.from_numpy(photos.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
            given.append(tensor.to(device))
        with torch.inference_mode():
            made = crossed(net, *given)
            (_, x), (b, _) = net(given[0]), net(given[1])
            rows = [*given, made["Bx"], net(b, 0.5 * x), made["Ae"], made["Ax2"], made["Be2"]]
        return sheet(rows)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["generator"].state_dict(), "genegan", self.config, half)


# loss -> the entry of a recipe that weighs it
PARTS = {
    "e": "nothing",
    "cycle_Ax": "cycle",
    "cycle_Be": "cycle",
    "parallelogram": "parallelogram",
    "Bx": "gan",
    "Ae": "gan",
}


def crossed(net: nn.Module, ax: Tensor, be: Tensor) -> dict[str, Tensor]:
    """Photos with an object x and without (e) taken apart and joined anew: Ax2 and Be2 as they
    were, Bx and Ae with the object on the other face; and e. No object is zero."""
    (a, x), (b, e) = net(ax), net(be)
    nothing = torch.zeros_like(x)
    found = {"Ax2": net(a, x), "Be2": net(b, nothing), "Bx": net(b, x), "Ae": net(a, nothing)}
    return {**{name: made.float() for name, made in found.items()}, "e": e.float()}


def generator_losses(ax: Tensor, be: Tensor, made: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What splitter and joiner shall make small, but for the critics, in the paper's units; photos
    are in [-1, 1]."""
    sides = (ax + be - made["Bx"] - made["Ae"]) * 127.5
    return {
        "e": made["e"].abs().mean(),
        "cycle_Ax": (ax - made["Ax2"]).abs().mean() / 2,
        "cycle_Be": (be - made["Be2"]).abs().mean() / 2,
        "parallelogram": sides.abs().mean(),
    }


def decay(net: nn.Module) -> Tensor:
    """Half the mean square of every kernel, summed."""
    kernels = [p for p in net.parameters() if p.dim() == 4]
    return torch.stack([0.5 * kernel.square().mean() for kernel in kernels]).sum()


def _begin(module: nn.Module) -> None:
    """Kernels normal of standard deviation 0.02, as in Radford et al. 2016."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
