"""The configuration of an enlarger. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
