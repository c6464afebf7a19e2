"""What a style transfer is asked for, as data: terms with their weights, sizes, start. Imports no
torch and knows no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from engines import layernames
from engines.backbones import Config, default_content, default_style
from engines.styling import final_size

STYLES = 4  # pictures of style that one job may mix
SMALLEST_SCALE = 192  # pixels of the longer side that coarse to fine begins with, at least
Terms = tuple[tuple[str, float], ...]  # (layer, weight)


@dataclass(frozen=True)
class Setting:
    """What is minimised. Weights are those of Gatys et al. on pictures from 0 to 255.

    content, style  layers, each with its share of the term's weight
    tv              total variation: sum of absolute differences of neighbours
    pixel           mean squared difference of the picture to the photo
    class_weight    the score of class number `klass`, where the network has a head
    """

    content: Terms
    style: Terms
    content_weight: float = 5.0
    style_weight: float = 100.0
    tv: float = 1e-3
    pixel: float = 0.0
    class_weight: float = 0.0
    klass: int = 0
    pooling: Literal["max", "average"] = "max"

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a term looks at, once."""
        wanted = [name for name, _ in (*self.content, *self.style)]
        return tuple(dict.fromkeys(wanted))


def default_setting(config: Config) -> Setting:
    return Setting(((default_content(config), 1.0),),
                   tuple((name, 1.0) for name in default_style(config)))  # fmt: skip


def to_setting(config: Config, values: Mapping[str, Any]) -> Setting:
    """The setting of a job's checked values. Raises ControlError."""
    return Setting(
        terms(config, str(values["content_layers"])),
        terms(config, str(values["style_layers"])),
        float(values["content"]),
        float(values["strength"]),
        float(values["tv"]),
        float(values["pixel"]),
        float(values.get("class_weight", 0.0)),
        round(float(values.get("class", 0))),
        cast(Literal["max", "average"], values["pooling"]),
    )


def terms(config: Config, text: str) -> Terms:
    """ "relu1_1, relu2_1 = 0.5" as layers with weights. Raises ControlError."""
    found: dict[str, float] = {}
    for name, share in layernames.named(text):
        if share:
            found[layernames.layer(config, name)] = share
    return tuple(found.items())


def text(found: Terms) -> str:
    """The inverse of `terms`."""
    return ", ".join(name if weight == 1 else f"{name}={weight:g}" for name, weight in found)


# ---- sizes ---------------------------------------------------------------------------------------


def ladder(
    size: tuple[int, int], coarse: bool, steps: int, begin: int = 0
) -> list[tuple[tuple[int, int], int]]:
    """[(size, steps)] from coarse to fine: each half as large as the next; the first of them takes
    `steps`, each other half as many as the one before, at least 10. Sizes whose longer side is
    below `begin` are left out."""
    found = [(size, steps)]
    while coarse and max(found[0][0]) >= 2 * SMALLEST_SCALE:
        found.insert(0, (final_size(size, max(found[0][0]) // 2), steps))
    kept = [pair for pair in found if max(pair[0]) >= min(begin, max(size))]
    return [(pair, max(10, steps >> number)) for number, (pair, _) in enumerate(kept)]
