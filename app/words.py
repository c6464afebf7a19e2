"""The Words room: a caption with its words left and a picture below it, what is painted right.
Wires no Studio."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLayout, QVBoxLayout, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, title_line, well
from app.widgets.caption import CaptionLine
from app.widgets.chips import WordChips
from app.widgets.controls import CaptionField, TextField
from app.widgets.parts import Segments, Slider, button, label, row, tool
from app.widgets.strip import PictureStrip
from app.widgets.toolbar import PhotoHead
from app.widgets.viewer import ResultViewer
from engines.controls import ModelCard, Text

SHOWN_HERE = ("caption", "weights", "output", "show", "photo")  # roles and controls
RESULT, PICTURE = "result", "picture"  # what the caption is matched with
DIMMED = 0.85  # how much of an overlay is seen at first
LAST = "last"  # the stage that is the result


class WordsRoom(Room):
    says_notes = True
    acts_itself = True
    samples = "garment-*.jpg"

    caption_edited = Signal(str)
    caption_wanted = Signal()  # an example
    stage_chosen = Signal(str)
    target_chosen = Signal(str)
    use_wanted = Signal(str)  # a title, as the caption
    seeds_wanted = Signal()
    way_wanted = Signal()
    film_wanted = Signal()
    loop_wanted = Signal()
    learn_wanted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        super().__init__(head, "How well the picture fits", SHOWN_HERE)
        self.viewer.icon = "words"
        say(self.viewer, "setAccessibleName", "Result")
        self.zoomed = self.photo = ResultViewer()
        self.photo.icon = "reference"
        say(self.photo, "setAccessibleName", "Picture to describe")
        self.field: CaptionField | TextField | None = None
        self.chips, self.told, self.strip = WordChips(), CaptionLine(), PictureStrip()
        self.use = tool("brush", "Paint this title")
        self.told.add_tool(self.use)
        self.stages: Segments | None = None
        self._titles: tuple[tuple[str, str], ...] = ()
        self._add_buttons()
        self.add_parts(self._given(), self._below())
        self._wire()

    # ---- layout ----------------------------------------------------------------------------------

    def _given(self) -> QWidget:
        self.open = tool("reference", "Open a picture…")
        self.example = tool("example", "A sample photo")
        over = title_line("Picture", self.example, self.open)
        given, box = inputs(self._caption_part(), over)
        box.addWidget(well(self.photo), 1)
        box.addWidget(self.told)
        return given

    def _caption_part(self) -> QWidget:
        self.caption_part = QWidget()
        self.learn = button("How attention works", "link")
        self.try_ = tool("example", "An example caption")
        self._field_box = QVBoxLayout()
        self.target = Segments(((RESULT, "Result"), (PICTURE, "Picture below")), "Match with")
        self.score, self.total = label("", "title"), label("", "small")
        self.match_part = QWidget()
        self.matched = label("Match with the result", "small")
        self.match_part.setLayout(
            row(self.matched, self.target, None, self.score, self.total, space=8)
        )
        for part in (self.score, self.total):
            say(part, "setToolTip", "How well picture and caption match: a cosine, 1 at best")
        self.target.show_value(RESULT)
        box = QVBoxLayout(self.caption_part)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addWidget(title_line("Caption", self.learn, self.try_))
        box.addLayout(self._field_box)
        box.addWidget(self.chips)
        box.addWidget(self.match_part)
        return self.caption_part

    def _below(self) -> QLayout:
        """Stages and overlay in one line, and the strip."""
        self.word = label("", "quiet")
        self.opacity = Slider(0.0, 1.0, 0.01, DIMMED)
        self.opacity.setFixedWidth(110)
        say(self.opacity, "setAccessibleName", "Opacity of the overlay")
        say(self.opacity, "setToolTip", "Opacity of the overlay")
        self.views = QWidget()
        self._views_box = row(None, self.word, self.opacity, space=8)
        self.views.setLayout(self._views_box)
        self.views.setFixedHeight(30)
        box = QVBoxLayout()
        box.setSpacing(6)
        box.addWidget(self.views)
        box.addWidget(self.strip)
        self.show_word("")
        return box

    def _add_buttons(self) -> None:
        self.seeds, self.way = button("Six seeds"), button("Strip")
        self.film, self.loop = button("Film…"), button("Round and round")
        say(self.seeds, "setToolTip", "Six pictures of this caption, the best match first")
        say(self.way, "setToolTip", "Seven pictures on the way to the other caption")
        say(self.film, "setToolTip", "The way to the other caption and back, as a film")
        say(self.loop, "setToolTip",
            "Caption to picture to caption, four times, and how far it drifts")  # fmt: skip
        grid = QGridLayout()
        grid.setSpacing(8)
        for n, part in enumerate((self.seeds, self.loop, self.way, self.film)):
            grid.addWidget(part, n // 2, n % 2)
        self.buttons = QWidget()
        grid.setContentsMargins(0, 0, 0, 0)
        self.buttons.setLayout(grid)
        self.controls_box.addWidget(self.buttons)

    def _wire(self) -> None:
        for part, signal in (
            (self.open, self.photo_wanted), (self.example, self.example_wanted),
            (self.try_, self.caption_wanted), (self.seeds, self.seeds_wanted),
            (self.way, self.way_wanted), (self.film, self.film_wanted),
            (self.loop, self.loop_wanted), (self.learn, self.learn_wanted),
        ):  # fmt: skip
            part.clicked.connect(signal)
        self.photo.action_clicked.connect(self.photo_wanted)
        self.target.chosen.connect(self.target_chosen)
        self.use.clicked.connect(lambda: self.use_wanted.emit(self.told.text()))
        self.opacity.moved.connect(self._on_opacity)
        self._on_opacity(DIMMED)

    def _on_opacity(self, share: float) -> None:
        for part in (self.viewer, self.photo):
            part.set_overlay_share(share)

    # ---- what the desk says ----------------------------------------------------------------------

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        control = card.control("caption") if card else None
        if self.field is not None:
            self._field_box.removeWidget(self.field)
            self.field.hide()
            self.field.deleteLater()
            self.field = None
        if isinstance(control, Text):
            made = CaptionField(control, titled=False) if control.words else TextField(control)
            made.edited.connect(lambda text: self.caption_edited.emit(str(text)))
            self.field = made
            self._field_box.addWidget(made)
        paints = bool(card and card.control("output"))
        self.caption_part.setVisible(self.field is not None)
        self.photo_head.surprise.setVisible(bool(card and card.seeded))
        self.buttons.setVisible(paints)
        self.use.setVisible(paints)
        self.caption.unfold(self.field is None)
        self.show_stages((), "")

    def show_caption(self, text: str) -> None:
        if self.field is not None:
            self.field.show_value(text)

    def show_stages(self, stages: Sequence[tuple[str, str]], chosen: str) -> None:
        """(id, title) of every stage; one alone needs no choice."""
        titles = tuple(stages) if len(stages) > 1 else ()
        if titles != self._titles:
            self._titles = titles
            if self.stages is not None:
                self._views_box.removeWidget(self.stages)
                self.stages.hide()
                self.stages.deleteLater()
                self.stages = None
            if titles:
                self.stages = Segments(titles, "Stage")
                self.stages.setFixedWidth(76 * len(titles))
                self.stages.chosen.connect(self.stage_chosen)
                self._views_box.insertWidget(0, self.stages)
        if self.stages is not None:
            self.stages.show_value(chosen)
        self._fold()

    def _fold(self) -> None:
        """Nothing below the result takes no room."""
        self.views.setVisible(self.stages is not None or not self.word.isHidden())

    def show_word(self, word: str) -> None:
        """The word that is looked at, "" for none."""
        if word:
            say(self.word, "setText", "Where “{word}” counts", word=word)
        for part in (self.word, self.opacity):
            part.setVisible(bool(word))
        self._fold()

    def show_target(self, target: str, chosen: bool) -> None:
        """What the caption is matched with; chosen: there is something to choose from."""
        self.target.show_value(target)
        self.target.setVisible(chosen)
        if chosen:
            say(self.matched, "setText", "Match with")
        elif target == PICTURE:
            say(self.matched, "setText", "Match with the picture")
        else:
            say(self.matched, "setText", "Match with the result")

    def show_score(self, match: float | None, total: float | None) -> None:
        """Of the caption as a whole, and together with its words."""
        self.score.setText("" if match is None else f"{match:.2f}")
        self.total.setVisible(total is not None)
        if total is not None:
            say(self.total, "setText", "with its words {match}", match=f"{total:.2f}")

    def show_ways(self, seeds: bool, way: bool, loop: bool) -> None:
        """Which of the buttons would do something now."""
        self.seeds.setEnabled(seeds)
        self.way.setEnabled(way)
        self.film.setEnabled(way)
        self.loop.setEnabled(loop)
