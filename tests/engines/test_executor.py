"""How networks are brought to a device and fed there. A card is played by tensors without numbers,
which know their device and the order of their memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from engines import executor
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import ResNetConfig, UNetConfig
from engines.families.pix2pixhd.config import Config as HDConfig
from engines.families.pix2pixhd.net import Pix2PixHD
from engines.layers import align_channels, drop_idle_biases
from engines.tensors import entered

CARD, LAST = torch.device("cuda"), torch.channels_last


class Fed(TorchDispatchMode):
    """What convolutions are given."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.maps.append(args[0])
        return func(*args, **(kwargs or {}))


def networks() -> dict[str, tuple[nn.Module, int]]:
    hd = HDConfig(width=16, blocks=2)
    return {
        "U-Net": (build(UNetConfig(width=8)), 3),
        "ResNet": (build(ResNetConfig(width=8)), 3),
        "pix2pixHD": (Pix2PixHD(hd), hd.inputs),
    }


@pytest.mark.parametrize("name", list(networks()))
def test_a_card_copies_no_map_into_the_order_that_it_computes_in(name: str) -> None:
    made, channels = networks()[name]
    module = made.eval().requires_grad_(False)
    drop_idle_biases(module)
    module.half()
    align_channels(module)
    module.to(memory_format=LAST)  # type: ignore[call-overload]
    fed = Fed()
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        state = {
            n: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=CARD)
            for n, t in (*module.named_parameters(), *module.named_buffers())
        }
        x = entered(torch.empty((1, channels, 256, 256)), CARD, torch.float16)
        with fed:
            functional_call(module, state, (x,))
    assert len(fed.maps) > 5
    assert all(m.is_contiguous(memory_format=LAST) and m.dtype == torch.float16 for m in fed.maps)


def test_what_a_network_is_given_keeps_its_kind() -> None:
    cpu = torch.device("cpu")
    x = torch.rand((1, 3, 4, 5))
    assert entered(x, cpu, torch.float32) is x
    twin = entered(x, cpu, torch.float32, copy=True)
    assert twin is not x and torch.equal(twin, x)
    assert entered(torch.zeros((1, 3), dtype=torch.int64), cpu, torch.float16).dtype == torch.int64
    with FakeTensorMode():
        places = entered(torch.zeros((1, 7, 7, 1), dtype=torch.int64), CARD, torch.float16)
        words = entered(torch.rand((2, 5)), CARD, torch.float16)
        assert places.dtype == torch.int64 and places.is_cuda
        assert words.dtype == torch.float16 and words.is_cuda and words.is_contiguous()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA card here.")
def test_libraries_take_their_memory_before_the_first_pass() -> None:
    module = executor.prepare(nn.Sequential(nn.Linear(64, 64)), CARD, torch.float16)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    module(torch.zeros((1, 64), device=CARD, dtype=torch.float16))
    assert torch.cuda.max_memory_allocated() - before < 1 << 20
