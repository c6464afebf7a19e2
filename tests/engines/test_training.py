import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engines import checkpoint, datasets, training
from engines.family import candidates
from engines.job import Preview, Progress, Result

MULTIMODAL = """
name = "tiny"
trainer = "pix2pix.train:MultimodalTrainer"
seed = 3
[data]
kind = "edges"
folder = "."
native = [64, 64]
[network]
widths = [8, 12, 16]
code = 4
discriminator = 8
[every]
losses = 1
samples = 4
state = 2
[[stage]]
size = [32, 32]
batch = 4
steps = 4
[[stage]]
size = [64, 64]
batch = 4
steps = 4
last_rate = 1e-5
[card]
title = "Tiny"
"""

PAIRED = """
name = "tiny-unet"
trainer = "pix2pix.train:Pix2PixTrainer"
seed = 3
[data]
kind = "pairs"
folder = "."
maker = "grey"
[network]
generator = "unet"
depth = 5
width = 8
[every]
losses = 1
samples = 3
state = 2
[[stage]]
size = [32, 32]
batch = 2
steps = 6
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        picture = np.full((32, 32, 3), rng.integers(120, 255, 3), np.uint8)
        picture[6:26, 8:24] = rng.integers(0, 120, 3)
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint.open_checkpoint(path / "model.safetensors").tensors())


@pytest.mark.parametrize("text", [MULTIMODAL, PAIRED], ids=["multimodal", "paired"])
def test_events_files_and_a_model_that_its_family_recognises(
    tmp_path: Path, photos: Path, text: str
) -> None:
    out = tmp_path / "run"
    events = list(training.train_file(recipe(tmp_path, text), photos, out, device="cpu"))
    assert isinstance(events[-1], Result) and sum(isinstance(e, Result) for e in events) == 1
    assert any(isinstance(e, Preview) for e in events)
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].done == progress[-1].total
    assert all(json.loads(training.event_line(e))["event"] for e in events)
    rows = (out / "losses.csv").read_text().splitlines()
    assert len(rows) == 1 + progress[-1].total
    assert list((out / "samples").glob("*.png"))
    opened = checkpoint.open_checkpoint(out / "model.safetensors")
    assert candidates(opened)[0][0].id == "pix2pix"


REUSED = PAIRED.replace("batch = 2", "batch = 2\nreuse = 2")


@pytest.mark.parametrize(
    "text", [MULTIMODAL, PAIRED, REUSED], ids=["multimodal", "paired", "reused"]
)
@pytest.mark.parametrize("stop", [3, 5])
def test_resumed_equals_uninterrupted(tmp_path: Path, photos: Path, stop: int, text: str) -> None:
    path = recipe(tmp_path, text)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    list(training.train_file(path, photos, whole, device="cpu"))
    running = training.train_file(path, photos, broken, device="cpu")
    for event in running:
        if isinstance(event, Progress) and event.done == stop:  # past the state of an earlier step
            break
    running.close()
    assert not (broken / "model.safetensors").exists()
    list(training.train_file(path, photos, broken, device="cpu", resume=True))
    first, second = weights(whole), weights(broken)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert (whole / "losses.csv").read_text() == (broken / "losses.csv").read_text()


@pytest.mark.slow
def test_resumes_after_kill_9(tmp_path: Path, photos: Path) -> None:
    path = recipe(tmp_path, PAIRED)
    code = (
        "import sys; from pathlib import Path; from engines import training\n"
        "for e in training.train_file(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), "
        "device='cpu'): pass"
    )
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(photos), str(out)],
        cwd=Path(training.__file__).parent.parent,
    )
    deadline = time.monotonic() + 120
    while (
        not (out / "state.pt").exists() and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    list(training.train_file(path, photos, out, device="cpu", resume=True))
    whole = tmp_path / "whole"
    list(training.train_file(path, photos, whole, device="cpu"))
    first, second = weights(whole), weights(out)
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_recipe_with_a_misspelt_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(training.RecipeError, match="misspells"):
        training.load_recipe(recipe(tmp_path, PAIRED.replace("seed", "sead")))
    with pytest.raises(training.RecipeError, match="not a recipe"):
        training.load_recipe(recipe(tmp_path, "name = "))
    with pytest.raises(training.RecipeError, match="cannot be read"):
        training.load_recipe(tmp_path / "missing.toml")


def test_a_unet_too_shallow_to_build_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    path = recipe(tmp_path, PAIRED.replace("depth = 5", "depth = 1"))
    with pytest.raises(training.RecipeError, match="depth of 2 or more"):
        next(training.train_file(path, tmp_path, tmp_path / "out", device="cpu"))


def test_every_shipped_recipe_is_sound() -> None:
    folder = Path(training.__file__).parent.parent / "resources" / "recipes"
    found = sorted(folder.glob("*.toml"))
    assert len(found) >= 3
    for path in found:
        read = training.load_recipe(path)
        assert read.name == path.stem and read.steps > 1000 and read.card["licence"]


def test_the_trained_net_learns_the_task(tmp_path: Path, photos: Path) -> None:
    """A few dozen steps must halve the pixel loss on this trivial task (grey to colour of six
    squares)."""
    text = PAIRED.replace("steps = 6", "steps = 60\nrate = 1e-3").replace("batch = 2", "batch = 6")
    events = training.train_file(recipe(tmp_path, text), photos, tmp_path / "run", device="cpu")
    notes = [dict(zip(*[iter(e.note.split())] * 2)) for e in events if isinstance(e, Progress)]
    pixel = [float(n["pixel"]) for n in notes]
    assert np.mean(pixel[-5:]) < 0.5 * np.mean(pixel[:3])


def test_a_trained_model_is_where_another_training_starts(tmp_path: Path, photos: Path) -> None:
    """At a rate of nearly 0 it stays what it was."""
    first, then = tmp_path / "first", tmp_path / "then"
    list(training.train_file(recipe(tmp_path, PAIRED), photos, first, device="cpu"))
    frozen = recipe(tmp_path, PAIRED.replace("steps = 6", "steps = 2\nrate = 1e-9"))
    trained = first / "model.safetensors"
    list(training.train_file(frozen, photos, then, device="cpu", start=trained))
    before = checkpoint.open_checkpoint(trained).tensors()
    after = checkpoint.open_checkpoint(then / "model.safetensors").tensors()
    learnt = [k for k in before if k.endswith(("weight", "bias"))]
    assert all(torch.allclose(before[k].float(), after[k].float(), atol=1e-3) for k in learnt)


def test_a_start_of_another_shape_is_refused(tmp_path: Path, photos: Path) -> None:
    first = tmp_path / "first"
    list(training.train_file(recipe(tmp_path, PAIRED), photos, first, device="cpu", steps=1))
    wider = recipe(tmp_path, PAIRED.replace("width = ", "width = 1"))
    with pytest.raises(training.RecipeError, match="no network of the shape"):
        start = first / "model.safetensors"
        list(training.train_file(wider, photos, tmp_path / "then", device="cpu", start=start))


def test_batches_are_used_again_where_a_stage_says_so(tmp_path: Path, photos: Path) -> None:
    read = training.load_recipe(
        recipe(tmp_path, PAIRED.replace("batch = 2", "batch = 2\nreuse = 3"))
    )
    data = datasets.make_dataset(dict(read.data), photos, read.seed)
    run = training._Run(read, tmp_path / "run", data, "cpu", 1)
    seen = []
    for _ in run.batches(0):
        seen.append(next(run.iterator)["target"].tobytes())
    run.close()
    assert len(seen) == 6 and len(set(seen)) <= 2
    assert len(set(seen[:3])) == 1


def test_average_follows_the_weights() -> None:
    net = torch.nn.Linear(2, 2)
    average = training.Average(net, 0.9)
    with torch.no_grad():
        net.weight.fill_(1.0)
    for step in range(200):
        average.update(net, average.share(step))
    assert torch.allclose(average.module.weight, torch.ones(2, 2), atol=1e-3)


def test_pairs_are_found_for_recipes(photos: Path) -> None:
    made = datasets.make_dataset({"kind": "pairs", "folder": "missing", "maker": "grey"}, photos, 0)
    assert len(made) == 6
    with pytest.raises(datasets.DataError, match=r"edges, pairs, .*faces"):
        datasets.make_dataset({"kind": "magic"}, photos, 0)


def test_a_damaged_state_is_refused_in_one_sentence(tmp_path: Path, photos: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(PAIRED)
    list(training.train_file(recipe, photos, tmp_path / "run", "cpu", steps=2))
    state = tmp_path / "run" / "state.pt"
    whole = state.read_bytes()
    for damaged in (b"", b"no state", whole[: len(whole) // 2]):
        state.write_bytes(damaged)
        with pytest.raises(
            checkpoint.CheckpointError, match=r"state.pt is damaged.*without resuming"
        ):
            list(training.train_file(recipe, photos, tmp_path / "run", "cpu", resume=True, steps=2))
    assert not list((tmp_path / "run").glob(".state*"))


@pytest.mark.parametrize("knows", [True, False])
def test_a_processor_without_bfloat16_trains_in_single_precision(
    monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    monkeypatch.setattr(training, "knows_bfloat16", lambda: knows)
    stage = training.Stage(steps=1, size=(8, 8), batch=1)
    recipe = training.Recipe("r", "t", (stage,), {}, precision="bf16-mixed")
    assert recipe.on("cpu").precision == ("bf16-mixed" if knows else "32-true")
    assert recipe.on("cuda").precision == "bf16-mixed"
    assert training.Recipe("r", "t", (stage,), {}).on("cpu").precision == "32-true"


def test_a_stage_may_be_another_on_a_card(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = 'name = "n"\ntrainer = "t:T"\n[data]\n[[stage]]\nsize = [8, 8]\nbatch = 2\nsteps = 9\n'
    path.write_text(text + "card = {batch = 16, steps = 4}\n")
    recipe = training.load_recipe(path)
    assert [(s.batch, s.steps, s.size) for s in recipe.on("cuda").stages] == [(16, 4, (8, 8))]
    assert recipe.on("cuda").steps == 4
    assert recipe.on("cpu") is recipe and recipe.steps == 9
    path.write_text(text + "card = {bach = 16}\n")
    with pytest.raises(training.RecipeError, match="bach"):
        training.load_recipe(path)


def test_a_step_draws_where_its_generator_is() -> None:
    """A draw that does not say so is refused on a card, and only there. What is prepared is drawn
    on the CPU."""
    silent = [
        f"{path.name}:{call.lineno}"
        for path in Path(training.__file__).parent.glob("families/*/*.py")
        if "def step(" in (text := path.read_text("utf-8"))
        for step in ast.walk(ast.parse(text))
        if isinstance(step, ast.FunctionDef) and step.name != "prepare"
        for call in ast.walk(step)
        if isinstance(call, ast.Call) and "torch.rand" in ast.unparse(call.func)
        if {k.arg: ast.unparse(k.value) for k in call.keywords}.get("generator") == "noise"
        if not any(k.arg == "device" for k in call.keywords)
    ]
    assert not silent
