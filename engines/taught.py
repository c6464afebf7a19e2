"""What trainers share that learn from pairs of portraits (engines/facepairs.py) how a photo changes
with its labels. Those that redraw a face from few numbers learn the change between two pictures
that they draw, which the studio adds to the photo; the rest of the photo needs no drawing.

Pairs alone teach the mean of what a label may look like, which is faint. So a critic, a classifier
of real photos that learns along and sees everything varied, is to see the labels of an edit: it
stands where the class head of StarGAN's discriminator does (Choi et al. 2018, equation 3).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from engines import layers
from engines.recogniser import Recogniser, varied
from engines.training import descend, seed_dropout

CHANGED = 10.0  # how much more a place counts where the pictures of a pair differ
# difference in [-1, 1] up to which its square counts (Huber 1964). Absolute differences alone keep
# a net from learning: most places of most pairs are the same, so to change nothing is the best of
# what does not yet listen to the labels
ROUND = 0.2
SEEN = (96, 96)  # height and width of what a critic sees
DECAY = 0.05  # of the weights of classifiers


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


# ---- classifiers that learn along ----------------------------------------------------------------


def critic(labels: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    net = Recogniser(labels)
    return net, decaying(net)


def decaying(net: nn.Module, decay: float = DECAY) -> torch.optim.Optimizer:
    decayed = {"params": net.parameters(), "weight_decay": decay}
    return torch.optim.AdamW([decayed], 1e-3, (0.9, 0.99))


def real(batch: Mapping[str, Tensor]) -> Tensor:
    """The real one of each pair (N, 3, H, W)."""
    return torch.where(batch["back"][:, None, None, None], batch["aim"], batch["photo"])


def learn(
    fabric: Fabric,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    seen: Tensor,
    labels: Tensor,
    known: Tensor,
    noise: torch.Generator,
) -> Tensor:
    """One step of a classifier on photos (N, 3, H, W), their labels and known (N, A). Its loss."""
    seed_dropout(noise)
    net.train()
    wrong = _wrong(net(seen).float(), labels, known)
    descend(fabric, wrong, optimiser)
    net.eval()
    return wrong.detach()


def judged(
    fabric: Fabric,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    made: Tensor,
    batch: Mapping[str, Tensor],
    noise: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The loss of one step of a critic on the real photos of a batch, and then what it asks of
    edits (N, 3, H, W) of its photos."""
    photo = seen(real(batch), noise)
    wrong = learn(fabric, net, optimiser, photo, batch["labels"], batch["known"], noise)
    return wrong, asked(net, made, batch, noise)


def asked(
    net: nn.Module, made: Tensor, batch: Mapping[str, Tensor], noise: torch.Generator
) -> Tensor:
    """How little a critic sees of what changed in edits (N, 3, H, W) of a batch's photos."""
    changed = (batch["change"] - batch["from"]).ne(0).float()
    return _wrong(net(seen(made, noise)).float(), values(batch)[1], changed)


def seen(photo: Tensor, noise: torch.Generator) -> Tensor:
    """Photos (N, 3, H, W) as a critic sees them."""
    return varied(F.interpolate(photo, SEEN, mode="bilinear", antialias=True), noise)


def _wrong(said: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy of labels (N, A): a sum over those that count, a mean over photos. Labels are
    in [0, 1], or beyond where an edit goes beyond: those ask for ever surer answers."""
    wrong = F.binary_cross_entropy_with_logits(said, labels, counts, reduction="sum")
    return wrong / len(said)
