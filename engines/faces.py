"""One face of a photo, brought to what a model needs and back: aligned, edited, blended in.

Knows pictures and templates; no network and no window. Photos stay at full size: only the window
around the face is touched, and what the edit left alone keeps its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from engines import images
from engines.controls import Choice, Control, FacePoints, FaceTemplate, ImageInput
from engines.facefinder import Face, find
from engines.images import ImageError, flatten
from engines.job import Fit, Picture

TINY = 24.0  # pixels between the eyes from which a face is worth editing
TURNED = 0.32  # mouth this far off the middle of the eyes, in eye distances: a profile
BLURRED = 0.6  # fine detail by contrast, measured where the eyes are 34 pixels apart: see _detail
RIM = 0.16  # share of the crop's side over which an edit fades out
RIM_PIXELS = 2048  # of a rim whose colours are matched, drawn by chance from larger ones
STRONG = 22.0  # mean change of a pixel (0 to 255) from which the edit replaces the photo's details

CONTROLS: tuple[Control, ...] = (
    ImageInput("face", "Photo"),
    FacePoints(
        "points",
        "Face",
        help="Left eye, right eye and mouth in pixels of the photo; empty looks for the largest "
        "face.",
    ),
    Choice(
        "output",
        "Result",
        (("photo", "Whole photo"), ("crop", "Face alone"), ("every", "Every face")),
        "photo",
        help="Whole photo: the face is blended back at full size. Face alone: what the model made, "
        "at its own size. Every face: the same edit on all faces that are found in the photo.",
    ),
    ImageInput("mask", "Only where it is painted", optional=True, over="face"),
)

# measured as the mean of the aligned training portraits of the starter models
OWN = FaceTemplate((144, 144), (55.0, 70.0), (89.0, 70.0), (72.0, 106.5))
CELEBA_178 = FaceTemplate((178, 218), (69.5, 111.5), (108.0, 111.5), (88.7, 152.0))


def celeba(size: int, crop: int = 178) -> FaceTemplate:
    """The centre `crop` of the aligned 178 x 218 CelebA picture, resized to a square of `size`."""
    left, top, scale = (178 - crop) / 2, (218 - crop) / 2, size / crop

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (point[0] - left) * scale, (point[1] - top) * scale

    c = CELEBA_178
    return FaceTemplate((size, size), place(c.left_eye), place(c.right_eye), place(c.mouth))


@dataclass(frozen=True)
class Cut:
    """A face taken out of its photo. crop is RGB at the template's size; matrix (2, 3) maps pixels
    of the photo to pixels of the crop; fit says how well models know such a face, notes are the
    sentences of it that tell of trouble."""

    photo: Picture
    crop: Picture
    matrix: np.ndarray
    notes: tuple[str, ...] = ()
    fit: Fit | None = None


def cut(photo: Picture, template: FaceTemplate, points: Sequence[float] = ()) -> Cut:
    """The face at `points` (x, y of left eye, right eye, mouth), or else the largest one found,
    aligned to the template.

    A photo of about the template's own size in which no face is found is taken whole. Raises
    ImageError where there is nothing to take.
    """
    if len(points) != 6:
        found = find(photo)
        if not found:
            return _whole(photo, template)
        points = found[0].points
    matrix = _similarity(points, template)
    crop = Picture(_warped(photo, matrix, template.size))
    notes, detail = fitness(points), _detail(photo, points)
    if not notes and detail < BLURRED:
        notes = ("The face is blurred in the photo: expect a soft result.",)
    return Cut(photo, crop, matrix, notes, _fit(points, detail, notes))


def fitness(points: Sequence[float]) -> tuple[str, ...]:
    """What is to be said of a face before a model sees it: one sentence each. (`cut` adds what only
    the pixels tell.)"""
    between, aside = _pose(points)
    said = []
    if between < TINY:
        said.append(
            f"The face is small, {between:.0f} pixels between the eyes: expect a soft result."
        )
    if aside > TURNED:
        said.append("The face is turned aside; the models know faces from the front.")
    return tuple(said)


def _pose(points: Sequence[float]) -> tuple[float, float]:
    """Pixels between the eyes, and how far the mouth lies off their middle, in eye distances."""
    eyes = np.subtract(points[2:4], points[0:2])
    between = float(np.hypot(*eyes))
    middle = np.add(points[0:2], points[2:4]) / 2
    along = eyes / max(between, 1e-6)
    aside = float(np.dot(np.subtract(points[4:6], middle), along)) / max(between, 1e-6)
    return between, abs(aside)


def _fit(points: Sequence[float], detail: float, notes: Sequence[str]) -> Fit:
    """Half the score is where trouble begins: a face too small, turned too far or too blurred."""
    between, aside = _pose(points)
    shares = (between / TINY / 2, 1 - aside / TURNED / 2, detail / BLURRED / 2)
    measured = {"between the eyes": between, "aside": aside, "detail": detail}
    said = " ".join(notes) or (
        f"Turned to the camera and sharp, {between:.0f} pixels between the eyes."
    )
    return Fit(float(np.clip(min(shares), 0, 1)), said, measured, fixable=True)


def paste(cut: Cut, edited: Picture) -> Picture:
    """The photo with the edited crop blended in; alpha and all other pixels are as they were.

    The edit's colours are first matched to the crop's along the rim. Where the edit is slight, the
    photo keeps its fine detail and takes over the change; where it is strong, it is replaced.
    """
    crop = cut.crop.pixels.astype(np.float32)
    made = _rgb(edited)
    if made.shape != crop.shape:
        made = cv2.resize(made, cut.crop.size, interpolation=cv2.INTER_CUBIC)
    change = _matched(made, cut.crop.pixels) - crop
    change[np.abs(change).max(2) < 1.0] = 0.0
    if not change.any():
        return cut.photo
    strength = cv2.GaussianBlur(np.abs(change).mean(2), (0, 0), max(crop.shape[1] / 64, 0.8))
    replaced = np.clip(strength / STRONG - 0.35, 0, 1)
    (x, y, width, height), back, mask = _home(
        cut.crop.size, cut.photo.size, tuple(cut.matrix.ravel().tolist())
    )

    def home(layer: np.ndarray, how: int = cv2.INTER_CUBIC) -> np.ndarray:
        return _moved(layer, back, (width, height), how, cv2.BORDER_CONSTANT)

    share = np.clip(home(replaced, cv2.INTER_LINEAR), 0, 1)[..., None]
    pixels = cut.photo.pixels.copy()
    there = pixels[y : y + height, x : x + width]
    colour = there[..., None] if there.ndim == 2 else there[..., :3]
    before = colour.astype(np.float32)
    change, edit = home(change), home(crop + change)
    if before.shape[2] == 1:  # a grey photo stays grey
        change, edit = (layer.mean(2, keepdims=True) for layer in (change, edit))
    after = before + mask * (share * (edit - before) + (1 - share) * change)
    colour[...] = np.clip(after + 0.5, 0, 255).astype(np.uint8)
    pixels.flags.writeable = False  # so that Picture makes no second copy
    return Picture(pixels)


def outline(points: Sequence[float], template: FaceTemplate) -> tuple[tuple[float, float], ...]:
    """Corners, in pixels of the photo, of the crop that a model sees; () where points lie on one
    place."""
    try:
        back = cv2.invertAffineTransform(_similarity(points, template))
    except ImageError:
        return ()
    width, height = template.size
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    return tuple(
        (float(a * x + b * y + c), float(d * x + e * y + f))
        for x, y in corners
        for (a, b, c), (d, e, f) in [back.tolist()]
    )


def painted(cut: Cut, mask: Picture | None) -> np.ndarray | None:
    """A mask of the photo as it lies on the crop, (H, W) float32 in [0, 1]: how opaque it is, or
    where nothing is transparent how bright. It may be smaller or larger than the photo."""
    if mask is None:
        return None
    grey = images.coverage(mask).pixels
    scale = np.divide(mask.size, cut.photo.size)
    matrix = cut.matrix.copy()
    matrix[:, :2] = matrix[:, :2] / scale
    matrix[:, 2] += matrix[:, :2] @ ((1 - scale) / 2)  # pixels are meant by their middles
    laid = cv2.warpAffine(grey.astype(np.float32) / 255, matrix, cut.crop.size)
    return np.clip(laid, 0, 1)


def result(cut: Cut, edited: Picture, output: str) -> Picture:
    """What the control "output" asks for: the photo with the edit in it, or the crop alone."""
    return edited if output == "crop" else paste(cut, edited)


def _whole(photo: Picture, template: FaceTemplate) -> Cut:
    width, height = photo.size
    if max(width, height) > 3 * max(template.size):
        raise ImageError(
            "No face was found in this photo; put the three handles on eyes and mouth by hand."
        )
    scale = min(width / template.size[0], height / template.size[1])
    matrix = np.array([[1 / scale, 0, 0], [0, 1 / scale, 0]], np.float64)
    matrix[:, 2] = (np.array(template.size) - np.array((width, height)) / scale) / 2
    crop = _warped(photo, matrix, template.size)
    note = "No face was found, so the whole picture is taken as one."
    return Cut(photo, Picture(crop), matrix, (note,), Fit(0.1, note, fixable=True))


def _rgb(picture: Picture) -> np.ndarray:
    return flatten(picture).pixels if picture.channels == 4 else _three(picture.pixels)


def _three(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels


def _similarity(points: Sequence[float], template: FaceTemplate) -> np.ndarray:
    """(2, 3): rotation, scale and shift that bring the points nearest to the template's (Umeyama
    1991, without reflection). The eyes count twice."""
    weights = np.array([2.0, 2.0, 1.0])
    source = np.array(points, np.float64).reshape(3, 2)
    target = np.array([template.left_eye, template.right_eye, template.mouth], np.float64)
    a, b = (np.average(p, axis=0, weights=weights) for p in (source, target))
    s, t = (source - a) * weights[:, None], target - b
    power = float(((source - a) * s).sum())
    if power < 1e-6:
        raise ImageError("Eyes and mouth lie on one point; put the three handles apart.")
    cosine = float((s * t).sum()) / power
    sine = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / power
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([turn, (b - turn @ a)[:, None]])


def _warped(photo: Picture, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The crop, (H, W, 3) uint8. Of the photo only the part under it is read; beyond the photo its
    rim is repeated."""
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], size], np.float64)
    back = cv2.invertAffineTransform(matrix)
    there = corners @ back[:, :2].T + back[:, 2]
    low = np.maximum(np.floor(there.min(0)).astype(int) - 8, 0)
    high = np.minimum(np.ceil(there.max(0)).astype(int) + 8, photo.size)
    if (high <= low).any():
        raise ImageError("The face lies outside the photo; put the handles on eyes and mouth.")
    part = _rgb(Picture(photo.pixels[low[1] : high[1], low[0] : high[0]]))
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    return _moved(part, matrix, size, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)


def _moved(
    layer: np.ndarray, matrix: np.ndarray, size: tuple[int, int], how: int, border: int
) -> np.ndarray:
    """`layer` under the similarity `matrix`; what is made smaller is averaged first, so that fine
    patterns fade instead of turning into coarse ones."""
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if scale < 1:
        wide, high = (max(1, round(side * scale)) for side in layer.shape[1::-1])
        ratio = np.array([layer.shape[1] / wide, layer.shape[0] / high])
        layer = cv2.resize(layer, (wide, high), interpolation=cv2.INTER_AREA)
        matrix = matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (ratio / 2 - 0.5)
        matrix[:, :2] *= ratio
    return cv2.warpAffine(layer, matrix, size, flags=how, borderMode=border)


def _matched(made: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """`made` in the colours of `crop`, float32 (H, W, 3): mean and spread of each channel along the
    rim are made equal (after Reinhard et al. 2001, in RGB, where a network's cast and contrast are
    linear), for they are no edit.

    Only the half of the rim that then agrees best counts, so that hair which was recoloured up to
    the rim does not pass for a cast.
    """
    rim = _rim(crop.shape[1::-1])
    ours = made.astype(np.float32)
    given, wanted = ours[rim], crop[rim].astype(np.float32)
    shift, gain = np.median(wanted - given, axis=0), np.ones(3, np.float32)
    for _ in range(6):
        missed = np.abs(given * gain + shift - wanted).sum(1)
        kept = missed <= np.median(missed)
        x, y = given[kept], wanted[kept]
        gain = np.clip((y.std(0) + 0.5) / (x.std(0) + 0.5), 0.7, 1.4)
        shift = y.mean(0) - x.mean(0) * gain
    return ours * gain + shift


def _detail(photo: Picture, points: Sequence[float]) -> float:
    """Spread of the Laplacian by the spread of the light between brows and mouth, at the size of
    OWN: 1.4 to 4.2 in sharp portraits, 0.3 to 0.8 after a blur of 2 pixels."""
    crop = _warped(photo, _similarity(points, OWN), OWN.size)
    inside = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[52:124, 40:104].astype(np.float32)
    return float(cv2.Laplacian(inside, cv2.CV_32F, ksize=3).std() / max(inside.std(), 4.0))


@lru_cache(maxsize=8)
def _fade(size: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1]: 1 inside, falling smoothly to 0 at the rim of the crop."""
    far = [np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / n for n in size]
    rows, columns = (np.clip((f - 0.01) / RIM, 0, 1) for f in (far[1], far[0]))
    ramp = np.minimum(rows[:, None], columns[None])
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


@lru_cache(maxsize=8)
def _rim(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pixels where a crop fades, RIM_PIXELS of them at most."""
    fade = _fade(size)
    rows, columns = np.nonzero((fade > 0.02) & (fade < 0.6))
    picks = np.random.default_rng(0).permutation(len(rows))[:RIM_PIXELS]
    return rows[picks], columns[picks]


@lru_cache(maxsize=2)
def _home(
    crop: tuple[int, int], photo: tuple[int, int], matrix: tuple[float, ...]
) -> tuple[tuple[int, int, int, int], np.ndarray, np.ndarray]:
    """The photo's part that a crop covers (x, y, width, height), the way from the crop to there
    (2, 3), and how much of the crop counts there, (H, W, 1) in [0, 1]. Sizes are (width, height);
    what a slider asks for again and again."""
    corners = np.array([[0, 0], [crop[0], 0], [0, crop[1]], crop], np.float64)
    back = cv2.invertAffineTransform(np.array(matrix).reshape(2, 3))
    there = corners @ back[:, :2].T + back[:, 2]
    low = np.clip(np.floor(there.min(0)).astype(int), 0, None)
    high = np.minimum(np.ceil(there.max(0)).astype(int) + 1, photo)
    x, y, width, height = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
    back[:, 2] -= (x, y)
    mask = _moved(_fade(crop), back, (width, height), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return (x, y, width, height), back, np.clip(mask, 0, 1)[..., None]


__all__ = [
    "CONTROLS",
    "OWN",
    "Cut",
    "Face",
    "celeba",
    "cut",
    "find",
    "fitness",
    "outline",
    "painted",
    "paste",
    "result",
]
