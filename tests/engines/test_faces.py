"""The face loop: aligned to any template, pasted back, everything else left as it was."""

import json
import math
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from engines import cli, facefinder, faces, images
from engines.controls import FaceTemplate
from engines.engine import Engine
from engines.images import ImageError
from engines.job import Job, Picture, Result

POINTS = (220.0, 160.0, 280.0, 170.0, 243.0, 228.0)
WEIGHTS = Path(os.environ.get("GANVAS_WEIGHTS", "../shared/weights"))
DATA = Path(os.environ.get("GANVAS_DATA", "../shared/data"))
SAMPLES = Path(__file__).parent.parent.parent / "resources" / "samples"
# x, y and side of the three portraits in the group photo; each is laid out as faces.OWN
GROUP = ((60, 96, 300), (400, 70, 348), (788, 116, 280))


def points_in(x: float, y: float, side: float) -> tuple[float, ...]:
    """Eyes and mouth of a portrait like faces.OWN that lies there in a photo."""
    own = (*faces.OWN.left_eye, *faces.OWN.right_eye, *faces.OWN.mouth)
    return tuple(n * side / 144 + (y if k % 2 else x) for k, n in enumerate(own))


def photo(channels: int = 3, size: tuple[int, int] = (500, 360)) -> Picture:
    """Smooth, so that warping there and back loses little."""
    rng = np.random.default_rng(1)
    small = rng.integers(30, 220, (9, 12, max(channels, 1)), np.uint8)
    pixels = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    if channels == 4:
        pixels[..., 3] = 255
        pixels[:40, :40, 3] = 0
    return Picture(pixels if channels > 1 else pixels.reshape(size[1], size[0]))


@pytest.mark.parametrize(
    "template", [faces.OWN, faces.celeba(128), faces.celeba(64, 108), faces.celeba(256, 178)]
)
def test_eyes_and_mouth_come_to_the_places_of_the_template(template: FaceTemplate) -> None:
    taken = faces.cut(photo(), template, POINTS)
    assert taken.crop.size == template.size and taken.crop.channels == 3
    there = np.array(POINTS).reshape(3, 2) @ taken.matrix[:, :2].T + taken.matrix[:, 2]
    wanted = np.array([template.left_eye, template.right_eye, template.mouth])
    between = math.hypot(*(wanted[1] - wanted[0]))
    assert np.hypot(*(there - wanted).T).max() < 0.08 * between
    turn = taken.matrix[:, :2]
    assert np.allclose(turn @ turn.T, np.eye(2) * (turn[0] ** 2).sum(), atol=1e-9)
    assert np.linalg.det(turn) > 0


def test_the_crop_shows_what_lies_there() -> None:
    """A coloured dot on each point of the photo is found again at its place in the crop."""
    source = photo()
    pixels = source.pixels.copy()
    for x, y in np.array(POINTS).reshape(3, 2).round().astype(int):
        cv2.circle(pixels, (int(x), int(y)), 5, (255, 0, 255), -1)
    for template in (faces.OWN, faces.celeba(64)):
        taken = faces.cut(Picture(pixels), template, POINTS)
        for x, y in np.array(POINTS).reshape(3, 2) @ taken.matrix[:, :2].T + taken.matrix[:, 2]:
            seen = taken.crop.pixels[round(y), round(x)].astype(int)
            assert seen[0] > 170 and seen[1] < 90 and seen[2] > 170


def test_an_edit_comes_back_to_its_place_and_the_rest_keeps_its_pixels() -> None:
    source = photo()
    taken = faces.cut(source, faces.OWN, POINTS)
    edited = taken.crop.pixels.copy()
    edited[96:118, 60:84] = (240, 20, 30)
    made = faces.paste(taken, Picture(edited))
    changed = (made.pixels != source.pixels).any(2)
    rows, columns = np.nonzero(changed)
    mouth = np.array(POINTS[4:])
    assert changed.any() and changed.mean() < 0.05
    assert np.hypot(rows - mouth[1], columns - mouth[0]).max() < 60
    x, y = mouth.round().astype(int)
    assert np.abs(made.pixels[y, x].astype(int) - (240, 20, 30)).max() < 25


def test_no_edit_leaves_the_photo_itself() -> None:
    taken = faces.cut(photo(), faces.OWN, POINTS)
    assert faces.paste(taken, taken.crop) is taken.photo


def test_a_cast_of_the_model_over_the_whole_crop_is_no_edit() -> None:
    taken = faces.cut(photo(), faces.OWN, POINTS)
    tinted = np.clip(np.add(taken.crop.pixels.astype(int), (9, 4, -6)), 0, 255).astype(np.uint8)
    made = faces.paste(taken, Picture(tinted))
    assert np.abs(made.pixels.astype(int) - taken.photo.pixels).max() <= 4


def test_a_model_that_pales_everything_pales_no_face() -> None:
    taken = faces.cut(photo(), faces.OWN, POINTS)
    paler = (taken.crop.pixels.astype(float) - 128) * 0.8 + 134
    made = faces.paste(taken, Picture(paler.round().astype(np.uint8)))
    assert np.abs(made.pixels.astype(int) - taken.photo.pixels).max() <= 6


def test_hair_recoloured_up_to_the_rim_is_no_cast() -> None:
    taken = faces.cut(photo(), faces.OWN, POINTS)
    edited = np.add(taken.crop.pixels, (9.0, 4.0, -6.0))
    edited[:40] *= 0.4
    made = faces.paste(taken, Picture(edited.clip(0, 255).astype(np.uint8)))
    change = np.abs(made.pixels.astype(int) - taken.photo.pixels)
    left, _, right, eye, _, mouth = (round(n) for n in POINTS)
    assert change[eye + 10 : mouth, left:right].mean() < 1.5
    assert change[eye - 90 : eye - 60, left:right].mean() > 20


@pytest.mark.parametrize("between", [60, 75, 90, 130, 200])
def test_fine_stripes_fade_where_the_crop_is_smaller(between: int) -> None:
    """Stripes of three pixels are finer than the crop's own; unaveraged they would come out as
    coarse ones of full strength."""
    columns = np.where(np.arange(1200) // 1.5 % 2 < 1, 60, 200).astype(np.uint8)
    pixels = np.broadcast_to(columns[None, :, None], (1200, 1200, 3)).copy()
    half = between / 2
    points = (600 - half, 500.0, 600 + half, 503.0, 600.0, 500 + 1.07 * between)
    crop = faces.cut(Picture(pixels), faces.OWN, points).crop.pixels
    wide = 3 * 34 / between  # pixels of the crop that one stripe pair takes; 2 is the finest
    assert crop.std() < (70 if wide > 2 else 40) * min(1, wide / 2)


def test_a_crop_larger_than_the_face_comes_back_averaged() -> None:
    source = photo()
    points = tuple(np.array(POINTS) / 6 + 100)
    taken = faces.cut(source, faces.celeba(256), points)
    edited = taken.crop.pixels.copy()
    edited[80:180:2, 80:180] = 255
    edited[81:180:2, 80:180] = 0
    made = faces.paste(taken, Picture(edited)).pixels
    x, y = (round(n) for n in points[4:])
    assert np.abs(made[y - 4 : y + 1, x - 3 : x + 4].astype(float) - 127).mean() < 30


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_stays_grey_and_transparency_stays(channels: int) -> None:
    source = photo(channels)
    taken = faces.cut(source, faces.OWN, POINTS)
    edited = 255 - taken.crop.pixels
    made = faces.paste(taken, Picture(edited))
    assert made.channels == source.channels and made.size == source.size and made != source
    if channels == 4:
        assert np.array_equal(made.pixels[..., 3], source.pixels[..., 3])


def test_fine_detail_of_a_large_photo_survives_a_slight_edit() -> None:
    """The crop is a fifth as large: what is finer than its pixels must come from the photo."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 160, (1800, 2500, 3), np.uint8)
    points = tuple(5 * n for n in POINTS)
    taken = faces.cut(Picture(pixels), faces.celeba(64), points)
    edited = taken.crop.pixels.copy()
    edited[28:48, 20:44] = np.clip(edited[28:48, 20:44].astype(int) + 6, 0, 255)
    made = faces.paste(taken, Picture(edited)).pixels
    y, x = round(points[5]) - 60, round(points[4])
    before = pixels[y - 20 : y + 20, x - 20 : x + 20].astype(float)
    after = made[y - 20 : y + 20, x - 20 : x + 20].astype(float)
    assert after.mean() > before.mean() + 1
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95


def test_a_face_at_the_rim_is_taken_with_the_rim_repeated() -> None:
    points = (3.0, 20.0, 40.0, 20.0, 20.0, 60.0)
    taken = faces.cut(photo(), faces.OWN, points)
    made = faces.paste(taken, Picture(255 - taken.crop.pixels))
    assert made.size == taken.photo.size and made != taken.photo


def test_what_is_odd_about_a_face_is_said() -> None:
    assert faces.fitness(POINTS) == ()
    small = faces.fitness([n / 4 for n in POINTS])
    assert len(small) == 1 and "small" in small[0]
    turned = faces.fitness((100.0, 100.0, 160.0, 100.0, 165.0, 160.0))
    assert len(turned) == 1 and "turned aside" in turned[0]
    taken = faces.cut(photo(), faces.OWN, [n / 4 for n in POINTS])
    assert taken.notes == small


def test_points_in_one_place_are_refused_in_a_sentence() -> None:
    with pytest.raises(ImageError, match="put the three handles apart"):
        faces.cut(photo(), faces.OWN, (50.0, 50.0) * 3)
    with pytest.raises(ImageError, match="outside the photo"):
        faces.cut(photo(), faces.OWN, tuple(n + 9000 for n in POINTS))


def test_without_a_face_a_portrait_is_taken_whole_and_a_large_photo_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faces, "find", lambda _photo: ())
    portrait = photo(size=(178, 218))
    taken = faces.cut(portrait, faces.celeba(128))
    assert taken.notes and "whole picture" in taken.notes[0]
    middle = portrait.pixels[20:198]
    wanted = cv2.resize(middle, (128, 128), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(taken.crop.pixels.astype(int) - wanted).mean() < 3
    with pytest.raises(ImageError, match="No face was found"):
        faces.cut(photo(size=(2000, 1500)), faces.OWN)


def test_overlapping_finds_are_one_face_the_likeliest() -> None:
    one = facefinder.Face((10, 10, 40, 44), POINTS, 0.7)
    same = replace(one, box=(12.0, 11.0, 41.0, 45.0), score=0.9)
    other = replace(one, box=(200.0, 10.0, 40.0, 44.0), score=0.6)
    assert facefinder._merged([one, same, other]) == [same, other]


@pytest.mark.parametrize("name", ["yunet_n_dynamic.onnx", "yunet_n_320_320.onnx"])
def test_a_yunet_file_is_used_where_it_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = (WEIGHTS / "face" / name).resolve()
    if not file.exists():
        pytest.skip("The weights of others are not here.")
    monkeypatch.setenv(facefinder.YUNET, str(file))
    found = faces.find(images.open_picture(SAMPLES / "faces-group.jpg"))
    assert len(found) == 3 and all(face.score > 0.6 for face in found)
    assert found[0].box[2] >= found[1].box[2] >= found[2].box[2]
    for face in found:
        x, y, width, height = face.box
        points = np.array(face.points).reshape(3, 2)
        assert ((points > (x, y)) & (points < (x + width, y + height))).all()
        assert points[0, 0] < points[1, 0] and points[2, 1] > points[:2, 1].max()
        wanted = min(
            (points_in(*place) for place in GROUP), key=lambda p: abs(p[0] - face.points[0])
        )
        between = wanted[2] - wanted[0]
        assert np.abs(np.subtract(face.points, wanted)).max() < 0.15 * between


def a_detector(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = facefinder.OWN if name == "own" else (WEIGHTS / "face" / name).resolve()
    if not file.exists():
        pytest.skip(f"The weights of the face finder {file.name} are not here.")
    monkeypatch.setattr(facefinder, "_yunet_file", lambda: None if name == "own" else file)


@pytest.mark.parametrize("name", ["own", "yunet_n_dynamic.onnx", "yunet_s_320_320.onnx"])
def test_faces_turned_and_scaled_anywhere_are_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Portraits of which the eyes are known, up to 20 degrees turned, on photos of houses."""
    a_detector(name, monkeypatch)
    portraits = sorted((DATA / "faces_public" / "test").glob("*.jpg"))[::8]
    grounds = sorted((DATA / "facades" / "test" / "photo").glob("*.jpg"))
    if not portraits or not grounds:
        pytest.skip("The photo sets are not here.")
    rng, missed = np.random.default_rng(5), []
    for k, file in enumerate(portraits):
        ground = images.open_picture(grounds[k % len(grounds)]).pixels
        ground = cv2.resize(ground, (800, 600), interpolation=cv2.INTER_LINEAR)
        scale = float(np.exp(rng.uniform(math.log(0.7), math.log(2.5))))
        turn = cv2.getRotationMatrix2D((72, 80), rng.uniform(-20, 20), scale)
        room = 72 * scale
        turn[:, 2] += rng.uniform((room, room), (800 - room, 600 - room)) - (72, 80)
        mask = cv2.warpAffine(np.ones((144, 144, 1), np.float32), turn, (800, 600))[..., None]
        laid = cv2.warpAffine(images.open_picture(file).pixels, turn, (800, 600))
        shown = (laid * mask + ground * (1 - mask)).astype(np.uint8)
        eyes = np.array([faces.OWN.left_eye, faces.OWN.right_eye]) @ turn[:, :2].T + turn[:, 2]
        found = [np.reshape(f.points[:4], (2, 2)) for f in faces.find(Picture(shown))]
        missed.append(
            min((np.hypot(*(f - eyes).T).mean() / (34 * scale) for f in found), default=math.inf)
        )
    hits = [m for m in missed if m < 0.3]
    assert len(hits) >= 0.85 * len(portraits)
    assert np.median(hits) < 0.12


def test_one_face_of_a_group_is_edited_and_the_others_keep_their_pixels() -> None:
    group = images.open_picture(SAMPLES / "faces-group.jpg")
    for template in (faces.OWN, faces.celeba(128)):
        for mine in GROUP:
            taken = faces.cut(group, template, points_in(*mine))
            assert not taken.notes
            made = faces.paste(taken, Picture(255 - taken.crop.pixels))
            changed = (made.pixels != group.pixels).any(2)
            for x, y, side in GROUP:
                part = changed[y : y + side, x : x + side]
                inner = part[side // 3 : 3 * side // 4, side // 3 : 2 * side // 3]
                assert inner.mean() > 0.95 if (x, y, side) == mine else not part.any()


def test_edits_of_several_faces_follow_one_another() -> None:
    """As in the studio: the edits of the others lie in the photo that a job is given."""
    group = images.open_picture(SAMPLES / "faces-group.jpg")
    both, last = group, group
    for place in GROUP[:2]:
        taken = faces.cut(both, faces.OWN, points_in(*place))
        last, both = both, faces.paste(taken, Picture(255 - taken.crop.pixels))
    x, y, side = GROUP[0]
    assert np.array_equal(
        both.pixels[y : y + side, x : x + side], last.pixels[y : y + side, x : x + side]
    )
    assert both != last != group


def test_a_turned_and_a_16_bit_file_give_the_same_face(tmp_path: Path) -> None:
    group = images.open_picture(SAMPLES / "faces-group.jpg")
    points = points_in(*GROUP[1])
    wanted = faces.cut(group, faces.OWN, points).crop.pixels.astype(int)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees to show
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(group.pixels)))
    turned.save(tmp_path / "turned.jpg", quality=98, subsampling=0, exif=exif)
    deep = group.pixels[..., ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    for name, most in (("turned.jpg", 3), ("deep.png", 0.5)):
        photo = images.open_picture(tmp_path / name)
        assert photo.size == group.size
        crop = faces.cut(photo, faces.OWN, points).crop.pixels
        assert np.abs(crop - wanted).mean() < most


@pytest.mark.parametrize("channels", [1, 4])
def test_of_a_very_large_photo_only_the_window_is_worked_on(channels: int) -> None:
    pixels = np.full((6000, 8000, 4) if channels == 4 else (6000, 8000), 120, np.uint8)
    pixels.flags.writeable = False
    large = Picture(pixels)
    tracemalloc.start()
    try:
        taken = faces.cut(large, faces.OWN, (3000.0, 3000.0, 3400.0, 3030.0, 3190.0, 3430.0))
        assert tracemalloc.get_traced_memory()[1] < 80e6
        tracemalloc.reset_peak()
        made = faces.paste(taken, Picture(255 - np.tri(144, dtype=np.uint8) * 90))
        assert tracemalloc.get_traced_memory()[1] < pixels.nbytes + 400e6
    finally:
        tracemalloc.stop()
    changed = made.pixels != large.pixels
    assert changed.any() and not changed[:2000].any() and not changed[4500:].any()


def test_a_blurred_face_is_said_to_be_blurred() -> None:
    sharp = images.open_picture(SAMPLES / "faces-one.jpg")
    points = points_in(0, 0, 288)
    assert faces.cut(sharp, faces.celeba(128), points).notes == ()
    soft = Picture(cv2.GaussianBlur(sharp.pixels, (0, 0), 8))
    notes = faces.cut(soft, faces.celeba(128), points).notes
    assert len(notes) == 1 and "blurred" in notes[0]


def test_what_is_odd_is_said_of_a_face_that_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    aside = (100.0, 100.0, 160.0, 100.0, 165.0, 160.0)
    face = facefinder.Face(facefinder.box_of(aside), aside, 0.9)
    monkeypatch.setattr(faces, "find", lambda _photo: (face,))
    assert "turned aside" in faces.cut(photo(), faces.OWN).notes[0]


def test_the_result_is_the_photo_or_the_crop() -> None:
    taken = faces.cut(photo(), faces.OWN, POINTS)
    edited = Picture(255 - taken.crop.pixels)
    assert faces.result(taken, edited, "crop") is edited
    assert faces.result(taken, edited, "photo") == faces.paste(taken, edited)


def test_the_tool_lists_the_faces_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = (100.0, 100.0, 160.0, 100.0, 165.0, 160.0)
    listed = tuple(facefinder.Face(facefinder.box_of(p), p, 0.91234) for p in (POINTS, turned))
    monkeypatch.setattr(faces, "find", lambda _photo: listed)
    *_, last = Engine("cpu").run(Job("faces", images={"photo": photo()}))
    assert isinstance(last, Result)
    first, second = json.loads(last.texts[0])
    assert tuple(first["points"]) == POINTS and first["score"] == 0.912 and not first["notes"]
    assert tuple(first["box"]) == listed[0].box and len(second["notes"]) == 1


def test_the_command_lists_the_faces_of_a_photo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = (facefinder.Face((10.0, 20.0, 90.0, 100.0), POINTS, 0.9),)
    monkeypatch.setattr(faces, "find", lambda _photo: found)
    file = str(SAMPLES / "faces-group.jpg")
    assert cli.main(["faces", file]) == 0
    line = capsys.readouterr().out
    assert line.startswith("90x100 at 10,20") and "points=220.0,160.0,280.0" in line
    assert cli.main(["faces", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["points"] == list(POINTS)
    monkeypatch.setattr(faces, "find", lambda _photo: ())
    assert cli.main(["faces", file]) == 1
    assert "no face was found" in capsys.readouterr().err
