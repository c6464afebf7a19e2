"""The configuration of a CycleGAN model, and how it is recognised from key names and shapes.

A model is one generator or two, A to B and back, and where they are at hand the discriminators,
which tell how much a picture looks like those of a side. A single ResNet generator is left to
pix2pix, whose files look the same. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engines import patchgan, residual
from engines.patchgan import JudgeConfig
from engines.residual import Norm, ResNetConfig, Shape, Shapes, below, holds_exactly

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint


@dataclass(frozen=True)
class MobileConfig:
    """A ResNet generator whose blocks are depthwise and pointwise convolutions, compressed by
    GAN-Compression (Li et al. 2020). downs, ups: channels at 1, 1/2, 1/4 of the size on the way
    down, at 1/2 and 1 on the way up; inner: channels inside each block."""

    inputs: int = 3
    outputs: int = 3
    downs: tuple[int, ...] = (16, 32, 128)
    inner: tuple[int, ...] = (64,) * 3 + (128,) * 6
    ups: tuple[int, ...] = (32, 16)

    @property
    def title(self) -> str:
        return f"compressed ResNet, {len(self.inner)} blocks"


@dataclass(frozen=True)
class PlainConfig:
    """Two halvings and two doublings without blocks, as tutorials build it. root: what its names
    begin with."""

    inputs: int = 3
    outputs: int = 3
    width: int = 64
    norm: Norm = "instance"
    root: str = "main"

    @property
    def title(self) -> str:
        return "small net without blocks" + (", no norm" if self.norm == "none" else "")


Net = ResNetConfig | MobileConfig | PlainConfig
NETS: dict[str, type[Net]] = {"resnet": ResNetConfig, "mobile": MobileConfig, "plain": PlainConfig}


@dataclass(frozen=True)
class Config:
    """ab translates A to B, ba back. judge_a and judge_b know the pictures of a side. names: what
    the sides are, as a person reads it."""

    ab: Net = ResNetConfig()  # noqa: RUF009  (frozen)
    ba: Net | None = None
    judge_a: JudgeConfig | None = None
    judge_b: JudgeConfig | None = None
    names: tuple[str, str] = ("A", "B")

    multiple_of = 4
    minimum = 8


def title(net: Net) -> str:
    return f"ResNet, {net.blocks} blocks" if isinstance(net, ResNetConfig) else net.title


def to_dict(config: Config) -> dict[str, Any]:
    body = asdict(config)
    for part in ("ab", "ba"):
        net = getattr(config, part)
        if net is not None:
            kind = next(name for name, kind in NETS.items() if isinstance(net, kind))
            body[part] = {"net": kind, **body[part]}
    return body


# ---- the parts of a file or folder ---------------------------------------------------------------

PARTS = ("ab", "ba", "judge_a", "judge_b")
# names of the official code, where D_A judges what G_A makes, and of others, where it judges A
_OFFICIAL = {"net_G_A": "ab", "net_G_B": "ba", "net_D_A": "judge_b", "net_D_B": "judge_a"}
_OTHERS = re.compile(
    r"(?:net|model)?_?(?:(?P<net>G|gen|generator)_?(?P<way>A2B|B2A|AtoB|BtoA|AB|BA)"
    r"|(?P<judge>D|dis|discriminator)_?(?P<side>A|B))$",
    re.IGNORECASE,
)


def places(names: Iterable[str]) -> dict[str, str]:
    """Part -> what its names begin with: of a file of ours, of a folder of files (one of which may
    be of ours), or of a bare generator ("")."""
    names = tuple(names)
    stems = dict.fromkeys(name.split(".", 1)[0] for name in names)
    if "ab" in stems and not set(stems) - set(PARTS):
        return {part: f"{part}." for part in PARTS if part in stems}
    inner = dict.fromkeys(tuple(f"{name}.".split(".", 2)[:2]) for name in names)
    found = {part: f"{stem}.{part}." for stem, part in inner if part in PARTS}
    for stem in sorted(stems, key=_age):
        if part := _part(stem):
            found[part] = f"{stem}."
    return found if "ab" in found else {"ab": ""} if not found else {}


def _age(stem: str) -> tuple[bool, int]:
    """The latest epoch comes last."""
    epoch = stem.split("_", 1)[0]
    return epoch == "latest", int(epoch) if epoch.isdigit() else -1


def _part(stem: str) -> str | None:
    """What the file of this name is."""
    epoch, _, official = stem.rpartition("net_")
    if (epoch or stem.startswith("net_")) and f"net_{official}" in _OFFICIAL:
        return _OFFICIAL[f"net_{official}"]
    match = _OTHERS.match(stem)
    if match is None:
        return None
    if match["net"]:
        return "ab" if match["way"].upper().startswith("A") else "ba"
    return f"judge_{match['side'].lower()}"


def beside(judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
    """See Family.beside. Which side a discriminator judges its name says; of a model of one
    direction it is that of the results."""
    found, config = patchgan.recognise(judge.shapes()), recognise(model)
    if config is None and (net := _net(model.shapes())) is not None:
        config = Config(net)
    if found is None or found.inputs != 3 or config is None:
        return None
    told = _part(judge.path.name.split(".", 1)[0])
    part = told if told in ("judge_a", "judge_b") else "" if config.ba else "judge_b"
    if not part or getattr(config, part) or (part == "judge_a" and not config.ba):
        return None
    official = next(name for name, known in _OFFICIAL.items() if known == part)
    return "net_G_A" if places(model.keys())["ab"] == "" else "model", official


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The same file or folder, its parts called as in our files."""
    return checkpoint.called(checkpoint.inside(places(checkpoint.keys())))


# ---- recognising ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    found = places(checkpoint.keys())
    nets = {part: below(checkpoint.shapes(), begin) for part, begin in found.items()}
    if "ab" not in nets:
        return None
    ab = _net(nets["ab"])
    ba = _net(nets["ba"]) if "ba" in nets else None
    judges = [patchgan.recognise(nets[part]) if part in nets else None for part in PARTS[2:]]
    if ab is None or ("ba" in nets and ba is None):
        return None
    if any(judge is None for part, judge in zip(PARTS[2:], judges) if part in nets):
        return None
    is_named = checkpoint.metadata.get("family") == "cyclegan"
    if isinstance(ab, ResNetConfig) and not found["ab"] and not is_named:
        return None
    told = checkpoint.metadata.get("config", {}).get("names", ("A", "B"))
    return Config(ab, ba, judges[0], judges[1], (str(told[0]), str(told[1])))


def _net(shapes: Shapes) -> Net | None:
    net = residual.recognise(shapes)
    if net is not None:
        return net if net.downs == 2 and net.blocks and net.inputs == net.outputs == 3 else None
    return _mobile(shapes) or _plain(shapes)


_INNER = re.compile(r"model\.(\d+)\.conv_block\.1\.conv\.2\.weight$")


def _mobile(shapes: Shapes) -> MobileConfig | None:
    first, blocks = shapes.get("model.1.weight"), {}
    for key, shape in shapes.items():
        if match := _INNER.match(key):
            blocks[int(match[1])] = shape[0]
    after = 10 + len(blocks)
    rows = [shapes.get(f"model.{n}.weight") for n in (4, 7, after, after + 3, after + 7)]
    if first is None or any(r is None or len(r) != 4 for r in rows) or len(first) != 4:
        return None
    half, quarter, up, full, last = (r for r in rows if r is not None)
    config = MobileConfig(
        first[1],
        last[0],
        (first[0], half[0], quarter[0]),
        tuple(blocks[n] for n in sorted(blocks)),
        (up[1], full[1]),
    )
    return config if holds_exactly(shapes, _mobile_weights(config)) else None


def _mobile_weights(config: MobileConfig) -> Iterable[tuple[str, Shape]]:
    a, b, c = config.downs
    up, full = config.ups
    yield "model.1.weight", (a, config.inputs, 7, 7)
    yield "model.4.weight", (b, a, 3, 3)
    yield "model.7.weight", (c, b, 3, 3)
    after = 10 + len(config.inner)
    for number, inner in enumerate(config.inner, 10):
        for place, (before, out) in ((1, (c, inner)), (6, (inner, c))):
            name = f"model.{number}.conv_block.{place}.conv"
            yield f"{name}.0.weight", (before, 1, 3, 3)
            yield f"{name}.2.weight", (out, before, 1, 1)
    yield f"model.{after}.weight", (c, up, 3, 3)
    yield f"model.{after + 3}.weight", (up, full, 3, 3)
    yield f"model.{after + 7}.weight", (config.outputs, full, 7, 7)


def _plain(shapes: Shapes) -> PlainConfig | None:
    """A norm after each convolution moves the next one by a place."""
    for root, norm, step in (("main", "instance", 3), ("model", "none", 2)):
        first = shapes.get(f"{root}.0.weight")
        last = shapes.get(f"{root}.{5 * step}.weight")
        if first is None or last is None or len(first) != 4 or len(last) != 4:
            continue
        config = PlainConfig(first[1], last[0], first[0], norm, root)  # type: ignore[arg-type]
        if holds_exactly(shapes, _plain_weights(config)):
            return config
    return None


def _plain_weights(config: PlainConfig) -> Iterable[tuple[str, Shape]]:
    w, step = config.width, 3 if config.norm == "instance" else 2
    shapes = ((w, config.inputs, 7, 7), (2 * w, w, 3, 3), (4 * w, 2 * w, 3, 3),
              (4 * w, 2 * w, 3, 3), (2 * w, w, 3, 3), (config.outputs, w, 7, 7))  # fmt: skip
    for number, shape in enumerate(shapes):
        yield f"{config.root}.{number * step}.weight", shape
