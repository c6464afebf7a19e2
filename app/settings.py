"""Every option, declared once, and the JSON file that keeps what differs from the defaults.

The settings dialog builds itself from OPTIONS. Knows no widget; labels are English and translated
where they are shown.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from PySide6.QtCore import QObject, Signal

log = logging.getLogger("settings")


class SettingsError(ValueError):
    """A refused value; the message is one sentence for the user."""


@dataclass(frozen=True)
class Option:
    """One setting.

    kind     "choice" (one of `choices`, each (value, label)), "toggle", "number" (low to high, in
             `unit`), "shortcuts" (action name -> keys, where they differ from the built-in ones)
    restart  True if the engine must be made anew when it changes
    """

    name: str
    label: str
    default: Any
    kind: str
    group: str
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    low: float = 0
    high: float = 0
    step: float = 1
    unit: str = ""
    restart: bool = False

    def check(self, value: Any) -> Any:
        """`value` as this option's type, clamped into its range. Raises SettingsError."""
        if self.kind == "toggle" and isinstance(value, bool):
            return value
        if self.kind == "choice" and value in [choice for choice, _ in self.choices]:
            return value
        if self.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            number = min(max(value, self.low), self.high)
            return int(number) if isinstance(self.default, int) else float(number)
        if self.kind == "shortcuts" and isinstance(value, dict):
            return {str(action): str(keys) for action, keys in value.items()}
        raise SettingsError(f"{self.label} cannot be “{value}”.")


OPTIONS = (
    Option("theme", "Theme", "dark", "choice", "Appearance",
           choices=(("dark", "Dark"), ("light", "Light"), ("system", "As the system"))),
    Option("language", "Language", "system", "choice", "Appearance",
           choices=(("system", "As the system"), ("en", "English"), ("zh_CN", "简体中文"))),
    Option("live", "Live result", True, "toggle", "Drawing",
           "Show the result while you draw, for models that need one pass."),
    Option("smoothing", "Line smoothing", 0.5, "number", "Drawing",
           "Evens out a shaky mouse; 0 keeps the line as it is.", low=0, high=1, step=0.05),
    Option("pressure", "Pen pressure", True, "toggle", "Drawing",
           "A pen that is pressed harder draws a wider line."),
    Option("wipe", "Compare with the input at the start", False, "toggle", "Drawing",
           "Show the input and the result side by side, with a line to drag between them."),
    Option("device", "Compute on", "auto", "choice", "Engine",
           "Auto takes a graphics card where there is one.", restart=True,
           choices=(("auto", "Auto"), ("cuda", "NVIDIA card"), ("mps", "Apple graphics"),
                    ("cpu", "Processor"))),
    Option("precision", "Precision", "auto", "choice", "Engine",
           "Half is faster on a graphics card and uses half of its memory.", restart=True,
           choices=(("auto", "Auto"), ("half", "Half"), ("full", "Full"))),
    Option("memory_budget", "Memory for models", 0, "number", "Engine",
           "Models that were not used for longest leave when it is exceeded; 0 decides by itself.",
           low=0, high=256, step=1, unit="GB", restart=True),
    Option("cpu_fallback", "Use the processor when the card's memory runs out", False, "toggle",
           "Engine", "Slower, but the picture is made.", restart=True),
    Option("drafts", "Fast drafts", True, "toggle", "Engine",
           "While pen or slider moves, a faster network draws; the exact picture follows when "
           "you pause. Only exact pictures are kept.", restart=True),
    Option("draft_precision", "Precision of drafts", "int8", "choice", "Engine",
           "Fewer bits are taken where they are faster and no difference is seen.", restart=True,
           choices=(("int8", "Eight bits"), ("bf16", "Sixteen bits"), ("fp32", "Full"))),
    Option("autosave_seconds", "Save the desk after", 2.0, "number", "Saving",
           "How long after a change the drawing and all values are saved.",
           low=0.5, high=60, step=0.5, unit="s"),
    Option("history_megabytes", "History may use", 1000, "number", "Saving",
           "The oldest results leave when the history is larger.",
           low=10, high=100_000, step=10, unit="MB"),
    Option("export_format", "Export as", "png", "choice", "Saving",
           "Only PNG can carry the recipe from which a picture is made again.",
           choices=(("png", "PNG"), ("jpg", "JPEG"), ("webp", "WebP"), ("tiff", "TIFF"))),
    Option("export_quality", "JPEG and WebP quality", 92, "number", "Saving",
           low=1, high=100, step=1, unit="%"),
    Option("export_what", "Export", "result", "choice", "Saving",
           choices=(("result", "The result"), ("pair", "Input and result"),
                    ("input", "The input"))),
    Option("export_caption", "Write a caption into the file", False, "toggle", "Saving",
           "What a captioner says of the result goes into the description of the exported file."),
    Option("shortcuts", "Shortcuts", {}, "shortcuts", "Shortcuts"),
)  # fmt: skip


def default_path() -> Path:
    home = os.environ.get("GANVAS_HOME")
    usual = platformdirs.user_config_dir("ganvas", appauthor=False)
    return (Path(home) / "config" if home else Path(usual)) / "settings.json"


class Settings(QObject):
    """The values of OPTIONS, saved at once when they change.

    `note` is a sentence when the file could not be read and was set aside. Keys that no option
    declares (of a newer Ganvas, or window state kept by `remember`) stay in the file untouched.
    """

    changed = Signal(str, object)  # name, value

    def __init__(self, path: str | Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = Path(path) if path is not None else default_path()
        self.options = {option.name: option for option in OPTIONS}
        self.note = ""
        self._body: dict[str, Any] = self._read()

    def get(self, name: str) -> Any:
        """The value of an option, its default where none (or an impossible one) is in the file."""
        option = self.options[name]
        if name not in self._body:
            return option.default
        try:
            return option.check(self._body[name])
        except SettingsError as error:
            log.warning("%s", error)
            return option.default

    def set(self, name: str, value: Any) -> None:
        """Raises SettingsError for a value the option cannot take."""
        option = self.options[name]
        value = option.check(value)
        if value == self.get(name):
            return
        if value == option.default:
            self._body.pop(name, None)
        else:
            self._body[name] = value
        self._write()
        self.changed.emit(name, value)

    def reset(self) -> None:
        """Every option back to its default; what was remembered stays."""
        for name, option in self.options.items():
            self.set(name, option.default)

    def recall(self, name: str, default: Any = None) -> Any:
        """Something remembered that is no option: the window's place, the last folder."""
        memory = self._body.get("memory")
        return memory.get(name, default) if isinstance(memory, dict) else default

    def remember(self, name: str, value: Any) -> None:
        if self.recall(name) == value:
            return
        memory = self._body.get("memory")
        self._body["memory"] = {**(memory if isinstance(memory, dict) else {}), name: value}
        self._write()

    def _read(self) -> dict[str, Any]:
        try:
            body = json.loads(self.path.read_text("utf-8"))
            if not isinstance(body, dict):
                raise ValueError("not an object")
            return body
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", self.path, error)
            self.note = set_aside(self.path, "The settings")
            return {}

    def _write(self) -> None:
        try:
            write_json(self.path, self._body)
        except OSError as error:
            log.warning("the settings could not be saved: %s", error)


def set_aside(path: Path, what: str) -> str:
    """Rename an unreadable file, so that it is neither lost nor read again; gives the sentence."""
    aside = path.with_name(path.name + ".broken")
    try:
        path.replace(aside)
    except OSError:
        return f"{what} could not be read; Ganvas starts with fresh ones."
    return f"{what} could not be read; Ganvas starts afresh and kept the old file as {aside.name}."


def write_json(path: Path, body: Any, indent: int | None = 1) -> None:
    """Whole or not at all: written beside the target, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(body, indent=indent, ensure_ascii=False), "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
