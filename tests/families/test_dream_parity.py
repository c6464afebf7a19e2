"""DeepDream against numbers of the two reference codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest
import torch
from looking import ended
from torch import Tensor

from engines.backbonenet import Backbone
from engines.backbones import Config, units
from engines.families.dream.ascent import Ascent, normalised, pyramid, resized, smoothed
from engines.families.dream.config import Look, Setting, octave_sizes
from engines.families.dream.objective import Objective, gathered

WHOLE, GUIDED = "deepdream/vgg16_relu4_3", "deepdream/google_guided_objective"
VGG = Config(depths=(2, 2, 3, 3, 3), classes=0, hidden=0)


@pytest.fixture(scope="module")
def case() -> tuple[dict[str, Any], dict[str, np.ndarray], Backbone]:
    manifest, golden = parity.case(WHOLE)
    net = Backbone(VGG)
    parity.fill(net, manifest["fill"])
    return manifest, golden, net.eval().requires_grad_(False)


def setting(manifest: dict[str, Any]) -> Setting:
    known = manifest["configuration"]
    return Setting(
        (Look(known["layers_to_use"][0]),),
        octaves=known["pyramid_size"],
        ratio=known["pyramid_ratio"],
        detail=False,
        steps=known["num_gradient_ascent_iterations"],
        rate=known["lr"] * units(VGG),
        smooth=known["smoothing_coefficient"],
        jitter=known["spatial_shift_size"],
    )


def photo(net: Backbone) -> Tensor:
    return net.enter(parity.picture("dd.img", (1, 3, 72, 96), "smooth") * 0.5 + 0.5)


def ascent(net: Backbone, asked: Setting) -> Ascent:
    low, high = (net.enter(torch.full((1, 3, 1, 1), v)) for v in (0.0, 1.0))
    return Ascent(asked, asked.rate / units(VGG), low, high)


def test_the_gradient_is_that_of_the_reference(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    gradient, terms = ended(Objective(net, VGG, setting(manifest)).gradient(photo(net)))
    assert float(terms["relu4_3"]) == pytest.approx(manifest["loss"], rel=1e-4)
    parity.check(gradient, "raw_gradient", manifest, golden, 1e-6)
    parity.check(smoothed(gradient, 1.1), "smoothed_gradient_sigma1.1", manifest, golden, 1e-6)


def test_one_step_is_that_of_the_reference(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    asked = setting(manifest)
    climb, objective = ascent(net, asked), Objective(net, VGG, asked)
    moved, _ = ended(climb.step(photo(net), objective.gradient, 0, (0, 0)))
    parity.check(moved, "after_one_step", manifest, golden, 2e-3)


def test_a_whole_dream_is_that_of_the_reference(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    asked, x = setting(manifest), photo(net)
    sizes = octave_sizes(VGG, asked, (96, 72))
    assert [[h, w] for w, h in sizes] == manifest["pyramid_shapes_hw"]
    shifts = iter(manifest["inputs"]["dd.shifts"]["values"])
    climb, objective = ascent(net, asked), Objective(net, VGG, asked)
    x = pyramid(x, sizes)[0]
    for size in sizes:
        x = resized(x, size)
        for number in range(asked.steps):
            x, _ = ended(climb.step(x, objective.gradient, number, tuple(next(shifts))))
    parity.check(net.leave(x)[0].permute(1, 2, 0), "dream", manifest, golden, 1e-2)


def test_guided_features_and_steps_are_those_of_the_reference() -> None:
    manifest, golden = parity.case(GUIDED)
    given = {name: parity.picture(name, tuple(manifest["inputs"][name]), "normal")
             for name in ("gd.x", "gd.y", "gd.g")}  # fmt: skip
    parity.check(gathered(given["gd.x"], given["gd.y"]), "diff", manifest, golden)
    step = 1.5 * normalised(given["gd.g"], "mean")
    parity.check(step, "normalised_step", manifest, golden)


def test_the_guided_gradient_starts_from_the_gathered_features() -> None:
    """The objective's gradient in the map itself, through a network that is none."""
    manifest, golden = parity.case(GUIDED)
    x, guide = (parity.picture(n, tuple(manifest["inputs"][n]), "normal")[None]
                for n in ("gd.x", "gd.y"))  # fmt: skip
    asked = Setting((Look("conv1_1"),))
    objective = Objective(lambda x, _: {"conv1_1": x}, VGG, asked, {"conv1_1": guide})
    gradient, _ = ended(objective.gradient(x))
    parity.check(gradient[0] * x.numel(), "diff", manifest, golden)
