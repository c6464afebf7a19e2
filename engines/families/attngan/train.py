"""Training AttnGAN (Xu et al. 2018) in its two steps: encoders that match captions and pictures
(DAMSM), then the generator, which they judge beside its discriminators.

For small sets the discriminators see pictures moved and with holes (Zhao et al. 2020), their slope
on photos is held flat (Mescheder et al. 2018, R1), and captions that fit the wrong photo too do not
count as wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import datasets, layers
from engines.checkpoint import fill, open_checkpoint, save
from engines.families.attngan import config as configs
from engines.families.attngan import losses
from engines.families.attngan.config import FIRST, Config, DiscriminatorConfig
from engines.families.attngan.net import (
    AttnGAN,
    Discriminator,
    Generator,
    Painted,
    Said,
    TextEncoder,
    image_encoder,
    padding,
)
from engines.job import Picture
from engines.training import Recipe, RecipeError, Trainer, descend, seed_dropout, sheet, told

_ENCODERS: dict[str, Any] = {
    "word": 64,
    "sentence": 128,
    "widths": (24, 48, 96, 128, 160),  # of the image encoder; (0,): Inception-v3
    "side": 64,
    "drop": 0.1,  # share of the numbers of a word that are left out at random; the paper: 0.5
}
_MATCHING: dict[str, Any] = {
    "smooth": (4.0, 5.0, 10.0),  # gamma 1, 2, 3
    "even": True,  # the mean over words counts, not their sum
    "clip": 0.25,  # longest gradient of the text encoder's memory
    "move": 0.06,  # how far photos are moved at random, as a share of the side
}
_NETWORK: dict[str, Any] = {
    "condition": 32,
    "noise": 48,
    "width": 24,
    "residuals": 2,
    "judges": 32,  # width of the discriminators
    "norm": False,  # batch norms in them, as the paper has them; the slope cannot be held then
}
_LOSSES: dict[str, Any] = {
    "matching": 2.0,
    "smooth": (4.0, 5.0, 10.0),
    "even": True,
    "divergence": 0.1,
    "pixel": 0.0,  # mean absolute difference to the photo, for captions that tell all of it
    "alone": 0,  # steps at the beginning in which the pixels alone teach the generator
    "slope": 2.0,  # gamma of R1
    "slope_every": 4,  # steps
    "move": 0.125,  # what discriminators see: moves and holes, as shares of the side
    "hole": 0.4,
    "light": 0.0,
}


class Captions(datasets.DataSet, Protocol):
    """Batches: photo (N, 3, H, W) in [-1, 1], words (N, T) int64 padded with 0, lengths (N,)."""

    vocabulary: tuple[str, ...]


class DAMSMTrainer(Trainer):
    """One step: a batch of pictures and captions, all of them against all."""

    nets = ("text_encoder", "image_encoder")
    averaged = ("text_encoder", "image_encoder")

    def __init__(self, recipe: Recipe, data: Captions) -> None:
        self.recipe, self.data = recipe, data
        network = told(_ENCODERS, recipe.network)
        self.losses = told(_MATCHING, recipe.losses)
        self.smooth = _smooth(self.losses)
        self.config = Config(
            tuple(data.vocabulary),
            len(data.vocabulary),
            network["word"],
            network["sentence"],
            stages=0,
            widths=tuple(network["widths"]),
            side=network["side"],
            hyphens=True,
        )
        self.text_encoder = TextEncoder(self.config, network["drop"])
        self.image_encoder = image_encoder(self.config)
        self.optimisers = {
            name: torch.optim.AdamW(module.parameters(), 1e-3, (0.5, 0.999), weight_decay=0.01)
            for name, module in self.modules().items()
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        seed_dropout(noise)  # for the dropouts
        words, sentence = self.text_encoder(batch["words"], batch["lengths"])
        photo = layers.moved(batch["photo"], float(self.losses["move"]), noise, light=0.0)
        regions, picture = self.image_encoder(photo)
        hide, same = padding(batch["words"], batch["lengths"]), _alike(batch)
        looked = losses.look(regions.float(), words.float(), hide, self.smooth)
        whole = losses.compare(picture.float(), sentence.float(), self.smooth)
        told, all_of_it = (
            torch.stack(losses.matching(s, same)).sum() for s in (looked.scores, whole)
        )
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        fabric.backward(told + all_of_it)
        nn.utils.clip_grad_norm_(self.text_encoder.rnn.parameters(), float(self.losses["clip"]))
        for optimiser in self.optimisers.values():
            optimiser.step()
        found = {"words": told.detach(), "sentences": all_of_it.detach()}
        return found | {"right": _right(looked.scores.detach() + whole.detach(), same)}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: eight photos, then for the caption of each the three photos of 64 that fit it
        best."""
        size = self.recipe.stages[-1].size
        device = next(averages["text_encoder"].parameters()).device
        raw = self.data.batch(0xFFFF, 64, size, rank=99)
        batch = {n: torch.from_numpy(raw[n]).to(device) for n in ("photo", "words", "lengths")}
        with torch.inference_mode():
            words, sentence = averages["text_encoder"](batch["words"][:8], batch["lengths"][:8])
            regions, picture = averages["image_encoder"](batch["photo"])
            hide = padding(batch["words"][:8], batch["lengths"][:8])
            scores = losses.look(regions, words, hide, self.smooth).scores
            scores = scores + losses.compare(picture, sentence, self.smooth)
        best = scores.topk(3, 0).indices
        return sheet([batch["photo"][:8], *(batch["photo"][row] for row in best)])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        _export(path, averages, self.config, self.recipe, half)


class AttnGANTrainer(Trainer):
    """One step: one of all discriminators, one of the generator. The encoders stay as they are.

    A stage's batches have the size of the generator's last picture, which also tells how many
    stages the generator has."""

    nets = ("generator", "judges")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: Captions) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        if network["norm"] and self.losses["slope"]:
            raise RecipeError("Discriminators with batch norms take no slope; set it to 0.")
        if self.losses["alone"] and not self.losses["pixel"]:
            raise RecipeError("The pixels cannot teach alone where their loss weighs nothing.")
        self.smooth = _smooth(self.losses)
        known, self.encoders = _encoders(recipe, tuple(data.vocabulary))
        self.config = replace(
            known,
            condition=network["condition"],
            noise=network["noise"],
            width=network["width"],
            residuals=network["residuals"],
            stages=_stages(recipe),
        )
        self.generator = Generator(self.config)
        _prepare(self.generator)
        self.norm = bool(network["norm"])
        self.judges = Judges(self.config, network["judges"], self.norm)
        self._bare = self.judges  # without Fabric, in full precision: for slopes
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999)),
            "judges": torch.optim.Adam(self.judges.parameters(), 2e-4, (0.5, 0.999)),
        }

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        said = self._said(batch)
        same = _alike(batch)
        made: Painted = self.generator(*self._chance(len(same), noise, fabric.device, said))
        pictures = [p.float() for p in made.pictures]
        photos = [_sized(batch["photo"], p.shape[-1]) for p in pictures]
        if self.alone:
            return self._learn(fabric, made, {"pixel": _off(pictures, photos)})
        found = self._discriminate(fabric, photos, pictures, said, same, noise)
        return found | self._generate(fabric, made, pictures, photos, said, same, noise)

    def prepare(self, batch: dict[str, Tensor], noise: torch.Generator) -> dict[str, Tensor]:
        """The batch with its captions read, by the encoder as it was trained."""
        with torch.no_grad():
            said, sentence = self.encoders.text_encoder(batch["words"], batch["lengths"])
        return {**batch, "said": said, "sentence": sentence}

    def _said(self, batch: Mapping[str, Tensor]) -> Said:
        """What was prepared, as the generator wants it. Captions are read on the CPU, pictures
        looked at on the device."""
        self.encoders.image_encoder.to(batch["said"].device)
        return Said(batch["sentence"], batch["said"], padding(batch["words"], batch["lengths"]))

    def turn(self) -> str:
        """What the step does beside the usual."""
        return "alone" if self.alone else "slope" if self.slopes else ""

    @property
    def alone(self) -> bool:
        return self.done < int(self.losses["alone"])

    @property
    def slopes(self) -> bool:
        """Whether the step holds the slope on photos."""
        every = int(self.losses["slope_every"])
        return bool(self.losses["slope"]) and self.done % every == 0

    def _chance(
        self, count: int, noise: torch.Generator, device: torch.device, said: Said
    ) -> tuple[Tensor, Said, Tensor]:
        numbers = layers.normal((count, self.config.noise + self.config.condition), noise)
        z, chance = numbers.to(device).split((self.config.noise, self.config.condition), 1)
        return z, said, chance

    def _seen(self, picture: Tensor, noise: torch.Generator) -> Tensor:
        """What a discriminator is shown of a picture."""
        shown = layers.moved(
            picture, float(self.losses["move"]), noise, float(self.losses["light"])
        )
        return layers.holed(shown, float(self.losses["hole"]), noise)

    def _discriminate(
        self,
        fabric: Fabric,
        photos: list[Tensor],
        pictures: list[Tensor],
        said: Said,
        same: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        differs = (~same.diagonal(1)).float()
        terms = [
            losses.discriminator_loss(
                partial(self.judges, n),
                self._seen(photo, noise),
                self._seen(picture.detach(), noise),
                said.sentence,
                differs,
                joined=not self.norm,
            )
            for n, (photo, picture) in enumerate(zip(photos, pictures))
        ]
        found = {f"D{photo.shape[-1]}": t.detach() for photo, t in zip(photos, terms)}
        gamma, every = float(self.losses["slope"]), int(self.losses["slope_every"])
        if self.slopes:
            slopes = [
                _slope(partial(self._bare, n), self._seen(photo, noise), said.sentence)
                for n, photo in enumerate(photos)
            ]
            terms += [gamma / 2 * every * slope for slope in slopes]
        descend(fabric, torch.stack(terms).sum(), self.optimisers["judges"])
        return found

    def _generate(
        self,
        fabric: Fabric,
        made: Painted,
        pictures: list[Tensor],
        photos: list[Tensor],
        said: Said,
        same: Tensor,
        noise: torch.Generator,
    ) -> dict[str, Tensor]:
        self.judges.requires_grad_(False)
        stages = [partial(self.judges, n) for n in range(len(pictures))]
        shown = [self._seen(p, noise) for p in pictures]
        regions, code = self.encoders.image_encoder(
            layers.moved(pictures[-1], float(self.losses["move"]), noise, light=0.0)
        )
        assert said.hide is not None
        told, whole = losses.damsm(
            regions, code, said.words, said.sentence, said.hide, same, self.smooth
        )
        parts = {
            "gan": losses.generator_loss(stages, shown, said.sentence),
            "matching": told + whole,
        }
        if self.losses["pixel"]:
            parts["pixel"] = _off(pictures, photos)
        found = self._learn(fabric, made, parts)
        self.judges.requires_grad_(True)
        return found

    def _learn(self, fabric: Fabric, made: Painted, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """The generator's step by the losses that are told, and by the divergence."""
        parts["divergence"] = losses.divergence(made.mean.float(), made.log_variance.float())
        weights = {"gan": 1.0} | self.losses
        loss = torch.stack([float(weights[n]) * p for n, p in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        return {name: value.detach() for name, value in parts.items()}

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: twelve photos, their captions painted by the first stage, by the last, and by the
        last with other noise."""
        size = self.recipe.stages[-1].size
        device = next(averages["generator"].parameters()).device
        raw = self.data.batch(0xFFFF, 12, size, rank=99)
        noise = torch.Generator().manual_seed(self.recipe.seed)
        named = {n: torch.from_numpy(raw[n]) for n in ("photo", "words", "lengths")}
        batch = {n: x.to(device) for n, x in self.prepare(named, noise).items()}
        said = self._said(batch)
        with torch.inference_mode():
            one, other = (
                averages["generator"](*self._chance(12, noise, device, said)) for _ in range(2)
            )
        first = F.interpolate(one.pictures[0].float(), size, mode="nearest")
        return sheet([batch["photo"], first, one.pictures[-1], other.pictures[-1]])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        parts = {
            "text_encoder": self.encoders.text_encoder,
            "generator": averages["generator"],
            "image_encoder": self.encoders.image_encoder,
        }
        _export(path, parts, self.config, self.recipe, half)


class Judges(nn.Module):
    """One discriminator for each stage; called with the stage's number, from 0."""

    def __init__(self, config: Config, width: int, norm: bool) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Discriminator(DiscriminatorConfig(FIRST * 2**n, width, config.sentence, norm))
            for n in range(config.stages)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, 0.2)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, number: int, picture: Tensor, *sentences: Tensor) -> tuple[Tensor, ...]:
        return self.stages[number](picture, *sentences)


def _smooth(asked: Mapping[str, Any]) -> losses.Smooth:
    look, words, choice = asked["smooth"]
    return losses.Smooth(look, words, choice, asked["even"])


def _prepare(generator: Generator) -> None:
    """Orthogonal weights, as the official code begins with, and a sentence that begins well above
    its noise."""
    layers.init_weights(generator)
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight)
    fc = generator.ca_net.fc
    with torch.no_grad():  # mean and log variance, of which gates at first let half through
        fc.weight.view(4, -1)[0] *= 4.0
        fc.bias.view(4, -1)[1] = -4.0


def _slope(judge: losses.Judge, photo: Tensor, sentence: Tensor) -> Tensor:
    """The mean square of the gradient of what is said of photos, by their pixels."""
    photo = photo.detach().requires_grad_(True)
    said = torch.stack([logits.float().sum() for logits in judge(photo, sentence)]).sum()
    (gradient,) = torch.autograd.grad(said, photo, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


def _off(pictures: list[Tensor], photos: list[Tensor]) -> Tensor:
    return torch.stack([F.l1_loss(p, q) for p, q in zip(pictures, photos)]).sum()


def _alike(batch: dict[str, Tensor]) -> Tensor:
    """(N, N) bool: other samples of the batch with the same caption or the same picture."""
    words = losses.other_of_same(batch["words"])
    return words | losses.other_of_same(batch["index"]) if "index" in batch else words


def _right(scores: Tensor, same: Tensor) -> Tensor:
    """The share of captions whose own picture, or one with the same caption, fits best."""
    best = scores.argmax(0, keepdim=True)
    own = same | torch.eye(len(same), dtype=torch.bool, device=same.device)
    return own.gather(0, best).float().mean()


def _sized(photo: Tensor, side: int) -> Tensor:
    if photo.shape[-1] == side:
        return photo
    return F.interpolate(photo, (side, side), mode="area")


def _stages(recipe: Recipe) -> int:
    """How many stages paint a picture of the recipe's size. Raises RecipeError."""
    width, height = recipe.stages[-1].size
    made = (width // FIRST).bit_length()
    if (width, height) not in {(FIRST * 2**n, FIRST * 2**n) for n in range(3)}:
        raise RecipeError("AttnGAN paints 64, 128 or 256 pixels square; set the stage's size so.")
    return made


def _encoders(recipe: Recipe, vocabulary: tuple[str, ...]) -> tuple[Config, AttnGAN]:
    """The two encoders of the recipe's file "damsm", which DAMSMTrainer made, in eval mode and
    frozen. Raises RecipeError or CheckpointError."""
    if "damsm" not in recipe.files:
        raise RecipeError("The recipe names no file damsm, which holds the trained encoders.")
    path = Path(recipe.files["damsm"])
    opened = open_checkpoint(path)
    config = configs.recognise(opened)
    if config is None or not config.widths:
        raise RecipeError(f"{path.name} does not hold a text encoder and an image encoder.")
    if config.vocabulary != vocabulary:
        raise RecipeError(
            f"{path.name} knows {len(config.vocabulary)} words and the data has "
            f"{len(vocabulary)}; train the encoders on the same data."
        )
    module = AttnGAN(replace(config, stages=0))
    fill(module, configs.renamed(opened))
    return config, module.eval().requires_grad_(False)


def _export(
    path: Path, parts: Mapping[str, nn.Module], config: Config, recipe: Recipe, half: bool
) -> None:
    state = {
        f"{p}.{key}": v for p, module in parts.items() for key, v in module.state_dict().items()
    }
    body = {"family": "attngan", "config": asdict(config), "card": dict(recipe.card)}
    save(path, state, body, half=half)
