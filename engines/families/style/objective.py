"""The sum that Gatys et al. 2016 minimise, and its gradient, of pictures of any size: Gram
matrices, content, total variation, and what one may add. Knows no job.

Pictures are RGB (1, 3, H, W) from 0 to 255, which is the space the weights are meant in: features
of networks with another scale are multiplied up to it.

A picture in tiles has the very gradient of the whole: a first pass adds up the Gram matrix of every
region over all tiles, and a second takes each tile's gradient at those sums.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engines import tensors
from engines.backbonenet import Backbone
from engines.backbones import HEAD, MINIMUM, units
from engines.families.style.config import Setting
from engines.halves import fitting_scale
from engines.repeated import Repeated
from engines.windows import Grid, Window

STEADY = 1000.0  # weight of the picture before in a film, of mean squared levels
Key = tuple[str, str, int]
Count = float | Tensor  # a tensor where it would have to be asked for
Found = tuple[Tensor, dict[str, Tensor]]  # a gradient, and the terms of the loss
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
    if features.is_contiguous(memory_format=torch.channels_last):
        flat = features[0].permute(1, 2, 0).flatten(0, 1).T  # as it lies in memory, uncopied
    else:
        flat = features[0].flatten(1)
    return _Gram.apply(flat, None if weight is None else weight.reshape(1, -1))  # type: ignore


def total_variation(x: Tensor) -> Tensor:
    """Sum of absolute differences of neighbours, down and across."""
    return (x[..., 1:, :] - x[..., :-1, :]).abs().sum() + (
        x[..., 1:] - x[..., :-1]
    ).abs().sum()  # fmt: skip


@dataclass
class Region:
    """A style and where it acts. targets: layer -> Gram matrix; mask (1, 1, H, W) in [0, 1] of the
    picture, None: everywhere; name: what its terms are told apart by."""

    targets: dict[str, Tensor]
    weight: float = 1.0
    mask: Tensor | None = None
    name: str = ""


@dataclass
class Targets:
    """before: in a film the picture before, its things moved to where they are now, (1, 3, H, W),
    and how far each pixel is to be as it was, (1, 1, H, W) in [0, 1]."""

    content: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    regions: list[Region] = field(default_factory=list[Region])
    photo: Tensor | None = None
    before: tuple[Tensor, Tensor] | None = None


class Features:
    """Maps of a network's layers for pictures from 0 to 255.

    tile  side in pixels of the pieces that larger pictures are looked at in; 0: always whole
    """

    def __init__(self, network: Network, module: Backbone, setting: Setting, tile: int = 0) -> None:
        self._network, self._module, self._setting = network, module, setting
        self.half = next(module.parameters()).dtype == torch.float16
        self._tile = tile
        self.units = units(module.config)
        self.grid = Grid(module.config, setting.layers)

    def __call__(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The maps of a picture as a whole."""
        x, _ = tensors.pad_to_multiple(self._module.enter(x / 255), 1, MINIMUM)
        return self._network(x, list(layers), self._setting.pooling)

    def windows(self, x: Tensor, noise: torch.Generator | None = None) -> list[Window]:
        """The pieces of a picture, or one with all of it."""
        size = x.shape[-2:]
        tiled = self._tile and min(size) >= MINIMUM and max(size) > self._tile
        return self.grid.windows(size, self._tile if tiled else max(size), noise)

    def grams(
        self, x: Tensor, alpha: Tensor | None = None
    ) -> Generator[None, None, dict[str, Tensor]]:
        """The Gram matrix of every style layer of a picture, where `alpha` (1, 1, H, W) counts."""
        layers = [name for name, _ in self._setting.style]
        sums, counts = dict[str, Tensor](), dict[str, Count]()
        for window in self.windows(x):
            with torch.no_grad():
                maps = self(window.of(x), layers)
                for name in layers:
                    part, count = self.products(window, maps[name], name, alpha)
                    sums[name] = sums[name] + part if name in sums else part
                    counts[name] = counts.get(name, 0.0) + count
            yield
        return {n: s * (self.units**2 / (len(s) * counts[n])) for n, s in sums.items()}

    def products(
        self, window: Window, features: Tensor, layer: str, mask: Tensor | None
    ) -> tuple[Tensor, Count]:
        """(sum of products of a map of this window, over how many positions), where the mask
        (1, 1, H, W) of the whole picture counts."""
        stride = self.grid.strides[layer]
        shrunk = None if mask is None else window.core(_shrunk(window.of(mask), features), stride)
        core = window.core(features, stride)
        count = core[0, 0].numel() if shrunk is None else shrunk.sum().clamp(min=1e-6)
        return gram_sum(core, shrunk), count

    def content(self, x: Tensor) -> Generator[None, None, dict[str, Tensor]]:
        """The map of every content layer of a picture."""
        layers = [name for name, _ in self._setting.content]
        rows: dict[str, list[list[Tensor]]] = {name: [] for name in layers}
        for window in self.windows(x):
            with torch.no_grad():
                maps = self(window.of(x), layers)
            for name in layers:
                if window.columns[0] == 0:
                    rows[name].append([])
                rows[name][-1].append(window.core(maps[name], self.grid.strides[name]))
            yield
        return {name: torch.cat([torch.cat(row, 3) for row in found], 2)
                for name, found in rows.items()}  # fmt: skip


def _shrunk(mask: Tensor, like: Tensor) -> Tensor:
    """The mask (h, w) at the size of a map."""
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
    """The loss of a picture, by terms, and its gradient. `noise` moves the grid of the pieces anew
    for every gradient."""

    def __init__(
        self,
        features: Features,
        setting: Setting,
        targets: Targets,
        noise: torch.Generator | None = None,
    ) -> None:
        self.features, self.setting, self.targets = features, setting, targets
        self._noise = noise
        self._content = setting.content if setting.content_weight else ()
        self._style = setting.style if setting.style_weight and targets.regions else ()
        self._layers = list(dict.fromkeys(name for name, _ in (*self._content, *self._style)))
        self._scale = 0.0  # of the loss, 0: not known yet
        self._again: tuple[Tensor, Repeated[Found]] | None = None  # of a picture that is not cut

    def descend(self, x: Tensor) -> Generator[None, None, dict[str, Tensor]]:
        """The terms of x, weighted and detached, whose sum is what is minimised; the gradient is
        left in x.grad. Yields after every piece of a picture in tiles."""
        windows = self.features.windows(x, self._noise) if self._layers else []
        if not self._scale:
            self._scale = self._fitting(windows, x)
        if len(windows) < 2:
            x.grad, found = self._repeated(windows, x)()
            return found
        x.grad = torch.zeros_like(x)
        found = yield from self._in_tiles(x, windows)
        beside = self._beside(windows, x)
        if wanted := [value for value in beside.values() if value.requires_grad]:
            (_sum(wanted) * self._scale).backward()
        if self._scale != 1:
            x.grad /= self._scale
        return found | {name: value.detach() for name, value in beside.items()}

    def _fitting(self, windows: Sequence[Window], x: Tensor) -> float:
        """The scale of the loss, told by the first window."""
        if not self.features.half or not windows:
            return 1.0

        def gradient(scale: float) -> Tensor:
            return self._gradient(windows[0], windows[0].of(x), scale)[0]

        return fitting_scale(gradient)

    def _gradient(self, window: Window, piece: Tensor, scale: float) -> Found:
        """The gradient of a window's loss times `scale`, and its terms."""
        piece, sums = piece.detach().clone().requires_grad_(), Sums()
        self._add(window, piece, sums)
        found = self._terms(sums)
        return torch.autograd.grad(_sum(list(found.values())) * scale, piece)[0], found

    def _repeated(self, windows: Sequence[Window], x: Tensor) -> Repeated[Found]:
        """What gives the gradient of x, changed in place, and the terms, of a picture that is not
        cut."""
        if self._again is None or self._again[0] is not x:
            me = weakref.proxy(self)  # in a circle it would outlive its last use
            self._again = x, Repeated(lambda: me._whole(windows, x), x.device)
        return self._again[1]

    def _whole(self, windows: Sequence[Window], x: Tensor) -> Found:
        sums = Sums()
        if windows:
            self._add(windows[0], x, sums)
        found = self._terms(sums) | self._beside(windows, x)
        wanted = [value for value in found.values() if value.requires_grad]
        if not wanted:
            return torch.zeros_like(x), found
        gradient = torch.autograd.grad(_sum(wanted) * self._scale, x)[0]
        if self._scale != 1:
            gradient = gradient / self._scale
        return gradient, {name: value.detach() for name, value in found.items()}

    def _in_tiles(
        self, x: Tensor, windows: Sequence[Window]
    ) -> Generator[None, None, dict[str, Tensor]]:
        """The terms of the features; their gradient, scaled, added to x.grad."""
        assert x.grad is not None
        picture, sums = x.detach(), Sums()
        for window in windows:
            with torch.no_grad():
                self._add(window, window.of(picture), sums)
            yield
        leaves = [part.requires_grad_() for part in sums.parts()]
        found = self._terms(sums)
        (_sum(list(found.values())) * self._scale).backward()
        for window in windows:
            piece = window.of(picture).clone().requires_grad_()
            parts = Sums()
            self._add(window, piece, parts)
            _sum([(part * leaf.grad).sum()
                  for part, leaf in zip(parts.parts(), leaves, strict=True)
                  if leaf.grad is not None]).backward()  # fmt: skip
            assert piece.grad is not None
            window.of(x.grad).add_(piece.grad)
            yield
        return {name: value.detach() for name, value in found.items()}

    def _add(self, window: Window, piece: Tensor, sums: Sums) -> None:
        """Add what the core of a window holds to the sums over the picture."""
        maps = self.features(piece, self._layers)
        for name, _ in self._content:
            stride = self.features.grid.strides[name]
            core = window.core(maps[name], stride)
            target = window.part(self.targets.content[name], core.shape[-2:], stride)
            sums.add(("content", name, 0), F.mse_loss(core, target, reduction="sum"), core.numel())
        for name, _ in self._style:
            for number, region in enumerate(self.targets.regions):
                part, count = self.features.products(window, maps[name], name, region.mask)
                sums.add(("style", name, number), part, count)

    def _terms(self, sums: Sums) -> dict[str, Tensor]:
        """The weighted terms of content and style."""
        s, square, found = self.setting, self.features.units**2, dict[str, Tensor]()
        for name, share in self._content:
            mean = sums.whole["content", name, 0] / sums.count["content", name, 0]
            found[f"content {name}"] = mean * (square * share * s.content_weight)
        for name, share in self._style:
            for number, region in enumerate(self.targets.regions):
                whole = sums.whole["style", name, number]
                divisor = len(whole) * sums.count["style", name, number] / square
                difference = F.mse_loss(whole / divisor, region.targets[name])
                term = difference * (region.weight * share * s.style_weight)
                key = " ".join(filter(None, ("style", region.name, name)))
                found[key] = found[key] + term if key in found else term
        return found

    def _score(self, x: Tensor, windows: Sequence[Window]) -> Tensor:
        """Of the class. A picture in tiles is seen smaller for it, as large as its first tile."""
        if len(windows) > 1:
            rows, columns = windows[0].rows, windows[0].columns
            share = max(rows[3], columns[3]) / max(x.shape[-2:])
            size = [max(1, round(n * share)) for n in x.shape[-2:]]
            x = F.interpolate(x, size, mode="area")
        return self.features(x, (HEAD,))[HEAD][0, self.setting.klass]

    def _beside(self, windows: Sequence[Window], x: Tensor) -> dict[str, Tensor]:
        """The terms that no map of a layer has a part in."""
        s, found = self.setting, dict[str, Tensor]()
        if s.class_weight:
            found["class"] = -self._score(x, windows) * s.class_weight
        if s.tv:
            found["smoothness"] = total_variation(x) * s.tv
        if s.pixel and self.targets.photo is not None:
            found["colour"] = F.mse_loss(x, self.targets.photo) * s.pixel
        if self.targets.before is not None:
            aim, weight = self.targets.before
            found["steadiness"] = (weight * (x - aim).square()).mean() * STEADY
        return found


@dataclass
class Sums:
    """What the terms are made of, added up over the windows of a picture, and over how many
    positions. Keys are (term, layer, number of the region)."""

    whole: dict[Key, Tensor] = field(default_factory=dict[Key, Tensor])
    count: dict[Key, Count] = field(default_factory=dict[Key, Count])

    def add(self, key: Key, part: Tensor, count: Count) -> None:
        self.whole[key] = self.whole[key] + part if key in self.whole else part
        self.count[key] = self.count.get(key, 0.0) + count

    def parts(self) -> list[Tensor]:
        return list(self.whole.values())


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
