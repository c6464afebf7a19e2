"""Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks": paired translation.

Carries the official U-Nets and ResNets, the TensorFlow port, and the multimodal U-Net of the starter models.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engines import edges
from engines.controls import (
    Choice,
    Control,
    ImageInput,
    ModelCard,
    SizeRule,
    SketchInput,
    Slider,
    Toggle,
)
from engines.families.pix2pix.config import (
    NETWORKS,
    Config,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
    UNetConfig,
    recognise,
)
from engines.family import Family, Model, register
from engines.job import Event, Fit, Job, Picture, Result

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = "Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks"


class Pix2Pix(Family):
    id, title = "pix2pix", "Sketch to photo"
    trainer = "pix2pix.train:Pix2PixTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.pix2pix import build

        return build.build(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        if not isinstance(config, TensorFlowConfig) or checkpoint.shape("encoder.0.weight"):
            return super().load(config, checkpoint)
        from engines.families.pix2pix import build

        return build.load_tensorflow(config, checkpoint)

    def to_dict(self, config: Config) -> dict[str, Any]:
        name = next(name for name, kind in NETWORKS.items() if isinstance(config, kind))
        return {"network": name, **asdict(config)}

    def from_dict(self, body: dict[str, Any]) -> Config:
        body = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items()}
        return NETWORKS[body.pop("network")](**body)

    def card(self, config: Config) -> ModelCard:
        if isinstance(config, MultimodalConfig):
            return _starter_card(config)
        kind, controls = _official_controls(config)
        side = 256 if isinstance(config, ResNetConfig) else config.multiple_of
        return ModelCard(
            self.id,
            f"{kind}, {config.inputs} to {config.outputs} channels",
            controls=controls,
            size=SizeRule(
                config.multiple_of,
                config.multiple_of,
                native=(side, side),
                fixed=not isinstance(config, ResNetConfig),
            ),
            rooms=("draw",),
            seeded=any(getattr(c, "name", "") == "noise" for c in controls),
            network=kind,
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        if isinstance(model.config, MultimodalConfig):
            picture = _paint(model, job)
        else:
            picture = _translate(model, job)
        drawn = job.images.get("edges")
        yield Result((picture,), seconds=time.perf_counter() - start, fit=_fit(model.card, drawn))


def _starter_card(config: MultimodalConfig) -> ModelCard:
    return ModelCard(
        "pix2pix",
        "Edges to photo",
        controls=(
            SketchInput("edges", "Outline", "edges", config.native),
            SketchInput("hints", "Colour hints", "hints", config.native, optional=True),
            Slider("variation", "Variation", 0.0, 1.5, 0.05, 0.8, trained=(0.0, 1.0),
                   help="How far colours and cloth may stray from the most typical; the seed says where to."),
        ),
        size=SizeRule(config.multiple_of, config.multiple_of, native=config.native),
        rooms=("draw",),
        seeded=True,
        network=f"multimodal U-Net, {len(config.widths)} levels",
        paper="Zhu et al. 2017, Toward Multimodal Image-to-Image Translation; " + PAPER,
    )  # fmt: skip


def _official_controls(config: Config) -> tuple[str, tuple[Control, ...]]:
    side = config.multiple_of if not isinstance(config, ResNetConfig) else 256
    controls: list[Control] = [SketchInput("edges", "Drawing or photo", "edges", (side, side))]
    if isinstance(config, ResNetConfig):
        kind = f"ResNet, {config.blocks} blocks"
    elif isinstance(config, TensorFlowConfig):
        kind = f"U-Net {config.multiple_of} (TensorFlow port)"
    else:
        kind = f"U-Net {config.multiple_of}"
    if not isinstance(config, ResNetConfig):
        controls.append(
            Choice("size", "Other sizes", (("resize", "Resize"), ("pad", "Extend")), "resize",
                   help="Resize: squeezed into the trained square and back, as the reference does. "
                   "Extend: kept at its own size, the rim mirrored.")
        )  # fmt: skip
    if isinstance(config, UNetConfig | ResNetConfig) and config.norm == "batch":
        controls.append(
            Choice("norm", "Normalisation", (("trained", "As trained"), ("frozen", "Frozen")), "trained",
                   help="As trained: by the statistics of this picture, as the reference test does. "
                   "Frozen: by those remembered from training, steadier from picture to picture.")
        )  # fmt: skip
    if isinstance(config, TensorFlowConfig) or config.dropout:  # pyright: ignore[reportAttributeAccessIssue]
        controls.append(
            Toggle("noise", "Dropout noise", True,
                   help="The only source of variation of these nets; the seed decides it. Off for film.")
        )  # fmt: skip
    controls.append(
        Choice("direction", "Joined pictures", (("AtoB", "Left half in"), ("BtoA", "Right half in")), "AtoB",
               help="Only for joined A|B pictures, twice as wide as high: which half is the input.")
    )  # fmt: skip
    return kind, tuple(controls)


def _fit(card: ModelCard, drawn: Picture | None) -> Fit | None:
    if card.sketch is None or drawn is None:
        return None
    import numpy as np

    grey = (
        drawn.pixels
        if drawn.pixels.ndim == 2
        else np.ascontiguousarray(drawn.pixels[..., :3].min(axis=2))
    )
    return edges.fit(grey, card.sketch)


def _paint(model: Model, job: Job) -> Picture:
    """Edges and hints at the size of the drawing, padded to the net's multiple, cropped back."""
    import torch

    from engines import tensors

    drawn = job.images["edges"]
    x = tensors.to_tensor(drawn, 1, model.device, torch.float32)
    hints = _hints(job.images.get("hints"), drawn.size, model)
    code = model.module.sample_code([job.seed], float(job.values["variation"]))  # pyright: ignore[reportCallIssue, reportArgumentType]
    multiple = model.card.size.multiple_of
    (x, crop), (hints, _) = (tensors.pad_to_multiple(t, multiple, multiple) for t in (x, hints))
    made = model(x, hints, code.to(model.device))
    return tensors.to_picture(crop(made))


def _hints(picture: Picture | None, size: tuple[int, int], model: Model) -> Tensor:
    """(1, 4, H, W): colour in [-1, 1] times the mask, and the mask."""
    import torch

    from engines import images, tensors

    if picture is None or picture.channels != 4:
        return torch.zeros((1, 4, size[1], size[0]), device=model.device)
    pixels = picture.pixels if picture.size == size else images.resize(picture.pixels, size)
    rgb = tensors.to_tensor(Picture(pixels[..., :3]), 3, model.device, torch.float32)
    mask = torch.tensor(pixels[..., 3] > 127, dtype=torch.float32, device=model.device)[None, None]
    return torch.cat((rgb * mask, mask), 1)


def _translate(model: Model, job: Job) -> Picture:
    """One pass of an official net; the result has exactly the input's size and keeps its alpha."""
    import torch

    from engines import images, layers, tensors

    given = _half(job.images["edges"], str(job.values.get("direction", "AtoB")))
    opaque, alpha = images.split_alpha(given)
    config = model.config
    fixed = job.values.get("size") == "resize"
    pixels = opaque.pixels
    if fixed and opaque.size != model.card.size.native:
        assert model.card.size.native is not None
        pixels = images.resize(pixels, model.card.size.native)
    x = tensors.to_tensor(Picture(pixels), config.inputs, model.device, torch.float32)
    x, crop = tensors.pad_to_multiple(x, model.card.size.multiple_of, model.card.size.multiple_of)
    layers.use_batch_statistics(model.module, job.values.get("norm") == "trained")
    layers.seed_dropout(model.module, job.seed if job.values.get("noise") else None)
    try:
        made = tensors.to_picture(crop(model(x)))
    finally:
        layers.seed_dropout(model.module, None)
        layers.use_batch_statistics(model.module, False)
    if made.size != given.size:
        made = Picture(images.resize(made.pixels, given.size))
    return images.with_alpha(made, alpha)


def _half(picture: Picture, direction: str) -> Picture:
    """The input half of a joined A|B picture (exactly twice as wide as high), or the picture itself."""
    if picture.width != 2 * picture.height or picture.height < 32:
        return picture
    middle = picture.width // 2
    return Picture(
        picture.pixels[:, :middle] if direction == "AtoB" else picture.pixels[:, middle:]
    )


register(Pix2Pix())
