"""What nets share that draw a whole small face anew from few numbers: templates at their size, and
the choice between what they drew and the photo with only their changes. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.controls import Choice, FaceTemplate

if TYPE_CHECKING:
    from torch import Tensor

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
    return _mapped(template, 0, 0, template.size[0], side)


def cropped(template: FaceTemplate, left: int, top: int, side: int) -> FaceTemplate:
    """The square of `side` pixels that begins at (left, top)."""
    return _mapped(template, left, top, side, side)


def _mapped(template: FaceTemplate, left: int, top: int, side: int, size: int) -> FaceTemplate:
    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (point[0] - left) * size / side, (point[1] - top) * size / side

    points = place(template.left_eye), place(template.right_eye), place(template.mouth)
    return FaceTemplate((size, size), *points)
