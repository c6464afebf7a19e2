"""Training pix2pixHD (Wang et al. 2018): the global generator alone, then a local enhancer over the
frozen one, then both; least squares, feature matching and VGG losses; the feature encoder beside
the generator."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines import layers, palettes, perceptual
from engines.checkpoint import CheckpointError, open_checkpoint, save
from engines.families.pix2pixhd import style
from engines.families.pix2pixhd.config import PICTURE, Config, EncoderConfig
from engines.families.pix2pixhd.net import (
    Generator,
    MultiscaleDiscriminator,
    Pix2PixHD,
    generator_input,
    one_hot,
    pooled,
)
from engines.job import Picture
from engines.labeldata import LabelledPhotos
from engines.residualnet import ResNet, head
from engines.training import Recipe, RecipeError, Trainer, descend, sheet, told

if TYPE_CHECKING:
    from engines.backbonenet import Backbone

log = logging.getLogger("train")

PARTS = ("global", "enhancer", "both")
VGG_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
CALIBRATION = 8  # photos that a recipe's own backbone is normalised by
_NETWORK: dict[str, Any] = {
    "width": 64,
    "downs": 4,
    "blocks": 9,
    "enhancers": 0,
    "local_blocks": 3,
    "norm": "instance",
    "edges": True,
    "features": 0,  # channels of the object features; 0: no encoder
    "encoder_width": 16,
    "encoder_downs": 4,
    "clusters": 10,  # of each class, at most
    "parts": (),  # what each stage trains: "global", "enhancer" (the global net frozen) or "both"
    "discriminator_width": 64,
    "discriminator_layers": 3,
    "scales": 2,
    "vgg": "",  # weights of a VGG-19; where the file is absent that loss is left out
    "even": False,  # keep the transposed convolutions from painting a grid over even places
    "moved": 0.0,  # share of the side that the discriminator's pairs are moved by at random
}
_LOSSES: dict[str, Any] = {"gan": 1.0, "matching": 10.0, "vgg": 10.0}


# ---- losses --------------------------------------------------------------------------------------


def adversarial(found: Sequence[Sequence[Tensor]], real: bool) -> Tensor:
    """Least squares of the score maps, summed over the scales."""
    loss = layers.GANLoss("lsgan")
    return torch.stack([loss(outputs[-1].float(), real) for outputs in found]).sum()


def matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of all features but the scores: four times the mean over the layers,
    the mean over the scales."""
    return 4 * torch.stack([layers.feature_matching(f, r) for f, r in zip(fake, real)]).mean()


class VGGLoss:
    """Weighted mean absolute differences of the features of VGG_LAYERS, of pictures in [-1, 1].

    official  VGG-19: it sees the pictures as they are, which the paper's code does not normalise
              any further, and its deeper layers weigh more. A smaller VGG (a recipe's file
              "backbone") sees them as it was trained to; its maps are as large as one another
              (engines/perceptual.py) and weigh the same.
    """

    def __init__(self, net: Backbone, official: bool = True) -> None:
        self._net, self._official = net, official
        self._weights = VGG_WEIGHTS if official else (1 / len(VGG_LAYERS),) * len(VGG_LAYERS)
        net.requires_grad_(False)

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(real)
        found = self.features(fake)
        each = [(f.float() - r.float()).abs().mean() for f, r in zip(found, wanted)]
        return torch.stack([w * d for w, d in zip(self._weights, each)]).sum()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The maps of VGG_LAYERS for (B, 3, H, W)."""
        self._net.to(pictures.device)
        if self._official:
            found = self._net(pictures, VGG_LAYERS)
        else:
            found = perceptual.maps(self._net, (pictures + 1) / 2, VGG_LAYERS)
        return [found[name] for name in VGG_LAYERS]


def vgg_loss(path: Path | None) -> VGGLoss | None:
    """None, and a line in the log, where the weights are absent. Raises RecipeError for a file
    that is no VGG-19."""
    if path is None or not path.is_file():
        log.warning(
            "there are no weights of VGG-19: training without the VGG loss, on the features of "
            "the discriminator alone"
        )
        return None
    from engines import backbonenet, backbones

    try:
        opened = open_checkpoint(path)
        config = backbones.recognise(opened)
        if config is None or config.depths != backbones.VGG19.depths or config.pruned:
            raise RecipeError(f"{path.name} holds no VGG-19.")
        return VGGLoss(backbonenet.load(config, opened)[0])
    except CheckpointError as error:
        raise RecipeError(str(error)) from error


# ---- the net in training -------------------------------------------------------------------------


class Staged(nn.Module):
    """The generator with its encoder; while the global generator is trained alone it has a last
    layer of its own, `tail`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.generator = Generator(config)
        if config.encoder is not None:
            self.encoder = ResNet(config.encoder_net)
        self.tail = nn.Sequential()
        if config.enhancers:
            self.tail = nn.Sequential(*head(config.global_net.width, PICTURE))

    def forward(
        self, given: Tensor, photo: Tensor | None, objects: Tensor | None, part: str
    ) -> Tensor:
        """given: all channels but the features, which come from the photo (B, 3, H, W) and its
        objects (B, 1, H, W) where there is an encoder."""
        if photo is not None and objects is not None:
            given = torch.cat((given, pooled(self.encoder(photo), objects)), 1)
        if part == "global":
            return self.tail(self.generator.model(given))
        return self.generator(given)


class Pix2PixHDTrainer(Trainer):
    """[network] and [losses]: the tables above. Without `parts` a model with enhancers needs three
    stages: global, enhancer, both; one without trains its only part."""

    nets = ("generator", "discriminator")
    averaged = ("generator",)

    def __init__(self, recipe: Recipe, data: LabelledPhotos) -> None:
        self.recipe, self.data = recipe, data
        network = told(_NETWORK, recipe.network)
        self.losses = told(_LOSSES, recipe.losses)
        features = int(network["features"])
        encoder = EncoderConfig(network["encoder_width"], network["encoder_downs"], network["norm"])
        native = recipe.stages[-1].size
        self.config = Config(
            len(data.using),
            bool(network["edges"]),
            features,
            network["width"],
            network["downs"],
            network["blocks"],
            network["enhancers"],
            network["local_blocks"],
            network["norm"],
            encoder if features else None,
            palette=data.palette,
            native=(int(native[0]), int(native[1])),
        )
        self.most = int(network["clusters"])
        self.parts = _parts(network, recipe)
        self.generator = Staged(self.config)
        self.discriminator = MultiscaleDiscriminator(
            self.config.inputs - features + PICTURE,
            network["discriminator_width"],
            network["discriminator_layers"],
            network["scales"],
            network["norm"],
        )
        for module in (self.generator, self.discriminator):
            layers.init_weights(module)
        self.trunk = [
            *self.generator.generator.model.parameters(),
            *self.generator.tail.parameters(),
        ]
        self.moved, self.even = float(network["moved"]), bool(network["even"])
        self.vgg = None
        if self.losses["vgg"] and "backbone" in recipe.files:
            self.vgg = VGGLoss(self._judge(recipe.files["backbone"]), official=False)
        elif self.losses["vgg"]:
            self.vgg = vgg_loss(Path(network["vgg"]) if network["vgg"] else None)
        self.optimisers = {
            name: torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999))
            for name, module in self.modules().items()
        }

    def _judge(self, path: str) -> Backbone:
        """Raises RecipeError for a file that is no VGG or has fewer stages."""
        raw = self.data.batch(0xFFFF, CALIBRATION, self.config.native, rank=99)
        try:
            net = perceptual.open_judge(path, (torch.from_numpy(raw["photo"]) + 1) / 2)
        except CheckpointError as error:
            raise RecipeError(str(error)) from error
        if len(net.config.depths) < len(VGG_LAYERS):
            raise RecipeError(f"{Path(path).name} is a VGG of fewer than {len(VGG_LAYERS)} stages.")
        return net

    def turn(self) -> str:
        return self.part()

    def part(self) -> str:
        """What the next step trains."""
        return self._part_at(self.done)

    def _part_at(self, step: int) -> str:
        _, begin = self.recipe.stage_at(step)
        begins = np.cumsum([0, *(stage.steps for stage in self.recipe.stages)])
        return self.parts[int(np.searchsorted(begins, begin, side="right")) - 1]

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        part, photo = self.part(), batch["photo"]
        for weight in self.trunk:
            weight.requires_grad_(part != "enhancer")
        given, made = self._drawn(self.generator, batch, part)
        real, fake = self._judged(given, photo, made.float(), noise)
        on_real = adversarial(self.discriminator(real), True)
        on_fake = adversarial(self.discriminator(fake.detach()), False)
        descend(fabric, (on_real + on_fake) / 2, self.optimisers["discriminator"])

        self.discriminator.requires_grad_(False)
        found = self.discriminator(fake)
        with torch.no_grad():
            wanted = self.discriminator(real)
        parts = {"gan": adversarial(found, True), "matching": matching(found, wanted)}
        if self.vgg is not None:
            parts["vgg"] = self.vgg(made.float(), photo)
        loss = torch.stack([float(self.losses[n]) * x for n, x in parts.items()]).sum()
        descend(fabric, loss, self.optimisers["generator"])
        if self.even:
            layers.even_doublings(self.generator)
        self.discriminator.requires_grad_(True)
        return {
            "D_real": on_real.detach(),
            "D_fake": on_fake.detach(),
            **{name: value.detach() for name, value in parts.items()},
        }

    def _judged(
        self, given: Tensor, photo: Tensor, made: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The pairs for the discriminator, real and drawn, moved alike."""
        both = torch.cat((given, photo, made), 1)
        both = layers.moved(both, self.moved, noise, light=0.0)
        given, photo, made = both.split((given.shape[1], PICTURE, PICTURE), 1)
        return torch.cat((given, photo), 1).detach(), torch.cat((given, made), 1)

    def _drawn(
        self, generator: nn.Module, batch: Mapping[str, Tensor], part: str
    ) -> tuple[Tensor, Tensor]:
        """All channels of the input but the features, and the picture made of it."""
        objects = batch["objects"]
        hot = one_hot(batch["labels"], self.config.labels)
        given = generator_input(hot, objects if self.config.edges else None, None)
        has_features = self.config.encoder is not None
        photo = batch["photo"] if has_features else None
        return given, generator(given, photo, objects if has_features else None, part)

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        """Rows: label map, picture, photo, for up to four fixed training samples."""
        generator = averages["generator"]
        device = next(generator.parameters()).device
        step = max(self.done - 1, 0)
        stage, _ = self.recipe.stage_at(step)
        part = self._part_at(step)
        raw = self.data.batch(0xFFFF, min(4, len(self.data)), stage.size, rank=99)
        batch = {name: torch.from_numpy(a).to(device) for name, a in raw.items()}
        with torch.inference_mode():
            _, made = self._drawn(generator, batch, part)
        return sheet([painted(self.data, raw), made, batch["photo"]])

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        from engines.families.pix2pixhd import Pix2PixHD as Family

        staged = averages["generator"]
        config, clusters = self.config, self.clusters(staged)
        if clusters:
            most = max(len(rows) for rows in clusters.values())
            config = replace(config, clusters=most)
        net = Pix2PixHD(config)
        state = {k: v for k, v in staged.state_dict().items() if not k.startswith("tail.")}
        net.load_state_dict(state, strict=not clusters)
        if clusters:
            net.keep_clusters(clusters)
        card = {"data": palettes.palette(config.palette).title, **self.recipe.card}
        metadata = {"family": Family.id, "config": asdict(config), "card": card}
        save(path, net.state_dict(), metadata, half=half)

    @torch.inference_mode()
    def clusters(self, staged: nn.Module, most: int = 200) -> dict[int, Tensor]:
        """Class -> clusters of the features that the encoder sees in up to `most` training
        photos."""
        if self.config.encoder is None:
            return {}
        device = next(staged.parameters()).device
        found: dict[int, list[np.ndarray]] = {}
        for step in range(min(most, len(self.data))):
            raw = self.data.batch(step, 1, self.config.native, rank=99)
            labels, numbers = raw["labels"][0, 0], raw["objects"][0, 0]
            objects = style.Objects.of(labels, numbers)
            photo = torch.from_numpy(raw["photo"]).to(device)
            seen = staged.get_submodule("encoder")(photo).float().cpu()
            for label, rows in style.rows(objects, pooled(seen, objects.map)).items():
                found.setdefault(label, []).append(rows)
        return style.clustered(found, self.most, self.recipe.seed)


def painted(data: LabelledPhotos, raw: Mapping[str, np.ndarray]) -> Tensor:
    """The label maps of a batch in their colours, (B, 3, H, W) in [-1, 1]."""
    colours = data.using.table[raw["labels"][:, 0]]
    return torch.from_numpy(colours).permute(0, 3, 1, 2).float() / 127.5 - 1


def _parts(network: Mapping[str, Any], recipe: Recipe) -> tuple[str, ...]:
    """What each stage trains. Raises RecipeError."""
    parts = tuple(network["parts"])
    if not parts:
        parts = PARTS if network["enhancers"] else ("both",) * len(recipe.stages)
    if len(parts) != len(recipe.stages) or set(parts) - set(PARTS):
        raise RecipeError(
            "A pix2pixHD recipe says for every stage whether it trains global, enhancer or both."
        )
    if not network["enhancers"] and set(parts) != {"both"}:
        raise RecipeError("A recipe without enhancers trains “both” in every stage.")
    return parts
