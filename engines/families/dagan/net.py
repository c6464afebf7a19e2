"""DA-GAN (Ma et al. 2018): a deep attention encoder that finds an instance and encodes it alone, a
generator, an instance classifier, and judges of whole pictures (sets) and of instances.

Layers follow the one public implementation (64 pixels); its residual blocks, which lost their
channels there, are whole here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.families.dagan.config import Config
from engines.layers import SameConv, seen_on_the_way


def _halving(widths: list[int]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for before, out in pairwise(widths):
        parts += [SameConv(before, out, 3, 2), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


class Encoder(nn.Module):
    """(B, 3, size, size) in [-1, 1] -> code (B, config.code, 4, 4)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.width * 2**level for level in range(config.levels)]
        self.main = _halving([3, *widths])

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees at 1/2, 1/4, ... of the size; the code comes last."""
        return seen_on_the_way(self.main, x, nn.ReLU)


class Locator(nn.Module):
    """Code (B, C, 4, 4) -> box (B, 4): left, top, right, bottom in pixels.

    With a fixed region it finds the corner, in whole pixels; else centre and extent, a quarter to
    three quarters of the side.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.main = _halving([config.code, *config.locate])
        self.region, self.size = config.region, config.size
        self.box = nn.Linear(config.locate[1], 2 if config.region else 4)

    def forward(self, code: Tensor) -> Tensor:
        found = self.box(self.main(code).flatten(1)).float().sigmoid()
        if self.region:
            corner = found * (self.size - self.region)
            corner = corner + (corner.round() - corner).detach()  # whole, its gradient kept
            return torch.cat((corner, corner + self.region), 1)
        centre, extent = found[:, :2] * self.size, (0.25 + 0.5 * found[:, 2:]) * self.size
        return torch.cat((centre - extent / 2, centre + extent / 2), 1)


def region_mask(box: Tensor, size: int, steep: float) -> Tensor:
    """(B, 1, size, size) in [0, 1]: one inside of the box, by the difference of two logistic steps
    in each direction; pixels are counted from one."""
    pixels = torch.arange(1, size + 1, device=box.device, dtype=box.dtype)

    def inside(low: Tensor, high: Tensor) -> Tensor:
        rise, fall = (steep * (pixels - edge[:, None]) for edge in (low, high))
        return rise.sigmoid() - fall.sigmoid()

    left, top, right, bottom = box.unbind(1)
    return (inside(top, bottom)[:, :, None] * inside(left, right)[:, None])[:, None]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.main(x)).relu()


class Classifier(nn.Module):
    """Code of an instance (B, C, 4, 4) -> logits (B, classes)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_Block(config.code) for _ in range(config.blocks)))
        self.last = nn.Linear(16 * config.code, config.classes)

    def forward(self, code: Tensor) -> Tensor:
        return self.last(self.blocks(code).flatten(1))


class Generator(nn.Module):
    """Code (B, config.code, 4, 4) -> (B, 3, size, size) in [-1, 1]; channels become places (depth
    to space), then a convolution of 5 x 5. One that adds is given what joins the channels of each
    size, the smallest first."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.adds = config.adds
        parts: list[nn.Module] = []
        for level, (inputs, out) in enumerate(config.drawn):
            parts += [nn.PixelShuffle(2), SameConv(inputs, out, 5)]
            if level == config.levels - 1:
                parts.append(nn.Tanh())
            else:
                parts += [nn.BatchNorm2d(out)] if level else []
                parts.append(nn.ReLU(inplace=True))
        self.main = nn.Sequential(*parts)

    def forward(self, code: Tensor, shown: Sequence[Tensor] = ()) -> Tensor:
        more = iter(shown)
        for layer in self.main:
            code = layer(code)
            if self.adds and isinstance(layer, nn.PixelShuffle):
                code = torch.cat((code, next(more)), 1)
        return code


def translated(
    encoder: Encoder, generator: Generator, x: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """The code of what a mask (B, 1, H, W) leaves of photos x (B, 3, H, W), and the photos with
    that translated."""
    seen = encoder.features(x * mask)
    if not generator.adds:
        return seen[-1], x + mask * (generator(seen[-1]).to(x.dtype) - x)
    added = generator(seen[-1], [*reversed(seen[:-1]), x * mask])
    return seen[-1], x + mask * added.to(x.dtype)


class Judge(nn.Module):
    """(B, 3, size, size) in [-1, 1] -> logits (B,): does it belong to the set?"""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.main = _halving([3, *widths])
        self.last = nn.Linear(16 * widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.main(x).flatten(1)).flatten()


class DAGAN(nn.Module):
    """All nets. `forward` translates the attended instance of photos and scores the result."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.locator = Encoder(config), Locator(config)
        self.classifier, self.generator = Classifier(config), Generator(config)
        if config.judges:
            self.set_judge = Judge(config.judges, config.levels)
            self.instance_judge = Judge(config.judges, config.levels)

    def forward(self, x: Tensor, box: Tensor | None = None) -> dict[str, Tensor]:
        """x (B, 3, size, size) in [-1, 1], box (B, 4) in pixels or None: it is found. Gives
        "made" (B, 3, size, size), the photo where the mask is 0 and the translation where it is 1;
        "box"; "mask" (B, 1, size, size); "before" and "after" (B, classes), logits of the instance
        then and now; with judges "set" and "instance" (B,), their logits of "made"."""
        where: Tensor = self.locator(self.encoder(x)) if box is None else box
        mask = region_mask(where, self.config.size, self.config.steep).to(x)
        code, made = translated(self.encoder, self.generator, x, mask)
        found = {"made": made, "box": where, "mask": mask, "before": self.classifier(code)}
        found["after"] = self.classifier(self.encoder(made * mask))
        if self.config.judges:
            found["set"] = self.set_judge(made)
            found["instance"] = self.instance_judge(made * mask)
        return found


# ---- losses and distances ------------------------------------------------------------------------


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of codes (B, ...): the paper's consistency (of a source) and
    symmetry (of a target)."""
    return (a.float() - b.float()).abs().mean()


def group_distances(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(within, between): mean distances of codes (B, ...) of the target set among themselves, and
    of the middles of both sets."""
    within = distance(target, target.roll(1, 0))
    return within, distance(source.float().mean(0), target.float().mean(0))
