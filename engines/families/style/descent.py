"""The optimisers of style transfer, one step at a time: L-BFGS as the reference sets it, Adam."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Method = Literal["lbfgs", "adam"]
Terms = dict[str, Tensor]
Descend = Callable[[Tensor], Generator[None, None, Terms]]
BETAS, TINY = (0.9, 0.999), 1e-8  # of Adam
HISTORY = 100  # corrections that L-BFGS remembers, where memory allows


class LBFGS:
    """Liu and Nocedal 1989 with steps of a fixed length, as torch.optim.LBFGS takes them without a
    line search.

    The two loops run on the inner products of all corrections, which are kept: a step reads the
    history twice, whatever its length (Chen et al. 2014, Large-scale L-BFGS using MapReduce).
    """

    def __init__(self, x: Tensor, rate: float, history: int = HISTORY) -> None:
        self._x, self._rate, self._most = x, rate, history
        # rows: the moves, then the changes of the gradient they brought
        self._rows = torch.empty((2 * history, x.numel()), dtype=x.dtype, device=x.device)
        self._products = np.zeros((2 * history, 2 * history))
        self._order: list[int] = []  # slots in use, the oldest first
        self._before: tuple[Tensor, Tensor] | None = None  # gradient, move

    def step(self) -> None:
        """Move x against what x.grad says."""
        assert self._x.grad is not None
        gradient = self._x.grad.detach().reshape(-1).clone()
        if self._before is None:
            length = min(1.0, 1.0 / max(float(gradient.abs().sum()), 1e-30))
            move = gradient * (-length * self._rate)
        else:
            with_gradient = self._learn(gradient)
            move = self._direction(gradient, with_gradient) * self._rate
        self._before = gradient, move
        with torch.no_grad():
            self._x.add_(move.reshape(self._x.shape))

    def _learn(self, gradient: Tensor) -> np.ndarray:
        """Take in the last move, unless the loss curved down along it; the products of every row
        with the gradient."""
        assert self._before is not None
        change, move = gradient - self._before[0], self._before[1]
        curved = float(change @ move)
        slot = None
        if curved > 1e-10:
            slot = self._order.pop(0) if len(self._order) == self._most else len(self._order)
            self._rows[slot], self._rows[self._most + slot] = move, change
            self._order.append(slot)
        used = max(self._order, default=-1) + 1
        columns = torch.stack((gradient, move, change), 1)
        found = np.zeros((2 * self._most, 3))
        for begin in (0, self._most):
            rows = self._rows[begin : begin + used] @ columns
            found[begin : begin + used] = rows.double().cpu().numpy()
        if slot is not None:
            for place, column in ((slot, 1), (self._most + slot, 2)):
                self._products[place], self._products[:, place] = found[:, column], found[:, column]
        return found[:, 0]

    def _direction(self, gradient: Tensor, with_gradient: np.ndarray) -> Tensor:
        """The quasi-Newton direction, as a sum of rows and the gradient."""
        share, of_gradient = np.zeros(2 * self._most), -1.0
        products, factors = self._products, dict[int, float]()
        for slot in reversed(self._order):
            change = self._most + slot
            along = share @ products[:, slot] + of_gradient * with_gradient[slot]
            factors[slot] = along / products[slot, change]
            share[change] -= factors[slot]
        if self._order:
            last, change = self._order[-1], self._most + self._order[-1]
            scale = products[last, change] / products[change, change]
            share, of_gradient = share * scale, of_gradient * scale
        for slot in self._order:
            change = self._most + slot
            along = share @ products[:, change] + of_gradient * with_gradient[change]
            share[slot] += factors[slot] - along / products[slot, change]
        made = gradient * of_gradient
        used = max(self._order, default=-1) + 1
        for begin in (0, self._most):
            part = torch.from_numpy(share[begin : begin + used]).to(made)
            made += part @ self._rows[begin : begin + used]
        return made


class Adam:
    """Kingma and Ba 2015, algorithm 1, as torch.optim.Adam computes it. That one's first use reads
    in torch's compiler, which takes seconds."""

    def __init__(self, x: Tensor, rate: float) -> None:
        self._x, self._rate, self._count = x, rate, 0
        self._mean, self._square = torch.zeros_like(x.detach()), torch.zeros_like(x.detach())

    @torch.no_grad()
    def step(self) -> None:
        """Move x against what x.grad says."""
        assert self._x.grad is not None
        self._count += 1
        first, second = (1 - beta**self._count for beta in BETAS)
        self._mean.lerp_(self._x.grad, 1 - BETAS[0])
        self._square.mul_(BETAS[1]).addcmul_(self._x.grad, self._x.grad, value=1 - BETAS[1])
        size = self._square.sqrt().div_(second**0.5).add_(TINY)
        self._x.addcdiv_(self._mean, size, value=-self._rate / first)


class Descent:
    """x        the picture (1, 3, H, W), changed in place
    descend  leaves the gradient of x in x.grad and gives the terms of the loss
    """

    def __init__(
        self, x: Tensor, descend: Descend, method: Method, rate: float, history: int = HISTORY
    ) -> None:
        self.x = x.requires_grad_()
        self._descend = descend
        self._optimiser = LBFGS(x, rate, history) if method == "lbfgs" else Adam(x, rate)

    def step(self) -> Generator[None, None, Terms]:
        """One step, with a pause after every tile; the terms of the loss before it, by name,
        detached."""
        found = yield from self._descend(self.x)
        self._optimiser.step()
        return found
