"""What feed-forward style nets are made of, and how they are recognised from key names and shapes.
Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
Kind = Literal["plain", "torch", "mobilenet"]
BORDER = 8  # pixels a side that each block of a "torch" net uses up


@dataclass(frozen=True)
class Config:
    """kind    "plain": convolutions as in Johnson et al. 2016 with nearest upsampling before those
               that enlarge; "mobilenet": inverted bottlenecks of MobileNet-v2 in their place
    widths   channels at 1, 1/2 and 1/4 of the size
    blocks   residual blocks at 1/4 of the size
    style    what the net paints like, as a person reads it
    """

    kind: Kind = "plain"
    widths: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 5
    style: str = ""

    @property
    def title(self) -> str:
        bottlenecks = " of MobileNet bottlenecks" if self.kind == "mobilenet" else ""
        return f"Transformer net{bottlenecks}, {self.blocks} blocks"


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """Without the statistics that instance norms of old torch kept and never used."""
    unused = re.compile(r"\bin\d\.(running_(mean|var)|num_batches_tracked)$")
    return checkpoint.called({k: k for k in checkpoint.infos if not unused.search(k)})


# ---- recognising ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    """By every weight: none may lack, none be over."""
    given = renamed(checkpoint).shapes()
    told = checkpoint.metadata.get("config", {}).get("style", "")
    kinds: tuple[tuple[Kind, str], ...]
    kinds = (("plain", "conv1.conv2d.weight"), ("torch", "conv1.conv2d.weight"),
             ("mobilenet", "conv1.weight"))  # fmt: skip
    for kind, first in kinds:
        config = _guess(given, kind, first, str(told))
        if config and dict(shapes(config)) == given:
            return config
    return None


def _guess(given: Mapping[str, Shape], kind: Kind, first: str, style: str) -> Config | None:
    inner = ".conv3.weight" if kind == "mobilenet" else ".conv2d.weight"
    rows = (given.get(first), given.get(f"conv2{inner}"), given.get(f"conv3{inner}"))
    if any(row is None or len(row) != 4 for row in rows):
        return None
    widths = tuple(row[0] for row in rows if row)
    blocks = len({m[1] for key in given if (m := re.match(r"res(\d+)\.", key))})
    return Config(kind, widths, blocks, style)  # pyright: ignore[reportArgumentType]


def shapes(config: Config) -> Iterator[tuple[str, Shape]]:
    """Every weight by its key."""
    yield from _mobilenet(config) if config.kind == "mobilenet" else _plain(config)


def _convolution(key: str, out: int, into: int, kernel: int) -> Iterator[tuple[str, Shape]]:
    yield f"{key}.conv2d.weight", (out, into, kernel, kernel)
    yield f"{key}.conv2d.bias", (out,)


def _norm(key: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{key}.weight", (width,)
    yield f"{key}.bias", (width,)


def _plain(config: Config) -> Iterator[tuple[str, Shape]]:
    a, b, c = config.widths
    steps = (("conv1", "in1", a, 3, 9), ("conv2", "in2", b, a, 3), ("conv3", "in3", c, b, 3),
             ("deconv1", "in4", b, c, 3), ("deconv2", "in5", a, b, 3))  # fmt: skip
    for key, norm, out, into, kernel in steps:
        turned = config.kind == "torch" and key.startswith("deconv")  # a transposed convolution
        yield f"{key}.conv2d.weight", (into, out, 3, 3) if turned else (out, into, kernel, kernel)
        yield f"{key}.conv2d.bias", (out,)
        yield from _norm(norm, out)
    yield from _convolution("deconv3", 3, a, 9)
    for number in range(1, config.blocks + 1):
        for half in (1, 2):
            yield from _convolution(f"res{number}.conv{half}", c, c, 3)
            yield from _norm(f"res{number}.in{half}", c)


def _mobilenet(config: Config) -> Iterator[tuple[str, Shape]]:
    a, b, c = config.widths
    yield "conv1.weight", (a, 3, 9, 9)
    yield from _norm("in1", a)
    steps = [("conv2", a, b), ("conv3", b, c), ("upconv1.conv1", c, b), ("upconv2.conv1", b, a)]
    steps += [(f"res{number}", c, c) for number in range(1, config.blocks + 1)]
    for key, into, out in steps:
        yield f"{key}.conv1.weight", (into, into, 1, 1)
        yield from _norm(f"{key}.in1", into)
        yield f"{key}.conv2.weight", (into, 1, 3, 3)
        yield from _norm(f"{key}.in2", into)
        yield f"{key}.conv3.weight", (out, into, 1, 1)
        yield from _norm(f"{key}.in3", out)
    yield "conv4.weight", (3, a, 9, 9)
