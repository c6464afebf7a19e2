"""IcGAN as a person meets it: three files of Torch7 made one, edits, and two photos that trade."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lua import sequential, write

from engines import checkpoint, cli, doctor
from engines.controls import defaults
from engines.engine import Engine
from engines.families.icgan.config import Config, target
from engines.families.icgan.net import IcGAN
from engines.family import families
from engines.job import Job, Picture, Result

TINY = Config(width=2, encoder=2, hidden=(8, 6), z=5)


def net(config: Config = TINY) -> IcGAN:
    torch.manual_seed(3)
    made = IcGAN(config).eval()
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear):
                layer.weight.mul_(3)  # an untrained net says too little to be seen
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.1, 0.1)  # pyright: ignore
    return made


def torch7(module: torch.nn.Module) -> Any:
    """A Sequential as Torch7 saves it: modules without weights in between, kernels as they are."""
    tables: dict[int, dict[str, Any]] = {}
    for key, value in module.state_dict().items():
        place, name = key.split(".")
        if name != "num_batches_tracked":
            tables.setdefault(int(place), {})[name] = value.numpy()
    last = max(tables)
    return sequential(*(("nn.Module", tables.get(n, {})) for n in range(1, last + 1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    official = tmp_path / "celebA"
    official.mkdir()
    names = {"generator": "celeba_24_G", "encoder_z": "celeba_encZ_7", "encoder_y": "celeba_encY_5"}
    for part, name in names.items():
        write(official / f"{name}.t7", torch7(net().get_submodule(part)))
    return official


def test_three_files_of_torch7_become_one_of_ours(folder: Path, tmp_path: Path) -> None:
    said = doctor.inspect(folder)
    assert (said.kind, said.family) == ("model", "icgan") and "celebA" in said.message
    new = tmp_path / "icgan.safetensors"
    assert cli.main(["convert", str(folder), "-o", str(new)]) == 0
    opened = checkpoint.open_checkpoint(new)
    assert opened.metadata["family"] == "icgan"
    found = opened.tensors()
    assert all(torch.equal(found[k], v) for k, v in net().state_dict().items())
    assert doctor.inspect(new).kind == "model"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    family = families()["icgan"]
    path = tmp_path / "icgan.safetensors"
    state = net().state_dict()
    checkpoint.save(path, state, {"family": "icgan", "config": family.to_dict(TINY)})
    return path


def photo(seed: int) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Picture(pixels.repeat(8, 0).repeat(8, 1))


def edited(model: Path, images: dict[str, Picture], **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(model))
    values = {"output": "crop", **values}
    made = list(engine.run(Job("icgan", card.checkpoint, {**defaults(card), **values}, images)))[-1]
    assert isinstance(made, Result)
    return made


def test_without_an_edit_the_photo_stays_and_an_edit_changes_it(model: Path) -> None:
    face = {"face": photo(1)}
    assert edited(model, face).pictures == (photo(1),)
    strengths = [0.0] * 18
    strengths[6] = -1.0  # it sees them
    assert edited(model, face, attributes=strengths).pictures != (photo(1),)
    every = edited(model, face, targets="all")
    assert len(every.pictures) == 18 and every.texts[6] == "Eyeglasses"


def test_two_photos_trade(model: Path) -> None:
    run = partial(edited, threshold=False)
    both = {"face": photo(1), "other": photo(2)}
    own = run(model, both, blend=0.0, face_from="made").pictures
    assert own[0] == run(model, {"face": photo(1)}, face_from="made").pictures[0]
    all_of_it = run(model, both, mix="both", face_from="made").pictures
    assert all_of_it == (own[1], own[0])
    y, z = (run(model, both, mix=mix, face_from="made").pictures for mix in ("y", "z"))
    assert y == (z[1], z[0]) and len({*y, *own}) == 4


def test_strengths_between_and_beyond() -> None:
    own = [-1.0] * 18
    strengths = [0.0] * 18
    strengths[3] = 0.5
    assert target(TINY, own, strengths)[3] == 0.0
    strengths[2] = 1.5
    made = target(TINY, own, strengths)
    assert made[2] == 2.0 and made[3] == -1.0  # of a group the strongest counts alone
    assert target(TINY, [1.0] * 18, [0.0] * 9 + [-1.0] + [0.0] * 8)[9] == -1.0
