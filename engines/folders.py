"""Where a person's own files live: below GANVAS_HOME if it is set, else where the system keeps such
things."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    home = os.environ.get("GANVAS_HOME")
    return (
        Path(home) / "data" if home else Path(platformdirs.user_data_dir("ganvas", appauthor=False))
    )


def keep_finder(path: Path) -> Path:
    """A YuNet file, copied to where faces are found with it from now on."""
    name = path.name.lower()
    kept = data_folder() / "models" / (name if "yunet" in name else f"yunet-{name}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    if kept.exists() and kept.samefile(path):
        return kept
    shutil.copyfile(path, kept)
    return kept


def cache_folder() -> Path:
    home = os.environ.get("GANVAS_HOME")
    return (
        Path(home) / "cache"
        if home
        else Path(platformdirs.user_cache_dir("ganvas", appauthor=False))
    )
