"""Configurations of the family's networks, and how each is recognised from key names and shapes. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Norm = Literal["batch", "instance", "none"]


@dataclass(frozen=True)
class UNetConfig:
    """depth 7 is the official unet_128, 8 unet_256. Dropout leaves no trace in the weights: `dropout` is the
    official default, and a control switches its noise."""

    inputs: int = 3
    outputs: int = 3
    width: int = 64
    depth: int = 8
    norm: Norm = "batch"
    dropout: bool = True

    @property
    def multiple_of(self) -> int:
        return 2**self.depth


@dataclass(frozen=True)
class ResNetConfig:
    inputs: int = 3
    outputs: int = 3
    width: int = 64
    blocks: int = 9
    norm: Norm = "instance"
    dropout: bool = False

    @property
    def multiple_of(self) -> int:
        return 4


@dataclass(frozen=True)
class TensorFlowConfig:
    """The U-Net of the TensorFlow port (Hesse 2017), always with batch statistics."""

    inputs: int = 3
    outputs: int = 3
    width: int = 64
    depth: int = 8

    @property
    def multiple_of(self) -> int:
        return 2**self.depth


@dataclass(frozen=True)
class MultimodalConfig:
    """widths: channels at 1/2, 1/4, ... of the picture's size. code: length of the variation code. native: the size
    (width, height) it was trained at."""

    widths: tuple[int, ...] = (32, 72, 136, 232, 256)
    code: int = 12
    native: tuple[int, int] = (192, 256)

    @property
    def multiple_of(self) -> int:
        return 2 ** len(self.widths)


Config = UNetConfig | ResNetConfig | TensorFlowConfig | MultimodalConfig
NETWORKS: dict[str, type[Config]] = {
    "unet": UNetConfig, "resnet": ResNetConfig, "tensorflow": TensorFlowConfig, "multimodal": MultimodalConfig
}  # fmt: skip


def recognise(checkpoint: Checkpoint) -> Config | None:
    for read in (recognise_multimodal, recognise_unet, recognise_resnet, recognise_tensorflow):
        config = read(checkpoint)
        if config is not None:
            return config
    return None


def recognise_multimodal(checkpoint: Checkpoint) -> MultimodalConfig | None:
    """A MultimodalUNet from its shapes; `native` comes from our metadata if it is there."""
    stem, code = checkpoint.shape("stem.weight"), checkpoint.shape("code_mean")
    if stem is None or code is None or len(stem) != 4 or stem[1:] != (20, 3, 3):
        return None
    widths = [stem[0]]
    while (down := checkpoint.shape(f"down.{len(widths) - 1}.weight")) is not None:
        if down[1:] != (widths[-1] + 4, 4, 4):
            return None
        widths.append(down[0])
    native = checkpoint.metadata.get("config", {}).get("native", MultimodalConfig.native)
    return MultimodalConfig(tuple(widths), code[0], (int(native[0]), int(native[1])))


def _is_convolution(shape: tuple[int, ...] | None, kernel: int) -> bool:
    return shape is not None and len(shape) == 4 and shape[2:] == (kernel, kernel)


def recognise_unet(checkpoint: Checkpoint) -> UNetConfig | None:
    """model.model.0.weight is the outermost convolution; each deeper level adds `model.1.model` or `model.3.model`."""
    first, last = checkpoint.shape("model.model.0.weight"), checkpoint.shape("model.model.3.weight")
    if (
        first is None
        or last is None
        or not _is_convolution(first, 4)
        or not _is_convolution(last, 4)
    ):
        return None
    depth, prefix, width = 1, "model.model.1.model.", first[0]
    while _is_convolution(checkpoint.shape(f"{prefix}1.weight"), 4):
        depth += 1
        prefix += "3.model."
    if depth < 3 or last[0] != 2 * width:
        return None
    norm: Norm = "batch" if checkpoint.shape("model.model.1.model.2.weight") else "instance"
    if norm == "instance" and checkpoint.shape("model.model.1.model.1.bias") is None:
        norm = "none" if depth < 3 else "batch"
    dropout = bool(
        checkpoint.metadata.get("config", {}).get("dropout", depth > 5 and norm == "batch")
    )
    return UNetConfig(first[1], last[1], width, depth, norm, dropout)


_BLOCK = re.compile(r"^model\.(\d+)\.conv_block\.(\d+)\.weight$")


def recognise_resnet(checkpoint: Checkpoint) -> ResNetConfig | None:
    """model.1 is a 7x7 convolution, model.10 and on are residual blocks of two 3x3 convolutions."""
    first = checkpoint.shape("model.1.weight")
    if first is None or not _is_convolution(first, 7):
        return None
    width = first[0]
    halves: dict[int, list[int]] = {}
    for key in checkpoint.keys():  # noqa: SIM118  (a method, not a dict)
        match = _BLOCK.match(key)
        if match and checkpoint.shape(key) == (4 * width, 4 * width, 3, 3):
            halves.setdefault(int(match[1]), []).append(int(match[2]))
    blocks = len(halves)
    last = checkpoint.shape(f"model.{17 + blocks}.weight")
    if (
        not halves
        or min(halves) != 10
        or last is None
        or not _is_convolution(last, 7)
        or last[1] != width
    ):
        return None
    if any(len(layers) != 2 for layers in halves.values()):
        return None
    norm: Norm = "batch" if checkpoint.shape("model.2.weight") else "instance"
    dropout = all(max(layers) == 6 for layers in halves.values())
    return ResNetConfig(first[1], last[0], width, blocks, norm, dropout)


def recognise_tensorflow(checkpoint: Checkpoint) -> TensorFlowConfig | None:
    """generator/encoder_k and decoder_k with HWIO kernels, saved as .npz or safetensors."""
    first = checkpoint.shape("generator/encoder_1/conv2d/kernel")
    last = checkpoint.shape("generator/decoder_1/conv2d_transpose/kernel")
    if first is None or last is None or len(first) != 4 or len(last) != 4:
        return _converted_tensorflow(checkpoint)
    depth = 1
    while checkpoint.shape(f"generator/encoder_{depth + 1}/conv2d/kernel") is not None:
        depth += 1
    return TensorFlowConfig(first[2], last[2], first[3], depth)


def _converted_tensorflow(checkpoint: Checkpoint) -> TensorFlowConfig | None:
    """The port's U-Net in a file of ours, its kernels already in torch's order."""
    first, last = checkpoint.shape("encoder.0.weight"), checkpoint.shape("decoder.0.weight")
    if (
        not _is_convolution(first, 4)
        or not _is_convolution(last, 4)
        or first is None
        or last is None
    ):
        return None
    depth = 1
    while _is_convolution(checkpoint.shape(f"encoder.{depth}.weight"), 4):
        depth += 1
    return TensorFlowConfig(first[1], last[1], first[0], depth)
