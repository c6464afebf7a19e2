"""What a dropped file is: family, network, repairs, or in one plain sentence what it is instead.

Decided by names and shapes of weights and by what a graph says of itself, not by a file's own name
(which only tells the halves of a TensorFlow checkpoint apart). What the families recognise is
theirs; engines/marks.py names what is not, or not yet, ours. Numbers are read only to see that they
are finite, a few megabytes at a time.
"""

from __future__ import annotations

import fnmatch
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engines import formats, vocabulary
from engines.beside import needed
from engines.checkpoint import (
    WEIGHTS,
    Checkpoint,
    CheckpointError,
    file_digest,
    not_finite,
    open_checkpoint,
)
from engines.family import candidates, families
from engines.inert import shown
from engines.marks import FINDER, GRAPHS, MARKS, PLANNED, Mark
from engines.tfcheckpoint import index_in


@dataclass(frozen=True)
class Verdict:
    """kind is "model" (it loads), "finder" (it finds faces), "other" (known, but nothing to load
    here) or "refused". `message` is one sentence; `notes` are the repairs; `families` all that
    recognise it, the best first."""

    kind: str
    message: str
    title: str = ""
    family: str | None = None
    families: tuple[str, ...] = ()
    network: str = ""
    notes: tuple[str, ...] = ()
    tensors: int = 0
    parameters: int = 0
    format: str = ""
    digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect(path: str | Path) -> Verdict:
    """A verdict on any file or folder; never raises for what is in it."""
    path = Path(path)
    try:
        if path.is_dir():
            return _folder(path)
        opened = open_checkpoint(path)
    except CheckpointError as error:
        return _not_weights(path, error)
    except OSError as error:
        return Verdict("refused", f"{path.name} cannot be read: {error.strerror or 'no access'}.")
    return _weights(opened)


def _weights(opened: Checkpoint) -> Verdict:
    seen = Verdict(
        "other",
        "",
        tensors=len(opened.infos),
        parameters=opened.parameters,
        format=opened.format,
        digest=opened.digest,
        notes=opened.notes,
    )
    found = candidates(opened)
    if not found:
        return _foreign(opened, seen)
    family, config = found[0]
    name = opened.path.name
    seen = replace(seen, title=family.title, family=family.id)
    try:
        notes = family.examine(config, opened)
        if bad := opened.not_finite():
            raise not_finite(opened.path, bad)
    except CheckpointError as error:
        return replace(seen, kind="refused", message=str(error))
    card = family.card(config)
    kinds = tuple(f.id for f, _ in found if f is family or f.id not in family.shares)
    size = f"{card.network}, {opened.parameters:,} parameters"
    message = f"{name} is a {family.title.lower()} model ({size})."
    if len(kinds) > 1:
        message = f"{name} fits {', '.join(kinds)} alike; say which it is."
    if opened.unsafe:
        asked = shown(opened.unsafe[0])
        message = f"{message[:-1]}, but it also asks to run {asked}, which Ganvas never does."
    return replace(
        seen,
        kind="model",
        message=message,
        title=_told_title(opened) or card.title,
        families=kinds,
        network=card.network,
        notes=notes,
    )


def _told_title(opened: Checkpoint) -> str:
    card = opened.metadata.get("card")
    return str(card.get("title", "")) if isinstance(card, dict) else ""


def _foreign(opened: Checkpoint, seen: Verdict) -> Verdict:
    """Weights that no family takes."""
    name, claimed = opened.path.name, opened.metadata.get("family")
    mark = next((m for m in MARKS if _matches(opened, m)), None)
    if claimed:
        message = (
            f"{name} says it is a {shown(str(claimed))} model, but its weights do not fit one."
        )
        return replace(seen, kind="refused", message=message)
    need = needed(opened)
    if mark is None and not need:
        count = f"{len(opened.infos)} weight{'s' if len(opened.infos) > 1 else ''}"
        first = next(iter(opened.infos))
        message = (
            f"{name} holds {count} of a network that Ganvas does not know (first {shown(first)})."
        )
        return replace(seen, message=message)
    what = mark.what if mark else "a discriminator"
    family = mark.family if mark else ""
    message = f"{name} is {what}{need or (mark.advice if mark else '') or _room(family)}."
    return replace(seen, message=message, title=what, family=family)


def _room(family: str) -> str:
    """What can be done with something of this family, as the end of a sentence."""
    if not family:
        return ""
    if family in families():
        return "; there is nothing to draw with in it"
    if family == "face":
        return "; Ganvas finds faces with a network of its own, or with YuNet"
    return f"; the room for {PLANNED[family]} is not built yet"


def _matches(opened: Checkpoint, mark: Mark) -> bool:
    return all(_holds(opened, pattern, shape) for pattern, shape in mark.keys)


def _holds(opened: Checkpoint, pattern: str, shape: tuple[int | None, ...] | None) -> bool:
    if pattern in opened.infos:
        keys = [pattern]
    else:
        keys = fnmatch.filter(opened.infos, pattern) if set(pattern) & set("*?[") else []
    return any(shape is None or _alike(opened.infos[key].shape, shape) for key in keys)


def _alike(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == n for n, w in zip(shape, wanted))


# ---- files that hold no weights we can read ------------------------------------------------------


def _not_weights(path: Path, error: CheckpointError) -> Verdict:
    if error.kind in ("missing", "empty"):
        return Verdict("refused", str(error))
    seen = Verdict("refused", str(error), digest=file_digest(path))
    if error.kind != "not-weights":
        return seen
    words, form = vocabulary.read_table(path)
    if words:
        attngan = form == "attngan-captions"
        return replace(
            seen,
            kind="other",
            message=f"{path.name} is {ATTNGAN if attngan else _vocabulary(words)}.",
            title="a vocabulary",
            family="attngan" if attngan else "captioning",
            format=form,
        )
    graph = formats.foreign(path)
    return _graph(path, graph, seen) if graph else seen


def _graph(path: Path, graph: formats.Foreign, seen: Verdict) -> Verdict:
    """An ONNX, TensorFlow or Torch7 file, and which net it is if it says so."""
    holds = formats.holds(_index_of(path) if graph.format == "tensorflow" else path)
    family, what = next(((f, w) for marks, f, w in GRAPHS if holds(marks)), ("", ""))
    seen = replace(seen, kind="other", format=graph.format, family=family)
    if what == FINDER and "cut off" not in graph.what:
        message = f"{path.name} is {what} as {graph.what}; Ganvas can find faces with it."
        return replace(seen, kind="finder", message=message, title=f"{what} as {graph.what}")
    if what:
        message = f"{path.name} is {what} as {graph.what}{_room(family)}."
        return replace(seen, message=message, title=f"{what} as {graph.what}")
    unknown = graph.format in ("onnx", "tflite") or "graph" in graph.what
    known = ", of a network that Ganvas does not know" if unknown else ""
    message = f"{path.name} {graph.sentence}{known}."
    return replace(seen, message=message, title=graph.what)


def _index_of(path: Path) -> Path:
    """The file that names the parts of a TensorFlow checkpoint."""
    return (
        path.with_name(f"{path.name.rpartition('.data-')[0]}.index")
        if ".data-" in path.name
        else path
    )


ATTNGAN = (
    "the vocabulary of an AttnGAN; put it into one folder with its text encoder and generator and "
    "open that"
)


def _vocabulary(words: dict[str, int]) -> str:
    count = f"a vocabulary of {len(words):,} words for captioning"
    return vocabulary.lacking(words) or f"{count}; put it into the folder of its captioner"


def _folder(path: Path) -> Verdict:
    """A TensorFlow checkpoint folder by its index, else the one weights file in it."""
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    known = {p: formats.foreign(p) for p in files}
    indices = (p for p, k in known.items() if k and "index of a TensorFlow" in k.what)
    if index := index_in(path) or next(indices, None):
        return inspect(index)
    weights = [p for p in files if p.suffix in WEIGHTS]
    if len(weights) == 1:
        return inspect(weights[0])
    if weights:
        opened = open_checkpoint(path)
        if candidates(opened):
            return _weights(opened)
        return Verdict(
            "refused", f"{path.name} holds {len(weights)} weights files; open one of them."
        )
    return Verdict("refused", f"{path.name} holds no weights file.")
