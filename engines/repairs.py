"""What torch's history did to old weights, undone: a plan made of names and shapes alone.

A plan never invents a weight. It renames, leaves out what nothing uses, and adds counters that only
training reads; whether all of a network's weights are there is for the caller to check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
COUNTER = "num_batches_tracked"
STATISTICS = ("running_mean", "running_var", COUNTER)
OLD_NAMES = {"gamma": "weight", "beta": "bias"}
_BLOCK = re.compile(r"^(.*conv_block\.)(\d+)(\..*)$")


@dataclass
class Plan:
    """What to do before a strict load. `notes` are sentences for the user."""

    renamed: dict[str, str] = field(default_factory=dict)  # name in the file -> name in the net
    dropped: list[str] = field(default_factory=list)  # names in the file
    zeroed: list[str] = field(default_factory=list)  # names in the net
    forgetful: list[str] = field(default_factory=list)  # norms of the net that lose their memory
    notes: list[str] = field(default_factory=list)

    def name(self, key: str) -> str:
        return self.renamed.get(key, key)


def plan(given: Mapping[str, Shape], module: nn.Module) -> Plan:
    """How the weights `given` come to be those that `module` wants, as far as that is possible."""
    wanted = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    made = Plan()
    if set(given) == set(wanted):
        return made
    _rename_old(given, wanted, made)
    _shift_blocks(given, wanted, made)
    norms = _norms(module)
    names = {made.name(k): k for k in given}
    made.dropped = [
        k
        for name, k in names.items()
        if name not in wanted and _layer(name) in norms and _last(name) in STATISTICS
    ]
    if made.dropped:
        made.notes.append(
            f"{len(made.dropped)} running statistics of instance norms, which are not used, were "
            "left out."
        )
    made.forgetful = [
        layer
        for layer, is_instance in norms.items()
        if is_instance and f"{layer}.running_mean" in wanted.keys() - names.keys()
    ]
    if made.forgetful:
        made.notes.append(
            f"{len(made.forgetful)} instance norms, whose running statistics the file lacks, take "
            "those of each picture."
        )
    made.zeroed = [
        name
        for name in wanted.keys() - names.keys()
        if _last(name) == COUNTER and _layer(name) not in made.forgetful
    ]
    if made.zeroed:
        made.notes.append(
            f"{len(made.zeroed)} batch counters, which old files lack, were set to zero."
        )
    return made


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _norms(module: nn.Module) -> dict[str, bool]:
    """Name of every norm layer -> whether it is an instance norm."""
    from torch.nn.modules.batchnorm import _NormBase
    from torch.nn.modules.instancenorm import _InstanceNorm

    return {
        name: isinstance(layer, _InstanceNorm)
        for name, layer in module.named_modules()
        if isinstance(layer, _NormBase)
    }


def _rename_old(given: Mapping[str, Shape], wanted: Mapping[str, Shape], made: Plan) -> None:
    """gamma and beta, as norms called their weights in other programs and in early nets."""
    for name, shape in given.items():
        new = f"{_layer(name)}.{OLD_NAMES.get(_last(name), '')}"
        if name not in wanted and new not in given and wanted.get(new) == shape:
            made.renamed[name] = new
    if made.renamed:
        made.notes.append(
            f"{len(made.renamed)} norm weights had an old name (gamma, beta) and were renamed."
        )


def _shift_blocks(given: Mapping[str, Shape], wanted: Mapping[str, Shape], made: Plan) -> None:
    """Layer numbers of residual blocks that were built with (or without) a dropout layer, which
    moved their second half by one.

    Only when, block by block, the same weights of the same shapes come out, in the same order.
    """
    given = {made.name(k): s for k, s in given.items()}
    old, new = _blocks(given), _blocks(wanted)
    moved: dict[str, str] = {}
    for block, layers in new.items():
        theirs = old.get(block, {})
        if list(theirs.values()) != list(layers.values()):
            return
        moved |= {a: b for a, b in zip(theirs, layers) if a != b}
    if not moved:
        return
    back = {name: key for key, name in made.renamed.items()}
    for name in given:
        if _layer(name) in moved:
            made.renamed[back.get(name, name)] = f"{moved[_layer(name)]}.{_last(name)}"
        elif (after := _statistics_after(name, moved)) is not None:
            made.renamed[back.get(name, name)] = after
    made.notes.append(
        "Block numbers were shifted by dropout layers that hold no weights; they were put back."
    )


def _blocks(weights: Mapping[str, Shape]) -> dict[str, dict[str, list[tuple[str, Shape]]]]:
    """Block -> layer, in order of its number -> its weights, in order of their names."""
    found: dict[str, dict[str, list[tuple[str, Shape]]]] = {}
    for name in sorted(weights, key=lambda n: int(m[2]) if (m := _BLOCK.match(n)) else -1):
        match = _BLOCK.match(name)
        if match and _last(name) not in STATISTICS:
            layers = found.setdefault(match[1], {})
            layers.setdefault(_layer(name), []).append((_last(name), weights[name]))
    return {b: {n: sorted(w) for n, w in layers.items()} for b, layers in found.items()}


def _statistics_after(name: str, moved: Mapping[str, str]) -> str | None:
    """New name of statistics whose layer holds no weights and follows one that moved."""
    match = _BLOCK.match(name)
    if match is None or _last(name) not in STATISTICS:
        return None
    before = f"{match[1]}{int(match[2]) - 1}"
    if before not in moved:
        return None
    return f"{match[1]}{int(_last(moved[before])) + 1}.{_last(name)}"
