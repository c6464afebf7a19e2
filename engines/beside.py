"""A model that lies in two files side by side, as a generator and its discriminator do (StarGAN:
200000-G.ckpt and 200000-D.ckpt): both in a folder of their own, so that they open as one. Knows no
torch.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from engines.checkpoint import WEIGHTS, CheckpointError, file_digest, open_checkpoint
from engines.family import candidates

_HALF = re.compile(r"(?P<begin>.*)[-_](?P<half>[GD])")
OTHER = {"G": "D", "D": "G"}


def together(path: Path, models: Path) -> Path:
    """The folder below `models` that holds both files of a pair, of which `path` is one; `path`
    itself where no other lies beside it, or where the two are no model together. The files are
    linked, and copied only where that cannot be; the originals stay as they are."""
    half = _HALF.fullmatch(path.stem)
    if half is None or path.suffix not in WEIGHTS or not path.is_file():
        return path
    other = path.with_name(f"{path.stem[:-1]}{OTHER[half['half']]}{path.suffix}")
    if not other.is_file():
        return path
    pair = sorted((path, other))
    digests = "-".join(file_digest(file) for file in pair)
    made = models / digests / _title(path, half["begin"])
    made.mkdir(parents=True, exist_ok=True)
    for file in pair:
        _lay(file, made / file.name)
    with suppress(CheckpointError):
        if candidates(open_checkpoint(made)):
            return made
    shutil.rmtree(made)
    return path


def _title(path: Path, begin: str) -> str:
    """A name for people: the files themselves are called by their step alone."""
    folders = (p.name for p in path.resolve().parents)
    return "-".join((next((n for n in folders if n not in ("models", "")), "pair"), begin))


def _lay(file: Path, there: Path) -> None:
    if there.exists():
        return
    part = there.with_name(f".{there.name}.{os.getpid()}.part")
    try:
        os.link(file, part)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(file, part)
    part.replace(there)
