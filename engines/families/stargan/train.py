"""Training StarGAN (Choi et al. 2018) on labelled faces, of which some labels may be unknown, or on
two sets with labels of their own.
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

from engines import layers
from engines.checkpoint import Checkpoint, open_checkpoint
from engines.facedata import LabelledFaces
from engines.families.stargan import config as configs
from engines.families.stargan.config import Config, DiscriminatorConfig
from engines.families.stargan.net import (
    Discriminator,
    Generator,
    Labeller,
    class_loss,
    discriminator_losses,
    widened,
    widened_head,
)
from engines.job import Picture
from engines.training import Recipe, RecipeError, Trainer, descend, names, seed_dropout, sheet, told

_NETWORK: dict[str, Any] = {
    "labels": (),  # as a person reads them, one for each attribute of the data; the same if absent
    "joint": 0,  # how many of them belong to the first of two data sets
    "width": 64,
    "blocks": 6,
    "blend": False,  # paint through a mask of the net's own, so that the rest of the photo stays
    "template": "celeba",  # how the faces lie in the photos: "celeba" or "own"
    "keep_discriminator": False,  # ship it in the labeller's place: slower, and it can explain
    "labeller": (),  # widths of the net that names what a photo shows; without it there is none
    "discriminator_width": 64,
    "discriminator_layers": 6,
    "discriminator_size": 128,  # at larger pictures its class head takes the mean of its windows
    "start": "",  # weights of a generator to go on with; labels that it lacks are added to it
    "start_discriminator": "",
}
_LOSSES: dict[str, Any] = {
    "class": 1.0,
    "reconstruction": 10.0,
    "penalty": 10.0,
    "mask": 0.0,  # how much a blending net pays for every pixel that it paints over
    "outside": 0.0,  # and how much more where none of the labels that change shows in the photos
    "moved": 0.0,  # share of the side by which the discriminator's pictures are moved at random
    "light": 0.0,  # how much lighter or darker they are made where they are moved
    "critics": 5,  # updates of the discriminator for one of the generator, each on its own photos
    "single": 0.0,  # share of targets that change one label alone; the others are another photo's
}


class StarGANTrainer(Trainer):
    """One step is `critics` updates of the discriminator and one of the generator, so that a
    stage's batch holds `critics` times as many photos as an update sees (the paper: 5 times 16).

    Labels that nobody gave count in no class loss; the generator is told the labeller's opinion
    there, or zero. In a joint net a photo is told the labels of its own set and the mask alone.
    """

    nets = ("generator", "discriminator")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: LabelledFaces) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        labels = names(network["labels"], data.attributes)
        self.config = Config(
            labels,
            network["width"],
            network["blocks"],
            network["joint"],
            recipe.stages[-1].size[0],
            tuple(network["labeller"]),
            template=network["template"],
            blend=network["blend"],
        )
        judge = DiscriminatorConfig(
            len(labels),
            network["discriminator_width"],
            network["discriminator_layers"],
            network["discriminator_size"],
        )
        self.generator, self.discriminator = Generator(self.config), Discriminator(judge)
        self.labeller = Labeller(self.config.labeller or (8,), len(labels))
        if network["start"]:
            _start_generator(self.generator, self.config, Path(network["start"]))
        if network["start_discriminator"]:
            _start_discriminator(self.discriminator, judge, Path(network["start_discriminator"]))
        self.parts = configs.parts(self.config)
        self.judge = judge if network["keep_discriminator"] else None
        self._regions = torch.from_numpy(data.regions()) if self.losses["outside"] else None
        count = len(labels)
        self._groups = torch.zeros(count, count)  # of each label: those of its exclusive group
        for label in range(count):
            self._groups[label, list(configs.group_of(self.config, label))] = 1
        betas = (0.5, 0.999)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 1e-4, betas),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 1e-4, betas),
        }
        if self.config.labeller:
            self.nets, self.averaged = (*self.nets, "labeller"), ("generator", "labeller")
            groups = [{"params": self.labeller.parameters(), "rate_scale": 5.0}]
            self.optimisers["labeller"] = torch.optim.AdamW(groups, 5e-4, weight_decay=0.05)

    def turn(self) -> str:
        return ""

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        found = self._teach_labeller(fabric, batch, noise) if self.config.labeller else {}
        chunks = [batch[n].chunk(int(self.losses["critics"])) for n in ("photo", "labels", "known")]
        real = fake = mask = own = target = asked = torch.empty(0)
        for number, (real, labels, known) in enumerate(zip(*chunks), 1):
            real = real.contiguous(memory_format=torch.channels_last)
            own = self._filled(real, labels, known)
            target, asked = self._targets(own, known, noise)
            with torch.set_grad_enabled(number == len(chunks[0])):
                fake, mask = self._painted(real, self._vector(target, known))
                mask = mask * self._price(own, target, mask)
            found |= self._discriminate(fabric, real, fake, labels, known, noise)
        back = self._vector(own, chunks[2][-1])
        return found | self._generate(fabric, real, fake, mask, target, asked, back, noise)

    def _painted(self, photo: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """The edited photo and what it costs to paint: the mask, or nothing of a net without."""
        if not self.config.blend:
            return self.generator(photo, vector).float(), photo.new_zeros(1)
        made, mask = self.generator(photo, vector, with_mask=True)
        return made.float(), mask.float()

    def _price(self, own: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """What a painted pixel costs where it is: 1, and more where no label that changes shows."""
        if self._regions is None or mask.dim() < 4:
            return mask.new_ones(1)
        self._regions = self._regions.to(mask.device)  # once
        changed = (own != target).to(mask)[:, :, None, None]
        shows = F.interpolate((changed * self._regions).amax(1, keepdim=True), mask.shape[2:])
        return 1 + float(self.losses["outside"]) * (1 - shows)

    def _teach_labeller(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        seed_dropout(noise)  # its dropout
        self.labeller.train()
        loss = self._class_loss(self.labeller(batch["photo"]), batch["labels"], batch["known"])
        descend(fabric, loss, self.optimisers["labeller"])
        self.labeller.eval()
        return {"labeller": loss.detach()}

    def _filled(self, photo: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        """(N, C): unknown labels by the labeller's opinion, zero without one."""
        if not self.config.labeller:
            return labels * known
        with torch.no_grad():
            opinion = (self.labeller(photo).float() > 0).float()
        return torch.where(known > 0, labels, opinion)

    def _targets(self, own: Tensor, known: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Labels (N, C) to aim at, and which of them a class loss may ask for: those of another
        photo of the batch (and of the same set), or one's own with one label changed."""
        second = self._is_second(known)
        same = (second[:, None] == second).float()
        others = (same * (1 - layers.uniform(same.shape, noise))).argmax(1)
        single = layers.uniform((len(own), 1), noise) < float(self.losses["single"])
        first, last = self.parts[0][0], self.parts[-1][0]
        begin = first.start + second * (last.start - first.start)
        count = first.stop - first.start
        count = count + second * (last.stop - last.start - count)
        label = begin + (layers.uniform(len(own), noise) * count).long()
        turned = self._turned(own, label)
        target = torch.where(single, turned, own[others])
        shown = torch.maximum(known, (turned != own).to(known))
        return target, torch.where(single, shown, known[others])

    def _turned(self, own: Tensor, label: Tensor) -> Tensor:
        """Labels (N, C) with one of each row (N,) changed, as configs.turned does it."""
        self._groups = self._groups.to(own.device)  # once
        group = self._groups[label]
        chosen = F.one_hot(label, own.shape[1]).to(own)
        exclusive = group.amax(1, keepdim=True)
        changed = exclusive + (1 - exclusive) * (1 - own)
        return own * (1 - group) * (1 - chosen) + changed * chosen

    def _is_second(self, known: Tensor) -> Tensor:
        """(N,) bool: photos of the second of two data sets."""
        joint = self.config.joint
        if not joint:
            return torch.zeros(len(known), dtype=torch.bool, device=known.device)
        return known[:, joint:].amax(1) > known[:, :joint].amax(1)

    def _vector(self, labels: Tensor, known: Tensor) -> Tensor:
        """What the generator is told (N, given): with the mask, and without the other set's labels,
        in a joint net."""
        if not self.config.joint:
            return labels
        second = self._is_second(known).to(labels)[:, None]
        joint = self.config.joint
        first = labels[:, :joint] * (1 - second), labels[:, joint:] * second
        return torch.cat((*first, 1 - second, second), 1)

    def _class_loss(self, logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
        terms = [
            class_loss(logits[:, part].float(), labels[:, part], exclusive, known[:, part])
            for part, exclusive in self.parts
        ]
        return torch.stack(terms).sum()

    def _discriminate(
        self,
        fabric: Fabric,
        real: Tensor,
        fake: Tensor,
        labels: Tensor,
        known: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        mix = layers.uniform((len(real), 1), noise)
        seen = self._seen(real, noise), self._seen(fake.detach(), noise)
        found, logits = discriminator_losses(self.discriminator, *seen, mix)
        found["D_class"] = self._class_loss(logits, labels, known)
        weights = {"D_class": self.losses["class"], "D_slope": self.losses["penalty"]}
        terms = [float(weights.get(name, 1.0)) * term for name, term in found.items()]
        descend(fabric, torch.stack(terms).sum(), self.optimisers["discriminator"])
        return {name: value.detach() for name, value in found.items()}

    def _generate(
        self,
        fabric: Fabric,
        real: Tensor,
        fake: Tensor,
        mask: Tensor,
        target: Tensor,
        asked: Tensor,
        back: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        realness, logits = self.discriminator(self._seen(fake, noise))
        parts = {
            "gan": -realness.float().mean(),
            "class": self._class_loss(logits, target, asked),
            "reconstruction": (real - self.generator(fake, back).float()).abs().mean(),
            "mask": mask.mean(),
        }
        weights = {"gan": 1.0} | self.losses
        loss = torch.stack([float(weights[n]) * p for n, p in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        self.discriminator.requires_grad_(True)
        return {name: value.detach() for name, value in parts.items()}

    def _seen(self, pictures: Tensor, noise: torch.Generator) -> Tensor:
        return layers.moved(
            pictures, float(self.losses["moved"]), noise, float(self.losses["light"])
        )

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: six photos, the same with their own labels, then every target of each."""
        generator = averages["generator"]
        device = next(generator.parameters()).device
        # of a set of pairs too the photos alone
        raw = LabelledFaces.batch(self.data, 0xFFFF, 6, self.recipe.stages[-1].size, rank=99)
        photo, labels, known = (
            torch.from_numpy(raw[n]).to(device) for n in ("photo", "labels", "known")
        )
        own = self._filled(photo, labels, known)
        wanted = [configs.all_targets(self.config, row) for row in own.tolist()]
        rows = [photo]
        with torch.inference_mode():
            for target in (own, *(own.new_tensor(column) for column in zip(*wanted))):
                asked = target - own if self.config.edits else target
                rows.append(generator(photo, self._vector(asked, known)).float())
        return sheet(rows)

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        nets, config = dict(averages), self.config
        if self.judge:
            nets["labeller"] = self.discriminator
            judge = self.judge.width, self.judge.layers, self.judge.size
            config = replace(config, labeller=(), judge=judge)
        state = averages["generator"].state_dict()
        if config.sees:
            state = {
                f"{name}.{key}": value
                for name in ("generator", "labeller")
                for key, value in nets[name].state_dict().items()
            }
        self.write(path, state, "stargan", config, half)


# ---- a trained pair learns new labels ------------------------------------------------------------


def _start_generator(module: Generator, config: Config, path: Path) -> None:
    """Fill `module` from a trained generator, widened where `config` has labels more than it."""
    opened = open_checkpoint(path)
    old = configs.recognise(opened)
    if old is None:
        raise RecipeError(f"{path.name} is no StarGAN generator.")
    added = config.given - old.given
    wide = replace(config, width=old.width, blocks=old.blocks, joint=old.joint)
    if added < 0 or config != wide or config.labels[: len(old.labels)] != old.labels:
        raise RecipeError(
            f"{path.name} has other labels or another width than the recipe, which may only add "
            "labels at the end."
        )
    state = {k.removeprefix("generator."): v for k, v in opened.tensors().items()}
    state = widened(state, added, len(old.labels))
    _fill(module, state, opened)


def _start_discriminator(module: Discriminator, config: DiscriminatorConfig, path: Path) -> None:
    opened = open_checkpoint(path)
    old = configs.recognise_discriminator(opened)
    if old is None or replace(old, labels=config.labels) != config or old.labels > config.labels:
        raise RecipeError(f"{path.name} is no StarGAN discriminator of the recipe's size.")
    _fill(module, widened_head(opened.tensors(), config.labels - old.labels), opened)


def _fill(module: nn.Module, state: dict[str, Tensor], opened: Checkpoint) -> None:
    wanted = module.state_dict()
    if missing := wanted.keys() - state.keys():
        raise RecipeError(f"{opened.path.name} lacks {sorted(missing)[0]}.")
    module.load_state_dict({name: state[name].float() for name in wanted})
