"""MainWindow: the rail, the bars, the rooms, the film and the status line, wired to Studio.

The only wiring there is: signals of widgets go up to Studio here, what Studio says comes down here.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app import pictures, theme
from app.actions import TOOLS, Actions
from app.asking import Asking
from app.captions import FAMILY as CAPTIONER
from app.captions import Caption
from app.draw import DrawRoom
from app.easel import Easel
from app.i18n import set_language, tr
from app.notices import Notices
from app.results import Shown
from app.room import Room, home
from app.rooms import made
from app.sheet import Sheet
from app.studio import Studio
from app.widgets.history import Filmstrip
from app.widgets.rail import Rail
from app.widgets.send import Target
from app.widgets.statusbar import StatusBar
from app.widgets.tasks import TaskTray
from app.widgets.toolbar import TopBar
from engines.controls import ModelCard, numbers
from engines.job import Failed, Job, Picture

if TYPE_CHECKING:
    from app.mapping import Mapping
    from app.mapsheet import MapSheet
    from app.paint import PaintRoom
    from app.rooms import Table
    from engines.videofile import Clip

ROOMS = (
    ("draw", "Draw", "draw"),
    ("paint", "Paint", "paint"),
    ("translate", "Translate", "translate"),
    ("faces", "Faces", "faces"),
    ("words", "Words", "words"),
    ("style", "Style", "style"),
    ("dream", "Dream", "dream"),
)
PHOTO_ROOMS = ("draw", "translate", "faces", "words", "style", "dream")  # where a photo can go
WAITING = "The exact picture is being computed; then it goes on by itself."
OPENING = "The room opens as soon as its model has been read."
WAITING_MS = 250  # what takes no longer than a blink is not announced
PLACES = {"result": "photo", "controls": "photo", "model": "top"}


class MainWindow(QMainWindow):
    paint: PaintRoom  # this and the next two from when the room is first entered
    map: MapSheet
    mapping: Mapping

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.setWindowTitle("Ganvas")
        self.setWindowIcon(theme.window_icon())
        self.setAcceptDrops(True)
        self.actions_ = Actions(self)
        self.rail = Rail(ROOMS)
        bar_actions = ("live", "run", "cancel", "undo", "redo", "copy", "enlarge")
        self.top = TopBar({id: self.actions_[id] for id in bar_actions})
        self.notices = Notices(self, lambda: self.room)
        self.notice, self.toast = self.notices.notice, self.notices.toast
        self.tell = self.notices.tell
        self.draw = DrawRoom(self.actions_)
        self.sheet = Sheet(self.draw, studio)
        self.room: Room = self.draw
        self.table: Table = self.sheet  # of the room one is in
        self.rooms: dict[str, Room] = {}  # those that were entered
        self.desks: dict[str, Table] = {}
        self._seen: dict[str, Shown] = {}  # what lies in each
        self._come: dict[str, Shown] = {}  # what came to one while one was elsewhere
        self.film = Filmstrip()
        self.tray = TaskTray()
        self.status = StatusBar(self.tray)
        self.asking = Asking(self)
        self._sample = self._word = -1
        self._heading = "draw"  # the room that the next model is wanted in
        self._clip: Clip | None = None  # a film that waits for the Style room
        self._sent: Picture | None = None  # waits for the card of the model it was sent to
        self._patience = QTimer(self, singleShot=True, interval=WAITING_MS)
        self._opening = QTimer(self, singleShot=True, interval=WAITING_MS)
        self._waits = False  # for an exact picture, with which something will be done
        self._lay_out()
        self._wire_actions()
        self._wire_widgets()
        self._wire_studio()
        self._add_room("draw", self.draw, self.sheet)
        self._recall()
        self._on_card(studio.card)
        self._on_history()
        self._enable()
        self.room.setFocus()  # or the window's first button would have the keys

    # ---- layout --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.halves = QSplitter(Qt.Orientation.Vertical)
        self.halves.setHandleWidth(4)
        self.halves.setChildrenCollapsible(False)
        self.stack = QStackedWidget()
        self.halves.addWidget(self.stack)
        self.halves.addWidget(self.film)
        self.halves.setStretchFactor(0, 1)
        self.film.setMinimumHeight(76)
        self.halves.setSizes([640, 118])
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (self.top, self.notices.holder, self.halves, self.status):
            column.addWidget(part, 1 if part is self.halves else 0)
        desk = QWidget()
        desk.setObjectName("Desk")
        box = QHBoxLayout(desk)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.rail)
        box.addLayout(column, 1)
        self.setCentralWidget(desk)
        self.notices.lie_over(desk)
        self.setMinimumSize(1040, 640)

    def _recall(self) -> None:
        """The window as it was left."""
        recall = self.studio.settings.recall
        self.resize(self.screen().availableSize().boundedTo(QSize(1440, 900)))
        if geometry := recall("geometry"):
            self.restoreGeometry(QByteArray(base64.b64decode(geometry)))
        self._recall_sizes("halves", self.halves)

    def _recall_sizes(self, name: str, splitter: QSplitter) -> None:
        sizes = self.studio.settings.recall(f"sizes_{name}")
        if isinstance(sizes, list) and len(sizes) == splitter.count():
            splitter.setSizes([int(n) for n in sizes])

    def _remember(self) -> None:
        remember = self.studio.settings.remember
        remember("geometry", base64.b64encode(self.saveGeometry().data()).decode())
        remember("sizes_halves", self.halves.sizes())
        for id, room in self.rooms.items():
            remember(f"sizes_{_kept_as(id)}", room.sizes())

    # ---- rooms ---------------------------------------------------------------------------------

    def _make_room(self, id: str) -> None:
        """A room and its desk, when it is first entered: each costs the start 40 ms."""
        self._add_room(id, *made(self, id))
        self.stack.setCurrentWidget(self.rooms[id])
        self.desks[id].take_back(self.studio.left)

    def _add_room(self, id: str, room: Room, desk: Table) -> None:
        self.rooms[id], self.desks[id] = room, desk
        self.stack.addWidget(room)
        self._wire_room(room)
        wipe = self.actions_["wipe"]
        wipe.toggled.connect(desk.set_wipe)
        desk.set_wipe(wipe.isChecked())
        self._recall_sizes(_kept_as(id), room)
        if isinstance(desk, Easel):
            desk.set_reference_opacity(float(self.studio.settings.recall("reference_opacity", 0.4)))
            desk.choose_tool(next((t for t in TOOLS if self.actions_[t].isChecked()), "pen"))
            desk.changed_elsewhere.connect(lambda: self.go_to(id))

    # ---- actions -------------------------------------------------------------------------------

    def _wire_actions(self) -> None:
        studio, asking = self.studio, self.asking
        does = {
            "new": lambda: self.easel.clear(), "open": asking.for_file,
            "open_model": asking.for_model, "export": asking.for_export,
            "recipe": self.copy_recipe, "quit": self.close,
            "undo": studio.undo_stack.undo, "redo": studio.undo_stack.redo,
            "copy": self.copy_result, "enlarge": studio.enlarge, "paste": self.paste,
            "fit": lambda: self.easel.fit(),
            "edges": asking.for_edges, "smaller": lambda: self.easel.grow_brush(-1),
            "larger": lambda: self.easel.grow_brush(1),
            "layer": lambda: self.easel.other_layer(), "swap": lambda: self.easel.swap(),
            "symmetry": lambda: self.easel.next_symmetry(),
            "run": studio.run, "chain": studio.make_chain, "cancel": studio.cancel_all,
            "surprise": self.surprise,
            "fullscreen": lambda: self.room.viewer.show_fullscreen(),
            "zoom_in": lambda: self.room.zoomed.zoom_in(),
            "zoom_out": lambda: self.room.zoomed.zoom_out(),
            "zoom_fit": lambda: self.room.zoomed.zoom_fit(),
            "find": self.film.search.setFocus, "light": self.other_theme,
            "choose_model": self.top.picker.open_menu, "settings": asking.for_settings,
            "menu": asking.menu, "caption": studio.caption,
        }  # fmt: skip
        for id, act in does.items():
            self.actions_[id].triggered.connect(lambda _=False, act=act: act())
        for id in TOOLS:
            self.actions_[id].triggered.connect(lambda _=False, id=id: self.choose_tool(id))
        self.actions_["live"].toggled.connect(studio.set_live)
        stack = studio.undo_stack
        stack.canUndoChanged.connect(self.actions_["undo"].setEnabled)
        stack.canRedoChanged.connect(self.actions_["redo"].setEnabled)

    def _enable(self, *_: object) -> None:
        """Actions that would do nothing now are grey."""
        card, shown = self.studio.card, self.studio.shown is not None
        for id in ("copy", "export", "wipe", "caption"):
            self.actions_[id].setEnabled(shown)
        enlarge = self.actions_["enlarge"]  # looking for its model takes longer than all the rest
        enlarge.setEnabled(shown and (enlarge.isEnabled() or self.studio.enlarger() is not None))
        self.top.export.set_ready(shown)
        self.top.send.set_ready(shown)
        self.actions_["run"].setEnabled(card is not None)
        self.actions_["chain"].setEnabled(self.studio.chained())
        self.actions_["recipe"].setEnabled(card is not None)
        self.actions_["live"].setEnabled(card is None or card.live)
        self.top.live.setEnabled(card is None or card.live)
        self.actions_["fit"].setEnabled(bool(card and card.sketch))
        self.actions_["edges"].setEnabled(self.easel is self.sheet)
        locked = self.room.controls.seed.lock.isChecked()
        chance = card is not None and (card.face is not None or (card.seeded and not locked))
        self.actions_["surprise"].setEnabled(chance)
        self.top.animate.setEnabled(bool(card and card.live and numbers(card)))
        self.actions_["cancel"].setEnabled(self._waits or bool(self.studio.tasks.running()))
        self.actions_["undo"].setEnabled(self.studio.undo_stack.canUndo())
        self.actions_["redo"].setEnabled(self.studio.undo_stack.canRedo())

    # ---- widgets to studio ---------------------------------------------------------------------

    def _wire_widgets(self) -> None:
        studio, top, film = self.studio, self.top, self.film
        top.picker.opened.connect(self._list_models)
        top.picker.chosen.connect(studio.choose_model)
        top.picker.file_wanted.connect(self.asking.for_model)
        top.animate.clicked.connect(self.asking.for_animation)
        top.send.opened.connect(lambda: top.send.show_targets(self.targets()))
        top.send.chosen.connect(self.send)
        top.export.save_wanted.connect(self.asking.for_export)
        top.export.recipe_wanted.connect(self.copy_recipe)
        top.export.changed.connect(self._on_export_choice)
        self.draw.head.reference_menu.file_wanted.connect(self.asking.for_photo)
        self.draw.head.reference_menu.edges_wanted.connect(self.asking.for_edges)
        self.draw.gauge.fix_wanted.connect(self.sheet.fit)
        film.restore_wanted.connect(studio.restore_history)
        film.delete_wanted.connect(studio.delete_history)
        film.export_wanted.connect(self.asking.for_copy)
        film.recipe_wanted.connect(self.copy_recipe_of)
        film.enlarge_wanted.connect(studio.enlarge_history)
        film.search_changed.connect(self._on_history)
        self.tray.cancel_wanted.connect(studio.cancel)
        self.tray.dismiss_wanted.connect(studio.tasks.dismiss)
        self.rail.menu_wanted.connect(self.asking.menu)
        self.rail.models_wanted.connect(self.asking.for_models)
        self.rail.settings_wanted.connect(self.asking.for_settings)
        self._patience.timeout.connect(self._tell_waiting)
        self._opening.timeout.connect(lambda: self.tell(OPENING, kind="info", stays=True))
        self.rail.room_chosen.connect(self.go_to)

    def _wire_room(self, room: Room) -> None:
        studio = self.studio
        room.controls.changed.connect(studio.set_value)
        room.controls.picture_changed.connect(lambda _role: studio.touch())
        room.controls.well_clicked.connect(self.asking.for_well)
        room.controls.well_filled.connect(self.asking.into_well)
        seed = room.controls.seed
        seed.edited.connect(studio.set_seed)
        seed.dice.connect(self.surprise)
        seed.locked.connect(self._on_locked)
        seed.show_locked(bool(studio.settings.recall("seed_locked", False)))
        seed.show_seed(studio.seed)
        studio.seed_changed.connect(seed.show_seed)
        self.notices.wire(room.notice)
        room.photo_wanted.connect(self.asking.for_photo)
        room.example_wanted.connect(self.open_sample)
        room.details_wanted.connect(self.asking.for_details)
        room.sheet_wanted.connect(self.asking.for_sheet)
        for part in (room.zoomed, room.viewer):
            part.files_dropped.connect(self.open_files)
            part.picture_dropped.connect(self.take_picture)
        if not room.acts_itself:
            room.viewer.action_clicked.connect(studio.run)
        room.caption.copy_wanted.connect(self.copy_caption)
        room.caption.chosen.connect(self._on_caption_chosen)
        room.caption.looked.connect(self._on_word)
        room.viewer.set_drag_source(studio.drag_file)

    # ---- studio to widgets ---------------------------------------------------------------------

    def _wire_studio(self) -> None:
        studio = self.studio
        studio.card_changed.connect(self._on_card)
        studio.value_changed.connect(lambda n, v: self.room.controls.set_value(n, v))
        studio.live_changed.connect(self.actions_["live"].setChecked)
        studio.result_shown.connect(self._on_result)
        studio.made_elsewhere.connect(self._on_made_elsewhere)
        studio.preview_shown.connect(lambda p: self.room.viewer.show_preview(p))
        studio.terms_told.connect(lambda n, p: self.room.controls.show_terms(n, p))
        studio.tasks_changed.connect(self._on_tasks)
        studio.history_changed.connect(self._on_history)
        studio.status_changed.connect(self.status.show_status)
        studio.failed.connect(self._on_failed)
        studio.reported.connect(self.asking.report)
        studio.tie.connect(self.asking.tie)
        studio.model_missing.connect(self._on_missing)
        studio.picture_opened.connect(self.take_picture)
        studio.video_opened.connect(self.take_video)
        studio.palette_opened.connect(self.asking.add_palette)
        studio.folder_opened.connect(self._on_folder)
        studio.exported.connect(self._on_exported)
        studio.film_saved.connect(self._on_film_saved)
        studio.told.connect(lambda sentence: self.tell(sentence, kind="info"))
        studio.sent.connect(self._on_sent)
        studio.waiting.connect(self._on_waiting)
        studio.finder_added.connect(self._on_finder)
        studio.captions.changed.connect(self._on_caption)
        studio.settings.changed.connect(self._on_setting)
        self.actions_["live"].setChecked(studio.live)
        self.actions_.set_keys(studio.settings.get("shortcuts"))
        self.actions_["pen"].setChecked(True)
        get = studio.settings.get
        self.top.export.show_choices(
            get("export_what"), get("export_format"), get("export_quality")
        )
        self.top.export.show_caption(get("export_caption"))
        self.actions_["wipe"].setChecked(bool(get("wipe")))
        if studio.settings.note:
            self.tell(studio.settings.note)

    def _on_card(self, card: ModelCard | None) -> None:
        entry = self.studio.catalogue.find(card.checkpoint) if card else None
        self.top.picker.show_card(card, bool(entry and getattr(entry, "shipped", False)))
        self._enter(card)
        self.room.show_card(card)
        self.table.adopt(card)
        self._mark()
        if come := self._come.pop(self._id_of(self.room), None):
            self._take_up(come)
        if card is not None and self._sent is not None:
            sent, self._sent = self._sent, None
            self.table.lay(sent)
            self._tell_laid()
        if self._clip is not None and self.table.take_video(self._clip):
            self._clip = None
        self.notices.done(self.asking.for_model)
        self._enable()
        self._on_tasks()

    def _enter(self, card: ModelCard | None) -> None:
        """Into the room of a model."""
        focus = self.focusWidget()
        at_work = focus in (None, self.room) or self.room.isAncestorOf(focus)
        self._opened()
        id = self._heading = home(card, self._heading)
        if id not in self.rooms:
            self._make_room(id)
        if self.rooms[id] is not self.room:
            self.studio.look_at(self._seen.get(id))
        self.room, self.table = self.rooms[id], self.desks[id]
        self.stack.setCurrentWidget(self.room)
        if at_work:  # the keys would go to the first button of the window
            self.room.setFocus()
        self.rail.show_room(id)
        if card is not None:
            self.studio.settings.remember(f"model_{id}", card.checkpoint)
        self._show_rooms()

    def _opened(self) -> None:
        """No room is waited for any more."""
        self._opening.stop()
        self._untell(OPENING)

    def _show_rooms(self) -> None:
        """Rooms for which no model is here are not on the rail."""
        homes = {room for entry in self.models() for room in _rooms(entry)}
        self.rail.show_rooms({"draw", *homes, self._id_of(self.room)})

    @property
    def easel(self) -> Easel:
        """The canvas that one draws on, or drew on last."""
        return self.table if isinstance(self.table, Easel) else self.sheet

    def choose_tool(self, name: str) -> None:
        """In every room: it is one hand that holds it."""
        for desk in self.desks.values():
            if isinstance(desk, Easel):
                desk.choose_tool(name)
        if name == "stamp":
            self.easel.open_stamps()

    def _id_of(self, room: Room) -> str:
        return next(id for id, there in self.rooms.items() if there is room)

    def go_to(self, id: str) -> None:
        """Into a room, with the model that was last in use there."""
        if self.rooms.get(id) is self.room and self._heading == id:
            return
        last = str(self.studio.settings.recall(f"model_{id}", "") or "")
        fitting = [entry for entry in self.models() if id in _rooms(entry)]
        chosen = next((e for e in fitting if e.reference == last), fitting[0] if fitting else None)
        if chosen is None:
            self.rail.show_room(self._id_of(self.room))
            self.tell("There is no model for this room yet.", "Open model file…",
                      self.asking.for_model)  # fmt: skip
        else:
            self._heading = id
            self._opening.start()
            self.studio.choose_model(chosen.reference)

    def targets(self) -> list[Target]:
        """The models, by room, that could take the result."""
        found = []
        for id, title, _ in ROOMS:
            models = [(e.reference, e.title) for e in self.models() if id in _rooms(e)]
            if models and id in PHOTO_ROOMS:
                found.append((id, title, models))
        return found

    def send(self, room: str, reference: str) -> None:
        """Go on with the result in another model; the recipe then keeps the whole chain."""
        self._heading = room
        self.studio.send(reference)

    def open_sample(self) -> None:
        """The next of the photos that come with Ganvas."""
        wanted = self.room.samples
        found = sorted((theme.RESOURCES / "samples").glob(wanted)) if wanted else []
        if found:
            self._sample = (self._sample + 1) % len(found)
            self.studio.open_path(found[self._sample])

    def _on_result(self, shown: Shown) -> None:
        self._seen[self._id_of(self.room)] = shown
        self.table.show_result(shown)
        self.room.photo_head.show_time(shown.result.seconds * 1000 or None)
        if shown.result.fit is not None:
            self.room.gauge.show_fit(shown.result.fit)
        told = self.asking.told(self.studio.card)
        news = [note for note in dict.fromkeys(shown.result.notes) if note not in told]
        if news and not self.room.says_notes:
            self.tell(" ".join(news), kind="info")
        self.room.notice.hide()
        self._caption_of(shown)
        self._mark()
        self._enable()

    def _on_made_elsewhere(self, shown: Shown) -> None:
        """What was begun in a room that one has left lies there when one comes back."""
        entry = self.studio.catalogue.find(shown.job.checkpoint, shown.job.family)
        there, card = self.rooms.get(next(iter(_rooms(entry)), "")), self.studio.card
        if there is None:
            return
        if there is not self.room:
            self._come[self._id_of(there)] = shown
        elif card is not None and not card.live and card.checkpoint == shown.job.checkpoint:
            self._take_up(shown)  # in a live one, what is computed while one works there is newer

    def _take_up(self, shown: Shown) -> None:
        self.studio.look_at(shown)
        self._on_result(shown)

    def _caption_of(self, shown: Shown) -> None:
        """The caption belongs to the picture that it was made of."""
        self._word = -1
        self.room.caption.clear()
        if shown.job.family == CAPTIONER and shown.job.values.get("show") != "attention":
            result = shown.result
            sure = next(iter(result.notes), "")
            self.studio.captions.keep(shown.picture, result.texts, sure, shown.job.checkpoint)
        elif known := self.studio.captions.of(shown.picture):
            self._on_caption(known)

    def _on_caption(self, caption: Caption) -> None:
        shown = self.studio.shown
        if shown is None or shown.picture != caption.picture or self.room.viewer.message():
            return
        linked = caption.text == caption.told
        if self._word < 0 or not caption.looked:
            self.room.caption.show_caption(caption.texts, caption.sure, linked, caption.shares)
        self._show_word()

    def _on_caption_chosen(self, text: str) -> None:
        if self.studio.shown is not None:
            self._on_word(-1)
            self.studio.captions.choose(self.studio.shown.picture, text)

    def _on_word(self, word: int) -> None:
        """Where a word of the caption looked, in place of the picture while it is pointed at."""
        self._word = word
        self._show_word()

    def _show_word(self) -> None:
        shown, word = self.studio.shown, self._word
        caption = self.studio.captions.of(shown.picture) if shown else None
        if shown is None or caption is None:
            return
        if word < 0:
            if self.room.viewer.picture() is None and not self.room.viewer.message():
                self.room.viewer.show_picture(shown.picture)
        elif word < len(caption.looked):
            self.room.viewer.show_preview(caption.looked[word])
        else:
            self.studio.captions.look(shown.picture)

    def _on_history(self, *_: object) -> None:
        total = len(self.studio.history.entries())
        self.film.show_entries(self.studio.search_history(self.film.search.text()), total)
        self._mark()

    def _mark(self) -> None:
        """Frame the result on the film that lies on the desk."""
        shown = self.studio.shown
        digest = shown.job.digest if shown else ""
        kept = (e.id for e in self.studio.history.entries() if e.digest == digest)
        self.film.mark(next(kept, ""))

    def _on_tasks(self) -> None:
        self.tray.show_tasks(self.studio.tasks)
        loading = any(t.title.startswith("Loading") for t in self.studio.tasks.running())
        ready = "ready" if self.studio.card else "none"
        self.top.picker.show_state("loading" if loading else ready)
        busy = self._waits or bool(self.studio.tasks.running())
        self.room.viewer.set_busy(busy)
        self.actions_["cancel"].setEnabled(busy)

    def _on_sent(self, picture: Picture) -> None:
        self._sent = picture

    def _on_waiting(self, waits: bool) -> None:
        """Something begins by itself once the exact picture is there; said where that takes longer
        than a blink."""
        self._waits = waits
        self._on_tasks()
        if waits:
            self._patience.start()
        else:
            self._patience.stop()
            self._untell(WAITING)

    def _untell(self, sentence: str) -> None:
        if self.toast.text() == tr(sentence):
            self.toast.hide()

    def _tell_waiting(self) -> None:
        self.tell(WAITING, kind="info", stays=True)

    def _on_failed(self, place: str, failed: Failed) -> None:
        if place == "tool" and self.asking.edges is not None:
            self.asking.edges.show_failure(failed.message)
            return
        if place == "result":
            self.table.show_failure(failed)
        remedy, act = "", None
        if place == "model":
            self._sent = None
            self._heading = self._id_of(self.room)
            self.rail.show_room(self._heading)
            self._opened()
        if place == "model" or failed.kind == "missing-model":
            self.top.picker.show_state("ready" if self.studio.card else "failed")
            remedy, act = "Open model file…", self.asking.for_model
        elif failed.kind == "checkpoint" and place == "drop":
            remedy, act = "Report", self.asking.last_report
        elif failed.details:
            remedy, act = "Copy details", lambda: _copy(f"{failed.message}\n{failed.details}")
        where = self.room.notice if PLACES.get(place) == "photo" else self.notice
        self.tell(failed.message, remedy, act, where=where)

    def _on_missing(self, name: str, digest: str) -> None:
        sentence = f"The recipe needs the model “{name}” ({digest}), which is not here."
        self.tell(sentence, "Open model file…", self.asking.for_model)

    def _on_folder(self, path: str, count: int) -> None:
        card = self.studio.card
        if card is None:
            self.tell("Choose a model first: a folder runs through the model in use.")
            return
        sentence = (
            f"{Path(path).name} holds {count} pictures; they can all run through {card.title}."
        )
        act = lambda: self.asking.for_batch(path)  # noqa: E731
        self.tell(sentence, "Choose where to save…", act, kind="info", stays=True)

    def _on_exported(self, path: str) -> None:
        act = lambda: self.asking.show_in_folder(path)  # noqa: E731
        self.tell(f"Saved as {Path(path).name}.", "Show in folder", act, kind="info")

    def _on_film_saved(self, path: str, note: str) -> None:
        act = lambda: self.asking.show_in_folder(path)  # noqa: E731
        said = f"{tr('Saved as {name}.', name=Path(path).name)} {tr(note)}"
        self.tell(said, "Show in folder", act, kind="info", stays=True)

    def _on_finder(self, name: str) -> None:
        self.tell(f"Faces are found with {name} from now on.", kind="info")

    def _on_export_choice(self, name: str, value: Any) -> None:
        self.studio.settings.set(f"export_{name}", value)

    def _on_locked(self, locked: bool) -> None:
        self.studio.settings.remember("seed_locked", locked)
        self._enable()

    def _on_setting(self, name: str, value: Any) -> None:
        app = QApplication.instance()
        if name == "theme" and isinstance(app, QApplication):
            theme.apply(app, value)
        elif name == "language":
            set_language(value)
        elif name == "shortcuts":
            self.actions_.set_keys(value)
        elif name in ("export_what", "export_format", "export_quality"):
            get = self.studio.settings.get
            self.top.export.show_choices(
                get("export_what"), get("export_format"), get("export_quality")
            )
        elif name == "export_caption":
            self.top.export.show_caption(value)
        for table in self.desks.values():
            table.take_setting(name, value)
        self.asking.take_setting(name, value)

    def _list_models(self) -> None:
        self.top.picker.show_models(self.models())

    def models(self) -> list[Any]:
        """Every model whose file is here."""
        entries = self.studio.catalogue.entries()
        return [entry for entry in entries if getattr(entry, "installed", True)]

    # ---- what a person asks for ----------------------------------------------------------------

    def surprise(self) -> None:
        if self.actions_["surprise"].isEnabled():
            self.table.surprise()

    def other_theme(self) -> None:
        self.studio.settings.set("theme", "light" if theme.theme() == "dark" else "dark")

    def copy_result(self) -> None:
        self.studio.when_exact(self._to_clipboard)

    def _to_clipboard(self, picture: Picture, job: Job) -> None:
        file = self.studio.file_of(picture, job)
        mime = pictures.mime_for(picture, [file] if file else [])
        QGuiApplication.clipboard().setMimeData(mime)
        self.tell("The result is on the clipboard.", kind="info")

    def copy_caption(self, text: str) -> None:
        _copy(text)
        self.tell("The caption is on the clipboard.", kind="info")

    def copy_recipe(self) -> None:
        if text := self.studio.recipe_json():
            _copy(text)
            self.tell("The recipe is on the clipboard, as JSON.", kind="info")

    def copy_recipe_of(self, id: str) -> None:
        self.studio.history.open(id, self._on_recipe)

    def _on_recipe(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.tell(str(answer))
        else:
            _copy(answer[0].to_json(indent=1))
            self.tell("The recipe is on the clipboard, as JSON.", kind="info")

    def paste(self) -> None:
        mime = QGuiApplication.clipboard().mimeData()
        payload = pictures.read_mime(mime) if mime is not None else pictures.Payload()
        text = mime.text().strip() if mime is not None and mime.hasText() else ""
        if payload.files:
            self.open_files(list(payload.files))
        elif payload.picture is not None:
            self.take_picture(payload.picture)
        elif text.startswith("{"):
            try:
                self.studio.restore(Job.from_json(text))
            except ValueError as error:
                self.tell(str(error))
        else:
            self.tell("There is no picture on the clipboard.")

    def open_files(self, files: list[str]) -> None:
        for file in files:
            self.studio.open_path(file)

    def take_picture(self, picture: Any, path: Any = None) -> None:
        """A picture that came by drop, paste or file: its faces are looked for, it lies under the
        drawing, or it is a label map."""
        if self.table is self.desks.get("paint"):
            self.mapping.open(picture, path)
        elif self.table.take_photo(picture):
            self._tell_laid()

    def take_video(self, clip: Clip) -> None:
        """A film is painted in the Style room."""
        if not self.table.take_video(clip):
            self._clip = clip
            self.go_to("style")

    def _tell_laid(self) -> None:
        """A photo on the sheet of a drawing may be meant in two ways."""
        if self.table is not self.sheet:
            return
        if self.sheet.gives_photo():
            self.tell("The photo is the input, until something is drawn over it.", kind="info")
        else:
            sentence = "The photo lies under the drawing; draw over it, or take its edges."
            self.tell(sentence, "Turn into edges…", self.asking.for_edges, kind="info", stays=True)

    # ---- the window itself ---------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if pictures.has_payload(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        payload = pictures.read_mime(event.mimeData())
        if payload.files:
            self.open_files(list(payload.files))
        elif payload.picture is not None:
            self.take_picture(payload.picture)
        event.acceptProposedAction()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.toast.isVisible():
            self.notices.place()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.notices.stop()
        self._patience.stop()
        self._opening.stop()
        self._remember()
        self.hide()  # a step that cannot be ended at once must not keep it on the screen
        self.studio.close()
        super().closeEvent(event)


def _kept_as(id: str) -> str:
    """Under which name a room's sizes are remembered: the first room's is older than the others."""
    return "room" if id == "draw" else id


def _rooms(entry: Any) -> tuple[str, ...]:
    return tuple(getattr(entry, "rooms", ()) or ())


def _copy(text: str) -> None:
    QGuiApplication.clipboard().setText(text)
