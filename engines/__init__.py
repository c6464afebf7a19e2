"""The public API of the engine, re-exported lazily: importing this package loads neither torch nor
Qt."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.catalogue import Catalogue as Catalogue
    from engines.catalogue import Entry as Entry
    from engines.cluster import run_many as run_many
    from engines.controls import ModelCard as ModelCard
    from engines.controls import checked as checked
    from engines.controls import defaults as defaults
    from engines.engine import Engine as Engine
    from engines.engine import EngineError as EngineError
    from engines.job import Cancelled as Cancelled
    from engines.job import Event as Event
    from engines.job import Failed as Failed
    from engines.job import Fit as Fit
    from engines.job import Job as Job
    from engines.job import JobError as JobError
    from engines.job import Picture as Picture
    from engines.job import Preview as Preview
    from engines.job import Progress as Progress
    from engines.job import Result as Result
    from engines.job import job_from_png as job_from_png
    from engines.job import save_png as save_png

_HOME = {
    "engines.job": "Picture Job JobError Event Progress Preview Result Failed Cancelled Fit "
    "save_png job_from_png",
    "engines.controls": "ModelCard checked defaults",
    "engines.engine": "Engine EngineError",
    "engines.catalogue": "Catalogue Entry",
    "engines.cluster": "run_many",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}
__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(import_module(_WHERE[name]), name)
