"""Pictures from files and to files: every mode becomes an upright sRGB `Picture`. No torch, no Qt.

Orientation is applied, alpha kept, an embedded colour profile converted to sRGB. Numbers beyond 8
bits are scaled, not clipped: unsigned 16-bit values by 255 / 65535; 32-bit integers and floats by
the rules of `_scaled`.
"""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFont

from engines.job import PNG_CAPTION, Job, Picture, save_png

MAX_BYTES = 1 << 30
MAX_PIXELS = 80_000_000  # 8000 x 10000; beyond that a file is refused before it is decoded
# Formats that Pillow decodes itself; none starts another program (EPS would start Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "ICO", "AVIF",
           "JPEG2000", "PCX", "PSD", "QOI", "SGI")  # fmt: skip
SHEET_SIDE = 4096
TITLE_LINES = 3  # of the title of a picture on a sheet
SAVED = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
DESCRIPTION = 0x010E  # EXIF's ImageDescription
_LONGEST = {"JPEG": 65_500, "WEBP": 16_383}  # pixels on a side that the format can hold
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError,
           AttributeError, RuntimeError, AssertionError, struct.error, zlib.error)  # fmt: skip
_TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


class ImageError(ValueError):
    """A picture that cannot be read or written; the message is one sentence for the user."""


# ---- reading -------------------------------------------------------------------------------------


def open_picture(source: str | Path | bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a file or in the bytes of a file; of an animation its first frame.

    Grey files give (H, W), colour (H, W, 3), anything with transparency (H, W, 4). Raises
    ImageError.
    """
    name = "The picture" if isinstance(source, bytes) else Path(source).name
    data = source if isinstance(source, bytes) else _read(Path(source))
    if not data:
        raise ImageError(f"{name} is empty.")
    try:
        return _decode(data, name, max_pixels)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, max_pixels) from error
    except MemoryError as error:
        raise ImageError(f"{name} is too large for the memory of this computer.") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture that Ganvas can read.") from error
    except _BROKEN as error:
        raise ImageError(f"{name} is damaged or incomplete.") from error


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path.name} is a folder, not a picture.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path.name} is not a file.")
        if status.st_size > MAX_BYTES:
            raise ImageError(
                f"{path.name} is larger than {MAX_BYTES >> 20} MB; no picture needs that."
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {path}.") from error
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def _too_large(name: str, max_pixels: int) -> ImageError:
    return ImageError(
        f"{name} has more than {max_pixels // 1_000_000} million pixels; "
        "please make it smaller first."
    )


def _decode(data: bytes, name: str, max_pixels: int) -> Picture:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise _too_large(name, max_pixels)
        image.load()
        pixels = _pixels(image)
        return Picture(_upright(pixels, _orientation(image)))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where there is none or it is damaged. Pillow turns TIFF on loading and
    then forgets the tag."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except _BROKEN:
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turns, mirrored = _TURNS.get(orientation, (0, False))
    pixels = np.rot90(pixels, turns) if turns else pixels
    return np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)


def _pixels(image: Image.Image) -> np.ndarray:
    """uint8 (H, W), (H, W, 3) or (H, W, 4)."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep(image)
    if image.mode == "LAB":
        return np.asarray(ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), _SRGB, outputMode="RGB"))  # fmt: skip
    if image.has_transparency_data:
        return np.asarray(_to_srgb(_plain(image, "RGBA")))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(_to_srgb(image if image.mode == "CMYK" else _plain(image, "RGB")))


def _plain(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB, RGBA or CMYK converted from the embedded profile; a missing, damaged or sRGB profile
    changes nothing."""
    mode = "RGB" if image.mode == "CMYK" else image.mode
    data = image.info.get("icc_profile")
    if data:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
            if not ImageCms.getProfileDescription(profile).startswith("sRGB"):
                converted = ImageCms.profileToProfile(image, profile, _SRGB, outputMode=mode)
                return converted if converted is not None else image
        except (ImageCms.PyCMSError, *_BROKEN):
            pass
    return _plain(image, mode)


def _deep(image: Image.Image) -> np.ndarray:
    """More than 8 bits a value as (H, W); (H, W, 4) where one value is declared transparent."""
    values = np.asarray(image)
    grey = _scaled(
        values, full=65535 if image.mode.startswith("I;16") or image.format == "PPM" else None
    )
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    alpha = np.where(values == clear, 0, 255).astype(np.uint8)
    return np.dstack((grey, grey, grey, alpha))


def _scaled(values: np.ndarray, full: int | None) -> np.ndarray:
    """`values` (H, W) as uint8, rounded to the nearest.

    full: the number that means white, if the format says so. Otherwise integers up to 255 and
    floats up to 1 or to 255 are taken as such, integers up to 65535 as 16-bit, and everything else
    is stretched from its least to its greatest value. What is no finite number becomes the least.
    16-bit values of which nearly all lie close together are no photo but measures (millimetres of
    depth, raw heat): they are stretched too, and 0, which says that nothing was measured, stays 0.
    """
    whole = np.issubdtype(values.dtype, np.integer)
    values = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, values[finite].min() if finite.any() else 0.0)
    low, high = float(values.min()), float(values.max())
    if full is None:
        steps = (255, 65535) if whole else (1, 255)
        full = next((step for step in steps if low >= 0 and high <= step), None)
    if full == 65535 and (found := _close_together(values)):
        low, high = found
        measured = np.rint(1 + (values - low) * 254.0 / (high - low)).clip(1, 255)
        return np.where(values == 0, 0, measured).astype(np.uint8)
    if full is not None:
        low, high = 0.0, float(full)
    return np.rint((values - low) * 255.0 / max(high - low, 1e-300)).clip(0, 255).astype(np.uint8)


def _close_together(values: np.ndarray) -> tuple[float, float] | None:
    """From where to where 98 % of the 16-bit values that are not 0 go, if that is less than an
    eighth of what 16 bits hold; None for a photo, and where all are alike."""
    some = values[values > 0]
    if not some.size:
        return None
    low, high = (float(n) for n in np.percentile(some, (1, 99)))
    return (low, high) if 0 < high - low < 8192 else None


# ---- changing ------------------------------------------------------------------------------------


def flatten(picture: Picture, paper: tuple[int, int, int] = (255, 255, 255)) -> Picture:
    """RGB: grey repeated, transparency laid on `paper`."""
    pixels = picture.pixels
    if picture.channels == 3:
        return picture
    if picture.channels == 1:
        return Picture(_frozen(np.repeat(pixels[..., None], 3, axis=2)))
    alpha = pixels[..., 3:].astype(np.uint16)
    shown = pixels[..., :3] * alpha + np.array(paper, np.uint16) * (
        255 - alpha
    )  # at most 255 * 255
    return Picture(_frozen(((shown + 127) // 255).astype(np.uint8)))


def to_grey(picture: Picture) -> Picture:
    """One channel by ITU-R 601 luma, transparency laid on white."""
    if picture.channels == 1:
        return picture
    return Picture(np.asarray(Image.fromarray(flatten(picture).pixels).convert("L")))


def coverage(mask: Picture) -> Picture:
    """(H, W): how opaque a mask is at each place, or where nothing is transparent how bright."""
    if mask.channels == 4 and mask.pixels[..., 3].min() < 255:
        return Picture(mask.pixels[..., 3])
    return to_grey(mask)


def split_alpha(picture: Picture) -> tuple[Picture, np.ndarray | None]:
    """(the picture without transparency, laid on white; its alpha (H, W) or None)."""
    if picture.channels != 4:
        return picture, None
    return flatten(picture), picture.pixels[..., 3]


def with_alpha(picture: Picture, alpha: np.ndarray | None) -> Picture:
    """`picture` as RGBA with `alpha` (any size, resized); unchanged for None."""
    if alpha is None:
        return picture
    if alpha.shape != picture.pixels.shape[:2]:
        alpha = resize(alpha, picture.size)
    return Picture(_frozen(np.dstack((flatten(picture).pixels, alpha))))


def resize(pixels: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """`pixels` at `size` (width, height): bicubic with antialiasing, colour premultiplied by alpha;
    the nearest pixel where not `smooth` (labels)."""
    if (pixels.shape[1], pixels.shape[0]) == tuple(size):
        return pixels
    if min(size) < 1:
        raise ImageError("A picture needs at least one pixel.")
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def fit_inside(picture: Picture, size: tuple[int, int]) -> Picture:
    """The whole picture, as large as it goes, centred on a white sheet of `size` (width, height).
    RGB."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    sheet = np.full((size[1], size[0], 3), 255, np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    sheet[top : top + inner[1], left : left + inner[0]] = resize(flatten(picture).pixels, inner)
    return Picture(_frozen(sheet))


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Both pictures, `left` brought to the height of `right`. RGBA if one of them is, else RGB."""
    if left.height != right.height:
        width = max(1, round(left.width * right.height / left.height))
        left = Picture(_frozen(resize(left.pixels, (width, right.height))))
    mode = "RGBA" if 4 in (left.channels, right.channels) else "RGB"
    both = [np.asarray(Image.fromarray(p.pixels).convert(mode)) for p in (left, right)]
    return Picture(_frozen(np.concatenate(both, axis=1)))


def contact_sheet(
    pictures: Sequence[Picture], titles: Sequence[str] = (), columns: int = 0
) -> Picture:
    """All pictures in a grid on white, in reading order, each with its title below, on as many as
    TITLE_LINES lines; RGB. Without
    `columns` as many stand side by side as give the sheet the shape of a screen. Pictures keep
    their size unless the sheet would be longer than SHEET_SIDE pixels; then all are made smaller
    alike."""
    wide, high = max(p.width for p in pictures), max(p.height for p in pictures)
    numbers = (columns,) if columns else range(1, len(pictures) + 1)
    shapes = [(c, -(-len(pictures) // c)) for c in numbers]
    columns, rows = min(shapes, key=lambda s: abs(math.log(s[0] * wide / (s[1] * high) / 1.7)))
    scale = min(1.0, SHEET_SIDE / (columns * wide), SHEET_SIDE / (rows * high))
    wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    size = max(11, min(wide, high) // 14)
    font = ImageFont.load_default(size)
    lines = [_wrapped(title, font, wide) for title in titles]
    gap, line = max(4, size // 3), round(1.35 * size)
    foot = line * max(map(len, lines)) + round(0.35 * size) if lines else 0
    sheet = Image.new(
        "RGB", (columns * (wide + gap) + gap, rows * (high + foot + gap) + gap), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for n, picture in enumerate(pictures):
        left, top = gap + n % columns * (wide + gap), gap + n // columns * (high + foot + gap)
        pixels = flatten(picture).pixels
        if scale < 1:
            side = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            pixels = resize(pixels, side)
        sheet.paste(Image.fromarray(pixels).convert("RGB"), (left, top))
        for below, text in enumerate(lines[n] if n < len(lines) else ()):
            middle = (left + wide / 2, top + high + round(0.2 * size) + line * (below + 0.5))
            pen.text(middle, text, fill=(60, 64, 72), font=font, anchor="mm")
    return Picture(_frozen(np.array(sheet)))


Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def _wrapped(title: str, font: Font, width: int) -> list[str]:
    """The title in lines of whole words that `width` pixels hold; what the last of TITLE_LINES, or
    a single word, does not hold is cut."""
    lines: list[str] = []
    for word in title.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (font.getlength(longer) <= width or len(lines) == TITLE_LINES):
            lines[-1] = longer
        else:
            lines.append(word)
    return [_elided(line, font, width) for line in lines]


def _elided(title: str, font: Font, width: int) -> str:
    """As much of the title as `width` pixels hold, and … for the rest."""
    if font.getlength(title) <= width:
        return title
    cut = next((n for n in range(len(title), 0, -1) if font.getlength(f"{title[:n]}…") <= width), 0)
    return f"{title[:cut].rstrip()}…"


def _frozen(pixels: np.ndarray) -> np.ndarray:
    """Read-only, so that Picture need not copy what was made for it."""
    pixels.flags.writeable = False
    return pixels


# ---- writing -------------------------------------------------------------------------------------


def save_picture(
    picture: Picture,
    path: str | Path,
    quality: int = 92,
    job: Job | None = None,
    caption: str = "",
) -> None:
    """Write by suffix: PNG (the recipe of `job` inside), JPEG (on white), WebP, TIFF (lossless).
    A caption goes into the file's description (PNG: Description; others: EXIF ImageDescription).

    quality 1 to 100, for JPEG and WebP; WebP is lossless at 100. The file appears whole or not at
    all. Raises ImageError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SAVED:
        raise ImageError(f"{path.name} needs one of the endings {', '.join(SAVED)}.")
    try:
        if suffix == ".png":
            save_png(picture, job, path, caption)
        else:
            quality = min(max(int(quality), 1), 100)
            _write(path, _encoded(picture, suffix, quality, path.name, caption))
    except FileNotFoundError as error:
        raise ImageError(f"There is no folder {path.parent}.") from error
    except OSError as error:
        raise ImageError(f"{path.name} cannot be written: {error.strerror or error}.") from error


def caption_in(path: str | Path) -> str:
    """The caption in a picture's metadata; "" where there is none. Raises ImageError."""
    try:
        with Image.open(path) as image:
            if text := getattr(image, "text", {}).get(PNG_CAPTION):
                return str(text)
            found = str(image.getexif().get(DESCRIPTION, ""))
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{Path(path).name} cannot be read as a picture.") from error
    return found.encode("latin-1", "ignore").decode("utf-8", "replace")  # as Pillow reads bytes


def _encoded(picture: Picture, suffix: str, quality: int, name: str, caption: str) -> bytes:
    kind = {".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}.get(suffix, "JPEG")
    longest = _LONGEST.get(kind)
    if longest and max(picture.size) > longest:
        raise ImageError(
            f"{name}: {kind} holds at most {longest} pixels a side; PNG or TIFF hold more."
        )
    options: dict[str, object] = {"compression": "tiff_adobe_deflate"}
    if kind == "JPEG":
        picture = flatten(picture) if picture.channels == 4 else picture
        options = {
            "quality": min(quality, 98),
            "subsampling": 0 if quality >= 85 else 2,
            "optimize": True,
        }
    elif kind == "WEBP":
        options = {"quality": quality, "lossless": quality == 100, "exact": True}
    if caption:
        exif = Image.Exif()
        exif[DESCRIPTION] = caption.encode()
        options["exif"] = exif
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
