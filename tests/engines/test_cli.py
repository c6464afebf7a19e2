"""Every command, through the same door as a person: arguments in, files and sentences out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import main as program
from engines import checkpoint, images
from engines.catalogue import Catalogue
from engines.engine import Engine
from engines.families import captioning, cyclegan, pix2pix
from engines.families.captioning.config import Config as CaptionConfig
from engines.families.cyclegan.config import Config as CycleConfig
from engines.families.pix2pix.config import MultimodalConfig, UNetConfig
from engines.job import Job, Picture, Preview, Progress, Result, job_from_png, save_png
from engines.residual import ResNetConfig

ROOT = Path(program.__file__).parent
RECIPE = """
name = "tiny"
trainer = "pix2pix.train:Pix2PixTrainer"
network = {generator = "unet", width = 4, depth = 5}
data = {kind = "pairs", maker = "grey"}
every = {losses = 1, samples = 2, state = 2}

[[stage]]
steps = 2
size = [32, 32]
batch = 2
"""


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
    for arguments in (["--help"], ["models"], ["run", "--help"], ["train", "missing.toml"]):
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
    assert job.values["variation"] == 1.2
    assert job.seed == 5 and job.checkpoint.startswith("tiny@")
    status, out, err = call(capsys, "run", first, "-o", second)
    assert status == 2 and "tiny" in err and job.checkpoint.partition("@")[2] in err
    assert not second.exists()
    Catalogue().add(model)
    status, out, _ = call(capsys, "run", first, "-o", second)
    assert status == 0 and "same pixels" in out
    assert Picture.from_png(first.read_bytes()) == Picture.from_png(second.read_bytes())
    assert job_from_png(second) == job
    status, out, _ = call(capsys, "run", first, "--seed", 6, "-o", second)
    assert status == 0 and "pixels as" not in out and job_from_png(second).seed == 6
    assert Picture.from_png(first.read_bytes()) != Picture.from_png(second.read_bytes())


def test_a_chain_is_run_again_from_its_beginning(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    first, again, step = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    call(capsys, "run", "--model", model, "--image", drawing(tmp_path / "e.png"), "-o", first)
    net, family = ResNetConfig(width=4, blocks=1), cyclegan.CycleGAN()
    both = CycleConfig(net, net)
    metadata = {"family": "cyclegan", "config": family.to_dict(both)}
    checkpoint.save(tmp_path / "both.safetensors", family.build(both).state_dict(), metadata)
    Catalogue().add(model)
    Catalogue().add(tmp_path / "both.safetensors")
    card = Engine("cpu", catalogue=Catalogue()).describe("both")
    grey = Picture(np.full((36, 40, 3), 99, np.uint8))  # not what the first step gives
    origin = job_from_png(first)
    job = Job("cyclegan", card.checkpoint, {"round": True}, {"photo": grey},
              origins={"photo": origin})  # fmt: skip
    (tmp_path / "r.json").write_text(job.to_json())
    status, _, err = call(capsys, "run", tmp_path / "r.json", "--chain", "-o", again)
    assert status == 0 and "cycle error" in err
    made = job_from_png(again)
    assert made.images["photo"] == Picture.from_png(first.read_bytes())
    assert made.origins["photo"].digest == origin.digest
    assert Image.open(tmp_path / "b-and-back.png").size == (40, 36)
    assert Image.open(tmp_path / "b-error.png").size == (40, 36)
    assert call(capsys, "run", tmp_path / "r.json", "-o", step)[0] == 0
    assert job_from_png(step).images["photo"] == grey


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.png", None, "There is no file"),
        ("plain.png", "picture", "carries no Ganvas recipe"),
        ("text.png", b"hello", "cannot be read as a picture"),
        ("recipe.json", b"{", "not a Ganvas recipe"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: object, words: str
) -> None:
    if content == "picture":
        drawing(tmp_path / name)
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    status, _, err = call(capsys, "run", tmp_path / name, "-o", tmp_path / "o.png")
    assert status == 2 and err.count("\n") == 1 and words in err


def test_a_replay_that_differs_says_by_how_much(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    drawn, again = tmp_path / "e.png", tmp_path / "again.png"
    assert call(capsys, "edges", photo(tmp_path / "p.jpg"), "-o", drawn)[0] == 0
    touched = Picture.from_png(drawn.read_bytes()).pixels.copy()
    touched[0, 0] = 248
    save_png(Picture(touched), job_from_png(drawn), drawn)
    assert "largest difference 7 of 255" in call(capsys, "run", drawn, "-o", again)[1]
    save_png(Picture(touched[1:]), job_from_png(drawn), drawn)
    assert "another size than before" in call(capsys, "run", drawn, "-o", again)[1]


def test_a_recipe_keeps_the_strokes_of_what_was_not_exchanged(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    Catalogue().add(model)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    edges = drawing(tmp_path / "e.png")
    call(capsys, "run", "--model", model, "--image", edges, "-o", first)
    strokes = {"edges": {"items": [1]}, "hints": {"items": [2]}}
    save_png(
        Picture.from_png(first.read_bytes()), job_from_png(first).with_(drawings=strokes), first
    )
    other = drawing(tmp_path / "f.png", shift=6)
    assert call(capsys, "run", first, "--image", f"edges={other}", "-o", second)[0] == 0
    assert job_from_png(second).drawings == {"hints": {"items": [2]}}


def test_a_recipe_says_every_value_that_was_used(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    edges = drawing(tmp_path / "e.png")
    call(capsys, "run", "--model", model, "--image", edges, "-o", tmp_path / "a.png")
    recipe = job_from_png(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(recipe.to_json())
    assert recipe.values and isinstance(recipe.values["variation"], float)
    Catalogue().add(model)
    assert call(capsys, "run", tmp_path / "a.json", "-o", tmp_path / "b.png")[0] == 0
    assert job_from_png(tmp_path / "b.png") == recipe


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
        (["--image", "{}"], "Two pictures were given for edges"),
        (["-o", "a.xyz"], "one of the endings .png"),
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
        "-o",
        tmp_path / "a.png",
        *given,
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


@pytest.fixture
def translator(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config, family = CycleConfig(ResNetConfig(width=4, blocks=1)), cyclegan.CycleGAN()
    path = tmp_path / "translator.safetensors"
    metadata = {"family": "cyclegan", "config": family.to_dict(config)}
    checkpoint.save(path, family.build(config).state_dict(), metadata)
    return path


def landscape(path: Path, dark: int = 20) -> np.ndarray:
    """Dark left, light right."""
    pixels = np.full((32, 40, 3), dark, np.uint8)
    pixels[:, 20:] = 230
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_mask_from_a_filter_gates_a_run_and_its_recipe_gives_the_same_pixels(
    capsys: pytest.CaptureFixture[str], translator: Path, tmp_path: Path
) -> None:
    Catalogue().add(translator)
    given = landscape(tmp_path / "p.png")
    whole, first, second, third = (tmp_path / f"{n}.png" for n in range(4))
    command = ("run", "--model", translator, "--image", tmp_path / "p.png")
    assert call(capsys, *command, "-o", whole)[0] == 0
    said = "lightness:darkest=70"
    assert call(capsys, *command, "--mask", said, "-o", first)[0] == 0
    made = opened(first)
    assert np.array_equal(made[:, :20], given[:, :20])
    assert np.array_equal(made[:, 20:], opened(whole)[:, 20:])
    assert job_from_png(first).images["mask"].size == (40, 32)
    assert "largest difference" not in call(capsys, "run", first, "-o", second)[1]
    assert np.array_equal(opened(second), made)
    call(capsys, "run", first, "--mask", f"{said},invert=true", "-o", third)
    assert np.array_equal(opened(third)[:, 20:], given[:, 20:])


def test_in_a_batch_each_photo_has_its_own_mask(
    capsys: pytest.CaptureFixture[str], translator: Path, tmp_path: Path
) -> None:
    given = {name: landscape(tmp_path / "in" / name, dark) for name, dark in
             (("a.png", 0), ("b.png", 60))}  # fmt: skip
    command = ("batch", "--model", translator, "--images", tmp_path / "in", "-o")
    assert call(capsys, *command, tmp_path / "light", "--mask", "lightness:darkest=70")[0] == 0
    for name, pixels in given.items():
        assert np.array_equal(opened(tmp_path / "light" / name)[:, :20], pixels[:, :20])
    (tmp_path / "masks").mkdir()
    mask = Image.new("L", (40, 32))
    mask.paste(255, (0, 0, 40, 16))
    mask.save(tmp_path / "masks" / "a.jpg", quality=100)
    status, _, err = call(capsys, *command, tmp_path / "own", "--mask", tmp_path / "masks")
    assert status == 1 and "holds no mask for it" in err and "b.png" in err
    assert np.array_equal(opened(tmp_path / "own" / "a.png")[24:], given["a.png"][24:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nothing.png", "a filter is one of edges, stripes, lightness"),
        ("edges:width=3", "no control named “width”"),
        ("edges:blur", "CONTROL=VALUE"),
        (".", "is a folder"),
    ],
)
def test_a_mask_that_cannot_be_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], translator: Path, tmp_path: Path, words: str, said: str
) -> None:
    landscape(tmp_path / "p.png")
    command = (
        "run",
        "--model",
        translator,
        "--image",
        tmp_path / "p.png",
        "-o",
        tmp_path / "o.png",
    )
    status, _, err = call(capsys, *command, "--mask", words)
    assert status == 2 and err.count("\n") == 1 and said in err


def test_a_model_without_a_photo_takes_no_mask(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    edges = drawing(tmp_path / "e.png")
    command = ("run", "--model", model, "--image", edges, "-o", tmp_path / "o.png")
    assert "Tiny takes no mask." in call(capsys, *command, "--mask", "edges")[2]


def test_batch_overwrites_nothing_that_it_did_not_make(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    drawing(folder / "a.png")
    Image.open(folder / "a.png").save(folder / "a.bmp")
    drawing(folder / "b.png")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    command = ("batch", "--model", model, "--images", folder, "-o")
    status, _, err = call(capsys, *command, folder / ".." / "in")
    assert status == 2 and "would be overwritten" in err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert call(capsys, *command, tmp_path / "out")[0] == 0
    made = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert made == ["a.bmp.png", "a.png.png", "b.png"]


def test_batch_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANVAS_PROGRESS", "1")
    for index in range(2):
        drawing(tmp_path / "in" / f"{index}.png", shift=index)
    (tmp_path / "in" / "2.png").write_bytes(b"")
    _, out, err = call(
        capsys, "batch", "--model", model, "--images", tmp_path / "in", "-o", tmp_path / "out"
    )
    assert "0/3" in err and "1/3" in err and "s left" in err and "3/3" in err
    assert "2.png is empty." in err and out == ""


@pytest.mark.parametrize(
    ("folder", "more", "words"),
    [
        ("nowhere", (), "There is no folder"),
        ("empty", (), "There is no picture in"),
        ("in", ("--on", "moon"), "not on “moon”"),
        ("in", ("--set", "wind=3"), "no control named “wind”"),
        ("in", ("--role", "style"), "no picture named “style”"),
    ],
)
def test_batch_refuses_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
    model: Path,
    tmp_path: Path,
    folder: str,
    more: tuple[str, ...],
    words: str,
) -> None:
    drawing(tmp_path / "in" / "a.png")
    (tmp_path / "empty").mkdir()
    status, _, err = call(
        capsys,
        "batch",
        "--model",
        model,
        "--images",
        tmp_path / folder,
        "-o",
        tmp_path / "o",
        *more,
    )
    assert status == 2 and err.count("\n") == 1 and words in err


def photo(path: Path) -> Path:
    pixels = np.full((60, 80, 3), 240, np.uint8)
    pixels[15:45, 20:60] = (180, 30, 30)
    Image.fromarray(pixels).save(path)
    return path


def test_edges_of_a_photo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    photo(tmp_path / "p.jpg")
    assert call(capsys, "edges", tmp_path / "p.jpg", "-o", tmp_path / "e.png")[0] == 0
    assert job_from_png(tmp_path / "e.png").values["method"] == "canny"
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
    (tmp_path / "photos" / "b.png").write_text("no picture")
    status, _, err = call(
        capsys, "prepare", tmp_path / "photos", "--make", "mosaic", "-o", tmp_path / "pairs"
    )
    assert status == 1 and "b.png is not a picture" in err and "1 made" in err


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
    assert status == 2 and err.count("\n") == 1 and "edges-to-cats, edges-to-clothes" in err
    status, out, err = call(capsys, "train", "edges-to-cats", "--data", tmp_path, "--json")
    assert status == 2 and err.count("\n") == 1 and "no picture" in err
    assert json.loads(out) == {"event": "failed", "message": err.strip(), "details": ""}
    assert call(capsys, "train", "edges-to-cats", "--steps", 0)[0] == 2
    status, _, err = call(capsys, "train", "edges-to-cats", "--device", "abacus")
    assert status == 2 and err.count("\n") == 1 and "abacus" in err


def test_a_mistake_of_ours_shows_where_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalogue, "entries", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call(capsys, "models")


def test_train_prints_events_that_the_window_understands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from app.tasks import read_event

    for index in range(3):
        photo(tmp_path / f"{index}.png")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    command = ("train", tmp_path / "tiny.toml", "--data", tmp_path, "-o", tmp_path / "run")
    status, out, err = call(capsys, *command, "--device", "cpu", "--json")
    assert status == 0, err
    events = [read_event(line) for line in out.splitlines()]
    assert {type(event) for event in events} == {Progress, Preview, Result}
    assert isinstance(events[-1], Result) and Path(events[-1].texts[0]).is_file()
    status, out, _ = call(capsys, "inspect", events[-1].texts[0])
    assert status == 0 and "U-Net" in out


def test_a_mistyped_command_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["trian"])
    assert ended.value.code == 2 and "'models', 'inspect', 'run'" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} main.py models | head -c 1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode in (0, 141) and ended.stderr == ""


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_ctrl_c_leaves_whole_pictures_and_the_next_run_goes_on(model: Path, tmp_path: Path) -> None:
    count = 300
    for index in range(count):
        drawing(tmp_path / "in" / f"{index:03}.png", (640, 480))
    command = [sys.executable, "main.py", "batch", "--model", str(model), "--images"]
    command += [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--device", "cpu"]
    running = subprocess.Popen(  # a shell's background job ignores Ctrl+C, and so would its child
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_ctrl_c
    )
    try:
        while len(list((tmp_path / "out").glob("*.png"))) < 2:
            assert running.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130 and "goes on with the rest" in err and "Traceback" not in err
    left = list((tmp_path / "out").iterdir())
    assert 2 <= len(left) < count and all(p.suffix == ".png" and p.name[0] != "." for p in left)
    for path in left:
        assert job_from_png(path).checkpoint.startswith("tiny@")
        Image.open(path).load()


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


# ---- words ---------------------------------------------------------------------------------------


@pytest.fixture
def captioner(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    family = captioning.Captioning()
    words = ("<end>", "a", "red", "hat")
    config = CaptionConfig("attend", 4, words, widths=(4, 6), embed=4, attention=4, hidden=4,
                           size=(16, 16), longest=3)  # fmt: skip
    path = tmp_path / "words.safetensors"
    metadata = {"family": "captioning", "config": family.to_dict(config)}
    checkpoint.save(path, family.build(config).state_dict(), metadata)
    return path


def test_a_captioner_prints_its_captions_and_needs_no_output(
    captioner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = drawing(tmp_path / "photo.png")
    status, said, notes = call(capsys, "run", "--model", captioner, "--image", f"photo={photo}")
    assert status == 0
    assert 1 <= len(said.splitlines()) <= 3
    assert set(said.split()) <= {"a", "red", "hat"}
    assert "Sure to" in notes


def test_a_painter_needs_an_output(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"edges={drawing(tmp_path / 'd.png')}"
    status, _, said = call(capsys, "run", "--model", model, "--image", given)
    assert (status, said) == (2, "Say with -o where the picture goes.\n")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_caption_goes_into_the_file_on_request(
    model: Path, captioner: Path, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = f"edges={drawing(tmp_path / 'd.png')}", tmp_path / f"out.{suffix}"
    told = ("run", "--model", model, "--image", given, "-o", out)
    assert call(capsys, *told)[0] == 0
    assert images.caption_in(out) == ""
    status, said, _ = call(capsys, *told, "--caption", captioner)
    assert status == 0
    assert images.caption_in(out)
    assert f"“{images.caption_in(out)}”" in said


def test_a_caption_of_other_letters_survives_the_file(tmp_path: Path) -> None:
    picture = Picture(np.zeros((4, 4, 3), np.uint8))
    for suffix in ("png", "jpg", "webp", "tif"):
        images.save_picture(picture, tmp_path / f"a.{suffix}", caption="são tomé 红")
        assert images.caption_in(tmp_path / f"a.{suffix}") == "são tomé 红"


def test_a_drawing_loops_to_its_caption(
    model: Path, captioner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = f"edges={drawing(tmp_path / 'd.png')}", tmp_path / "out.png"
    assert call(capsys, "run", "--model", model, "--image", given, "-o", out)[0] == 0
    sheet = tmp_path / "sheet.png"
    arguments = ("loop", out, "--model", model, "--captioner", captioner, "-o", sheet)
    status, said, _ = call(capsys, *arguments)
    assert status == 0
    assert said.splitlines()[-1].startswith("Drift from “")
    assert sheet.is_file()
    status, _, refused = call(capsys, "loop", "--captioner", captioner, "--caption", "a hat")
    assert status == 2
    assert "begins with a caption and its painter" in refused
