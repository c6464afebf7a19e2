"""What nets share that redraw a face: their card, the look at a photo that is remembered, templates
at their size, and the choice between what they drew and the photo with only their changes. Imports
no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from engines import faces
from engines.controls import Choice, Control, FaceTemplate, ModelCard, SizeRule
from engines.family import Family, Model
from engines.job import Job, Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Seen = TypeVar("Seen")
REMEMBERED = 2  # photos whose look a model keeps: the one in work, and a second one

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


def card(
    family: Family,
    title: str,
    controls: Sequence[Control],
    network: str,
    paper: str,
    face: FaceTemplate,
) -> ModelCard:
    """The card of a net that takes faces as `face` says and no other size."""
    side = face.size[0]
    return ModelCard(
        family.id,
        title,
        controls=(*faces.CONTROLS, *controls),
        size=SizeRule(side, side, square=True, native=face.size, fixed=True),
        rooms=("faces",),
        network=network,
        paper=paper,
        face=face,
    )


def points(job: Job) -> tuple[float, ...]:
    """Where the face is in the photo, six numbers; () leaves it to be found."""
    return tuple(float(v) for v in job.values["points"] or ())  # pyright: ignore


def number(job: Job, name: str) -> float:
    return float(job.values[name])  # pyright: ignore[reportArgumentType]


def numbers(job: Job, name: str) -> list[float]:
    return [float(v) for v in job.values[name]]  # pyright: ignore


def look(
    model: Model,
    photo: Picture,
    points: Sequence[float],
    template: FaceTemplate,
    see: Callable[[faces.Cut, Tensor], Seen],
    *told: object,
) -> Seen:
    """What `see` makes of the face's cut and its crop (1, 3, H, W) in [-1, 1]. Remembered for the
    last photos (and what was `told` of them), so that a slider finds it ready."""
    import torch

    from engines import tensors

    key = (photo.digest, template.size, told, *points)
    known: dict[object, Seen] = model.memo.setdefault("seen", {})
    if key not in known:
        cut = faces.cut(photo, template, points)
        made = see(cut, tensors.to_tensor(cut.crop, 3, model.device, torch.float32))
        while len(known) >= REMEMBERED:
            known.pop(next(iter(known)))
        known[key] = made
    return known[key]


def painted(cut: faces.Cut, job: Job) -> np.ndarray | None:
    """The job's mask on the crop, (H, W) in [0, 1]; None for another photo than it was painted
    on."""
    ours = cut.photo.digest == job.images["face"].digest
    return faces.painted(cut, job.images.get("mask")) if ours else None


def finished(cut: faces.Cut, made: Tensor, job: Job) -> Picture:
    """A face (1, 3, H, W) in [-1, 1] as the job wants it: alone, or in its photo; where a mask was
    painted, changed only there."""
    from engines import tensors

    edited, mask = tensors.to_picture(made), painted(cut, job)
    if mask is not None:
        share = mask[..., None]
        kept = cut.crop.pixels * (1 - share) + edited.pixels * share
        edited = Picture((kept + 0.5).astype("uint8"))
    return faces.result(cut, edited, str(job.values["output"]))


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
