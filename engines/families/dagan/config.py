"""What the weights of a DA-GAN say of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
BLOCK = (0, 3)  # places of the convolutions in a residual block


@dataclass(frozen=True)
class Config:
    """goal    what the set that it translates to has in common, as a person reads it
    width   channels of the encoder's first layer, a multiple of four, doubling with each level
    locate  channels of the two layers that find the instance
    region  side in pixels of the region it attends to; 0: its extent is found too
    steep   of the region's edges, for a pixel; 200 is the published implementation's
    classes of the instance classifier
    blocks  residual blocks of the classifier
    judges  channels of the first layer of the two discriminators that travel along; 0: none do
    levels  halvings of the encoder down to 4 x 4 pixels
    adds    the generator draws what is added to the region, and is shown what the encoder saw of it
            at every size (our starter); else it draws the region anew, from the code alone
    """

    goal: str = "the other set"
    width: int = 64
    locate: tuple[int, int] = (1024, 2048)
    region: int = 30
    steep: float = 200.0
    classes: int = 10
    blocks: int = 7
    judges: int = 64
    levels: int = 4
    adds: bool = False

    @property
    def size(self) -> int:
        """Side in pixels of what it sees and makes."""
        return 4 * 2**self.levels

    @property
    def code(self) -> int:
        """Channels of the 4 x 4 code."""
        return self.width * 2 ** (self.levels - 1)

    @property
    def drawn(self) -> list[tuple[int, int]]:
        """(channels in, channels out) of the generator's convolutions, from the smallest on."""
        outs = [*(self.width * 2**level for level in reversed(range(self.levels - 1))), 3]
        shown = outs if self.adds else [0] * self.levels
        return [
            (before // 4 + more, out)
            for before, more, out in zip((self.code, *outs), shown, outs, strict=False)
        ]


def recognise(checkpoint: Checkpoint) -> Config | None:
    shapes = {k: s for k, s in checkpoint.shapes().items() if len(s) > 1}
    first, box = shapes.get("encoder.main.0.weight"), shapes.get("locator.box.weight")
    wide, last = shapes.get("locator.main.0.weight"), shapes.get("classifier.last.weight")
    if first is None or box is None or wide is None or last is None or first[0] % 4:
        return None
    told = checkpoint.metadata.get("config", {})
    judge = shapes.get("set_judge.main.0.weight")
    config = Config(
        goal=str(told.get("goal", Config.goal)),
        width=first[0],
        locate=(wide[0], box[1]),
        region=int(told.get("region", Config.region)) if box[0] == 2 else 0,
        steep=float(told.get("steep", Config.steep)),
        classes=last[0],
        blocks=sum(k.startswith("classifier.blocks.") for k in shapes) // 2,
        judges=judge[0] if judge else 0,
        levels=sum(k.startswith("encoder.main.") for k in shapes),
    )
    drawn = shapes.get("generator.main.1.weight", (0, 0))
    config = replace(config, adds=drawn[1] > config.code // 4)
    return config if dict(layers(config)) == shapes else None


def layers(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of every weight but biases and norms."""
    widths = [3] + [config.width * 2**level for level in range(config.levels)]
    for level, (before, out) in enumerate(pairwise(widths)):
        yield f"encoder.main.{3 * level}.weight", (out, before, 3, 3)
    a, b = config.locate
    yield "locator.main.0.weight", (a, config.code, 3, 3)
    yield "locator.main.3.weight", (b, a, 3, 3)
    yield "locator.box.weight", (2 if config.region else 4, b)
    for block in range(config.blocks):
        for place in BLOCK:
            yield (
                f"classifier.blocks.{block}.main.{place}.weight",
                (config.code, config.code, 3, 3),
            )
    yield "classifier.last.weight", (config.classes, 16 * config.code)
    for level, (inputs, out) in enumerate(config.drawn):
        yield f"generator.main.{_place(level)}.weight", (out, inputs, 5, 5)
    if config.judges:
        widths = [3] + [config.judges * 2**level for level in range(config.levels)]
        for judge in ("set_judge", "instance_judge"):
            for level, (before, out) in enumerate(pairwise(widths)):
                yield f"{judge}.main.{3 * level}.weight", (out, before, 3, 3)
            yield f"{judge}.last.weight", (1, 16 * widths[-1])


def _place(level: int) -> int:
    """Of a convolution in the generator: each follows a rearrangement; the second and third have a
    norm behind them."""
    return 1 + 3 * level + max(0, level - 1)
