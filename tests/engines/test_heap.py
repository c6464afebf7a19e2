"""Memory is kept while a run goes on, and given back afterwards: measured by page faults and by
what the process has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from looking import picture, small_model

from engines import heap
from engines.job import Job, Progress

HERE = pytest.mark.skipif(
    not heap.can_keep() or not Path("/proc/self/status").exists(),
    reason="The C library here is not glibc.",
)
COUNTED = """
import resource
from pathlib import Path
import numpy as np
from engines import heap

SIZE = 48 << 20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        pieces = [np.ones(SIZE, np.uint8) for _ in range(3)]
        del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("VmRSS")) << 10

begin = resident()
plain = faults()
with heap.keeping():
    with heap.keeping():
        faults()
    again = faults()
    held = resident() - begin
after = faults()
print(plain, again, held, resident() - begin, after)
"""


@HERE
def test_memory_is_kept_for_the_next_pass_and_given_back_at_the_end() -> None:
    command = [sys.executable, "-c", COUNTED]
    small = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}  # pages of 4 KiB
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=small).stdout
    plain, again, held, left, after = (int(word) for word in told.split())
    pages = 4 * 3 * (48 << 20) // 4096
    assert plain > 0.9 * pages, "without, every piece is handed out anew"
    assert again < 0.02 * pages
    assert held > 140 << 20 and left < 20 << 20
    assert after > 0.9 * pages, "afterwards all is as it was"


def test_where_the_library_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_library", lambda: None)
    assert not heap.can_keep()
    with heap.keeping():
        heap.trim()
    assert heap._keeping == 0


@pytest.mark.parametrize("family", ["dream", "neural_style"])
def test_a_run_that_is_stopped_keeps_nothing(tmp_path: Path, family: str) -> None:
    engine, path = small_model(tmp_path)
    card = engine.describe(path, family)
    values = {"steps": 30, "octaves": 1} if family == "dream" else {"steps": 30}
    given = {"photo": picture(1), "style": picture(2)}
    if family == "dream":
        del given["style"]
    running: Any = engine.run(Job(family, card.checkpoint, values, given))
    event = next(e for e in running if isinstance(e, Progress) and e.done > 2)
    assert event.done < 30 and heap._keeping == 1
    running.close()
    assert heap._keeping == 0
