"""Optical flow: what moved where, what is not trusted, what is carried along."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines import flow
from engines.job import Picture


def texture(seed: int, width: int = 160, height: int = 96) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 2).astype(np.float32)
    return np.clip((soft - 128) * 4 + 128, 0, 255).astype(np.uint8)


def scene(at: int) -> Picture:
    """A patch of its own texture, 48 wide, in front of a still ground."""
    pixels = texture(1)
    pixels[24:72, at : at + 48] = texture(2, 48, 48)
    return Picture(pixels)


def test_a_thing_that_moved_is_found_where_it_was() -> None:
    found = flow.motion(scene(40), scene(46))
    middle = found.back[36:60, 60:80]
    assert np.abs(middle - (-6, 0)).max() < 0.3
    assert np.abs(found.back[4:16]).max() < 0.3  # the ground stands still
    carried = found.carried(scene(40)).pixels.astype(int)
    error = np.abs(carried - scene(46).pixels)[found.trusted]
    assert error.mean() < 4 and found.share > 0.85


def test_what_was_hidden_is_not_trusted() -> None:
    found = flow.motion(scene(40), scene(46))
    assert found.trusted[30:66, 41:45].mean() < 0.3  # the ground that the patch left
    assert found.trusted[30:66, 52:88].mean() > 0.95
    weight = found.weight()
    assert weight.max() == 1 and not weight[~found.trusted].any()


def test_what_comes_in_over_the_rim_is_not_trusted() -> None:
    wide = texture(3, 200)
    found = flow.motion(Picture(wide[:, 8:168]), Picture(wide[:, :160]))
    assert not found.trusted[:, :7].any() and found.trusted[:, 12:].mean() > 0.9


def test_another_scene_and_a_flash_are_not_trusted() -> None:
    still = Picture(texture(1))
    bright = Picture(np.clip(still.pixels.astype(int) + 90, 0, 255).astype(np.uint8))
    assert flow.motion(still, Picture(texture(9))).share < 0.3
    assert flow.motion(still, bright).share < 0.3
    assert flow.motion(still, still).share > 0.99


def test_large_pictures_are_looked_at_smaller_and_flow_is_in_their_pixels() -> None:
    wide = cv2.resize(texture(4, 420, 100), (1680, 400), interpolation=cv2.INTER_CUBIC)
    found = flow.motion(Picture(wide[:, 16:1616]), Picture(wide[:, :1600]))
    assert found.back.shape == (400, 1600, 2)
    assert np.median(found.back[..., 0]) == pytest.approx(-16, abs=0.5)


def test_differences_count_where_the_flow_is_trusted() -> None:
    still = Picture(texture(1))
    found = flow.motion(still, still)
    brighter = Picture(np.full_like(still.pixels, 13))
    total, count = found.difference(Picture(np.full_like(still.pixels, 10)), brighter)
    assert total / count == pytest.approx(3) and count == found.trusted.sum()
