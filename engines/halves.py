"""Gradients through a network in half precision, whose numbers end at 65504 and begin at 6e-8: the
loss is multiplied by a scale first, and the gradient divided by it. Knows no network."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from engines.tensors import NotFinite

TOP = 4.0  # what the largest number of a scaled gradient is brought near: far from both ends
STEP = 2.0**8  # by which the scale is lessened where the gradient overflows
LEAST = 2.0**-48


def fitting_scale(gradient: Callable[[float], Tensor]) -> float:
    """The power of two by which to multiply a loss. gradient(scale) is that of the loss times
    `scale`. Raises NotFinite where the network overflows whatever the scale."""
    scale = 1.0
    while not math.isfinite(top := float(gradient(scale).abs().max())):
        scale /= STEP
        if scale < LEAST:
            raise NotFinite("The network overflows half precision.")
    return scale * 2.0 ** round(math.log2(TOP / top)) if top else scale
