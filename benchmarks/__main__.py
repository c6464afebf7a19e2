"""`uv run python -m benchmarks [--quick] [--only engine,studio,...] [-o FILE]` prints one table per
area."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.table import Row, machine, show

AREAS = {
    "engine": "Engine against plain eager",
    "lanes": "Converted networks against plain eager",
    "studio": "The studio, through the real window",
    "faces": "Faces, through the real window",
    "canvas": "Canvas",
    "style": "Neural style",
    "dream": "DeepDream",
    "memory": "Memory of a pass against its prediction",
    "words": "Words",
}


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--only", default=",".join(AREAS))
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    text = f"Measured on {machine()}.\n\n"
    for area in options.only.split(","):
        rows: Callable[..., list[Row]] = import_module(f"benchmarks.{area}").rows
        text += show(AREAS[area], rows(quick=options.quick)) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
