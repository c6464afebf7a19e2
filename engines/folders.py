"""Where a person's own files live: below GANVAS_HOME if it is set, else where the system keeps such
things."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    home = os.environ.get("GANVAS_HOME")
    return (
        Path(home) / "data" if home else Path(platformdirs.user_data_dir("ganvas", appauthor=False))
    )


def cache_folder() -> Path:
    home = os.environ.get("GANVAS_HOME")
    return (
        Path(home) / "cache"
        if home
        else Path(platformdirs.user_cache_dir("ganvas", appauthor=False))
    )
