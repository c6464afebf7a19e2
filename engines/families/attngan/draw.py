"""A model at work: captions become what its parts take, pictures grow stage by stage, and matches
become numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from engines import images
from engines.families.attngan import losses
from engines.families.attngan.net import Said, padding
from engines.families.attngan.words import Read
from engines.family import Model
from engines.job import Picture

FAINT = 0.2  # how bright a place stays where a word did not look
EVEN = losses.Smooth(even=True)


def said(model: Model, caption: Read) -> Said:
    """A caption of one. A word's weight w moves the sentence by w - 1 times what the word adds to
    it, and counts in attention; without known words, the end of a caption is all that is said."""
    numbers = caption.numbers or (0,)
    changed = [n for n, w in enumerate(caption.weights) if w != 1.0]
    rows = [numbers, *(numbers[:n] + numbers[n + 1 :] or (0,) for n in changed)]
    table = torch.zeros((len(rows), len(numbers)), dtype=torch.int64)
    for at, row in enumerate(rows):
        table[at, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    words, sentences = model("read", table.to(model.device), lengths.to(model.device))
    sentence = sentences[:1].clone()
    for at, n in enumerate(changed):
        sentence += (caption.weights[n] - 1) * (sentences[0] - sentences[at + 1])
    strength = sentence.new_tensor([caption.weights]) if changed else None
    return Said(sentence, words[:1], None, strength)


def between(one: Said, other: Said, shares: Sequence[float]) -> Said:
    """A caption for each share of the way from one to the other: both have their words in it, and
    count by how near they are."""
    t = one.sentence.new_tensor(shares)[:, None]
    lengths = one.words.shape[2], other.words.shape[2]
    counts = [
        s.new_ones((1, n)) if strength is None else strength
        for s, strength, n in zip((t, t), (one.strength, other.strength), lengths)
    ]
    return Said(
        torch.lerp(one.sentence, other.sentence, t),
        torch.cat((one.words, other.words), 2).expand(len(t), -1, -1),
        None,
        torch.cat(((1 - t) * counts[0], t * counts[1]), 1),
    )


def repeated(one: Said, count: int) -> Said:
    return Said(*(None if x is None else x.expand(count, *x.shape[1:]) for x in one))  # pyright: ignore


def chance(model: Model, seeds: Sequence[int], variety: float) -> tuple[Tensor, Tensor]:
    """Noise (B, noise) and the numbers of the conditioning augmentation (B, condition), one row a
    seed."""
    split = (model.config.noise, model.config.condition)
    rows = [
        torch.randn(sum(split), generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    z, numbers = (variety * torch.stack(rows)).to(model.device).split(split, 1)
    return z, numbers


@dataclass
class Painting:
    """What the last stage made: pictures (B, 3, S, S) in [-1, 1], empty while the model paints
    none; attention (B, T, S/2, S/2), empty behind the first stage; `earlier`, of a single caption,
    are the pictures of the stages before the last."""

    pictures: Tensor = field(default_factory=lambda: torch.empty(0))
    attention: Tensor = field(default_factory=lambda: torch.empty(0))
    earlier: list[Picture] = field(default_factory=list[Picture])


def stages(
    model: Model, told: Said, numbers: tuple[Tensor, Tensor], made: Painting
) -> Iterator[int]:
    """The stages that are done, from 1, as they are done; `made` holds what they made."""
    none = made.pictures
    hidden, seen = model("begin", numbers[0], told.sentence, numbers[1])
    made.pictures = none if seen is None else seen
    yield 1
    for stage in range(2, model.config.stages + 1):
        hidden, seen, made.attention = model("grow", stage, hidden, *told)
        made.pictures = none if seen is None else seen
        yield stage


# ---- attention -----------------------------------------------------------------------------------


def maps(attention: Tensor, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Where each of the first `count` words counts, (H, W) float32 in [0, 1] at `size` (width,
    height), its own greatest value 1, from attention (1, T, h, w)."""
    if not attention.numel():
        return []
    found = []
    for share in attention[0, :count].float().cpu().numpy():
        large = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
        found.append(np.clip(large / max(float(large.max()), 1e-6), 0, 1))
    return found


def lit(picture: Picture, where: np.ndarray) -> Picture:
    """The picture, dark where a word does not count."""
    shade = FAINT + (1 - FAINT) * where[..., None]
    return Picture((images.flatten(picture).pixels * shade).round().astype(np.uint8))


def grey(where: np.ndarray) -> Picture:
    return Picture((where * 255).round().astype(np.uint8))


# ---- matching ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """How well one picture matches a caption: cosines in [-1, 1] of the whole and of each word, and
    where each word looked (1, T, h, w)."""

    sentence: float
    words: tuple[float, ...]
    total: float
    looked: Tensor


def scores(model: Model, pictures: Tensor, caption: Read) -> list[Score]:
    """One for each of the pictures (B, 3, H, W) in [-1, 1]. The total is the mean of the whole's
    cosine and of the words', of which the better ones count more (equation 10 of the paper)."""
    numbers = torch.tensor([caption.numbers or (0,)], device=model.device)
    lengths = torch.tensor([numbers.shape[1]], device=model.device)
    words, sentence = model("read", numbers, lengths)
    regions, codes = model("see", pictures)
    looked = losses.look(regions, words, padding(numbers, lengths), EVEN)
    wholes = losses.compare(codes, sentence, EVEN)[:, 0] / EVEN.choice
    parts = looked.scores[:, 0] / (EVEN.choice * EVEN.words)
    height, width = regions.shape[2:]
    return [
        Score(
            float(wholes[n]),
            tuple(looked.words[n, 0].tolist()),
            float(wholes[n] + parts[n]) / 2,
            looked.share[n, 0].view(1, -1, height, width),
        )
        for n in range(len(pictures))
    ]


def nearest(model: Model, caption: Read, count: int = 3) -> list[list[tuple[str, float]]]:
    """For each word of the caption the words that the text encoder holds for most like it, with
    the cosine of what stands for both in its table."""
    vocabulary = model.config.vocabulary
    table = torch.nn.functional.normalize(model("table").float(), dim=1)
    others = [n for n, word in enumerate(vocabulary) if n and word]
    found: list[list[tuple[str, float]]] = []
    for number in caption.numbers:
        alike = table[others] @ table[number]
        best = alike.topk(min(count + 1, len(others))).indices.tolist()
        found.append([(vocabulary[others[n]], float(alike[n])) for n in best
                      if others[n] != number][:count])  # fmt: skip
    return found
