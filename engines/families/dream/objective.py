"""What a dream makes grow, and its gradient, of pictures of any size. Knows no job.

Pictures are the network's own input (1, 3, H, W), as Backbone.enter makes it. Every aim but the
class is a sum over places, so that a picture in tiles has the very gradient of the whole.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engines.backbones import HEAD, Config
from engines.families.dream.config import Look, Setting
from engines.halves import fitting_scale
from engines.repeated import Repeated
from engines.windows import Grid, Window

PRODUCTS = 1 << 22  # numbers of the product of two maps that are held at once
Found = tuple[Tensor, dict[str, Tensor]]  # a gradient, and the terms of what grows
Network = Callable[[Tensor, Sequence[str]], Mapping[str, Tensor]]  # (x, layers) -> maps


def matched(features: Tensor, guide: Tensor) -> Tensor:
    """(h * w,): for every place of features (C, h, w) the place of guide (C, H, W), counted row by
    row, whose vector has the largest product with its own."""
    mine, theirs = features.flatten(1).T, guide.flatten(1)
    rows = max(1, PRODUCTS // theirs.shape[1])
    return torch.cat([(part @ theirs).argmax(1) for part in mine.split(rows)])


def gathered(features: Tensor, guide: Tensor) -> Tensor:
    """(C, h, w): at every place of features (C, h, w) the vector of `guide` that it goes best
    with. The gradient that features are given."""
    return guide.flatten(1)[:, matched(features, guide)].reshape(features.shape)


class Objective:
    """network  gives the maps of layers
    guide    layer -> map (1, C, h, w) of a guide picture, whose vectors are then the aim
    tile     side in pixels of the pieces that larger pictures are looked at in; 0: always whole
    half     whether the network computes in half precision
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        setting: Setting,
        guide: Mapping[str, Tensor] | None = None,
        tile: int = 0,
        half: bool = False,
    ) -> None:
        self._network, self._setting = network, setting
        self._guide, self._tile, self._half = guide or {}, tile, half
        self._scale = 0.0  # of what grows, 0: not known yet
        self._again: tuple[Tensor, Repeated[Found]] | None = None  # reads a picture not cut there
        self.grid = Grid(config, setting.layers)

    def windows(self, x: Tensor) -> list[Window]:
        size = x.shape[-2:]
        return self.grid.windows(size, self._tile or max(size))

    def gradient(self, x: Tensor) -> Generator[None, None, Found]:
        """(the gradient of what grows, its terms), both good until the next one. Pauses after every
        tile."""
        is_class = self._setting.aim == "class" and not self._guide
        windows = [] if is_class else self.windows(x)
        if not self._scale:
            self._scale = self._fitting(windows, x)
        if len(windows) < 2:
            return self._repeated(windows, x)
        found, terms = torch.zeros_like(x), dict[str, Tensor]()
        for number, window in enumerate(windows):
            gradient, parts = self._of_window(window, x, False, self._scale)
            window.of(found).add_(gradient)
            for name, part in parts.items():
                terms[name] = terms[name] + part if name in terms else part
            if number + 1 < len(windows):
                yield
        return self._unscaled(found), terms

    def _fitting(self, windows: Sequence[Window], x: Tensor) -> float:
        """The scale of what grows, told by the first window."""
        if not self._half:
            return 1.0

        def gradient(scale: float) -> Tensor:
            if not windows:
                return self._of_class(x, scale)[0]
            return self._of_window(windows[0], x, len(windows) == 1, scale)[0]

        return fitting_scale(gradient)

    def _unscaled(self, gradient: Tensor) -> Tensor:
        return gradient if self._scale == 1 else gradient / self._scale

    def _repeated(self, windows: Sequence[Window], x: Tensor) -> Found:
        """Of a picture that is not cut."""
        if self._again is None or self._again[0].shape != x.shape:
            kept, me = torch.empty_like(x), weakref.proxy(self)  # a circle would outlive its use
            self._again = kept, Repeated(lambda: me._whole(windows, kept), x.device)
        self._again[0].copy_(x)
        return self._again[1]()

    def _whole(self, windows: Sequence[Window], x: Tensor) -> Found:
        if windows:
            found, terms = self._of_window(windows[0], x, True, self._scale)
        else:
            found, terms = self._of_class(x, self._scale)
        return self._unscaled(found), terms

    def _of_window(self, window: Window, x: Tensor, whole: bool, scale: float) -> Found:
        """The gradient of what a window adds, times `scale`."""
        piece = window.of(x).detach().clone().requires_grad_()
        parts = self._parts(piece, window, x, whole)
        gradient = torch.autograd.grad(_sum(parts.values()) * scale, piece)[0]
        return gradient, {name: part.detach() for name, part in parts.items()}

    def _parts(self, piece: Tensor, window: Window, x: Tensor, whole: bool) -> dict[str, Tensor]:
        """By layer, what the core of a window adds to the sum over the picture."""
        maps, parts = self._network(piece, self._setting.layers), dict[str, Tensor]()
        for look in self._setting.looks:
            stride = self.grid.strides[look.layer]
            core = _chosen(window.core(maps[look.layer], stride), look)
            count = core.numel() if whole else core.shape[1] * x[0, 0].numel() / stride**2
            share = look.weight / (count * len(self._setting.looks))
            name = look.layer
            parts[name] = parts.get(name, 0) + self._grown(core, look) * share
        return parts

    def _grown(self, core: Tensor, look: Look) -> Tensor:
        """Of one map (1, C, h, w), the sum over its places."""
        if self._guide:
            guide = _chosen(self._guide[look.layer], look)
            return (core * gathered(core.detach()[0], guide[0])[None]).sum()
        return core.sum() if self._setting.aim == "mean" else core.square().sum()

    def _of_class(self, x: Tensor, scale: float) -> Found:
        """A class is what the whole picture shows; one in tiles is seen smaller for it."""
        x = x.detach().requires_grad_()
        share = min(1.0, self._tile / max(x.shape[-2:])) if self._tile else 1.0
        size = [max(1, round(n * share)) for n in x.shape[-2:]]
        seen = F.interpolate(x, size, mode="area") if share < 1 else x
        score = self._network(seen, (HEAD,))[HEAD][0, self._setting.klass]
        return torch.autograd.grad(score * scale, x)[0], {"class": score.detach()}

    @torch.no_grad()
    def matches(self, x: Tensor) -> Tensor:
        """(h, w, 2) in [0, 1]: for every place of the first layer's map, where in the guide (x, y)
        lies what it takes after."""
        look = self._setting.looks[0]
        guide = _chosen(self._guide[look.layer], look)[0]
        rows: list[list[Tensor]] = []
        for window in self.windows(x):
            if window.columns[0] == 0:
                rows.append([])
            maps = self._network(window.of(x), (look.layer,))
            core = _chosen(window.core(maps[look.layer], self.grid.strides[look.layer]), look)[0]
            rows[-1].append(matched(core, guide).reshape(core.shape[1:]))
        places = torch.cat([torch.cat(row, 1) for row in rows])
        wide, tall = guide.shape[2], guide.shape[1]
        across, down = places % wide, places // wide
        return torch.stack(((across + 0.5) / wide, (down + 0.5) / tall), 2)


def _chosen(features: Tensor, look: Look) -> Tensor:
    return features[:, list(look.channels)] if look.channels else features


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum()
