"""GeneGAN (Zhou et al. 2017): a splitter that takes a face apart into itself and an object, a
joiner that draws both, and the two critics of its training.

Photos are in [-1, 1] everywhere outside; inside, splitter and critics see [0, 1] as the reference.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.checkpoint import Checkpoint, CheckpointError, not_finite
from engines.families.genegan.config import Config, variables

SLOPE = 0.2
EPSILON, MOMENTUM = 1e-3, 0.01  # of TensorFlow's batch norm


class Splitter(nn.Module):
    """(B, 3, H, W) -> code (B, config.code, h, w), the face's channels before the object's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.levels = config.levels
        _add_convolutions(self, config.splitter)

    def forward(self, x: Tensor) -> Tensor:
        return _convolved(self, (x + 1) / 2, self.levels)


class Joiner(nn.Module):
    """Code (B, config.code, h, w) -> (B, 3, H, W) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.levels = config.levels
        for level in range(1, config.levels + 1):
            before, after = config.joiner[level - 1 : level + 1]
            layer = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)
            self.add_module(f"deconv{level}", layer)
            if level < config.levels:
                self.add_module(f"norm{level}", nn.BatchNorm2d(after, EPSILON, MOMENTUM))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        for level in range(1, self.levels):
            x = self.get_submodule(f"deconv{level}")(x)
            x = F.relu(self.get_submodule(f"norm{level}")(x))
        x = self.get_submodule(f"deconv{self.levels}")(x)
        return torch.tanh(x + self.bias[:, None, None])


class Critic(nn.Module):
    """(B, 3, size, size) -> scores (B, 1): how much like a real photo of its kind (Arjovsky et al.
    2017)."""

    def __init__(self, config: Config, width: int | None = None) -> None:
        super().__init__()
        width = width or config.width
        self.levels = config.levels + 1
        sides = [width * 2 ** min(level, config.levels - 1) for level in range(self.levels)]
        _add_convolutions(self, (3, *sides))
        side = config.size // 2**self.levels
        self.fct = nn.Linear(side * side * sides[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        features = _convolved(self, (x + 1) / 2, self.levels)
        return self.fct(features.permute(0, 2, 3, 1).flatten(1))


def _add_convolutions(module: nn.Module, sides: tuple[int, ...]) -> None:
    for level in range(1, len(sides)):
        before, after = sides[level - 1 : level + 1]
        module.add_module(f"conv{level}", nn.Conv2d(before, after, 4, 2, 1, bias=False))
        if level > 1:
            module.add_module(f"norm{level}", nn.BatchNorm2d(after, EPSILON, MOMENTUM))


def _convolved(module: nn.Module, x: Tensor, levels: int) -> Tensor:
    for level in range(1, levels + 1):
        x = module.get_submodule(f"conv{level}")(x)
        if level > 1:
            x = module.get_submodule(f"norm{level}")(x)
        x = F.leaky_relu(x, SLOPE)
    return x


class GeneGAN(nn.Module):
    """Splitter and joiner. `forward` splits photos, and joins codes of faces with objects."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.splitter, self.joiner = Splitter(config), Joiner(config)

    def forward(self, x: Tensor, object: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Photos (B, 3, H, W) -> (face, object), each a map of features; both -> photos."""
        if object is not None:
            return self.joiner(torch.cat((x, object), 1))
        code = self.splitter(x)
        count = self.config.object
        return code[:, :-count], code[:, -count:]


def load_variables(config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
    """Splitter and joiner from TensorFlow's variables, and what is to be told of it. Raises
    CheckpointError naming what is missing or not finite."""
    try:
        state = from_variables(checkpoint.tensors(), config)
    except KeyError as error:
        raise CheckpointError(
            "mismatch", f"{checkpoint.path.name} lacks the variable {error.args[0]!s:.80}."
        ) from error
    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise not_finite(checkpoint.path, key)
    net = GeneGAN(config)
    net.load_state_dict(state, strict=True)
    notes = ("Kernels were turned from TensorFlow's order into torch's.",)
    if any(key.startswith("D_") or "RMSProp" in key for key in checkpoint.infos):
        notes += ("Critics and the optimiser's memory, of use to training only, were left out.",)
    return net.eval(), (*checkpoint.notes, *notes)


def from_variables(given: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """The state dict of a GeneGAN from TensorFlow's variables. Raises KeyError naming what is
    missing."""
    found = {
        ours: kernel(given[theirs]) if len(shape) == 4 else given[theirs]
        for theirs, ours, shape in variables(config)
    }
    found["joiner.bias"] = given["G_joiner/b"].flatten()
    for key in [key for key in found if key.endswith(".running_mean")]:
        layer = key.rpartition(".")[0]
        found[f"{layer}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    return found


def kernel(given: Tensor) -> Tensor:
    """(H, W, in, out) of a convolution, or (H, W, out, in) of a transposed one, in torch's
    order."""
    return given.permute(3, 2, 0, 1).contiguous()
