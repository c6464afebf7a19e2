"""What a model asks of a person, as data: controls and the model card. Knows neither torch nor Qt.

A GUI builds its form from a card's controls; the command line checks `--set` with them; both get
the same sentence when a value is refused.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from engines.job import Job, Value

SEEDS = range(-(2**63), 2**64)  # what a random number generator takes


# a choice and the value of it under which alone a control counts; () where it always does
When = tuple[()] | tuple[str, str]


class ControlError(ValueError):
    """A refused value; the message is one sentence for the user."""


@dataclass(frozen=True)
class Slider:
    """A number in [low, high]; `trained` marks the part of the range that the model has seen, if
    narrower; a `still` one means nothing in motion, as the number of pictures does; `term` is what
    it weighs of a loss: the name in Progress.terms, or the words that names there begin with."""

    name: str
    label: str
    low: float
    high: float
    step: float
    default: float
    unit: str = ""
    trained: tuple[float, float] | None = None
    help: str = ""
    still: bool = False
    when: When = ()
    term: str = ""
    type: Literal["slider"] = "slider"

    def check(self, value: Value) -> float:
        """`value` clamped into the range. Raises ControlError if it is no number."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ControlError(f"{self.label} needs a number.")
        try:
            number = float(value)
        except ValueError:
            raise ControlError(f"{self.label} needs a number, not “{value}”.") from None
        if not math.isfinite(number):
            raise ControlError(f"{self.label} needs a finite number.")
        return min(max(number, self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """One of `options`, each (value, label). A `preset` says what the model is used for: another
    value gives it another card (Family.presented), and is remembered for its file."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    default: str
    help: str = ""
    when: When = ()
    preset: bool = False
    type: Literal["choice"] = "choice"

    def check(self, value: Value) -> str:
        for option, label in self.options:
            if value in (option, label):
                return option
        known = ", ".join(option for option, _ in self.options)
        raise ControlError(f"{self.label} is one of {known}; “{value}” is not.")


@dataclass(frozen=True)
class ClassChoice:
    """One of the classes that a network tells apart, by its number, from 0 on; a person may give
    its name, which lies in `names` at that place."""

    name: str
    label: str
    names: tuple[str, ...]
    default: float = 0.0
    help: str = ""
    when: When = ()
    type: Literal["class"] = "class"

    def check(self, value: Value) -> float:
        """The number of a class. Raises ControlError, which names those most like what was asked
        for."""
        text = " ".join(str(value).split())
        if _is_number(text) and not isinstance(value, bool):
            number = float(text)
            if math.isfinite(number) and 0 <= round(number) < len(self.names):
                return float(round(number))
            raise ControlError(f"The classes have the numbers 0 to {len(self.names) - 1}.")
        for number, name in enumerate(self.names):
            if name.casefold() == text.casefold():
                return float(number)
        near = " / ".join(self.near(text))
        if near:
            raise ControlError(f"There is no class “{text}”; most like it are {near}.")
        last = len(self.names) - 1
        raise ControlError(f"There is no class “{text}”; a number from 0 to {last} will do.")

    def near(self, text: str, count: int = 3) -> tuple[str, ...]:
        """The names most like `text`: those that hold it, then those spelt alike."""
        wanted = text.casefold().strip()
        known = {name.casefold(): name for name in self.names}
        inside = [low for low in known if wanted and wanted in low]
        alike = difflib.get_close_matches(wanted, list(known), count, 0.6)
        found = dict.fromkeys((*sorted(inside, key=len)[:count], *alike))
        return tuple(known[low] for low in found)[:count]


@dataclass(frozen=True)
class Toggle:
    name: str
    label: str
    default: bool
    help: str = ""
    type: Literal["toggle"] = "toggle"

    def check(self, value: Value) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off"):
            return False
        raise ControlError(f"{self.label} is on or off; “{value}” is neither.")


@dataclass(frozen=True)
class Text:
    """`words` are those that the model knows, for completion; (): any, or nobody knows; they may
    hold `hyphens`. `layers` (name, channels) are those of a network that it may name. A `needed`
    one is asked for, as a picture is, before there is a result."""

    name: str
    label: str
    default: str = ""
    placeholder: str = ""
    longest: int = 2000
    help: str = ""
    words: tuple[str, ...] = ()
    hyphens: bool = False
    layers: tuple[tuple[str, int], ...] = ()
    needed: bool = False
    type: Literal["text"] = "text"

    def check(self, value: Value) -> str:
        text = str(value)
        if len(text) > self.longest:
            raise ControlError(f"{self.label} is longer than {self.longest} characters.")
        return text


@dataclass(frozen=True)
class Attributes:
    """A vector of named strengths in [low, high]; `exclusive` lists groups of labels of which one
    is on at a time, `trained` is the part of the range that the model has seen, if narrower; a
    `still` one says what is, and not what changes."""

    name: str
    label: str
    labels: tuple[str, ...]
    low: float
    high: float
    default: tuple[float, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    trained: tuple[float, float] | None = None
    help: str = ""
    still: bool = False
    when: When = ()
    type: Literal["attributes"] = "attributes"

    def check(self, value: Value) -> list[float]:
        given: list[Any] = value.split(",") if isinstance(value, str) else []
        given = list(value) if isinstance(value, list | tuple) else given
        if len(given) != len(self.labels):
            raise ControlError(
                f"{self.label} needs {len(self.labels)} numbers: {', '.join(self.labels)}."
            )
        numbers = [float(v) if _is_number(v) else math.nan for v in given]
        if len(numbers) != len(self.labels) or not all(map(math.isfinite, numbers)):
            raise ControlError(f"{self.label} needs {len(self.labels)} finite numbers.")
        return [min(max(v, self.low), self.high) for v in numbers]


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except (ValueError, TypeError):
        return False
    return True


@dataclass(frozen=True)
class ImageInput:
    """A picture that arrives by drop, paste or file. No value: it travels in Job.images under
    `role`. `over`: the role of the photo over which it lies, of whose places it says something, as
    a mask does; `gates`: outside of it that photo stays as it is, to which the engine sees."""

    role: str
    label: str
    optional: bool = False
    over: str = ""
    gates: bool = False
    type: Literal["image"] = "image"


def gate(photo: str = "photo") -> ImageInput:
    """The mask of a model whose result is a photo made anew, place by place."""
    return ImageInput("mask", "Only where it is painted", optional=True, over=photo, gates=True)


@dataclass(frozen=True)
class SketchInput:
    """A picture that is drawn.

    kind   "edges": dark lines on white, (H, W); "hints": coarse colour strokes on transparent, (H,
           W, 4); "labels": class indices, (H, W)
    size   (width, height) of a fresh canvas
    photo  a photo may take the drawing's place: a network that nobody told us the training of
    palette, classes  of "labels": what the numbers mean (engines/palettes.py), and how many of
           them, from 0 on, the model knows; 0: any
    """

    role: str
    label: str
    kind: Literal["edges", "hints", "labels"]
    size: tuple[int, int]
    palette: str = ""
    optional: bool = False
    photo: bool = False
    classes: int = 0
    type: Literal["sketch"] = "sketch"

    @property
    def drawn(self) -> bool:
        """Whether the canvas draws it; label maps are given as pictures."""
        return self.kind != "labels"


@dataclass(frozen=True)
class FacePoints:
    """Where the face is, in pixels of the photo: x, y of left eye, right eye and middle of the
    mouth (left as seen), or nothing: then it is looked for."""

    name: str
    label: str
    help: str = ""
    type: Literal["face_points"] = "face_points"

    @property
    def default(self) -> list[float]:
        return []

    def check(self, value: Value) -> list[float]:
        given: list[Any] = [n for n in value.split(",") if n] if isinstance(value, str) else []
        given = list(value) if isinstance(value, list | tuple) else given
        numbers = [float(n) if _is_number(n) else math.nan for n in given]
        if len(numbers) not in (0, 6) or not all(map(math.isfinite, numbers)):
            raise ControlError(
                f"{self.label} needs six numbers: x and y of left eye, right eye and mouth."
            )
        return numbers


@dataclass(frozen=True)
class Box:
    """A rectangle of the photo in its pixels: x, y of its top left corner, width, height; or
    nothing: then the model chooses it."""

    name: str
    label: str
    help: str = ""
    type: Literal["box"] = "box"

    @property
    def default(self) -> list[float]:
        return []

    def check(self, value: Value) -> list[float]:
        given: list[Any] = [n for n in value.split(",") if n] if isinstance(value, str) else []
        given = list(value) if isinstance(value, list | tuple) else given
        numbers = [float(n) if _is_number(n) else math.nan for n in given]
        if len(numbers) not in (0, 4) or not all(map(math.isfinite, numbers)):
            raise ControlError(f"{self.label} needs four numbers: x, y, width and height.")
        if numbers and min(numbers[2:]) < 1:
            raise ControlError(f"{self.label} needs a width and a height of at least one pixel.")
        return numbers


Control = (
    Slider | Choice | ClassChoice | Toggle | Text | Attributes | FacePoints | Box
    | ImageInput | SketchInput
)  # fmt: skip
_TYPES = {
    "slider": Slider,
    "choice": Choice,
    "class": ClassChoice,
    "toggle": Toggle,
    "text": Text,
    "attributes": Attributes,
    "face_points": FacePoints,
    "box": Box,
    "image": ImageInput,
    "sketch": SketchInput,
}


@dataclass(frozen=True)
class SizeRule:
    """Which sizes a network takes. `native` (width, height) is what it was trained at, if known;
    `fixed` nets take no other (the engine resizes or tiles, and the card's controls say which)."""

    minimum: int = 1
    multiple_of: int = 1
    square: bool = False
    native: tuple[int, int] | None = None
    fixed: bool = False


@dataclass(frozen=True)
class SketchStats:
    """What the training edges looked like (5th and 95th percentile): ink is the dark share of the
    canvas in [0, 1], width the mean line width divided by the canvas width, extent the larger side
    of the ink's bounding box divided by that of the canvas."""

    ink: tuple[float, float]
    width: tuple[float, float]
    extent: tuple[float, float]


@dataclass(frozen=True)
class FaceTemplate:
    """Where eyes and mouth of an aligned face lie, in pixels of a crop of `size` (width, height);
    left as seen."""

    size: tuple[int, int]
    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    mouth: tuple[float, float]


@dataclass(frozen=True)
class ModelCard:
    """All that a GUI may know of a model. Pure data; `to_dict` and `from_dict` are inverse and
    JSON-able."""

    family: str
    title: str
    controls: tuple[Control, ...] = ()
    size: SizeRule = SizeRule()
    rooms: tuple[str, ...] = ()
    live: bool = True
    seeded: bool = False
    half_ok: bool = True
    needs_grad: bool = False
    network: str = ""
    parameters: int = 0
    summary: str = ""
    data: str = ""
    paper: str = ""
    licence: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    sketch: SketchStats | None = None
    face: FaceTemplate | None = None
    sheet: str = ""
    notes: tuple[str, ...] = ()
    checkpoint: str = ""

    def control(self, name: str) -> Control | None:
        """The control with this name (or role, for inputs)."""
        for control in self.controls:
            if name == getattr(control, "name", None) or name == getattr(control, "role", None):
                return control
        return None

    def preset(self) -> Choice | None:
        """The control that says what the model is used for, if it has one."""
        return next((c for c in self.controls if isinstance(c, Choice) and c.preset), None)

    def inputs(self) -> tuple[ImageInput | SketchInput, ...]:
        return tuple(c for c in self.controls if isinstance(c, ImageInput | SketchInput))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> ModelCard:
        body = {k: v for k, v in body.items() if k in {f.name for f in fields(cls)}}
        body["controls"] = tuple(_control(c) for c in body.get("controls", ()))
        if isinstance(body.get("size"), Mapping):
            body["size"] = SizeRule(
                **{**body["size"], "native": _tuple(body["size"].get("native"))}
            )
        if isinstance(body.get("sketch"), Mapping):
            body["sketch"] = SketchStats(**{k: _tuple(v) for k, v in body["sketch"].items()})
        if isinstance(body.get("face"), Mapping):
            body["face"] = FaceTemplate(**{k: _tuple(v) for k, v in body["face"].items()})
        for name in ("rooms", "notes"):
            body[name] = tuple(body.get(name, ()))
        return cls(**body)


def _tuple(value: Any) -> Any:
    """Lists, also nested ones, as tuples: JSON knows no tuples."""
    if not isinstance(value, list | tuple):
        return value
    inside: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(_tuple(v) for v in inside)


def _control(body: Mapping[str, Any]) -> Control:
    return _TYPES[body["type"]](**{k: _tuple(v) for k, v in body.items()})


def defaults(card: ModelCard) -> dict[str, Value]:
    """Control name -> default value, for every control that has a value."""
    values: dict[str, Value] = {}
    for control in card.controls:
        if isinstance(control, Attributes):
            values[control.name] = list(control.default) or [0.0] * len(control.labels)
        elif not isinstance(control, ImageInput | SketchInput):
            values[control.name] = control.default
    return values


@dataclass(frozen=True)
class Number:
    """A number that a person may let move: a slider, or one place of a list of strengths; `rest`
    is where it does nothing."""

    name: str
    index: int | None
    label: str
    low: float
    high: float
    rest: float
    trained: tuple[float, float] | None


def numbers(card: ModelCard) -> tuple[Number, ...]:
    """Every number of a card's controls that can move, in their order."""
    found: list[Number] = []
    for c in card.controls:
        if isinstance(c, Slider | Attributes) and c.still:
            continue
        if isinstance(c, Slider):
            found.append(Number(c.name, None, c.label, c.low, c.high, c.default, c.trained))
        elif isinstance(c, Attributes):
            start = c.default or (max(c.low, 0.0),) * len(c.labels)
            found += [
                Number(c.name, index, label, c.low, c.high, start[index], c.trained)
                for index, label in enumerate(c.labels)
            ]
    return tuple(found)


def transferred(job: Job, card: ModelCard) -> Job:
    """What a job says of any photo: its values but for places in its own photo, and of its pictures
    those that are neither the photo nor drawn on it. The edit of a face is one for every face."""
    values = {
        name: value
        for name, value in job.values.items()
        if not isinstance(card.control(name), FacePoints | Box)
    }
    if card.face is not None and values.get("output", "photo") == "photo":
        values["output"] = "every"
    kept = {
        c.role for c in card.inputs() if isinstance(c, ImageInput) and c.optional and not c.over
    }
    images = {role: picture for role, picture in job.images.items() if role in kept}
    return job.with_(values=values, images=images, drawings={})


def checked(job: Job, card: ModelCard) -> Job:
    """`job` with every value checked and every missing one defaulted.

    Raises ControlError for an unknown control, an unknown or missing picture, or a refused value.
    """
    if job.seed not in SEEDS:
        raise ControlError(f"The seed is a whole number from 0 to {SEEDS[-1]}.")
    values = defaults(card)
    for name, value in job.values.items():
        control = card.control(name)
        if control is None or isinstance(control, ImageInput | SketchInput):
            raise ControlError(f"{card.title} has no control named “{name}”.")
        values[name] = control.check(value)
    roles = {c.role: c for c in card.inputs()}
    for role in job.images:
        if role not in roles:
            raise ControlError(
                f"{card.title} takes no picture named “{role}”; it takes "
                f"{', '.join(roles) or 'none'}."
            )
    for role, control in roles.items():
        if role not in job.images and not control.optional:
            raise ControlError(f"{card.title} needs a picture for “{control.label}” ({role}).")
    return job.with_(values=values)
