"""Any picture as style, in one pass for a photo: AdaIN (Huang & Belongie 2017), MicroAST (Wang et
al. 2023), and whitening and colouring (Li et al. 2017) on pruned VGGs (Wang et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engines import styling
from engines.controls import Choice, Control, ImageInput, ModelCard, SizeRule, Slider, gate
from engines.families.anystyle import config as configs
from engines.families.anystyle.config import AnyConfig, WCTConfig
from engines.family import Family, Model, register
from engines.job import Event, Job

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

WHAT = (  # the pictures of style, and how much each of them counts
    ("Style", "Amount of the style"),
    ("Second style", "Amount of the second style"),
    ("Third style", "Amount of the third style"),
    ("Fourth style", "Amount of the fourth style"),
)


class AnyStyle(Family):
    id, title = "any_style", "Style by example"
    trainer = "train:AnyStyleTrainer"
    shrinks = True

    def recognise(self, checkpoint: Checkpoint) -> AnyConfig | None:
        return configs.recognise(checkpoint)

    def build(self, config: AnyConfig) -> nn.Module:
        from engines.families.anystyle.build import build

        return build(config)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def to_dict(self, config: AnyConfig) -> dict[str, Any]:
        return configs.to_dict(config)

    def card(self, config: AnyConfig) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("photo", "Photo"),
                ImageInput("style", "Style"),
                gate(),
                *_ways(),
                *_more_styles(),
            ),
            size=SizeRule(4 * config.multiple_of, config.multiple_of),
            rooms=("style",),
            half_ok=not isinstance(config, WCTConfig),
            network=config.title,
            paper=config.paper,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        """A Progress after each tile where there are tiles; one picture, or those of a strip."""
        from engines.families.anystyle import painting

        yield from painting.run(model, job)


def _more_styles() -> Iterator[Control]:
    for number, (name, amount) in enumerate(WHAT, 1):
        end = "" if number == 1 else str(number)
        if number > 1:
            yield ImageInput(f"style{end}", name, optional=True)
        yield Slider(f"amount{end}", amount, 0, 1, 0.01, 1.0,
                     help="How much this style counts among the others.")  # fmt: skip
    yield Choice(
        "strip",
        "Strip of mixes",
        (("1", "One picture"), ("3", "3 pictures"), ("5", "5 pictures"), ("7", "7 pictures")),
        "1",
        help="Leads from the first style to the second.",
    )


def _ways() -> Iterator[Control]:
    yield Slider("strength", "Style strength", 0, 1, 0.01, 1.0,
                 help="From the photo as it is to all of the style.")  # fmt: skip
    yield styling.COLOURS
    yield styling.SCALE
    yield styling.LONGEST
    yield styling.TILES


register(AnyStyle())
