"""Training of the enlarger: an SRVGGNetCompact (Wang et al. 2021, Real-ESRGAN, its compact model)
restores photos that were made four times smaller.

Half of the small pictures are made by bicubic, half by the mean of squares; some were blurred
before, some went through JPEG after, so that the network works on pictures as people have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import checkpoint, layers, spoiling
from engines.job import Picture
from engines.photodata import Photos
from engines.training import Recipe, Trainer, descend, sheet, told

_NETWORK: dict[str, Any] = {"width": 64, "depth": 24, "factor": 4, "spoiled": {}}
_LOSSES: dict[str, Any] = {"pixel": 1.0, "frequency": 0.05}
_SPOILED: dict[str, Any] = {"blurred": 0.4, "sigma": 1.6, "jpeg": 0.4, "quality": [55, 95]}


class Residue(nn.Module):
    """What the network adds to the picture enlarged by repeating pixels. In half precision this
    small number loses nothing, where their sum would be rounded."""

    def __init__(self, width: int, depth: int, factor: int) -> None:
        super().__init__()
        from spandrel.architectures.Compact import Compact

        self.net = Compact(num_feat=width, num_conv=depth, upscale=factor)
        convolutions = [layer for layer in self.net.body if isinstance(layer, nn.Conv2d)]
        for layer in convolutions[1:-1]:  # begin near the identity: the stack is deep and plain
            nn.init.dirac_(layer.weight)
            layer.weight.data += 0.3 * torch.randn_like(layer.weight) / (9 * width) ** 0.5
        layer = convolutions[-1]
        layer.weight.data *= 0.1

    def forward(self, small: Tensor) -> Tensor:
        """(N, 3, h, w) in [0, 1] to (N, 3, factor * h, factor * w)."""
        x = small
        for layer in self.net.body:
            x = layer(x)
        return self.net.upsampler(x)


class EnlargeTrainer(Trainer):
    """[network]  width, depth (convolutions between the first and the last), factor; spoiled: the
               shares of pictures that are blurred (by up to `sigma` pixels of the large picture)
               and go through JPEG (`quality` from, to)
    [losses]   pixel: weight of the mean absolute difference; frequency: of that of the spectra
    """

    nets = ("generator",)
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: Photos) -> None:
        self.recipe, self.data = recipe, data
        self.network = told(_NETWORK, recipe.network)
        self.spoiled = told(_SPOILED, self.network["spoiled"])
        self.losses = told(_LOSSES, recipe.losses)
        self.factor = int(self.network["factor"])
        self.generator = Residue(self.network["width"], self.network["depth"], self.factor)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 5e-4, (0.9, 0.99))
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        large = spoiling.from_bytes(batch["photo"])
        small = self.made_small(large, noise)
        made = enlarged(self.generator, small, self.factor)
        parts = {"pixel": F.l1_loss(made, large), "frequency": spectral(made, large)}
        loss = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        error = (made.detach().clamp(0, 1) - large).square().mean()
        return {n: part.detach() for n, part in parts.items()} | {"psnr": -10 * error.log10()}

    @torch.no_grad()
    def made_small(self, large: Tensor, noise: torch.Generator) -> Tensor:
        """A batch (N, 3, H, W) in [0, 1] made smaller and spoiled, as bytes have it."""
        count, told = len(large), self.spoiled
        drawn = layers.uniform((4, count), noise)
        sigma = drawn[0] * told["sigma"] * (drawn[1] < told["blurred"])
        low, high = told["quality"]
        quality = low + (high - low) * drawn[2]
        packed = drawn[3] < told["jpeg"]
        large = spoiling.blurred(large, sigma, 6)
        half = count // 2
        small = torch.cat((spoiling.smaller(large[:half], self.factor),
                           spoiling.smaller(large[half:], self.factor, area=True)))  # fmt: skip
        small = spoiling.to_bytes(small)
        through = spoiling.to_bytes(spoiling.jpeg(small, quality))
        return torch.where(packed[:, None, None, None], through, small)

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: enlarged by bicubic, by the network, the photo; the last half of the columns come
        from spoiled pictures."""
        generator = averages["generator"]
        device = next(generator.parameters()).device
        raw = self.data.batch(0xFFFF, 8, self.recipe.stages[-1].size, rank=99)
        large = spoiling.from_bytes(torch.from_numpy(raw["photo"]))
        clean = spoiling.to_bytes(spoiling.smaller(large, self.factor))
        small = torch.cat((clean[:4], self.made_small(large, torch.Generator().manual_seed(1))[4:]))
        with torch.inference_mode():
            made = enlarged(generator, small.to(device), self.factor)
        plain = F.interpolate(small, scale_factor=self.factor, mode="bicubic")
        return sheet([row * 2 - 1 for row in (plain, made, large)])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        from engines.families import enlarge

        state = averages["generator"].get_submodule("net").state_dict()
        checkpoint.save(
            path, state, {"family": enlarge.Enlarge.id, "card": dict(self.recipe.card)}, half=half
        )


def enlarged(generator: nn.Module, small: Tensor, factor: int) -> Tensor:
    """What SRVGGNetCompact makes of (N, 3, h, w), in full precision where it counts."""
    x = small.contiguous(memory_format=torch.channels_last)
    return generator(x).float() + F.interpolate(small, scale_factor=float(factor))


def spectral(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of the two-dimensional spectra (Cho et al. 2021), orthonormal."""
    found = torch.fft.rfft2(made - wanted, norm="ortho")
    return torch.view_as_real(found).abs().mean()
