"""What a first pass takes against what is predicted for it beforehand (engines/memory.py), each
network in processes of its own, so that none finds what another left; beside it the second pass,
for which no code needs to be read in. How the C library lays out small pieces differs from process
to process, so the median of several counts. Linux only: it reads the peak of the process itself."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.table import Row
from engines import executor, heap, memory, tensors
from engines.devices import choose
from engines.families.cyclegan.config import Config as CycleGANConfig
from engines.families.cyclegan.net import CycleGAN
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import MultimodalConfig, ResNetConfig, UNetConfig
from engines.families.pix2pixhd.config import Config as HDConfig
from engines.families.pix2pixhd.net import Pix2PixHD
from engines.families.stargan.config import Config as StarGANConfig
from engines.families.stargan.net import Generator

Made = tuple[nn.Module, tuple[Tensor, ...]]


def _plain(config: UNetConfig | ResNetConfig, width: int, height: int) -> Made:
    return build(config), (torch.rand(1, config.inputs, height, width),)


def _starter() -> Made:
    config = MultimodalConfig()
    sizes = ((1, 1, 256, 192), (1, 4, 256, 192), (1, config.code), (1, 1, 256, 192))
    return build(config), tuple(torch.rand(size) for size in sizes)


def _hd(width: int, height: int, enhancers: int) -> Made:
    config = HDConfig(width=64 if not enhancers else 32, enhancers=enhancers)
    return Pix2PixHD(config), (torch.rand(1, config.inputs, height, width),)


def _star() -> Made:
    config = StarGANConfig(size=128)
    return Generator(config), (torch.rand(1, 3, 128, 128), torch.rand(1, config.given))


CASES: dict[str, Callable[[], Made]] = {
    "U-Net 256": lambda: _plain(UNetConfig(), 256, 256),
    "ResNet-9, 512x512": lambda: _plain(ResNetConfig(), 512, 512),
    "ResNet-9, 1024x1024": lambda: _plain(ResNetConfig(), 1024, 1024),
    "starter 192x256": _starter,
    "StarGAN 128": _star,
    "CycleGAN there, 512x512": lambda: (
        CycleGAN(CycleGANConfig(ab=ResNetConfig())).ab, (torch.rand(1, 3, 512, 512),)),
    "pix2pixHD, global, 1024x512": lambda: _hd(1024, 512, 0),
    "pix2pixHD, one enhancer, 2048x1024": lambda: _hd(2048, 1024, 1),
}  # fmt: skip
PROCESSES = 5
SLOW = ("pix2pixHD, one enhancer, 2048x1024", "ResNet-9, 1024x1024")


def resident(name: str) -> int:
    """VmRSS or VmHWM of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def taken(device: torch.device) -> int:
    """Bytes that this process has, on a card there; their peak begins anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resident("VmHWM")


def measured(case: str) -> tuple[int, int, int]:
    """(bytes predicted, bytes by which the process grew at its peak in the first pass, and in the
    second)."""
    device = choose("auto")
    module, given = CASES[case]()
    dtype = executor.half_type(device, True)
    module = executor.prepare(module.eval().requires_grad_(False), device, dtype)
    given = tuple(tensors.entered(x, device, dtype) for x in given)
    took = []
    with torch.inference_mode():
        predicted = memory.pass_bytes(module, given, {}) or 0
        for _ in range(2):
            gc.collect()
            heap.trim()
            before = taken(device)
            module(*given)
            took.append(peak(device) - before)
    return predicted, *took


def rows(quick: bool = False) -> list[Row]:
    found = []
    context = multiprocessing.get_context("spawn")
    is_card = choose("auto").type == "cuda"
    for case in CASES:
        if quick and case in SLOW:
            continue
        times = 1 if is_card else 2 if case in SLOW or "HD" in case else PROCESSES
        each = []
        for _ in range(times):
            if is_card:
                each.append(measured(case))
                continue
            with context.Pool(1) as pool:
                each.append(pool.apply(measured, (case,)))
        predicted, took, again = (median(column) for column in zip(*each))
        firsts = [row[1] / 1e6 for row in each]
        note = f"predicted {predicted / 1e6:.0f} MB, {predicted / took - 1:+.0%}; "
        note += f"{min(firsts):.0f} to {max(firsts):.0f} in {times} processes, "
        note += f"a second pass {again / 1e6:.0f}"
        found.append(Row(case, f"{took / 1e6:.0f} MB", "within 15 %", note))
    return found
