"""The optimisers of style transfer, one step at a time: L-BFGS as the reference sets it, Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Method = Literal["lbfgs", "adam"]
HISTORY = 100  # corrections that L-BFGS remembers


class Descent:
    """x        the picture (1, 3, H, W), changed in place
    descend  leaves the gradient of x in x.grad and gives the terms of the loss
    """

    def __init__(
        self, x: Tensor, descend: Callable[[Tensor], dict[str, Tensor]], method: Method, rate: float
    ) -> None:
        self.x = x.requires_grad_()
        self._descend = descend
        self._optimiser: torch.optim.Optimizer
        if method == "lbfgs":
            # one iteration a call, which goes on where the last stopped; never content by itself
            self._optimiser = torch.optim.LBFGS(
                [x], rate, max_iter=1, tolerance_grad=-1, tolerance_change=-1, history_size=HISTORY
            )
        else:
            self._optimiser = torch.optim.Adam([x], rate)

    def step(self) -> dict[str, Tensor]:
        """One step; the terms of the loss before it, by name, detached."""
        found: dict[str, Tensor] = {}

        def closure() -> Tensor:
            found.update(self._descend(self.x))
            return torch.stack(list(found.values())).sum()

        self._optimiser.step(closure)  # type: ignore[arg-type]  # torch says float, takes a tensor
        return found
