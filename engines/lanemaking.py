"""Makes a network faster, in a process of its own at the lowest priority: from torch to OpenVINO,
then to bfloat16 and to eight bits. Knows no engine and no window.

    python -m engines.lanemaking ORDER FOLDER PRECISIONS

ORDER is a file that lanestore.write_order wrote. A line is printed whenever the facts of the lane
have changed. Each step is kept only if it pays: it must give torch's numbers, and be faster than
what is there already, on this processor.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engines import executor, memory, winograd
from engines.checkpoint import file_digest, open_checkpoint
from engines.family import candidates, families
from engines.lanestore import (
    Call,
    Facts,
    Order,
    Store,
    compiled,
    knows_bfloat16,
    openvino,
    read_order,
)
from engines.layers import SeededDropout, use_batch_statistics

FAITHFUL = 1e-3  # mean difference of fp32 from torch, as a share of the results' range
VISIBLE = 4 / 255  # of bf16 and int8
GAINS = {"fp32": 1.05, "bf16": 1.2, "int8": 1.2}  # how many times faster than the best before it
ROUNDS = 5

Arrays = list[np.ndarray]  # float32


class Pass(nn.Module):
    """A call of a network as a function of tensors alone: those of the call, then a mask for each
    dropout, in order of execution."""

    def __init__(self, network: nn.Module, call: Call) -> None:
        super().__init__()
        self.network, self.call = network, call
        self.outputs = "one"
        self.dropouts: list[tuple[tuple[int, ...], float]] = []
        self._masks: Iterator[Tensor] = iter(())
        for layer in network.modules():
            if call.noise and isinstance(layer, SeededDropout):
                layer.forward = self._dropout(layer.p)  # type: ignore[method-assign]

    def _dropout(self, p: float) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            mask = next(self._masks, None)
            if mask is None:
                self.dropouts.append((tuple(x.shape), p))
                return x
            return x * mask / (1 - p)

        return forward

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = iter(tensors)
        places: list[Any] = []
        named: dict[str, Any] = {}
        for argument in self.call.arguments:
            value = argument.value if argument.shape is None else next(given)
            if argument.name:
                named[argument.name] = value
            else:
                places.append(value)
        self._masks = given
        made = self.network(*places, **named)
        self.outputs = "one" if isinstance(made, Tensor) else type(made).__name__
        return (made,) if isinstance(made, Tensor) else tuple(made)

    def watch(self, tensors: Sequence[Tensor]) -> None:
        """Find its outputs and dropouts. Raises TypeError for results that are no tensors."""
        with torch.no_grad():
            made = self(*tensors)
        if self.outputs not in ("one", "tuple", "list") or not all(
            isinstance(one, Tensor) and one.is_floating_point() for one in made
        ):
            raise TypeError("its results are no plain tensors")

    def masks(self, seed: int) -> Arrays:
        noise = torch.Generator().manual_seed(seed)
        return [(torch.rand(shape, generator=noise) >= p).float().numpy()
                for shape, p in self.dropouts]  # fmt: skip


def convert(run: Pass, example: Arrays) -> Any:
    """The pass as a network of OpenVINO, for inputs of these very shapes. Raises TypeError where
    what is computed depends on the numbers: a trace follows one way only.

    Traced with gradients on: then every norm is the layer that it is called (layers.py takes a
    shortcut otherwise).
    """
    tensors = tuple(torch.from_numpy(a) for a in example)
    if memory.pass_bytes(run, tensors, {}) is None:
        raise TypeError("what it computes depends on the numbers")
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(run, tensors, check_trace=False)
    shapes = [list(a.shape) for a in example]
    return openvino().convert_model(traced, example_input=tensors, input=shapes)


def quickest(network: Any, example: Arrays) -> tuple[Any, bool]:
    """The network with Winograd's convolutions, and True, if it is faster so on this processor."""
    fewer, grown = winograd.with_fewer_products(network)
    if not grown:
        return network, False
    plain, other = (compiled(n, 1).create_infer_request() for n in (network, fewer))
    old, new = _interleaved(*(partial(r.infer, example) for r in (plain, other)))
    pays = new * GAINS["fp32"] <= old
    return (fewer if pays else network), pays


def quantise(network: Any, samples: Sequence[Arrays]) -> Any:
    """The network in eight bits, the ranges of its numbers found by these inputs and their
    mirror images."""
    import logging

    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    mirrored = [[a[..., ::-1].copy() if a.ndim == 4 else a for a in s] for s in samples]
    data = nncf.Dataset([*samples, *mirrored])
    return nncf.quantize(network, data, subset_size=2 * len(samples))


def make(
    order: Order, samples: list[Arrays], store: Store, precisions: Sequence[str],
    tell: Callable[[], None] = lambda: None,
) -> Facts:  # fmt: skip
    """The facts of the lane, its files written. `tell` is called when the lane got better."""
    key, facts = order.key(), Facts()
    store.place(key).mkdir(parents=True, exist_ok=True)
    try:
        _Making(order, samples, store, key, facts, tell).go(precisions)
    except Exception as error:  # what cannot be converted stays in torch
        facts.error = f"{type(error).__name__}: {str(error)[:500]}"
        untried = (precision for precision in precisions if not facts.tried(precision))
        facts.refused |= dict.fromkeys(untried, "unconvertible")
    store.publish(key, facts)
    store.prune(but=key)
    tell()
    return facts


class _Making:
    def __init__(
        self, order: Order, samples: list[Arrays], store: Store, key: str, facts: Facts,
        tell: Callable[[], None],
    ) -> None:  # fmt: skip
        self.order, self.store, self.key, self.facts, self.tell = order, store, key, facts, tell
        network = _network(order)
        self.run = Pass(network, order.call)
        self.run.watch([torch.from_numpy(a) for a in samples[0]])
        facts.outputs, facts.dropouts = self.run.outputs, self.run.dropouts
        self.samples = [[*s, *self.run.masks(n)] for n, s in enumerate(samples)]
        self.converted = convert(self.run, self.samples[0])
        executor.prepare(network, torch.device("cpu"), torch.float32)
        self.exact = [self._torch(sample) for sample in self.samples]
        top = max(float(made.max()) for one in self.exact for made in one)
        low = min(float(made.min()) for one in self.exact for made in one)
        self.range = max(top - low, 1e-6)

    def go(self, precisions: Sequence[str]) -> None:
        best = None
        if "fp32" in precisions:
            network, self.facts.winograd = quickest(self.converted, self.samples[0])
            best = self._try("fp32", network, FAITHFUL, best)
        if "bf16" in precisions:
            if knows_bfloat16():
                best = self._try("bf16", self.converted, VISIBLE, best)
            else:
                self.facts.refused["bf16"] = "slower"
        if "int8" in precisions:
            self._try("int8", quantise(self.converted, self.samples), VISIBLE, best)

    def _try(self, precision: str, network: Any, limit: float, best: str | None) -> str | None:
        """Keep the network as a file if it is faithful and faster; gives the best there is."""
        request = compiled(network, 1, precision).create_infer_request()
        facts = self.facts
        facts.differs[precision] = self._difference(request)
        if not facts.differs[precision] <= limit:
            facts.refused[precision] = "different"
            return best
        before = best or "torch"
        earlier = self._earlier if best else lambda: self._torch(self.samples[0])
        ours = lambda: request.infer(self.samples[0], share_inputs=True)  # noqa: E731
        old, new = _interleaved(earlier, ours)
        facts.measured[before], facts.measured[precision] = 1000 * old, 1000 * new
        if new * GAINS[precision] > old:
            facts.refused[precision] = "slower"
            return best
        if precision == "bf16" and "fp32" in facts.files:  # the same network, compiled otherwise
            facts.files[precision] = facts.files["fp32"]
        else:
            stem = f"{precision}-{os.getpid()}"
            path = self.store.files(self.key, stem)[0]
            plain = network if precision == "int8" else self.converted  # a lane makes it quickest
            openvino().save_model(plain, path, compress_to_fp16=False)
            facts.files[precision] = self.store.kept(self.key, stem)
        self.store.publish(self.key, facts)
        self._earlier = ours
        self.tell()
        return precision

    def _torch(self, sample: Arrays) -> Arrays:
        with torch.no_grad():
            return [made.numpy() for made in self.run(*(torch.from_numpy(a) for a in sample))]

    def _difference(self, request: Any) -> float:
        found: list[float] = []
        for sample, exact in zip(self.samples, self.exact):
            made = request.infer(sample)
            found += [float(np.abs(made[n] - one).mean()) for n, one in enumerate(exact)]
        return max(found) / self.range


def _network(order: Order) -> nn.Module:
    if file_digest(Path(order.path)) != order.digest:
        raise ValueError("the file holds other weights now")
    checkpoint = open_checkpoint(order.path)
    config = next(c for f, c in candidates(checkpoint) if f.id == order.family)
    network, _ = families()[order.family].load(config, checkpoint)
    network.requires_grad_(False)
    use_batch_statistics(network, order.call.batch_statistics)
    return network


def _interleaved(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """The shortest seconds of each, in turns, so that a busy machine slows both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, found in zip((first, second), times):
            started = time.perf_counter()
            run()
            found.append(time.perf_counter() - started)
    return min(times[0]), min(times[1])


def main(arguments: Sequence[str]) -> None:
    path, folder, precisions = arguments
    if hasattr(os, "nice"):
        os.nice(19)
    torch.set_num_threads(1)
    order, samples = read_order(Path(path))
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no line of ours

    def tell() -> None:
        print(json.dumps({"lane": order.key()}), file=ours, flush=True)

    make(order, samples, Store(Path(folder)), precisions.split(","), tell)


if __name__ == "__main__":
    main(sys.argv[1:])
