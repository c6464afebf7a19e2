"""Every command, through the same door as a person: arguments in, files and sentences out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import main as program
from engines import checkpoint
from engines.families import pix2pix
from engines.families.pix2pix.config import MultimodalConfig, UNetConfig
from engines.job import Picture, job_from_png

ROOT = Path(program.__file__).parent


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = MultimodalConfig(widths=(8, 12, 16), code=4, native=(32, 48))
    family = pix2pix.Pix2Pix()
    path = tmp_path / "tiny.safetensors"
    metadata = {"family": "pix2pix", "config": family.to_dict(config), "card": {"title": "Tiny"}}
    checkpoint.save(path, family.build(config).state_dict(), metadata)
    return path


def drawing(path: Path, size: tuple[int, int] = (40, 36), shift: int = 0) -> Path:
    sheet = np.full((size[1], size[0]), 255, np.uint8)
    sheet[10:14, 5 + shift : 30] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = program.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_help_and_models_load_no_torch() -> None:
    for arguments in (["--help"], ["models"], ["run", "--help"]):
        code = (
            "import sys, main\n"
            f"try: main.main({arguments!r})\n"
            "except SystemExit: pass\n"
            "sys.exit('torch' in sys.modules or 'PySide6' in sys.modules)"
        )
        assert (
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode
            == 0
        )


def test_models_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "models")
    assert status == 0 and "edges-to-clothes" in out
    rows = json.loads(call(capsys, "models", "--json")[1])
    assert {"name", "digest", "family", "installed", "licence"} <= set(rows[0])


def test_inspect_says_what_it_is_and_refuses_with_status_2(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    status, out, _ = call(capsys, "inspect", model)
    assert status == 0 and "multimodal U-Net" in out
    (tmp_path / "page.pth").write_text("<html>404</html>")
    status, out, err = call(capsys, "inspect", tmp_path / "page.pth")
    assert status == 2 and out == "" and err.count("\n") == 1 and "web page" in err
    status, out, _ = call(capsys, "inspect", tmp_path / "page.pth", "--json")
    assert status == 2 and json.loads(out)["kind"] == "refused"


def test_run_and_replay_give_the_same_pixels(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    edges = drawing(tmp_path / "e.png")
    first, second = tmp_path / "out" / "a.png", tmp_path / "b.png"
    status, out, _ = call(
        capsys,
        "run",
        "--model",
        model,
        "--image",
        f"edges={edges}",
        "--set",
        "variation=1.2",
        "--seed",
        5,
        "-o",
        first,
    )
    assert status == 0 and "40x36" in out
    job = job_from_png(first)
    assert job.values["variation"] == "1.2" or job.values["variation"] == 1.2
    assert job.seed == 5 and job.checkpoint.startswith("tiny@")
    call(
        capsys, "batch", "--model", model, "--images", tmp_path / "nothing", "-o", tmp_path
    )  # leaves no trace
    status, out, err = call(capsys, "run", first, "-o", second)
    if status == 2:  # the file was never added to the catalogue: its name and digest are told
        assert "tiny" in err
        from engines.catalogue import Catalogue

        Catalogue().add(model)
        status, out, _ = call(capsys, "run", first, "-o", second)
    assert status == 0 and "same pixels" in out
    assert Picture.from_png(first.read_bytes()) == Picture.from_png(second.read_bytes())


def test_run_takes_a_lone_picture_without_its_role(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    edges = drawing(tmp_path / "e.png")
    assert call(capsys, "run", "--model", model, "--image", edges, "-o", tmp_path / "a.jpg")[0] == 0
    assert Image.open(tmp_path / "a.jpg").size == (40, 36)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "wind=3"], "no control named “wind”"),
        (["--set", "variation"], "CONTROL=VALUE"),
        (["--set", "variation=much"], "needs a number"),
        (["--image", "style={}"], "no picture named “style”"),
        (["--device", "abacus"], "abacus"),
        (["--model", "gloves"], "gloves"),
    ],
)
def test_run_refuses_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
    model: Path,
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    edges = drawing(tmp_path / "e.png")
    given = [a.format(edges) for a in arguments]
    status, _, err = call(
        capsys,
        "run",
        "--model",
        model,
        "--image",
        f"edges={edges}",
        *given,
        "-o",
        tmp_path / "a.png",
    )
    assert status == 2 and err.count("\n") == 1 and words in err
    assert not (tmp_path / "a.png").exists()


def test_batch_goes_on_and_skips_what_is_broken(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    for index in range(3):
        drawing(tmp_path / "in" / f"{index}.png", shift=index)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    command = ("batch", "--model", model, "--images", tmp_path / "in", "-o", tmp_path / "out")
    status, _, err = call(capsys, *command)
    assert status == 1 and "3 made, 0 were there already, 1 failed" in err and "broken.png" in err
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.png")}
    assert sorted(times) == ["0.png", "1.png", "2.png"]
    (tmp_path / "out" / "1.png").unlink()
    status, _, err = call(capsys, *command)
    assert "1 made, 2 were there already" in err
    assert (tmp_path / "out" / "0.png").stat().st_mtime_ns == times["0.png"]
    status, _, err = call(capsys, *command, "--seed", 4)
    assert "3 made, 0 were there already" in err


def test_edges_of_a_photo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    photo = np.full((60, 80, 3), 240, np.uint8)
    photo[15:45, 20:60] = (180, 30, 30)
    Image.fromarray(photo).save(tmp_path / "p.jpg")
    assert call(capsys, "edges", tmp_path / "p.jpg", "-o", tmp_path / "e.png")[0] == 0
    drawn = np.asarray(Image.open(tmp_path / "e.png").convert("L"))
    assert drawn.shape == (60, 80) and 0.01 < (drawn < 128).mean() < 0.3


def test_prepare_makes_joined_pairs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((20, 30, 3), (200, 80, 40), np.uint8)).save(
        tmp_path / "photos" / "a.png"
    )
    assert (
        call(capsys, "prepare", tmp_path / "photos", "--make", "grey", "-o", tmp_path / "pairs")[0]
        == 0
    )
    joined = np.asarray(Image.open(tmp_path / "pairs" / "a.png"))
    assert joined.shape == (20, 60, 3) and np.ptp(joined[0, 0].astype(int)) == 0
    status, _, err = call(
        capsys, "prepare", tmp_path / "photos", "--make", "gold", "-o", tmp_path / "pairs"
    )
    assert status == 2 and "pair maker is one of" in err


def test_convert_keeps_the_function(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    net = pix2pix.Pix2Pix().build(UNetConfig(width=4, depth=5, dropout=False))
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}},
        tmp_path / "old.pth",
    )
    status, _, err = call(
        capsys, "convert", tmp_path / "old.pth", "-o", tmp_path / "new.safetensors"
    )
    assert status == 0 and "module." in err
    new = checkpoint.open_checkpoint(tmp_path / "new.safetensors")
    assert new.metadata["converted_from"]["name"] == "old.pth"
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in new.tensors().items())
    status, _, err = call(capsys, "convert", tmp_path / "old.pth", "-o", tmp_path / "new.pth")
    assert status == 2 and ".safetensors" in err
    torch.save({"w": torch.zeros(1)}, tmp_path / "x.pth")
    status, _, err = call(capsys, "convert", tmp_path / "x.pth", "-o", tmp_path / "x.safetensors")
    assert status == 2 and "does not know" in err


def test_train_refuses_in_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = call(capsys, "train", "no-such-recipe", "--data", tmp_path)
    assert status == 2 and err.count("\n") == 1 and "cannot be read" in err


def test_interrupting_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engines.engine.Engine.run", interrupted)
    status, _, _ = call(
        capsys,
        "run",
        "--model",
        model,
        "--image",
        drawing(tmp_path / "e.png"),
        "-o",
        tmp_path / "a.png",
    )
    assert status == 130 and not (tmp_path / "a.png").exists()
