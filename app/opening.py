"""What a dropped path is: a recipe of ours, a picture, a folder of pictures, else weights.

Runs in the background thread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engines.catalogue import may_be_weights
from engines.job import Job, JobError, NoRecipe, Picture, job_from_png

if TYPE_CHECKING:
    from engines.videofile import Clip

PICTURES = frozenset(
    [".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm",
     ".pgm", ".pnm", ".avif", ".jp2", ".ico"]
)  # fmt: skip


VIDEOS = frozenset([".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"])


@dataclass(frozen=True)
class Recipe:
    """A recipe, with the picture that carried it, if one did."""

    job: Job
    picture: Picture | None = None


@dataclass(frozen=True)
class PaletteFile:
    """What the numbers of a label map mean, as a file of one's own."""


@dataclass(frozen=True)
class Folder:
    pictures: int


@dataclass(frozen=True)
class Pair:
    """The folder in which a weights file and the one that belongs to it lie together."""

    folder: Path


@dataclass(frozen=True)
class Video:
    clip: Clip


Opened = Recipe | Picture | PaletteFile | Folder | Pair | Video


def open_file(path: Path, model: Path | None = None) -> Opened | None:
    """None: neither picture, film nor recipe, so perhaps weights. A discriminator that fits `model`
    is laid beside it. Raises ValueError with one sentence."""
    if path.is_dir():
        files = pictures_in(path)
        if not files and may_be_weights(path):
            return None
        if not files:
            raise JobError(f"There are no pictures in {path.name}.")
        return Folder(len(files))
    if not path.exists():
        raise JobError(f"{path.name} is not there any more.")
    suffix = path.suffix.lower()
    if suffix == ".json":
        text = path.read_text("utf-8", errors="replace")
        return PaletteFile() if _is_palette(text) else Recipe(Job.from_json(text))
    if suffix in VIDEOS:
        return Video(_look(path))
    if suffix not in PICTURES:
        return _with_partner(path, model)
    if suffix == ".png":
        try:
            job = job_from_png(path)
            if job.checkpoint:
                _ = job.digest  # here, off the GUI thread: pictures are compared by digest there
                return Recipe(job, open_picture(path))
        except NoRecipe:
            pass
    return open_picture(path)


def _with_partner(path: Path, model: Path | None) -> Pair | None:
    from engines.beside import attached, together
    from engines.folders import data_folder

    models = data_folder() / "models"
    made = together(path, models)
    if made == path:
        found = attached(path, model, models) if model is not None else None
        return Pair(found) if found is not None else None
    return Pair(made)


def open_picture(path: Path) -> Picture:
    from engines import images

    picture = images.open_picture(path)
    _ = picture.digest  # see open_file
    return picture


def _look(path: Path) -> Clip:
    from engines import videofile

    clip = videofile.look(path)
    _ = clip.first.digest  # see open_file
    return clip


def _is_palette(text: str) -> bool:
    try:
        body = json.loads(text)
    except ValueError:
        return False
    return isinstance(body, dict) and "classes" in body


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURES and file.is_file() and not file.name.startswith(".")
    )
