"""What the weights of a Fader network say of it, and the arithmetic of its attributes. Imports no
torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engines.inert import Inert

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
Norm = Literal["batch", "instance"]
Upscale = Literal["convtranspose", "upsampling", "pixelshuffle"]

FARTHEST = 10.0  # strength that the authors show for subtle attributes
OURS = 3.0  # strength up to which faces of our starter hold together
MOST_COMBINATIONS = 8
# place of the convolution in a decoder block, and of the norm, by how the block enlarges
PLACES: dict[Upscale, tuple[int, int]] = {
    "convtranspose": (0, 1),
    "upsampling": (1, 2),
    "pixelshuffle": (0, 2),
}


@dataclass(frozen=True)
class Config:
    """labels   what the decoder is told, in order; each is a pair of planes [1 - a, a]
    size     side in pixels of the crops it was trained on
    width    channels of the first layer, doubling with each level up to `most`
    levels   halvings of the encoder
    skips    levels whose features the decoder sees too
    upscale  how the decoder enlarges
    face     how its crops lie on a face: "celeba" (the official nets) or "own" (our starter)
    """

    labels: tuple[str, ...] = ("Attribute",)
    size: int = 256
    width: int = 32
    most: int = 512
    levels: int = 6
    skips: int = 0
    norm: Norm = "batch"
    upscale: Upscale = "convtranspose"
    face: str = "celeba"

    @property
    def given(self) -> int:
        """Planes that every block of the decoder is told: two an attribute."""
        return 2 * len(self.labels)

    @property
    def farthest(self) -> float:
        """The greatest strength of a slider."""
        return OURS if self.face == "own" else FARTHEST

    def channels(self, level: int) -> int:
        """Of the features at 1/2 (level 0), 1/4, ... of the picture's size."""
        return min(self.width * 2**level, self.most)


def planes(values: Sequence[float]) -> list[float]:
    """[1 - a, a] for each attribute's value a: 0 absent, 1 present, and as far beyond as one
    likes."""
    return [number for a in values for number in (1 - a, a)]


def combinations(count: int) -> list[list[float]]:
    """Every way of having and lacking `count` attributes, as far as they are few; else each alone
    and none."""
    if 2**count <= MOST_COMBINATIONS:
        return [[float(n >> place & 1) for place in range(count)] for n in range(2**count)]
    return [[0.0] * count] + [[float(i == j) for j in range(count)] for i in range(count)]


def strip(reach: float, count: int) -> list[float]:
    """Values of a strip as the authors make it: from 1 - reach to reach, in equal steps."""
    return [1 - reach + (2 * reach - 1) * n / (count - 1) for n in range(count)]


# ---- recognition ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    """The configuration of an autoencoder: everything but names and size from its shapes, those
    from our metadata or from the pickled module that the file held."""
    shapes = {k: s for k, s in checkpoint.shapes().items() if len(s) == 4}
    first, upscale = shapes.get("enc_layers.0.0.weight"), _upscale(shapes)
    if first is None or upscale is None:
        return None
    levels = _count(shapes, "enc_layers")
    deepest = shapes.get(f"enc_layers.{levels - 1}.0.weight", (0,))[0]
    inner = shapes.get(f"dec_layers.0.{PLACES[upscale][0]}.weight", (0, 0, 0, 0))
    given = inner[0 if upscale == "convtranspose" else 1] - deepest
    if levels < 2 or given < 2 or given % 2:
        return None
    widest = max(shapes[f"enc_layers.{n}.0.weight"][0] for n in range(levels))
    statistics = checkpoint.shape("enc_layers.1.1.running_mean")
    told = _told(checkpoint)
    labels = tuple(told.get("labels", ()))
    config = Config(
        labels if len(labels) == given // 2 else _plain(given // 2),
        _size(told.get("size"), levels),
        first[0],
        max(widest, first[0]),
        levels,
        _skips(shapes, upscale, levels, given),
        "instance" if told.get("norm") == "instance" or statistics is None else "batch",
        upscale,
        "own" if told.get("face") == "own" else "celeba",
    )
    # a ceiling that is never reached reads as the widest layer: as good as any above it
    return config if shapes == dict(convolutions(config)) else None


def convolutions(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of every convolution."""
    before = 3
    for level in range(config.levels):
        yield f"enc_layers.{level}.0.weight", (config.channels(level), before, 4, 4)
        before = config.channels(level)
    for block in range(config.levels):
        taken, made = block_channels(config, block)
        name = f"dec_layers.{block}.{PLACES[config.upscale][0]}.weight"
        if config.upscale == "convtranspose":
            yield name, (taken, made, 4, 4)
        else:
            yield name, (made * (4 if config.upscale == "pixelshuffle" else 1), taken, 3, 3)


def block_channels(config: Config, block: int) -> tuple[int, int]:
    """(channels in, channels out) of a block of the decoder, the innermost first; in: the features,
    the attributes, and what a skip brings."""
    level = config.levels - 1 - block
    joined = 2 if 1 <= block <= config.skips else 1
    made = 3 if level == 0 else config.channels(level - 1)
    return joined * config.channels(level) + config.given, made


def _upscale(shapes: dict[str, Shape]) -> Upscale | None:
    if shapes.get("dec_layers.0.0.weight", ())[2:] == (4, 4):
        return "convtranspose"
    if "dec_layers.0.1.weight" in shapes:
        return "upsampling"
    return "pixelshuffle" if "dec_layers.0.0.weight" in shapes else None


def _count(shapes: dict[str, Shape], part: str) -> int:
    found = {int(m[1]) for key in shapes if (m := re.match(rf"{part}\.(\d{{1,3}})\.", key))}
    return len(found) if found == set(range(len(found))) else 0


def _skips(shapes: dict[str, Shape], upscale: Upscale, levels: int, given: int) -> int:
    """Blocks after the innermost that take twice the features of their level."""
    count = 0
    place = PLACES[upscale][0]
    for block in range(1, levels):
        kernel = shapes.get(f"dec_layers.{block}.{place}.weight", (0, 0))
        features = shapes[f"enc_layers.{levels - 1 - block}.0.weight"][0]
        taken = kernel[0 if upscale == "convtranspose" else 1]
        count += taken == 2 * features + given and count == block - 1
    return count


def _size(told: Any, levels: int) -> int:
    """What the file says, if a net of so many levels can take it; else the size at which its code
    is 4 x 4, as the official one's."""
    fits = isinstance(told, int) and 0 < told <= 4096 and told % 2**levels == 0
    return told if fits else 4 * 2**levels


def _told(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the file says beside its weights: our metadata, or attributes of the pickled module
    (attr: pairs of a name and how many values it takes)."""
    told = checkpoint.metadata.get("config")
    if isinstance(told, dict):
        return told
    if not isinstance(checkpoint.objects, Inert):
        return {}
    state = checkpoint.objects.state
    pairs = state.get("attr")
    found: dict[str, Any] = {"size": state.get("img_sz")}
    if isinstance(pairs, list | tuple) and all(_is_boolean(pair) for pair in pairs):
        found["labels"] = [_readable(name) for name, _ in pairs]
    if state.get("instance_norm") is True:
        found["norm"] = "instance"
    return found


def _is_boolean(pair: Any) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    return isinstance(pair[0], str) and pair[1] == 2


def _readable(name: str) -> str:
    return name.replace("_", " ")[:60].capitalize()


def _plain(count: int) -> tuple[str, ...]:
    return ("Attribute",) if count == 1 else tuple(f"Attribute {n}" for n in range(1, count + 1))
