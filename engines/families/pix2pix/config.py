"""Configurations of the starter's network, and how its weights are recognised. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint


@dataclass(frozen=True)
class MultimodalConfig:
    """widths: channels at 1/2, 1/4, ... of the picture's size. code: length of the variation code. native: the size
    (width, height) it was trained at."""

    widths: tuple[int, ...] = (32, 72, 136, 232, 256)
    code: int = 12
    native: tuple[int, int] = (192, 256)

    @property
    def multiple_of(self) -> int:
        return 2 ** len(self.widths)


def recognise_multimodal(checkpoint: Checkpoint) -> MultimodalConfig | None:
    """The configuration of a MultimodalUNet read from its shapes; `native` comes from our metadata if it is there."""
    stem, code = checkpoint.shape("stem.weight"), checkpoint.shape("code_mean")
    if stem is None or code is None or len(stem) != 4 or stem[1:] != (20, 3, 3):
        return None
    widths = [stem[0]]
    while (down := checkpoint.shape(f"down.{len(widths) - 1}.weight")) is not None:
        if down[1:] != (widths[-1] + 4, 4, 4):
            return None
        widths.append(down[0])
    native = checkpoint.metadata.get("config", {}).get("native", MultimodalConfig.native)
    return MultimodalConfig(tuple(widths), code[0], (int(native[0]), int(native[1])))
