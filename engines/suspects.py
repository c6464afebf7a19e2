"""Names in a pickle that ask to run something, and names that only look like it: data. What is
suspected is never run either; it only decides what the user is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# modules that give a hand on the machine to whoever may call them
DANGEROUS = _words("""
    os posix nt subprocess sys builtins __builtin__ shutil socket importlib imp runpy ctypes pty
    code codeop commands webbrowser pickle _pickle cPickle dill marshal tempfile urllib requests
    http multiprocessing threading asyncio signal types inspect pdb bdb timeit cProfile profile pip
    setuptools
""")
DANGEROUS_BELOW = ("torch.hub", "torch.serialization", "torch.utils.cpp_extension", "torch.jit")
_PLAIN_TYPES = _words("""
    object list dict tuple set frozenset int long float complex bool str unicode bytes bytearray
    slice range xrange type NotImplemented Ellipsis print
""")
HARMLESS = {
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _PLAIN_TYPES),
    *_words("""
        types.SimpleNamespace torch.device torch.dtype numpy.dtype re._compile
        torch.jit._pickle.build_intlist torch.jit._pickle.build_tensorlist
        torch.jit._pickle.build_doublelist torch.jit._pickle.build_boollist
    """),
}


def is_suspect(module: str, name: str) -> bool:
    """Whether a pickle that names this wants more than an object: a module that gives a hand on the
    machine, or a walk through modules and classes ("serialization.os.system" below torch)."""
    parts = name.split(".")
    return f"{module}.{name}" not in HARMLESS and (
        module.split(".")[0] in DANGEROUS
        or module.startswith(DANGEROUS_BELOW)
        or any(part[:1].islower() for part in parts[:-1])
        or any(part.startswith("__") for part in parts)
    )


def is_suspect_call(module: str, name: str, args: Sequence[Any]) -> bool:
    """Whether a call with these arguments is of a function (by its small letter) that is given
    text, as whatever evaluates or opens something is."""
    is_function = name.rsplit(".", 1)[-1][:1].islower()
    has_text = any(isinstance(a, str) for a in args)
    return is_function and has_text and f"{module}.{name}" not in HARMLESS
