"""A film in the look of a style: steadier than frame by frame, in constant memory, resumable."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from engines import backbonenet, backbones, checkpoint, cli, stylefilm, videofile
from engines.controls import ImageInput, ModelCard, Slider
from engines.engine import Engine
from engines.families.faststyle import net
from engines.families.faststyle.config import Config
from engines.images import ImageError
from engines.job import Event, Job, Picture, Preview, Result
from engines.stylefilm import StyleFilm, Wish

SIZE = (128, 96)
CARD = ModelCard("fake", "Fake style", controls=(ImageInput("photo", "Photo"),))


def texture(seed: int, width: int, height: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip((soft - 128) * 5 + 128, 0, 255).astype(np.uint8)


def rendered(path: Path, count: int = 8, noise: int = 5, cut: int = -1) -> Path:
    """Two textured shapes that cross a textured ground, and a camera's noise; at `cut` another
    ground begins."""
    chance = np.random.default_rng(0)
    shapes = texture(2, 40, 40), texture(3, 30, 30)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "12"}
        for number in range(count):
            pixels = texture(1 if cut < 0 or number < cut else 11, *SIZE).astype(int)
            pixels[10:50, 10 + 3 * number : 50 + 3 * number] = shapes[0]
            pixels[60:90, 90 - 2 * number : 120 - 2 * number] = shapes[1]
            pixels += chance.integers(-noise, noise + 1, pixels.shape)
            frame = av.VideoFrame.from_ndarray(
                np.clip(pixels, 0, 255).astype(np.uint8), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sharpened(job: Job) -> Iterator[Event]:
    """No network, but as nervous as one: it makes much of little."""
    x = job.images["photo"].pixels.astype(np.float32)
    fine = x - cv2.GaussianBlur(x, (0, 0), 2)
    yield Result((Picture(np.clip(128 + 6 * fine, 0, 255).astype(np.uint8)),))


def film(video: Path, output: Path, steadiness: float = 0.8, **more: Any) -> StyleFilm:
    return StyleFilm(Wish(Job("fake", "x@y"), video, steadiness, **more), CARD, output)


def finished(made: StyleFilm, run: Any = sharpened) -> Result:
    last = None
    for last in stylefilm.made(made, run):  # noqa: B007
        pass
    assert isinstance(last, Result)
    return last


def test_a_film_is_painted_with_the_size_and_rate_of_its_video(tmp_path: Path) -> None:
    video, output = rendered(tmp_path / "a.mp4"), tmp_path / "made.mp4"
    result = finished(film(video, output))
    before, after = videofile.look(video), videofile.look(output)
    assert (after.first.size, after.rate, after.frames) == (SIZE, before.rate, 8)
    assert result.texts == (str(output),) and sorted(p.name for p in tmp_path.iterdir()) == [
        "a.mp4", "made.mp4", "made.mp4.json",
    ]  # fmt: skip
    numbers = result.numbers
    assert result.notes[0].startswith(f"Flicker {numbers['flicker']:.1f} of 255; frame by frame")


def test_flicker_is_at_most_half_of_that_frame_by_frame(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4")
    steady = finished(film(video, tmp_path / "steady.mp4")).numbers
    plain = finished(film(video, tmp_path / "plain.mp4", 0)).numbers
    assert steady["frame by frame"] == plain["flicker"] > 2 * plain["of the video"]
    assert steady["flicker"] < 0.5 * plain["flicker"]
    assert measured(tmp_path / "steady.mp4", video) < 0.5 * measured(tmp_path / "plain.mp4", video)


def measured(made: Path, video: Path) -> float:
    """The same from the files, by another flow (Farneback 2003)."""
    painted = [f.picture.pixels for f in videofile.frames(videofile.look(made))]
    seen = [f.picture.pixels for f in videofile.frames(videofile.look(video))]
    found = []
    for n in range(1, len(seen)):
        new, old = (cv2.cvtColor(seen[k], cv2.COLOR_RGB2GRAY) for k in (n, n - 1))
        back = cv2.calcOpticalFlowFarneback(new, old, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore
        y, x = np.mgrid[: new.shape[0], : new.shape[1]].astype(np.float32)
        carried = cv2.remap(painted[n - 1], x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR)
        apart = np.abs(carried.astype(int) - painted[n]).mean(2)
        found.append(float(np.median(apart[8:-8, 8:-8])))
    return float(np.mean(found))


def test_frame_by_frame_is_what_the_model_makes_of_each_picture(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 4)
    shown: list[Picture] = []

    def run(job: Job) -> Iterator[Event]:
        assert job.images.keys() == {"photo"}
        shown.append(job.images["photo"])
        yield from sharpened(job)

    finished(film(video, tmp_path / "made.mp4", 0), run)
    assert shown == [f.picture for f in videofile.frames(videofile.look(video))]


def test_another_scene_begins_anew(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 6, cut=3)
    alone: list[Picture] = []

    def run(job: Job) -> Iterator[Event]:
        for event in sharpened(job):
            alone.append(event.picture)  # type: ignore[union-attr]
            yield event

    events = stylefilm.made(film(video, tmp_path / "made.mp4"), run)
    made = [event.picture for event in events if isinstance(event, Preview)]
    assert [one == other for one, other in zip(made, alone, strict=True)] == [
        True, False, False, True, False, False,
    ]  # fmt: skip


# ---- stopped and gone on with --------------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_film_that_was_stopped_goes_on_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(stylefilm, "PIECE", 3)
    video = rendered(tmp_path / "a.mp4")
    whole = finished(film(video, tmp_path / "whole.mp4"))
    one = film(video, tmp_path / "made.mp4")
    events = stylefilm.made(one, sharpened)
    for event in events:
        if getattr(event, "done", 0) == stop:
            break
    events.close()  # type: ignore[attr-defined]
    assert one.kept.startswith(f"{stop} of 8 pictures are kept")
    assert not (tmp_path / "made.mp4").exists()
    asked = 0

    def counted(job: Job) -> Iterator[Event]:
        nonlocal asked
        asked += 1
        yield from sharpened(job)

    rest = film(video, tmp_path / "made.mp4")
    result = finished(rest, counted)
    assert asked == 8 - stop and rest.resumed == stop
    assert result.numbers == whole.numbers
    assert (tmp_path / "made.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "made.mp4.parts").exists()


def test_what_is_left_of_another_film_is_not_gone_on_with(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 4)
    events = stylefilm.made(film(video, tmp_path / "made.mp4"), sharpened)
    next(events)
    events.close()  # type: ignore[attr-defined]
    again = film(video, tmp_path / "made.mp4", 0.5)
    finished(again)
    assert again.resumed == 0


def test_a_picture_that_was_half_written_is_made_again(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 4)
    finished(film(video, tmp_path / "whole.mp4"))
    events = stylefilm.made(film(video, tmp_path / "made.mp4"), sharpened)
    next(events)
    events.close()  # type: ignore[attr-defined]
    (tmp_path / "made.mp4.parts" / "picture-0000001.png").write_bytes(b"half")
    finished(film(video, tmp_path / "made.mp4"))
    assert (tmp_path / "made.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


# ---- memory --------------------------------------------------------------------------------------


def alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> int:
    """The most pictures that live at once while a film is made."""
    known: list[weakref.ref[Any]] = []
    create, most = Picture.__init__, 0

    def counting(self: Picture, pixels: np.ndarray) -> None:
        create(self, pixels)
        known.append(weakref.ref(self.pixels))

    def run(job: Job) -> Iterator[Event]:
        nonlocal most
        yield from sharpened(job)
        gc.collect()
        most = max(most, len({id(pixels) for one in known if (pixels := one()) is not None}))

    with monkeypatch.context() as patched:
        patched.setattr(Picture, "__init__", counting)
        finished(film(rendered(tmp_path / f"{count}.mp4", count), tmp_path / "made.mp4"), run)
    assert len(known) > 5 * count
    return most


def test_memory_does_not_grow_with_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stylefilm, "PIECE", 4)
    short, long = alive(tmp_path, monkeypatch, 6), alive(tmp_path, monkeypatch, 18)
    assert short == long <= 8


# ---- what cannot be ------------------------------------------------------------------------------


def test_what_cannot_be_a_film_is_told_in_one_sentence(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 2)
    with pytest.raises(ImageError, match="written over"):
        film(video, video).begin()
    with pytest.raises(ImageError, match=r"saved as \.mp4"):
        film(video, tmp_path / "made.gif")
    with pytest.raises(ImageError, match="takes no photo"):
        StyleFilm(Wish(Job("x"), video), ModelCard("x", "X"), tmp_path / "made.mp4")
    with pytest.raises(ImageError, match=r"gone\.mp4 is not there"):
        film(tmp_path / "gone.mp4", tmp_path / "made.mp4").begin()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"cut\.mkv is damaged"):
        film(cut, tmp_path / "made.mp4").begin()


def test_the_recipe_lies_beside_the_film(tmp_path: Path) -> None:
    video = rendered(tmp_path / "a.mp4", 2)
    job = Job("fake", "x@y", {"strength": 0.5}, {"style": Picture(texture(5, 20, 20))}, seed=3)
    wish = Wish(job, video, 0.7, 12)
    finished(StyleFilm(wish, CARD, tmp_path / "made.mp4"))
    text = (tmp_path / "made.mp4.json").read_text("utf-8")
    again = Wish.from_json(text)
    assert again is not None and (again.video, again.steadiness, again.steps) == (video, 0.7, 12)
    assert again.digest() == wish.digest()
    assert again.job.images["photo"] == videofile.look(video).first  # what the window shows of it
    assert Wish.from_json(json.dumps(json.loads(job.to_json()))) is None


# ---- with networks -------------------------------------------------------------------------------


def run_by(engine: Engine) -> Any:
    return lambda job: engine.run(job)


def test_a_fast_style_net_flickers_half_as_much(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    weights = tmp_path / "tiny.pth"
    torch.save(net.build(Config("plain", (4, 8, 8), 1)).state_dict(), weights)
    engine, video = Engine("cpu"), rendered(tmp_path / "a.mp4", 5)
    card = engine.describe(str(weights))
    assert card.family == "fast_style"
    job = Job(card.family, card.checkpoint, {})
    made = StyleFilm(Wish(job, video), card, tmp_path / "made.mp4")
    numbers = finished(made, run_by(engine)).numbers
    assert numbers["flicker"] < 0.5 * numbers["frame by frame"]


def test_neural_style_flickers_half_as_much(tmp_path: Path) -> None:
    config = backbones.Config(widths=(6, 8), depths=(1, 1), classes=0, hidden=0)
    weights = tmp_path / "tiny.safetensors"
    state = backbonenet.random(config, 1).state_dict()
    checkpoint.save(weights, state, backbones.to_metadata(config))
    engine, video = Engine("cpu"), rendered(tmp_path / "a.mp4", 4)
    card = engine.describe(str(weights), "neural_style")
    values = {"steps": 20, "every": 20, "strength": 1, "content": 0.1, "pixel": 100, "longest": 64}
    style = {"style": Picture(texture(7, 64, 64))}
    job = Job(card.family, card.checkpoint, values, style)
    found = {}
    for steadiness in (0.0, 1.0):
        wish = Wish(job, video, steadiness, 10)
        made = StyleFilm(wish, card, tmp_path / f"{steadiness}.mp4")
        found[steadiness] = finished(made, run_by(engine)).numbers["flicker"]
        assert videofile.look(made.output).first.size == SIZE
    assert found[1.0] < 0.5 * found[0.0]


def test_the_slider_of_a_card_is_kept(tmp_path: Path) -> None:
    """A strip of mixes is no picture of a film."""
    card = ModelCard("fake", "Fake", controls=(ImageInput("photo", "Photo"),
                                               Slider("strip", "Strip", 0, 9, 1, 1)))  # fmt: skip
    job = Job("fake", "x@y", {"strip": "5"})
    made = StyleFilm(Wish(job, rendered(tmp_path / "a.mp4", 1)), card, tmp_path / "made.mp4")
    first = made.begin()
    assert first is not None and first.values["strip"] == "1"
    made.give_up()


def test_the_command_paints_a_film_and_makes_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, made, again = rendered(tmp_path / "a.mp4", 3), tmp_path / "made.mp4", tmp_path / "b.mp4"
    said = ["film", "--video", str(video), "--model", "style-mosaic", "--set", "longest=64"]
    assert cli.main([*said, "--steady", "0.9", "-o", str(made)]) == 0
    told = capsys.readouterr().out
    assert "3 pictures" in told and "Flicker " in told and "frame by frame" in told
    assert cli.main(["film", f"{made}.json", "-o", str(again)]) == 0
    assert again.read_bytes() == made.read_bytes()
    assert cli.main(["film", f"{made}.json", "--steady", "0", "-o", str(again)]) == 0
    assert again.read_bytes() != made.read_bytes()
    capsys.readouterr()
    for wrong in (["--steady", "2"], ["--video", str(tmp_path / "gone.mkv")], ["-o", "made.gif"]):
        assert cli.main([*said, "-o", str(made), *wrong]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
