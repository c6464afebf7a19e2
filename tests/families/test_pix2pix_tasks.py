"""The seven tasks of the paper as presets: what each is given, shown and made into."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engines import checkpoint, images, palettes
from engines.catalogue import Catalogue
from engines.controls import SketchInput
from engines.engine import Engine
from engines.families.pix2pix import Pix2Pix, lab, tasks
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import UNetConfig
from engines.job import Job, Picture, Result

SIDE = 32
CONFIG = UNetConfig(depth=5, width=4, norm="instance")
KNOWN = Path(__file__).with_name("pix2pix_tasks.json")


def official(path: Path, config: UNetConfig = CONFIG) -> Path:
    torch.manual_seed(3)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(build(config).state_dict(), path)
    return path


def engine(tmp_path: Path) -> tuple[Engine, Catalogue]:
    catalogue = Catalogue(tmp_path / "shipped", tmp_path / "own.json")
    return Engine("cpu", catalogue=catalogue), catalogue


def sample(task: tasks.Task) -> Picture:
    """What a person would give: a map with every class, a photo, a drawing."""
    if task.palette:
        count = len(palettes.palette(task.palette))
        blocks = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) // 24 % count
        return Picture(blocks.astype(np.uint8))
    y, x = np.mgrid[:SIDE, :SIDE]
    if task.gives == "lines":
        ring = np.abs(np.hypot(x - 16, y - 16) - 10) < 1.5
        return Picture(np.where(ring, 0, 255).astype(np.uint8))
    return Picture(np.stack((x * 8, y * 8, (x ^ y) * 8), 2).astype(np.uint8))


def made(tmp_path: Path, task: tasks.Task, given: Picture) -> Picture:
    engine_, _ = engine(tmp_path)
    path = official(tmp_path / "latest_net_G.pth")
    job = Job("pix2pix", str(path), {"task": task.id}, {"edges": given})
    result = list(engine_.run(job))[-1]
    assert isinstance(result, Result)
    return result.picture


@pytest.mark.parametrize("task", tasks.TASKS, ids=lambda t: t.id)
def test_every_preset_makes_of_its_sample_what_it_always_made(
    task: tasks.Task, tmp_path: Path
) -> None:
    """Sixteen mean colours of the result, of weights from a fixed seed."""
    pixels = made(tmp_path, task, sample(task)).pixels.reshape(4, 8, 4, 8, 3)
    found = pixels.mean((1, 3)).reshape(16, 3)
    assert np.abs(found - np.array(json.loads(KNOWN.read_text())[task.id])).max() < 1.5


@pytest.mark.parametrize("task", [t for t in tasks.TASKS if t.palette], ids=lambda t: t.id)
def test_a_painted_map_is_shown_in_the_colours_of_the_training(
    task: tasks.Task, tmp_path: Path
) -> None:
    numbers = sample(task)
    colours = Picture(palettes.palette(task.palette).table[numbers.pixels])
    assert made(tmp_path, task, numbers) == made(tmp_path, task, colours)
    assert made(tmp_path, task, numbers) != made(tmp_path, tasks.TASKS[5], numbers)


def test_colour_is_taken_away_before_it_is_given(tmp_path: Path) -> None:
    photo = sample(next(t for t in tasks.TASKS if t.grey))
    colour = next(t for t in tasks.TASKS if t.grey)
    assert made(tmp_path, colour, photo) == made(tmp_path, colour, images.to_grey(photo))


@pytest.mark.parametrize(
    ("name", "task"),
    [("facades_label2photo_pretrained", "facades"), ("cityscapes_label2photo", "streets"),
     ("map2sat_pretrained", "map"), ("sat2map_pretrained", "aerial"), ("edges2shoes", "edges"),
     ("Edges2Handbags-256", "edges"), ("day2night_pretrained", "night"),
     ("my_colorization_net", "colour"), ("facades_photo2label", ""), ("latest_net_G", "")],
)  # fmt: skip
def test_the_official_names_tell_their_task(name: str, task: str) -> None:
    assert tasks.told_by(name) == task


def test_a_task_decides_what_is_asked_for_and_where(tmp_path: Path) -> None:
    engine_, catalogue = engine(tmp_path)
    path = official(tmp_path / "facades_label2photo_pretrained" / "latest_net_G.pth")
    reference = catalogue.add(path).reference
    card = engine_.describe(reference)
    given = card.inputs()[0]
    assert isinstance(given, SketchInput)
    assert (given.kind, given.palette, given.classes) == ("labels", "facades", 12)
    assert card.rooms == ("paint",) and card.title == "Façade labels to photo"
    preset = card.preset()
    assert preset is not None and preset.default == "facades"

    catalogue.use_for(reference, "night")
    card = engine_.describe(reference)
    given = card.inputs()[0]
    assert isinstance(given, SketchInput) and given.photo and card.rooms == ("translate",)
    assert Catalogue(tmp_path / "shipped", tmp_path / "own.json").preset_of(
        reference.partition("@")[2]
    ) == "night"  # fmt: skip

    catalogue.use_for(reference, tasks.UNKNOWN)
    card = engine_.describe(reference)
    assert card.rooms == ("draw", "translate") and card.preset() == tasks.CHOICE


def test_only_nets_of_unknown_task_have_presets() -> None:
    family = Pix2Pix()
    plain = family.card(UNetConfig())
    assert family.presented(plain, "nonsense") == plain
    four = family.card(UNetConfig(inputs=4))
    assert four.preset() is None and family.presented(four, "facades") == four


def test_the_official_colouriser_keeps_lightness_and_adds_colour(tmp_path: Path) -> None:
    photo = sample(next(t for t in tasks.TASKS if t.grey))
    plain = lab.coloured(photo, torch.zeros(1, 2, 8, 8))
    assert np.ptp(plain.pixels.astype(int), axis=2).max() <= 1  # without colours it is grey
    red = lab.coloured(photo, torch.full((1, 2, 8, 8), 0.3))
    grown = red.pixels.astype(int).mean((0, 1))
    assert grown[0] > grown[1] + 20 and grown[0] > grown[2] + 20
    seen = lab.lightness(photo, torch.device("cpu"))
    assert seen.shape == (1, 1, SIDE, SIDE) and -1 <= float(seen.min()) < float(seen.max()) <= 1

    engine_, _ = engine(tmp_path)
    path = official(tmp_path / "net.pth", UNetConfig(1, 2, 4, 5, "instance"))
    result = list(engine_.run(Job("pix2pix", str(path), {}, {"edges": photo})))[-1]
    assert isinstance(result, Result) and result.picture.size == photo.size
    lightness = lab.lightness(result.picture, torch.device("cpu"))
    assert float((lightness - seen).abs().mean()) < 0.05


def test_numbers_that_are_no_colour_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArithmeticError):
        lab.coloured(Picture(np.zeros((4, 4), np.uint8)), torch.full((1, 2, 4, 4), torch.nan))


def test_a_file_without_a_task_asks_for_a_drawing_or_a_photo(tmp_path: Path) -> None:
    engine_, _ = engine(tmp_path)
    card = engine_.describe(str(official(tmp_path / "net.pth")))
    given = card.inputs()[0]
    assert isinstance(given, SketchInput) and given.photo and given.kind == "edges"
    assert checkpoint.open_checkpoint(tmp_path / "net.pth").metadata.get("card") is None
