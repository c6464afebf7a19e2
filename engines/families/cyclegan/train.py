"""Training CycleGAN (Zhu et al. 2017): two generators and two discriminators on two sets of
pictures without pairs; least squares, cycle and identity losses, and a memory of pictures made
before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.cyclegan.config import Config, JudgeConfig
from engines.families.cyclegan.net import generator, judge
from engines.job import Picture
from engines.layers import GANLoss, init_weights, moved, uniform
from engines.residual import ResNetConfig
from engines.training import Recipe, RecipeError, Trainer, descend, sheet, told
from engines.unpaireddata import SAMPLES, UnpairedPhotos

_NETWORK: dict[str, Any] = {
    "names": ("A", "B"),  # the sides as a person calls them
    "width": 64,
    "blocks": 9,
    "judge_width": 64,
    "judge_layers": 3,
}
_LOSSES: dict[str, Any] = {
    "cycle": 10.0,  # mean absolute difference of a picture and what comes back of it
    "identity": 0.5,  # of the cycle's weight: how little a picture of the goal's side may change
    "pool": 50,  # pictures of each side that the discriminators may be shown again later; 0: none
    "moved": 0.0,  # share of the side by which the discriminators' pictures are moved at random
    "light": 0.0,  # how much lighter or darker they are made where they are moved
}


class Made(NamedTuple):
    """What the generators make of pictures a and b: fakes, copies ("same": what a generator makes
    of a picture of its own goal), and what comes back of the fakes. All (N, 3, H, W)."""

    fake_a: Tensor
    fake_b: Tensor
    same_a: Tensor
    same_b: Tensor
    back_a: Tensor
    back_b: Tensor


class Generators(nn.Module):
    """Both directions in one pass: forward(a, b), two batches of one shape."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.ba is None:
            raise ValueError("a cycle needs both directions")
        self.ab, self.ba = generator(config.ab), generator(config.ba)

    def forward(self, a: Tensor, b: Tensor) -> Made:
        fake_b, same_b = self.ab(torch.cat((a, b))).chunk(2)
        fake_a, same_a = self.ba(torch.cat((b, a))).chunk(2)
        return Made(fake_a, fake_b, same_a, same_b, self.ba(fake_b), self.ab(fake_a))


class Judges(nn.Module):
    """The discriminators of both sides: forward(a, b) -> score maps of either."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.judge_a is None or config.judge_b is None:
            raise ValueError("a cycle needs both discriminators")
        self.judge_a, self.judge_b = judge(config.judge_a), judge(config.judge_b)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.judge_a(a), self.judge_b(b)


class Pool(nn.Module):
    """Pictures made before (Shrivastava et al. 2017), kept at half precision; part of what a
    training saves. forward(made, before, noise): once it is full, every second picture on average
    is kept for later and an older one given in its place. `before` counts the pictures that it was
    shown since it began to be filled."""

    kept: Tensor  # (count, 3, height, width); smaller pictures lie in the corner

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        super().__init__()
        kept = torch.zeros((count, 3, size[1], size[0]), dtype=torch.float16)
        self.register_buffer("kept", kept)

    @torch.no_grad()
    def forward(self, made: Tensor, before: int, noise: torch.Generator) -> Tensor:
        count, shown = len(self.kept), len(made)
        if not count:
            return made
        fresh, place = min(shown, max(0, count - before)), made.device
        drawn = torch.randperm(min(before, count), generator=noise, device=place)[: shown - fresh]
        is_new = torch.arange(shown, device=place).view(-1, 1, 1, 1) < fresh
        is_old = (uniform((shown, 1, 1, 1), noise) < 0.5) & ~is_new
        slots = torch.cat((torch.arange(before, before + fresh, device=place), drawn))
        corner = self.kept[..., : made.shape[-2], : made.shape[-1]]
        old = corner[slots]
        corner[slots] = torch.where(is_new | is_old, made.half(), old)
        return torch.where(is_old, old.to(made), made)


# ---- losses --------------------------------------------------------------------------------------

_gan = GANLoss("lsgan")


def generator_losses(
    a: Tensor, b: Tensor, made: Made, scores: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """Unweighted; scores: what the discriminators say of fake_a and fake_b."""
    return {
        "gan_a": _gan(scores[0], True),
        "gan_b": _gan(scores[1], True),
        "cycle_a": F.l1_loss(made.back_a, a),
        "cycle_b": F.l1_loss(made.back_b, b),
        "identity_a": F.l1_loss(made.same_a, a),
        "identity_b": F.l1_loss(made.same_b, b),
    }


def weighted(parts: Mapping[str, Tensor], cycle: float, identity: float) -> Tensor:
    weights = {"gan": 1.0, "cycle": cycle, "identity": cycle * identity}
    return torch.stack([weights[name[:-2]] * part for name, part in parts.items()]).sum()


def judge_loss(scores: Tensor) -> Tensor:
    """Scores of pictures of a side, then of as many fakes."""
    real, fake = scores.chunk(2)
    return (_gan(real, True) + _gan(fake, False)) / 2


class CycleGANTrainer(Trainer):
    """[network] and [losses]: the tables above. The pool begins anew with each stage."""

    nets = ("generators", "judges", "pool_a", "pool_b")
    averaged = ("generators", "judges")

    def __init__(self, recipe: Recipe, data: UnpairedPhotos) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        net = ResNetConfig(width=network["width"], blocks=network["blocks"])
        side = JudgeConfig(width=network["judge_width"], layers=network["judge_layers"])
        first, second = network["names"]
        self.config = Config(net, net, side, side, (str(first), str(second)))
        count = int(self.losses["pool"])
        if 0 < count < max(stage.batch for stage in recipe.stages):
            raise RecipeError("The pool holds at least the pictures of a batch, or none.")
        wide, tall = (max(stage.size[n] for stage in recipe.stages) for n in (0, 1))
        self.generators, self.judges = Generators(self.config), Judges(self.config)
        self.pool_a, self.pool_b = Pool(count, (wide, tall)), Pool(count, (wide, tall))
        for module in (self.generators, self.judges):
            init_weights(module)
        self.optimisers = {
            name: torch.optim.Adam(getattr(self, name).parameters(), 2e-4, (0.5, 0.999))
            for name in ("generators", "judges")
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        a, b = signed(batch["a"]), signed(batch["b"])
        before = (self.done - self.recipe.stage_at(self.done)[1]) * len(a)
        made = Made(*(picture.float() for picture in self.generators(a, b)))

        self.judges.requires_grad_(False)
        scores = self.judges(self._seen(made.fake_a, noise), self._seen(made.fake_b, noise))
        parts = generator_losses(a, b, made, (scores[0].float(), scores[1].float()))
        cycle, identity = float(self.losses["cycle"]), float(self.losses["identity"])
        descend(fabric, weighted(parts, cycle, identity), self.optimisers["generators"])
        self.judges.requires_grad_(True)

        shown = (
            torch.cat((real, pool(fake.detach(), before, noise)))
            for real, fake, pool in (
                (a, made.fake_a, self.pool_a),
                (b, made.fake_b, self.pool_b),
            )
        )
        judged = self.judges(*(self._seen(pictures, noise) for pictures in shown))
        told_ = [judge_loss(scores.float()) for scores in judged]
        descend(fabric, torch.stack(told_).sum(), self.optimisers["judges"])
        parts |= {"D_a": told_[0], "D_b": told_[1]}
        return {name: part.detach() for name, part in parts.items()}

    def _seen(self, pictures: Tensor, noise: torch.Generator) -> Tensor:
        return moved(pictures, float(self.losses["moved"]), noise, float(self.losses["light"]))

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: pictures of A, in B, and back; pictures of B, in A, and back."""
        both = averages["generators"]
        device = next(both.parameters()).device
        raw = self.data.batch(SAMPLES, min(6, len(self.data)), self.recipe.stages[-1].size, rank=99)
        a, b = (signed(torch.from_numpy(raw[name]).to(device)) for name in "ab")
        with torch.inference_mode():
            made = both(a, b)
        return sheet([a, made.fake_b, made.back_a, b, made.fake_a, made.back_b])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        state = {
            key: value
            for name in self.averaged
            for key, value in averages[name].state_dict().items()
        }
        self.write(path, state, "cyclegan", self.config, half)


def signed(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 -> float32 in [-1, 1]."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
