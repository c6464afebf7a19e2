"""From a reference to a weights file, and what the file says of itself. Knows neither torch nor
networks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.catalogue import SENTENCES, SHIPPED, Catalogue, Entry, split_reference
from engines.checkpoint import Checkpoint, CheckpointError, file_digest, may_be_weights
from engines.controls import ModelCard, SketchStats
from engines.errors import EngineError
from engines.folders import cache_folder

SHIPPED_LOADED = SHIPPED / "loaded.json"


@dataclass(frozen=True)
class Weights:
    """A weights file that is there; `family` is what settles a tie, "" if nobody did."""

    path: Path
    name: str
    digest: str
    family: str = ""

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"


class Shelf:
    """Finds weights through a catalogue, or by path where the catalogue does not know them, and by
    digest again from then on. Without a catalogue it reads the person's anew each time, since the
    window may have added to it."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue
        self._seen: dict[str, Weights] = {}  # by digest

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue if self._catalogue is not None else Catalogue()

    def chosen_family(self, reference: str) -> str:
        """The family of the model "name@digest", or that a person chose for these weights; "" if
        neither is known."""
        name, digest = split_reference(reference)
        found = self.catalogue.find(reference) if digest else None
        if found is not None and found.name == name:
            return found.family
        return self.catalogue.family_of(digest)

    def chosen_preset(self, digest: str) -> str:
        """What a person said that these weights are used for, "" if nothing."""
        return self.catalogue.preset_of(digest)

    def find(self, reference: str) -> Weights:
        """The file of a path, "name" or "name@digest". Raises EngineError when it is not here, or
        when what is here are other weights than the digest says."""
        if not reference:
            raise EngineError("missing-model", "No model is chosen; choose one or open its file.")
        name, digest = split_reference(reference)
        entry = self._entry(reference)
        if entry is not None:
            return self._checked(
                Weights(entry.path, entry.name, digest or entry.digest, entry.family)
            )
        if digest in self._seen:
            return self._checked(self._seen[digest])
        path = Path(name)
        if may_be_weights(path):
            stem = path.name.split(".", 1)[0].replace("@", "-") or path.name
            return self._checked(Weights(path, stem, digest))
        if not digest and (path.suffix or path.parent != Path()):
            raise EngineError("missing-model", f"There is no file {name}.")
        raise EngineError("missing-model", self.catalogue.explain(reference))

    def _entry(self, reference: str) -> Entry | None:
        try:
            return self.catalogue.find(reference)
        except CheckpointError as error:
            raise EngineError("checkpoint", str(error), error.kind) from error

    def _checked(self, found: Weights) -> Weights:
        """`found` with the digest and family of what is on disk now."""
        digest = _digest(found.path)
        if found.digest and digest != found.digest:
            raise EngineError(
                "missing-model",
                f"The file of {found.name} holds other weights now ({digest}) than those asked for "
                f"({found.digest}); open the right file.",
            )
        known = self._seen[digest] = replace(found, digest=digest)
        return replace(known, family=found.family or self.catalogue.family_of(digest))


class Loaded:
    """What loading a model told beyond its card, kept on disk: it opens without torch next time.
    For the starters it ships.

    A card is made anew each time, so that it is never older than this program.
    """

    def __init__(self, folder: Path | None = None, shipped: Path = SHIPPED_LOADED) -> None:
        self._folder, self._shipped = folder or cache_folder() / "loaded", shipped

    def keep(self, card: ModelCard, digest: str) -> None:
        body = {"parameters": card.parameters, "notes": list(card.notes)}
        path = self._path(digest, card.family)
        with suppress(OSError):  # only faster
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}")
            part.write_text(json.dumps(body), "utf-8")
            part.replace(path)

    def completed(self, card: ModelCard, weights: Weights) -> ModelCard | None:
        """The card as it was after loading; None where these weights were never loaded."""
        for read in (self._kept, self._from_the_start):
            with suppress(OSError, ValueError, TypeError, KeyError):
                body = read(weights.digest, card.family)
                count, notes = int(body["parameters"]), tuple(str(note) for note in body["notes"])
                return replace(card, checkpoint=weights.reference, parameters=count, notes=notes)
        return None

    def _kept(self, digest: str, family: str) -> Any:
        return json.loads(self._path(digest, family).read_text("utf-8"))

    def _from_the_start(self, digest: str, family: str) -> Any:
        return json.loads(self._shipped.read_text("utf-8"))[f"{digest}-{family}"]

    def _path(self, digest: str, family: str) -> Path:
        return self._folder / f"{digest}-{family}.json"


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise EngineError(
            "missing-model", f"{path} cannot be read: {error.strerror or error}."
        ) from error


def told_card(card: ModelCard, checkpoint: Checkpoint) -> tuple[ModelCard, tuple[str, ...]]:
    """`card` completed by what our own files say of themselves (metadata "card"), and remarks on
    it."""
    told = checkpoint.metadata.get("card")
    if not told:
        return card, ()
    try:
        return replace(card, **_told(told)), ()
    except (TypeError, ValueError, AttributeError, KeyError):
        return card, ("What the file says of itself is damaged and was left out.",)


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: str(body[name]) for name in SENTENCES if name in body}
    if body.get("numbers"):
        changes["numbers"] = {str(k): float(v) for k, v in body["numbers"].items()}
    if body.get("rooms"):
        changes["rooms"] = tuple(str(room) for room in body["rooms"])
    if body.get("sketch"):
        bounds = {k: (float(v[0]), float(v[1])) for k, v in body["sketch"].items()}
        changes["sketch"] = SketchStats(**bounds)
    return changes
