"""Configurations of the family's networks, and how each is recognised from key names and shapes.

Recognition is exact: a configuration is read from a few shapes, and then every convolution must be
where that configuration puts it, and no other. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engines import patchgan, residual
from engines.patchgan import JudgeConfig
from engines.residual import Norm, ResNetConfig, Shape, holds_exactly, is_convolution, norm_after

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint


@dataclass(frozen=True)
class UNetConfig:
    """depth 7 is the official unet_128, 8 unet_256. Dropout holds no weights, so a file of others
    cannot tell whether the net was trained with it: `dropout` is None then, and a control switches
    its noise."""

    inputs: int = 3
    outputs: int = 3
    width: int = 64
    depth: int = 8
    norm: Norm = "batch"
    dropout: bool | None = True

    @property
    def multiple_of(self) -> int:
        return 2**self.depth

    @property
    def minimum(self) -> int:
        return self.multiple_of

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at 1/2, 1/4, ... of the picture's size."""
        return _doubling(self.width, self.depth)

    @property
    def noisy(self) -> bool:
        """Whether it has dropout layers; only levels between the fifth and the innermost do."""
        return self.dropout is not False and self.depth > 5


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

    @property
    def minimum(self) -> int:
        return self.multiple_of

    @property
    def widths(self) -> tuple[int, ...]:
        return _doubling(self.width, self.depth)

    @property
    def noisy(self) -> bool:
        return self.depth > 1


@dataclass(frozen=True)
class MultimodalConfig:
    """widths: channels at 1/2, 1/4, ... of the picture's size. code: length of the variation code.
    native: the size (width, height) it was trained at. dyed: the decoder knows the colours of the
    hints as a field over the whole sheet, and the hints themselves enter at an eighth of the size
    and below; otherwise they only enter, at a quarter and below. trunk: channels behind the decoder
    at half the size."""

    widths: tuple[int, ...] = (32, 72, 136, 232, 256)
    code: int = 12
    native: tuple[int, int] = (192, 256)
    dyed: bool = False  # what files without the entry are
    trunk: int = 48  # even

    @property
    def ups(self) -> tuple[int, ...]:
        """Channels of the decoder's levels, from the coarsest."""
        return (*(width * 7 // 8 for width in self.widths[-2:0:-1]), self.trunk)

    @property
    def first_hinted(self) -> int:
        """The first level of `down` that sees the hints."""
        return 2 if self.dyed else 1

    @property
    def multiple_of(self) -> int:
        return 2 ** len(self.widths)

    @property
    def minimum(self) -> int:
        """Instance norm needs two pixels at the coarsest level."""
        return 2 * self.multiple_of


@dataclass(frozen=True)
class JudgedConfig:
    """A generator, and the discriminator of its pairs of input and output."""

    generator: UNetConfig | ResNetConfig
    judge: JudgeConfig


Single = UNetConfig | ResNetConfig | TensorFlowConfig | MultimodalConfig
Config = Single | JudgedConfig
NETWORKS: dict[str, type[Config]] = {
    "unet": UNetConfig,
    "resnet": ResNetConfig,
    "tensorflow": TensorFlowConfig,
    "multimodal": MultimodalConfig,
    "judged": JudgedConfig,
}


def _doubling(width: int, depth: int) -> tuple[int, ...]:
    return tuple(width * min(2**level, 8) for level in range(depth))


def recognise(checkpoint: Checkpoint) -> Config | None:
    for read in (recognise_multimodal, recognise_unet, recognise_resnet, recognise_tensorflow,
                 recognise_judged):  # fmt: skip
        config = read(checkpoint)
        if config is not None:
            return config
    return None


def _counted(checkpoint: Checkpoint, key: Callable[[int], str], first: int = 0) -> int:
    """How many of key(first), key(first + 1), ... there are without a gap."""
    number = first
    while checkpoint.shape(key(number)) is not None:
        number += 1
    return number - first


# ---- the official U-Net --------------------------------------------------------------------------


def recognise_unet(checkpoint: Checkpoint) -> UNetConfig | None:
    """model.model.0 is the outermost convolution; each deeper level lies within."""
    first, last = checkpoint.shape("model.model.0.weight"), checkpoint.shape("model.model.3.weight")
    if not (is_convolution(first, 4) and is_convolution(last, 4)) or not first or not last:
        return None
    depth = _counted(checkpoint, lambda level: f"{_level(level)}1.weight", 1) + 1
    up = f"{_level(1)}{3 if depth == 2 else 5}"
    norm = norm_after(checkpoint.shapes(), f"{_level(1)}{4 if depth == 2 else 6}", up)
    if depth < 2 or norm is None:
        return None
    dropout = checkpoint.metadata.get("config", {}).get("dropout")
    config = UNetConfig(first[1], last[1], first[0], depth, norm, dropout)
    return config if holds_exactly(checkpoint.shapes(), _unet_weights(config)) else None


def _level(level: int) -> str:
    """Where the keys of a level of the U-Net begin; 0 is the outermost."""
    return "model.model." if level == 0 else "model.model.1.model." + "3.model." * (level - 1)


def _unet_weights(config: UNetConfig) -> Iterable[tuple[str, Shape]]:
    for level, width in enumerate(config.widths):
        innermost = level == config.depth - 1
        above = (config.widths[level - 1],) * 2 if level else (config.inputs, config.outputs)
        down, up = (0, 3) if level == 0 else (1, 3) if innermost else (1, 5)
        yield f"{_level(level)}{down}.weight", (width, above[0], 4, 4)
        yield f"{_level(level)}{up}.weight", (width if innermost else 2 * width, above[1], 4, 4)


# ---- the official ResNet -------------------------------------------------------------------------


def recognise_resnet(checkpoint: Checkpoint) -> ResNetConfig | None:
    """Those that halve the picture twice and take pictures; others are pix2pixHD's."""
    config = residual.recognise(checkpoint.shapes())
    fits = config and config.downs == 2 and config.blocks and not config.bias and config.inputs <= 4
    return config if fits else None


# ---- the TensorFlow port -------------------------------------------------------------------------


def recognise_tensorflow(checkpoint: Checkpoint) -> TensorFlowConfig | None:
    """generator/encoder_k and decoder_k with kernels (H, W, in, out), whatever lies beside them; or
    a file of ours, its kernels already in torch's order."""
    first, last = (
        checkpoint.shape(_variable("encoder", 0)),
        checkpoint.shape(_variable("decoder", 0)),
    )
    if first is None or last is None or len(first) != 4 or len(last) != 4:
        return _converted_tensorflow(checkpoint)
    depth = _counted(checkpoint, lambda level: _variable("encoder", level))
    config = TensorFlowConfig(first[2], last[2], first[3], depth)
    wanted = {_variable(*name): (s[2], s[3], s[1], s[0]) for name, s in _port_weights(config)}
    return config if all(checkpoint.shape(k) == s for k, s in wanted.items()) else None


def _converted_tensorflow(checkpoint: Checkpoint) -> TensorFlowConfig | None:
    first, last = checkpoint.shape("encoder.0.weight"), checkpoint.shape("decoder.0.weight")
    if not (is_convolution(first, 4) and is_convolution(last, 4)) or not first or not last:
        return None
    depth = _counted(checkpoint, lambda level: f"encoder.{level}.weight")
    config = TensorFlowConfig(first[1], last[1], first[0], depth)
    wanted = {f"{side}.{level}.weight": s for (side, level), s in _port_weights(config)}
    return config if holds_exactly(checkpoint.shapes(), wanted.items()) else None


def _variable(side: str, level: int) -> str:
    kind = "conv2d" if side == "encoder" else "conv2d_transpose"
    return f"generator/{side}_{level + 1}/{kind}/kernel"


def _port_weights(config: TensorFlowConfig) -> Iterable[tuple[tuple[str, int], Shape]]:
    """(side, level) and the shape in torch's order: (out, in, H, W), transposed (in, out, H, W)."""
    for level, width in enumerate(config.widths):
        above = (config.widths[level - 1],) * 2 if level else (config.inputs, config.outputs)
        innermost = level == config.depth - 1
        yield ("encoder", level), (width, above[0], 4, 4)
        yield ("decoder", level), (width if innermost else 2 * width, above[1], 4, 4)


# ---- a generator and its discriminator ----------------------------------------------------------


def joined(checkpoint: Checkpoint) -> Checkpoint:
    """Both of one folder as the two parts of a file of ours; anything else as it is."""
    parts = checkpoint.parts()
    for judge, generator in (parts, parts[::-1]) if len(parts) == 2 else ():
        if patchgan.recognise(residual.below(checkpoint.shapes(), f"{judge}.")):
            places = {"generator": f"{generator}.", "judge": f"{judge}."}
            return checkpoint.called(checkpoint.inside(places))
    return checkpoint


def recognise_judged(checkpoint: Checkpoint) -> JudgedConfig | None:
    both = joined(checkpoint)
    judge = patchgan.recognise(residual.below(both.shapes(), "judge."))
    if judge is None:
        return None
    begin = "generator."
    names = {key.removeprefix(begin): key for key in both.infos if key.startswith(begin)}
    generator = _judgeable(both.called(names))
    fits = generator and judge.inputs == generator.inputs + generator.outputs
    return JudgedConfig(generator, judge) if generator and fits else None


def _judgeable(checkpoint: Checkpoint) -> UNetConfig | ResNetConfig | None:
    return recognise_unet(checkpoint) or recognise_resnet(checkpoint)


def beside(judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
    """See Family.beside: of pairs with as many channels as input and output have together."""
    found, generator = patchgan.recognise(judge.shapes()), _judgeable(model)
    if found is None or generator is None or found.inputs != generator.inputs + generator.outputs:
        return None
    return "G", "D"


def needs(judge: Checkpoint) -> str:
    found = patchgan.recognise(judge.shapes())
    if found is None or found.inputs == 3:
        return ""
    return (
        f"; open the pix2pix generator that it was trained with first and then this, one whose "
        f"input and output have {found.inputs} channels together"
    )


# ---- the starter's network -----------------------------------------------------------------------


def recognise_multimodal(checkpoint: Checkpoint) -> MultimodalConfig | None:
    """A MultimodalUNet from its shapes; `native` comes from our metadata if it is there."""
    stem, code = checkpoint.shape("stem.weight"), checkpoint.shape("code_mean")
    if stem is None or code is None or len(stem) != 4 or stem[1:] != (4, 3, 3):
        return None
    native = checkpoint.metadata.get("config", {}).get("native", MultimodalConfig.native)
    dyed = checkpoint.shape("up.0.dye.weight") is not None
    trunk = (checkpoint.shape("refine.first.weight") or (0,))[0]
    size = (int(native[0]), int(native[1]))
    config = MultimodalConfig((stem[0],), code[0], size, dyed, trunk)
    widths = [stem[0]]
    while (down := checkpoint.shape(f"down.{len(widths) - 1}.weight")) is not None:
        if down[1:] != (widths[-1] + 4 * (len(widths) > config.first_hinted), 4, 4):
            return None
        widths.append(down[0])
    return replace(config, widths=tuple(widths))
