"""Ma et al. 2018, "DA-GAN: Instance-level Image Translation by Deep Attention Generative
Adversarial Networks": the instance that matters is found, and it alone is translated to another
set.

No official weights or code exist: built from the paper's facts and the one public implementation,
and trained here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engines import faces, redraw
from engines.controls import Box, Choice, ModelCard, Slider
from engines.families.dagan import config as configs
from engines.families.dagan.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Ma et al. 2018, DA-GAN: Instance-level Image Translation by Deep Attention Generative "
    "Adversarial Networks"
)
UNOFFICIAL = (
    "No weights of the authors are public: the net is built from the paper's facts, and what it "
    "knows was trained for Ganvas."
)


class DeepAttentionGAN(Family):
    id, title = "dagan", "Attended change"
    trainer = "dagan.train:DAGANTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.dagan import net

        return net.DAGAN(config)

    def card(self, config: Config) -> ModelCard:
        card = redraw.card(
            self,
            f"From any face to {config.goal.lower()}",
            (
                Slider(
                    "strength",
                    "Strength",
                    0.0,
                    1.5,
                    0.05,
                    1.0,
                    trained=(0.0, 1.0),
                    help="0: the photo. 1: as the model draws it; beyond, exaggerated.",
                ),
                Box(
                    "box",
                    "Attended region",
                    help="x, y, width and height in pixels of the photo; empty: the model finds "
                    "it. Nothing outside of it changes.",
                ),
                Choice(
                    "show",
                    "Show",
                    (("result", "The result"), ("attention", "And what is attended to")),
                    "result",
                ),
            ),
            f"DA-GAN {config.size}, {config.width} to {config.code} channels",
            PAPER,
            redraw.scaled(faces.OWN, config.size),
        )
        return replace(card, notes=(UNOFFICIAL,))

    @redraw.every_face
    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        cut, x = _look(model, job)
        asked = redraw.numbers(job, "box")
        found = model(x) if not asked else model(x, x.new_tensor([_onto_crop(cut, asked)]))
        made = x + redraw.number(job, "strength") * (found["made"] - x)
        pictures = [redraw.finished(cut, made, job)]
        texts = [model.config.goal]
        box = _onto_photo(cut, found["box"][0].tolist())
        if job.values["show"] == "attention":
            mask = found["mask"][0, 0].float().cpu().numpy()
            pictures.append(_attention(cut, mask, str(job.values["output"])))
            texts.append("Attended region: " + ", ".join(f"{v:.0f}" for v in box))
        notes = (*cut.notes, _told(box, bool(asked)), *_scores(model.config, found))
        seconds = time.perf_counter() - start
        yield Result(tuple(pictures), tuple(texts), seconds, notes, cut.fit, region=box)


def _look(model: Model, job: Job) -> tuple[faces.Cut, Tensor]:
    """The photo's cut and its crop (1, 3, H, W) in [-1, 1]."""
    template = redraw.scaled(faces.OWN, model.config.size)
    return redraw.look(
        model, job.images["face"], redraw.points(job), template, lambda cut, x: (cut, x)
    )


def _attention(cut: faces.Cut, mask: np.ndarray, output: str) -> Picture:
    """The photo or the crop, dark where nobody looks; mask (H, W) in [0, 1] lies on the crop."""
    import cv2
    import numpy as np

    from engines import images

    base = cut.crop
    if output != "crop":
        base = images.flatten(cut.photo)
        how = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        mask = cv2.warpAffine(mask, cut.matrix.astype(np.float32), base.size, flags=how)
    shade = 0.3 + 0.7 * np.clip(mask, 0, 1)[..., None]
    return Picture((base.pixels * shade).round().astype(np.uint8))


# ---- boxes ---------------------------------------------------------------------------------------


def _onto_crop(cut: faces.Cut, box: Sequence[float]) -> list[float]:
    """left, top, right, bottom on the crop that hold a box (x, y, width, height) of the photo."""
    low, high = _moved(cut.matrix, (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    return [*low, *high]


def _onto_photo(cut: faces.Cut, box: Sequence[float]) -> tuple[float, float, float, float]:
    """x, y, width, height in the photo that hold a box (left, top, right, bottom) of the crop."""
    import numpy as np

    whole = np.vstack((cut.matrix, (0, 0, 1)))
    low, high = _moved(np.linalg.inv(whole)[:2], box)
    return low[0], low[1], high[0] - low[0], high[1] - low[1]


def _moved(matrix: np.ndarray, box: Sequence[float]) -> tuple[list[float], list[float]]:
    """Lowest and highest corner of a box (left, top, right, bottom) under a (2, 3) matrix."""
    import numpy as np

    left, top, right, bottom = box
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    there = corners @ matrix[:, :2].T + matrix[:, 2]
    return there.min(0).tolist(), there.max(0).tolist()


# ---- what is told --------------------------------------------------------------------------------


def _told(box: Sequence[float], asked: bool) -> str:
    x, y, width, height = (round(v) for v in box)
    who = "You said" if asked else "The model attends to"
    return f"{who} a region of {width} x {height} pixels at ({x}, {y})."


def _scores(config: Config, found: dict[str, Tensor]) -> tuple[str, ...]:
    """How well the result does at both levels: as an instance, and as a member of the set."""
    if config.classes == 1:
        before, after = (float(found[name][0, 0].sigmoid()) for name in ("before", "after"))
        said = [f"seen in the region as {config.goal.lower()} {before:.0%} before, {after:.0%} now"]
    else:
        said = []
    if config.judges:
        one, whole = (float(found[name][0].sigmoid()) for name in ("instance", "set"))
        said.append(f"instance score {one:.0%}, set score {whole:.0%}")
    return (f"{'; '.join(said)[:1].upper()}{'; '.join(said)[1:]}.",) if said else ()


register(DeepAttentionGAN())
