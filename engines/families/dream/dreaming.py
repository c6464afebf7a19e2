"""A dream from pictures to pictures: octaves, steps and what is shown of them. The window's side is
__init__.py's."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engines import heap, images, styling, tensors
from engines.backbones import MINIMUM, units
from engines.families.dream.ascent import Ascent, pyramid, resized
from engines.families.dream.budget import estimate, room
from engines.families.dream.config import Setting, octave_sizes, to_setting
from engines.families.dream.objective import Objective
from engines.family import Model
from engines.job import Event, Job, Picture, Preview, Progress, Result
from engines.pace import Steps, minded, watched
from engines.planner import Estimate, Room
from engines.styling import number

DREAMING, LOOKING = "Dreaming", "Looking at the guide"
GUIDE = 384  # pixels: longer side that a guide is looked at with
MATCHES = "Match map"
SILENT = (
    "Nothing in this photo answers to what was to grow, so nothing grew; choose another channel."
)
Size = tuple[int, int]


@dataclass(frozen=True)
class _Plan:
    """A job, read. `octaves`: how each size is worked on, from the smallest; `size` without what
    was added to reach MINIMUM."""

    setting: Setting
    size: Size
    octaves: list[Room]
    guide: Picture | None
    notes: tuple[str, ...]

    @property
    def sizes(self) -> list[Size]:
        return [octave.size for octave in self.octaves]


@dataclass
class _State(Steps):
    noise: torch.Generator
    answered: bool = False  # whether anything of what is to grow was there


def run(model: Model, job: Job) -> Iterator[Event]:
    """See DeepDream.run."""
    photo, alpha = images.split_alpha(job.images["photo"])
    plan = _planned(model, job, photo)
    noise = torch.Generator().manual_seed(job.seed)
    state = _State(0, plan.setting.steps * len(plan.octaves), noise)
    planned = _estimate(model, plan)
    yield Progress(0, state.total, planned.sentence)
    dreaming = _dream(model, job, plan, photo, alpha, state)
    whole = "progress" not in job.images
    with heap.keeping():
        yield from minded(model, planned.seconds, dreaming) if whole else dreaming


def _dream(
    model: Model, job: Job, plan: _Plan, photo: Picture, alpha: np.ndarray | None, state: _State
) -> Iterator[Event]:
    guide = _guided(model, plan)
    if guide:
        yield Progress(0, state.total, LOOKING)
    x, crop = yield from _dreamt(model, job, plan, photo, guide, state)
    beside: dict[str, Picture] = {}
    if guide:
        beside[MATCHES] = _match_map(_objective(model, plan, guide, plan.octaves[-1]), x, crop)
    made = images.with_alpha(_shown(model, crop(x)), alpha)
    notes = plan.notes if state.answered else (*plan.notes, SILENT)
    yield Result((made,), notes=notes, beside=beside)


def planned(model: Model, job: Job) -> Estimate:
    """What a checked job will take."""
    return _estimate(model, _planned(model, job, images.flatten(job.images["photo"])))


def _estimate(model: Model, plan: _Plan) -> Estimate:
    return estimate(model, plan.setting, plan.octaves, _guide_size(plan))


def _planned(model: Model, job: Job, photo: Picture) -> _Plan:
    setting = to_setting(model.config, job.values)
    size = styling.final_size(job.size or photo.size, round(number(job, "longest")))
    padded = max(size[0], MINIMUM), max(size[1], MINIMUM)
    sizes = octave_sizes(model.config, setting, padded)
    notes = ()
    if len(sizes) < setting.octaves:
        notes = (f"Of the {setting.octaves} octaves asked for, {len(sizes)} fit this picture.",)
    guide = job.images.get("guide")
    guide_size = styling.final_size(guide.size, GUIDE) if guide else None
    octaves = [room(model, setting, one, str(job.values["tiles"]), guide_size) for one in sizes]
    return _Plan(setting, size, octaves, guide, notes)


def _guide_size(plan: _Plan) -> Size | None:
    return styling.final_size(plan.guide.size, GUIDE) if plan.guide else None


# ---- pictures and tensors ------------------------------------------------------------------------


def _entered(model: Model, picture: Picture, size: Size) -> tuple[Tensor, tensors.Crop]:
    """(the network's input (1, 3, H, W) of a picture at `size`, no side below MINIMUM; the way
    back)."""
    rgb = styling.sized(images.flatten(picture), size)
    x = tensors.to_tensor(rgb, 3, model.device, low=0.0, high=1.0)
    return tensors.pad_to_multiple(model.module.enter(x), 1, MINIMUM)  # type: ignore[operator]


def _shown(model: Model, x: Tensor) -> Picture:
    return tensors.to_picture(model.module.leave(x), 0, 1)  # type: ignore[operator]


def _guided(model: Model, plan: _Plan) -> dict[str, Tensor]:
    """Layer -> map of the guide; nothing without one."""
    size = _guide_size(plan)
    if plan.guide is None or size is None:
        return {}
    x, _ = _entered(model, plan.guide, size)
    with torch.no_grad():
        return dict(model(x, plan.setting.layers))


def _masks(model: Model, job: Job, plan: _Plan) -> Sequence[Tensor | None]:
    """For every octave, where it is dreamt."""
    mask = job.images.get("mask")
    if mask is None:
        return [None] * len(plan.octaves)
    plane = Picture(images.resize(images.coverage(mask).pixels, plan.size))
    whole = tensors.to_tensor(plane, 1, model.device, low=0.0, high=1.0)
    whole, _ = tensors.pad_to_multiple(whole, 1, MINIMUM)
    return pyramid(whole, plan.sizes)


# ---- octaves -------------------------------------------------------------------------------------


def _dreamt(
    model: Model,
    job: Job,
    plan: _Plan,
    photo: Picture,
    guide: Mapping[str, Tensor],
    state: _State,
) -> Generator[Event, None, tuple[Tensor, tensors.Crop]]:
    whole, crop = _entered(model, photo, plan.size)
    begin, x = _started(model, job, plan)
    if begin < 0:  # a whole picture is dreamt on, every octave of it
        whole, x, begin = _only(x), None, 0
    bases, masks = pyramid(whole, plan.sizes), _masks(model, job, plan)
    state.done = plan.setting.steps * begin
    for place in range(begin, len(plan.octaves)):
        base, mask = bases[place], masks[place]
        if x is None:
            x = base
        elif place > begin:
            before = bases[place - 1] if plan.setting.detail else None
            x = _enlarged(x, before, base)
        if mask is not None:
            x = base + mask * (x - base)
        objective = _objective(model, plan, guide, plan.octaves[place])
        inner = crop if place == len(plan.octaves) - 1 else None
        x = yield from _climbed(model, job, plan, objective, x, mask, state, inner)
    return _only(x), crop


def _only(x: Tensor | None) -> Tensor:
    assert x is not None
    return x


def _started(model: Model, job: Job, plan: _Plan) -> tuple[int, Tensor | None]:
    """(the octave to begin with, what it begins with): where a run was stopped, if there is such a
    picture. -1: it is whole, and all octaves begin with it anew."""
    before = job.images.get("progress")
    if before is None:
        return 0, None
    larger = [n for n, size in enumerate(plan.sizes) if max(size) >= max(before.size)]
    place = larger[0] if larger else len(plan.sizes) - 1
    last = place == len(plan.sizes) - 1
    x, _ = _entered(model, before, plan.size if last else plan.sizes[place])
    return (-1 if last and plan.setting.detail else place), x


def _enlarged(x: Tensor, before: Tensor | None, base: Tensor) -> Tensor:
    """x at the size of the next octave's photo; with the photo of its own octave, only what differs
    from that is carried over."""
    size = base.shape[3], base.shape[2]
    return resized(x, size) if before is None else base + resized(x - before, size)


def _objective(model: Model, plan: _Plan, guide: Mapping[str, Tensor], octave: Room) -> Objective:
    return Objective(model, model.config, plan.setting, guide, octave.tile, model.half)


def _climbed(
    model: Model,
    job: Job,
    plan: _Plan,
    objective: Objective,
    x: Tensor,
    mask: Tensor | None,
    state: _State,
    crop: tensors.Crop | None,
) -> Generator[Event, None, Tensor]:
    """x after the steps of one octave."""
    s, every = plan.setting, round(number(job, "every"))
    ends = torch.tensor((0.0, 1.0), device=model.device).reshape(2, 1, 1, 1).expand(2, 3, 1, 1)
    ends = model.module.enter(ends)  # type: ignore[operator]
    ascent = Ascent(s, s.rate / units(model.config), ends[:1], ends[1:], mask)
    for count in range(s.steps):
        shift = _shift(s.jitter, x, state.noise)
        running = ascent.step(x, objective.gradient, count, shift)
        x, terms = yield from watched(running, state, DREAMING)
        state.done += 1
        if state.done % every and state.done < state.total:
            yield Progress(state.done, state.total, DREAMING)
        else:
            numbers = {name: float(value) for name, value in terms.items()}
            state.answered |= any(numbers.values())
            yield Progress(state.done, state.total, DREAMING, numbers)
            if state.done < state.total:
                yield Preview(_shown(model, crop(x) if crop else x))
    return x


def _shift(jitter: int, x: Tensor, noise: torch.Generator) -> tuple[int, int]:
    """Down and across; never more than half of a small picture."""
    most = [min(jitter, n // 2) for n in x.shape[2:]]
    down, across = (int(torch.randint(-m, m + 1, (1,), generator=noise)) for m in most)
    return down, across


def _match_map(objective: Objective, x: Tensor, crop: tensors.Crop) -> Picture:
    """For every place of the picture, as red and green, how far right and down in the guide what it
    takes after lies."""
    places = objective.matches(x).permute(2, 0, 1)[None]
    wide = torch.nn.functional.interpolate(places, x.shape[-2:], mode="nearest")
    plane = crop(wide)[0].permute(1, 2, 0).cpu().numpy()
    pixels = np.full((*plane.shape[:2], 3), 96, np.uint8)
    pixels[..., :2] = np.rint(plane * 255)
    return Picture(pixels)
