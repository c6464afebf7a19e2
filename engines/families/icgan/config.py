"""What an IcGAN's weights say of it, and how a vector of attributes is edited. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
MOST_LABELS = 1000
PARTS = ("generator", "encoder_z", "encoder_y")
CELEBA = (
    *("Bald", "Bangs", "Black hair", "Blond hair", "Brown hair", "Bushy eyebrows", "Eyeglasses"),
    *("Gray hair", "Heavy make-up", "Male", "Mouth slightly open", "Moustache", "Pale skin"),
    *("Receding hairline", "Smiling", "Straight hair", "Wavy hair", "Hat"),
)
GROUPS = (
    ("Bald", "Bangs", "Receding hairline"),
    ("Black hair", "Blond hair", "Brown hair", "Gray hair"),
    ("Straight hair", "Wavy hair"),
)
TURNED = ("Male",)  # labels that the reference turns over where it sets the others


@dataclass(frozen=True)
class Config:
    """labels  what y says, in order, each in [-1, 1]
    z       length of what is left of a face
    width   channels of the generator before its last layer; doubling towards its first
    encoder channels of an encoder's first layer, doubling with each level
    hidden  units of the encoders' last layer but one, of z and of y
    levels  halvings down to 4 x 4 pixels
    face    what its crops look like: "celeba" (the reference's) or "own" (our starter's)
    """

    labels: tuple[str, ...] = CELEBA
    z: int = 100
    width: int = 64
    encoder: int = 32
    hidden: tuple[int, int] = (4096, 512)
    levels: int = 4
    face: str = "celeba"

    @property
    def size(self) -> int:
        """Side in pixels of what it sees and makes."""
        return 4 * 2**self.levels

    @property
    def exclusive(self) -> tuple[tuple[str, ...], ...]:
        """Groups of labels of which one is on at a time."""
        found = (tuple(label for label in self.labels if label in group) for group in GROUPS)
        return tuple(group for group in found if len(group) > 1)


def thresholded(y: Sequence[float]) -> list[float]:
    """What an encoder said, as yes and no: -1 or 1, zero counting as no."""
    return [1.0 if value > 0 else -1.0 for value in y]


def target(config: Config, own: Sequence[float], strengths: Sequence[float]) -> list[float]:
    """The labels between what a photo shows (strength 0) and a label fully on (1) or off (-1), and
    beyond. Of an exclusive group the strongest strength counts alone; towards on it takes the
    others of its group off."""
    made = list(own)
    for index, strength in enumerate(strengths):
        group = _group(config, index)
        if strength == 0 or index != max(group, key=lambda i: abs(strengths[i])):
            continue
        for place in group if strength > 0 else (index,):
            goal = 1.0 if place == index and strength > 0 else -1.0
            made[place] = own[place] + abs(strength) * (goal - own[place])
    return made


def turned(config: Config, own: Sequence[float], index: int) -> list[float]:
    """The reference's edit: a label is set and the others of its group taken off; "Male" is turned
    over."""
    if config.labels[index] in TURNED:
        return [-v if place == index else v for place, v in enumerate(own)]
    strengths = [0.0] * len(own)
    strengths[index] = 1.0
    return target(config, own, strengths)


def _group(config: Config, index: int) -> tuple[int, ...]:
    for group in config.exclusive:
        if config.labels[index] in group:
            return tuple(i for i, label in enumerate(config.labels) if label in group)
    return (index,)


# ---- recognition ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    """The configuration of the three nets, whatever they are called in the file."""
    places = parts(checkpoint)
    if places is None:
        return None
    shapes = {k: s for k, s in checkpoint.shapes().items() if len(s) > 1}
    g, z, y = (_net(shapes, places[part]) for part in PARTS)
    levels = len(_convolutions(g)) - 1
    if not all(k in net for net in (z, y) for k in (_hidden(levels), _last(levels))):
        return None
    told = checkpoint.metadata.get("config", {})
    count = g["2.weight"][0] - z[_last(levels)][0]
    if not 1 <= count <= MOST_LABELS:
        return None
    labels = tuple(told.get("labels", ())) or (CELEBA if count == len(CELEBA) else _plain(count))
    config = Config(
        labels,
        z[_last(levels)][0],
        g.get(f"{3 * levels + 2}.weight", (0,))[0],
        z["1.weight"][0],
        (z[_hidden(levels)][0], y[_hidden(levels)][0]),
        levels,
        str(told.get("face", Config.face)),
    )
    wanted = {f"{places[part]}{key}": shape for part, key, shape in layers(config)}
    return config if len(labels) == y[_last(levels)][0] and shapes == wanted else None


def parts(checkpoint: Checkpoint) -> dict[str, str] | None:
    """Part -> what its names begin with; None unless the file holds a generator and two encoders.

    The encoders are told apart by their names where they have any, else z is the one with more
    hidden units.
    """
    begins = {m[1] for key in checkpoint.infos if (m := re.match(r"(.*?)\d+\.weight$", key))}
    shapes = checkpoint.shapes()
    generators = [b for b in begins if len(shapes.get(f"{b}2.weight", ())) == 4]
    encoders = [b for b in begins if len(shapes.get(f"{b}1.weight", ())) == 4]
    if len(generators) != 1 or len(encoders) != 2 or len(begins) != 3:
        return None
    if begins == {f"{part}." for part in PARTS}:
        return {part: f"{part}." for part in PARTS}
    matrices = {
        b: [s for k, s in shapes.items() if k.startswith(b) and len(s) == 2] for b in encoders
    }
    small, large = sorted(encoders, key=lambda b: min((s[1] for s in matrices[b]), default=0))
    return {"generator": generators[0], "encoder_z": large, "encoder_y": small}


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The same file, its parts called as in PARTS."""
    return checkpoint.called(checkpoint.inside(parts(checkpoint) or {}))


def layers(config: Config) -> Iterator[tuple[str, str, Shape]]:
    """(part, name, shape) of every weight but biases and norms."""
    n, given = config.levels, config.z + len(config.labels)
    for level in range(n):
        out = config.width * 2 ** (n - 1 - level)
        before = given if level == 0 else 2 * out
        yield "generator", f"{3 * level + 2}.weight", (before, out, 4, 4)
    yield "generator", f"{3 * n + 2}.weight", (config.width, 3, 4, 4)
    outputs = config.z, len(config.labels)
    for part, hidden, output in zip(PARTS[1:], config.hidden, outputs):
        for level in range(n):
            out = config.encoder * 2**level
            before = 3 if level == 0 else out // 2
            yield part, f"{3 * level + 1}.weight", (out, before, 5, 5)
        yield part, _hidden(n), (hidden, 16 * config.encoder * 2 ** (n - 1))
        yield part, _last(n), (output, hidden)


def _net(shapes: dict[str, Shape], begin: str) -> dict[str, Shape]:
    return {k.removeprefix(begin): s for k, s in shapes.items() if k.startswith(begin)}


def _convolutions(net: dict[str, Shape]) -> list[Shape]:
    return [shape for shape in net.values() if len(shape) == 4]


def _hidden(levels: int) -> str:
    return f"{3 * levels + 2}.weight"


def _last(levels: int) -> str:
    return f"{3 * levels + 5}.weight"


def _plain(count: int) -> tuple[str, ...]:
    return tuple(f"Label {n}" for n in range(1, count + 1))
