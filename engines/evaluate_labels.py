"""Numbers and a sample sheet of the starters that paint label maps, from held-out maps.

    python -m engines.evaluate_labels labels-to-facade --data DATA [--model FILE] [--write]

Every map of the test split is painted by a job, as the studio does it. A segmenter that was trained
on real photos says what it sees in the painting; how far that agrees with the map (mean IoU) stands
beside what it sees in the real photo, and in the training photo of the nearest map. The sheet shows
maps alone and what is painted of them. `--write` stores the numbers in the model's metadata.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines import checkpoint, datasets, evaluate, images, training
from engines.engine import Engine
from engines.evaluate import ROOT, closeness, device, signed
from engines.job import Job, Picture, Result
from engines.labeldata import LabelledPhotos
from engines.unet import UNet

SEEN = 128  # pixels of the shorter side that the segmenter sees
WIDTHS = (16, 32, 64, 96)
BATCH = 12
SHOWN = 6  # maps on the sheet


def labelled(recipe: training.Recipe, data: Path, split: str) -> LabelledPhotos:
    """The label maps and photos of another split of a recipe's set."""
    told: dict[str, Any] = {
        **recipe.data,
        "folder": f"{Path(str(recipe.data['folder'])).parent}/{split}",
    }
    return datasets.make_dataset(told, data, recipe.seed)  # pyright: ignore[reportReturnType]


# ---- the segmenter -------------------------------------------------------------------------------


def size_seen(data: LabelledPhotos) -> tuple[int, int]:
    """(width, height) of what the segmenter sees, multiples of its coarsest step."""
    _, photo = data.pair(0)
    scale, step = SEEN / min(photo.shape[:2]), 2 ** (len(WIDTHS) - 1)
    width, height = (round(side * scale / step) * step for side in photo.shape[1::-1])
    return width, height


def train_segmenter(
    data: LabelledPhotos, path: Path, steps: int, say: Callable[[str], object] = print
) -> UNet:
    """Train on real photos and write to `path`."""
    torch.manual_seed(7)
    net = UNet(3, len(data.using), WIDTHS, norm="batch")
    noise, size = torch.Generator().manual_seed(7), size_seen(data)

    def draw(step: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        batch = data.batch(step, BATCH, size, rank=1007)
        photo = torch.from_numpy(batch["photo"])
        gain = 1 + 0.3 * (torch.rand((len(photo), 3, 1, 1), generator=noise) - 0.5)
        wanted = torch.from_numpy(batch["labels"])[:, 0].to(device())
        return (photo * gain).clamp(-1, 1), lambda said: F.cross_entropy(said, wanted)

    def after(step: int, loss: float) -> None:
        if step % 50 == 0:
            say(f"segmenter {step}/{steps} loss {loss:.3f}")

    evaluate.teach(net, draw, steps, after, decay=0.02)
    checkpoint.save(path, net.state_dict(), {"classes": len(data.using)})
    return net.eval()


def load_segmenter(path: Path) -> UNet:
    opened = checkpoint.open_checkpoint(path)
    net = UNet(3, opened.metadata["classes"], WIDTHS, norm="batch")
    checkpoint.fill(net, opened)
    return net.to(device()).eval()


@torch.inference_mode()
def seen(net: UNet, photos: Sequence[np.ndarray], size: tuple[int, int]) -> list[np.ndarray]:
    """The class of every pixel of photos (H, W, 3), each at its own size."""
    found = []
    for photo in photos:
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        scores = net(signed(small[None]).to(device()))
        full = F.interpolate(scores, photo.shape[:2], mode="bilinear")
        found.append(full.argmax(1)[0].cpu().numpy())
    return found


def agreement(told: Sequence[np.ndarray], wanted: Sequence[np.ndarray], classes: int) -> float:
    """Mean over the classes that occur of intersection over union, counted over all pictures."""
    both, either = np.zeros(classes), np.zeros(classes)
    for a, b in zip(told, wanted):
        for number in range(classes):
            mine, theirs = a == number, b == number
            both[number] += (mine & theirs).sum()
            either[number] += (mine | theirs).sum()
    there = either > 0
    return float((both[there] / either[there]).mean())


# ---- all of it -----------------------------------------------------------------------------------


def painted(engine: Engine, model: str, labels: np.ndarray) -> np.ndarray:
    """What a model paints of a map (H, W) of class numbers, (H, W, 3)."""
    card = engine.describe(model)
    job = Job(card.family, card.checkpoint, images={"labels": Picture(labels)})
    result = list(engine.run(job))[-1]
    assert isinstance(result, Result), result
    return result.pictures[0].pixels


def nearest(maps: Sequence[np.ndarray], known: Sequence[np.ndarray]) -> list[int]:
    """Of each map the place of the known one that agrees with it on most pixels."""
    small = [np.stack([cv2.resize(m, (64, 64), interpolation=cv2.INTER_NEAREST) for m in some])
             for some in (maps, known)]  # fmt: skip
    return [int((small[1] == one).mean((1, 2)).argmax()) for one in small[0]]


def evaluate_labels(
    model: Path, known: LabelledPhotos, held: LabelledPhotos, net: UNet, most: int
) -> tuple[dict[str, float], np.ndarray]:
    """The numbers by name, and the sheet (H, W, 3)."""
    engine, size, classes = Engine(), size_seen(known), len(held.using)
    picks = np.linspace(0, len(held) - 1, min(most, len(held))).astype(int)
    maps, photos = zip(*(held.pair(int(i)) for i in picks))
    trained = [known.pair(i) for i in range(len(known))]
    copies = [trained[i][1] for i in nearest(maps, [labels for labels, _ in trained])]
    made = [painted(engine, str(model), labels) for labels in maps]
    numbers = {"maps held out": float(len(maps))}
    real = agreement(seen(net, photos, size), maps, classes)
    for name, pictures in (("", made), ("nearest map's ", copies)):
        told = agreement(seen(net, pictures, size), maps, classes)
        numbers[f"{name}mean IoU"] = told
        numbers[f"{name}share of real IoU"] = told / real
        near = closeness(np.stack(pictures), np.stack(photos))
        numbers |= {f"{name}{key}": value for key, value in near.items()}
    numbers["real mean IoU"] = real
    chosen = np.linspace(0, len(maps) - 1, min(SHOWN, len(maps))).astype(int)
    shown = sheet(held, [maps[i] for i in chosen], [made[i] for i in chosen])
    return {k: round(v, 4) for k, v in numbers.items()}, shown


def sheet(
    held: LabelledPhotos, maps: Sequence[np.ndarray], made: Sequence[np.ndarray]
) -> np.ndarray:
    rows = [Picture(held.using.table[labels]) for labels in maps] + [Picture(p) for p in made]
    return images.contact_sheet(rows, (), len(maps)).pixels


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    options = evaluate.asked(
        argv,
        "evaluate_labels",
        __doc__,
        segmenter=(Path, None, "its file, trained if it is absent"),
        steps=(int, 600, "of the segmenter's training"),
        most=(int, 120, "maps at most"),
    )
    recipe = evaluate.recipe_of(options.name)
    known, held = (labelled(recipe, options.data, split) for split in ("train", "test"))
    path = options.segmenter or ROOT / "runs" / f"segmenter-{recipe.data['palette']}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    net = (
        load_segmenter(path) if path.exists() else train_segmenter(known, path, options.steps, say)
    )
    found = evaluate_labels(options.model, known, held, net, options.most)
    evaluate.report(options, *found, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
