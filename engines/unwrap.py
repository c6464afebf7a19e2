"""From what people put into a weights file to the weights of one network: wrappers taken off, the
generator chosen among several nets, a whole pickled module turned into its state dict.

Works on inert data (engines/inert.py) and on what torch.load gives alike: `leaf` is the type of a
tensor. Every step that a user would want to know of gives a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engines.inert import Inert, shown

MOST_VISITS = 1_000_000
DEEPEST = 60


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# names under which one network lies, the preferred first (the moving average is the better net)
WRAPPERS = _words("""
    params_ema ema_state_dict state_dict_ema model_ema ema g_ema G_ema netG_ema generator_ema
    gen_ema state_dict model_state_dict model_state modelstate params model net network weights
    model_weights module model_dict net_state_dict
""")
GENERATORS = _words("""
    netG net_G generator gen G model_G modelG G_model netG_model G_state_dict netG_state_dict
    generator_state_dict gen_state_dict g_state_dict g
    netG_A2B G_A2B genA2B gen_A2B G_AB gen_AB netG_A G_A netG_AtoB G_AtoB gen_a gen_A G_XtoY G_1
    netG_B2A G_B2A genB2A gen_B2A G_BA gen_BA netG_B G_B netG_BtoA G_BtoA gen_b gen_B G_YtoX G_2
""")
_CRITIC = re.compile(
    r"(net|model)?_?(d|dis|disc|discriminator|critic)(_?(a|b|x|y|1|2|model|state_dict|multi|patch))*",
    re.IGNORECASE,
)
_NO_NET = re.compile(
    r"optim|sched|scaler|(^|_)rng|^opt(_|$)|_opt(_|$)|(^|_)loss|criterion|vgg$", re.I
)
PREFIXES = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")

Leaves = dict[str, Any]


def weights(root: Any, leaf: type) -> tuple[Leaves, list[str]]:
    """(tensors by dotted name, sentences) of the network in a file's object."""
    notes: list[str] = []
    found = _Walk(leaf).net(root, notes)
    if isinstance(root, Inert) and found:
        whole = f"The file held a whole {shown(root.name)} object; only its weights were taken."
        notes.insert(0, whole)
    return tidied(found, notes)


class _Walk:
    """One pass through an object that may share or contain itself; it ends whatever is in it."""

    def __init__(self, leaf: type) -> None:
        self.leaf, self.left = leaf, MOST_VISITS

    def flat(self, value: Any, depth: int = 0) -> Leaves:
        """Every tensor below `value` by dotted name."""
        self.left -= 1
        if depth > DEEPEST or self.left < 0:
            raise ValueError("too deep or too large")
        found: Leaves = {}
        for name, inside in self.children(value):
            if isinstance(inside, self.leaf):
                found[name] = inside
            elif isinstance(inside, Mapping | Inert | list | tuple):
                below = self.flat(inside, depth + 1)
                found |= {f"{name}.{k}" if name else k: v for k, v in below.items()}
        return found

    def children(self, value: Any) -> list[tuple[str, Any]]:
        if isinstance(value, Inert):
            return self.members(value)
        if isinstance(value, Mapping):
            if {"state", "param_groups"} <= value.keys():  # an optimiser
                return []
            return [(str(k), v) for k, v in value.items() if isinstance(k, str | int)]
        if isinstance(value, list | tuple) and len(value) < 10_000:
            return [(str(n), v) for n, v in enumerate(value)]
        return []

    def members(self, value: Inert) -> list[tuple[str, Any]]:
        """Of a pickled nn.Module what its state_dict() names; of another object its attributes."""
        state = value.state
        if "param_groups" in state:
            return []
        if not isinstance(state.get("_modules"), Mapping):
            return self.children({**value.entries, **state})
        unsaved = state.get("_non_persistent_buffers_set") or ()
        members: list[tuple[str, Any]] = []
        for table in ("_parameters", "_buffers", "_modules"):
            held = state.get(table)
            for name, inside in held.items() if isinstance(held, Mapping) else ():
                is_net = isinstance(inside, Inert) == (table == "_modules")
                if inside is not None and is_net and name not in unsaved:
                    members.append((str(name), inside))
        return members

    def net(self, root: Any, notes: list[str]) -> Leaves:
        """The tensors of the best net in a mapping of several things, under its name if there are
        more."""
        if isinstance(root, list | tuple):
            root = dict(self.children(root))
        if not isinstance(root, Mapping):
            return self.flat(root)
        direct = {str(k): v for k, v in root.items() if isinstance(v, self.leaf)}
        nets = {
            str(k): v
            for k, v in root.items()
            if isinstance(v, Mapping | Inert | list | tuple) and not _NO_NET.search(str(k))
        }
        sizes = {name: len(self.flat(net)) for name, net in nets.items()}
        nets = {name: net for name, net in nets.items() if sizes[name]}
        if not nets or len(direct) > sum(sizes.values()):
            return direct
        wrapper = next((name for name in WRAPPERS if name in nets), "")
        if not wrapper and len(nets) == 1:
            wrapper = next(iter(nets))
        if wrapper:
            left = [name for name in nets if name != wrapper]
            others = f"; {_listed(left)} {_were(left)} left out" if left else ""
            notes.append(f"The weights lay inside “{shown(wrapper)}” and were taken out{others}.")
            return self.net(nets[wrapper], notes)
        return self.flat(nets)


def chosen(found: Leaves, notes: list[str]) -> tuple[Leaves, list[str]]:
    """The generator, where the first component of the names tells generators and critics apart."""
    parts = dict.fromkeys(name.split(".", 1)[0] for name in found)
    generators = [name for name in GENERATORS if name in parts]
    rest = [name for name in parts if name not in generators]
    if not generators or not all(_CRITIC.fullmatch(n) or _NO_NET.search(n) for n in rest):
        return found, notes
    taken = generators[0]
    left = [*generators[1:], *rest]
    others = f"; {_listed(left)} {_were(left)} left out" if left else ""
    notes.append(f"The generator “{taken}” was taken out of the file{others}.")
    cut = len(taken) + 1
    return {name[cut:]: v for name, v in found.items() if name.startswith(f"{taken}.")}, notes


def _listed(names: list[str]) -> str:
    first = ", ".join(map(shown, names[:4]))
    return first if len(names) <= 4 else f"{first} and {len(names) - 4} more"


def _were(names: list[str]) -> str:
    return "were" if len(names) > 1 else "was"


def tidied(found: Leaves, notes: list[str]) -> tuple[Leaves, list[str]]:
    """The generator alone, under the names that its paper's code uses."""
    return without_prefixes(*chosen(*without_prefixes(found, notes)))


def without_prefixes(found: Leaves, notes: list[str]) -> tuple[Leaves, list[str]]:
    """Names without what wrappers for several cards put before all of them."""
    while prefix := next(
        (p for p in PREFIXES if found and all(k.startswith(p) for k in found)), ""
    ):
        found = {k[len(prefix) :]: v for k, v in found.items()}
        notes.append(f"Every name began with “{prefix}”, which was taken off.")
    return found, notes
