"""From what a person types to the words that a model knows. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engines.families.attngan.config import Config
from engines.wording import tokens

NEAREST = 3  # known words that are named for an unknown one
_LIKE = 0.6  # how like each other they are, at least, in [0, 1]


@dataclass(frozen=True)
class Read:
    """A caption as a model reads it: words that it knows, their numbers, how much each counts
    (1: as it is); and what it does not know, each with the nearest known words."""

    words: tuple[str, ...]
    numbers: tuple[int, ...]
    weights: tuple[float, ...]
    unknown: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def notes(self) -> tuple[str, ...]:
        """What to tell a person."""
        told = [
            f"The model does not know “{word}”"
            + (f"; it knows {', '.join(near)}." if near else ".")
            for word, near in self.unknown
        ]
        if not self.numbers:
            told.append("No word of the caption is known to the model, so it paints anything.")
        return tuple(told)


def read(text: str, config: Config, weights: Sequence[float] = ()) -> Read:
    """weights: how much each word of the text counts, from the first; 1 for those that are not
    given. A last word that known ones begin with is taken for unfinished, not for unknown."""
    place = {word: n for n, word in enumerate(config.vocabulary) if n and word}
    kept: list[tuple[str, int, float]] = []
    unknown: dict[str, tuple[str, ...]] = {}
    found = tokens(text, config.hyphens)
    last = found[-1] if found and text.lower().endswith(found[-1]) else ""
    growing = bool(last) and any(known.startswith(last) for known in place)
    for at, word in enumerate(found):
        weight = weights[at] if at < len(weights) else 1.0
        parts = [word] if word in place else [p for p in word.split("-") if p in place]
        kept += [(part, place[part], weight) for part in parts]
        if not parts and not (growing and at == len(found) - 1):
            unknown[word] = nearest(word, place)
    return Read(
        tuple(word for word, _, _ in kept),
        tuple(number for _, number, _ in kept),
        tuple(weight for _, _, weight in kept),
        tuple(unknown.items()),
    )


def nearest(word: str, known: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(word, known, NEAREST, _LIKE))
