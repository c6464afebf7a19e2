"""What families share whose network is a backbone that looks at pictures (backbones.py): the same
files, read and built in the same way. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engines import backbones, classnames
from engines.backbones import Config
from engines.controls import ClassChoice, Slider, When
from engines.family import Family

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint


class BackboneFamily(Family):
    shrinks = True
    shares = tuple(backbones.FAMILIES)

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return backbones.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines import backbonenet

        return backbonenet.Backbone(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        from engines import backbonenet

        return backbonenet.load(config, checkpoint)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return backbones.fitted(checkpoint)

    def to_dict(self, config: Config) -> dict[str, Any]:
        return backbones.to_metadata(config)[backbones.METADATA]


def class_control(config: Config, when: When = ()) -> ClassChoice | Slider:
    """Which of its classes a network is asked for: by name where the names are known."""
    names = config.names or classnames.known(config.classes)
    if names:
        return ClassChoice("class", "Which class", names, when=when,
                           help="Type a part of its name, or its number.")  # fmt: skip
    return Slider("class", "Number of the class", 0, config.classes - 1, 1, 0, when=when)
