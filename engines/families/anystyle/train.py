"""Training of a decoder for any style on an encoder that stays as it is (Huang & Belongie 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.anystyle.config import Config
from engines.families.anystyle.net import AdaIN, dressed, look_of
from engines.job import Picture
from engines.perceptual import (
    content_loss,
    gram,
    gram_loss,
    maps,
    moment_loss,
    moments,
    open_judge,
    total_variation,
)
from engines.styledata import Styles
from engines.training import Recipe, Trainer, descend, sheet, signed, told

_NETWORK: dict[str, Any] = {"stages": Config().stages, "skips": Config().skips}
_LOSSES: dict[str, Any] = {"content": 1.0, "style": 5.0, "gram": 1.0, "same": 2.0, "smooth": 0.1}
CALIBRATION = 8  # photos that the encoder is normalised by


class AnyStyleTrainer(Trainer):
    """Beside means and deviations the Gram matrices are compared, which a VGG of few channels
    needs to know textures apart. Photos that are their own style must come back (`same`)."""

    nets = ("decoder",)
    averaged = ("decoder",)

    def __init__(self, recipe: Recipe, data: Styles) -> None:
        self.recipe, self.data = recipe, data
        network, self.losses = told(_NETWORK, recipe.network), told(_LOSSES, recipe.losses)
        photos, _ = self._pairs(CALIBRATION)
        judge = open_judge(recipe.files["backbone"], photos)
        stages = tuple(tuple(stage) for stage in network["stages"])
        count = len(stages)
        self.config = Config(judge.config.widths[:count], (*judge.config.depths[: count - 1], 1),
                             stages, tuple(network["skips"]), judge.config.scale)  # fmt: skip
        self.net = AdaIN(self.config)
        state = judge.state_dict()
        kept = self.net.encoder.state_dict()
        self.net.encoder.load_state_dict({key: state[key] for key in kept})
        self.net.encoder.requires_grad_(False)
        self.decoder = self.net.decoder
        for layer in self.decoder.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        with torch.no_grad():  # begin with grey
            layer.weight *= 0.1  # pyright: ignore
            layer.bias.fill_(0.5)  # pyright: ignore
        self.optimisers = {"decoder": torch.optim.Adam(self.decoder.parameters(), 5e-4)}

    def _pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Photos and styles, (count, 3, H, W) in [0, 1], always the same."""
        raw = self.data.batch(0xFFFF, 2 * count, self.recipe.stages[-1].size, rank=99)
        photo, style = (torch.from_numpy(raw[n][-count:]) for n in ("photo", "style"))
        return (signed(photo) + 1) / 2, (signed(style) + 1) / 2

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        judge = self.net.encoder.to(fabric.device)
        photo, style = (batch[name].float() / 255 for name in ("photo", "style"))
        deep, layers = self.config.layers[-1], self.config.layers
        with torch.no_grad(), fabric.autocast():
            known = maps(judge, torch.cat((photo, style)), layers)
            mine = {name: one[: len(photo)] for name, one in known.items()}
            aim = {name: one[len(photo) :] for name, one in known.items()}
            look = look_of([moments(aim[name]) for name in self.config.levels])
            levels = [mine[name] for name in self.config.levels]
            own = [moments(level) for level in levels]
            levels = dressed(levels, own, look, self.config.channels)
        made = self.decoder(levels).float()
        with fabric.autocast():
            found = maps(judge, made, layers)
        same = int(self.data.same * len(photo))
        losses = {
            "content": content_loss(found[deep], levels[0]),
            "style": moment_loss(found, aim),
            "gram": gram_loss(found, {name: gram(one) for name, one in aim.items()}),
            "smooth": total_variation(made),
        }
        if same:
            losses["same"] = F.l1_loss(made[:same], photo[:same])
        weighted = [float(self.losses[name]) * value for name, value in losses.items()]
        descend(fabric, torch.stack(weighted).sum(), self.optimisers["decoder"])
        return {name: value.detach() for name, value in losses.items()}

    def _net(self, averages: Mapping[str, nn.Module]) -> AdaIN:
        net = AdaIN(self.config)
        state = {f"encoder.{k}": v for k, v in self.net.encoder.state_dict().items()}
        state |= {f"decoder.{k}": v for k, v in averages["decoder"].state_dict().items()}
        net.load_state_dict({key: value.cpu() for key, value in state.items()})
        return net.eval()

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Photos, styles, and the photos painted."""
        photos, styles = self._pairs(6)
        net = self._net(averages)
        with torch.inference_mode():
            made = net(photos, net(styles))
        return sheet([one * 2 - 1 for one in (photos, styles, made)])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, self._net(averages).state_dict(), "any_style", self.config, half)
