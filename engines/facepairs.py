"""Pairs of aligned portraits that differ in some of their labels, made from labelled portraits
alone: by prototypes (engines/prototypes.py), and for spectacles by drawing them
(engines/spectacles.py). Half of the pairs are turned around, so that a network that learns from
them aims at real photos half of the time. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.datasets import Batch, DataError, to_signed
from engines.facedata import LabelledFaces, column, folders
from engines.prototypes import WHERE, Prototypes
from engines.spectacles import Spectacles

DRAWN = "glasses"  # the attribute that is drawn
SAME = 0.15  # share of pairs without a change
SINGLE = 0.6  # of the others, those with one change alone
PARTLY = 0.25  # of the changes, those that are less or more than whole
LEAST, MOST = 0.3, 1.3  # of a change, then
LEFT_OUT = 0.2  # share of the photos that make no pair, those that fit the others worst
LIGHT = 0.12  # most by which a pair's brightness, contrast and colours vary


class FacePairs(LabelledFaces):
    """LabelledFaces whose batches hold pairs.

    gains  how many times as far as its prototypes an attribute goes; 1 where none is told
    where  attribute -> the only place of prototypes.WHERE that it changes; the head if not told

    Raises DataError as LabelledFaces does, and for portraits that are not square.
    """

    def __init__(
        self,
        folder: Path | Sequence[Path],
        size: tuple[int, int] | None = None,
        gains: Mapping[str, float] | None = None,
        where: Mapping[str, str] | None = None,
        **asked: Any,
    ) -> None:
        super().__init__(folder, size, **asked)
        where = where or {}
        if unknown := (set(gains or {}) | set(where)) - set(self.attributes):
            raise DataError(f"“{sorted(unknown)[0]}” is no attribute of the recipe.")
        if unknown := set(where.values()) - set(WHERE):
            raise DataError(f"“{sorted(unknown)[0]}” is none of the places {', '.join(WHERE)}.")
        if self.size[0] != self.size[1]:
            raise DataError("Pairs are made of square portraits; give the recipe's data a size.")
        self.gains = np.array([(gains or {}).get(a, 1.0) for a in self.attributes], np.float32)
        places = [where.get(name, "head") for name in self.attributes]
        self.prototypes = Prototypes(self.photos, self.labels, self.known, self._apart(), places)
        columns = [column(a) for a in self.attributes]
        groups = {tuple(n for n, c in enumerate(columns) if c == own) for own in columns}
        self.groups = [list(group) for group in sorted(groups)]  # of one column each
        self.drawn = self.attributes.index(DRAWN) if DRAWN in self.attributes else -1
        self.usual = Spectacles()
        fits = self.prototypes.fits >= np.quantile(self.prototypes.fits, LEFT_OUT)
        self.weights = self.weights * fits / self.weights[fits].sum()

    def _apart(self) -> np.ndarray | None:
        """(N, B): what sets the photos apart beside their labels, as far as labels.csv tells it."""
        told = []
        if all(row.get("sharpness") for row in self.rows):
            told.append([float(row["sharpness"]) for row in self.rows])
        sources = sorted({row.get("source", "") for row in self.rows})
        told += [[float(row.get("source", "") == s) for row in self.rows] for s in sources[1:]]
        return np.array(told, np.float32).T if told else None

    def change(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """(A,): how the labels of a photo change, as far as they are known; 1 is from off to on."""
        made = np.zeros(len(self.attributes), np.float32)
        if rng.random() < SAME:
            return made
        count = 1 if rng.random() < SINGLE else int(rng.integers(2, 4))
        groups = [group for group in self.groups if self.known[index, group].all()]
        for number in rng.permutation(len(groups)):
            group = groups[number]
            place = int(rng.choice(group))
            by = rng.uniform(LEAST, MOST) if rng.random() < PARTLY else 1.0
            goal = np.zeros(len(group), np.float32)
            goal[group.index(place)] = 1 if len(group) > 1 else 1 - self.labels[index, place]
            made[group] = by * (goal - self.labels[index, group])
            count -= bool(made[group].any())
            if not count:
                break
        return made

    def edited(
        self, index: int, change: np.ndarray, spectacles: Spectacles | None = None
    ) -> np.ndarray:
        """(S, S, 3) uint8: a photo whose labels are changed. Spectacles that are put on are drawn;
        those of a change that is not whole are blended in."""
        told = change * self.gains
        on = change[self.drawn] if self.drawn >= 0 else 0.0
        if on > 0:
            told[self.drawn] = 0
        made = self.prototypes.edited(index, told) if told.any() else self.photos[index]
        if on > 0:
            worn = (spectacles or self.usual).worn(made)
            made = cv2.addWeighted(worn, min(1.0, on), made, 1 - min(1.0, on), 0)
        return made

    def pair(
        self, index: int, change: np.ndarray, back: bool, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The photo and its edit, or with `back` the edit and the photo, in spectacles of any kind;
        both in one light."""
        spectacles = Spectacles.varied(rng) if back else self.usual
        pair = self.photos[index], self.edited(index, change, spectacles)
        photo, aim = self.lit(pair[::-1] if back else pair, rng)
        return photo, aim

    def lit(self, photos: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Photos (S, S, 3) uint8 in another light and other colours, all in the same."""
        gain = 1 + rng.uniform(-LIGHT, LIGHT, 3) * 0.5 + rng.uniform(-LIGHT, LIGHT)
        shift = rng.uniform(-LIGHT, LIGHT) * 64 + 0.5
        return [np.clip(p * gain + shift, 0, 255).astype(np.uint8) for p in photos]

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        """photo and aim (N, 3, H, W) in [-1, 1]: what a network is given and what it is to make of
        it; labels and known (N, A) of the real one of the two; from and change (N, A): what is to
        be added to these labels to have those of the photo, and those of the aim; back (N,) bool:
        the aim is the real one."""
        rng = np.random.default_rng([self.seed, rank, step])
        picks = rng.choice(len(self), count, p=self.weights)
        found: dict[str, list[Any]] = {n: [] for n in ("photo", "aim", "from", "change", "back")}
        for pick in map(int, picks):
            change, back = self.change(pick, rng), bool(rng.random() < 0.5)
            if back and self.drawn >= 0 and change[self.drawn] > 0:
                change[self.drawn] = 1.0  # those that are to come off are worn, not blended in
            pair = self.pair(pick, change, back, rng)
            photo, aim = self.moved(pair, size, rng)
            found["photo"].append(photo)
            found["aim"].append(aim)
            found["from"].append(change * back)
            found["change"].append(change * (not back))
            found["back"].append(back)
        return {
            "photo": to_signed(np.stack(found["photo"])),
            "aim": to_signed(np.stack(found["aim"])),
            "labels": self.labels[picks],
            "known": self.known[picks],
            "from": np.stack(found["from"]).astype(np.float32),
            "change": np.stack(found["change"]).astype(np.float32),
            "back": np.array(found["back"]),
            "index": picks,
        }


def make(data: dict[str, Any], root: Path, seed: int) -> LabelledFaces:
    """The set that a recipe's [data] table of kind "face_pairs" asks for; see facedata.make."""
    return folders(FacePairs, data, root, seed)
