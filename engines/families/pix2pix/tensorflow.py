"""The U-Net of the TensorFlow port of pix2pix (Hesse 2017), fed with its own variables.

Differences from the official net: every convolution has a bias, norms always use the statistics of
the picture (eps 1e-5; at a 1x1 bottleneck they give the offset alone), the innermost level is
normalised on its way down, and the skip is joined as [decoder, encoder].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.pix2pix.config import TensorFlowConfig
from engines.layers import SeededDropout


class BatchStatistics(nn.BatchNorm2d):
    """Batch norm that never remembers, and takes a single value (nn.BatchNorm2d refuses one).

    In two passes and full precision: torch's kernel is 40 times further from the reference.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, input: Tensor) -> Tensor:
        x = input.float()
        apart = x - x.mean((0, 2, 3), keepdim=True)
        spread = apart.square().mean((0, 2, 3), keepdim=True)
        gain, offset = self.weight[:, None, None], self.bias[:, None, None]
        return (apart * torch.rsqrt(spread + self.eps) * gain + offset).to(input.dtype)


class TensorFlowUNet(nn.Module):
    """forward(picture) -> picture, (B, C, H, W) in [-1, 1]; H and W are multiples of 2 ** depth."""

    def __init__(self, config: TensorFlowConfig) -> None:
        super().__init__()
        depth, widths = config.depth, config.widths
        ins = [config.inputs, *widths]
        self.encoder = nn.ModuleList(nn.Conv2d(ins[i], widths[i], 4, 2, 1) for i in range(depth))
        self.encoder_norm = nn.ModuleList(BatchStatistics(w) for w in widths[1:])
        outs = [config.outputs, *widths]
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(widths[i] * (1 if i == depth - 1 else 2), outs[i], 4, 2, 1)
            for i in range(depth)
        )
        self.decoder_norm = nn.ModuleList(BatchStatistics(w) for w in widths[:-1])
        self.noise = nn.ModuleList(SeededDropout() for _ in range(min(3, depth - 1)))

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.encoder[0](x)]
        for conv, norm in zip(list(self.encoder)[1:], self.encoder_norm):
            kept.append(norm(conv(F.leaky_relu(kept[-1], 0.2))))
        x = kept.pop()
        for number, level in enumerate(reversed(range(1, len(self.decoder)))):
            x = self.decoder_norm[level - 1](self.decoder[level](F.relu(x)))
            if number < len(self.noise):
                x = self.noise[number](x)
            x = torch.cat((x, kept.pop()), 1)
        return torch.tanh(self.decoder[0](F.relu(x)))


def from_variables(given: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """state_dict of a TensorFlowUNet from the variables of the port: kernels (H, W, in, out)
    turned, transposed ones (H, W, out, in) too; discriminator, optimiser slots and moving averages
    are not needed."""
    state: dict[str, Tensor] = {}
    for level in range(1, depth + 1):
        for side, kind in (("encoder", "conv2d"), ("decoder", "conv2d_transpose")):
            name = f"generator/{side}_{level}"
            state[f"{side}.{level - 1}.weight"] = (
                given[f"{name}/{kind}/kernel"].permute(3, 2, 0, 1).contiguous()
            )
            state[f"{side}.{level - 1}.bias"] = given[f"{name}/{kind}/bias"]
            if level > 1:
                norm = f"{side}_norm.{level - 2}"
                state[f"{norm}.weight"] = given[f"{name}/batch_normalization/gamma"]
                state[f"{norm}.bias"] = given[f"{name}/batch_normalization/beta"]
    return state
