"""Training of a feed-forward style net: one style, any photo (Johnson et al. 2016), judged by any
VGG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines.families.faststyle.config import Config
from engines.families.faststyle.net import TransformerNet
from engines.job import Picture
from engines.perceptual import content_loss, gram, gram_loss, maps, open_judge, total_variation
from engines.styledata import Styles
from engines.training import Recipe, Trainer, descend, sheet, signed, told

_NETWORK: dict[str, Any] = {"widths": (24, 48, 96), "blocks": 5}
_LOSSES: dict[str, Any] = {
    "content": 1.0,
    "style": 2.0,
    "smooth": 0.3,
    "content_layer": "relu3_2",
    "style_layers": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
}
CALIBRATION = 8  # photos that the judge is normalised by


class FastStyleTrainer(Trainer):
    """The net starts near the middle of the range of colours, where the public ones take a
    thousand steps to arrive."""

    nets = ("net",)
    averaged = ("net",)

    def __init__(self, recipe: Recipe, data: Styles) -> None:
        self.recipe, self.data = recipe, data
        network, self.losses = told(_NETWORK, recipe.network), told(_LOSSES, recipe.losses)
        style = recipe.card.get("style", recipe.name)
        self.config = Config("plain", tuple(network["widths"]), network["blocks"], style)
        self.net = TransformerNet(self.config)
        with torch.no_grad():
            last = self.net.deconv3.conv2d
            last.weight *= 100
            nn.init.constant_(last.bias, 127.0)  # pyright: ignore[reportArgumentType]
        self.layers = tuple(self.losses["style_layers"])
        self.judge = open_judge(recipe.files["backbone"], self._photos(CALIBRATION))
        self.aim = self._look()
        self.optimisers = {"net": torch.optim.Adam(self.net.parameters(), 1e-3)}

    def _photos(self, count: int) -> Tensor:
        """(count, 3, H, W) in [0, 1], always the same."""
        raw = self.data.batch(0xFFFF, count, self.recipe.stages[-1].size, rank=99)["photo"]
        return (signed(torch.from_numpy(raw)) + 1) / 2

    @torch.no_grad()
    def _look(self) -> dict[str, Tensor]:
        """Gram matrices of the style, the whole picture of it."""
        pixels = torch.from_numpy(self.data.styles.pictures[0]).permute(2, 0, 1)[None]
        found = maps(self.judge, pixels.float() / 255, self.layers)
        return {name: gram(one) for name, one in found.items()}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        self.judge.to(fabric.device)
        self.aim = {name: one.to(fabric.device) for name, one in self.aim.items()}
        photo = batch["photo"].float()
        made = self.net(photo).float() / 255
        deep = self.losses["content_layer"]
        with fabric.autocast():
            with torch.no_grad():
                kept = maps(self.judge, photo / 255, (deep,))[deep]
            found = maps(self.judge, made, (*self.layers, deep))
        losses = {
            "content": content_loss(found[deep], kept),
            "style": gram_loss(found, self.aim),
            "smooth": total_variation(made),
        }
        weighted = [float(self.losses[name]) * value for name, value in losses.items()]
        descend(fabric, torch.stack(weighted).sum(), self.optimisers["net"])
        return {name: value.detach() for name, value in losses.items()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Photos, and how the net paints them."""
        photos, net = self._photos(6), averages["net"]
        with torch.inference_mode():
            made = net(photos.to(next(net.parameters()).device) * 255)
        return sheet([photos * 2 - 1, made.cpu() / 127.5 - 1])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["net"].state_dict(), "fast_style", self.config, half)
