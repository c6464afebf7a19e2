"""The desk of the Words room: a caption whose words count more or less, what is painted of it, and
a picture that gets a title and is matched with the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Slot

from app.captions import FAMILY as CAPTIONER
from app.captions import Caption
from app.offers import Offers
from app.results import Shown
from app.spoken import CAPTION, WEIGHTS, Spoken, spoken
from app.studio import Studio
from app.table import Table
from app.widgets.chips import Word
from app.words import LAST, PICTURE, RESULT, WordsRoom
from engines.controls import Choice, ModelCard
from engines.job import Job, Picture, Result, Value

UNTIL = "until"  # control of the other caption
PHOTO, KEPT = "photo", "described"  # roles; the last is the desk's alone
EMPTY = "Type a caption: its picture appears here, word by word."
WAITING = "The picture with its title appears here."
GIVEN = "Drop a picture here: it gets a title, and a match with the caption."
NEAREST = "Nearest in meaning to "  # how the model's sentences of the nearest words begin
EXAMPLES = (
    "a dark red jacket on a beige background",
    "a blue shirt on a white background",
    "a black dress on a grey background",
    "a green t-shirt on a white background",
    "a small red bird with black wings",
    "a large red circle on a white background",
    "red heart",
    "smiling face with sunglasses",
    "a man riding a wave",
)


class Page(Table):
    room: WordsRoom

    def __init__(self, room: WordsRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.offers = Offers(room.strip, studio)
        self.photo: Picture | None = None
        self._said = 0  # of the examples
        self._stage, self._target = LAST, RESULT
        self._stages: dict[str, Picture] = {}  # of what is shown, those before the last
        self._match: Result | None = None
        self._painted: Result | None = None  # what each word did to what is shown
        self._asked: dict[str, str] = {}  # kind of question: digest of the job that asks it
        self._looked = -1  # the word of the picture's title that is pointed at
        room.viewer.set_message(EMPTY, "Show me one")
        room.photo.set_message(GIVEN, "Open a picture…")
        self._wire()

    def _wire(self) -> None:
        room, studio, offers = self.room, self.studio, self.offers
        room.caption_edited.connect(lambda text: self._put(self.spoken().edited(text)))
        room.chips.weighed.connect(self.weigh)
        room.chips.chosen.connect(lambda _place: self._look())
        room.caption_wanted.connect(self.example)
        room.viewer.action_clicked.connect(self.act)
        room.target_chosen.connect(self.match_with)
        room.stage_chosen.connect(self.show_stage)
        room.use_wanted.connect(self.use)
        room.seeds_wanted.connect(offers.rank)
        room.way_wanted.connect(offers.lead)
        room.loop_wanted.connect(offers.go_round)
        offers.caption_chosen.connect(self.use)
        room.told.chosen.connect(self._on_title)
        room.told.looked.connect(self._on_looked)
        studio.value_changed.connect(self._on_value)
        studio.values_adopted.connect(self._write)
        studio.recipe_restored.connect(self.take_back)
        studio.tool_result.connect(self._on_tool)
        studio.captions.changed.connect(self._on_caption)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: the same picture, and the caption that it had."""
        if card is None:
            return
        alone = not self._paints()  # it does nothing but look at the picture
        self.studio.register_source(PHOTO, lambda: self.photo if alone else None)
        self.studio.register_source(KEPT, lambda: self.photo)
        self._forget()
        self.offers.clear()
        self._describe()

    def take_photo(self, picture: Picture) -> bool:
        """A picture by drop, paste or file."""
        self.lay(picture)
        if self._paints():
            self.match_with(PICTURE)
        else:
            self.studio.touch()
        return True

    def lay(self, picture: Picture) -> None:
        self.photo = picture
        self.room.photo.set_overlay(None)
        self.room.photo.show_picture(picture)
        self._describe()
        self.studio.desk.save_soon()

    def show_result(self, shown: Shown) -> None:
        if self.spoken().is_missing:
            return  # of a caption that is gone meanwhile
        self._stages = {}
        if self._stage == LAST:
            self.room.viewer.show_picture(shown.picture, fade=shown.input_ms is None)
        self.room.viewer.set_before(shown.job.images.get(PHOTO))
        self._look()
        self._ask_match()

    # ---- the caption -----------------------------------------------------------------------------

    def spoken(self) -> Spoken:
        return spoken(self.studio.card, self.studio.values)

    def weigh(self, weights: Sequence[float]) -> None:
        self.studio.set_value(WEIGHTS, self.spoken().weighed(weights).written)

    def example(self) -> None:
        """Another caption of the model's own words."""
        if text := self.spoken().example(self._said, EXAMPLES):
            self._said += 1
            self._put(Spoken(None, text))

    def act(self) -> None:
        """The button in the place of the result."""
        if self.spoken().is_missing:
            self.example()
        else:
            self.studio.run()

    def use(self, title: str) -> None:
        """What is said of a picture is the caption now."""
        self._put(Spoken(None, title))
        self.match_with(RESULT)

    def _put(self, said: Spoken) -> None:
        """Caption and weights as one step of undo; typing alone merges with that before it."""
        if said.written == self.studio.values.get(WEIGHTS, ""):
            self.studio.set_value(CAPTION, said.text)
            return
        self.studio.undo_stack.beginMacro("Caption")
        self.studio.set_value(CAPTION, said.text)
        self.studio.set_value(WEIGHTS, said.written)
        self.studio.undo_stack.endMacro()

    def _outputs(self) -> set[str]:
        """What a painter can be asked to show; nothing for other models."""
        control = self.studio.card.control("output") if self.studio.card else None
        return {value for value, _ in control.options} if isinstance(control, Choice) else set()

    def _paints(self) -> bool:
        return bool(self._outputs())

    def _matches(self) -> bool:
        card = self.studio.card
        return bool(card and card.control(CAPTION) and card.control(PHOTO))

    def _on_value(self, name: str, value: Value) -> None:
        if name in (CAPTION, WEIGHTS, UNTIL):
            self._write()

    def _write(self) -> None:
        """Caption, chips and buttons as the values are."""
        if not self.room.in_use():
            return
        said, room = self.spoken(), self.room
        room.show_caption(said.text)
        words = self._chips(said)
        if room.chips.place() >= len(words):
            room.chips.show_chosen(-1)
            self._show_overlays()
        room.chips.show_words(words, self._paints(), self._matches())
        self._show_match(bool(words))
        there, until = not said.is_missing, str(self.studio.values.get(UNTIL, "")).strip()
        loop = there and bool(self.studio.captions.captioner())
        room.show_ways("seeds" in self._outputs() and there, there and bool(until), loop)
        if said.is_missing:
            self._forget()
            room.caption.clear()
            room.viewer.set_message(EMPTY, "Show me one")
        elif said.control is None and self.photo is None:
            room.viewer.set_message(WAITING)

    def _chips(self, said: Spoken) -> list[Word]:
        """A word that is being typed is none yet."""
        numbers = self._match.numbers if self._match is not None else {}
        notes = self._match.notes if self._match is not None else ()
        near = [note for note in notes if note.startswith(NEAREST)]
        words = [
            Word(word, weight, _mean(numbers, span), bool(span), _of(near, span))
            for word, weight, span in zip(said.words(), said.weights(), said.spans())
        ]
        return words[:-1] if said.is_growing() else words

    def _show_match(self, there: bool) -> None:
        numbers = self._match.numbers if self._match is not None else {}
        target = self._target if self._paints() else PICTURE
        self.room.match_part.setVisible(self._matches() and there)
        self.room.show_target(target, self._paints() and self.photo is not None)
        self.room.show_score(numbers.get("caption"), numbers.get("total"))

    # ---- what is seen of the result --------------------------------------------------------------

    def show_stage(self, stage: str) -> None:
        self._stage = stage
        self._look()

    def _mine(self) -> Shown | None:
        """What is shown, if the model in use made it."""
        shown, card = self.studio.shown, self.studio.card
        mine = shown is not None and card is not None and shown.job.checkpoint == card.checkpoint
        return shown if mine and not self.spoken().is_missing else None

    def _forget(self) -> None:
        """Nothing is known of what is shown, or nothing is shown."""
        self._stages, self._match, self._painted, self._asked = {}, None, None, {}
        self._looked = -1
        self.room.chips.show_chosen(-1)
        self._show_overlays()

    def _look(self) -> None:
        """Stages and overlays are computed when they are looked at."""
        self._show_stage()
        self._show_overlays()
        shown = self._mine()
        if shown is None:
            return
        if self._stage != LAST and not self._stages:
            self._ask("stages", shown.job, {"output": "stages"})
        if self.room.chips.place() >= 0 and "words" in self._outputs():
            self._ask("words", shown.job, {"output": "words"})

    def _show_stage(self) -> None:
        shown, card = self._mine(), self.studio.card
        if shown is None or card is None:
            return
        sides = _sides(card.size.native[0]) if card.size.native else []
        sides = sides if "stages" in self._outputs() else []
        names = [f"{side} px" for side in sides]
        titles = dict(zip([*names[:-1], LAST], names))
        if self._stage not in titles:
            self._stage = LAST
        self.room.show_stages(tuple(titles.items()), self._stage)
        if self._stage in self._stages:
            self.room.viewer.show_preview(self._stages[self._stage])
        elif self._stage == LAST and self.room.viewer.picture() is not shown.picture:
            self.room.viewer.show_picture(shown.picture)

    def _ask(self, kind: str, job: Job, values: dict[str, Value], **images: Picture) -> None:
        job = job.with_(values={**job.values, **values}, images=images or job.images, origins={})
        self._asked[kind] = job.digest
        self.studio.submit_tool(job, f"words-{kind}")

    def _show_overlays(self) -> None:
        """Where the chosen word painted on the result, and where it looked in the picture."""
        said, place = self.spoken(), self.room.chips.place()
        words, spans = said.words(), said.spans()
        there = 0 <= place < len(words)
        span = spans[place] if there else range(0)
        self.room.show_word(words[place] if there else "")
        self.room.viewer.set_overlay(_lit(self._painted, span))
        matched = _lit(self._match, span) if self._target == PICTURE else None
        self.room.photo.set_overlay(matched or self._of_title())

    # ---- matching --------------------------------------------------------------------------------

    def match_with(self, target: str) -> None:
        self._target, self._match = target, None
        self._write()
        self._ask_match()
        self._show_overlays()

    def _ask_match(self) -> None:
        """How well the caption matches the result, or the picture below it."""
        shown, desk = self._mine(), self.studio.job(drawings=False)
        if not self._matches() or desk is None or self.spoken().is_missing:
            return
        result = shown.picture if shown is not None else None
        picture = self.photo if self._target == PICTURE else result
        if self._paints() and picture is not None:
            self._ask("match", desk, {"output": "match"}, photo=picture)
        elif shown is not None and shown.result.numbers:
            self._match = self._painted = shown.result
            self._write()
            self._show_overlays()

    @Slot(object, object)
    def _on_tool(self, job: Job, result: Result) -> None:
        for kind in [kind for kind, digest in self._asked.items() if digest == job.digest]:
            del self._asked[kind]
            if kind == "stages":
                self._stages = dict(zip(result.texts[1:], result.pictures[1:]))
                self._show_stage()
            elif kind == "words":
                self._painted = result
            else:
                self._match = result
                self._write()
            self._show_overlays()

    # ---- the picture's title ---------------------------------------------------------------------

    def _describe(self) -> None:
        """Ask for the picture's title, where it is not what the model in use says anyway."""
        self.room.told.clear()
        self._looked = -1
        captions = self.studio.captions
        if self.photo is not None and not self._captions() and captions.captioner():
            captions.ask(self.photo)

    def _captions(self) -> bool:
        return self.studio.card is not None and self.studio.card.family == CAPTIONER

    def _on_caption(self, caption: Caption) -> None:
        if caption.picture != self.photo or self._captions():
            return
        if self._looked < 0 or not caption.looked:
            linked = caption.text == caption.told
            self.room.told.show_caption(caption.texts, caption.sure, linked, caption.shares)
        self._show_overlays()

    def _on_title(self, text: str) -> None:
        if self.photo is not None:
            self._looked = -1
            self.studio.captions.choose(self.photo, text)

    def _on_looked(self, word: int) -> None:
        self._looked = word
        if word >= 0 and self.photo is not None:
            self.studio.captions.look(self.photo)
        self._show_overlays()

    def _of_title(self) -> Picture | None:
        """Where the word of the title that is pointed at looked."""
        known = self.studio.captions.of(self.photo) if self.photo is not None else None
        if known is None or not 0 <= self._looked < len(known.looked):
            return None
        return known.looked[self._looked]

    # ---- recipes ---------------------------------------------------------------------------------

    def take_back(self, job: Job) -> None:
        """A recipe is back on the desk; a photo only where it is one of this room."""
        picture = job.images.get(KEPT)
        if picture is None and self.room.in_use():
            picture = job.images.get(PHOTO)
        if picture is not None and picture != self.photo:
            self.lay(picture)


def _mean(numbers: Mapping[str, float], span: range) -> float | None:
    """The match of a word that the model knows as one or several."""
    found = [numbers[f"word {n + 1}"] for n in span if f"word {n + 1}" in numbers]
    return sum(found) / len(found) if found else None


def _of(sentences: Sequence[str], span: range) -> str:
    """The sentence that is said of a word."""
    return sentences[span[0]] if span and span[0] < len(sentences) else ""


def _lit(result: Result | None, span: range) -> Picture | None:
    """The picture as the first of these words sees it; the first of the pictures is no word's."""
    if result is None or not span or span[0] + 1 >= len(result.pictures):
        return None
    return result.pictures[span[0] + 1]


def _sides(side: int) -> list[int]:
    """64 and what doubles it, to `side`."""
    found = [64]
    while found[-1] * 2 <= side:
        found.append(found[-1] * 2)
    return found
