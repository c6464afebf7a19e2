"""The starter pack as it ships: small enough, every model with licence, numbers, card and sheet."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engines.checkpoint import open_checkpoint

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "resources" / "models"
FILES = sorted(MODELS.glob("*.safetensors"))
HELPERS = {"face-embedder", "face-finder"}  # work behind a room; nobody chooses them


@cache
def card(path: Path) -> dict[str, Any]:
    return open_checkpoint(path).metadata["card"]


def test_the_pack_is_small() -> None:
    sizes = {path.stem: path.stat().st_size / 1e6 for path in FILES}
    assert len(sizes) >= 17 and max(sizes.values()) <= 10
    assert sum(sizes.values()) <= 60, sizes


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_starter_says_what_it_is(path: Path) -> None:
    told = card(path)
    assert told["title"] and told["data"] and told["licence"]
    text = (ROOT / "docs" / "models" / f"{path.stem}.md").read_text(encoding="utf-8")
    assert "**Data**" in text and "**Training**" in text and "**Weak**" in text
    assert path.stem in (ROOT / "README.md").read_text(encoding="utf-8")
    if path.stem not in HELPERS:
        assert told["summary"]
        assert told["sheet"] == f"docs/models/{path.stem}.jpg" and (ROOT / told["sheet"]).is_file()
        assert (ROOT / "resources" / "recipes" / f"{path.stem}.toml").is_file()
    weights = open_checkpoint(path).tensors()
    assert {str(w.dtype) for w in weights.values() if w.is_floating_point()} == {"torch.float16"}


def test_every_model_of_the_list_is_in_the_pack() -> None:
    listed = json.loads((ROOT / "resources" / "models.json").read_text())["models"]
    assert {m["file"] for m in listed} == {p.name for p in FILES if p.stem not in HELPERS}
