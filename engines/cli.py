"""`ganvas` without a window: the same jobs and the same events as in the studio. The only module
that prints.

Exit status: 0 done, 1 done with failures (batch) or no face found (faces), 2 refused in one
sentence on standard error, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engines import asked
from engines.arguments import parser
from engines.asked import Refused
from engines.chain import remade
from engines.job import (
    Event,
    Failed,
    Fit,
    Job,
    Judged,
    Picture,
    Progress,
    Result,
)

if TYPE_CHECKING:
    from engines.catalogue import Catalogue
    from engines.engine import Engine
    from engines.stylefilm import Wish

RECIPES = Path(__file__).resolve().parent.parent / "resources" / "recipes"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        status = COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"\nInterrupted; {options.interrupted}.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read us has had enough, as in `ganvas models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        sentence = _sentence(error)
        if not sentence:  # a mistake of ours is not dressed up as the user's
            raise
        print(sentence, file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    """What a user should know of `error`, "" if it is a mistake of ours."""
    from engines.errors import told

    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{Path(str(error.filename)).name}: {error.strerror}."
    sentence = str(error) if isinstance(error, Refused | OSError) else told(error)[1]
    return sentence.splitlines()[0] if sentence else ""


# ---- commands ------------------------------------------------------------------------------------


def models(options: argparse.Namespace) -> int:
    catalogue = _catalogue()
    if options.get:
        for event in catalogue.get(options.get):
            _bar(event.done, event.total, f"{event.done / 1e6:.1f} MB")
    entries = catalogue.entries()
    if options.json:
        rows = [
            {
                "name": e.name,
                "title": e.title,
                "digest": e.digest,
                "family": e.family,
                "rooms": list(e.rooms),
                "path": str(e.path),
                "bytes": e.bytes,
                "installed": e.installed,
                "shipped": e.shipped,
                "licence": e.licence,
            }
            for e in entries
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for e in entries:
        where = "shipped" if e.shipped else str(e.path)
        state = f"{e.bytes / 1e6:.1f} MB" if e.installed else "not installed"
        print(f"{e.name:24} {e.digest:16}  {e.family:10} {state:>14}  {where}")
    return 0


def inspect(options: argparse.Namespace) -> int:
    from engines.doctor import inspect as examine

    verdict = examine(options.file)
    if options.json:
        print(json.dumps(verdict.to_dict(), indent=1, ensure_ascii=False))
    elif verdict.kind != "refused":
        print(verdict.message)
        for note in verdict.notes:
            print(f"  {note}")
    if verdict.kind == "refused":
        print(verdict.message, file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> int:
    if options.output:
        _check_output(options.output)
    engine = _engine(options.device)
    if options.discriminator:
        options.model = asked.judged(options, engine)
    job = asked.job(options, engine)
    if options.discriminator:
        job = asked.explained(job, engine)
    if not options.output and not _tells(job):
        raise Refused("Say with -o where the picture goes.")
    if options.chain:
        job = remade(job, engine.run)
    result = _finish(engine.run(job))
    if options.output:
        _save(options, engine, job, _first(result), result.seconds)
        for title, other in result.beside.items():
            name = f"{options.output.stem}-{title.lower().replace(' ', '-')}"
            _write(other, None, options.output.with_stem(name))
    for text in result.texts if _tells(job) else ():
        print(text)
    for title, judged in zip(("photo", "result", "and back"), result.judged):
        _print_judged(title, judged)
    return 0


def _print_judged(title: str, judged: Judged) -> None:
    """What a discriminator with two heads sees in a picture."""
    numbers = [value for line in judged.source for value in line]
    real = f"source {sum(numbers) / len(numbers):+.3f}  " if numbers else ""
    classes = ", ".join(f"{name} {sure:.0%}" for name, sure in judged.classes.items())
    print(f"  {title}: {real}{classes}", file=sys.stderr)


def _tells(job: Job) -> bool:
    """Whether the job's result is texts."""
    from engines.family import families

    return job.family in families() and families()[job.family].tells


def _save(
    options: argparse.Namespace, engine: Engine, job: Job, picture: Picture, seconds: float
) -> None:
    """Write the picture and say so; with --caption, its caption into the file."""
    caption = ""
    if options.caption:
        from engines.loop import caption_of

        caption = caption_of(engine, options.caption, picture).texts[0]
    _write(picture, asked.complete(job, engine), options.output, caption)
    is_replay = options.recipe and not asked.is_changed(options)
    note = _difference(options.recipe, picture) if is_replay else ""
    note += f"  “{caption}”" if caption else ""
    print(f"{options.output}  {picture.width}x{picture.height}  {1000 * seconds:.0f} ms{note}")


def loop(options: argparse.Namespace) -> int:
    from engines.loop import around

    if options.output:
        _check_output(options.output)
    if options.turns < 1:
        raise Refused("A loop has at least one turn.")
    engine = _engine(options.device)
    drawn = asked.recipe(options.recipe) if options.recipe else None
    if drawn and options.model:
        drawn = drawn.with_(checkpoint=engine.describe(options.model).checkpoint)
    events = around(engine, options.captioner, options.painter, options.caption, drawn,
                    options.turns, options.seed)  # fmt: skip
    result = _finish(events, quiet=True)
    for text in result.texts:
        print(text)
    print(result.notes[0])
    if options.output:
        from engines.images import contact_sheet, save_picture

        pictures, texts = result.pictures, result.texts
        save_picture(contact_sheet(pictures, texts) if texts[1:] else pictures[0], options.output)
    return 0


def animate(options: argparse.Namespace) -> int:
    from engines import animate as films
    from engines.images import SAVED, save_picture

    output: Path = options.output
    still = output.suffix.lower() in SAVED and output.suffix.lower() not in films.FORMATS
    if not still and output.suffix.lower() not in films.FORMATS:
        known = ", ".join((*films.FORMATS, *SAVED))
        raise Refused(f"{output.name} needs one of the endings {known}.")
    engine = _engine(options.device)
    job = asked.complete(asked.job(options, engine), engine)
    moves = films.tracks(engine.describe(job.checkpoint, job.family), options.move)
    rows = films.timeline(job.values, moves, options.frames, options.ease, options.pingpong)
    pictures = (_first(_finish(engine.run(job.with_(values=row)), quiet=True)) for row in rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    if still:
        parts: list[Picture] = []
        for picture in pictures:
            parts.append(films.for_strip(picture, len(rows)))
            _bar(len(parts), len(rows), "")
        save_picture(films.strip(parts, gap=4), output)
    else:
        for event in films.write(pictures, output, len(rows), options.rate):
            _bar(event.done, event.total, event.note)
    print(f"{output}  {len(rows)} pictures")
    return 0


def film(options: argparse.Namespace) -> int:
    from engines import animate as films
    from engines.journey import Journey, Motion
    from engines.stylefilm import Wish

    recipe: Path | None = options.recipe
    is_text = recipe is not None and recipe.suffix.lower() == ".json" and recipe.is_file()
    wish = Wish.from_json(recipe.read_text(encoding="utf-8")) if recipe and is_text else None
    if options.video or wish:
        return _painted(options, wish)
    output: Path = options.output
    if output.suffix.lower() not in films.FORMATS:
        raise Refused(f"{output.name} needs one of the endings {', '.join(films.FORMATS)}.")
    options.model = options.model or ("" if options.recipe else "dream")
    options.family = options.family or "dream"
    engine = _engine(options.device)
    job = asked.complete(asked.job(options, engine), engine)
    if job.family != "dream":
        raise Refused("A film of this kind is made of dreams; name a model that dreams.")
    motion = Motion(options.zoom, options.turn, options.right, options.down)
    steps = 3 if options.steps is None else options.steps
    journey = Journey(job, motion, options.frames, steps, options.octaves)

    def pictures() -> Iterator[Picture]:
        done = 0
        while (wanted := journey.next()) is not None:
            result = _finish(engine.run(wanted), quiet=True)
            done += 1
            _bar(done, journey.total, "")
            yield from journey.take(_first(result))

    output.parent.mkdir(parents=True, exist_ok=True)
    for _ in films.write(pictures(), output, options.frames, options.rate):
        pass
    print(f"{output}  {options.frames} pictures")
    return 0


def _painted(options: argparse.Namespace, before: Wish | None) -> int:
    """A video in a style: what a recipe of such a film says, and what is said otherwise."""
    from engines import stylefilm
    from engines.videofile import look

    video: Path = options.video or (before.video if before else Path())
    first = look(video).first
    if options.steady is not None and not 0 <= options.steady <= 1:
        raise Refused("--steady is a number from 0 to 1.")
    engine = _engine(options.device)
    job = asked.complete(asked.job(options, engine, {"photo": first}), engine)
    known = before or stylefilm.usual(job, video)
    wish = stylefilm.Wish(
        job,
        video,
        known.steadiness if options.steady is None else options.steady,
        known.steps if options.steps is None else options.steps,
    )
    options.interrupted = "the pictures made so far are kept, and the same command goes on there"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    film = stylefilm.StyleFilm(wish, engine.describe(job.checkpoint, job.family), options.output)
    for event in stylefilm.made(film, engine.run):
        if isinstance(event, Progress):
            _bar(event.done, event.total, event.note)
        elif isinstance(event, Result):
            went_on = f", {film.resumed} of them from before" if film.resumed else ""
            print(f"{options.output}  {film.total} pictures{went_on}")
            print("\n".join(event.notes))
    return 0


def lineup(options: argparse.Namespace) -> int:
    _check_output(options.output)
    engine = _engine(options.device)
    names = options.model or [e.reference for e in _catalogue().entries()
                              if e.installed and "faces" in e.rooms]  # fmt: skip
    if not names:
        raise Refused("There is no face model here; name some with --model.")
    values = {"models": "\n".join(names), "wish": options.wish, "points": options.points}
    images = {"face": _open(options.photo)}
    if options.other:
        images["other"] = _open(options.other)
    result = _finish(engine.run(Job("lineup", values=values, images=images)))
    from engines.images import save_picture

    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_picture(result.picture, options.output)
    for text in result.texts[1:]:
        print(text)
    print(options.output)
    return 0


def batch(options: argparse.Namespace) -> int:
    from engines.cluster import run_many
    from engines.controls import checked
    from engines.images import ImageError
    from engines.mapfiles import open_given

    targets = _targets(_pictures(options.images), options.images, options.output)
    engine = _engine(options.device)
    like = asked.elsewhere(asked.recipe(options.like), engine) if options.like else None
    if not options.model and like is None:
        raise Refused("Name a model with --model, or a PNG of Ganvas with --like.")
    family = options.family or (like.family if like and not options.model else "")
    card = engine.describe(options.model or like.checkpoint, family)  # pyright: ignore
    role, values = options.role or asked.single_role(card), asked.values(options.set)
    kept = {r: p for r, p in like.images.items() if r != role} if like else {}
    everyone = {} if card.face is None else {"output": "every"}
    values = {**everyone, **(like.values if like else {}), **values}
    seed = options.seed if options.seed is not None else like.seed if like else 0
    tally = Tally(len(targets))
    started: dict[int, tuple[Path, Path, Job]] = {}  # number of a job that runs -> what it is

    def jobs() -> Iterator[Job]:
        for path, target in targets.items():
            try:
                images = {**kept, role: open_given(path, card.control(role))}
                wanted = Job(card.family, card.checkpoint, values, images, seed=seed)
                if options.mask:
                    wanted = asked.masked(wanted, options.mask, engine, card, path.name)
                job = checked(wanted, card)
            except ImageError as error:
                tally.failed(path, str(error))
                continue
            if asked.is_made(target, job):
                tally.skipped(path)
                continue
            started[tally.begun] = (path, target, job)
            tally.begun += 1
            yield job

    options.output.mkdir(parents=True, exist_ok=True)
    here = engine if options.on == "here" else None
    for number, event in run_many(jobs(), options.on, options.device, engine=here):
        if not isinstance(event, Result | Failed):
            continue
        path, target, job = started.pop(number)
        if isinstance(event, Failed):
            tally.failed(path, event.message)
        else:
            _write(_first(event), job, target)
            tally.made(path, event.fit)
    print(f"\n{tally}" if _has_bar() else tally, file=sys.stderr)
    return 1 if tally.failures else 0


def edges(options: argparse.Namespace) -> int:
    _check_output(options.output)
    engine = _engine("cpu")
    job = Job("edges", values=asked.values(options.set), images={"photo": _open(options.photo)})
    drawing = _first(_finish(engine.run(job)))
    _write(drawing, asked.complete(job, engine), options.output)
    print(f"{options.output}  {drawing.width}x{drawing.height}")
    return 0


def faces(options: argparse.Namespace) -> int:
    job = Job("faces", images={"photo": _open(options.photo)})
    text = _finish(_engine("cpu").run(job)).texts[0]
    found = json.loads(text)
    if options.json:
        print(text)
    for face in () if options.json else found:
        x, y, width, height = (round(n) for n in face["box"])
        points = ",".join(f"{n:.1f}" for n in face["points"])
        print(f"{width}x{height} at {x},{y}  points={points}  {face['score']:.2f}")
        for note in face["notes"]:
            print(f"  {note}")
    if not found:
        print(f"{options.photo.name}: no face was found.", file=sys.stderr)
    return 0 if found else 1


def prepare(options: argparse.Namespace) -> int:
    import numpy as np

    from engines import datasets, images
    from engines.images import ImageError

    if options.make == "faces":
        return _portraits(options)
    pairs = datasets.find_pairs(_folder(options.photos), maker=options.make)
    targets = _targets([path for _, path in pairs.files], options.photos, options.output)
    options.output.mkdir(parents=True, exist_ok=True)
    tally = Tally(len(pairs))
    for index, (path, target) in enumerate(targets.items()):
        try:
            a, b = pairs.pair(index)
        except ImageError as error:
            tally.failed(path, str(error))
            continue
        if a.shape != b.shape:
            tally.failed(path, "its two sides are of different sizes.")
            continue
        images.save_picture(Picture(np.concatenate((a, b), axis=1)), target)
        tally.made(path)
    print(f"\n{tally}" if _has_bar() else tally, file=sys.stderr)
    return 1 if tally.failures else 0


def _portraits(options: argparse.Namespace) -> int:
    """The largest face of every picture of a folder and the folders in it, aligned as the face
    models of ours were trained."""
    from engines import faces as finder
    from engines.images import ImageError, save_picture

    source: Path = _folder(options.photos)
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in PICTURES)
    if not files:
        raise Refused(f"There is no picture in {source}.")
    tally = Tally(len(files))
    for path in files:
        target = (options.output / path.relative_to(source)).with_suffix(".png")
        try:
            photo = _open(path)
            found = finder.find(photo)
            if not found:
                tally.failed(path, "no face was found.")
                continue
            cut = finder.cut(photo, finder.OWN, found[0].points)
        except ImageError as error:
            tally.failed(path, str(error))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        save_picture(cut.crop, target)
        tally.made(path)
    print(f"\n{tally}" if _has_bar() else tally, file=sys.stderr)
    return 1 if tally.failures else 0


def train(options: argparse.Namespace) -> int:
    recipe = Path(options.recipe)
    if not recipe.suffix:
        recipe = RECIPES / f"{recipe.name}.toml"
        if not recipe.is_file():
            names = sorted(p.stem for p in RECIPES.glob("*.toml"))
            known = ", ".join(n for n in names if not n.endswith("-teacher"))
            raise Refused(f"There is no recipe {options.recipe}; known are {known}.")
    if options.steps is not None and options.steps < 1:
        raise Refused("A training takes at least one step.")
    if not recipe.is_file():
        raise Refused(f"There is no recipe {recipe}.")
    from engines import training
    from engines.devices import choose

    device = options.device if options.device == "auto" else choose(options.device).type
    devices = int(options.devices) if options.devices.isdigit() else options.devices
    try:
        for event in training.train_file(
            recipe, options.data, options.output, device, devices, options.resume,
            options.steps, options.minutes, _named_files(options.file), options.start,
        ):  # fmt: skip
            if options.json:
                print(training.event_line(event), flush=True)
            elif isinstance(event, Progress):
                print(f"{event.done}/{event.total}  {event.note}", flush=True)
            elif isinstance(event, Result):
                print(f"{event.texts[0]}  {event.seconds / 60:.1f} minutes")
    except Exception as error:
        if options.json and (sentence := _sentence(error)):
            print(json.dumps({"event": "failed", "message": sentence, "details": ""}), flush=True)
        raise
    return 0


def _named_files(given: Sequence[str]) -> dict[str, Path]:
    """NAME=PATH, as often as it was said."""
    found: dict[str, Path] = {}
    for word in given:
        name, mark, path = word.partition("=")
        if not mark or not path:
            raise Refused(f"A file is given as NAME=PATH, not “{word}”.")
        found[name] = Path(path)
    return found


def convert(options: argparse.Namespace) -> int:
    from engines import checkpoint
    from engines.doctor import inspect as examine
    from engines.family import candidates

    if options.output.suffix != ".safetensors":
        raise Refused("The new file's name ends in .safetensors.")
    opened = checkpoint.open_checkpoint(options.old)
    found = {family.id: (family, config) for family, config in candidates(opened)}
    if not found:
        raise Refused(examine(options.old).message)
    chosen = options.family or _catalogue().family_of(opened.digest) or next(iter(found))
    if chosen not in found:
        raise Refused(f"{options.old.name} fits {' and '.join(found)}, not {chosen}.")
    family, config = found[chosen]
    module, notes = family.load(config, opened)
    metadata = {
        **opened.metadata,
        "family": family.id,
        "config": family.to_dict(config),
        "converted_from": {"name": options.old.name, "digest": opened.digest},
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(options.output, module.state_dict(), metadata, half=options.half)
    for note in (*opened.notes, *notes):
        print(f"  {note}", file=sys.stderr)
    print(f"{options.output}  {options.output.stat().st_size / 1e6:.1f} MB")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    do.__name__: do for do in (
        models, inspect, run, loop, animate, film, lineup, batch, edges, faces, prepare, train,
        convert,
    )
}  # fmt: skip


# ---- pieces --------------------------------------------------------------------------------------


def _catalogue() -> Catalogue:
    from engines.catalogue import Catalogue

    return Catalogue()


def _engine(device: str) -> Engine:
    from engines.engine import Engine

    return Engine(device, catalogue=_catalogue())


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise Refused(f"There is no folder {path}.")
    return path


def _pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, by name."""
    files = sorted(p for p in _folder(folder).iterdir() if p.suffix.lower() in PICTURES)
    if not files:
        raise Refused(f"There is no picture in {folder}.")
    return files


def _targets(files: Iterable[Path], source: Path, output: Path) -> dict[Path, Path]:
    """File -> PNG in `output`, each with a name of its own, so that a.jpg and a.png both stay."""
    if output.resolve() == source.resolve():
        raise Refused("The output folder is the input folder; its pictures would be overwritten.")
    files = list(files)
    times = Counter(path.stem.casefold() for path in files)
    return {
        path: output / f"{path.stem if times[path.stem.casefold()] == 1 else path.name}.png"
        for path in files
    }


def _check_output(path: Path) -> None:
    """Refuse, before anything is computed, what could not be written after."""
    from engines.images import SAVED

    if path.suffix.lower() not in SAVED:
        raise Refused(f"{path.name} needs one of the endings {', '.join(SAVED)}.")
    if path.is_dir():
        raise Refused(f"{path} is a folder.")


def _open(path: Path) -> Picture:
    from engines.images import open_picture

    return open_picture(path)


def _write(picture: Picture, job: Job | None, path: Path, caption: str = "") -> None:
    from engines.images import save_picture

    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(picture, path, job=job, caption=caption)


def _finish(events: Iterator[Event], quiet: bool = False) -> Result:
    """The result; progress goes to standard error."""
    result = None
    for event in events:
        if isinstance(event, Progress) and not quiet and event.total > 1:
            _bar(event.done, event.total, event.note)
        elif isinstance(event, Result):
            result = event
    if result is None:
        raise Refused("The model gave no result.")
    for note in () if quiet else result.notes:
        print(f"  {note}", file=sys.stderr)
    for name, value in {} if quiet else result.numbers.items():
        print(f"  {name} {value:.3f}", file=sys.stderr)
    return result


def _first(result: Result) -> Picture:
    if not result.pictures:
        raise Refused("This model gave no picture.")
    return result.picture


def _difference(path: Path, picture: Picture) -> str:
    """How the replayed picture differs from the one the recipe came with."""
    import numpy as np

    if path.suffix.lower() != ".png":
        return ""
    before = _open(path)
    if before.pixels.shape != picture.pixels.shape:
        return "  (another size than before)"
    largest = int(np.abs(before.pixels.astype(int) - picture.pixels.astype(int)).max())
    return "  same pixels as before" if largest == 0 else f"  largest difference {largest} of 255"


class Tally:
    """What became of the files of a folder, with a progress bar on standard error."""

    def __init__(self, total: int) -> None:
        self.total, self.begun = total, 0
        self.new, self.old, self.failures = 0, 0, 0
        self._since = time.monotonic()
        _bar(0, total, "")

    def made(self, path: Path, fit: Fit | None = None) -> None:
        """A picture was made; of one that the model hardly knows this is said."""
        self.new += 1
        if fit is not None and fit.poor:
            self._say(f"{path.name}: {fit.message}")
        self._show(path)

    def skipped(self, path: Path) -> None:
        self.old += 1
        self._show(path)

    def failed(self, path: Path, sentence: str) -> None:
        self.failures += 1
        if not sentence.startswith(path.name):
            sentence = f"{path.name}: {sentence}"
        self._say(sentence)
        self._show(path)

    def _say(self, sentence: str) -> None:
        print(f"\r{sentence:80}" if _has_bar() else sentence, file=sys.stderr)

    def _show(self, path: Path) -> None:
        done = self.new + self.old + self.failures
        each = (time.monotonic() - self._since) / max(self.new, 1)
        left = each * (self.total - done)
        _bar(done, self.total, f"{left:5.0f} s left  {path.name}" if self.new else path.name)

    def __str__(self) -> str:
        return f"{self.new} made, {self.old} were there already, {self.failures} failed."


def _has_bar() -> bool:
    return sys.stderr.isatty() or os.environ.get("GANVAS_PROGRESS") == "1"


def _bar(done: int, total: int, note: str) -> None:
    if not _has_bar():
        return
    full = 24 * done // max(total, 1)
    bar = f"[{'#' * full}{'.' * (24 - full)}] {done}/{total} {note[:40]:40}"
    print(f"\r{bar}", end="", file=sys.stderr, flush=True)
