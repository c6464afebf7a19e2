"""Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs": a photo out of a painted map of classes.

Carries the official nets (global generator, one or two local enhancers, with or without object
boundaries and object features) and ours. The official folder (generator, encoder, clusters,
opt.txt) opens as one model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engines import images, palettes
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, SketchInput, gate
from engines.families.pix2pixhd import config as configs
from engines.families.pix2pixhd.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result
from engines.residual import BATCH_NORM

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint
    from engines.families.pix2pixhd.style import Objects

PAPER = (
    "Wang et al. 2018, High-Resolution Image Synthesis and Semantic Manipulation with "
    "Conditional GANs"
)
NO_OBJECTS = (
    "This model was trained with the boundaries of objects; without an object map it sees none."
)
UNUSED = "The photo was not used; choose “As in the photo” as the look of the objects."
NO_PHOTO = "There is no photo to take the looks from; the seed drew them."


class Pix2PixHD(Family):
    id, title = "pix2pixhd", "Labels to photo"
    trainer = "pix2pixhd.train:Pix2PixHDTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.pix2pixhd import net

        return net.Pix2PixHD(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        from engines.families.pix2pixhd import build

        return build.load(config, checkpoint)

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        if configs.cluster_names(checkpoint):
            config = replace(config, clusters=0)
        return super().examine(config, checkpoint)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def card(self, config: Config) -> ModelCard:
        kind = "global generator"
        if config.enhancers:
            kind += f", {config.enhancers} local enhancer{'s' if config.enhancers > 1 else ''}"
        given = f"{config.labels} classes" if config.labels else "RGB input"
        return ModelCard(
            self.id,
            f"{config.labels} classes to photo" if config.labels else "Picture to photo",
            controls=_controls(config),
            size=SizeRule(config.minimum, config.multiple_of, native=config.native),
            rooms=("paint",) if config.labels else ("translate",),
            seeded=config.clusters > 1,
            network=f"pix2pixHD {kind}, {given}",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        picture, notes = _painted(model, job)
        yield Result((picture,), seconds=time.perf_counter() - start, notes=notes)


def _controls(config: Config) -> tuple[Control, ...]:
    controls: list[Control] = [ImageInput("picture", "Picture"), gate("picture")]
    if config.labels:
        controls = [
            SketchInput(
                "labels",
                "Label map",
                "labels",
                config.native,
                palette=config.palette,
                classes=config.labels,
            )
        ]
    if config.edges or config.features:
        controls.append(
            SketchInput("objects", "Object map", "labels", config.native, optional=True)
        )
    if config.encoder:
        controls.append(ImageInput("photo", "Photo to take the looks from", optional=True))
    if config.clusters:
        photo = (("photo", "As in the photo"),) if config.encoder else ()
        options = (*photo, *((str(n + 1), str(n + 1)) for n in range(config.clusters)))
        controls += [
            Choice(
                "style",
                "Look of the objects",
                (("seed", "Drawn by the seed"), *options),
                "seed",
                help="Every class has a few looks that it learned from its photos; the number "
                "chooses one for all objects, the seed another for each.",
            ),
            SketchInput(
                "styles",
                "Look of single objects",
                "labels",
                config.native,
                optional=True,
                classes=config.clusters + 1,
            ),
        ]
    if config.norm == "batch":
        controls.append(BATCH_NORM)
    return tuple(controls)


# ---- a run ---------------------------------------------------------------------------------------


def _painted(model: Model, job: Job) -> tuple[Picture, tuple[str, ...]]:
    """One pass at the size of the label map, padded to the net's multiple and cropped back."""
    from engines import layers, tensors

    config: Config = model.config
    given, labels, notes = _given(model, job)
    objects = _objects(config, job, labels)
    if config.edges:
        from engines.families.pix2pixhd.net import generator_input

        notes += (NO_OBJECTS,) if not config.labels and "objects" not in job.images else ()
        given = generator_input(given, objects.map.to(given.device), None)
    photo = job.images.get("photo") if config.encoder else None
    if photo is not None and job.values.get("style", "photo") != "photo":
        photo, notes = None, (*notes, UNUSED)
    if photo is None and config.features:
        import torch

        notes += (NO_PHOTO,) if job.values.get("style") == "photo" else ()
        given = torch.cat((given, _features(model, job, objects).to(given)), 1)
    rule = config.multiple_of, config.minimum
    given, crop = tensors.pad_to_multiple(given, *rule)
    layers.use_batch_statistics(model.module, job.values.get("norm") == "trained")
    try:
        if photo is None:
            made = model(given)
        else:
            seen = _like(tensors.to_tensor(photo, 3, model.device), labels.shape)
            numbers = objects.map.to(model.device)
            seen, numbers = (tensors.pad_to_multiple(x, *rule)[0] for x in (seen, numbers))
            made = model(given, seen, numbers)
    finally:
        layers.use_batch_statistics(model.module, False)
    return tensors.to_picture(crop(made)), notes


def _given(model: Model, job: Job) -> tuple[Tensor, np.ndarray, tuple[str, ...]]:
    """What the generator is given of the label map or picture, (1, C, H, W); the classes (H, W),
    zeros for a picture; and what to tell."""
    import torch

    from engines import tensors
    from engines.families.pix2pixhd.net import one_hot

    config: Config = model.config
    if not config.labels:
        picture = job.images["picture"]
        plain = np.zeros((picture.height, picture.width), np.uint8)
        return tensors.to_tensor(picture, 3, model.device), plain, ()
    labels, notes = _classes(config, job.images["labels"])
    numbers = torch.from_numpy(labels.astype(np.int64))[None, None].to(model.device)
    return one_hot(numbers, config.labels), labels, notes


def _classes(config: Config, given: Picture) -> tuple[np.ndarray, tuple[str, ...]]:
    """The class of every pixel (H, W), all of them known to the model, and what to tell. Raises
    ImageError for colours without a palette."""
    using = palettes.palette(config.palette) if config.palette in palettes.known() else None
    notes: tuple[str, ...] = ()
    if given.channels != 1:
        if using is None:
            raise images.ImageError(
                "This model's classes have no colours; give it a map of class numbers."
            )
        found = palettes.from_colours(given, using)
        given, notes = found.labels, found.notes
    labels = given.pixels
    share = palettes.unseen(labels, config.labels)
    if not share:
        return labels, notes
    unknown = using.unknown if using and using.unknown < config.labels else 0
    name = f"“{using.names[unknown]}”" if using else f"class {unknown}"
    note = (
        f"{100 * share:.1f} % of the map are classes that this model never saw; they were painted "
        f"as {name}."
    )
    return np.where(labels < config.labels, labels, unknown).astype(np.uint8), (*notes, note)


def _objects(config: Config, job: Job, labels: np.ndarray) -> Objects:
    from engines.families.pix2pixhd.style import Objects

    known = config.palette in palettes.known()
    things = palettes.palette(config.palette).things if known else frozenset()
    if "objects" in job.images:
        numbers = palettes.object_numbers(_sized(job.images["objects"], labels.shape))
        return Objects.numbered(labels, numbers, things)
    return Objects.painted(labels, things)


def _features(model: Model, job: Job, objects: Objects) -> Tensor:
    """(1, features, H, W): each object in the look chosen for it, zeros where its class has
    none."""
    import torch

    from engines.families.pix2pixhd import style

    config: Config = model.config
    if not config.clusters:
        return style.painted(objects, torch.zeros(len(objects), config.features))
    asked = str(job.values["style"])
    wish = np.full(len(objects), int(asked) if asked.isdigit() else 0)
    if "styles" in job.images:
        marks = images.to_grey(_sized(job.images["styles"], objects.places.shape))
        own = objects.most(marks.pixels)
        wish = np.where(own > 0, own, wish)
    kept = model.module.state_dict()
    table, counts = kept["clusters"].float().cpu(), kept["cluster_counts"].cpu()
    picks = style.chosen(objects, counts, job.seed, wish)
    return style.painted(objects, style.vectors(objects, table, picks))


def _sized(picture: Picture, shape: tuple[int, ...]) -> Picture:
    """`picture` at (height, width) `shape`, its numbers kept."""
    size = (shape[1], shape[0])
    if picture.size == size:
        return picture
    return Picture(images.resize(picture.pixels, size, smooth=False))


def _like(photo: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(1, 3, H, W) at (height, width) `shape`."""
    from torch.nn import functional as F

    if tuple(photo.shape[-2:]) == tuple(shape):
        return photo
    return F.interpolate(photo, shape[:2], mode="bilinear", antialias=True, align_corners=False)


register(Pix2PixHD())
