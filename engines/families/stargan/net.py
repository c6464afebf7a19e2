"""StarGAN (Choi et al. 2018), key for key as the official checkpoints, its losses, and a small net
of our own that names what a photo shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.families.stargan.config import Config, DiscriminatorConfig

SLOPE = 0.2  # below zero, where nothing is normed and a channel could fall silent
SMALL = 0.1
FARTHEST = 0.125  # that a place of a photo is moved, in halves of its side
CALM = 9  # pixels over which a move is a mean
LEAST = 0.2  # change of a label from which an edit has its full effect
Realness = Callable[[Tensor], tuple[Tensor, Tensor]]


def _norm(width: int) -> nn.Module:
    """Official files hold running statistics too, which the official code never uses: they are left
    out."""
    return layers.InstanceNorm2d(width, affine=True)


class _Affine(nn.Module):
    """A factor and a bias for each channel: what is left of a norm that norms nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def _places(photo: Tensor) -> Tensor:
    """(B, PLACES, H, W) beside photos (B, 3, H, W): across and down from -1 to 1, then sine and
    cosine of each, of one and two waves over the picture's side."""
    lines = [(torch.arange(n, device=photo.device) + 0.5) * 2 / n - 1 for n in photo.shape[2:]]
    down, across = torch.meshgrid(*lines, indexing="ij")
    planes = [across, down]
    for waves in (1, 2):
        for line in (across, down):
            planes += [(waves * torch.pi * line).sin(), (waves * torch.pi * line).cos()]
    return torch.stack(planes).to(photo).expand(photo.shape[0], -1, -1, -1)


class _Block(nn.Module):
    def __init__(self, width: int, norm: Callable[[int], nn.Module], slope: float) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            norm(width),
            nn.LeakyReLU(slope, inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            norm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x)


class Generator(nn.Module):
    """photo (B, 3, H, W) in [-1, 1], H and W multiples of 4; label (B, C), the same everywhere, or
    painted, (B, C, H, W); -> (B, 3, H, W) in [-1, 1]. Trained on labels in {0, 1}.

    With `blend` the net makes a mask beside its picture (Pumarola et al. 2018, GANimation, equation
    1): where the mask is black the photo stays as it is, as sharp as it is.

    With `edits` the net is told how the labels change (Liu et al. 2019, STGAN), in [-1, 1] and
    beyond; where nothing does the photo stays as it is. What it makes is half of what is added to
    the photo, and where each place of it is taken from (Zhou et al. 2016, View Synthesis by
    Appearance Flow). Nothing is normed: an instance norm takes a label that is the same everywhere
    away again but for the picture's edges, from where a net learns to read it, after very many
    photos. As faces are aligned, such a net is told where in the picture each place is (Liu et al.
    2018, CoordConv), also by two waves in each direction.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        norm, slope = (_Affine, SLOPE) if config.edits else (_norm, 0.0)
        parts: list[nn.Module] = [
            nn.Conv2d(config.seen, w, 7, 1, 3, bias=False),
            norm(w),
            nn.LeakyReLU(slope, inplace=True),
        ]
        for before in (w, 2 * w):
            parts += [
                nn.Conv2d(before, 2 * before, 4, 2, 1, bias=False),
                norm(2 * before),
                nn.LeakyReLU(slope, inplace=True),
            ]
        parts += [_Block(4 * w, norm, slope) for _ in range(config.blocks)]
        for before in (4 * w, 2 * w):
            parts += [
                nn.ConvTranspose2d(before, before // 2, 4, 2, 1, bias=False),
                norm(before // 2),
                nn.LeakyReLU(slope, inplace=True),
            ]
        self.blend, self.edits = config.blend, config.edits
        parts.append(nn.Conv2d(w, config.made, 7, 1, 3, bias=False))
        if not self.blend:
            parts.append(nn.Tanh())
        self.main = nn.Sequential(*parts)

    def forward(
        self, photo: Tensor, label: Tensor, with_mask: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """With `with_mask`, of a net with `blend`: the mask (B, 1, H, W) in [0, 1] beside it."""
        if label.dim() == 2:
            label = label[:, :, None, None].expand(-1, -1, *photo.shape[2:])
        if self.edits:
            return self._edited(photo, label)
        made = self.main(torch.cat((photo, label), 1))
        if not self.blend:
            return made
        mask = torch.sigmoid(made[:, 3:])
        painted = torch.lerp(photo.to(made), torch.tanh(made[:, :3]), mask)
        return (painted, mask) if with_mask else painted

    def _edited(self, photo: Tensor, change: Tensor) -> Tensor:
        places = _places(photo)
        asked = (change.abs().amax(1, keepdim=True) / LEAST).clamp(max=1)
        made = self.main(torch.cat((photo, change.to(photo), places), 1)) * asked
        across = F.avg_pool2d(made[:, 3:].float(), (1, CALM), 1, (0, CALM // 2))
        flow = F.avg_pool2d(across, (CALM, 1), 1, (CALM // 2, 0)) * FARTHEST
        taken = (places[:, :2].float() + flow).permute(0, 2, 3, 1)
        moved = F.grid_sample(photo.float(), taken, "bicubic", "border", align_corners=False)
        return (moved.to(made) + 2 * made[:, :3]).clamp(-1, 1)


def begin(module: Generator) -> None:
    """Weights of a net without norms: such as keep the spread of what passes through (He et al.
    2015), what a residual block or the net makes being small at first."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            reads = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            if isinstance(layer, nn.ConvTranspose2d):
                reads //= layer.stride[0] * layer.stride[1]
            nn.init.normal_(layer.weight, 0.0, (2 / (1 + SLOPE**2) / reads) ** 0.5)
    ends = [block.main[3] for block in module.main if isinstance(block, _Block)]
    with torch.no_grad():
        for layer in (*ends, module.main[-2]):
            assert isinstance(layer, nn.Conv2d)
            layer.weight *= SMALL


class Discriminator(nn.Module):
    """photo (B, 3, size, size) in [-1, 1] -> realness (B, 1, h, w), one number a patch, and logits
    of the labels (B, C)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        before = 3
        for level in range(config.layers):
            width = config.width * 2**level
            parts += [nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.01)]
            before = width
        self.main = nn.Sequential(*parts)
        self.conv1 = nn.Conv2d(before, 1, 3, 1, 1, bias=False)
        left = config.size // 2**config.layers
        self.conv2 = nn.Conv2d(before, config.labels, left, bias=False)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """At twice the size, the class head judges every window and takes their mean."""
        seen = self.main(photo)
        return self.conv1(seen), self.conv2(seen).mean((2, 3))


class Labeller(nn.Module):
    """photo (B, 3, H, W) in [-1, 1] -> logits (B, C) of what it shows. Ours, not the paper's: the
    class head of the discriminator, small enough to travel with the generator."""

    def __init__(self, widths: Sequence[int], labels: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for before, width in pairwise((3, *widths)):
            parts += [nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.1)]
        self.main = nn.Sequential(*parts)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(16 * widths[-1], labels)

    def forward(self, photo: Tensor) -> Tensor:
        seen = F.adaptive_avg_pool2d(self.main(photo), 4)
        return self.head(self.drop(seen.flatten(1)))


class LabelledStarGAN(nn.Module):
    """A generator and the net that says which labels its photo already has: a Labeller, or the
    discriminator it was trained against."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.generator = Generator(config)
        labels = len(config.labels)
        self.labeller = (
            Discriminator(DiscriminatorConfig(labels, *config.judge))
            if config.judge
            else Labeller(config.labeller, labels)
        )

    def forward(
        self, photo: Tensor, label: Tensor | None = None, heads: bool = False
    ) -> Tensor | tuple[Tensor | None, Tensor]:
        """The edited photo; without a label the logits (B, C) of what the photo shows, and with
        `heads` before them how real each part of it looks (B, 1, h, w), which a Labeller does not
        know."""
        if label is not None:
            return self.generator(photo, label)
        seen = self.labeller(photo)
        source, logits = seen if isinstance(self.labeller, Discriminator) else (None, seen)
        return (source, logits) if heads else logits


# ---- losses --------------------------------------------------------------------------------------


def class_loss(
    logits: Tensor, labels: Tensor, exclusive: bool = False, known: Tensor | None = None
) -> Tensor:
    """Choi et al. 2018, equations 2 and 3. Of labels (B, C) in {0, 1}: binary cross-entropy, summed
    over the labels, a mean over the photos (CelebA); `exclusive`: cross-entropy with the one label
    that is on (RaFD). known (B, C) in {0, 1}: labels that nobody gave do not count, nor do photos
    without any."""
    known = torch.ones_like(labels) if known is None else known
    told = known.amax(1)
    if exclusive:
        each = F.cross_entropy(logits, labels.argmax(1), reduction="none") * told
    else:
        each = F.binary_cross_entropy_with_logits(logits, labels, known, reduction="none").sum(1)
    return each.sum() / told.sum().clamp(min=1)


def discriminator_losses(
    discriminator: Realness, real: Tensor, fake: Tensor, mix: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """The critic's terms but for the class loss, unweighted: realness of both, and the penalty that
    holds its slope at one (Gulrajani et al. 2017); and the logits of the real photos. mix (B, 1) in
    [0, 1]."""
    realness, logits = discriminator(real)
    # Fabric's wrapper forbids gradients of its outputs; the penalty is taken in full precision
    plain = getattr(discriminator, "module", discriminator)
    parts = {
        "D_real": -realness.float().mean(),
        "D_fake": discriminator(fake.detach())[0].float().mean(),
        "D_slope": layers.gradient_penalty(
            lambda between: plain(between)[0], real, fake.detach(), mix, weight=1.0
        ),
    }
    return parts, logits


# ---- a trained pair learns new labels ------------------------------------------------------------


def widened(
    state: dict[str, Tensor], added: int, at: int | None = None, key: str = "main.0.weight"
) -> dict[str, Tensor]:
    """A generator's weights for `added` more labels (the new ones before place `at` of the label,
    at its end if None): old weights are kept and new ones zero, so that with the new labels at any
    value the net answers as before, until it learns."""
    old = state[key]
    place = old.shape[1] if at is None else 3 + at
    new = old.new_zeros(old.shape[0], added, *old.shape[2:])
    return {**state, key: torch.cat((old[:, :place], new, old[:, place:]), 1)}


def widened_head(
    state: dict[str, Tensor], added: int, at: int | None = None, key: str = "conv2.weight"
) -> dict[str, Tensor]:
    """A discriminator's weights for `added` more labels: old rows kept, new ones zero (a logit of
    zero, neither yes nor no). Works on every tensor of the head: weight, or bias too for a
    Labeller ("head.weight")."""
    names = [name for name in (key, key.replace("weight", "bias")) if name in state]
    made = dict(state)
    for name in names:
        old = state[name]
        place = old.shape[0] if at is None else at
        new = old.new_zeros(added, *old.shape[1:])
        made[name] = torch.cat((old[:place], new, old[place:]))
    return made
