"""Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative
Adversarial Networks": a caption paints a picture, stage by stage.

Carries the official nets (birds, COCO, three stages or one picture) as a folder with their encoders
and captions.pickle, and ours. With an image encoder it says how well a picture and a caption match.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Slider, Text
from engines.errors import EngineError
from engines.families.attngan import config as configs
from engines.families.attngan import words
from engines.families.attngan.config import Config
from engines.families.attngan.words import Read
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Preview, Progress, Result, Value

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint
    from engines.families.attngan.draw import Painting
    from engines.families.attngan.net import Said

PAPER = (
    "Xu et al. 2018, AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative "
    "Adversarial Networks"
)
NO_PHOTO = "Give a picture to match with the caption."
NEAREST = "Nearest in meaning to "
SEEDS = 6
FRAMES = 7
HEAVIEST = 3.0


class AttnGAN(Family):
    id, title = "attngan", "Caption to picture"
    trainer = "attngan.train:AttnGANTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.attngan import net

        return net.AttnGAN(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        _check(config, checkpoint)
        module, notes = super().load(config, checkpoint)
        return module, (*notes, *_told(config))

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        _check(config, checkpoint)
        return (*super().examine(config, checkpoint), *_told(config))

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def card(self, config: Config) -> ModelCard:
        paints = bool(config.stages)
        parts = [f"{len(config.vocabulary) - 1:,} words"]
        if paints:
            stages = f"{config.stages} stages" if config.stages > 1 else "one stage"
            parts = [f"AttnGAN generator, {stages} to {config.size} pixels", *parts]
        if config.widths:
            parts.append("Inception-v3" if config.inception else "own image encoder")
        return ModelCard(
            self.id,
            "Caption to picture" if paints else "Caption and picture",
            controls=_controls(config),
            size=SizeRule(native=(config.size, config.size), fixed=True, square=True)
            if paints
            else SizeRule(),
            rooms=("words",),
            seeded=paints,
            half_ok=False,
            network=", ".join(parts),
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        caption = words.read(str(job.values["caption"]), model.config, _weights(job))
        notes = caption.notes()
        values, numbers = tuple[Mapping[str, Value], ...](), dict[str, float]()
        output = str(job.values.get("output", "match"))
        if output == "match":
            pictures, texts, numbers = _matched(model, job, caption)
            notes += _nearest(model, caption)
        elif output == "seeds":
            pictures, texts, values = yield from _ranked(model, job, caption)
        elif output == "strip":
            other = words.read(str(job.values["until"]), model.config)
            notes += other.notes()
            pictures, texts, values = yield from _strip(model, job, caption, other)
        else:
            pictures, texts = yield from _painted(model, job, caption, output)
        seconds = time.perf_counter() - start
        yield Result(pictures, texts, seconds, notes, values=values, numbers=numbers)


def _check(config: Config, checkpoint: Checkpoint) -> None:
    from engines.checkpoint import CheckpointError

    if reason := configs.trouble(config, checkpoint.path.name):
        raise CheckpointError("mismatch", reason)


def _told(config: Config) -> tuple[str, ...]:
    return (f"Its words are those of {config.told}.",) if config.told else ()


def _controls(config: Config) -> tuple[Control, ...]:
    known = tuple(sorted(word for word in config.vocabulary[1:] if word))
    controls: list[Control] = [
        Text(
            "caption",
            "Caption",
            longest=500,
            placeholder=_example(known),
            words=known,
            hyphens=config.hyphens,
            needed=True,
        ),
        Text(
            "weights",
            "Word weights",
            placeholder="1, 1, 0.5",
            help="How much each word of the caption counts, from the first on: 0 as if it were not "
            f"there, 1 as it is, up to {HEAVIEST:g}.",
        ),
    ]
    matches = (("match", "How well a picture matches"),)
    if config.stages:
        ranked = (("seeds", "Six seeds, the best first"),) if config.widths else ()
        attends = config.stages > 1
        maps = (("words", "Where each word painted"), ("maps", "The same as grey maps"))
        controls += [
            Choice(
                "output",
                "Show",
                (
                    ("picture", "The picture"),
                    *((("stages", "Every stage"),) if attends and not config.single else ()),
                    *(maps if attends else ()),
                    *ranked,
                    ("strip", "On the way to another caption"),
                    *(matches if config.widths else ()),
                ),
                "picture",
            ),
            Text("until", "Other caption", longest=500, words=known, hyphens=config.hyphens),
            Slider(
                "toward",
                "Toward the other caption",
                0.0,
                1.0,
                0.01,
                0.0,
                help="How far on the way from the caption to the other one, where there is one.",
            ),
            Slider(
                "variety",
                "Variety",
                0.0,
                1.0,
                0.05,
                1.0,
                help="How far the seed may lead away from the usual picture of the caption.",
            ),
        ]
    if config.widths:
        controls.append(ImageInput("photo", "Picture to match", optional=bool(config.stages)))
    return tuple(controls)


def _example(known: tuple[str, ...]) -> str:
    """A caption of the model's own words, to show what it may be told."""
    for text in ("a dark red jacket on a beige background", "a small red bird with black wings",
                 "a large red circle on a white background", "red heart",
                 "a man riding a wave"):  # fmt: skip
        if set(text.split()) <= set(known):
            return text
    return " ".join(word for word in known if word.isalpha() and len(word) > 3)[:40]


def _weights(job: Job) -> list[float]:
    """Raises EngineError with a sentence."""
    text = str(job.values["weights"])
    try:
        given = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise EngineError(
            "input", f"Word weights are numbers with commas between them, not “{text}”."
        ) from None
    return [min(max(weight, 0.0), HEAVIEST) for weight in given]


# ---- what is shown -------------------------------------------------------------------------------

Shown = tuple[tuple[Picture, ...], tuple[str, ...]]
Several = tuple[tuple[Picture, ...], tuple[str, ...], tuple[Mapping[str, Value], ...]]


def _grown(
    model: Model, told: Said, seeds: Sequence[int], job: Job
) -> Generator[Event, None, Painting]:
    """Paint a batch; previews of a single picture, and progress, on the way: the preview first, so
    that a run that is given up for a newer one has shown something."""
    from engines import tensors
    from engines.families.attngan import draw

    made = draw.Painting()
    numbers = draw.chance(model, seeds, float(job.values["variety"]))  # pyright: ignore
    for stage in draw.stages(model, told, numbers, made):
        if len(seeds) == 1 and made.pictures.numel() and stage < model.config.stages:
            made.earlier.append(tensors.to_picture(made.pictures))
            yield Preview(made.earlier[-1])
        yield Progress(stage, model.config.stages)
    return made


def _said(model: Model, job: Job, caption: Read) -> Said:
    """The caption, or a place on the way to the other one."""
    from engines.families.attngan import draw

    share, until = float(job.values["toward"]), str(job.values["until"])  # pyright: ignore
    one = draw.said(model, caption)
    if not share or not until.strip():
        return one
    return draw.between(one, draw.said(model, words.read(until, model.config)), [share])


def _painted(model: Model, job: Job, caption: Read, output: str) -> Generator[Event, None, Shown]:
    """The picture, and its stages, or what each word did to it, if that is asked."""
    from engines import tensors
    from engines.families.attngan import draw

    made = yield from _grown(model, _said(model, job, caption), [job.seed], job)
    picture = tensors.to_picture(made.pictures)
    if output == "picture":
        return (picture,), (caption.text,)
    if output == "stages":
        earlier = tuple(made.earlier)
        return (picture, *earlier), (caption.text, *(f"{p.width} px" for p in earlier))
    maps = draw.maps(made.attention, len(caption.words), picture.size)
    shown = [draw.lit(picture, where) if output == "words" else draw.grey(where) for where in maps]
    return (picture, *shown), (caption.text, *caption.words)


def _ranked(model: Model, job: Job, caption: Read) -> Generator[Event, None, Several]:
    """Pictures of this seed and the next ones, in order of how well they match the caption."""
    from engines import tensors
    from engines.families.attngan import draw

    seeds = [job.seed, *((job.seed + n) % 2**63 for n in range(1, SEEDS))]
    told = draw.repeated(draw.said(model, caption), SEEDS)
    made = yield from _grown(model, told, seeds, job)
    found = draw.scores(model, made.pictures, caption)
    order = sorted(range(SEEDS), key=lambda n: -found[n].total)
    pictures = tuple(tensors.to_picture(made.pictures[n]) for n in order)
    texts = tuple(f"seed {seeds[n]}: {found[n].total:.2f}" for n in order)
    return pictures, texts, tuple({"seed": seeds[n]} for n in order)


def _strip(model: Model, job: Job, caption: Read, other: Read) -> Generator[Event, None, Several]:
    from engines import tensors
    from engines.families.attngan import draw

    shares = [n / (FRAMES - 1) for n in range(FRAMES)]
    told = draw.between(draw.said(model, caption), draw.said(model, other), shares)
    made = yield from _grown(model, told, [job.seed] * FRAMES, job)
    pictures = tuple(tensors.to_picture(x) for x in made.pictures)
    texts = tuple(f"{share:.0%}" for share in shares)
    return pictures, texts, tuple({"toward": round(share, 2)} for share in shares)


def _matched(
    model: Model, job: Job, caption: Read
) -> tuple[tuple[Picture, ...], tuple[str, ...], dict[str, float]]:
    """The picture to match, and lit as each word sees it, with cosines in [-1, 1]."""
    from engines import images, tensors
    from engines.families.attngan import draw

    if "photo" not in job.images:
        raise EngineError("input", NO_PHOTO)
    photo = images.flatten(job.images["photo"])
    score = draw.scores(model, tensors.to_tensor(photo, 3, model.device), caption)[0]
    maps = draw.maps(score.looked, len(caption.words), photo.size)
    texts = [f"{word}: {cosine:.2f}" for word, cosine in zip(caption.words, score.words)]
    pictures = (photo, *(draw.lit(photo, where) for where in maps))
    numbers = {"caption": score.sentence, "total": score.total}
    numbers |= {f"word {n}": cosine for n, cosine in enumerate(score.words, 1)}
    return pictures, (f"{caption.text}: {score.sentence:.2f}", *texts), numbers


def _nearest(model: Model, caption: Read) -> tuple[str, ...]:
    """A sentence for each word: which ones mean almost the same to the text encoder."""
    from engines.families.attngan import draw

    lists = [
        ", ".join(f"{word} {alike:.2f}" for word, alike in near)
        for near in draw.nearest(model, caption)
    ]
    return tuple(f"{NEAREST}“{w}”: {near}." for w, near in zip(caption.words, lists))


register(AttnGAN())
