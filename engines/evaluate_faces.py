"""Numbers and sample sheets of the face starters, from held-out portraits only.

    python -m engines.evaluate_faces face-attributes --data ../shared/data [--model FILE] [--write]

Every portrait of the test split is edited as the studio edits it, by a job. A judge, a classifier
that was trained on other real portraits and that no generator ever saw, says whether the edit can
be seen; beside it stands what it says of the photo without any change. `--write` stores the numbers
in the model's metadata. The sheet shows blends of seven held-out people, since nobody's face is
shown edited.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines import checkpoint, embedder, evaluate, faces, images, prototypes, training
from engines.controls import FaceTemplate, ModelCard
from engines.engine import Engine
from engines.evaluate import ROOT, device, signed
from engines.facedata import LabelledFaces
from engines.families.ageing import UTK
from engines.job import Failed, Job, Picture, Result
from engines.recogniser import Recogniser, varied

SEEN = 96  # side in pixels of what the judge sees
CHANGED = 16 / 255  # mean difference of a pixel's channels from which it counts as changed
LAID = {"faces_utk": UTK}  # how the portraits of a folder lie, if not as faces.OWN says
BLENDED = 7  # people in a blend
OLDEST = 100  # years from which on a group of ages has no end
HAIR = ("black_hair", "brown_hair", "blond_hair", "grey_hair")  # turned on, never off
# what one judge learns of a set of portraits; of other sets it learns what the recipe names
JUDGED = {"faces_public": ("smile", "glasses", *HAIR, "male", "old")}
# where an edit belongs on a crop of faces.OWN, as left, top, right, bottom; others: anywhere
REGIONS = {"smile": (42, 82, 102, 128), "glasses": (26, 50, 118, 96)}


# ---- the judge -----------------------------------------------------------------------------------


def portraits(
    recipe: training.Recipe,
    data: Path,
    split: str,
    tiers: Sequence[str] | None = None,
    attributes: Sequence[str] = (),
) -> LabelledFaces:
    """The portraits that a recipe names; where they are not None or empty, of other licence tiers
    and attributes than it does. Those of the training are balanced by the attributes, or where
    these are ages, which exclude each other, as the recipe says."""
    told = recipe.data
    asked = tuple(attributes) or tuple(told["attributes"])
    even = tuple(told.get("balance", ())) if all(a.startswith("age_") for a in asked) else asked
    return LabelledFaces(
        data / str(told["folder"]),
        attributes=asked,
        balance=even if split == "train" else (),
        tiers=tuple(told.get("tiers", ()) if tiers is None else tiers),
        split=split,
        confidence=float(told.get("confidence", 0.8)),
        shift=0.04,
    )


class Judge(Recogniser):
    """Photos (B, 3, SEEN, SEEN) in [-1, 1] -> logits (B, attributes)."""

    def __init__(self, attributes: Sequence[str]) -> None:
        super().__init__(len(attributes))
        self.attributes = tuple(attributes)

    @torch.inference_mode()
    def chances(self, photos: Sequence[np.ndarray], attributes: Sequence[str]) -> np.ndarray:
        """Of every attribute (N, A) in [0, 1], the mean over a photo (H, W, 3) and its mirror
        image."""
        self.eval()
        small = [cv2.resize(p, (SEEN, SEEN), interpolation=cv2.INTER_AREA) for p in photos]
        found = []
        for i in range(0, len(small), 64):
            x = signed(np.stack(small[i : i + 64])).to(next(self.parameters()).device)
            found.append((self(x).sigmoid() + self(x.flip(3)).sigmoid()) / 2)
        return torch.cat(found).cpu().numpy()[:, [self.attributes.index(a) for a in attributes]]


def train_judge(recipe: training.Recipe, data: Path, path: Path, steps: int, seed: int = 7) -> None:
    """Train on the real portraits of every tier, and write to `path`."""
    torch.manual_seed(seed)
    noise = torch.Generator().manual_seed(seed)
    judged = JUDGED.get(str(recipe.data["folder"]), ())
    known, held = (portraits(recipe, data, split, (), judged) for split in ("train", "test"))
    net = Judge(known.attributes)

    def draw(step: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        batch = known.batch(step, 48, (SEEN, SEEN), rank=1000 + seed)
        labels, told = (torch.from_numpy(batch[n]).to(device()) for n in ("labels", "known"))
        soft = labels * 0.9 + 0.05

        def loss(said: Tensor) -> Tensor:
            wrong = F.binary_cross_entropy_with_logits(said, soft, told, reduction="sum")
            return wrong / told.sum()

        return varied(torch.from_numpy(batch["photo"]), noise), loss

    def after(step: int, _: float) -> None:
        if step % 100 == 0 or step == steps:
            found = accuracies(net.chances(held.photos, held.attributes), held)
            print(f"judge {step}/{steps} {found}", flush=True)

    evaluate.teach(net, draw, steps, after)
    checkpoint.save(path, net.state_dict(), {"attributes": list(known.attributes)})


def load_judge(path: Path, attributes: Sequence[str]) -> Judge:
    opened = checkpoint.open_checkpoint(path)
    known = opened.metadata.get("attributes", [])
    if not set(attributes) <= set(known):
        raise SystemExit(f"{path.name} judges other attributes; remove it to train another.")
    net = Judge(known)
    checkpoint.fill(net, opened)
    return net.eval()


def accuracies(chances: np.ndarray, held: LabelledFaces) -> dict[str, float]:
    """For each attribute the mean of the share found among those who have it and the share found
    absent among those who lack it (balanced accuracy)."""
    found = {}
    for place, name in enumerate(held.attributes):
        sides = [
            (chances[held.split(name, on), place] > 0.5) == on
            for on in (False, True)
            if len(held.split(name, on))
        ]
        found[name] = round(float(np.mean([s.mean() for s in sides])), 3)
    return found


# ---- edits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """One change of a portrait: which attribute is to be on or off afterwards, and how a job asks
    for it; `donor`: by a second photo that has it."""

    attribute: str
    on: bool
    values: dict[str, Any]
    donor: bool = False


def edits(card: ModelCard, attributes: Sequence[str]) -> list[Edit]:
    """All changes that a face model offers, told by its controls."""
    if card.control("age") is not None:
        return [Edit(a, True, {"age": float(n)}) for n, a in enumerate(attributes)]
    plain = card.control("attributes") is None
    if plain and card.control("targets") is not None:
        on = Edit(attributes[0], True, {"targets": "swap"}, donor=True)
        return [on, Edit(attributes[0], False, {"targets": "remove"})]
    if plain:
        return [Edit(attributes[0], True, {})]
    found = []
    for place, name in enumerate(attributes):
        for on in (True,) if name in HAIR else (True, False):
            strengths = [0.0] * len(attributes)
            strengths[place] = 1.0 if on else -1.0
            found.append(Edit(name, on, {"attributes": strengths}))
    return found


def unedited(card: ModelCard, own: Sequence[float]) -> dict[str, Any] | None:
    """The values that give the photo back through the net; None where that is the photo itself."""
    if card.control("box") is not None:
        return None
    values: dict[str, Any] = {"face_from": "made"} if card.control("face_from") is not None else {}
    if card.control("age") is not None:
        return values | {"age": float(np.argmax(own))}
    return values | ({"strength": 0.0} if card.control("strength") is not None else {})


class Bench:
    """One model, and what it makes of portraits that lie as a template says."""

    def __init__(self, model: Path, template: FaceTemplate = faces.OWN) -> None:
        self.template = template
        self.engine = Engine("cpu")
        self.card = self.engine.describe(str(model))
        self.family = self.card.family
        self.reference = self.card.checkpoint

    def made(
        self,
        photo: np.ndarray,
        values: dict[str, Any],
        donor: np.ndarray | None = None,
        output: str = "photo",
    ) -> np.ndarray:
        """The edited portrait at the photo's size, (H, W, 3) uint8: blended into the photo as the
        studio shows it, or with the output "crop" all that the net drew."""
        lies = self.template
        points = [*lies.left_eye, *lies.right_eye, *lies.mouth]
        told = {"output": output, "points": points, **values}
        given = {"face": Picture(photo)}
        if donor is not None:
            given["other"] = Picture(donor)
        result = list(self.engine.run(Job(self.family, self.reference, told, given)))[-1]
        if isinstance(result, Failed):
            raise SystemExit(result.message)
        assert isinstance(result, Result)
        return images.resize(result.pictures[0].pixels, (photo.shape[1], photo.shape[0]))


def outside(before: np.ndarray, after: np.ndarray, attribute: str) -> float:
    """Share of the pixels outside the attribute's region that changed; nan without a region."""
    if attribute not in REGIONS:
        return np.nan
    left, top, right, bottom = REGIONS[attribute]
    rest = np.ones(before.shape[:2], bool)
    rest[top:bottom, left:right] = False
    change = np.abs(before.astype(np.float32) - after).mean(2) / 255
    return float((change[rest] > CHANGED).mean())


# ---- all of it -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of one edit of one portrait: the judge's chances before and after, who it was,
    and what else is measured; nan: it is not."""

    edit: Edit
    person: int
    before: np.ndarray
    after: np.ndarray
    outside: float
    identity: float

    def seen(self, place: int, chances: np.ndarray, ages: bool) -> bool:
        if ages:
            return int(chances.argmax()) == place
        return bool((chances[place] > 0.5) == self.edit.on)


def outcomes(
    bench: Bench, held: LabelledFaces, judge: Judge, say: Callable[[str], object]
) -> Iterator[Outcome]:
    """Every edit of every portrait of which it is known that it is a change."""
    ages = bench.card.control("age") is not None
    real = judge.chances(held.photos, held.attributes)
    asked = edits(bench.card, held.attributes)
    for edit, made in zip(asked, _edited(bench, held, asked, ages)):
        if not made:
            continue
        after = judge.chances(list(made.values()), held.attributes)
        say(f"{edit.attribute} {'on' if edit.on else 'off'}: {len(made)} portraits")
        for (person, picture), chances in zip(made.items(), after):
            photo = held.photos[person]
            yield Outcome(
                edit,
                person,
                real[person],
                chances,
                outside(photo, picture, edit.attribute),
                _apart(photo, picture, bench.template),
            )


def _edited(
    bench: Bench, held: LabelledFaces, asked: Sequence[Edit], ages: bool
) -> list[dict[int, np.ndarray]]:
    """For each edit the portraits of which it is known that it changes them, edited, by their
    place. One portrait after the other, since a model remembers what it saw of the last."""
    made: list[dict[int, np.ndarray]] = [{} for _ in asked]
    wanted: list[list[int]] = []
    for edit in asked:
        known = held.known[:, held.attributes.index(edit.attribute)] > 0
        people = np.flatnonzero(known) if ages else held.split(edit.attribute, not edit.on)
        wanted.append([int(person) for person in people])
    for person in range(len(held)):
        for edit, people, found in zip(asked, wanted, made):
            if person not in people:
                continue
            donor = None
            if edit.donor:
                donors = held.split(edit.attribute, True)
                donor = held.photos[donors[people.index(person) % len(donors)]]
            found[person] = bench.made(held.photos[person], edit.values, donor)
    return made


def _apart(photo: np.ndarray, picture: np.ndarray, template: FaceTemplate) -> float:
    found = embedder.between(Picture(photo), Picture(picture), template)
    return np.nan if found is None else found


def summary(found: Sequence[Outcome], held: LabelledFaces, ages: bool) -> dict[str, float]:
    """The numbers by name: of every attribute the share of edits that the judge sees, and the share
    of unchanged photos that it takes for edited ones; then changes elsewhere and identity."""
    numbers: dict[str, float] = {}

    def share(some: Sequence[Outcome], after: bool = True) -> float:
        places = [held.attributes.index(o.edit.attribute) for o in some]
        seen = [o.seen(p, o.after if after else o.before, ages) for o, p in zip(some, places)]
        return float(np.mean(seen))

    for name in held.attributes:
        some = [o for o in found if o.edit.attribute == name]
        if not some:
            continue
        numbers[name] = share(some)
        for on, word in ((True, "put on"), (False, "taken off")):
            side = [o for o in some if o.edit.on == on]
            if side and len(side) < len(some):
                numbers[f"{name} {word}"] = share(side)
        numbers[f"{name} without a change"] = share(some, after=False)
        measured = {"changed elsewhere": "outside", "identity distance": "identity"}
        for word, field in measured.items():
            value = float(np.mean([getattr(o, field) for o in some]))
            if not np.isnan(value):
                numbers[f"{name} {word}"] = value
    if ages:
        near = [
            abs(int(o.after.argmax()) - held.attributes.index(o.edit.attribute)) <= 1 for o in found
        ]
        numbers["age within one group"] = float(np.mean(near))
    columns = ("gender_presentation", "gender", "race")
    for column in columns:
        words = sorted({row[column] for row in held.rows if row.get(column)})
        for word in words:
            some = [o for o in found if held.rows[o.person].get(column) == word]
            if len(some) >= 20:
                numbers[f"all edits, {column.replace('_', ' ')} {word}"] = share(some)
    years = held.years()
    for word, low, high in (("under 55", 0, 55), ("from 55 on", 55, 200)):
        some = [o for o in found if low <= years[o.person] < high]
        if len(some) >= 20 and not ages:
            numbers[f"all edits, age {word}"] = share(some)
    return numbers


def strangers(held: LabelledFaces, template: FaceTemplate) -> dict[str, float]:
    """The scale of identity distances: two photos of one person where there are some, and two
    photos of different people."""
    net = embedder.installed()
    if net is None:
        return {}
    with torch.inference_mode():
        known = torch.cat([net.of(signed(p[None]), template) for p in held.photos])
    apart = embedder.distance(known[:, None], known[None]).numpy()
    who = np.array([row.get("person", "") for row in held.rows])
    upper = np.triu(np.ones_like(apart, bool), 1)
    same = upper & (who[:, None] == who) & (who != "")
    numbers = {"identity distance of strangers": float(apart[upper & ~same].mean())}
    if same.sum() >= 10:
        numbers["identity distance of two photos of one person"] = float(apart[same].mean())
    return numbers


def evaluate_faces(
    name: str, model: Path, data: Path, judge: Path, most: int, say: Callable[[str], object]
) -> tuple[dict[str, float], np.ndarray]:
    """The numbers by name, and the sheet (H, W, 3)."""
    recipe = evaluate.recipe_of(name)
    held = first(portraits(recipe, data, "test"), most)
    template = LAID.get(str(recipe.data["folder"]), faces.OWN)
    bench, net = Bench(model, template), load_judge(judge, held.attributes)
    ages = bench.card.control("age") is not None
    chances = net.chances(held.photos, held.attributes)
    numbers = {"portraits held out": float(len(held))}
    if ages:
        told = held.labels.argmax(1) == chances.argmax(1)
        numbers["judge on real portraits"] = float(told.mean())
    else:
        real = accuracies(chances, held)
        numbers |= {f"judge on real portraits, {k}": v for k, v in real.items()}
    numbers |= summary(list(outcomes(bench, held, net, say)), held, ages)
    back: list[float] = []
    for photo, own in zip(held.photos, held.labels):
        values = unedited(bench.card, own.tolist())
        if values is not None:
            donor = photo if needs_donor(bench.card) else None
            again = bench.made(photo, values, donor, "crop")
            back.append(float(np.abs(again.astype(np.float32) - photo).mean() / 255))
    if back:
        numbers["reconstruction L1"] = float(np.mean(back))
    numbers |= strangers(held, template)
    return {k: round(v, 4) for k, v in numbers.items()}, sheet(bench, held)


def needs_donor(card: ModelCard) -> bool:
    return any(edit.donor for edit in edits(card, ("",)))


def first(held: LabelledFaces, most: int) -> LabelledFaces:
    """The same with `most` portraits at most, evenly taken."""
    if len(held) <= most:
        return held
    picks = np.linspace(0, len(held) - 1, most).astype(int)
    held.rows = [held.rows[i] for i in picks]
    held.files = [held.files[i] for i in picks]
    held.photos = [held.photos[i] for i in picks]
    held.labels, held.known = held.labels[picks], held.known[picks]
    held.weights = np.full(len(picks), 1 / len(picks))
    return held


# ---- the sheet -----------------------------------------------------------------------------------


def blends(held: LabelledFaces, seed: int = 3) -> list[np.ndarray]:
    """Faces of nobody: each the mean of seven held-out portraits of as many people who share what
    the first attribute says, and gender presentation where there are seven. Those who have the
    attribute come first."""
    rng = np.random.default_rng(seed)
    column = "gender_presentation" if "gender_presentation" in held.rows[0] else "gender"
    gender = np.array([row.get(column, "") for row in held.rows])
    made: list[np.ndarray] = []
    for on in (True, False):
        have = np.isin(np.arange(len(held)), held.split(held.attributes[0], on))
        groups = [have & (gender == word) for word in sorted(set(gender))]
        crowds = [_people(held, rng.permutation(np.flatnonzero(g))) for g in groups]
        crowds = [c for c in crowds if len(c) == BLENDED]
        crowds = crowds or [_people(held, rng.permutation(np.flatnonzero(have)))]
        made += [_blended([held.photo(i) for i in c]) for c in crowds if len(c) == BLENDED]
    return made


def _people(held: LabelledFaces, indices: Iterable[int]) -> list[int]:
    """The first portrait of each of the first seven people."""
    found: dict[str, int] = {}
    for index in indices:
        found.setdefault(held.rows[index].get("person") or str(index), int(index))
    return list(found.values())[:BLENDED]


def _blended(photos: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of faces laid over each other in one light, that of the first; sharpened, as a mean
    is soft."""
    flows = prototypes.registered(photos)
    many = np.stack(photos).astype(np.float32)
    h, w = many.shape[1:3]
    rows, columns = slice(h * 50 // 144, h * 115 // 144), slice(w * 48 // 144, w * 97 // 144)
    inside = many[:, rows, columns]
    middle, spread = inside.mean((1, 2), keepdims=True), inside.std((1, 2), keepdims=True)
    mean = prototypes.blended(list((many - middle) / spread.clip(1)), flows)
    inside = mean[rows, columns]
    mean = (mean - inside.mean((0, 1))) / inside.std((0, 1)) * spread[0] + middle[0]
    mean += 0.9 * (mean - cv2.GaussianBlur(mean, (0, 0), 1.5))
    return mean.clip(0, 255).astype(np.uint8)


def sheet(bench: Bench, held: LabelledFaces) -> np.ndarray:
    """(H, W, 3): a row for every blend, it itself and then every edit, each with its name."""
    asked, people = edits(bench.card, held.attributes), blends(held)
    if not people:
        raise SystemExit("There are too few held-out portraits for a blend.")
    pictures, titles = [], []
    for photo in people:
        pictures.append(Picture(photo))
        titles.append("seven people")
        for edit in asked:
            donor = people[0] if edit.donor else None
            pictures.append(Picture(bench.made(photo, edit.values, donor)))
            words = _words(edit.attribute)
            titles.append(words if edit.on else f"no {words}")
    return images.contact_sheet(pictures, titles, 1 + len(asked)).pixels


def _words(attribute: str) -> str:
    """ "grey hair"; "19-29 years", "60+ years"."""
    kind, *years = attribute.split("_")
    if kind != "age":
        return attribute.replace("_", " ")
    low, high = years
    return f"{low}+ years" if int(high) >= OLDEST else f"{low}-{high} years"


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    options = evaluate.asked(
        argv,
        "evaluate_faces",
        __doc__,
        judge=(Path, None, "the judge's file, trained if it is absent"),
        steps=(int, 1600, "of the judge's training"),
        most=(int, 160, "portraits at most"),
    )
    recipe = evaluate.recipe_of(options.name)
    judge = options.judge or ROOT / "runs" / f"judge-{recipe.data['folder']}.safetensors"
    judge.parent.mkdir(parents=True, exist_ok=True)
    if not judge.exists():
        train_judge(recipe, options.data, judge, options.steps)
    found = evaluate_faces(options.name, options.model, options.data, judge, options.most, say)
    evaluate.report(options, *found, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
