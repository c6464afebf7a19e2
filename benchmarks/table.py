"""One way to print what was measured."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    what: str
    value: str
    target: str = ""
    note: str = ""


def share(values: Sequence[float], part: float) -> float:
    """The value that `part` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))]


def milliseconds(seconds: Sequence[float], digits: int = 1) -> str:
    """Median and 95th percentile."""
    median, p95 = statistics.median(seconds), share(seconds, 0.95)
    return f"{1000 * median:.{digits}f} ms (p95 {1000 * p95:.{digits}f})"


def show(title: str, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [f"### {title}", "", "| what | measured | target | note |", "|---|---|---|---|"]
    lines += [f"| {r.what} | {r.value} | {r.target} | {r.note} |" for r in rows]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Processor, cores, torch and device, in one line; says nothing of whose machine it is."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"device {device}, load before the run {load:.1f}"
    )
