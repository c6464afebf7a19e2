"""Picture to tensor and back, and padding at every size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engines.job import Picture
from engines.tensors import NotFinite, TensorError, pad_to_multiple, to_picture, to_tensor


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> Picture:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Picture(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0), (-2.5, 3.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_there_and_back_changes_nothing(
    channels: int, bounds: tuple[float, float], dtype: torch.dtype
) -> None:
    low, high = bounds
    picture = noise(16, 16, channels)
    x = to_tensor(picture, channels, dtype=dtype, low=low, high=high)
    assert x.shape == (1, channels, 16, 16) and x.dtype == dtype and x.is_contiguous()
    assert to_picture(x, low, high) == picture
    assert to_picture(x[0], low, high) == picture


def test_every_grey_value_survives_half_precision() -> None:
    picture = Picture(np.arange(256, dtype=np.uint8)[None])
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert to_picture(to_tensor(picture, 1, dtype=dtype)) == picture


def test_the_numbers_are_those_of_the_reference() -> None:
    """ToTensor divides by 255, Normalize subtracts 0.5 and divides by 0.5."""
    picture = noise(33, 17)
    reference = (
        torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)
    )
    assert torch.equal(to_tensor(picture)[0], reference)


def test_rounding_is_to_the_nearest_and_clamped() -> None:
    values = torch.tensor([-9.0, -1.0, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 0.0, 1.0, 9.0])
    x = values.reshape(1, 1, 1, -1)
    assert to_picture(x).pixels.tolist() == [[0, 0, 0, 1, 128, 255, 255]]


def test_modes_that_a_network_does_not_take_are_brought_to_it() -> None:
    clear = Picture(np.zeros((2, 3, 4), np.uint8))
    assert (to_tensor(clear, 3) == 1).all() and (to_tensor(clear, 1) == 1).all()
    assert (to_tensor(clear, 4) == -1).all()
    assert to_tensor(noise(3, 2, 1), 3).shape == (1, 3, 2, 3)
    assert (to_tensor(noise(3, 2), 4)[:, 3] == 1).all()
    with pytest.raises(TensorError, match="takes 7 channels"):
        to_tensor(clear, 7)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(NotFinite):
        to_picture(torch.full((1, 3, 4, 4), float("nan")))
    overflow = torch.zeros(1, 3, 4, 4, dtype=torch.float16)
    overflow[0, 0, 0, 0] = float("inf")
    with pytest.raises(NotFinite):
        to_picture(overflow)
    for shape in ((2, 3, 4, 4), (1, 2, 4, 4), (4, 4)):
        with pytest.raises(TensorError):
            to_picture(torch.zeros(shape))


def test_a_picture_does_not_share_memory_with_the_network() -> None:
    x = torch.zeros(1, 1, 2, 2)
    picture = to_picture(x)
    x.fill_(1)
    assert picture.pixels.max() == 128
    source = noise(4, 4)
    to_tensor(source).fill_(0)
    assert source == noise(4, 4)


SIZES = [(1, 1), (1, 7), (7, 1), (3, 257), (5, 4), (31, 32), (32, 32), (33, 64), (300, 200)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("multiple", "minimum"), [(1, 1), (4, 1), (32, 32), (256, 256), (7, 20)])
def test_padding_fits_the_rule_and_crops_back_exactly(
    size: tuple[int, int], multiple: int, minimum: int
) -> None:
    x = torch.randn(1, 3, size[1], size[0])
    padded, crop = pad_to_multiple(x, multiple, minimum)
    for side, now in zip(x.shape[-2:], padded.shape[-2:], strict=True):
        assert now % multiple == 0 and now >= max(side, minimum)
        assert now - max(side, minimum) < multiple, "no more than needed"
    assert torch.equal(crop(padded), x)
    assert set(padded.flatten().tolist()) <= set(x.flatten().tolist())


def test_padding_is_torchs_reflection_where_torch_can() -> None:
    x = torch.randn(1, 2, 13, 29)
    padded, crop = pad_to_multiple(x, 16)
    bottom = padded.shape[-2] - 13 - crop.top
    right = padded.shape[-1] - 29 - crop.left
    assert torch.equal(padded, F.pad(x, (crop.left, right, crop.top, bottom), mode="reflect"))


def test_reflection_repeats_where_the_picture_is_smaller_than_the_rim() -> None:
    x = torch.tensor([0.0, 1.0, 2.0]).reshape(1, 1, 1, 3)
    padded, crop = pad_to_multiple(x, 11)
    assert crop.left == 4
    assert padded[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    one, crop = pad_to_multiple(torch.full((1, 1, 1, 1), 5.0), 8)
    assert one.shape[-2:] == (8, 8) and (one == 5).all()


def test_nothing_to_pad_copies_nothing() -> None:
    x = torch.randn(1, 1, 8, 8)
    assert pad_to_multiple(x, 8)[0] is x


def test_the_crop_of_a_network_that_enlarges() -> None:
    x = torch.randn(1, 3, 5, 6)
    padded, crop = pad_to_multiple(x, 4)
    doubled = F.interpolate(padded, scale_factor=2.0)
    assert torch.equal(crop(doubled), F.interpolate(x, scale_factor=2.0))
    with pytest.raises(TensorError):
        crop(padded[..., 1:])
    with pytest.raises(TensorError):
        crop(padded[..., :2, :2])
