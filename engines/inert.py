"""Pickles read as inert data: nothing of the file is imported, nothing of it is called.

A pickle is a program for a small stack machine. This is such a machine that cannot import: a name
in the file stays a Named, and an object of a class or the result of a function is an Inert that
remembers what was done to it, unless the name is on the closed list of calls that the reader was
given (containers, and what rebuilds a tensor: engines/torchfile.py). Knows neither torch nor files
of torch.

Hostile files are met with bounds: no length is believed beyond the end of the file, steps are
counted, and dictionary keys are flat, so that hashing them ends.
"""

from __future__ import annotations

import ast
import io
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from engines import suspects

MOST_STEPS = 10_000_000
LONGEST_LINE = 1 << 20
LONGEST_NUMBER = 4096


class InertError(ValueError):
    """The rest of a sentence that begins with the file's name."""


def shown(name: str) -> str:
    """A name out of a file as a sentence bears it: short, and nothing that breaks the line."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= 80 else f"{name[:50]}…{name[-29:]}"


@dataclass(frozen=True)
class Named:
    """What a pickle names: a class or a function, which stays a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Inert:
    """What stands for an object of a class or for the result of a function that was not called."""

    name: str
    args: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)

    def build(self, state: Any) -> None:
        """What unpickling would have given to __setstate__ or __dict__."""
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if all(part is None or isinstance(part, dict) for part in parts):
            for part in parts:
                self.state.update(part or {})
        else:
            self.state["state"] = state

    def __repr__(self) -> str:
        return f"Inert({self.name})"


@dataclass
class Read:
    """An object as inert data; every foreign name in it, and those of them that are asked to do
    something."""

    root: Any
    strangers: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()


Calls = Mapping[str, Callable[..., Any]]


def load(file: BinaryIO, calls: Calls, persistent: Callable[[Any], Any]) -> Read:
    """The object of one pickle at the file's position, which ends up behind it.

    calls       what may be rebuilt: full name -> function, called with the pickled arguments
    persistent  turns a persistent id into what it stands for
    """
    machine = _Machine(file, {**_CONTAINERS, **calls}, persistent)
    try:
        root = machine.run()
    except InertError:
        raise
    except Exception as error:  # any instruction of a damaged program may fail in any way
        raise InertError(
            "is damaged or is no weights file; please download or copy it again"
        ) from error
    return Read(root, tuple(machine.strangers), tuple(machine.unsafe))


_FLAT = (str, int, float, bytes, type(None), Named, Inert)


def _key(value: Any) -> Any:
    """`value` as a dictionary key whose hash ends soon: nested tuples stand for themselves."""
    if isinstance(value, int) and abs(value) >> 63:
        return str(value)[:LONGEST_NUMBER]
    if isinstance(value, _FLAT):
        return value
    if isinstance(value, tuple) and len(value) < 100 and all(isinstance(v, _FLAT) for v in value):
        return value
    return Inert(type(value).__name__)


def _dict(items: Any = (), **_: Any) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {_key(k): v for k, v in pairs}


def _set(items: Iterable[Any] = ()) -> set[Any]:
    return {_key(item) for item in items}


def _default_dict(*args: Any) -> dict[Any, Any]:
    return _dict(*args[1:])


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    return text.encode("utf-8" if encoding.startswith("utf") else "latin-1")


def _bytes(value: Any = b"", encoding: str = "latin1") -> bytes:
    return _encode(value, encoding) if isinstance(value, str) else b"".join([value])


_BUILTINS: dict[str, Callable[..., Any]] = {
    "dict": _dict,
    "set": _set,
    "frozenset": _set,
    "list": lambda items=(): list(items),
    "tuple": lambda items=(): tuple(items),
    "bytes": _bytes,
    "bytearray": _bytes,
}
_CONTAINERS: dict[str, Callable[..., Any]] = {
    **{f"{m}.{name}": f for m in ("builtins", "__builtin__") for name, f in _BUILTINS.items()},
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _default_dict,
    "_codecs.encode": _encode,
}

Step = Callable[["_Machine"], None]
_STEPS: dict[int, Step] = {}


def _step(*codes: bytes) -> Callable[[Step], Step]:
    def add(step: Step) -> Step:
        _STEPS.update((code[0], step) for code in codes)
        return step

    return add


class _Stop(Exception):
    pass


class _Machine:
    def __init__(self, file: BinaryIO, calls: Calls, persistent: Callable[[Any], Any]) -> None:
        self._file, self.calls, self.persistent = file, calls, persistent
        position = file.tell()
        self._left = file.seek(0, io.SEEK_END) - position
        file.seek(position)
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.strangers: dict[str, None] = {}
        self.unsafe: dict[str, None] = {}

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            step = _STEPS.get(self.take(1)[0])
            if step is None:
                raise InertError(
                    "is damaged or is no weights file; please download or copy it again"
                )
            try:
                step(self)
            except _Stop:
                return self.stack.pop()
        raise InertError("holds more than weights can need, and was not read")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise InertError("is damaged or cut off; please download or copy it again")
        self._left -= count
        return self._file.read(count)

    def line(self) -> str:
        return self.raw_line().decode("utf-8")

    def raw_line(self) -> bytes:
        data = self._file.readline(min(self._left, LONGEST_LINE))
        self._left -= len(data)
        if not data.endswith(b"\n"):
            raise InertError("is damaged or cut off; please download or copy it again")
        return data[:-1]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def named(self, module: Any, name: Any) -> Named:
        """A name of the file, noted if it is not of our lists."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise InertError("is damaged: a name in it is no text")
        found = Named(module, name)
        full = str(found)
        if full not in self.calls:
            self.strangers[full] = None
            if suspects.is_suspect(module, name):
                self.unsafe[full] = None
        return found

    def call(self, what: Any, args: Any) -> Any:
        """What `what(*args)` is here: rebuilt if it is on the list, else an Inert."""
        if not isinstance(args, tuple):
            raise InertError("is damaged: a call in it has no arguments")
        full = str(what) if isinstance(what, Named) else ""
        if full in self.calls:
            return self.calls[full](*args)
        if full == "copyreg._reconstructor" or full == "copy_reg._reconstructor":
            self.strangers.pop(full, None)
            return Inert(str(args[0]), args[1:])
        if isinstance(what, Named) and suspects.is_suspect_call(what.module, what.name, args):
            self.unsafe[full] = None
        return Inert(full or "call", args)


def _text(data: bytes) -> str:
    """A string as Python 2 wrote it: utf-8, else every byte a letter."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


# ---- the instructions: numbers, text and bytes ---------------------------------------------------

_VALUES: dict[bytes, Callable[[_Machine], Any]] = {
    b"N": lambda m: None,
    b"\x88": lambda m: True,
    b"\x89": lambda m: False,
    b"I": lambda m: _integer(m.line()),
    b"L": lambda m: _integer(m.line().removesuffix("L")),
    b"J": lambda m: m.number("<i"),
    b"K": lambda m: m.number("<B"),
    b"M": lambda m: m.number("<H"),
    b"\x8a": lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True),
    b"\x8b": lambda m: int.from_bytes(m.take(_short(m.number("<i"))), "little", signed=True),
    b"F": lambda m: float(m.line()),
    b"G": lambda m: m.number(">d"),
    b"S": lambda m: _quoted(m.raw_line()),
    b"T": lambda m: _text(m.take(m.number("<i"))),
    b"U": lambda m: _text(m.take(m.number("<B"))),
    b"V": lambda m: m.raw_line().decode("raw-unicode-escape"),
    b"X": lambda m: str(m.take(m.number("<I")), "utf-8", "surrogatepass"),
    b"\x8c": lambda m: str(m.take(m.number("<B")), "utf-8", "surrogatepass"),
    b"\x8d": lambda m: str(m.take(m.number("<Q")), "utf-8", "surrogatepass"),
    b"B": lambda m: m.take(m.number("<I")),
    b"C": lambda m: m.take(m.number("<B")),
    b"\x8e": lambda m: m.take(m.number("<Q")),
    b"\x96": lambda m: m.take(m.number("<Q")),
    b"]": lambda m: [],
    b"}": lambda m: {},
    b")": lambda m: (),
    b"\x8f": lambda m: set(),
    b"c": lambda m: m.named(m.line(), m.line()),
    b"P": lambda m: m.persistent(m.line()),
    b"g": lambda m: m.memo[int(m.line())],
    b"h": lambda m: m.memo[m.number("<B")],
    b"j": lambda m: m.memo[m.number("<I")],
    b"2": lambda m: m.stack[-1],
}


def _value(make: Callable[[_Machine], Any]) -> Step:
    return lambda machine: machine.stack.append(make(machine))


_STEPS.update((code[0], _value(make)) for code, make in _VALUES.items())


def _integer(text: str) -> int | bool:
    return {"00": False, "01": True}[text] if text in ("00", "01") else int(text[:LONGEST_NUMBER])


def _short(length: int) -> int:
    if length > LONGEST_NUMBER:
        raise InertError("is damaged: a number in it is too long")
    return length


def _quoted(text: bytes) -> str:
    """'...' of protocol 0."""
    value = ast.literal_eval(f"b{text.decode('ascii')}")
    if not isinstance(value, bytes):
        raise InertError("is damaged: a text in it has no quotes")
    return _text(value)


# ---- the instructions: structure -----------------------------------------------------------------


@_step(b"\x80")
def _protocol(m: _Machine) -> None:
    if m.number("<B") > 5:
        raise InertError("was written by a newer Python than Ganvas knows")


@_step(b"\x95")
def _frame(m: _Machine) -> None:
    m.number("<Q")  # frames only tell how much to read ahead


@_step(b".")
def _stop(m: _Machine) -> None:
    raise _Stop


@_step(b"(")
def _mark(m: _Machine) -> None:
    m.marks.append(m.stack)
    m.stack = []


@_step(b"0")
def _pop(m: _Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.since_mark()


@_step(b"1")
def _pop_mark(m: _Machine) -> None:
    m.since_mark()


@_step(b"t")
def _tuple(m: _Machine) -> None:
    items = m.since_mark()
    m.stack.append(tuple(items))


def _tuple_of(count: int) -> Step:
    def step(m: _Machine) -> None:
        m.stack[-count:] = [tuple(m.stack[-count:])]

    return step


_STEPS.update({0x84 + count: _tuple_of(count) for count in (1, 2, 3)})


@_step(b"l")
def _list(m: _Machine) -> None:
    items = m.since_mark()
    m.stack.append(items)


@_step(b"d")
def _dict_of_pairs(m: _Machine) -> None:
    items = m.since_mark()
    m.stack.append({})
    _put(m.stack[-1], items)


@_step(b"\x91")
def _frozenset(m: _Machine) -> None:
    items = m.since_mark()
    m.stack.append(_set(items))


@_step(b"a")
def _append(m: _Machine) -> None:
    item = m.stack.pop()
    _extend(m.stack[-1], [item])


@_step(b"e")
def _appends(m: _Machine) -> None:
    items = m.since_mark()
    _extend(m.stack[-1], items)


def _extend(target: Any, items: list[Any]) -> None:
    (target.items if isinstance(target, Inert) else target).extend(items)


@_step(b"\x90")
def _add_items(m: _Machine) -> None:
    items = m.since_mark()
    target = m.stack[-1]
    if isinstance(target, Inert):
        target.items.extend(items)
    else:
        target.update(_set(items))


@_step(b"s")
def _set_item(m: _Machine) -> None:
    pair = m.stack[-2:]
    del m.stack[-2:]
    _put(m.stack[-1], pair)


@_step(b"u")
def _set_items(m: _Machine) -> None:
    items = m.since_mark()
    _put(m.stack[-1], items)


def _put(target: Any, items: list[Any]) -> None:
    entries = target.entries if isinstance(target, Inert) else target
    if not isinstance(entries, dict):
        raise InertError("is damaged: something in it that is no dictionary is used as one")
    for key, value in zip(items[::2], items[1::2]):
        entries[_key(key)] = value


@_step(b"p")
def _memo_line(m: _Machine) -> None:
    m.memo[int(m.line())] = m.stack[-1]


@_step(b"q")
def _memo_byte(m: _Machine) -> None:
    m.memo[m.number("<B")] = m.stack[-1]


@_step(b"r")
def _memo_long(m: _Machine) -> None:
    m.memo[m.number("<I")] = m.stack[-1]


@_step(b"\x94")
def _memoise(m: _Machine) -> None:
    m.memo[len(m.memo)] = m.stack[-1]


# ---- the instructions: names, objects and calls --------------------------------------------------


@_step(b"\x93")
def _stack_global(m: _Machine) -> None:
    name = m.stack.pop()
    m.stack[-1] = m.named(m.stack[-1], name)


@_step(b"R", b"\x81")
def _reduce(m: _Machine) -> None:
    args = m.stack.pop()
    m.stack[-1] = m.call(m.stack[-1], args)


@_step(b"\x92")
def _new_with_names(m: _Machine) -> None:
    named, args = m.stack.pop(), m.stack.pop()
    made = m.call(m.stack[-1], args)
    if isinstance(made, Inert) and isinstance(named, dict):
        made.entries.update(named)
    m.stack[-1] = made


@_step(b"i")
def _instance(m: _Machine) -> None:
    what = m.named(m.line(), m.line())
    args = m.since_mark()
    m.stack.append(m.call(what, tuple(args)))


@_step(b"o")
def _object(m: _Machine) -> None:
    items = m.since_mark()
    m.stack.append(m.call(items[0], tuple(items[1:])))


@_step(b"b")
def _build(m: _Machine) -> None:
    state = m.stack.pop()
    if isinstance(m.stack[-1], Inert):  # what else is rebuilt here needs no more than its arguments
        m.stack[-1].build(state)


@_step(b"Q")
def _persistent(m: _Machine) -> None:
    m.stack[-1] = m.persistent(m.stack[-1])
