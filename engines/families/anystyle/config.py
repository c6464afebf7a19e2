"""What nets for any style are made of, and how they are recognised from key names and shapes.
Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines import backbones

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
ENCODER, DECODER = "encoder.", "decoder."


@dataclass(frozen=True)
class Config:
    """An encoder that is the beginning of a VGG, and a decoder of as many stages.

    widths, depths  of the encoder's stages; the last ends after its first convolution
    stages          from the coarsest to the finest: widths of the decoder's convolutions; the very
                    last gives the three colours
    skips           whether each of them is given the encoder's map of its size, too
    """

    widths: tuple[int, ...] = (24, 48, 96, 192)
    depths: tuple[int, ...] = (2, 2, 3, 1)
    stages: tuple[tuple[int, ...], ...] = ((192, 192, 128), (128, 96), (64, 48), (32, 3))
    skips: tuple[bool, ...] = (True, True, True, False)
    scale: backbones.Scale = "imagenet"

    @property
    def encoder(self) -> backbones.Config:
        return backbones.Config(widths=self.widths, depths=self.depths, classes=0, hidden=0,
                                scale=self.scale)  # fmt: skip

    @property
    def levels(self) -> tuple[str, ...]:
        """Layers whose moments are exchanged, from the coarsest to the finest."""
        count = len(self.widths)
        return tuple(f"relu{count - n}_1" for n, skip in enumerate(self.skips) if skip)

    @property
    def layers(self) -> tuple[str, ...]:
        """The first activation of every stage, from fine to coarse."""
        return tuple(f"relu{n}_1" for n in range(1, len(self.widths) + 1))

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each of the levels."""
        return tuple(w for w, skip in zip(reversed(self.widths), self.skips, strict=True) if skip)

    @property
    def multiple_of(self) -> int:
        return 2 ** (len(self.widths) - 1)

    @property
    def title(self) -> str:
        return f"AdaIN on {sum(self.depths)} layers of a VGG"


def to_dict(config: Config) -> dict[str, Any]:
    return {"scale": config.scale}


def recognise(checkpoint: Checkpoint) -> Config | None:
    """By every weight: none may lack, none be over."""
    given = checkpoint.shapes()
    found = {k: k.removeprefix(ENCODER) for k in given if k.startswith(ENCODER)}
    encoder = backbones.recognise(checkpoint.called({new: old for old, new in found.items()}))
    if encoder is None or encoder.kind != "vgg" or encoder.classes:
        return None
    stages = _stages(given)
    skips = [True]
    for stage in range(1, len(stages)):
        before = stages[stage - 1][-1]
        skips.append(given[f"{DECODER}{stage}.0.weight"][1] != before)
    scale = checkpoint.metadata.get("config", {}).get("scale", "imagenet")
    config = Config(encoder.widths, encoder.depths, stages, tuple(skips), scale)
    if len(stages) != len(encoder.widths) or encoder.depths[-1] != 1:
        return None
    return config if dict(shapes(config)) == given else None


def _stages(given: Mapping[str, Shape]) -> tuple[tuple[int, ...], ...]:
    found: dict[int, dict[int, int]] = {}
    for key, shape in given.items():
        if match := re.fullmatch(r"decoder\.(\d+)\.(\d+)\.weight", key):
            found.setdefault(int(match[1]), {})[int(match[2])] = shape[0]
    return tuple(tuple(one[n] for n in sorted(one)) for _, one in sorted(found.items()))


def shapes(config: Config) -> Iterator[tuple[str, Shape]]:
    """Every weight by its key."""
    for key, shape in backbones.shapes(config.encoder).items():
        yield ENCODER + key, shape
    last = 0
    for number, widths in enumerate(config.stages):
        into = last + config.skips[number] * config.widths[-1 - number]
        for place, width in enumerate(widths):
            yield f"{DECODER}{number}.{place}.weight", (width, into, 3, 3)
            yield f"{DECODER}{number}.{place}.bias", (width,)
            into = width
        last = into
