"""Xu et al. 2015, "Show, Attend and Tell", and Vinyals et al. 2015, "Show and Tell": a picture gets
a caption, with alternatives, and each word shows what it looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engines.controls import ImageInput, ModelCard, SizeRule, Slider
from engines.families.captioning import config as configs
from engines.families.captioning.config import Config
from engines.family import Family, Model, register
from engines.job import Event, Job, Result

if TYPE_CHECKING:
    from torch import nn

    from engines.checkpoint import Checkpoint

PAPER = (
    "Xu et al. 2015, Show, Attend and Tell: Neural Image Caption Generation with Visual Attention"
)


class Captioning(Family):
    id, title = "captioning", "Picture to caption"
    trainer = "captioning.train:CaptionTrainer"

    def recognise(self, checkpoint: Checkpoint) -> Config | None:
        return configs.recognise(checkpoint)

    def build(self, config: Config) -> nn.Module:
        from engines.families.captioning import net

        return net.Captioner(config)

    def to_dict(self, config: Config) -> dict[str, Any]:
        return configs.to_dict(config)

    def from_dict(self, body: dict[str, Any]) -> Config:
        return configs.from_dict(body)

    def card(self, config: Config) -> ModelCard:
        width, height = config.size
        return ModelCard(
            self.id,
            "Picture to caption",
            controls=(
                ImageInput("photo", "Picture"),
                Slider("beams", "Captions kept while searching", 1, 12, 1, 5),
                Slider("alternatives", "Captions told", 1, 8, 1, 3),
            ),
            size=SizeRule(native=(width, height), fixed=True),
            rooms=("words",),
            live=True,
            network=f"Captioner, {config.words - len(config.signs):,} words",
            paper=PAPER,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        import torch

        from engines import captiondata, images, tensors
        from engines.job import Picture

        start = time.perf_counter()
        photo = images.flatten(job.images["photo"])
        seen = Picture(captiondata.padded(photo.pixels, model.config.size))
        x = tensors.to_tensor(seen, 3, model.device, torch.float32)
        found = model(x, beams=int(float(job.values["beams"])))  # pyright: ignore
        texts = tuple(dict.fromkeys(model.config.text(said.words) for said in found["captions"]))
        yield Result((photo,), texts[: int(float(job.values["alternatives"]))],  # pyright: ignore
                     time.perf_counter() - start)  # fmt: skip


register(Captioning())
