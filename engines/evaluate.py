"""Numbers and sample sheets of the starter models, from held-out photos only.

    python -m engines.evaluate edges-to-clothes --data ../shared/data [--model FILE] [--write]

Beside every number stands that of a trivial baseline: the training photo whose edge map is nearest.
The recogniser is a small classifier trained on real training photos and never seen by the
generator. `--write` stores the numbers in the model's metadata and writes docs/models/<name>.md and
<name>.png.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines import checkpoint, datasets, edges, images, pairs, training
from engines.families.pix2pix.config import recognise_multimodal
from engines.families.pix2pix.multimodal import MultimodalUNet
from engines.job import Picture
from engines.recogniser import Recogniser, varied

COPY = 0.03  # mean absolute difference in [0, 1] at 32x32 below which two photos are one
ROOT = Path(__file__).resolve().parent.parent
RECOGNISED = 48  # photos in a batch of a recogniser's training
VIEW = (96, 128)  # what the recogniser sees, (width, height)


# ---- the recogniser ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Labelled:
    """Photos (N, H, W, 3) uint8 at VIEW and their class indices (N,)."""

    photos: np.ndarray
    labels: np.ndarray


def labelled(data: Path, split: str) -> tuple[Labelled, list[str]]:
    """Real photos of ten kinds of clothing, of motorbikes and of cats, and the names of the
    classes."""
    with (data / "clothing" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    names = [*sorted({row["class"] for row in rows}), "motorbike", "cat"]
    files = [(data / "clothing" / split / row["file"], names.index(row["class"])) for row in rows]
    for index, (folder, most) in enumerate((("motorbikes", 180), ("cats", 180))):
        path = data / folder / ("train" if split == "train" else "test")
        files += [(f, len(names) - 2 + index) for f in datasets.photo_files(path)[:most]]
    photos = [
        cv2.resize(datasets.read_rgb(f), VIEW, interpolation=cv2.INTER_AREA) for f, _ in files
    ]
    return Labelled(np.stack(photos), np.array([label for _, label in files])), names


def device() -> torch.device:
    """Where judges are trained: on a card, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def signed(photos: np.ndarray) -> Tensor:
    return torch.from_numpy(datasets.to_signed(photos))


def teach(
    net: nn.Module,
    draw: Callable[[int], tuple[Tensor, Callable[[Tensor], Tensor]]],
    steps: int,
    after: Callable[[int, float], object] = lambda step, loss: None,
    decay: float = 0.05,
) -> None:
    """Train a judge in place, on the device where judges are trained: AdamW, one cycle of the
    learning rate (Smith 2018), half precision where that is faster.

    draw(step)   a batch and the loss of what the net says of it
    after(step)  is called with the number of steps done and the last loss
    """
    net.to(device()).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    half = device().type == "cuda"  # on a processor the way back is slow in bfloat16
    for step in range(steps):
        given, loss_of = draw(step)
        net.train()
        with torch.autocast(device().type, torch.bfloat16, enabled=half):
            said = net(given.to(device(), memory_format=torch.channels_last))
        loss = loss_of(said.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        after(step + 1, loss.item())


def drawing(
    known: Labelled, classes: int, noise: torch.Generator
) -> Callable[[int], tuple[Tensor, Callable[[Tensor], Tensor]]]:
    """Batches for teach(): varied photos, those of rare classes more often, and how wrong a
    recogniser's answers are."""
    counts = np.bincount(known.labels, minlength=classes)
    share = torch.from_numpy((1 / np.sqrt(counts.clip(1)))[known.labels])
    again = len(known.labels) < RECOGNISED

    def draw(step: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        picks = torch.multinomial(share, RECOGNISED, again, generator=noise)
        wanted = torch.from_numpy(known.labels)[picks].to(device())
        photos = varied(signed(known.photos[picks.numpy()]), noise)
        return photos, lambda said: F.cross_entropy(said, wanted, label_smoothing=0.1)

    return draw


def train_recogniser(data: Path, path: Path, epochs: int = 36, seed: int = 0) -> None:
    """Train on real photos, keep the epoch of best validation accuracy in `path`."""
    torch.manual_seed(seed)
    noise = torch.Generator().manual_seed(seed)
    (train, names), (held, _) = labelled(data, "train"), labelled(data, "val")
    net = Recogniser(len(names))
    steps = epochs * (len(train.labels) // RECOGNISED)
    draw = drawing(train, len(names), noise)
    best = 0.0

    def after(step: int, loss: float) -> None:
        nonlocal best
        if step % 100 and step != steps:
            return
        accuracy = recognised(net, held.photos, held.labels)
        print(f"recogniser {step}/{steps} loss {loss:.3f} held-out {accuracy:.3f}", flush=True)
        if accuracy >= best:
            best = accuracy
            checkpoint.save(path, net.state_dict(), {"names": names, "accuracy": accuracy})

    teach(net, draw, steps, after)


def load_recogniser(path: Path) -> tuple[Recogniser, list[str]]:
    opened = checkpoint.open_checkpoint(path)
    net = Recogniser(len(opened.metadata["names"]))
    net.load_state_dict(opened.tensors())
    return net.eval(), list(opened.metadata["names"])


@torch.inference_mode()
def recognised(net: Recogniser, photos: np.ndarray, labels: np.ndarray) -> float:
    """Share of photos (N, H, W, 3) whose best class is the label."""
    net.eval()
    small = [cv2.resize(p, VIEW, interpolation=cv2.INTER_AREA) for p in photos]
    place = next(net.parameters()).device
    parts = [signed(np.stack(small[i : i + 64])).to(place) for i in range(0, len(small), 64)]
    found = torch.cat([net(x).argmax(1) for x in parts])
    return float((found.cpu().numpy() == labels).mean())


# ---- the generator -------------------------------------------------------------------------------


def load_generator(path: Path) -> MultimodalUNet:
    opened = checkpoint.open_checkpoint(path)
    config = recognise_multimodal(opened)
    if config is None:
        raise SystemExit(f"{path.name} is not a starter model.")
    net = MultimodalUNet(config)
    checkpoint.fill(net, opened)
    return net.eval()


@torch.inference_mode()
def paint(
    net: MultimodalUNet,
    drawings: np.ndarray,
    seeds: list[int],
    strength: float,
    hints: np.ndarray | None = None,
) -> np.ndarray:
    """Photos (N, H, W, 3) uint8 for drawings (N, H, W) and hints (N, H, W, 4)."""
    done = []
    for i in range(0, len(drawings), 16):
        x = signed(drawings[i : i + 16, ..., None])
        h = torch.zeros(len(x), 4, *x.shape[2:])
        if hints is not None:
            mask = torch.from_numpy(hints[i : i + 16, ..., 3:].transpose(0, 3, 1, 2) / 255).float()
            h = torch.cat((signed(hints[i : i + 16, ..., :3]) * mask, mask), 1)
        part = seeds[i : i + 16]
        size = (x.shape[-1], x.shape[-2])
        y = net(x, h, net.sample_code(part, strength), net.sample_noise(part, size))
        done.append(((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(done)


def nearest_photos(drawings: np.ndarray, known: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """For each drawing the training photo whose drawing is nearest after blurring (the trivial
    baseline)."""

    def describe(batch: np.ndarray) -> np.ndarray:
        small = [
            cv2.resize(cv2.GaussianBlur(255 - d, (0, 0), 4), (24, 32), interpolation=cv2.INTER_AREA)
            for d in batch
        ]
        flat = np.stack(small).reshape(len(batch), -1).astype(np.float32)
        return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)

    return photos[(describe(drawings) @ describe(known).T).argmax(1)]


def copied(photos: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,) bool: which photos are the same as one of the known ones, mirrored ones too, apart from
    how they were packed. Sets that were gathered from several sources hold such."""

    def describe(batch: np.ndarray) -> np.ndarray:
        small = [cv2.resize(p, (32, 32), interpolation=cv2.INTER_AREA) for p in batch]
        return np.stack(small).astype(np.float32) / 255

    mine, theirs = describe(photos), describe(known)
    both = np.concatenate((theirs, theirs[:, :, ::-1])).reshape(2 * len(theirs), -1)
    nearest = [np.abs(both - p.reshape(-1)).mean(1).min() for p in mine]
    return np.array(nearest) < COPY


def closeness(made: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Mean absolute error in [0, 1] and SSIM (Wang et al. 2004) between (N, H, W, 3) pictures."""
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    a, b = (torch.from_numpy(p.transpose(0, 3, 1, 2)).float() / 255 for p in (made, real))
    values = [ssim(x[None], y[None], data_range=1.0) for x, y in zip(a, b)]
    return {
        "L1": float((a - b).abs().mean()),
        "SSIM": float(torch.stack([torch.as_tensor(v) for v in values]).mean()),
    }


def spread(pictures: np.ndarray) -> float:
    """Mean absolute difference in [0, 1] over all pairs of (N, H, W, 3) pictures."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    pairs_ = [np.abs(a - b).mean() for i, a in enumerate(flat) for b in flat[i + 1 :]]
    return float(np.mean(pairs_))


def painted_colour(
    net: MultimodalUNet, drawings: np.ndarray, masks: np.ndarray
) -> dict[str, float]:
    """One stroke of a pure colour in the middle of the subject: how far the subject's median colour
    then lies from that colour, and how far without the stroke (mean absolute RGB difference in [0,
    1])."""
    colours = np.array(
        [(190, 25, 30), (25, 60, 170), (30, 120, 50), (225, 190, 40), (20, 20, 22), (235, 235, 230)]
    )
    with_stroke, without = [], []
    plain = paint(net, drawings, [0] * len(drawings), 1.0)
    for colour in colours:
        hints = np.zeros((*drawings.shape, 4), np.uint8)
        for hint, mask in zip(hints, masks):
            rows, columns = np.nonzero(mask)
            y, x = int(np.median(rows)), int(np.median(columns))
            w = drawings.shape[2]
            cv2.line(
                np.asarray(hint),
                (x - w // 10, y),
                (x + w // 10, y + w // 20),
                (*map(int, colour), 255),
                max(3, w // 20),
            )
        made = paint(net, drawings, [0] * len(drawings), 1.0, hints)
        for picture, bare, mask in zip(made, plain, masks):
            with_stroke.append(np.abs(np.median(picture[mask], 0) - colour).mean() / 255)
            without.append(np.abs(np.median(bare[mask], 0) - colour).mean() / 255)
    return {
        "stroke to colour": float(np.mean(with_stroke)),
        "colour without stroke": float(np.mean(without)),
    }


# ---- all of it -----------------------------------------------------------------------------------


def evaluate(
    name: str, model: Path, data: Path, recogniser: Path
) -> tuple[dict[str, float], np.ndarray]:
    """The numbers by name, and the sheet (H, W, 3), eight rows: drawing, mean code, two seeds,
    drawing with a stroke of red, its photo; then the real photo and the nearest training photo,
    which are not ours to publish. The drawings of the right half wander and have gaps like a
    person's."""
    recipe = recipe_of(name)
    size = (int(recipe.data["native"][0]), int(recipe.data["native"][1]))
    folder = data / recipe.data["folder"]
    train, test = datasets.photo_files(folder), datasets.photo_files(folder.parent / "test")

    def read(files: list[Path]) -> np.ndarray:
        return np.stack(
            [datasets.read_photo(f, size, recipe.data.get("trim", False)) for f in files]
        )

    def drawn(photos: np.ndarray) -> np.ndarray:
        return np.stack([edges.photo_to_edges(p) for p in photos])

    real, known = read(test), read(train)
    fresh = ~copied(real, known)
    test, real = [f for f, new in zip(test, fresh) if new], real[fresh]
    rng = np.random.default_rng(0)
    styles = {
        "": drawn(real),
        "hand ": np.stack(
            [pairs.hand_edges(pairs.line_bank(p), pairs.EdgeStyle(), rng) for p in real]
        ),
    }
    net = load_generator(model)
    judge, names = load_recogniser(recogniser)
    labels = _labels(name, data, test, names)
    numbers = {
        "photos held out": float(len(real)),
        "left out as copies of training photos": float((~fresh).sum()),
        "recognised real": recognised(judge, real, labels),
    }
    sheet: list[np.ndarray] = []
    seeds = list(range(len(real)))
    for style, drawings in styles.items():
        base = nearest_photos(drawings, drawn(known), known)
        mean, seeded = paint(net, drawings, seeds, 0.0), paint(net, drawings, seeds, 1.0)
        for label, made in (("baseline ", base), ("", mean), ("seeded ", seeded)):
            found = closeness(made, real) | {"recognised": recognised(judge, made, labels)}
            numbers |= {f"{style}{label}{key}": value for key, value in found.items()}
        picks = np.linspace(0, len(real) - 1, 6).astype(int) + (2 if style else 0)
        picks = np.clip(picks, 0, len(real) - 1)
        sheet.append(_rows(net, real, drawings, base, mean, seeded, picks))
    few = np.linspace(0, len(real) - 1, 24).astype(int)
    eight = [
        spread(paint(net, np.repeat(styles[""][i][None], 8, 0), list(range(8)), 1.0)) for i in few
    ]
    numbers["spread of 8 seeds"] = float(np.mean(eight))
    numbers["spread of real photos"] = spread(real[np.linspace(0, len(real) - 1, 60).astype(int)])
    masks = np.stack([edges.subject_mask(real[i]) for i in few])
    solid = [i for i, m in enumerate(masks) if 0.08 < m.mean() < 0.8]
    numbers |= painted_colour(net, styles[""][few[solid]], masks[solid])
    return {k: round(v, 4) for k, v in numbers.items()}, np.concatenate(sheet, 1)


def _labels(name: str, data: Path, test: list[Path], names: list[str]) -> np.ndarray:
    if name == "edges-to-clothes":
        with (data / "clothing" / "labels.csv").open(newline="") as file:
            known = {row["file"]: row["class"] for row in csv.DictReader(file)}
        return np.array([names.index(known[f.name]) for f in test])
    return np.full(len(test), names.index("motorbike" if "motorbike" in name else "cat"))


def _rows(
    net: MultimodalUNet,
    real: np.ndarray,
    drawings: np.ndarray,
    base: np.ndarray,
    mean: np.ndarray,
    seeded: np.ndarray,
    picks: np.ndarray,
) -> np.ndarray:
    other = paint(net, drawings[picks], [int(p) + 1000 for p in picks], 1.0)
    hints = np.zeros((len(picks), *drawings.shape[1:], 4), np.uint8)
    h, w = drawings.shape[1:]
    for hint in hints:
        cv2.line(
            hint,
            (int(w * 0.38), int(h * 0.5)),
            (int(w * 0.62), int(h * 0.54)),
            (190, 25, 30, 255),
            w // 20,
        )
    red = paint(net, drawings[picks], [int(p) for p in picks], 1.0, hints)
    ink = np.repeat(drawings[picks][..., None], 3, 3)
    marked = np.where(hints[..., 3:] > 0, hints[..., :3], ink)
    rows: list[np.ndarray] = [
        ink,
        mean[picks],
        seeded[picks],
        other,
        marked,
        red,
        real[picks],
        base[picks],
    ]
    return np.concatenate([np.concatenate(list(row), 1) for row in rows], 0)


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    options = asked(
        argv,
        "evaluate",
        __doc__,
        recogniser=(Path, ROOT / "runs" / "recogniser.safetensors", "trained if it is absent"),
        epochs=(int, 36, "of the recogniser's training"),
    )
    options.recogniser.parent.mkdir(parents=True, exist_ok=True)
    if options.name == "recogniser" or not options.recogniser.exists():
        train_recogniser(options.data, options.recogniser, options.epochs)
        if options.name == "recogniser":
            return 0
    numbers, sheet = evaluate(options.name, options.model, options.data, options.recogniser)
    write_sheet(options.recogniser.parent / f"{options.name}-full.jpg", sheet)
    # the rows below show photos of the data set
    report(options, numbers, sheet[: sheet.shape[0] * 6 // 8], say)
    return 0


def asked(
    argv: list[str] | None, program: str, about: str | None, **more: tuple[type, Any, str]
) -> argparse.Namespace:
    """What a program of evaluation is told, with the shipped files of its model where it is told no
    others. more: option -> (type, default, help)."""
    parser = argparse.ArgumentParser(f"python -m engines.{program}", description=about)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sheet", type=Path, help="where the sample sheet goes (docs/models)")
    parser.add_argument("--write", action="store_true", help="store the numbers in the model")
    for name, (kind, default, text) in more.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    options = parser.parse_args(argv)
    options.model = options.model or ROOT / "resources" / "models" / f"{options.name}.safetensors"
    options.sheet = options.sheet or ROOT / "docs" / "models" / f"{options.name}.jpg"
    return options


def recipe_of(name: str) -> training.Recipe:
    return training.load_recipe(ROOT / "resources" / "recipes" / f"{name}.toml")


def report(
    options: argparse.Namespace,
    numbers: dict[str, float],
    shown: np.ndarray,
    say: Callable[[str], object],
) -> None:
    """The end of an evaluation: say the numbers, write the sheet (H, W, 3), and with --write the
    numbers into the model."""
    say(json.dumps(numbers, indent=1))
    write_sheet(options.sheet, shown)
    if options.write:
        write_numbers(options.model, numbers)


def write_sheet(path: Path, shown: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save_picture(Picture(shown), path, 90)


def write_numbers(model: Path, numbers: dict[str, float]) -> None:
    """Put the numbers into the card inside the model's metadata; the weights stay as they are, bit
    for bit."""
    opened = checkpoint.open_checkpoint(model)
    metadata = dict(opened.metadata)
    metadata["card"] = dict(metadata.get("card", {})) | {"numbers": numbers}
    checkpoint.save(model, opened.tensors(), metadata)


if __name__ == "__main__":
    sys.exit(main())
