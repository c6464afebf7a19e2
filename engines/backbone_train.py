"""Training the starter backbone: one small VGG that names what a picture shows, says what a face is
like, finds the parts of buildings and streets, and restores what was spoiled.

The last needs no labels (Pathak et al. 2016, Zhang et al. 2016: holes, colour): it keeps texture
and colour in the early layers, which style and dream are after, where naming alone would drop them.
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

from engines import backbones, checkpoint
from engines.backbonedata import CELL, UNKNOWN, Mixed
from engines.backbonenet import Backbone, folded
from engines.backbones import HEAD, STARTER, Config, layer_table
from engines.job import Picture
from engines.perceptual import normalise
from engines.training import Recipe, Trainer, descend, sheet, signed, told

_NETWORK: dict[str, Any] = {"widths": STARTER.widths, "depths": STARTER.depths}
_LOSSES: dict[str, Any] = {"class": 1.0, "attributes": 0.5, "map": 0.5, "restored": 2.0}
SMOOTHING = 0.1  # of the classes
CALIBRATION = 24  # pictures that the activations are normalised by


class Heads(nn.Module):
    """The backbone with a head for each task. Heads read the deepest map and, for what has a place,
    the last of stride CELL too."""

    def __init__(self, config: Config, attributes: int, places: int) -> None:
        super().__init__()
        self.backbone = Backbone(config)
        table = {layer.name: layer for layer in layer_table(config) if layer.kind == "relu"}
        fine = [layer for layer in table.values() if layer.stride == CELL]
        self.deep, self.fine = list(table)[-1], fine[-1].name
        deep, near = table[self.deep].channels, fine[-1].channels
        self.attributes = nn.Linear(deep, max(attributes, 1))
        self.places = nn.Conv2d(deep + near, max(places, 1), 1)
        self.restored = nn.Conv2d(deep + near, 3 * CELL**2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Of RGB (N, 3, H, W) in [-1, 1]: "class" and "attributes" (N, n), "places" (N, n, h, w) of
        CELL pixels each, "restored" (N, 3, H, W) in [-1, 1]."""
        maps = self.backbone(self.backbone.enter((x + 1) / 2), [self.fine, self.deep, HEAD])
        deep = F.interpolate(maps[self.deep], maps[self.fine].shape[-2:])
        both = torch.cat((maps[self.fine], deep), 1)
        return {
            "class": maps[HEAD],
            "attributes": self.attributes(maps[self.deep].mean((2, 3))),
            "places": self.places(both),
            "restored": F.pixel_shuffle(self.restored(both), CELL),
        }


class BackboneTrainer(Trainer):
    """One step sees each picture twice: spoiled, for what it was, and as it is, for the rest.

    Batch norm, which makes so short a training possible, is multiplied into the convolutions of
    what is written.
    """

    nets = ("heads",)
    averaged = ("heads",)

    def __init__(self, recipe: Recipe, data: Mixed) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        self.config = replace(STARTER, widths=tuple(network["widths"]),
                              depths=tuple(network["depths"]), classes=len(data.classes),
                              norm=True)  # fmt: skip
        self.heads = Heads(self.config, len(data.attributes), data.places)
        for layer in self.heads.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.optimisers = {
            "heads": torch.optim.AdamW(self.heads.parameters(), 1e-3, weight_decay=0.02)
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        count = len(batch["photo"])
        batch = batch | {name: signed(batch[name]) for name in ("photo", "spoiled")}
        both = torch.cat((batch["photo"], batch["spoiled"]))
        made = self.heads(both.contiguous(memory_format=torch.channels_last))
        found = task_losses({name: value.float() for name, value in made.items()}, batch)
        right = (made["class"][:count].argmax(1) == batch["klass"]).float()
        weighted = [float(self.losses[name]) * value for name, value in found.items()]
        descend(fabric, torch.stack(weighted).sum(), self.optimisers["heads"])
        known = (batch["klass"] != UNKNOWN).sum().clamp(min=1)
        return {n: v.detach() for n, v in found.items()} | {"right": right.sum() / known}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Spoiled pictures, what the network makes of them, and what they were."""
        raw = self.data.batch(0xFFFF, 8, self.recipe.stages[-1].size, rank=99)
        heads = averages["heads"]
        photo, spoiled = (signed(torch.from_numpy(raw[n])) for n in ("photo", "spoiled"))
        with torch.inference_mode():
            made = heads(spoiled.to(next(heads.parameters()).device))["restored"]
        return sheet([spoiled, made.cpu(), photo])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        """The backbone and its head for classes, without batch norms, its activations of the mean
        one: then the weights of a style's terms mean what they mean to others."""
        backbone = averages["heads"].get_submodule("backbone")
        config = replace(self.config, norm=False)
        net = Backbone(config)
        net.load_state_dict(folded({k: v.cpu() for k, v in backbone.state_dict().items()},
                                   self.config))  # fmt: skip
        raw = self.data.batch(0xFFFF, CALIBRATION, self.recipe.stages[-1].size, rank=99)["photo"]
        normalise(net, (signed(torch.from_numpy(raw)) + 1) / 2)
        metadata = {
            **backbones.to_metadata(config),
            backbones.CLASSES: list(self.data.classes),
            "card": dict(self.recipe.card),
        }
        checkpoint.save(path, net.state_dict(), metadata, half=half)


def task_losses(made: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the network said of photos (the first half) and of their spoiled copies against what is
    known; a task that nothing is known for has the loss 0."""
    photo, known = batch["photo"], batch["known"]
    klass = torch.cat((batch["klass"], batch["klass"]))
    named = F.cross_entropy(made["class"], klass, ignore_index=UNKNOWN, reduction="sum",
                            label_smoothing=SMOOTHING)  # fmt: skip
    count = len(photo)
    said = F.binary_cross_entropy_with_logits(made["attributes"][:count, : known.shape[1]],
                                              batch["labels"], reduction="none")  # fmt: skip
    placed = F.cross_entropy(made["places"][:count], batch["map"], ignore_index=UNKNOWN,
                             reduction="sum")  # fmt: skip
    return {
        "class": named / (klass != UNKNOWN).sum().clamp(min=1),
        "attributes": (said * known).sum() / known.sum().clamp(min=1),
        "map": placed / (batch["map"] != UNKNOWN).sum().clamp(min=1),
        "restored": F.l1_loss(made["restored"], torch.cat((photo, photo))),
    }
