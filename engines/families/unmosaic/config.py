"""The configuration of the mosaic remover, and how it is recognised from key names and shapes.
Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint


@dataclass(frozen=True)
class Config:
    """widths: channels at 1, 1/2, 1/4, ... of the size; blocks: residual blocks of a level on the
    way down. sides: the smallest and the largest side of a square, in pixels, that it has seen."""

    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: int = 2
    sides: tuple[int, int] = (4, 16)

    @property
    def multiple_of(self) -> int:
        return 2 ** (len(self.widths) - 1)


def recognise(checkpoint: Checkpoint) -> Config | None:
    """A MosaicNet from its shapes; `sides` comes from our metadata if it is there."""
    stem, head = checkpoint.shape("unet.stem.weight"), checkpoint.shape("unet.head.weight")
    if stem is None or head is None or len(stem) != 4 or stem[1:] != (4, 3, 3) or head[0] != 3:
        return None
    widths = [stem[0]]
    while (down := checkpoint.shape(f"unet.downs.{len(widths) - 1}.weight")) is not None:
        widths.append(down[0])
    blocks = 0
    while checkpoint.shape(f"unet.levels.0.{blocks}.first.weight") is not None:
        blocks += 1
    low, high = checkpoint.metadata.get("config", {}).get("sides", Config.sides)
    return Config(tuple(widths), blocks, (int(low), int(high)))
