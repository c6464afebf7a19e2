"""Training DA-GAN (Ma et al. 2018) on two sets of labelled photos: those that have the one
attribute of the data (the target) and those that lack it (the source).

Roles are the paper's: s' is what becomes of a source s, t' of a target t. The set judge compares
whole pictures (t against s'), the instance judge attended regions alone (of t against those of s'
and t', which guards against one answer for all). Distances within and between the sets are told.
What goes beyond the paper weighs nothing unless the recipe's [losses] asks for it.
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
from engines.families.dagan.config import Config
from engines.families.dagan.net import (
    DAGAN,
    distance,
    group_distances,
    region_mask,
    translated,
)
from engines.job import Picture
from engines.layers import moved
from engines.training import Recipe, RecipeError, Trainer, descend, sheet, told

_NETWORK: dict[str, Any] = {
    "goal": "",  # what the targets have in common, as a person reads it
    "width": 64,
    "locate": (1024, 2048),
    "region": 30,
    "steep": 200.0,
    "blocks": 7,
    "judges": 64,
    "levels": 4,
    "adds": False,
}
_LOSSES: dict[str, Any] = {
    "consistency": 0.4,  # alpha: the codes of s and s' agree
    "symmetry": 0.6,  # beta: the codes of t and t' agree
    "set": 1.0,
    "instance": 1.0,
    "class": 1.0,  # the classifier tells instances of s and t apart, and takes s' for a target
    "reconstruction": 0.0,  # mean absolute difference of t and t' in the region
    "identity": 0.0,  # the same of s and s'
    "extent": 0.0,  # share of the picture that the region covers
    "critic": 0.0,  # of pairs alone; see families/dagan/taught.py
    "moved": 0.0,  # share of the side by which the judges' pictures are moved at random
}
DRAWS, JUDGES = ("encoder", "locator", "classifier", "generator"), ("set_judge", "instance_judge")


class DAGANTrainer(Trainer):
    """One step updates both judges, then all other nets at once. A batch with less than two photos
    of either set is passed over."""

    nets = (*DRAWS, *JUDGES)
    averaged = (*DRAWS, *JUDGES)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        if len(data.attributes) != 1:
            raise RecipeError("DA-GAN is trained on one attribute, which the targets have.")
        if not network["judges"]:
            raise RecipeError("DA-GAN is trained with its judges; give them a width.")
        goal = str(network.pop("goal") or data.attributes[0])
        network["locate"] = tuple(network["locate"])
        self.config = Config(goal=goal, classes=1, **network)
        net = DAGAN(self.config)
        self.encoder, self.locator = net.encoder, net.locator
        self.classifier, self.generator = net.classifier, net.generator
        self.set_judge, self.instance_judge = net.set_judge, net.instance_judge
        self.optimisers = {
            name: torch.optim.Adam(getattr(self, name).parameters(), 2e-4, (0.5, 0.999))
            for name in self.averaged
        }

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """As many photos of the source set, which lack the attribute, as of the target set behind
        them; of the rarer kind some twice. None where there is but one of a kind."""
        known = batch["known"][:, 0] > 0
        half, rows = len(known) // 2, []
        for has in (False, True):
            fits = torch.nonzero(known & ((batch["labels"][:, 0] > 0) == has))[:, 0]
            if len(fits) < 2:
                return {"photo": batch["photo"][:0]}
            again = torch.randint(len(fits), (max(half - len(fits), 0),), generator=noise)
            rows.append(torch.cat((fits[:half], fits[again])))
        return {"photo": batch["photo"][torch.cat(rows)]}

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        if not len(batch["photo"]):
            return {}
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        sources = len(photo) // 2
        seen = self._attended(photo)
        drawn = seen["drawn"]
        found = self._judge(fabric, photo, drawn, seen["mask"], sources, noise)
        parts = self._told_by_judges(drawn, seen["mask"], sources, noise)
        parts |= self._kept(photo, drawn, seen, sources)
        weights = {"extent": 0.0, **self.losses, "made_class": self.losses["class"]}
        total = torch.stack([float(weights[name]) * part for name, part in parts.items()]).sum()
        descend(fabric, total, *(self.optimisers[name] for name in DRAWS))
        source, target = seen["code"][:sources].detach(), seen["code"][sources:].detach()
        within, between = group_distances(source, target)
        return (
            found
            | {n: p.detach() for n, p in parts.items()}
            | {"within": within, "between": between}
        )

    def _attended(self, photo: Tensor) -> dict[str, Tensor]:
        """Mask (B, 1, H, W), code of the masked photos, logits of the classifier, and "drawn", the
        photos with the attended region translated (s' and t')."""
        box = self.locator(self.encoder(photo))
        mask = region_mask(box.float(), self.config.size, self.config.steep)
        code, drawn = translated(self.encoder, self.generator, photo, mask)
        return {"mask": mask, "code": code, "drawn": drawn, "logits": self.classifier(code)}

    def _judge(
        self,
        fabric: Fabric,
        photo: Tensor,
        drawn: Tensor,
        mask: Tensor,
        sources: int,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        mask, made, real = mask.detach(), drawn.detach(), photo[sources:]
        share, count = float(self.losses["moved"]), len(real)
        whole = self.set_judge(moved(torch.cat((real, made[:sources])), share, noise)).float()
        parts = torch.cat((real * mask[sources:], made * mask))
        alone = self.instance_judge(moved(parts, share, noise)).float()
        losses = {
            "D_set": F.softplus(-whole[:count]).mean() + F.softplus(whole[count:]).mean(),
            "D_instance": F.softplus(-alone[:count]).mean() + F.softplus(alone[count:]).mean(),
        }
        loss = losses["D_set"] + losses["D_instance"]
        descend(fabric, loss, *(self.optimisers[name] for name in JUDGES))
        return {name: loss.detach() for name, loss in losses.items()}

    def _told_by_judges(
        self, drawn: Tensor, mask: Tensor, sources: int, noise: torch.Generator
    ) -> dict[str, Tensor]:
        share = float(self.losses["moved"])
        self._freeze(JUDGES, True)
        whole = self.set_judge(moved(drawn[:sources], share, noise)).float()
        alone = self.instance_judge(moved(drawn * mask, share, noise)).float()
        self._freeze(JUDGES, False)
        return {"set": F.softplus(-whole).mean(), "instance": F.softplus(-alone).mean()}

    def _kept(
        self, photo: Tensor, drawn: Tensor, seen: Mapping[str, Tensor], sources: int
    ) -> dict[str, Tensor]:
        """Codes that agree, classes that are told apart, and what a region should keep. The second
        look at what was drawn teaches the generator alone."""
        mask = seen["mask"]
        looks = ("encoder", "classifier")
        self._freeze(looks, True)
        again = self.encoder(drawn * mask)
        logits = self.classifier(again[:sources]).float()
        self._freeze(looks, False)
        wanted = torch.arange(len(photo), device=photo.device) >= sources
        area = mask.mean((1, 2, 3)).clamp(min=1e-3)
        off = ((drawn - photo).abs() * mask).mean((1, 2, 3)) / area
        return {
            "consistency": distance(seen["code"][:sources], again[:sources]),
            "symmetry": distance(seen["code"][sources:], again[sources:]),
            "class": F.binary_cross_entropy_with_logits(
                seen["logits"][:, 0].float(), wanted.float()
            ),
            "made_class": F.softplus(-logits).mean(),
            "identity": off[:sources].mean(),
            "reconstruction": off[sources:].mean(),
            "extent": area.mean(),
        }

    def _freeze(self, names: tuple[str, ...], on: bool) -> None:
        for name in names:
            getattr(self, name).requires_grad_(not on)

    def _whole(self, averages: Mapping[str, nn.Module]) -> DAGAN:
        net = DAGAN(self.config).eval()
        for name in self.averaged:
            net.get_submodule(name).load_state_dict(averages[name].state_dict())
        return net.to(next(averages["encoder"].parameters()).device)

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: eight photos, what is attended to, and what becomes of it."""
        net = self._whole(averages)
        raw = self.data.batch(0xFFFF, 8, self.recipe.stages[-1].size, rank=99)
        photo = torch.from_numpy(raw["photo"]).to(next(net.parameters()).device)
        with torch.inference_mode():
            found = net(photo)
        return sheet([photo, (photo + 1) * (0.25 + 0.75 * found["mask"]) - 1, found["made"]])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        self.write(path, self._whole(averages).state_dict(), "dagan", self.config, half)
