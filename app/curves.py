"""From the points of a stroke to what Qt paints: smooth curves, lines of varying width, shapes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainterPath, QPolygonF, QTransform

from app.drawing import Path

THINNEST = 0.05  # sheet pixels
ROUND_BEND = 0.8  # cosine of the turn from which a bend is rounded by a disc


def corners(path: Path) -> QPainterPath:
    """Straight from point to point."""
    made = QPainterPath(QPointF(path[0][0], path[0][1]))
    for x, y, _ in path[1:]:
        made.lineTo(x, y)
    return made


def curve(path: Path) -> QPainterPath:
    """Quadratic pieces from middle to middle of the points: passes smoothly, bends at each."""
    made = QPainterPath(QPointF(path[0][0], path[0][1]))
    for a, b in pairwise(path[1:]):
        made.quadTo(a[0], a[1], (a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    made.lineTo(path[-1][0], path[-1][1])
    return made


def is_dot(path: Path) -> bool:
    return all(p[:2] == path[0][:2] for p in path)


def is_even(path: Path) -> bool:
    """Whether the pressure is the same all along."""
    return all(p[2] == path[0][2] for p in path)


def ribbon(path: Path, width: float, smooth: bool) -> QPainterPath:
    """The outline of a line whose width follows the pressure, to be filled. One shape along both
    sides: pieces of lines, laid over each other, would show their seams."""
    points = np.array(_resampled(path) if smooth else path)
    steps = np.diff(points[:, :2], axis=0)
    lengths = np.hypot(*steps.T)
    points = points[np.append(True, lengths > 1e-6)]
    steps = steps[lengths > 1e-6] / lengths[lengths > 1e-6, None]
    ahead = np.vstack([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    ahead /= np.maximum(np.hypot(*ahead.T), 1e-6)[:, None]
    radii = np.maximum(points[:, 2] * width, THINNEST) / 2
    across = np.stack([-ahead[:, 1], ahead[:, 0]], 1) * radii[:, None]
    sides = points[:, :2] - across, (points[:, :2] + across)[::-1]
    caps = _cap(points[-1], -across[-1]), _cap(points[0], across[0])
    made = QPainterPath()
    made.setFillRule(Qt.FillRule.WindingFill)  # the outline turns as Qt's ellipses do
    made.addPolygon(_polygon(np.vstack([sides[0], caps[0], sides[1], caps[1]])))
    made.closeSubpath()
    bends = np.flatnonzero((steps[:-1] * steps[1:]).sum(1) < ROUND_BEND) + 1
    for n in bends:
        made.addEllipse(QPointF(*points[n, :2]), radii[n], radii[n])
    return made


def _cap(point: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Half a circle about `point`, clockwise, beginning at `start` from it."""
    turns = np.linspace(0, math.pi, 12)[1:-1]
    x = np.cos(turns) * start[0] - np.sin(turns) * start[1]
    y = np.sin(turns) * start[0] + np.cos(turns) * start[1]
    return point[:2] + np.stack([x, y], 1)


def _polygon(points: np.ndarray) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])


def _resampled(path: Path) -> Path:
    """The same smooth curve as points about two pixels apart, with the pressure between them."""
    found = [path[0]]
    start = path[0]
    for a, b in pairwise(path[1:]):
        end = tuple((p + q) / 2 for p, q in zip(a, b))
        steps = max(2, math.ceil((math.dist(start[:2], a[:2]) + math.dist(a[:2], end[:2])) / 2))
        for n in range(1, steps + 1):
            t = n / steps
            u = 1 - t
            x, y = (u * u * start[i] + 2 * u * t * a[i] + t * t * end[i] for i in (0, 1))
            found.append((x, y, u * start[2] + t * end[2]))
        start = (end[0], end[1], end[2])
    return (*found, path[-1])


def shape(tool: str, path: Path) -> QPainterPath:
    """Lines through the corners; an ellipse by its centre and the ends of two half axes."""
    if tool == "ellipse":
        (cx, cy, _), (ax, ay, _), (bx, by, _) = path[:3]
        unit = QPainterPath()
        unit.addEllipse(QPointF(0, 0), 1, 1)
        return QTransform(ax - cx, ay - cy, bx - cx, by - cy, cx, cy).map(unit)
    made = corners(path)
    if tool in ("rectangle", "polygon") and len(path) > 2:
        made.closeSubpath()
    return made
