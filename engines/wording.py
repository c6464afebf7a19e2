"""From a text to its words. Knows no vocabulary and no network."""

from __future__ import annotations

import re

_JOINED = re.compile(r"\w+(?:-\w+)*")
_PLAIN = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The lower-case words of a caption; hyphens join, other marks and apostrophes go."""
    return _JOINED.findall(text.lower().replace("'", "").replace("’", ""))


def tokens(text: str, hyphens: bool = False) -> list[str]:
    """The words of a caption: ours may hold hyphens; those of the official code are made of ASCII
    letters and digits."""
    if hyphens:
        return words_of(text)
    plain = (word.encode("ascii", "ignore").decode() for word in _PLAIN.findall(text.lower()))
    return [word for word in plain if word]


def carried(before: list[str], weights: list[float], after: list[str]) -> list[float]:
    """What each word of a caption counts when it was edited: what is still there keeps its weight,
    what is new counts 1."""
    from difflib import SequenceMatcher

    kept = [1.0] * len(after)
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        for n in range(block.size):
            if block.a + n < len(weights):
                kept[block.b + n] = weights[block.a + n]
    return kept
