"""Training Fader Networks (Lample et al. 2017): the autoencoder redraws photos while its encoder
learns to hide the attributes from a discriminator that reads the code.

The patch adversary and the classifier that judge photos redrawn with one attribute turned over are
options of the authors' code too; they have no weight unless the recipe gives them one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines.facedata import LabelledFaces
from engines.families.fader.config import Config
from engines.families.fader.net import (
    AutoEncoder,
    Classifier,
    LatentDiscriminator,
    PatchDiscriminator,
    attribute_loss,
)
from engines.job import Picture
from engines.layers import moved
from engines.training import Recipe, RecipeError, Trainer, names, seed_dropout, sheet, told

_NETWORK: dict[str, Any] = {
    "labels": (),  # as a person reads them, one for each attribute of the data
    "width": 32,
    "most": 512,
    "levels": 6,
    "skips": 0,
    "norm": "batch",
    "upscale": "convtranspose",
    "face": "celeba",
    "hidden": 512,  # units of the last layer but one of latent discriminator and classifier
    "dropout": 0.3,
}
_LOSSES: dict[str, Any] = {
    "reconstruction": 1.0,  # mean square difference
    "edited": 0.0,  # of pairs alone; see families/fader/taught.py
    "latent": 1e-4,  # of what the discriminator reads in the code: the contrary, reached ...
    "ramp": 500_000,  # ... after so many steps, linearly from zero
    "patch": 0.0,  # of photos with one attribute turned over, against a patch adversary
    "class": 0.0,  # of the same photos, by a classifier of real ones
    "rate": 1.0,  # learning rate of patch adversary and classifier, as a share of the others'
    "moved": 0.0,  # share of the side by which the pictures of both are moved at random
    "clip": 5.0,  # longest gradient of each net
}


class FaderTrainer(Trainer):
    """One step of the adversaries, then one of the autoencoder. Labels that nobody gave are told to
    the decoder as halfway, and count in no loss."""

    averaged = ("autoencoder",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        labels = names(network["labels"], data.attributes)
        self.config = Config(
            labels,
            recipe.stages[-1].size[0],
            *(network[n] for n in ("width", "most", "levels", "skips", "norm", "upscale", "face")),
        )
        if {stage.size for stage in recipe.stages} != {(self.config.size,) * 2}:
            raise RecipeError("Every stage of a Fader network has one and the same square size.")
        hidden, dropout = network["hidden"], network["dropout"]
        nets: dict[str, nn.Module] = {
            "autoencoder": AutoEncoder(self.config),
            "latent": LatentDiscriminator(self.config, hidden, dropout),
        }
        if self.losses["patch"]:
            nets["patch"] = PatchDiscriminator(self.config.width)
        if self.losses["class"]:
            nets["classifier"] = Classifier(self.config, hidden, dropout)
        for name, net in nets.items():
            setattr(self, name, net)
        self.nets = tuple(nets)
        self.optimisers = {
            name: torch.optim.Adam(self._group(name, net), 2e-4, (0.5, 0.999))
            for name, net in nets.items()
        }

    def _group(self, name: str, net: nn.Module) -> list[dict[str, Any]]:
        is_judge = name in ("patch", "classifier")
        scale = float(self.losses["rate"]) if is_judge else 1.0
        return [{"params": net.parameters(), "rate_scale": scale}]

    autoencoder: nn.Module
    latent: nn.Module
    patch: nn.Module
    classifier: nn.Module

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        seed_dropout(noise)  # for dropout
        real = batch["photo"].contiguous(memory_format=torch.channels_last)
        labels, known = batch["labels"], batch["known"]
        own = labels * known + 0.5 * (1 - known)
        self._let_learn(True)
        features = self.autoencoder(real)
        redrawn = self._decode(features, own)
        turn = _one_each(labels, noise)
        turned = own + turn * (1 - 2 * own)
        edited = None
        if len(self.nets) > 2:
            edited = self._decode(features, turned)
        found = self._teach(fabric, real, edited, features[0], labels, known, noise)
        self._let_learn(False)
        parts = {
            "reconstruction": F.mse_loss(redrawn, real),
            "latent": attribute_loss(self.latent(features[0]), labels, known, flipped=True),
        }
        if edited is not None:
            parts |= self._judged(edited, turned, turn * known, noise)
        weights = self.losses | {"latent": batch["latent"]}
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        self._update(fabric, "autoencoder", total)
        return found | {name: part.detach() for name, part in parts.items()}

    def _let_learn(self, on: bool) -> None:
        """The adversaries; the autoencoder always does."""
        for name in self.nets[1:]:
            getattr(self, name).train(on).requires_grad_(on)
        self.autoencoder.train()

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """The batch and what the latent loss weighs by now, ()."""
        return {**batch, "latent": torch.tensor(self._latent_weight())}

    def turn(self) -> str:
        return ""

    def _latent_weight(self) -> float:
        """Linear in the steps so far."""
        ramp = int(self.losses["ramp"])
        share = min(self.done / ramp, 1.0) if ramp else 1.0
        return float(self.losses["latent"]) * share

    def _decode(self, features: list[Tensor], values: Tensor) -> Tensor:
        planes = torch.stack((1 - values, values), 2).flatten(1)
        return self.autoencoder(*features, attributes=planes).float()

    def _teach(
        self,
        fabric: Fabric,
        real: Tensor,
        edited: Tensor | None,
        code: Tensor,
        labels: Tensor,
        known: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        found = {"D_latent": attribute_loss(self.latent(code.detach()), labels, known)}
        self._update(fabric, "latent", found["D_latent"])
        share = float(self.losses["moved"])
        if "classifier" in self.nets:
            seen = moved(real, share, noise)
            found["D_class"] = attribute_loss(self.classifier(seen), labels, known)
            self._update(fabric, "classifier", found["D_class"])
        if "patch" in self.nets and edited is not None:
            both = moved(torch.cat((real, edited.detach())), share, noise)
            truth, lie = self.patch(both).float().chunk(2)
            found["D_patch"] = (_log_loss(truth, True) + _log_loss(lie, False)) / 2
            self._update(fabric, "patch", found["D_patch"])
        return {name: value.detach() for name, value in found.items()}

    def _judged(
        self, edited: Tensor, turned: Tensor, asked: Tensor, noise: torch.Generator
    ) -> dict[str, Tensor]:
        parts = {}
        seen = moved(edited, float(self.losses["moved"]), noise)
        if "patch" in self.nets:
            parts["patch"] = _log_loss(self.patch(seen).float(), True)
        if "classifier" in self.nets:
            parts["class"] = attribute_loss(self.classifier(seen), turned.round(), asked)
        return parts

    def _update(self, fabric: Fabric, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss)
        if self.losses["clip"]:
            module = getattr(self, name)
            fabric.clip_gradients(
                module, optimiser, max_norm=float(self.losses["clip"]), error_if_nonfinite=False
            )
        optimiser.step()

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos, the same redrawn, with each attribute absent and present, and the first
        attribute at the ends of the authors' strip."""
        net = averages["autoencoder"]
        raw = self.data.batch(0xFFFF, 6, self.recipe.stages[-1].size, rank=99)
        device = next(net.parameters()).device
        photo, labels, known = (
            torch.from_numpy(raw[n]).to(device) for n in ("photo", "labels", "known")
        )
        own = labels * known + 0.5 * (1 - known)
        wanted = [own]
        for place in range(len(self.config.labels)):
            for value in (0.0, 1.0) if place else (-1.0, 0.0, 1.0, 2.0):
                wanted.append(own.clone())
                wanted[-1][:, place] = value
        with torch.inference_mode():
            features = net(photo)
            planes = [torch.stack((1 - v, v), 2).flatten(1) for v in wanted]
            rows = [net(*features, attributes=p) for p in planes]
        return sheet([photo, *rows])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, averages["autoencoder"].state_dict(), "fader", self.config, half)


def _one_each(labels: Tensor, noise: torch.Generator) -> Tensor:
    """(N, A) in {0, 1}: one attribute of each photo, at random."""
    places = torch.randint(labels.shape[1], (len(labels),), generator=noise, device=noise.device)
    return F.one_hot(places, labels.shape[1]).to(labels)


def _log_loss(chances: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy(chances, torch.full_like(chances, float(real)))
