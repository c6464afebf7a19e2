"""Pictures with captions: garments described by the colour namer, emoji by their names, birds by
what people wrote, any folder by its text files.

Captions are lower-case words; word 0 is the end of a caption and its padding. Knows no network.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines import colournames
from engines.datasets import Batch, DataError, chosen, photo_files, read_rgb, to_signed
from engines.wording import words_of

END = "<end>"
_SIDED = frozenset(
    ("left", "right", "clockwise", "anticlockwise", "left-pointing", "right-pointing")
)
HELD_OUT = 10  # of a set without splits, every tenth picture by the checksum of its name
JUDGES = 4  # of its other pictures, every fourth is in "judges" and not in "taught"


@dataclass(frozen=True)
class Entry:
    """One picture: where it lies, what it shows, in which words. `captions` may wait for the
    picture: a function of it."""

    file: Path
    klass: str
    captions: tuple[str, ...] | Callable[[np.ndarray], tuple[str, ...]]
    flip: bool = True


class Captioned:
    """Pictures with captions of one or more folders, or drawn ones, decoded once.

    size        (width, height) at which pictures are kept; a picture of another shape is padded to
                it with its blurred rim (`fit` = "pad") or squeezed into it ("squeeze")
    split       "train", "val" or "test"; a folder without splits holds out a tenth as "test", and
                parts the others into "taught" and, for who is to judge, "judges"
    vocabulary  the words to use, END first; None: those of the training split that come up in at
                least `rarest` pictures, sorted. Other words are left out of the captions.
    longest     words a caption may have; longer ones are left out, or cut where there is no other
    shift       greatest random move and change of size, as a share of the side

    Batches: photo (N, 3, H, W) float32 in [-1, 1]; words (N, longest) int64 padded with 0; lengths
    (N,) int64; klass (N,) int64, an index into `classes`; index (N,) int64: which picture.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        size: tuple[int, int] = (128, 128),
        vocabulary: Sequence[str] | None = None,
        seed: int = 0,
        flip: bool = True,
        fit: str = "pad",
        shift: float = 0.0,
        longest: int = 16,
        rarest: int = 1,
        pictures: Sequence[np.ndarray] | None = None,
        known: Sequence[str] = (),
    ) -> None:
        if not entries:
            raise DataError("There is no picture with a caption in the folders asked for.")
        self.size, self.seed, self.flip, self.shift, self.longest = size, seed, flip, shift, longest
        self.files = [entry.file for entry in entries]
        with ThreadPoolExecutor() as pool:
            if pictures is None:
                read = list(pool.map(lambda e: _read(e, size, fit), entries))
            else:
                read = [(p, _told(e, p)) for e, p in zip(entries, pictures)]
        self.photos = np.stack([photo for photo, _ in read])  # (P, H, W, 3) uint8
        self.captions: list[tuple[str, ...]] = [captions for _, captions in read]
        self.classes = tuple(sorted({*known, *(e.klass for e in entries)}))
        self.klass = np.array([self.classes.index(e.klass) for e in entries])
        self.vocabulary = tuple(vocabulary or _vocabulary(self.captions, rarest))
        place = {word: k for k, word in enumerate(self.vocabulary) if k}
        self.encoded = [self._encode(texts, place) for texts in self.captions]
        self.usable = np.flatnonzero([bool(c) for c in self.encoded])
        if not len(self.usable):
            raise DataError("No caption holds a word of the vocabulary.")
        self.may_flip = np.array(
            [e.flip and not _is_sided(c) for e, c in zip(entries, self.captions)]
        )

    def __len__(self) -> int:
        return len(self.photos)

    def _encode(self, texts: Sequence[str], place: Mapping[str, int]) -> list[np.ndarray]:
        """Each caption as (longest,) int64, padded with 0; those that are too long are left out,
        unless all are."""
        found = [[place[word] for word in words_of(text) if word in place] for text in texts]
        found = [words for words in found if words]
        short = [words for words in found if len(words) <= self.longest]
        cut = short or [words[: self.longest] for words in found]
        return [np.array(words + [0] * (self.longest - len(words)), np.int64) for words in cut]

    def photo(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """(H, W, 3) uint8, neither flipped nor moved."""
        return _scaled(self.photos[index], size or self.size)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = self.usable[chosen(count, len(self.usable), self.seed, step, rank)]
        words = [self.encoded[p][int(rng.integers(len(self.encoded[p])))] for p in picks]
        if size == self.size and not self.shift:
            photos = self.photos[picks]
            turned = self.may_flip[picks] & (rng.random(count) < 0.5) & self.flip
            photos[turned] = photos[turned, :, ::-1]
        else:
            photos = np.stack([self._varied(int(p), size, rng) for p in picks])
        words = np.stack(words)
        return {
            "photo": to_signed(photos),
            "words": words,
            "lengths": (words > 0).sum(1).astype(np.int64),
            "klass": self.klass[picks].astype(np.int64),
            "index": picks.astype(np.int64),
        }

    def _varied(self, index: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        photo = self.photo(index, size)
        if self.flip and self.may_flip[index] and rng.random() < 0.5:
            photo = np.ascontiguousarray(photo[:, ::-1])
        if self.shift:
            scale = 1 + rng.uniform(-self.shift, self.shift)
            move = (rng.uniform(-self.shift, self.shift, 2) + (1 - scale) / 2) * size
            matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]], np.float32)
            photo = cv2.warpAffine(photo, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        return photo


def _vocabulary(captions: Sequence[Sequence[str]], rarest: int) -> tuple[str, ...]:
    """END, then the words of at least `rarest` pictures, sorted."""
    seen = Counter(w for texts in captions for w in {w for t in texts for w in words_of(t)})
    return (END, *sorted(word for word, count in seen.items() if count >= rarest))


def _is_sided(captions: Sequence[str]) -> bool:
    return any(not _SIDED.isdisjoint(words_of(text)) for text in captions)


def _told(entry: Entry, photo: np.ndarray) -> tuple[str, ...]:
    return entry.captions if isinstance(entry.captions, tuple) else entry.captions(photo)


def _read(entry: Entry, size: tuple[int, int], fit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    photo = read_rgb(entry.file)
    return padded(photo, size, fit == "pad"), _told(entry, photo)


def _scaled(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if photo.shape[1::-1] == size:
        return photo
    smaller = size[0] <= photo.shape[1]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def inner(photo: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """left, top, width and height of a photo of size (width, height) laid whole into the middle of
    another."""
    scale = min(size[0] / photo[0], size[1] / photo[1])
    width, height = (max(1, round(side * scale)) for side in photo)
    return (size[0] - width) // 2, (size[1] - height) // 2, width, height


def padded(photo: np.ndarray, size: tuple[int, int], whole: bool = True) -> np.ndarray:
    """The photo (H, W, 3) at `size` (width, height): `whole` in its middle with the blurred rim
    around it, or squeezed into it."""
    left, top, width, height = inner((photo.shape[1], photo.shape[0]), size)
    if not whole or (width, height) == size:
        return _scaled(photo, size)
    small = _scaled(photo, (width, height))
    right, bottom = size[0] - width - left, size[1] - height - top
    soft = cv2.GaussianBlur(small, (0, 0), 0.05 * max(width, height))
    rim = cv2.copyMakeBorder(soft, top, bottom, left, right, cv2.BORDER_REPLICATE)
    rim[top : top + height, left : left + width] = small
    return rim


# ---- folders -------------------------------------------------------------------------------------

GARMENTS = {
    "dress": "dress",
    "hat": "hat",
    "longsleeve": "long-sleeved top",
    "outwear": "jacket",
    "pants": "pair of trousers",
    "shirt": "shirt",
    "shoes": "pair of shoes",
    "shorts": "pair of shorts",
    "skirt": "skirt",
    "t-shirt": "t-shirt",
}


def garment_captions(klass: str, photo: np.ndarray) -> tuple[str, ...]:
    """Captions of a garment photo (H, W, 3) uint8, the fullest first."""
    colours, ground = colournames.of_thing(photo)
    colour, noun = " and ".join(colours), GARMENTS.get(klass, klass)
    return (
        f"{_a(colour)} {noun} on {_a(ground)} background",
        f"{_a(colour)} {noun}",
        f"{_a(noun)} in {colour} on {ground}",
    )


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeio' else 'a'} {word}"


def _clothing(folder: Path, split: str) -> list[Entry]:
    return [
        Entry(folder / r["split"] / r["file"], r["class"], _garment(r["class"]))
        for r in _rows(folder / "labels.csv")
        if r["split"] == split
    ]


def _garment(klass: str) -> Callable[[np.ndarray], tuple[str, ...]]:
    return lambda photo: garment_captions(klass, photo)


# keywords of emoji that a program should not say of pictures by itself
UNFIT = frozenset((
    "boobs", "butt", "communism", "creationism", "diarrhea", "drugs", "jew", "middle finger",
    "nutcase", "penis", "scientology", "sex", "sexy", "shit", "socialism", "vagina", "wth",
))  # fmt: skip
_TONED = re.compile(r"tone ?\d|skin tone|1f3f[b-f]")


def _emoji(folder: Path, split: str) -> list[Entry]:
    """Without flags, regional letters, the copies of people in other skin tones, and keywords that
    are UNFIT."""
    entries = []
    for r in _rows(folder / "captions.csv"):
        if r["category"] in ("flags", "regional", "modifier") or _TONED.search(
            f"{r['name']} {r['file']}".lower()
        ):
            continue
        if not _belongs(r["file"], split):
            continue
        told = r["keywords"].split(";")
        keywords = [k for k in told if k and k != r["name"] and k not in UNFIT]
        captions = (r["name"], *(f"{r['name']} {k}" for k in keywords[:4]))
        entries.append(
            Entry(folder / "images" / r["file"], r["category"] or "other", captions, False)
        )
    return entries


def _birds(folder: Path, split: str) -> list[Entry]:
    entries = []
    for r in _rows(folder / "labels.csv"):
        if r["split"] == split:
            text = folder / "text" / Path(r["file"]).with_suffix(".txt").name
            entries.append(Entry(folder / "images" / r["file"], r["species"], _lines(text)))
    return entries


def _pictures_and_texts(folder: Path, split: str) -> list[Entry]:
    """Any folder of pictures, each with a .txt of the same name beside it or below text/."""
    entries = []
    for file in photo_files(folder / "images" if (folder / "images").is_dir() else folder):
        beside = [file.with_suffix(".txt"), folder / "text" / f"{file.stem}.txt"]
        text = next((t for t in beside if t.is_file()), None)
        entries += [Entry(file, folder.name, _lines(text))] if text else []
    if not entries:
        raise DataError(f"No picture in {folder} has a text file of the same name.")
    return [e for e in entries if _belongs(e.file.name, split)]


def read_folder(folder: Path, split: str = "train") -> list[Entry]:
    """The pictures of a folder with their captions, its layout recognised: labels.csv with classes
    (garments) or species, captions.csv with names and keywords, or pictures beside text files."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    if (folder / "captions.csv").is_file():
        return _emoji(folder, split)
    if (folder / "labels.csv").is_file():
        columns = _rows(folder / "labels.csv")[0]
        if "species" in columns:
            return _birds(folder, split)
        if "class" in columns:
            return _clothing(folder, split)
        raise DataError(f"The labels.csv in {folder} has neither a column class nor species.")
    return _pictures_and_texts(folder, split)


def _belongs(name: str, split: str) -> bool:
    """Whether a file is of this split of a set that has none."""
    held_out = zlib.crc32(name.encode()) % HELD_OUT == 0
    if split not in ("train", "taught", "judges"):
        return held_out
    judges = zlib.crc32(name[::-1].encode()) % JUDGES == 0
    return not held_out and (split == "train" or judges == (split == "judges"))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{path} holds no row.")
    return rows


def _lines(path: Path) -> tuple[str, ...]:
    found = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in found if line.strip())


# ---- recipes -----------------------------------------------------------------------------------


def captioned(
    folders: Sequence[Path], split: str = "train", vocabulary: Sequence[str] | None = None,
    rarest: int = 1, **options: Any,
) -> Captioned:  # fmt: skip
    """The captioned pictures of the folders. For another split than "train", `vocabulary` is that
    of the training split, which is handed over."""
    entries = [entry for folder in folders for entry in read_folder(folder, split)]
    known = sorted({e.klass for folder in folders for e in read_folder(folder, "train")})
    return Captioned(entries, vocabulary=vocabulary, rarest=rarest, known=known, **options)


def make(data: dict[str, Any], root: Path, seed: int) -> Captioned:
    """The set that a recipe's [data] table of kind "captions" asks for: `folder`, a name below
    `root` or a list of them, and the options of Captioned."""
    data = dict(data)
    if "size" in data:
        data["size"] = tuple(data["size"])
    try:
        asked = data.pop("folder", ".")
        names = [asked] if isinstance(asked, str) else list(asked)
        folders = [root / name if (root / name).is_dir() else root for name in names]
        return captioned(folders, seed=seed, **data)
    except TypeError as error:
        raise DataError(
            f"The recipe's data table has an entry that is unknown: {error}."
        ) from error
