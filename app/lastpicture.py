"""The picture that the desk showed last, on disk: at the next start it is there before anything has
been computed. For the very first start one ships: what the default starter makes of its example.
Knows neither desk nor viewer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from app.background import Background
from engines.job import Job, Picture, job_from_png, save_png

log = logging.getLogger("studio")

FIRST = Path(__file__).resolve().parent.parent / "resources" / "samples" / "first.png"
LARGEST = 1 << 20  # pixels; larger pictures take longer to write than they are worth


class LastPicture:
    def __init__(self, path: Path, background: Background) -> None:
        self._path, self._background = path, background
        self._kept: tuple[str, Picture] | None = None

    def read(self) -> None:
        """Answered before whatever is asked of the background after this."""
        self._background.do(lambda: _read(self._path), self._take)

    def of(self, job: Job) -> Picture | None:
        """What an earlier session made of the very same job. Asked once, for the first job."""
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == job.digest else None

    def keep(self, picture: Picture, job: Job) -> None:
        if picture.width * picture.height <= LARGEST:
            self._background.do(lambda: _write(self._path, picture, job))

    def _take(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            log.warning("the last picture cannot be read: %s", answer)
        else:
            self._kept = answer


def _read(path: Path) -> tuple[str, Picture]:
    path = path if path.exists() else FIRST
    return job_from_png(path).digest, Picture.from_png(path.read_bytes())


def _write(path: Path, picture: Picture, job: Job) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(picture, job, path)
