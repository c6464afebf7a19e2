"""A style transfer from pictures to pictures: targets, coarse to fine, steps and what is shown of
them. The window's side is __init__.py's."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engines import heap, images, styling, tensors
from engines.controls import ControlError
from engines.families.style.budget import estimate, room
from engines.families.style.config import STYLES, Setting, ladder, to_setting
from engines.families.style.descent import Descent, Method
from engines.families.style.objective import Features, Objective, Region, Targets, blended
from engines.family import Model
from engines.job import Event, Job, Picture, Preview, Progress, Result
from engines.pace import Steps, minded, watched
from engines.planner import Estimate, Room

GREY = (123.68, 116.779, 103.939)  # mean of ImageNet's photos, red green blue, from 0 to 255
GRAIN = 64.0  # deviation of full noise, from 0 to 255
PAINTING = "Painting"
TOLD = 5  # steps between two reports of the terms: each waits for the graphics card
MIXED = "mixed"  # the region of several styles without a mask
Size = tuple[int, int]


@dataclass(frozen=True)
class Brush:
    """A style, how much it counts and where: everywhere, if there is no mask. number: from 1."""

    number: int
    picture: Picture
    amount: float
    mask: Picture | None


@dataclass(frozen=True)
class _Plan:
    """A job, read. `rungs`: from coarse to fine, how each size is worked on, in how many steps."""

    setting: Setting
    photo: Picture
    brushes: tuple[Brush, ...]
    rungs: list[tuple[Room, int]]
    method: Method


def run(model: Model, job: Job) -> Iterator[Event]:
    """See NeuralStyle.run."""
    photo, alpha = images.split_alpha(job.images["photo"])
    plan = _planned(model, job, photo)
    mixes = _mixes(plan.brushes, int(str(job.values["strip"])))
    total = sum(steps for _, steps in plan.rungs) * len(mixes)
    planned = _estimate(model, plan).times(len(mixes))
    yield Progress(0, total, planned.sentence)
    painting = _paint(model, job, plan, mixes, alpha, total)
    with heap.keeping():
        yield from minded(model, planned.seconds, painting)


def _paint(
    model: Model,
    job: Job,
    plan: _Plan,
    mixes: list[tuple[Brush, ...]],
    alpha: np.ndarray | None,
    total: int,
) -> Iterator[Event]:
    made: list[Picture] = []
    for number, brushes in enumerate(mixes):
        done = total // len(mixes) * number
        x = yield from _painted(model, job, plan, brushes, Steps(done, total))
        made.append(images.with_alpha(_shown(x, job, plan), alpha))
    texts = tuple(_title(mix) for mix in mixes) if len(mixes) > 1 else ()
    yield Result(tuple(made), texts)


def planned(model: Model, job: Job) -> Estimate:
    """What a checked job will take."""
    plan = _planned(model, job, images.flatten(job.images["photo"]))
    return _estimate(model, plan).times(len(_mixes(plan.brushes, int(str(job.values["strip"])))))


def _estimate(model: Model, plan: _Plan) -> Estimate:
    return estimate(model, plan.setting, plan.rungs, len(plan.brushes), plan.method)


def _planned(model: Model, job: Job, photo: Picture) -> _Plan:
    setting = to_setting(model.config, job.values)
    size = styling.final_size(job.size or photo.size, round(_number(job, "longest")))
    before = job.images.get("progress")
    begin = max(before.size) if before is not None else 0
    method: Method = "adam" if job.values["method"] == "adam" else "lbfgs"
    sizes = ladder(size, bool(job.values["coarse"]), round(_number(job, "steps")), begin)
    rungs = [(room(model, setting, one, str(job.values["tiles"]), method, steps), steps)
             for one, steps in sizes]  # fmt: skip
    return _Plan(setting, photo, _brushes(job), rungs, method)


def _number(job: Job, name: str) -> float:
    return float(str(job.values[name]))


def _brushes(job: Job) -> tuple[Brush, ...]:
    found: list[Brush] = []
    for number in range(1, STYLES + 1):
        end = "" if number == 1 else str(number)
        picture, amount = job.images.get(f"style{end}"), _number(job, f"amount{end}")
        if picture is not None and amount:
            found.append(Brush(number, picture, amount, job.images.get(f"mask{end}")))
    if not found:
        raise ControlError("Every style has the amount 0; give one of them more.")
    return tuple(found)


def _mixes(brushes: tuple[Brush, ...], count: int) -> list[tuple[Brush, ...]]:
    """The brushes, or a strip of `count` mixes that lead from the first style to the second."""
    if count < 2:
        return [brushes]
    if len(brushes) < 2:
        raise ControlError("A strip leads from one style to another; add a second style.")
    first, second = brushes[0].picture, brushes[1].picture
    shares = [n / (count - 1) for n in range(count)]
    return [(Brush(1, first, 1 - s, None), Brush(2, second, s, None)) for s in shares]


def _title(mix: Sequence[Brush]) -> str:
    share = mix[1].amount / (mix[0].amount + mix[1].amount)
    return f"{100 * (1 - share):.0f} : {100 * share:.0f}"


# ---- one picture ---------------------------------------------------------------------------------


def _painted(
    model: Model, job: Job, plan: _Plan, brushes: Sequence[Brush], steps: Steps
) -> Generator[Event, None, Tensor]:
    x: Tensor | None = None
    noise = torch.Generator().manual_seed(job.seed)
    for place, count in plan.rungs:
        features = Features(model, model.module, plan.setting, place.tile)  # type: ignore[arg-type]
        aims = _aims(model, job, plan, brushes, place.size, features)
        wanted = yield from watched(aims, steps, "Looking at the pictures")
        objective = Objective(features, plan.setting, wanted, noise)
        if x is None:
            x = _started(model, job, plan, brushes, place.size, noise)
        else:
            x = _enlarged(x, place.size)
        rate = _number(job, "rate")
        descent = Descent(x, objective.descend, plan.method, rate, place.history)
        yield from _descended(descent, count, job, plan, steps)
        x = descent.x.detach()
    assert x is not None
    return x


def _descended(
    descent: Descent, count: int, job: Job, plan: _Plan, steps: Steps
) -> Iterator[Event]:
    every = round(_number(job, "every"))
    for number in range(1, count + 1):
        found = yield from watched(descent.step(), steps, PAINTING)
        steps.done += 1
        shown = number % every == 0 or number == count
        told = shown or number % TOLD == 0 or number == 1
        yield Progress(steps.done, steps.total, PAINTING, _numbers(found) if told else {})
        if shown:
            yield Preview(_shown(descent.x, job, plan))


def _numbers(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """All of them at once, as each would wait for the device."""
    values = torch.stack(list(terms.values())).tolist() if terms else []
    return dict(zip(terms, values, strict=True))


def _shown(x: Tensor, job: Job, plan: _Plan) -> Picture:
    made = tensors.to_picture(x, 0, 255)
    if job.values["colours"] != "luminance":
        return made
    return styling.with_colours_of(made, styling.sized(plan.photo, made.size))


def _tensor(model: Model, picture: Picture, size: Size) -> Tensor:
    """(1, 3, H, W) RGB from 0 to 255."""
    return tensors.to_tensor(styling.sized(images.flatten(picture), size), 3, model.device,
                             low=0.0, high=255.0)  # fmt: skip


def _started(
    model: Model,
    job: Job,
    plan: _Plan,
    brushes: Sequence[Brush],
    size: Size,
    noise: torch.Generator,
) -> Tensor:
    before, start = job.images.get("progress"), job.values["start"]
    if before is not None:
        x = _tensor(model, before, size)
    elif start == "photo":
        x = _tensor(model, plan.photo, size)
    elif start == "style":
        x = _tensor(model, brushes[0].picture, size)
    else:
        x = torch.tensor(GREY, device=model.device).reshape(1, 3, 1, 1)
        x = x.repeat(1, 1, size[1], size[0])
    grain = torch.randn((1, 3, size[1], size[0]), generator=noise).to(x)
    return x + grain * (GRAIN * _number(job, "grain"))


def _enlarged(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, (size[1], size[0]), mode="bicubic", align_corners=False)


def _aims(
    model: Model,
    job: Job,
    plan: _Plan,
    brushes: Sequence[Brush],
    size: Size,
    features: Features,
) -> Generator[None, None, Targets]:
    photo = _tensor(model, plan.photo, size)
    grams: list[dict[str, Tensor]] = []
    for brush in brushes:
        picture = _style(job, plan, brush.picture, size)
        x, alpha = _tensor(model, picture, picture.size), _alpha(model, picture)
        grams.append((yield from features.grams(x, alpha)))
    content = yield from features.content(photo)
    regions = _regions(model, brushes, grams, size)
    return Targets(content, regions, photo, _before(model, job, size))


def _before(model: Model, job: Job, size: Size) -> tuple[Tensor, Tensor] | None:
    """Of a film: the temporal consistency of Ruder et al. 2016, Artistic Style Transfer for Videos,
    whose weights are the transparency of what is given."""
    if "before" not in job.images:
        return None
    picture = styling.sized(job.images["before"], size)
    x = tensors.to_tensor(picture, 4, model.device, low=0.0, high=1.0)
    return x[:, :3] * 255, x[:, 3:]


def _style(job: Job, plan: _Plan, picture: Picture, size: Size) -> Picture:
    """The style at its scale, in the colours that are asked for."""
    share = _number(job, "scale") * max(size) / max(picture.size)
    wide, high = (max(1, int(n * share)) for n in picture.size)
    picture = styling.sized(picture, (wide, high))
    return styling.matched(picture, plan.photo) if job.values["colours"] == "match" else picture


def _alpha(model: Model, picture: Picture) -> Tensor | None:
    """(1, 1, H, W) in [0, 1]: which part of a style counts, if not all."""
    if picture.channels != 4 or not picture.pixels[..., 3].any():
        return None
    return tensors.to_tensor(Picture(picture.pixels[..., 3]), 1, model.device, low=0.0, high=1.0)


def _regions(
    model: Model, brushes: Sequence[Brush], grams: Sequence[dict[str, Tensor]], size: Size
) -> list[Region]:
    """A region for each painted style, and one for what the others leave, in which the styles
    without a mask are mixed by their amounts."""
    painted = [n for n, brush in enumerate(brushes) if brush.mask is not None]
    others = [n for n, brush in enumerate(brushes) if brush.mask is None]
    masks = {n: _mask(model, brushes[n].mask, size) for n in painted}
    regions = [Region(grams[n], brushes[n].amount, masks[n], str(brushes[n].number))
               for n in painted]  # fmt: skip
    if others:
        left = (1 - torch.stack(list(masks.values())).sum(0)).clamp(0, 1) if masks else None
        mixed = blended([grams[n] for n in others], [brushes[n].amount for n in others])
        name = str(brushes[others[0]].number) if len(others) == 1 else MIXED
        regions.append(Region(mixed, 1.0, left, name if masks else ""))
    return [r for r in regions if r.mask is None or float(r.mask.sum()) > 1]


def _mask(model: Model, picture: Picture | None, size: Size) -> Tensor:
    """(1, 1, H, W) in [0, 1]: how far the picture covers each place."""
    assert picture is not None
    plane = images.resize(images.coverage(picture).pixels, size)
    return tensors.to_tensor(Picture(plane), 1, model.device, low=0.0, high=1.0)
