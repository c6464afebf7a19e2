"""What the window says in one sentence: failures over the desk or beside what failed, good news
over the room, so that the sheet does not jump."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.parts import Notice

if TYPE_CHECKING:
    from app.room import Room

NOTICE_MS = 8000  # good news go by themselves; failures stay until they are read


class Notices(QObject):
    """`holder` keeps the place of `notice` in the window's column. room: the one that one is in."""

    def __init__(self, window: QWidget, room: Callable[[], Room]) -> None:
        super().__init__(window)
        self._room = room
        self.notice, self.toast = Notice(), Notice()
        self._remedies: dict[Notice, Any] = {}
        self._fading = QTimer(self, singleShot=True, interval=NOTICE_MS)
        self._fading.timeout.connect(self.toast.hide)
        self.holder = QWidget()
        box = QVBoxLayout(self.holder)
        box.setContentsMargins(12, 8, 12, 2)
        box.addWidget(self.notice)
        self.holder.hide()
        self.wire(self.notice)
        self.wire(self.toast)

    def lie_over(self, desk: QWidget) -> None:
        self._desk = desk
        self.toast.setParent(desk)
        self.toast.hide()

    def wire(self, notice: Notice) -> None:
        notice.acted.connect(lambda: self._on_remedy(notice))
        notice.closed.connect(lambda: self._on_closed(notice))

    def tell(
        self,
        sentence: str,
        remedy: str = "",
        act: Any = None,
        kind: str = "failure",
        where: Notice | None = None,
        stays: bool = False,
    ) -> None:
        """One sentence: failures at the top, or beside what failed; good news over the room."""
        notice = where or (self.toast if kind == "info" else self.notice)
        self._remedies[notice] = act
        notice.tell(sentence, remedy, kind)
        self.holder.setVisible(not self.notice.isHidden())
        if notice is self.toast:
            self.place()
            self._fading.stop()
            if not stays:
                self._fading.start()

    def place(self) -> None:
        """The toast at the foot of the room, in the middle of drawing and photo."""
        room, toast = self._room(), self.toast
        wide = room.width() - room.side.width() - 24
        width = max(min(620, wide), 200)
        toast.resize(width, toast.height_for(width))
        foot = room.mapTo(self._desk, QPoint(0, room.height()))
        left = foot.x() + (wide - toast.width()) // 2 + 12
        toast.move(left, foot.y() - toast.height() - 24)
        toast.raise_()

    def done(self, act: Any) -> None:
        """What the notice offered to do has been done."""
        if self._remedies.get(self.notice) == act:
            self._on_closed(self.notice)

    def stop(self) -> None:
        self._fading.stop()

    def _on_remedy(self, notice: Notice) -> None:
        act = self._remedies.get(notice)
        notice.hide()
        self._on_closed(notice)
        if act is not None:
            act()

    def _on_closed(self, notice: Notice) -> None:
        if notice is self.notice:
            notice.hide()
            self.holder.hide()
