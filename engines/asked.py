"""The jobs that the words of a command line ask for: recipes, values, pictures for roles. Prints
nothing and writes no file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.job import Job, JobError, Picture, job_from_png

if TYPE_CHECKING:
    from engines.controls import ModelCard
    from engines.engine import Engine


class Refused(Exception):
    """Ends the program with status 2 and its one sentence."""


def job(
    options: argparse.Namespace, engine: Engine, given: Mapping[str, Picture] | None = None
) -> Job:
    """The job that recipe, model, pictures and values of the command line ask for; `given` are
    pictures that it has beside them."""
    if options.recipe:
        job = _changed(recipe(options.recipe), options, engine)
        return _masked(job.with_(images={**job.images, **(given or {})}), options, engine)
    if not options.model:
        raise Refused("Name a model with --model, or a PNG of Ganvas to make again.")
    card = engine.describe(options.model, options.family)
    images = {**_images(options.image, card), **(given or {})}
    told = values(options.set)
    job = Job(card.family, card.checkpoint, told, images, seed=options.seed or 0)
    return _masked(job, options, engine)


def judged(options: argparse.Namespace, engine: Engine) -> str:
    """Where the model lies together with the discriminator that is given beside it."""
    from engines.beside import attached
    from engines.doctor import inspect
    from engines.folders import data_folder

    reference = options.model or (recipe(options.recipe).checkpoint if options.recipe else "")
    found = attached(options.discriminator, engine.find(reference), data_folder() / "models")
    if found is None:
        verdict = inspect(options.discriminator)
        is_model = verdict.kind == "model"
        raise Refused("That is a model, no discriminator." if is_model else verdict.message)
    return str(found)


def explained(job: Job, engine: Engine) -> Job:
    """The job with what the discriminator sees, where the model asks whether to tell it."""
    known = engine.describe(job.checkpoint, job.family).control("explain")
    return job.with_(values={**job.values, "explain": True}) if known else job


def recipe(path: Path) -> Job:
    if not path.is_file():
        raise Refused(f"There is no file {path}.")
    if path.suffix.lower() == ".json":
        return Job.from_json(path.read_text(encoding="utf-8"))
    return job_from_png(path)


def elsewhere(job: Job, engine: Engine) -> Job:
    """The edit of a recipe, for other photos."""
    from engines.controls import transferred

    return transferred(job, engine.describe(job.checkpoint, job.family))


def complete(job: Job, engine: Engine) -> Job:
    """The recipe with every value as it was used, so that it stays true if a default changes."""
    from engines.controls import checked

    return checked(job, engine.describe(job.checkpoint or job.family, job.family))


def is_changed(options: argparse.Namespace) -> bool:
    told = options.set or options.image or options.model or options.mask
    return bool(told or options.seed is not None)


def is_made(target: Path, job: Job) -> bool:
    """Whether `target` was made by this very job."""
    if not target.is_file():
        return False
    try:
        return job_from_png(target).digest == job.digest
    except JobError:
        return False


def _changed(job: Job, options: argparse.Namespace, engine: Engine) -> Job:
    """The recipe with what the command line says otherwise."""
    if options.model:
        card = engine.describe(options.model, options.family)
        job = job.with_(checkpoint=card.checkpoint, family=card.family)
    if options.image:
        card = engine.describe(job.checkpoint or job.family, job.family)
        given = _images(options.image, card)
        kept = {role: strokes for role, strokes in job.drawings.items() if role not in given}
        job = job.with_(images={**job.images, **given}, drawings=kept)
    seed = job.seed if options.seed is None else options.seed
    return job.with_(values={**job.values, **values(options.set)}, seed=seed)


def masked(job: Job, words: str, engine: Engine, card: ModelCard, name: str = "") -> Job:
    """The job with a mask of its photo: a picture of one's own, out of a folder that of the photo's
    `name`, or what a filter finds in the photo, as FILTER:CONTROL=VALUE,..."""
    from engines.controls import ImageInput
    from engines.images import ImageError, open_picture

    control = card.control("mask")
    if not isinstance(control, ImageInput):
        raise Refused(f"{card.title} takes no mask.")
    path = Path(words)
    if path.is_dir():
        if not name:
            raise Refused(f"{words} is a folder; name one picture as mask.")
        found = (p for p in sorted(path.iterdir()) if p.stem == Path(name).stem)
        path = next(found, path / name)
        if not path.exists():
            raise ImageError(f"{words} holds no mask for it.")
    if path.exists():
        mask = open_picture(path)
    else:
        mask = _filtered(words, job.images.get(control.over or "photo"), engine)
    return job.with_(images={**job.images, control.role: mask})


def _filtered(words: str, photo: Picture | None, engine: Engine) -> Picture:
    from engines.job import Result

    kind, _, told = words.partition(":")
    names = [name for name, _ in engine.describe("mask").control("filter").options]  # pyright: ignore
    if kind not in names:
        raise Refused(f"There is no file {words}, and a filter is one of {', '.join(names)}.")
    if photo is None:
        raise Refused("A mask is taken from a photo; give one with --image.")
    settings = values(part for part in told.split(",") if part)
    found = Job("mask", values={"filter": kind, **settings}, images={"photo": photo})
    return next(e for e in engine.run(found) if isinstance(e, Result)).picture


def _masked(job: Job, options: argparse.Namespace, engine: Engine) -> Job:
    if not options.mask:
        return job
    card = engine.describe(job.checkpoint or job.family, job.family)
    return masked(job, options.mask, engine, card)


def values(settings: Iterable[str]) -> dict[str, Any]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise Refused(f"“{setting}” should read CONTROL=VALUE.")
        found[name.strip()] = value.strip()
    return found


def _images(arguments: Iterable[str], card: ModelCard) -> dict[str, Picture]:
    from engines.mapfiles import open_given

    roles = {c.role for c in card.inputs()}
    found = {}
    for argument in arguments:
        role, equals, path = argument.partition("=")
        if not equals or (role not in roles and Path(argument).exists()):
            role, path = single_role(card), argument
        if role in found:
            raise Refused(f"Two pictures were given for {role}.")
        found[role] = open_given(Path(path), card.control(role))
    return found


def single_role(card: ModelCard) -> str:
    needed = [c.role for c in card.inputs() if not c.optional]
    if len(needed) != 1:
        raise Refused(
            f"{card.title} takes {', '.join(c.role for c in card.inputs())}; say which with "
            "ROLE=PATH."
        )
    return needed[0]
