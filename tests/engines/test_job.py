"""Pictures and recipes: every way of travelling, and everything that can be wrong with one."""

from __future__ import annotations

import base64
import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from engines.job import Job, JobError, Picture, job_from_png, save_png


def picture(height: int = 6, width: int = 5, channels: int = 3, seed: int = 0) -> Picture:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Picture(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def job() -> Job:
    return Job(
        "pix2pix",
        "shoes@0123456789abcdef",
        {"variation": 0.5, "noise": True, "strengths": [1.0, -2.0], "word": "blau"},
        {"edges": picture(channels=1), "hints": picture(channels=4)},
        {"edges": {"strokes": [[1.5, 2], [3, 4]]}},
        seed=7,
        size=(64, 48),
    )


def test_a_picture_is_read_only_and_equal_by_pixels() -> None:
    pixels = np.zeros((3, 4, 3), np.uint8)
    a = Picture(pixels)
    pixels[0, 0] = 9
    assert a.pixels.max() == 0 and a == Picture(np.zeros((3, 4, 3), np.uint8))
    assert a != Picture(np.zeros((4, 3, 3), np.uint8)) and hash(a) != hash(picture())
    assert (a.size, a.channels) == ((4, 3), 3)
    with pytest.raises(ValueError, match="read-only"):
        a.pixels[0, 0] = 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_survives_png_and_pickle(channels: int) -> None:
    a = picture(channels=channels)
    assert Picture.from_png(a.to_png()) == a
    assert pickle.loads(pickle.dumps(a)) == a


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2)), np.zeros((0, 2), np.uint8)]
)
def test_what_is_no_picture_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(JobError):
        Picture(bad)


def test_one_channel_arrays_become_grey() -> None:
    assert Picture(np.zeros((2, 3, 1), np.uint8)).pixels.shape == (2, 3)


def test_a_job_survives_every_way_of_travelling(tmp_path: Path) -> None:
    a = job()
    save_png(picture(), a, tmp_path / "a.png")
    for b in (
        Job.from_json(a.to_json()),
        Job.from_json(a.to_json(indent=2)),
        job_from_png(tmp_path / "a.png"),
        pickle.loads(pickle.dumps(a)),
    ):
        assert b == a and b.digest == a.digest
    assert Picture.from_png((tmp_path / "a.png").read_bytes()) == picture()


def test_the_digest_follows_what_determines_the_picture() -> None:
    a = job()
    changes = [
        {"seed": 8},
        {"values": {}},
        {"checkpoint": "x@1"},
        {"images": {}},
        {"size": None},
        {"family": "f"},
    ]
    assert len({a.digest, *(a.with_(**c).digest for c in changes)}) == 7
    assert a.with_(drawings={}).digest == a.digest


def test_a_recipe_of_three_megabytes_is_written_and_read(tmp_path: Path) -> None:
    a = Job("pix2pix", images={"edges": picture(1000, 1000)})
    assert len(a.to_json()) > 3_000_000
    save_png(picture(), a, tmp_path / "large.png")
    assert job_from_png(tmp_path / "large.png") == a


def test_a_png_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_png(picture(), job(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="space"):
        save_png(picture(seed=1), job(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_png_of_somebody_else_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    with pytest.raises(JobError, match=r"plain.png carries no Ganvas recipe"):
        job_from_png(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(JobError, match="cannot be read"):
        job_from_png(tmp_path / "text.png")
    info = PngImagePlugin.PngInfo()
    info.add_itxt("ganvas", '{"ganvas": 1, "family"', zip=False)
    Image.new("RGB", (2, 2)).save(tmp_path / "broken.png", pnginfo=info)
    with pytest.raises(JobError, match="not a Ganvas recipe"):
        job_from_png(tmp_path / "broken.png")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", "{}", '{"ganvas": 1}', '{"ganvas": "x", "family": 1}', "[" * 100_000],
)
def test_damaged_recipes(text: str) -> None:
    with pytest.raises(JobError, match="not a Ganvas recipe"):
        Job.from_json(text)


def test_a_recipe_of_a_newer_program_asks_for_an_update() -> None:
    body = json.loads(job().to_json())
    body["ganvas"] = 99
    with pytest.raises(JobError, match="newer Ganvas"):
        Job.from_json(json.dumps(body))


@pytest.mark.parametrize("entry", ["ganvas", "values", "images", "drawings", "seed", "size"])
def test_a_recipe_with_one_wrong_entry_is_refused_or_read(entry: str) -> None:
    body = json.loads(job().to_json())
    wrong = [None, True, "x", -1, float("inf"), float("nan"), 0.5, 10**400, [1], [[1, 2], [3]],
             {"edges": 1}, {"edges": "eA=="}, {"edges": None}, "9" * 5000]  # fmt: skip
    for value in wrong:
        try:
            read = Job.from_json(json.dumps({**body, entry: value}))
        except JobError as error:
            assert str(error).endswith(".")
        else:
            assert Job.from_json(read.to_json()) == read


def test_flipped_bytes_never_give_more_than_a_sentence(tmp_path: Path) -> None:
    dice = random.Random(0)
    save_png(picture(20, 20), job(), tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: dice.choice([len(whole), dice.randrange(len(whole))])])
        for _ in range(min(4, len(damaged))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "a.png").write_bytes(damaged)
        try:
            job_from_png(tmp_path / "a.png")
        except JobError:
            refused += 1
    assert refused > 100


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    with pytest.raises(JobError, match="cannot be read"):
        job_from_png(tmp_path / "bomb.png")
    packed = base64.b64encode((tmp_path / "bomb.png").read_bytes()).decode()
    body = {**json.loads(job().to_json()), "images": {"edges": packed}}
    with pytest.raises(JobError, match="not a Ganvas recipe"):
        Job.from_json(json.dumps(body))
