"""Enlarging: any network for super-resolution or restoration that spandrel recognises, and our own
starter (Wang et al. 2021, the compact network of Real-ESRGAN).

The result is a whole number of times as large, its transparency enlarged beside it; a grey picture
stays grey.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from engines import images
from engines.controls import Choice, ImageInput, ModelCard, SizeRule, gate
from engines.families.enlarge.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Progress, Result

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Wang et al. 2021, Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic "
    "Data"
)
PURPOSES = ("SR", "Restoration", "FaceSR")
CHANNELS = ((1, 1), (3, 3), (4, 4), (4, 3))  # in and out
TILE = 256  # pixels: side of a tile on a CPU, where it takes a second or more
LARGE_TILE = 768  # on a graphics card
LARGEST = 2**28  # pixels of a result


class Enlarge(Family):
    id, title = "enlarge", "Super-resolution"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        """What spandrel makes of names and shapes. None too for what it knows and we do not use:
        inpainting, other numbers of channels."""
        if not any(len(shape) == 4 for shape in checkpoint.shapes().values()):
            return None
        from engines.families.enlarge import net

        found = net.described(checkpoint)
        if found is None or found.purpose not in PURPOSES:
            return None
        config = net.configured(found)
        return config if (config.inputs, config.outputs) in CHANNELS else None

    def build(self, config: Config) -> nn.Module:
        from engines.families.enlarge import net

        return net.build(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        from engines.families.enlarge import net

        return net.load(config, checkpoint), checkpoint.notes

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        return checkpoint.notes  # recognising it was trying it

    def card(self, config: Config) -> ModelCard:
        title = f"Enlarge ×{config.scale}" if config.scale > 1 else "Restore"
        return ModelCard(
            self.id,
            title,
            controls=_controls(config),
            size=SizeRule(config.minimum, config.multiple_of, config.square),
            rooms=("translate",),
            live=False,
            half_ok=config.half,
            network=f"{config.name} ×{config.scale}",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        given = job.images["photo"]
        wanted = int(str(job.values.get("scale", model.config.scale)))
        size = (given.width * wanted, given.height * wanted)
        if size[0] * size[1] > LARGEST:
            raise images.ImageError(
                f"Enlarged {wanted} times this picture would have {size[0]} x {size[1]} pixels; "
                "cut out a part of it first."
            )
        made = yield from _made(model, job, given)
        if made.size != size:
            made = Picture(images.resize(made.pixels, size))
        yield Result((made,), seconds=time.perf_counter() - start)


def _controls(config: Config) -> tuple[ImageInput | Choice, ...]:
    found: list[ImageInput | Choice] = [ImageInput("photo", "Photo"), gate()]
    if config.scale > 2:
        options = tuple((str(n), f"×{n}") for n in range(config.scale, 1, -1))
        found.append(
            Choice(
                "scale",
                "Times",
                options,
                options[0][0],
                help="How many times as wide and high. Less than the network makes is made smaller "
                "from it.",
            )
        )
    if config.tiles:
        found.append(
            Choice(
                "tiles",
                "Tiles",
                (
                    ("auto", "Where the picture is large"),
                    ("off", "Never"),
                    ("128", "128 pixels"),
                    ("256", "256 pixels"),
                    ("512", "512 pixels"),
                ),
                "auto",
                help="Large photos are enlarged piece by piece; the pieces meet without seams.",
            )
        )
    return tuple(found)


# ---- a picture -----------------------------------------------------------------------------------


def _made(model: Model, job: Job, given: Picture) -> Generator[Event, None, Picture]:
    """`given` enlarged as the network does it, in as many channels."""
    from engines import tensors

    channels = model.config.inputs
    seen = given if channels == 4 else _opaque(given)
    x = tensors.to_tensor(seen, channels, model.device, low=0.0)
    large = yield from _enlarged(model, x, str(job.values.get("tiles", "off")))
    made = tensors.to_picture(large, low=0.0)
    if channels == 1 and given.channels > 1:
        made = _with_colours(made, seen)
    if given.channels == 1 and made.channels > 1:
        return images.to_grey(made)
    if given.channels == 4 and made.channels == 3:
        return images.with_alpha(made, given.pixels[..., 3])
    return made


def _enlarged(model: Model, x: Tensor, asked: str) -> Generator[Event, None, Tensor]:
    """(1, C, scale * H, scale * W), with a Progress for each tile."""
    import torch

    from engines.families.enlarge import tiles

    config = model.config
    tile = _tile(model, x, asked)
    if not tile:
        return _run(model, x)
    multiple = config.multiple_of
    total = len(tiles.spans(x.shape[-2], tile, multiple))
    total *= len(tiles.spans(x.shape[-1], tile, multiple))
    shape = (1, config.outputs, *(side * config.scale for side in x.shape[-2:]))
    large = torch.zeros(shape)
    rim = tiles.reach(model.module)
    for done in tiles.enlarged(
        x, lambda part: _run(model, part), large, config.scale, tile, rim, multiple
    ):
        yield Progress(done, total, "Enlarging in tiles")
    return large


def _tile(model: Model, x: Tensor, asked: str) -> int:
    """The side of a tile; 0 for one pass over all. Tiles are also what a run can be stopped
    between."""
    if asked == "off":
        return 0
    usual = TILE if model.device.type == "cpu" else LARGE_TILE
    tile = int(asked) if asked.isdigit() else usual
    return tile if max(x.shape[-2:]) > 1.25 * tile else 0


def _run(model: Model, x: Tensor) -> Tensor:
    from engines import tensors

    config = model.config
    least = max(config.minimum, *x.shape[-2:]) if config.square else config.minimum
    padded, crop = tensors.pad_to_multiple(x, config.multiple_of, least)
    return crop(model(padded))


def _opaque(picture: Picture) -> Picture:
    """The colours of a picture as if it were not transparent. Those of wholly transparent pixels
    mean nothing; they are taken from around, so that none bleed into the rims of what is seen."""
    if picture.channels != 4:
        return picture
    rgb, alpha = picture.pixels[..., :3], picture.pixels[..., 3]
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return Picture(np.ascontiguousarray(rgb))
    known = (~hidden).astype(np.float32)
    filled = rgb * known[..., None]
    for spread in (64.0, 16.0, 4.0, 1.5):  # nearer ones, where there are any, over farther ones
        weight = cv2.GaussianBlur(known, (0, 0), spread)
        mean = cv2.GaussianBlur(rgb * known[..., None], (0, 0), spread)
        near = hidden & (weight > 1e-3)
        filled[near] = mean[near] / weight[near][:, None]
    filled[~hidden] = rgb[~hidden]
    return Picture(filled.round().clip(0, 255).astype(np.uint8))


def _with_colours(light: Picture, seen: Picture) -> Picture:
    """The enlarged luminance with the colours of `seen`, enlarged by bicubic."""
    ycc = cv2.cvtColor(images.flatten(seen).pixels, cv2.COLOR_RGB2YCrCb)
    large = images.resize(ycc, light.size).copy()
    large[..., 0] = light.pixels
    return Picture(cv2.cvtColor(large, cv2.COLOR_YCrCb2RGB))


register(Enlarge())
