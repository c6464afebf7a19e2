"""Training the face embedder (engines/embedder.py), which the identity-preserving search needs.

Each person of the data is a class, most with one portrait alone: what makes two pictures of a face
differ (light, colour, sharpness, a hidden part, place) is played through at random, so that the
angle between two faces is that of their features (Deng et al. 2019, ArcFace).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import embedder, faces, redraw
from engines.embedder import Embedder
from engines.facedata import LabelledFaces
from engines.job import Picture
from engines.layers import moved, uniform
from engines.training import Recipe, Trainer, descend, sheet, told

_NETWORK: dict[str, Any] = {"widths": (32, 64, 96, 160), "length": 128, "size": 64}
_LOSSES: dict[str, Any] = {"scale": 16.0, "margin": 0.2, "moved": 0.04}


class _Known(nn.Module):
    """The embedder and a direction for each person that it is taught."""

    def __init__(self, net: Embedder, people: int) -> None:
        super().__init__()
        self.net = net
        self.people = nn.Parameter(torch.randn(people, net.config.length) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Cosines (B, people) of portraits (B, 3, side, side) aligned as our data is."""
        return self.seen(x) @ F.normalize(self.people, dim=1).T

    def seen(self, x: Tensor) -> Tensor:
        return self.net.of(x, redraw.scaled(faces.OWN, x.shape[-1]))


class EmbedderTrainer(Trainer):
    nets = ("net",)
    averaged = ("net",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        self.losses = told(_LOSSES, recipe.losses)
        network = told(_NETWORK, recipe.network)
        config = embedder.Config(tuple(network["widths"]), network["length"], network["size"])
        own = embedder.Config()
        scale = config.size / own.size
        config = replace(config, points=tuple(v * scale for v in own.points))
        names = [row["person"] for row in data.rows]
        order = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self.people = torch.tensor([order[name] for name in names])
        self.net = _Known(Embedder(config), len(order))
        self.optimisers = {"net": torch.optim.AdamW(self.net.parameters(), 1e-3, weight_decay=0.1)}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        photo = _varied(batch["photo"], noise)
        photo = moved(photo, self.losses["moved"], noise).clamp(-1, 1)
        wanted = self.people.to(batch["index"].device)[batch["index"]]
        loss, cosines = arc_loss(
            self.net(photo).float(), wanted, self.losses["scale"], self.losses["margin"]
        )
        descend(fabric, loss, self.optimisers["net"])
        right = (cosines.argmax(1) == wanted).float().mean()
        return {"arc": loss.detach(), "right": right}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: eight photos, then of 256 others the three most like each."""
        net = averages["net"]
        assert isinstance(net, _Known)
        device = next(net.parameters()).device
        raw = self.data.batch(0xFFFF, 264, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(device)
        with torch.inference_mode():
            seen = net.seen(photo)
        people = self.people[torch.from_numpy(raw["index"])].to(device)
        alike = seen[:8] @ seen.T
        alike[people[:8, None] == people] = -2
        nearest = alike.topk(3, dim=1).indices
        return sheet([photo[:8], *(photo[nearest[:, place]] for place in range(3))])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        net = averages["net"]
        assert isinstance(net, _Known)
        embedder.write(net.net, path, dict(self.recipe.card), half)


def arc_loss(cosines: Tensor, wanted: Tensor, scale: float, margin: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of scaled cosines (B, people), of which the right one's angle is made larger by
    `margin` radians; and the cosines as they were."""
    angle = cosines.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    right = F.one_hot(wanted, cosines.shape[1]).bool()
    harder = (angle + margin).clamp(max=math.pi).cos()
    return F.cross_entropy(scale * torch.where(right, harder, cosines), wanted), cosines.detach()


def _varied(photo: Tensor, noise: torch.Generator) -> Tensor:
    """Contrast and colour at random, some pictures unsharp, and a square of each hidden."""
    count, side = len(photo), photo.shape[-1]
    draw = uniform((count, 6), noise)
    mean = photo.mean((2, 3), keepdim=True)
    made = mean + (photo - mean) * (0.6 + 0.8 * draw[:, 0, None, None, None])
    tint = uniform((count, 3, 1, 1), noise)
    made = made + (tint - 0.5) * 0.4
    grey = made.mean(1, keepdim=True).expand_as(made)
    made = torch.where(draw[:, 1, None, None, None] < 0.2, grey, made)
    small = F.interpolate(made, scale_factor=0.5, mode="bilinear", antialias=True)
    unsharp = F.interpolate(small, size=side, mode="bilinear")
    made = torch.where(draw[:, 2, None, None, None] < 0.3, unsharp, made)
    rows = torch.arange(side, device=photo.device) / side
    tall = (rows - draw[:, 3, None]).abs() < 0.1
    wide = (rows - draw[:, 4, None]).abs() < 0.1
    hidden = (
        tall[:, None, :, None] & wide[:, None, None, :] & (draw[:, 5] < 0.5)[:, None, None, None]
    )
    return made.masked_fill(hidden, 0.0)
