"""Captioned pictures: words, splits, batches, the colour namer, and the scenes whose truth is
known."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines import captiondata, colournames, datasets, scenes
from engines.captiondata import END
from engines.datasets import DataError
from engines.wording import words_of


def garment(colour: tuple[int, int, int], ground: tuple[int, int, int]) -> np.ndarray:
    """A T-shirt of one colour with folds and light from the left, (64, 48, 3) uint8."""
    picture = np.full((64, 48, 3), ground, np.float32)
    outline = [(14, 10), (34, 10), (44, 22), (37, 28), (34, 24), (34, 56), (14, 56), (14, 24)]
    outline += [(11, 28), (4, 22)]
    cv2.fillPoly(picture, [np.array(outline, np.int32)], colour)
    light = np.linspace(1.1, 0.75, 48)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def clothing(tmp_path: Path) -> Path:
    folder = tmp_path / "clothing"
    rows = []
    colours = {"red": (190, 30, 35), "navy": (25, 30, 70), "green": (30, 140, 60)}
    for k, (name, colour) in enumerate(colours.items()):
        for split in ("train", "test"):
            (folder / split).mkdir(parents=True, exist_ok=True)
            picture = garment(colour, (235, 232, 228))
            cv2.imwrite(str(folder / split / f"{k}.png"), picture[..., ::-1])
            rows.append({"file": f"{k}.png", "split": split, "class": "t-shirt", "colour": name})
    write_csv(folder / "labels.csv", rows)
    return folder


def make(root: Path, **data: object) -> captiondata.Captioned:
    made = datasets.make_dataset(data, root, 3)
    assert isinstance(made, captiondata.Captioned)
    return made


def test_garments_are_described_by_the_namer(clothing: Path) -> None:
    data = make(clothing.parent, kind="captions", folder="clothing", size=[48, 48])
    assert [c[0] for c in data.captions] == [
        "a red t-shirt on a white background",
        "a navy t-shirt on a white background",
        "a green t-shirt on a white background",
    ]
    assert data.vocabulary[0] == END
    assert "t-shirt" in data.vocabulary


def test_a_batch_is_a_function_of_seed_step_and_rank(clothing: Path) -> None:
    data = make(clothing.parent, kind="captions", folder="clothing", size=[32, 48], shift=0.1)
    first, again = data.batch(5, 8, (32, 48)), data.batch(5, 8, (32, 48))
    other = data.batch(5, 8, (32, 48), rank=1)
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert not np.array_equal(first["photo"], other["photo"])
    assert first["photo"].shape == (8, 3, 48, 32)
    assert first["photo"].dtype == np.float32
    assert np.abs(first["photo"]).max() <= 1
    assert first["words"].shape == (8, 16)
    assert {a.dtype for k, a in first.items() if k != "photo"} == {np.dtype(np.int64)}


def test_words_are_padded_with_zeros_behind_the_length(clothing: Path) -> None:
    data = make(clothing.parent, kind="captions", folder="clothing", size=[32, 32])
    batch = data.batch(0, 6, (32, 32))
    for words, length, index in zip(batch["words"], batch["lengths"], batch["index"]):
        text = " ".join(data.vocabulary[w] for w in words[:length])
        assert text in [" ".join(words_of(c)) for c in data.captions[index]]
        assert (words[length:] == 0).all()


def test_a_held_out_split_uses_the_vocabulary_of_the_training(clothing: Path) -> None:
    known = (END, "a", "red", "t-shirt")
    data = captiondata.captioned([clothing], "test", vocabulary=known, size=(32, 32))
    words = data.batch(0, 3, (32, 32))["words"]
    assert data.vocabulary == known
    assert words.max() == 3
    assert sorted({" ".join(known[w] for w in row if w) for row in words})[0].startswith("a")


def test_flags_and_skin_tones_are_left_out_of_the_emoji(tmp_path: Path) -> None:
    rows = [
        ("1f600.png", "grinning face", "people", "face;smile"),
        ("1f44d-1f3fb.png", "thumbs up tone 1", "people", ""),
        ("1f597-1f3fd.png", "left hand medium skin tone", "", ""),
        ("1f1e9-1f1ea.png", "germany", "flags", "country"),
        ("2b05.png", "left arrow", "symbols", "arrow"),
    ]
    (tmp_path / "images").mkdir()
    for file, *_ in rows:
        cv2.imwrite(str(tmp_path / "images" / file), np.full((16, 16, 3), 90, np.uint8))
    write_csv(
        tmp_path / "captions.csv",
        [dict(zip(("file", "name", "category", "keywords"), row)) for row in rows],
    )
    both = [e for s in ("train", "test") for e in captiondata.read_folder(tmp_path, s)]
    assert sorted(e.file.name for e in both) == ["1f600.png", "2b05.png"]
    assert not any(e.flip for e in both)


def test_captions_that_are_too_long_are_left_out_unless_all_are(tmp_path: Path) -> None:
    entry = captiondata.Entry(tmp_path, "x", ("one two three four five", "one two"))
    only = captiondata.Entry(tmp_path, "x", ("five four three two one",))
    pictures = [np.zeros((8, 8, 3), np.uint8)] * 2
    data = captiondata.Captioned([entry, only], (8, 8), pictures=pictures, longest=3)
    said = [[[data.vocabulary[w] for w in row if w] for row in rows] for rows in data.encoded]
    assert said == [[["one", "two"]], [["five", "four", "three"]]]


def test_a_set_without_splits_keeps_pictures_for_who_is_to_judge(tmp_path: Path) -> None:
    for k in range(200):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((8, 8, 3), k, np.uint8))
        (tmp_path / f"{k}.txt").write_text("a grey square")
    train, test, taught, judges = (
        {entry.file.name for entry in captiondata.read_folder(tmp_path, split)}
        for split in ("train", "test", "taught", "judges")
    )
    assert len(train | test) == 200 and not train & test
    assert taught | judges == train and not taught & judges
    assert 0.15 < len(judges) / len(train) < 0.35 and 0.04 < len(test) / 200 < 0.18


def test_any_folder_of_pictures_and_texts_is_read(tmp_path: Path) -> None:
    for k in range(40):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((20, 30, 3), 6 * k, np.uint8))
        (tmp_path / f"{k}.txt").write_text(f"Picture number {k}\nThe {k}-th!\n")
    train, test = (captiondata.read_folder(tmp_path, s) for s in ("train", "test"))
    assert len(train) + len(test) == 40
    assert {e.file for e in train}.isdisjoint({e.file for e in test})
    assert train[0].captions[0].startswith("Picture number")


def test_a_picture_that_says_left_is_never_mirrored(tmp_path: Path) -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = 255
    entry = captiondata.Entry(tmp_path, "x", ("light on the left",))
    data = captiondata.Captioned([entry], (16, 16), pictures=[picture])
    batch = data.batch(0, 8, (16, 16))["photo"]
    assert (batch[..., 0] == 1).all()


def test_a_tall_picture_keeps_its_proportions_in_a_square() -> None:
    tall = np.zeros((40, 20, 3), np.uint8)
    tall[:, 8:12] = 255
    square = captiondata.padded(tall, (40, 40))
    assert (square[:, 10:30] == tall).all()


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((15, 15, 16), "black"),
        ((128, 128, 126), "grey"),
        ((245, 245, 240), "white"),
        ((225, 205, 175), "beige"),
        ((105, 70, 45), "brown"),
        ((205, 25, 30), "red"),
        ((100, 10, 25), "dark red"),
        ((245, 150, 190), "pink"),
        ((245, 130, 20), "orange"),
        ((245, 220, 40), "yellow"),
        ((110, 110, 50), "olive"),
        ((40, 160, 60), "green"),
        ((20, 70, 35), "dark green"),
        ((20, 140, 140), "teal"),
        ((150, 190, 235), "light blue"),
        ((30, 70, 200), "blue"),
        ((22, 28, 62), "navy"),
        ((120, 50, 160), "purple"),
    ],
)
def test_colours_have_the_names_that_people_give(rgb: tuple[int, int, int], word: str) -> None:
    pixel = np.array([[rgb]], np.float32) / 255
    assert colournames.name(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0]) == word


def test_light_and_shade_of_one_cloth_are_one_colour() -> None:
    names, ground = colournames.of_thing(garment((190, 30, 35), (90, 60, 40)))
    assert names == ("red",)
    assert ground == "brown"


def test_two_colours_of_a_thing_are_both_named() -> None:
    picture = garment((245, 245, 245), (60, 90, 60))
    picture[36:56, 14:34] = (200, 30, 40)
    assert set(colournames.of_thing(picture)[0]) == {"white", "red"}


# ---- scenes --------------------------------------------------------------------------------------


def test_what_is_drawn_is_what_is_read() -> None:
    rng = np.random.default_rng(1)
    made = [scenes.random_scene(rng) for _ in range(150)]
    right = []
    for scene in made:
        seen = scenes.agreement(scenes.captions(scene)[0], scenes.draw(scene, (64, 64), rng))
        right.append([seen[k] for k in ("colour", "shape", "relation")])
    assert np.mean(right, axis=0).min() > 0.98


def test_another_caption_does_not_agree() -> None:
    rng = np.random.default_rng(2)
    picture = scenes.draw(scenes.parse("a large red star"), (64, 64), rng)
    assert scenes.agreement("a large blue star", picture) == {
        "colour": False, "shape": True, "relation": True,
    }  # fmt: skip
    assert not scenes.agreement("a large red circle", picture)["shape"]
    assert scenes.read(np.full((64, 64, 3), 200, np.uint8)) is None


def test_captions_of_the_grammar_are_parsed_back() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        scene = scenes.random_scene(rng)
        assert scenes.parse(scenes.captions(scene)[0]) == scene
    with pytest.raises(DataError, match="does not name"):
        scenes.parse("a small something")


def test_splits_of_drawn_scenes_share_no_caption() -> None:
    said = [
        {c for texts in scenes.drawn(120, (32, 32), split=s).captions for c in texts}
        for s in ("train", "test")
    ]
    assert said[0].isdisjoint(said[1])


def test_the_vocabulary_of_scenes_is_the_same_in_every_split(tmp_path: Path) -> None:
    train = make(tmp_path, kind="shapes", count=20, size=[32, 32])
    assert train.vocabulary == scenes.drawn(5, (32, 32), split="test").vocabulary
    assert train.classes == tuple(sorted(scenes.SHAPES))
    batch = train.batch(0, 4, (32, 32))
    assert batch["words"].min() == 0
    assert (batch["lengths"] > 2).all()


def test_fewer_shapes_in_the_middle_are_an_easier_set(tmp_path: Path) -> None:
    options = {"kind": "shapes", "count": 30, "size": [64, 64], "pair": 0.0}
    easy = make(tmp_path, **options, shapes=["star", "ring"], spread=0.0)
    told = [scenes.parse(texts[0]).things for texts in easy.captions]
    assert {thing.shape for things in told for thing in things} == {"star", "ring"}
    assert easy.vocabulary == make(tmp_path, **options).vocabulary
    for photo in easy.photos:
        ground = photo[0, 0].astype(int)
        rows, columns = np.nonzero(np.abs(photo.astype(int) - ground).max(2) > 45)
        assert abs(rows.min() + rows.max() - 63) <= 6 and abs(columns.mean() - 31.5) < 3


def test_a_misspelt_entry_is_refused_in_a_sentence(clothing: Path) -> None:
    with pytest.raises(DataError, match="unknown"):
        make(clothing.parent, kind="captions", folder="clothing", sice=3)
    with pytest.raises(DataError, match="unknown"):
        make(clothing.parent, kind="shapes", counts=3)
    with pytest.raises(DataError, match="no folder"):
        make(clothing.parent / "nothing", kind="captions", folder="x")
