"""DeepDream: our steps against the plain loop that the notebooks have, interleaved in the same run;
and what the planner says against what a run takes, each in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.engine import prepared
from benchmarks.style import NETS, ended, plain_net, planned, raced, spent
from benchmarks.table import Row
from engines import backbonenet
from engines.backbones import units
from engines.controls import checked
from engines.devices import choose
from engines.families.dream import DeepDream
from engines.families.dream.ascent import Ascent
from engines.families.dream.config import Look, Setting
from engines.families.dream.objective import Objective
from engines.family import Model
from engines.job import Job, Picture

LAYER, DEPTH = "relu4_3", 24  # of VGG-19, and how many of its steps lead there
PLANNED = (  # network, side, tile, layer
    ("VGG-19", 384, "off", "relu4_3"),
    ("starter", 512, "off", "relu4_3"),
    ("starter", 1024, "off", "relu3_3"),
    ("starter", 1024, "256", "relu4_3"),
)


def rows(quick: bool = False) -> list[Row]:
    many = 100 if choose("auto").type == "cuda" else 10
    found = [compared(2 if quick else many, 512)]
    for case in PLANNED[1:2] if quick else PLANNED:
        found += planned(*case, steps=2 if quick else 6, module="dream", of="dream, ")
    return found


def model(name: str, device: torch.device) -> Model:
    config = NETS[name]
    return prepared(DeepDream(), backbonenet.random(config), config, device)


# ---- against the plain loop ----------------------------------------------------------------------


def compared(steps: int, side: int) -> Row:
    """One octave of the same steps: squares of a layer, blurred gradient, jitter."""
    device = choose("auto")
    photo = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(1)).to(device)
    turns = {"ours": ours(model("VGG-19", device), photo, steps), "plain": plain(device, photo)}
    return raced(f"dream, {steps} steps at {side} px, VGG-19", turns, steps, device, uncounted=1)


def ours(used: Model, photo: Tensor, steps: int) -> Iterator[None]:
    setting = Setting((Look(LAYER),), steps=steps)
    enter = used.module.enter
    low, high = (enter(torch.full((1, 3, 1, 1), v, device=photo.device)) for v in (0.0, 1.0))  # type: ignore[operator]
    ascent = Ascent(setting, setting.rate / units(used.config), low, high)
    gradient = Objective(used, used.config, setting, half=used.half).gradient
    x, number = enter(photo), 0  # type: ignore[operator]
    while True:
        x, _ = ended(ascent.step(x, gradient, number % steps, (7, -5)))
        number += 1
        yield


def plain(device: torch.device, photo: Tensor) -> Iterator[None]:
    """Contiguous weights, autograd through the net and a leaf picture, three blurs one by one."""
    net, mean, spread = plain_net(DEPTH, device, False)
    x, low, high = (photo - mean) / spread, -mean / spread, (1 - mean) / spread
    places = torch.arange(9.0, device=device) - 4

    def blurred(g: Tensor, deviation: float) -> Tensor:
        line = torch.exp(-0.5 * (places / deviation) ** 2)
        kernel = torch.outer(line, line) / line.sum() ** 2
        return F.conv2d(F.pad(g, (4,) * 4, "reflect"), kernel.expand(3, 1, 9, 9), groups=3)

    while True:
        x = x.roll((7, -5), (2, 3)).detach().requires_grad_()
        net(x).square().mean().backward()
        assert x.grad is not None
        blurs = [blurred(x.grad, 1.5 * scale) for scale in (0.5, 1.0, 2.0)]
        gradient = torch.stack(blurs).mean(0)
        gradient = (gradient - gradient.mean()) / gradient.std()
        x = torch.max(torch.min(x.detach() + 0.09 * gradient, high), low).roll((-7, 5), (2, 3))
        yield


# ---- the planner ---------------------------------------------------------------------------------


def probe(name: str, side: int, tile: str, layer: str, steps: int) -> dict[str, float]:
    """What the planner says of a run and what it takes, in this process, which has done nothing
    else. Seconds are those of the processor where that computes: others may want it too."""
    from engines import pace
    from engines.families.dream import dreaming

    device = choose("auto")
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    pace.clock = clock
    used = model(name, device)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    values = {"tiles": tile, "steps": steps, "octaves": 2, "every": 100, "longest": side,
              "layers": layer}  # fmt: skip
    job = checked(Job("dream", values=values, images={"photo": Picture(pixels)}), used.card)
    guess = dreaming.planned(used, job)
    told = spent(used, job, clock)
    return {"planned_bytes": guess.bytes, "planned_seconds": guess.seconds, **told}


if __name__ == "__main__":
    network, side, tile, layer, steps = sys.argv[1:]
    print(json.dumps(probe(network, int(side), tile, layer, int(steps))))
