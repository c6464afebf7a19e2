"""Recognising IcGAN, face ageing and DA-GAN: only theirs, and no question breaks on strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines.arrays import TensorInfo
from engines.checkpoint import Checkpoint
from engines.families.ageing.config import Config as AgeingConfig
from engines.families.dagan.config import Config as DAGANConfig
from engines.families.icgan.config import Config as IcGANConfig
from engines.family import families

CASES: list[tuple[str, Any]] = [
    ("icgan", IcGANConfig(("Smiling", "Male"), 5, 2, 2, (8, 6), 3)),
    ("aging", AgeingConfig(("a", "b"), 5, 2, 8, 6, 8, 3, reader=True)),
    ("dagan", DAGANConfig("Smile", 4, (4, 6), 0, 1.0, 1, 2, 4, 3)),
]
each = pytest.mark.parametrize(("name", "config"), CASES, ids=[name for name, _ in CASES])


def opened(shapes: dict[str, tuple[int, ...]], told: dict[str, Any] | None = None) -> Checkpoint:
    infos = {key: TensorInfo(shape, "float32") for key, shape in shapes.items()}
    return Checkpoint(Path("x.pth"), "torch-zip", infos, {"config": told} if told else {})


def shapes_of(name: str, config: Any) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = families()[name].build(config).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@each
def test_every_missing_or_other_kernel_is_noticed(name: str, config: Any) -> None:
    family, shapes = families()[name], shapes_of(name, config)
    told = family.to_dict(config)
    assert family.recognise(opened(shapes, told)) == config
    kernels = [key for key, shape in shapes.items() if len(shape) > 1]
    for key in kernels:
        less = {k: s for k, s in shapes.items() if k != key}
        if "reader" not in key:  # which a net may lack
            assert family.recognise(opened(less, told)) is None, key
        more = {**shapes, key: (*shapes[key][:-1], shapes[key][-1] + 1)}
        assert family.recognise(opened(more, told)) is None, key
    assert family.recognise(opened({**shapes, "extra.weight": (3, 3)}, told)) is None


@each
def test_no_shapes_break_the_question(name: str, config: Any) -> None:
    family, shapes = families()[name], shapes_of(name, config)
    rng = np.random.default_rng(0)
    keys = list(shapes)
    for _ in range(400):
        strange = dict(shapes)
        for key in rng.choice(keys, rng.integers(1, 6)):
            kind = rng.integers(0, 4)
            if kind == 0:
                strange.pop(str(key), None)
            else:
                dims = int(rng.integers(0, 6))
                most = 8 if kind < 3 else 1 << 60
                strange[str(key)] = tuple(int(n) for n in rng.integers(0, most, dims))
        found = family.recognise(opened(strange))
        if found is not None:
            assert family.card(found).controls
    assert family.recognise(opened({})) is None
