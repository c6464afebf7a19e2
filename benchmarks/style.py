"""Neural style: our steps against the plain loop that papers' code has, interleaved in the same
run; and what the planner says against what a run takes, each in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.engine import prepared, timed
from benchmarks.memory import peak, taken
from benchmarks.table import Row
from engines import backbonenet, heap
from engines.backbones import STARTER, VGG19, Config
from engines.controls import checked
from engines.devices import choose
from engines.families.style import NeuralStyle
from engines.families.style.config import default_setting
from engines.families.style.descent import Descent, Method
from engines.families.style.objective import Features, Objective, Region, Targets
from engines.family import Model
from engines.job import Job, Picture, Progress

NETS: dict[str, Config] = {
    "VGG-19": replace(VGG19, classes=0, hidden=0),
    "starter": STARTER,
}
TAPS = {1: "relu1_1", 6: "relu2_1", 11: "relu3_1", 20: "relu4_1", 22: "relu4_2", 29: "relu5_1"}
TOGETHER = 10  # steps on a card that are timed as one
PLANNED = (  # network, side, tile, optimiser
    ("VGG-19", 256, "off", "lbfgs"),
    ("VGG-19", 512, "off", "lbfgs"),
    ("VGG-19", 512, "off", "adam"),
    ("VGG-19", 768, "256", "lbfgs"),
    ("starter", 512, "off", "lbfgs"),
    ("starter", 1024, "off", "adam"),
)


def rows(quick: bool = False) -> list[Row]:
    found = [compared(method, 3 if quick else 100) for method in ("adam", "lbfgs")]
    for case in PLANNED[-1:] if quick else PLANNED:
        found += planned(*case, steps=10 if quick else 40)
    return found


def model(name: str, device: torch.device) -> Model:
    config = NETS[name]
    return prepared(NeuralStyle(), backbonenet.random(config), config, device)


# ---- against the plain loop ----------------------------------------------------------------------


def compared(method: Method, steps: int, side: int = 256) -> Row:
    device = choose("auto")
    photo, style = (noise(seed, side).to(device) for seed in (1, 2))
    turns = {"ours": ours(model("VGG-19", device), photo, style, method),
             "plain": plain(device, photo, style, method)}  # fmt: skip
    name = "L-BFGS" if method == "lbfgs" else "Adam"
    return raced(f"{steps} steps of {name}, {side} px, VGG-19", turns, steps, device)


def raced(
    title: str,
    turns: Mapping[str, Iterator[None]],
    steps: int,
    device: torch.device,
    uncounted: int = 0,
) -> Row:
    """Steps of "ours" and "plain" in turn, the first ones of each uncounted. On a card TOGETHER of
    them are timed as one, as nobody waits for it after every step, and the first of those is
    uncounted."""
    many, first = (TOGETHER, 1) if device.type == "cuda" else (1, uncounted)
    rounds = max(1, steps // many)
    seconds: dict[str, list[float]] = {name: [] for name in turns}

    def some(run: Iterator[None]) -> None:
        for _ in range(many):
            next(run)

    for _ in range(first + rounds):
        for name, run in turns.items():
            seconds[name].append(timed(lambda run=run: some(run), device))
    counted = {name: values[first:] for name, values in seconds.items()}
    whole = {name: sum(values) for name, values in counted.items()}
    middle = {n: 1000 / many * statistics.median(values) for n, values in counted.items()}
    digits = 2 if device.type == "cuda" else 0
    return Row(
        title,
        f"{whole['ours']:.{max(1, digits)}f} s",
        "at least as fast as plain" if device.type == "cpu" else "twice as fast as plain",
        f"plain {whole['plain']:.{max(1, digits)}f} s; median step {middle['ours']:.{digits}f} "
        f"against {middle['plain']:.{digits}f} ms, {middle['plain'] / middle['ours']:.2f}x",
    )


def noise(seed: int, side: int) -> Tensor:
    return torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(seed)) * 255


def ended(running: Iterator[None]) -> Any:
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def ours(model: Model, photo: Tensor, style: Tensor, method: Method) -> Iterator[None]:
    setting = default_setting(model.config)
    features = Features(model, model.module, setting)  # type: ignore[arg-type]
    aims = Targets(ended(features.content(photo)), [Region(ended(features.grams(style)))])
    descent = Descent(photo.clone(), Objective(features, setting, aims).descend, method, 1.0)
    while True:
        ended(descent.step())
        yield


def plain_net(depth: int, device: torch.device, inplace: bool) -> tuple[nn.Module, Tensor, Tensor]:
    """The first steps of a VGG-19 as a plain sequence, and the mean and deviation it subtracts and
    divides by."""
    net = nn.Sequential()
    given = backbonenet.random(NETS["VGG-19"])
    for node in given.nodes:
        if node.kind == "conv":
            net.append(given.get_submodule(node.key))
        else:
            net.append(nn.ReLU(inplace) if node.kind == "relu" else nn.MaxPool2d(2))
    mean, spread = (
        torch.tensor(numbers, device=device).reshape(1, 3, 1, 1)
        for numbers in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    return net[: depth + 1].to(device), mean, spread


def plain(device: torch.device, photo: Tensor, style: Tensor, method: Method) -> Iterator[None]:
    """Contiguous weights, torch's optimisers, autograd's Gram matrices, whole pictures."""
    net, mean, spread = plain_net(max(TAPS), device, True)

    def maps(x: Tensor) -> dict[str, Tensor]:
        x, found = (x / 255 - mean) / spread, dict[str, Tensor]()
        for number, layer in enumerate(net):
            x = layer(x)
            if number in TAPS:
                found[TAPS[number]] = x.clone() if number + 1 < len(net) else x
        return found

    def gram(x: Tensor) -> Tensor:
        flat = x[0].flatten(1)
        return flat @ flat.T / x.numel()

    with torch.no_grad():
        content = maps(photo)["relu4_2"]
        grams = {name: gram(x) for name, x in maps(style).items()}
    x = photo.clone().requires_grad_()
    optimiser = (torch.optim.LBFGS([x], 1.0, max_iter=1, history_size=100, tolerance_grad=-1,
                                   tolerance_change=-1)
                 if method == "lbfgs" else torch.optim.Adam([x], 1.0))  # fmt: skip

    def closure() -> Tensor:
        optimiser.zero_grad()
        found = maps(x)
        loss = 5 * F.mse_loss(found.pop("relu4_2"), content)
        for name, value in found.items():
            loss = loss + 100 * F.mse_loss(gram(value), grams[name])
        rough = (x[..., 1:] - x[..., :-1]).abs().sum() + (
            x[..., 1:, :] - x[..., :-1, :]
        ).abs().sum()
        loss = loss + 1e-3 * rough
        loss.backward()
        return loss

    while True:
        optimiser.step(closure)  # type: ignore[arg-type]
        yield


# ---- the planner ---------------------------------------------------------------------------------


def planned(
    name: str, side: int, tile: str, way: str, steps: int, module: str = "style", of: str = ""
) -> list[Row]:
    """From probe() of a benchmark, in a process of its own; of: before what its rows are called."""
    command = [sys.executable, "-m", f"benchmarks.{module}", name, str(side), tile, way, str(steps)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    what = f"{of}{name}, {side} px, {'whole' if tile == 'off' else f'tiles of {tile}'}, {way}"
    return [
        Row(f"planned memory: {what}", f"{told['planned_bytes'] / 1e6:.0f} MB", "within 20 %",
            f"taken {told['bytes'] / 1e6:.0f} MB, {off(told['planned_bytes'], told['bytes'])}"),
        Row(f"planned time: {what}", f"{told['planned_seconds']:.1f} s", "within 20 %",
            f"{steps} steps took {told['seconds']:.1f} s, "
            f"{off(told['planned_seconds'], told['seconds'])}"),
    ]  # fmt: skip


def off(guess: float, truth: float) -> str:
    return f"{100 * (guess / truth - 1):+.0f} %"


def probe(name: str, side: int, tile: str, method: str, steps: int) -> dict[str, float]:
    """What the planner says of a run and what it takes, in this process, which has done nothing
    else."""
    from engines.families.style import transfer

    device = choose("auto")
    used = model(name, device)
    pictures = {
        role: Picture(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))
        for seed, role in enumerate(("photo", "style"))
    }
    values = {"tiles": tile, "method": method, "steps": steps, "coarse": False, "every": 100,
              "longest": side}  # fmt: skip
    job = checked(Job("neural_style", values=values, images=pictures), used.card)
    guess = transfer.planned(used, job)
    return {"planned_bytes": guess.bytes, "planned_seconds": guess.seconds, **spent(used, job)}


def spent(
    used: Model, job: Job, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """What a run takes after its speed was measured."""
    heap.trim()
    before, begin = taken(used.device), clock()
    for event in used.family.run(used, job):
        if isinstance(event, Progress) and event.done == 0 and event.note.startswith("About"):
            begin = clock()
    return {"bytes": peak(used.device) - before, "seconds": clock() - begin}


if __name__ == "__main__":
    network, side, tile, method, steps = sys.argv[1:]
    print(json.dumps(probe(network, int(side), tile, method, int(steps))))
