"""How the engine says no: one sentence for people, a stable word for programs."""

from __future__ import annotations

import logging
import traceback

from engines.job import Failed

log = logging.getLogger("engine")


class EngineError(RuntimeError):
    """kind is "memory", "missing-model", "input", "checkpoint", "device" or "internal"; str() is
    one sentence a user can act on; details are for the log."""

    def __init__(self, kind: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


def failure(error: Exception) -> Failed:
    """`error` as one sentence for people and a traceback for the log."""
    details = "".join(traceback.format_exception(error))
    kind, message = told(error)
    if message:
        return Failed(kind, message, getattr(error, "details", "") or details)
    log.error("unexpected failure\n%s", details)
    return Failed("internal", f"Something went wrong inside ({_short(error)}).", details)


def told(error: Exception) -> tuple[str, str]:
    """(kind, sentence) of an error that was meant for a user; sentence "" for a mistake of ours.

    EngineError and CheckpointError say their kind; our other ValueErrors refuse an input.
    """
    kind = getattr(error, "kind", None)
    if isinstance(kind, str):
        return kind, str(error)
    if isinstance(error, ValueError) and type(error).__module__.startswith("engines."):
        return "input", str(error)
    if isinstance(error, MemoryError):
        return "memory", "There is not enough memory for this; try a smaller picture."
    return "internal", ""


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
