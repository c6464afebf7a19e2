"""Training of the pix2pix family: paired translation (Isola et al. 2017) and the multimodal starter.

The starter is trained as Zhu et al. 2017 train BicycleGAN, simplified: half of a batch is rebuilt with the code of
its own photo, half is drawn with the code of another photo, so that code and hints learn to work alone and together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines.datasets import EdgePhotos
from engines.families.pix2pix.multimodal import CodeEncoder, MultimodalConfig, MultimodalUNet
from engines.job import Picture
from engines.training import Recipe


class ScalesDiscriminator(nn.Module):
    """Patch discriminators at full and half size (Wang et al. 2018); forward gives per scale the features of every
    layer, the last of which is the score map."""

    def __init__(self, channels: int, width: int = 40, layers: int = 3, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self._one(channels, width, layers) for _ in range(scales))

    @staticmethod
    def _one(channels: int, width: int, layers: int) -> nn.ModuleList:
        blocks: list[nn.Module] = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))]
        for level in range(1, layers):
            a, b = width * 2 ** (level - 1), width * 2**level
            blocks.append(nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.InstanceNorm2d(b), nn.LeakyReLU(0.2)))
        blocks.append(nn.Conv2d(width * 2 ** (layers - 1), 1, 3, 1, 1))
        return nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        found = []
        for blocks in self.scales:
            features, y = [], x
            for block in blocks:  # pyright: ignore[reportGeneralTypeIssues]
                y = block(y)
                features.append(y)
            found.append(features)
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return found


def scores_loss(found: list[list[Tensor]], real: bool) -> Tensor:
    """Least squares against 1 or 0 (Mao et al. 2017), averaged over scales."""
    target = 1.0 if real else 0.0
    return torch.stack([(features[-1].float() - target).square().mean() for features in found]).mean()


def matching_loss(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of the features of all layers but the scores."""
    pairs = [(f, r) for fs, rs in zip(fake, real) for f, r in zip(fs[:-1], rs[:-1])]
    return torch.stack([(f.float() - r.float().detach()).abs().mean() for f, r in pairs]).mean()


class MultimodalTrainer:
    """Trains MultimodalUNet on batches of EdgePhotos."""

    def __init__(self, recipe: Recipe, data: EdgePhotos) -> None:
        network = dict(recipe.network)
        self.config = MultimodalConfig(
            widths=tuple(network.get("widths", MultimodalConfig.widths)),
            code=network.get("code", MultimodalConfig.code),
            native=tuple(network.get("native", data.native)),
        )
        self.recipe, self.data = recipe, data
        self.generator = MultimodalUNet(self.config)
        self.encoder = CodeEncoder(self.config.code)
        self.discriminator = ScalesDiscriminator(4, network.get("discriminator", 40))
        betas = (0.5, 0.99)
        self._optimisers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, betas),
            "encoder": torch.optim.Adam(self.encoder.parameters(), 2e-4, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, betas),
        }
        weights = {"pixel": 10.0, "matching": 10.0, "gan": 1.0, "code": 0.5, "kl": 0.01, "hint": 10.0}
        self.weights = weights | dict(recipe.losses)

    def modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "encoder": self.encoder, "discriminator": self.discriminator}

    def averaged(self) -> tuple[str, ...]:
        return ("generator", "encoder")

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return self._optimisers

    def step(self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        edges, hints, photo = (_last(batch[n]) for n in ("edges", "hints", "photo"))
        own = len(photo) // 2
        mean, logvar = self.encoder(photo)
        mean, logvar = mean.float(), logvar.float()
        epsilon = torch.randn(mean.shape, generator=noise).to(mean)
        code = mean + epsilon * (logvar / 2).exp()
        swapped = code[own:].roll(1, 0).detach()
        fake = self.generator(edges, hints, torch.cat((code[:own], swapped))).float()

        losses = self._discriminate(fabric, edges, photo, fake)
        loss, parts = self._generate(batch, edges, photo, fake, own, mean, logvar, swapped)
        self._optimisers["generator"].zero_grad(set_to_none=True)
        self._optimisers["encoder"].zero_grad(set_to_none=True)
        fabric.backward(loss)
        self._optimisers["generator"].step()
        self._optimisers["encoder"].step()
        return losses | parts

    def _discriminate(self, fabric: Fabric, edges: Tensor, photo: Tensor, fake: Tensor) -> dict[str, Tensor]:
        both = torch.cat((torch.cat((edges, photo), 1), torch.cat((edges, fake.detach()), 1)))
        found = self.discriminator(both)
        half = len(edges)
        real = scores_loss([[f[:half] for f in scale] for scale in found], True)
        false = scores_loss([[f[half:] for f in scale] for scale in found], False)
        optimiser = self._optimisers["discriminator"]
        optimiser.zero_grad(set_to_none=True)
        fabric.backward((real + false) / 2)
        optimiser.step()
        return {"D_real": real.detach(), "D_fake": false.detach()}

    def _generate(self, batch: dict[str, Tensor], edges: Tensor, photo: Tensor, fake: Tensor, own: int, mean: Tensor,
                  logvar: Tensor, swapped: Tensor) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
        w = self.weights
        self.discriminator.requires_grad_(False)
        found = self.discriminator(torch.cat((edges, fake), 1))
        with torch.no_grad():
            real = self.discriminator(torch.cat((edges[:own], photo[:own]), 1))
        self.discriminator.requires_grad_(True)
        named = batch["named"][own:]
        recovered, _ = self.encoder(fake[own:])
        free = (batch["hints"][own:, 3].amax((1, 2)) == 0).float()
        parts = {
            "gan": scores_loss(found, True),
            "pixel": (fake[:own] - photo[:own]).abs().mean(),
            "matching": matching_loss([[f[:own] for f in scale] for scale in found], real),
            "hint": ((fake[own:] - photo[own:]).abs().mean(1, keepdim=True) * named).mean() / named.mean().clamp(min=0.05),
            "code": ((recovered.float() - swapped).abs().mean(1) * free).mean() / free.mean().clamp(min=0.2),
            "kl": 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean(),
        }  # fmt: skip
        loss = torch.stack([w[name] * part for name, part in parts.items()]).sum()
        return loss, {name: part.detach() for name, part in parts.items()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: edges, hints, photo, own code, mean code, two seeds, for eight fixed training samples."""
        generator, encoder = averages["generator"], averages["encoder"]
        assert isinstance(generator, MultimodalUNet)
        self.fit_codes(generator, encoder)
        device = next(generator.parameters()).device
        stage = self.recipe.stages[-1]
        raw = self.data.batch(-1 & 0xFFFF, 8, stage.size, rank=99)
        batch = {name: torch.from_numpy(a).to(device) for name, a in raw.items()}
        edges, hints, photo = batch["edges"], batch["hints"], batch["photo"]
        with torch.inference_mode():
            own = generator(edges, hints, encoder(photo)[0])
            rows = [edges.expand_as(photo), hints[:, :3] + 1 - hints[:, 3:], photo, own]
            for strength, first in ((0.0, 0), (1.0, 0), (1.0, 8)):
                codes = generator.sample_code(list(range(first, first + 8)), strength)
                rows.append(generator(edges, hints, codes.to(device)))
        sheet = torch.cat([torch.cat(list(row.float().cpu()), 2) for row in rows], 1)
        pixels = ((sheet.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        return Picture(pixels)

    @torch.inference_mode()
    def fit_codes(self, generator: MultimodalUNet, encoder: nn.Module, most: int = 1024) -> None:
        """Store mean and spread (Cholesky factor) of the codes of the training photos in the generator."""
        device = next(generator.parameters()).device
        chosen = np.linspace(0, len(self.data) - 1, min(most, len(self.data))).astype(int)
        size = self.recipe.stages[-1].size
        codes = []
        for part in np.array_split(chosen, max(1, len(chosen) // 32)):
            import cv2

            photos = np.stack([cv2.resize(self.data.photos[i], size, interpolation=cv2.INTER_AREA) for i in part])
            x = torch.from_numpy(photos).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
            codes.append(encoder(x)[0].float().cpu())
        found = torch.cat(codes)
        generator.code_mean.copy_(found.mean(0))
        spread = torch.linalg.cholesky(torch.cov(found.T) + 1e-4 * torch.eye(found.shape[1]))
        generator.code_spread.copy_(spread)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        from dataclasses import asdict

        from engines.checkpoint import save

        generator = averages["generator"]
        assert isinstance(generator, MultimodalUNet)
        self.fit_codes(generator, averages["encoder"])
        metadata: dict[str, Any] = {
            "family": "pix2pix",
            "config": {"network": "multimodal", **asdict(self.config)},
            "card": dict(self.recipe.card) | {"sketch": self.data.stats()},
        }
        save(path, generator.state_dict(), metadata, half=half)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
