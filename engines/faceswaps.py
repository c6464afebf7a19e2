"""Portraits with and without spectacles, and in those of another (engines/facepairs.py). Knows no
network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engines.datasets import Batch, DataError, to_signed
from engines.facedata import LabelledFaces, folders
from engines.facepairs import FacePairs
from engines.spectacles import Spectacles


class FaceSwaps(FacePairs):
    """FacePairs of glasses alone, whose batches hold neighbours that wear each other's."""

    def __init__(self, *given: Any, **asked: Any) -> None:
        super().__init__(*given, **asked)
        if len(self.attributes) != 1 or self.drawn != 0:
            raise DataError("A set of kind face_swaps has the one attribute “glasses”.")

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        """without, with and other (N, 3, H, W) in [-1, 1]: a portrait without spectacles, with a
        pair, and its neighbour (the next of an even place, else the one before) in the same pair;
        swaps (N,) in {0, 1}: there is such a neighbour. photo: the real one of the first two."""
        rng = np.random.default_rng([self.seed, rank, step])
        count += count % 2
        picks = rng.choice(len(self), count, p=self.weights)
        bare = (self.known[picks, 0] > 0) & (self.labels[picks, 0] == 0)
        pairs = [Spectacles.varied(rng) for _ in picks]
        views = [self._views(int(pick), pairs[n], pairs[n ^ 1], size, rng)
                 for n, pick in enumerate(picks)]  # fmt: skip
        without, own, strange = (np.stack(kind) for kind in zip(*views))
        neighbour = np.arange(count) ^ 1
        found = {"without": without, "with": own, "other": strange[neighbour]}
        signed = {name: to_signed(pictures) for name, pictures in found.items()}
        photo = np.where(bare[:, None, None, None], signed["without"], signed["with"])
        swaps = (bare & bare[neighbour]).astype(np.float32)
        return {**signed, "photo": photo, "swaps": swaps, "index": picks}

    def _views(
        self,
        index: int,
        own: Spectacles,
        strange: Spectacles,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> list[np.ndarray]:
        """A portrait without spectacles, with a pair of its own and with a strange one, in one
        light. Those of a photo that has some are its own, and taken off by its prototypes."""
        photo, on = self.photos[index], np.ones(1, np.float32)
        if self.labels[index, 0] * self.known[index, 0]:
            bare = self.edited(index, -on)
            views = [bare, photo, strange.worn(bare)]
        else:
            views = [photo, self.edited(index, on, own), self.edited(index, on, strange)]
        return self.moved(self.lit(views, rng), size, rng)


def make(data: dict[str, Any], root: Path, seed: int) -> LabelledFaces:
    """The set that a recipe's [data] table of kind "face_swaps" asks for; see facedata.make."""
    return folders(FaceSwaps, data, root, seed)
