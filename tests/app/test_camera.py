"""The camera: what a system without one says, and what a frame becomes."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from app.camera import NONE, Camera
from app.pictures import from_qimage


def test_a_system_without_cameras_or_their_libraries_says_so(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Devices:
        @staticmethod
        def defaultVideoInput() -> type[Devices]:
            return Devices

        @staticmethod
        def isNull() -> bool:
            return True

    multimedia = ModuleType("PySide6.QtMultimedia")
    for name in ("QCamera", "QMediaCaptureSession", "QVideoSink"):
        setattr(multimedia, name, QObject)
    multimedia.QMediaDevices = Devices  # type: ignore[attr-defined]
    camera = Camera()
    for module, words in ((multimedia, NONE), (None, "Cameras cannot be used here")):
        monkeypatch.setitem(sys.modules, "PySide6.QtMultimedia", module)
        with qtbot.waitSignal(camera.refused) as refused:
            camera.start()
        assert words in refused.args[0]
    camera.stop()


def test_a_frame_becomes_a_picture_in_colours() -> None:
    class Frame:
        def toImage(self) -> QImage:
            image = QImage(8, 6, QImage.Format.Format_RGBA8888_Premultiplied)
            image.fill(QColor(0x20, 0x40, 0x60))
            return image

    made = Camera().read(Frame())
    assert made == from_qimage(Frame().toImage().convertToFormat(QImage.Format.Format_RGB888))
    assert np.array_equal(made.pixels[0, 0], (0x20, 0x40, 0x60))
