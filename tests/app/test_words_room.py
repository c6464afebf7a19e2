"""The Words room in the real window, typed in by keys: a scripted painter and captioner, and once
the real engine with a tiny AttnGAN."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

import app
from app import theme
from app.page import EMPTY, EXAMPLES, Page
from app.spoken import Spoken
from app.widgets.chips import Word, WordChips
from app.widgets.controls import CaptionField
from app.words import LAST, PICTURE, WordsRoom
from engines.controls import Choice, ImageInput, ModelCard, SizeRule, Slider, Text
from engines.job import Event, Job, Picture, Preview, Progress, Result, job_from_png
from engines.wording import tokens
from tests.app.test_window import CLOTHES, Bench, negative, photo, urls

LEFT = Qt.MouseButton.LeftButton
KNOWN = ("a", "background", "beige", "blue", "dark", "dress", "jacket", "on", "red")
CAPTION = Text("caption", "Caption", longest=500, placeholder="a red dress", words=KNOWN,
               hyphens=True, needed=True)  # fmt: skip
OUTPUTS = ("picture", "stages", "words", "seeds", "strip", "match")
PAINTS = ModelCard(
    "attngan", "Words to clothes",
    controls=(
        CAPTION,
        Text("weights", "Word weights"),
        Choice("output", "Show", tuple((o, o.title()) for o in OUTPUTS), "picture"),
        Text("until", "Other caption", words=KNOWN, hyphens=True),
        Slider("toward", "Toward the other caption", 0, 1, 0.01, 0),
        ImageInput("photo", "Picture to match", optional=True),
    ),
    size=SizeRule(native=(128, 128), fixed=True), rooms=("words",), seeded=True,
    checkpoint="words-to-clothes@aaaa1111aaaa1111",
)  # fmt: skip
SAYS = ModelCard("captioning", "Captions", (ImageInput("photo", "Picture"),), rooms=("words",),
                 checkpoint="caption-all@cafecafecafecafe")  # fmt: skip
TITLES = ("a blue dress", "a red dress")


def grey(value: int, side: int = 128) -> Picture:
    return Picture(np.full((side, side, 3), value % 256, np.uint8))


def painted(job: Job) -> Iterator[Event]:
    """Pictures as grey as their caption is long, the seed and the weights counted in; what words do
    is as grey as their place."""
    words = [w for w in tokens(str(job.values["caption"]), True) if w in KNOWN]
    shade = 10 * len(words) + job.seed + len(str(job.values["weights"]))
    output = job.values["output"]
    if output == "match":
        numbers = {"caption": 0.5, "total": 0.25}
        numbers |= {f"word {n}": n / 10 for n in range(1, len(words) + 1)}
        near = tuple(f"Nearest in meaning to “{word}”: blue 0.80." for word in words)
        shown = (job.images["photo"], *(grey(200 + n) for n in range(len(words))))
        yield Result(shown, (), notes=near, numbers=numbers)
        return
    yield Preview(grey(shade, 64))
    yield Progress(1, 2)
    if output == "seeds":
        seeds = [job.seed + n for n in (2, 0, 1)]
        made = tuple(grey(seed) for seed in seeds)
        values = tuple({"seed": seed} for seed in seeds)
        yield Result(made, tuple(f"seed {s}: 0.50" for s in seeds), values=values)
    elif output == "strip":
        yield Result((grey(0), grey(9)), ("0%", "100%"), values=({"toward": 0.0}, {"toward": 1.0}))
    elif output == "stages":
        yield Result((grey(shade), grey(shade, 64)), ("", "64 px"))
    elif output == "words":
        yield Result((grey(shade), *(grey(100 + n) for n in range(len(words)))), ("", *words))
    else:
        yield Result((grey(shade + round(100 * float(job.values["toward"]))),), seconds=0.01)  # type: ignore[arg-type]


def says(job: Job) -> Iterator[Event]:
    photo = job.images["photo"]
    if job.values.get("show") == "attention":
        looked = (grey(30 * n) for n in range(3))
        yield Result((photo, *looked), (TITLES[0], *TITLES[0].split()))
    else:
        yield Result((photo,), TITLES, notes=("Sure to 83%, 5%; least of “blue” (61%).",))


def looped(job: Job) -> Iterator[Event]:
    assert job.values["painter"] == PAINTS.checkpoint
    assert job.values["captioner"] == SAYS.checkpoint
    numbers = {"drift 1": 0.0, "drift 2": 0.5}
    yield Result((grey(1), grey(2)), ("a red dress", "a blue dress"), numbers=numbers)


class WordsBench(Bench):
    scripts: ClassVar = {"pix2pix": negative, "attngan": painted, "captioning": says,
                         "word_loop": looped}  # fmt: skip
    cards: ClassVar = (CLOTHES, PAINTS, SAYS)

    def __init__(self, qtbot: Any, folder: Path) -> None:
        super().__init__(qtbot, folder)
        self.catalogue.known[2:] = []
        self.catalogue.families["cafecafecafecafe"] = "captioning"
        self.catalogue.put(SAYS.checkpoint, SAYS.rooms)
        self.choose(PAINTS)

    def choose(self, card: ModelCard) -> None:
        self.studio.choose_model(card.checkpoint)
        self.wait(lambda: self.studio.card == card)

    @property
    def room(self) -> WordsRoom:
        return self.window.rooms["words"]  # type: ignore[return-value]

    @property
    def desk(self) -> Page:
        return self.window.desks["words"]  # type: ignore[return-value]

    def type(self, text: str) -> None:
        assert isinstance(self.room.field, CaptionField)
        self.room.field.caption.setFocus()
        self.qtbot.keyClicks(self.room.field.caption, text)

    def words(self) -> list[str]:
        return [word.text for word in self.room.chips.words()]

    def weigh(self, place: int, share: float) -> None:
        slider = self.room.chips.chips[place].slider
        self.qtbot.mouseClick(slider, LEFT, pos=QPoint(round(8 + share * (slider.width() - 16)), 9))

    def press(self, place: int) -> None:
        self.qtbot.mouseClick(self.room.chips.chips[place], LEFT, pos=QPoint(20, 10))

    def matched(self) -> list[float | None]:
        return [word.match for word in self.room.chips.words()]


@pytest.fixture
def bench(qtbot, tmp_path: Path) -> Iterator[WordsBench]:
    made = WordsBench(qtbot, tmp_path)
    yield made
    made.window.close()
    theme.apply(app_of(made), "dark")


def app_of(bench: Bench):
    from PySide6.QtWidgets import QApplication

    return QApplication.instance()


# ---- typing --------------------------------------------------------------------------------------


def test_without_a_caption_the_room_is_calm_and_offers_one(bench: WordsBench) -> None:
    assert bench.window.room is bench.room and bench.window.rail.rooms["words"].isChecked()
    assert bench.viewer.message() == EMPTY and not bench.room.chips.isVisible()
    assert not any(job.family == "attngan" for job in bench.engine.log)
    bench.act("run")
    bench.wait(lambda: bench.room.notice.isVisible())
    assert bench.room.notice.text().endswith("needs words for “Caption” first.")
    bench.qtbot.mouseClick(bench.viewer.button, LEFT)
    assert bench.studio.values["caption"] == EXAMPLES[0]
    bench.settled()
    assert bench.viewer.picture() is not None


def test_every_key_paints_and_the_small_stage_comes_first(bench: WordsBench) -> None:
    seen: list[tuple[int, int]] = []
    bench.studio.preview_shown.connect(lambda p: seen.append(p.size))
    bench.type("a red dress")
    job = bench.settled()
    assert job.values["caption"] == "a red dress" and job.values["output"] == "picture"
    assert seen[0] == (64, 64) and bench.viewer.picture() == grey(30)
    assert bench.words() == ["a", "red", "dress"]
    assert "photo" not in job.images


def test_a_caption_that_is_gone_leaves_the_empty_state(bench: WordsBench) -> None:
    bench.type("a red")
    bench.settled()
    assert isinstance(bench.room.field, CaptionField)
    bench.room.field.caption.selectAll()
    bench.qtbot.keyClick(bench.room.field.caption, Qt.Key.Key_Backspace)
    assert bench.viewer.message() == EMPTY and not bench.words()
    assert not bench.room.seeds.isEnabled() and not bench.room.loop.isEnabled()


def test_unknown_words_are_marked_and_put_right(bench: WordsBench) -> None:
    bench.type("a redd dr")
    assert [w.known for w in bench.room.chips.words()] == [True, False]  # the last is being typed
    field = bench.room.field
    assert isinstance(field, CaptionField) and field.unknown.isVisible()
    bench.qtbot.mouseClick(field.meant, LEFT)
    assert bench.studio.values["caption"] == "a red dr" and field.caption.hasFocus()
    assert [w.known for w in bench.room.chips.words()] == [True, True]


# ---- chips ---------------------------------------------------------------------------------------


def test_a_weight_belongs_to_its_word_while_the_caption_is_edited(bench: WordsBench) -> None:
    bench.type("a red dress")
    bench.weigh(1, 0.25)
    assert bench.studio.values["weights"] == "1, 0.5"
    assert isinstance(bench.room.field, CaptionField)
    box = bench.room.field.caption
    box.moveCursor(box.textCursor().MoveOperation.Start)
    bench.qtbot.keyClicks(box, "dark ")
    assert bench.words() == ["dark", "a", "red", "dress"]
    assert bench.studio.values["weights"] == "1, 1, 0.5"
    assert bench.settled().values["weights"] == "1, 1, 0.5"
    undo = bench.studio.undo_stack
    while bench.studio.values["caption"] != "a red dress":
        undo.undo()
    assert bench.studio.values["weights"] == "1, 0.5"
    assert [w.weight for w in bench.room.chips.words()] == [1.0, 0.5, 1.0]


def test_a_chip_shows_where_its_word_painted_and_how_it_matches(bench: WordsBench) -> None:
    bench.type("a red dress")
    bench.wait(lambda: bench.matched() == [0.1, 0.2, 0.3])
    assert bench.room.score.text() == "0.50" and "0.25" in bench.room.total.text()
    assert bench.room.chips.chips[1].toolTip() == "Nearest in meaning to “red”: blue 0.80."
    assert not bench.viewer.overlaid()
    bench.press(1)
    bench.wait(lambda: bench.viewer.overlaid())
    asked = [job for job in bench.engine.log if job.values.get("output") == "words"]
    assert asked[-1].values["caption"] == "a red dress"
    assert "red" in bench.room.word.text() and bench.room.opacity.isVisible()
    plain = bench.viewer.grab().toImage()
    bench.room.opacity.setFocus()
    bench.qtbot.keyClick(bench.room.opacity, Qt.Key.Key_Home)
    assert bench.viewer.grab().toImage() != plain
    bench.press(1)
    assert not bench.viewer.overlaid() and not bench.room.opacity.isVisible()


def test_the_stages_are_looked_at_one_by_one(bench: WordsBench) -> None:
    bench.type("a red dress")
    bench.settled()
    stages = bench.room.stages
    assert stages is not None
    bench.qtbot.mouseClick(stages.part("64 px"), LEFT)
    bench.wait(lambda: bench.viewer.picture() is None and not bench.viewer.message())
    bench.type(" on")
    bench.settled()
    bench.wait(lambda: bench.viewer.picture() is None)
    bench.qtbot.mouseClick(stages.part(LAST), LEFT)
    assert bench.viewer.picture() == bench.studio.shown.picture  # type: ignore[union-attr]


# ---- seeds, ways, loops --------------------------------------------------------------------------


def test_a_ranked_seed_comes_onto_the_desk(bench: WordsBench) -> None:
    bench.type("a red dress")
    bench.settled()
    seed = bench.studio.seed
    bench.qtbot.mouseClick(bench.room.seeds, LEFT)
    bench.wait(lambda: bench.room.strip.isVisible())
    assert bench.room.strip.cells[0].accessibleName() == f"seed {seed + 2} · match 0.50"
    bench.qtbot.mouseClick(bench.room.strip.cells[0], LEFT)
    assert bench.studio.seed == seed + 2 and bench.settled().seed == seed + 2


def test_the_way_to_another_caption_as_strip_and_as_film(
    bench: WordsBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.type("a red dress")
    assert not bench.room.way.isEnabled() and not bench.room.film.isEnabled()
    other = bench.room.controls.fields["until"]
    assert isinstance(other, CaptionField)
    bench.qtbot.keyClicks(other.caption, "a blue dress")
    bench.settled()
    bench.qtbot.mouseClick(bench.room.way, LEFT)
    bench.wait(lambda: bench.room.strip.isVisible())
    bench.qtbot.mouseClick(bench.room.strip.cells[1], LEFT)
    assert bench.settled().values["toward"] == 1.0
    path = tmp_path / "way.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr("app.asking.WAY_FRAMES", 3)
    with bench.qtbot.waitSignal(bench.studio.exported, timeout=10_000):
        bench.qtbot.mouseClick(bench.room.film, LEFT)
    asked = [j for j in bench.engine.log if j.values.get("output") == "picture"]
    assert [j.values["toward"] for j in asked[-4:]] == [0.0, 0.5, 1.0, 0.5]
    assert path.stat().st_size > 0


def test_the_loop_is_a_strip_with_its_drift(bench: WordsBench) -> None:
    bench.type("a red dress")
    bench.settled()
    bench.qtbot.mouseClick(bench.room.loop, LEFT)
    bench.wait(lambda: bench.room.strip.isVisible())
    assert bench.room.strip.cells[1].accessibleName() == "a blue dress · drift 0.50"
    bench.qtbot.mouseClick(bench.room.strip.cells[1], LEFT)
    assert bench.studio.values["caption"] == "a blue dress"


# ---- pictures ------------------------------------------------------------------------------------


def dropped(bench: WordsBench, tmp_path: Path) -> None:
    path = tmp_path / "given.png"
    path.write_bytes(photo(90).to_png())
    bench.drop(bench.window, urls(path))
    bench.wait(lambda: bench.room.told.isVisible())


def test_a_dropped_picture_gets_a_title_and_is_matched(bench: WordsBench, tmp_path: Path) -> None:
    bench.type("a red dress")
    bench.settled()
    shown = bench.viewer.picture()
    dropped(bench, tmp_path)
    assert bench.room.told.text() == TITLES[0] and bench.room.told.sure.text() == "83%"
    bench.wait(lambda: bench.matched() == [0.1, 0.2, 0.3])
    assert bench.room.target.value() == PICTURE and bench.viewer.picture() == shown
    matches = [j for j in bench.engine.log if j.values.get("output") == "match"]
    assert matches[-1].images["photo"] == bench.desk.photo
    bench.press(2)
    bench.wait(lambda: bench.room.photo.overlaid() and bench.viewer.overlaid())
    bench.press(2)
    assert not bench.room.photo.overlaid()
    bench.room.told.words.linkHovered.emit("1")
    bench.wait(lambda: bench.room.photo.overlaid())
    bench.room.told.words.linkHovered.emit("")
    assert not bench.room.photo.overlaid()


def test_a_title_and_its_alternatives_become_the_caption(bench: WordsBench, tmp_path: Path) -> None:
    dropped(bench, tmp_path)
    bench.room.told.chosen.emit(TITLES[1])
    assert bench.room.told.sure.text() == "5%"  # of that one
    bench.qtbot.mouseClick(bench.room.use, LEFT)
    assert bench.settled().values["caption"] == TITLES[1]


def test_a_captioner_in_the_room_tells_what_is_dropped(bench: WordsBench, tmp_path: Path) -> None:
    bench.choose(SAYS)
    assert not bench.room.caption_part.isVisible() and not bench.room.buttons.isVisible()
    path = tmp_path / "given.png"
    path.write_bytes(photo(90).to_png())
    bench.drop(bench.window, urls(path))
    bench.wait(lambda: bench.room.caption.isVisible())
    assert bench.room.caption.text() == TITLES[0] and not bench.room.told.isVisible()
    assert bench.viewer.picture() == bench.desk.photo
    assert [r.accessibleName() for r in bench.room.caption.rows] == [f"{TITLES[1]} 5%"]
    bench.qtbot.mouseClick(bench.room.caption.rows[0], LEFT)
    assert bench.room.caption.text() == TITLES[1] and bench.room.caption.sure.text() == "5%"
    bench.choose(PAINTS)  # whose caption is empty: nothing is shown that could have a title
    bench.wait(lambda: bench.room.told.isVisible() and bench.viewer.message() == EMPTY)
    assert not bench.room.caption.isVisible() and bench.room.told.text() == TITLES[1]


def test_the_recipe_brings_caption_and_weights_back(bench: WordsBench, tmp_path: Path) -> None:
    bench.type("a red dress")
    bench.weigh(2, 1.0)
    job, made = bench.settled(), bench.viewer.picture()
    with bench.qtbot.waitSignal(bench.studio.exported, timeout=10_000):
        bench.studio.export(tmp_path / "kept.png")
    assert job_from_png(tmp_path / "kept.png").digest == job.digest
    bench.qtbot.mouseClick(bench.room.try_, LEFT)
    assert bench.studio.values["weights"] == ""
    bench.settled()
    bench.studio.open_path(tmp_path / "kept.png")
    bench.wait(lambda: bench.studio.values["caption"] == "a red dress")
    assert [w.weight for w in bench.room.chips.words()] == [1.0, 1.0, 2.0]
    bench.wait(lambda: bench.viewer.picture() == made)


def test_the_picture_is_there_again_after_a_restart(bench: WordsBench, tmp_path: Path) -> None:
    dropped(bench, tmp_path)
    bench.type("a red dress")
    bench.settled()
    bench.reopen()
    bench.wait(lambda: "words" in bench.window.rooms and bench.desk.photo is not None)
    bench.wait(lambda: bench.words() == ["a", "red", "dress"])
    assert bench.desk.photo == photo(90)


# ---- parts ---------------------------------------------------------------------------------------


def test_what_is_spoken_word_by_word() -> None:
    control = Text(
        "caption", "Caption", words=("red", "black", "top", "long-sleeved"), hyphens=True
    )
    said = Spoken(control, "Red-black qqq long-sleeved top", "1, x")
    assert said.words() == ["red-black", "qqq", "long-sleeved", "top"]
    assert said.spans() == [range(0, 2), range(2, 2), range(2, 3), range(3, 4)]
    assert said.weights() == [1.0] * 4
    assert said.weighed([1, 0.25, 2, 1]).written == "1, 0.25, 2"
    assert not said.is_growing() and Spoken(control, "red to").is_growing()
    assert not Spoken(control, "red to ").is_growing()
    assert Spoken(control, " ").is_missing and not Spoken(None).is_missing


def test_chips_flow_into_lines_and_scroll(qtbot) -> None:
    chips = WordChips()
    qtbot.addWidget(chips)
    chips.resize(330, 100)
    chips.show()
    chips.show_words([Word(f"w{n}") for n in range(12)], matches=True)
    places = [chip.pos() for chip in chips.chips]
    assert len({p.y() for p in places}) == 4 and len({p.x() for p in places}) == 3
    assert chips.height() < chips.widget().height()
    with qtbot.waitSignal(chips.chosen) as chosen:
        chips.chips[3].setFocus()
        QTest.keyClick(chips.chips[3], Qt.Key.Key_Return)
    assert chosen.args == [3]
    with qtbot.waitSignal(chips.weighed) as weighed:
        QTest.keyClick(chips.chips[0].slider, Qt.Key.Key_Home)
    assert weighed.args[0][:2] == [0.0, 1.0]


# ---- the real engine -----------------------------------------------------------------------------


@pytest.mark.slow
def test_typed_words_paint_with_a_real_network(qtbot, tmp_path: Path) -> None:
    import torch

    from engines import checkpoint
    from engines.families.attngan.config import Config
    from engines.families.attngan.net import AttnGAN

    words = ("<end>", *KNOWN)
    config = Config(words, len(words), 6, 8, condition=3, noise=4, width=2, stages=2, residuals=1,
                    widths=(4, 6, 8, 10), side=32, hyphens=True)  # fmt: skip
    torch.manual_seed(0)
    metadata = {"family": "attngan", "config": {**config.__dict__}}
    checkpoint.save(tmp_path / "words.safetensors", AttnGAN(config).state_dict(), metadata)
    window = app.open_window()
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    qtbot.waitExposed(window)
    app._begin(window, [str(tmp_path / "words.safetensors")])
    qtbot.waitUntil(lambda: "words" in window.rooms, timeout=60_000)
    room = window.rooms["words"]
    assert isinstance(room, WordsRoom) and isinstance(room.field, CaptionField)
    qtbot.keyClicks(room.field.caption, "a red dress")
    studio = window.studio

    def settled() -> bool:
        now = studio.job(drawings=False)
        return (
            studio.shown is not None and now is not None and studio.shown.job.digest == now.digest
        )

    qtbot.waitUntil(settled, timeout=60_000)
    assert studio.shown is not None and studio.shown.picture.size == (128, 128)
    qtbot.waitUntil(lambda: None not in [w.match for w in room.chips.words()], timeout=60_000)
    qtbot.mouseClick(room.chips.chips[1], LEFT, pos=QPoint(20, 10))
    qtbot.waitUntil(room.viewer.overlaid, timeout=60_000)
    qtbot.mouseClick(room.seeds, LEFT)
    qtbot.waitUntil(lambda: len(room.strip.cells) == 6, timeout=60_000)
    began = time.monotonic()
    window.close()
    assert time.monotonic() - began < 5
