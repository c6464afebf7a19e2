"""From pictures to pictures in the look of others. The window's side is __init__.py's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from torch import Tensor

from engines import images, styling, tensors, tiled
from engines.controls import ControlError
from engines.family import Model
from engines.job import Event, Job, Picture, Result

STYLES = 4  # pictures of style that one job may mix
LOOKS = 8  # that a model remembers
LARGEST = 1024  # pixels of the longer side that a style is looked at with, at most
Brushes = Sequence[tuple[Picture, float]]  # styles, and how much each counts


def run(model: Model, job: Job) -> Iterator[Event]:
    """See AnyStyle.run."""
    start = time.perf_counter()
    photo, alpha = images.split_alpha(job.images["photo"])
    size = styling.final_size(job.size or photo.size, round(styling.number(job, "longest")))
    photo = styling.sized(images.flatten(photo), size)
    mixes = _mixes(_brushes(job), int(str(job.values["strip"])))
    step = model.config.multiple_of
    x, crop = tensors.pad_to_multiple(
        tensors.to_tensor(photo, 3, model.device, low=0), step, 4 * step
    )
    margin, asked = model.module.reach(), str(job.values["tiles"])  # pyright: ignore[reportCallIssue]
    made: list[Picture] = []
    notes: tuple[str, ...] = ()
    for mix in mixes:
        rest = _rest(model, job, photo, mix)
        y, in_tiles = yield from tiled.through(model, x, rest, asked, margin, step, styling.TILED)
        picture = tensors.to_picture(crop(y), low=0)
        if job.values["colours"] == "luminance":
            picture = styling.with_colours_of(picture, photo)
        made.append(images.with_alpha(picture, alpha))
        notes = (styling.IN_TILES,) if in_tiles else ()
    texts = tuple(_title(mix) for mix in mixes) if len(mixes) > 1 else ()
    yield Result(tuple(made), texts, time.perf_counter() - start, notes)


def _brushes(job: Job) -> Brushes:
    """The styles that count for something. Raises ControlError."""
    found: list[tuple[Picture, float]] = []
    for number in range(1, STYLES + 1):
        end = "" if number == 1 else str(number)
        picture, amount = job.images.get(f"style{end}"), styling.number(job, f"amount{end}")
        if picture is not None and amount > 0:
            found.append((picture, amount))
    if not found:
        raise ControlError("Every style has the amount 0; give one of them more.")
    return found


def _mixes(brushes: Brushes, count: int) -> list[Brushes]:
    """One mix, or a strip of `count` from the first style to the second. Raises ControlError."""
    if count == 1:
        return [brushes]
    if len(brushes) < 2:
        raise ControlError("A strip of mixes leads from one style to another; add a second.")
    (first, _), (second, _) = brushes[:2]
    shares = [n / (count - 1) for n in range(count)]
    return [((first, 1 - share), (second, share)) for share in shares]


def _title(mix: Brushes) -> str:
    return f"{round(100 * mix[1][1])} % of the second style"


def _rest(model: Model, job: Job, photo: Picture, mix: Brushes) -> tuple[Tensor, float]:
    """What the net takes beside the photo: a look, and how far to go."""
    look, strength = _mixed(model, job, photo, mix), styling.number(job, "strength")
    if not model.config.mixes_own_look or strength == 1:
        return look, strength
    own = _seen(model, photo, styling.final_size(photo.size, LARGEST))
    return own + (look - own) * strength, 1.0


def _mixed(model: Model, job: Job, photo: Picture, mix: Brushes) -> Tensor:
    """The look of a mix, (1, n): the mean of its styles' looks by their amounts."""
    whole = sum(amount for _, amount in mix)
    looks = [_look(model, job, photo, style) * (amount / whole) for style, amount in mix if amount]
    return sum(looks[1:], looks[0])


def _look(model: Model, job: Job, photo: Picture, style: Picture) -> Tensor:
    """The look of one style, remembered while the model is: a slider then costs one pass."""
    matched = job.values["colours"] == "match"
    longest = min(LARGEST, round(styling.number(job, "scale") * max(photo.size)))
    share = longest / max(style.size)
    size = (max(1, round(style.width * share)), max(1, round(style.height * share)))
    if not matched:
        return _seen(model, style, size)
    return _seen(model, styling.matched(styling.sized(style, size), photo), size)


def _seen(model: Model, picture: Picture, size: tuple[int, int]) -> Tensor:
    key = f"look {picture.digest} {size}"
    if key not in model.memo:
        step = model.config.multiple_of
        small = styling.sized(images.flatten(picture), size)
        x = tensors.to_tensor(small, 3, model.device, low=0)
        padded, _ = tensors.pad_to_multiple(x, step, 4 * step)
        model.memo[key] = model(padded)
        while len(model.memo) > LOOKS:
            del model.memo[next(iter(model.memo))]
    return model.memo[key]
