"""Photo to edge drawing, and how close a drawing is to what a model was trained on. Knows no torch,
Qt or network.

Drawings are uint8 (H, W): 255 is paper, 0 is ink. Lines are positioned to the pixel: an edge
between columns x and x + 1 of the photo is drawn centred on one of the two (tested). Nothing here
is learned; see Canny 1986 and Winnemoeller et al. 2012 (XDoG).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import cv2
import numpy as np

from engines.controls import SketchStats
from engines.job import Fit

METHODS = ("canny", "xdog", "outline")
SOLID = 0.6  # share of ink from which a sheet holds no lines that could be thinned
INK = 128  # darker than this counts as ink


def photo_to_edges(
    rgb: np.ndarray,
    method: str = "canny",
    low: float = 60.0,
    high: float = 140.0,
    width: float = 2.5,
    smooth: float = 1.4,
    shortest: float = 0.06,
) -> np.ndarray:
    """An edge drawing (H, W) of a photo (H, W, 3) uint8.

    method    "canny": thin lines at strong gradients; "xdog": ink-like lines and dark areas;
              "outline": only the silhouette of the thing that differs from the frame, with its
              strongest inner lines
    low, high hysteresis thresholds of Canny (gradient of 0-255 values); for xdog `high` sets the
    ink threshold
    width     line width in pixels
    smooth    standard deviation in pixels of the blur before looking for edges
    shortest  lines shorter than this share of the width of the photo are dropped
    """
    if method not in METHODS:
        raise ValueError(f"The edge method is one of {', '.join(METHODS)}, not “{method}”.")
    if method == "xdog":
        return xdog(rgb, smooth, high)
    shortest_px = shortest * rgb.shape[1]
    lines = drop_short(canny(rgb, low, high, smooth), shortest_px)
    if method == "outline":
        contour = mask_contour(subject_mask(rgb))
        strong = drop_short(canny(rgb, low * 1.5, high * 1.5, smooth * 1.5), shortest_px * 2)
        lines = contour | strong
    return draw_lines(lines, width)


def canny(rgb: np.ndarray, low: float, high: float, smooth: float) -> np.ndarray:
    """One-pixel lines (H, W) bool. The gradient is the strongest of the three channels, so that two
    colours of the same lightness still have an edge between them."""
    blurred = cv2.GaussianBlur(rgb, (0, 0), smooth) if smooth > 0 else rgb
    dx = cv2.Sobel(blurred, cv2.CV_16S, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(blurred, cv2.CV_16S, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    if rgb.ndim == 3:
        strongest = np.abs(dx.astype(np.int32)) + np.abs(dy)
        channel = strongest.argmax(axis=2)[..., None]
        dx = np.ascontiguousarray(np.take_along_axis(dx, channel, 2)[..., 0])
        dy = np.ascontiguousarray(np.take_along_axis(dy, channel, 2)[..., 0])
    return cv2.Canny(dx, dy, low, max(high, low)) > 0


def xdog(rgb: np.ndarray, smooth: float, threshold: float) -> np.ndarray:
    """Extended difference of Gaussians: soft ink lines (H, W) uint8."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    near = cv2.GaussianBlur(grey, (0, 0), max(smooth, 0.3))
    far = cv2.GaussianBlur(grey, (0, 0), max(smooth, 0.3) * 1.6)
    difference = (near - 0.98 * far) * 100
    soft = 1 + np.tanh(2.0 * (difference - threshold / 255))
    return (np.where(difference >= threshold / 255, 1.0, np.clip(soft, 0, 1)) * 255).astype(
        np.uint8
    )


def drop_short(lines: np.ndarray, shortest: float) -> np.ndarray:
    """Remove 8-connected lines of fewer than `shortest` pixels from (H, W) bool."""
    if shortest <= 1:
        return lines
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines.astype(np.uint8), connectivity=8)
    keep = np.asarray(stats[:, cv2.CC_STAT_AREA] >= shortest)
    keep[0] = False
    return keep[np.asarray(labels, np.int64)]


def draw_lines(lines: np.ndarray, width: float) -> np.ndarray:
    """Anti-aliased ink of `width` pixels along one-pixel lines (H, W) bool, as (H, W) uint8."""
    distance = cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 5)
    ink = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return np.rint(255 * (1 - ink)).astype(np.uint8)


def thin(grey: np.ndarray) -> np.ndarray:
    """Centre lines (H, W) bool of the ink of a drawing: ridges of the distance transform, joined by
    closing."""
    ink = (grey < INK).astype(np.uint8)
    skeleton = np.zeros_like(ink)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    while ink.any() and not ink.all():  # a sheet that is all ink never erodes
        opened = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_OPEN, cross), np.uint8)
        skeleton |= ink & ~opened
        ink = np.asarray(cv2.erode(ink, cross), np.uint8)
    return skeleton.astype(bool)


def subject_mask(rgb: np.ndarray) -> np.ndarray:
    """(H, W) bool: the thing in the middle, by GrabCut (Rother et al. 2004) started from how far
    each pixel's colour lies from the colours of the corners. A thing may touch the frame, hardly
    the corners."""
    height, width = rgb.shape[:2]
    scale = min(1.0, 128 / max(height, width))
    small = (
        cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1
        else rgb
    )
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    h, w = lab.shape[:2]
    rim = max(2, round(0.12 * min(h, w)))
    corners = [lab[:rim, :rim], lab[:rim, -rim:], lab[-rim:, :rim], lab[-rim:, -rim:]]
    frame = np.concatenate([corner.reshape(-1, 3) for corner in corners])
    centres = groups_of(frame, 4, (cv2.TERM_CRITERIA_MAX_ITER, 8, 1.0))[1]
    distance = np.min(np.linalg.norm(lab[:, :, None] - centres[None, None], axis=3), axis=2)
    level, _ = cv2.threshold(np.clip(distance, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    mask = np.where(distance > level, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[:rim, :rim] = mask[:rim, -rim:] = cv2.GC_BGD
    if (mask == cv2.GC_PR_FGD).sum() > 20:
        models = np.zeros((1, 65)), np.zeros((1, 65))
        with suppress(cv2.error):  # all pixels of one colour: nothing to separate
            cv2.grabCut(small, mask, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    subject = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    subject = cv2.morphologyEx(
        cv2.morphologyEx(subject, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel
    )
    return cv2.resize(subject * 255, (width, height), interpolation=cv2.INTER_LINEAR) > 127


def groups_of(
    points: np.ndarray, count: int, criteria: tuple[int, int, float]
) -> tuple[np.ndarray, np.ndarray]:
    """k-means of (N, C) float32 points: group of each (N, 1), centres (count, C)."""
    points = np.ascontiguousarray(points)
    found = cv2.kmeans(points, count, None, criteria, 1, cv2.KMEANS_PP_CENTERS)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.asarray(found[1]), np.asarray(found[2])


def mask_contour(mask: np.ndarray) -> np.ndarray:
    """The one-pixel outline (H, W) bool of the larger parts of a mask."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    canvas = np.zeros(mask.shape, np.uint8)
    large = [c for c in contours if cv2.contourArea(c) > 0.004 * mask.size]
    cv2.drawContours(canvas, large, -1, 255, 1)
    canvas[0] = canvas[-1] = 0
    canvas[:, 0] = canvas[:, -1] = 0
    return canvas > 0


# ---- how close is a drawing to the training edges ------------------------------------------------


def measure(grey: np.ndarray) -> dict[str, float]:
    """{"ink", "width", "extent"} of a drawing (H, W), in the units of SketchStats; all 0 on an
    empty sheet."""
    ink = grey < INK
    total = int(ink.sum())
    if total == 0:
        return {"ink": 0.0, "width": 0.0, "extent": 0.0}
    height, width = grey.shape
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    extent = max((rows[-1] - rows[0] + 1) / height, (columns[-1] - columns[0] + 1) / width)
    rimmed = np.pad(ink, 1)  # the sheet's rim ends a line as paper does
    distance = cv2.distanceTransform(rimmed.astype(np.uint8), cv2.DIST_L2, 3)
    ridge = (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8))) & rimmed
    line = 2 * float(np.median(distance[ridge])) - 0.5
    return {"ink": total / ink.size, "width": max(line, 1.0) / width, "extent": float(extent)}


def fit(grey: np.ndarray, stats: SketchStats) -> Fit:
    """How close a drawing (H, W) is to the model's training edges: 1 inside the 5th to 95th
    percentile of all three measures, falling with the distance from the nearest percentile as a
    ratio."""
    measured = measure(grey)
    if measured["ink"] == 0:
        return Fit(0.0, "The sheet is empty.", measured, fixable=False)
    scores = {
        name: _closeness(measured[name], getattr(stats, name))
        for name in ("ink", "width", "extent")
    }
    worst = min(scores, key=lambda name: scores[name])
    score = float(np.prod(list(scores.values())) ** 0.5)
    fixable = min(scores["width"], scores["extent"]) < 0.95 and measured["ink"] < SOLID
    return Fit(score, _sentence(worst, scores[worst], measured, stats), measured, fixable)


def _closeness(value: float, known: tuple[float, float]) -> float:
    low, high = known
    if low <= value <= high:
        return 1.0
    ratio = low / max(value, 1e-6) if value < low else value / max(high, 1e-6)
    return float(np.clip(1.6 - 0.6 * ratio, 0.05, 1.0))


_SENTENCES: Mapping[str, tuple[str, str]] = {
    "ink": (
        "There is less drawn than the model knows.",
        "There is more drawn than the model knows.",
    ),
    "width": ("Lines are thinner than the model knows.", "Lines are thicker than the model knows."),
    "extent": (
        "The drawing is smaller than the model knows.",
        "The drawing is larger than the model knows.",
    ),
}


def _sentence(name: str, score: float, measured: Mapping[str, float], stats: SketchStats) -> str:
    if score >= 0.95:
        return "The drawing looks like what the model knows."
    return _SENTENCES[name][measured[name] > getattr(stats, name)[1]]
