"""The desk of the Style room: a photo, its style, and what becomes of them: at once where one pass
does, step by step where a person asks for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

from app.commands import Change
from app.i18n import signals, tr
from app.masking import FromFilter
from app.models import reference
from app.results import Shown
from app.studio import Studio
from app.style import MORE, StyleRoom, mask_role
from app.table import Foresight, Table
from app.theme import RESOURCES
from app.widgets.gallery import SIDE
from engines.controls import ImageInput, ModelCard
from engines.job import Job, Picture

if TYPE_CHECKING:
    from engines.videofile import Clip

EMPTY = "Drop a photo here."
WAITING = "The painted photo appears here."
STEPS = "neural_style"  # the family that paints step by step
TITLES = {
    "arcs": "Arcs", "facets": "Facets", "ink": "Ink", "knit": "Knitted", "marbling": "Marbling",
    "mosaic": "Mosaic", "night-swirls": "Swirls of the night", "pastel": "Pastel",
    "points": "Points", "stained-glass": "Stained glass", "sunflower-field": "Sunflower field",
    "triangles": "Triangles", "watercolour": "Watercolour", "waves": "Waves",
    "woodcut": "Woodcut",
}  # fmt: skip


class Atelier(Table):
    room: StyleRoom

    def __init__(self, room: StyleRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.photo: Picture | None = None
        self._so_far: Picture | None = None  # what steps have made of it
        self._going_on = False
        self._refining = False
        self._for_style = ""  # the file that is being opened as style
        self.clip: Clip | None = None  # the film whose first picture the photo is
        self._filming = False  # pictures of a film are shown as they come
        self._beside: dict[str, Picture] = {}  # further styles and masks, whatever model is in use
        self._foresight = Foresight(room, studio)
        room.photo.set_message(EMPTY)
        room.viewer.set_message(WAITING)
        room.viewer.icon = "style"
        room.gallery.chosen.connect(self.open_style)
        room.style_well.files_dropped.connect(lambda files: self.open_style(files[0]))
        room.style_well.changed.connect(self._on_style)
        room.controls.picture_changed.connect(self._on_beside)
        room.photo.mask_painted.connect(self.paint)
        room.brushes.cleared.connect(lambda: self.paint(None))
        self.from_filter = FromFilter(self, room.brushes, studio)
        room.refine_wanted.connect(self.refine)
        room.continue_wanted.connect(self.go_on)
        studio.recipe_restored.connect(self.take_back)
        studio.values_adopted.connect(self._on_values)
        studio.preview_shown.connect(self._on_preview)
        studio.tasks_changed.connect(self._on_tasks)
        studio.process_preview.connect(self._on_film)
        room.film_refused.connect(lambda: self._keep_clip(None))
        signals.changed.connect(self._say_clip)
        studio.background.do(_small_styles, self._on_styles)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: it is given the same photo and the same styles."""
        if card is None:
            return
        self.ask_wells(c.role for c in card.inputs() if isinstance(c, ImageInput))
        self.studio.register_source("photo", lambda: self.photo)
        self.studio.register_source("style", self.room.style_well.picture)
        self.studio.register_source("progress", lambda: self._so_far if self._going_on else None)
        for role, picture in list(self._beside.items()):
            self._fill(role, picture)
        self._foresight.soon()
        self._show_ways()

    def take_photo(self, picture: Picture) -> bool:
        """A picture by drop, paste or file: the style, if it was opened as one or is what lacks."""
        if self._for_style or (self.photo is not None and self.room.style_well.picture() is None):
            self._for_style = ""
            self.room.style_well.set_picture(picture)
            return False
        self.lay(picture)
        self.studio.touch()
        return True

    def take_video(self, clip: Clip) -> bool:
        """Its first picture is the photo; the rest is painted when that is asked for."""
        self._for_style = ""
        self.lay(clip.first)
        self._keep_clip(clip)
        self.studio.touch()
        return True

    def show_result(self, shown: Shown) -> None:
        self._filming = False
        live = shown.input_ms is not None
        self.room.viewer.show_picture(shown.picture, fade=not live)
        self.room.viewer.set_before(self.photo)
        if self.studio.card and self.studio.card.family == STEPS:
            self._so_far = shown.picture
        self._show_ways()

    # ---- photo and style -------------------------------------------------------------------------

    def open_style(self, path: str) -> None:
        self._for_style = path
        self.room.gallery.mark(path)
        self.studio.open_path(path)

    def lay(self, picture: Picture) -> None:
        if self.photo not in (None, picture):
            for number in (1, *MORE):  # they were painted on the photo before
                self._fill(mask_role(number), None)
        self.photo, self._so_far = picture, None
        if self.clip is not None and self.clip.first != picture:
            self._keep_clip(None)
        self.room.photo.set_picture(picture)
        self.room.show_regions()
        self._foresight.soon()
        self._show_ways()

    def paint(self, mask: Picture | None) -> None:
        """Where the chosen style goes; undoable."""
        role = mask_role(self.room.photo.number)
        before = self._beside.get(role)
        if mask != before:
            apply = partial(self._fill, role)
            change = Change("Painted region", ("", role), before, mask, apply, False)
            self.studio.undo_stack.push(change)

    def _fill(self, role: str, picture: Picture | None) -> None:
        """Put a picture into the well of its role, or keep it for a model that has one."""
        well = self.room.controls.wells.get(role)
        if well is not None:
            well.set_picture(picture)
        self._keep(role, picture)

    def _keep(self, role: str, picture: Picture | None) -> None:
        self._beside.pop(role, None)
        if picture is not None:
            self._beside[role] = picture

    def _on_beside(self, role: str) -> None:
        self._keep(role, self.room.controls.picture(role))
        self._foresight.soon()

    def _on_style(self) -> None:
        self.studio.touch()
        self._foresight.soon()

    def _on_styles(self, answer: Any) -> None:
        """The small pictures are read: the first style is there from the beginning."""
        if isinstance(answer, Exception):
            return
        self.room.gallery.show_pictures(answer)

    # ---- films -----------------------------------------------------------------------------------

    def paint_film(self, path: str, steadiness: float, steps: int) -> None:
        """The film that lies here, in the look of its first picture."""
        assert self.clip is not None
        task = self.studio.paint_film(self.clip.path, path, steadiness, steps)
        self._filming = task != 0

    def seconds_each(self) -> float | None:
        """What a picture of the film takes, if one was painted with the model in use."""
        shown, clip = self.studio.shown, self.clip
        if shown is None or clip is None or shown.job.images.get("photo") != clip.first:
            return None
        return shown.result.seconds

    def _keep_clip(self, clip: Clip | None) -> None:
        self.clip = clip
        self._say_clip()

    def _say_clip(self, *_: object) -> None:
        clip = self.clip
        words = "{name}: {seconds} s, {count} pictures of {wide} x {high}"
        self.room.show_video("" if clip is None else tr(
            words, name=clip.path.name, seconds=f"{clip.seconds:.1f}", count=clip.frames,
            wide=clip.first.width, high=clip.first.height,
        ))  # fmt: skip

    def _on_film(self, _task: int, picture: Picture) -> None:
        """A picture of a film that is being made, unless another came of the desk since."""
        if self._filming and self.room.in_use():
            self.room.viewer.show_preview(picture)

    def _on_tasks(self) -> None:
        if self._filming and not self.studio.tasks.running():
            self._filming = False
            if self.studio.shown is not None:
                self.room.viewer.show_picture(self.studio.shown.picture)
        self._show_ways()

    # ---- step by step ----------------------------------------------------------------------------

    def refine(self) -> None:
        """On from what one pass made, with the model that paints step by step."""
        entry = self._stepper()
        if entry is not None and self.studio.final is not None:
            self._so_far, self._refining = self.studio.final.picture, True
            self.studio.choose_model(reference(entry))

    def go_on(self) -> None:
        """From the last picture, with the values of now."""
        self._going_on = True
        self.studio.run()
        self._going_on = False

    def _on_values(self) -> None:
        """Those of the model that was chosen to refine are there."""
        if self._refining and self.studio.card and self.studio.card.family == STEPS:
            self._refining = False
            self.go_on()

    def _stepper(self) -> Any | None:
        """A model here that paints step by step."""
        found = (e for e in self.studio.catalogue.entries() if getattr(e, "family", "") == STEPS)
        return next((e for e in found if getattr(e, "installed", True)), None)

    def _on_preview(self, picture: Picture) -> None:
        if self.studio.card and self.studio.card.family == STEPS:
            self._so_far = picture

    def _show_ways(self) -> None:
        card, shown = self.studio.card, self.studio.shown
        in_steps = card is not None and card.family == STEPS
        busy = bool(self.studio.tasks.running())
        self.room.refine.setVisible(not in_steps and self._stepper() is not None)
        self.room.refine.setEnabled(shown is not None and self.photo is not None)
        self.room.go_on.setVisible(in_steps)
        self.room.go_on.setEnabled(self._so_far is not None and not busy)

    def take_back(self, job: Job) -> None:
        """A recipe is back on the desk: its photo and its styles."""
        if "photo" not in job.images or "style" not in job.images:
            return
        self.lay(job.images["photo"])
        self.room.style_well.set_picture(job.images["style"])
        beside = [r for r in job.images if r.startswith(("style", "mask")) and r != "style"]
        for role in dict.fromkeys((*self.room.controls.wells, *self._beside, *beside)):
            self._fill(role, job.images.get(role))


def _small_styles() -> list[tuple[Path, str, QImage]]:
    """The styles that come with Ganvas, small."""
    found: list[tuple[Path, str, QImage]] = []
    for path in sorted((RESOURCES / "styles").glob("*.jpg")):
        image = QImage(str(path)).scaled(
            QSize(SIDE * 2, SIDE * 2),
            Qt.AspectRatioMode.KeepAspectRatioByExpanding,
            Qt.TransformationMode.SmoothTransformation,
        )
        found.append((path, TITLES.get(path.stem, path.stem), image))
    return found
