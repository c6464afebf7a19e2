"""What the strip of the Words room offers: seeds ranked, the way to another caption, the loop from
words to picture to words; each of its pictures brings what made it onto the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QObject, Signal

from app.i18n import tr
from app.studio import Studio
from app.widgets.strip import PictureStrip
from engines.job import Cancelled, Event, Failed, Job, Picture, Result, Value

SEEDS = "Six seeds, the best match first"
WAY = "On the way to the other caption"
LOOP = "Round and round"
TITLES = (SEEDS, WAY, LOOP)
TURNS = 4


class Offers(QObject):
    caption_chosen = Signal(str)

    def __init__(self, strip: PictureStrip, studio: Studio) -> None:
        super().__init__(strip)
        self.strip, self.studio = strip, studio
        self.sheet: Picture | None = None  # of the pictures in the strip
        self._acts: tuple[Callable[[], None], ...] = ()
        self._ticket = 0
        strip.chosen.connect(lambda place: self._acts[place]())

    def rank(self) -> None:
        self._offer(SEEDS, {"output": "seeds"})

    def lead(self) -> None:
        self._offer(WAY, {"output": "strip"})

    def go_round(self) -> None:
        """Caption to picture to caption, with the first captioner there is."""
        desk, captioner = self.studio.job(drawings=False), self.studio.captions.captioner()
        if desk is not None and captioner:
            values: dict[str, Value] = {
                "caption": desk.values["caption"], "painter": desk.checkpoint,
                "captioner": captioner, "turns": TURNS,
            }  # fmt: skip
            self._submit(LOOP, Job("word_loop", values=values, seed=desk.seed))

    def clear(self) -> None:
        """Another model: what is under way is not shown any more."""
        self._ticket = 0
        self.strip.hide()

    def way_rows(self, frames: int) -> list[dict[str, Value]]:
        """The values of a film to the other caption and back."""
        from engines import animate

        track = animate.Track("toward", 0.0, 1.0)
        return animate.timeline(self.studio.values, [track], frames, pingpong=True)

    def _offer(self, title: str, values: dict[str, Value]) -> None:
        desk = self.studio.job(drawings=False)
        if desk is not None:
            self._submit(title, desk.with_(values={**desk.values, **values}))

    def _submit(self, title: str, job: Job) -> None:
        def follow(ticket: int, event: Event) -> None:
            self.studio.tasks.apply(ticket, event)
            if isinstance(event, Result | Cancelled):
                self.studio.tasks.forget(ticket)
            if isinstance(event, Result) and ticket == self._ticket:
                self._show(title, event)
            elif isinstance(event, Failed):
                self.studio.failed.emit("result", event)

        self._ticket = self.studio.submit(job, title, follow)
        self.studio.tasks.add(title, self._ticket)

    def _show(self, title: str, result: Result) -> None:
        drifts = [n for name, n in result.numbers.items() if name.startswith("drift")]
        if drifts:
            texts = [
                tr("{caption} · drift {drift}", caption=text, drift=f"{d:.2f}")
                for text, d in zip(result.texts, drifts)
            ]
            says = self.caption_chosen.emit
            self._acts = tuple(lambda text=text: says(text) for text in result.texts)
        else:
            texts = [_told(text) for text in result.texts]
            self._acts = tuple(lambda values=v: self._take(values) for v in result.values)
        self.sheet = _sheet(result.pictures, texts)
        self.strip.show_pictures(title, result.pictures, texts, [True] * len(texts))

    def _take(self, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if name == "seed":
                self.studio.set_seed(int(value))  # pyright: ignore[reportArgumentType]
            else:
                self.studio.set_value(name, value)


def _told(text: str) -> str:
    """ "seed 7: 0.43" in the language shown, in two lines; a share of the way as it is."""
    name, _, match = text.partition(": ")
    seed = name.removeprefix("seed ")
    return tr("seed {seed} · match {match}", seed=seed, match=match) if match else text


def _sheet(pictures: Sequence[Picture], texts: Sequence[str]) -> Picture:
    from engines import images

    return images.contact_sheet(list(pictures), list(texts))
