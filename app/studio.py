"""The one state of the program: turns what a person does into jobs, and events into what they see.

Knows no widget and no network. All of it happens in the GUI thread; what computes is the worker,
what touches files is the background.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QUndoStack

from app.background import Background, sentence
from app.burst import Burst
from app.captions import Caption, Captions
from app.chains import Chain
from app.commands import Change, Deletion
from app.desk import Desk, Snapshot
from app.door import CatalogueLike, Door, kept_for_drag
from app.exact import Act, Exact
from app.export import What
from app.film import Course, Film, Jobs, Reel, Written
from app.history import History, HistoryEntry
from app.lastpicture import LastPicture
from app.models import Models, Wish, reference, same_model
from app.results import Follow, Results, Shown, Status
from app.settings import Settings
from app.sources import Draw, Sources, missing_input
from app.tasks import Batch, ProcessTask, Tasks
from app.values import Values
from app.worker import EngineWorker
from engines.controls import Choice, ModelCard, SketchInput, Text, transferred
from engines.job import Cancelled, Event, Failed, Job, Picture, Value

LIVE = "live"
ENLARGED = "Enlarged"  # the title of such a result


class Studio(QObject):
    """See the signals for what a window can show and the public methods for what it can ask."""

    card_changed = Signal(object)  # ModelCard | None
    value_changed = Signal(str, object)
    values_adopted = Signal()  # those of another model are there, and no job has left yet
    seed_changed = Signal(object)  # int, of any size: a recipe may come from elsewhere
    live_changed = Signal(bool)
    result_shown = Signal(object)  # Shown
    preview_shown = Signal(object)  # Picture
    terms_told = Signal(int, object)  # run, Progress that tells what is minimised
    tasks_changed = Signal()
    history_changed = Signal()
    failed = Signal(str, object)  # place ("result", "model", "export", "drop", ...), Failed
    reported = Signal(object)  # Verdict
    tie = Signal(object)  # Verdict; answer with settle_tie
    recipe_restored = Signal(object)  # Job: bring back its drawings and pictures
    model_missing = Signal(str, str)  # name, digest
    status_changed = Signal(object)  # Status
    canvas_sheet_wanted = Signal(tuple)  # (width, height)
    video_opened = Signal(object)  # Clip: a film was opened
    picture_opened = Signal(object, object)  # Picture that came by drop or file, its Path
    palette_opened = Signal(str)  # path of a palette of classes
    folder_opened = Signal(str, int)  # a folder and how many pictures it holds; see run_batch
    tool_result = Signal(object, object)  # Job, Result
    process_preview = Signal(int, object)  # task, Picture
    exported = Signal(str)  # path
    film_saved = Signal(str, str)  # path, what there is to say of it
    told = Signal(str)  # one sentence that is no failure
    sent = Signal(object)  # Picture: another model, which was chosen for it, will be given it
    made_elsewhere = Signal(object)  # Shown, of a run that was begun in a room that one has left
    waiting = Signal(bool)  # what was asked for begins once the exact picture is there
    planned = Signal(str)  # what the desk's job will take, "" where that is not known
    finder_added = Signal(str)  # name of the file that finds faces from now on

    def __init__(
        self,
        worker: EngineWorker,
        settings: Settings,
        folder: str | Path,
        catalogue: CatalogueLike,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.worker, self.settings, self.catalogue = worker, settings, catalogue
        self.folder = Path(folder)
        self.background = Background(self)
        self.undo_stack = QUndoStack(self)
        self.tasks = Tasks(self)
        limit = settings.get("history_megabytes") * 1_000_000
        self.history = History(self.folder / "history", self.background, limit, self)
        self.desk = Desk(
            self.folder / "desk.json",
            self.background,
            self.snapshot,
            settings.get("autosave_seconds"),
            self,
        )
        self._sources = Sources()
        self._values = Values(self.undo_stack, self)
        self._results = Results(self.tasks, self.history, self._sources.drawings, self)
        self._models = Models(worker, self.tasks, catalogue, self)
        self._door = Door(worker, self.tasks, catalogue, self.background, self._model_path, self)
        self.captions = Captions(catalogue, self._submit_caption, self)
        self._exact = Exact(self._results, self.submit, self)
        self._last = LastPicture(self.folder / "last.png", self.background)
        self._live = bool(settings.get("live"))
        self._sheet: tuple[int, int] | None = None

        self._missing: Job | None = None
        self._bringing: tuple[str, Picture] | None = None  # by the recipe's digest
        self._desk_before = Job("")
        self._closed = False
        self._burst = Burst(self)
        self._connect()

    def _connect(self) -> None:
        worker, results, door = self.worker, self._results, self._door
        worker.happened.connect(results.take)
        worker.measured.connect(results.measured)
        worker.began.connect(self.tasks.begin)
        worker.planned.connect(self._on_planned)
        self._models.arrived.connect(self._on_arrived)
        self._models.failed.connect(self.failed)
        self._values.changed.connect(self.value_changed)
        self._values.seed_changed.connect(self.seed_changed)
        self._values.failed.connect(self.failed)
        self._values.edited.connect(self.touch)
        self._burst.due.connect(self._submit_live)
        self._burst.paused.connect(results.pause)
        self._burst.quiet.connect(self.settle)
        results.exact_wanted.connect(self._submit_exact)
        results.rested.connect(self._on_rested)
        self._exact.waiting.connect(self.waiting)
        self._exact.failed.connect(lambda failed: self.failed.emit("export", failed))
        results.shown_changed.connect(self.result_shown)
        results.preview.connect(self.preview_shown)
        results.terms_told.connect(self.terms_told)
        for name in ("failed", "tool_result", "status_changed", "made_elsewhere"):
            getattr(results, name).connect(getattr(self, name))
        for name in ("failed", "picture_opened", "video_opened", "palette_opened", "folder_opened",
                     "reported", "tie", "exported", "finder_added"):  # fmt: skip
            getattr(door, name).connect(getattr(self, name))
        door.recipe_opened.connect(self.restore)
        door.model_added.connect(self._on_model_added)
        self.captions.failed.connect(self.failed)
        self.tasks.changed.connect(self.tasks_changed)
        self.tasks.preview.connect(self.process_preview)
        self.history.changed.connect(self.history_changed)
        self.history.failed.connect(self._on_history_failed)
        self.desk.failed.connect(self._on_desk_failed)
        self.settings.changed.connect(self._on_setting)

    # ---- state ---------------------------------------------------------------------------------

    @property
    def card(self) -> ModelCard | None:
        return self._models.card

    @property
    def values(self) -> dict[str, Value]:
        """Control name -> value of the model in use."""
        return self._values.now()

    @property
    def seed(self) -> int:
        return self._values.seed

    @property
    def live(self) -> bool:
        return self._live

    @property
    def shown(self) -> Shown | None:
        return self._results.shown

    @property
    def final(self) -> Shown | None:
        """What is shown, if it is more than a draft: what may be kept, sent and exported. A draft
        is replaced a moment after the hand has paused; see `when_exact`."""
        shown = self._results.shown
        return None if shown is not None and shown.result.draft else shown

    @property
    def status(self) -> Status:
        return self._results.status

    @property
    def left(self) -> Job:
        """What lay on the desk when the program was last closed, for whoever comes later."""
        return self._desk_before

    def start(self) -> None:
        """Bring back history and desk, and load the model of the last session or the default."""
        self.background.do(lambda: shutil.rmtree(self.folder / "drag", ignore_errors=True))
        self._last.read()
        self.history.load()
        self.desk.open(self._on_desk)

    def close(self) -> bool:
        """Save, stop everything, wait. False if the engine is in a step that takes longer."""
        if self._closed:
            return not self.worker.isRunning()
        self._closed = True
        self._burst.stop()
        self.tasks.stop()
        self.desk.close()
        self.history.close()
        ended = self.worker.stop()
        self.background.finish()
        return ended

    def register_source(
        self, role: str, picture: Draw, drawing: Callable[[], Any] | None = None
    ) -> None:
        """Say where the picture of a role comes from, and the vector strokes behind it."""
        self._sources.register(role, picture, drawing)

    # ---- values --------------------------------------------------------------------------------

    def set_value(self, name: str, value: Value) -> None:
        """Undoable; a refused value is answered with its sentence and the value that stays. What a
        model is used for gives it another card."""
        preset = self._preset()
        if preset is not None and preset.name == name:
            self._use_for(str(value))
        else:
            self._values.set(name, value)

    def _preset(self) -> Choice | None:
        """What says what the model in use is used for."""
        return self.card.preset() if self.card is not None else None

    def _use_for(self, value: str, job: Job | None = None) -> None:
        """The model in use as one for `value`, then the desk of `job` if there is one."""
        card, preset = self.card, self._preset()
        if card is None or preset is None or value == self._values.now().get(preset.name):
            return
        self._values.remember(card.checkpoint, preset.name, value)
        self.background.do(
            lambda: self.catalogue.use_for(card.checkpoint, value),
            lambda _: self._models.choose(card.checkpoint, job, keep=job is None),
        )

    def put_values(self, values: Mapping[str, Value]) -> None:
        """Values that follow from something else, as from the face chosen: no step of undo."""
        self._values.put(values)

    def set_seed(self, seed: int) -> None:
        self._values.set_seed(seed)

    def surprise_me(self) -> None:
        """Another seed, drawn here so that it is in the recipe."""
        self._values.draw_seed()
        if self.card is not None and not self._live:
            self.run()

    def set_live(self, live: bool) -> None:
        if live == self._live:
            return
        self._live = live
        self.live_changed.emit(live)
        if self.card is None or self.card.live:
            self.settings.set("live", live)
        if live:
            self._refresh()

    # ---- jobs ----------------------------------------------------------------------------------

    def job(self, drawings: bool = True) -> Job | None:
        """What the desk asks for now; None without a model. Live jobs leave the drawings out."""
        if self.card is None:
            return None
        card = self.card
        images = self._sources.pictures(control.role for control in card.inputs())
        strokes = self._sources.drawings(images) if drawings else {}
        origins = self._sources.origins(images)
        return Job(
            card.family, card.checkpoint, self.values, images, strokes, self.seed, origins=origins
        )

    def touch(self) -> None:
        """Something visible changed: fold the burst and, if live, compute."""
        self._refresh(by_hand=True)

    def flow(self) -> None:
        """The next frame of a source that moves: computed if live, and nothing for the history."""
        self._refresh(keep=False)

    def settle(self) -> None:
        """The edit is over (pen up, or quiet for a while): its result goes to the history."""
        self._burst.rest()
        self._results.settle()

    def run(self) -> None:
        """Compute once, as a task."""
        job = self.job()
        if job is None or self.card is None:
            return
        missing = missing_input(self.card, job)
        if missing is not None:
            kind = "words" if isinstance(missing, Text) else "a picture"
            refusal = f"{self.card.title} needs {kind} for “{missing.label}” first."
            self.failed.emit("result", Failed("input", refusal))
            return
        title = self.card.title
        ticket = self.worker.submit(job, None, title)
        self._results.expect(ticket, "run", job, title, time.perf_counter())
        self.tasks.add(title, ticket)

    def plan(self) -> None:
        """Ask what the desk's job would take; `planned` follows."""
        job = self.job(drawings=False)
        if job is None or self.card is None or missing_input(self.card, job) is not None:
            self.planned.emit("")
        else:
            self.worker.plan(job)

    @Slot(object, object)
    def _on_planned(self, job: Job, answer: Any) -> None:
        now = self.job(drawings=False)
        if now is not None and now.digest == job.digest:
            self.planned.emit(answer if isinstance(answer, str) else "")

    def enlarger(self) -> Any | None:
        """The catalogue's entry of the model that enlarges results: one of ours before others."""
        found = [e for e in self.catalogue.entries() if e.family == "enlarge"]
        here = [e for e in found if getattr(e, "installed", True)]
        return min(here, key=lambda e: not getattr(e, "shipped", False), default=None)

    def when_exact(self, act: Act) -> bool:
        """Call act(picture, recipe) with what is shown: now or, of a draft, once its exact picture
        is there; until then `waiting` says so. False if nothing is shown."""
        return self._exact.ask(act)

    def enlarge(self) -> None:
        """The picture shown through the enlarger as a task; the result is shown and kept like every
        other, its recipe holding the picture it was made from."""
        if self.enlarger() is None or not self.when_exact(self._enlarge):
            refusal = "There is no result to enlarge yet, or no model that enlarges."
            self.failed.emit("result", Failed("input", refusal))

    def _enlarge(self, picture: Picture, recipe: Job | None) -> None:
        entry = self.enlarger()
        if entry is None:
            return
        self.settle()  # what is enlarged is worth keeping too
        origins = {"photo": recipe} if recipe else {}
        job = Job(entry.family, reference(entry), images={"photo": picture}, origins=origins)
        ticket = self.worker.submit(job, None, ENLARGED)
        self._results.expect(ticket, "run", job, ENLARGED, desk=False)
        self.tasks.add(ENLARGED, ticket)

    def enlarge_history(self, id: str) -> None:
        self.history.open(id, self._on_enlarge_opened)

    def submit_tool(self, job: Job, lane: str | None = "tool", title: str = "") -> int:
        """Run a job that is not the desk's (photo to edges); the answer is `tool_result`."""
        ticket = self.worker.submit(job, lane, title)
        self._results.expect(ticket, "tool", job, title or job.family)
        if lane is None:
            self.tasks.add(title or job.family, ticket)
        return ticket

    def cancel(self, id: int) -> None:
        """Cancel a task of any kind by its number."""
        if not self.tasks.cancel(id):
            self.worker.cancel(id)
            self._models.cancel(id)

    def cancel_all(self) -> None:
        self._exact.drop()
        for id in {*self._results.under_way(), *(task.id for task in self.tasks.running())}:
            self.cancel(id)

    def _refresh(self, keep: bool = True, by_hand: bool = False) -> None:
        self._exact.move_on()
        self._results.edited(keep)
        self.desk.save_soon()
        self._burst.edit(by_hand)

    @Slot(float)
    def _submit_live(self, touched: float) -> None:
        if not self._live:
            return
        job = self.job(drawings=False)
        if job is None or self.card is None or missing_input(self.card, job) is not None:
            return
        ticket = self.worker.submit(job, LIVE, self.card.title, draft=True)
        self._results.expect(ticket, "live", job, self.card.title, touched)
        known = self._last.of(job)
        if known is not None:
            self._results.remember(known, job)

    @Slot(object)
    def _on_rested(self, shown: Shown) -> None:
        self._last.keep(shown.picture, shown.job)

    @Slot(object)
    def _submit_exact(self, draft: Shown) -> None:
        """What replaces the draft: the same job, without shortcuts."""
        title = self.card.title if self.card else ""
        ticket = self.worker.submit(draft.job, LIVE, title)
        self._results.expect(ticket, "live", draft.job, title, exact=True)

    # ---- models --------------------------------------------------------------------------------

    def choose_model(self, reference: str) -> None:
        """Load a model by name, "name@digest" or path; `card_changed` follows, or `failed`."""
        self._models.choose(reference)

    def origin(self, picture: Picture | None) -> Job | None:
        """The job whose result this picture on a desk is: it was sent there."""
        return self._sources.origin(picture)

    def send(self, reference: str) -> None:
        """Choose a model that will be given what is shown, once that is exact: `sent` tells the
        picture, and its desk lays it down once the card is here. The recipe of what comes of it
        keeps the recipe of this."""

        def give(shown: Picture, recipe: Job) -> None:
            picture = Picture(shown.pixels)  # another one: it may be an input already
            self._sources.made_by(picture, recipe)
            self.sent.emit(picture)
            self._models.choose(reference)

        self.when_exact(give)

    def settle_tie(self, digest: str, family: str) -> None:
        """The answer to `tie`: remembered by digest, then the model is chosen."""
        self._door.settle_tie(digest, family)

    @Slot(object)
    def _on_arrived(self, wish: Wish) -> None:
        card = self._models.card
        assert card is not None
        self._forget_live()
        self.background.do(lambda: self.catalogue.house(card.checkpoint, card.rooms))
        self.card_changed.emit(card)
        self._values.adopt(card)
        self.values_adopted.emit()
        self._follow_live(card)
        self._want_sheet(card, quietly=wish.job is not None)
        if wish.job is not None:
            self._bring(wish.job)
            self._assume(wish.job)
        elif wish.keep:
            self.touch()
        else:
            self._refresh(keep=False)

    def _follow_live(self, card: ModelCard) -> None:
        live = bool(card.live and self.settings.get("live"))
        if live != self._live:
            self._live = live
            self.live_changed.emit(live)

    def _forget_live(self) -> None:
        """What is under way for the model before must not appear any more."""
        self._exact.move_on()
        for ticket in self._results.forget():
            self.worker.cancel(ticket)

    def _want_sheet(self, card: ModelCard, quietly: bool) -> None:
        sheet = next((c.size for c in card.inputs() if isinstance(c, SketchInput)), None)
        if sheet is not None and sheet != self._sheet:
            self._sheet = sheet
            if not quietly:
                self.canvas_sheet_wanted.emit(sheet)

    @Slot(str)
    def _on_model_added(self, added: str) -> None:
        waiting = self._missing
        if waiting is not None and same_model(added, waiting.checkpoint):
            self.restore(waiting)
        else:  # of weights that several families take, the model of the one in use
            entry = self.catalogue.find(added, self.card.family if self.card else "")
            self._models.choose(reference(entry) if entry else added)

    # ---- recipes and history -------------------------------------------------------------------

    def recipe_json(self) -> str:
        """The recipe of the picture shown, else of the desk; "" without a model."""
        job = self._results.recipe() or self.job()
        return job.to_json(indent=1) if job else ""

    def restore(self, job: Job, picture: Picture | None = None) -> None:
        """Bring back model, values, seed, drawings and pictures; `picture` is shown at once.

        Without the model `model_missing` names it, and the recipe waits until its file is opened.
        """
        if not job.checkpoint:
            refusal = "This recipe is of a tool, not of a model; there is nothing to bring back."
            self.failed.emit("drop", Failed("input", refusal))
            return
        entry = self.catalogue.find(job.checkpoint, job.family)
        if entry is None:
            name, _, digest = job.checkpoint.partition("@")
            self._missing = job
            self.model_missing.emit(name, digest)
            return
        self._missing, self._bringing = None, (job.digest, picture) if picture else None
        self._forget_live()
        if self._models.uses(job):
            self._bring(job)
        before = self._desk_job()

        def apply(recipe: Job) -> None:
            self._return_to(recipe)

        if before is None:
            self._return_to(job)
        else:
            self.undo_stack.push(Change("Recipe", ("", "recipe"), before, job, apply, False))

    def _bring(self, job: Job) -> None:
        """Show the picture that a recipe comes with: not before its model has its room."""
        brought, self._bringing = self._bringing, None
        if brought is not None and brought[0] == job.digest:
            self._results.bring_back(brought[1], job)

    def look_at(self, shown: Shown | None) -> None:
        """Say what lies in the room that was entered."""
        self._results.look_at(shown)

    def restore_history(self, id: str) -> None:
        self.history.open(id, self._on_history_opened)

    def delete_history(self, ids: Iterable[str]) -> None:
        """Undoable until the program closes."""
        ids = [id for id in ids if self.history.entry(id)]
        if ids:
            history = self.history
            deletion = Deletion("Delete results", ids, history.remove, history.put_back)
            self.undo_stack.push(deletion)

    def search_history(self, text: str) -> list[HistoryEntry]:
        return self.history.search(text)

    def _return_to(self, job: Job) -> None:
        """Make the desk that of `job`; if another model is in use, first choose the job's."""
        if self._models.uses(job):
            self._models.give_up()
            preset = self._preset()
            wanted = str(job.values.get(preset.name, preset.default)) if preset else ""
            if preset and wanted != self._values.now().get(preset.name):
                self._use_for(wanted, job)
            else:
                self._assume(job)
        else:
            entry = self.catalogue.find(job.checkpoint, job.family)
            self._models.choose(reference(entry) if entry else job.checkpoint, job, keep=False)

    def _desk_job(self) -> Job | None:
        """What undo brings back: also that a sheet was empty."""
        job = self.job(drawings=False)
        if job is None or self.card is None:
            return None
        roles = (control.role for control in self.card.inputs())
        return job.with_(drawings=self._sources.drawings(roles))

    def _assume(self, job: Job) -> None:
        self._sources.take_origins(job)
        self._values.assume(job.values, job.seed)
        self.recipe_restored.emit(job)
        self._refresh(keep=False)

    def _on_history_opened(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit("history", Failed("input", sentence(answer)))
        else:
            self.restore(*answer)

    def _on_enlarge_opened(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit("history", Failed("input", sentence(answer)))
        else:
            self._enlarge(answer[1], None)

    # ---- files ---------------------------------------------------------------------------------

    def open_path(self, path: str | Path) -> None:
        """Dropped or chosen: weights, a picture of ours, any other picture, a folder."""
        self._door.open_path(path)

    def _model_path(self) -> Path | None:
        """Where the model in use lies, if the catalogue knows."""
        found = self.catalogue.find(self.card.checkpoint) if self.card else None
        return getattr(found, "path", None)

    def submit(self, job: Job, title: str, follow: Follow, lane: str | None = None) -> int:
        """Run a job behind what waits, or in a lane; its events go to `follow` and nowhere else."""
        ticket = self.worker.submit(job, lane, title)
        self._results.expect(ticket, "batch", job, title, follow=follow)
        return ticket

    def run_batch(
        self, source: str | Path | Sequence[Path], target: str | Path, **values: Value
    ) -> int:
        """Every picture of a folder, or of a list, through the model in use and with its values
        (but for those that are named), as one task; 0 if that cannot be."""
        card = self.card
        control = next((c for c in card.inputs() if not c.optional), None) if card else None
        if card is None or control is None:
            refusal = "The model in use takes no picture, so it takes no folder."
            self.failed.emit("drop", Failed("input", refusal))
            return 0
        desk = self.job(drawings=False)
        assert desk is not None
        job = transferred(desk, card)
        job = job.with_(values={**job.values, **values})
        source = Path(source) if isinstance(source, str) else source
        name = source.name if isinstance(source, Path) else f"{len(source)} photos"
        batch = Batch(
            source, Path(target), job, control, partial(self._through, card.title),
            self.worker.cancel, self.background, self,
        )  # fmt: skip
        return self.tasks.start(batch, f"Batch: {name} through {card.title}")

    def make_film(
        self, rows: Sequence[Mapping[str, Value]], path: str | Path, rate: float = 25.0
    ) -> int:
        """A picture for each row of values (those that are not named stay), into a film or a strip,
        as one task; `exported` follows. 0 if that cannot be."""
        job = self._to_animate()
        if job is None:
            return 0
        jobs = Jobs([job.with_(values={**job.values, **row}) for row in rows])
        reel = Written(jobs, Path(path), rate)
        return self._start_film(reel, f"Animation: {reel.output.name}")

    def make_journey(
        self, course: Callable[[Job], Course], path: str | Path, rate: float = 25.0
    ) -> int:
        """A film in which each picture goes on from the one before, as one task; `exported`
        follows. 0 if that cannot be."""
        job = self._to_animate()
        if job is None:
            return 0
        reel = Written(course(job), Path(path), rate)
        return self._start_film(reel, f"Film: {reel.output.name}")

    def paint_film(self, video: Path, path: str | Path, steadiness: float, steps: int) -> int:
        """A film in the look of what is shown, as one task; `film_saved` follows. 0 if that cannot
        be. See engines/stylefilm.py."""
        from engines.stylefilm import StyleFilm, Wish

        job = self._to_animate()
        if job is None:
            return 0
        assert self.card is not None
        try:
            reel = StyleFilm(Wish(job, video, steadiness, steps), self.card, Path(path))
        except ValueError as error:
            self.failed.emit("export", Failed("input", str(error)))
            return 0
        return self._start_film(reel, f"Film: {reel.output.name}")

    def _to_animate(self) -> Job | None:
        """The desk's job, if nothing is missing; else that is said."""
        job, card = self.job(drawings=False), self.card
        missing = missing_input(card, job) if card is not None and job is not None else None
        if job is not None and missing is None:
            return job
        label = missing.label if missing is not None else "a model"
        refusal = f"There is nothing to animate yet: {label} is missing."
        self.failed.emit("export", Failed("input", refusal))
        return None

    def _start_film(self, reel: Reel, title: str) -> int:
        submit = partial(self._through, self.card.title if self.card else "")
        film = Film(reel, submit, self.worker.cancel, self.background, self)
        film.saved.connect(self._on_film_saved)
        film.happened.connect(self._on_film)
        return self.tasks.start(film, title)

    def _on_film_saved(self, path: str, note: str) -> None:
        if note:
            self.film_saved.emit(path, note)
        else:
            self.exported.emit(path)

    def _on_film(self, event: Event) -> None:
        if isinstance(event, Cancelled) and event.note:
            self.told.emit(event.note)

    def chained(self) -> bool:
        """Whether what is shown was made of what another model made."""
        job = self._results.recipe()
        return job is not None and bool(job.origins)

    def make_chain(self) -> int:
        """Every step that led to what is shown once more, from the first picture on, as one task;
        what comes of it is shown. 0 if nothing led to it."""
        job = self._results.recipe()
        if job is None or not job.origins:
            return 0
        made = Chain(job, partial(self._through, "Chain"), self.worker.cancel, self)
        made.made.connect(self.restore)
        return self.tasks.start(made, "The whole chain once more")

    def _through(self, title: str, job: Job, follow: Follow) -> int:
        return self.submit(job, title, follow)

    def run_process(self, command: list[str], title: str) -> int:
        """Another process as a task: training. See ProcessTask for what it may say."""
        return self.tasks.start(ProcessTask(command, self), title)

    def export(self, path: str | Path, what: What = "result", quality: int | None = None) -> None:
        """Save what is shown, once it is exact; `exported` follows, or `failed` at "export"."""
        quality, path = quality or int(self.settings.get("export_quality")), Path(path)

        def save(picture: Picture, job: Job) -> None:
            def write(caption: Caption | None) -> None:
                text = caption.text if caption else ""
                self._door.export(picture, job, path, what, quality, text)

            if self.settings.get("export_caption") and what != "input":
                self.captions.ask(picture, write)
            else:
                write(None)

        if not self.when_exact(save):
            refusal = "There is no result to export yet."
            self.failed.emit("export", Failed("input", refusal))

    def caption(self) -> None:
        """Have the picture shown described; `captions.changed` follows, or `failed`."""
        self.when_exact(lambda picture, _: self.captions.ask(picture))

    def _submit_caption(self, job: Job, follow: Follow) -> int:
        ticket = self.worker.submit(job, "caption", "Caption")
        self._results.expect(ticket, "tool", job, "Caption", follow=follow)
        return ticket

    def drag_file(self) -> Path | None:
        """The picture shown as a PNG with its recipe, to be dragged out; None while it is a
        draft, for a drag cannot wait."""
        job = self._results.recipe()
        return self.file_of(self.final.picture, job) if self.final and job else None

    def file_of(self, picture: Picture, job: Job) -> Path | None:
        """A result as a PNG with its recipe, somewhere; that of the history, if it is there."""
        kept = next((e.path for e in self.history.entries() if e.digest == job.digest), None)
        return kept_for_drag(self.folder / "drag", picture, job, kept)

    # ---- the desk ------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Everything on the desk, as frozen values."""
        images, drawings = self._sources.everything()
        family = self.card.family if self.card else ""
        checkpoint = self.card.checkpoint if self.card else ""
        if self._models.wish is not None:
            checkpoint = self._models.wish.reference
        elif self.card is None:
            family, checkpoint = self._desk_before.family, self._desk_before.checkpoint
        origins = self._sources.origins(images)
        job = Job(family, checkpoint, self.values, images, drawings, self.seed, origins=origins)
        remembered = {k: dict(v) for k, v in self._values.remembered.items()}
        return Snapshot(job, remembered, self._sheet)

    def _on_desk(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self._desk_before = snapshot.job
            self._sources.remember(snapshot.job)
            self._sources.take_origins(snapshot.job)
            self._values.remembered = {k: dict(v) for k, v in snapshot.remembered.items()}
            self._values.take_seed(snapshot.job.seed)
            self._sheet = snapshot.sheet
            self.recipe_restored.emit(snapshot.job)
            self._choose_again(snapshot.job.checkpoint)
        self._models.choose_default()

    def _choose_again(self, checkpoint: str) -> None:
        """The model of the last session, unless one was asked for already."""
        entry = self.catalogue.find(checkpoint) if checkpoint else None
        if entry is None and checkpoint:
            name, _, digest = checkpoint.partition("@")
            self.model_missing.emit(name, digest)
        elif entry is not None and self._models.wish is None and self.card is None:
            self._models.choose(reference(entry), keep=False)

    @Slot(str)
    def _on_desk_failed(self, sentence: str) -> None:
        self.failed.emit("desk", Failed("disk", sentence))

    @Slot(str)
    def _on_history_failed(self, sentence: str) -> None:
        self.failed.emit("history", Failed("disk", sentence))

    @Slot(str, object)
    def _on_setting(self, name: str, value: Any) -> None:
        if name == "live":
            self.set_live(bool(value) and (self.card is None or self.card.live))
        elif name == "autosave_seconds":
            self.desk.delay = value
        elif name == "history_megabytes":
            self.history.limit = value * 1_000_000
        elif self.settings.options[name].restart:
            self.worker.renew()
            if self.card is not None and self._models.wish is None:
                self._models.choose(self.card.checkpoint)
