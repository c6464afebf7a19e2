"""The sum that Gatys et al. 2016 minimise, and its gradient, of pictures of any size: Gram
matrices, content, total variation, and what one may add. Knows no job.

Pictures are RGB (1, 3, H, W) from 0 to 255, which is the space the weights are meant in: features
of networks with another scale are multiplied up to it.

A picture in tiles has the very gradient of the whole: a first pass adds up the Gram matrix of every
region over all tiles, and a second takes each tile's gradient at those sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engines import tensors
from engines.backbonenet import MINIMUM, Backbone
from engines.backbones import HEAD, SCALES, Config, layer_table
from engines.families.style.config import Setting

Network = Callable[..., dict[str, Tensor]]  # (x, layers, pooling) -> maps, as Backbone gives them


class _Gram(torch.autograd.Function):
    """F diag(m) F^T. Its gradient takes one product, where autograd takes two."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, weight: Tensor | None) -> Tensor:
        ctx.save_for_backward(flat, weight)
        return (flat if weight is None else flat * weight) @ flat.T

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        flat, weight = ctx.saved_tensors
        gradient = (given[0] + given[0].T) @ flat
        return (gradient if weight is None else gradient * weight), None


def gram_sum(features: Tensor, weight: Tensor | None = None) -> Tensor:
    """(C, C): sum over the positions of features (1, C, h, w) of their products, each counted by
    `weight` (h, w)."""
    flat = features[0].flatten(1)
    return _Gram.apply(flat, None if weight is None else weight.reshape(1, -1))  # type: ignore


def gram(features: Tensor, weight: Tensor | None = None) -> Tensor:
    """(C, C): the mean over channels and positions, as the reference divides."""
    count = float(features[0, 0].numel()) if weight is None else float(weight.sum())
    return gram_sum(features, weight) / (features.shape[1] * max(count, 1e-6))


def total_variation(x: Tensor) -> Tensor:
    """Sum of absolute differences of neighbours, down and across."""
    return (x[..., 1:, :] - x[..., :-1, :]).abs().sum() + (
        x[..., 1:] - x[..., :-1]
    ).abs().sum()  # fmt: skip


def units(config: Config) -> float:
    """What features are multiplied by, to be as large as those of a network on 0 to 255."""
    full, _, deviation = SCALES[config.scale]
    return 255.0 / full * sum(deviation) / 3


@dataclass
class Region:
    """A style and where it acts. targets: layer -> Gram matrix; mask (1, 1, H, W) in [0, 1] of the
    picture, None: everywhere."""

    targets: dict[str, Tensor]
    weight: float = 1.0
    mask: Tensor | None = None


@dataclass
class Targets:
    content: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    regions: list[Region] = field(default_factory=list[Region])
    photo: Tensor | None = None


class Features:
    """Maps of a network's layers for pictures from 0 to 255, whole."""

    def __init__(self, network: Network, module: Backbone, setting: Setting) -> None:
        self._network, self._module, self._setting = network, module, setting
        self.units = units(module.config)

    def __call__(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        x, _ = tensors.pad_to_multiple(self._module.enter(x / 255), 1, MINIMUM)
        return self._network(x, list(layers), self._setting.pooling)

    def grams(self, x: Tensor, alpha: Tensor | None = None) -> dict[str, Tensor]:
        """The Gram matrix of every style layer of a picture, where `alpha` (1, 1, H, W) counts."""
        layers = [name for name, _ in self._setting.style]
        with torch.no_grad():
            maps = self(x, layers)
            return {name: gram(m, _shrunk(alpha, m)) * self.units**2 for name, m in maps.items()}

    def content(self, x: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            return self(x, [name for name, _ in self._setting.content])


def _shrunk(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """The mask (h, w) at the size of a map."""
    if mask is None:
        return None
    mask, _ = tensors.pad_to_multiple(mask, 1, MINIMUM)
    return F.interpolate(mask, size=like.shape[-2:], mode="area")[0, 0]


def blended(grams: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    """The mean of several styles' matrices by their weights, which need not sum to one."""
    full = sum(weights)
    return {
        name: sum((g[name] * (w / full) for g, w in zip(grams, weights, strict=True)),
                  torch.zeros_like(grams[0][name]))
        for name in grams[0]
    }  # fmt: skip


class Objective:
    """The loss of a picture, by terms, and its gradient."""

    def __init__(
        self, network: Network, module: Backbone, setting: Setting, targets: Targets
    ) -> None:
        self.features = Features(network, module, setting)
        self.setting, self.targets = setting, targets
        self._strides = {layer.name: layer.stride for layer in layer_table(module.config)}

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """Every term, weighted; their sum is what is minimised."""
        s, t = self.setting, self.targets
        found: dict[str, Tensor] = {}
        head = (HEAD,) if s.class_weight else ()
        maps = self.features(x, (*self._layers(), *head))
        square = self.features.units**2
        for name, share in s.content if s.content_weight else ():
            difference = F.mse_loss(maps[name], t.content[name])
            found[f"content {name}"] = difference * (square * share * s.content_weight)
        for name, share in s.style if s.style_weight else ():
            losses = [
                F.mse_loss(gram(maps[name], _shrunk(r.mask, maps[name])) * square, r.targets[name])
                * r.weight
                for r in t.regions
            ]
            if losses:
                found[f"style {name}"] = torch.stack(losses).sum() * (share * s.style_weight)
        if head:
            found["class"] = -maps[HEAD][0, s.klass] * s.class_weight
        return found | self._plain(x)

    def _layers(self) -> tuple[str, ...]:
        s = self.setting
        asked = (*(s.content if s.content_weight else ()), *(s.style if s.style_weight else ()))
        return tuple(dict.fromkeys(name for name, _ in asked))

    def _plain(self, x: Tensor) -> dict[str, Tensor]:
        """The terms that no network has a part in."""
        s, found = self.setting, dict[str, Tensor]()
        if s.tv:
            found["smoothness"] = total_variation(x) * s.tv
        if s.pixel and self.targets.photo is not None:
            found["colour"] = F.mse_loss(x, self.targets.photo) * s.pixel
        return found

    def descend(self, x: Tensor) -> dict[str, Tensor]:
        """The terms of x, detached; their gradient is left in x.grad."""
        found = self.terms(x)
        x.grad = None
        torch.stack(list(found.values())).sum().backward() if found else None
        return {name: value.detach() for name, value in found.items()}
