"""The network of the colouriser: a U-Net that says of every second pixel how likely each of some
chroma values is (Zhang et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.families.colourise.config import Config
from engines.unet import UNet

LAST = 1  # the level that the output is read from


class ColourNet(nn.Module):
    """bins  (bins, 2): Cb and Cr of ITU-R BT.601, each in [-0.5, 0.5]."""

    bins: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unet = UNet(1, config.bins, config.widths, config.blocks, "batch", last=LAST)
        self.register_buffer("bins", torch.zeros(config.bins, 2))

    def forward(self, grey: Tensor) -> Tensor:
        """(N, 1, H, W) in [-1, 1] to logits (N, bins, H / 2, W / 2)."""
        return self.unet(grey)


def mean_chroma(logits: Tensor, bins: Tensor, temperature: float) -> Tensor:
    """The annealed mean of Zhang et al. 2016: (N, 2, h, w). Temperature 1 is the plain mean, which
    is pale; towards 0 it becomes the likeliest value, which is vivid and patchy."""
    chances = torch.softmax(logits.float() / max(temperature, 1e-3), 1)
    return torch.einsum("nqhw,qc->nchw", chances, bins.to(chances))
