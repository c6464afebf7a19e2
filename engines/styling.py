"""Pictures before and after a style transfer, of whatever family: sizes and colours. Imports no
torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engines import images
from engines.controls import Choice, Slider
from engines.job import Job, Picture

COLOURS = Choice(
    "colours",
    "Colours",
    (
        ("style", "From the style"),
        ("luminance", "Keep those of the photo"),
        ("match", "Bring the style to those of the photo"),
    ),
    "style",
)
SCALE = Slider(
    "scale",
    "Style scale",
    0.25,
    3,
    0.05,
    1.0,
    help="Size of the brush strokes: the style's longer side against the photo's.",
)


def sized(picture: Picture, size: tuple[int, int]) -> Picture:
    """`picture` at `size` (width, height), bilinear with antialiasing as the reference resizes."""
    if picture.size == size:
        return picture
    image = Image.fromarray(picture.pixels)
    return Picture(np.asarray(image.resize(size, Image.Resampling.BILINEAR)))


def final_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """`size` (width, height) made smaller, never larger, until no side is above `longest`."""
    share = min(1.0, longest / max(size))
    return max(1, int(size[0] * share)), max(1, int(size[1] * share))


def with_colours_of(result: Picture, photo: Picture) -> Picture:
    """The brightness of `result` with the colours of `photo`, both RGB of one size (Gatys et al.
    2016, Preserving Color in Neural Artistic Style Transfer, 4.2; in YCbCr as the reference)."""
    luma, *_ = Image.fromarray(result.pixels).convert("YCbCr").split()
    _, *chroma = Image.fromarray(photo.pixels).convert("YCbCr").split()
    return Picture(np.asarray(Image.merge("YCbCr", (luma, *chroma)).convert("RGB")))


def blended(photo: Picture, made: Picture, strength: float) -> Picture:
    """Of two RGB pictures of one size: 0 the one, 1 the other."""
    if strength >= 1:
        return made
    mixed = photo.pixels * (1 - strength) + made.pixels * strength
    return Picture(np.rint(mixed).astype(np.uint8))


def matched(style: Picture, photo: Picture) -> Picture:
    """`style` with mean and covariance of its colours as those of `photo` (the same, 4.1: the
    linear transform of image analogies). Transparency stays, and counts as weight."""
    rgb = images.flatten(style).pixels.reshape(-1, 3) / 255
    alpha = style.pixels[..., 3].reshape(-1) if style.channels == 4 else None
    mean, root = _spread(rgb, alpha)
    given = images.flatten(photo).pixels.reshape(-1, 3) / 255
    aim, aim_root = _spread(given, None)
    moved = (rgb - mean) @ np.linalg.inv(root) @ aim_root + aim
    pixels = np.rint(moved.clip(0, 1) * 255).astype(np.uint8).reshape(*style.pixels.shape[:2], 3)
    return images.with_alpha(Picture(pixels), style.pixels[..., 3] if alpha is not None else None)


def _spread(rgb: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(mean (3,), symmetric root of the covariance (3, 3)) of colours (N, 3)."""
    w = np.ones(len(rgb)) if weight is None or not weight.any() else weight.astype(np.float64)
    mean = w @ rgb / w.sum()
    centred = rgb - mean
    covariance = (centred * w[:, None]).T @ centred / w.sum() + 1e-5 * np.eye(3)
    values, axes = np.linalg.eigh(covariance)
    return mean, axes * np.sqrt(values) @ axes.T


# ---- what families of fast style share -----------------------------------------------------------

TILED = "Painting in tiles"
IN_TILES = (
    "The picture was painted in tiles without seams; the balance of its colours, which comes from "
    "windows of it, may differ a little from that of one pass."
)
LONGEST = Slider(
    "longest",
    "Longest side",
    64,
    8192,
    1,
    512,
    unit="px",
    help="Larger photos are made smaller, smaller ones stay as they are.",
)
TILES = Choice(
    "tiles",
    "Tiles",
    (
        ("auto", "Where memory is short"),
        ("off", "Never"),
        ("256", "256 pixels"),
        ("512", "512 pixels"),
        ("1024", "1024 pixels"),
    ),
    "auto",
    help="Large pictures are painted piece by piece; the pieces meet without seams.",
)


def number(job: Job, name: str) -> float:
    """A slider's value in a checked job."""
    return float(str(job.values[name]))
