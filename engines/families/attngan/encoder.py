"""What AttnGAN sees of a picture: regions and the whole, in the space of words and sentences.

The official encoder is Inception-v3 (Szegedy et al. 2016) with two projections; ours is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import Inception3

from engines.families.attngan.config import TRUNK

SEEN_AT = 299  # pixels at which Inception looks
LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    *("pool", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d"),
    *("Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c"),
)


class Inception(nn.Module):
    """photo (B, 3, H, W) in [-1, 1] -> regions (B, sentence, 17, 17), picture (B, sentence).

    With `aligned` the photo is enlarged corner on corner, as torch did when the official weights
    were trained."""

    def __init__(self, sentence: int, aligned: bool) -> None:
        super().__init__()
        self.aligned = aligned
        trunk = Inception3(aux_logits=False, init_weights=False)
        for name in LAYERS:
            if name != "pool":
                self.add_module(name, trunk.get_submodule(name))
        self.emb_features = nn.Conv2d(TRUNK[1], sentence, 1, bias=False)
        self.emb_cnn_code = nn.Linear(TRUNK[0], sentence)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        size = (SEEN_AT, SEEN_AT)
        x = F.interpolate(photo, size, mode="bilinear", align_corners=self.aligned)
        regions = torch.empty(0)
        for name in LAYERS:
            x = F.max_pool2d(x, 3, 2) if name == "pool" else self.get_submodule(name)(x)
            if name == "Mixed_6e":
                regions = self.emb_features(x)
        return regions, self.emb_cnn_code(x.mean((2, 3)))


class Regions(nn.Module):
    """photo (B, 3, H, W) in [-1, 1] -> regions (B, sentence, side / 8, side / 8), picture
    (B, sentence). Ours: small enough to travel with a generator. Three levels see the regions, the
    others the whole."""

    def __init__(self, widths: Sequence[int], sentence: int, side: int) -> None:
        super().__init__()
        self.side = side
        levels = [_level(a, b) for a, b in pairwise((3, *widths))]
        self.near, self.far = nn.Sequential(*levels[:3]), nn.Sequential(*levels[3:])
        self.drop = nn.Dropout(0.2)
        self.emb_features = nn.Conv2d(widths[2], sentence, 1, bias=False)
        self.emb_cnn_code = nn.Linear(widths[-1], sentence)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        side = self.side
        if photo.shape[2:] != (side, side):
            soft = photo.shape[2] > side
            photo = F.interpolate(photo, (side, side), mode="bilinear", antialias=soft)
        near = self.near(photo)
        far = self.far(near).mean((2, 3))
        return self.emb_features(near), self.emb_cnn_code(self.drop(far))


def _level(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1),
    )
