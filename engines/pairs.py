"""Training inputs made from photos alone: edges as people draw them, colour hints, grey, low
resolution, mosaic.

Pictures are uint8 numpy arrays, RGB; randomness comes from the Generator that is passed in. Knows
no torch, no files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from engines import edges

# (low, high, smooth, shortest line as share of the width): from every fold to the strongest lines
# only
CANNY = (
    (40, 100, 1.2, 0.06),
    (60, 140, 1.4, 0.08),
    (90, 200, 1.6, 0.10),
    (90, 220, 2.2, 0.16),
    (60, 150, 3.0, 0.2),
)
SUBJECT = 1 << 7  # the bit of the subject's mask in a line bank
OUTLINE = len(CANNY)


def line_bank(rgb: np.ndarray) -> np.ndarray:
    """(H, W) uint8 with one bit per line drawing of the photo: five Canny settings, then the
    outline of the subject; bit 7 holds the subject's mask."""
    bank = np.zeros(rgb.shape[:2], np.uint8)
    for bit, (low, high, smooth, shortest) in enumerate(CANNY):
        lines = edges.drop_short(edges.canny(rgb, low, high, smooth), shortest * rgb.shape[1])
        bank |= lines.astype(np.uint8) << bit
    mask = edges.subject_mask(rgb)
    bank |= edges.mask_contour(mask).astype(np.uint8) << OUTLINE
    bank |= np.where(mask, SUBJECT, 0).astype(np.uint8)
    return bank


@dataclass(frozen=True)
class EdgeStyle:
    """How much the drawn edges vary. Widths in pixels of a picture 192 wide; probabilities in [0,
    1]."""

    width: tuple[float, float] = (1.6, 4.2)
    jitter: float = (
        2.0  # largest shift of a line by an unsteady hand, in pixels of a picture 192 wide
    )
    gaps: int = 5
    drop: float = 0.35
    outline: float = 0.3


def hand_edges(bank: np.ndarray, style: EdgeStyle, rng: np.random.Generator) -> np.ndarray:
    """One drawing (H, W) uint8 from a line bank, different each time: threshold, missing lines,
    gaps, width, and the slow wander of a hand."""
    lines = _pick_lines(bank, style, rng)
    if rng.random() < 0.7:
        lines = _drop_some(lines, rng.random() * style.drop, rng)
    scale = bank.shape[1] / 192
    drawn = edges.draw_lines(lines, rng.uniform(*style.width) * max(scale, 0.6))
    for _ in range(rng.integers(0, style.gaps + 1)):
        centre = (int(rng.integers(bank.shape[1])), int(rng.integers(bank.shape[0])))
        cv2.circle(drawn, centre, int(rng.uniform(2, 9) * scale) + 1, 255, -1)
    return wander(drawn, style.jitter * scale * rng.random(), rng)


def _pick_lines(bank: np.ndarray, style: EdgeStyle, rng: np.random.Generator) -> np.ndarray:
    outline = (bank >> OUTLINE) & 1
    drawn = (bank >> rng.integers(0, len(CANNY))) & 1
    if outline.any() and rng.random() < style.outline:
        drawn = outline if rng.random() < 0.6 else outline | ((bank >> 3) & 1)
    if (
        drawn.sum() < bank.shape[1]
    ):  # a photo of low contrast: the finest lines, or at least the outline
        drawn = (bank & 1) | outline
    return drawn.astype(bool)


def _drop_some(lines: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        lines.astype(np.uint8), connectivity=8
    )
    small = stats[:, cv2.CC_STAT_AREA] < lines.shape[1]
    keep = ~(small & (rng.random(count) < share))
    keep[0] = False
    return keep[labels]


def wander(drawn: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """The drawing (H, W) with its lines shifted smoothly by up to about `reach` pixels."""
    if reach < 0.2:
        return drawn
    height, width = drawn.shape
    field = rng.uniform(-reach, reach, (2, 9, 7)).astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in field)
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    return cv2.remap(drawn, columns + dx, rows + dy, cv2.INTER_LINEAR, borderValue=255)


def colour_hints(
    rgb: np.ndarray, mask: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`count` coarse strokes of the photo's own colours, as a person would hint them.

    Returns RGBA (H, W, 4) uint8, and the (H, W) bool region whose photo colour some stroke names.
    """
    height, width = mask.shape
    hints = np.zeros((height, width, 4), np.uint8)
    named = np.zeros((height, width), bool)
    if count == 0:
        return hints, named
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.02 * width)
    inside = np.flatnonzero(mask)
    for _ in range(count):
        if len(inside) and rng.random() < 0.7:
            y, x = divmod(int(inside[rng.integers(len(inside))]), width)
        else:
            y, x = int(rng.integers(height)), int(rng.integers(width))
        colour = soft[y, x].astype(np.int16)
        low, high = (np.clip(colour + reach, 0, 255).astype(np.float64) for reach in (-33, 33))
        alike = cv2.inRange(soft, low, high) > 0
        if rng.random() < 0.9:  # a person names the colour of the cloth, not that of its fold
            colour = _middle(soft[alike])
        stroke = _stroke((height, width), x, y, rng)
        if rng.random() < 0.8:
            stroke &= alike
        jittered = np.clip(colour + rng.integers(-10, 11, 3), 0, 255)
        hints[stroke] = (*jittered, 255)
        named |= alike
    return hints, named


def _middle(colours: np.ndarray, most: int = 2000) -> np.ndarray:
    """The median (3,) int16 of colours (N, 3), or of about `most` of them."""
    return np.median(colours[:: 1 + len(colours) // most], axis=0).astype(np.int16)


def trimmed(rgb: np.ndarray, light: int = 235) -> np.ndarray:
    """The photo (H, W, 3) without the white margin that some set or scanner put around it."""
    inked = rgb.min(2) < light
    rows, columns = (np.flatnonzero(inked.mean(axis) > 0.01) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return rgb
    (top, bottom), (left, right) = (
        (a[0] + 2 * (a[0] > 0), a[-1] + 1 - 2 * (a[-1] < side - 1))  # the margin's soft edge too
        for a, side in zip((rows, columns), rgb.shape)
    )
    return rgb[top:bottom, left:right] if top < bottom and left < right else rgb


def on_plain_ground(rgb: np.ndarray) -> bool:
    """Whether the subject stands before one colour: nearly all of the rim, a twentieth of the
    height wide, is alike."""
    band = max(2, rgb.shape[0] // 20)
    inner = np.ones(rgb.shape[:2], bool)
    inner[band:-band, band:-band] = False
    rim = rgb[inner].astype(np.int16)
    far = np.abs(rim - np.median(rim, axis=0)).max(1)
    return float((far < 30).mean()) > 0.75


def recoloured(rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The photo (H, W, 3) with its subject dyed: hue turned, saturation changed, light kept. People
    ask for colours that are rare in shops."""
    hls = cv2.cvtColor(rgb, cv2.COLOR_RGB2HLS)
    hue, light, saturation = (hls[..., i].astype(np.float32) for i in range(3))
    turned = ((hue + rng.uniform(0, 180)) % 180).astype(np.uint8)
    if rng.random() < 0.5:  # grey cloth has no hue to turn: one dye for all of it
        turned[:] = int(rng.integers(0, 180))
        saturation = np.maximum(saturation, rng.uniform(60, 220))
    saturation = np.clip(saturation * rng.uniform(0.8, 2.0), 0, 255)
    dyed = np.stack([turned, light.astype(np.uint8), saturation.astype(np.uint8)], 2)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)[..., None]
    mixed = cv2.cvtColor(dyed, cv2.COLOR_HLS2RGB) * soft + rgb * (1 - soft)
    return mixed.round().astype(np.uint8)


def _stroke(shape: tuple[int, int], x: int, y: int, rng: np.random.Generator) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    steps = np.cumsum(rng.normal(0, 0.08 * shape[1], (rng.integers(1, 5), 2)), axis=0)
    points = np.vstack([[(x, y)], np.add(steps, (x, y))]).astype(np.int32)
    cv2.polylines(canvas, [points], False, 1, thickness=int(rng.uniform(0.02, 0.09) * shape[1]) + 1)
    return canvas.astype(bool)


# ---- inputs of other tasks -----------------------------------------------------------------------


def grey(rgb: np.ndarray) -> np.ndarray:
    """Luminance, three equal channels."""
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def low_resolution(rgb: np.ndarray, factor: int = 4) -> np.ndarray:
    """The photo seen through fewer pixels, at its own size again (area, then bicubic)."""
    height, width = rgb.shape[:2]
    small = cv2.resize(
        rgb, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def mosaic(rgb: np.ndarray, block: int = 12, mask: np.ndarray | None = None) -> np.ndarray:
    """Square blocks of the mean colour, everywhere or where `mask` (H, W) bool says."""
    height, width = rgb.shape[:2]
    rims = ((0, -height % block), (0, -width % block), (0, 0))
    whole = np.pad(rgb, rims, mode="edge")  # so that no square is narrower than the others
    small = cv2.resize(
        whole, (whole.shape[1] // block, whole.shape[0] // block), interpolation=cv2.INTER_AREA
    )
    blocks = np.kron(small, np.ones((block, block, 1), np.uint8))[:height, :width]
    return blocks if mask is None else np.where(mask[..., None], blocks, rgb)


def regions(rgb: np.ndarray, count: int = 8) -> np.ndarray:
    """A label map for want of a painted one: the smoothed photo's colours in `count` groups
    (k-means, fixed seed), darkest group first, each painted in a colour of its own."""
    smooth = cv2.pyrMeanShiftFiltering(rgb, 8, 24)
    points = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_MAX_ITER | cv2.TERM_CRITERIA_EPS, 20, 0.5)
    groups, centres = edges.groups_of(points, count, criteria)
    rank = np.argsort(np.argsort(centres[:, 0]))
    hues = np.stack(
        [np.arange(count) * 180 // count, np.full(count, 200), np.linspace(80, 255, count)], 1
    )
    palette = cv2.cvtColor(hues.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]
    return palette[rank[groups[:, 0]]].reshape(rgb.shape)


def canny_edges(rgb: np.ndarray) -> np.ndarray:
    """The product's own photo-to-edges at its defaults, three equal channels."""
    return np.repeat(edges.photo_to_edges(rgb)[..., None], 3, axis=2)


MAKERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "edges": canny_edges,
    "grey": grey,
    "lowres": low_resolution,
    "mosaic": mosaic,
    "labels": regions,
}
