"""The starter's network: a U-Net that draws a photo from edges, optional colour hints, and a
variation code.

An outline does not say colour. Zhu et al. 2017 ("Toward Multimodal Image-to-Image Translation") let
a code say what the input leaves open; hints say it stroke by stroke (Sangkloy et al. 2017,
"Scribbler"; Zhang et al. 2017). Instance normalisation erases what is the same everywhere, so the
colour of a few strokes is given to the decoder behind it: their mean beside the code, and the
colour of the nearest strokes pixel by pixel (Park et al. 2019, SPADE). Noise at every scale (Karras
et al. 2019, StyleGAN) gives cloth and fur their grain: without it plain areas fill with a woven
grid. Bilinear upsampling with 3x3 convolutions leaves no checkerboard (Odena et al. 2016).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.pix2pix.config import MultimodalConfig
from engines.layers import instance_norm


class Modulation(nn.Module):
    """Instance normalisation whose gain and offset come from the code (Huang & Belongie 2017)."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.affine = nn.Linear(code, 2 * channels)

    def forward(self, x: Tensor, style: Tensor, dye: Tensor | float = 0.0) -> Tensor:
        """dye (B, 2 * channels, H, W): gain and offset to add, pixel by pixel."""
        gain, offset = (self.affine(style)[:, :, None, None] + dye).chunk(2, 1)
        return instance_norm(x) * (1 + gain) + offset


class Up(nn.Module):
    """Twice the size, joined with the skip, one convolution, noise, modulated by the code and,
    where `dyed`, by a colour field (B, 4, H, W)."""

    def __init__(self, below: int, skip: int, out: int, code: int, dyed: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(below + skip, out, 3, padding=1, bias=False)
        self.grain = nn.Parameter(torch.zeros(1, out, 1, 1))
        self.norm = Modulation(out, code)
        self.dye = nn.Conv2d(4, 2 * out, 1, bias=False) if dyed else None
        if self.dye is not None:
            nn.init.zeros_(self.dye.weight)

    def forward(
        self, x: Tensor, skip: Tensor, style: Tensor, noise: Tensor, field: Tensor
    ) -> Tensor:
        x = self.conv(torch.cat((_twice(x), skip), 1))
        step = noise.shape[-1] // x.shape[-1]
        x = x + self.grain * noise[..., ::step, ::step]
        dye = 0.0 if self.dye is None else self.dye(_resized(field, x))
        return F.leaky_relu(self.norm(x, style, dye), 0.2)


class Residual(nn.Module):
    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = Modulation(channels, code)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.norm(self.first(x), style), 0.2))


class MultimodalUNet(nn.Module):
    """forward(edges, hints, code, noise) -> (B, 3, H, W) in [-1, 1].

    edges (B, 1, H, W) in [-1, 1], 1 is paper; hints (B, 4, H, W): RGB in [-1, 1] times the mask,
    mask in {0, 1}; code (B, config.code), about standard normal; noise (B, 1, H, W), standard
    normal. H and W are multiples of config.multiple_of. Where finer layers see a stroke, it stays a
    patch instead of dyeing its cloth: strokes enter at an eighth of the size and below, and the
    decoder knows their colours as a field without an outline (config.dyed); in older files they
    enter at a quarter and below, and no field does. The buffers code_mean and code_spread hold the
    distribution of the codes of the training photos.
    """

    code_mean: Tensor
    code_spread: Tensor

    def __init__(self, config: MultimodalConfig) -> None:
        super().__init__()
        widths, style = config.widths, 64
        self.config = config
        self.mapping = nn.Sequential(
            nn.Linear(config.code + 4 * config.dyed, style),
            nn.LeakyReLU(0.2),
            nn.Linear(style, style),
            nn.LeakyReLU(0.2),
        )
        self.stem = nn.Conv2d(4, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a + 4 * (level >= config.first_hinted), b, 4, stride=2, padding=1, bias=False)
            for level, (a, b) in enumerate(pairwise(widths))
        )
        self.middle = nn.ModuleList([Residual(widths[-1], style)])
        below = (widths[-1], *config.ups[:-1])
        self.up = nn.ModuleList(
            Up(b, s, o, style, config.dyed) for b, s, o in zip(below, widths[-2::-1], config.ups)
        )
        self.refine = Residual(config.trunk, style)
        self.fine = nn.Conv2d(config.trunk + 1, config.trunk // 2, 3, padding=1)
        self.out = nn.Conv2d(config.trunk // 2, 3, 3, padding=1)
        self.register_buffer("code_mean", torch.zeros(config.code))
        self.register_buffer("code_spread", torch.eye(config.code))

    def forward(self, edges: Tensor, hints: Tensor, code: Tensor, noise: Tensor) -> Tensor:
        field = colour_field(F.avg_pool2d(hints.float(), 4)).to(hints)
        if self.config.dyed:
            code = torch.cat((code, _mean_colour(hints)), 1)
        style = self.mapping(code)
        ink = (1 - edges) / 2
        x = F.leaky_relu(self.stem(F.pixel_unshuffle(ink, 2)), 0.2)
        skips = []
        for level, down in enumerate(self.down):
            skips.append(x)
            if level >= self.config.first_hinted:
                x = torch.cat((x, _spread(F.avg_pool2d(hints, 2 ** (level + 1)))), 1)
            x = down(x) if level == 0 else instance_norm(down(x))
            x = F.leaky_relu(x, 0.2)
        for block in self.middle:
            x = block(x, style)
        for up in self.up:
            x = up(x, skips.pop(), style, noise, field)
        x = _twice(self.refine(x, style))
        x = F.leaky_relu(self.fine(torch.cat((x, ink), 1)), 0.2)
        return torch.tanh(self.out(x))

    def sample_code(self, seeds: list[int], strength: float) -> Tensor:
        """(len(seeds), code): the mean code of the training photos at strength 0, at 1 a code as
        likely as that of a training photo, beyond 1 bolder."""
        noise = _normal(seeds, tuple(self.code_mean.shape)).to(self.code_spread)
        return self.code_mean + strength * noise @ self.code_spread.T

    def sample_noise(self, seeds: list[int], size: tuple[int, int]) -> Tensor:
        """(len(seeds), 1, H, W) for size (W, H): the grain of cloth or fur, from the seed."""
        return _normal(seeds, (1, size[1], size[0])).to(self.code_spread)


def _normal(seeds: list[int], shape: tuple[int, ...]) -> Tensor:
    """Per seed the same numbers on every device."""
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


def _spread(hints: Tensor) -> Tensor:
    """A hint counts fully wherever it touches a cell: (colour of the hinted part, saturating
    mask)."""
    share = hints[:, 3:]
    full = (share * 8).clamp(max=1)
    return torch.cat((hints[:, :3] / (share + 1e-3) * full, full), 1)


def _mean_colour(hints: Tensor) -> Tensor:
    """(B, 4): the mean colour of the hinted pixels, and 1; all 0 without a hint."""
    mean = hints.float().mean((2, 3))
    share = mean[:, 3:]
    return torch.cat((mean[:, :3] / share.clamp(min=1e-6), (share > 0).float()), 1).to(hints)


def colour_field(hints: Tensor) -> Tensor:
    """(B, 4, H, W): the colour of the hints around each cell, of farther ones where none is near
    (the pull-push of Gortler et al. 1996, "The Lumigraph"), and 1; all 0 without a hint.

    hints (B, 4, H, W): RGB in [-1, 1] times the hinted share, share in [0, 1].
    """
    share = hints[:, 3:]
    here = share > 1e-7
    colour = hints[:, :3] / share.clamp(min=1e-7)
    if max(hints.shape[2:]) == 1:
        return torch.cat((colour, here.to(hints)), 1)
    height, width = hints.shape[2:]
    coarser = colour_field(F.avg_pool2d(F.pad(hints, (0, width % 2, 0, height % 2)), 2))
    around = _twice(coarser)[..., :height, :width]
    return torch.cat((torch.where(here, colour, around[:, :3]), around[:, 3:]), 1)


def _resized(field: Tensor, like: Tensor) -> Tensor:
    size = like.shape[2:]
    if size[0] > field.shape[2]:
        return F.interpolate(field, size, mode="bilinear")
    return F.interpolate(field, size, mode="area")


class CodeEncoder(nn.Module):
    """Photo (B, 3, H, W) in [-1, 1] -> mean and log-variance (B, code) of its variation code.
    Training only."""

    def __init__(self, code: int, width: int = 32) -> None:
        super().__init__()
        widths = (width, 2 * width, 3 * width, 4 * width)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for a, b in pairwise(widths):
            layers += [
                nn.Conv2d(a, b, 4, stride=2, padding=1),
                nn.GroupNorm(8, b),
                nn.LeakyReLU(0.2),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(2 * widths[-1], 2 * code)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(photo)
        middle = features[
            :,
            :,
            features.shape[2] // 4 : -features.shape[2] // 4,
            features.shape[3] // 4 : -features.shape[3] // 4,
        ]
        pooled = torch.cat((features.mean((2, 3)), middle.mean((2, 3))), 1)
        mean, logvar = self.head(pooled).chunk(2, 1)
        return mean, logvar.clamp(-6, 2)
