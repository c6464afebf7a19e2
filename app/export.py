"""What a person takes out: result, input or both side by side. Runs in the background thread."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from engines.job import Job, JobError, Picture

What = Literal["result", "pair", "input"]


def main_input(job: Job) -> Picture | None:
    """The picture a job was made from; colour hints (RGBA, same size) are laid over the drawing, a
    painted map is shown in its colours."""
    first, *others = list(job.images.values()) or [None]
    drawn = next((d for d in job.drawings.values() if d and d.get("palette")), None)
    if first is not None and drawn is not None:
        from engines import palettes

        return palettes.coloured(first, palettes.named(str(drawn["palette"]), palettes.FILLED))
    for other in others:
        if first is not None and other is not None and other.channels == 4:
            first = _over(other, first) if other.size == first.size else first
    return first


def export(
    picture: Picture,
    job: Job,
    path: Path,
    what: What = "result",
    quality: int = 92,
    caption: str = "",
) -> None:
    """Write a file of the format that `path` names, `caption` in its description. Raises ValueError
    with one sentence."""
    from engines import images

    if what != "result":
        source = main_input(job)
        if source is None:
            raise JobError("This result was made without a picture: there is no input to save.")
        picture = source if what == "input" else images.side_by_side(source, picture)
    images.save_picture(picture, path, quality, job, caption)


def _over(top: Picture, below: Picture) -> Picture:
    """`top` (RGBA) laid over `below`, in sRGB as the canvas shows it; (H, W, 3)."""
    base = Image.fromarray(below.pixels).convert("RGBA")
    base.alpha_composite(Image.fromarray(top.pixels))
    return Picture(np.asarray(base.convert("RGB")))
