"""A film in the look of a style, picture by picture, each steadied by the one before. Knows no
network: it gives jobs and takes their pictures. Imports no torch.

Where the flow between two pictures of the film can be trusted (engines/flow.py), the painted
picture before is carried along:

- a model that takes it as `before` (Neural style) starts from it and is held to it while it paints
  (Ruder et al. 2016, Artistic Style Transfer for Videos: warm start and temporal loss);
- what any other model makes of a picture alone is blended with it, over and over: the
  motion-compensated recursive filter of Dubois & Sabri 1984, Noise Reduction in Image Sequences
  Using Motion-Compensated Temporal Filtering, with that paper's displacements by the flow above.

Flicker is the warping error (Lai et al. 2018, Learning Blind Video Temporal Consistency) as a mean
of absolute differences: of a painted picture from the painted one before, carried along, over all
pixels whose flow is trusted and all pictures; levels from 0 (none) to 255. Cuts do not count.

What is finished lies beside the film, in FILM.parts: every picture until PIECE of them are one
piece of film, and the state after the last. Asked for the same again, it goes on there, and gives
the very film that it would have given in one go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from engines import flow, gates, videofile
from engines.controls import ModelCard
from engines.flow import Motion
from engines.images import ImageError, flatten, open_picture, resize
from engines.job import Event, Job, Picture, Preview, Progress, Result
from engines.videofile import Clip, Frame

PIECE = 48  # pictures of a piece of film
KEPT = 0.95  # of the picture before, at full steadiness: with more, the film would stand still
CUT = 0.3  # of a picture; where less of it is trusted, another scene begins
STEADY = 0.8  # the usual steadiness
LEAST_STEPS = 10
FORMAT = 1  # of what lies beside the film
Sum = tuple[float, int]  # of differences, over how many pixels


@dataclass(frozen=True)
class Wish:
    """What a film is made of, and all that determines it.

    job         of any of its pictures, complete; its photo is not looked at
    video       the film that is painted
    steadiness  0: every picture for itself, to 1
    steps       of a model that paints in steps, for every picture that goes on from another
    """

    job: Job
    video: Path
    steadiness: float = STEADY
    steps: int = LEAST_STEPS

    def to_json(self) -> str:
        """A recipe, as Job.to_json gives it, that also says what the film was."""
        body = json.loads(self.job.to_json())
        body["film"] = {
            "video": str(self.video.resolve()),
            "steadiness": self.steadiness,
            "steps": self.steps,
        }
        return json.dumps(body, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Wish | None:
        """None for the recipe of a picture. Raises JobError."""
        job = Job.from_json(text)
        body = json.loads(text).get("film")
        if not isinstance(body, dict):
            return None
        return cls(job, Path(str(body["video"])), float(body["steadiness"]), int(body["steps"]))

    def digest(self) -> str:
        with self.video.open("rb") as file:
            film = hashlib.file_digest(file, "sha256").hexdigest()
        body = [FORMAT, PIECE, film, _plain(self.job).digest, self.steadiness, self.steps]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


@dataclass(frozen=True)
class _State:
    """After a picture: how many are done, and the differences so far of the film, of what it would
    be frame by frame, and of the video itself."""

    digest: str
    done: int = 0
    film: Sum = (0.0, 0)
    alone: Sum = (0.0, 0)
    video: Sum = (0.0, 0)


@dataclass
class _Step:
    """The picture that is painted now, and what of the one before helps it."""

    frame: Frame
    motion: Motion | None = None
    carried: Picture | None = None


class StyleFilm:
    """Used by one thread: `begin`, then `add` for every picture, until they give no job; then
    `finish`. `give_up` at any time leaves what is done. They raise ImageError or OSError."""

    def __init__(self, wish: Wish, card: ModelCard, output: Path) -> None:
        if card.control("photo") is None:
            raise ImageError(f"{card.title} takes no photo, so it paints no film.")
        if output.suffix.lower() != ".mp4":
            raise ImageError(f"A film of this kind is saved as .mp4, not as “{output.suffix}”.")
        self.wish, self.output, self._card = wish, output, card
        self._keeps_to = card.control("before") is not None
        self._blends = not self._keeps_to and wish.steadiness > 0
        self._folder = output.with_name(f"{output.name}.parts")
        self._state = _State("")
        self._clip: Clip | None = None
        self._frames: Generator[Frame] = (frame for frame in ())
        self._step: _Step | None = None
        self._seen: Picture | None = None  # of the video, the picture before
        self._made: Picture | None = None  # what was painted of it
        self._alone: Picture | None = None  # what the model made of it alone
        self._waiting: list[int] = []  # times of the pictures that are no piece yet
        self.total = 0
        self.resumed = 0

    @property
    def done(self) -> int:
        return self._state.done

    @property
    def last(self) -> Picture | None:
        """The picture of the film that was made last."""
        return self._made

    def begin(self) -> Job | None:
        """The first job, or the one that goes on where it was stopped."""
        self._clip = videofile.look(self.wish.video)
        if self.output.exists() and self.output.samefile(self.wish.video):
            raise ImageError("The film would be written over the one that it is made of.")
        self.total = self._clip.frames
        self._folder.mkdir(parents=True, exist_ok=True)
        self._state = self._resumed(self.wish.digest())
        self.resumed = done = self._state.done
        whole = done // PIECE * PIECE
        self._frames = videofile.frames(self._clip, max(min(whole, done - 1), 0))
        for number in range(max(min(whole, done - 1), 0), done):
            frame = next(self._frames)
            self._waiting += [frame.time] if number >= whole else []
            self._seen = frame.picture
        if done:
            self._made = open_picture(self._picture(done - 1))
            self._alone = open_picture(self._picture(done - 1, "alone")) if self._blends else None
            self._seen = _sized(self._seen, self._made) if self._seen else None
        return self._next()

    def add(self, picture: Picture) -> Job | None:
        """What was made of the last job; the next one."""
        assert self._step is not None
        step, alone = self._step, flatten(picture)
        alone = _sized(alone, self._made) if self._made is not None else alone
        seen = _sized(step.frame.picture, alone)
        state = self._state
        made = self._steadied(step, alone)
        if step.motion is not None and step.carried is not None and self._seen is not None:
            motion = step.motion
            before = motion.carried(self._alone) if self._alone else step.carried
            state = replace(
                state,
                film=_more(state.film, motion, step.carried, made),
                alone=_more(state.alone, motion, before, alone) if self._blends else state.alone,
                video=_more(state.video, motion, motion.carried(self._seen), seen),
            )
        self._seen, self._made, self._alone = seen, made, alone if self._blends else None
        self._waiting.append(step.frame.time)
        self._keep(replace(state, done=state.done + 1))
        return self._next()

    def finish(self) -> Result:
        """Join the film; its file is the only text of the result."""
        assert self._clip is not None
        if not self._state.done:
            raise ImageError(f"{self.wish.video.name} holds no picture that can be read.")
        if self._waiting:
            self._close_piece()
        recipe = replace(self.wish, job=_with_photo(self.wish.job, self._clip.first)).to_json()
        videofile.join(self._pieces(), self._clip, self.output, {"comment": "Made with Ganvas"})
        self.output.with_name(f"{self.output.name}.json").write_text(recipe, "utf-8")
        self._clear()
        self._folder.rmdir()
        return Result(
            texts=(str(self.output),), notes=(self._told(),), numbers=self.numbers()
        )  # fmt: skip

    def give_up(self) -> None:
        """Close the video; what is done stays."""
        self._frames.close()

    @property
    def kept(self) -> str:
        """One sentence that says what is done, "" if nothing is."""
        if not self._state.done or self._state.done == self.total:
            return ""
        return (
            f"{self._state.done} of {self.total} pictures are kept; asked for the same film again, "
            "it goes on from there."
        )

    def numbers(self) -> dict[str, float]:
        """Flicker, from 0 to 255: of the film, of its pictures each alone where that is known, of
        the video."""
        state = self._state
        named = {"flicker": state.film, "frame by frame": state.alone, "of the video": state.video}
        return {name: round(total / n, 3) for name, (total, n) in named.items() if n}

    # ---- one picture -----------------------------------------------------------------------------

    def _next(self) -> Job | None:
        frame = next(self._frames, None)
        if frame is None:
            self._step = None
            self.total = self._state.done
            return None
        self.total = max(self.total, self._state.done + 1)
        self._step = step = _Step(frame)
        job = _with_photo(self.wish.job, frame.picture)
        if self._made is None or self._seen is None:
            return job
        seen = _sized(frame.picture, self._made)
        motion = flow.motion(self._seen, seen)
        if motion.share < CUT:
            return job
        step.motion, step.carried = motion, motion.carried(self._made)
        if not self._keeps_to or not self.wish.steadiness:
            return job
        return self._going_on(job, seen, step.carried, motion.weight())

    def _going_on(self, job: Job, seen: Picture, carried: Picture, weight: np.ndarray) -> Job:
        """Begun with the picture before where that can be trusted, and held to it."""
        steady = np.rint(255 * self.wish.steadiness * weight).astype(np.uint8)
        images = {
            **job.images,
            "progress": _mixed(seen, carried, weight),
            "before": Picture(np.dstack((carried.pixels, steady))),
        }
        values = {**job.values, "steps": self.wish.steps, "grain": 0}
        return job.with_(images=images, values=values)

    def _steadied(self, step: _Step, alone: Picture) -> Picture:
        if not self._blends or step.motion is None or step.carried is None:
            return alone
        mixed = _mixed(alone, step.carried, KEPT * self.wish.steadiness * step.motion.weight())
        _, gate = gates.split(_with_photo(self.wish.job, step.frame.picture), self._card)
        return gate.laid(mixed) if gate else mixed

    # ---- what lies beside the film ---------------------------------------------------------------

    def _resumed(self, digest: str) -> _State:
        """The state of this very film, if it was begun; else nothing is left of another."""
        try:
            body = json.loads((self._folder / "state.json").read_text("utf-8"))
        except (OSError, ValueError):
            body = {}
        if body.get("digest") == digest:
            sums = {name: tuple(body[name]) for name in ("film", "alone", "video")}
            return _State(digest, body["done"], **sums)
        self._clear()
        return _State(digest)

    def _keep(self, state: _State) -> None:
        """The picture, then the state that counts it; what the state does not count is made
        again."""
        assert self._made is not None
        self._picture(state.done - 1).write_bytes(self._made.to_png())
        if self._alone is not None:
            self._picture(state.done - 1, "alone").write_bytes(self._alone.to_png())
        if state.done % PIECE == 0:
            self._close_piece()
        _replace(self._folder / "state.json", json.dumps(asdict(state)).encode())
        self._state = state
        self._forget(state.done)

    def _forget(self, done: int) -> None:
        """Pictures that are in a piece of film, but for the last."""
        for old in self._folder.glob("*-*.png"):
            kind, _, number = old.stem.partition("-")
            kept = done - 1 if kind == "alone" else done // PIECE * PIECE
            if int(number) < kept and int(number) != done - 1:
                old.unlink()

    def _close_piece(self) -> None:
        """The pictures that wait become a piece of film."""
        assert self._clip is not None
        numbers = range(len(self._pieces_before()) * PIECE, 10**9)
        waiting = zip(numbers, self._waiting, strict=False)
        pictures = (Frame(open_picture(self._picture(n)), time) for n, time in waiting)
        part = self._folder / "part"
        videofile.write_piece(pictures, part, self._clip)
        part.replace(self._piece(len(self._pieces_before())))
        self._waiting = []

    def _pieces_before(self) -> list[Path]:
        """Those of the pictures that the state counts."""
        return [self._piece(number) for number in range(self._state.done // PIECE)]

    def _pieces(self) -> list[Path]:
        return [self._piece(number) for number in range(-(-self._state.done // PIECE))]

    def _piece(self, number: int) -> Path:
        return self._folder / f"piece-{number:05}.{videofile.PIECES}"

    def _picture(self, number: int, kind: str = "picture") -> Path:
        return self._folder / f"{kind}-{number:07}.png"

    def _clear(self) -> None:
        for pattern in ("piece-*", "picture-*.png", "alone-*.png", "state.json*", "part"):
            for path in self._folder.glob(pattern):
                path.unlink()

    def _told(self) -> str:
        numbers = {name: f"{value:.1f}" for name, value in self.numbers().items()}
        if "flicker" not in numbers:
            return ""
        if "frame by frame" in numbers:
            return (
                f"Flicker {numbers['flicker']} of 255; frame by frame it would be "
                f"{numbers['frame by frame']}, the video itself has {numbers['of the video']}."
            )
        return f"Flicker {numbers['flicker']} of 255; the video has {numbers['of the video']}."


def made(film: StyleFilm, run: Callable[[Job], Iterator[Event]]) -> Iterator[Event]:
    """The events of a film whose jobs are run by `run`: a Progress and a Preview for each of its
    pictures, then the Result. Close it to stop; what is done stays."""
    try:
        job = film.begin()
        while job is not None:
            result = next(event for event in run(job) if isinstance(event, Result))
            job = film.add(result.picture)
            yield Progress(film.done, film.total, before=film.resumed)
            if film.last is not None:
                yield Preview(film.last)
        yield film.finish()
    finally:
        film.give_up()


def usual(job: Job, video: Path) -> Wish:
    """What is wanted of a film where nobody says otherwise: of pictures that go on from another, a
    quarter of the steps."""
    steps = round(float(str(job.values.get("steps", 0))))
    return Wish(job, video, steps=max(LEAST_STEPS, steps // 4))


def _plain(job: Job) -> Job:
    """What of a job holds for every picture of a film."""
    own = ("photo", "progress", "before")
    images = {role: picture for role, picture in job.images.items() if role not in own}
    values = {**job.values, "strip": "1"} if "strip" in job.values else job.values
    return job.with_(values=values, images=images, origins={}, drawings={})


def _with_photo(job: Job, photo: Picture) -> Job:
    plain = _plain(job)
    return plain.with_(images={**plain.images, "photo": photo})


def _sized(picture: Picture, like: Picture) -> Picture:
    return Picture(resize(picture.pixels, like.size))


def _mixed(one: Picture, other: Picture, share: np.ndarray) -> Picture:
    """`share` (H, W) of the other, RGB of one size."""
    mixed = one.pixels + (other.pixels.astype(np.float32) - one.pixels) * share[..., None]
    return Picture(np.rint(mixed).astype(np.uint8))


def _more(before: Sum, motion: Motion, carried: Picture, now: Picture) -> Sum:
    total, count = motion.difference(carried, now)
    return before[0] + total, before[1] + count


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
