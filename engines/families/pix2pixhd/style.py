"""How each object of a label map looks: which pixels are one object, which cluster of features it
takes, and what clusters are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from engines import palettes

SHARE = 0.5  # of (pixels of the picture // 32), below which an object is too small to learn from


@dataclass(frozen=True)
class Objects:
    """places (H, W): the number from 0 on of the object that a pixel belongs to; labels and numbers
    (count,): its class, and its number as given."""

    places: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, numbers: np.ndarray) -> Objects:
        """Objects are pixels of equal class and number, both (H, W) of integers; in ascending order
        of number, then class."""
        rows = np.stack((numbers.ravel(), labels.ravel()), 1).astype(np.int64)
        packed = rows[:, 0] * (1 + int(rows[:, 1].max())) + rows[:, 1]
        _, first, places = np.unique(packed, return_index=True, return_inverse=True)
        return cls(places.reshape(labels.shape), rows[first, 1], rows[first, 0])

    @classmethod
    def numbered(cls, labels: np.ndarray, numbers: np.ndarray, things: frozenset[int]) -> Objects:
        """By a map in which only some objects have a number: what has 0 is told apart as in
        `painted`."""
        if not (numbers == 0).any():
            return cls.of(labels, numbers)
        rest = cls.painted(labels, things)
        return cls.of(labels, np.where(numbers == 0, rest.places - len(rest), numbers))

    @classmethod
    def painted(cls, labels: np.ndarray, things: frozenset[int]) -> Objects:
        """Without an object map: regions that touch are one object, and so are all pixels of a
        class of which there are no countable things."""
        stuff = frozenset(int(n) for n in np.unique(labels)) - things if things else frozenset()
        return cls.of(labels, palettes.regions(labels.astype(np.uint8), stuff))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def map(self) -> Tensor:
        """int64 (1, 1, H, W): the object of every pixel."""
        return torch.from_numpy(self.places.astype(np.int64))[None, None]

    def most(self, values: np.ndarray) -> np.ndarray:
        """(count,): the value from 0 to 255 that most pixels of each object have in `values`
        (H, W)."""
        votes = np.bincount(
            self.places.ravel() * 256 + values.ravel().astype(np.int64), minlength=256 * len(self)
        )
        return votes.reshape(len(self), 256).argmax(1)


def chosen(objects: Objects, counts: Tensor, seed: int, wish: np.ndarray) -> np.ndarray:
    """Cluster (count,) that each object takes, -1 where its class has none.

    counts (labels,): clusters of each class. wish (count,): 0 lets the seed draw, n asks for
    cluster n. What is drawn for the objects of one class does not depend on other classes.
    """
    picks = np.full(len(objects), -1, np.int64)
    for label in np.unique(objects.labels):
        count = int(counts[label]) if label < len(counts) else 0
        if not count:
            continue
        ours = np.flatnonzero(objects.labels == label)
        draw = torch.Generator().manual_seed((seed * 1_000_003 + int(label)) & (2**63 - 1))
        drawn = torch.randint(count, (len(ours),), generator=draw).numpy()
        picks[ours] = np.where(wish[ours] > 0, np.minimum(wish[ours], count) - 1, drawn)
    return picks


def vectors(objects: Objects, clusters: Tensor, picks: np.ndarray) -> Tensor:
    """(count, features): the clusters (labels, most, features) that were picked, zeros where
    none."""
    labels = torch.from_numpy(np.minimum(objects.labels, len(clusters) - 1))
    found = clusters.cpu()[labels, torch.from_numpy(np.maximum(picks, 0))]
    return found * torch.from_numpy(picks >= 0)[:, None]


def painted(objects: Objects, found: Tensor) -> Tensor:
    """(1, features, H, W): every object in its features (count, features)."""
    return found[torch.from_numpy(objects.places)].permute(2, 0, 1)[None].contiguous()


# ---- clusters ------------------------------------------------------------------------------------


def rows(objects: Objects, features: Tensor) -> dict[int, np.ndarray]:
    """Class -> a row for each of its objects: features and size, as the reference measures it. The
    features (1, F, H, W) are means over the objects."""
    flat = features[0].flatten(1).cpu().numpy()
    _, first, counts = np.unique(objects.places, return_index=True, return_counts=True)
    size = counts / max(objects.places.size // 32, 1)
    table = np.concatenate((flat[:, first].T, size[:, None]), 1)
    return {int(n): table[objects.labels == n] for n in np.unique(objects.labels)}


def clustered(found: Mapping[int, list[np.ndarray]], most: int, seed: int) -> dict[int, Tensor]:
    """Class -> the centres (up to `most`, features) of groups of the rows of its larger objects;
    classes without any are left out."""
    made: dict[int, Tensor] = {}
    for label, parts in found.items():
        table = np.concatenate(parts)
        points = table[table[:, -1] > SHARE, :-1].astype(np.float32)
        count = min(most, len(np.unique(points, axis=0)))
        if not count:
            continue
        cv2.setRNGSeed(seed)
        stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 100, 1e-4)
        _, _, centres = cv2.kmeans(
            np.ascontiguousarray(points), count, np.empty(0), stop, 4, cv2.KMEANS_PP_CENTERS
        )
        made[label] = torch.from_numpy(centres)
    return made
