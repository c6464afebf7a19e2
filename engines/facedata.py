"""Aligned portraits with labels (labels.csv, the lists of CelebA, or folders): which attribute is
on, off or unknown in each, and draws in which every group comes up about as often. Knows no
network.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.datasets import SUFFIXES, Batch, DataError, photo_files, read_rgb, to_signed

Row = Mapping[str, str]
_YEARS = re.compile(r"age_(\d+)_(\d+)")


@dataclass(frozen=True)
class Rule:
    """Which words of one column of labels.csv mean on and which mean off; others: unknown."""

    column: str
    on: tuple[str, ...]
    off: tuple[str, ...]


_HAIR = ("brown", "grey_white", "black", "blond", "bald", "red")


def _hair(colour: str) -> tuple[Rule, ...]:
    return (Rule("hair", (colour,), tuple(c for c in _HAIR if c != colour)),)


RULES: dict[str, tuple[Rule, ...]] = {
    "smile": (Rule("smile", ("teeth", "1"), ("closed", "none", "0")),),
    "glasses": (Rule("glasses", ("yes",), ("no",)),),
    "facial_hair": (Rule("facial_hair", ("yes",), ("no",)),),
    "black_hair": _hair("black"),
    "brown_hair": _hair("brown"),
    "blond_hair": _hair("blond"),
    "grey_hair": _hair("grey_white"),
    "male": (
        Rule("gender_presentation", ("male",), ("female",)),
        Rule("gender", ("0",), ("1",)),
    ),
}
YES, NO = ("1", "yes", "true"), ("0", "-1", "no", "false")  # of a column that no rule names
WITH, WITHOUT = "with", "without"  # folders of examples of one attribute
LIST, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
PLACES = ("img_align_celeba", "images")  # where the pictures of a list lie, if not beside it
RIDGE = 5.0  # photos
LEAST = 0.25  # of the strongest effect: what counts as none, and what is left out above
SPLITS = {"0": "train", "1": "val", "2": "test"}
OLD, YOUNG = 60, 50  # years: "old" is on from the one and off below the other, else unknown


class LabelledFaces:
    """The portraits of one or more folders, each with its labels.csv (columns file and split, and
    one or more of those that RULES name, `age` or `age_upper_bound` in years), with the lists of
    CelebA (list_attr_celeba.txt, list_eval_partition.txt), with folders `with` and `without` of
    examples of one attribute, which is named as the folder, or with a folder for each class.

    attributes  names of RULES, "old", "age_LOW_HIGH" (years, both inclusive), or any column of yes
                and no; of a list as it names them ("Smiling"), of folders the names of those
    limit       pictures that are read of a large set, evenly over it; 0: all of them
    size        (width, height) at which pictures are kept; None: as they are in the first folder
    balance     attributes or columns whose values are drawn about equally often; values that fewer
                than 2 % have are left as rare as they are
    most        how many times as often as on average a photo may be drawn for the sake of balance
    tiers       licence tiers that are used where a folder has a column licence_tier; empty: all
    confidence  labels by a model count from this probability on, else they are unknown
    shift       greatest random move, as a share of the side; flips are even chances

    Raises DataError with one sentence where a folder, a label file, an attribute or every picture
    is missing.
    """

    def __init__(
        self,
        folder: Path | Sequence[Path],
        size: tuple[int, int] | None = None,
        attributes: Sequence[str] = ("smile",),
        seed: int = 0,
        balance: Sequence[str] = (),
        tiers: Sequence[str] = (),
        split: str = "train",
        confidence: float = 0.8,
        flip: bool = True,
        shift: float = 0.0,
        most: float = 4.0,
        limit: int = 0,
    ) -> None:
        self.folders = (folder,) if isinstance(folder, Path) else tuple(folder)
        self.attributes = tuple(attributes)
        self.seed, self.flip, self.shift, self.most = seed, flip, shift, most
        found = [(f, row) for f in self.folders for row in _rows(f)]
        found = [(f, row) for f, row in found if row.get("split", split) == split]
        if tiers:
            found = [(f, row) for f, row in found if row.get("licence_tier", tiers[0]) in tiers]
        if 0 < limit < len(found):
            found = [found[k * len(found) // limit] for k in range(limit)]
        if not found:
            raise DataError(
                f"{self.folders[0]} has no picture of the split {split}"
                + (f" and the licence tiers {', '.join(tiers)}." if tiers else ".")
            )
        self.rows = [row for _, row in found]
        self.files = [
            f / r["file"] if "/" in r["file"] else f / split / r["file"] for f, r in found
        ]
        self.labels, self.known = self._read_labels(confidence)
        self.weights = self._balanced(tuple(balance))
        with ThreadPoolExecutor() as pool:
            first = read_rgb(self.files[0])
            self.size = size or (first.shape[1], first.shape[0])
            self.photos = list(pool.map(lambda path: _fit(read_rgb(path), self.size), self.files))

    def __len__(self) -> int:
        return len(self.files)

    def _read_labels(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Labels and whether they are known, each (photos, attributes) float32 in {0, 1}."""
        seen = np.array([[told(r, a, confidence) for a in self.attributes] for r in self.rows])
        for name, column in zip(self.attributes, seen.T):
            if np.isnan(column).all():
                raise DataError(f"Nothing in {self.folders[0].name} says who has “{name}”.")
        return np.nan_to_num(seen).astype(np.float32), (~np.isnan(seen)).astype(np.float32)

    def _balanced(self, names: tuple[str, ...], rounds: int = 30) -> np.ndarray:
        """Chances of being drawn (photos,), of sum one: fitted to equal shares of every value of
        every name in turn (raking), as far as none comes up `most` times as often as on average."""
        chances = np.full(len(self), 1 / len(self))
        groups = [self._groups(name) for name in names]
        for _ in range(rounds if names else 0):
            for members in groups:
                total = sum(chances[m].sum() for m in members)
                for member in members:
                    chances[member] *= total / len(members) / chances[member].sum()
            for _ in range(rounds):  # what the limit takes from some, the others get
                chances = np.minimum(chances, self.most / len(self))
                chances /= chances.sum()
        return chances

    def _groups(self, name: str) -> list[np.ndarray]:
        """Indices of the photos of each value of an attribute or column, without rare values."""
        if name in self.attributes:
            groups = [self.split(name, value) for value in (False, True)]
        else:
            words = np.array([row.get(name, "") for row in self.rows])
            groups = [np.flatnonzero(words == word) for word in np.unique(words) if word]
        groups = [g for g in groups if len(g) >= 0.02 * len(self)]
        if not groups:
            raise DataError(f"“{name}” is no attribute of the recipe and no column of labels.csv.")
        return groups

    def split(self, attribute: str, value: bool) -> np.ndarray:
        """Indices of the photos that are known to have, or known to lack, an attribute."""
        column = self.attributes.index(attribute)
        known = self.known[:, column] > 0
        return np.flatnonzero(known & (self.labels[:, column] == float(value)))

    def years(self) -> np.ndarray:
        """Age in years (photos,) as labels.csv tells it, an upper bound in faces_public; nan where
        unknown."""
        return np.array([_years(row) for row in self.rows])

    def photo(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """(H, W, 3) uint8, neither flipped nor moved."""
        return _fit(self.photos[index], size or self.size)

    def varied(self, index: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """(H, W, 3) uint8, flipped half of the time and moved by up to `shift`."""
        return self.moved((self.photos[index],), size, rng)[0]

    def moved(
        self, photos: Sequence[np.ndarray], size: tuple[int, int], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Photos (H, W, 3) uint8 of that size, all flipped or none, all moved alike."""
        photos = [_fit(photo, size) for photo in photos]
        if self.flip and rng.random() < 0.5:
            photos = [np.ascontiguousarray(photo[:, ::-1]) for photo in photos]
        if self.shift:
            scale = 1 + rng.uniform(-self.shift, self.shift)
            move = (rng.uniform(-self.shift, self.shift, 2) + (1 - scale) / 2) * size
            matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]], np.float32)
            edge = cv2.BORDER_REFLECT_101
            photos = [cv2.warpAffine(p, matrix, size, borderMode=edge) for p in photos]
        return photos

    def regions(self, side: int = 32) -> np.ndarray:
        """Where each attribute shows: (attributes, side, side) float32 from 0 to 1. A ridge
        regression of aligned photos on all labels at once, so that what goes along with another
        label (grey hair with age) counts for that one alone; unknown labels count as the mean."""
        photos = np.stack(
            [cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in self.photos]
        ).astype(np.float32)
        both = np.stack((photos, photos[:, :, ::-1])).mean(0)  # faces are about symmetrical
        shown = self.labels * self.known
        mean = shown.sum(0) / np.maximum(self.known.sum(0), 1)
        off = (self.labels - mean) * self.known
        normal = off.T @ off + RIDGE * np.eye(off.shape[1], dtype=np.float32)
        flat = both.reshape(len(both), -1)
        slopes = np.linalg.solve(normal, off.T @ (flat - flat.mean(0)))
        strength = np.abs(slopes.reshape(-1, side, side, 3)).mean(3)
        smooth = np.stack([cv2.GaussianBlur(x, (0, 0), side / 24) for x in strength])
        most = np.quantile(smooth, 0.98, axis=(1, 2), keepdims=True)
        return np.clip((smooth / most - LEAST) / (1 - 2 * LEAST), 0, 1).astype(np.float32)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        """photo (N, 3, H, W) in [-1, 1]; labels and known (N, A) in {0, 1}; index (N,): which."""
        rng = np.random.default_rng([self.seed, rank, step])
        picks = rng.choice(len(self), count, p=self.weights)
        photos = np.stack([self.varied(int(pick), size, rng) for pick in picks])
        return {
            "photo": to_signed(photos),
            "labels": self.labels[picks],
            "known": self.known[picks],
            "index": picks,
        }


def make(data: dict[str, Any], root: Path, seed: int) -> LabelledFaces:
    """The set that a recipe's [data] table of kind "faces" asks for: `folder` is a name below
    `root` or a list of them (`root` itself, if it is the one folder), `size` may be absent."""
    return folders(LabelledFaces, data, root, seed)


def folders(
    kind: type[LabelledFaces], data: dict[str, Any], root: Path, seed: int
) -> LabelledFaces:
    """The set of one kind of labelled faces that make() returns."""
    asked = data.pop("folder", ".")
    names = [asked] if isinstance(asked, str) else list(asked)
    places = [root / name if (root / name).is_dir() else root for name in names]
    size = data.pop("size", None)
    try:
        return kind(places, None if size is None else tuple(size), seed=seed, **data)
    except TypeError as error:
        raise DataError(
            f"The recipe's data table has an entry that is unknown: {error}."
        ) from error


def _rows(folder: Path) -> list[Row]:
    path = folder / "labels.csv"
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if (folder / LIST).is_file():
        return _listed(folder)
    if (folder / WITH).is_dir():
        return _examples(folder)
    if found := _classes(folder):
        return found
    raise DataError(
        f"There is no labels.csv and no {LIST} in {folder}, and no folders “{WITH}” and "
        f"“{WITHOUT}” or of classes."
    )


def _listed(folder: Path) -> list[Row]:
    """As CelebA lists them (Liu et al. 2015): how many, the names of the attributes, then a line
    for each picture: its name, 1 or -1 for each. Splits by the partition's 0, 1, 2; else all of
    them are for training."""
    _, names, *lines = (folder / LIST).read_text(encoding="utf-8").splitlines()
    splits = dict(line.split() for line in _lines(folder / PARTITION))
    place = next((f"{n}/" for n in PLACES if (folder / n).is_dir()), "./")
    rows: list[Row] = []
    for line in filter(str.strip, lines):
        name, *values = line.split()
        if len(values) != len(names.split()):
            raise DataError(f"{LIST} has {len(values)} values for {name}, not as many as names.")
        told = dict(zip(names.split(), values))
        rows.append({"file": place + name, "split": SPLITS[splits.get(name, "0")], **told})
    return rows


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [line for line in text.splitlines() if line.strip()]


def _classes(folder: Path) -> list[Row]:
    """A folder for each class, or such folders for each split: pictures have the attribute that
    their folder is named after and lack those of the others."""
    splits = {s: folder / s for s in SPLITS.values() if (folder / s).is_dir()} or {"train": folder}
    found = [
        (split, file)
        for split, place in splits.items()
        for file in sorted(place.glob("*/*"))
        if file.suffix.lower() in SUFFIXES
    ]
    names = {file.parent.name for _, file in found}
    return [
        {
            "file": file.relative_to(folder).as_posix(),
            "split": split,
            **{name: "yes" if name == file.parent.name else "no" for name in names},
        }
        for split, file in found
    ]


def _examples(folder: Path) -> list[Row]:
    """A folder of examples: pictures in `with` have the attribute that the folder is named after,
    those in `without` lack it. All are for training."""
    return [
        {"file": f"{side}/{file.name}", "split": "train", folder.name: word}
        for side, word in ((WITH, "yes"), (WITHOUT, "no"))
        if (folder / side).is_dir()
        for file in photo_files(folder / side)
    ]


def told(row: Row, attribute: str, confidence: float) -> float:
    """What a row of labels.csv says of an attribute: 1.0, 0.0, or nan where it is unknown."""
    if attribute == "old":
        years = _years(row)
        young = years < YOUNG or row.get("age_group_perceived") == "u35"
        old = years >= OLD and row.get("age_group_perceived") not in ("u35", "35-50")
        return 0.0 if young else 1.0 if old else np.nan
    if match := _YEARS.fullmatch(attribute):
        years = _years(row)
        return years if np.isnan(years) else float(int(match[1]) <= years <= int(match[2]))
    for rule in RULES.get(attribute, (Rule(attribute, YES, NO),)):
        word = row.get(rule.column, "")
        guessed = row.get(rule.column + "_source") == "model"
        if guessed and float(row.get(rule.column + "_conf") or 0) < confidence:
            continue
        if word in rule.on or word in rule.off:
            return float(word in rule.on)
    return np.nan


def column(attribute: str) -> str:
    """The column of labels.csv that tells of an attribute: of those of one column one is on at a
    time."""
    if _YEARS.fullmatch(attribute):
        return "age"
    return RULES[attribute][0].column if attribute in RULES else attribute


def _years(row: Row) -> float:
    return float(row.get("age") or row.get("age_upper_bound") or "nan")


def _fit(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if photo.shape[1::-1] == size:
        return photo
    smaller = size[0] <= photo.shape[1]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
