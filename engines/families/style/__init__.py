"""Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks": a photo with the
look of a painting, by optimising the picture itself.

Works with any backbone (engines/backbones.py): VGG, GoogLeNet, SqueezeNet, the starter.
"""

from __future__ import annotations

from collections.abc import Iterator

from engines import styling
from engines.backbonefamily import BackboneFamily, class_control
from engines.backbones import Config
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Slider, Text, Toggle
from engines.families.style.config import default_setting, text
from engines.family import Model, register
from engines.job import Event, Job

PAPER = "Gatys et al. 2016, Image Style Transfer Using Convolutional Neural Networks"
WHAT = (  # config.STYLES of them: the picture, its slider, its mask
    ("Style", "Amount of the style", "Where the style goes"),
    ("Second style", "Amount of the second style", "Where the second style goes"),
    ("Third style", "Amount of the third style", "Where the third style goes"),
    ("Fourth style", "Amount of the fourth style", "Where the fourth style goes"),
)


class NeuralStyle(BackboneFamily):
    id, title = "neural_style", "Neural style"
    before = ("dream",)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            f"Style with {config.title}",
            controls=_controls(config),
            size=SizeRule(),
            rooms=("style",),
            live=False,
            seeded=True,
            needs_grad=True,
            network=config.title,
            paper=PAPER,
        )

    def plan(self, model: Model, job: Job) -> str:
        from engines.families.style import transfer

        return transfer.planned(model, job).sentence

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        """Every step a Progress, now and then with the terms of the loss and a Preview."""
        from engines.families.style import transfer

        yield from transfer.run(model, job)


def _controls(config: Config) -> tuple[Control, ...]:
    return (*_pictures(), *_terms(config), *_ways())


def _pictures() -> Iterator[Control]:
    yield ImageInput("photo", "Photo")
    for number, (name, amount, where) in enumerate(WHAT, 1):
        end = "" if number == 1 else str(number)
        yield ImageInput(f"style{end}", name, optional=number > 1)
        yield Slider(f"amount{end}", amount, 0, 1, 0.01, 1.0,
                     help="How much this style counts among the others.",
                     term=f"style {number}")  # fmt: skip
        yield ImageInput(f"mask{end}", where, optional=True)
    yield ImageInput("progress", "Go on from", optional=True)
    yield ImageInput("before", "Keep to", optional=True)  # as far as it is opaque; of a film


def _terms(config: Config) -> Iterator[Control]:
    usual = default_setting(config)
    yield Slider(
        "content",
        "Content",
        0,
        100,
        0.1,
        usual.content_weight,
        help="How closely the things of the photo are kept.",
        term="content",
    )
    yield Slider(
        "strength",
        "Style strength",
        0,
        2000,
        1,
        usual.style_weight,
        help="How strongly textures and colours of the style are asked for.",
        term="style",
    )
    yield Slider(
        "tv",
        "Smoothness",
        0,
        0.1,
        0.0005,
        usual.tv,
        help="Total variation: more leaves less grain.",
        term="smoothness",
    )
    yield Slider(
        "pixel",
        "Colours of the photo",
        0,
        1000,
        1,
        0,
        help="How closely every pixel keeps to the photo.",
        term="colour",
    )
    if config.classes:
        yield Slider(
            "class_weight",
            "Class",
            0,
            10000,
            10,
            0,
            help="How strongly the picture is to look like the class below.",
            term="class",
        )
        yield class_control(config)
    yield Text(
        "content_layers",
        "Content layers",
        text(usual.content),
        help="Names of layers, with a weight if not 1: relu4_2, relu3_2=0.5.",
    )
    yield Text(
        "style_layers",
        "Style layers",
        text(usual.style),
        help="Early layers give fine texture and colour, late ones large shapes.",
    )
    yield Choice("pooling", "Pooling", (("max", "Maximum"), ("average", "Average")), "max")


def _ways() -> Iterator[Control]:
    yield styling.COLOURS
    yield styling.SCALE
    yield Choice(
        "start",
        "Start from",
        (("photo", "The photo"), ("noise", "Noise"), ("style", "The style")),
        "photo",
    )
    yield Slider("grain", "Noise in the start", 0, 1, 0.01, 0.05)
    yield Slider(
        "longest",
        "Longest side",
        64,
        8192,
        1,
        512,
        unit="px",
        help="Larger photos are made smaller, smaller ones stay as they are.",
    )
    yield Toggle(
        "coarse",
        "Coarse to fine",
        True,
        help="Paints small first, then larger, with half the steps at each size.",
    )
    yield Choice("method", "Optimiser", (("lbfgs", "L-BFGS"), ("adam", "Adam")), "lbfgs")
    yield Slider("rate", "Learning rate", 0.05, 20, 0.05, 1.0)
    yield Slider("steps", "Steps", 10, 2000, 10, 200)
    yield Slider("every", "Preview every", 1, 100, 1, 10, unit="steps")
    yield Choice(
        "tiles",
        "Tiles",
        (
            ("auto", "Where memory is short"),
            ("off", "Never"),
            ("256", "256 pixels"),
            ("512", "512 pixels"),
            ("1024", "1024 pixels"),
        ),
        "auto",
        help="Large pictures are painted piece by piece; the pieces meet without seams.",
    )
    yield Choice(
        "strip",
        "Strip of mixes",
        (("1", "One picture"), ("3", "3 pictures"), ("5", "5 pictures"), ("7", "7 pictures")),
        "1",
        help="Leads from the first style to the second.",
    )


register(NeuralStyle())
