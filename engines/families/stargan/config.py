"""What a StarGAN's weights say of it: width, depth and number of labels from shapes, and the names
of the labels where the official nets are known. Imports no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]

CELEBA = ("Black hair", "Blond hair", "Brown hair", "Male", "Young")
RAFD = ("Angry", "Contemptuous", "Disgusted", "Fearful", "Happy", "Neutral", "Sad", "Surprised")
AXES = (("Sad", "Happy"), ("Angry", "Fearful"), ("Disgusted", "Surprised"))
HAIR = ("Black hair", "Blond hair", "Brown hair", "Grey hair")
PLACES = 10  # planes that say where in the picture a place is
MASK = 2  # last numbers of the label of a net for two data sets: which of the two the label means


@dataclass(frozen=True)
class Config:
    """labels    what the label vector says, in order, without the mask of a joint net
    joint     how many of them belong to the first of two data sets; 0: there is one set
    size      side in pixels of the crops it was trained on; None: the file does not tell
    labeller  widths of the small net that names what a photo shows; (): there is none
    judge     (width, layers, size) of the discriminator whose class head does so in its place
    blend     whether it paints its picture through a mask of its own, which lets the rest stay
    edits     whether it is told how labels change, and moves and adds to the photo: net.Generator
    template  how its crops lie on a face: "celeba", the official nets, or "own", our data sets
    """

    labels: tuple[str, ...] = CELEBA
    width: int = 64
    blocks: int = 6
    joint: int = 0
    size: int | None = None
    labeller: tuple[int, ...] = ()
    judge: tuple[int, ...] = ()
    template: str = "celeba"
    blend: bool = False
    edits: bool = False

    @property
    def given(self) -> int:
        """Length of the vector that the generator takes."""
        return len(self.labels) + (MASK if self.joint else 0)

    @property
    def seen(self) -> int:
        """Channels of the generator's first layer: photo, labels, and of a net that edits the
        places."""
        return 3 + self.given + (PLACES if self.edits else 0)

    @property
    def made(self) -> int:
        """Channels of its last layer: colours, with a mask, or with where they are taken from."""
        return 3 + (1 if self.blend else 2 if self.edits else 0)

    @property
    def exclusive(self) -> tuple[tuple[str, ...], ...]:
        """Groups of labels of which one is on at a time: hair colours, and expressions."""
        hair = tuple(label for label in self.labels if label in HAIR)
        faces = tuple(label for label in self.labels if label in RAFD)
        return tuple(group for group in (hair, faces) if len(group) > 1)

    @property
    def axes(self) -> tuple[tuple[str, str], ...]:
        """Pairs of expressions with a neutral face between them."""
        return tuple(pair for pair in AXES if set(pair) <= set(self.labels))

    @property
    def sees(self) -> bool:
        """Whether it brings a net along that names what a photo shows."""
        return bool(self.labeller or self.judge)

    @property
    def usual(self) -> tuple[float, ...]:
        """What a photo is taken for while nobody says what it shows: a neutral face, nothing
        else."""
        return tuple(float(label == "Neutral" and label in RAFD) for label in self.labels)


def all_targets(config: Config, own: Sequence[float]) -> list[list[float]]:
    """One target label for each label of the net, everything else as in `own`: a hair colour or
    expression is set and the others of its group cleared, every other label is turned over."""
    return [turned(config, own, index) for index in range(len(config.labels))]


def turned(config: Config, own: Sequence[float], index: int) -> list[float]:
    """The `index`-th of all_targets."""
    made = list(own)
    group = group_of(config, index)
    for other in group:
        made[other] = 0.0
    made[index] = 1.0 if group else 1.0 - own[index]
    return made


def group_of(config: Config, index: int) -> tuple[int, ...]:
    """Places of the labels that exclude each other with this one, itself among them; () if it is
    free."""
    for group in config.exclusive:
        if config.labels[index] in group:
            return tuple(i for i, label in enumerate(config.labels) if label in group)
    return ()


def target(config: Config, own: Sequence[float], strengths: Sequence[float]) -> list[float]:
    """The label between what a photo shows (strength 0) and a label fully on (1) or off (-1), and
    beyond. Of a group that excludes itself the strongest strength counts alone; towards on it
    clears the others as it sets its label."""
    made = list(own)
    for index, strength in enumerate(strengths):
        group = group_of(config, index)
        if strength == 0 or (group and index != max(group, key=lambda i: abs(strengths[i]))):
            continue
        for place in group if group and strength > 0 else (index,):
            goal = float(place == index and strength > 0)
            made[place] = own[place] + abs(strength) * (goal - own[place])
    return made


def mixed(config: Config, own: Sequence[float], axes: Sequence[float]) -> list[float]:
    """The label with a mix of expressions in the place of the photo's own: of each axis the first
    of its pair below zero, the second above. Together they take from the photo's expression what
    they have, all of it from 1 on."""
    total = sum(abs(v) for v in axes)
    if not total:
        return list(own)
    faces = [place for place, label in enumerate(config.labels) if label in RAFD]
    made = [v * max(0.0, 1 - total) if n in faces else v for n, v in enumerate(own)]
    for pair, value in zip(config.axes, axes, strict=True):
        made[config.labels.index(pair[value > 0])] += abs(value)
    return made


def shown(config: Config, logits: Sequence[float]) -> list[float]:
    """The labels in {0, 1} that a photo has by what a class head says of it: every label that is
    likelier than not; of hair colours the likeliest of those alone, of expressions always one."""
    made = [float(v > 0) for v in logits]
    for index in range(len(made)):
        group = group_of(config, index)
        if group and index == max(group, key=lambda i: logits[i]):
            on = float(config.labels[index] in RAFD or logits[index] > 0)
            for place in group:
                made[place] = on * (place == index)
    return made


def parts(config: Config) -> list[tuple[slice, bool]]:
    """Places of the labels of each data set, and whether they exclude each other (softmax)."""
    ends = [0, config.joint, len(config.labels)] if config.joint else [0, len(config.labels)]
    return [
        (slice(a, b), all(label in RAFD for label in config.labels[a:b])) for a, b in pairwise(ends)
    ]


def probabilities(config: Config, logits: Sequence[float]) -> list[float]:
    """How sure a class head is of each label, as it was trained: by softmax where labels exclude
    each other, else each for itself."""
    made: list[float] = []
    for part, exclusive in parts(config):
        top = max(logits[part])
        if exclusive:
            risen = [math.exp(v - top) for v in logits[part]]
            made += [v / sum(risen) for v in risen]
        else:
            made += [(1 + math.tanh(v / 2)) / 2 for v in logits[part]]
    return made


def passes(
    config: Config, own: Sequence[float], strengths: Sequence[float], axes: Sequence[float] = ()
) -> list[list[float]]:
    """What the generator is told, pass by pass: one, or in a joint net one for each of the two sets
    of which a label is asked."""
    wanted = target(config, mixed(config, own, axes), strengths)
    if config.edits:
        return [changes(config, own, wanted, strengths)]
    if not config.joint:
        return [wanted]
    sides = [any(strengths[: config.joint]), any(strengths[config.joint :]) or any(axes)]
    return [told(config, wanted, second) for second in (False, True) if sides[second]] or [
        told(config, wanted, False)
    ]


def returning(
    config: Config, own: Sequence[float], steps: Sequence[Sequence[float]]
) -> list[list[float]]:
    """What the generator is told to bring the photo back from `passes`: its own labels, set by set
    and the last first; or the changes turned around."""
    if config.edits:
        return [[-v for v in step] for step in reversed(steps)]
    return [told(config, own, bool(config.joint and step[-1])) for step in reversed(steps)]


def changes(
    config: Config, own: Sequence[float], wanted: Sequence[float], strengths: Sequence[float]
) -> list[float]:
    """What a generator that edits is told: of a free label its strength, whether or not the photo
    has it already; of those that exclude each other how they change."""
    return [
        wanted[n] - own[n] if group_of(config, n) else float(strength)
        for n, strength in enumerate(strengths)
    ]


def staying(config: Config, own: Sequence[float], second: bool = False) -> list[float]:
    """The generator's vector for a photo that is to stay as it is; see told."""
    return [0.0] * len(own) if config.edits else told(config, own, second)


def told(config: Config, labels: Sequence[float], second: bool = False) -> list[float]:
    """The generator's vector for `labels`; in a joint net the labels of one set and the mask that
    says which."""
    if not config.joint:
        return list(labels)
    first = [0.0 if second else v for v in labels[: config.joint]]
    rest = [v if second else 0.0 for v in labels[config.joint :]]
    return [*first, *rest, float(not second), float(second)]


def recognise(checkpoint: Checkpoint) -> Config | None:
    """main.0 takes picture and label, main.3 and main.6 halve, main.9 and on are residual blocks;
    two transposed convolutions and a last one follow. Exact: these convolutions and no other, but
    for those of a labeller or discriminator beside them."""
    checkpoint = joined(checkpoint)
    part = "" if checkpoint.shape("main.0.weight") else "generator."
    first = checkpoint.shape(f"{part}main.0.weight")
    if not first or len(first) != 4 or first[1] < 4 or first[2:] != (7, 7):
        return None
    blocks = 0
    while checkpoint.shape(f"{part}main.{9 + blocks}.main.0.weight"):
        blocks += 1
    told = checkpoint.metadata.get("config")
    told = told if isinstance(told, dict) else {}
    blend = (checkpoint.shape(f"{part}main.{15 + blocks}.weight") or ())[:1] == (4,)
    edits = told.get("edits") is True and not blend and first[1] > 3 + PLACES
    labels, joint = _labels(first[1] - 3 - (PLACES if edits else 0), told)
    judge = recognise_discriminator(checkpoint, "labeller.")
    size = told.get("size")
    size = size if isinstance(size, int) and size >= 8 else judge.size if judge else None
    config = Config(
        labels, first[0], blocks, joint, size, template=_template(told), blend=blend, edits=edits
    )
    if judge:
        config = replace(config, judge=(judge.width, judge.layers, judge.size))
    elif part:
        config = replace(config, labeller=_widths(checkpoint))
    wanted = dict(_convolutions(config, part)) | dict(_labeller(config))
    found = {k: s for k, s in checkpoint.shapes().items() if len(s) == 4}
    return config if found == wanted else None


_PART = re.compile(r"([^.]+(?:\.generator)?)\.main\.0\.weight")
_HALF = re.compile(r"(?:(.*)[-_])?[GD]")  # 200000-G: the step, and which half it is


def joined(checkpoint: Checkpoint) -> Checkpoint:
    """A generator and a discriminator that lie in one folder, as the two parts of a net of ours,
    and of several pairs the latest; anything else as it is."""
    stems = [m[1] for key in checkpoint.keys() if (m := _PART.fullmatch(key))]  # noqa: SIM118
    checkpoint, stems = _latest(checkpoint, stems)
    kernels = {(checkpoint.shape(f"{stem}.main.0.weight") or ())[2:]: stem for stem in stems}
    if len(stems) != 2 or kernels.keys() != {(7, 7), (4, 4)}:
        return checkpoint
    parts = {kernels[7, 7]: "generator", kernels[4, 4]: "labeller"}
    names: dict[str, str] = {}
    for key in checkpoint.keys():  # noqa: SIM118  (a method, not a dict)
        stem = next((stem for stem in parts if key.startswith(f"{stem}.")), "")
        if stem:
            names[f"{parts[stem]}.{key.removeprefix(stem)[1:]}"] = key
        elif not key.startswith(f"{kernels[7, 7].partition('.')[0]}.labeller."):
            return checkpoint
    return checkpoint.called(names)


def _latest(checkpoint: Checkpoint, stems: list[str]) -> tuple[Checkpoint, list[str]]:
    """Of a folder with pairs of several steps of a training the last whole pair alone; anything
    else as it is."""
    steps = {m[1] for stem in stems if (m := _HALF.fullmatch(stem)) and (m[1] or "").isdigit()}
    pairs = {step: [s for s in stems if s[:-1].rstrip("-_") == step] for step in steps}
    whole = [step for step, pair in pairs.items() if len(pair) == 2]
    if len(stems) < 3 or len(stems) != sum(map(len, pairs.values())) or not whole:
        return checkpoint, stems
    last = max(whole, key=int)
    names = {key: key for key in checkpoint.keys() if key.split(".", 1)[0] in pairs[last]}  # noqa: SIM118
    note = f"The folder holds several steps of a training; the pair of step {last} was taken."
    chosen = replace(checkpoint.called(names), notes=(*checkpoint.notes, note))
    return chosen, pairs[last]


def _labels(count: int, told: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    """The names of `count` numbers, and how many belong to the first of two data sets."""
    labels, joint = told.get("labels"), told.get("joint", 0)
    if isinstance(labels, list) and joint in range(len(labels)):
        return tuple(str(label) for label in labels), joint
    known = {5: (CELEBA, 0), 8: (RAFD, 0), 15: ((*CELEBA, *RAFD), 5)}
    return known.get(count, (tuple(f"Label {n}" for n in range(1, count + 1)), 0))


def _template(told: dict[str, Any]) -> str:
    return "own" if told.get("template") == "own" else "celeba"


def _convolutions(config: Config, part: str) -> Iterable[tuple[str, Shape]]:
    w, n = config.width, config.blocks
    yield f"{part}main.0.weight", (w, config.seen, 7, 7)
    yield f"{part}main.3.weight", (2 * w, w, 4, 4)
    yield f"{part}main.6.weight", (4 * w, 2 * w, 4, 4)
    for block in range(9, 9 + n):
        for place in (0, 3):
            yield f"{part}main.{block}.main.{place}.weight", (4 * w, 4 * w, 3, 3)
    yield f"{part}main.{9 + n}.weight", (4 * w, 2 * w, 4, 4)
    yield f"{part}main.{12 + n}.weight", (2 * w, w, 4, 4)
    yield f"{part}main.{15 + n}.weight", (config.made, w, 7, 7)


def _widths(checkpoint: Checkpoint) -> tuple[int, ...]:
    widths: list[int] = []
    while shape := checkpoint.shape(f"labeller.main.{2 * len(widths)}.weight"):
        widths.append(shape[0])
    return tuple(widths)


def _labeller(config: Config) -> Iterable[tuple[str, Shape]]:
    widths = config.labeller
    if config.judge:
        width, layers, size = config.judge
        widths = tuple(width * 2**level for level in range(layers))
        left = size // 2**layers
        yield "labeller.conv1.weight", (1, widths[-1], 3, 3)
        yield "labeller.conv2.weight", (len(config.labels), widths[-1], left, left)
    for level, (before, width) in enumerate(pairwise((3, *widths))):
        yield f"labeller.main.{2 * level}.weight", (width, before, 4, 4)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """layers  halvings, of which each doubles the width; size = side of the pictures it judges"""

    labels: int = 5
    width: int = 64
    layers: int = 6
    size: int = 128


def recognise_discriminator(checkpoint: Checkpoint, part: str = "") -> DiscriminatorConfig | None:
    """main.0, main.2, ... halve the picture; conv2 sees all of what is left, so that its kernel
    tells the size of the pictures."""
    first = checkpoint.shape(f"{part}main.0.weight")
    last = checkpoint.shape(f"{part}conv2.weight")
    if first is None or last is None or first[1:] != (3, 4, 4) or len(last) != 4:
        return None
    layers = 0
    while checkpoint.shape(f"{part}main.{2 * layers}.weight"):
        layers += 1
    if last[1] != first[0] * 2 ** (layers - 1) or last[2] != last[3]:
        return None
    return DiscriminatorConfig(last[0], first[0], layers, last[2] * 2**layers)


def beside(judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
    """See Family.beside: of as many labels, and trained on crops of one size."""
    found, config = recognise_discriminator(judge), recognise(model)
    if found is None or config is None or config.judge or model.path.is_dir():
        return None
    fits = found.labels == len(config.labels) and config.size in (None, found.size)
    return ("G", "D") if fits else None


def needs(judge: Checkpoint) -> str:
    found = recognise_discriminator(judge)
    if found is None:
        return ""
    return (
        f"; open a StarGAN generator of {found.labels} labels and {found.size} pixels first and "
        "then this, or put it beside its generator, which is named alike but for a G "
        "(200000-G.ckpt)"
    )
