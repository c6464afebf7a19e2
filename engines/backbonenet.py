"""The networks that backbones.py describes: any of them runs node by node, gives the maps of named
layers, and stops at the deepest one asked for. Knows no picture and no paper's method."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbones import HEAD, SCALES, Config, Node, fitted, nodes
from engines.checkpoint import Checkpoint, fill

Pooling = Literal["max", "average"]
EPS = {"vgg": 1e-5, "googlenet": 1e-3, "squeezenet": 1e-5}  # of the batch norms


class Backbone(nn.Module):
    """A classifier as a source of features; key names are those of its published weights.

    A call takes the network's own input, (B, 3, H, W) as `enter` makes it from RGB in [0, 1];
    H and W are at least backbones.MINIMUM.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.nodes = nodes(config)
        width = {"": 3}
        for node in self.nodes:
            before = sum(width[name] for name in node.inputs)
            width[node.name] = node.channels * (node.kernel**2 if node.kind == "grid" else 1)
            if node.kind == "linear":
                _put(self, node.key, nn.Linear(before, node.channels))
            elif node.kind == "conv":
                _put(self, node.key, _convolution(config, node, before))
            if node.norm:
                _put(self, node.norm, nn.BatchNorm2d(node.channels, eps=EPS[config.kind]))
        # kept where the weights are: made anew, a device would be waited for in each step
        self.range, *scale = SCALES[config.scale]
        for name, values in zip(("mean", "deviation"), scale, strict=True):
            tensor = torch.tensor(values).reshape(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(
        self, x: Tensor, layers: Sequence[str], pooling: Pooling = "max"
    ) -> dict[str, Tensor]:
        """Layer -> its map (B, C, h, w), for layers by the names of layer_table and "class", which
        is (B, classes). Nothing deeper than the last of them is computed. KeyError for others."""
        wanted = set(layers)
        last = max((self._number(name) for name in wanted), default=-1)
        steps = self.nodes[: last + 1]
        uses = Counter(name for node in steps for name in node.inputs)
        held = {"": x}
        for node in steps:
            given = [held[name] for name in node.inputs]
            alone = node.kind == "relu" and uses[node.inputs[0]] == 1
            held[node.name] = self._run(
                node, given, alone and node.inputs[0] not in wanted, pooling
            )
            for name in node.inputs:
                uses[name] -= 1
                if not uses[name] and name not in wanted:
                    del held[name]
        return {name: held[name] for name in layers}

    def _number(self, name: str) -> int:
        for number, node in enumerate(self.nodes):
            if node.name == name:
                return number
        raise KeyError(f"{self.config.title} has no layer {name}")

    def _run(self, node: Node, given: list[Tensor], in_place: bool, pooling: Pooling) -> Tensor:
        x = given[0]
        if node.kind == "conv":
            x = self.get_submodule(node.key)(x)
            return self.get_submodule(node.norm)(x) if node.norm else x
        if node.kind == "relu":
            return F.relu(x, inplace=in_place)
        if node.kind == "pool":
            pool = F.max_pool2d if pooling == "max" else F.avg_pool2d
            return pool(x, node.kernel, node.stride, node.padding, ceil_mode=node.ceil)
        if node.kind == "concat":
            return torch.cat(given, 1)
        if node.kind == "grid":
            x = F.adaptive_avg_pool2d(x, node.kernel)
            return x.flatten(1) if node.name == HEAD else x
        return self.get_submodule(node.key)(x.flatten(1))

    def enter(self, rgb: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1] -> what the first layer takes."""
        x = rgb.flip(1) if self.config.scale == "caffe" else rgb
        return (x * self.range - self.mean.to(x.dtype)) / self.deviation.to(x.dtype)

    def leave(self, x: Tensor) -> Tensor:
        """The inverse of `enter`; not clamped."""
        rgb = (x * self.deviation.to(x.dtype) + self.mean.to(x.dtype)) / self.range
        return rgb.flip(1) if self.config.scale == "caffe" else rgb


def _convolution(config: Config, node: Node, before: int) -> nn.Conv2d:
    mode = "reflect" if config.pruned and node.padding else "zeros"
    return nn.Conv2d(before, node.channels, node.kernel, node.stride, node.padding, bias=node.bias,
                     padding_mode=mode)  # fmt: skip


def _put(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Register `layer` below `root` at a dotted path, so that its weights have those keys."""
    *stems, leaf = path.split(".")
    for stem in stems:
        if stem not in dict(root.named_children()):
            root.add_module(stem, nn.Module())
        root = root.get_submodule(stem)
    root.add_module(leaf, layer)


# ---- weights -------------------------------------------------------------------------------------


def random(config: Config, seed: int = 0) -> Backbone:
    """A network with random weights (He et al. 2015), for tests and comparisons."""
    net = Backbone(config)
    noise = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            deviation = math.sqrt(2 / layer.weight[0].numel())
            nn.init.normal_(layer.weight, 0.0, deviation, generator=noise)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net.eval().requires_grad_(False)


def load(config: Config, checkpoint: Checkpoint) -> tuple[Backbone, tuple[str, ...]]:
    """The network with its weights, ready to give features and gradients of its input; sentences
    about repairs. Raises CheckpointError."""
    net = Backbone(config)
    notes = fill(net, fitted(checkpoint))
    return net.eval().requires_grad_(False), notes


def folded(state: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """The weights of a VGG with batch norms as those of the same VGG without: each norm, with what
    it remembers, multiplied into its convolution."""
    made: dict[str, Tensor] = {}
    plain = iter(n for n in nodes(replace(config, norm=False)) if n.key)
    for node in (n for n in nodes(config) if n.key):
        key = next(plain).key
        weight, bias = state[f"{node.key}.weight"].float(), state[f"{node.key}.bias"].float()
        if node.norm:
            spread = (state[f"{node.norm}.running_var"] + EPS["vgg"]).sqrt()
            gain = state[f"{node.norm}.weight"] / spread
            weight = weight * gain.reshape(-1, 1, 1, 1)
            bias = (bias - state[f"{node.norm}.running_mean"]) * gain + state[f"{node.norm}.bias"]
        made[f"{key}.weight"], made[f"{key}.bias"] = weight, bias
    return made
