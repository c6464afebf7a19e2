"""The public API of the engine, re-exported lazily: importing this package loads neither torch nor Qt."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.catalogue import Catalogue, Entry
    from engines.controls import ModelCard, checked, defaults
    from engines.engine import Engine, EngineError
    from engines.job import (
        Cancelled,
        Event,
        Failed,
        Fit,
        Job,
        JobError,
        Picture,
        Preview,
        Progress,
        Result,
    )
    from engines.job import job_from_png, save_png

_HOME = {
    "engines.job": "Picture Job JobError Event Progress Preview Result Failed Cancelled Fit save_png job_from_png",
    "engines.controls": "ModelCard checked defaults",
    "engines.engine": "Engine EngineError",
    "engines.catalogue": "Catalogue Entry",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}
__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(import_module(_WHERE[name]), name)
