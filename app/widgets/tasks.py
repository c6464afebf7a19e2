"""TaskTray: what runs now with progress, time left and cancel; behind it the list of all tasks.

Knows tasks as data (id, title, state, fraction, steps, note, remaining, message, details).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QPlainTextEdit,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, signals, tr
from app.widgets.parts import Elided, Popover, Section, button, label, lasting, row, tool

REST_MS = 50  # between two looks at what runs
STATES = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled", "waiting": "Waiting"}


def progress_words(task: Any) -> str:
    """ "64 % · 12 s left", as far as it is known."""
    if task.state != "running":
        return tr(STATES.get(task.state, ""))
    parts = []
    if task.steps[1] > 0:
        parts.append(f"{task.fraction * 100:.0f} %")
    if task.remaining is not None:
        parts.append(lasting(task.remaining, "{n} s left", "{n} min left", "{n} h left"))
    return " · ".join(parts)


class _Bar(QProgressBar):
    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)

    def show_task(self, task: Any) -> None:
        known = task.steps[1] > 0 or task.over
        self.setRange(0, 1000 if known else 0)
        if known:
            self.setValue(round(task.fraction * 1000))


class _Row(QFrame):
    """One task in the list."""

    cancel_wanted = Signal(int)
    dismiss_wanted = Signal(object)

    def __init__(self, id: int) -> None:
        super().__init__()
        self.id = id
        self.setObjectName("Card")
        self.title = Elided()
        self.words = label("", "small")
        self.cancel = tool("close", "Cancel")
        self.bar = _Bar()
        self.message = label("", wrap=True)
        self.more = button("Details", "link")
        self.more.setCheckable(True)
        self.copy = button("Copy details", "link")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setFixedHeight(120)
        say(self.details, "setAccessibleName", "Details")
        box = QVBoxLayout(self)
        box.setContentsMargins(10, 6, 6, 8)
        box.setSpacing(6)
        head = row(self.title, self.words, self.cancel)
        head.setStretch(0, 1)
        box.addLayout(head)
        box.addWidget(self.bar)
        box.addWidget(self.message)
        box.addLayout(row(self.more, self.copy, None))
        box.addWidget(self.details)
        self.more.toggled.connect(self.details.setVisible)
        self.more.toggled.connect(self.copy.setVisible)
        self.copy.clicked.connect(self._on_copy)
        self.cancel.clicked.connect(self._on_cancel)
        self._over = False

    def show_task(self, task: Any) -> None:
        self._over = task.over
        say(self.title, "setText", task.title)
        self.words.setText(progress_words(task))
        self.bar.setVisible(not task.over)
        self.bar.show_task(task)
        say(self.message, "setText", task.message or task.note)
        role = "failure" if task.state == "failed" else "small"
        if self.message.property("role") != role:
            self.message.setProperty("role", role)
            self.message.style().unpolish(self.message)
            self.message.style().polish(self.message)
        self.message.setVisible(bool(task.message or task.note))
        self.more.setVisible(bool(task.details))
        self.details.setVisible(bool(task.details) and self.more.isChecked())
        self.copy.setVisible(self.details.isVisibleTo(self))
        if self.details.toPlainText() != task.details:
            self.details.setPlainText(task.details)
        say(self.cancel, "setToolTip", "Dismiss" if task.over else "Cancel")
        say(self.cancel, "setAccessibleName", "Dismiss" if task.over else "Cancel")

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(
            f"{self.title.text()}\n{self.message.text()}\n{self.details.toPlainText()}"
        )

    def _on_cancel(self) -> None:
        (self.dismiss_wanted if self._over else self.cancel_wanted).emit(self.id)


class TaskTray(QWidget):
    cancel_wanted = Signal(int)
    dismiss_wanted = Signal(object)  # id, or None for all that are over

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, _Row] = {}
        self._tasks: list[Any] = []
        self.title = Elided("small")
        self.title.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.title.setMinimumWidth(60)
        self.title.setMaximumWidth(240)
        self.title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.bar = _Bar()
        self.bar.setFixedWidth(120)
        self.words = label("", "small")
        self.cancel = tool("close", "Cancel")
        self.cancel.setFixedSize(22, 20)
        self.cancel.setIconSize(QSize(14, 14))
        self.open = tool("list", "All tasks")
        self.open.setFixedSize(26, 22)
        self.open.setIconSize(QSize(16, 16))
        box = row(self.title, self.bar, self.words, self.cancel, self.open, space=10)
        self.setLayout(box)
        self._make_list()
        self.open.clicked.connect(self.open_list)
        self.cancel.clicked.connect(self._on_cancel)
        self._late = QTimer(self, singleShot=True, interval=250)
        self._late.timeout.connect(self._show_now)
        self._soon = QTimer(self, singleShot=True, interval=REST_MS)
        self._soon.timeout.connect(self._show_now)
        signals.changed.connect(self._show_now)
        self._show_now()

    def _make_list(self) -> None:
        self.menu = Popover(self)
        self._body = QVBoxLayout()
        self._body.setContentsMargins(0, 0, 0, 0)
        self._body.setSpacing(8)
        self._none = label("Nothing runs.", "quiet")
        self._body.addWidget(self._none)
        self._body.addStretch(1)
        inside = QWidget()
        inside.setObjectName("Plain")
        inside.setLayout(self._body)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._clear = button("Clear finished", "link")
        self._clear.clicked.connect(lambda: self.dismiss_wanted.emit(None))
        box = QVBoxLayout(self.menu)
        box.setContentsMargins(12, 10, 12, 12)
        box.addLayout(row(Section("Tasks"), None, self._clear))
        box.addWidget(area)
        self.menu.setFixedSize(420, 360)

    def show_tasks(self, tasks: Iterable[Any]) -> None:
        """The list itself is made when it is opened, and kept up while it is open."""
        self._tasks = list(tasks)
        if self.menu.isVisible():
            self._list_tasks()
        if not self.running():
            self._show_now()
        elif self.bar.isVisibleTo(self):
            self._start(self._soon)
        else:
            self._start(self._late)  # what lasts less than a blink is not announced

    @staticmethod
    def _start(timer: QTimer) -> None:
        if not timer.isActive():
            timer.start()

    def _list_tasks(self) -> None:
        for task in self._tasks:
            if task.id not in self._rows:
                self._add(task.id)
            self._rows[task.id].show_task(task)
        for id in set(self._rows) - {task.id for task in self._tasks}:
            gone = self._rows.pop(id)
            self._body.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        self._none.setVisible(not self._rows)
        self._clear.setVisible(any(task.over for task in self._tasks))

    def running(self) -> list[Any]:
        return [task for task in self._tasks if not task.over]

    def open_list(self) -> None:
        self._list_tasks()
        self.menu.open_at(self.open, above=True, right=True)

    def reveal(self, id: int) -> None:
        """Open the list with the details of one task."""
        self._list_tasks()
        if id in self._rows:
            self._rows[id].more.setChecked(True)
        self.open_list()

    def _add(self, id: int) -> None:
        made = self._rows[id] = _Row(id)
        made.cancel_wanted.connect(self.cancel_wanted)
        made.dismiss_wanted.connect(self.dismiss_wanted)
        self._body.insertWidget(0, made)

    def _show_now(self, *_: object) -> None:
        running = self.running()
        for part in (self.title, self.bar, self.words, self.cancel):
            part.setVisible(bool(running))
        if running:
            task = next((t for t in running if t.state == "running"), running[0])
            more = f"  +{len(running) - 1}" if len(running) > 1 else ""
            self.title.setText(tr(task.title) + more)
            self.title.setToolTip(tr(task.note) if task.note else tr(task.title))
            self.title.setMinimumWidth(
                min(self.title.fontMetrics().horizontalAdvance(self.title.text()) + 4, 240)
            )
            self.bar.show_task(task)
            self.words.setText(progress_words(task))
            self._shown = task.id
        failed = any(task.state == "failed" for task in self._tasks)
        self.open.setIcon(
            theme.icon("warning", "failure") if failed else theme.icon("list", "quiet")
        )

    def _on_cancel(self) -> None:
        self.cancel_wanted.emit(self._shown)
