"""The trainers of IcGAN, face ageing, DA-GAN and the face embedder: a few steps on made-up faces,
their losses' formulas, resuming, and files that open again."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from resuming import stopped_and_resumed

from engines import embedder, training
from engines.checkpoint import open_checkpoint
from engines.datasets import make_dataset
from engines.family import candidates
from engines.job import Result
from engines.training import Recipe, RecipeError, Stage, load_recipe

RECIPES = Path(__file__).resolve().parents[2] / "resources" / "recipes"
DATA = {"kind": "faces", "folder": "faces", "attributes": ["smile", "glasses"]}
AGES = {"kind": "faces", "folder": "faces", "attributes": ["age_0_18", "age_19_99"]}
EXTRAS = {"reconstruction": 5.0, "prior": 0.1, "moved": 0.05}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "icgan": (
        "icgan.train:IcGANTrainer",
        DATA,
        {"z": 6, "width": 4, "encoder": 4, "hidden": [8, 8], "levels": 2, "face": "own",
         "discriminator_width": 4},
        {**EXTRAS, "edited": 1.0, "label": 1.0},
    ),
    "aging": (
        "ageing.train:AgeingTrainer",
        AGES,
        {"groups": ["young", "old"], "z": 6, "width": 4, "hidden": 8, "dense": 8, "maps": 8,
         "levels": 2, "reader": True, "discriminator_width": 4},
        {**EXTRAS, "aged": 1.0, "age": 1.0},
    ),
    "aging that adds": (
        "ageing.adding:AgeingAdder",
        AGES,
        {"groups": ["young", "old"], "z": 6, "width": 4, "hidden": 8, "dense": 8, "maps": 8,
         "levels": 2, "discriminator_width": 4, "patch_width": 4},
        {"identity": 0.0, "slope_every": 2},
    ),
    "dagan": (
        "dagan.train:DAGANTrainer",
        {**DATA, "attributes": ["smile"], "balance": ["smile"]},
        {"goal": "Smile", "width": 4, "locate": [4, 4], "region": 0, "steep": 1.0, "blocks": 1,
         "judges": 4, "levels": 2},
        {"reconstruction": 5.0, "identity": 1.0, "extent": 1.0, "moved": 0.05},
    ),
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Bright faces smile, dark ones do not; even ones wear glasses; the bright are young."""
    folder = tmp_path / "faces" / "train"
    folder.mkdir(parents=True)
    rows = ["file,split,person,smile,glasses,age"]
    for n in range(16):
        rng = np.random.default_rng(n)
        picture = rng.integers(0, 60, (20, 20, 3), dtype=np.uint8) + np.uint8(150 * (n < 8))
        cv2.imwrite(str(folder / f"{n}.png"), picture)
        smile, glasses = ("teeth", "none")[n >= 8], ("yes", "no")[n % 2]
        rows.append(f"{n}.png,train,{n // 2},{smile},{glasses},{10 if n < 8 else 60}")
    (tmp_path / "faces" / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def recipe(name: str, paper: bool = False, steps: int = 4) -> Recipe:
    trainer, data, network, losses = CASES[name]
    return Recipe(
        f"tiny-{name}",
        trainer,
        (Stage(steps, (16, 16), 8, 2e-4),),
        data,
        network,
        {k: v for k, v in losses.items() if k == "identity"} if paper else losses,
        {"title": "Tiny"},
        every={"losses": 1, "samples": 1000, "state": 2},
    )


def trained(made: Recipe, data: Path, out: Path, **how: Any) -> Result:
    found = make_dataset(dict(made.data), data, made.seed)
    result = list(training.train(made, out, found, "cpu", **how))[-1]
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("paper", [True, False], ids=["paper", "extras"])
def test_it_trains_and_its_file_opens_again(
    name: str, paper: bool, data: Path, tmp_path: Path
) -> None:
    result = trained(recipe(name, paper), data, tmp_path / "run")
    names, *rows = (tmp_path / "run" / "losses.csv").read_text().splitlines()
    told = [[float(v) for v in row.split(",") if v] for row in rows]
    assert len(rows) == 4 and all(np.isfinite(row).all() for row in told)
    assert sum(len(row) > 3 for row in told) >= 3  # a batch may hold no photo of one of the sides
    assert all(row.count(",") == names.count(",") for row in rows)
    family, config = candidates(open_checkpoint(result.texts[0]))[0]
    assert family.id == name.split()[0] and config.size == 16
    module, _ = family.load(config, open_checkpoint(result.texts[0]))
    assert all(bool(torch.isfinite(v).all()) for v in module.state_dict().values())
    assert result.pictures[0].height % 16 == 0


@pytest.mark.parametrize("name", CASES)
def test_a_training_that_was_cut_goes_on_to_the_same_weights(
    name: str, data: Path, tmp_path: Path
) -> None:
    told = recipe(name)
    stopped_and_resumed(told, make_dataset(dict(told.data), data, told.seed), tmp_path)


def test_the_embedder_trains_and_is_written(data: Path, tmp_path: Path) -> None:
    made = Recipe(
        "tiny-embedder",
        "ageing.identity:EmbedderTrainer",
        (Stage(6, (32, 32), 8, 5e-3),),
        {**DATA, "attributes": ["smile"], "size": [32, 32]},
        {"widths": [4, 6], "length": 8, "size": 16},
        every={"losses": 1, "samples": 1000, "state": 1000},
    )
    found = make_dataset(dict(made.data), data, made.seed)
    found_batch = found.batch
    found.batch = lambda step, count, size, rank=0: found_batch(  # pyright: ignore
        step % 7, min(count, 12), size, rank
    )
    result = list(training.train(made, tmp_path / "run", found, "cpu"))[-1]
    net = embedder.read(Path(result.texts[0]))
    assert net.config.size == 16 and net.config.points[0] == pytest.approx(19.1 / 4)


def test_wrong_recipes_are_refused_in_a_sentence(data: Path) -> None:
    wrong = {
        "icgan": {"labels": ["one"]},
        "aging": {"groups": ["a", "b", "c"]},
        "aging that adds": {"groups": ["a", "b", "c"]},
        "dagan": {"judges": 0},
    }
    for name, network in wrong.items():
        made = recipe(name)
        made = replace(made, network={**made.network, **network})
        with pytest.raises(RecipeError, match=r"\.$"):
            training.make_trainer(made, make_dataset(dict(made.data), data, 0))
        typo = replace(recipe(name), losses={"gann": 1.0})
        with pytest.raises(RecipeError, match="gann"):
            training.make_trainer(typo, make_dataset(dict(typo.data), data, 0))


@pytest.mark.parametrize("name", ["face-icgan", "face-age", "face-attention", "face-embedder"])
def test_the_shipped_recipes_make_files_below_ten_megabytes(name: str) -> None:
    read = load_recipe(RECIPES / f"{name}.toml")
    body = tomllib.loads((RECIPES / f"{name}.toml").read_text())
    assert read.card["licence"] and read.card["data"] and body["name"] == name

    class Faces:
        attributes = tuple(read.data["attributes"])
        rows = [{"person": str(n)} for n in range(900)]  # noqa: RUF012

    trainer = training.make_trainer(read, Faces())  # pyright: ignore[reportArgumentType]
    exported = [trainer.modules()[n] for n in trainer.averaged]
    numbers = sum(v.numel() for m in exported for v in m.state_dict().values())
    assert 2 * numbers < 10e6
