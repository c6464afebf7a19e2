"""Antipov et al. 2017, "Face Aging With Conditional Generative Adversarial Networks": a face is
encoded, its code is searched on until what is drawn of it is the same person, and drawn at any age.

No official weights exist; the net follows the widespread Keras code. Ours adds what changes with
the age to the photo (`Config.adds`), which needs no search: the photo is the person.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engines import faces, redraw
from engines.controls import Choice, Control, FaceTemplate, ModelCard, Slider
from engines.families.ageing import config as configs
from engines.families.ageing.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Preview, Progress, Result

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = "Antipov et al. 2017, Face Aging With Conditional Generative Adversarial Networks"
UTK = FaceTemplate((128, 128), (38.0, 37.0), (89.0, 37.0), (63.5, 90.0))
ANCHOR = 0.3  # of the pixels in a search for the person, so that it stays a face
UNTOLD = (
    "This model cannot see how old the face is; say it under “Age now”, or the changes are those "
    "from another age."
)
BY_PIXELS = "The search went by pixels, since the face embedder is not installed."
Drawing = Callable[["Tensor", float], "Tensor"]


class AgeingCGAN(Family):
    id, title = "aging", "Face ageing"
    trainer = "ageing.train:AgeingTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.ageing import net

        return net.AgeCGAN(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        module, notes = super().load(config, checkpoint)
        return module.requires_grad_(False), notes  # a search moves the code, never the net

    def card(self, config: Config) -> ModelCard:
        card = redraw.card(
            self,
            "Faces at any age",
            _controls(config),
            f"Age-cGAN {config.size}, {len(config.groups)} age groups",
            PAPER,
            redraw.scaled(UTK, config.size),
        )
        return card if config.adds else replace(card, half_ok=False, needs_grad=True)

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        seen = _look(model, job)
        own, notes = _own(model.config, job, seen)
        draw = _drawing(model, seen)
        shown = yield from _changing(model, job, seen, own, draw)
        strip = str(job.values["show"]) == "strip"
        ages = range(len(model.config.groups)) if strip else [redraw.number(job, "age")]
        pictures, texts = [], []
        for age in ages:
            picture, text = _finished(model.config, job, seen, shown.of(age), age)
            pictures.append(picture)
            texts.append(text)
        notes = (*seen.cut.notes, *notes, *shown.notes, *_distances(texts))
        values = tuple({"show": "one", "age": float(age)} for age in ages)
        seconds = time.perf_counter() - start
        yield Result(tuple(pictures), tuple(texts), seconds, notes, seen.cut.fit, values=values)


def _controls(config: Config) -> tuple[Control, ...]:
    last = len(config.groups) - 1
    groups = ", ".join(f"{place}: {group}" for place, group in enumerate(config.groups))
    ages = (
        Slider(
            "age",
            "Age group",
            0.0,
            float(last),
            0.1,
            float(last),
            help=f"{groups} years; between two numbers, between their ages.",
        ),
        Choice(
            "show",
            "Show",
            (("one", "This age"), ("strip", "Every age group")),
            "one",
            help="Every age group: one picture for each, the youngest first.",
        ),
    )
    return ages if config.adds else (*ages, _now(config), *_SEARCH)


def _now(config: Config) -> Choice:
    now = [(str(place), group) for place, group in enumerate(config.groups)]
    if config.reader:
        now.insert(0, ("seen", "As the model sees it"))
    return Choice(
        "own",
        "Age now",
        tuple(now),
        "seen" if config.reader else str((len(config.groups) - 1) // 2),
        help="How old the face is in the photo; the search for its code draws it at this age.",
    )


_SEARCH: tuple[Control, ...] = (
    redraw.FACE_FROM,
    Choice(
        "search",
        "Keep the person by",
        (("identity", "Who it is"), ("pixels", "Pixels"), ("none", "The encoder alone")),
        "identity",
        help="The encoder's code is searched on until the face drawn at its own age is the "
        "same person (by our face embedder), or the same pixels, as in the paper.",
    ),
    Slider("steps", "Steps of the search", 0.0, 200.0, 5.0, 40.0, still=True),
)


# ---- a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A photo's cut, its crop x (1, 3, H, W) in [-1, 1], the encoder's z (1, config.z), and where
    its age lies among the groups as the reader sees it."""

    cut: faces.Cut
    x: Tensor
    z: Tensor
    age: float


def _key(job: Job) -> tuple[Any, ...]:
    return job.images["face"].digest, *redraw.points(job)


def _look(model: Model, job: Job) -> _Seen:
    def see(cut: faces.Cut, x: Tensor) -> _Seen:
        z, logits = model(x)
        shares = logits[0].softmax(0).tolist()
        return _Seen(cut, x, z.detach(), sum(place * share for place, share in enumerate(shares)))

    template = redraw.scaled(UTK, model.config.size)
    return redraw.look(model, job.images["face"], redraw.points(job), template, see)


def _own(config: Config, job: Job, seen: _Seen) -> tuple[float, tuple[str, ...]]:
    """The place of the photo's own age among the groups, and what to tell of it."""
    if config.adds and not config.reader:
        return 0.0, ()
    told = "seen" if config.adds else str(job.values["own"])
    if told == "seen":
        return seen.age, (f"The model sees an age of {configs.named(config, seen.age)} years.",)
    untold = not config.reader and told == str((len(config.groups) - 1) // 2)
    return float(told), (UNTOLD,) if untold else ()


def _drawing(model: Model, seen: _Seen) -> Drawing:
    photo = (seen.x,) if model.config.adds else ()

    def draw(code: Tensor, age: float) -> Tensor:
        return model(code, code.new_tensor([configs.label(model.config, age)]), *photo)

    return draw


@dataclass(frozen=True)
class _Shown:
    """of: what becomes of the crop (1, 3, H, W) at an age; notes: what to tell of it."""

    of: Callable[[float], Tensor]
    notes: tuple[str, ...] = ()


def _changing(
    model: Model, job: Job, seen: _Seen, own: float, draw: Drawing
) -> Generator[Event, None, _Shown]:
    if model.config.adds:
        return _Shown(lambda age: draw(seen.z, age))
    code, told = yield from _searched(model, job, seen, own, draw)
    plain, face_from = draw(code, own), str(job.values["face_from"])
    told += (redraw.REDRAWN,) if face_from == "made" else ()
    return _Shown(lambda age: redraw.shown(seen.x, draw(code, age), plain, face_from), told)


def _searched(
    model: Model, job: Job, seen: _Seen, own: float, draw: Drawing
) -> Generator[Event, None, tuple[Tensor, tuple[str, ...]]]:
    """The code of the face, and what to tell of its search; the last code is remembered, so that
    the age slider costs one pass."""
    from engines.families.ageing.net import search

    steps, by = round(redraw.number(job, "steps")), str(job.values["search"])
    key = (*_key(job), steps, by, own)
    if by == "none" or not steps:
        return seen.z, ()
    loss, told = _goal(model.config, seen, by)
    if model.memo.get("code", (None,))[0] != key:
        code = seen.z
        found = search(lambda z: draw(z, own), loss, seen.z, steps)
        for done, (better, picture, least) in enumerate(found, 1):
            code = better
            yield Progress(done, steps, f"Searching for the face: {least:.3f}")
            if done % 5 == 0:
                yield Preview(redraw.finished(seen.cut, picture, job))
        model.memo["code"] = key, code
    return model.memo["code"][1], told


def _goal(
    config: Config, seen: _Seen, by: str
) -> tuple[Callable[[Tensor], Tensor], tuple[str, ...]]:
    """How far what is drawn is from the photo: by who it is, or by pixels; without an embedder by
    pixels, which is told."""
    from engines import embedder

    net = embedder.installed()

    def pixels(made: Tensor) -> Tensor:
        return (made - seen.x).square().mean()

    if by == "pixels" or net is None:
        return pixels, () if by == "pixels" else (BY_PIXELS,)
    template = redraw.scaled(UTK, config.size)
    wanted = net.of(seen.x, template).detach()

    def person(made: Tensor) -> Tensor:
        far = embedder.distance(net.of(made, template), wanted).mean()
        return far.to(made) + ANCHOR * pixels(made)

    return person, ()


def _finished(
    config: Config, job: Job, seen: _Seen, made: Tensor, age: float
) -> tuple[Picture, str]:
    """The edited photo and what it is called: its age, and the distance to the photo."""
    from engines import embedder, tensors

    edited = tensors.to_picture(made)
    text = configs.named(config, age)
    far = embedder.between(seen.cut.crop, edited, redraw.scaled(UTK, config.size))
    text += "" if far is None else f": identity distance {far:.2f}"
    return redraw.finished(seen.cut, made, job), text


def _distances(texts: Sequence[str]) -> tuple[str, ...]:
    from engines import embedder

    if embedder.installed() is None:
        return (embedder.ABSENT,)
    told = "; ".join(text.replace(":", ",") for text in texts)
    return (f"{told} (0: the same face, about 1: a stranger).",)


register(AgeingCGAN())
