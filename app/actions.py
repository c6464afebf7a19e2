"""Everything a person can do by key or menu, declared once; keys can be changed in the settings.

Knows names and keys, not what the actions do: window.py connects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from app import theme
from app.i18n import signals, tr
from app.widgets.settings import Keys, conflicts


@dataclass(frozen=True)
class Act:
    """keys: portable key text, several divided by ", ". Acts of one `choice` exclude each other."""

    id: str
    menu: str
    text: str
    keys: str = ""
    icon: str = ""
    checkable: bool = False
    choice: str = ""


TOOLS = ("pen", "eraser", "line", "rectangle", "ellipse", "polygon", "bucket", "eyedropper",
         "select", "stamp")  # fmt: skip

ACTS = (
    Act("new", "File", "New drawing", "Ctrl+N", "file"),
    Act("open", "File", "Open…", "Ctrl+O", "open"),
    Act("open_model", "File", "Open model file…", "Ctrl+Shift+O", "model"),
    Act("export", "File", "Save the result as…", "Ctrl+S", "export"),
    Act("recipe", "File", "Copy recipe as JSON", "Ctrl+Shift+C", "recipe"),
    Act("quit", "File", "Quit", "Ctrl+Q"),
    Act("undo", "Edit", "Undo", "Ctrl+Z", "undo"),
    Act("redo", "Edit", "Redo", "Ctrl+Shift+Z, Ctrl+Y", "redo"),
    Act("copy", "Edit", "Copy the result", "Ctrl+C", "copy"),
    Act("enlarge", "Edit", "Enlarge the result", "Ctrl+U", "enlarge"),
    Act("paste", "Edit", "Paste a picture", "Ctrl+V", "recipe"),
    Act("fit", "Edit", "Fit drawing", "Ctrl+Shift+F", "fit"),
    Act("edges", "Edit", "Photo to edges…", "Ctrl+E", "edges"),
    Act("pen", "Draw", "Pen", "P", "pen", True, "tool"),
    Act("eraser", "Draw", "Eraser", "E", "eraser", True, "tool"),
    Act("line", "Draw", "Line", "L", "line", True, "tool"),
    Act("rectangle", "Draw", "Rectangle", "U", "rectangle", True, "tool"),
    Act("ellipse", "Draw", "Ellipse", "O", "ellipse", True, "tool"),
    Act("polygon", "Draw", "Polygon", "G", "polygon", True, "tool"),
    Act("bucket", "Draw", "Bucket", "K", "bucket", True, "tool"),
    Act("eyedropper", "Draw", "Eyedropper", "I", "eyedropper", True, "tool"),
    Act("select", "Draw", "Select and move", "V", "select", True, "tool"),
    Act("stamp", "Draw", "Stamp a sample", "T", "stamp", True, "tool"),
    Act("smaller", "Draw", "Smaller brush", "["),
    Act("larger", "Draw", "Larger brush", "]"),
    Act("layer", "Draw", "Lines or colours", "H"),
    Act("swap", "Draw", "Swap colours", "X", "swap"),
    Act("symmetry", "Draw", "Next symmetry", "Y", "symmetry"),
    Act("run", "Run", "Run", "Ctrl+Return", "run"),
    Act("chain", "Run", "The whole chain once more", "Ctrl+Shift+Return"),
    Act("cancel", "Run", "Cancel", "Ctrl+.", "stop"),
    Act("live", "Run", "Live result", "Ctrl+L", "", True),
    Act("surprise", "Run", "Surprise me", "R", "dice"),
    Act("caption", "Run", "Caption this", "Ctrl+T", "caption"),
    Act("wipe", "View", "Compare with the input", "W", "wipe", True),
    Act("fullscreen", "View", "Full screen", "F11, F", "fullscreen"),
    Act("zoom_in", "View", "Zoom in", "Ctrl++, Ctrl+="),
    Act("zoom_out", "View", "Zoom out", "Ctrl+-"),
    Act("zoom_fit", "View", "Fit the sheet into the view", "Ctrl+0"),
    Act("find", "View", "Search results", "Ctrl+F", "search"),
    Act("light", "View", "Light or dark", "Ctrl+Shift+L"),
    Act("choose_model", "View", "Choose a model", "Ctrl+M", "models"),
    Act("settings", "View", "Settings", "Ctrl+,", "settings"),
    Act("menu", "View", "Main menu", "F10"),
)  # fmt: skip


def known_keys() -> list[Keys]:
    """For the editor of shortcuts."""
    return [Keys(act.id, act.text, act.keys) for act in ACTS]


class Actions(QObject):
    """The QActions by id: `actions["undo"]`."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._acts = {act.id: act for act in ACTS}
        self._made: dict[str, QAction] = {}
        groups: dict[str, QActionGroup] = {}
        for act in ACTS:
            made = self._made[act.id] = QAction(self)
            made.setObjectName(act.id)
            made.setCheckable(act.checkable)
            if act.icon:
                made.setIcon(theme.icon(act.icon))
            if act.choice:
                groups.setdefault(act.choice, QActionGroup(self)).addAction(made)
            window.addAction(made)
        self.set_keys({})
        signals.changed.connect(self._name)

    def __getitem__(self, id: str) -> QAction:
        return self._made[id]

    def set_keys(self, changed: Mapping[str, str]) -> None:
        """Built-in keys, but for those in `changed`. A changed key wins over a built-in one."""
        wanted = {act.id: changed.get(act.id, act.keys) for act in ACTS}
        for keys, ids in conflicts(wanted).items():
            for id in ids:
                if id not in changed:
                    rest = [k for k in wanted[id].split(", ") if k != keys]
                    wanted[id] = ", ".join(rest)
        for id, made in self._made.items():
            made.setShortcuts(
                [QKeySequence(k) for k in wanted[id].split(", ") if k] if wanted[id] else []
            )
        self._name()

    def fill(self, menu: QMenu) -> None:
        """The main menu: a submenu for each group."""
        for title in dict.fromkeys(act.menu for act in ACTS):
            part = menu.addMenu(tr(title))
            for act in ACTS:
                if act.menu == title and act.id != "menu":
                    part.addAction(self._made[act.id])

    def _name(self, *_: object) -> None:
        native = QKeySequence.SequenceFormat.NativeText
        for id, made in self._made.items():
            text, keys = tr(self._acts[id].text), made.shortcut().toString(native)
            made.setText(text)
            made.setToolTip(f"{text}  {keys}" if keys else text)
