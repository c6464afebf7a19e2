"""Convolutions with fewer products give the numbers of plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engines import lanemaking, winograd
from engines.lanestore import Argument, Call, compiled

WIDE = winograd.NARROWEST
Shape = tuple[int, ...]


def converted(network: nn.Module, shape: Shape) -> tuple[Any, np.ndarray]:
    picture = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    network.eval().requires_grad_(False)
    run = lanemaking.Pass(network, Call((Argument("", shape),)))
    return lanemaking.convert(run, [picture]), picture


def kinds(network: Any) -> list[str]:
    return [node.get_type_name() for node in network.get_ordered_ops()]


@pytest.mark.parametrize("size", [(1, 16, 16), (2, 32, 20), (1, 17, 30), (3, 14, 23)])
@pytest.mark.parametrize("padding", [0, 1, (2, 1)])
def test_it_is_the_convolution(size: tuple[int, int, int], padding: Any) -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(WIDE, WIDE + 8, 3, padding=padding)
    plain, picture = converted(network, (size[0], WIDE, *size[1:]))
    fewer, grown = winograd.with_fewer_products(plain)
    assert grown == 27 * 4 * WIDE * (WIDE + 8) and "Convolution" not in kinds(fewer)
    made = compiled(fewer, 1).create_infer_request().infer([picture])[0]
    wanted = network(torch.from_numpy(picture)).numpy()
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() < 2e-5


def test_only_what_gains_by_it_is_changed() -> None:
    for network, shape in (
        (nn.Conv2d(WIDE, WIDE, 3, 2, 1), (1, WIDE, 32, 32)),
        (nn.Conv2d(WIDE, WIDE, 4, 1, 1), (1, WIDE, 32, 32)),
        (nn.Conv2d(WIDE, WIDE, 3, 1, 2, dilation=2), (1, WIDE, 32, 32)),
        (nn.Conv2d(WIDE, WIDE, 3, 1, 1, groups=2), (1, WIDE, 32, 32)),
        (nn.Conv2d(WIDE // 2, WIDE, 3, 1, 1), (1, WIDE // 2, 32, 32)),
        (nn.Conv2d(WIDE, WIDE, 3, 1, 1), (1, WIDE, 8, 8)),
    ):
        plain, _ = converted(network, shape)
        fewer, grown = winograd.with_fewer_products(plain)
        assert grown == 0 and kinds(fewer) == kinds(plain), network


def test_the_weights_grow_no_further_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The larger map is changed, the smaller one left; the given network stays as it was."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(WIDE, WIDE, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(WIDE, WIDE, 3, padding=1),
    )  # fmt: skip
    plain, picture = converted(network, (1, WIDE, 32, 32))
    one = 27 * 4 * WIDE * WIDE
    monkeypatch.setattr(winograd, "EXTRA", one)
    fewer, grown = winograd.with_fewer_products(plain)
    assert grown == one
    assert kinds(plain).count("Convolution") == 2 and kinds(fewer).count("Convolution") == 1
    assert kinds(fewer).index("Convolution") > kinds(fewer).index("DepthToSpace")
    made = compiled(fewer, 1).create_infer_request().infer([picture])[0]
    assert np.abs(made - network(torch.from_numpy(picture)).numpy()).max() < 2e-5
