"""A camera as a source of photos: its frames as they come, none of them kept.

Qt's multimedia part is loaded when a camera is first wanted; where it or a camera is missing, one
sentence says so. Knows no model and no widget.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from app.pictures import from_qimage
from engines.job import Picture

NONE = "No camera was found."


class Camera(QObject):
    """The default camera of this computer."""

    arrived = Signal(object)  # a frame; `read` makes a Picture of it, in any thread
    refused = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._parts: tuple[Any, ...] = ()  # what must live while it runs, the camera first

    def start(self) -> None:
        """Frames begin to arrive, or `refused` says why not."""
        if self._parts:
            return
        try:
            from PySide6.QtMultimedia import (
                QCamera,
                QMediaCaptureSession,
                QMediaDevices,
                QVideoSink,
            )
        except ImportError as error:  # a library of the system, which does not come with Qt
            self.refused.emit(f"Cameras cannot be used here: {error}.")
            return
        device = QMediaDevices.defaultVideoInput()
        if device.isNull():
            self.refused.emit(NONE)
            return
        camera, session, sink = QCamera(device), QMediaCaptureSession(), QVideoSink()
        camera.errorOccurred.connect(self._on_error)
        sink.videoFrameChanged.connect(self._on_frame)
        session.setCamera(camera)
        session.setVideoSink(sink)
        self._parts = camera, session, sink
        camera.start()

    def stop(self) -> None:
        if self._parts:
            self._parts[0].stop()
            self._parts = ()

    def read(self, frame: Any) -> Picture:
        return from_qimage(frame.toImage().convertToFormat(QImage.Format.Format_RGB888))

    def _on_frame(self, frame: Any) -> None:
        if self._parts and frame.isValid():
            self.arrived.emit(frame)

    def _on_error(self, _error: Any, words: str) -> None:
        self.stop()
        self.refused.emit(f"The camera stopped: {words.rstrip('.')}." if words else NONE)
