"""DA-GAN against the layer table of the one public implementation (it has no weights)."""

from __future__ import annotations

import numpy as np
import parity
import pytest
import torch

from engines.families.dagan.config import Config
from engines.families.dagan.net import DAGAN, region_mask

CASE = "da-gan/architecture"


def test_the_layers_are_those_of_the_table() -> None:
    manifest, _ = parity.case(CASE)
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in DAGAN(Config()).state_dict().items()}
    table = manifest["layers"]
    assert table["encoder"].startswith("4 x [conv 3x3/2 SAME with bias, BN (scale), ReLU]")
    assert [shapes[f"encoder.main.{n}.weight"][:2] for n in (0, 3, 6, 9)] == [
        (64, 3), (128, 64), (256, 128), (512, 256),
    ]  # fmt: skip
    assert "conv 3x3/2 1024 BN ReLU, conv 3x3/2 2048" in table["localisation"]
    assert shapes["locator.main.3.weight"] == (2048, 1024, 3, 3)
    assert shapes["locator.box.weight"] == (2, 2048)
    assert "512/4->256, 256/4->128 BN, 128/4->64 BN, 64/4->3" in table["generator"]
    kernels = [k for k, s in shapes.items() if k.startswith("generator.") and len(s) == 4]
    assert [shapes[k] for k in kernels] == [
        (256, 128, 5, 5), (128, 64, 5, 5), (64, 32, 5, 5), (3, 16, 5, 5),
    ]  # fmt: skip
    assert sum("running_mean" in k and k.startswith("generator.") for k in shapes) == 2
    assert shapes["set_judge.last.weight"] == shapes["instance_judge.last.weight"] == (1, 8192)
    assert shapes["classifier.last.weight"] == (10, 8192)
    assert sum(k.startswith("classifier.blocks.") and len(s) == 4 for k, s in shapes.items()) == 14


def test_the_mask_is_that_of_the_formula() -> None:
    manifest, _ = parity.case(CASE)
    assert "k=200" in manifest["layers"]["mask"] and "hw = 30" in manifest["layers"]["localisation"]
    x0, y0, hw = 7.0, 20.0, 30.0
    for steep in (200.0, 1.5):
        found = region_mask(torch.tensor([[x0, y0, x0 + hw, y0 + hw]]), 64, steep)[0, 0]
        places = np.arange(1, 65, dtype=np.float64)

        def step(t: np.ndarray, k: float = steep) -> np.ndarray:
            return 1 / (1 + np.exp(-np.clip(k * t, -500, 500)))

        wide, tall = (step(places - a) - step(places - a - hw) for a in (x0, y0))
        assert np.abs(found.numpy() - tall[:, None] * wide[None]).max() < 1e-5
    hard = region_mask(torch.tensor([[x0, y0, x0 + hw, y0 + hw]]), 64, 200.0)
    assert float(hard.sum()) == pytest.approx(hw * hw, rel=1e-3)


def test_regions_of_fixed_size_begin_at_whole_pixels_and_stay_inside() -> None:
    torch.manual_seed(0)
    net = DAGAN(Config(width=4, locate=(4, 4), blocks=1, judges=2)).eval()
    with torch.no_grad():
        net.locator.box.weight.mul_(30)
        boxes = net.locator(net.encoder(torch.randn(8, 3, 64, 64)))
    assert torch.equal(boxes, boxes.round()) and torch.equal(boxes[:, 2:], boxes[:, :2] + 30)
    assert float(boxes.min()) >= 0 and float(boxes.max()) <= 64
