"""The border to spandrel: state dictionary in, network out. Files are opened elsewhere
(engines/checkpoint.py); spandrel never sees one."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import torch
from spandrel import (
    MAIN_REGISTRY,
    ImageModelDescriptor,
    ModelDescriptor,
    ModelLoader,
    UnsupportedModelError,
)
from torch import Tensor, nn

from engines.checkpoint import Checkpoint, CheckpointError, not_finite
from engines.families.enlarge.config import Config

# what the code of an architecture raises over weights that only begin like its own
FOREIGN = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
           ValueError)  # fmt: skip


class Enlarger(nn.Module):
    """(1, C, h, w) in [0, 1] to (1, C, scale * h, scale * w)."""

    def __init__(self, net: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.call = net, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.net, x)


def described(checkpoint: Checkpoint) -> ModelDescriptor | None:
    """What spandrel makes of names and shapes; None if it knows no network that has exactly
    these."""
    state = {
        name: torch.empty(
            info.shape, dtype=getattr(torch, info.dtype, torch.float32), device="meta"
        )
        for name, info in _inside(checkpoint).infos.items()
    }
    try:
        with torch.device("meta"):
            return ModelLoader("meta").load_from_state_dict(state)
    except UnsupportedModelError:
        return None
    except FOREIGN as error:
        if "meta" not in str(error):
            return None
    return _loaded(checkpoint)  # two architectures read a number


def _loaded(checkpoint: Checkpoint) -> ModelDescriptor | None:
    try:
        return ModelLoader("cpu").load_from_state_dict(_inside(checkpoint).tensors())
    except (UnsupportedModelError, *FOREIGN):
        return None


def load(config: Config, checkpoint: Checkpoint) -> Enlarger:
    """The network with its weights, in eval mode. Raises CheckpointError."""
    for name, tensor in checkpoint.tensors().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise not_finite(checkpoint.path, name)
    found = _loaded(checkpoint)
    if not isinstance(found, ImageModelDescriptor):
        raise CheckpointError(
            "mismatch", f"{checkpoint.path.name} does not fit the {config.name} network."
        )
    return Enlarger(found.model, found._call_fn).eval()


def build(config: Config) -> Enlarger:
    """The network without weights."""
    (base,) = typing.cast(Any, type(MAIN_REGISTRY[config.architecture].architecture)).__orig_bases__
    (network,) = typing.get_args(base)
    return Enlarger(network(**config.told), lambda net, x: net(x))


def configured(found: ModelDescriptor) -> Config:
    size = found.size_requirements
    given = getattr(found.model, "hyperparameters", {})
    told = {name: _plain(value) for name, value in given.items() if _is_plain(value)}
    return Config(
        str(found.architecture.id),
        told,
        found.architecture.name,
        found.scale,
        found.input_channels,
        found.output_channels,
        max(size.minimum, 1),
        size.multiple_of,
        size.square,
        found.tiling.name == "SUPPORTED",
        found.supports_half,
    )


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold it; classes of layers, which some take, are their defaults."""
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float)


def _plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _inside(checkpoint: Checkpoint) -> Checkpoint:
    """A file of ours under the names of its network."""
    names = checkpoint.keys()
    if not all(name.startswith("net.") for name in names):
        return checkpoint
    return checkpoint.called({name.removeprefix("net."): name for name in names})
