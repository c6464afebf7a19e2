"""StarGAN's networks, target labels and losses against numbers computed by the reference code."""

from __future__ import annotations

from typing import Any

import parity
import pytest
import torch

from engines.families.stargan.config import (
    CELEBA,
    RAFD,
    Config,
    DiscriminatorConfig,
    all_targets,
)
from engines.families.stargan.net import (
    Discriminator,
    Generator,
    LabelledStarGAN,
    class_loss,
    discriminator_losses,
)
from engines.repairs import plan

CASES = {"celeba128_c5": Config(CELEBA), "rafd128_c8": Config(RAFD)}


def official_weights(manifest: dict[str, Any], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every weight of the official file, running statistics too, then what our loading leaves."""
    shapes = [(key, shape) for key, shape, _ in manifest["state_dict"]]
    state = parity.weights(shapes, manifest["fill"])
    made = plan({k: tuple(v.shape) for k, v in state.items()}, module)
    return {k: v for k, v in state.items() if k not in made.dropped}


@pytest.mark.parametrize("name", CASES)
def test_the_generator_uses_each_pictures_own_statistics(name: str) -> None:
    manifest, golden = parity.case(f"stargan/{name}")
    module = Generator(CASES[name])
    module.load_state_dict(official_weights(manifest["generator"], module), strict=True)
    assert sum(p.numel() for p in module.parameters()) == manifest["generator"]["parameters"]
    labels = torch.tensor(manifest["inputs"].pop("labels"))
    given = parity.inputs(manifest)
    for wanted in (w for w in manifest["golden"] if w.endswith("train_mode_upstream")):
        source = next(x for n, x in given.items() if n.endswith("." + wanted.split(".")[1]))
        with torch.inference_mode():
            made = module.eval()(source, labels)
        parity.check(made, wanted, manifest, golden)


@pytest.mark.parametrize("fewer", [False, True])
def test_the_generator_through_the_fast_lane(fewer: bool) -> None:
    manifest, golden = parity.case("stargan/celeba128_c5")
    module = Generator(CASES["celeba128_c5"])
    module.load_state_dict(official_weights(manifest["generator"], module), strict=True)
    labels = torch.tensor(manifest["inputs"].pop("labels"))
    given = parity.inputs(manifest)
    wanted = "G.x.train_mode_upstream"
    source = next(x for name, x in given.items() if name.endswith(".x"))
    made = parity.through_lane(module.eval(), source, labels, fewer=fewer)
    parity.check(made, wanted, manifest, golden)


def test_the_running_statistics_would_give_another_picture() -> None:
    manifest, golden = parity.case("stargan/celeba128_c5")
    right, wrong = (golden[f"G.x.{mode}"] for mode in ("train_mode_upstream", "eval_mode_WRONG"))
    assert abs(right.mean() - wrong.mean()) > 0.1
    assert manifest["generator"]["parameters"] == 8_430_528


def test_the_discriminator() -> None:
    manifest, golden = parity.case("stargan/celeba128_c5")
    module = Discriminator(DiscriminatorConfig())
    ours = [[k, list(v.shape), "float32"] for k, v in module.state_dict().items()]
    assert ours == manifest["discriminator"]["state_dict"]
    assert sum(p.numel() for p in module.parameters()) == 44_762_048
    parity.fill(module, manifest["discriminator"]["fill"])
    manifest["inputs"].pop("labels")
    given = parity.inputs(manifest)
    whole = LabelledStarGAN(Config(CELEBA, width=4, blocks=1, judge=(64, 6, 128)))
    whole.labeller = module  # as it explains a picture
    for name in ("x", "u"):
        with torch.inference_mode():
            realness, logits = whole(given[f"sg5.{name}"], heads=True)
        assert realness.shape[2:] == (2, 2) and logits.shape[1] == 5
        parity.check(realness, f"D.{name}.src", manifest, golden)
        parity.check(logits, f"D.{name}.cls", manifest, golden)


def losses_case() -> tuple[dict[str, Any], Generator, Discriminator, torch.Tensor, torch.Tensor]:
    manifest, _ = parity.case("stargan/labels_and_losses")
    told = manifest["losses"]
    generator = Generator(Config(CELEBA, width=8, blocks=2))
    state = official_weights(told["nets"]["G"], generator)
    generator.load_state_dict(state, strict=True)
    discriminator = Discriminator(DiscriminatorConfig(5, 8, 4, 32))
    parity.fill(discriminator, told["nets"]["D"]["fill"])
    given = parity.inputs(
        {"inputs": {n: i for n, i in told["inputs"].items() if n.startswith("sgl.")}}
    )
    return manifest, generator, discriminator, given["sgl.real"], given["sgl.alpha"]


def test_losses() -> None:
    manifest, generator, discriminator, real, mix = losses_case()
    known, weights = manifest["losses"]["values"], manifest["losses"]["weights"]
    own = torch.tensor(manifest["labels"]["c_org"])
    target = own.roll(1, 0)
    fake = generator(real, target)
    parts, logits = discriminator_losses(discriminator, real, fake, mix)
    found = {f"d_{n}": parts[f"D_{n}"] for n in ("real", "fake")}
    found |= {"d_gp": parts["D_slope"], "d_cls": class_loss(logits, own)}
    found["d_loss"] = (
        found["d_real"]
        + found["d_fake"]
        + weights["lambda_cls"] * found["d_cls"]
        + weights["lambda_gp"] * found["d_gp"]
    )
    realness, logits = discriminator(fake)
    found["g_fake"] = -realness.mean()
    found["g_cls"] = class_loss(logits, target)
    found["g_rec"] = (real - generator(fake, own)).abs().mean()
    found["g_loss"] = (
        found["g_fake"]
        + weights["lambda_rec"] * found["g_rec"]
        + weights["lambda_cls"] * found["g_cls"]
    )
    labels = torch.tensor(manifest["losses"]["inputs"]["labels_rafd"])
    for name, value in found.items():
        assert float(value.detach()) == pytest.approx(known[name], rel=1e-4, abs=1e-6), name
    one = torch.nn.functional.one_hot(labels, 5).float()
    exclusive = float(class_loss(logits, one, exclusive=True).detach())
    assert exclusive == pytest.approx(known["rafd_cls_cross_entropy"], rel=1e-4)


def test_target_labels() -> None:
    manifest, _ = parity.case("stargan/labels_and_losses")
    told = manifest["labels"]
    for row, own in enumerate(told["c_org"]):
        found = all_targets(Config(CELEBA), own)
        assert found == [targets[row] for targets in told["targets_celeba"]]
        assert all_targets(Config(RAFD), [0.0] * 8) == [t[row] for t in told["targets_rafd"]]
