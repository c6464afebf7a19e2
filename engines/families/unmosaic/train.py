"""Training of the mosaic remover: regions of photos are put into mosaic, and a U-Net restores them
against a patch discriminator (Isola et al. 2017) with feature matching (Wang et al. 2018).

What was within a square is gone: the network invents detail that looks right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers, spoiling
from engines.families.unmosaic.config import Config
from engines.families.unmosaic.net import MosaicNet
from engines.job import Picture
from engines.photodata import Photos
from engines.training import Recipe, Trainer, descend, sheet, told

GROUPS = 4  # parts of a batch, each with squares of a size and a place of its own
_NETWORK: dict[str, Any] = {
    "widths": Config.widths,
    "blocks": Config.blocks,
    "sides": Config.sides,
    "discriminator": 48,
}
_LOSSES: dict[str, Any] = {"pixel": 10.0, "means": 5.0, "matching": 5.0, "gan": 0.5}


@dataclass(frozen=True)
class Parts:
    """A batch in parts, each of which has one grid of squares: (first, end, side, top, left), top
    and left as spoiling.pixelated has them."""

    grids: tuple[tuple[int, int, int, int, int], ...]

    @staticmethod
    def drawn(count: int, sides: tuple[int, int], noise: torch.Generator) -> Parts:
        """Small squares come oftener than large ones."""
        low, high = sides
        grids: list[tuple[int, int, int, int, int]] = []
        for number, row in enumerate(layers.uniform((GROUPS, 3), noise).tolist()):
            side = min(high, int(low + row[0] ** 1.5 * (high + 1 - low)))
            first, end = (count * n // GROUPS for n in (number, number + 1))
            grids.append((first, end, side, int(row[1] * side), int(row[2] * side)))
        return Parts(tuple(grid for grid in grids if grid[0] < grid[1]))

    def pixelated(self, x: Tensor) -> Tensor:
        return torch.cat([spoiling.pixelated(x[a:b], *grid) for a, b, *grid in self.grids])

    def widened(self, region: Tensor, noise: torch.Generator) -> Tensor:
        """Regions as a person marks them: too large by up to half a square."""
        drawn = layers.uniform(len(self.grids), noise).tolist()
        return torch.cat([
            F.max_pool2d(region[a:b], 2 * reach + 1, 1, reach)
            for (a, b, side, *_), share in zip(self.grids, drawn)
            for reach in (int(share * (side // 2 + 1)),)
        ])  # fmt: skip


@dataclass(frozen=True)
class Spoiled:
    """seen (N, 3, H, W) in [-1, 1], region (N, 1, H, W) in {0, 1} as it is marked."""

    seen: Tensor
    region: Tensor
    parts: Parts


class Judge(nn.Module):
    """A patch discriminator that gives the features of every layer, the last of which is the score
    map."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.model = layers.PatchDiscriminator(inputs, width, 3, "instance").model

    def forward(self, x: Tensor) -> list[Tensor]:
        return layers.features(self, x)


class UnmosaicTrainer(Trainer):
    """[network]  widths, blocks, sides (see Config); discriminator: its width
    [losses]   weights. pixel: mean absolute difference in the region; means: that of the means of
               its squares, which are known; matching: of the discriminator's features; gan
    """

    nets = ("generator", "discriminator")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: Photos) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        low, high = network["sides"]
        self.config = Config(tuple(network["widths"]), network["blocks"], (low, high))
        self.generator = MosaicNet(self.config)
        self.discriminator = Judge(7, network["discriminator"])
        layers.init_weights(self.discriminator)
        self.criterion = layers.GANLoss("lsgan")
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 3e-4, (0.5, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 3e-4, (0.5, 0.99)),
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = spoiling.from_bytes(batch["photo"]) * 2 - 1
        spoiled = put_in_mosaic(photo, self.config.sides, noise)
        made = restored(self.generator, spoiled.seen, spoiled.region)
        given = torch.cat((spoiled.seen, spoiled.region), 1)
        real, fake = torch.cat((given, photo), 1), torch.cat((given, made), 1)
        on_real = self.criterion(self.discriminator(_last(real))[-1].float(), True)
        on_fake = self.criterion(self.discriminator(_last(fake.detach()))[-1].float(), False)
        descend(fabric, (on_real + on_fake) / 2, self.optimisers["discriminator"])

        self.discriminator.requires_grad_(False)
        found = self.discriminator(_last(fake))
        with torch.no_grad():
            wanted = self.discriminator(_last(real))
        area = spoiled.region.mean().clamp(min=1e-3)
        pixelated = spoiled.parts.pixelated
        parts = {
            "pixel": (made - photo).abs().mean() / area,
            "means": (pixelated(made) - pixelated(photo)).abs().mean() / area,
            "matching": layers.feature_matching(found, wanted),
            "gan": self.criterion(found[-1].float(), True),
        }
        loss = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        self.discriminator.requires_grad_(True)
        return {
            "D_real": on_real.detach(),
            "D_fake": on_fake.detach(),
            **{name: part.detach() for name, part in parts.items()},
        }

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: in mosaic, restored, the photo, for eight fixed training windows."""
        return shown(self.data, self.recipe, self.config, averages["generator"])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["generator"].state_dict(), "unmosaic", self.config, half)


@torch.no_grad()
def put_in_mosaic(photo: Tensor, sides: tuple[int, int], noise: torch.Generator) -> Spoiled:
    """Photos (N, 3, H, W) in [-1, 1] with regions in mosaic of squares of `sides`, from the
    smallest to the largest, some of them through JPEG."""
    count = len(photo)
    parts = Parts.drawn(count, sides, noise)
    shapes = blobs(photo, noise)
    region = (parts.pixelated(shapes) > 0.5).float()
    seen = torch.lerp(photo, parts.pixelated(photo), region)
    quality, chance = layers.uniform((2, count), noise)
    packed = spoiling.jpeg((seen + 1) / 2, 70 + 28 * quality) * 2 - 1
    seen = torch.where((chance < 0.4)[:, None, None, None], packed, seen)
    return Spoiled(seen, parts.widened(region, noise), parts)


def restored(generator: nn.Module, seen: Tensor, region: Tensor) -> Tensor:
    """`seen` with what the network adds, within the region alone; in full precision."""
    return seen + generator(_last(seen), region).float() * region


def shown(data: Photos, recipe: Recipe, config: Config, *generators: nn.Module) -> Picture:
    """Rows: in mosaic, as each of the generators restores it, and the photo, for eight fixed
    training windows."""
    raw = data.batch(0xFFFF, 8, recipe.stages[-1].size, rank=99)
    photo = spoiling.from_bytes(torch.from_numpy(raw["photo"])) * 2 - 1
    device = next(generators[0].parameters()).device
    spoiled = put_in_mosaic(photo, config.sides, torch.Generator().manual_seed(1))
    seen, region = spoiled.seen.to(device), spoiled.region.to(device)
    with torch.inference_mode():
        made = [restored(generator, seen, region) for generator in generators]
    return sheet([spoiled.seen, *made, photo])


def blobs(like: Tensor, noise: torch.Generator) -> Tensor:
    """(N, 1, H, W) in {0, 1} for (N, C, H, W): a few rectangles and ellipses, some turned, each at
    most two thirds of the picture wide or high."""
    count, _, height, width = like.shape
    drawn = layers.uniform((6, count, 3, 1, 1), noise)
    y = torch.linspace(0, 1, height, device=like.device)[:, None] - drawn[0]
    x = torch.linspace(0, 1, width, device=like.device)[None] - drawn[1]
    angle = (drawn[2] - 0.5) * (drawn[5] < 0.3)
    turned = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    radii = 0.08 + 0.25 * drawn[3], 0.08 + 0.25 * drawn[4]
    power = torch.where(drawn[5] * 10 % 1 < 0.5, 2.0, 16.0)
    across, down = ((a / r).abs() ** power for a, r in zip(turned, radii))
    return (across + down < 1).amax(1, keepdim=True).float()


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
