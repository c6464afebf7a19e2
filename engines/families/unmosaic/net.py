"""The network of the mosaic remover: what it adds to the picture, from the picture and the region
that is in mosaic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.families.unmosaic.config import Config
from engines.unet import UNet


class MosaicNet(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unet = UNet(4, 3, config.widths, config.blocks)
        nn.init.zeros_(self.unet.head.weight)

    def forward(self, seen: Tensor, region: Tensor) -> Tensor:
        """seen (N, 3, H, W) in [-1, 1], region (N, 1, H, W) in {0, 1}: what to add to `seen`
        within the region."""
        return self.unet(torch.cat((seen, region * 2 - 1), 1))
