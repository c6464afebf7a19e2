"""The Export button and its panel: what, format, quality, and the recipe as JSON."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.i18n import say
from app.widgets.controls import SegmentsField, SliderField
from app.widgets.parts import Popover, Segments, Switch, button, label, row
from engines.controls import Choice, Slider

FORMATS = (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WebP"), ("tiff", "TIFF"))
WHAT = (("result", "Result"), ("pair", "Input | result"), ("input", "Input"))
LOSSY = ("jpg", "webp")


class ExportButton(QWidget):
    """Opens the panel; its choices are remembered by whoever hears `changed`."""

    save_wanted = Signal()
    recipe_wanted = Signal()
    changed = Signal(str, object)  # "what" | "format" | "quality" | "caption", value

    def __init__(self) -> None:
        super().__init__()
        self.button = button("Export", "primary")
        self.setLayout(row(self.button))
        self.menu = Popover(self)
        self.what = Segments(WHAT, "What to export")
        self.format = SegmentsField(Choice("format", "Format", FORMATS, "png"))
        self.quality = SliderField(Slider("quality", "Quality", 1, 100, 1, 92, "%"))
        self.caption = Switch("Write a caption into the file")
        self.note = label("", "small", wrap=True)
        self.save = button("Save as…", "primary", "save")
        self.recipe = button("Copy recipe as JSON", icon="recipe")
        box = QVBoxLayout(self.menu)
        box.setContentsMargins(14, 12, 14, 14)
        box.setSpacing(12)
        for part in (self.what, self.format, self.quality):
            box.addWidget(part)
        words = label("Write a caption into the file")
        words.setBuddy(self.caption)
        box.addLayout(row(words, None, self.caption))
        box.addWidget(self.note)
        box.addLayout(row(self.recipe, None, self.save))
        self.menu.setFixedWidth(340)
        self.button.clicked.connect(self.open_menu)
        self.what.chosen.connect(lambda value: self._on_changed("what", value))
        self.format.edited.connect(lambda value: self._on_changed("format", value))
        self.quality.edited.connect(lambda value: self._on_changed("quality", int(value)))
        self.caption.clicked.connect(lambda on: self.changed.emit("caption", on))
        self.save.clicked.connect(self._on_save)
        self.recipe.clicked.connect(self._on_recipe)
        self.show_choices("result", "png", 92)
        self.set_ready(False)

    def choices(self) -> tuple[str, str, int]:
        return self._what, self._format, self._quality

    def show_choices(self, what: str, form: str, quality: int) -> None:
        self._what, self._format, self._quality = what, form, quality
        self.what.show_value(what)
        self.format.show_value(form)
        self.quality.show_value(quality)
        self._explain()

    def show_caption(self, on: bool) -> None:
        self.caption.setChecked(on)

    def set_ready(self, ready: bool) -> None:
        """Without a result there is nothing to export."""
        self.button.setEnabled(ready)
        tip = "Save the result, or the input beside it" if ready else "There is no result yet."
        say(self.button, "setToolTip", tip)

    def open_menu(self) -> None:
        if self.button.isEnabled():
            self.menu.open_at(self.button, right=True)
            self.save.setFocus()

    def _explain(self) -> None:
        self.quality.setVisible(self._format in LOSSY)
        whole = "The recipe goes with it: opened here again, it brings everything back."
        bare = "Only PNG can carry the recipe from which a picture is made again."
        say(self.note, "setText", whole if self._format == "png" else bare)
        if self.menu.isVisible():
            self.menu.adjustSize()

    def _on_changed(self, name: str, value: Any) -> None:
        setattr(self, f"_{name}", value)
        self._explain()
        self.changed.emit(name, value)

    def _on_save(self) -> None:
        self.menu.hide()
        self.save_wanted.emit()

    def _on_recipe(self) -> None:
        self.menu.hide()
        self.recipe_wanted.emit()
