"""A model that lies in two files side by side, as a generator and its discriminator do (StarGAN:
200000-G.ckpt and 200000-D.ckpt), or a discriminator that comes to a model later: both in a folder
of their own, so that they open as one. Knows no torch.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from engines.checkpoint import (
    WEIGHTS,
    Checkpoint,
    CheckpointError,
    file_digest,
    open_checkpoint,
)
from engines.family import candidates, families

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


def attached(judge: Path, model: Path, models: Path) -> Path | None:
    """The folder below `models` that holds a discriminator's file and the model that it belongs to,
    a file or a folder; None where it is no discriminator, or fits another model."""
    try:
        if judge.is_dir() or not (needed(opened := open_checkpoint(judge))):
            return None
        known = open_checkpoint(model)
    except (CheckpointError, OSError):
        return None
    fitting = (family.beside(opened, known) for family in families().values())
    stems = next((stems for stems in fitting if stems), None)
    if stems is None:
        return None
    alone = [model] if model.is_file() else [p for p in sorted(model.iterdir()) if p.is_file()]
    name = model.stem if model.is_file() else model.name
    made = models / f"{file_digest(model)}-{file_digest(judge)}" / name
    made.mkdir(parents=True, exist_ok=True)
    for file in alone:
        _lay(file, made / (f"{stems[0]}{file.suffix}" if model.is_file() else file.name))
    _lay(judge, made / f"{stems[1]}{judge.suffix}")
    with suppress(CheckpointError):
        if candidates(open_checkpoint(made)):
            return made
    shutil.rmtree(made)
    return None


def needed(judge: Checkpoint) -> str:
    """Of a discriminator alone which generator it needs, as the end of a sentence; "" for any other
    file."""
    return next((said for f in families().values() if (said := f.needs(judge))), "")


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
