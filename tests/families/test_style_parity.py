"""Neural Style against numbers of the reference code."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest
import torch
from looking import ended
from PIL import Image
from torch import Tensor

from engines import styling, tensors
from engines.backbonenet import Backbone
from engines.backbones import Config
from engines.families.style.config import Setting, default_setting
from engines.families.style.descent import Descent, Method
from engines.families.style.objective import Features, Objective, Region, Targets, blended
from engines.job import Picture

CASE = "neural-style/vgg19_default"
CAFFE = Config(classes=0, hidden=0, scale="caffe")
MEAN = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)  # blue, green, red


@pytest.fixture(scope="module")
def case() -> tuple[dict[str, Any], dict[str, np.ndarray], Backbone]:
    manifest, golden = parity.case(CASE)
    net = Backbone(CAFFE)
    parity.fill(net, manifest["fill"])
    return manifest, golden, net.eval().requires_grad_(False)


def rgb(name: str, shape: tuple[int, ...], kind: str) -> Tensor:
    """An input of the fixture as RGB from 0 to 255; the fixture counts its channels from blue."""
    return ((parity.picture(name, shape, kind) + 1) * 127.5).flip(1)


def objective(net: Backbone, setting: Setting) -> Objective:
    features = Features(net, net, setting)
    photo = rgb("ns.content", (1, 3, 48, 64), "smooth")
    style = ended(features.grams(rgb("ns.style0", (1, 3, 48, 72), "smooth")))
    regions = [Region(blended([style], [1.0]))]
    return Objective(features, setting, Targets(ended(features.content(photo)), regions))


def start() -> Tensor:
    return rgb("ns.init", (1, 3, 48, 64), "uniform").requires_grad_()


def test_defaults_are_those_of_the_reference() -> None:
    manifest, _ = parity.case(CASE)
    known, setting = manifest["configuration"], default_setting(CAFFE)
    assert [name for name, _ in setting.content] == known["content_layers"]
    assert [name for name, _ in setting.style] == known["style_layers"]
    assert setting.content_weight == known["content_weight"]
    assert setting.style_weight == known["style_weight"]
    assert setting.tv == known["tv_weight"] and setting.pooling == known["pooling"]


def test_gram_targets(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    features = Features(net, net, default_setting(CAFFE))
    grams = ended(features.grams(rgb("ns.style0", (1, 3, 48, 72), "smooth")))
    for layer, found in grams.items():
        known = manifest["golden"][f"gram_target.{layer}"]
        parity.check(found, f"gram_target.{layer}", manifest, golden, 1e-4 * known["max"])


def test_losses_and_gradient_at_the_start(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    x = start()
    terms = ended(objective(net, default_setting(CAFFE)).descend(x))
    found = {name: float(value) for name, value in terms.items()}
    known = manifest["values"]
    assert [v for k, v in found.items() if k.startswith("content")] == pytest.approx(
        known["content"], rel=1e-4
    )
    assert [v for k, v in found.items() if k.startswith("style")] == pytest.approx(
        known["style"], rel=1e-4
    )
    assert found["smoothness"] == pytest.approx(known["tv"], rel=1e-4)
    assert sum(found.values()) == pytest.approx(known["total"], rel=1e-4)
    assert x.grad is not None
    parity.check(x.grad.flip(1), "gradient_at_init", manifest, golden, 2e-3)


def descended(net: Backbone, method: Method, steps: int) -> tuple[Tensor, list[float]]:
    """The picture after some steps, and the loss before each."""
    descent = Descent(start(), objective(net, default_setting(CAFFE)).descend, method, 1.0)
    return descent.x, [sum(map(float, ended(descent.step()).values())) for _ in range(steps)]


def test_adam_takes_the_steps_of_the_reference(case: tuple[Any, Any, Backbone]) -> None:
    manifest, golden, net = case
    x, losses = descended(net, "adam", 5)
    assert losses == pytest.approx(manifest["adam_loss_trace"], rel=1e-4)
    known = manifest["golden"]["adam_image_after_5"]
    found = (x.flip(1) - MEAN).detach().numpy()
    assert found.mean() == pytest.approx(known["mean"], abs=1e-3)
    assert found.std() == pytest.approx(known["std"], abs=1e-3)
    worse = np.abs(found.reshape(-1)[:: known["sample_step"]] - golden["adam_image_after_5"])
    # Adam divides by the gradient: where that is almost 0, its sign is a matter of rounding
    assert np.quantile(worse, 0.95) < 1e-2 and worse.max() < 0.5


def test_lbfgs_takes_the_steps_of_the_reference(case: tuple[Any, Any, Backbone]) -> None:
    manifest, _, net = case
    _, losses = descended(net, "lbfgs", 8)
    assert losses == pytest.approx(manifest["lbfgs_loss_trace"], rel=1e-2)


def test_pictures_are_made_smaller_as_in_the_reference() -> None:
    manifest, golden = parity.case(CASE)
    given = parity.source("input:ns.png").integers(0, 256, (60, 90, 3), np.int64).astype(np.uint8)
    size = styling.final_size((90, 60), 48)
    made = styling.sized(Picture(given), size).pixels
    planes = torch.from_numpy(made.copy()).permute(2, 0, 1)[None].flip(1)
    parity.check(planes - MEAN, "preprocess", manifest, golden)


def test_pictures_are_read_out_as_in_the_reference_but_rounded() -> None:
    manifest, golden = parity.case(CASE)
    made = tensors.to_picture(rgb("ns.content", (1, 3, 48, 64), "smooth"), 0, 255).pixels
    known = manifest["golden"]["deprocess"]
    more = made.reshape(-1)[:: known["sample_step"]].astype(int) - golden["deprocess"]
    assert list(made.shape) == known["shape"]
    assert set(np.unique(more)) == {0, 1}  # the reference truncates
    assert abs(int(made.sum()) - known["sum"]) < 0.51 * made.size


def test_original_colours_are_those_of_the_photo_in_ycbcr() -> None:
    rng = np.random.default_rng(0)
    result, photo = (Picture(rng.integers(60, 190, (9, 8, 3), np.uint8)) for _ in range(2))
    made = Image.fromarray(styling.with_colours_of(result, photo).pixels).convert("YCbCr")
    luma = Image.fromarray(result.pixels).convert("YCbCr").getchannel(0)
    chroma = Image.fromarray(photo.pixels).convert("YCbCr")
    found = np.asarray(made).astype(int)
    assert np.median(np.abs(found[..., 0] - np.asarray(luma))) <= 1
    assert np.median(np.abs(found[..., 1:] - np.asarray(chroma)[..., 1:])) <= 1
