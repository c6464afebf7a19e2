"""Numbers and a sample sheet of the starters that translate photos, from held-out pictures.

    python -m engines.evaluate_translators photo-to-monet --data DATA [--model FILE] [--write]

Every held-out picture of both sides goes there and back by a job, as in the studio: its structure
and cycle error say what was kept. A judge that was trained on the training pictures of both sides
says how likely a picture is of the other side, before and after. The sheet shows pictures of our
own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines import checkpoint, datasets, evaluate, images, training
from engines.engine import Engine
from engines.evaluate import ROOT, device, signed
from engines.job import Job, Picture, Result
from engines.recogniser import Recogniser
from engines.unpaireddata import UnpairedPhotos

SEEN = 128  # pixels of the square that the judge sees, of pictures kept at KEPT
KEPT = 192
BATCH = 16  # of each side
OWN = ("landscape",)  # samples that the sheet shows


def sides(recipe: training.Recipe, data: Path, split: str) -> UnpairedPhotos:
    """Pictures of both sides of a recipe's set, of another split."""
    told = dict(recipe.data) | {"folder": f"{Path(str(recipe.data['folder'])).parent}/{split}"}
    found = datasets.make_dataset(told, data, recipe.seed)
    assert isinstance(found, UnpairedPhotos)
    return found


# ---- the judge -----------------------------------------------------------------------------------


def train_judge(
    data: UnpairedPhotos, path: Path, steps: int, say: Callable[[str], object] = print
) -> Recogniser:
    """Train on the pictures of both sides and write to `path`."""
    torch.manual_seed(5)
    net, noise = Recogniser(2), torch.Generator().manual_seed(5)
    wanted = torch.tensor([0] * BATCH + [1] * BATCH).to(device())

    def draw(step: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        batch = data.batch(step, BATCH, (SEEN, SEEN), rank=1005)
        both = torch.from_numpy(np.concatenate((batch["a"], batch["b"]))).float() / 127.5 - 1
        gain = 1 + 0.2 * (torch.rand((len(both), 3, 1, 1), generator=noise) - 0.5)
        given = (both * gain).clamp(-1, 1)
        return given, lambda said: F.cross_entropy(said, wanted, label_smoothing=0.05)

    def after(step: int, loss: float) -> None:
        if step % 50 == 0:
            say(f"judge {step}/{steps} loss {loss:.3f}")

    evaluate.teach(net, draw, steps, after)
    checkpoint.save(path, net.state_dict(), {"sides": 2})
    return net.eval()


def load_judge(path: Path) -> Recogniser:
    net = Recogniser(2)
    checkpoint.fill(net, checkpoint.open_checkpoint(path))
    return net.to(device()).eval()


@torch.inference_mode()
def as_second(net: Recogniser, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """How likely each of the pictures (H, W, 3) is of the second side, (N,) in [0, 1]: the mean
    over its corners, its middle and their mirror images."""
    found = []
    for pixels in pictures:
        scale = KEPT / min(pixels.shape[:2])
        width, height = (max(SEEN, round(n * scale)) for n in pixels.shape[1::-1])
        x = signed(images.resize(pixels, (width, height))[None]).to(device())
        places = {(0, 0), (0, width - SEEN), (height - SEEN, 0), (height - SEEN, width - SEEN),
                  ((height - SEEN) // 2, (width - SEEN) // 2)}  # fmt: skip
        cut = torch.cat([x[..., y : y + SEEN, z : z + SEEN] for y, z in sorted(places)])
        scores = net(torch.cat((cut, cut.flip(3)))).softmax(1)[:, 1]
        found.append(float(scores.mean()))
    return np.array(found)


# ---- all of it -----------------------------------------------------------------------------------


def translated(
    engine: Engine, model: str, pixels: np.ndarray, direction: str
) -> tuple[np.ndarray, dict[str, float]]:
    """The translation (H, W, 3) and its numbers, of which the way back tells one."""
    card = engine.describe(model)
    values = {"direction": direction, "round": True}
    job = Job(card.family, card.checkpoint, values, {"photo": Picture(pixels)})
    result = list(engine.run(job))[-1]
    assert isinstance(result, Result), result
    return result.picture.pixels, dict(result.numbers)


def evaluate_translator(
    model: Path, held: UnpairedPhotos, net: Recogniser, most: int
) -> dict[str, float]:
    """Of both directions: what was kept, and how likely before and after."""
    engine = Engine()
    numbers: dict[str, float] = {}
    likely = [as_second(net, side[:most]) for side in held.sides]
    right = np.concatenate((likely[0] < 0.5, likely[1] > 0.5))
    numbers["judge right"] = float(right.mean())
    for place, (direction, name) in enumerate((("AtoB", "there"), ("BtoA", "back"))):
        given = held.sides[place][:most]
        made = [translated(engine, str(model), pixels, direction) for pixels in given]
        before = likely[place] if place == 0 else 1 - likely[place]
        after = as_second(net, [pixels for pixels, _ in made])
        after = after if place == 0 else 1 - after
        numbers |= {
            f"{name}: pictures held out": float(len(given)),
            f"{name}: likely before": float(before.mean()),
            f"{name}: likely after": float(after.mean()),
            f"{name}: judged so": float((after > 0.5).mean()),
        }
        for measure in ("structure error", "cycle error"):
            numbers[f"{name}: {measure}"] = float(np.mean([told[measure] for _, told in made]))
    return {k: round(v, 4) for k, v in numbers.items()}


def sheet(model: Path) -> np.ndarray:
    """Pictures of our own: as they are, there, and there and back."""
    engine, rows = Engine(), []
    for name in OWN:
        own = datasets.read_rgb(ROOT / "resources" / "samples" / f"{name}.jpg")
        made, _ = translated(engine, str(model), own, "AtoB")
        again, _ = translated(engine, str(model), made, "BtoA")
        rows += [Picture(own), Picture(made), Picture(again)]
    return images.contact_sheet(rows, (), 3).pixels


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    options = evaluate.asked(
        argv,
        "evaluate_translators",
        __doc__,
        judge=(Path, None, "its file, trained if it is absent"),
        steps=(int, 400, "of the judge's training"),
        most=(int, 60, "pictures of each side at most"),
    )
    recipe = evaluate.recipe_of(options.name)
    path = options.judge or ROOT / "runs" / f"judge-{options.name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    net = (
        load_judge(path)
        if path.exists()
        else train_judge(sides(recipe, options.data, "train"), path, options.steps, say)
    )
    held = sides(recipe, options.data, "test")
    numbers = evaluate_translator(options.model, held, net, options.most)
    evaluate.report(options, numbers, sheet(options.model), say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
