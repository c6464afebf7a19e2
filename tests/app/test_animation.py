"""Films from sliders: the two ends, the popover, and the film that the worker and the background
make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.film import Film, Jobs, Written
from app.results import Follow
from app.widgets.animate import STILLS, AnimatePopover, Animation, Move
from app.widgets.ends import Ends
from engines.controls import Attributes, Choice, ModelCard, Slider
from engines.job import Job, Picture, Result
from tests.app.test_studio import Bench, bench, open_bench  # noqa: F401  (fixtures)

LEFT = Qt.MouseButton.LeftButton
CARD = ModelCard(
    "stargan",
    "Faces",
    (
        Choice("output", "Result", (("photo", "Whole photo"), ("crop", "Face alone")), "photo"),
        Attributes("attributes", "Change", ("Smile", "Older"), -2, 2, trained=(-1, 1)),
        Attributes("has", "The photo has", ("Smile", "Older"), 0, 1, still=True),
        Slider("age", "Age", 0, 5, 0.1, 2),
    ),
)


@pytest.fixture
def ends(qtbot: QtBot) -> Ends:
    made = Ends(-2, 2, 0, (-1, 1))
    qtbot.addWidget(made)
    made.resize(216, 22)  # 200 pixels from low to high
    made.show()
    return made


def test_both_ends_are_drawn_apart_and_a_double_click_joins_them(ends: Ends, qtbot: QtBot) -> None:
    assert not ends.moves()
    QTest.mousePress(ends, LEFT, pos=QPoint(108, 11))
    QTest.mouseMove(ends, QPoint(158, 11))
    QTest.mouseRelease(ends, LEFT, pos=QPoint(158, 11))
    assert (ends.start, ends.end) == (0, 1)
    with qtbot.waitSignal(ends.moved) as moved:
        QTest.mousePress(ends, LEFT, pos=QPoint(106, 11))
        QTest.mouseMove(ends, QPoint(58, 11))
        QTest.mouseRelease(ends, LEFT, pos=QPoint(58, 11))
    assert (ends.start, ends.end) == (-1, 1) and moved.args is not None
    QTest.mouseDClick(ends, LEFT, pos=QPoint(58, 11))
    assert (ends.start, ends.end) == (0, 0)


def test_keys_move_the_end_and_with_shift_the_start(ends: Ends) -> None:
    QTest.keyClick(ends, Qt.Key.Key_Right)
    QTest.keyClick(ends, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert ends.start == pytest.approx(-0.08) and ends.end == pytest.approx(0.08)
    for _ in range(60):
        QTest.keyClick(ends, Qt.Key.Key_Right)
    assert ends.end == 2


@pytest.fixture
def popover(qtbot: QtBot) -> AnimatePopover:
    made = AnimatePopover(None)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    return made


def test_what_was_changed_moves_from_its_rest(popover: AnimatePopover, qtbot: QtBot) -> None:
    values = {"attributes": [0.0, -1.5], "age": 2.0, "output": "photo"}
    popover.show_card(CARD, values)
    assert [made.number.label for made in popover.rows()] == ["Smile", "Older", "Age"]
    popover.rows()[2].ends.show_ends(1, 4)
    with qtbot.waitSignal(popover.wanted) as wanted:
        popover.save.click()
    made = wanted.args[0]
    assert made == Animation(
        (Move("attributes", 1, 0, -1.5), Move("age", None, 1, 4)),
        50, 25.0, "smooth", True, "mp4", "photo",
    )  # fmt: skip
    with qtbot.waitSignal(popover.wanted) as wanted:
        popover.strip.click()
    assert (wanted.args[0].kind, wanted.args[0].frames) == ("strip", STILLS)
    assert not wanted.args[0].pingpong


def test_where_nothing_was_changed_the_first_goes_to_its_trained_end(
    popover: AnimatePopover,
) -> None:
    popover.show_card(CARD, {"attributes": [0.0, 0.0], "age": 2.0})
    ends = [(made.ends.start, made.ends.end) for made in popover.rows()]
    assert ends == [(0, 1), (0, 0), (2, 2)]
    popover.rows()[0].ends.show_ends(0, 0)
    popover._write()
    assert not popover.save.isEnabled() and not popover.strip.isEnabled()


# ---- the film, with the real worker thread and a scripted engine ---------------------------------


def rows(count: int) -> list[dict[str, float]]:
    return [{"strength": n / count} for n in range(count)]


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_a_film_has_a_picture_for_every_row(bench: Bench, tmp_path: Path, suffix: str) -> None:  # noqa: F811
    bench.draw(40)
    bench.wait_shown(40)
    path = tmp_path / f"film{suffix}"
    task = bench.studio.tasks.get(bench.studio.make_film(rows(5), path))
    assert task is not None
    bench.wait(lambda: task.over)
    assert (task.state, task.steps) == ("done", (5, 5))
    assert bench.told["exported"] == [str(path)]
    with Image.open(path) as image:
        if suffix == ".gif":
            assert getattr(image, "n_frames", 1) == 5
        else:
            assert image.width > 4 * image.height
    jobs = [job for job in bench.engine.log if isinstance(job, Job)][-5:]
    assert [job.values["strength"] for job in jobs] == [row["strength"] for row in rows(5)]


def test_a_film_that_is_cancelled_leaves_no_file(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    bench.draw(40)
    bench.engine.seconds = 0.03
    path = tmp_path / "film.gif"
    id = bench.studio.make_film(rows(60), path)
    task = bench.studio.tasks.get(id)
    assert task is not None
    bench.wait(lambda: task.fraction > 0.04)
    bench.studio.cancel(id)
    assert task.state == "cancelled"
    bench.studio.background.finish()
    assert list(tmp_path.glob("*film*")) == [] and not bench.told["exported"]


def test_a_folder_that_is_gone_is_said_and_the_film_ends(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    bench.draw(40)
    task = bench.studio.tasks.get(bench.studio.make_film(rows(4), tmp_path / "no" / "film.gif"))
    assert task is not None
    bench.wait(lambda: task.over)
    assert task.state == "failed" and "There is no folder" in task.message


def test_a_strip_is_shrunk_where_it_would_be_too_long(tmp_path: Path, bench: Bench) -> None:  # noqa: F811
    told: list[object] = []
    waiting: list[Follow] = []

    def submit(job: Job, follow: Follow) -> int:
        waiting.append(follow)
        return len(waiting)

    background = bench.studio.background
    reel = Written(Jobs([Job("x")] * 5), tmp_path / "strip.png")
    film = Film(reel, submit, lambda _: None, background)
    film.happened.connect(told.append)
    film.start()
    wide = Result((Picture(np.zeros((300, 4000, 3), np.uint8)),))
    for number in range(1, 6):
        bench.wait(lambda number=number: len(waiting) == number)
        waiting[-1](number, wide)
    bench.wait(lambda: isinstance(told[-1], Result))
    with Image.open(tmp_path / "strip.png") as image:
        assert 11_000 < image.width <= 12_000 + 4 * 4
