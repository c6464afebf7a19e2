"""Layers as a person writes them: "relu4_1, relu3_1 = 0.5". Knows no network and imports no
torch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engines.backbones import Config, LayerError, find_layer
from engines.controls import ControlError


def named(text: str) -> Iterator[tuple[str, float]]:
    """(name as it was written, weight): 1 where none is given; commas, semicolons or new lines
    between. Raises ControlError."""
    for part in re.split(r"[,;\n]+", text):
        name, _, weight = (word.strip() for word in part.partition("="))
        if not name:
            continue
        try:
            share = float(weight or 1)
        except ValueError:
            raise ControlError(f"“{weight}” is no weight for the layer {name}.") from None
        if not 0 <= share < 1e6:
            raise ControlError(f"The weight of the layer {name} is a number from 0 on.")
        yield name, share


def layer(config: Config, name: str) -> str:
    """The layer of the network that is meant. Raises ControlError."""
    try:
        return find_layer(config, name)
    except LayerError as error:
        raise ControlError(str(error)) from None
