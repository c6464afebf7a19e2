"""Colours can be read, follow a change at run time, and every icon exists."""

from __future__ import annotations

import re

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication, QPushButton

from app import theme


@pytest.fixture(autouse=True)
def dark_again(qapp: QApplication):
    yield
    theme.apply(qapp, "dark")


def luminance(colour: QColor) -> float:
    """WCAG 2, relative, in [0, 1]."""

    def linear(c: float) -> float:
        return c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(c) for c in colour.getRgbF()[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QColor, other: QColor) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_knows_black_on_white():
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", ["dark", "light"])
@pytest.mark.parametrize("text,surface", theme.TEXT_PAIRS)
def test_every_text_can_be_read(qapp: QApplication, mode: str, text: str, surface: str):
    theme.apply(qapp, mode)
    assert contrast(theme.colour(text), theme.colour(surface)) >= 4.5


def test_the_dark_tokens_are_those_of_the_design():
    dark = {name: pair[0] for name, pair in theme.TOKENS.items()}
    wanted = {"window": "#16181C", "panel": "#1D2025", "raised": "#262A31", "line": "#343941",
              "text": "#ECEEF1", "quiet": "#9BA3AF", "accent": "#FFB454", "success": "#5BC0BE",
              "failure": "#FF6B6B"}  # fmt: skip
    assert {name: dark[name] for name in wanted} == wanted


def test_the_stylesheet_uses_tokens_only(qapp: QApplication):
    template = (theme.RESOURCES / "theme.qss").read_text("utf-8")
    rules = re.sub(r"/\*.*?\*/", "", template, flags=re.S)
    assert not re.findall(r":[^;{]*#[0-9a-fA-F]{3,8}\b", rules), "a colour that is no token"
    assert "$" not in theme.stylesheet()


def test_a_change_reaches_widgets_and_icons(qapp: QApplication, qtbot):
    theme.apply(qapp, "dark")
    button = QPushButton("x")
    qtbot.addWidget(button)
    button.ensurePolished()
    icon = theme.icon("pen")
    before = button.palette().buttonText().color(), tint(icon)
    with qtbot.waitSignal(theme.signals.changed):
        theme.apply(qapp, "light")
    after = button.palette().buttonText().color(), tint(icon)
    assert theme.theme() == "light"
    assert luminance(before[0]) > 0.5 > luminance(after[0])
    assert luminance(before[1]) > 0.5 > luminance(after[1])


def test_system_follows_the_desktop(qapp: QApplication):
    theme.apply(qapp, "system")
    assert theme.theme() in ("dark", "light")


@pytest.mark.parametrize("name", [*theme._GLYPHS, *theme._DRAWN])
def test_every_icon_is_drawn_inside_its_square(qapp: QApplication, name: str):
    box = theme._outline(name).boundingRect()
    assert not box.isEmpty()
    assert box.left() > -0.02 and box.top() > -0.02 and box.right() < 1.02 and box.bottom() < 1.02
    assert abs(box.center().x() - 0.5) < 0.13 and abs(box.center().y() - 0.5) < 0.13


def test_an_unknown_icon_is_a_mistake():
    with pytest.raises(KeyError):
        theme.icon("no such icon")


def test_icons_tell_their_state(qapp: QApplication):
    theme.apply(qapp, "dark")
    icon = theme.icon("pen")
    assert tint(icon, state=QIcon.State.On) == theme.colour("accent_text")
    assert tint(icon, QIcon.Mode.Disabled) == theme.colour("faint")
    assert tint(icon) == theme.colour("text")


def test_numbers_have_equal_width(qapp: QApplication):
    from PySide6.QtGui import QFontMetricsF

    metrics = QFontMetricsF(theme.font())
    assert metrics.horizontalAdvance("1111") == pytest.approx(metrics.horizontalAdvance("8888"))
    assert theme.font().pixelSize() == 13


def tint(
    icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal, state: QIcon.State = QIcon.State.Off
) -> QColor:
    """The colour of the most opaque pixel."""
    image = icon.pixmap(QSize(64, 64), mode, state).toImage()
    pixels = [image.pixelColor(x, y) for x in range(64) for y in range(64)]
    solid = max(pixels, key=lambda c: c.alpha())
    return QColor(solid.red(), solid.green(), solid.blue())
