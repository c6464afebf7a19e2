"""Trainers that learn from pairs of portraits: what they learn shows on portraits that they never
saw, they resume, and their files open again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawnfaces import face, portraits
from resuming import stopped_and_resumed
from torch import Tensor, nn

from engines import taught, training
from engines.checkpoint import open_checkpoint
from engines.datasets import make_dataset
from engines.family import candidates
from engines.job import Result
from engines.training import Recipe, Stage

DATA = {"kind": "face_pairs", "folder": "faces", "attributes": ["smile"], "gains": {"smile": 2.0}}
SWAPS = {"kind": "face_swaps", "folder": "faces", "attributes": ["glasses"]}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "stargan": (
        "stargan.taught:StarGANPupil",
        DATA,
        {"width": 8, "blocks": 1, "labeller": [8, 8]},
        {},
    ),
    "icgan": (
        "icgan.taught:IcGANPupil",
        DATA,
        {"z": 12, "width": 8, "encoder": 6, "hidden": [24, 12], "levels": 3, "face": "own"},
        {"reconstruction": 1.0, "edited": 2.0, "class": 0.02, "prior": 0.02},
    ),
    "fader": (
        "fader.taught:FaderPupil",
        DATA,
        {"width": 8, "most": 32, "levels": 3, "skips": 2, "upscale": "upsampling", "face": "own"},
        {"reconstruction": 1.0, "edited": 2.0, "class": 0.02},
    ),
    "genegan": (
        "genegan.taught:GeneGANPupil",
        SWAPS,
        {"width": 8, "levels": 2, "object": 4, "face": "own"},
        {"cycle": 1.0, "gan": 1.0, "nothing": 0.1, "decay": 0.0},
    ),
    "dagan": (
        "dagan.taught:DAGANPupil",
        DATA,
        {"goal": "Smile", "width": 8, "locate": [8, 8], "region": 0, "steep": 1.0, "blocks": 0,
         "judges": 4, "levels": 3, "adds": True},
        {"consistency": 0.1, "symmetry": 0.1, "set": 0.02, "instance": 0.02, "class": 0.1,
         "identity": 2.0, "reconstruction": 1.0, "extent": 1.0, "critic": 0.02},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return portraits(tmp_path_factory.mktemp("portraits"), 40, glasses=True)


def recipe(name: str, steps: int, rate: float = 2e-3) -> Recipe:
    trainer, data, network, losses = CASES[name]
    return Recipe(
        f"tiny-{name}",
        trainer,
        (Stage(steps, (32, 32), 8, rate),),
        data,
        network,
        losses,
        {"title": "Tiny"},
        ema=0.9,
        every={"losses": 1, "samples": 1000, "state": 2},
    )


def trained(made: Recipe, data: Path, out: Path) -> Result:
    found = make_dataset(dict(made.data), data, made.seed)
    result = list(training.train(made, out, found, "cpu"))[-1]
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("name", CASES)
def test_its_file_opens_again_and_a_cut_training_goes_on(
    name: str, data: Path, tmp_path: Path
) -> None:
    made = recipe(name, 4)
    result = trained(made, data, tmp_path / "run")
    lines = (tmp_path / "run" / "losses.csv").read_text().splitlines()
    assert len(lines) == 5
    assert all(np.isfinite([float(v) for v in row.split(",")]).all() for row in lines[1:])
    family, config = candidates(open_checkpoint(result.texts[0]))[0]
    assert family.id == name and config.size == 32
    module, _ = family.load(config, open_checkpoint(result.texts[0]))
    assert all(bool(torch.isfinite(v).all()) for v in module.state_dict().values())
    stopped_and_resumed(made, make_dataset(dict(made.data), data, made.seed), tmp_path)


def mouths(module: nn.Module, photos: Tensor, labels: list[list[float]]) -> list[float]:
    """How bright the mouths are of what a StarGAN makes of photos with each of the labels."""
    with torch.inference_mode():
        made = [module.get_submodule("generator")(photos, torch.tensor([v] * len(photos)))
                for v in labels]  # fmt: skip
    return [float(x[:, :, 23:25, 14:19].mean()) for x in made]


def test_a_stargan_s_labels_show_on_new_faces(data: Path, tmp_path: Path) -> None:
    """Constant planes of labels reach all of the picture, which instance norms would not let."""
    pairs_alone = replace(recipe("stargan", 150, 3e-3), losses={"class": 0.0})
    result = trained(pairs_alone, data, tmp_path / "run")
    family, config = candidates(open_checkpoint(result.texts[0]))[0]
    assert config.edits
    module, _ = family.load(config, open_checkpoint(result.texts[0]))
    rng = np.random.default_rng(99)
    drawn = np.stack([face(rng, False, "black") for _ in range(6)])
    small = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
    photos = nn.functional.interpolate(small, (32, 32), mode="area")
    none, half, smiling = mouths(module, photos, [[0.0], [0.5], [1.0]])
    before = float(photos[:, :, 23:25, 14:19].mean())
    assert abs(none - before) < 1e-5
    assert smiling > before + 0.2 and none < half < smiling


def test_a_critic_is_asked_for_what_changed_alone() -> None:
    class Says(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[3.0, -3.0, 3.0]]).expand(len(x), -1)

    change = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    none = torch.zeros_like(change)
    batch = {"labels": torch.tensor([[0.0, 0, 1], [0, 0, 1]]), "known": torch.ones(2, 3),
             "change": change, "from": none}  # fmt: skip
    made, noise = torch.zeros(2, 3, 32, 32), torch.Generator().manual_seed(1)
    both = taught.asked(Says(), made, batch, noise)
    right, wrong = torch.tensor(-3.0).exp().log1p(), torch.tensor(3.0).exp().log1p()
    assert torch.allclose(both, (right + wrong) / 2, atol=1e-5)
    back = taught.asked(Says(), made, batch | {"change": none, "from": change}, noise)
    assert torch.allclose(back, (wrong + right) / 2, atol=1e-5)  # they were on, and are off
    assert taught.asked(Says(), made, batch | {"change": none}, noise) == 0
