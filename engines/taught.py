"""What trainers share that learn from pairs of portraits (engines/facepairs.py) how a photo changes
with its labels. Those that redraw a face from few numbers learn the change between two pictures
that they draw, which the studio adds to the photo; the rest of the photo needs no drawing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engines import layers

CHANGED = 10.0  # how much more a place counts where the pictures of a pair differ
# difference in [-1, 1] up to which its square counts (Huber 1964). Absolute differences alone keep
# a net from learning: most places of most pairs are the same, so to change nothing is the best of
# what does not yet listen to the labels
ROUND = 0.2


def values(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Labels (N, A) of the photos and of the aims of a batch of pairs; 0.5 where nobody gave
    them."""
    real = batch["labels"] * batch["known"] + 0.5 * (1 - batch["known"])
    return real + batch["from"], real + batch["change"]


def off(made: Tensor, aim: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """How far pictures (N, 3, H, W) in [-1, 1] are off, and the differences between neighbouring
    pixels of what they are off by."""
    wrong = made - aim
    across, down = wrong[..., 1:] - wrong[..., :-1], wrong[..., 1:, :] - wrong[..., :-1, :]
    return (_size(wrong) * weight).mean() + _size(across).mean() + _size(down).mean()


def _size(wrong: Tensor) -> Tensor:
    far = wrong.abs()
    return torch.where(far < ROUND, far.square() / (2 * ROUND), far - ROUND / 2)


def edit(photo: Tensor, aim: Tensor, made: Tensor) -> Tensor:
    """How far edits of photos are off their aims, with more weight where the two differ."""
    return off(made, aim, 1 + CHANGED * layers.differing(photo, aim))


def losses(photo: Tensor, aim: Tensor, plain: Tensor, made: Tensor) -> dict[str, Tensor]:
    """plain  what a net draws of the photos with their own labels: "plain" asks it to be the photo
    made   what it draws of them with the aims': "edit" asks the change between both, added to the
           photos, to give the aims
    """
    return {"plain": off(plain, photo), "edit": edit(photo, aim, photo + made - plain)}
