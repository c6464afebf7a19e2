"""What nets share that draw a whole small face anew from a few numbers: templates at their size, and
the choice between what they drew and the photo with only their changes. Imports no torch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engines.controls import Choice

if TYPE_CHECKING:
    from torch import Tensor

    from engines.controls import FaceTemplate

FACE_FROM = Choice(
    "face_from",
    "Face",
    (("made", "Drawn anew"), ("change", "The photo, with the changes")),
    "change",
    help="Drawn anew: what the generator makes, as in the paper. With the changes: what the edit "
    "changes in the generator's picture is added to the photo, which keeps its details.",
)
REDRAWN = (
    "This model draws the whole face anew from few numbers; under “Face” choose its changes alone "
    "to keep the photo's details."
)


def shown(x: Tensor, made: Tensor, plain: Tensor, face_from: str) -> Tensor:
    """What becomes of a crop x (B, 3, H, W) in [-1, 1]: `made`, or x with the difference of `made`
    to `plain`, which is drawn from the same code without an edit."""
    return made if face_from == "made" else x + made - plain


def scaled(template: FaceTemplate, side: int) -> FaceTemplate:
    """A square template at another size in pixels."""
    share = side / template.size[0]
    points = {
        name: (getattr(template, name)[0] * share, getattr(template, name)[1] * share)
        for name in ("left_eye", "right_eye", "mouth")
    }
    return replace(template, size=(side, side), **points)
