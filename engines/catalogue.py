"""Which models there are and where their files lie: the shipped starters and what a person has
opened.

Torch-free: the window and `ganvas models` list models before any network exists. A model is named
"name@digest"; the digest (first 16 hex digits of the file's sha256) decides, the name is for
people.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from engines.backbones import FAMILIES
from engines.checkpoint import CheckpointError, file_digest, may_be_weights, open_checkpoint
from engines.download import fetch
from engines.folders import data_folder
from engines.job import Progress

SHIPPED = Path(__file__).resolve().parent.parent / "resources"
TOLD = 6  # names in a sentence
SENTENCES = ("title", "summary", "data", "paper", "licence", "sheet")  # of a card, in a file
_WRITING = threading.Lock()  # a drop of ten files adds them from several threads
_DIGEST = re.compile(r"(?P<name>.*)@(?P<digest>[0-9a-f]{16})", re.DOTALL)


def split_reference(reference: str) -> tuple[str, str]:
    """(name or path, digest or "") of "name@digest"."""
    match = _DIGEST.fullmatch(reference)
    return (match["name"], match["digest"]) if match else (reference, "")


@dataclass(frozen=True)
class Entry:
    """One model. `path` does not exist while a shipped model is not installed; `urls` say where
    it can be had then, and `sha256` (hex) what has to come."""

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
    preset: str = ""  # what a person said that it is used for

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def installed(self) -> bool:
        return self.path.exists()


@dataclass(frozen=True)
class _Listed:
    """Shipped models as they were read: where their files may lie, two places of each; the stamps
    of the list and of those places then."""

    places: tuple[Path, ...] = ()
    stamps: tuple[tuple[int, int] | None, ...] = ()
    entries: tuple[Entry, ...] = ()


def about(path: Path) -> dict[str, str]:
    """The SENTENCES that a file of ours says of itself; {} for others. Quick: only the head of a
    safetensors file is read."""
    if path.suffix != ".safetensors":
        return {}
    try:
        card = open_checkpoint(path).metadata.get("card") or {}
        return {name: str(card[name]) for name in SENTENCES if name in card}
    except (CheckpointError, OSError, TypeError, ValueError, AttributeError):
        return {}


class Catalogue:
    """Shipped models from resources/models.json, and a person's own from models.json in their data
    folder. What another process adds to the latter is seen; nothing is ever copied."""

    def __init__(self, shipped: Path = SHIPPED, own: Path | None = None) -> None:
        self._shipped = shipped
        self._own = own or data_folder() / "models.json"
        self._read: tuple[tuple[int, int], tuple[Entry, ...]] = ((0, 0), ())
        self._listed = _Listed()

    # ---- looking ---------------------------------------------------------------------------------

    def entries(self) -> tuple[Entry, ...]:
        """The shipped models first, in their order, then a person's own, newest first. A backbone
        of one's own is a model of every family that looks through one."""
        own = (twin for entry in reversed(self._read_own()) for twin in _twins(entry))
        return (*self._read_shipped(), *own)

    def default(self) -> Entry | None:
        """The first shipped model that is installed, else the newest of one's own."""
        return next((e for e in self.entries() if e.installed), None)

    def find(self, reference: str, family: str = "") -> Entry | None:
        """The model of "name@digest", "@digest", a name, the unique beginning of a name, or a path.

        The digest decides over the name, which with `family` decides between models that share a
        file; a name alone prefers the shipped model, then the newest file. None if nothing fits.
        Raises CheckpointError for a file that is no model.
        """
        name, digest = split_reference(reference)
        installed = [e for e in self.entries() if e.installed]
        if digest:
            same = [e for e in installed if e.digest == digest]
            same.sort(key=lambda e: (family not in ("", e.family), e.name != name))
            return same[0] if same else None
        exact = [e for e in installed if e.name == name]
        if exact:
            return self._as_it_is(exact[0])
        if name and may_be_weights(Path(name)):
            return self._entry(Path(name))
        begun = {e.name: e for e in reversed(installed) if name and e.name.startswith(name)}
        return self._as_it_is(*begun.values()) if len(begun) == 1 else None

    def explain(self, reference: str) -> str:
        """The sentence for a reference that find() does not know."""
        name, digest = split_reference(reference)
        named = [e for e in self.entries() if e.name == name]
        if digest and any(e.installed for e in named):
            return (
                f"The model {name} is here with other weights; this recipe needs those with the "
                f"digest {digest}. Open that file."
            )
        if any(e.urls for e in named):
            return f"The model {name} is not installed; `ganvas models --get {name}` fetches it."
        if named:
            return f"The model {name} is known but its file is not installed."
        begun = sorted({e.name for e in self.entries() if name and e.name.startswith(name)})
        if len(begun) > 1:
            return f"{name} is the beginning of {' and '.join(begun)}; say which."
        known = _some(name, list(dict.fromkeys(e.name for e in self.entries() if e.installed)))
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
        if entry.family in FAMILIES:
            entry = replace(entry, rooms=(FAMILIES[entry.family],))
        with _WRITING:
            self._write_own([*(e for e in self._read_own() if e.path != path), entry])
        return entry

    def house(self, reference: str, rooms: tuple[str, ...]) -> None:
        """One's own model is at home in these rooms: its file did not say so, its card does."""
        with _WRITING:
            own = self._read_own()
            if rooms and any(e.reference == reference and e.rooms != rooms for e in own):
                self._write_own(
                    replace(e, rooms=rooms) if e.reference == reference else e for e in own
                )

    def forget(self, reference: str) -> None:
        """Take one's own model off the list; its file stays."""
        found = self.find(reference)
        if found and not found.shipped:
            with _WRITING:
                self._write_own(e for e in self._read_own() if e.path != found.path)

    def family_of(self, digest: str) -> str:
        """The family that a person chose, or the file says, for weights with this digest."""
        return next((e.family for e in self._read_own() if e.digest == digest), "")

    def preset_of(self, digest: str) -> str:
        """What a person said that the weights with this digest are used for."""
        return next((e.preset for e in self._read_own() if e.digest == digest), "")

    def use_for(self, reference: str, preset: str) -> None:
        """Remember what one's own model is used for."""
        digest = split_reference(reference)[1]
        with _WRITING:
            own = self._read_own()
            if any(e.digest == digest and e.preset != preset for e in own):
                changed = (replace(e, preset=preset) if e.digest == digest else e for e in own)
                self._write_own(changed)

    def get(self, name: str) -> Iterator[Progress]:
        """Fetch the file of a model that is known but not installed. Raises DownloadError."""
        entry = next((e for e in self.entries() if e.name == name), None)
        if entry is None:
            raise CheckpointError("missing", self.explain(name))
        if not entry.installed:
            yield from fetch(entry.urls, entry.sha256, entry.path)

    def _as_it_is(self, entry: Entry) -> Entry:
        """The entry of a file that may have been written anew since it was added."""
        return entry if entry.digest == file_digest(entry.path) else self._entry(entry.path)

    def _entry(self, path: Path) -> Entry:
        path = path.resolve()
        digest = file_digest(path) if path.exists() else ""
        for entry in self.entries():
            if entry.path == path and entry.digest == digest:
                return entry
        opened = open_checkpoint(path)
        card: dict[str, Any] = opened.metadata.get("card", {})
        return Entry(
            name=_name(path),
            title=str(card.get("title") or _name(path)),
            path=path,
            digest=digest,
            family=str(opened.metadata.get("family", "")),
            rooms=tuple(card.get("rooms", ("draw",))),
            bytes=opened.size_bytes,
            licence=str(card.get("licence", "")),
        )

    # ---- on disk ---------------------------------------------------------------------------------

    def _read_shipped(self) -> tuple[Entry, ...]:
        """A model that does not lie beside its list may have been fetched into the data folder.
        Everything but the files' stamps is read again only when one of these has changed."""
        listing = self._shipped / "models.json"
        listed = self._listed
        stamp = _stamp(listing)
        if listed.stamps == (stamp, *map(_stamp, listed.places)):
            return listed.entries
        bodies = []
        if stamp is not None:
            bodies = json.loads(listing.read_text(encoding="utf-8"))["models"]
        files = [body.pop("file") for body in bodies]
        folders = (self._shipped / "models", self._own.parent / "models")
        places = tuple(folder / file for file in files for folder in folders)
        stamps = (stamp, *map(_stamp, places))
        pairs = zip(places[::2], places[1::2])
        entries = tuple(_shipped(body, *pair) for body, pair in zip(bodies, pairs))
        self._listed = _Listed(places, stamps, entries)  # at once: other threads read it too
        return entries

    def _read_own(self) -> tuple[Entry, ...]:
        """Oldest first; read again only when the list has changed. A broken list is set aside."""
        try:
            status = self._own.stat()
            stamp = (status.st_size, status.st_mtime_ns)
            if self._read[0] != stamp:
                bodies = json.loads(self._own.read_text(encoding="utf-8"))["models"]
                self._read = (stamp, tuple(_from_dict(body) for body in bodies))
        except FileNotFoundError:
            self._read = ((0, 0), ())
        except (ValueError, KeyError, TypeError, OSError):
            self._own.replace(self._own.with_suffix(".broken.json"))
            self._read = ((0, 0), ())
        return self._read[1]

    def _write_own(self, entries: Iterable[Entry]) -> None:
        bodies = [{**asdict(e), "path": str(e.path)} for e in entries]
        text = json.dumps({"models": bodies}, indent=1, ensure_ascii=False)
        self._own.parent.mkdir(parents=True, exist_ok=True)
        part = self._own.with_name(f".{self._own.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(self._own)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file does; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _shipped(body: dict[str, Any], *places: Path) -> Entry:
    path = next((p for p in places if p.is_file()), places[bool(body.get("urls"))])
    known = _from_dict({**body, "path": str(path.resolve()), "shipped": True})
    if path.is_file():
        known = replace(known, digest=file_digest(path), bytes=path.stat().st_size)
    return known


def _some(name: str, names: list[str]) -> str:
    """The names as a person reads them; of many those that are nearest to `name`."""
    if len(names) <= TOLD:
        return ", ".join(names) or "none"
    near = sorted(names, key=lambda other: -SequenceMatcher(None, name, other).ratio())
    return ", ".join(near[:TOLD]) + ", …"


def _twins(entry: Entry) -> Iterator[Entry]:
    """The model itself, and those of the other families that take its weights."""
    yield entry
    for family, room in FAMILIES.items() if entry.family in FAMILIES else ():
        if family != entry.family:
            yield replace(entry, name=f"{entry.name}-{family}", family=family, rooms=(room,))


def _name(path: Path) -> str:
    """A file's name for people; the official files are all called latest_net_G.pth, so their
    folder's name counts."""
    stem = path.name.split(".", 1)[0] or path.name
    if stem.startswith("latest_net") and path.parent.name:
        stem = path.parent.name
    return stem.replace("@", "-")


def _from_dict(body: dict[str, Any]) -> Entry:
    known = {k: v for k, v in body.items() if k in Entry.__dataclass_fields__}
    known["path"] = Path(known["path"])
    for name in ("rooms", "urls"):
        if name in known:
            known[name] = tuple(known[name])
    return Entry(**known)


__all__ = ["Catalogue", "CheckpointError", "Entry", "split_reference"]
