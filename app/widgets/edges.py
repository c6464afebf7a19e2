"""Photo to edges: sliders at the left, the edges as they would come onto the sheet at the right.

The dialog computes nothing: `wanted` asks for edges, `show_edges` shows them.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPixmap, QResizeEvent
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

from app import pictures
from app.i18n import say
from app.widgets.controls import Field, field
from app.widgets.parts import button, column, label, row
from engines.controls import ImageInput, ModelCard, SketchInput
from engines.job import Picture


class Fitted(QLabel):
    """A picture as large as there is room."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("Well")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(200, 260)
        say(self, "setAccessibleName", name)
        self._whole = QPixmap()

    def show_picture(self, picture: Picture) -> None:
        self._whole = pictures.to_pixmap(picture)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()

    def _fit(self) -> None:
        if self._whole.isNull():
            return
        ratio = self.devicePixelRatioF()
        shown = self._whole.scaled(
            (self.size() - QSize(16, 16)) * ratio,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        shown.setDevicePixelRatio(ratio)
        self.setPixmap(shown)


class EdgesDialog(QDialog):
    wanted = Signal(dict)  # values of the controls
    used = Signal(object)  # Picture: put it on the sheet

    def __init__(self, photo: Picture, card: ModelCard, parent: QWidget | None) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", "Photo to edges")
        self.resize(860, 520)
        self.photo = photo
        self._edges: Picture | None = None
        self._fields: dict[str, Field] = {}
        self._values: dict[str, Any] = {}
        side = QVBoxLayout()
        side.setSpacing(14)
        for control in card.controls:
            made = field(control)
            if made is None or isinstance(control, ImageInput | SketchInput):
                continue
            self._values[control.name] = control.default
            if control.help:
                say(made, "setToolTip", control.help)
            made.edited.connect(lambda value, name=control.name: self._on_edited(name, value))
            self._fields[control.name] = made
            side.addWidget(made)
        self.sentence = label("", "failure", wrap=True)
        self.sentence.hide()
        side.addWidget(self.sentence)
        side.addStretch(1)
        holder = QWidget()
        holder.setFixedWidth(230)
        holder.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        self.before, self.after = Fitted("Photo"), Fitted("Edges")
        self.before.show_picture(photo)
        body = row(holder, self.before, self.after, space=16)
        body.setStretch(1, 1)
        body.setStretch(2, 1)
        self.use = button("Put on the sheet", "primary")
        self.use.setEnabled(False)
        self.use.clicked.connect(self._on_use)
        cancel = button("Close")
        cancel.clicked.connect(self.reject)
        hint = "You can go on drawing on the edges; undo takes them away again."
        box = column(space=14, margins=16)
        box.addLayout(body, 1)
        box.addLayout(row(label(hint, "small"), None, cancel, self.use))
        self.setLayout(box)

    def values(self) -> dict[str, Any]:
        return dict(self._values)

    def ask(self) -> None:
        self.wanted.emit(self.values())

    def show_edges(self, edges: Picture) -> None:
        self._edges = edges
        self.after.show_picture(edges)
        self.sentence.hide()
        self.use.setEnabled(True)

    def show_failure(self, sentence: str) -> None:
        say(self.sentence, "setText", sentence)
        self.sentence.show()

    def _on_edited(self, name: str, value: Any) -> None:
        self._values[name] = value
        self.ask()

    def _on_use(self) -> None:
        if self._edges is not None:
            self.used.emit(self._edges)
        self.accept()
