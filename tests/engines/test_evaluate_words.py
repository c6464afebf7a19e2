"""The numbers of the starters that paint captions: each formula on cases with known answers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engines import evaluate_words as words
from engines.captiondata import Captioned, Entry, read_folder


def test_r_precision_counts_who_finds_its_own_caption_first() -> None:
    captions = ["a", "b", "a", "c"]
    scores = np.zeros((4, 4))
    scores[0, 0], scores[0, 2] = 1, 9  # the same text: no rival
    scores[1, 1], scores[1, 3] = 1, 2  # another text is better
    scores[2, 2] = 1
    assert words.r_precision(scores, captions) == 0.5  # the last one is equal to others, not first


def test_the_nearest_caption_shares_most_words() -> None:
    known = ["a red hat", "a blue dress on a red background", "a blue dress"]
    assert words.nearest(["a blue dress", "a red scarf"], known) == [2, 0]


def test_a_painted_garment_has_its_colours() -> None:
    picture = np.full((2, 128, 128, 3), 240, np.uint8)
    picture[:, 30:100, 40:88] = (200, 30, 40)
    found = words.colours_agree(
        words.garments(picture),
        ["a red dress on a white background", "a navy dress on a black background"],
    )
    assert found == {"colour": 0.5, "ground": 0.5}


def test_two_colours_and_long_names_are_told_apart() -> None:
    dark = np.full((1, 128, 96, 3), 240, np.uint8)
    dark[:, 30:100, 24:72] = (95, 20, 25)
    assert words.colours_agree(dark, ["a dark red top on a white background"])["colour"] == 1
    assert words.colours_agree(dark, ["a red top on a white background"])["colour"] == 0


def test_the_judge_never_sees_what_it_judges(tmp_path: Path) -> None:
    rows = ["file,split,class"]
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
        for n in range(4):
            cv2.imwrite(str(tmp_path / split / f"{split}{n}.jpg"), np.zeros((8, 6, 3), np.uint8))
            rows.append(f"{split}{n}.jpg,{split},hat")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    judge, rest = words.split_entries(tmp_path)
    files = {entry.file for entry in judge}, {entry.file for entry in rest}
    assert not files[0] & files[1] and len(files[0]) == 6 and len(files[1]) == 2
    assert not files[0] & {entry.file for entry in read_folder(tmp_path, "train")}


def test_of_a_set_without_splits_the_judge_sees_what_the_model_did_not(tmp_path: Path) -> None:
    for n in range(80):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.zeros((8, 8, 3), np.uint8))
        (tmp_path / f"{n}.txt").write_text("a black square")
    files = {split: {e.file for e in read_folder(tmp_path, split)} for split in ("taught", "test")}
    judge, rest = ({e.file for e in part} for part in words.split_entries(tmp_path, "taught"))
    assert judge and not judge & files["taught"] and not judge & rest and rest == files["test"]
    judge, _ = ({e.file for e in part} for part in words.split_entries(tmp_path))
    assert files["taught"] < judge


def test_a_picture_is_cut_to_the_photo_inside_of_its_square() -> None:
    square = np.zeros((1, 128, 128, 3), np.uint8)
    square[:, :, 16:112] = 255
    assert words.garments(square).shape == (1, 128, 96, 3) and words.garments(square).min() == 255
    with pytest.raises(IndexError):
        words.garments(np.zeros((128, 128), np.uint8))


def test_a_recogniser_of_the_set_s_classes_says_what_is_painted(tmp_path: Path) -> None:
    entries, pictures = [], []
    rng = np.random.default_rng(0)
    for n in range(24):
        picture = np.full((64, 64, 3), 255, np.uint8)
        left, top = (int(v) for v in rng.integers(8, 24, 2))
        picture[top : top + 30, left : left + 30] = (220, 40, 40) if n % 2 else (40, 60, 220)
        pictures.append(picture)
        entries.append(Entry(tmp_path / f"{n}.png", "food" if n % 2 else "travel", ("a thing",)))
    data = Captioned(entries, (64, 64), pictures=pictures)
    words.train_kinds(data, tmp_path / "kinds.safetensors", 40)
    held = words.Held(["a thing"] * 24, [e.klass for e in entries], np.stack(pictures))
    right = words.class_number(held.pictures, held, tmp_path / "kinds.safetensors")
    wrong = words.class_number(held.pictures[::-1], held, tmp_path / "kinds.safetensors")
    assert right["class"] > 0.9 and wrong["class"] < 0.1


def test_a_picture_is_asked_for_by_words_that_the_model_knows() -> None:
    known = {"food", "red"}
    assert words.readable(("burrito", "burrito mexican", "burrito food"), known) == "burrito food"
    assert words.readable(("red burrito", "red food"), known) == "red burrito"
    assert words.readable(("burrito",), known) == "burrito"
