"""Antipov et al. 2017 (Age-cGAN), layer by layer as the widespread Keras code has it: an encoder, a
generator told an age group, a discriminator, and the search for the code that keeps the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.ageing.config import Config
from engines.layers import SameConv

EPS = 1e-3  # of Keras's batch norms


def _norm(width: int, momentum: float = 0.01) -> nn.Module:
    return nn.BatchNorm2d(width, EPS, momentum)


class Encoder(nn.Module):
    """(B, 3, size, size) in [-1, 1] -> z (B, config.z) and logits of the age groups (B, groups),
    zeros where the net has no reader."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        before = 3
        for level in range(config.levels):
            out = config.width * 2**level
            parts.append(SameConv(before, out, 5, 2))
            parts += [_norm(out)] if level else []
            parts.append(nn.LeakyReLU(0.2))
            before = out
        self.main = nn.Sequential(*parts)
        self.hidden = nn.Linear(16 * before, config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden, EPS, 0.01)
        self.code = nn.Linear(config.hidden, config.z)
        self.groups = len(config.groups)
        self.reader = nn.Linear(config.hidden, self.groups) if config.reader else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = F.leaky_relu(self.norm(self.hidden(self.main(x).flatten(1))), 0.2)
        if self.reader is None:
            return self.code(seen), seen.new_zeros((len(seen), self.groups))
        return self.code(seen), self.reader(seen)


class Generator(nn.Module):
    """(B, config.z + groups), z about standard normal and behind it the age group, one-hot or
    between two -> (B, 3, size, size) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first = nn.Linear(config.z + len(config.groups), config.dense)
        self.second = nn.Linear(config.dense, 64 * config.maps)
        self.norm = nn.BatchNorm1d(64 * config.maps, EPS, 0.01)
        self.drop = nn.Dropout(0.2)
        parts: list[nn.Module] = []
        before = config.maps
        for level in range(1, config.levels):
            last = level == config.levels - 1
            out = 3 if last else before // 2
            parts += [nn.Upsample(scale_factor=2), SameConv(before, out, 5)]
            parts += [nn.Tanh()] if last else [_norm(out, 0.2), nn.LeakyReLU(0.2)]
            before = out
        self.main = nn.Sequential(*parts)

    def forward(self, code: Tensor) -> Tensor:
        seen = self.drop(F.leaky_relu(self.first(code), 0.2))
        seen = self.drop(F.leaky_relu(self.norm(self.second(seen)), 0.2))
        return self.main(seen.view(len(seen), -1, 8, 8))


class AgeCGAN(nn.Module):
    """Encoder and generator. `forward` encodes without a label, and draws with one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder, self.generator = Encoder(config), Generator(config)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Photos (B, 3, size, size) in [-1, 1] -> (z, logits of groups); z (B, config.z) and label
        (B, groups) -> photos."""
        return self.encoder(x) if label is None else self.generator(torch.cat((x, label), 1))


class Discriminator(nn.Module):
    """(B, 3, size, size) and label (B, groups), which joins as planes behind the first layer ->
    logits (B,): is the photo real, and of this age?"""

    def __init__(self, groups: int, size: int = 64, width: int = 64, levels: int = 4) -> None:
        super().__init__()
        self.first = nn.Sequential(SameConv(3, width, 3, 2), nn.LeakyReLU(0.2))
        parts: list[nn.Module] = []
        before = width + groups
        for level in range(1, levels):
            out = width * 2**level
            parts += [SameConv(before, out, 3, 2), _norm(out), nn.LeakyReLU(0.2)]
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
