"""What a refused weights file must look like to a person: one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.checkpoint import CheckpointError, fill, open_checkpoint
from engines.families.pix2pix.config import UNetConfig
from engines.families.pix2pix.net import UNet

TINY = UNetConfig(width=4, depth=5, dropout=False)


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and ". " not in text.removesuffix(".")


def refused(path: Path, kind: str) -> str:
    """The sentence with which opening the file, or filling a tiny U-Net from it, ends."""
    with pytest.raises(CheckpointError) as caught:
        fill(UNet(TINY), open_checkpoint(path))
    sentence = str(caught.value)
    assert caught.value.kind == kind, sentence
    assert is_one_sentence(sentence) and path.name in sentence
    return sentence
