"""Converted networks against plain eager torch, interleaved in the same run, so that a busy machine
slows all alike. Random weights and inputs; what a lane is for is said in engines/lanes.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.engine import one_of_each, prepared
from benchmarks.table import Row, milliseconds
from engines import graphs, tensors
from engines.devices import choose
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import MultimodalConfig, ResNetConfig, UNetConfig
from engines.families.pix2pixhd.config import Config as Pix2PixHDConfig
from engines.families.pix2pixhd.net import Pix2PixHD
from engines.families.stargan.config import CELEBA
from engines.families.stargan.config import Config as StarGANConfig
from engines.families.stargan.net import Generator
from engines.family import Model
from engines.job import Picture
from engines.layers import InstanceNorm2d, ReflectionPad2d, use_batch_statistics

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
    device = choose("auto")
    for name, (network, shapes, targets) in CASES.items():
        torch.manual_seed(0)
        net = network().eval()
        if device.type == "cuda":
            found += _rows_on_card(name, net, shapes, device, 5 if quick else 60)
        else:
            found += _rows(name, net, shapes, targets, 2 if quick else 15)
    return found


def _rows(
    name: str,
    network: nn.Module,
    shapes: tuple[Shape, ...],
    targets: tuple[float, float],
    rounds: int,
) -> list[Row]:
    from engines import lanemaking
    from engines.lanestore import Argument, Call, compiled, knows_bfloat16

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


# ---- on a graphics card --------------------------------------------------------------------------


def _rows_on_card(
    name: str, network: nn.Module, shapes: tuple[Shape, ...], device: torch.device, rounds: int
) -> list[Row]:
    """Drafts as the engine makes them against the network as it is, in single precision with what
    torch allows it by itself; and how much of a live pass the card is idle."""
    use_batch_statistics(network, True)
    network.requires_grad_(False)
    plain = officially(deepcopy(network)).to(device)
    noise = torch.Generator().manual_seed(0)
    given = [(torch.rand(shape, generator=noise) * 2 - 1).to(device) for shape in shapes]
    model = prepared(Pix2Pix(), network, UNetConfig(), device)
    model.lanes, model.draft = graphs.Graphs(), True

    def eager() -> torch.Tensor:
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=False):
            return _first(plain(*given))

    def draft() -> torch.Tensor:
        return _first(model(*given))

    for _ in range(6):
        exact, made = eager(), draft()
    apart = float((made - exact).abs().mean())
    pairs = [one_of_each(eager, draft, device, n % 2 == 1) for n in range(rounds)]
    one, two = zip(*pairs)
    ratio = statistics.median(a / b for a, b in pairs)
    note = (
        f"{ratio:.2f}x eager, which takes {milliseconds(one, 2)}; differs by {apart:.1e} in [-1, 1]"
    )
    lane = f"{model.lanes.state}, {str(model.dtype).removeprefix('torch.')}"
    live, busy = _live(model, shapes, given)
    return [
        Row(f"{name}, {lane}", milliseconds(two, 2), ">= 3x eager", note),
        Row(f"{name}, a live pass", f"{1000 * live:.2f} ms", "",
            f"pictures in, picture out; the card is idle {100 * (1 - busy / live):.0f} % of it"),
    ]  # fmt: skip


def officially(network: nn.Module) -> nn.Module:
    """The network with torch's own layers where ours are quicker."""
    for layer in network.modules():
        if isinstance(layer, InstanceNorm2d):
            layer.__class__ = nn.InstanceNorm2d
        if isinstance(layer, ReflectionPad2d):
            layer.__class__ = nn.ReflectionPad2d
    return network


def _first(made: Any) -> torch.Tensor:
    return made if isinstance(made, torch.Tensor) else made[0]


def _live(
    model: Model, shapes: tuple[Shape, ...], given: list[torch.Tensor], passes: int = 30
) -> tuple[float, float]:
    """Seconds of a pass that begins and ends with pictures, and for how many of them the card
    computes or copies, as CUDA's own record says."""
    random = np.random.default_rng(0)
    sizes = {n: s[2:] + s[1:2] for n, s in enumerate(shapes) if s[1] in (1, 3, 4) and len(s) == 4}
    pictures = {
        n: Picture(random.integers(0, 256, size if size[2] > 1 else size[:2], np.uint8))
        for n, size in sizes.items()
    }

    def run() -> None:
        inputs = [
            tensors.to_tensor(pictures[n], shapes[n][1], model.device) if n in pictures else x
            for n, x in enumerate(given)
        ]
        tensors.to_picture(_first(model(*inputs))[:, :3])

    for _ in range(5):
        run()
    begin = time.perf_counter()
    for _ in range(passes):
        run()
    live = (time.perf_counter() - begin) / passes
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(passes):
            run()
        torch.cuda.synchronize()
    busy = sum(e.self_device_time_total for e in seen.key_averages()) / 1e6 / passes
    return live, busy


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    made = run()
    return made, time.perf_counter() - started
