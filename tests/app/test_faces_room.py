"""The Faces room in the real window: photo, frames, handles, sliders of each face, undo."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QThread
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

import app
from app import patches, portrait
from app.faces import FacesRoom
from app.portrait import Portrait
from app.widgets.controls import AttributesField
from app.widgets.faces import FacePhoto, Spot
from app.window import MainWindow
from engines.controls import Attributes
from engines.facefinder import Face
from engines.images import open_picture
from engines.job import Failed, Picture, job_from_png

LEFT = Qt.MouseButton.LeftButton
SPOTS = (
    Spot((20.0, 30.0, 60.0, 66.0), (38.0, 55.0, 62.0, 55.0, 50.0, 80.0)),
    Spot((120.0, 20.0, 50.0, 56.0), (135.0, 41.0, 155.0, 41.0, 145.0, 62.0)),
)


def photo(size: tuple[int, int] = (200, 140)) -> Picture:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3).astype(np.uint8)
    return Picture(ramp.reshape(size[1], size[0], 3).copy())


@pytest.fixture
def widget(qtbot: QtBot) -> Iterator[FacePhoto]:
    made = FacePhoto()
    qtbot.addWidget(made)
    made.resize(500, 400)
    made.show()
    made.set_picture(photo())
    made.show_faces(SPOTS, 0)
    yield made


def test_a_click_on_a_frame_chooses_its_face(widget: FacePhoto, qtbot: QtBot) -> None:
    with qtbot.waitSignal(widget.face_chosen) as chosen:
        QTest.mouseClick(widget, LEFT, pos=widget.frame(1).center().toPoint())
    assert chosen.args == [1]
    with qtbot.assertNotEmitted(widget.face_chosen, wait=50):
        QTest.mouseClick(widget, LEFT, pos=widget.view.to_view(QPointF(5, 5)).toPoint())
    with qtbot.waitSignal(widget.face_chosen) as chosen:
        QTest.keyClick(widget, Qt.Key.Key_Right)
    assert chosen.args == [1]


def test_handles_move_only_when_they_are_asked_for(widget: FacePhoto, qtbot: QtBot) -> None:
    start, end = widget.handle(2).toPoint(), widget.handle(2).toPoint() + QPoint(12, 20)
    for adjusting in (False, True):
        widget.set_adjusting(adjusting)
        moved: list[list[float]] = []
        widget.points_moved.connect(moved.append)
        QTest.mousePress(widget, LEFT, pos=start)
        QTest.mouseMove(widget, end)
        QTest.mouseRelease(widget, LEFT, pos=end)
        assert len(moved) == adjusting
    zoom = widget.view.zoom
    assert moved[0][:4] == list(SPOTS[0].points[:4])
    assert moved[0][4] == pytest.approx(50 + 12 / zoom, abs=1.0)
    assert moved[0][5] == pytest.approx(80 + 20 / zoom, abs=1.0)


def test_a_handle_stays_on_the_photo(widget: FacePhoto, qtbot: QtBot) -> None:
    widget.set_adjusting(True)
    with qtbot.waitSignal(widget.points_moved) as moved:
        QTest.mousePress(widget, LEFT, pos=widget.handle(0).toPoint())
        QTest.mouseMove(widget, QPoint(-400, -300))
        QTest.mouseRelease(widget, LEFT, pos=QPoint(-400, -300))
    assert moved.args[0][:2] == [0.0, 0.0]


def test_a_patch_is_what_changed_around_the_face_and_nothing_else() -> None:
    before = photo()
    pixels = before.pixels.copy()
    pixels[40:60, 30:70] ^= 255
    pixels[100:110, 190:195] ^= 255  # another face's edit, far away
    patch = patches.difference(before, Picture(pixels), SPOTS[0].box)
    assert patch is not None
    assert (patch.x, patch.y) == (30, 40) and patch.pixels.shape == (20, 40, 3)
    restored = patches.patched(before, [patch])
    assert np.array_equal(restored.pixels[40:60, 30:70], pixels[40:60, 30:70])
    assert np.array_equal(restored.pixels[100:110], before.pixels[100:110])
    assert patches.difference(before, before, SPOTS[0].box) is None
    assert patches.patched(before, []) is before
    assert patches.difference(before, photo((100, 70)), SPOTS[0].box) is None


def test_what_the_tool_tells_becomes_faces() -> None:
    told = json.loads(
        json.dumps({"box": [1, 2, 3, 4], "points": [1.5, 2, 3, 4, 5, 6], "notes": ["Small."]})
    )
    face = portrait._face(told)
    assert face.spot.box == (1, 2, 3, 4) and face.spot.points == (1.5, 2, 3, 4, 5, 6)
    assert face.notes == ("Small.",) and face.values is None


def test_a_surprise_stays_within_the_training_and_its_groups() -> None:
    hair = ("Black hair", "Blond hair", "Brown hair")
    control = Attributes(
        "attributes", "", (*hair, "Male", "Young"), -2, 2, exclusive=(hair,), trained=(-1, 1)
    )
    for seed in range(200):
        drawn = portrait._drawn(control, random.Random(seed))
        assert 1 <= sum(n != 0 for n in drawn) <= 3
        assert all(n == 0 or 0.5 <= abs(n) <= 1 for n in drawn)
        assert sum(n != 0 for n in drawn[:3]) <= 1


# ---- the real window, the real engine, a small network with random weights -----------------------

SAMPLE = Path(__file__).parent.parent.parent / "resources" / "samples" / "faces-group.jpg"
FOUND = (
    Face((518.0, 210.0, 120.0, 160.0), (533.0, 242.0, 613.0, 240.0, 576.0, 320.0), 0.9),
    Face((150.0, 212.0, 106.0, 150.0), (178.0, 241.0, 247.0, 242.0, 211.0, 313.0), 0.9),
)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    import torch

    from engines import checkpoint
    from engines.families.stargan import StarGAN
    from engines.families.stargan.config import Config

    monkeypatch.setattr("engines.faces.find", lambda _photo: FOUND)
    family = StarGAN()
    config = Config(labels=("Smile", "Glasses"), width=8, blocks=1, size=64)
    torch.manual_seed(3)
    metadata = {"family": family.id, "config": family.to_dict(config)}
    path = tmp_path / "faces.safetensors"
    checkpoint.save(path, family.build(config).state_dict(), metadata)
    made = app.open_window()
    qtbot.addWidget(made)
    made.resize(1440, 900)
    made.show()
    qtbot.waitExposed(made)
    app._begin(made, [])
    made.studio.open_path(path)
    qtbot.waitUntil(lambda: "faces" in made.rooms, timeout=60_000)
    yield made
    made.close()


def room(window: MainWindow) -> FacesRoom:
    made = window.rooms["faces"]
    assert isinstance(made, FacesRoom)
    return made


def desk_of(window: MainWindow) -> Portrait:
    made = window.desks["faces"]
    assert isinstance(made, Portrait)
    return made


def current(window: MainWindow) -> bool:
    """Whether the viewer shows the result of the desk as it is now."""
    now, shown = window.studio.job(drawings=False), window.studio.shown
    return now is not None and shown is not None and shown.job.digest == now.digest


def slide(window: MainWindow, index: int, share: float) -> None:
    field = window.room.controls.fields["attributes"]
    assert isinstance(field, AttributesField)
    slider = field.sliders[index].slider
    QTest.mouseClick(slider, LEFT, pos=QPoint(round(slider.width() * share), 8))


@pytest.mark.slow
def test_two_faces_of_a_photo_keep_their_own_edits(window: MainWindow, qtbot: QtBot) -> None:
    studio, desk = window.studio, desk_of(window)
    assert window.rail.rooms["faces"].isVisible() and window.rail.rooms["faces"].isChecked()
    assert studio.shown is None or studio.shown.job.family != "stargan"
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2, timeout=60_000)
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    assert studio.values["points"] == list(FOUND[0].points)
    slide(window, 0, 0.9)
    first = studio.values["attributes"]
    assert isinstance(first, list) and first[0] > 1 and first[1] == 0
    qtbot.waitUntil(lambda: current(window) and desk.faces[0].spot.edited, timeout=60_000)
    with_first = studio.shown.picture

    QTest.mouseClick(room(window).photo, LEFT, pos=room(window).photo.frame(1).center().toPoint())
    assert desk.active == 1 and studio.values["attributes"] == [0.0, 0.0]
    assert studio.values["points"] == list(FOUND[1].points)
    slide(window, 1, 0.1)
    qtbot.waitUntil(lambda: current(window) and desk.faces[1].spot.edited, timeout=60_000)
    both = studio.shown.picture
    x, y, width, height = (round(n) for n in FOUND[0].box)
    inside = np.s_[y : y + height, x : x + width]
    assert np.array_equal(both.pixels[inside], with_first.pixels[inside])
    assert not np.array_equal(both.pixels, with_first.pixels)
    assert np.array_equal(both.pixels[:, 800:], desk.photo.pixels[:, 800:])  # the third face

    QTest.mouseClick(room(window).copy, LEFT)
    QTest.mouseClick(room(window).reset, LEFT)
    assert studio.values["attributes"] == [0.0, 0.0]
    QTest.mouseClick(room(window).paste, LEFT)
    assert studio.values["attributes"][1] < -1
    qtbot.waitUntil(lambda: current(window), timeout=60_000)

    QTest.mouseClick(room(window).photo, LEFT, pos=room(window).photo.frame(0).center().toPoint())
    assert desk.active == 0 and studio.values["attributes"] == first
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    assert studio.shown.picture == both
    studio.undo_stack.undo()
    assert desk.active == 1 and studio.values["attributes"][1] < -1


@pytest.mark.slow
def test_a_face_recipe_comes_back_with_the_same_pixels(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    studio, desk = window.studio, desk_of(window)
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2 and current(window), timeout=60_000)
    slide(window, 0, 0.8)
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    made = studio.shown.picture
    with qtbot.waitSignal(studio.exported, timeout=20_000):
        studio.export(tmp_path / "edited.png")
    QTest.mouseClick(room(window).reset, LEFT)
    assert studio.values["attributes"] == [0.0, 0.0]
    qtbot.waitUntil(lambda: current(window) and studio.shown.picture != made, timeout=60_000)
    studio.open_path(tmp_path / "edited.png")
    qtbot.waitUntil(
        lambda: studio.values["attributes"] != [0.0, 0.0] and current(window), timeout=60_000
    )
    assert studio.shown.picture == made
    assert room(window).viewer.picture() == made


@pytest.mark.slow
def test_the_rail_leads_from_room_to_room(window: MainWindow, qtbot: QtBot) -> None:
    if not window.rail.rooms["draw"].isVisible() or len(window.models()) < 2:
        pytest.skip("No starter model is shipped in this checkout.")
    QTest.mouseClick(window.rail.rooms["draw"], LEFT)
    qtbot.waitUntil(lambda: window.room is window.draw, timeout=60_000)
    assert window.rail.rooms["draw"].isChecked() and window.table is window.sheet
    QTest.mouseClick(window.rail.rooms["faces"], LEFT)
    qtbot.waitUntil(lambda: window.room is room(window), timeout=60_000)
    assert window.studio.card.family == "stargan"


@pytest.mark.slow
def test_where_no_face_is_found_the_handles_are_set_by_hand(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.faces.find", lambda _photo: ())
    studio, widget = window.studio, room(window).photo
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk_of(window).faces) == 1, timeout=60_000)
    assert room(window).adjust.isChecked() and "No face" in room(window).found.text()
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    wanted = widget.view.to_view(QPointF(533, 242)).toPoint()
    QTest.mousePress(widget, LEFT, pos=widget.handle(0).toPoint())
    QTest.mouseMove(widget, wanted)
    QTest.mouseRelease(widget, LEFT, pos=wanted)
    points = studio.values["points"]
    assert isinstance(points, list) and points[:2] == pytest.approx([533, 242], abs=2)
    qtbot.waitUntil(lambda: current(window), timeout=60_000)


@pytest.mark.slow
def test_one_edit_on_every_face_then_each_has_its_own(window: MainWindow, qtbot: QtBot) -> None:
    studio, desk = window.studio, desk_of(window)
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2 and current(window), timeout=60_000)
    slide(window, 0, 0.9)
    studio.set_value("output", "every")
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    every = studio.shown.picture
    changed = (every.pixels != desk.photo.pixels).any(2)
    for face in FOUND:
        x, y, width, height = (round(n) for n in face.box)
        assert changed[y : y + height, x : x + width].any()
    assert not changed[:, 800:].any() and all(face.spot.edited for face in desk.faces)

    QTest.mouseClick(room(window).photo, LEFT, pos=room(window).photo.frame(1).center().toPoint())
    assert desk.active == 1 and studio.values["output"] == "photo"
    assert all(face.spot.edited for face in desk.faces)
    qtbot.waitUntil(
        lambda: current(window) and studio.shown.picture == every, timeout=60_000
    )  # the other face's change was made behind this one
    slide(window, 0, 0.1)
    qtbot.waitUntil(lambda: current(window), timeout=60_000)
    x, y, width, height = (round(n) for n in FOUND[0].box)
    first = np.s_[y : y + height, x : x + width]
    assert np.array_equal(studio.shown.picture.pixels[first], every.pixels[first])
    assert studio.shown.picture != every


@pytest.mark.slow
def test_a_recipe_is_compared_off_the_gui_thread(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, desk = window.studio, desk_of(window)
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2 and current(window), timeout=60_000)
    threads, compare = [], portrait._same

    def spied(one: Picture, other: Picture) -> bool:
        threads.append(QThread.currentThread())
        return compare(one, other)

    monkeypatch.setattr(portrait, "_same", spied)
    job = studio.job(drawings=False)
    again = Picture(job.images["face"].pixels.copy())
    faces = desk.faces
    studio.restore(job.with_(images={"face": again}, values={**job.values, "own": "told"}))
    assert desk._source() is again, "the model is given the recipe's photo at once"
    qtbot.waitUntil(lambda: bool(threads) and desk._opened is None, timeout=20_000)
    assert threads[0] is not QThread.currentThread()
    assert desk.faces is faces and desk._given is again

    other = Picture(np.full_like(again.pixels, 90))
    studio.restore(job.with_(images={"face": other}))
    qtbot.waitUntil(lambda: desk.photo is other and len(desk.faces) == 2, timeout=60_000)
    assert len(threads) == 2


@pytest.mark.slow
@pytest.mark.parametrize("faces", ["every", "photo"])
def test_the_edit_goes_to_all_faces_of_other_photos(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faces: str
) -> None:
    studio, desk = window.studio, desk_of(window)
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2 and current(window), timeout=60_000)
    slide(window, 0, 0.9)
    names = ("group", "empty", "far")
    photos = [tmp_path / "in" / f"{name}.png" for name in names]
    photos[0].parent.mkdir()
    given = {name: Picture(np.roll(desk.photo.pixels, n, 1)) for n, name in enumerate(names)}
    for path in photos:
        path.write_bytes(given[path.stem].to_png())
    small = Face((300.0, 80.0, 24.0, 30.0), (304.0, 88.0, 318.0, 88.0, 311.0, 103.0), 0.8)
    seen = {"group": FOUND, "empty": (), "far": (*FOUND, small)}

    def find(photo: Picture) -> tuple[Face, ...]:
        return next(seen[name] for name in names if given[name] == photo)

    monkeypatch.setattr("engines.faces.find", find)
    monkeypatch.setattr(window.asking, "choose_names", lambda *_: [str(p) for p in photos])
    out = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    menu = room(window).others.menu()
    menu.actions()[faces == "photo"].trigger()
    task = list(studio.tasks)[-1]
    qtbot.waitUntil(lambda: task.over, timeout=60_000)
    assert sorted(path.name for path in out.iterdir()) == ["far.png", "group.png"]
    told = f"{task.message} {task.details}"
    assert "2 of 3 pictures" in told and "empty.png: No face was found" in told
    assert ("far.png: Face 3 of 3: The face is small" in told) == (faces == "every")
    made = open_picture(out / "group.png")
    changed = (made.pixels != given["group"].pixels).any(2)
    for n, face in enumerate(FOUND):
        x, y, width, height = (round(n) for n in face.box)
        assert changed[y : y + height, x : x + width].any() == (faces == "every" or n == 0)
    assert job_from_png(out / "group.png").images["face"] == given["group"]


@pytest.mark.slow
def test_what_the_discriminator_sees_is_shown_where_it_is_beside_its_generator(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    import torch

    from app.explaining import MISSING
    from engines.families.stargan.config import Config, DiscriminatorConfig
    from engines.families.stargan.net import Discriminator, Generator

    studio, desk, view = window.studio, desk_of(window), room(window).judged
    studio.open_path(SAMPLE)
    qtbot.waitUntil(lambda: len(desk.faces) == 2 and current(window), timeout=60_000)
    QTest.mouseClick(room(window).explain, LEFT)  # of a file that holds the generator alone
    assert view.isVisible() and view.sentence.text() == MISSING and not view.maps.isVisible()

    folder = tmp_path / "celeba" / "models"
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    weights = Generator(Config(width=4, blocks=1)).state_dict()
    weights["main.0.weight"][:, 3:] *= 50  # so that a label is seen
    torch.save(weights, folder / "1-G.ckpt")
    critic = Discriminator(DiscriminatorConfig(5, 2, 6, 128))
    torch.save(critic.state_dict(), folder / "1-D.ckpt")
    studio.open_path(folder / "1-G.ckpt")
    qtbot.waitUntil(lambda: studio.card.checkpoint.startswith("celeba-1@"), timeout=60_000)
    qtbot.waitUntil(lambda: view.maps.isVisible(), timeout=60_000)
    photo, made = view.maps._judged
    assert [len(line) for line in made.source] == [2, 2] and view.sentence.isHidden()
    assert photo.picture.size == made.picture.size == (128, 128)
    assert [name for name, *_ in view.classes.lines()] == list(studio.card.control("has").labels)
    assert "explain" not in room(window).controls.fields
    low, high = view.maps.ends()
    assert low < high and view.maps.tint(low) != view.maps.tint(high)
    assert all(low <= mean <= high for mean in view.maps.means())

    index, name = next((n, label) for n, label in enumerate(photo.asked) if not photo.asked[label])
    slide(window, index, 0.75)  # to about 1
    qtbot.waitUntil(lambda: view.maps._judged[1].asked[name] > 0.9, timeout=60_000)
    assert view.maps._judged[0] == photo and view.maps._judged[1].picture != made.picture
    assert current(window) and studio.values["explain"] is False  # nothing of it in the recipe
    view.grab()
    QTest.mouseClick(view.close_, LEFT)
    assert not view.isVisible() and not room(window).explain.isChecked()

    torch.save(weights, tmp_path / "lonely.ckpt")
    studio.open_path(tmp_path / "lonely.ckpt")
    qtbot.waitUntil(lambda: studio.card.checkpoint.startswith("lonely@"), timeout=60_000)
    QTest.mouseClick(room(window).explain, LEFT)
    alone = studio.card.checkpoint
    assert view.sentence.text() == MISSING
    refused: list[Failed] = []
    studio.failed.connect(lambda _, failed: refused.append(failed))
    torch.save(Discriminator(DiscriminatorConfig(3, 2, 6, 128)).state_dict(), tmp_path / "D.ckpt")
    studio.open_path(tmp_path / "D.ckpt")  # of other labels
    qtbot.waitUntil(lambda: bool(refused), timeout=60_000)
    assert "generator of 3 labels and 128 pixels" in refused[0].message
    torch.save(critic.state_dict(), tmp_path / "critic.ckpt")
    studio.open_path(tmp_path / "critic.ckpt")
    qtbot.waitUntil(lambda: studio.card.checkpoint != alone, timeout=60_000)
    assert studio.card.checkpoint.startswith("lonely@")
    qtbot.waitUntil(lambda: view.maps.isVisible(), timeout=60_000)
    assert view.sentence.isHidden()
