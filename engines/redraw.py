"""What nets share that redraw a face: their card, the look at a photo that is remembered, templates
at their size, the choice between what they drew and the photo with only their changes, and the same
edit on every face of a photo. Imports no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from engines import faces
from engines.controls import Choice, Control, FaceTemplate, ModelCard, SizeRule
from engines.family import Family, Model
from engines.job import Event, Fit, Job, Picture, Progress, Result, Value

if TYPE_CHECKING:
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


# ---- every face of a photo -----------------------------------------------------------------------

RunT = TypeVar("RunT", bound=Callable[..., Iterator[Event]])


def every_face(run: RunT) -> RunT:
    """A family's `run` that edits one face, as one that edits every face of the photo where the job
    asks for it: each is found, aligned, edited and blended back as if it were alone."""

    @wraps(run)
    def one_or_all(self: Family, model: Model, job: Job) -> Iterator[Event]:
        if job.values["output"] != "every":
            yield from run(self, model, job)
            return
        found = _found(model, job.images["face"])
        if len(found) < 2:
            points = list(found[0].points) if found else []
            yield from run(self, model, job.with_(values=_alone(job, points)))
            return
        start, results = time.perf_counter(), list[Result]()
        for number, face in enumerate(found, 1):
            now = Progress(number - 1, len(found), f"Face {number} of {len(found)}")
            one = job.with_(values=_alone(job, list(face.points)))
            for event in run(self, model, one):
                if isinstance(event, Result):
                    results.append(event)
                else:
                    yield now
            yield now
        yield _joined(job.images["face"], results, time.perf_counter() - start)

    return cast(RunT, one_or_all)


def _found(model: Model, photo: Picture) -> Sequence[faces.Face]:
    """The faces of a photo; those of the last one are remembered."""
    if model.memo.get("found", ("",))[0] != photo.digest:
        model.memo["found"] = photo.digest, faces.find(photo)
    return model.memo["found"][1]


def _alone(job: Job, points: list[float]) -> dict[str, Value]:
    """The values of the job for one face: boxes of the photo are of none, and where the model looks
    is no change that several faces could share."""
    values: dict[str, Value] = {**job.values, "output": "photo", "points": points}
    if "box" in values:
        values["box"] = []
    if values.get("show") == "attention":
        values["show"] = "result"
    return values


def _joined(photo: Picture, results: Sequence[Result], seconds: float) -> Result:
    """The changes of all faces in one photo, picture by picture where each face gave several; what
    is true of every face is told once."""
    pictures = [_together(photo, made) for made in zip(*(r.pictures for r in results))]
    names = [tuple(text.partition(":")[0] for text in r.texts) for r in results]
    values = results[0].values if all(r.values == results[0].values for r in results) else ()
    said = dict.fromkeys(note for result in results for note in result.notes)
    common = [note for note in said if all(note in result.notes for result in results)]
    own = [
        _of(number, results, note)
        for number, result in enumerate(results, 1)
        for note in result.notes
        if note not in common
    ]
    texts = names[0] if all(name == names[0] for name in names) else ()
    return Result(tuple(pictures), texts, seconds, (*common, *own), _worst(results), values=values)


def _together(photo: Picture, made: Sequence[Picture]) -> Picture:
    """The photo with the changes of all pictures; where two meet, their changes add up."""
    pixels = photo.pixels.copy()
    for picture in made:
        changed = (picture.pixels != photo.pixels).reshape(*photo.pixels.shape[:2], -1).any(2)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        if not len(rows):
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        step = picture.pixels[part].astype(np.int16) - photo.pixels[part]
        pixels[part] = np.clip(pixels[part] + step, 0, 255).astype(np.uint8)
    pixels.flags.writeable = False  # so that Picture makes no second copy
    return Picture(pixels)


def _worst(results: Sequence[Result]) -> Fit | None:
    """The fit of the face that fits least, which tells of every face in trouble."""
    fits = [(number, result.fit) for number, result in enumerate(results, 1) if result.fit]
    if not fits:
        return None
    troubled = [_of(number, results, fit.message) for number, fit in fits if fit.poor]
    worst = min((fit for _, fit in fits), key=lambda fit: fit.score)
    said = " ".join(troubled) or f"All {len(results)} faces fit well."
    return Fit(worst.score, said, worst.measured)


def _of(number: int, results: Sequence[Result], sentence: str) -> str:
    return f"Face {number} of {len(results)}: {sentence}"
