"""What files may mean as label maps, and what comes of them by a table."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines import mapfiles, palettes
from engines.controls import Control, ImageInput, SketchInput
from engines.images import ImageError
from engines.job import Picture

SAMPLES = Path(__file__).parent.parent.parent / "resources" / "samples"
FACADES = palettes.palette("facades")


def png(numbers: np.ndarray, colours: np.ndarray | None = None) -> bytes:
    """Numbers (H, W) as an index PNG, grey in all shades or in colours (n, 3)."""
    image = Image.fromarray(numbers.astype(np.uint8))
    if colours is not None:
        image.putpalette(colours.astype(np.uint8).ravel().tolist())
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def house() -> np.ndarray:
    numbers = np.ones((60, 80), np.uint8)
    numbers[10:30, 10:30] = 2
    numbers[40:, 35:45] = 3
    return numbers


def noisy(pixels: np.ndarray, by: int, seed: int = 2) -> Picture:
    rng = np.random.default_rng(seed)
    return Picture(
        np.clip(pixels + rng.integers(-by, by + 1, pixels.shape), 0, 255).astype(np.uint8)
    )


def test_numbers_of_the_palette_need_no_asking() -> None:
    for data in (png(house()), png(house(), np.random.default_rng(1).integers(0, 256, (4, 3)))):
        file = mapfiles.open_map(data)
        assert mapfiles.meaning(file, FACADES) == ("numbers", True)
        table = mapfiles.table(file, "numbers", FACADES)
        made = mapfiles.read(file, "numbers", FACADES, table)
        assert np.array_equal(made.labels.pixels, house()) and not made.notes


def test_numbers_that_the_palette_lacks_are_in_doubt_and_told() -> None:
    numbers = house()
    numbers[numbers == 3] = 99
    file = mapfiles.open_map(png(numbers))
    assert mapfiles.meaning(file, FACADES) == ("numbers", False)
    assert [value for value, _ in file.by_number] == [1, 2, 99]
    assert sum(share for _, share in file.by_number) == pytest.approx(1)
    table = mapfiles.table(file, "numbers", FACADES)
    assert table == {1: 1, 2: 2, 99: FACADES.unknown}
    made = mapfiles.read(file, "numbers", FACADES, {1: 1, 2: 2})
    assert "do not" in made.notes[0] or "does not know" in made.notes[0]
    assert np.array_equal(
        mapfiles.read(file, "numbers", FACADES, table | {99: 3}).labels.pixels, house()
    )


def test_another_numbering_is_offered_by_the_palette() -> None:
    cityscapes = palettes.palette("cityscapes")
    file = mapfiles.of_picture(Picture(np.array([[0, 10, 13], [0, 10, 18]], np.uint8)))
    table = mapfiles.table(file, "numbers", cityscapes, "trainId")
    names = {value: cityscapes.names[n] for value, n in table.items()}
    assert names == {0: "road", 10: "sky", 13: "car", 18: "bicycle"}


def test_colours_of_the_palette_need_no_asking_also_after_compression(tmp_path: Path) -> None:
    coloured = palettes.coloured(Picture(house()), FACADES)
    Image.fromarray(coloured.pixels).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    file = mapfiles.open_map(tmp_path / "a.jpg")
    meant, sure = mapfiles.meaning(file, FACADES)
    assert meant == "colours" and sure
    made = mapfiles.read(file, meant, FACADES, mapfiles.table(file, meant, FACADES))
    assert (made.labels.pixels != house()).mean() < 0.01


def test_someone_elses_colours_become_classes_by_a_table() -> None:
    theirs = np.array([[0, 0, 0], [250, 250, 250], [10, 200, 90], [200, 0, 160]])
    picture = noisy(theirs[house()], 3)
    file = mapfiles.of_picture(picture)
    clean = mapfiles.of_picture(Picture(theirs[house()].astype(np.uint8)))
    assert mapfiles.meaning(clean, FACADES) == ("colours", False)
    found = mapfiles.table(file, "colours", FACADES)
    assert len(found) == 3  # noise is none of them
    wanted = {}
    for value in found:
        rgb = np.array([value >> 16 & 255, value >> 8 & 255, value & 255])
        wanted[value] = int(np.abs(theirs - rgb).sum(1).argmin())
    made = mapfiles.read(file, "colours", FACADES, wanted)
    assert np.array_equal(made.labels.pixels, house())


def test_a_photo_is_none_of_it() -> None:
    ramp = np.linspace(0, 255, 60 * 80 * 3).reshape(60, 80, 3)
    grey = Picture(noisy(ramp, 20).pixels[..., 0])
    for file in (mapfiles.of_picture(noisy(ramp, 20)), mapfiles.of_picture(grey)):
        assert mapfiles.meaning(file, FACADES) == ("photo", True)
    for photo in SAMPLES.glob("*.jpg"):
        assert mapfiles.meaning(mapfiles.open_map(photo), FACADES) == ("photo", True)


def test_a_damaged_file_is_refused() -> None:
    with pytest.raises(ImageError):
        mapfiles.open_map(b"nothing of the kind")


def test_a_file_becomes_what_the_input_takes(tmp_path: Path) -> None:
    def given(control: Control | None) -> np.ndarray:
        return mapfiles.open_given(tmp_path / "a.png", control).pixels

    theirs = np.random.default_rng(1).integers(0, 256, (4, 3))
    (tmp_path / "a.png").write_bytes(png(house(), theirs))
    classes = SketchInput("labels", "", "labels", (8, 8), "facades", classes=12)
    objects = SketchInput("objects", "", "labels", (8, 8), optional=True)
    assert np.array_equal(given(classes), house())
    assert np.array_equal(given(objects), house() - 1)  # from 0 on
    for control in (ImageInput("photo", ""), SketchInput("ink", "", "edges", (8, 8)), None):
        assert np.array_equal(given(control), theirs[house()])
    (tmp_path / "a.png").write_bytes(palettes.coloured(Picture(house()), FACADES).to_png())
    assert given(classes).shape == (60, 80, 3)  # the family reads the colours
