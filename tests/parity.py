"""The fill rule, the inputs and the golden comparison of the parity fixtures (see the README beside
them)."""

from __future__ import annotations

import fnmatch
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(
    os.environ.get("GANVAS_PARITY", Path(__file__).resolve().parents[2] / "shared" / "parity")
)


def case(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(manifest, golden arrays) of "family/case"; skips the test where the fixtures are absent."""
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(
            f"The parity fixtures are not here ({name}); set GANVAS_PARITY to their folder."
        )
    manifest = json.loads((folder / "manifest.json").read_text())
    golden = folder / "golden.npz"
    return manifest, dict(np.load(golden)) if golden.exists() else {}


def source(seed: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(seed.encode())))


def _gain(key: str, fill: dict[str, Any]) -> float:
    for pattern, gain in fill.get("overrides", []):
        if fnmatch.fnmatchcase(key, pattern):
            return float(gain)
    return float(fill["gain"])


def tensor(
    key: str, shape: tuple[int, ...], fill: dict[str, Any], tensorflow: bool = False
) -> np.ndarray:
    """The value of one weight, from its name and shape."""
    last = key.rsplit("/" if tensorflow else ".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    n = source(fill.get("salt", "") + key).standard_normal(size=shape, dtype=np.float32)
    if last in ("running_mean", "moving_mean"):
        return np.float32(0.1) * n
    if last in ("running_var", "moving_variance"):
        return np.float32(1) + np.float32(0.1) * np.abs(n)
    if last.startswith("bias_") or last in (("bias", "beta", "b") if tensorflow else ("bias",)):
        return np.float32(0.02) * n
    if last == "gamma" if tensorflow else len(shape) <= 1:
        return np.float32(1) + np.float32(0.02) * n
    fan = np.prod(shape[:-1] if tensorflow else shape[1:])
    return n * np.float32(_gain(key, fill) / float(fan) ** 0.5)


def weights(
    shapes: Iterable[tuple[str, Any]], fill: dict[str, Any], tensorflow: bool = False
) -> dict[str, torch.Tensor]:
    """Every weight by the rule, in state-dict order, checked against what the fixture states."""
    made = {key: np.asarray(tensor(key, tuple(shape), fill, tensorflow)) for key, shape in shapes}
    for key, known in fill.get("checks", {}).items():
        assert zlib.crc32(made[key].tobytes()) == known["crc32"], key
    chained = 0
    for value in made.values():
        chained = zlib.crc32(value.tobytes(), chained)
    assert chained == fill["crc32_chained"], "the weights differ from the fixture's"
    return {key: torch.from_numpy(value.copy()) for key, value in made.items()}


def fill(module: torch.nn.Module, rule: dict[str, Any]) -> torch.nn.Module:
    state = module.state_dict()
    module.load_state_dict(weights([(k, tuple(v.shape)) for k, v in state.items()], rule))
    return module


def picture(name: str, shape: tuple[int, ...], kind: str) -> torch.Tensor:
    """An input by its name and kind."""
    g = source("input:" + name)
    if kind == "uniform":
        return torch.from_numpy(g.random(shape, np.float32) * 2 - 1)
    if kind == "unit":
        return torch.from_numpy(g.random(shape, np.float32))
    if kind == "normal":
        return torch.from_numpy(g.standard_normal(shape, np.float32))
    n, c, h, w = shape
    p = g.random((n, c, 4, 3))
    rows, columns = ((np.arange(h) + 0.5) / h)[:, None], ((np.arange(w) + 0.5) / w)[None, :]
    x = np.zeros(shape)
    for q in range(4):
        a, b, phase = (p[:, :, q, i][:, :, None, None] for i in range(3))
        x += 0.25 * np.sin(2 * np.pi * (np.floor(5 * a) * rows + np.floor(5 * b) * columns + phase))
    return torch.from_numpy(x.astype(np.float32))


def inputs(manifest: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Every input of a case. The sine of another libm may differ in the last bit, so that only the
    others are compared to the bit."""
    made = {}
    for name, known in manifest["inputs"].items():
        made[name] = picture(name, tuple(known["shape"]), known["kind"])
        if known["kind"] != "smooth" and "crc32" in known:
            assert zlib.crc32(made[name].numpy().tobytes()) == known["crc32"], name
    return made


def through_lane(
    module: torch.nn.Module, *given: torch.Tensor, fewer: bool = False
) -> torch.Tensor:
    """What the module, in the mode it is in, answers as a network of OpenVINO in full precision,
    with `fewer` products."""
    from engines import lanemaking, winograd
    from engines.lanestore import Argument, Call, compiled

    arrays = [x.numpy() for x in given]
    call = Call(tuple(Argument("", tuple(x.shape)) for x in given))
    network = lanemaking.convert(lanemaking.Pass(module.requires_grad_(False), call), arrays)
    if fewer:
        network, grown = winograd.with_fewer_products(network)
        assert grown, "no convolution is changed"
    return torch.from_numpy(compiled(network, 1).create_infer_request().infer(arrays)[0])


def check(
    output: torch.Tensor,
    name: str,
    manifest: dict[str, Any],
    golden: dict[str, np.ndarray],
    tolerance: float = 1e-4,
) -> None:
    """Shape, mean, spread and samples of an output against the golden values."""
    known = manifest["golden"][name]
    found = output.detach().numpy().astype(np.float64)
    assert list(found.shape) == known["shape"], name
    assert found.mean() == pytest.approx(known["mean"], abs=1e-4), name
    assert found.std() == pytest.approx(known["std"], abs=1e-4), name
    samples = found.reshape(-1)[:: known["sample_step"]]
    worst = np.abs(samples - golden[name].reshape(-1)).max()
    assert worst < tolerance, f"{name}: {worst:.2e} from the reference"
