"""Numbers and sample sheets of the starters that paint captions, from held-out captions only.

    python -m engines.evaluate_words words-to-clothes --data ../shared/data [--model FILE] [--write]
                                     [--recipe FILE]

Every held-out caption is painted as the studio paints it, by a job. Beside the model's numbers
stand those of a trivial baseline, the training picture whose caption is nearest, and those of the
real pictures. Judges that the generator never saw: two encoders trained on pictures that neither it
nor its own encoders were trained on (where the set has no others, on its training pictures with
other weights; a recipe whose data is `split = "taught"` leaves a quarter of them to the judges),
the colour namer, and a recogniser of garments or of the set's own classes.
`--write` stores the numbers in the model's metadata; the sheet goes to docs/models.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from engines import captiondata, checkpoint, colournames, evaluate, images, training
from engines.captiondata import Captioned, Entry
from engines.checkpoint import fill, open_checkpoint
from engines.engine import Engine
from engines.evaluate import ROOT, recipe_of
from engines.families.attngan import config as configs
from engines.families.attngan import losses
from engines.families.attngan.net import AttnGAN, padding
from engines.family import candidates
from engines.job import Job, Picture, Result
from engines.recogniser import Recogniser
from engines.training import Recipe, load_recipe
from engines.wording import words_of

CHOICES = 100  # captions among which a picture must find its own
EVEN = losses.Smooth(even=True)
GARMENT = (96, 128)  # (width, height) of a clothing photo in its square


@dataclass(frozen=True)
class Held:
    """Held-out captions, one for each picture, and the pictures (N, S, S, 3) uint8."""

    captions: list[str]
    classes: list[str]
    pictures: np.ndarray


def split_entries(folder: Path, taught: str = "train") -> tuple[list[Entry], list[Entry]]:
    """Entries that the judges are trained on, and held-out ones: the validation split and every
    other test picture against the rest; of a set that holds out only a tenth, those that the model
    did not see if it was `taught` only "taught", or else its training split."""
    test = captiondata.read_folder(folder, "test")
    val = captiondata.read_folder(folder, "val")
    if [e.file for e in val] == [e.file for e in test]:
        return captiondata.read_folder(folder, "judges" if taught == "taught" else "train"), test
    return val + test[::2], test[1::2]


# ---- the judge -----------------------------------------------------------------------------------


def train_judge(data: Captioned, name: str, path: Path, steps: int) -> None:
    """Two encoders of their own, other in widths and seed than those that ship."""
    recipe = Recipe(
        f"{name}-judge",
        "attngan.train:DAMSMTrainer",
        (training.Stage(steps, (64, 64), 48, 2e-3, 1e-4),),
        {},
        {"word": 48, "sentence": 96, "widths": [24, 48, 96, 128, 160]},
        {"move": 0.1},
        seed=77,
        ema=0.99,
        every={"losses": 25, "samples": 10**6, "state": 10**6},
    )
    for event in training.train(recipe, path.parent / f"{name}-judge", data, "auto"):
        if isinstance(event, training.Progress):
            print(f"judge {event.done}/{event.total} {event.note}", flush=True)
    made = path.parent / f"{name}-judge" / "model.safetensors"
    path.write_bytes(made.read_bytes())


class Judge:
    """How well pictures match captions, by encoders that the generator never saw."""

    def __init__(self, path: Path) -> None:
        opened = open_checkpoint(path)
        config = configs.recognise(opened)
        assert config is not None
        self.vocabulary = {word: n for n, word in enumerate(config.vocabulary)}
        self.module = AttnGAN(config)
        fill(self.module, configs.renamed(opened))
        self.module.eval()

    @torch.inference_mode()
    def scores(self, pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
        """(pictures, captions)."""
        rows = [
            [self.vocabulary[w] for w in words_of(c) if w in self.vocabulary] or [0]
            for c in captions
        ]
        words = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.int64)
        for at, row in enumerate(rows):
            words[at, : len(row)] = torch.tensor(row)
        lengths = torch.tensor([len(row) for row in rows])
        said, sentences = self.module("read", words, lengths)
        hide = padding(words, lengths)
        found = []
        for part in np.array_split(pictures, max(1, len(pictures) // 16)):
            regions, whole = self.module("see", evaluate.signed(part))
            looked = losses.look(regions, said, hide, EVEN).scores / EVEN.words
            found.append(looked + losses.compare(whole, sentences, EVEN))
        return torch.cat(found).numpy()


def r_precision(scores: np.ndarray, captions: Sequence[str], seed: int = 0) -> float:
    """The share of pictures that find their own caption first among CHOICES, the others drawn from
    those of other text (Xu et al. 2018, section 4)."""
    rng, right = np.random.default_rng(seed), 0
    for n, own in enumerate(captions):
        others = np.array([k for k, text in enumerate(captions) if text != own])
        others = rng.choice(others, min(CHOICES - 1, len(others)), replace=False)
        right += bool(scores[n, n] > scores[n, others].max())
    return right / len(captions)


def readable(captions: Sequence[str], known: Collection[str]) -> str:
    """The first of a picture's captions of which the model knows a word: one of which it knows none
    tells it nothing, and the studio says so."""
    found = (text for text in captions if any(word in known for word in words_of(text)))
    return next(found, captions[0])


# ---- pictures ------------------------------------------------------------------------------------


def painted(model: Path, captions: Sequence[str], seed: int = 0) -> np.ndarray:
    """(N, S, S, 3) uint8, each by a job of its own seed."""
    engine = Engine("auto")
    card = engine.describe(str(model))
    made = []
    for n, caption in enumerate(captions):
        job = Job(card.family, card.checkpoint, {"caption": caption}, {}, seed=seed + n)
        *_, result = engine.run(job)
        assert isinstance(result, Result)
        made.append(result.picture.pixels)
    return np.stack(made)


def nearest(captions: Sequence[str], known: Sequence[str]) -> list[int]:
    """For each caption the known one that shares most of its words (intersection over union); of
    several the first."""
    words = [set(words_of(text)) for text in known]
    found = []
    for text in captions:
        own = set(words_of(text))
        found.append(int(np.argmax([len(own & w) / len(own | w) for w in words])))
    return found


# ---- garments ------------------------------------------------------------------------------------


def garments(pictures: np.ndarray) -> np.ndarray:
    """The photo inside of its square, (N, 128, 96, 3), of pictures (N, 128, 128, 3)."""
    left = (pictures.shape[2] - GARMENT[0]) // 2
    return np.ascontiguousarray(pictures[:, :, left : left + GARMENT[0]])


def colours_agree(pictures: np.ndarray, captions: Sequence[str]) -> dict[str, float]:
    """Shares of pictures whose garment, and whose ground, has the colour of the caption, by the
    colour namer that also wrote the captions."""
    right = np.zeros(2)
    for picture, caption in zip(pictures, captions):
        colours, ground = colournames.of_thing(picture)
        thing, _, behind = caption.partition(" on ")
        named = thing.split(" ", 1)[1].startswith(f"{colours[0]} ")
        right += [named, behind.split(" ", 1)[-1] == f"{ground} background"]
    share = right / len(captions)
    return {"colour": float(share[0]), "ground": float(share[1])}


def garment_numbers(pictures: np.ndarray, held: Held, recogniser: Path) -> dict[str, float]:
    small = garments(pictures)
    return {
        **class_number(small, held, recogniser),
        **colours_agree(small, held.captions),
    }


def class_number(pictures: np.ndarray, held: Held, recogniser: Path) -> dict[str, float]:
    """The share of pictures that a recogniser takes for one of their caption's class."""
    net, names = evaluate.load_recogniser(recogniser)
    labels = np.array([names.index(k) for k in held.classes])
    return {"class": evaluate.recognised(net, pictures, labels)}


# ---- emoji ---------------------------------------------------------------------------------------


def train_kinds(data: Captioned, path: Path, steps: int, seed: int = 0) -> None:
    """A recogniser of the set's classes, trained on the pictures of `data`."""
    torch.manual_seed(seed)
    noise = torch.Generator().manual_seed(seed)
    net = Recogniser(len(data.classes))
    photos = [cv2.resize(p, evaluate.VIEW, interpolation=cv2.INTER_AREA) for p in data.photos]
    known = evaluate.Labelled(np.stack(photos), data.klass)
    draw = evaluate.drawing(known, len(data.classes), noise)
    evaluate.teach(net, draw, steps)
    checkpoint.save(path, net.state_dict(), {"names": list(data.classes)})


# ---- all of it -----------------------------------------------------------------------------------


def evaluate_words(
    recipe: Recipe, model: Path, data: Path, runs: Path, steps: int
) -> tuple[dict[str, float], Picture]:
    """The numbers by name, and the sheet: captions of the held-out set and of nobody, painted."""
    split = str(recipe.data.get("split", "train"))
    name = recipe.name if split == "train" else f"{recipe.name}-{split}"  # of its judges
    folder = data / str(recipe.data["folder"])
    size = candidates(open_checkpoint(model))[0][1].size
    for_judge, rest = split_entries(folder, split)
    train = captiondata.make({k: v for k, v in recipe.data.items() if k != "kind"}, data, 1)
    learnt = Captioned(for_judge, (64, 64), train.vocabulary, 77)
    path = runs / f"{name}-judge.safetensors"
    if not path.exists():
        train_judge(learnt, name, path, steps)
    shown = Captioned(rest, (size, size), train.vocabulary)
    held = Held(
        [readable(shown.captions[n], train.vocabulary) for n in shown.usable],
        [shown.classes[shown.klass[n]] for n in shown.usable],
        shown.photos[shown.usable],
    )
    known = [texts[0] for texts in train.captions]
    rows = {
        "": painted(model, held.captions),
        "_nearest": train.photos[nearest(held.captions, known)],
        "_real": held.pictures,
    }
    dressed, kinds = folder.name == "clothing", runs / f"{name}-kinds.safetensors"
    if not dressed and not kinds.exists():
        train_kinds(learnt, kinds, steps)
    judge, numbers = Judge(path), {}
    for suffix, pictures in rows.items():
        found = {"r_precision": r_precision(judge.scores(pictures, held.captions), held.captions)}
        if dressed:
            found |= garment_numbers(pictures, held, runs / "recogniser.safetensors")
        else:
            found |= class_number(pictures, held, kinds)
        numbers |= {f"{key}{suffix}": value for key, value in found.items()}
    numbers["captions"] = len(held.captions)
    numbers["variety"] = _variety(model, held.captions[:12])
    return {k: round(float(v), 4) for k, v in numbers.items()}, _sheet(rows[""], held)


def _variety(model: Path, captions: Sequence[str]) -> float:
    """Mean absolute difference in [0, 1] between two seeds of one caption."""
    one, other = (painted(model, captions, seed).astype(np.float32) for seed in (1000, 2000))
    return float(np.abs(one - other).mean() / 255)


def _sheet(made: np.ndarray, held: Held) -> Picture:
    """24 held-out captions, every so-many-th, painted."""
    picks = np.linspace(0, len(held.captions) - 1, 24).round().astype(int)
    pictures = [Picture(np.ascontiguousarray(made[n])) for n in picks]
    titles = [held.captions[n].removesuffix(" background") for n in picks]
    return images.contact_sheet(pictures, titles, 6)


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    options = evaluate.asked(
        argv,
        "evaluate_words",
        __doc__,
        runs=(Path, ROOT / "runs", "where judges are kept"),
        steps=(int, 900, "of the judge's training"),
        recipe=(Path, None, "by which the model was trained, if not by the one of its name"),
    )
    options.runs.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(options.recipe) if options.recipe else recipe_of(options.name)
    told = recipe, options.model, options.data, options.runs, options.steps
    numbers, sheet = evaluate_words(*told)
    evaluate.report(options, numbers, sheet.pixels, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
