"""`ganvas` without a window: the same jobs and the same events as in the studio. The only module
that prints.

Exit status: 0 done, 1 done with failures (batch), 2 refused in one sentence on standard error, 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.job import Event, Job, JobError, Picture, Preview, Progress, Result, job_from_png

if TYPE_CHECKING:
    from engines.catalogue import Catalogue
    from engines.controls import ModelCard
    from engines.engine import Engine

COMMANDS = ("models", "inspect", "run", "batch", "edges", "prepare", "train", "convert")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


class Refused(Exception):
    """Ends the program with status 2 and its one sentence."""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        return options.do(options)
    except KeyboardInterrupt:
        print("Interrupted; nothing half-written was left.", file=sys.stderr)
        return 130
    except (Refused, JobError, ValueError, OSError) as error:
        return _refuse(error)
    except RuntimeError as error:
        if not hasattr(error, "kind"):
            raise
        return _refuse(error)


def _refuse(error: Exception) -> int:
    sentence = str(error).strip() or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        sentence = f"{Path(str(error.filename)).name}: {error.strerror}."
    print(sentence.splitlines()[0], file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import PackageNotFoundError, version

    parser = argparse.ArgumentParser(
        "ganvas",
        description="Without a command the studio opens. The commands work without a window.",
    )
    try:
        parser.add_argument("--version", action="version", version=f"ganvas {version('ganvas')}")
    except PackageNotFoundError:
        parser.add_argument("--version", action="version", version="ganvas")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, do: Callable[[argparse.Namespace], int], help: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.set_defaults(do=do)
        return made

    c = command("models", models, "List the models that are here.")
    c.add_argument("--json", action="store_true", help="as JSON")

    c = command("inspect", inspect, "Say what a weights file is; status 2 if it cannot be used.")
    c.add_argument("file", type=Path)
    c.add_argument("--json", action="store_true", help="as JSON")

    c = command(
        "run", run, "Make one picture from a model and pictures, or again from a PNG of Ganvas."
    )
    c.add_argument(
        "recipe", nargs="?", type=Path, help="a PNG of Ganvas (or a recipe as JSON) to make again"
    )
    c.add_argument("--model", help="name, name@digest or file of the model")
    c.add_argument(
        "--image", action="append", default=[], metavar="[ROLE=]PATH", help="an input picture"
    )
    c.add_argument(
        "--set", action="append", default=[], metavar="CONTROL=VALUE", help="the value of a control"
    )
    c.add_argument("--seed", type=int, help="the source of randomness (0)")
    c.add_argument(
        "-o", "--output", type=Path, required=True, help="png (recipe inside), jpg, webp or tif"
    )
    c.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")

    c = command(
        "batch", batch, "Run a model over every picture of a folder; goes on where it was stopped."
    )
    c.add_argument("--model", required=True)
    c.add_argument("--images", type=Path, required=True, metavar="DIR")
    c.add_argument("--role", help="the input that the pictures are for, if the model has several")
    c.add_argument("--set", action="append", default=[], metavar="CONTROL=VALUE")
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    c.add_argument("--device", default="auto")

    c = command("edges", edges, "Draw the edges of a photo as the studio does.")
    c.add_argument("photo", type=Path)
    c.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="CONTROL=VALUE",
        help="method, low, high, width, ...",
    )
    c.add_argument("-o", "--output", type=Path, required=True)

    c = command("prepare", prepare, "Make joined A|B training pairs from a folder of photos.")
    c.add_argument("photos", type=Path, metavar="DIR")
    c.add_argument("--make", default="edges", help="edges, grey, lowres, mosaic or labels")
    c.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")

    c = command("train", train, "Train a model by a recipe.")
    c.add_argument("recipe", help="a .toml file, or the name of a shipped recipe")
    c.add_argument(
        "--data", type=Path, required=True, help="the folder that the recipe's data folder lies in"
    )
    c.add_argument(
        "-o", "--output", type=Path, help="where state, samples and the model go (runs/NAME)"
    )
    c.add_argument("--device", default="auto")
    c.add_argument("--devices", default="1", help="how many, or auto")
    c.add_argument("--steps", type=int, help="a trial of so many steps in all")
    c.add_argument("--minutes", type=float, help="stop in time, to be resumed")
    c.add_argument(
        "--resume", action="store_true", help="go on from the state in the output folder"
    )
    c.add_argument("--json", action="store_true", help="one JSON line per event on standard output")

    c = command("convert", convert, "Convert old weights to a safe file of Ganvas.")
    c.add_argument("old", type=Path)
    c.add_argument("-o", "--output", type=Path, required=True, help="NEW.safetensors")
    c.add_argument("--half", action="store_true", help="half precision, half the size")
    return parser


# ---- commands ------------------------------------------------------------------------------------


def models(options: argparse.Namespace) -> int:
    entries = _catalogue().entries()
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
    engine = _engine(options.device)
    if options.recipe:
        job = _changed(_recipe(options.recipe), options, engine)
    elif options.model:
        card = engine.describe(options.model)
        job = Job(
            card.family,
            card.checkpoint,
            _values(options.set),
            _images(options.image, card),
            seed=options.seed or 0,
        )
    else:
        raise Refused("Name a model with --model, or a PNG of Ganvas to make again.")
    result = _finish(engine.run(job))
    if not result.pictures:
        raise Refused("This model gave no picture.")
    _write(result.pictures[0], job, options.output)
    note = (
        _difference(options.recipe, result.pictures[0])
        if options.recipe and not _is_changed(options)
        else ""
    )
    print(
        f"{options.output}  {result.pictures[0].width}x{result.pictures[0].height}  "
        f"{1000 * result.seconds:.0f} ms{note}"
    )
    return 0


def batch(options: argparse.Namespace) -> int:
    files = sorted(p for p in _folder(options.images).iterdir() if p.suffix.lower() in PICTURES)
    if not files:
        raise Refused(f"There is no picture in {options.images}.")
    engine = _engine(options.device)
    card = engine.describe(options.model)
    role = options.role or _single_role(card)
    values = _values(options.set)
    options.output.mkdir(parents=True, exist_ok=True)
    done, skipped, failed = 0, 0, 0
    for number, path in enumerate(files, 1):
        _bar(number - 1, len(files), path.name)
        target = options.output / f"{path.stem}.png"
        try:
            job = Job(card.family, card.checkpoint, values, {role: _open(path)}, seed=options.seed)
            if _made_already(target, job, engine):
                skipped += 1
                continue
            _write(_finish(engine.run(job), quiet=True).pictures[0], job, target)
            done += 1
        except (ValueError, OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not hasattr(error, "kind"):
                raise
            failed += 1
            print(f"\r{path.name}: {str(error).splitlines()[0]}", file=sys.stderr)
    _bar(len(files), len(files), "")
    print(f"\n{done} made, {skipped} were there already, {failed} failed.", file=sys.stderr)
    return 1 if failed else 0


def edges(options: argparse.Namespace) -> int:
    job = Job("edges", values=_values(options.set), images={"photo": _open(options.photo)})
    result = _finish(_engine("cpu").run(job))
    _write(result.pictures[0], job, options.output)
    return 0


def prepare(options: argparse.Namespace) -> int:
    import numpy as np

    from engines import datasets, images

    pairs = datasets.find_pairs(_folder(options.photos), maker=options.make)
    options.output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for index, (_, path) in enumerate(pairs.files):
        _bar(index, len(pairs), path.name)
        try:
            joined = np.concatenate(pairs.pair(index), axis=1)
            images.save_picture(Picture(joined), options.output / f"{path.stem}.png")
        except (ValueError, OSError) as error:
            failed += 1
            print(f"\r{path.name}: {str(error).splitlines()[0]}", file=sys.stderr)
    _bar(len(pairs), len(pairs), "")
    print(f"\n{len(pairs) - failed} pairs in {options.output}.", file=sys.stderr)
    return 1 if failed else 0


def train(options: argparse.Namespace) -> int:
    from engines import training

    recipe = Path(options.recipe)
    if not recipe.suffix:
        recipe = (
            Path(__file__).resolve().parent.parent / "resources" / "recipes" / f"{recipe.name}.toml"
        )
    devices = int(options.devices) if options.devices.isdigit() else options.devices
    events = training.train_file(
        recipe,
        options.data,
        options.output,
        options.device,
        devices,
        options.resume,
        options.steps,
        options.minutes,
    )
    for event in events:
        if options.json:
            print(training.event_line(event), flush=True)
        elif isinstance(event, Progress):
            print(f"{event.done}/{event.total}  {event.note}", flush=True)
        elif isinstance(event, Result):
            print(f"{event.texts[0]}  {event.seconds / 60:.1f} minutes")
    return 0


def convert(options: argparse.Namespace) -> int:
    from engines import checkpoint
    from engines.family import candidates

    if options.output.suffix != ".safetensors":
        raise Refused("The new file's name ends in .safetensors.")
    opened = checkpoint.open_checkpoint(options.old)
    found = candidates(opened)
    if not found:
        from engines.doctor import inspect as examine

        raise Refused(examine(options.old).message)
    family, config = found[0]
    module, notes = family.load(config, opened)
    metadata = {
        **opened.metadata,
        "family": family.id,
        "config": family.to_dict(config),
        "converted_from": {"name": options.old.name, "digest": opened.digest},
    }
    checkpoint.save(options.output, module.state_dict(), metadata, half=options.half)
    for note in notes:
        print(f"  {note}", file=sys.stderr)
    print(f"{options.output}  {options.output.stat().st_size / 1e6:.1f} MB")
    return 0


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


def _open(path: Path) -> Picture:
    from engines.images import open_picture

    return open_picture(path)


def _write(picture: Picture, job: Job, path: Path) -> None:
    from engines.images import save_picture

    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(picture, path, job=job)


def _recipe(path: Path) -> Job:
    if path.suffix.lower() == ".json":
        return Job.from_json(path.read_text(encoding="utf-8"))
    return job_from_png(path)


def _is_changed(options: argparse.Namespace) -> bool:
    return bool(options.set or options.image or options.model or options.seed is not None)


def _changed(job: Job, options: argparse.Namespace, engine: Engine) -> Job:
    """The recipe with what the command line says otherwise."""
    reference = options.model or job.checkpoint
    card = engine.describe(reference) if options.image or options.model else None
    if options.model and card:
        job = job.with_(checkpoint=card.checkpoint, family=card.family)
    if options.image and card:
        job = job.with_(images={**job.images, **_images(options.image, card)}, drawings={})
    seed = job.seed if options.seed is None else options.seed
    return job.with_(values={**job.values, **_values(options.set)}, seed=seed)


def _values(settings: Iterable[str]) -> dict[str, Any]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise Refused(f"“{setting}” should read CONTROL=VALUE.")
        values[name.strip()] = value.strip()
    return values


def _images(arguments: Iterable[str], card: ModelCard) -> dict[str, Picture]:
    roles = {c.role for c in card.inputs()}
    found = {}
    for argument in arguments:
        role, equals, path = argument.partition("=")
        if not equals or (role not in roles and Path(argument).exists()):
            role, path = _single_role(card), argument
        found[role] = _open(Path(path))
    return found


def _single_role(card: ModelCard) -> str:
    needed = [c.role for c in card.inputs() if not c.optional]
    if len(needed) != 1:
        raise Refused(
            f"{card.title} takes {', '.join(c.role for c in card.inputs())}; say which with "
            "ROLE=PATH."
        )
    return needed[0]


def _finish(events: Iterator[Event], quiet: bool = False) -> Result:
    """The result; progress goes to standard error."""
    result = None
    for event in events:
        if isinstance(event, Progress) and not quiet and event.total > 1:
            _bar(event.done, event.total, event.note)
        elif isinstance(event, Result):
            result = event
        elif isinstance(event, Preview):
            continue
    if result is None:
        raise Refused("The model gave no result.")
    for note in () if quiet else result.notes:
        print(f"  {note}", file=sys.stderr)
    return result


def _made_already(target: Path, job: Job, engine: Engine) -> bool:
    """Whether `target` was made by this very job."""
    from engines.controls import checked

    if not target.is_file():
        return False
    try:
        return job_from_png(target).digest in (
            job.digest,
            checked(job, engine.describe(job.checkpoint)).digest,
        )
    except JobError:
        return False


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


def _bar(done: int, total: int, note: str) -> None:
    if not sys.stderr.isatty() and os.environ.get("GANVAS_PROGRESS") != "1":
        return
    full = 24 * done // max(total, 1)
    print(
        f"\r[{'#' * full}{'.' * (24 - full)}] {done}/{total} {note[:32]:32}",
        end="",
        file=sys.stderr,
        flush=True,
    )
