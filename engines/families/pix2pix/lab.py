"""Colour as the official colouriser of this paper sees it: it is given how light every pixel is,
and answers with the two colour channels of CIE L*a*b* (D65).

In: L* / 50 - 1. Out: a* / 110 and b* / 110. The lightness of the result is that of the photo.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines import images
from engines.job import Picture
from engines.tensors import NotFinite

MOST = 110.0  # of a* and b*, which the network answers with as 1


def lightness(picture: Picture, device: torch.device) -> Tensor:
    """(1, 1, H, W) in [-1, 1]."""
    found = torch.from_numpy(_lab(picture)[..., 0] / 50 - 1)
    return found[None, None].to(device)


def coloured(picture: Picture, made: Tensor) -> Picture:
    """`picture` with its own lightness and the colours of `made` (1, 2, h, w), brought to its
    size. RGB. Raises NotFinite."""
    if not bool(torch.isfinite(made).all()):
        raise NotFinite("The network answered with numbers that are no picture.")
    found = _lab(picture)
    made = F.interpolate(made.float(), found.shape[:2], mode="bilinear").clamp(-1, 1)
    found[..., 1:] = made[0].permute(1, 2, 0).cpu().numpy() * MOST
    rgb = cv2.cvtColor(found, cv2.COLOR_LAB2RGB)
    return Picture(np.rint(rgb.clip(0, 1) * 255).astype(np.uint8))


def _lab(picture: Picture) -> np.ndarray:
    """(H, W, 3) float32: L* in [0, 100], a*, b*."""
    rgb = images.flatten(picture).pixels.astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))
