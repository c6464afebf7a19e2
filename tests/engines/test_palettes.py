"""Palettes, and label maps from other people's files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import parity
import pytest
from PIL import Image

from engines import palettes
from engines.images import ImageError
from engines.job import Picture

COUNTS = {
    "ade20k": 150,
    "camvid": 12,
    "cityscapes": 35,
    "coco-stuff": 182,
    "facades": 12,
    "maps": 10,
}
STREETS = palettes.palette("cityscapes")
FACADES = palettes.palette("facades")


def blocks(using: palettes.Palette, side: int = 16) -> np.ndarray:
    """Three stripes of classes 1, 5, 7."""
    return np.repeat(np.array([1, 5, 7], np.uint8), side)[None].repeat(3 * side, 0)


def png(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_every_palette_that_is_shipped() -> None:
    assert {name: len(palettes.palette(name)) for name in palettes.known()} == COUNTS
    for name in COUNTS:
        found = palettes.palette(name)
        assert len(set(found.names)) == len(found)
        assert 0 <= found.unknown < len(found)
        assert all(0 <= thing < len(found) for thing in found.things)
        for numbering in found.ids.values():
            assert set(numbering.values()) <= set(range(len(found)))


def test_the_colours_of_cityscapes_are_those_of_the_reference() -> None:
    manifest, _ = parity.case("pix2pixhd/encoder_and_inputs")
    assert [list(c) for c in STREETS.colours] == manifest["label_colors_35"]


def test_nearly_every_colour_leads_back_to_its_class() -> None:
    for name in COUNTS:
        found = palettes.palette(name)
        row = np.arange(len(found), dtype=np.uint8)[None]
        back, distance = palettes.nearest(palettes.coloured(Picture(row), found).pixels, found)
        assert not distance.any()
        first = [found.colours.index(c) for c in found.colours]
        assert back[0].tolist() == first


def test_index_files_keep_their_numbers() -> None:
    labels = blocks(STREETS)
    grey = Image.fromarray(labels)
    indexed = Image.fromarray(labels, "L").convert("P")
    indexed.putdata(labels.ravel().tolist())
    deep = Image.fromarray(labels.astype(np.uint16))
    for image in (grey, indexed, deep):
        assert np.array_equal(palettes.open_labels(png(image), STREETS).labels.pixels, labels)


def test_numbers_nobody_knows_become_the_unknown_class_and_are_told() -> None:
    labels = blocks(STREETS)
    labels[:, :12] = 255
    found = palettes.open_labels(png(Image.fromarray(labels)), STREETS)
    assert (found.labels.pixels[:, :12] == STREETS.unknown).all()
    assert found.notes[0].startswith("25.0 %") and "unlabeled" in found.notes[0]


def test_another_numbering() -> None:
    theirs = np.array([[0, 13, 18, 255]], np.uint8)
    found = palettes.from_numbers(theirs, STREETS, "trainId").labels.pixels
    assert [STREETS.names[n] for n in found[0]] == ["road", "car", "bicycle", "unlabeled"]


def test_a_colour_file_that_was_compressed_is_cleaned() -> None:
    labels = blocks(FACADES, 32)
    shown = Image.fromarray(palettes.coloured(Picture(labels), FACADES).pixels)
    raw, _ = palettes.nearest(np.asarray(Image.open(io.BytesIO(png(shown, "JPEG", quality=60)))),
                              FACADES)  # fmt: skip
    found = palettes.open_labels(png(shown, "JPEG", quality=60), FACADES)
    wrong = (found.labels.pixels != labels).mean()
    assert wrong <= (raw != labels).mean() and wrong < 0.01
    assert set(np.unique(found.labels.pixels)) == {1, 5, 7}


def test_specks_and_foreign_colours_are_filled_from_beside() -> None:
    labels = blocks(FACADES)
    shown = palettes.coloured(Picture(labels), FACADES).pixels.copy()
    shown[5, 5] = FACADES.colours[11]
    shown[20:24, 20:24] = (255, 0, 255)
    found = palettes.from_colours(Picture(shown), FACADES)
    assert np.array_equal(found.labels.pixels, labels) and "0.7 %" in found.notes[0]


def test_a_photo_without_any_of_the_colours_is_refused() -> None:
    with pytest.raises(ImageError, match="none of the colours"):
        palettes.from_colours(Picture(np.full((9, 9, 3), (255, 0, 255), np.uint8)), FACADES)


def test_regions_touch_by_an_edge_and_stuff_is_one() -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)
    assert len(np.unique(palettes.regions(labels))) == 6
    joined = palettes.regions(labels, frozenset({0}))
    assert len(np.unique(joined)) == 4 and len(np.unique(joined[labels == 0])) == 1
    assert palettes.sizes(np.array([[3, 3, 4]], np.uint8)).tolist() == [[2, 2, 1]]


def test_a_palette_of_ones_own() -> None:
    text = json.dumps({"classes": [["sky", "#0080ff"], ["sea", "#004080"]], "unknown": 1})
    own = palettes.parsed("own", text)
    assert own.names == ("sky", "sea") and own.colours[0] == (0, 128, 255) and own.unknown == 1
    for broken in ("{}", '{"classes": []}', '{"classes": [["sky", "blue"]]}', "[1]", "no JSON"):
        with pytest.raises(ImageError, match="is no palette"):
            palettes.parsed("own", broken)


def test_classes_a_model_never_saw_are_counted() -> None:
    assert palettes.unseen(np.array([[0, 11, 12, 255]], np.uint8), 12) == 0.5


def test_ones_own_palette_is_kept_and_hides_none_of_ours(home: Path, tmp_path: Path) -> None:
    body = {"title": "Mine", "classes": [["soil", "#553311"], ["leaf", "#22aa22"]]}
    (tmp_path / "mine.json").write_text(json.dumps(body))
    made = palettes.add(tmp_path / "mine.json")
    assert palettes.palette("mine") == made and made.names == ("soil", "leaf")
    assert home in palettes.own_folder().parents
    (tmp_path / "facades.json").write_text(json.dumps(body))
    with pytest.raises(ImageError, match="facades already"):
        palettes.add(tmp_path / "facades.json")
    assert len(palettes.palette("facades")) == 12


def test_classes_without_names_have_numbers_and_colours_far_apart() -> None:
    plain = palettes.named("", 40)
    assert plain.id == "40 classes" and plain.names[39] == "Class 39"
    colours = np.array(plain.colours[:12], int)
    apart = np.abs(colours[:, None] - colours[None]).sum(2)
    assert apart[~np.eye(12, dtype=bool)].min() > 40
    longer = palettes.named("facades", 14)
    assert longer.names[:12] == palettes.palette("facades").names
    assert longer.names[12:] == ("Class 12", "Class 13") and len(longer.colours) == 14
