"""How the viewer paints: picture over squares, wipe with its handle, message, busy line."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPixmap

from app import theme
from app.widgets.zooming import CRISP

HANDLE = 11  # radius of the wipe's handle, logical pixels
MARKER = 8  # radius of a marker
SQUARE = 8
WRAPPED = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap


def paint_pixmap(painter: QPainter, area: QRectF, pixmap: QPixmap, zoom: float) -> None:
    """`pixmap` filling `area`: squares when large, averaged (not skipped) pixels when small."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom < CRISP)
    ratio = painter.device().devicePixelRatio()
    if zoom * ratio < 0.7:
        size = (area.size() * ratio).toSize().expandedTo(QSize(1, 1))
        pixmap = _averaged(pixmap, size)
    painter.drawPixmap(area, pixmap, QRectF(pixmap.rect()))


_small: dict[int, QPixmap] = {}


def _averaged(pixmap: QPixmap, size: QSize) -> QPixmap:
    """The pixmap at that size, kept while the same few are shown."""
    key = hash((pixmap.cacheKey(), size.width(), size.height()))
    if key not in _small:
        if len(_small) > 3:
            _small.clear()
        _small[key] = pixmap.scaled(
            size,
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    return _small[key]


def paint_marker(painter: QPainter, at: QPointF) -> None:
    """A ring around a place, seen on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for tint, width in ((theme.colour("shade"), 4.5), (theme.colour("accent"), 2.5)):
        painter.setPen(QPen(tint, width))
        painter.drawEllipse(at, MARKER, MARKER)


def paint_checks(painter: QPainter, area: QRectF) -> None:
    """Squares below what is transparent."""
    painter.drawTiledPixmap(area, _checks())


@cache
def _checks() -> QPixmap:
    tile = QPixmap(2 * SQUARE, 2 * SQUARE)
    tile.fill(QColor("#FFFFFF"))
    inside = QPainter(tile)
    inside.fillRect(0, 0, SQUARE, SQUARE, QColor("#D9DCE1"))
    inside.fillRect(SQUARE, SQUARE, SQUARE, SQUARE, QColor("#D9DCE1"))
    inside.end()
    return tile


def paint_handle(painter: QPainter, area: QRectF, split: float, height: float) -> None:
    """The line of the wipe and the knob one pulls, with arrows to both sides."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for pen in (QPen(QColor(0, 0, 0, 70), 3), QPen(QColor(255, 255, 255), 1.4)):
        painter.setPen(pen)
        painter.drawLine(QPointF(split, area.top()), QPointF(split, area.bottom()))
    middle = QPointF(split, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 60))
    painter.drawEllipse(middle + QPointF(0, 1), HANDLE + 1.5, HANDLE + 1.5)
    painter.setBrush(QColor(255, 255, 255))
    painter.drawEllipse(middle, HANDLE, HANDLE)
    arrows = QPen(QColor(60, 64, 72), 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    painter.setPen(arrows)
    for side in (-1, 1):
        tip = middle + QPointF(side * 6, 0)
        painter.drawLine(tip, tip + QPointF(-side * 2.6, -3))
        painter.drawLine(tip, tip + QPointF(-side * 2.6, 3))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def paint_message(
    painter: QPainter, room: QRectF, text: str, failed: bool, icon: str = "pen"
) -> None:
    """An icon and below it the sentence, above the middle of `room`."""
    tint = theme.colour("failure" if failed else "faint")
    words = message_area(room, text)
    box = QRectF(room.center().x() - 18, words.top() - 48, 36, 36)
    theme.paint_icon(painter, "warning" if failed else icon, box, tint)
    painter.setPen(theme.colour("text" if failed else "quiet"))
    painter.setFont(theme.font(14))
    painter.drawText(words, WRAPPED, text)


def message_area(room: QRectF, text: str) -> QRectF:
    """Where the sentence stands; what belongs to it goes below."""
    width = min(room.width() - 48, 420)
    metrics = QFontMetricsF(theme.font(14))
    size = metrics.boundingRect(QRectF(0, 0, width, 1000), WRAPPED, text)
    left, top = room.center().x() - width / 2, room.center().y() - size.height() / 2
    return QRectF(left, top, width, size.height() + 2)
