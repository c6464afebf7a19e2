"""Steps up the gradient: smoothed, normalised, moved a little each time, inside what a picture can
be. Knows no network."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines.families.dream.config import Normalisation, Setting

KERNEL = 9  # pixels on a side of the blur
SCALES = (0.5, 1.0, 2.0)  # of its three deviations
GROWTH = 2.0  # pixels that the blur grows by over the steps
Found = tuple[Tensor, dict[str, Tensor]]
Gradient = Callable[[Tensor], Generator[None, None, Found]]


def smoothed(gradient: Tensor, deviation: float) -> Tensor:
    """(1, C, H, W): the mean of three Gaussian blurs around `deviation` pixels, the rim
    mirrored."""
    places = torch.arange(KERNEL, dtype=torch.float32) - KERNEL // 2
    kernel = torch.zeros((KERNEL, KERNEL))
    for scale in SCALES:
        line = torch.exp(-0.5 * (places / (scale * deviation)) ** 2)
        line = line / line.sum()
        kernel += torch.outer(line, line) / len(SCALES)
    if gradient.device.type == "cpu":  # torch would widen each plane to sixteen
        border, weights = cv2.BORDER_REFLECT_101, kernel.numpy()
        planes = [cv2.filter2D(p, -1, weights, borderType=border) for p in gradient[0].numpy()]
        return torch.from_numpy(np.stack(planes))[None]
    wide, count = F.pad(gradient, (KERNEL // 2,) * 4, mode="reflect"), gradient.shape[1]
    if gradient.is_cuda:
        kernel = kernel.pin_memory()  # so that the copy waits for nobody
    kernel = kernel.to(gradient.device, non_blocking=True).expand(count, 1, KERNEL, KERNEL)
    return F.conv2d(wide, kernel, groups=count)


def normalised(gradient: Tensor, how: Normalisation) -> Tensor:
    """ "std": mean 0, deviation 1; "mean": mean size 1; "none": as it is."""
    if how == "std":
        return (gradient - gradient.mean()) / gradient.std().clamp(min=1e-12)
    if how == "mean":
        return gradient / gradient.abs().mean().clamp(min=1e-12)
    return gradient


@dataclass(frozen=True)
class Ascent:
    """rate       of a step, in the network's own numbers
    low, high  (1, 3, 1, 1): black and white there
    mask       (1, 1, H, W) in [0, 1]: where steps count; None: everywhere
    """

    setting: Setting
    rate: float
    low: Tensor
    high: Tensor
    mask: Tensor | None = None

    def step(
        self, x: Tensor, gradient: Gradient, number: int, shift: tuple[int, int]
    ) -> Generator[None, None, Found]:
        """(x after step `number` of its octave, the terms before it); seen moved by `shift`
        (down, across)."""
        found, terms = yield from gradient(x.roll(shift, (2, 3)))
        return self.moved(x, found, number, shift), terms

    def moved(self, x: Tensor, found: Tensor, number: int, shift: tuple[int, int]) -> Tensor:
        """x after step `number`, for the gradient that was `found` of x moved by `shift`."""
        s = self.setting
        if s.smooth:
            found = smoothed(found, (number + 1) / s.steps * GROWTH + s.smooth)
        found = normalised(found, s.normalise).roll((-shift[0], -shift[1]), (2, 3))
        if self.mask is not None:
            found = found * self.mask
        return torch.clamp(x + self.rate * found, self.low, self.high)


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, C, H, W) at `size` (width, height), bilinear between the four nearest pixels."""
    if (x.shape[3], x.shape[2]) == size:
        return x
    return F.interpolate(x, (size[1], size[0]), mode="bilinear", align_corners=False)


def pyramid(x: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """x at every size, from the smallest to its own, each made of the next larger one."""
    found = [x]
    for size in reversed(sizes[:-1]):
        found.insert(0, resized(found[0], size))
    return found
