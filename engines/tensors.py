"""The only conversions between `Picture` and torch tensors, and the padding a network's size rule
asks for.

Tensors are (1, C, H, W) floats, `low` for black and `high` for white, [-1, 1] unless said
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engines.images import ImageError, flatten, to_grey
from engines.job import Picture


class TensorError(ImageError):
    """A picture that a network cannot take; the message is one sentence for the user."""


class NotFinite(ArithmeticError):
    """A network answered with numbers that are no picture (in half precision: an overflow)."""


def to_tensor(
    picture: Picture,
    channels: int = 3,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    low: float = -1.0,
    high: float = 1.0,
) -> Tensor:
    """(1, channels, H, W) in [low, high]; 0 becomes `low` and 255 `high`, as ToTensor and Normalize
    of torchvision give it, to the last bit.

    channels  1: luma; 3: RGB; both with transparency laid on white. 4: RGB as stored, then alpha.
    """
    pixels = torch.from_numpy(_layout(picture, channels).copy())
    if torch.device(device).type == "cuda":
        pixels = pixels.pin_memory()  # so that the copy waits for nobody
    pixels = pixels.to(device, non_blocking=True)
    pixels = pixels.reshape(picture.height, picture.width, channels)
    planes = pixels.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format)
    return planes.div_(255).mul_(high - low).add_(low).to(dtype)


def entered(x: Tensor, device: torch.device, dtype: torch.dtype, copy: bool = False) -> Tensor:
    """x as a network on `device` takes it: floats in its precision, and (B, C, H, W) on a card in
    channels-last, as the weights lie there: cuDNN would copy the map in every pass."""
    kind = dtype if x.is_floating_point() else x.dtype
    is_map = device.type == "cuda" and x.dim() == 4 and x.is_floating_point()
    order = torch.channels_last if is_map else torch.preserve_format
    return x.to(device, kind, copy=copy, memory_format=order)


def _layout(picture: Picture, channels: int) -> np.ndarray:
    if channels == 1:
        return to_grey(picture).pixels
    if channels == 3:
        return flatten(picture).pixels
    if channels == 4:
        if picture.channels == 4:
            return picture.pixels
        alpha = np.full(picture.pixels.shape[:2], 255, np.uint8)
        return np.dstack((flatten(picture).pixels, alpha))
    raise TensorError(f"This network takes {channels} channels; a picture has 1, 3 or 4.")


def to_picture(tensor: Tensor, low: float = -1.0, high: float = 1.0) -> Picture:
    """The picture of a (C, H, W) or (1, C, H, W) tensor, C in 1, 3, 4.

    Values are clamped to [low, high] and rounded to the nearest of 256 steps. (The reference of
    Isola et al. truncates, which darkens by half a step on average and turns a picture that went
    through unchanged into a different one.) Raises NotFinite.
    """
    planes = tensor.detach()
    if planes.ndim == 4:
        if planes.shape[0] != 1:
            raise TensorError(f"One picture was expected, not {planes.shape[0]}.")
        planes = planes[0]
    if planes.ndim != 3 or planes.shape[0] not in (1, 3, 4):
        raise TensorError(f"A tensor of shape {tuple(tensor.shape)} is no picture.")
    planes = planes.to(torch.float32)
    finite = torch.isfinite(planes.sum(dtype=torch.float64))
    steps = (planes - low).mul_(255 / (high - low)).clamp_(0, 255).round_().to(torch.uint8)
    pixels = steps.permute(1, 2, 0).contiguous().cpu().numpy()  # here the device is waited for
    if not bool(finite):
        raise NotFinite("The network answered with numbers that are no picture.")
    pixels.flags.writeable = False
    return Picture(pixels)


@dataclass(frozen=True)
class Crop:
    """What cuts the original area out of a padded tensor: `crop(y)`. A network that enlarges by a
    whole factor is cropped by the enlarged area."""

    top: int
    left: int
    height: int
    width: int
    padded: tuple[int, int]  # (height, width) that the network saw

    def __call__(self, x: Tensor) -> Tensor:
        down, across = x.shape[-2] // self.padded[0], x.shape[-1] // self.padded[1]
        if (x.shape[-2], x.shape[-1]) != (
            self.padded[0] * down,
            self.padded[1] * across,
        ) or not down:
            raise TensorError(
                f"The network answered with {x.shape[-1]} x {x.shape[-2]} pixels "
                f"to {self.padded[1]} x {self.padded[0]}."
            )
        rows = slice(self.top * down, (self.top + self.height) * down)
        columns = slice(self.left * across, (self.left + self.width) * across)
        return x[..., rows, columns]


def pad_to_multiple(x: Tensor, multiple: int = 1, minimum: int = 1) -> tuple[Tensor, Crop]:
    """(B, C, H, W) grown on all sides to a multiple of `multiple`, at least `minimum`, and the way
    back.

    The rim is mirrored without repeating the edge pixel, again and again where the picture is
    smaller than the rim; a side of one pixel is repeated.
    """
    height, width = x.shape[-2:]
    tall, wide = (
        max(-(-n // multiple), -(-minimum // multiple)) * multiple for n in (height, width)
    )
    top, left = (tall - height) // 2, (wide - width) // 2
    crop = Crop(top, left, height, width, (tall, wide))
    if tall != height:
        x = x.index_select(-2, _mirrored(height, top, tall, x.device))
    if wide != width:
        x = x.index_select(-1, _mirrored(width, left, wide, x.device))
    return x, crop


def _mirrored(count: int, before: int, total: int, device: torch.device) -> Tensor:
    """Indices into `count` pixels for `total` padded ones, of which `before` come first."""
    period = max(2 * (count - 1), 1)
    position = (torch.arange(total, device=device) - before) % period
    return torch.minimum(position, period - position) if count > 1 else torch.zeros_like(position)
