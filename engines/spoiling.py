"""Photos spoiled on the device, for trainings that restore them: blurred, made smaller, through
JPEG, in mosaic.

All take and give (N, C, H, W) floats in [0, 1], and draw nothing: how much is spoiled comes from
the caller, as one number for each picture of a batch. None waits for the device.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601, full range, as JPEG uses it: rows Y, Cb, Cr of columns R, G, B
YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))  # the way back
# the quantisation tables of Annex K of the JPEG standard, at quality 50
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


def to_ycc(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] to luminance in [0, 1] and two chroma in [-0.5, 0.5]."""
    return torch.einsum("oc,nchw->nohw", _constant(YCC, rgb.device), rgb)


def to_rgb(ycc: Tensor) -> Tensor:
    """The inverse of to_ycc; not clamped."""
    return torch.einsum("oc,nchw->nohw", _constant(RGB, ycc.device), ycc)


def blurred(x: Tensor, sigma: Tensor, reach: int = 4) -> Tensor:
    """Gaussian blur of `sigma` (N,) pixels; 0 leaves a picture as it is."""
    count, channels, height, width = x.shape
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-2)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    planes = F.pad(x, (reach,) * 4, mode="reflect")
    planes = planes.reshape(1, count * channels, height + 2 * reach, width + 2 * reach)
    planes = F.conv2d(planes, weights[:, None, :, None], groups=count * channels)
    planes = F.conv2d(planes, weights[:, None, None, :], groups=count * channels)
    return planes.reshape(count, channels, height, width)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """RGB as it comes out of a JPEG file of `quality` (N,) in 1..100, chroma at half the size."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = to_ycc(padded) * 255
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    luma = _quantised(ycc[:, :1] - 128, _LUMA, scale) + 128
    chroma = _quantised(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA, scale)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    made = to_rgb(torch.cat((luma, chroma), 1) / 255).clamp(0, 1)
    return made[..., :height, :width]


def _quantised(planes: Tensor, table: tuple[tuple[int, ...], ...], scale: Tensor) -> Tensor:
    """Planes (N, C, H, W) with the cosine coefficients of every 8x8 block rounded to steps."""
    count, channels, height, width = planes.shape
    basis = _constant(_COSINES, planes.device)
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8)
    found = torch.einsum("ki,lj,nchiwj->nchwkl", basis, basis, blocks)
    steps = (
        (_constant(table, planes.device) * scale[:, None, None])
        .round()
        .clamp(1, 255)[:, None, None, None]
    )
    found = (found / steps).round() * steps
    return torch.einsum("ki,lj,nchwkl->nchiwj", basis, basis, found).reshape(planes.shape)


# the orthonormal DCT-II of 8 values: rows are frequencies, columns positions
_COSINES = tuple(
    tuple(
        math.cos(math.pi * (2 * n + 1) * k / 16) / 2 * (0.5**0.5 if k == 0 else 1) for n in range(8)
    )
    for k in range(8)
)


@lru_cache(maxsize=32)
def _constant(rows: tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """Once for each device: a copy from the host would wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.float32, device=device)


def smaller(x: Tensor, factor: int, area: bool = False) -> Tensor:
    """1 / factor of the size, anti-aliased: bicubic (as PIL), or the mean of each square."""
    if area:
        return F.avg_pool2d(x, factor)
    size = (x.shape[-2] // factor, x.shape[-1] // factor)
    return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)


def pixelated(x: Tensor, side: int, top: int = 0, left: int = 0) -> Tensor:
    """Squares of `side` pixels filled with their mean; `top` and `left` in 0..side-1 are how many
    pixels of the first row and column of squares lie outside of the picture."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (left, 0, top, 0), mode="replicate")
    means = F.avg_pool2d(padded, side, ceil_mode=True, count_include_pad=False)
    blocks = means.repeat_interleave(side, 2).repeat_interleave(side, 3)
    return blocks[..., top : top + height, left : left + width]


def to_bytes(x: Tensor) -> Tensor:
    """Rounded to the 256 steps that a picture has."""
    return (x.clamp(0, 1) * 255).round() / 255


def from_bytes(photo: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) in [0, 1]."""
    return photo.permute(0, 3, 1, 2).float() / 255
