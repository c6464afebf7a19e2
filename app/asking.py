"""Everything the window asks in a dialog of its own: files, folders, reports, settings, edges."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QFileDialog, QMenu, QWidget
from shiboken6 import isValid

from app.actions import known_keys
from app.i18n import tr
from app.opening import PICTURES, VIDEOS, open_picture
from app.theme import RESOURCES
from app.widgets.edges import EdgesDialog
from app.widgets.images import ImageWell
from app.widgets.models import ModelsDialog
from app.widgets.report import CardDetails, DoctorReport, SheetView
from app.widgets.settings import SettingsDialog
from engines.job import Job, Picture, Result, Value

if TYPE_CHECKING:
    from app.atelier import Atelier
    from app.widgets.animate import AnimatePopover, Animation
    from app.widgets.journey import JourneyPopover, Travel
    from app.widgets.video import Painting, VideoPopover
    from app.window import MainWindow

WEIGHTS = "*.safetensors *.pth *.pt *.pkl *.ckpt *.bin *.t7 *.npz *.onnx *.h5 *.pb *.tar"
FILTERS = {"png": "PNG (*.png)", "jpg": "JPEG (*.jpg *.jpeg)", "webp": "WebP (*.webp)",
           "tiff": "TIFF (*.tif *.tiff)"}  # fmt: skip

FILMS = {"mp4": "MP4 (*.mp4)", "gif": "GIF (*.gif)", "webp": "WebP (*.webp)"}
WAY_FRAMES = 50


class Asking(QObject):
    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window, self.studio = window, window.studio
        self.edges: EdgesDialog | None = None
        self.settings: SettingsDialog | None = None
        self.animate: AnimatePopover | None = None
        self.journey: JourneyPopover | None = None
        self.video: VideoPopover | None = None
        self.shown: QDialog | None = None
        self._verdict: Any = None
        self._asked_edges: Job | None = None
        self.studio.tool_result.connect(self._on_edges)

    # ---- files ---------------------------------------------------------------------------------

    def for_file(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in sorted(PICTURES))
        filters = [tr("Pictures, recipes and models ({patterns})", patterns="*"),
                   tr("Pictures ({patterns})", patterns=patterns),
                   tr("Models ({patterns})", patterns=WEIGHTS)]  # fmt: skip
        self.window.open_files(self.choose_names(tr("Open"), filters))

    def for_model(self) -> None:
        filters = [tr("Models ({patterns})", patterns=WEIGHTS), tr("All files (*)")]
        self.window.open_files(self.choose_names(tr("Open model file"), filters))

    def for_photo(self, then: Callable[[Picture], None] | None = None) -> None:
        """A photo for `then`, else for the room one is in."""
        take = then or self.window.take_picture
        for path in self.choose_pictures(tr("Choose a photo"))[:1]:
            self.studio.background.do(
                lambda path=path: open_picture(Path(path)), lambda a: self.on_photo(a, take)
            )

    def for_well(self, well: ImageWell) -> None:
        """A picture file for one place of its own."""
        self.into_well(well, self.choose_pictures(tr("Choose a picture")))

    def into_well(self, well: ImageWell, files: list[str]) -> None:
        """The first picture goes where it was dropped; what is no picture, wherever it belongs."""
        pictures = [path for path in files if Path(path).suffix.lower() in PICTURES]
        self.window.open_files([path for path in files if path not in pictures])

        def fill(answer: Any) -> None:
            if not isinstance(answer, Picture):
                self.window.tell(str(answer))
            elif isValid(well):
                well.set_picture(answer)

        for path in pictures[:1]:
            self.studio.background.do(lambda path=path: open_picture(Path(path)), fill)

    def for_export(self) -> None:
        """Where the result goes; the format follows the name."""
        shown = self.studio.shown
        if shown is None:
            return
        what, form, quality = self.window.top.export.choices()
        name = f"{shown.job.checkpoint.partition('@')[0] or 'ganvas'}-{shown.job.digest[:6]}"
        if path := self._save_name(name, form, FILTERS):
            self.studio.export(path, what, quality)  # type: ignore[arg-type]

    def for_copy(self, id: str) -> None:
        """A copy of a kept result, with its recipe."""
        entry = self.studio.history.entry(id)
        if entry is None:
            return
        name = f"{entry.checkpoint.partition('@')[0] or 'ganvas'}-{entry.id[-9:]}.png"
        path, _ = QFileDialog.getSaveFileName(
            self.window, tr("Save as"), str(self.folder() / name), FILTERS["png"]
        )
        if path:
            self.keep_folder(path)
            self.studio.background.do(
                lambda: shutil.copyfile(entry.path, path), lambda a: self.on_copied(path, a)
            )

    def for_batch(self, folder: str) -> None:
        target = QFileDialog.getExistingDirectory(
            self.window, tr("Where to save the results"), folder
        )
        if target and Path(target) == Path(folder):
            target = str(Path(folder) / "ganvas")
        if target:
            self.studio.run_batch(folder, target)

    def for_others(self, faces: str) -> None:
        """Photos, to which the same edit is applied, and where the results go. faces: "every" one
        of each photo, or "photo": the largest."""
        patterns = " ".join(f"*{suffix}" for suffix in sorted(PICTURES))
        filters = [tr("Pictures ({patterns})", patterns=patterns), tr("All files (*)")]
        photos = [Path(path) for path in self.choose_names(tr("Choose photos"), filters)]
        if not photos:
            return
        target = QFileDialog.getExistingDirectory(
            self.window, tr("Where to save the results"), str(photos[0].parent)
        )
        if target and Path(target) == photos[0].parent:
            target = str(Path(target) / "ganvas")
        if target:
            self.studio.run_batch(photos, target, output=faces)

    def for_still(self, picture: Picture | None) -> None:
        """A picture without a recipe: a sheet of several."""
        from engines.images import save_picture

        if picture is not None and (path := self._save_name("ganvas-sheet", "png", FILTERS)):
            self.studio.background.do(
                lambda: save_picture(picture, Path(path)), lambda a: self.on_copied(path, a)
            )

    def for_animation(self) -> None:
        """What moves, and then where the film goes."""
        from app.widgets.animate import AnimatePopover

        card, anchor = self.studio.card, self.window.top.animate
        if card is None:
            return
        if self.animate is None:
            self.animate = AnimatePopover(self.window)
            self.animate.wanted.connect(self._on_animation)
        self.animate.show_card(card, self.studio.values)
        self.animate.open_at(anchor, right=True)

    def _on_animation(self, wanted: Animation) -> None:
        from engines import animate

        kinds = FILTERS if wanted.kind == "strip" else {wanted.kind: FILMS[wanted.kind]}
        form = "png" if wanted.kind == "strip" else wanted.kind
        card = self.studio.card
        name = card.checkpoint.partition("@")[0].rpartition("/")[2] if card else ""
        if not (path := self._save_name(f"{name or 'ganvas'}-{wanted.kind}", form, kinds)):
            return
        values = dict(self.studio.values)
        if wanted.output:
            values["output"] = wanted.output
        tracks = [animate.Track(m.name, m.start, m.end, m.index) for m in wanted.moves]
        try:
            rows = animate.timeline(values, tracks, wanted.frames, wanted.ease, wanted.pingpong)
        except ValueError as error:
            self.window.tell(str(error))
        else:
            self.studio.make_film(rows, path, wanted.rate)

    def for_way(self, rows: Callable[[int], list[dict[str, Value]]]) -> None:
        """A film of two seconds and back, from the caption to the other one."""
        if path := self._save_name("ganvas-words", "mp4", FILMS):
            self.studio.make_film(rows(WAY_FRAMES), path)

    def for_attention(self) -> None:
        """The page that explains attention."""
        from app.widgets.attention import AttentionPage

        self._open(AttentionPage(self.window))

    def for_journey(self, anchor: QWidget) -> None:
        """How a film of dreams moves, and then where it goes."""
        from app.widgets.journey import JourneyPopover

        if self.journey is None:
            self.journey = JourneyPopover(self.window)
            self.journey.wanted.connect(self._on_journey)
        self.journey.open_at(anchor, above=True, right=True)

    def _on_journey(self, wanted: Travel) -> None:
        from engines.journey import Journey, Motion

        kinds = {wanted.kind: FILMS[wanted.kind]}
        if path := self._save_name("ganvas-dream", wanted.kind, kinds):
            motion = Motion(wanted.zoom, wanted.turn, wanted.right, wanted.down)
            self.studio.make_journey(
                lambda job: Journey(job, motion, wanted.frames, wanted.steps), path, wanted.rate
            )

    def for_video(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in sorted(VIDEOS))
        filters = [tr("Films ({patterns})", patterns=patterns), tr("All files (*)")]
        self.window.open_files(self.choose_names(tr("Choose a film"), filters)[:1])

    def for_painted_film(self, desk: Atelier) -> None:
        """How a film is painted, and then where it goes."""
        from app.widgets.video import Reel, VideoPopover

        clip, card = desk.clip, self.studio.card
        if clip is None or card is None:
            return
        if self.video is None:
            self.video = VideoPopover(self.window)
            self.video.wanted.connect(lambda wanted: self._on_painting(desk, wanted))
        in_steps = card.control("before") is not None
        steps = round(float(str(self.studio.values.get("steps", 0)))) if in_steps else 0
        self.video.show_reel(Reel(clip.frames, clip.sound, desk.seconds_each(), steps))
        self.video.open_at(desk.room.film, above=True, right=True)

    def _on_painting(self, desk: Atelier, wanted: Painting) -> None:
        if desk.clip is None or self.studio.card is None:
            return
        model = self.studio.card.checkpoint.partition("@")[0].rpartition("/")[2]
        name = f"{desk.clip.path.stem}-{model}"
        if path := self._save_name(name, "mp4", {"mp4": FILMS["mp4"]}):
            desk.paint_film(path, wanted.steadiness, wanted.steps)

    def _save_name(self, name: str, form: str, kinds: Mapping[str, str]) -> str:
        """A path chosen by the user, with a suffix; "" if none was."""
        chosen = [kinds[form], *(f for key, f in kinds.items() if key != form)]
        path, _ = QFileDialog.getSaveFileName(
            self.window, tr("Save as"), str(self.folder() / f"{name}.{form}"), ";;".join(chosen)
        )
        if path:
            path = path if Path(path).suffix else f"{path}.{form}"
            self.keep_folder(path)
        return path

    def show_in_folder(self, path: str) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(path).parent)))

    def choose_pictures(self, title: str) -> list[str]:
        patterns = " ".join(f"*{suffix}" for suffix in sorted(PICTURES))
        filters = [tr("Pictures ({patterns})", patterns=patterns), tr("All files (*)")]
        return self.choose_names(title, filters)

    def choose_names(self, title: str, filters: list[str]) -> list[str]:
        paths, _ = QFileDialog.getOpenFileNames(
            self.window, title, str(self.folder()), ";;".join(filters)
        )
        if paths:
            self.keep_folder(paths[0])
        return paths

    def folder(self) -> Path:
        kept = Path(str(self.studio.settings.recall("folder", "")) or Path.home())
        return kept if kept.is_dir() else Path.home()

    def keep_folder(self, path: str) -> None:
        self.studio.settings.remember("folder", str(Path(path).parent))

    def on_photo(self, answer: Any, take: Callable[[Picture], None]) -> None:
        if isinstance(answer, Picture):
            take(answer)
        else:
            self.window.tell(str(answer))

    def on_copied(self, path: str, answer: Any) -> None:
        if isinstance(answer, Exception):
            name = Path(path).name
            reason = getattr(answer, "strerror", None) or str(answer)
            self.window.tell(f"{name} could not be saved: {reason}.")
        else:
            self.studio.exported.emit(path)

    # ---- models --------------------------------------------------------------------------------

    def for_models(self) -> None:
        card = self.studio.card
        dialog = ModelsDialog(
            self.window.models(),
            card.checkpoint if card else "",
            self.window,
        )
        dialog.chosen.connect(self.studio.choose_model)
        dialog.file_wanted.connect(self.for_model)
        dialog.pointed.connect(lambda reference: self._tell_about(dialog, reference))
        self._tell_about(dialog, dialog.reference)
        self._open(dialog)

    def _tell_about(self, dialog: ModelsDialog, reference: str) -> None:
        entry = self.studio.catalogue.find(reference) if reference else None
        path = getattr(entry, "path", None)
        if path is None:
            return

        def read() -> tuple[Mapping[str, str], Picture | None]:
            from engines.catalogue import about

            told = about(path)
            sheet = _sheet(told.get("sheet", ""), path)
            return told, open_picture(sheet) if sheet is not None else None

        def show(answer: Any) -> None:
            if isinstance(answer, tuple) and isValid(dialog):
                dialog.show_about(reference, *answer)

        self.studio.background.do(read, show)

    def for_details(self) -> None:
        if self.studio.card is not None:
            self._open(CardDetails(self.studio.card, self.window))

    def for_sheet(self) -> None:
        """The model's sample sheet."""
        card = self.studio.card
        if card is None or not card.sheet:
            return
        entry = self.studio.catalogue.find(card.checkpoint)
        path = _sheet(card.sheet, getattr(entry, "path", None))
        if path is None:
            self.window.tell("The sample sheet of this model is not here.")
        else:
            self.studio.background.do(lambda: open_picture(path), self._on_sheet)

    def report(self, verdict: Any) -> None:
        """The doctor has looked at a file. What it can load is told in a line, with the report
        behind a button; what it cannot is told where the failure is."""
        self._verdict = verdict
        if verdict.kind == "model":
            self.window.tell(verdict.message, "Report", self.last_report, kind="info", stays=True)

    def told(self, card: Any) -> set[str]:
        """Sentences that the report or the card shows already."""
        said = set(self._verdict.notes) if self._verdict is not None else set()
        return said | set(card.notes if card is not None else ())

    def last_report(self) -> None:
        if self._verdict is not None:
            self._open(DoctorReport(self._verdict, _names(), False, self.window))

    def tie(self, verdict: Any) -> None:
        dialog = DoctorReport(verdict, _names(), True, self.window)
        dialog.settled.connect(self.studio.settle_tie)
        self._open(dialog)

    def _on_sheet(self, answer: Any) -> None:
        if isinstance(answer, Picture):
            self._open(SheetView("Sample sheet", answer, self.window))
        else:
            self.window.tell(str(answer))

    # ---- edges ---------------------------------------------------------------------------------

    def for_edges(self) -> None:
        """The reference photo, or one that is chosen now, becomes lines on the sheet."""
        photo = self.window.sheet.reference
        if photo is None:
            self.for_photo()
            return
        from engines.family import families

        card = families()["edges"].card(None)
        self.edges = EdgesDialog(photo, card, self.window)
        self.edges.wanted.connect(self._ask_edges)
        self.edges.used.connect(self.window.sheet.import_edges)
        self.edges.finished.connect(self._edges_closed)
        self._open(self.edges)
        self.edges.ask()

    def _ask_edges(self, values: dict[str, Any]) -> None:
        if self.edges is not None:
            size = self.window.sheet.size()
            photo = {"photo": self.edges.photo}
            self._asked_edges = Job("edges", values=values, images=photo, size=size)
            self.studio.submit_tool(self._asked_edges, "edges", "Photo to edges")

    def _on_edges(self, job: Job, result: Result) -> None:
        if self.edges is not None and job.family == "edges" and result.pictures:
            self.edges.show_edges(result.pictures[0])

    def _edges_closed(self) -> None:
        self.edges = None

    # ---- palettes ------------------------------------------------------------------------------

    def add_palette(self, path: str) -> None:
        """One's own classes, as a JSON file of names and colours."""
        from engines import palettes

        self.studio.background.do(lambda: palettes.add(Path(path)), self._on_palette)

    def _on_palette(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.window.tell(str(answer))
            return
        if self.window.table is self.window.desks.get("paint"):
            self.window.map.choose_palette(answer.id)
        self.window.tell(f"The palette {answer.title} is here now.", kind="info")

    # ---- settings and menu ---------------------------------------------------------------------

    def for_settings(self) -> None:
        settings = self.studio.settings
        self.settings = SettingsDialog(
            settings.options.values(), settings.get, settings.set, known_keys(), self.window,
            settings.note,
        )  # fmt: skip
        self.settings.finished.connect(self._settings_closed)
        self._open(self.settings)

    def take_setting(self, name: str, value: Any) -> None:
        if self.settings is not None:
            self.settings.show_value(name, value)

    def _settings_closed(self) -> None:
        self.settings = None

    def menu(self) -> None:
        menu = QMenu(self.window)
        self.window.actions_.fill(menu)
        logo = self.window.rail.logo
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(logo.mapToGlobal(QPoint(logo.width() + 4, 0)))

    def _open(self, dialog: QDialog) -> None:
        """Over the window, without stopping it: what computes goes on."""
        self.shown = dialog
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


def _sheet(named: str, model: Path | None) -> Path | None:
    """The file of a sample sheet, below our folder or beside the model's file, nowhere else: its
    name comes from a file that anybody may have made."""
    beside = [model.parent] if model is not None else []
    folders = [folder.resolve() for folder in (RESOURCES.parent, *beside)]
    places = [((folder / named).resolve(), folder) for folder in folders] if named else []
    return next((p for p, f in places if p.is_relative_to(f) and p.is_file()), None)


def _names() -> dict[str, str]:
    from engines.family import families

    return {id: family.title for id, family in families().items()}
