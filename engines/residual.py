"""The configuration of the ResNet generator of Johnson et al. 2016, and how it is recognised from
key names and shapes.

CycleGAN's generators are such nets, and pix2pixHD's global generator and (without blocks) its
encoder. Recognition is exact: a configuration is read from a few shapes, and then every convolution
must be where that configuration puts it, and no other. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engines.controls import Choice

Norm = Literal["batch", "instance", "none"]
Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

# the control of nets with batch norm, which reference tests run in training mode
BATCH_NORM = Choice(
    "norm",
    "Normalisation",
    (("trained", "As trained"), ("frozen", "Frozen")),
    "trained",
    help="As trained: by the statistics of this picture, as the reference test does. "
    "Frozen: by those remembered from training, steadier from picture to picture.",
)


@dataclass(frozen=True)
class ResNetConfig:
    """width: channels at full size, doubled by each of `downs` halvings. bias: convolutions before
    a batch norm have a bias too, as pix2pixHD has it."""

    inputs: int = 3
    outputs: int = 3
    width: int = 64
    blocks: int = 9
    norm: Norm = "instance"
    dropout: bool = False
    downs: int = 2
    bias: bool = False

    @property
    def multiple_of(self) -> int:
        return 2**self.downs

    @property
    def minimum(self) -> int:
        """Mirroring by one pixel and normalising need 2x2 at the coarsest level."""
        return 2 * self.multiple_of

    @property
    def noisy(self) -> bool:
        return self.dropout

    @property
    def widest(self) -> int:
        """Channels at the coarsest level."""
        return self.width * 2**self.downs


def is_convolution(shape: Shape | None, kernel: int) -> bool:
    return shape is not None and len(shape) == 4 and shape[2:] == (kernel, kernel)


def holds_exactly(shapes: Shapes, wanted: Iterable[tuple[str, Shape]]) -> bool:
    """Whether these are the convolutions of the net, all of them, in these shapes."""
    return {k: s for k, s in shapes.items() if len(s) == 4} == dict(wanted)


def norm_after(shapes: Shapes, norm: str, convolution: str) -> Norm | None:
    """Which norm follows `convolution`: batch norm has weights and a memory; instance norm has
    neither, and the convolution before it a bias; without a norm the official nets have no bias
    either. None for a norm of another kind."""
    if f"{norm}.weight" in shapes:
        return "batch" if f"{norm}.running_mean" in shapes else None
    return "instance" if f"{convolution}.bias" in shapes else "none"


def below(shapes: Shapes, prefix: str) -> dict[str, Shape]:
    """The net whose names begin with `prefix`, under its own names."""
    return {k.removeprefix(prefix): s for k, s in shapes.items() if k.startswith(prefix)}


_BLOCK = re.compile(r"^model\.(\d+)\.conv_block\.(\d+)\.weight$")


def recognise(shapes: Shapes, head: bool = True) -> ResNetConfig | None:
    """model.1 is a 7x7 convolution, halvings follow, then residual blocks of two 3x3 convolutions
    (dropout between these moves the second from place 5 to 6), doublings, and a 7x7 convolution.
    Without `head` that last one is absent: `outputs` is 0 then."""
    first = shapes.get("model.1.weight")
    if not is_convolution(first, 7) or first is None:
        return None
    downs = 0
    while shapes.get(f"model.{4 + 3 * downs}.weight") == _halving(first[0], downs):
        downs += 1
    blocks = _halves(shapes, first[0] * 2**downs)
    last = shapes.get(f"model.{4 + 3 * downs + len(blocks) + 3 * downs + 1}.weight")
    norm = norm_after(shapes, "model.2", "model.1")
    if norm is None or (head and last is None) or any(len(b) != 2 for b in blocks.values()):
        return None
    config = ResNetConfig(
        first[1],
        last[0] if head and last else 0,
        first[0],
        len(blocks),
        norm,
        bool(blocks) and all(max(halves) == 6 for halves in blocks.values()),
        downs,
        norm == "batch" and "model.1.bias" in shapes,
    )
    return config if downs and holds_exactly(shapes, weights(config, blocks)) else None


def _halving(width: int, level: int) -> Shape:
    return (width * 2 ** (level + 1), width * 2**level, 3, 3)


def _halves(shapes: Shapes, channels: int) -> dict[int, list[int]]:
    """Number of each residual block -> places of its 3x3 convolutions."""
    blocks: dict[int, list[int]] = {}
    for key, shape in shapes.items():
        match = _BLOCK.match(key)
        if match and shape == (channels, channels, 3, 3):
            blocks.setdefault(int(match[1]), []).append(int(match[2]))
    return blocks


def weights(config: ResNetConfig, blocks: Mapping[int, list[int]]) -> Iterable[tuple[str, Shape]]:
    """Name and shape of every convolution, with the given places inside the blocks."""
    width, downs = config.width, config.downs
    yield "model.1.weight", (width, config.inputs, 7, 7)
    for level in range(downs):
        yield f"model.{4 + 3 * level}.weight", _halving(width, level)
    after = 4 + 3 * downs
    for number, block in enumerate(sorted(blocks), after):
        for place in blocks[block]:
            name = f"model.{number}.conv_block.{place}.weight"
            yield name, (config.widest, config.widest, 3, 3)
    after += config.blocks
    for level in reversed(range(downs)):  # transposed: (in, out, H, W), so the same shapes
        yield f"model.{after}.weight", _halving(width, level)
        after += 3
    if config.outputs:
        yield f"model.{after + 1}.weight", (config.outputs, width, 7, 7)


# ---- its channels, for students that begin with a teacher's strongest (engines/distil.py) --------


def groups(config: ResNetConfig) -> dict[str, int]:
    """How many channels each group of axes() has."""
    inner = {f"block {number}": config.widest for number in range(config.blocks)}
    sides = {
        f"{side} {level}": config.width * 2**level
        for side in ("down", "up")
        for level in range(config.downs)
    }
    return sides | {"middle": config.widest} | inner


def axes(config: ResNetConfig) -> dict[str, Sequence[Sequence[str]]]:
    """Which groups of channels lie along the axes of each weight of a ResNet whose norms have no
    weights."""
    found: dict[str, Sequence[Sequence[str]]] = {}

    def layer(place: int | str, out: str, given: str | None) -> None:
        both = [[out], [given] if given else []]
        name = f"model.{place}.weight"
        found[name] = both[::-1] if name in turned(config) else both
        found[f"model.{place}.bias"] = [[out]]

    downs = [f"down {level}" for level in range(config.downs)] + ["middle"]
    ups = ["middle"] + [f"up {level}" for level in reversed(range(config.downs))]
    layer(1, downs[0], None)
    for level in range(config.downs):
        layer(4 + 3 * level, downs[level + 1], downs[level])
    first = 4 + 3 * config.downs
    for number in range(config.blocks):
        layer(f"{first + number}.conv_block.1", f"block {number}", "middle")
        layer(f"{first + number}.conv_block.5", "middle", f"block {number}")
    first += config.blocks
    for level in range(config.downs):
        layer(first + 3 * level, ups[level + 1], ups[level])
    found[f"model.{first + 3 * config.downs + 1}.weight"] = [[], [ups[-1]]]
    return found


def turned(config: ResNetConfig) -> list[str]:
    """The weights of its transposed convolutions."""
    first = 4 + 3 * config.downs + config.blocks
    return [f"model.{first + 3 * level}.weight" for level in range(config.downs)]
