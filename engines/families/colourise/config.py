"""The configuration of the colouriser, and how it is recognised from key names and shapes. Imports
no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint


@dataclass(frozen=True)
class Config:
    """bins: how many chroma values it chooses among. widths: channels at 1, 1/2, 1/4, ... of the
    size; blocks: residual blocks of a level. native: the short side in pixels that it was trained
    at."""

    bins: int = 128
    widths: tuple[int, ...] = (24, 48, 96, 144, 176, 176)
    blocks: int = 1
    native: int = 192

    @property
    def multiple_of(self) -> int:
        return 2 ** (len(self.widths) - 1)


def recognise(checkpoint: Checkpoint) -> Config | None:
    """A ColourNet from its shapes; `native` comes from our metadata if it is there."""
    bins, stem = checkpoint.shape("bins"), checkpoint.shape("unet.stem.weight")
    head = checkpoint.shape("unet.head.weight")
    if bins is None or stem is None or head is None or len(bins) != 2 or bins[1] != 2:
        return None
    if len(stem) != 4 or stem[1:] != (1, 3, 3) or head[0] != bins[0]:
        return None
    widths = [stem[0]]
    while (down := checkpoint.shape(f"unet.downs.{len(widths) - 1}.weight")) is not None:
        widths.append(down[0])
    blocks = 0
    while checkpoint.shape(f"unet.levels.0.{blocks}.first.weight") is not None:
        blocks += 1
    native = checkpoint.metadata.get("config", {}).get("native", Config.native)
    return Config(bins[0], tuple(widths), blocks, int(native))
