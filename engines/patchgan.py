"""What the weights of a PatchGAN discriminator say of it (Isola et al. 2017): recognised by names
and shapes alone. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from engines import residual
from engines.residual import Norm, Shapes, holds_exactly


@dataclass(frozen=True)
class JudgeConfig:
    """inputs: channels of what it judges, a picture's, or an input's and its output's together."""

    inputs: int = 3
    width: int = 64
    layers: int = 3
    norm: Norm = "instance"


def recognise(shapes: Shapes) -> JudgeConfig | None:
    """model.0, then every three places a wider convolution, the last to one channel."""
    first = shapes.get("model.0.weight")
    if first is None or first[2:] != (4, 4):
        return None
    layers = 0
    while (wider := shapes.get(f"model.{2 + 3 * layers}.weight")) is not None and wider[0] > 1:
        layers += 1
    norm = residual.norm_after(shapes, "model.3", "model.2")
    wanted = {"model.0.weight": first}
    for level in range(1, layers + 1):
        after = first[0] * min(2**level, 8)
        wanted[f"model.{3 * level - 1}.weight"] = (
            after, first[0] * min(2 ** (level - 1), 8), 4, 4,
        )  # fmt: skip
    wanted[f"model.{3 * layers + 2}.weight"] = (1, first[0] * min(2**layers, 8), 4, 4)
    if norm is None or not layers or not holds_exactly(shapes, wanted.items()):
        return None
    return JudgeConfig(first[1], first[0], layers, norm)
