"""The face embedder: where it looks, how far two faces are, and what it does when it is absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from engines import doctor, embedder
from engines.embedder import Config, Embedder
from engines.families.ageing.identity import arc_loss
from engines.job import Picture

TINY = Config(widths=(4, 6), length=8, size=16, points=(5, 6, 11, 6, 8, 12))


@dataclass(frozen=True)
class Template:
    size: tuple[int, int]
    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    mouth: tuple[float, float]


SAME = Template((16, 16), (5, 6), (11, 6), (8, 12))
TWICE = Template((40, 36), (10, 12), (22, 12), (16, 24))


def net() -> Embedder:
    torch.manual_seed(0)
    return Embedder(TINY).eval().requires_grad_(False)


def test_the_face_is_brought_to_its_place() -> None:
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    seen = net()
    assert torch.allclose(seen.of(x, SAME), seen(x), atol=1e-4)
    larger = torch.zeros(2, 3, 36, 40)
    larger[..., :32, :32] = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    assert float(embedder.distance(seen.of(larger, TWICE), seen(x)).max()) < 1e-3


def test_distances() -> None:
    seen = net()(torch.rand(3, 3, 16, 16))
    assert torch.allclose(seen.norm(dim=1), torch.ones(3), atol=1e-5)
    assert float(embedder.distance(seen, seen).abs().max()) < 1e-5
    assert float(embedder.distance(seen, -seen).min()) == pytest.approx(2, abs=1e-5)


def test_the_search_for_a_code_gets_gradients() -> None:
    x = (torch.rand(1, 3, 36, 40) * 2 - 1).requires_grad_(True)
    net().of(x, TWICE).square().sum().backward()
    assert x.grad is not None
    net().of(x, TWICE)[:, 0].sum().backward()
    assert float(x.grad.abs().sum()) > 0


def test_written_read_and_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face-embedder.safetensors"
    monkeypatch.setattr(embedder, "FILE", path)
    rng = np.random.default_rng(1)
    a, b = (Picture(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(2))
    assert embedder.installed() is None and embedder.between(a, b, SAME) is None
    embedder.write(net(), path, {"title": "tiny"}, half=False)
    with torch.inference_mode():  # as most families run
        read = embedder.installed()
    x = (torch.rand(1, 3, 16, 16) * 2 - 1).requires_grad_(True)
    assert read is not None
    read(x)[:, 0].sum().backward()
    assert read is not None and read.config == TINY
    assert embedder.between(a, a, SAME) == pytest.approx(0, abs=1e-5)
    assert (embedder.between(a, b, SAME) or 0) > 1e-4
    assert "embedder" in doctor.inspect(path).message


def test_the_margin_makes_the_right_angle_larger() -> None:
    cosines, wanted = torch.tensor([[0.5, 0.1], [0.2, 0.9]]), torch.tensor([0, 1])
    plain = torch.nn.functional.cross_entropy(16 * cosines, wanted)
    assert float(arc_loss(cosines, wanted, 16, 0.0)[0]) == pytest.approx(float(plain), rel=1e-4)
    right = torch.tensor([[np.cos(np.arccos(0.5) + 0.2), 0.1], [0.2, np.cos(np.arccos(0.9) + 0.2)]])
    harder = torch.nn.functional.cross_entropy(16 * right.float(), wanted)
    assert float(arc_loss(cosines, wanted, 16, 0.2)[0]) == pytest.approx(float(harder), rel=1e-4)
