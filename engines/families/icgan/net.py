"""IcGAN (Perarnau et al. 2016): a conditional generator, the encoders that invert it, and the
discriminator it is trained with; layers bear the numbers of the Torch7 files, counted from one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.families.icgan.config import Config


class Generator(nn.Sequential):
    """(B, config.z + labels), z about standard normal and behind it y in [-1, 1] -> (B, 3, size,
    size) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        before = config.z + len(config.labels)
        for level in range(config.levels):
            out = config.width * 2 ** (config.levels - 1 - level)
            stride, padding = (1, 0) if level == 0 else (2, 1)
            number = 3 * level + 2
            self.add_module(str(number), nn.ConvTranspose2d(before, out, 4, stride, padding))
            self.add_module(str(number + 1), nn.BatchNorm2d(out))
            self.add_module(str(number + 2), nn.ReLU(inplace=True))
            before = out
        number = 3 * config.levels + 2
        self.add_module(str(number), nn.ConvTranspose2d(before, 3, 4, 2, 1))
        self.add_module(str(number + 1), nn.Tanh())

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, None, None])


class Encoder(nn.Sequential):
    """(B, 3, size, size) in [-1, 1] -> (B, outputs): z, or y of which the sign counts."""

    def __init__(self, config: Config, hidden: int, outputs: int) -> None:
        super().__init__()
        before = 3
        for level in range(config.levels):
            out = config.encoder * 2**level
            number = 3 * level + 1
            self.add_module(str(number), nn.Conv2d(before, out, 5, 2, 2))
            self.add_module(str(number + 1), nn.BatchNorm2d(out))
            self.add_module(str(number + 2), nn.ReLU(inplace=True))
            before = out
        number = 3 * config.levels + 1
        self.add_module(str(number), nn.Flatten())
        self.add_module(str(number + 1), nn.Linear(16 * before, hidden))
        self.add_module(str(number + 2), nn.BatchNorm1d(hidden))
        self.add_module(str(number + 3), nn.ReLU(inplace=True))
        self.add_module(str(number + 4), nn.Linear(hidden, outputs))


class IcGAN(nn.Module):
    """The three nets. `forward` encodes without attributes, and decodes with them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.generator = Generator(config)
        self.encoder_z = Encoder(config, config.hidden[0], config.z)
        self.encoder_y = Encoder(config, config.hidden[1], len(config.labels))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Photos (B, 3, size, size) in [-1, 1] -> (z, y); z and y -> photos."""
        if y is not None:
            return self.generator(torch.cat((x, y), 1))
        return self.encoder_z(x), self.encoder_y(x)


class Discriminator(nn.Module):
    """(B, 3, size, size) and y (B, labels) -> logits (B,): whether the photo is real and shows y,
    which joins as planes behind the first layer."""

    def __init__(self, labels: int, width: int = 64, levels: int = 4) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True))
        parts: list[nn.Module] = []
        before = width + labels
        for level in range(1, levels):
            out = width * 2**level
            parts += [
                nn.Conv2d(before, out, 4, 2, 1),
                nn.BatchNorm2d(out),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            before = out
        self.rest = nn.Sequential(*parts, nn.Conv2d(before, 1, 4))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        seen = self.first(x)
        planes = y[:, :, None, None].expand(-1, -1, *seen.shape[2:]).to(seen.dtype)
        return self.rest(torch.cat((seen, planes), 1)).flatten()
