"""The one training loop: recipe in, events out. Lightning Fabric does devices, precision and
several GPUs.

A training is a list of stages (size, batch, steps, learning rate). Every step is a function of the
state before it and of (seed, step): a training that was killed and resumed ends with the same
weights as one that was not. Knows no window and no network; trainers (engines/families/*/train.py)
know one paper each.
"""

from __future__ import annotations

import base64
import csv
import json
import logging
import os
import time
import tomllib
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from engines import checkpoint, datasets
from engines.devices import choose
from engines.family import families
from engines.job import Event, Picture, Preview, Progress, Result
from engines.replay import Replay, recordable

log = logging.getLogger("train")


WINDOW = 16  # batches that are kept for steps that see a batch again
SHIPPED = Path(__file__).parents[1] / "resources" / "models"


class RecipeError(ValueError):
    """A recipe that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Stage:
    """size (width, height), batch per device, steps, learning rate at its start and end (linear
    between).

    reuse how many steps are taken for every batch that is made; what they see is drawn from the
          last WINDOW batches. 1: every batch is seen once.
    card  what is otherwise on a graphics card: entries of the same names. There steps are taken
          faster than batches are made, and larger ones cost little more.
    """

    steps: int
    size: tuple[int, int]
    batch: int
    rate: float = 2e-4
    last_rate: float | None = None
    reuse: int = 1
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A training as data; see resources/recipes/*.toml.

    recorded  whether steps are recorded on a card (engines/replay.py), where the trainer allows it
    files     trained weights that the training starts from or judges by: name -> path, seen from
              the run's folder
    """

    name: str
    trainer: str
    stages: tuple[Stage, ...]
    data: Mapping[str, Any]
    network: Mapping[str, Any] = field(default_factory=dict)
    losses: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    ema: float = 0.999
    precision: str = "32-true"
    workers: int = 1
    recorded: bool = True
    every: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def on(self, device: str) -> Recipe:
        """The recipe as it is on a kind of device: "cuda", "cpu" or "mps". A processor without
        instructions for bfloat16 emulates it, ten times slower than single precision."""
        if device == "cpu" and "bf16" in self.precision and not knows_bfloat16():
            return replace(self, precision="32-true")
        if device != "cuda":
            return self
        stages = (replace(s, **{**s.card, "card": {}}) for s in self.stages)
        return replace(self, stages=tuple(stages))

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that `step` belongs to, and the step at which that stage begins."""
        begin = 0
        for stage in self.stages:
            if step < begin + stage.steps:
                return stage, begin
            begin += stage.steps
        return self.stages[-1], begin - self.stages[-1].steps


def knows_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 instead of emulating it."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises RecipeError with one sentence."""
    try:
        body = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{Path(path).name} is not a recipe: {error}.") from error
    try:
        stages = tuple(Stage(**{**s, "size": tuple(s["size"])}) for s in body.pop("stage"))
        found = Recipe(stages=stages, **body)
        found.on("cuda")  # misspelt entries are found here, on any machine
        return found
    except (KeyError, TypeError) as error:
        raise RecipeError(f"{Path(path).name} lacks or misspells an entry: {error}.") from error


class Trainer:
    """What a family's train.py derives from. Constructed as Trainer(recipe, data).

    nets        names of the attributes that hold its networks, all of which are saved
    averaged    those of which a moving average is kept
    optimisers  that of a network under its name
    done        how many steps there were, over resumed trainings too; set around every step

    A trainer may also have
    prepare(batch, noise) -> batch  what of a step is decided on the CPU, before the batch is sent
                                    to the device; `noise` is a generator of the CPU
    turn() -> Hashable              says that the step can be recorded (engines/replay.py): it asks
                                    for no value of a tensor. Steps of the same turn do the same
    """

    recipe: Recipe
    nets: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    optimisers: dict[str, torch.optim.Optimizer]
    done = 0

    def modules(self) -> dict[str, nn.Module]:
        return {name: getattr(self, name) for name in self.nets}

    def step(
        self, fabric: Fabric, batch: dict[str, Tensor], noise: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of every optimiser; the losses by name, detached. `noise` is a generator of
        the device."""
        raise NotImplementedError

    def samples(self, averages: Mapping[str, nn.Module]) -> Picture:
        raise NotImplementedError

    def export(self, averages: Mapping[str, nn.Module], path: Path, half: bool) -> None:
        """Write the trained model as a safetensors file of ours."""
        raise NotImplementedError

    def begin_from(self, path: Path) -> None:
        """Give the averaged networks the weights that a trained model has of them: a network whole
        or not at all, and at least one. Raises RecipeError or CheckpointError."""
        opened = checkpoint.open_checkpoint(path)
        shapes, known = opened.shapes(), False
        for name in self.averaged:
            module: nn.Module = getattr(self, name)
            wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
            for prefix in ("", f"{name}."):  # as `joined` and `write` name them
                if all(shapes.get(prefix + key) == shape for key, shape in wanted.items()):
                    tensors = opened.tensors()
                    module.load_state_dict({key: tensors[prefix + key] for key in wanted})
                    known = True
                    break
        if not known:
            raise RecipeError(
                f"{path.name} holds no network of the shape that {self.recipe.name} has."
            )

    def joined(self, averages: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The weights of all averaged networks, below their names."""
        return {
            f"{name}.{key}": value
            for name in self.averaged
            for key, value in averages[name].state_dict().items()
        }

    def write(
        self,
        path: Path,
        state: Mapping[str, Tensor],
        family: str,
        config: Any,
        half: bool,
    ) -> None:
        """A safetensors file of ours for a family's network, with the recipe's card."""
        told = families()[family].to_dict(config)
        body = {"family": family, "config": told, "card": dict(self.recipe.card)}
        checkpoint.save(path, state, body, half=half)


class Average:
    """Exponential moving average of the parameters and buffers of a module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        from copy import deepcopy

        self.module = deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    def share(self, step: int) -> float:
        """How much of the module as it is now goes into the average."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, module: nn.Module, share: float | Tensor) -> None:
        """`share` as a tensor () can be another one whenever this is replayed."""
        mine, theirs = self.module.state_dict(), module.state_dict()
        real = [name for name, value in mine.items() if value.is_floating_point()]
        ours, new = [mine[n] for n in real], [theirs[n] for n in real]
        if isinstance(share, Tensor):
            off = torch._foreach_sub(new, ours)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_mul_(off, share)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_add_(ours, off)  # pyright: ignore[reportPrivateImportUsage]
        else:
            torch._foreach_lerp_(ours, new, share)  # pyright: ignore[reportPrivateImportUsage]
        for name in mine.keys() - set(real):
            mine[name].copy_(theirs[name])


def make_trainer(recipe: Recipe, data: datasets.DataSet) -> Trainer:
    """`recipe.trainer` is "module:Class" below engines.families, or below engines in full."""
    module, _, name = recipe.trainer.partition(":")
    place = module if module.startswith("engines.") else f"engines.families.{module}"
    return getattr(import_module(place), name)(recipe, data)


def train_file(
    recipe: Path,
    data: Path,
    out: Path | None = None,
    device: str = "auto",
    devices: int | str = 1,
    resume: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
    files: Mapping[str, Path] | None = None,
    start: Path | None = None,
) -> Iterator[Event]:
    """`train` for a recipe file and a data root. `steps` cuts every stage in proportion (a trial
    run); `files` says where the recipe's files are. One that is nowhere, but that a recipe beside
    this one makes, is trained first."""
    read = load_recipe(recipe)
    out = out or Path("runs") / read.name
    if minutes is None:
        for needed, place in _lacking(read.files, files or {}, out, recipe):
            for event in train_file(needed, data, place, device, devices, resume, steps):
                if not isinstance(event, Result):
                    yield event
    read = replace(read, files=_found(read.files, files or {}, out))
    if steps is not None:
        share = steps / read.steps
        read = replace(
            read,
            stages=tuple(
                replace(s, steps=max(1, round(s.steps * share)), card={}) for s in read.stages
            ),
        )
    found = datasets.make_dataset(dict(read.data), Path(data), read.seed)
    yield from train(read, out, found, device, devices, resume, minutes, start)


def _places(name: str, told: str, given: Mapping[str, Path], out: Path) -> list[Path]:
    """Where a recipe's file may be: where one says, else as seen from the run's folder, else the
    model of that name that ships."""
    near = Path(os.path.normpath(out / told))  # the run's folder may not be there yet
    return [given[name]] if name in given else [near, SHIPPED / f"{name}.safetensors"]


def _lacking(
    named: Mapping[str, str], given: Mapping[str, Path], out: Path, recipe: Path
) -> Iterator[tuple[Path, Path]]:
    """The recipes, and the folders of their runs, that make a recipe's files which are nowhere."""
    for name, told in named.items():
        places = _places(name, told, given, out)
        folder = places[0].parent
        maker = Path(recipe).parent / f"{folder.name}.toml"
        if name not in given and maker.is_file() and not any(p.is_file() for p in places):
            yield maker, folder


def _found(named: Mapping[str, str], given: Mapping[str, Path], out: Path) -> dict[str, str]:
    """Where each of a recipe's files is. Raises RecipeError."""
    if unknown := set(given) - set(named):
        raise RecipeError(f"The recipe asks for no file “{sorted(unknown)[0]}”.")
    found: dict[str, str] = {}
    for name, told in named.items():
        places = _places(name, told, given, out)
        there = [place for place in places if place.is_file()]
        if not there:
            raise RecipeError(
                f"There is no {places[0]}; train it first, or say --file {name}=PATH."
            )
        found[name] = str(there[0])
    return found


def train(
    recipe: Recipe,
    out: Path,
    data: datasets.DataSet,
    device: str = "auto",
    devices: int | str = 1,
    resume: bool = False,
    minutes: float | None = None,
    start: Path | None = None,
) -> Iterator[Event]:
    """Train and yield Progress (losses in the note) and Preview; the last event is a Result.

    Writes to `out`: state.pt (resume), losses.csv, samples/*.png, and model.safetensors at the end.
    With `minutes` it stops in time, its state saved, so that `resume` goes on later. `start` is a
    trained model that the networks begin with instead of chance.
    """
    run = _Run(recipe, Path(out), data, device, devices, start)
    recipe = run.recipe
    begun = run.load() if resume else 0
    if run.fabric.global_rank == 0:
        out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    try:
        for step in run.batches(begun):
            losses = run.step(step)
            done = step + 1
            if done % recipe.every.get("losses", 20) == 0 or done == recipe.steps:
                yield Progress(done, recipe.steps, run.note(done, losses))
            if done % recipe.every.get("samples", 500) == 0 or done == recipe.steps:
                yield Preview(run.sample(done))
            late = minutes is not None and time.monotonic() - begin > minutes * 60
            if done % recipe.every.get("state", 500) == 0 or done == recipe.steps or late:
                run.save(done)
            if late:
                break
    finally:
        run.close()
    yield Result((run.sample(None),), (str(run.export()),), time.monotonic() - begin)


def _noted(path: Path, row: Mapping[str, float]) -> None:
    """Add a row to a table, which gets the columns that it lacks."""
    rows: list[Mapping[str, object]] = [row]
    names, how = list(row), "w"
    if path.exists():
        with path.open(newline="") as file:
            table = csv.reader(file)
            known = next(table)
            names = known + [name for name in row if name not in known]
            if names == known:
                how = "a"
            else:
                rows = [*(dict(zip(known, values)) for values in table), row]
    with path.open(how, newline="") as file:
        writer = csv.DictWriter(file, names)
        if how == "w":
            writer.writeheader()
        writer.writerows(rows)


class _Run:
    """The live side of one training on one rank."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        data: datasets.DataSet,
        device: str,
        devices: int | str,
        start: Path | None = None,
    ) -> None:
        self.out, self.data = out, data
        self.recipe = recipe = recipe.on(choose(device).type)
        self.fabric = Fabric(accelerator=device, devices=devices, precision=recipe.precision)  # pyright: ignore[reportArgumentType]
        self.fabric.launch()
        if self.fabric.device.type == "cuda":  # a stage has one size: the search pays
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        torch.manual_seed(recipe.seed)
        self.trainer = make_trainer(recipe, data)
        if start is not None:
            self.trainer.begin_from(start)
        modules, optimisers = self.trainer.modules(), self.trainer.optimisers
        self.averages = {n: Average(modules[n], recipe.ema) for n in self.trainer.averaged}
        for name, module in modules.items():
            owned = [optimisers[name]] if name in optimisers else []
            module.to(memory_format=torch.channels_last)
            if not any(True for _ in module.parameters()):  # a memory: nothing of it is trained
                setattr(self.trainer, name, module.to(self.fabric.device))
                continue
            placed = self.fabric.setup(module, *owned)
            module_, *owned_ = placed if isinstance(placed, tuple) else (placed,)
            setattr(self.trainer, name, module_)
            if owned_:
                self.trainer.optimisers[name] = owned_[0]
        for average in self.averages.values():
            average.module.to(self.fabric.device)
        self.iterator: Iterator[datasets.Batch] = iter(())
        self.replay = self._recorder()
        self.row: dict[str, float] = {}

    def batches(self, start: int) -> Iterator[int]:
        """The step numbers from `start`; the batch of each is ready for step()."""
        begin = 0
        for stage in self.recipe.stages:
            first, end = max(start, begin), begin + stage.steps
            if first < end:
                self.iterator = self._read(stage, begin, first)
                yield from range(first, end)
            begin = end

    def _read(self, stage: Stage, begin: int, first: int) -> Generator[datasets.Batch]:
        """The batches of the steps of a stage that began at step `begin`, from step `first` on."""
        reuse, end = stage.reuse, begin + stage.steps
        early = (first - begin) // reuse
        if reuse > 1:
            early = max(0, early - WINDOW + 1)
        numbers = range(begin + early, begin + -(-stage.steps // reuse))
        fresh = datasets.Prefetch(
            self.data,
            stage.batch,
            stage.size,
            numbers.start,
            numbers.stop,
            self.fabric.global_rank,
            self.recipe.workers,
        )
        source = iter(fresh)
        kept: deque[datasets.Batch] = deque(maxlen=WINDOW if reuse > 1 else 1)
        try:
            for step in range(first, end):
                while early <= (step - begin) // reuse:
                    kept.append(next(source))
                    early += 1
                yield kept[np.random.default_rng((self.recipe.seed, step)).integers(len(kept))]
        finally:
            source.close()

    def step(self, step: int) -> dict[str, Tensor]:
        stage, begin = self.recipe.stage_at(step)
        last = stage.rate if stage.last_rate is None else stage.last_rate
        done = (step - begin) / max(stage.steps, 1)
        rate = stage.rate + (last - stage.rate) * done
        self.trainer.done = step
        losses = self.take(step, rate, self.prepared(step, next(self.iterator)))
        self.trainer.done = step + 1
        return losses

    def prepared(self, step: int, made: datasets.Batch) -> dict[str, Tensor]:
        """A batch as the trainer's step wants it, on the CPU."""
        batch = {name: torch.from_numpy(array) for name, array in made.items()}
        if prepare := getattr(self.trainer, "prepare", None):
            return prepare(batch, torch.Generator().manual_seed(self._seed(step)))
        return batch

    def take(self, step: int, rate: float, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The step of this number at a learning rate, with what was prepared."""
        for optimiser in self.trainer.optimisers.values():
            for group in optimiser.param_groups:
                asked = rate * group.get("rate_scale", 1.0)
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(asked)
                else:
                    group["lr"] = asked
        shares = {name: average.share(step) for name, average in self.averages.items()}
        if self.replay is not None:
            return self.replay(batch, self._seed(step), shares)
        placed = {name: self.fabric.to_device(x) for name, x in batch.items()}
        return self._learn(placed, self._source(self._seed(step)), shares)

    def _seed(self, step: int) -> int:
        return hash((self.recipe.seed, step, self.fabric.global_rank)) & 0x7FFFFFFF

    def _source(self, seed: int) -> torch.Generator:
        """The generator of the device, seeded."""
        if self.fabric.device.type != "cuda":
            return torch.Generator().manual_seed(seed)
        source = torch.cuda.default_generators[self.fabric.device.index or 0]
        return source.manual_seed(seed)

    def _learn(
        self,
        batch: dict[str, Tensor],
        noise: torch.Generator,
        shares: Mapping[str, float | Tensor],
    ) -> dict[str, Tensor]:
        losses = self.trainer.step(self.fabric, batch, noise)
        for name, average in self.averages.items():
            average.update(getattr(self.trainer, name), shares[name])
        return losses

    def _recorder(self) -> Replay | None:
        """What records the steps, on a card whose trainer can be recorded."""
        alone = self.fabric.device.type == "cuda" and self.fabric.world_size == 1
        if not alone or not hasattr(self.trainer, "turn") or not self.recipe.recorded:
            return None
        for optimiser in self.trainer.optimisers.values():
            recordable(optimiser, self.fabric.device)
        return Replay(self._learn, self._source, self.trainer.turn)  # pyright: ignore[reportAttributeAccessIssue]

    def note(self, done: int, losses: Mapping[str, Tensor]) -> str:
        self.row = {name: round(float(value), 5) for name, value in losses.items()}
        if self.fabric.global_rank == 0:
            _noted(self.out / "losses.csv", {"step": done, **self.row})
        return " ".join(f"{name} {value:.3f}" for name, value in self.row.items())

    def sample(self, done: int | None) -> Picture:
        picture = self.trainer.samples({n: a.module for n, a in self.averages.items()})
        if done is not None and self.fabric.global_rank == 0:
            folder = self.out / "samples"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{done:06d}.png").write_bytes(picture.to_png())
        return picture

    def _state(self) -> dict[str, Any]:
        modules = self.trainer.modules()
        return {
            "modules": {n: m.state_dict() for n, m in modules.items()},
            "optimisers": {n: o.state_dict() for n, o in self.trainer.optimisers.items()},
            "averages": {n: a.module.state_dict() for n, a in self.averages.items()},
        }

    def save(self, done: int) -> None:
        if self.fabric.global_rank != 0:
            return
        checkpoint.save_state(self.out / "state.pt", {"step": done, **self._state()})

    def load(self) -> int:
        """The step to go on with; 0 if nothing was saved."""
        path = self.out / "state.pt"
        if not path.exists():
            return 0
        state = checkpoint.read_state(path, self.fabric.device)
        for name, module in self.trainer.modules().items():
            module.load_state_dict(state["modules"][name])
        for name, optimiser in self.trainer.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
            if self.replay is not None:
                recordable(optimiser, self.fabric.device)
        for name, average in self.averages.items():
            average.module.load_state_dict(state["averages"][name])
        self.trainer.done = int(state["step"])
        self._forget_losses_after(self.trainer.done)
        return self.trainer.done

    def _forget_losses_after(self, step: int) -> None:
        path = self.out / "losses.csv"
        with suppress(OSError):
            head, *rows = path.read_text().splitlines()
            kept = [row for row in rows if int(row.split(",", 1)[0]) <= step]
            path.write_text("\n".join([head, *kept]) + "\n")

    def export(self) -> Path:
        path = self.out / "model.safetensors"
        if self.fabric.global_rank == 0:
            self.trainer.export({n: a.module for n, a in self.averages.items()}, path, half=True)
        return path

    def close(self) -> None:
        close = getattr(self.iterator, "close", None)
        if close:
            close()


# ---- what trainers share -------------------------------------------------------------------------


def told(known: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """`known` with what a recipe's table asks for instead. Raises RecipeError for an entry that is
    unknown."""
    if unknown := set(asked) - set(known):
        raise RecipeError(f"The recipe's entry “{sorted(unknown)[0]}” is unknown.")
    return {**known, **asked}


def names(asked: Sequence[str], attributes: Sequence[str], what: str = "labels") -> tuple[str, ...]:
    """What a person calls the attributes of a set: what a recipe asks for, one for each, or the
    attributes themselves where it asks for none. Raises RecipeError."""
    if asked and len(asked) != len(attributes):
        raise RecipeError(f"The recipe names {len(asked)} {what} for {len(attributes)} attributes.")
    return tuple(asked or attributes)


def descend(fabric: Fabric, loss: Tensor, *optimisers: torch.optim.Optimizer) -> None:
    """One step of each optimiser down the gradient of `loss`."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    fabric.backward(loss)
    for optimiser in optimisers:
        optimiser.step()


def seed_dropout(noise: torch.Generator) -> None:
    """Let the dropouts of a step depend on its noise. They draw from the device's own generator,
    which on a card is `noise`."""
    if noise.device.type == "cpu":
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=noise)))


def signed(pictures: Tensor) -> Tensor:
    """uint8 as a batch holds it -> the same in [-1, 1], single precision."""
    return pictures.float() / 127.5 - 1


def sheet(rows: Sequence[Tensor]) -> Picture:
    """Rows (B, 3, H, W) in [-1, 1] below one another, their pictures side by side."""
    joined = torch.cat([torch.cat(list(row.float().cpu()), 2) for row in rows], 1)
    pixels = ((joined.clamp(-1, 1) + 1) * 127.5).round().byte()
    return Picture(pixels.permute(1, 2, 0).contiguous().numpy())


def event_line(event: Event) -> str:
    """One JSON line for whoever reads our standard output; a preview is a PNG in base64."""
    if isinstance(event, Progress):
        return json.dumps(
            {"event": "progress", "done": event.done, "total": event.total, "note": event.note}
        )
    if isinstance(event, Result):
        return json.dumps({"event": "result", "texts": list(event.texts), "seconds": event.seconds})
    if isinstance(event, Preview):
        png = base64.b64encode(event.picture.to_png()).decode()
        return json.dumps({"event": "preview", "png": png})
    return json.dumps({"event": type(event).__name__.lower()})
