"""The one place where a network runs: memory format, precision, grad mode. Knows no paper, no job.

`prepare` brings a module to its device once, `execute` runs a pass: through a faster lane where the
pass is for a draft and there is one (engines/lanes.py), else through the module itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from engines import memory
from engines.family import Model
from engines.layers import align_channels, drop_idle_biases
from engines.tensors import entered

LARGE = 4_000_000  # numbers in the inputs of a CPU pass from which its memory is predicted first
_HEAVY = 100_000_000  # bytes of weights from which a pass on the CPU mostly reads them
_HALF_FROM = (7, 0)  # compute capability with fast half precision


def half_type(device: torch.device, allowed: bool) -> torch.dtype:
    """float16 where the card allows it and the device gains by it, else float32.

    Half is for CUDA from Volta on. On the CPU it is slower, on MPS nobody has measured it for us.
    """
    if allowed and device.type == "cuda" and torch.cuda.get_device_capability(device) >= _HALF_FROM:
        return torch.float16
    return torch.float32


def prepare(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """`module` on `device`, its weights as `dtype` (norms stay in full precision: their running
    variances overflow half, and cuDNN wants their weights so), in the memory format that is faster
    for it."""
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True  # the same job gives the same pixels
        drop_idle_biases(module)
        _read_in_products(device, dtype)
    module.to(device=device, dtype=dtype)
    if dtype == torch.float16:
        align_channels(module)
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                layer.float()
    if _likes_channels_last(module):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


@cache
def _read_in_products(device: torch.device, dtype: torch.dtype) -> None:
    """cuBLAS takes memory that it keeps when it is first used: here, and not in the first pass of
    a network whose memory was predicted."""
    x = torch.zeros((8, 8), device=device, dtype=dtype)
    torch.nn.functional.linear(x, x, x[0])


def _likes_channels_last(module: nn.Module) -> bool:
    """Measured on two CPU cores: the ResNets gain 17 to 20 %, the starter 8 to 25 %; with torch's
    own instance norm, which transposes there and back, they lose 3 to 8 %; U-Net 256, which mostly
    reads weights, gains or loses 4 % as the processor has it."""
    layers = {type(layer) for layer in module.modules()}
    if nn.Conv2d not in layers or nn.InstanceNorm2d in layers:
        return False
    return next(module.parameters()).is_cuda or memory.module_bytes(module) < _HEAVY


def execute(model: Model, *inputs: Any, **named: Any) -> Any:
    """One pass. Tensors are brought to the model's device, floats to its precision, and come back
    as float32 on that device. Without gradients unless the card needs them.

    Raises PassTooLarge when a large pass on the CPU is predicted not to fit.
    """
    if model.device.type == "cuda" and (made := _quickly(model, inputs, named)) is not None:
        return made  # a recording's own buffers convert what they are given
    given = [_to_model(x, model) for x in inputs]
    extra = {name: _to_model(x, model) for name, x in named.items()}
    if model.device.type == "cpu":
        _check_fits(model, given, extra)
    if model.card.needs_grad:
        with torch.enable_grad():
            return _full(model.module(*given, **extra))
    if model.device.type != "cuda" and (made := _quickly(model, given, extra)) is not None:
        return made
    with torch.inference_mode():
        return _full(model.module(*given, **extra))


def _quickly(model: Model, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any | None:
    """What a draft's lane answers, None where there is none."""
    if model.lanes is None or not model.draft or model.card.needs_grad:
        return None
    with torch.inference_mode():
        return model.lanes.run(model, inputs, named)


def _to_model(value: Any, model: Model) -> Any:
    if isinstance(value, Tensor):
        return entered(value, model.device, model.dtype)
    if isinstance(value, list | tuple):
        return type(value)(_to_model(x, model) for x in value)
    return value


def _full(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(_full(x) for x in value)
    if isinstance(value, dict):
        return {name: _full(x) for name, x in value.items()}
    return value


def _check_fits(model: Model, inputs: Sequence[Any], named: Mapping[str, Any]) -> None:
    tensors = [x for x in (*inputs, *named.values()) if isinstance(x, Tensor)]
    if sum(x.numel() for x in tensors) < LARGE:
        return
    free = memory.free_bytes()
    if free is None:
        return
    needed = memory.pass_bytes(model.module, inputs, named, model.card.needs_grad)
    if needed is not None and needed > free:
        raise memory.PassTooLarge(f"a pass needs about {needed} bytes, {free} are free")
