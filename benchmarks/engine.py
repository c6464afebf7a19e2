"""The engine's pass against the plain eager network, interleaved in the same run, so that a busy
machine slows both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.table import Row, milliseconds
from engines import executor
from engines.controls import ModelCard
from engines.devices import choose
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import Config, MultimodalConfig, ResNetConfig, UNetConfig
from engines.family import Model

CASES: dict[str, tuple[Config, tuple[int, int]]] = {
    "U-Net 256, batch norm": (UNetConfig(), (256, 256)),
    "ResNet-9, 256x256": (ResNetConfig(), (256, 256)),
    "ResNet-9, 512x512": (ResNetConfig(), (512, 512)),
    "starter 192x256": (MultimodalConfig(), (192, 256)),
}


def inputs(config: Config, size: tuple[int, int], device: torch.device) -> tuple[Tensor, ...]:
    width, height = size
    if isinstance(config, MultimodalConfig):
        shapes = (
            (1, 1, height, width),
            (1, 4, height, width),
            (1, config.code),
            (1, 1, height, width),
        )
    else:
        shapes = ((1, config.inputs, height, width),)
    return tuple(torch.rand(shape, device=device) for shape in shapes)


def model(module: nn.Module, config: Config, device: torch.device) -> Model:
    card: ModelCard = replace(Pix2Pix().card(config), checkpoint="bench@0")
    dtype = executor.half_type(device, card.half_ok)
    module = executor.prepare(module, device, dtype)
    return Model(Pix2Pix(), module, config, card, device, dtype, executor.execute)


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
    for name, (config, size) in CASES.items():
        torch.manual_seed(0)
        plain = build(config).eval().to(device)
        ours = model(build(config).eval(), config, device)
        ours.module.load_state_dict(plain.state_dict())
        given = inputs(config, size, device)

        def eager(net: nn.Module = plain, x: tuple[Tensor, ...] = given) -> Tensor:
            with torch.no_grad():
                return net(*x)

        def engine(net: Model = ours, x: tuple[Tensor, ...] = given) -> Tensor:
            return net(*x)

        rounds = 2 if quick else 15
        for _ in range(1 if quick else 3):
            eager()
            engine()
        pairs = [one_of_each(eager, engine, device, n % 2 == 1) for n in range(rounds)]
        one, two = zip(*pairs)
        ratio = sorted(a / b for a, b in pairs)[len(pairs) // 2]
        note = f"{ratio:.2f}x eager, which takes {milliseconds(one)}"
        found.append(Row(name, milliseconds(two), ">= 1x eager", note))
    return found
