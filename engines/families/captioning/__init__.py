"""Xu et al. 2015, "Show, Attend and Tell", and Vinyals et al. 2015, "Show and Tell": a picture gets
a caption, with alternatives, and each word shows what it looked at."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engines.controls import Choice, ImageInput, ModelCard, SizeRule, Slider
from engines.errors import EngineError
from engines.families.captioning import config as configs
from engines.families.captioning.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Result

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from engines.checkpoint import Checkpoint
    from engines.families.captioning.net import Said

PAPERS = {
    "attend": "Xu et al. 2015, Show, Attend and Tell: Neural Image Caption Generation with Visual "
    "Attention",
    "late": "Luong et al. 2015, Effective Approaches to Attention-based Neural Machine "
    "Translation; Xu et al. 2015, Show, Attend and Tell",
    "show": "Vinyals et al. 2015, Show and Tell: A Neural Image Caption Generator",
}
BLIND = "This captioner is given the whole picture at once; it has no attention to show."


class Captioning(Family):
    id, title = "captioning", "Picture to caption"
    trainer = "captioning.train:CaptionTrainer"
    tells = True

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.captioning import net

        return net.Captioner(config)

    def load(self, config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        _check(config, checkpoint)
        module, notes = super().load(config, checkpoint)
        return module, (*notes, *_told(config))

    def examine(self, config: Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        _check(config, checkpoint)
        return (*super().examine(config, checkpoint), *_told(config))

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        return configs.renamed(checkpoint)

    def card(self, config: Config) -> ModelCard:
        width, height = config.size
        encoder = "own encoder" if config.encoder == "own" else config.encoder
        decoder = "LSTM" if config.kind == "show" else "attending LSTM"
        return ModelCard(
            self.id,
            "Picture to caption",
            controls=(
                ImageInput("photo", "Picture"),
                Slider("alternatives", "Captions", 1, 8, 1, 3),
                Slider(
                    "beams",
                    "Search width",
                    1,
                    12,
                    1,
                    5,
                    help="Captions kept in mind while the best is looked for.",
                ),
                Choice(
                    "show",
                    "Show",
                    (("caption", "The picture"), ("attention", "What each word looked at")),
                    "caption",
                ),
            ),
            size=SizeRule(native=(width, height), fixed=True),
            rooms=("words",),
            network=f"{encoder}, {decoder}, {config.words - len(config.signs):,} words",
            paper=PAPERS[config.kind],
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        start = time.perf_counter()
        if model.config.problem:
            raise EngineError("checkpoint", model.config.problem)
        photo = job.images["photo"]
        captions, grid = _captions(model, photo, _whole(job, "beams"), _whole(job, "alternatives"))
        texts = [model.config.text(said.words) for said in captions]
        pictures, notes = [photo], [_sure(model.config, captions)]
        if job.values["show"] == "attention":
            best = captions[0]
            texts = [texts[0], *(model.config.vocabulary[word] for word in best.words)]
            pictures += [looked(photo, a, model.config) for a in attention(best, grid)]
            notes += [BLIND] if model.config.kind == "show" else []
            texts = texts[: len(pictures)]
        yield Result(tuple(pictures), tuple(texts), time.perf_counter() - start, tuple(notes))


def _whole(job: Job, name: str) -> int:
    return round(float(job.values[name]))  # pyright: ignore[reportArgumentType]


def _check(config: Config, checkpoint: Checkpoint) -> None:
    """Raises CheckpointError where a net of another project has no vocabulary that fits it."""
    from engines import vocabulary
    from engines.checkpoint import CheckpointError

    if not config.problem or (config.encoder == "own" and not config.vocabulary):
        return
    if config.told and not config.vocabulary:
        vocabulary.read(vocabulary.beside(checkpoint.path) or checkpoint.path)  # says why
    raise CheckpointError("mismatch", config.problem)


def _told(config: Config) -> tuple[str, ...]:
    return (f"Its words are those of {config.told}.",) if config.told else ()


# ---- captions ------------------------------------------------------------------------------------


def _captions(
    model: Model, photo: Picture, beams: int, count: int
) -> tuple[list[Said], tuple[int, int]]:
    """The best captions of different text, best first, at most `count`, and (h, w) of the grid that
    their words looked at."""
    import torch

    from engines import tensors

    seen = Picture(fitted(photo, model.config))
    x = tensors.to_tensor(seen, 3, model.device, torch.float32)
    found = model(x, beams=max(beams, count))
    different = {model.config.text(said.words): said for said in reversed(found["captions"])}
    return list(reversed(different.values()))[:count], found["grid"]


def fitted(photo: Picture, config: Config) -> np.ndarray:
    """What the net is given of a photo (h, w, 3) uint8: ours the whole with its blurred rim around
    it, the others' squeezed, as they were trained."""
    from engines import captiondata, images

    return captiondata.padded(images.flatten(photo).pixels, config.size, config.encoder == "own")


def sureness(said: Said) -> float:
    """The geometric mean of the probabilities of its words and of its end, in [0, 1]."""
    return math.exp(sum(said.chances) / len(said.chances)) if said.chances else 0.0


def _sure(config: Config, captions: list[Said]) -> str:
    """How sure the net is of its captions, and which word of the first it is least sure of."""
    best = captions[0]
    shares = ", ".join(f"{sureness(said):.0%}" for said in captions)
    if not best.words:
        return f"Sure to {shares}."
    chance, word = min(zip(best.chances, best.words))
    return f"Sure to {shares}; least of “{config.vocabulary[word]}” ({math.exp(chance):.0%})."


# ---- attention -----------------------------------------------------------------------------------


def attention(said: Said, grid: tuple[int, int]) -> list[np.ndarray]:
    """For each word where it looked, (h, w) float of sum one; nothing for nets that do not
    attend."""
    return [a.view(grid).float().cpu().numpy() for a in said.attention if a.numel()]


def looked(photo: Picture, where: np.ndarray, config: Config) -> Picture:
    """The photo, dark where a word did not look."""
    import cv2
    import numpy as np

    from engines import captiondata, images

    width, height = photo.size
    large = cv2.resize(where.astype(np.float32), config.size, interpolation=cv2.INTER_CUBIC)
    if config.encoder == "own":
        left, top, across, down = captiondata.inner(photo.size, config.size)
        large = large[top : top + down, left : left + across]
    large = cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip(large / max(float(large.max()), 1e-6), 0, 1)[..., None]
    shade = 0.2 + 0.8 * share
    return Picture((images.flatten(photo).pixels * shade).round().astype(np.uint8))


register(Captioning())
