"""What a family of networks is: the one seam between a paper and the rest. Knows no engine, no
file, no window.

Importing a family must not import torch (the catalogue and the command line list families without
it); networks are imported inside `build` and `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from engines.controls import ModelCard
from engines.job import Event, Job

if TYPE_CHECKING:
    import torch
    from torch import nn

    from engines.checkpoint import Checkpoint


class LanesLike(Protocol):
    """What a model asks of its faster ways: engines/lanes.py, on a card engines/graphs.py."""

    runs: int

    @property
    def bytes(self) -> int: ...
    @property
    def state(self) -> str:  # what drafts run in, for the status line
        ...
    def run(self, model: Model, given: Sequence[Any], named: Mapping[str, Any]) -> Any | None: ...
    def distrust(self) -> str: ...


@dataclass
class Model:
    """A loaded network, ready on its device. `memo` is a small cache that dies with it.

    Calling a Model runs its module through `execute`, the one place where networks execute
    (engines/executor.py), so that faster lanes can be added there without any family knowing.

    lanes  the faster ways there are, None: none (engines/lanes.py)
    draft  whether the step under way may take them; drafts have a memo of their own, so that no
           number of theirs gets into what is exact
    """

    family: Family
    module: nn.Module
    config: Any
    card: ModelCard
    device: torch.device
    dtype: torch.dtype
    execute: Callable[..., Any]
    checkpoint: str = ""
    notes: tuple[str, ...] = ()
    lanes: LanesLike | None = None
    draft: bool = False
    _memos: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))

    @cached_property
    def layers(self) -> tuple[nn.Module, ...]:
        """The network's, all of them."""
        return tuple(self.module.modules())

    @property
    def half(self) -> bool:
        """Whether it computes in half precision."""
        return self.dtype.itemsize == 2

    @property
    def memo(self) -> dict[str, Any]:
        return self._memos[self.draft]

    @property
    def remembers_drafts(self) -> bool:
        return bool(self._memos[True])

    def forget(self) -> None:
        """Empty the caches."""
        for memo in self._memos:
            memo.clear()

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.execute(self, *inputs, **named)


class Family:
    """One paper. Stateless; one instance, registered at the bottom of its module."""

    id: ClassVar[str] = ""
    title: ClassVar[str] = ""
    before: ClassVar[tuple[str, ...]] = ()  # ids of families that lose a tie against this one
    shares: ClassVar[tuple[str, ...]] = ()  # ids of families that take the same weights: no tie
    trainer: ClassVar[str] = (
        ""  # "module:Class" below this family's package, imported only to train
    )
    tool: ClassVar[bool] = False  # True: needs no checkpoint (photo to edges, ...)
    conducts: ClassVar[bool] = False  # True: a tool whose run() is given the engine, to run models
    tells: ClassVar[bool] = False  # True: its result is texts; the picture is the one it was given
    shrinks: ClassVar[bool] = (
        False  # True: short of memory it may run on smaller pictures, and the result be enlarged
    )

    def recognise(self, checkpoint: Checkpoint) -> Any | None:
        """All that build() needs, read from key names and shapes alone; None if these are not ours.

        May say yes wrongly (a tie is settled elsewhere) but never no wrongly.
        """
        return None

    def build(self, config: Any) -> nn.Module:
        raise NotImplementedError

    def card(self, config: Any) -> ModelCard:
        raise NotImplementedError

    def told_by(self, name: str) -> str:
        """The preset that the name of a file or folder tells of; "" if none."""
        return ""

    def presented(self, card: ModelCard, value: str) -> ModelCard:
        """`card` as that of a model used for `value`, one of its preset's; the card itself for a
        value that it does not know."""
        return card

    def load(self, config: Any, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
        """The network with every weight in place, in eval mode, and sentences about repairs.
        Strict: all or nothing."""
        from engines.checkpoint import fill

        module = self.build(config)
        notes = fill(module, self.renamed(checkpoint))
        return module.eval(), notes

    def examine(self, config: Any, checkpoint: Checkpoint) -> tuple[str, ...]:
        """What load() would say of its repairs, or its CheckpointError, from names and shapes
        alone: no number is read, none allocated."""
        import torch

        from engines.checkpoint import fitting

        with torch.device("meta"):
            module = self.build(config)
        renamed = self.renamed(checkpoint)
        return (*renamed.notes, *fitting(module, renamed).notes)

    def renamed(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint under the key names of our network, for load() and examine()."""
        return checkpoint

    def to_dict(self, config: Any) -> dict[str, Any]:
        """`config` as JSON-able data for a safetensors file of ours."""
        from dataclasses import asdict

        return asdict(config)

    def beside(self, judge: Checkpoint, model: Checkpoint) -> tuple[str, str] | None:
        """How the files of a model and of a discriminator must be named in one folder, so that they
        open as one (the model's, and the discriminator's); None where they do not fit."""
        return None

    def needs(self, judge: Checkpoint) -> str:
        """Of a discriminator of this family alone which generator it needs, as the end of a
        sentence; "" for any other file."""
        return ""

    def plan(self, model: Model, job: Job) -> str:
        """What a checked job will take, in a few words; "" where nobody needs to know."""
        return ""

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        """Any Progress and Preview, then exactly one Result, last. Never holds a grad-mode context
        over a yield."""
        raise NotImplementedError


_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    if family.id in _FAMILIES:
        raise ValueError(f"two families call themselves {family.id}")
    _FAMILIES[family.id] = family
    return family


def families() -> dict[str, Family]:
    """Every registered family by id, in order of registration."""
    import engines.families  # noqa: F401  # pyright: ignore[reportUnusedImport]  (registers them)

    return _FAMILIES


def candidates(checkpoint: Checkpoint, only: str = "") -> list[tuple[Family, Any]]:
    """(family, config) for every family that recognises the checkpoint, best first; with `only`
    nobody else is asked, some of whom take seconds to answer.

    Our own metadata decides alone, but for those that share its weights; otherwise `before` orders
    a tie.
    """
    named = checkpoint.metadata.get("family")
    if named in families():
        family = families()[named]
        config = family.recognise(checkpoint)
        shared = [families()[id] for id in family.shares if id != family.id]
        fitting = [f for f in (family, *shared) if only in ("", f.id)]
        return [] if config is None else [(f, config) for f in fitting]
    asked = [f for f in families().values() if only in ("", f.id)]
    found = [(f, c) for f in asked if (c := f.recognise(checkpoint)) is not None]
    return sorted(found, key=lambda pair: sum(pair[0].id in other.before for other, _ in found))
