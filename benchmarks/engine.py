"""The engine's pass against the plain eager network, interleaved in the same run, so that a busy
machine slows both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.table import Row, milliseconds
from engines import executor
from engines.devices import choose
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.config import MultimodalConfig, ResNetConfig, UNetConfig
from engines.families.pix2pixhd import Pix2PixHD
from engines.families.pix2pixhd.config import Config as Pix2PixHDConfig
from engines.family import Family, Model

STARTER = MultimodalConfig()
Shape = tuple[int, ...]
# name: family, configuration, shapes of the inputs
CASES: dict[str, tuple[Family, Any, tuple[Shape, ...]]] = {
    "U-Net 256, batch norm": (Pix2Pix(), UNetConfig(), ((1, 3, 256, 256),)),
    "ResNet-9, 256x256": (Pix2Pix(), ResNetConfig(), ((1, 3, 256, 256),)),
    "ResNet-9, 512x512": (Pix2Pix(), ResNetConfig(), ((1, 3, 512, 512),)),
    "pix2pixHD, global, 1024x512": (Pix2PixHD(), Pix2PixHDConfig(), ((1, 36, 512, 1024),)),
    "starter 192x256": (
        Pix2Pix(),
        STARTER,
        ((1, 1, 256, 192), (1, 4, 256, 192), (1, STARTER.code), (1, 1, 256, 192)),
    ),
}
LONG, ROUNDS, FEW = 3.0, 15, 4  # seconds of a pass from which there are few rounds


def prepared(family: Family, module: nn.Module, config: Any, device: torch.device) -> Model:
    card = replace(family.card(config), checkpoint="bench@0")
    dtype = executor.half_type(device, card.half_ok)
    module = executor.prepare(module, device, dtype)
    return Model(family, module, config, card, device, dtype, executor.execute)


def timed(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def one_of_each(
    eager: Callable[[], object], engine: Callable[[], object], device: torch.device, turned: bool
) -> tuple[float, float]:
    """Seconds of both, one after the other; who goes first changes from round to round."""
    if turned:
        second = timed(engine, device)
        return timed(eager, device), second
    return timed(eager, device), timed(engine, device)


def rows(quick: bool = False) -> list[Row]:
    device = choose("auto")
    found = []
    for name, (family, config, shapes) in CASES.items():
        torch.manual_seed(0)
        plain = family.build(config).eval()
        ours = prepared(family, deepcopy(plain), config, device)
        plain = plain.to(device)
        given = tuple(torch.rand(shape, device=device) for shape in shapes)

        def eager(net: nn.Module = plain, x: tuple[Tensor, ...] = given) -> Tensor:
            with torch.no_grad():
                return net(*x)

        def engine(net: Model = ours, x: tuple[Tensor, ...] = given) -> Tensor:
            return net(*x)

        engine()
        is_long = timed(eager, device) > LONG
        for _ in range(0 if quick or is_long else 2):
            eager()
            engine()
        rounds = 2 if quick else FEW if is_long else ROUNDS
        pairs = [one_of_each(eager, engine, device, n % 2 == 1) for n in range(rounds)]
        one, two = zip(*pairs)
        ratio = sorted(a / b for a, b in pairs)[len(pairs) // 2]
        note = f"{ratio:.2f}x eager, which takes {milliseconds(one)}"
        found.append(Row(name, milliseconds(two), ">= 1x eager", note))
    return found
