import cv2
import numpy as np
import pytest

from engines import pairs


@pytest.fixture
def photo() -> np.ndarray:
    picture = np.full((128, 96, 3), (235, 230, 220), np.uint8)
    cv2.ellipse(picture, (48, 64), (30, 45), 0, 0, 360, (170, 30, 40), -1)
    cv2.line(picture, (48, 25), (48, 100), (90, 10, 20), 3)
    return picture


def test_drawings_differ_each_time_and_repeat_with_the_seed(photo: np.ndarray) -> None:
    bank = pairs.line_bank(photo)
    style = pairs.EdgeStyle()
    first = [pairs.hand_edges(bank, style, np.random.default_rng(seed)) for seed in range(6)]
    again = [pairs.hand_edges(bank, style, np.random.default_rng(seed)) for seed in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert len({a.tobytes() for a in first}) == 6
    assert all((a < 128).any() for a in first)


def test_hints_carry_the_colours_beneath_them(photo: np.ndarray) -> None:
    mask = (pairs.line_bank(photo) & pairs.SUBJECT) > 0
    hints, named = pairs.colour_hints(photo, mask, 6, np.random.default_rng(3))
    hinted = hints[..., 3] > 0
    assert hinted.any() and set(np.unique(hints[..., 3])) <= {0, 255}
    nearest = np.abs(
        hints[hinted][:, None, :3].astype(int) - [(235, 230, 220), (170, 30, 40), (90, 10, 20)]
    )
    assert np.median(nearest.max(2).min(1)) < 40
    assert named.any()


def test_no_hints_means_nothing_hinted(photo: np.ndarray) -> None:
    hints, named = pairs.colour_hints(photo, np.ones((128, 96), bool), 0, np.random.default_rng(0))
    assert not hints.any() and not named.any()


def test_dyeing_changes_the_subject_alone_and_keeps_its_light(photo: np.ndarray) -> None:
    mask = np.zeros((128, 96), bool)
    mask[40:80, 20:70] = True
    dyed = [pairs.recoloured(photo, mask, np.random.default_rng(n)) for n in range(6)]
    far = np.ones((128, 96), bool)
    far[35:85, 15:75] = False
    assert all(np.abs(d[far].astype(int) - photo[far]).max() <= 1 for d in dyed)
    inside = [d[45:75, 25:65].reshape(-1, 3).mean(0) for d in dyed]
    assert np.ptp(inside, axis=0).max() > 60
    light = [int(d.max(2)[50, 40]) + int(d.min(2)[50, 40]) for d in dyed]
    assert max(light) - min(light) <= 4


@pytest.mark.parametrize("maker", pairs.MAKERS)
def test_every_maker_keeps_the_size_and_gives_rgb(maker: str, photo: np.ndarray) -> None:
    made = pairs.MAKERS[maker](photo)
    assert made.shape == photo.shape and made.dtype == np.uint8
    assert not np.array_equal(made, photo)


def test_mosaic_only_where_masked(photo: np.ndarray) -> None:
    mask = np.zeros((128, 96), bool)
    mask[40:80, 20:70] = True
    made = pairs.mosaic(photo, 8, mask)
    assert np.array_equal(made[~mask], photo[~mask])
    assert not np.array_equal(made[mask], photo[mask])


def test_regions_are_flat_and_few(photo: np.ndarray) -> None:
    colours = np.unique(pairs.regions(photo).reshape(-1, 3), axis=0)
    assert 2 <= len(colours) <= 8
