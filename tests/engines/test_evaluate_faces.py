"""The numbers of face models: which edits are asked for, what counts as seen, what the sheet
shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines import checkpoint, embedder, evaluate_faces
from engines.controls import Attributes, Box, Choice, ModelCard, Slider
from engines.evaluate_faces import (
    LAID,
    Bench,
    Edit,
    Judge,
    Outcome,
    accuracies,
    blends,
    edits,
    first,
    load_judge,
    needs_donor,
    outside,
    portraits,
    summary,
    unedited,
)
from engines.facedata import LabelledFaces
from engines.families.ageing import config as ageing
from engines.families.stargan import config as stargan
from engines.family import families
from engines.training import Recipe

COLUMNS = ("file", "split", "licence_tier", "person", "smile", "glasses", "hair",
           "gender_presentation", "age")  # fmt: skip
NAMES = ("smile", "glasses", "black_hair", "brown_hair", "blond_hair", "grey_hair", "male", "old")
HAIR = ("black", "brown", "blond", "grey_white")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen people, half of them smiling: these are brighter. Person 0 has two portraits."""
    home = tmp_path_factory.mktemp("data") / "faces_public"
    (home / "test").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (home / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(17):
            person, smiles = n % 16, n % 2 == 0
            pixels = rng.integers(0, 90, (18, 18, 3)).repeat(8, 0).repeat(8, 1) + 120 * smiles
            Image.fromarray(pixels.astype(np.uint8)).save(home / "test" / f"{n}.png")
            writer.writerow([
                f"test/{n}.png", "test", "A", f"p{person}", "teeth" if smiles else "closed",
                "yes" if n % 3 == 0 else "no", HAIR[n % 4], "male" if n % 8 < 4 else "female",
                70 if n % 5 == 0 else 30,
            ])  # fmt: skip
    return home


@pytest.fixture
def held(folder: Path) -> LabelledFaces:
    return LabelledFaces(folder, attributes=NAMES, split="test")


def card(*controls: Any) -> ModelCard:
    return ModelCard("x", "X", controls)


LABELS = card(Attributes("attributes", "", NAMES, -2, 2))
AGES = card(Slider("age", "", 0, 2, 0.1, 1))
SWAP = card(Choice("targets", "", (("swap", ""), ("remove", "")), "swap"), Slider("strength", "", 0, 1, 0.1, 1))  # fmt: skip  # noqa: E501
ATTENDED = card(Slider("strength", "", 0, 1, 0.1, 1), Box("box", ""))


def test_labels_go_on_and_off_but_hair_only_on() -> None:
    asked = edits(LABELS, NAMES)
    assert [(e.attribute, e.on) for e in asked[:3]] == [
        ("smile", True), ("smile", False), ("glasses", True),
    ]  # fmt: skip
    assert [e.on for e in asked if e.attribute == "blond_hair"] == [True]
    assert len(asked) == 2 * 8 - 4
    assert asked[1].values["attributes"] == [-1.0, *[0.0] * 7]


def test_each_kind_of_model_is_asked_in_its_own_way() -> None:
    assert [e.values for e in edits(AGES, ("young", "old"))] == [{"age": 0.0}, {"age": 1.0}]
    on, off = edits(SWAP, ("glasses",))
    assert on.donor and on.on and on.values == {"targets": "swap"}
    assert not off.donor and not off.on and off.values == {"targets": "remove"}
    assert edits(ATTENDED, ("smile",)) == [Edit("smile", True, {})]
    assert needs_donor(SWAP) and not needs_donor(LABELS)


def test_what_gives_the_photo_back() -> None:
    assert unedited(LABELS, [0, 1]) == {}
    assert unedited(AGES, [0, 0, 1]) == {"age": 2.0}
    assert unedited(SWAP, [1]) == {"strength": 0.0}
    assert unedited(ATTENDED, [1]) is None


def test_changes_count_outside_of_the_region_alone() -> None:
    before = np.full((144, 144, 3), 100, np.uint8)
    within, beyond, slight = before.copy(), before.copy(), before.copy()
    within[82:128, 42:102] = 0
    beyond[:10] = 0
    slight[:] += 10
    assert outside(before, within, "smile") == 0 and outside(before, slight, "smile") == 0
    assert outside(before, beyond, "smile") == pytest.approx(1440 / (144 * 144 - 46 * 60))
    assert np.isnan(outside(before, beyond, "male"))


def test_accuracy_is_balanced(held: LabelledFaces) -> None:
    chances = held.labels.copy()
    assert accuracies(chances, held)["smile"] == 1
    chances[:, 0] = 1
    assert accuracies(chances, held)["smile"] == 0.5


def test_a_summary_counts_what_the_judge_sees(held: LabelledFaces) -> None:
    on, off = (Edit("smile", value, {}) for value in (True, False))

    def outcome(edit: Edit, person: int, before: float, after: float) -> Outcome:
        rows = [np.full(len(NAMES), v) for v in (before, after)]
        return Outcome(edit, person, rows[0], rows[1], 0.1, np.nan)

    found = [
        outcome(on, 1, 0.1, 0.9), outcome(on, 3, 0.6, 0.2),
        outcome(off, 0, 0.9, 0.2), outcome(off, 2, 0.9, 0.1),
    ]  # fmt: skip
    numbers = summary(found, held, ages=False)
    assert numbers["smile"] == 0.75
    assert (numbers["smile put on"], numbers["smile taken off"]) == (0.5, 1.0)
    assert numbers["smile without a change"] == 0.25
    assert numbers["smile changed elsewhere"] == pytest.approx(0.1)
    assert not [name for name in numbers if "identity" in name or name.startswith("glasses")]


def test_of_ages_the_likeliest_group_counts(folder: Path) -> None:
    held = LabelledFaces(folder, attributes=("age_0_40", "age_41_60", "age_61_99"), split="test")
    edit = Edit("age_0_40", True, {"age": 0.0})
    rows = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]])
    found = [Outcome(edit, n, rows[2], row, np.nan, np.nan) for n, row in enumerate(rows)]
    numbers = summary(found, held, ages=True)
    assert numbers["age_0_40"] == pytest.approx(1 / 3)
    assert numbers["age within one group"] == pytest.approx(2 / 3)
    assert numbers["age_0_40 without a change"] == 0


def test_no_more_than_asked_are_taken_and_evenly(held: LabelledFaces) -> None:
    files = list(held.files)
    few = first(held, 5)
    assert [files.index(f) for f in few.files] == [0, 4, 8, 12, 16]
    assert len(few.photos) == len(few.rows) == len(few.labels) == 5
    assert first(few, 50) is few


def test_a_blend_is_the_mean_of_seven_people(
    held: LabelledFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowds: list[set[str]] = []
    bytes_of = {photo.tobytes(): row["person"] for photo, row in zip(held.photos, held.rows)}
    plain = evaluate_faces._blended

    def blended(photos: Any) -> np.ndarray:
        crowds.append({bytes_of[photo.tobytes()] for photo in photos})
        return plain(photos)

    monkeypatch.setattr(evaluate_faces, "_blended", blended)
    made = blends(held)
    assert len(made) == len(crowds) == 2 and all(len(crowd) == 7 for crowd in crowds)
    assert not crowds[0] & crowds[1]
    for picture in made:
        assert picture.shape == (144, 144, 3)
        assert min(np.abs(picture.astype(int) - p).mean() for p in held.photos) > 5
    assert blends(first(held, 6)) == []


def test_a_judge_of_other_attributes_is_refused(tmp_path: Path) -> None:
    judge = Judge(("smile", "glasses"))
    path = tmp_path / "judge.safetensors"
    checkpoint.save(path, judge.state_dict(), {"attributes": list(judge.attributes)})
    photos = [np.full((144, 144, 3), level, np.uint8) for level in (0, 200)]
    again = load_judge(path, ("glasses",))
    assert np.allclose(again.chances(photos, ("glasses",))[:, 0], judge.chances(photos, NAMES[:2])[:, 1])  # fmt: skip  # noqa: E501
    with pytest.raises(SystemExit, match="judges other attributes"):
        load_judge(path, ("hat",))


def test_a_portrait_is_cut_where_its_folder_says_that_the_face_lies(tmp_path: Path) -> None:
    """A net that adds nothing gives the portrait back: uncut, since UTKFace lies as it sees."""
    config = ageing.Config(z=4, width=2, hidden=4, dense=4, maps=4, levels=5, adds=True)
    net = families()["aging"].build(config)
    last = net.get_submodule("generator.main")[-1]  # pyright: ignore[reportIndexIssue]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    model = tmp_path / "age.safetensors"
    body = {"family": "aging", "config": families()["aging"].to_dict(config)}
    checkpoint.save(model, net.state_dict(), body)
    photo = (
        np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    bench = Bench(model, LAID["faces_utk"])
    assert np.abs(bench.made(photo, {"age": 3.0}, output="crop").astype(int) - photo).max() <= 1
    elsewhere = Bench(model).made(photo, {"age": 3.0}, output="crop")
    assert np.abs(elsewhere.astype(int) - photo).mean() > 20


def test_titles_are_words() -> None:
    said = [evaluate_faces._words(a) for a in ("grey_hair", "smile", "age_19_29", "age_60_120")]
    assert said == ["grey hair", "smile", "19-29 years", "60+ years"]


def test_a_judge_of_ages_sees_them_as_often_as_they_are(tmp_path: Path) -> None:
    """Groups exclude each other: to draw two of them half of the time would leave no other."""
    home = tmp_path / "faces_utk"
    (home / "train").mkdir(parents=True)
    with (home / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "gender", "age"))
        for n in range(30):
            picture = np.full((16, 16, 3), 8 * n, np.uint8)
            Image.fromarray(picture).save(home / "train" / f"{n}.png")
            writer.writerow((f"train/{n}.png", "train", n % 2, (5, 30, 70)[n % 3]))
    ages = ("age_0_18", "age_19_59", "age_60_120")
    told = {"folder": "faces_utk", "attributes": ages, "balance": ["gender"]}
    recipe = Recipe("ages", "", (), told)
    known = portraits(recipe, tmp_path, "train")
    assert known.labels.T @ known.weights == pytest.approx([1 / 3] * 3)


def test_numbers_and_sheet_of_a_whole_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder, "installed", lambda: None)
    monkeypatch.setattr(evaluate_faces, "edits", lambda *told: edits(*told)[:3])  # for speed
    torch.manual_seed(0)
    family = families()["stargan"]
    config = stargan.Config(NAMES, 4, 1, size=32, template="own", labeller=(4,))
    model, judge = tmp_path / "model.safetensors", tmp_path / "judge.safetensors"
    body = {"family": "stargan", "config": family.to_dict(config)}
    checkpoint.save(model, family.build(config).state_dict(), body)
    checkpoint.save(judge, Judge(NAMES).state_dict(), {"attributes": list(NAMES)})
    told: list[str] = []
    sheet = tmp_path / "docs" / "sheet.jpg"
    arguments = ["face-attributes", "--data", folder.parent, "--model", model, "--judge", judge,
                 "--sheet", sheet, "--most", 17, "--write"]  # fmt: skip
    assert evaluate_faces.main([str(a) for a in arguments], told.append) == 0  # type: ignore[arg-type]
    numbers = json.loads(told[-1])
    assert numbers["portraits held out"] == 17
    assert 0 <= numbers["smile"] <= 1 and 0 < numbers["reconstruction L1"] < 1
    assert not [name for name in numbers if "identity" in name]
    with Image.open(sheet) as image:
        assert image.width > 4 * 144
    kept = checkpoint.open_checkpoint(model).metadata["card"]["numbers"]
    assert kept["smile"] == numbers["smile"]
