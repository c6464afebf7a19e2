"""The configuration of an enlarger, and how it is recognised. Imports no torch at once.

What a file is, spandrel tells: it reads architecture and hyper-parameters from names and shapes.
It is given tensors without numbers, and builds the network without allocating any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

PURPOSES = ("SR", "Restoration", "FaceSR")


@dataclass(frozen=True)
class Config:
    """architecture: what spandrel calls it; told: the arguments of its network, JSON-able.

    scale      times that the picture becomes wider and higher
    inputs     channels: 1 (luminance), 3 (RGB) or 4 (with alpha); outputs alike
    minimum, multiple_of, square   of the sizes that it takes
    tiles      whether it may see a part of the picture alone
    half       whether half precision is enough for it
    """

    architecture: str
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""
    scale: int = 4
    inputs: int = 3
    outputs: int = 3
    minimum: int = 1
    multiple_of: int = 1
    square: bool = False
    tiles: bool = True
    half: bool = True


def recognise(checkpoint: Checkpoint) -> Config | None:
    """None too for what spandrel knows and we do not use: inpainting, other numbers of
    channels."""
    if not any(len(shape) == 4 for shape in checkpoint.shapes().values()):
        return None
    from engines.families.enlarge import net

    found = net.described(checkpoint)
    if found is None or found.purpose not in PURPOSES:
        return None
    config = net.configured(found)
    wanted = (config.inputs, config.outputs)
    return config if wanted in ((1, 1), (3, 3), (4, 4), (4, 3)) else None
