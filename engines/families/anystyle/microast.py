"""MicroAST (Wang et al. 2023): the style moves the moments of the photo's maps, and scales what the
decoder's convolutions give. Key names are those of the official files; see net.py for the call."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.anystyle.config import MicroConfig
from engines.families.anystyle.net import exchanged
from engines.layers import Moments


class Mirrored(nn.Module):
    """A convolution whose borders are mirrored, in as many groups as the narrower side has channels
    if `apart`."""

    def __init__(
        self, into: int, out: int, kernel: int, stride: int = 1, apart: bool = False
    ) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(into, out, kernel, stride, kernel // 2,
                                    groups=min(into, out) if apart else 1,
                                    padding_mode="reflect" if kernel > 1 else "zeros")  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_layer(x)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Mirrored(width, width, 3), Mirrored(width, width, 3)

    def forward(self, x: Tensor, gain: Tensor | None = None, share: Tensor | None = None) -> Tensor:
        """With `gain` and `share` (B, C, 1, 1), a style modulates both convolutions."""
        if gain is None or share is None:
            return x + self.conv2(F.relu(self.conv1(x)))
        y = F.relu(gain * self.conv1(x) + share * x)
        return x + gain * self.conv2(y) + share * y


class Encoder(nn.Module):
    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        a, b, c = config.widths
        self.enc1 = nn.Sequential(
            Mirrored(3, a, 9), nn.ReLU(),
            Mirrored(a, b, 3, 2, apart=True), nn.ReLU(), Mirrored(b, b, 1), nn.ReLU(),
            Mirrored(b, c, 3, 2, apart=True), nn.ReLU(), Mirrored(c, c, 1), nn.ReLU(),
            Residual(c),
        )  # fmt: skip
        self.enc2 = nn.Sequential(Residual(c))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.enc1(x)
        return first, self.enc2(first)


class Modulator(nn.Module):
    """The maps of a style -> gain and share for each of the decoder's two residual layers."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        width = config.widths[2]
        for name in ("weight1", "bias1", "weight2", "bias2"):
            self.add_module(name, nn.Sequential(Mirrored(width, width, 3, apart=True)))

    def forward(self, maps: tuple[Tensor, Tensor]) -> list[Tensor]:
        made: list[Tensor] = []
        for number, x in enumerate(maps, 1):
            for word in ("weight", "bias"):
                found = self.get_submodule(f"{word}{number}")(x)
                made.append(found.mean((2, 3), keepdim=True))
        return made


class Decoder(nn.Module):
    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        a, b, c = config.widths
        self.dec1, self.dec2 = Residual(c), Residual(c)
        self.dec3 = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"),
            Mirrored(c, b, 3, apart=True), nn.ReLU(), Mirrored(b, b, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            Mirrored(b, a, 3, apart=True), nn.ReLU(), Mirrored(a, a, 1), nn.ReLU(),
            Mirrored(a, 3, 9),
        )  # fmt: skip


class MicroAST(nn.Module):
    """The net was trained to take all of a style; part of the way (`amount`), as the official code
    goes it, leads outside of what it knows. Mixing the look with the photo's own does not."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        self.content_encoder, self.style_encoder = Encoder(config), Encoder(config)
        self.modulator, self.decoder = Modulator(config), Decoder(config)
        self.first, self.second = (Moments(correction=1) for _ in range(2))

    def forward(self, x: Tensor, look: Tensor | None = None, amount: float = 1.0) -> Tensor:
        if look is None:
            maps = self.style_encoder(x)
            moments = [*self.first(maps[0]), *self.second(maps[1])]
            return torch.cat([t.flatten(1).float() for t in (*moments, *self.modulator(maps))], 1)
        parts = [part[..., None, None].to(x.dtype) for part in look.chunk(8, 1)]
        fine, deep, (gain1, share1, gain2, share2) = parts[:2], parts[2:4], parts[4:]
        _, y = self.content_encoder(x)
        moved = exchanged(y, self.second(y), (deep[0], deep[1]))
        y = self.decoder.dec1(torch.lerp(y, moved, amount), gain2, share2)
        moved = exchanged(y, self.first(y), (fine[0], fine[1]))
        y = self.decoder.dec2(torch.lerp(y, moved, amount), gain1, share1)
        return self.decoder.dec3(y)

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see."""
        return 4 + 1 + 2 + 4 * 8 + 4 + 4 + 4 + 4  # down, eight 3x3 at a quarter, up with blends
