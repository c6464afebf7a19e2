"""Repeated work, and gradients in half precision; recordings need a card."""

from __future__ import annotations

import gc
import math
import weakref
from copy import deepcopy

import pytest
import torch
from looking import SMALL, ended
from torch import Tensor

from engines import backbonenet, executor
from engines.families.dream.config import Look
from engines.families.dream.config import Setting as DreamSetting
from engines.families.dream.objective import Objective as DreamObjective
from engines.families.style.config import Setting
from engines.families.style.objective import Features, Objective, Region, Targets
from engines.halves import TOP, fitting_scale
from engines.repeated import WARM, Repeated
from engines.tensors import NotFinite

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA card here.")
STYLE = Setting((("relu2_2", 1.0),), (("relu1_1", 1.0), ("relu3_1", 0.5)))
DREAM = DreamSetting((Look("relu3_1"),))


def colours(seed: int, side: int = 96) -> Tensor:
    noise = torch.Generator().manual_seed(seed)
    return torch.rand((1, 3, side, side), generator=noise) * 255


def style(device: str, dtype: torch.dtype, weight: float = 1.0) -> Objective:
    """Targets of full precision, whatever the network computes in."""
    net = backbonenet.random(SMALL, 3)
    full = Features(net, net, STYLE)
    content = ended(full.content(colours(1)))
    grams = ended(full.grams(colours(2)))
    used = executor.prepare(deepcopy(net), torch.device(device), dtype)
    assert isinstance(used, backbonenet.Backbone)

    def network(x: Tensor, *rest: object) -> dict[str, Tensor]:
        return {name: m.float() for name, m in used(x.to(dtype), *rest).items()}  # type: ignore

    mask = torch.zeros((1, 1, 96, 96), device=device)
    mask[..., :64] = 1
    region = Region({name: g.to(device) for name, g in grams.items()}, weight, mask)
    targets = Targets({name: m.to(device) for name, m in content.items()}, [region])
    return Objective(Features(network, used, STYLE), STYLE, targets)


def dream(device: str, dtype: torch.dtype) -> DreamObjective:
    used = executor.prepare(backbonenet.random(SMALL, 3), torch.device(device), dtype)

    def network(x: Tensor, layers: object) -> dict[str, Tensor]:
        return {name: m.float() for name, m in used(x.to(dtype), layers).items()}

    return DreamObjective(network, SMALL, DREAM, half=dtype == torch.float16)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one.cpu() - other.cpu()).norm() / other.cpu().norm())


# ---- scales --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3e-9, 0.2, 7.0, 4e5])
def test_a_scale_brings_the_gradient_near_the_middle_of_the_range(size: float) -> None:
    scale = fitting_scale(lambda scale: (torch.tensor([size, -size / 9]) * scale).half().float())
    assert math.log2(scale).is_integer()
    assert TOP / 2 < size * scale < TOP * 2 or size < 1e-7


def test_a_gradient_of_nothing_is_not_scaled() -> None:
    assert fitting_scale(lambda _: torch.zeros(3)) == 1


def test_a_network_that_overflows_by_itself_is_refused() -> None:
    with pytest.raises(NotFinite):
        fitting_scale(lambda _: torch.tensor([math.nan]))


@pytest.mark.parametrize("weight", [1e-6, 1.0, 1e6])
def test_styles_in_half_precision_have_the_gradient_of_full_precision(weight: float) -> None:
    x, y = colours(5).requires_grad_(), colours(5).requires_grad_()
    ended(style("cpu", torch.float32, weight).descend(x))
    ended(style("cpu", torch.float16, weight).descend(y))
    assert x.grad is not None and y.grad is not None
    assert apart(y.grad, x.grad) < 0.1


def test_dreams_in_half_precision_have_the_gradient_of_full_precision() -> None:
    x = colours(5) / 255
    full = ended(dream("cpu", torch.float32).gradient(x))[0]
    half = ended(dream("cpu", torch.float16).gradient(x))[0]
    assert apart(half, full) < 0.1


def test_what_was_computed_with_is_free_at_once() -> None:
    """Memory is given back when a run ends, not when Python looks for circles."""
    gc.disable()
    try:
        one, other = style("cpu", torch.float32), dream("cpu", torch.float32)
        x = colours(5).requires_grad_()
        ended(one.descend(x))
        ended(other.gradient(x.detach() / 255))
        alive = [weakref.ref(one), weakref.ref(other)]
        del one, other
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


# ---- recordings ----------------------------------------------------------------------------------


def test_work_is_done_anew_each_time_on_a_processor() -> None:
    done: list[int] = []
    again = Repeated(lambda: done.append(1), torch.device("cpu"))
    for _ in range(WARM + 3):
        again()
    assert len(done) == WARM + 3 and not again.is_recorded


def test_work_that_cannot_be_recorded_is_done_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(Repeated, "_recorded", fail)
    monkeypatch.setattr(Repeated, "_beside", lambda self: self._work())
    again = Repeated(lambda: 7, torch.device("cuda"))
    assert [again() for _ in range(WARM + 3)] == [7] * (WARM + 3)
    assert not again.is_recorded


@pytest.mark.gpu
@needs_card
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_recorded_steps_of_a_style_see_the_picture_as_it_is(dtype: torch.dtype) -> None:
    recorded, plain = style("cuda", dtype), style("cpu", torch.float32)
    x = colours(5).to("cuda").requires_grad_()
    for turn in range(WARM + 3):
        terms = ended(recorded.descend(x))
        y = x.detach().cpu().requires_grad_()
        wanted = ended(plain.descend(y))
        assert x.grad is not None and y.grad is not None
        assert apart(x.grad, y.grad) < 0.1, turn
        for name, value in wanted.items():
            assert float(terms[name]) == pytest.approx(float(value), rel=0.02)
        with torch.no_grad():
            x.sub_(x.grad / x.grad.abs().max() * 20)
    assert recorded._again is not None and recorded._again[1].is_recorded


@pytest.mark.gpu
@needs_card
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_recorded_steps_of_a_dream_see_the_picture_they_are_given(dtype: torch.dtype) -> None:
    recorded, plain = dream("cuda", dtype), dream("cpu", torch.float32)
    for turn in range(WARM + 3):
        x = colours(turn) / 255
        found, terms = ended(recorded.gradient(x.to("cuda")))
        wanted, known = ended(plain.gradient(x))
        assert apart(found, wanted) < 0.1, turn
        for name, value in known.items():
            assert float(terms[name]) == pytest.approx(float(value), rel=0.02)
    assert recorded._again is not None and recorded._again[1].is_recorded
