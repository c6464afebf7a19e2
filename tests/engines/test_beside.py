"""A discriminator that comes to its model alone: laid beside it where it fits, told what it needs
where not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import main as program
from engines import checkpoint, doctor
from engines.beside import attached
from engines.checkpoint import open_checkpoint
from engines.engine import Engine
from engines.families.cyclegan.config import Config as CycleConfig
from engines.families.pix2pix.config import UNetConfig
from engines.families.stargan.config import CELEBA, DiscriminatorConfig
from engines.families.stargan.config import Config as StarConfig
from engines.families.stargan.net import Discriminator
from engines.family import candidates, families
from engines.job import Job, Picture, Result
from engines.layers import PatchDiscriminator
from engines.residual import ResNetConfig
from tests.families.test_contract import job_for

NET = ResNetConfig(width=4, blocks=1)
LABELLED = StarConfig(("Smile", "Older"), 4, 1, size=64, labeller=(4, 8), template="own")


def saved(path: Path, net: nn.Module) -> Path:
    torch.save(net.state_dict(), path)
    return path


def model(path: Path, family: str, config: Any, **told: Any) -> Path:
    """One of ours where `told` says so, else a bare file of weights."""
    torch.manual_seed(1)
    net = families()[family].build(config)
    if path.suffix != ".safetensors":
        return saved(path, net)
    body = {"family": family, "config": families()[family].to_dict(config), **told}
    checkpoint.save(path, net.state_dict(), body)
    return path


def critic(path: Path, labels: int = 5, size: int = 64) -> Path:
    torch.manual_seed(2)
    return saved(path, Discriminator(DiscriminatorConfig(labels, 2, 5, size)))


def patches(path: Path, inputs: int, norm: str = "instance") -> Path:
    torch.manual_seed(3)
    return saved(path, PatchDiscriminator(inputs, 4, 3, norm))  # type: ignore[arg-type]


def run(path: Path, **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(path))
    job = job_for(card, size=(64, 64))
    last = list(engine.run(job.with_(values={**job.values, **values})))[-1]
    assert isinstance(last, Result)
    return last


def family_of(path: Path) -> str:
    ((family, _),) = candidates(open_checkpoint(path))[:1]
    return family.id


@pytest.mark.parametrize(
    "generator",
    [("200000-G.ckpt", StarConfig(CELEBA, 4, 1), 5), ("smiles.safetensors", LABELLED, 2)],
    ids=["official", "ours, with a labeller"],
)
def test_a_stargan_discriminator_is_laid_beside_the_generator_of_its_labels(
    generator: tuple[str, StarConfig, int], tmp_path: Path
) -> None:
    name, config, labels = generator
    told = {"card": {"title": "Smiles"}} if name.endswith("s") else {}
    given = model(tmp_path / name, "stargan", config, **told)
    judge = critic(tmp_path / "other.ckpt", labels)
    made = attached(judge, given, tmp_path / "own")
    assert made is not None and made.name == given.stem and made.is_relative_to(tmp_path / "own")
    assert attached(judge, given, tmp_path / "own") == made
    assert doctor.inspect(made).kind == "model" and family_of(made) == "stargan"
    ((_, found), *_) = candidates(open_checkpoint(made))
    assert (found.labels, found.judge, found.size) == (config.labels, (2, 5, 64), 64)
    module, _ = families()["stargan"].load(found, open_checkpoint(made))
    x = torch.rand(1, 3, 64, 64)
    torch.manual_seed(2)
    critic_ = Discriminator(DiscriminatorConfig(labels, 2, 5, 64))
    assert all(map(torch.equal, module(x, heads=True), critic_(x)))
    if told:
        card = Engine("cpu").describe(str(made))
        assert card.title == "Smiles" and card.control("explain") is not None


@pytest.mark.parametrize(("labels", "size"), [(3, 64), (2, 128)])
def test_one_of_other_labels_or_another_size_says_what_it_needs(
    labels: int, size: int, tmp_path: Path
) -> None:
    given = model(tmp_path / "smiles.safetensors", "stargan", LABELLED)
    judge = critic(tmp_path / "1-D.ckpt", labels, size)
    assert attached(judge, given, tmp_path / "own") is None
    assert not (tmp_path / "own").exists()
    verdict = doctor.inspect(judge)
    assert verdict.kind == "other" and verdict.family == "stargan"
    assert f"generator of {labels} labels and {size} pixels first" in verdict.message
    assert verdict.message.endswith(".") and verdict.message.count(". ") == 0


def test_a_model_is_laid_beside_no_model(tmp_path: Path) -> None:
    given = model(tmp_path / "1-G.ckpt", "stargan", StarConfig(CELEBA, 4, 1))
    assert attached(given, given, tmp_path / "own") is None
    assert attached(tmp_path / "gone.ckpt", given, tmp_path / "own") is None
    judge = critic(tmp_path / "D.ckpt")
    made = attached(judge, given, tmp_path / "own")
    assert made is not None and attached(judge, made, tmp_path / "own") is None  # it has one


# ---- CycleGAN ------------------------------------------------------------------------------------


def pair_of(folder: Path) -> Path:
    folder.mkdir()
    for end in "AB":
        model(folder / f"latest_net_G_{end}.pth", "pix2pix", NET)
    return folder


def test_a_discriminator_of_cyclegan_measures_the_side_that_its_name_says(tmp_path: Path) -> None:
    ours = model(tmp_path / "ours.safetensors", "cyclegan", CycleConfig(NET, NET, names=("X", "Y")))
    official, judge = pair_of(tmp_path / "pair"), patches(tmp_path / "latest_net_D_B.pth", 3)
    for given in (ours, official):
        made = attached(judge, given, tmp_path / "own")
        assert made is not None and family_of(made) == "cyclegan"
        assert "likeness" in run(made, direction="BtoA").numbers
        assert "likeness" not in run(made, direction="AtoB").numbers
        nameless = patches(tmp_path / "patches.pth", 3)
        assert attached(nameless, given, tmp_path / "own") is None
        second = attached(patches(tmp_path / "latest_net_D_A.pth", 3), made, tmp_path / "own")
        assert second is not None and "likeness" in run(second, direction="AtoB").numbers
    assert Engine("cpu").describe(str(second)).title == "A to B and back"
    assert "latest_net_D_A.pth" in doctor.inspect(nameless).message


def test_of_one_direction_it_is_that_of_the_results(tmp_path: Path) -> None:
    """Though a single ResNet opens as pix2pix's."""
    given = model(tmp_path / "latest_net_G.pth", "pix2pix", NET)
    made = attached(patches(tmp_path / "patches.pth", 3), given, tmp_path / "own")
    assert made is not None and family_of(made) == "cyclegan"
    assert "likeness" in run(made).numbers
    assert attached(patches(tmp_path / "net_D_B.pth", 3), given, tmp_path / "own") is None


# ---- pix2pix -------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize(
    "config",
    [UNetConfig(width=4, depth=5, dropout=None), UNetConfig(1, 2, 4, 5, dropout=None),
     ResNetConfig(width=4, blocks=2)],
    ids=["unet", "lab", "resnet"],
)  # fmt: skip
def test_a_pix2pix_discriminator_judges_input_and_output_together(
    config: Any, norm: str, tmp_path: Path
) -> None:
    given = model(tmp_path / "facades_label2photo.pth", "pix2pix", config)
    alone = run(given)
    judge = patches(tmp_path / "latest_net_D.pth", config.inputs + config.outputs, norm)
    made = attached(judge, given, tmp_path / "own")
    assert made is not None and family_of(made) == "pix2pix"
    result = run(made)
    assert result.pictures == alone.pictures, "it only looks"
    assert 0 < result.numbers["likeness"] < 1
    assert result.beside["Discriminator"].size == alone.picture.size
    assert np.ptp(result.beside["Discriminator"].pixels) > 0
    opened = open_checkpoint(made)
    ((family, found), *_) = candidates(opened)
    module, _ = family.load(found, opened)
    body = {"family": "pix2pix", "config": family.to_dict(found)}
    checkpoint.save(tmp_path / "one.safetensors", module.state_dict(), body)
    assert candidates(open_checkpoint(tmp_path / "one.safetensors"))[0] == (family, found)
    assert run(tmp_path / "one.safetensors").numbers == result.numbers


def test_the_score_is_that_of_the_pair(tmp_path: Path) -> None:
    config = UNetConfig(width=4, depth=5, norm="instance", dropout=False)
    given = model(tmp_path / "G.pth", "pix2pix", config)
    judge = patches(tmp_path / "D.pth", 6)
    made = attached(judge, given, tmp_path / "own")
    assert made is not None
    engine = Engine("cpu")
    card = engine.describe(str(made))
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    job = Job("pix2pix", card.checkpoint, images={"edges": Picture(pixels)})
    last = list(engine.run(job))[-1]
    assert isinstance(last, Result)
    nets: Mapping[str, nn.Module] = dict(engine.load(str(made)).module.named_children())
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        y: Tensor = nets["generator"](x)
        score = nets["judge"](torch.cat((x, y), 1)).sigmoid()
    low, high = float(score.min()), float(score.max())
    assert low - 0.05 <= last.numbers["likeness"] <= high + 0.05
    assert last.numbers["likeness"] == pytest.approx(float(score.mean()), abs=(high - low) / 4)


def test_one_of_other_channels_says_what_it_needs(tmp_path: Path) -> None:
    given = model(tmp_path / "G.pth", "pix2pix", UNetConfig(1, 3, 4, 5, dropout=None))
    judge = patches(tmp_path / "D.pth", 6)
    assert attached(judge, given, tmp_path / "own") is None
    verdict = doctor.inspect(judge)
    assert verdict.kind == "other" and "6 channels together" in verdict.message


# ---- at the command line -------------------------------------------------------------------------


def test_given_beside_run_it_tells_what_it_sees(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = model(tmp_path / "G.pth", "pix2pix", UNetConfig(width=4, depth=5, dropout=None))
    photo = Picture(np.full((32, 32, 3), 90, np.uint8))
    (tmp_path / "p.png").write_bytes(photo.to_png())
    command = ["run", "--model", str(given), "--image", f"edges={tmp_path / 'p.png'}",
               "-o", str(tmp_path / "o.png"), "--discriminator"]  # fmt: skip
    assert program.main([*command, str(patches(tmp_path / "D.pth", 6))]) == 0
    assert "likeness 0." in capsys.readouterr().err
    assert (tmp_path / "o-discriminator.png").exists()
    assert program.main([*command, str(critic(tmp_path / "1-D.ckpt"))]) == 2
    assert "generator of 5 labels and 64 pixels first" in capsys.readouterr().err
    assert program.main([*command, str(given)]) == 2
    assert "no discriminator" in capsys.readouterr().err
