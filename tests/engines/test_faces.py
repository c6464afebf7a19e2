"""The face loop: aligned to any template, pasted back, everything else left as it was."""

import math
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines import facefinder, faces
from engines.controls import FaceTemplate
from engines.images import ImageError
from engines.job import Picture

POINTS = (220.0, 160.0, 280.0, 170.0, 243.0, 228.0)
WEIGHTS = Path(os.environ.get("GANVAS_WEIGHTS", "../shared/weights"))


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
    sample = Path(__file__).parent.parent.parent / "resources" / "samples" / "faces-group.jpg"
    from engines import images

    found = faces.find(images.open_picture(sample))
    assert len(found) == 3 and all(face.score > 0.6 for face in found)
    assert found[0].box[2] >= found[1].box[2] >= found[2].box[2]
    for face in found:
        x, y, width, height = face.box
        points = np.array(face.points).reshape(3, 2)
        assert ((points > (x, y)) & (points < (x + width, y + height))).all()
        assert points[0, 0] < points[1, 0] and points[2, 1] > points[:2, 1].max()
