"""pix2pixHD (Wang et al. 2018), key for key as the official checkpoints: generator with local
enhancers, encoder of object features, multi-scale discriminator.

Pictures are (B, 3, H, W) in [-1, 1]; H and W are multiples of config.multiple_of.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.pix2pixhd.config import PICTURE, Config
from engines.layers import Norm, norm_layer
from engines.residualnet import ResNet, ResNetBlock, doubling, halving, head, stem


class Generator(nn.Module):
    """forward(input (B, config.inputs, H, W)) -> picture. With enhancers the global generator sees
    the input at 1 / 2 ** enhancers of its size, and every enhancer adds what is seen at twice
    that."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.enhancers = config.enhancers
        self.model = ResNet(config.global_net).model
        bias = True
        for n in range(1, config.enhancers + 1):
            width = config.width * 2 ** (config.enhancers - n)
            down = [
                *stem(config.inputs, width, config.norm, bias),
                *halving(width, config.norm, bias),
            ]
            up: list[nn.Module] = [
                ResNetBlock(2 * width, config.norm, False, bias) for _ in range(config.local_blocks)
            ]
            up += doubling(width, config.norm, bias)
            if n == config.enhancers:
                up += head(width, PICTURE)
            setattr(self, f"model{n}_1", nn.Sequential(*down))
            setattr(self, f"model{n}_2", nn.Sequential(*up))

    def forward(self, x: Tensor) -> Tensor:
        levels = [x]
        for _ in range(self.enhancers):
            levels.append(halved(levels[-1]))
        made = self.model(levels.pop())
        for n in range(1, self.enhancers + 1):
            down, up = self.get_submodule(f"model{n}_1"), self.get_submodule(f"model{n}_2")
            made = up(down(levels.pop()) + made)
        return made


def halved(x: Tensor) -> Tensor:
    """Half the size: means of 3x3, which at the rim leave out what lies beyond it."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


class Pix2PixHD(nn.Module):
    """The generator, with the encoder and the clusters of object features where there are any.

    clusters        (labels, config.clusters, features): mean features of groups of objects; before
                    any were found, evenly spread over [-1, 1]
    cluster_counts  (labels,): how many of them a class has
    """

    clusters: Tensor
    cluster_counts: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.generator = Generator(config)
        if config.encoder is not None:
            self.encoder = ResNet(config.encoder_net)
        if config.clusters:
            even = torch.linspace(-1, 1, config.clusters)[None, :, None]
            shape = (config.labels, config.clusters, config.features)
            self.register_buffer("clusters", even.expand(shape).clone())
            self.register_buffer("cluster_counts", torch.full((config.labels,), config.clusters))

    def keep_clusters(self, found: Mapping[int, Tensor]) -> None:
        """Class -> its clusters (count, features), count at most config.clusters; classes that are
        not named have none."""
        self.clusters.zero_()
        self.cluster_counts.zero_()
        for label, rows in found.items():
            self.clusters[label, : len(rows)] = rows.to(self.clusters)
            self.cluster_counts[label] = len(rows)

    def forward(
        self, given: Tensor, photo: Tensor | None = None, objects: Tensor | None = None
    ) -> Tensor:
        """given: all channels of the generator's input (`generator_input`); with a photo
        (B, 3, H, W) and object numbers (B, 1, H, W) all but the features, which are read from the
        photo."""
        if photo is not None and objects is not None:
            given = torch.cat((given, pooled(self.encoder(photo), objects)), 1)
        return self.generator(given)


# ---- what the generator sees ---------------------------------------------------------------------


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, 1, H, W) integers -> (B, classes, H, W) of zeros and ones."""
    return F.one_hot(labels[:, 0].long(), classes).permute(0, 3, 1, 2).float()


def boundaries(objects: Tensor) -> Tensor:
    """(B, 1, H, W) object numbers -> 1.0 where a pixel's number differs from that of a neighbour
    to the left, right, above or below."""
    edge = torch.zeros_like(objects, dtype=torch.bool)
    across = objects[..., 1:] != objects[..., :-1]
    down = objects[..., 1:, :] != objects[..., :-1, :]
    edge[..., 1:] |= across
    edge[..., :-1] |= across
    edge[..., 1:, :] |= down
    edge[..., :-1, :] |= down
    return edge.float()


def pooled(features: Tensor, objects: Tensor) -> Tensor:
    """(B, F, H, W) with the mean over its object, in every sample by itself; objects (B, 1, H, W)
    are any integers."""
    made = [_pooled(f, o[0]) for f, o in zip(features, objects)]
    return torch.stack(made)


def _pooled(features: Tensor, objects: Tensor) -> Tensor:
    _, places, counts = objects.unique(return_inverse=True, return_counts=True)
    flat = features.float().flatten(1)
    sums = flat.new_zeros((len(flat), len(counts))).index_add_(1, places.flatten(), flat)
    means = sums / counts
    return means[:, places.flatten()].reshape(features.shape).to(features.dtype)


def generator_input(given: Tensor, objects: Tensor | None, features: Tensor | None) -> Tensor:
    """Label channels or a picture (B, C, H, W), then the boundaries of objects (B, 1, H, W), then
    features (B, F, H, W)."""
    parts = [given]
    if objects is not None:
        parts.append(boundaries(objects).to(given))
    if features is not None:
        parts.append(features.to(given))
    return torch.cat(parts, 1)


# ---- the discriminator ---------------------------------------------------------------------------


class MultiscaleDiscriminator(nn.Module):
    """(B, inputs, H, W) -> for each of `scales` sizes, the full one first, the outputs of all
    layers; the last is the score map. The full size is judged by the net with the last number."""

    def __init__(
        self,
        inputs: int,
        width: int = 64,
        layers: int = 3,
        scales: int = 2,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.scales, self.layers = scales, layers
        for scale in range(scales):
            for number, layer in enumerate(_judging(inputs, width, layers, norm)):
                setattr(self, f"scale{scale}_layer{number}", layer)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        found = []
        for scale in reversed(range(self.scales)):
            outputs = [x]
            for number in range(self.layers + 2):
                layer = self.get_submodule(f"scale{scale}_layer{number}")
                outputs.append(layer(outputs[-1]))
            found.append(outputs[1:])
            x = halved(x)
        return found


def _judging(inputs: int, width: int, layers: int, norm: Norm) -> list[nn.Module]:
    parts: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(0.2, True))
    ]
    for level in range(1, layers + 1):
        before, width = width, min(2 * width, 512)
        convolution = nn.Conv2d(before, width, 4, 2 if level < layers else 1, 2)
        parts.append(nn.Sequential(convolution, norm_layer(norm, width), nn.LeakyReLU(0.2, True)))
    return [*parts, nn.Sequential(nn.Conv2d(width, 1, 4, 1, 2))]
