"""How near a painted picture comes to a style, measured by a network that had no part in it.

    python -m benchmarks.looks JUDGE MODEL... --photos FOLDER --styles FOLDER [--sheet FILE]

JUDGE is a classifier (a SqueezeNet, say); MODELs are backbones, painted with step by step, or nets
that paint in one pass. Prints for each the distance of Gram matrices to the style (as a share of
the style's, mean over layers; the photo itself for comparison) and of the content to the photo's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engines import backbonenet, backbones, images
from engines.backbonenet import Backbone
from engines.checkpoint import open_checkpoint
from engines.datasets import photo_files
from engines.engine import Engine
from engines.job import Job, Picture, Result
from engines.perceptual import content_loss, gram, gram_loss, maps

STEPS = {"coarse": False, "method": "adam", "rate": 4.0, "tiles": "off"}


def judge(path: Path) -> Backbone:
    opened = open_checkpoint(path)
    config = backbones.recognise(opened)
    if config is None:
        raise SystemExit(f"{path} is no classifier.")
    return backbonenet.load(config, opened)[0]


@torch.no_grad()
def measured(net: Backbone, made: Picture, photo: Picture, style: Picture) -> tuple[float, float]:
    """(distance to the style, distance to the photo), both from 0 on."""
    layers, deep = backbones.default_style(net.config), backbones.default_content(net.config)
    aim = {name: gram(one) for name, one in maps(net, _tensor(style), layers).items()}
    found = maps(net, _tensor(made), (*layers, deep))
    kept = maps(net, _tensor(photo), (deep,))[deep]
    return (float(gram_loss(found, aim)) / len(layers), float(content_loss(found[deep], kept)))


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None].float() / 255


def painted(engine: Engine, model: str, photo: Picture, style: Picture, steps: int) -> Picture:
    card = engine.describe(model)
    given = {"photo": photo} | ({"style": style} if card.control("style") else {})
    values = {**STEPS, "steps": steps} if card.family == "neural_style" else {}
    *_, last = engine.run(Job(card.family, model, values, given))
    assert isinstance(last, Result)
    return last.pictures[0]


def pictures(folder: Path, size: int) -> list[Picture]:
    """Of a folder, or one file, at most `size` pixels on the longer side."""
    found: list[Picture] = []
    for path in photo_files(folder) if folder.is_dir() else [folder]:
        image = Image.fromarray(images.flatten(images.open_picture(path)).pixels)
        image.thumbnail((size, size))
        found.append(Picture(np.asarray(image)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.looks", description=__doc__)
    parser.add_argument("judge", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--styles", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    net, engine = judge(options.judge), Engine("cpu")
    photos = [p for folder in options.photos for p in pictures(folder, options.size)]
    styles = [p for folder in options.styles for p in pictures(folder, options.size)]
    numbers: dict[str, list[tuple[float, float]]] = {"photo": [], **{m: [] for m in options.models}}
    rows: list[list[Picture]] = []
    for style in styles:
        for photo in photos:
            row = [photo, style]
            numbers["photo"].append(measured(net, photo, photo, style))
            for model in options.models:
                row.append(painted(engine, model, photo, style, options.steps))
                numbers[model].append(measured(net, row[-1], photo, style))
                print(Path(model).stem, *(f"{n:.3f}" for n in numbers[model][-1]), flush=True)
            rows.append(row)
            if options.sheet:
                _sheet(rows, options.size).save(options.sheet, quality=90)
    print(f"{'':24} to the style  to the photo, mean of {len(rows)}")
    for name, found in numbers.items():
        style, photo = np.mean(found, 0)
        print(f"{Path(name).stem:24} {style:12.3f}  {photo:12.3f}")


def _sheet(rows: list[list[Picture]], size: int) -> Image.Image:
    """Photo, style, and what each model made of them, from left to right."""
    made = Image.new("RGB", (size * len(rows[0]), size * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            image = Image.fromarray(picture.pixels)
            image.thumbnail((size - 4, size - 4))
            place = ((size - image.width) // 2, (size - image.height) // 2)
            made.paste(image, (x * size + place[0], y * size + place[1]))
    return made


if __name__ == "__main__":
    main()
