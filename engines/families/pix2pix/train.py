"""Training of the pix2pix family: paired translation (Isola et al. 2017) and the multimodal
starter.

The starter is trained as Zhu et al. 2017 train BicycleGAN, simplified: half of a batch is rebuilt
with the code of its own photo, half is drawn with the code of another photo, so that code and hints
learn to work alone and together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.datasets import EdgePhotos, Pairs
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import Config, MultimodalConfig, ResNetConfig, UNetConfig
from engines.families.pix2pix.multimodal import CodeEncoder, MultimodalUNet
from engines.job import Picture
from engines.training import Recipe, RecipeError, Trainer, descend, seed_dropout, sheet


class ScalesDiscriminator(nn.Module):
    """Patch discriminators at full and half size (Wang et al. 2018); forward gives per scale the
    features of every layer, the last of which is the score map."""

    def __init__(self, channels: int, width: int = 40, layers: int = 3, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self._one(channels, width, layers) for _ in range(scales))

    @staticmethod
    def _one(channels: int, width: int, layers: int) -> nn.ModuleList:
        blocks: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))
        ]
        for level in range(1, layers):
            a, b = width * 2 ** (level - 1), width * 2**level
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.InstanceNorm2d(b), nn.LeakyReLU(0.2)
                )
            )
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
    return torch.stack(
        [(features[-1].float() - target).square().mean() for features in found]
    ).mean()


def matching_loss(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of the features of all layers but the scores."""
    pairs = [(f, r) for fs, rs in zip(fake, real) for f, r in zip(fs[:-1], rs[:-1])]
    return torch.stack([(f.float() - r.float().detach()).abs().mean() for f, r in pairs]).mean()


class MultimodalTrainer(Trainer):
    """Trains MultimodalUNet on batches of EdgePhotos.

    [network]  widths, code, native, dyed (see MultimodalConfig); discriminator: its width
    [losses]   weights: pixel, matching, gan, code, kl, hint
    """

    nets = ("generator", "encoder", "discriminator")
    averaged = ("generator", "encoder")

    def __init__(self, recipe: Recipe, data: EdgePhotos) -> None:
        network = dict(recipe.network)
        self.config = MultimodalConfig(
            widths=tuple(network.get("widths", MultimodalConfig.widths)),
            code=network.get("code", MultimodalConfig.code),
            native=tuple(network.get("native", data.native)),
            dyed=network.get("dyed", True),
        )
        self.recipe, self.data = recipe, data
        self.generator = MultimodalUNet(self.config)
        self.encoder = CodeEncoder(self.config.code)
        self.discriminator = ScalesDiscriminator(4, network.get("discriminator", 40))
        betas = (0.5, 0.99)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, betas),
            "encoder": torch.optim.Adam(self.encoder.parameters(), 2e-4, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, betas),
        }
        weights = {
            "pixel": 10.0,
            "matching": 10.0,
            "gan": 1.0,
            "code": 0.5,
            "kl": 0.01,
            "hint": 10.0,
        }
        self.weights = weights | dict(recipe.losses)

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        edges, hints, photo = (_last(batch[n]) for n in ("edges", "hints", "photo"))
        own = len(photo) // 2
        mean, logvar = self.encoder(photo)
        mean, logvar = mean.float(), logvar.float()
        epsilon = layers.normal(mean.shape, noise)
        code = mean + epsilon * (logvar / 2).exp()
        swapped = code[own:].roll(1, 0).detach()
        grain = layers.normal(edges.shape, noise)
        fake = self.generator(edges, hints, torch.cat((code[:own], swapped)), grain).float()

        losses = self._discriminate(fabric, edges, photo, fake)
        loss, parts = self._generate(batch, edges, photo, fake, own, mean, logvar, swapped)
        descend(fabric, loss, self.optimisers["generator"], self.optimisers["encoder"])
        return losses | parts

    def _discriminate(
        self, fabric: Fabric, edges: Tensor, photo: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        both = torch.cat((torch.cat((edges, photo), 1), torch.cat((edges, fake.detach()), 1)))
        found = self.discriminator(both)
        half = len(edges)
        real = scores_loss([[f[:half] for f in scale] for scale in found], True)
        false = scores_loss([[f[half:] for f in scale] for scale in found], False)
        descend(fabric, (real + false) / 2, self.optimisers["discriminator"])
        return {"D_real": real.detach(), "D_fake": false.detach()}

    def _generate(
        self,
        batch: dict[str, Tensor],
        edges: Tensor,
        photo: Tensor,
        fake: Tensor,
        own: int,
        mean: Tensor,
        logvar: Tensor,
        swapped: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
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
            "hint": ((fake[own:] - photo[own:]).abs().mean(1, keepdim=True) * named).mean()
            / named.mean().clamp(min=0.05),
            "code": ((recovered.float() - swapped).abs().mean(1) * free).mean()
            / free.mean().clamp(min=0.2),
            "kl": 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean(),
        }
        loss = torch.stack([w[name] * part for name, part in parts.items()]).sum()
        return loss, {name: part.detach() for name, part in parts.items()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: edges, hints, photo, own code, mean code, two seeds, for eight fixed training
        samples."""
        generator, encoder = averages["generator"], averages["encoder"]
        assert isinstance(generator, MultimodalUNet)
        self.fit_codes(generator, encoder)
        device = next(generator.parameters()).device
        stage = self.recipe.stages[-1]
        raw = self.data.batch(-1 & 0xFFFF, 8, stage.size, rank=99)
        batch = {name: torch.from_numpy(a).to(device) for name, a in raw.items()}
        edges, hints, photo = batch["edges"], batch["hints"], batch["photo"]
        grain = generator.sample_noise(list(range(8)), stage.size)
        with torch.inference_mode():
            own = generator(edges, hints, encoder(photo)[0], grain)
            rows = [edges.expand_as(photo), hints[:, :3] + 1 - hints[:, 3:], photo, own]
            for strength, first in ((0.0, 0), (1.0, 0), (1.0, 8)):
                codes = generator.sample_code(list(range(first, first + 8)), strength)
                rows.append(generator(edges, hints, codes.to(device), grain))
        return sheet(rows)

    @torch.inference_mode()
    def fit_codes(self, generator: MultimodalUNet, encoder: nn.Module, most: int = 1024) -> None:
        """Store mean and spread (Cholesky factor) of the codes of the training photos in the
        generator."""
        device = next(generator.parameters()).device
        chosen = np.linspace(0, len(self.data) - 1, min(most, len(self.data))).astype(int)
        size = self.recipe.stages[-1].size
        codes = []
        for part in np.array_split(chosen, max(1, len(chosen) // 32)):
            photos = np.stack(
                [cv2.resize(self.data.photos[i], size, interpolation=cv2.INTER_AREA) for i in part]
            )
            x = torch.from_numpy(photos).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
            codes.append(encoder(x)[0].float().cpu())
        found = torch.cat(codes)
        generator.code_mean.copy_(found.mean(0))
        spread = torch.linalg.cholesky(torch.cov(found.T) + 1e-4 * torch.eye(found.shape[1]))
        generator.code_spread.copy_(spread)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        generator = averages["generator"]
        assert isinstance(generator, MultimodalUNet)
        self.fit_codes(generator, averages["encoder"])
        export_generator(
            generator,
            self.config,
            dict(self.recipe.card) | {"sketch": self.data.stats()},
            path,
            half,
        )


class Pix2PixTrainer(Trainer):
    """Trains a U-Net or ResNet generator on pairs (Isola et al. 2017): adversarial loss, an L_p
    pixel loss, and as an extra the feature matching of Wang et al. 2018.

    [network]  generator "unet" | "resnet", depth (downsamplings or residual blocks), width, norm
               "batch" | "instance", dropout; discriminator "patch" | "pixel", discriminator_layers,
               discriminator_width
    [losses]   mode "vanilla" | "lsgan" | "wgangp", gan, pixel (weight), p (of the pixel norm),
               matching (weight)
    """

    nets = ("generator", "discriminator")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: Pairs) -> None:
        self.recipe, self.data = recipe, data
        network = _NETWORK | dict(recipe.network)
        self.losses = _LOSSES | dict(recipe.losses)
        for table, known in ((network, _NETWORK), (self.losses, _LOSSES)):
            if unknown := set(table) - set(known):
                raise RecipeError(f"The recipe's entry “{sorted(unknown)[0]}” is unknown.")
        self.config = _generator_config(network)
        self.generator = build(self.config)
        layers.init_weights(self.generator)
        self.discriminator = _discriminator(network)
        layers.init_weights(self.discriminator)
        self.criterion = layers.GANLoss(str(self.losses["mode"]))
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999)),
        }

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        given, target = _last(batch["input"]), _last(batch["target"])
        seed_dropout(noise)  # dropout draws from the global source
        self.generator.train()
        fake = self.generator(given).float()
        pairs_ = torch.cat((given, target), 1), torch.cat((given, fake), 1)
        losses = self._discriminate(fabric, pairs_[0], pairs_[1].detach(), noise)
        self.discriminator.requires_grad_(False)
        parts = self._judge(pairs_[1], pairs_[0], fake, target)
        loss = torch.stack([float(self.losses[n]) * part for n, part in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        self.discriminator.requires_grad_(True)
        return losses | {name: part.detach() for name, part in parts.items()}

    def _discriminate(
        self, fabric: Fabric, real: Tensor, fake: Tensor, noise: torch.Generator
    ) -> dict[str, Tensor]:
        on_real = self.criterion(self.discriminator(real).float(), True)
        on_fake = self.criterion(self.discriminator(fake).float(), False)
        loss = (on_real + on_fake) / 2
        if self.losses["mode"] == "wgangp":
            mix = layers.uniform((len(real), 1), noise)
            loss = loss + layers.gradient_penalty(self.discriminator, real, fake, mix)
        descend(fabric, loss, self.optimisers["discriminator"])
        return {"D_real": on_real.detach(), "D_fake": on_fake.detach()}

    def _judge(
        self, judged: Tensor, real: Tensor, fake: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        power = float(self.losses["p"])
        parts = {
            "gan": self.criterion(self.discriminator(judged).float(), True),
            "pixel": (fake - target).abs().pow(power).mean(),
        }
        if self.losses["matching"]:
            with torch.no_grad():
                wanted = layers.features(self.discriminator, real)
            parts["matching"] = layers.feature_matching(
                layers.features(self.discriminator, judged), wanted
            )
        return parts

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: input, output, target, for up to six fixed training samples."""
        generator = averages["generator"]
        raw = self.data.batch(
            0xFFFF, min(6, max(2, len(self.data))), self.recipe.stages[-1].size, rank=99
        )
        given, target = torch.from_numpy(raw["input"]), torch.from_numpy(raw["target"])
        with torch.inference_mode():
            made = generator(given.to(next(generator.parameters()).device)).float().cpu()
        return sheet([given.expand_as(target), made, target])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        export_generator(averages["generator"], self.config, dict(self.recipe.card), path, half)


_NETWORK: dict[str, Any] = {
    "generator": "unet",
    "depth": 8,
    "width": 64,
    "norm": "batch",
    "dropout": True,
    "inputs": 3,
    "outputs": 3,
    "discriminator": "patch",
    "discriminator_layers": 3,
    "discriminator_width": 64,
}
_LOSSES: dict[str, Any] = {"mode": "vanilla", "gan": 1.0, "pixel": 100.0, "p": 1.0, "matching": 0.0}


def _generator_config(network: Mapping[str, Any]) -> UNetConfig | ResNetConfig:
    shared = {name: network[name] for name in ("inputs", "outputs", "width", "norm", "dropout")}
    if network["generator"] == "unet":
        if network["depth"] < 2:
            raise RecipeError("A U-Net needs a depth of 2 or more; the official ones have 7 and 8.")
        return UNetConfig(depth=network["depth"], **shared)
    if network["generator"] == "resnet":
        return ResNetConfig(blocks=network["depth"], **shared)
    raise RecipeError(f"The generator is unet or resnet, not “{network['generator']}”.")


def _discriminator(network: Mapping[str, Any]) -> nn.Module:
    inputs, width = network["inputs"] + network["outputs"], network["discriminator_width"]
    if network["discriminator"] == "pixel":
        return layers.PixelDiscriminator(inputs, width, network["norm"])
    if network["discriminator"] == "patch":
        return layers.PatchDiscriminator(
            inputs, width, network["discriminator_layers"], network["norm"]
        )
    raise RecipeError(f"The discriminator is patch or pixel, not “{network['discriminator']}”.")


def export_generator(
    generator: nn.Module, config: Config, card: dict[str, Any], path: Path, half: bool
) -> None:
    """Write a generator as a safetensors file of ours."""
    from engines.checkpoint import save
    from engines.families.pix2pix import Pix2Pix

    metadata = {"family": Pix2Pix.id, "config": Pix2Pix().to_dict(config), "card": card}
    save(path, generator.state_dict(), metadata, half=half)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
