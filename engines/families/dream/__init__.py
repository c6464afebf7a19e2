"""Mordvintsev, Olah & Tyka 2015, "Inceptionism": what a layer of a network sees in a photo is made
to grow in it.

Works with any backbone (engines/backbones.py): VGG, GoogLeNet, SqueezeNet, the starter.
"""

from __future__ import annotations

from collections.abc import Iterator

from engines import styling
from engines.backbonefamily import BackboneFamily, class_control
from engines.backbones import Config
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Slider, Text
from engines.families.dream.config import default_layer, offered
from engines.family import Model, register
from engines.job import Event, Job

PAPER = "Mordvintsev, Olah & Tyka 2015, Inceptionism: Going Deeper into Neural Networks"


class DeepDream(BackboneFamily):
    id, title = "dream", "Dream"

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            f"Dream with {config.title}",
            controls=(*_pictures(), *_aims(config), *_ways()),
            size=SizeRule(),
            rooms=("dream",),
            live=False,
            seeded=True,
            needs_grad=True,
            network=config.title,
            paper=PAPER,
        )

    def plan(self, model: Model, job: Job) -> str:
        from engines.families.dream import dreaming

        return dreaming.planned(model, job).sentence

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        """Every step a Progress, now and then with what grows and a Preview. With a guide the
        result has a match map beside it: red and green say how far right and down in the guide
        (0 to 255) lies what a place takes after."""
        from engines.families.dream import dreaming

        yield from dreaming.run(model, job)


def _pictures() -> Iterator[Control]:
    yield ImageInput("photo", "Photo")
    yield ImageInput("guide", "Guide", optional=True)
    yield ImageInput("mask", "Where to dream", optional=True, over="photo")
    yield ImageInput("progress", "Go on from", optional=True)


def _aims(config: Config) -> Iterator[Control]:
    yield Text(
        "layers",
        "Layers",
        default_layer(config),
        help="A layer, its channels behind a colon, its weight if not 1: relu4_1, relu3_1:12+40=2.",
        layers=offered(config),
    )
    aims = (("l2", "All that is seen"), ("mean", "Its mean"))
    yield Choice(
        "aim",
        "What grows",
        (*aims, ("class", "One class")) if config.classes else aims,
        "l2",
        help="The square of the answers favours the strongest; with a guide, its features grow.",
    )
    if config.classes:
        yield class_control(config, when=("aim", "class"))


def _ways() -> Iterator[Control]:
    yield Slider(
        "octaves",
        "Octaves",
        1,
        12,
        1,
        4,
        help="Sizes that are dreamt at, from small to large; as many as fit the picture.",
    )
    yield Slider("ratio", "Ratio of octaves", 1.1, 2.5, 0.05, 1.4)
    yield Choice(
        "enlarging",
        "From octave to octave",
        (("detail", "The dream alone"), ("whole", "The whole picture")),
        "detail",
        help="The dream alone keeps the photo sharp; the whole picture melts.",
    )
    yield Slider("steps", "Steps of an octave", 1, 200, 1, 10)
    yield Slider("rate", "Step size", 0.1, 20, 0.1, 4.0, unit="levels")
    yield Choice(
        "normalise",
        "Gradient",
        (("std", "By its deviation"), ("mean", "By its mean size"), ("none", "As it is")),
        "std",
        help="What a step is measured by.",
    )
    yield Slider(
        "smooth",
        "Smoothing",
        0,
        4,
        0.05,
        0.5,
        unit="px",
        help="Blur of the gradient: more gives broader shapes, none the finest grain.",
    )
    yield Slider("jitter", "Jitter", 0, 128, 1, 32, unit="px",
                 help="Each step is moved by chance, so that no grid shows.")  # fmt: skip
    yield styling.LONGEST
    yield Slider("every", "Preview every", 1, 100, 1, 2, unit="steps")
    yield styling.TILES


register(DeepDream())
