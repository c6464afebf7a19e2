"""The request and what became of it: Picture, Job and events. Knows neither torch nor Qt, nor any
network.

A Job is everything that determines a picture and nothing else; the same Job on the same device
gives the same pixels. It travels as JSON, as a pickle, and inside the PNG it made (text chunk
"ganvas").
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from engines import pngfile

VERSION = 1
PNG_KEY = "ganvas"
PNG_CAPTION = "Description"  # the keyword that the PNG specification gives to it
# The recipe of a 24-megapixel photo takes up to 100 MB; Pillow refuses to open a PNG beyond 64 MB.
PngImagePlugin.MAX_TEXT_MEMORY = 1 << 30

# What parsing a damaged or hostile recipe or PNG raises; Pillow calls a broken chunk a SyntaxError.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OSError, ArithmeticError,
           SyntaxError, RecursionError, Image.DecompressionBombError)  # fmt: skip

Value = float | int | bool | str | list[Any] | None


class JobError(ValueError):
    """A recipe that cannot be read; the message is one sentence for the user."""


class NoRecipe(JobError):
    """A sound picture that carries no recipe."""


class Picture:
    """An immutable picture: uint8 pixels, (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, sRGB,
    upright.

    Equal when the pixels are equal. Views of `pixels` are free; whoever draws on them copies first.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        if pixels.dtype != np.uint8:
            raise JobError(f"A picture needs uint8 pixels, not {pixels.dtype}.")
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
            raise JobError(f"A picture is (H, W), (H, W, 3) or (H, W, 4), not {pixels.shape}.")
        if 0 in pixels.shape:
            raise JobError("A picture needs at least one pixel.")
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            pixels = (
                np.ascontiguousarray(pixels).copy()
                if pixels.flags.writeable
                else np.ascontiguousarray(pixels)
            )
            pixels.flags.writeable = False
        self.pixels = pixels

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def channels(self) -> int:
        return 1 if self.pixels.ndim == 2 else self.pixels.shape[2]

    @cached_property
    def digest(self) -> str:
        """sha256 over shape and pixels, in hex."""
        h = hashlib.sha256(repr(self.pixels.shape).encode())
        h.update(self.pixels.data)
        return h.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height}x{self.channels})"

    def __reduce__(self):
        return _picture_from_bytes, (self.pixels.shape, self.pixels.tobytes())

    def to_png(self) -> bytes:
        return pngfile.encode(self.pixels)

    @classmethod
    def from_png(cls, data: bytes) -> Picture:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in ("L", "RGB", "RGBA"):
                image = image.convert("RGBA" if image.has_transparency_data else "RGB")
            return cls(np.asarray(image))


def _picture_from_bytes(shape: tuple[int, ...], data: bytes) -> Picture:
    return Picture(np.frombuffer(data, np.uint8).reshape(shape))


@dataclass(frozen=True)
class Job:
    """What to compute. No id, no state, no device, no path.

    family      id of the Family that runs it ("pix2pix")
    checkpoint  "name@digest", digest = first 16 hex digits of the sha256 of the weights file; ""
                for tools
    values      control name -> number | text | bool | list
    images      role -> Picture
    drawings    role -> vector strokes (JSON-able) from which images[role] was rastered. Carried so
                that a recipe can be drawn on again; not part of the digest, since the raster alone
                determines the result.
    seed        the one source of randomness
    size        (width, height) wanted, or None for "as the input"
    origins     role -> the Job whose result images[role] is. Carried so that a chain can be taken
                up at every step and made again (engines/chain.py); not part of the digest, as with
                the drawings
    """

    family: str
    checkpoint: str = ""
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    images: Mapping[str, Picture] = field(default_factory=dict[str, Picture])
    drawings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0
    size: tuple[int, int] | None = None
    version: int = VERSION
    origins: Mapping[str, Job] = field(default_factory=dict[str, "Job"])

    def with_(self, **changes: Any) -> Job:
        return replace(self, **changes)

    @cached_property
    def digest(self) -> str:
        """sha256 over everything that determines the picture, in hex."""
        body: dict[str, Any] = {
            "family": self.family,
            "checkpoint": self.checkpoint,
            "values": dict(self.values),
            "images": {role: p.digest for role, p in self.images.items()},
            "seed": self.seed,
            "size": self.size,
            "version": self.version,
        }
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self._body(), indent=indent)

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "ganvas": self.version,
            "family": self.family,
            "checkpoint": self.checkpoint,
            "values": dict(self.values),
            "images": {r: base64.b64encode(p.to_png()).decode() for r, p in self.images.items()},
            "drawings": dict(self.drawings),
            "seed": self.seed,
            "size": list(self.size) if self.size else None,
        }
        if self.origins:
            body["origins"] = {role: origin._body() for role, origin in self.origins.items()}
        return body

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Parse a recipe. Raises JobError with one sentence when it is not one of ours."""
        try:
            return cls._parsed(json.loads(text))
        except JobError:
            raise
        except _DAMAGE as error:
            raise JobError("This is not a Ganvas recipe, or it is damaged.") from error

    @classmethod
    def _parsed(cls, body: Any) -> Job:
        version = int(body["ganvas"])
        if version > VERSION:
            raise JobError(
                f"This recipe was made by a newer Ganvas (format {version}); please update."
            )
        size = body.get("size")
        return cls(
            family=str(body["family"]),
            checkpoint=str(body["checkpoint"]),
            values=dict(body.get("values", {})),
            images={
                r: Picture.from_png(base64.b64decode(p)) for r, p in body.get("images", {}).items()
            },
            drawings=dict(body.get("drawings", {})),
            seed=int(body.get("seed", 0)),
            size=(int(size[0]), int(size[1])) if size else None,
            version=version,
            origins={str(r): cls._parsed(o) for r, o in body.get("origins", {}).items()},
        )


def save_png(picture: Picture, job: Job | None, path: str | Path, caption: str = "") -> None:
    """Write `picture` with its recipe inside (iTXt, uncompressed: Pillow refuses compressed text
    above 1 MiB), and its caption, if there is one, as its description.

    The file appears whole or not at all (written beside the target, then renamed).
    """
    texts = {} if job is None else {PNG_KEY: job.to_json()}
    if caption:
        texts[PNG_CAPTION] = caption
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(pngfile.encode(picture.pixels, texts))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def job_from_png(path: str | Path) -> Job:
    """The recipe inside a PNG of ours. Raises JobError with one sentence when there is none."""
    try:
        with Image.open(path) as image:
            text = getattr(image, "text", {}).get(PNG_KEY)
            if text is None and image.format == "PNG":
                image.load()  # text chunks may follow the pixels
                text = getattr(image, "text", {}).get(PNG_KEY)
    except _DAMAGE as error:
        raise JobError(f"{Path(path).name} cannot be read as a picture.") from error
    if text is None:
        raise NoRecipe(f"{Path(path).name} carries no Ganvas recipe.")
    return Job.from_json(text)


# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """How close an input is to what the model was trained on.

    score 0 (foreign) to 1 (familiar); message is one sentence; measured maps "ink", "width",
    "extent" to numbers; fixable says that the one-click fix would raise the score.
    """

    score: float
    message: str
    measured: Mapping[str, float] = field(default_factory=dict[str, float])
    fixable: bool = False

    @property
    def poor(self) -> bool:
        return self.score < 0.5


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps (total 0: unknown). `terms`: what is being minimised, by name, for
    curves. `before`: how many of them an earlier run did, which say nothing of this one's pace."""

    done: int
    total: int = 0
    note: str = ""
    terms: Mapping[str, float] = field(default_factory=dict[str, float])
    before: int = 0


@dataclass(frozen=True)
class Preview:
    picture: Picture


@dataclass(frozen=True)
class Judged:
    """What a discriminator with two heads sees in a picture.

    source   its map of how real each part looks, in rows, higher where more; only differences
             count (Arjovsky et al. 2017). () where the net has no such head
    classes  label -> how sure it is that the picture shows it, in [0, 1]
    asked    label -> what the picture was said to show or was to be made of it, mostly in [0, 1]
    """

    picture: Picture
    source: tuple[tuple[float, ...], ...]
    classes: Mapping[str, float]
    asked: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """The one success event, always last. `seconds` is engine time; `notes` are sentences (for
    example repairs); `sheet` shows several pictures together; `region` (x, y, width, height) is
    what the model attended to, in pixels of its photo; `values` are for each picture those of a
    job that makes it alone, where there are such; `numbers` is what was measured of the pictures,
    by name; `beside` are pictures, by title, that explain the result and are none; `judged` is what
    the discriminator sees in the input and then in each picture; a `draft` was computed in a faster
    and less exact way, to be seen and not to be kept."""

    pictures: tuple[Picture, ...] = ()
    texts: tuple[str, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    fit: Fit | None = None
    sheet: Picture | None = None
    region: tuple[float, float, float, float] | None = None
    values: tuple[Mapping[str, Value], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    beside: Mapping[str, Picture] = field(default_factory=dict[str, Picture])
    judged: tuple[Judged, ...] = ()
    draft: bool = False

    @property
    def picture(self) -> Picture:
        """What is shown and saved: the picture, or the sheet of several."""
        return self.sheet or self.pictures[0]


@dataclass(frozen=True)
class Failed:
    """kind is a stable word ("memory", "missing-model", "input", "checkpoint", "internal"); message
    one sentence."""

    kind: str
    message: str
    details: str = ""


@dataclass(frozen=True)
class Cancelled:
    """`note`: what is left of it, in one sentence, if anything is."""

    note: str = ""


Event = Progress | Preview | Result | Failed | Cancelled
