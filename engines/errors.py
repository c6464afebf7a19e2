"""How the engine says no: one sentence for people, a stable word for programs."""

from __future__ import annotations


class EngineError(RuntimeError):
    """kind is "memory", "missing-model", "input", "checkpoint", "device" or "internal"; str() is
    one sentence a user can act on; details are for the log."""

    def __init__(self, kind: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details
