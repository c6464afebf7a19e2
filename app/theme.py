"""Colours, font and icons: one small table of tokens, one stylesheet made from it.

Everything visible takes its colours from here. `apply` may be called again at any time; icons and
painted widgets follow because they ask for their colour when they paint.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from string import Template

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QPixmap,
    QRawFont,
    QTransform,
)
from PySide6.QtWidgets import QApplication

RESOURCES = Path(__file__).resolve().parent.parent / "resources"

# name: (dark, light). The accent fills; accent_text is the accent where it must be read.
TOKENS: dict[str, tuple[str, str]] = {
    "window": ("#16181C", "#EFF1F4"),
    "panel": ("#1D2025", "#FAFBFC"),
    "raised": ("#262A31", "#FFFFFF"),
    "hover": ("#2E333B", "#E6E9EE"),
    "line": ("#343941", "#D3D8DF"),
    "sunken": ("#131519", "#E4E7EC"),
    "text": ("#ECEEF1", "#1B1E23"),
    "quiet": ("#9BA3AF", "#566070"),
    "faint": ("#5B636F", "#98A1AE"),
    "accent": ("#FFB454", "#F2A033"),
    "accent_text": ("#FFB454", "#8A5200"),
    "accent_soft": ("#33291B", "#FBEBD3"),
    "on_accent": ("#1A1408", "#1F1500"),
    "success": ("#5BC0BE", "#0B6E6B"),
    "failure": ("#FF6B6B", "#B3261E"),
    "failure_soft": ("#33211F", "#FBE4E2"),
    "focus": ("#FFD08F", "#8A5200"),
    "chosen": ("#343941", "#FFFFFF"),
    "field": ("#131519", "#FFFFFF"),
    "handle": ("#F5F6F8", "#FFFFFF"),
    "shade": ("#0B0C0E", "#B9C0CA"),
    "dot": ("#22262C", "#D5DAE1"),
    "paper": ("#FFFFFF", "#FFFFFF"),
}
TEXT_PAIRS = (  # every text colour on every surface it is written on; all reach 4.5:1
    *((text, surface) for text in ("text", "quiet") for surface in
      ("window", "panel", "raised", "sunken", "hover", "field")),
    *(("accent_text", surface) for surface in ("window", "panel", "raised", "accent_soft")),
    *(("failure", surface) for surface in ("window", "panel", "raised", "failure_soft")),
    *(("success", surface) for surface in ("window", "panel", "raised")),
    ("on_accent", "accent"), ("text", "accent_soft"), ("text", "failure_soft"),
    ("text", "chosen"), ("accent_text", "hover"), ("quiet", "failure_soft"),
)  # fmt: skip

SPACE, GUTTER, RADIUS, CONTROL, ICON = 4, 12, 6, 28, 20


class Signals(QObject):
    changed = Signal()


signals = Signals()
_state = {"mode": "dark", "theme": "dark"}


def theme() -> str:
    """ "dark" or "light": what is shown now."""
    return _state["theme"]


def colour(name: str) -> QColor:
    """A token of the theme shown now."""
    return QColor(TOKENS[name][_state["theme"] == "light"])


def mixed(one: str, other: str, share: float) -> QColor:
    """`share` of the first token, the rest of the second."""
    a, b = colour(one), colour(other)

    def part(x: int, y: int) -> int:
        return round(x * share + y * (1 - share))

    return QColor(part(a.red(), b.red()), part(a.green(), b.green()), part(a.blue(), b.blue()))


def apply(app: QApplication, mode: str) -> None:
    """Show "dark", "light" or what the "system" says, now and whenever it changes its mind."""
    _state["mode"] = mode
    hints = QGuiApplication.styleHints()
    if not _state.get("following"):
        _state["following"] = "yes"
        hints.colorSchemeChanged.connect(_on_system)
    system = "light" if hints.colorScheme() == Qt.ColorScheme.Light else "dark"
    _state["theme"] = system if mode == "system" else mode
    if app.style().objectName() != "fusion":
        app.setStyle("Fusion")
    app.setFont(font())
    app.setPalette(_palette())
    app.setStyleSheet(stylesheet())
    signals.changed.emit()


def _on_system(_scheme: object = None) -> None:
    app = QApplication.instance()
    if _state["mode"] == "system" and isinstance(app, QApplication):
        apply(app, "system")


def stylesheet() -> str:
    """resources/theme.qss with the tokens filled in."""
    tokens = {name: colour(name).name() for name in TOKENS}
    text = Template((RESOURCES / "theme.qss").read_text("utf-8"))
    return text.substitute(tokens, radius=RADIUS, control=CONTROL, theme=theme())


def _palette() -> QPalette:
    palette, role = QPalette(), QPalette.ColorRole
    for part, name in (
        (role.Window, "window"), (role.WindowText, "text"), (role.Base, "sunken"),
        (role.AlternateBase, "panel"), (role.Text, "text"), (role.Button, "raised"),
        (role.ButtonText, "text"), (role.BrightText, "failure"), (role.Link, "accent_text"),
        (role.LinkVisited, "accent_text"), (role.Highlight, "accent"),
        (role.HighlightedText, "on_accent"), (role.ToolTipBase, "raised"),
        (role.ToolTipText, "text"), (role.PlaceholderText, "quiet"), (role.Light, "hover"),
        (role.Midlight, "hover"), (role.Mid, "line"), (role.Dark, "line"), (role.Shadow, "shade"),
        (role.Accent, "accent"),
    ):  # fmt: skip
        palette.setColor(part, colour(name))
    for part in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, part, colour("faint"))
    return palette


# ---- font --------------------------------------------------------------------------------------


@cache
def _families() -> tuple[str, ...]:
    known = set(QFontDatabase.families())
    wanted = ("Inter", "Inter Variable", "Segoe UI Variable Text", "SF Pro Text", "Segoe UI")
    latin = next((family for family in wanted if family in known), "")
    chinese = ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei UI",
               "Source Han Sans SC", "WenQuanYi Micro Hei")  # fmt: skip
    found = [family for family in chinese if family in known]
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    return tuple(family for family in (latin, *found[:1], system) if family)


def font(pixels: int = 13, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The program's font, with numbers of equal width."""
    made = QFont()
    made.setFamilies(list(_families()))
    made.setPixelSize(pixels)
    made.setWeight(weight)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


# ---- icons -------------------------------------------------------------------------------------

_GLYPHS = {  # our names -> the line set's
    "pen": "pencil-simple", "eraser": "eraser", "line": "line-segment", "rectangle": "rectangle",
    "ellipse": "circle", "polygon": "polygon", "bucket": "paint-bucket",
    "eyedropper": "eyedropper", "select": "selection", "stamp": "t-shirt",
    "reference": "image-square", "edges": "magic-wand", "undo": "arrow-u-up-left",
    "redo": "arrow-u-up-right", "copy": "copy", "export": "export", "fullscreen": "corners-out",
    "settings": "gear-six", "models": "stack", "draw": "pencil-simple", "open": "folder-open",
    "search": "magnifying-glass", "close": "x", "delete": "trash", "dice": "dice-five",
    "lock": "lock-simple", "unlock": "lock-simple-open", "down": "caret-down",
    "right": "caret-right", "up": "caret-up", "run": "play", "stop": "stop", "check": "check",
    "warning": "warning", "failure": "warning-circle", "info": "info", "add": "plus",
    "fit": "arrows-in", "recipe": "clipboard-text", "keyboard": "keyboard", "reset":
    "arrow-counter-clockwise", "clear": "trash", "example": "sparkle", "swap": "swap",
    "model": "cube", "file": "file", "list": "list", "save": "floppy-disk", "circle": "circle",
    "faces": "smiley", "caption": "text-t", "adjust": "crosshair-simple", "paint": "squares-four",
    "apart": "circles-three", "enlarge": "arrows-out", "translate": "arrows-left-right",
    "eye": "eye", "brush": "paint-brush", "style": "palette", "turn": "arrows-clockwise",
    "words": "chat-centered-text", "learn": "lightbulb", "film": "film-strip",
    "dream": "moon-stars", "camera": "video-camera", "filter": "funnel",
}  # fmt: skip
_DRAWN = {  # ours, on a 20 x 20 grid: polylines, stroked
    "symmetry": (((10, 2.5), (10, 5)), ((10, 7.5), (10, 12.5)), ((10, 15), (10, 17.5)),
                 ((7, 5.5), (7, 14.5), (2, 14.5), (7, 5.5)),
                 ((13, 5.5), (13, 14.5), (18, 14.5), (13, 5.5))),
    "wipe": (((10, 2.5), (10, 17.5)), ((2.5, 10), (7, 10)), ((4.6, 7.8), (2.5, 10), (4.6, 12.2)),
             ((17.5, 10), (13, 10)), ((15.4, 7.8), (17.5, 10), (15.4, 12.2))),
}  # fmt: skip


@cache
def _outline(name: str) -> QPainterPath:
    """The icon `name` on a 1 x 1 square."""
    path = QPainterPath()
    if name in _DRAWN:
        for points in _DRAWN[name]:
            path.moveTo(QPointF(*points[0]) / 20)
            for point in points[1:]:
                path.lineTo(QPointF(*point) / 20)
        return path
    raw, glyphs = _line_set()
    code = int(glyphs[_GLYPHS[name]], 16)
    index = raw.glyphIndexesForString(chr(code))[0]
    outline = raw.pathForGlyph(index)
    scale = 1 / raw.unitsPerEm() if raw.pixelSize() <= 0 else 1 / raw.pixelSize()
    square = raw.advancesForGlyphIndexes([index])[0].x() * scale or 1.0
    box = outline.boundingRect()
    middle = QPointF(square / 2, 0.5)
    place = QTransform.fromTranslate(middle.x(), middle.y())
    place.scale(scale, scale)
    ascent = raw.ascent() - (raw.ascent() + raw.descent()) / 2
    place.translate(-square / scale / 2, ascent if box.isValid() else 0)
    return place.map(outline)


@cache
def _line_set() -> tuple[QRawFont, dict[str, str]]:
    """qtawesome's line icons, read without importing it: that would cost a third of the start."""
    spec = find_spec("qtawesome")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("qtawesome is not installed; run “uv sync”.")
    fonts = Path(spec.origin).parent / "fonts"
    names = json.loads(next(fonts.glob("phosphor-charmap-*.json")).read_text("utf-8"))
    file = next(f for f in fonts.glob("phosphor-*.ttf"))
    return QRawFont(str(file), 200.0), names


def paint_icon(painter: QPainter, name: str, box: QRectF, tint: QColor) -> None:
    """The icon, filling the square `box`, in the colour `tint`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    side = min(box.width(), box.height())
    painter.translate(box.center().x() - side / 2, box.center().y() - side / 2)
    painter.scale(side, side)
    if name in _DRAWN:
        pen = QPen(tint, 1.3 / 20, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.strokePath(_outline(name), pen)
    else:
        painter.fillPath(_outline(name), tint)
    painter.restore()


class _Tinted(QIconEngine):
    """Paints an outline in the colour that the theme has at that moment."""

    def __init__(self, name: str, tint: str) -> None:
        super().__init__()
        self.name, self.tint = name, tint

    def _colour(self, mode: QIcon.Mode, state: QIcon.State) -> QColor:
        token = self.tint
        if mode == QIcon.Mode.Disabled:
            token = "faint"
        elif state == QIcon.State.On and self.tint == "text":
            token = "accent_text"
        return colour(token)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        paint_icon(painter, self.name, QRectF(rect), self._colour(mode, state))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        tint = self._colour(mode, state).rgba()
        return _drawn(self.name, tint, size.width(), size.height())

    def clone(self) -> QIconEngine:
        twin = _Tinted(self.name, self.tint)
        _ENGINES.append(twin)
        return twin


@lru_cache(maxsize=512)
def _drawn(name: str, tint: int, width: int, height: int) -> QPixmap:
    """An icon as pixels: a button is painted far more often than its icon changes."""
    drawn = QPixmap(width, height)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    paint_icon(painter, name, QRectF(drawn.rect()), QColor.fromRgba(tint))
    painter.end()
    return drawn


_ENGINES: list[_Tinted] = []  # clones belong to Qt, but Python must not collect their methods


@cache
def icon(name: str, tint: str = "text") -> QIcon:
    """A line icon. Checked ones are shown in the accent, disabled ones fainter."""
    if name not in _DRAWN and name not in _GLYPHS:
        raise KeyError(name)
    return QIcon(_Tinted(name, tint))


def window_icon() -> QIcon:
    """A pencil on amber, drawn here so that it is sharp at every size."""
    icon = QIcon()
    for side in (16, 32, 64, 128, 256):
        drawn = QPixmap(side, side)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(TOKENS["accent"][0]))
        painter.drawRoundedRect(drawn.rect(), side * 0.2, side * 0.2)
        box = QRectF(side * 0.18, side * 0.18, side * 0.64, side * 0.64)
        paint_icon(painter, "pen", box, QColor(TOKENS["on_accent"][0]))
        painter.end()
        icon.addPixmap(drawn)
    return icon
