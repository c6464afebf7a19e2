from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines import datasets


def write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (40, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((size[1], size[0], 3), colour, np.uint8)
    picture[8:24, 10:30] = 255 - picture[8:24, 10:30]
    Image.fromarray(picture).save(path)


def test_joined_files_are_split_and_turned_by_direction(tmp_path: Path) -> None:
    left, right = np.full((16, 16, 3), 10, np.uint8), np.full((16, 16, 3), 200, np.uint8)
    Image.fromarray(np.hstack((left, right))).save(tmp_path / "1.png")
    forward = datasets.find_pairs(tmp_path)
    assert [int(side.mean()) for side in forward.pair(0)] == [10, 200]
    backward = datasets.find_pairs(tmp_path, direction="BtoA")
    assert [int(side.mean()) for side in backward.pair(0)] == [200, 10]


@pytest.mark.parametrize("names", [("A", "B"), ("trainA", "trainB")])
def test_two_folders_are_matched_by_name(tmp_path: Path, names: tuple[str, str]) -> None:
    for index in range(3):
        write(tmp_path / names[0] / f"{index}.png", (index, 0, 0))
        write(tmp_path / names[1] / f"{index}.jpg", (200, 200, index))
    write(tmp_path / names[0] / "alone.png", (9, 9, 9))
    found = datasets.find_pairs(tmp_path)
    assert len(found) == 3
    assert found.files[1][0].stem == found.files[1][1].stem == "1"


def test_photos_alone_get_their_inputs_made(tmp_path: Path) -> None:
    write(tmp_path / "a.png", (30, 90, 160))
    first, second = datasets.find_pairs(tmp_path, maker="grey").pair(0)
    assert (
        np.ptp(first.astype(int), axis=2).max() == 0
        and np.ptp(second.astype(int), axis=2).max() > 50
    )


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [("nothing", "There is no folder"), ("empty", "no picture"), ("single", "not a joined A|B"),
     ("strangers", "has a partner"), ("maker", "is one of edges")],
)  # fmt: skip
def test_a_wrong_folder_is_named_in_one_sentence(
    tmp_path: Path, layout: str, sentence: str
) -> None:
    folder, maker = tmp_path / "set", ""
    if layout != "nothing":
        folder.mkdir()
    if layout in ("single", "maker"):
        write(folder / "a.png", (1, 2, 3), (32, 32))
        maker = "magic" if layout == "maker" else ""
    if layout == "strangers":
        write(folder / "A" / "a.png", (1, 2, 3))
        write(folder / "B" / "b.png", (1, 2, 3))
    with pytest.raises(datasets.DataError, match=sentence.replace("|", r"\|")):
        datasets.find_pairs(folder, maker=maker)


def test_a_batch_is_a_function_of_seed_step_and_rank(tmp_path: Path) -> None:
    for index in range(5):
        write(tmp_path / f"{index}.png", (40 * index, 90, 160))
    data = datasets.find_pairs(tmp_path, maker="edges", seed=4)
    one, same, other = (data.batch(step, 3, (24, 24)) for step in (2, 2, 3))
    assert all(np.array_equal(one[k], same[k]) for k in one)
    assert not np.array_equal(one["target"], other["target"])
    assert not np.array_equal(one["target"], data.batch(2, 3, (24, 24), rank=1)["target"])
    assert one["input"].shape == (3, 3, 24, 24) and one["input"].dtype == np.float32
    assert one["target"].min() >= -1 and one["target"].max() <= 1


def test_an_epoch_shows_every_sample_once() -> None:
    picks = np.concatenate([datasets.chosen(3, 7, 0, step, 0) for step in range(7)])
    assert all(sorted(picks[7 * e : 7 * e + 7]) == list(range(7)) for e in range(3))


def test_edge_photos_give_drawings_hints_and_photos_that_belong_together(tmp_path: Path) -> None:
    for index in range(4):
        write(tmp_path / f"{index}.png", (230, 60 * index, 40), (64, 64))
    data = datasets.EdgePhotos(tmp_path, (64, 64), seed=1, hinted=1.0)
    batch = data.batch(0, 8, (32, 32))
    assert {k: v.shape[1:] for k, v in batch.items()} == {
        "edges": (1, 32, 32), "hints": (4, 32, 32), "named": (1, 32, 32), "photo": (3, 32, 32)
    }  # fmt: skip
    mask = batch["hints"][:, 3:]
    assert mask.max() == 1 and set(np.unique(mask)) <= {0, 1}
    assert not batch["hints"][:, :3][np.broadcast_to(mask == 0, batch["hints"][:, :3].shape)].any()
    difference = np.abs(batch["hints"][:, :3] - batch["photo"])[
        np.broadcast_to(mask > 0, batch["photo"].shape)
    ]
    assert np.median(difference) < 0.25
    stats = data.stats(20)
    assert set(stats) == {"ink", "width", "extent"} and all(
        0 < low <= high for low, high in stats.values()
    )


def test_photos_before_a_plain_ground_are_drawn_oftener(tmp_path: Path) -> None:
    busy = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    plain = np.full((64, 64, 3), 240, np.uint8)
    plain[16:48, 16:48] = (200, 30, 40)
    for name, picture in (("a", busy), ("b", plain)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    data = datasets.EdgePhotos(tmp_path, (64, 64), plain=3)
    assert len(data) == 2 and data.order.tolist() == [0, 1, 1, 1]
    assert datasets.EdgePhotos(tmp_path, (64, 64)).order.tolist() == [0, 1]


def test_a_white_margin_is_dropped_where_it_is_asked_for(tmp_path: Path) -> None:
    framed = np.full((80, 120, 3), 255, np.uint8)
    framed[20:60, 30:90] = (40, 90, 160)
    Image.fromarray(framed).save(tmp_path / "a.png")
    whole = datasets.read_photo(tmp_path / "a.png", (60, 40))
    cut = datasets.read_photo(tmp_path / "a.png", (60, 40), trim=True)
    assert whole[0, 0].min() == 255 and (cut == (40, 90, 160)).all()


def test_prefetched_batches_come_in_order_and_stop_cleanly(tmp_path: Path) -> None:
    write(tmp_path / "a.png", (30, 90, 160))
    data = datasets.find_pairs(tmp_path, maker="grey")
    got = list(datasets.Prefetch(data, 2, (16, 16), 3, 8, workers=3))
    assert len(got) == 5
    assert all(
        np.array_equal(b["target"], data.batch(3 + i, 2, (16, 16))["target"])
        for i, b in enumerate(got)
    )
    half = iter(datasets.Prefetch(data, 2, (16, 16), 0, 100))
    next(half)
    half.close()
