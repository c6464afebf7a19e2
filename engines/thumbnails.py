"""What the channels of a network look for, as small pictures: a short dream from noise for each,
made when it is asked for and kept on disk. Knows no network and imports no torch.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from engines.folders import cache_folder
from engines.images import ImageError, open_picture
from engines.job import Job, Picture

SIDE = 96  # pixels
MEGABYTES = 64  # that all of them together may take
VALUES = {"aim": "mean", "octaves": 2, "ratio": 1.5, "steps": 10, "rate": 10.0, "smooth": 0.8,
          "jitter": 6, "longest": SIDE, "every": 100, "enlarging": "whole"}  # fmt: skip


def noise() -> Picture:
    """What every thumbnail begins with: soft grey noise, the same for all."""
    random = np.random.default_rng(0).normal(124, 12, (SIDE, SIDE, 3))
    return Picture(np.rint(random.clip(0, 255)).astype(np.uint8))


def job(checkpoint: str, layer: str, channel: int | None) -> Job:
    """The dream of one channel, or of a whole layer. One that does not answer to noise has no
    gradient behind its activation: it is what lies before that which grows."""
    before = re.sub("relu", "conv", layer.replace("relu_", ""))
    name = layer if channel is None else f"{before}:{channel}"
    aim = {"aim": "l2"} if channel is None else {}
    return Job("dream", checkpoint, {**VALUES, **aim, "layers": name}, {"photo": noise()})


class Thumbnails:
    """On disk, by the digest of the weights, layer and channel; the oldest leave first."""

    def __init__(self, folder: Path | None = None, megabytes: float = MEGABYTES) -> None:
        self._folder = folder or cache_folder() / "channels"
        self._most = megabytes * 1e6

    def find(self, digest: str, layer: str, channel: int | None) -> Picture | None:
        path = self._path(digest, layer, channel)
        try:
            picture = open_picture(path)
            os.utime(path)
        except (ImageError, OSError):
            return None
        return picture

    def keep(self, digest: str, layer: str, channel: int | None, picture: Picture) -> None:
        path = self._path(digest, layer, channel)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(picture.to_png())
        part.replace(path)
        self._prune()

    def _path(self, digest: str, layer: str, channel: int | None) -> Path:
        number = "all" if channel is None else str(channel)
        return self._folder / digest / f"{layer.replace('/', '-')}-{number}.png"

    def _prune(self) -> None:
        files = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._folder.rglob("*.png")]
        size = sum(bytes for _, bytes, _ in files)
        for _, bytes, path in sorted(files):
            if size <= self._most:
                return
            path.unlink(missing_ok=True)
            size -= bytes
