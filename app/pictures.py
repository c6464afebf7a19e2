"""The one place where Qt's images and our Pictures meet: conversion, thumbnails, drag and drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QByteArray, QMimeData, QSize, Qt, QUrl
from PySide6.QtGui import QImage, QPixmap

from engines.job import Picture

_FORMATS = {
    1: QImage.Format.Format_Grayscale8,
    3: QImage.Format.Format_RGB888,
    4: QImage.Format.Format_RGBA8888,
}
_CHANNELS = {form: channels for channels, form in _FORMATS.items()}


def to_qimage(picture: Picture) -> QImage:
    """A QImage that owns its pixels: grey, RGB or straight RGBA, as the picture is. One copy."""
    pixels = picture.pixels
    bytes_per_line = pixels.strides[0]
    form = _FORMATS[picture.channels]
    return QImage(pixels.data, picture.width, picture.height, bytes_per_line, form).copy()


def to_pixmap(picture: Picture) -> QPixmap:
    return QPixmap.fromImage(to_qimage(picture))


def view(image: QImage) -> np.ndarray:
    """The pixels of `image` without a copy, (H, W) or (H, W, channels), valid while `image` lives.

    Writing into it writes into the image. Formats: Grayscale8, RGB888, and every one of 32 bits.
    """
    height, width, stride = image.height(), image.width(), image.bytesPerLine()
    channels = image.depth() // 8
    rows = np.frombuffer(image.bits(), np.uint8).reshape(height, stride)[:, : width * channels]
    return rows if channels == 1 else rows.reshape(height, width, channels)


def from_qimage(image: QImage) -> Picture:
    """A frozen snapshot of `image`: grey stays grey, alpha is kept, all else becomes RGB. One copy
    where the format is already ours."""
    if image.format() not in _CHANNELS:
        if image.hasAlphaChannel():
            wanted = QImage.Format.Format_RGBA8888
        elif image.isGrayscale() and image.depth() <= 16:
            wanted = QImage.Format.Format_Grayscale8
        else:
            wanted = QImage.Format.Format_RGB888
        image = image.convertToFormat(wanted)
    pixels = view(image).copy()
    pixels.flags.writeable = False
    return Picture(pixels)


def thumbnail(picture: Picture, width: int, height: int, ratio: float = 1.0) -> QPixmap:
    """The picture fitted into width x height logical pixels, sharp at that pixel ratio."""
    size = QSize(round(width * ratio), round(height * ratio))
    image = to_qimage(picture)
    if image.width() > 4 * size.width() and image.height() > 4 * size.height():
        image = image.scaled(size * 2, Qt.AspectRatioMode.KeepAspectRatio)
    small = QPixmap.fromImage(
        image.scaled(
            size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    )
    small.setDevicePixelRatio(ratio)
    return small


@dataclass(frozen=True)
class Payload:
    """What a drop or a paste carries: files on this machine, or else a picture, or nothing."""

    files: tuple[str, ...] = ()
    picture: Picture | None = None

    def __bool__(self) -> bool:
        return bool(self.files) or self.picture is not None


def has_payload(mime: QMimeData) -> bool:
    """Whether read_mime may find something; cheap enough for every move of a drag."""
    return any(url.isLocalFile() for url in mime.urls()) or mime.hasImage()


def read_mime(mime: QMimeData) -> Payload:
    """Local files first, since a file may carry a recipe or be weights; else the bare picture."""
    files = tuple(url.toLocalFile() for url in mime.urls() if url.isLocalFile())
    if files:
        return Payload(files=files)
    image = mime.imageData() if mime.hasImage() else None
    if isinstance(image, QPixmap):
        image = image.toImage()
    if isinstance(image, QImage) and not image.isNull():
        return Payload(picture=from_qimage(image))
    return Payload()


def mime_for(picture: Picture, files: Sequence[str | Path] = ()) -> QMimeData:
    """What goes out by drag or copy: the files where a program takes files, else the pixels."""
    mime = QMimeData()
    mime.setImageData(to_qimage(picture))
    if files:
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
    else:
        mime.setData("image/png", QByteArray(picture.to_png()))
    return mime
