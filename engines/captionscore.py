"""Numbers of a captioner, from held-out pictures only.

    python -m engines.captionscore caption-clothes --data ../shared/data [--model FILE] [--write]
    python -m engines.captionscore caption-clothes --data ../shared/data --sheet FILE

Beside every number stands that of a trivial baseline: the captions of the training picture that
looks most alike. BLEU and CIDEr are those of pycocoevalcap (the field's own; a development
dependency). `--write` stores the numbers in the model's metadata. `--sheet` writes a sample sheet
instead, of pictures that are ours to show: held-out outlines painted by edges-to-clothes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from colorsys import hsv_to_rgb
from pathlib import Path

import cv2
import numpy as np
import torch

from engines import captiondata, checkpoint, colournames, datasets, edges, images, training
from engines.captiondata import GARMENTS, Captioned
from engines.families.captioning.config import Config, recognise
from engines.families.captioning.net import Captioner
from engines.job import Picture
from engines.wording import words_of

ROOT = Path(__file__).resolve().parent.parent
BEAMS = 5
PAINTED = (192, 256)  # (width, height) of a garment on the sample sheet
LOOKED = 16  # side in pixels at which two pictures are compared


def scores(said: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-1 and BLEU-4 in [0, 1] and CIDEr (10 at most) of one caption for each picture against
    its references."""
    from pycocoevalcap.bleu.bleu import Bleu  # pyright: ignore[reportMissingImports]
    from pycocoevalcap.cider.cider import Cider  # pyright: ignore[reportMissingImports]

    told = {n: [" ".join(words_of(caption)) or "-"] for n, caption in enumerate(said)}
    known = {n: [" ".join(words_of(c)) for c in texts] for n, texts in enumerate(references)}
    bleu, _ = Bleu(4).compute_score(known, told, verbose=0)
    cider, _ = Cider().compute_score(known, told)
    return {"BLEU-1": float(bleu[0]), "BLEU-4": float(bleu[3]), "CIDEr": float(cider)}


def parts(caption: str) -> dict[str, str]:
    """Colour, kind and ground that the caption of a garment names; "" for what it does not."""
    words = " ".join(words_of(caption))
    nouns = sorted((" ".join(words_of(noun)) for noun in GARMENTS.values()), key=len, reverse=True)
    kind = next((noun for noun in nouns if f" {noun} " in f" {words} "), "")
    before, _, after = words.partition(kind) if kind else (words, "", "")
    if " in " in f" {after} ":  # "a t-shirt in red on white"
        before, _, after = after.partition(" on ")
    return {"colour": _first_colour(before), "kind": kind, "ground": _first_colour(after)}


def _first_colour(text: str) -> str:
    found = [(f" {text} ".find(f" {name} "), -len(name), name) for name in colournames.NAMES]
    return min((f for f in found if f[0] >= 0), default=(0, 0, ""))[2]


def exactness(said: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares of garments whose first colour, kind, ground, and first colour and kind together are
    those of the reference."""
    pairs = [(parts(s), parts(r[0])) for s, r in zip(said, references)]
    right = {key: [a[key] == b[key] for a, b in pairs] for key in ("colour", "kind", "ground")}
    both = [c and k for c, k in zip(right["colour"], right["kind"])]
    return {key: float(np.mean(hits)) for key, hits in (*right.items(), ("colour and kind", both))}


def nearest(known: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """For each photo (N, H, W, 3) uint8 the index of the one in `known` that looks most alike:
    smallest mean absolute difference when both are small."""

    def small(pictures: np.ndarray) -> np.ndarray:
        how = cv2.INTER_AREA
        rows = [cv2.resize(p, (LOOKED, LOOKED), interpolation=how).ravel() for p in pictures]
        return np.stack(rows).astype(np.float32)

    a, b = small(photos), small(known)
    return np.array([np.abs(b - row).mean(1).argmin() for row in a])


def told_by(net: Captioner, photos: np.ndarray) -> list[str]:
    """The best caption of each photo (N, H, W, 3) uint8 of the net's own size."""
    said = []
    for photo in photos:
        x = torch.from_numpy(photo.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
        with torch.inference_mode():
            said.append(net.config.text(net(x, beams=BEAMS)["captions"][0].words))
    return said


def measured(net: Captioner, known: Captioned, held: Captioned) -> dict[str, float]:
    """The numbers by name."""
    references = [list(texts) for texts in held.captions]
    said = told_by(net, held.photos)
    alike = [known.captions[n][0] for n in nearest(known.photos, held.photos)]
    found: dict[str, float] = {"pictures held out": float(len(held))}
    for title, captions in (("", said), ("baseline ", alike)):
        numbers = scores(captions, references)
        if set(held.classes) <= set(GARMENTS):
            numbers |= exactness(captions, references)
        found |= {f"{title}{name}": round(value, 4) for name, value in numbers.items()}
    return found


def load(path: Path) -> Captioner:
    opened = checkpoint.open_checkpoint(path)
    config = recognise(opened)
    if config is None or not config.vocabulary:
        raise SystemExit(f"{path.name} is no captioner of ours.")
    net = Captioner(config)
    checkpoint.fill(net, opened)
    return net.float().eval()


def sets(
    recipe: training.Recipe, data: Path, config: Config, folder: str
) -> tuple[Captioned, Captioned]:
    """The training and the held-out pictures of one folder of a recipe, as the net is given
    them."""
    told = {"vocabulary": config.vocabulary, "size": config.size, "longest": config.longest}
    known, held = (captiondata.captioned([data / folder], s, **told) for s in ("train", "test"))
    return known, held


def sheet(net: Captioner, data: Path, count: int = 20) -> Picture:
    """Held-out outlines, every so-many-th, each with a stroke of colour of its own, painted by the
    shipped edges-to-clothes, and what the net says of them."""
    from engines import evaluate

    painter = evaluate.load_generator(
        ROOT / "resources" / "models" / "edges-to-clothes.safetensors"
    )
    files = datasets.photo_files(data / "clothing" / "test")
    files = [files[n] for n in np.linspace(0, len(files) - 1, count).round().astype(int)]
    outlines = [edges.photo_to_edges(datasets.read_photo(file, PAINTED)) for file in files]
    hints = np.zeros((count, PAINTED[1], PAINTED[0], 4), np.uint8)
    for n, hint in enumerate(hints):
        colour = tuple(round(255 * c) for c in hsv_to_rgb(n * 0.382 % 1, 0.75, 0.2 + n % 4 * 0.2))
        cv2.line(hint, (75, 122), (117, 134), (*colour, 255), 10)
    ink = np.stack(outlines)
    made = evaluate.paint(painter, ink, list(range(count)), 1.0, hints)
    drawn = np.where(hints[..., 3:] > 0, hints[..., :3], ink[..., None])
    fitted = np.stack([captiondata.padded(photo, net.config.size) for photo in made])
    titles = [caption.removesuffix(" background") for caption in told_by(net, fitted)]
    pairs = [Picture(np.concatenate(pair, 1)) for pair in zip(drawn, made)]
    return images.contact_sheet(pairs, titles, 4)


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    parser = argparse.ArgumentParser("python -m engines.captionscore", description=__doc__)
    parser.add_argument("name", help="of the recipe")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--write", action="store_true", help="store the numbers in the model")
    parser.add_argument("--sheet", type=Path, help="write the sample sheet there, no numbers")
    options = parser.parse_args(argv)
    recipe = training.load_recipe(ROOT / "resources" / "recipes" / f"{options.name}.toml")
    model = options.model or ROOT / "resources" / "models" / f"{options.name}.safetensors"
    net = load(model)
    if options.sheet:
        images.save_picture(sheet(net, options.data), options.sheet, 88)
        return 0
    asked = recipe.data["folder"]
    found: dict[str, Mapping[str, float]] = {}
    for folder in [asked] if isinstance(asked, str) else asked:
        found[folder] = measured(net, *sets(recipe, options.data, net.config, folder))
        say(json.dumps({folder: found[folder]}, indent=1))
    if options.write:
        from engines.evaluate import write_numbers

        named = {f"{folder}: {k}": v for folder, told in found.items() for k, v in told.items()}
        write_numbers(model, dict(*found.values()) if len(found) == 1 else named)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
