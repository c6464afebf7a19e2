"""Antipov et al. 2017 (Age-cGAN), layer by layer as the widespread Keras code has it: an encoder, a
generator told an age group, a discriminator, and the search for the code that keeps the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.ageing.config import Config
from engines.layers import SameConv, seen_on_the_way

EPS = 1e-3  # of Keras's batch norms


def _norm(width: int, momentum: float = 0.01) -> nn.Module:
    return nn.BatchNorm2d(width, EPS, momentum)


class Encoder(nn.Module):
    """(B, 3, size, size) in [-1, 1] -> z (B, config.z) and logits of the age groups (B, groups),
    zeros where the net has no reader."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for level, (before, out) in enumerate(pairwise((3, *config.seen))):
            parts.append(SameConv(before, out, 5, 2))
            parts += [_norm(out)] if level else []
            parts.append(nn.LeakyReLU(0.2))
        self.main = nn.Sequential(*parts)
        self.hidden = nn.Linear(16 * config.seen[-1], config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden, EPS, 0.01)
        self.code = nn.Linear(config.hidden, config.z)
        self.groups = len(config.groups)
        self.reader = nn.Linear(config.hidden, self.groups) if config.reader else None

    def features(self, x: Tensor) -> list[Tensor]:
        """What it sees at 1/2, 1/4, ... of the size."""
        return seen_on_the_way(self.main, x, nn.LeakyReLU)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.told(self.main(x))

    def told(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, of the last of its features."""
        seen = F.leaky_relu(self.norm(self.hidden(last.flatten(1))), 0.2)
        if self.reader is None:
            return self.code(seen), seen.new_zeros((len(seen), self.groups))
        return self.code(seen), self.reader(seen)


class Generator(nn.Module):
    """(B, config.z + groups), z about standard normal and behind it the age group, one-hot or
    between two -> (B, 3, size, size) in [-1, 1]. One that adds is also given what joins the
    channels of each size, the smallest first, and draws what is to be added to the photo."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.adds, self.groups = config.adds, len(config.groups)
        self.first = nn.Linear(config.z + self.groups, config.dense)
        self.second = nn.Linear(config.dense, 64 * config.maps)
        self.norm = nn.BatchNorm1d(64 * config.maps, EPS, 0.01)
        self.drop = nn.Dropout(0.2)
        parts: list[nn.Module] = []
        for number, (before, out) in enumerate(config.drawn):
            last = number == len(config.drawn) - 1
            parts += [] if last and config.adds else [nn.Upsample(scale_factor=2)]
            parts.append(SameConv(before, out, 5))
            if config.adds:
                parts += [] if last else [nn.LeakyReLU(0.2)]
            else:
                parts += [nn.Tanh()] if last else [_norm(out, 0.2), nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*parts)

    def forward(self, code: Tensor, shown: Sequence[Tensor] = ()) -> Tensor:
        seen = self.drop(F.leaky_relu(self.first(code), 0.2))
        seen = self.drop(F.leaky_relu(self.norm(self.second(seen)), 0.2))
        seen = seen.view(len(seen), -1, 8, 8)
        if not self.adds:
            return self.main(seen)
        more, label = iter(shown), code[:, -self.groups :, None, None]
        for layer in self.main:
            seen = layer(seen)
            if isinstance(layer, nn.Upsample):
                planes = label.expand(-1, -1, *seen.shape[2:]).to(seen.dtype)
                seen = torch.cat((seen, next(more).to(seen.dtype), planes), 1)
        return seen


def aged(
    generator: Generator, x: Tensor, features: Sequence[Tensor], code: Tensor, label: Tensor
) -> Tensor:
    """Photos x (B, 3, size, size) at other ages, by a generator that adds; `features` and `code`
    are the encoder's."""
    shown = [*reversed(features[:-2]), x]
    return x + generator(torch.cat((code, label.to(code)), 1), shown).to(x.dtype)


class AgeCGAN(nn.Module):
    """Encoder and generator. `forward` encodes without a label, and draws with one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder, self.generator = Encoder(config), Generator(config)

    def forward(
        self, x: Tensor, label: Tensor | None = None, photo: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Photos (B, 3, size, size) in [-1, 1] -> (z, logits of groups); z (B, config.z) and label
        (B, groups), and for a generator that adds the photos too -> photos."""
        if label is None:
            return self.encoder(x)
        if photo is None:
            return self.generator(torch.cat((x, label), 1))
        return aged(self.generator, photo, self.encoder.features(photo), x, label)


class Discriminator(nn.Module):
    """(B, 3, size, size) and label (B, groups), which joins as planes behind the first layer ->
    logits (B,): is the photo real, and of this age?"""

    def __init__(
        self, groups: int, size: int = 64, width: int = 64, levels: int = 4, norm: bool = True
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(SameConv(3, width, 3, 2), nn.LeakyReLU(0.2))
        parts: list[nn.Module] = []
        before = width + groups
        for level in range(1, levels):
            out = width * 2**level
            parts += [SameConv(before, out, 3, 2), *([_norm(out)] if norm else [])]
            parts.append(nn.LeakyReLU(0.2))
            before = out
        self.rest = nn.Sequential(*parts)
        self.last = nn.Linear(before * (size // 2**levels) ** 2, 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        seen = self.first(x)
        planes = label[:, :, None, None].expand(-1, -1, *seen.shape[2:]).to(seen.dtype)
        return self.last(self.rest(torch.cat((seen, planes), 1)).flatten(1)).flatten()


# ---- the search that keeps the person ------------------------------------------------------------


def search(
    draw: Callable[[Tensor], Tensor], loss: Callable[[Tensor], Tensor], start: Tensor, steps: int
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Better and better codes (1, z) for a face, with what is drawn of them (1, 3, H, W) and its
    loss, by L-BFGS from `start`; the best so far comes last. Needs gradients to be on."""
    code = start.detach().clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [code], max_iter=4, history_size=10, line_search_fn="strong_wolfe"
    )
    best, least = start.detach().clone(), float("inf")
    drawn = draw(best).detach()

    def closure() -> Tensor:
        nonlocal best, least, drawn
        optimiser.zero_grad()
        made = draw(code)
        found = loss(made)
        found.backward()
        if float(found.detach()) < least:
            best, least, drawn = code.detach().clone(), float(found.detach()), made.detach()
        return found

    for _ in range(steps):
        optimiser.step(closure)
        yield best, drawn, least
