"""Qt images and Pictures are each other's exact copies."""

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QColor, QImage, QPixmap

from app.pictures import from_qimage, has_payload, mime_for, read_mime, thumbnail, to_qimage, view
from engines.job import Picture


def noise(*shape):
    return Picture(np.random.default_rng(3).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1), (3, 1, 3)])
def test_a_picture_survives_the_way_through_qt(shape):
    assert from_qimage(to_qimage(noise(*shape))) == noise(*shape)


def test_the_qimage_owns_its_pixels():
    image = to_qimage(noise(64, 61, 3))
    expected = noise(64, 61, 3)
    assert image.pixelColor(60, 63).getRgb()[:3] == tuple(expected.pixels[63, 60])


def test_a_snapshot_does_not_follow_the_image():
    image = to_qimage(noise(8, 8))
    before = from_qimage(image)
    image.fill(7)
    assert before == noise(8, 8) and not before.pixels.flags.writeable


def test_a_view_writes_into_the_image():
    image = QImage(5, 3, QImage.Format.Format_Grayscale8)
    image.fill(255)
    view(image)[2, 4] = 9
    assert image.pixelColor(4, 2).red() == 9


@pytest.mark.parametrize(
    "form, channels",
    [
        (QImage.Format.Format_RGB32, 3),
        (QImage.Format.Format_ARGB32_Premultiplied, 4),
        (QImage.Format.Format_Grayscale16, 1),
        (QImage.Format.Format_RGBX64, 3),
    ],
)
def test_other_formats_become_ours(form, channels):
    image = QImage(6, 4, form)
    image.fill(QColor("white"))
    picture = from_qimage(image)
    assert picture.channels == channels and picture.size == (6, 4) and picture.pixels.min() == 255


def test_a_thumbnail_keeps_the_proportions(qapp):
    small = thumbnail(noise(1000, 500, 3), 70, 90, ratio=2.0)
    assert (small.width(), small.height()) == (90, 180)
    assert small.devicePixelRatio() == 2.0


def test_files_win_over_pixels(qapp, tmp_path):
    path = tmp_path / "a b.png"
    mime = mime_for(noise(4, 4, 3), [path])
    assert has_payload(mime) and read_mime(mime).files == (str(path),)
    mime = mime_for(noise(4, 4, 3))
    assert read_mime(mime).picture == noise(4, 4, 3)
    assert Picture.from_png(bytes(mime.data("image/png").data())) == noise(4, 4, 3)


def test_pixmaps_and_foreign_addresses(qapp):
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/cat.png")])
    assert not has_payload(mime) and not read_mime(mime)
    mime = QMimeData()
    mime.setImageData(QPixmap.fromImage(to_qimage(noise(4, 4, 3))))
    assert read_mime(mime).picture.size == (4, 4)
