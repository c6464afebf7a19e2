"""Which models there are and where their files lie: the shipped starters and what a person has
opened.

Torch-free: the window and `ganvas models` list models before any network exists. A model is named
"name@digest"; the digest (first 16 hex digits of the file's sha256) decides, the name is for
people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engines.checkpoint import CheckpointError, file_digest, open_checkpoint
from engines.folders import data_folder

SHIPPED = Path(__file__).resolve().parent.parent / "resources"


@dataclass(frozen=True)
class Entry:
    """One model. `path` does not exist while a shipped model is not installed."""

    name: str
    title: str
    path: Path
    digest: str = ""
    family: str = ""
    rooms: tuple[str, ...] = ("draw",)
    bytes: int = 0
    shipped: bool = False
    urls: tuple[str, ...] = ()
    sha256: str = ""
    licence: str = ""

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def installed(self) -> bool:
        return self.path.is_file()


class Catalogue:
    """Shipped models from resources/models.json, and a person's own from models.json in their data
    folder."""

    def __init__(self, shipped: Path = SHIPPED, own: Path | None = None) -> None:
        self._shipped = shipped
        self._own = own or data_folder() / "models.json"
        self._digests: dict[tuple[str, int, int], str] = {}
        self._users = {e.path: e for e in self._read_own()}

    # ---- looking ---------------------------------------------------------------------------------

    def entries(self) -> tuple[Entry, ...]:
        """The shipped models first, in their order, then a person's own, newest first."""
        return (*self._read_shipped(), *reversed(self._users.values()))

    def default(self) -> Entry | None:
        """The first shipped model that is installed, else the newest of one's own."""
        return next((e for e in self.entries() if e.installed), None)

    def find(self, reference: str) -> Entry | None:
        """The model of "name@digest", "@digest", a name, the unique beginning of a name, or a path.

        The digest decides over the name; a name alone prefers the newest file. None if nothing
        fits.
        """
        name, _, digest = reference.partition("@")
        installed = [e for e in self.entries() if e.installed]
        if digest:
            return next((e for e in installed if e.digest == digest), None)
        exact = [e for e in installed if e.name == name]
        if exact:
            return exact[0]
        if reference and Path(reference).is_file():
            return self._entry(Path(reference))
        begun = {e.name: e for e in installed if name and e.name.startswith(name)}
        return next(iter(begun.values())) if len(begun) == 1 else None

    def explain(self, reference: str) -> str:
        """The sentence for a reference that find() does not know."""
        name, _, digest = reference.partition("@")
        named = [e for e in self.entries() if e.name == name]
        if digest and any(e.installed for e in named):
            return (
                f"The model {name} is here with other weights; this recipe needs those with the "
                f"digest {digest}. "
                "Open that file."
            )
        if named:
            return f"The model {name} is known but its file is not installed."
        known = ", ".join(e.name for e in self.entries() if e.installed) or "none"
        ending = f" with the digest {digest}" if digest else ""
        return f"There is no model {name}{ending} here; known are {known}. Open its file."

    # ---- adding ----------------------------------------------------------------------------------

    def add(self, path: str | Path, family: str = "") -> Entry:
        """Remember a person's file where it lies; `family` settles a tie for good. Raises
        CheckpointError."""
        path = Path(path).resolve()
        entry = self._entry(path)
        if entry.shipped:
            return entry
        entry = replace(entry, family=family or entry.family)
        self._users.pop(path, None)
        self._users[path] = entry
        self._write_own()
        return entry

    def forget(self, reference: str) -> None:
        """Take one's own model off the list; its file stays."""
        found = self.find(reference)
        if found and not found.shipped and self._users.pop(found.path, None):
            self._write_own()

    def family_of(self, digest: str) -> str:
        """The family that a person chose, or the file says, for weights with this digest."""
        return next((e.family for e in self._users.values() if e.digest == digest), "")

    def _entry(self, path: Path) -> Entry:
        path = path.resolve()
        for entry in self.entries():
            if entry.path == path and entry.digest == self._digest(path):
                return entry
        opened = open_checkpoint(path)
        card: dict[str, Any] = opened.metadata.get("card", {})
        return Entry(
            name=_name(path),
            title=str(card.get("title") or _name(path)),
            path=path,
            digest=self._digest(path),
            family=str(opened.metadata.get("family", "")),
            rooms=tuple(card.get("rooms", ("draw",))),
            bytes=path.stat().st_size,
            licence=str(card.get("licence", "")),
        )

    def _digest(self, path: Path) -> str:
        """Cached by path, size and time of change."""
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            self._digests[key] = file_digest(path)
        return self._digests[key]

    # ---- on disk ---------------------------------------------------------------------------------

    def _read_shipped(self) -> Iterator[Entry]:
        listing = self._shipped / "models.json"
        if not listing.is_file():
            return
        for body in json.loads(listing.read_text(encoding="utf-8"))["models"]:
            path = (self._shipped / "models" / body.pop("file")).resolve()
            known = _from_dict({**body, "path": str(path), "shipped": True})
            if path.is_file():
                known = replace(known, digest=self._digest(path), bytes=path.stat().st_size)
            yield known

    def _read_own(self) -> Iterator[Entry]:
        if not self._own.is_file():
            return
        try:
            bodies = json.loads(self._own.read_text(encoding="utf-8"))["models"]
            yield from [_from_dict(body) for body in bodies]
        except (ValueError, KeyError, TypeError, OSError):
            self._own.replace(self._own.with_suffix(".broken.json"))

    def _write_own(self) -> None:
        self._own.parent.mkdir(parents=True, exist_ok=True)
        part = self._own.with_name(f".{self._own.name}.{os.getpid()}.part")
        bodies = [{**asdict(e), "path": str(e.path)} for e in self._users.values()]
        part.write_text(
            json.dumps({"models": bodies}, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        part.replace(self._own)


def _name(path: Path) -> str:
    """A file's name for people; the official files are all called latest_net_G.pth, so their
    folder's name counts."""
    stem = path.name.split(".", 1)[0] or path.name
    return (
        path.parent.name
        if stem.startswith("latest_net") and path.parent.name
        else stem.replace("@", "-")
    )


def _from_dict(body: dict[str, Any]) -> Entry:
    known = {k: v for k, v in body.items() if k in Entry.__dataclass_fields__}
    known["path"] = Path(known["path"])
    for name in ("rooms", "urls"):
        if name in known:
            known[name] = tuple(known[name])
    return Entry(**known)


__all__ = ["Catalogue", "CheckpointError", "Entry"]
