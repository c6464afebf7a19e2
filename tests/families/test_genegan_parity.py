"""GeneGAN against numbers computed by the reference code, in training and for inference."""

from __future__ import annotations

from typing import Any

import parity
import pytest
import torch
from torch import Tensor

from engines.families.genegan.config import Config, variables
from engines.families.genegan.net import Critic, GeneGAN, from_variables, kernel
from engines.families.genegan.train import crossed, decay, generator_losses
from engines.layers import GANLoss

CASES = ("genegan64", "genegan64_inference")


def critic(given: dict[str, Tensor], scope: str) -> Critic:
    """The reference's critic, its variables under our names."""
    state = {"fct.weight": given[f"{scope}/fct/W"].T, "fct.bias": given[f"{scope}/fct/b"]}
    for level in range(1, 5):
        state[f"conv{level}.weight"] = kernel(given[f"{scope}/conv{level}/W"])
        norm = f"{scope}/conv{level}/batch_normalization"
        if level > 1:
            state[f"norm{level}.weight"] = given[f"{norm}/gamma"]
            state[f"norm{level}.bias"] = given[f"{norm}/beta"]
            state[f"norm{level}.running_mean"] = given[f"{norm}/moving_mean"]
            state[f"norm{level}.running_var"] = given[f"{norm}/moving_variance"]
            state[f"norm{level}.num_batches_tracked"] = torch.tensor(0)
    made = Critic(Config())
    made.load_state_dict(state, strict=True)
    return made


def case(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """(manifest, golden arrays, variables)."""
    manifest, golden = parity.case(f"genegan/{name}")
    shapes = [(key, shape) for key, shape, *_ in manifest["variables"]]
    return manifest, golden, parity.weights(shapes, manifest["fill"], tensorflow=True)


def test_the_variables_are_those_of_the_reference() -> None:
    manifest, _ = parity.case("genegan/genegan64")
    theirs = [[key, shape] for key, shape, *_ in manifest["variables"] if key.startswith("G_")]
    assert theirs == [[key, list(shape)] for key, _, shape in variables(Config())]
    modules = GeneGAN(Config()), Critic(Config()), Critic(Config())
    count = sum(p.numel() for module in modules for p in module.parameters())
    assert count == manifest["parameters"] == 22_599_685


@pytest.mark.parametrize("name", CASES)
def test_split_cross_and_join(name: str) -> None:
    manifest, golden, given = case(name)
    train = manifest["configuration"]["is_train"]
    count = manifest["configuration"]["nhwc"][0]
    net = GeneGAN(Config()).train(train)
    net.load_state_dict(from_variables(given, Config()), strict=True)
    ax, be = (parity.picture(f"gg.{n}", (count, 3, 64, 64), "smooth") for n in ("Ax", "Be"))
    judges = {scope: critic(given, scope).train(train) for scope in ("D_Ax", "D_Be")}
    with torch.inference_mode():
        (a, x), (b, e) = net(ax), net(be)
        nothing = torch.zeros_like(x)
        made = {"Ax2": net(a, x), "Be2": net(b, nothing), "Bx": net(b, x), "Ae": net(a, nothing)}
        made["interpolation_0.4"] = net(b, 0.4 * x)
        scores = {
            "real_Ax": judges["D_Ax"](ax),
            "fake_Bx": judges["D_Ax"](made["Bx"]),
            "real_Be": judges["D_Be"](be),
            "fake_Ae": judges["D_Be"](made["Ae"]),
        }
    for key, features in (("A", a), ("x", x), ("e", e)):
        parity.check(features.permute(0, 2, 3, 1).contiguous(), key, manifest, golden)
    for key, picture in made.items():
        pixels = ((picture + 1) * 127.5).permute(0, 2, 3, 1).contiguous()
        parity.check(pixels, key, manifest, golden, tolerance=1e-2)
    for key, score in scores.items():
        parity.check(score, key, manifest, golden)


@pytest.mark.parametrize("name", CASES)
def test_losses(name: str) -> None:
    manifest, _, given = case(name)
    train = manifest["configuration"]["is_train"]
    count = manifest["configuration"]["nhwc"][0]
    net = GeneGAN(Config()).train(train)
    net.load_state_dict(from_variables(given, Config()), strict=True)
    ax, be = (parity.picture(f"gg.{n}", (count, 3, 64, 64), "smooth") for n in ("Ax", "Be"))
    with_it, without = (critic(given, scope).train(train) for scope in ("D_Ax", "D_Be"))
    wgan = GANLoss("wgangp")
    with torch.no_grad():
        made = crossed(net, ax, be)
        found = generator_losses(ax, be, made)
        found["parallelogram"] = 0.01 * found["parallelogram"]
        found["Bx"] = wgan(with_it(made["Bx"]), True)
        found["Ae"] = wgan(without(made["Ae"]), True)
        critics = {
            "Ax_Bx": wgan(with_it(ax), True) + wgan(with_it(made["Bx"]), False),
            "Be_Ae": wgan(without(be), True) + wgan(without(made["Ae"]), False),
        }
        decayed = 5e-5 * decay(net).item()
    known = manifest["losses"]
    for wanted, values in ((known["G"], found), (known["D"], critics)):
        assert wanted.keys() == values.keys()
        for key, value in values.items():
            assert value.item() == pytest.approx(wanted[key], rel=1e-4), key
    total = sum(value.item() for value in found.values())
    assert decayed == pytest.approx(known["total"]["decay"], rel=1e-4)
    assert total == pytest.approx(known["total"]["loss_G_nodecay"], rel=1e-4)
    assert sum(v.item() for v in critics.values()) == pytest.approx(
        known["total"]["loss_D"], rel=2e-4
    )
