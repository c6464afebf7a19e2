"""What a dream is asked for, as data: layers and channels, octaves, how steps are taken. Imports no
torch and knows no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from engines import layernames
from engines.backbones import MINIMUM, Config, layer_table
from engines.controls import ControlError

Aim = Literal["l2", "mean", "class"]
Normalisation = Literal["std", "mean", "none"]
Size = tuple[int, int]
CELLS = 4  # of the deepest layer that the shorter side of the smallest octave has, at least


@dataclass(frozen=True)
class Look:
    """A layer whose answer is to grow, and which of its channels; (): all."""

    layer: str
    weight: float = 1.0
    channels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What grows, and by which steps.

    aim        "l2": mean square of the answers; "mean": their mean; "class": the score of class
               number `klass`, where the network has a head
    octaves    sizes, each `ratio` times as large as the one before; `detail`: only what was dreamt
               goes to the next, and the photo is taken anew (Mordvintsev et al.); else all of it
    steps      of each octave
    rate       how far a step goes, in levels of 255
    normalise  the gradient divided by its deviation, by its mean size, or not at all
    smooth     deviation in pixels that the blur of the gradient starts from; it grows by 2 over
               the steps; 0: no blur
    jitter     pixels that a step is moved by, at most
    """

    looks: tuple[Look, ...]
    aim: Aim = "l2"
    klass: int = 0
    octaves: int = 4
    ratio: float = 1.4
    detail: bool = True
    steps: int = 10
    rate: float = 5.0
    normalise: Normalisation = "std"
    smooth: float = 0.5
    jitter: int = 32

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(look.layer for look in self.looks))


def to_setting(config: Config, values: Mapping[str, Any]) -> Setting:
    """The setting of a job's checked values. Raises ControlError."""
    number = {name: float(values[name]) for name in ("octaves", "ratio", "steps", "rate", "smooth",
                                                     "jitter")}  # fmt: skip
    return Setting(
        looks(config, str(values["layers"])),
        cast(Aim, values["aim"]),
        round(float(values.get("class", 0))),
        round(number["octaves"]),
        number["ratio"],
        values["enlarging"] == "detail",
        round(number["steps"]),
        number["rate"],
        cast(Normalisation, values["normalise"]),
        number["smooth"],
        round(number["jitter"]),
    )


def looks(config: Config, text: str) -> tuple[Look, ...]:
    """ "relu4_1, relu3_1:12+40 = 0.5": layers, their channels if not all, their weights if not 1.
    Raises ControlError."""
    width = {layer.name: layer.channels for layer in layer_table(config)}
    found: list[Look] = []
    for name, weight in layernames.named(text):
        name, _, numbers = name.partition(":")
        layer = layernames.layer(config, name.strip())
        chosen = [word.strip() for word in numbers.split("+") if word.strip()]
        wrong = [c for c in chosen if not c.isdecimal() or int(c) >= width[layer]]
        if wrong:
            raise ControlError(
                f"{layer} has the channels 0 to {width[layer] - 1}; “{wrong[0]}” is none of them."
            )
        if weight:
            found.append(Look(layer, weight, tuple(dict.fromkeys(map(int, chosen)))))
    if not found:
        raise ControlError("Name a layer that the picture is to be dreamt for.")
    return tuple(found)


def text(found: tuple[Look, ...]) -> str:
    """The inverse of `looks`."""
    parts: list[str] = []
    for look in found:
        channels = ":" + "+".join(map(str, look.channels)) if look.channels else ""
        weight = "" if look.weight == 1 else f"={look.weight:g}"
        parts.append(look.layer + channels + weight)
    return ", ".join(parts)


def default_layer(config: Config) -> str:
    """Where the network sees things rather than strokes."""
    if config.kind == "googlenet":
        return "inception4c/output"
    if config.kind == "squeezenet":
        return "fire8/concat"
    stage = min(4, len(config.depths))
    return f"relu{stage}_{config.depths[stage - 1]}"


def offered(config: Config) -> tuple[tuple[str, int], ...]:
    """(layer, channels) of those worth looking through: activations and joins."""
    return tuple((layer.name, layer.channels) for layer in layer_table(config)
                 if layer.kind in ("relu", "concat"))  # fmt: skip


def octave_sizes(config: Config, setting: Setting, size: Size) -> list[Size]:
    """(width, height) from the smallest octave to `size` itself: as many as are asked for and are
    not too small for the network."""
    deepest = max((layer.stride for layer in layer_table(config) if layer.name in setting.layers),
                  default=1)  # fmt: skip
    least = max(MINIMUM, CELLS * deepest)
    found = [size]
    while len(found) < setting.octaves:
        share = setting.ratio ** -len(found)
        smaller = round(size[0] * share), round(size[1] * share)
        if min(smaller) < least:
            break
        found.insert(0, smaller)
    return found
