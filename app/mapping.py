"""Label maps from elsewhere: read in the background, asked about where their meaning is in doubt,
laid on the sheet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QFileDialog, QMenu

from app.i18n import tr
from app.mapsheet import MapSheet
from app.paint import PaintRoom
from app.widgets.mapping import MapDialog
from engines.job import Picture

if TYPE_CHECKING:
    from app.window import MainWindow
    from engines.mapfiles import MapFile, Meaning
    from engines.palettes import Imported, Palette

LAID = "The map lies on the sheet."
PHOTO = "This looks like a photo, not like a map of classes; it lies over the map."


class Mapping(QObject):
    """One file at a time: what it holds, what that means, what came of it."""

    def __init__(self, window: MainWindow, room: PaintRoom, sheet: MapSheet) -> None:
        super().__init__(window)
        self.window, self.room, self.sheet = window, room, sheet
        self.dialog: MapDialog | None = None
        self._file: MapFile | None = None
        self._meant: Meaning = "numbers"
        self._made: Imported | None = None
        self._asked = 0  # maps asked for; only the last one is shown
        menu = room.head.reference_menu
        menu.file_wanted.connect(lambda: window.asking.for_photo(sheet.lay_reference))
        room.map_wanted.connect(self.for_map)
        room.legend.palettes.clicked.connect(self.menu)

    def open(self, picture: Picture, path: Path | None = None) -> None:
        """A picture that came to the room, and the file it came from."""

        def look() -> tuple[Any, ...]:
            from engines import mapfiles

            file = mapfiles.open_map(path) if path is not None else mapfiles.of_picture(picture)
            meant, sure = mapfiles.meaning(file, using)
            if meant == "photo" or not sure:
                return file, meant, None
            values = mapfiles.table(file, meant, using)
            return file, meant, mapfiles.read(file, meant, using, values)

        using = self._palette()
        self._do(look, self._on_looked)

    def _on_looked(self, found: tuple[MapFile, Meaning, Imported | None]) -> None:
        self._file, meant, made = found
        self._meant = "colours" if meant == "photo" else meant
        if meant == "photo":
            if self.sheet.take_photo(self._file.picture):
                self.window.tell(PHOTO, "Read it as a map…", self.ask, kind="info", stays=True)
        elif made is None:
            self.ask()
        else:
            self._lay(made)

    def _lay(self, made: Imported) -> None:
        self.sheet.lay_map(made.labels)
        told = " ".join(made.notes) or LAID
        self.window.tell(told, "Change its classes…", self.ask, kind="info", stays=True)

    def _palette(self) -> Palette:
        from engines import palettes

        legend = self.sheet.canvas.legend
        return palettes.named(legend.id, len(legend))

    # ---- files ----------------------------------------------------------------------------------

    def menu(self) -> None:
        """The palettes of classes that there are, and what else is kept in files."""
        from engines import palettes

        menu, now = QMenu(self.window), self.sheet.canvas.legend.id
        for id in palettes.known():
            act = menu.addAction(palettes.palette(id).title)
            act.setCheckable(True)
            act.setChecked(id == now)
            act.triggered.connect(lambda _=False, id=id: self.sheet.choose_palette(id))
        menu.addSeparator()
        for text, act, enabled in (
            ("Open a label map…", self.for_map, True),
            ("Open an object map…", self.for_objects, self.sheet.takes_objects()),
            ("Save the label map…", self.for_copy, self.sheet.given() is not None),
            ("Open a palette file…", self.for_palette, True),
        ):
            made = menu.addAction(tr(text))
            made.setEnabled(enabled)
            made.triggered.connect(lambda _=False, act=act: act())
        anchor = self.room.legend.palettes
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(anchor.mapToGlobal(QPoint(0, anchor.height() + 4)))

    def for_map(self) -> None:
        files = self.window.asking.choose_pictures(tr("Open a label map"))
        self.window.open_files(files[:1])

    def for_palette(self) -> None:
        """One's own classes, as a JSON file of names and colours."""
        asking = self.window.asking
        for path in asking.choose_names(tr("Open a palette file"), ["JSON (*.json)"])[:1]:
            asking.add_palette(path)

    def for_objects(self) -> None:
        """A map in which every object has a number of its own."""
        for path in self.window.asking.choose_pictures(tr("Open an object map"))[:1]:
            self._do(lambda path=path: _objects(Path(path)), self.sheet.lay_objects)

    def for_copy(self) -> None:
        """The map as a PNG of class numbers, in the palette's colours."""
        from engines import palettes

        asking, labels, using = self.window.asking, self.sheet.given(), self._palette()
        name = str(asking.folder() / "labels.png")
        path, _ = QFileDialog.getSaveFileName(
            self.window, tr("Save the label map"), name, "PNG (*.png)"
        )
        if path and labels is not None:
            asking.keep_folder(path)
            self.window.studio.background.do(
                lambda: palettes.save_labels(labels, using, Path(path)),
                lambda answer: asking.on_copied(path, answer),
            )

    # ---- the dialog -----------------------------------------------------------------------------

    def ask(self) -> None:
        """What do its numbers or colours mean?"""
        if self._file is None:
            return
        legend, using = self.sheet.canvas.legend, self._palette()
        has_numbers = self._file.numbers is not None
        dialog = MapDialog(legend, using.ids, self._file.picture, has_numbers, self.window)
        self.dialog = dialog
        dialog.meaning_chosen.connect(self._choose_meaning)
        dialog.numbering_chosen.connect(self._show_table)
        dialog.wanted.connect(self._read)
        dialog.used.connect(self._use)
        dialog.load_wanted.connect(self._load)
        dialog.save_wanted.connect(self._save)
        dialog.finished.connect(self._on_finished)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        self._show_table()

    def _choose_meaning(self, meant: Meaning) -> None:
        self._meant = meant
        self._show_table()

    def _show_table(self, numbering: str = "") -> None:
        file, meant, using = self._file, self._meant, self._palette()
        assert file is not None

        def tabled() -> tuple[Any, Any]:
            from engines import mapfiles

            return file.values(meant), mapfiles.table(file, meant, using, numbering)

        self._do(tabled, lambda found: self._on_tabled(meant, *found))

    def _on_tabled(self, meant: str, values: Any, classes: dict[int, int]) -> None:
        if self.dialog is not None:
            shown = [(value, share) for value, share in values if value in classes]
            self.dialog.show_table(meant, shown, classes)

    def _read(self, classes: dict[int, int]) -> None:
        file, meant, using = self._file, self._meant, self._palette()
        assert file is not None
        self._asked += 1
        number = self._asked

        def read() -> Any:
            from engines import mapfiles

            return mapfiles.read(file, meant, using, classes)

        self._do(read, lambda made: self._on_read(number, made))

    def _on_read(self, number: int, made: Imported) -> None:
        if self.dialog is not None and number == self._asked:
            self._made = made
            self.dialog.show_map(self.sheet.coloured(made.labels), made.notes)

    def _use(self) -> None:
        if self._made is not None:
            self.sheet.lay_map(self._made.labels)

    def _on_finished(self) -> None:
        self.dialog = None

    # ---- tables ---------------------------------------------------------------------------------

    def _save(self) -> None:
        """A table as JSON: {their number or colour: name of the class}."""
        assert self.dialog is not None
        path, _ = QFileDialog.getSaveFileName(
            self.dialog, tr("Save table…"), "table.json", "JSON (*.json)"
        )
        if not path:
            return
        names = self.sheet.canvas.legend.names
        body = {_written(self._meant, v): names[n] for v, n in self.dialog.classes().items()}
        text = json.dumps({self._meant: body}, indent=1, ensure_ascii=False)
        self._do(lambda: Path(path).write_text(text, "utf-8"), lambda _: None)

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.dialog, tr("Load table…"), "", "JSON (*.json)")
        if path:
            names = self.sheet.canvas.legend.names
            self._do(lambda: read_table(Path(path), names), self._on_loaded)

    def _on_loaded(self, found: tuple[str, dict[int, int]]) -> None:
        file, (meant, wanted) = self._file, found
        if file is None or self.dialog is None:
            return
        self._meant = "colours" if meant == "colours" or file.numbers is None else "numbers"
        using = self._palette()
        meaning = self._meant

        def tabled() -> tuple[Any, Any]:
            from engines import mapfiles

            return file.values(meaning), mapfiles.table(file, meaning, using) | wanted

        self._do(tabled, lambda found: self._on_tabled(meaning, *found))

    def _do(self, run: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """In the background; what fails is told where it is asked for."""

        def answered(answer: Any) -> None:
            if not isinstance(answer, Exception):
                then(answer)
            elif self.dialog is not None:
                self.dialog.show_sentence(tr(str(answer)))
            else:
                self.window.tell(str(answer))

        self.window.studio.background.do(run, answered)


def _objects(path: Path) -> Picture:
    from engines import palettes

    return palettes.open_objects(path)


def read_table(path: Path, names: tuple[str, ...]) -> tuple[str, dict[int, int]]:
    """("numbers" or "colours", {value: class}) of a file that `_save` wrote, or of someone's plain
    {number: class}, classes by name or number. Raises ValueError with one sentence."""
    try:
        body = json.loads(path.read_text("utf-8"))
        meant = "colours" if "colours" in body else "numbers"
        rows = body.get(meant, body)
        places = {name.casefold(): n for n, name in enumerate(names)}
        found = {_value(key): _class(name, places) for key, name in rows.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path.name} is no table of classes.") from error
    return meant, {value: n for value, n in found.items() if 0 <= n < len(names)}


def _written(meant: str, value: int) -> str:
    return f"#{value:06x}" if meant == "colours" else str(value)


def _value(text: str) -> int:
    return int(text[1:], 16) if text.startswith("#") else int(text)


def _class(name: Any, places: dict[str, int]) -> int:
    return name if isinstance(name, int) else places.get(str(name).casefold(), -1)
