"""The commands for faces: films and strips, the same edit on other photos, one face through every
model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engines import animate, checkpoint
from engines.cli import main
from engines.facefinder import Face
from engines.families.ageing import config as ageing
from engines.families.stargan import config as configs
from engines.family import candidates, families
from engines.images import open_picture
from engines.job import Job, Picture, job_from_png, save_png

POINTS = "30,28,58,28,44,60"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    family = families()["stargan"]
    config = configs.Config(("Smile", "Older"), 4, 1, size=64, template="own")
    path = tmp_path / "tiny.safetensors"
    body = {"family": "stargan", "config": family.to_dict(config)}
    checkpoint.save(path, family.build(config).state_dict(), body)
    return path


def photo(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (9, 9, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    save_png(Picture(pixels), None, path)
    return path


def call(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def test_a_label_moves_in_a_film_and_in_a_strip(model: Path, tmp_path: Path) -> None:
    given = ("--model", model, "--image", photo(tmp_path / "a.png"), "--set", f"points={POINTS}",
             "--move", "smile=-1:1", "--frames", 3)  # fmt: skip
    assert call("animate", *given, "--pingpong", "-o", tmp_path / "film.gif") == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert getattr(film, "n_frames", 1) == 4 and film.size == (90, 90)
    assert call("animate", *given, "-o", tmp_path / "strip.png") == 0
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.size == (3 * 90 + 2 * 4, 90)
        parts = np.asarray(strip)
    assert not np.array_equal(parts[:, :90], parts[:, -90:])


@pytest.mark.parametrize(
    ("move", "output", "sentence"),
    [
        ("hat=0:1", "a.gif", "no “hat” that could move; it has Smile, Older"),
        ("smile=0", "a.gif", "should read NAME=FROM:TO"),
        ("smile=0:1", "a.avi", "needs one of the endings .gif"),
    ],
)
def test_what_cannot_be_a_film_is_said(
    move: str,
    output: str,
    sentence: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("--model", model, "--image", photo(tmp_path / "a.png"), "--set", f"points={POINTS}")
    assert call("animate", *given, "--move", move, "-o", tmp_path / output) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_a_folder_is_edited_face_by_face(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in" / "b.png")
    points = ((30.0, 28.0, 58.0, 28.0, 44.0, 60.0), (70.0, 70.0, 78.0, 70.0, 74.0, 79.0))
    found = tuple(Face((p[0] - 8, p[1] - 8, 20.0, 20.0), p, 0.9) for p in points)
    monkeypatch.setattr("engines.faces.find", lambda _photo: found)
    given = ("batch", "--model", model, "--images", tmp_path / "in", "--set", "attributes=1,-1")
    assert call(*given, "-o", tmp_path / "all") == 0
    assert "b.png: Face 2 of 2: The face is small, 8 pixels" in capsys.readouterr().err
    assert call(*given, "--set", "output=photo", "-o", tmp_path / "one") == 0
    assert "b.png" not in capsys.readouterr().err
    every, one = (open_picture(tmp_path / name / "b.png").pixels for name in ("all", "one"))
    changed = (every != one).any(2)  # by the second face alone
    assert changed[66:86, 64:84].any() and not changed[:40].any()
    assert job_from_png(tmp_path / "all" / "b.png").values["output"] == "every"


def test_the_same_edit_goes_to_other_photos(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engines.catalogue import Catalogue

    Catalogue().add(model)
    given = ("--model", model, "--image", photo(tmp_path / "a.png"), "--set", f"points={POINTS}",
             "--set", "attributes=1,-1", "-o", tmp_path / "edited.png")  # fmt: skip
    assert call("run", *given) == 0
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in" / "b.png", 1)
    photo(tmp_path / "in" / "c.png", 2)
    monkeypatch.setattr("engines.faces.find", lambda _photo: ())
    like, out = tmp_path / "edited.png", tmp_path / "out"
    assert call("batch", "--like", like, "--images", tmp_path / "in", "-o", out) == 0
    jobs = [job_from_png(path) for path in sorted(out.iterdir())]
    assert len(jobs) == 2
    assert all(job.values["attributes"] == [1, -1] and not job.values["points"] for job in jobs)
    assert call("batch", "--images", tmp_path / "in", "-o", out) == 2


def test_a_line_up_is_a_sheet(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (photo(tmp_path / "a.png"), "--points", POINTS, "--wish", "Older")
    assert call("lineup", *given, "--model", model, "-o", tmp_path / "sheet.png") == 0
    assert "StarGAN" in capsys.readouterr().out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 2 * 384


def test_names_of_moves_are_labels_or_controls() -> None:
    card = families()["aging"].card(ageing.Config())
    assert animate.tracks(card, ["age=0:5"]) == [animate.Track("age", 0, 5)]
    card = families()["stargan"].card(configs.Config())
    (track,) = animate.tracks(card, ["Young=1:-1"])
    assert track == animate.Track("attributes", 1, -1, 4)
    job = Job("stargan", values={"attributes": [0.0] * 5})
    rows = animate.timeline(job.values, [track], 3, "linear")
    assert [row["attributes"][4] for row in rows] == [1, 0, -1]  # pyright: ignore


# ---- a new label for a trained model -------------------------------------------------------------


def test_faces_of_photos_become_aligned_portraits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(photo: Picture) -> tuple[Face, ...]:
        points = (30.0, 28.0, 58.0, 28.0, 44.0, 60.0)
        return (Face((20, 10, 50, 60), points, 0.9),) if photo.width == 90 else ()

    monkeypatch.setattr("engines.faces.find", find)
    for side in ("with", "without"):
        (tmp_path / "in" / side).mkdir(parents=True)
        photo(tmp_path / "in" / side / "a.png")
    save_png(Picture(np.zeros((20, 30, 3), np.uint8)), None, tmp_path / "in" / "empty.png")
    assert call("prepare", tmp_path / "in", "--make", "faces", "-o", tmp_path / "hat") == 1
    assert "empty.png: no face was found" in capsys.readouterr().err
    made = sorted(p.relative_to(tmp_path / "hat") for p in (tmp_path / "hat").rglob("*.png"))
    assert made == [Path("with/a.png"), Path("without/a.png")]
    with Image.open(tmp_path / "hat" / "with" / "a.png") as portrait:
        assert portrait.size == (144, 144)


RECIPE = """
name = "with-hats"
trainer = "stargan.train:StarGANTrainer"
[data]
kind = "faces"
folder = ["known", "hat"]
attributes = ["smile", "hat"]
[network]
labels = ["Smile", "Hat"]
width = 4
blocks = 1
template = "own"
start = "{start}"
discriminator_width = 4
discriminator_layers = 3
discriminator_size = 16
[losses]
critics = 1
[[stage]]
size = [16, 16]
batch = 4
steps = 1
rate = 0.0
"""


def test_a_trained_model_learns_a_new_label_from_a_folder_of_examples(tmp_path: Path) -> None:
    torch.manual_seed(7)
    family = families()["stargan"]
    old = configs.Config(("Smile",), 4, 1, size=16, template="own")
    start = tmp_path / "old.safetensors"
    body = {"family": "stargan", "config": family.to_dict(old)}
    net = family.build(old)
    checkpoint.save(start, net.state_dict(), body)
    rows = ["file,split,smile"]
    for n in range(6):
        (tmp_path / "known" / "train").mkdir(parents=True, exist_ok=True)
        photo(tmp_path / "known" / "train" / f"{n}.png", n)
        rows.append(f"train/{n}.png,train,{'teeth' if n % 2 else 'none'}")
    (tmp_path / "known" / "labels.csv").write_text("\n".join(rows))
    for side in ("with", "without"):
        (tmp_path / "hat" / side).mkdir(parents=True)
        for n in range(3):
            photo(tmp_path / "hat" / side / f"{n}.png", 20 + n)
    (tmp_path / "hats.toml").write_text(RECIPE.replace("{start}", str(start)))
    arguments = ("--data", tmp_path, "-o", tmp_path / "run", "--device", "cpu")
    assert call("train", tmp_path / "hats.toml", *arguments) == 0
    opened = checkpoint.open_checkpoint(tmp_path / "run" / "model.safetensors")
    (found, config), *_ = candidates(opened)
    assert found.id == "stargan" and config.labels == ("Smile", "Hat")
    wide = found.load(config, opened)[0]
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        before = net.eval()(x, torch.tensor([[1.0]]))
        after = wide(x, torch.tensor([[1.0, 0.0]]))
    assert torch.allclose(before, after, atol=2e-3)  # weights are kept in half precision
