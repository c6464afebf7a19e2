"""Masks that gate a model's result, on pictures whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from engines import gates
from engines.controls import ImageInput, ModelCard, checked, gate, transferred
from engines.gates import Gate
from engines.images import ImageError, resize
from engines.job import Job, Picture, Preview, Progress, Result

RNG = np.random.default_rng(5)


def noise(*shape: int) -> Picture:
    return Picture(RNG.integers(0, 256, shape, np.uint8))


def half(high: int = 20, wide: int = 24, soft: int = 90) -> Picture:
    """Nothing left, all right, two soft columns between."""
    mask = np.zeros((high, wide), np.uint8)
    mask[:, wide // 2 :], mask[:, wide // 2 - 2 : wide // 2] = 255, soft
    return Picture(mask)


@pytest.mark.parametrize("photo", [(20, 24), (20, 24, 3), (20, 24, 4)])
@pytest.mark.parametrize("made", [(20, 24), (20, 24, 3), (20, 24, 4)])
def test_outside_every_pixel_is_the_photos_and_inside_the_results(
    photo: tuple[int, ...], made: tuple[int, ...]
) -> None:
    below, above = noise(*photo), noise(*made)
    laid = Gate(below, half()).laid(above)
    assert laid.channels == max(below.channels, above.channels)
    for side, picture in ((np.s_[:, :10], below), (np.s_[:, 12:], above)):
        seen = laid.pixels[side].reshape(20, -1, laid.channels)[..., :3]
        wanted = picture.pixels[side].reshape(20, -1, picture.channels)[..., :3]
        assert np.array_equal(seen, np.broadcast_to(wanted, seen.shape))
    if below.channels == 4 and above.channels < 4:
        assert np.array_equal(laid.pixels[..., 3], below.pixels[..., 3])  # as everywhere


def test_a_soft_mask_mixes_and_rounds() -> None:
    below, above = noise(20, 24, 3), noise(20, 24, 3)
    between = np.s_[:, 10:12]
    laid = Gate(below, half(soft=90)).laid(above).pixels[between]
    exact = below.pixels[between] * (165 / 255) + above.pixels[between] * (90 / 255)
    assert np.array_equal(laid, np.rint(exact))


def test_a_tall_picture_is_blended_in_bands_without_a_seam() -> None:
    below, above = noise(1100, 4), noise(1100, 4)
    share = noise(1100, 4)
    exact = below.pixels + (above.pixels.astype(float) - below.pixels) * (share.pixels / 255)
    assert np.abs(Gate(below, share).laid(above).pixels - exact).max() <= 0.51


def test_of_an_enlarged_result_the_rest_is_the_plain_enlargement() -> None:
    photo, made = noise(20, 24, 4), noise(60, 72, 4)
    laid, plain = Gate(photo, half()).laid(made).pixels, resize(photo.pixels, (72, 60))
    assert np.array_equal(laid[:, :24], plain[:, :24])
    assert np.array_equal(laid[:, 42:], made.pixels[:, 42:])


def test_the_mask_may_be_smaller_and_may_be_strokes_on_a_transparent_sheet() -> None:
    below, above = noise(40, 48, 3), noise(40, 48, 3)
    strokes = np.zeros((20, 24, 4), np.uint8)
    strokes[:, 12:, 3] = 255
    laid = Gate(below, Picture(strokes)).laid(above).pixels
    assert np.array_equal(laid[:, :20], below.pixels[:, :20])
    assert np.array_equal(laid[:, 28:], above.pixels[:, 28:])


def test_a_result_of_another_shape_is_refused_in_a_sentence() -> None:
    with pytest.raises(ImageError, match="the photo's shape; this one is 12 x 20 for a photo"):
        Gate(noise(20, 24), half()).laid(noise(20, 12))


def test_previews_are_gated_too_and_progress_passes() -> None:
    below, above = noise(20, 24), noise(20, 24)
    gated = Gate(below, half())
    laid = gated.laid(above)
    assert gated.over(Preview(above)) == Preview(laid)
    assert gated.over(Progress(1, 2)) == Progress(1, 2)
    assert gated.over(Result((above, above), notes=("so",))) == Result((laid, laid), notes=("so",))


CARD = ModelCard("x", "X", (ImageInput("picture", "Picture"), gate("picture")))


def test_the_family_never_sees_the_mask_and_other_photos_do_not_get_it() -> None:
    photo, mask = noise(20, 24), half()
    job = checked(Job("x", images={"picture": photo, "mask": mask}), CARD)
    bare, found = gates.split(job, CARD)
    assert bare.images == {"picture": photo} and found == Gate(photo, mask)
    assert gates.split(bare, CARD) == (bare, None)
    assert "mask" not in transferred(job, CARD).images
