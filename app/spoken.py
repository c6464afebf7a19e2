"""A caption as it is typed, word by word: what each counts, and what the model knows of it. Knows
no widget and no Studio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engines.controls import ModelCard, Text
from engines.job import Value
from engines.wording import carried, tokens

CAPTION, WEIGHTS = "caption", "weights"  # controls


@dataclass(frozen=True)
class Spoken:
    """A caption and what is written of the weights of its words, for the words of `control`."""

    control: Text | None
    text: str = ""
    written: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether there should be a caption and is none."""
        return self.control is not None and not self.text.strip()

    def words(self) -> list[str]:
        return tokens(self.text, self.control.hyphens) if self.control else []

    def weights(self) -> list[float]:
        """One for each word; a recipe may hold anything."""
        try:
            given = [float(part) for part in self.written.split(",") if part.strip()]
        except ValueError:
            given = []
        return [given[n] if n < len(given) else 1.0 for n in range(len(self.words()))]

    def spans(self) -> list[range]:
        """For each word the places, among all that the model knows of the caption, of what it knows
        of this word: one, none, or several where it knows the parts of a hyphenated one."""
        known = set(self.control.words) if self.control else set[str]()
        found, at = list[range](), 0
        for word in self.words():
            whole = word in known or not known
            parts = 1 if whole else sum(part in known for part in word.split("-"))
            found.append(range(at, at + parts))
            at += parts
        return found

    def is_growing(self) -> bool:
        """Whether the last word is none of the model's yet, and may become one: it is typed."""
        words, known = self.words(), self.control.words if self.control else ()
        if not words or self.spans()[-1] or not self.text.lower().endswith(words[-1]):
            return False
        return any(other.startswith(words[-1]) for other in known)

    def edited(self, text: str) -> Spoken:
        """With another text: words that stay keep their weights."""
        after = Spoken(self.control, text)
        return after.weighed(carried(self.words(), self.weights(), after.words()))

    def weighed(self, weights: Sequence[float]) -> Spoken:
        """The last words that count as they are need no number."""
        last = max((n for n, w in enumerate(weights) if w != 1), default=-1)
        written = ", ".join(f"{w:g}" for w in weights[: last + 1])
        return Spoken(self.control, self.text, written)

    def example(self, number: int, examples: Sequence[str]) -> str:
        """One of the examples that are made of the model's own words; "" where there is none."""
        if self.control is None:
            return ""
        known, hyphens = set(self.control.words), self.control.hyphens
        fitting = [text for text in examples if set(tokens(text, hyphens)) <= known]
        fitting = fitting or [self.control.placeholder]
        return fitting[number % len(fitting)]


def spoken(card: ModelCard | None, values: Mapping[str, Value]) -> Spoken:
    """What the desk says now; without a control where the model takes no caption."""
    control = card.control(CAPTION) if card else None
    if not isinstance(control, Text):
        return Spoken(None)
    return Spoken(control, str(values.get(CAPTION, "")), str(values.get(WEIGHTS, "")))
