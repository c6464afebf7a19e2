"""Numbers and sample sheets of the restorers (enlarge, colourise, unmosaic), from held-out photos.

    python -m engines.evaluate_restorers enlarge-x4 --data ../shared/data [--model FILE] [--write]

Every photo is spoiled, restored by a job as the studio does it, and compared with what it was;
beside each number stands that of the trivial answer: bicubic, grey, the mosaic itself. `--write`
stores the numbers in the model's metadata.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engines import images, pairs
from engines.controls import ModelCard
from engines.datasets import read_rgb
from engines.engine import Engine
from engines.families.unmosaic import squares
from engines.job import Job, Picture, Result, Value
from engines.photodata import Set, listed

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = (
    Set("facades/test/photo"),
    Set("camvid/test/photo"),
    Set("monet2photo/test/photo"),
    Set("clothing/test"),
    Set("birds/images", "birds/labels.csv"),
)
# pictures of our own for the sheet, since those of the data sets are not ours to show
OWN = (
    "samples/landscape",
    "samples/garment-jumper",
    "samples/garment-dress",
    "samples/garment-trousers",
    "styles/sunflower-field",
    "styles/watercolour",
)
SIDES = (6, 10, 16)  # of the squares, in pixels, in turn
Row = tuple[np.ndarray, ...]  # pictures of one photo, side by side in the sheet
Numbers = dict[str, float]


def photos(data: Path, each: int) -> list[np.ndarray]:
    """`each` photos of every held-out set, spread evenly over it; (H, W, 3) uint8, cut to multiples
    of 4."""
    found: list[np.ndarray] = []
    for one in HELD_OUT:
        files = listed(data, one, "test")
        for place in np.linspace(0, len(files) - 1, min(each, len(files))).astype(int):
            photo = read_rgb(files[place])
            height, width = (side // 4 * 4 for side in photo.shape[:2])
            found.append(np.ascontiguousarray(photo[:height, :width]))
    return found


# ---- measures ------------------------------------------------------------------------------------


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    """Decibels, over all channels of the pixels given."""
    error = np.square(made.astype(np.float64) - real).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def ssim(made: np.ndarray, real: np.ndarray, region: np.ndarray | None = None) -> float:
    """Structural similarity (Wang et al. 2004) of the luminance, Gaussian windows; its mean over
    the region (H, W) bool, or over all."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float64) for x in (made, real))

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(found.mean() if region is None else found[region].mean())


def sharpness(made: np.ndarray, region: np.ndarray) -> float:
    """Mean size of the gradient of the luminance in the region, in 8-bit steps a pixel."""
    grey = cv2.cvtColor(made, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *way) / 8 for way in ((1, 0), (0, 1)))
    return float(np.hypot(across, down)[region].mean())


def colourfulness(rgb: np.ndarray) -> float:
    """Hasler and Suesstrunk 2003: 0 for grey, about 30 for an average photo."""
    r, g, b = (rgb[..., n].astype(np.float64) for n in range(3))
    across, down = r - g, (r + g) / 2 - b
    return float(np.hypot(across.std(), down.std()) + 0.3 * np.hypot(across.mean(), down.mean()))


def chroma_error(made: np.ndarray, real: np.ndarray) -> float:
    """Mean distance in Cb and Cr, in 8-bit steps."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float64) for x in (made, real))
    return float(np.hypot(*np.moveaxis(a - b, 2, 0)).mean())


# ---- one restorer each ---------------------------------------------------------------------------


class Restorer:
    """A model that is given jobs."""

    def __init__(self, model: Path) -> None:
        self.engine = Engine()
        self.card: ModelCard = self.engine.describe(str(model))

    def __call__(
        self, values: Mapping[str, Value] | None = None, **given: np.ndarray
    ) -> np.ndarray:
        pictures = {role: Picture(pixels) for role, pixels in given.items()}
        job = Job(self.card.family, self.card.checkpoint, dict(values or {}), pictures)
        last = list(self.engine.run(job))[-1]
        assert isinstance(last, Result)
        return last.picture.pixels


def enlarging(restore: Restorer, photo: np.ndarray, _: int) -> tuple[Numbers, Row]:
    """Of a photo made four times smaller, once as it is and once through JPEG besides."""
    size = (photo.shape[1], photo.shape[0])
    small = images.resize(photo, (size[0] // 4, size[1] // 4))
    found: Numbers = {}
    row: list[np.ndarray] = []
    for name, seen in (("", small), (" after JPEG", through_jpeg(small, 75))):
        plain, made = images.resize(seen, size), restore(photo=seen)
        for measure, of in (("PSNR", psnr), ("SSIM", ssim)):
            found[f"{measure}{name}"] = of(made, photo)
            found[f"{measure}{name}, bicubic"] = of(plain, photo)
        row += [plain, made]
    return found, (row[0], row[1], photo)


def through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def colourising(restore: Restorer, photo: np.ndarray, _: int) -> tuple[Numbers, Row]:
    """As it is, and with the mean of the likely colours: the first is as colourful as photos are,
    the second nearest to the photo."""
    grey = images.to_grey(Picture(photo)).pixels
    made, plain = restore(photo=grey), np.repeat(grey[..., None], 3, 2)
    kept = np.array_equal(images.to_grey(Picture(made)).pixels, grey)
    found: Numbers = {"luminance kept": float(kept)}
    pale = restore({"vivid": 0.0}, photo=grey)
    for name, picture in (("", made), (", vividness 0", pale), (", grey", plain)):
        found[f"PSNR{name}"] = psnr(picture, photo)
        found[f"chroma error{name}"] = chroma_error(picture, photo)
        found[f"colourfulness{name}"] = colourfulness(picture)
    return found | {"colourfulness, photos": colourfulness(photo)}, (plain, made, photo)


def unmosaicking(restore: Restorer, photo: np.ndarray, number: int) -> tuple[Numbers, Row]:
    """An ellipse in the middle is in mosaic, and marked a little too large."""
    height, width = photo.shape[:2]
    region = np.zeros((height, width), np.uint8)
    centre, radii = (width // 2, height // 2), (round(0.32 * width), round(0.32 * height))
    cv2.ellipse(region, centre, radii, 0, 0, 360, 1, -1)
    side = SIDES[number % len(SIDES)]
    inside = pairs.mosaic(np.repeat(region[..., None] * 255, 3, 2), side)[..., 0] > 127
    seen = pairs.mosaic(photo, side, inside)
    smooth = squares.smooth(seen, squares.Grid(side, 0, 0))
    plain = np.where(inside[..., None], smooth, photo)
    marks = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) * 255
    made = restore(photo=seen, mask=marks)
    found: Numbers = {}
    for name, picture in (("", made), (", mosaic", seen), (", bicubic", plain)):
        found[f"PSNR in the region{name}"] = psnr(picture[inside], photo[inside])
        found[f"SSIM in the region{name}"] = ssim(picture, photo, inside)
        found[f"sharpness{name}"] = sharpness(picture, inside)
    found["sharpness, photos"] = sharpness(photo, inside)
    found["untouched outside"] = float(np.array_equal(made[marks == 0], seen[marks == 0]))
    return found, (seen, made, photo)


KINDS: dict[str, Callable[[Restorer, np.ndarray, int], tuple[Numbers, Row]]] = {
    "enlarge": enlarging,
    "colourise": colourising,
    "unmosaic": unmosaicking,
}


def evaluate(restore: Restorer, data: Path, each: int) -> Numbers:
    """The mean of every measure over the held-out photos."""
    kind = KINDS[restore.card.family]
    found = [kind(restore, photo, number)[0] for number, photo in enumerate(photos(data, each))]
    return {name: round(float(np.mean([f[name] for f in found])), 4) for name in found[0]}


def shown(restore: Restorer, side: int = 192) -> np.ndarray:
    """The sheet of pictures of our own: a column each, from above to below what was given, what was
    made of it, and the picture."""
    rows: list[Row] = []
    for number, name in enumerate(OWN):
        picture = read_rgb(ROOT / "resources" / f"{name}.jpg")
        rows.append(KINDS[restore.card.family](restore, _middle(picture, side), number)[1])
    return sheet(rows, side)


def sheet(rows: Sequence[Row], side: int = 192) -> np.ndarray:
    """Every row a column of squares cut from the middle of its pictures."""
    return np.concatenate([np.concatenate([_middle(p, side) for p in row]) for row in rows], 1)


def _middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    if min(top, left) < 0:
        scale = side / min(pixels.shape[:2])
        size = [max(side, round(n * scale)) for n in pixels.shape[1::-1]]
        return _middle(images.resize(pixels, (size[0], size[1])), side)
    return pixels[top : top + side, left : left + side]


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    from engines import evaluate as starters  # loads torch

    each = (int, 12, "photos of each held-out set")
    options = starters.asked(argv, "evaluate_restorers", __doc__, each=each)
    restore = Restorer(options.model)
    numbers = evaluate(restore, options.data, options.each)
    starters.report(options, numbers, shown(restore), say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
