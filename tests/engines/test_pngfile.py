import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from engines import pngfile


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (4, 3, 3), (1, 9, 4), (257, 130, 3)])
@pytest.mark.parametrize("texts", [{}, {"ganvas": '{"a": "ö 图"}', "Description": "a red jumper"}])
def test_what_is_written_is_read_by_others(shape: tuple[int, ...], texts: dict[str, str]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    image = Image.open(io.BytesIO(pngfile.encode(pixels, texts)))
    assert isinstance(image, PngImagePlugin.PngImageFile) and image.text == texts
    assert np.array_equal(np.asarray(image), pixels)
