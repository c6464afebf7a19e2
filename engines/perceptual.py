"""How alike pictures look to a backbone, for the training of fast style: content as Johnson et al.
2016 and Huang & Belongie 2017 measure it, style by Gram matrices or by mean and deviation of each
channel. Knows no network that paints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engines import backbonenet, backbones
from engines.backbonenet import Backbone
from engines.checkpoint import open_checkpoint
from engines.layers import Moments
from engines.training import RecipeError


def open_judge(path: str | Path, pictures: Tensor) -> Backbone:
    """The VGG in a file, normalised by `pictures` (see `normalise`). Raises CheckpointError,
    RecipeError."""
    opened = open_checkpoint(path)
    config = backbones.recognise(opened)
    if config is None or config.kind != "vgg" or config.norm or config.pruned:
        raise RecipeError(f"{Path(path).name} is no VGG without batch norm.")
    net, _ = backbonenet.load(config, opened)
    normalise(net, pictures)
    return net


@torch.no_grad()
def normalise(net: Backbone, pictures: Tensor) -> None:
    """Scale the convolutions of a VGG so that the mean of each activation over `pictures` (RGB in
    [0, 1]) is one (Gatys et al. 2016, section 2). What the layers tell stays the same, and weights
    of losses mean the same for any such net."""
    layers = [node for node in net.nodes if node.kind == "relu" and node.name in _maps(net)]
    means = net(net.enter(pictures), [node.name for node in layers])
    before = 1.0
    for node in layers:
        scale = 1 / max(float(means[node.name].mean()), 1e-6)
        key = next(n.key for n in net.nodes if n.name == node.inputs[0])
        conv = net.get_submodule(key)
        conv.weight *= scale / before  # pyright: ignore
        conv.bias *= scale  # pyright: ignore
        before = scale
    if net.config.classes:
        first = "head" if not net.config.hidden else "classifier.0"
        net.get_submodule(first).weight /= before  # pyright: ignore


def _maps(net: Backbone) -> tuple[str, ...]:
    return backbones.layer_names(net.config)


def maps(net: Backbone, rgb: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Layer -> its map (B, C, h, w) of RGB (B, 3, H, W) in [0, 1]."""
    return net(net.enter(rgb).contiguous(memory_format=torch.channels_last), layers)


# ---- looks ---------------------------------------------------------------------------------------


moments = Moments()  # of a map (B, C, h, w): mean and deviation of each channel


def gram(x: Tensor) -> Tensor:
    """(B, C, C): mean over all places of the products of channels, in single precision."""
    flat = x.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


# ---- losses --------------------------------------------------------------------------------------


def content_loss(made: Tensor, aim: Tensor) -> Tensor:
    """Mean squared difference of two maps, as a share of the mean square of the one aimed at."""
    return (made.float() - aim.float()).square().mean() / aim.float().square().mean()


def moment_loss(made: Mapping[str, Tensor], aim: Mapping[str, Tensor]) -> Tensor:
    """Huang & Belongie 2017, eq. 13: means and deviations of every layer in `aim`."""
    found: list[Tensor] = []
    for name, style in aim.items():
        for mine, theirs in zip(moments(made[name]), moments(style), strict=True):
            found.append((mine - theirs).square().mean())
    return torch.stack(found).sum()


def gram_loss(made: Mapping[str, Tensor], aim: Mapping[str, Tensor]) -> Tensor:
    """Distance of the Gram matrices of each map to those in `aim` (B or 1, C, C), as a share of the
    latter's norm, summed over layers. Not squared, as Gatys et al. have it: so a net that begins
    far from the style is not thrown about, and one that comes near goes on."""
    found: list[Tensor] = []
    for name, style in aim.items():
        apart = (gram(made[name]) - style).square().sum((1, 2))
        found.append(((apart / style.square().sum((1, 2))) + 1e-8).sqrt().mean())
    return torch.stack(found).sum()


def total_variation(rgb: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across and down."""
    across = (rgb[..., :, 1:] - rgb[..., :, :-1]).abs().mean()
    return across + (rgb[..., 1:, :] - rgb[..., :-1, :]).abs().mean()
