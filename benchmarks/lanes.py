"""Converted networks against plain eager torch, interleaved in the same run, so that a busy machine
slows all alike. Random weights and inputs; what a lane is for is said in engines/lanes.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.table import Row, milliseconds
from engines import lanemaking
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import MultimodalConfig, ResNetConfig, UNetConfig
from engines.families.pix2pixhd.config import Config as Pix2PixHDConfig
from engines.families.pix2pixhd.net import Pix2PixHD
from engines.families.stargan.config import CELEBA
from engines.families.stargan.config import Config as StarGANConfig
from engines.families.stargan.net import Generator
from engines.lanestore import Argument, Call, compiled, knows_bfloat16
from engines.layers import use_batch_statistics

Shape = tuple[int, ...]
STARTER = MultimodalConfig()
# name: network, shapes of its inputs, targets of fp32 and int8 in times of eager
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[Shape, ...], tuple[float, float]]] = {
    "U-Net 256, as trained": (lambda: build(UNetConfig()), ((1, 3, 256, 256),), (2, 6)),
    "ResNet-9, 256x256": (lambda: build(ResNetConfig()), ((1, 3, 256, 256),), (1.15, 4)),
    "ResNet-9, 512x512": (lambda: build(ResNetConfig()), ((1, 3, 512, 512),), (1.15, 4)),
    "StarGAN 128": (lambda: Generator(StarGANConfig(CELEBA)), ((1, 3, 128, 128), (1, 5)), (1.4, 4)),
    "pix2pixHD global, 512x256": (
        lambda: Pix2PixHD(Pix2PixHDConfig()), ((1, 36, 256, 512),), (1.3, 3),
    ),
    "starter 192x256": (
        lambda: build(STARTER),
        ((1, 1, 256, 192), (1, 4, 256, 192), (1, STARTER.code), (1, 1, 256, 192)),
        (1, 1),
    ),
}  # fmt: skip


def rows(quick: bool = False) -> list[Row]:
    found: list[Row] = []
    for name, (network, shapes, targets) in CASES.items():
        torch.manual_seed(0)
        found += _rows(name, network().eval(), shapes, targets, 2 if quick else 15)
    return found


def _rows(
    name: str,
    network: nn.Module,
    shapes: tuple[Shape, ...],
    targets: tuple[float, float],
    rounds: int,
) -> list[Row]:
    use_batch_statistics(network, True)
    network.requires_grad_(False)
    random = np.random.default_rng(0)
    samples = [[random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
               for _ in range(4)]  # fmt: skip
    call = Call(tuple(Argument("", shape) for shape in shapes))
    converted, converting = _timed(
        lambda: lanemaking.convert(lanemaking.Pass(network, call), samples[0])
    )
    quantised, quantising = _timed(lambda: lanemaking.quantise(converted, samples))
    threads = torch.get_num_threads()
    quick, _ = lanemaking.quickest(converted, samples[0])
    networks = {"fp32": quick, "bf16": converted, "int8": quantised}
    if not knows_bfloat16():
        del networks["bf16"]
    requests = [compiled(n, threads, p).create_infer_request() for p, n in networks.items()]
    given = [torch.from_numpy(a) for a in samples[0]]

    def eager() -> np.ndarray:
        with torch.no_grad():
            return network(*given).numpy()

    def lane(request: Any) -> np.ndarray:
        return request.infer(samples[0], share_inputs=True)[0]

    runs = [eager, *(lambda r=r: lane(r) for r in requests)]
    exact = eager()
    apart = [float(np.abs(run() - exact).mean()) for run in runs[1:]]
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds):
        for n in range(len(runs)):
            which = (turn + n) % len(runs)
            times[which].append(_timed(runs[which])[1])
    wanted = dict(zip(("fp32", "int8"), targets))
    seconds = {"fp32": f"; made in {converting:.1f} s", "int8": f"; made in {quantising:.1f} s"}
    made = []
    for precision, took, off in zip(networks, times[1:], apart):
        ratio = statistics.median(a / b for a, b in zip(times[0], took))
        note = f"{ratio:.2f}x eager, which takes {milliseconds(times[0])}"
        note += f"; differs by {off:.1e} in [-1, 1]{seconds.get(precision, '')}"
        least = wanted.get(precision, 1)
        target = f">= {least:g}x eager" if least > 1 else ""
        made.append(Row(f"{name}, {precision}", milliseconds(took), target, note))
    return made


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    made = run()
    return made, time.perf_counter() - started
