"""Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks": paired
translation.

Carries the official U-Nets and ResNets, the TensorFlow port, and the multimodal U-Net of the
starter models.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from engines import edges, images, measure
from engines.controls import (
    Choice,
    Control,
    ModelCard,
    SizeRule,
    SketchInput,
    Slider,
    Toggle,
    gate,
)
from engines.families.pix2pix import config as configs
from engines.families.pix2pix import tasks
from engines.families.pix2pix.config import (
    NETWORKS,
    Config,
    JudgedConfig,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
    UNetConfig,
    recognise,
)
from engines.family import Family, Model, register
from engines.job import Event, Fit, Job, Picture, Result
from engines.residual import BATCH_NORM

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = "Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks"
VIEWS = ("Discriminator",)  # beside a result
JOINED = (
    "This picture is twice as wide as high; if it is a joined A|B picture, "
    "say under “Joined pictures” which half is the input."
)


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

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        if isinstance(config, TensorFlowConfig) and not checkpoint.shape("encoder.0.weight"):
            return self.load(config, checkpoint)[1]  # its variables have other names and shapes
        return super().examine(config, checkpoint)

    def to_dict(self, config: Config) -> dict[str, Any]:
        name = next(name for name, kind in NETWORKS.items() if isinstance(config, kind))
        if isinstance(config, JudgedConfig):
            return {
                **self.to_dict(config.generator),
                "network": name,
                "judge": asdict(config.judge),
            }
        return {"network": name, **asdict(config)}

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.joined(checkpoint)

    def beside(self, judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
        return configs.beside(judge, model)

    def needs(self, judge: Checkpoint) -> str:
        return configs.needs(judge)

    def card(self, config: Config) -> ModelCard:
        if isinstance(config, MultimodalConfig):
            return _starter_card(config)
        judged = isinstance(config, JudgedConfig)
        config = config.generator if judged else config
        kind, controls = _official_controls(config)
        side = _side(config)
        is_resnet = isinstance(config, ResNetConfig)  # CycleGAN's, of which most are for photos
        return ModelCard(
            self.id,
            f"{kind}, {config.inputs} to {config.outputs} channels",
            controls=controls,
            size=SizeRule(
                config.minimum,
                config.multiple_of,
                native=(side, side),
                fixed=not is_resnet,
            ),
            rooms=("translate", "draw") if is_resnet else ("draw", "translate"),
            seeded=config.noisy,
            network=kind + (" with its discriminator" if judged else ""),
            paper=PAPER,
        )

    def told_by(self, name: str) -> str:
        return tasks.told_by(name)

    def presented(self, card: ModelCard, value: str) -> ModelCard:
        return tasks.presented(card, value)

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        if isinstance(model.config, MultimodalConfig):
            made = _Made(_paint(model, job))
        else:
            made = _translate(model, job)
        yield Result(
            (made.picture,),
            seconds=time.perf_counter() - start,
            notes=made.notes,
            numbers=made.numbers,
            beside=made.beside,
            fit=_fit(model.card, job.images.get("edges")),
        )


def _starter_card(config: MultimodalConfig) -> ModelCard:
    return ModelCard(
        "pix2pix",
        "Edges to photo",
        controls=(
            SketchInput("edges", "Outline", "edges", config.native),
            SketchInput("hints", "Colour hints", "hints", config.native, optional=True),
            Slider(
                "variation",
                "Variation",
                0.0,
                1.5,
                0.05,
                0.8,
                trained=(0.0, 1.0),
                help="How far colours and cloth may stray from the most typical; the seed says "
                "where to.",
            ),
        ),
        size=SizeRule(config.minimum, config.multiple_of, native=config.native),
        rooms=("draw",),
        seeded=True,
        network=f"multimodal U-Net, {len(config.widths)} levels",
        paper="Zhu et al. 2017, Toward Multimodal Image-to-Image Translation; " + PAPER,
    )


def _side(config: UNetConfig | ResNetConfig | TensorFlowConfig) -> int:
    """Of the square the official nets were trained on."""
    return 256 if isinstance(config, ResNetConfig) else config.multiple_of


def _official_controls(
    config: UNetConfig | ResNetConfig | TensorFlowConfig,
) -> tuple[str, tuple[Control, ...]]:
    """What the net is called, and its controls: only those that do something to it."""
    side = _side(config)
    controls: list[Control] = [
        SketchInput("edges", "Drawing or photo", "edges", (side, side), photo=True),
        gate("edges"),
    ]
    if config.inputs in (1, 3):
        controls.append(tasks.CHOICE)
    if isinstance(config, ResNetConfig):
        kind = f"ResNet, {config.blocks} blocks"
    elif isinstance(config, TensorFlowConfig):
        kind = f"U-Net {side} (TensorFlow port)"
    else:
        kind = f"U-Net {side}"
    if not isinstance(config, ResNetConfig):
        controls.append(
            Choice(
                "size",
                "Other sizes",
                (("resize", "Resize"), ("pad", "Extend")),
                "resize",
                help="Resize: squeezed into the trained square and back, as the reference does. "
                "Extend: kept at its own size, the rim mirrored.",
            )
        )
    if not isinstance(config, TensorFlowConfig) and config.norm == "batch":
        controls.append(BATCH_NORM)
    if config.noisy:
        controls.append(
            Toggle(
                "noise",
                "Dropout noise",
                _noisy_at_first(config),
                help="The only source of variation of these nets; the seed decides it. Off for "
                "film.",
            )
        )
    controls.append(
        Choice(
            "direction",
            "Joined pictures",
            (("whole", "Whole"), ("AtoB", "Left half in"), ("BtoA", "Right half in")),
            "whole",
            help="Whole: the picture is the input. For joined A|B pictures, which hold input and "
            "target side by side: the half that is the input (A to B, or B to A).",
        )
    )
    return kind, tuple(controls)


def _noisy_at_first(config: UNetConfig | ResNetConfig | TensorFlowConfig) -> bool:
    """As the reference tests the net; where the file cannot tell, as its options come: with batch
    norm (pix2pix) dropout is on, with instance norm (CycleGAN) off."""
    return not (
        isinstance(config, UNetConfig) and config.dropout is None and config.norm != "batch"
    )


def _fit(card: ModelCard, drawn: Picture | None) -> Fit | None:
    if card.sketch is None or drawn is None:
        return None
    return edges.fit(images.to_grey(drawn).pixels, card.sketch)


def _paint(model: Model, job: Job) -> Picture:
    """Edges and hints at the size of the drawing, padded to the net's multiple, cropped back."""
    import torch

    from engines import tensors

    drawn = job.images["edges"]
    x = tensors.to_tensor(drawn, 1, model.device, torch.float32)
    hints = _hints(job.images.get("hints"), drawn.size, model)
    variation = float(job.values["variation"])  # pyright: ignore[reportArgumentType]
    code = model.module.sample_code([job.seed], variation)  # pyright: ignore[reportCallIssue]
    rule = model.config.multiple_of, model.config.minimum
    (x, crop), (hints, _) = (tensors.pad_to_multiple(t, *rule) for t in (x, hints))
    size = (x.shape[-1], x.shape[-2])
    noise = model.module.sample_noise([job.seed], size)  # pyright: ignore[reportCallIssue]
    return tensors.to_picture(crop(model(x, hints, code.to(model.device), noise)))


def _hints(picture: Picture | None, size: tuple[int, int], model: Model) -> Tensor:
    """(1, 4, H, W): colour in [-1, 1] times the mask, and the mask."""
    import torch

    from engines import tensors

    if picture is None:
        return torch.zeros((1, 4, size[1], size[0]), device=model.device)
    if picture.channels != 4:
        raise images.ImageError(
            "Colour hints are strokes on a transparent sheet; this picture has no transparency."
        )
    pixels = picture.pixels if picture.size == size else images.resize(picture.pixels, size)
    rgb = tensors.to_tensor(Picture(pixels[..., :3]), 3, model.device, torch.float32)
    mask = torch.tensor(pixels[..., 3] > 127, dtype=torch.float32, device=model.device)[None, None]
    return torch.cat((rgb * mask, mask), 1)


@dataclass(frozen=True)
class _Made:
    picture: Picture
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    beside: Mapping[str, Picture] = field(default_factory=dict[str, Picture])


def _translate(model: Model, job: Job) -> _Made:
    """One pass of an official net; the result has exactly the input's size and keeps its alpha."""
    import torch

    from engines import layers, tensors
    from engines.families.pix2pix import lab

    config, net = model.config, model.module
    judged = isinstance(config, JudgedConfig)
    if judged:
        config, net = config.generator, net.get_submodule("generator")
    given, notes = _half(job.images["edges"], str(job.values["direction"]))
    plain, alpha = (given, None) if config.inputs == 4 else images.split_alpha(given)
    side = _side(config)
    size = (side, side) if job.values.get("size") == "resize" else plain.size
    seen = tasks.seen_by(str(job.values.get(tasks.PRESET, tasks.UNKNOWN)), plain, size)
    in_lab = (config.inputs, config.outputs) == (1, 2)
    x = (
        lab.lightness(seen, model.device)
        if in_lab
        else tensors.to_tensor(seen, config.inputs, model.device, torch.float32)
    )
    x, crop = tensors.pad_to_multiple(x, config.multiple_of, config.minimum)
    layers.use_batch_statistics(net, job.values.get("norm") == "trained")
    layers.seed_dropout(net, job.seed if job.values.get("noise") else None)
    try:
        whole = model(x)
    finally:
        layers.seed_dropout(net, None)
        layers.use_batch_statistics(net, False)
    made = crop(whole)
    picture = lab.coloured(plain, made) if in_lab else tensors.to_picture(made)
    if picture.size != given.size:
        picture = Picture(images.resize(picture.pixels, given.size))
    if judged and (sure := _opinion(model, x, whole)) is not None:
        spread = images.resize(crop(sure)[0, 0].cpu().numpy(), picture.size)
        beside = {VIEWS[0]: measure.judged_map(picture, spread.clip(0, 1))}
        numbers = {"likeness": float(spread.mean())}
        return _Made(images.with_alpha(picture, alpha), notes, numbers, beside)
    return _Made(images.with_alpha(picture, alpha), notes)


def _opinion(model: Model, x: Tensor, made: Tensor) -> Tensor | None:
    """How likely the discriminator holds each part of what was `made` of x for a true one (1, 1, H,
    W), as the paper trains it; None for a picture smaller than what it looks at."""
    from torch.nn import functional

    if min(x.shape[-2:]) < 2 ** (model.config.judge.layers + 2):
        return None
    sure = model(x, made.to(x)).float().sigmoid()
    return functional.interpolate(sure, size=x.shape[-2:], mode="bilinear")


def _half(picture: Picture, direction: str) -> tuple[Picture, tuple[str, ...]]:
    """The input in a joined A|B picture, or the whole picture; and what to tell of it."""
    if direction == "whole":
        joined = picture.channels == 3 and picture.width == 2 * picture.height
        return picture, (JOINED,) if joined else ()
    middle = picture.width // 2
    if not middle:
        raise images.ImageError("A picture one pixel wide has no halves.")
    left, right = picture.pixels[:, :middle], picture.pixels[:, -middle:]
    return Picture(left if direction == "AtoB" else right), ()


register(Pix2Pix())
