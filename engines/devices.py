"""Which device computes, what it can hold, and how it gives memory back."""

from __future__ import annotations

import torch

from engines import heap, memory
from engines.errors import EngineError


def choose(asked: str) -> torch.device:
    """The device of "auto", "cpu", "cuda", "cuda:N" or "mps". Raises EngineError if it is not
    there."""
    kind, _, index = asked.strip().lower().partition(":")
    if kind == "auto":
        return torch.device(_best())
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind == "mps" and not index:
        if not torch.backends.mps.is_available():
            raise EngineError(
                "device", "There is no Apple graphics (mps) here; choose auto or cpu."
            )
        return torch.device("mps")
    if kind == "cuda" and (index.isdigit() or not index):
        return torch.device("cuda", _cuda_index(int(index or 0)))
    raise EngineError(
        "device", f"There is no device “{asked}”; it is one of auto, cpu, cuda, cuda:1, mps."
    )


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cuda_index(index: int) -> int:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise EngineError(
            "device", "There is no CUDA card that this torch can use; choose auto or cpu."
        )
    if index >= count:
        raise EngineError(
            "device", f"There is no card cuda:{index}; the last one is cuda:{count - 1}."
        )
    return index


def usual_budget(device: torch.device) -> int:
    """Bytes for kept models: three quarters of a graphics card, half of this computer's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1] * 3 // 4
    if device.type == "mps":
        return torch.mps.recommended_max_memory() * 3 // 4
    return memory.total_bytes() // 2


def empty_cache(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    else:
        heap.trim()
