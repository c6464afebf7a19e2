"""Every result that was kept: a PNG with its recipe, a thumbnail and a line in an index.

The index is appended line by line, so a kill costs at most the line that was being written;
pictures that have no line are found again by their recipe. Knows no widget.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PySide6.QtCore import QObject, Signal

from app.background import Background, reason
from engines.job import Job, Picture, job_from_png, save_png

log = logging.getLogger("history")

THUMBNAIL = 192  # longer side, pixels


@dataclass(frozen=True)
class HistoryEntry:
    """One kept result. `time` is in seconds since 1970, `bytes` what its files take on disk."""

    id: str
    time: float
    title: str
    family: str
    checkpoint: str
    seed: int
    size: tuple[int, int]
    bytes: int
    digest: str  # of the job
    path: Path
    thumbnail: Path
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def matches(self, words: Iterable[str], today: datetime) -> bool:
        """True if each word (lower case) occurs in the title, model, date, seed or values."""
        text = self._text(today)
        return all(word in text for word in words)

    def _text(self, today: datetime) -> str:
        made = datetime.fromtimestamp(self.time)
        parts = [self.title, self.family, self.checkpoint, f"seed={self.seed}"]
        parts += [f"{name}={value}" for name, value in self.values.items()]
        parts += [made.strftime("%Y-%m-%d %H:%M"), made.strftime("%d %B %Y %A")]
        if made.date() == today.date():
            parts.append("today")
        if made.date() == (today - timedelta(days=1)).date():
            parts.append("yesterday")
        return " ".join(parts).lower()

    def to_dict(self) -> dict[str, Any]:
        body = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**body, "path": self.path.name, "thumbnail": self.thumbnail.name}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], folder: Path) -> HistoryEntry:
        known = {f.name: body[f.name] for f in fields(cls) if f.name in body}
        return cls(
            **{
                **known,
                "size": tuple(body["size"]),
                "path": folder / Path(body["path"]).name,
                "thumbnail": folder / Path(body["thumbnail"]).name,
            }
        )


class History(QObject):
    """Newest first. Files are written in the background; entries appear when they are on disk."""

    changed = Signal()
    failed = Signal(str)  # one sentence

    def __init__(
        self,
        folder: str | Path,
        background: Background,
        limit: int = 1_000_000_000,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.limit = limit  # bytes
        self._store = _Store(Path(folder))
        self._background = background
        self._entries: list[HistoryEntry] = []
        self._added = 0

    def load(self) -> None:
        """Read what earlier sessions kept."""
        self._background.do(self._store.load, self._loaded)

    def entries(self) -> list[HistoryEntry]:
        return list(self._entries)

    def entry(self, id: str) -> HistoryEntry | None:
        return next((e for e in self._entries if e.id == id), None)

    def search(self, text: str) -> list[HistoryEntry]:
        """Entries in which every word of `text` occurs: model, date, seed=…, control=…"""
        words, today = text.lower().split(), datetime.now()
        return [e for e in self._entries if e.matches(words, today)]

    def add(self, picture: Picture, job: Job, title: str) -> None:
        """Keep a result; a job that is already kept is not kept twice."""
        moment = time.time()
        self._added += 1
        id = f"{int(moment * 1000):013d}-{self._added:04d}"
        self._background.do(lambda: self._store.add(id, moment, picture, job, title), self._arrived)

    def remove(self, ids: Iterable[str]) -> list[HistoryEntry]:
        """Take entries out, their files into the bin; gives what `put_back` needs."""
        gone = set(ids)
        removed = [e for e in self._entries if e.id in gone]
        if removed:
            self._entries = [e for e in self._entries if e.id not in gone]
            self._background.do(lambda: self._store.remove(removed), self._told)
            self.changed.emit()
        return removed

    def put_back(self, entries: list[HistoryEntry]) -> None:
        if entries:
            self._background.do(lambda: self._store.put_back(entries), self._told)
            self._insert(entries)

    def open(self, id: str, then: Callable[[Any], None]) -> None:
        """Read an entry's (Job, Picture) from disk; `then` gets them, or the exception."""
        entry = self.entry(id)
        if entry is not None:
            self._background.do(lambda: _read(entry.path), then)

    def close(self) -> None:
        """Empty the bin; call before the background finishes."""
        self._background.do(self._store.tidy)

    def _loaded(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            log.error("the history could not be read: %s", answer)
            self.failed.emit("The history could not be read.")
        else:
            self._insert(answer)

    def _arrived(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            log.error("a result could not be kept: %s", answer)
            self.failed.emit(f"The result could not be kept in the history: {reason(answer)}.")
        elif answer is not None:
            self._insert([answer])

    def _told(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit(f"The history could not be changed: {reason(answer)}.")

    def _insert(self, entries: list[HistoryEntry]) -> None:
        known = {e.id for e in self._entries}
        self._entries += [e for e in entries if e.id not in known]
        self._entries.sort(key=lambda e: (e.time, e.id), reverse=True)
        self._make_room()
        self.changed.emit()

    def _make_room(self) -> None:
        """Let the oldest go until the rest is within the limit; the newest always stays."""
        total, keep = 0, 0
        for entry in self._entries:
            total += entry.bytes
            if total > self.limit and keep > 0:
                break
            keep += 1
        surplus = self._entries[keep:]
        if surplus:
            del self._entries[keep:]
            self._background.do(lambda: self._store.delete(surplus), self._told)


class _Store:
    """The folder itself; called in the background thread only."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.index = folder / "index.jsonl"
        self.kept: dict[str, str] = {}  # job digest -> id

    def load(self) -> list[HistoryEntry]:
        self.folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, HistoryEntry] = {}
        for change in self._changes():
            if isinstance(change, HistoryEntry):
                found[change.id] = change
            else:
                for id in change:
                    found.pop(id, None)
        entries = [e for e in found.values() if e.path.exists()]
        listed = {e.path for e in entries}
        for torn in self.folder.glob(".*.part"):
            torn.unlink(missing_ok=True)
        for path in self.folder.glob("*.png"):
            if path not in listed and not path.name.endswith(".thumb.png") and path.name[0] != ".":
                entries += self._find_again(path)
        self.kept = {e.digest: e.id for e in entries}
        self._rewrite(entries)
        self.tidy()
        return entries

    def add(
        self, id: str, moment: float, picture: Picture, job: Job, title: str
    ) -> HistoryEntry | None:
        if job.digest in self.kept:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{id}.png"
        save_png(picture, job, path)
        entry = self._entry(path, moment, picture, job, title)
        self._append({"add": entry.to_dict()})
        self.kept[job.digest] = id
        return entry

    def remove(self, entries: list[HistoryEntry]) -> None:
        self.bin.mkdir(parents=True, exist_ok=True)
        self._append({"remove": [e.id for e in entries]})
        for entry in entries:
            self.kept.pop(entry.digest, None)
            for file in (entry.path, entry.thumbnail):
                if file.exists():
                    file.replace(self.bin / file.name)

    def delete(self, entries: list[HistoryEntry]) -> None:
        self._append({"remove": [e.id for e in entries]})
        for entry in entries:
            self.kept.pop(entry.digest, None)
            entry.path.unlink(missing_ok=True)
            entry.thumbnail.unlink(missing_ok=True)

    def put_back(self, entries: list[HistoryEntry]) -> None:
        for entry in entries:
            for file in (entry.path, entry.thumbnail):
                if (self.bin / file.name).exists():
                    (self.bin / file.name).replace(file)
            self._append({"add": entry.to_dict()})
            self.kept[entry.digest] = entry.id

    def tidy(self) -> None:
        if self.bin.is_dir():
            for file in self.bin.iterdir():
                file.unlink(missing_ok=True)

    def _entry(
        self, path: Path, moment: float, picture: Picture, job: Job, title: str
    ) -> HistoryEntry:
        thumbnail = path.with_suffix(".thumb.png")
        image = Image.fromarray(picture.pixels)
        image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS, reducing_gap=2)
        thumbnail.write_bytes(Picture(np.asarray(image)).to_png())
        return HistoryEntry(
            id=path.stem, time=moment, title=title, family=job.family, checkpoint=job.checkpoint,
            seed=job.seed, size=picture.size, digest=job.digest, values=dict(job.values),
            bytes=path.stat().st_size + thumbnail.stat().st_size, path=path, thumbnail=thumbnail,
        )  # fmt: skip

    def _find_again(self, path: Path) -> list[HistoryEntry]:
        """An entry for a picture that the index does not list: a kill came between the two."""
        try:
            job, picture = _read(path)
            title = job.checkpoint.partition("@")[0] or job.family
            return [self._entry(path, path.stat().st_mtime, picture, job, title)]
        except (OSError, ValueError) as error:
            log.warning("%s is no result: %s", path.name, error)
            return []

    def _changes(self) -> Iterator[HistoryEntry | list[str]]:
        """What the index says, in order: an entry that came or ids that went."""
        text = self.index.read_text("utf-8", errors="replace") if self.index.exists() else ""
        for line in text.splitlines():
            try:
                body = json.loads(line)
                if "add" in body:
                    yield HistoryEntry.from_dict(body["add"], self.folder)
                else:
                    yield [str(id) for id in body["remove"]]
            except (ValueError, KeyError, TypeError):
                log.warning("a line of the history index is damaged")

    def _append(self, body: dict[str, Any]) -> None:
        with self.index.open("a", encoding="utf-8") as file:
            file.write(json.dumps(body) + "\n")

    def _rewrite(self, entries: list[HistoryEntry]) -> None:
        part = self.index.with_suffix(".part")
        lines = [json.dumps({"add": e.to_dict()}) + "\n" for e in entries]
        part.write_text("".join(lines), "utf-8")
        part.replace(self.index)


def _read(path: Path) -> tuple[Job, Picture]:
    job = job_from_png(path)
    _ = job.digest  # here, off the GUI thread: pictures are compared by digest there
    return job, Picture.from_png(path.read_bytes())
