"""The bars: model and switches on top, drawing tools beside the canvas, the photo's tools.

They are made of actions and emit what was chosen; they know neither canvas nor studio.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import (
    QButtonGroup,
    QColorDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, signals, tr
from app.widgets.export import ExportButton
from app.widgets.models import ModelPicker
from app.widgets.parts import (
    Popover,
    Section,
    Segments,
    Slider,
    Swatch,
    Switch,
    button,
    column,
    label,
    row,
    rule,
    tool,
)
from app.widgets.send import SendButton

PALETTE = (
    ("Black", "#1B1B1F"), ("Grey", "#7C7F86"), ("Silver", "#C9CCD2"), ("White", "#FAFAFA"),
    ("Red", "#C8202F"), ("Wine", "#701C2E"), ("Pink", "#F08CA6"), ("Coral", "#F26D50"),
    ("Orange", "#F08A24"), ("Yellow", "#F4CE3B"), ("Olive", "#7A7A36"), ("Green", "#3A8A4B"),
    ("Mint", "#8FD3B6"), ("Turquoise", "#1FA3A3"), ("Sky", "#86BCE8"), ("Blue", "#2759B5"),
    ("Navy", "#1E2A4F"), ("Violet", "#6B4BA3"), ("Brown", "#6E4A2F"), ("Sand", "#D9BE94"),
)  # fmt: skip
SYMMETRIES = (
    ("none", "No symmetry"), ("vertical", "Left and right"), ("horizontal", "Top and bottom"),
    ("both", "Both"), ("radial", "Around the middle"),
)  # fmt: skip
BRUSHES = (0.5, 24.0)  # sheet pixels


def of(action: QAction, icon_only: bool = True) -> QToolButton:
    """A button for an action: its icon, tip, state and name."""
    made = QToolButton()
    made.setDefaultAction(action)
    made.setIconSize(QSize(theme.ICON, theme.ICON))
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if icon_only:
        made.setFixedSize(theme.CONTROL + 2, theme.CONTROL)
    else:
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        made.setIconSize(QSize(16, 16))
        made.setFixedHeight(theme.CONTROL)
    return made


class TopBar(QFrame):
    def __init__(self, actions: dict[str, QAction]) -> None:
        """actions: live, run, cancel, undo, redo, copy, enlarge"""
        super().__init__()
        self.setObjectName("TopBar")
        self.setFixedHeight(48)
        self.picker = ModelPicker()
        self.live = Switch("Live result")
        say(self.live, "setToolTip", "Show the result while you draw")
        self.live.clicked.connect(actions["live"].trigger)
        actions["live"].toggled.connect(self.live.setChecked)
        self.export, self.send = ExportButton(), SendButton()
        live_words = label("Live")
        live_words.setBuddy(self.live)
        box = row(self.picker, 8, live_words, self.live, 8, space=6)
        for id in ("run", "cancel"):
            box.addWidget(of(actions[id], icon_only=False))
        box.addSpacing(4)
        box.addWidget(rule())
        box.addSpacing(4)
        for id in ("undo", "redo"):
            box.addWidget(of(actions[id]))
        box.addStretch(1)
        self.animate = button("Animate", "flat")
        box.addWidget(self.animate)
        self.enlarge, self.copy = button("Enlarge", "flat"), button("Copy", "flat")
        say(self.enlarge, "setToolTip", "Make the result larger, with finer detail")
        for id, part in (("enlarge", self.enlarge), ("copy", self.copy)):
            part.clicked.connect(actions[id].trigger)
            actions[id].enabledChanged.connect(part.setEnabled)
            box.addWidget(part)
        box.addSpacing(4)
        box.addWidget(self.send)
        box.addSpacing(4)
        box.addWidget(self.export)
        box.setContentsMargins(12, 0, 12, 0)
        self.setLayout(box)


class ColourMenu(Popover):
    """Twenty colours with names, and any other."""

    chosen = Signal(QColor)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        grid = QGridLayout()
        grid.setSpacing(4)
        for n, (name, code) in enumerate(PALETTE):
            part = Swatch(QColor(code))
            say(part, "setToolTip", name)
            say(part, "setAccessibleName", name)
            part.clicked.connect(lambda _=False, code=code: self._on_chosen(QColor(code)))
            grid.addWidget(part, n // 5, n % 5)
        other = button("Other colour…", "link")
        other.clicked.connect(self._on_other)
        box = column(Section("Colour"), space=8, margins=10)
        box.addLayout(grid)
        box.addWidget(other)
        self.setLayout(box)

    def _on_chosen(self, tint: QColor) -> None:
        self.hide()
        self.chosen.emit(tint)

    def _on_other(self) -> None:
        self.hide()
        picked = QColorDialog.getColor(parent=self.parentWidget(), title=tr("Other colour…"))
        if picked.isValid():
            self.chosen.emit(picked)


class SymmetryMenu(Popover):
    chosen = Signal(str, int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        box = column(Section("Symmetry"), space=2, margins=10)
        for id, text in SYMMETRIES:
            part = QToolButton()
            part.setCheckable(True)
            part.setMinimumWidth(180)
            part.setFixedHeight(theme.CONTROL)
            part.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            say(part, "setText", text)
            part.clicked.connect(self._on_chosen)
            self._group.addButton(part)
            self._buttons[id] = part
            box.addWidget(part)
        self.turns = Slider(2, 16, 1, 6)
        say(self.turns, "setAccessibleName", "Turns")
        self.number = QLabel("6")
        self.turns.moved.connect(self._on_turns)
        self._turns = QWidget()
        self._turns.setLayout(row(label("Turns", "quiet"), self.turns, self.number))
        box.addWidget(self._turns)
        self.setLayout(box)
        self.show_choice("none", 6)

    def value(self) -> str:
        return next(id for id, part in self._buttons.items() if part.isChecked())

    def show_choice(self, id: str, turns: int) -> None:
        self._buttons[id].setChecked(True)
        self.turns.show_number(turns)
        self.number.setText(str(turns))
        self._turns.setVisible(id == "radial")

    def _on_chosen(self) -> None:
        self._turns.setVisible(self.value() == "radial")
        self.adjustSize()
        self.chosen.emit(self.value(), round(self.turns.number()))

    def _on_turns(self, number: float) -> None:
        self.number.setText(str(round(number)))
        self.chosen.emit(self.value(), round(number))


class StampMenu(Popover):
    """The samples, drawn small."""

    chosen = Signal(str)  # name

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        box = column(Section("Samples"), space=8, margins=10)
        box.addLayout(self._grid)
        self.setLayout(box)

    def show_samples(self, samples: Iterable[tuple[str, str, object]]) -> None:
        """(id, title, QIcon)"""
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for n, (id, title, icon) in enumerate(samples):
            part = QToolButton()
            part.setIcon(icon)  # type: ignore[arg-type]
            part.setIconSize(QSize(60, 80))
            say(part, "setToolTip", title)
            say(part, "setAccessibleName", title)
            part.clicked.connect(lambda _=False, id=id: self._on_chosen(id))
            self._grid.addWidget(part, n // 4, n % 4)

    def _on_chosen(self, id: str) -> None:
        self.hide()
        self.chosen.emit(id)


class ToolStrip(QWidget):
    """The tools in one column: ten of them and the canvas's own bar would not fit one line."""

    colour_chosen = Signal(QColor)
    symmetry_chosen = Signal(str, int)

    def __init__(self, tools: Iterable[QAction], more: Iterable[QWidget] = ()) -> None:
        """more: other buttons below the tools"""
        super().__init__()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        self.buttons: dict[str, QToolButton] = {}
        for action in tools:
            made = self.buttons[action.objectName()] = of(action)
            box.addWidget(made)
        for part in more:
            box.addWidget(part)
        box.addSpacing(6)
        line = rule(vertical=False)
        line.setFixedWidth(20)
        box.addWidget(line, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addSpacing(6)
        self.symmetry = tool("symmetry", "Symmetry")
        self.symmetry.setCheckable(True)
        self.symmetry_menu = SymmetryMenu(self)
        self.symmetry.clicked.connect(self._on_symmetry)
        self.symmetry_menu.chosen.connect(self._on_symmetry_chosen)
        self.colour = Swatch(QColor("#C8202F"))
        self.colour.setFixedSize(30, 30)
        say(self.colour, "setToolTip", "Colour of the hints")
        say(self.colour, "setAccessibleName", "Colour of the hints")
        self.menu = ColourMenu(self)
        self.colour.clicked.connect(self._on_colour)
        self.menu.chosen.connect(self.colour_chosen)
        box.addWidget(self.symmetry)
        box.addWidget(self.colour)
        box.addStretch(1)

    def show_colour(self, tint: QColor) -> None:
        self.colour.set_tint(tint)

    def show_symmetry(self, name: str, turns: int) -> None:
        self.symmetry_menu.show_choice(name, turns)
        self.symmetry.setChecked(name != "none")

    def _on_symmetry(self) -> None:
        self.symmetry.setChecked(self.symmetry_menu.value() != "none")
        self.symmetry_menu.open_at(self.symmetry)

    def _on_symmetry_chosen(self, name: str, turns: int) -> None:
        self.symmetry.setChecked(name != "none")
        self.symmetry_chosen.emit(name, turns)

    def _on_colour(self) -> None:
        self.menu.open_at(self.colour)


class ReferenceMenu(Popover):
    """A photo under the drawing: choose, fade, trace, remove."""

    file_wanted = Signal()
    edges_wanted = Signal()
    removed = Signal()
    opacity_changed = Signal(float)

    def __init__(self, parent: QWidget, traces: bool = True) -> None:
        """traces: its edges can be put on the sheet"""
        super().__init__(parent)
        self.choose = button("Choose a photo…", icon="open")
        self.edges = button("Turn into edges…", icon="edges")
        self.edges.setVisible(traces)
        self.remove = button("Remove", icon="delete")
        self.opacity = Slider(0.05, 1.0, 0.05, 0.4)
        say(self.opacity, "setAccessibleName", "Opacity")
        hint = "Or drop or paste one on the drawing."
        box = column(Section("Reference photo"), self.choose, space=8, margins=12)
        box.addWidget(label(hint, "small", wrap=True))
        box.addLayout(row(label("Opacity"), self.opacity))
        box.addLayout(row(self.edges, self.remove))
        self.setLayout(box)
        self.setFixedWidth(290)
        self.choose.clicked.connect(self._on_choose)
        self.edges.clicked.connect(self._on_edges)
        self.remove.clicked.connect(self._on_remove)
        self.opacity.moved.connect(self.opacity_changed)
        self.show_reference(False)

    def show_reference(self, there: bool) -> None:
        for part in (self.edges, self.remove, self.opacity):
            part.setEnabled(there)

    def _on_choose(self) -> None:
        self.hide()
        self.file_wanted.emit()

    def _on_edges(self) -> None:
        self.hide()
        self.edges_wanted.emit()

    def _on_remove(self) -> None:
        self.hide()
        self.removed.emit()


class CanvasHead(QWidget):
    """Over a canvas: its two layers, brush size, reference photo, and what else a room has."""

    layer_chosen = Signal(str)
    brush_changed = Signal(float)

    def __init__(
        self,
        title: str,
        layer: Segments,
        first: str,
        menu: ReferenceMenu,
        more: Iterable[QWidget],
        limits: tuple[float, float] = BRUSHES,
    ) -> None:
        """limits: of the brush, in sheet pixels; first: the layer to begin on"""
        super().__init__()
        self.layer, self.limits = layer, limits
        self.layer.show_value(first)
        self.brush = Slider(0, 1, 0.005, 0.35)
        self.brush.setFixedWidth(76)
        say(self.brush, "setAccessibleName", "Brush size")
        say(self.brush, "setToolTip", "Brush size")
        self.pixels = QLabel()
        self.pixels.setFixedWidth(46)
        self.pixels.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.reference = tool("reference", "Reference photo")
        self.reference.setCheckable(True)
        self.reference_menu = menu
        self.reference.clicked.connect(self._on_reference)
        box = row(label(title, "title"), 4, None, self.layer, 2, self.brush, self.pixels, 2,
                  space=4)  # fmt: skip
        for part in (self.reference, *more):
            box.addWidget(part)
        self.setLayout(box)
        self.setFixedHeight(36)
        self._there = False
        self.layer.chosen.connect(self.layer_chosen)
        self.brush.moved.connect(self._on_brush)
        signals.changed.connect(self._write)
        self.show_brush(3.0)

    def show_brush(self, pixels: float) -> None:
        self._brush = pixels
        low, high = self.limits
        share = ((pixels - low) / (high - low)) ** 0.5 if pixels > low else 0.0
        self.brush.show_number(share)
        self._write()

    def show_layers(self, layers: bool) -> None:
        """Only some models take both."""
        self.layer.setVisible(layers)

    def show_layer(self, layer: str) -> None:
        self.layer.show_value(layer)

    def show_reference(self, there: bool) -> None:
        self._there = there
        self.reference.setChecked(there)
        self.reference_menu.show_reference(there)

    def _on_reference(self) -> None:
        self.reference.setChecked(self._there)
        self.reference_menu.open_at(self.reference)

    def _on_brush(self, share: float) -> None:
        low, high = self.limits
        self._brush = round((low + share**2 * (high - low)) * 2) / 2
        self._write()
        self.brush_changed.emit(self._brush)

    def _write(self, *_: object) -> None:
        self.pixels.setText(tr("{n} px", n=f"{self._brush:g}"))


class DrawHead(CanvasHead):
    def __init__(self, edges: QAction, new: QAction) -> None:
        layer = Segments((("ink", "Lines"), ("hints", "Colours")), "Lines or colours")
        say(layer.part("hints"), "setToolTip", "A few strokes of colour tell the model more.")
        menu = ReferenceMenu(layer)
        super().__init__("Drawing", layer, "ink", menu, (of(edges), of(new)))


class PhotoHead(QWidget):
    """Over the result: engine time, and actions of which one is "surprise"."""

    def __init__(self, actions: dict[str, QAction], title: str = "Photo") -> None:
        super().__init__()
        self.time = label("", "quiet")
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(label(title, "title"))
        box.addStretch(1)
        box.addWidget(self.time)
        box.addSpacing(4)
        parts = {id: of(action) for id, action in actions.items()}
        self.surprise = parts["surprise"]
        self._box = box
        for part in parts.values():
            box.addWidget(part)
        self.setFixedHeight(36)

    def add_tool(self, part: QWidget) -> None:
        """Before the others."""
        self._box.insertWidget(self._box.indexOf(self.surprise), part)

    def show_time(self, milliseconds: float | None) -> None:
        seconds = (milliseconds or 0.0) / 1000
        spent = f"{seconds:.1f} s" if seconds >= 10 else f"{1000 * seconds:.0f} ms"
        self.time.setText("" if milliseconds is None else spent)
        if self.time.text():  # one width for all of them: no layout with every picture
            widest = self.time.fontMetrics().horizontalAdvance("0000 ms")
            self.time.setFixedSize(widest, self.time.sizeHint().height())
