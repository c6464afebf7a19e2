"""Configuration to network, the one place of the family that imports torch and networks by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.checkpoint import Checkpoint, CheckpointError
from engines.families.pix2pix.config import (
    Config,
    JudgedConfig,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
)
from engines.families.pix2pix.multimodal import MultimodalUNet
from engines.families.pix2pix.net import UNet
from engines.families.pix2pix.tensorflow import TensorFlowUNet, from_variables
from engines.layers import PatchDiscriminator
from engines.residualnet import ResNet


class Judged(nn.Module):
    """forward(x): what the generator makes; forward(x, made): the score map (B, 1, h, w) of the
    discriminator, higher where a pair looks more like those it was trained on."""

    def __init__(self, config: JudgedConfig) -> None:
        super().__init__()
        judge = config.judge
        self.generator = build(config.generator)
        self.judge = PatchDiscriminator(judge.inputs, judge.width, judge.layers, judge.norm)

    def forward(self, x: Tensor, made: Tensor | None = None) -> Tensor:
        return self.generator(x) if made is None else self.judge(torch.cat((x, made), 1))


def build(config: Config) -> nn.Module:
    if isinstance(config, JudgedConfig):
        return Judged(config)
    if isinstance(config, MultimodalConfig):
        return MultimodalUNet(config)
    if isinstance(config, TensorFlowConfig):
        return TensorFlowUNet(config)
    return ResNet(config) if isinstance(config, ResNetConfig) else UNet(config)


def load_tensorflow(
    config: TensorFlowConfig, checkpoint: Checkpoint
) -> tuple[nn.Module, tuple[str, ...]]:
    """The port's variables, turned into torch's layout. Strict: raises CheckpointError naming what
    is missing."""
    net = TensorFlowUNet(config)
    try:
        state = from_variables(checkpoint.tensors(), config.depth)
        net.load_state_dict(state, strict=True)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            "mismatch",
            f"{checkpoint.path.name} lacks variables of the TensorFlow U-Net (first "
            f"{error.args[0]!s:.80}).",
        ) from error
    if not all(bool(torch.isfinite(t).all()) for t in state.values()):
        raise CheckpointError(
            "nan", f"{checkpoint.path.name} holds numbers that are not finite; its training failed."
        )
    note = (
        "Kernels of the TensorFlow port were turned into torch's order; only the generator "
        "was taken."
    )
    return net.eval(), (*checkpoint.notes, note)
