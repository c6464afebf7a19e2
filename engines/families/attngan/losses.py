"""The losses of AttnGAN (Xu et al. 2018): how well pictures and captions match (DAMSM, equations 7
to 13), and the adversarial terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-8
Judge = Callable[..., tuple[Tensor, ...]]  # a Discriminator, or what stands for one


@dataclass(frozen=True)
class Smooth:
    """gamma 1, 2, 3 of the paper: how sharply a word looks, how much the best words count, how
    sharply the right caption must stand out. With `even`, the mean over words counts and not their
    sum, by which long captions match anything: for captions of mixed lengths."""

    look: float = 4.0
    words: float = 5.0
    choice: float = 10.0
    even: bool = False


PAPER = Smooth()


class Looked(NamedTuple):
    """scores (J, I): how well picture j matches the words of caption i, times gamma 3;
    words (J, I, T): how well each word matches, a cosine; share (J, I, T, S): where in the S
    regions each word looks, its sum over regions 1. Numbers of padded words mean nothing."""

    scores: Tensor
    words: Tensor
    share: Tensor


def look(regions: Tensor, words: Tensor, hide: Tensor, smooth: Smooth = PAPER) -> Looked:
    """Every picture (J, D, h, w) beside every caption (I, D, T); hide (I, T) bool, true where there
    is no word."""
    seen = regions.flatten(2)
    scores = torch.einsum("jds,idt->jist", seen, words)
    scores = scores.masked_fill(hide[None, :, None], -torch.inf)
    share = (smooth.look * scores.softmax(3)).softmax(2)
    context = torch.einsum("jds,jist->jidt", seen, share)
    cosine = _cosine(context, words[None], 2)
    rows = (smooth.words * cosine).masked_fill(hide[None], -torch.inf).logsumexp(2)
    if smooth.even:
        rows = rows - (~hide).sum(1).log()
    return Looked(smooth.choice * rows, cosine, share.transpose(2, 3))


def compare(pictures: Tensor, sentences: Tensor, smooth: Smooth = PAPER) -> Tensor:
    """(J, D), (I, D) -> (J, I): how well picture j matches sentence i, times gamma 3."""
    return smooth.choice * _cosine(pictures[:, None], sentences[None], 2)


def _cosine(a: Tensor, b: Tensor, axis: int) -> Tensor:
    lengths = (a.norm(dim=axis) * b.norm(dim=axis)).clamp(min=SMALLEST)
    return (a * b).sum(axis) / lengths


def matching(scores: Tensor, same: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross entropy of finding the caption of each picture, and the picture of each caption, from
    scores (B, B). same (B, B) bool: pairs off the diagonal that are no mistake, and not counted."""
    if same is not None:
        scores = scores.masked_fill(same, -torch.inf)
    right = torch.arange(len(scores), device=scores.device)
    return F.cross_entropy(scores, right), F.cross_entropy(scores.T, right)


def damsm(
    regions: Tensor,
    picture: Tensor,
    words: Tensor,
    sentence: Tensor,
    hide: Tensor,
    same: Tensor | None = None,
    smooth: Smooth = PAPER,
) -> tuple[Tensor, Tensor]:
    """The loss of words, and that of sentences, each the sum of both directions."""
    told = matching(look(regions, words, hide, smooth).scores, same)
    whole = matching(compare(picture, sentence, smooth), same)
    return told[0] + told[1], whole[0] + whole[1]


def other_of_same(klass: Tensor) -> Tensor:
    """(B,) or (B, T) -> (B, B) bool: another sample of the same class, or with the same words."""
    flat = klass.reshape(len(klass), -1)
    same = (flat[:, None] == flat[None]).all(2)
    return same & ~torch.eye(len(flat), dtype=torch.bool, device=flat.device)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the condition from the normal distribution, its mean."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()


# ---- adversarial ---------------------------------------------------------------------------------


def judged(logits: Tensor, real: bool, weight: Tensor | None = None) -> Tensor:
    """Cross entropy of calling all of them real, or drawn; weight (B,)."""
    losses = F.softplus(-logits.float() if real else logits.float())
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum().clamp(min=1)


def discriminator_loss(
    discriminator: Judge,
    real: Tensor,
    fake: Tensor,
    sentence: Tensor,
    differs: Tensor | None = None,
    joined: bool = False,
) -> Tensor:
    """Photos with their sentence against drawn pictures, and against photos with the sentence of
    the next; differs (B - 1,): 0 where that sentence is true of the photo too. `joined`: photos and
    drawn pictures in one pass, the same for a discriminator without batch norms."""
    if joined:
        both = discriminator(torch.cat((real, fake)), sentence.repeat(2, 1), sentence[1:])
        (photo, drawn), (right, said), wrong = both[0].chunk(2), both[1].chunk(2), both[2]
    else:
        photo, right, wrong = discriminator(real, sentence, sentence[1:])
        drawn, said = discriminator(fake, sentence)
    bad = judged(drawn, False) + judged(said, False) + judged(wrong, False, differs)
    return (judged(photo, True) + judged(right, True)) / 2 + bad / 3


def generator_loss(
    discriminators: Sequence[Judge], pictures: Sequence[Tensor], sentence: Tensor
) -> Tensor:
    """The sum over stages of being taken for a photo, and for a photo of the sentence."""
    terms = [
        judged(logits, True)
        for discriminator, picture in zip(discriminators, pictures)
        for logits in discriminator(picture, sentence)
    ]
    return torch.stack(terms).sum()
