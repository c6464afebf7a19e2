"""Labelled portraits: what is known of each, and what is drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.datasets import DataError, make_dataset
from engines.facedata import LabelledFaces

LABELS = """\
file,split,licence_tier,hat,gender_presentation,smile,smile_source,smile_conf,hair,age_upper_bound,\
age_group_perceived
train/0.jpg,train,A,1,male,teeth,model,0.9,black,40,35-50
train/1.jpg,train,A,-1,male,closed,model,0.5,brown,70,o65
train/2.jpg,train,B,yes,female,none,eye,1.0,red,55,35-50
train/3.jpg,train,A,,male,closed,model,0.95,,71,35-50
test/4.jpg,test,A,no,female,teeth,eye,1.0,black,30,u35
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "faces"
    for row in csv.DictReader(LABELS.splitlines()):
        path = home / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        ramp = np.tile(np.linspace(0, 200, 24, dtype=np.uint8)[None, :, None], (24, 1, 3))
        Image.fromarray(ramp + np.uint8(int(path.stem))).save(path, quality=95)
    (home / "labels.csv").write_text(LABELS)
    return home


def test_labels_are_on_off_or_unknown(folder: Path) -> None:
    names = ("smile", "black_hair", "male", "old")
    faces = LabelledFaces(folder, attributes=names)
    assert len(faces) == 4 and faces.size == (24, 24)
    assert faces.labels.tolist() == [[1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert faces.known.tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0]]
    assert faces.split("smile", True).tolist() == [0]
    assert faces.split("smile", False).tolist() == [2, 3]
    assert LabelledFaces(folder, attributes=names, confidence=0.4).known[1, 0] == 1


def test_age_groups_are_read_from_years(folder: Path) -> None:
    faces = LabelledFaces(folder, attributes=("age_0_50", "age_51_99"))
    assert faces.labels.argmax(1).tolist() == [0, 1, 1, 1]
    assert faces.years().tolist() == [40, 70, 55, 71]


def test_columns_of_ones_own_are_read_as_yes_and_no(folder: Path) -> None:
    faces = LabelledFaces(folder, attributes=("hat",))
    assert faces.labels[:, 0].tolist() == [1, 0, 1, 0] and faces.known[:, 0].tolist() == [
        1,
        1,
        1,
        0,
    ]


def test_split_and_tiers_choose_the_photos(folder: Path) -> None:
    assert len(LabelledFaces(folder, split="test")) == 1
    assert [f.stem for f in LabelledFaces(folder, tiers=("A",)).files] == ["0", "1", "3"]


def test_a_batch_depends_on_seed_step_and_rank_alone(folder: Path) -> None:
    faces = LabelledFaces(folder, attributes=("smile", "male"), seed=3, shift=0.05)
    one, again, other = (faces.batch(step, 6, (16, 12)) for step in (5, 5, 6))
    assert one["photo"].shape == (6, 3, 12, 16) and one["photo"].dtype == np.float32
    assert one["labels"].shape == one["known"].shape == (6, 2)
    assert -1 <= one["photo"].min() < one["photo"].max() <= 1
    for name in one:
        assert np.array_equal(one[name], again[name])
    assert not np.array_equal(one["photo"], other["photo"])
    assert not np.array_equal(one["photo"], faces.batch(5, 6, (16, 12), rank=1)["photo"])
    assert np.array_equal(one["labels"], faces.labels[one["index"]])


def test_flips_mirror_and_a_photo_by_index_stays(folder: Path) -> None:
    faces = LabelledFaces(folder, attributes=("smile",))
    slopes = np.sign(np.diff(faces.batch(0, 64, (24, 24))["photo"].mean((1, 2)), axis=1).mean(1))
    assert {-1.0, 1.0} == set(slopes)
    assert np.diff(faces.photo(2)[:, :, 0].mean(0)).mean() > 0


def test_balance_draws_the_rare_side_as_often(folder: Path) -> None:
    plain = LabelledFaces(folder, attributes=("male",))
    even = LabelledFaces(folder, attributes=("male",), balance=("male",))
    assert plain.batch(0, 400, (8, 8))["labels"].mean() > 0.65
    assert even.batch(0, 400, (8, 8))["labels"].mean() == pytest.approx(0.5, abs=0.08)
    capped = LabelledFaces(folder, attributes=("male",), balance=("male",), most=1.2)
    assert capped.weights.max() <= 1.2 / 4 + 1e-9
    by_column = LabelledFaces(folder, attributes=("smile",), balance=("gender_presentation",))
    assert by_column.weights[2] == pytest.approx(0.5)


def test_a_recipe_makes_it_of_one_or_more_folders(folder: Path, tmp_path: Path) -> None:
    table = {"kind": "faces", "folder": "faces", "attributes": ["smile"], "size": [16, 16]}
    made = make_dataset(table, tmp_path, 7)
    assert isinstance(made, LabelledFaces) and made.seed == 7 and made.size == (16, 16)
    several = make_dataset({**table, "folder": ["faces", "faces"]}, tmp_path, 7)
    assert len(several) == 2 * len(made)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"attributes": ("wings",)}, "who has “wings”"), ({"attributes": ("glasses",)}, "who has"),
     ({"tiers": ("Z",)}, "no picture of the split"), ({"balance": ("wings",)}, "no column")],
)  # fmt: skip
def test_what_is_missing_is_named(folder: Path, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        LabelledFaces(folder, **options)  # pyright: ignore[reportArgumentType]


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no labels\.csv"):
        LabelledFaces(tmp_path)
    with pytest.raises(DataError, match="unknown"):
        make_dataset({"kind": "faces", "wings": 2}, tmp_path, 0)


# ---- other people's sets -------------------------------------------------------------------------


def grey(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 16), (level, level, level)).save(path)


def celeba(home: Path, partition: bool = True) -> Path:
    lines = ["3", "Smiling Black_Hair Young"]
    for n, values in enumerate((" 1 -1  1", "-1  1  1", " 1  1 -1"), 1):
        grey(home / "img_align_celeba" / f"00000{n}.png", 40 * n)
        lines.append(f"00000{n}.png {values}")
    (home / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    if partition:
        told = "000001.png 0\n000002.png 0\n000003.png 2\n"
        (home / "list_eval_partition.txt").write_text(told)
    return home


def test_the_list_of_celeba_is_read_with_its_partition(tmp_path: Path) -> None:
    names = ("Smiling", "Black_Hair")
    train = LabelledFaces(celeba(tmp_path), attributes=names)
    assert train.labels.tolist() == [[1, 0], [0, 1]] and train.known.all()
    assert [int(photo[0, 0, 0]) for photo in train.photos] == [40, 80]
    test = LabelledFaces(tmp_path, attributes=names, split="test")
    assert test.labels.tolist() == [[1, 1]] and int(test.photos[0][0, 0, 0]) == 120


def test_without_a_partition_the_whole_list_is_for_training(tmp_path: Path) -> None:
    faces = LabelledFaces(celeba(tmp_path, partition=False), attributes=("Young",))
    assert faces.labels.ravel().tolist() == [1, 1, 0]
    few = LabelledFaces(tmp_path, attributes=("Young",), limit=2)
    assert few.labels.ravel().tolist() == [1, 1] and len(few.photos) == 2


def test_a_broken_line_of_a_list_is_named(tmp_path: Path) -> None:
    path = celeba(tmp_path) / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace("000002.png -1", "000002.png"))
    with pytest.raises(DataError, match="2 values for 000002"):
        LabelledFaces(tmp_path, attributes=("Young",))


@pytest.mark.parametrize("split", ["", "train"])
def test_folders_of_classes_are_labels_that_exclude_one_another(tmp_path: Path, split: str) -> None:
    for n, name in enumerate(("angry", "happy", "happy")):
        grey(tmp_path / split / name / f"{n}.png", 10 * n)
    grey(tmp_path / "test" / "sad" / "9.png", 90) if split else None
    faces = LabelledFaces(tmp_path, attributes=("angry", "happy"))
    assert faces.labels.tolist() == [[1, 0], [0, 1], [0, 1]] and faces.known.all()


def test_a_region_is_where_an_attribute_shows(tmp_path: Path) -> None:
    """A smile lightens the lower half, glasses darken a stripe; nearly all who smile wear them,
    which a comparison of means would take for the same."""
    rng = np.random.default_rng(4)
    (tmp_path / "train").mkdir()
    lines = ["file,split,smile,glasses"]
    for number in range(60):
        smiles = rng.random() < 0.5
        glasses = smiles if rng.random() < 0.8 else not smiles
        pixels = rng.normal(120, 4, (32, 32, 3))
        pixels[20:] += 60 * smiles
        pixels[8:12] -= 60 * glasses
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"train/{number}.png")
        told = "teeth" if smiles else "closed", "yes" if glasses else "no"
        lines.append(f"train/{number}.png,train,{told[0]},{told[1]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    smile, glasses = LabelledFaces(tmp_path, attributes=("smile", "glasses")).regions(16)
    assert smile.shape == (16, 16) and smile[11:].min() > 0.9 and smile[:9].max() < 0.1
    assert glasses[4:6].min() > 0.9 and glasses[8:].max() < 0.1 and glasses[:2].max() < 0.1
