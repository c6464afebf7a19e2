"""The form of a model: every kind of control, both ways, without echoes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox

from app.widgets import controls
from app.widgets.controls import ControlPanel, ListField, SegmentsField, SliderField
from app.widgets.parts import Slider
from app.widgets.termcurve import MOST
from engines.controls import (
    Attributes,
    Choice,
    Control,
    ImageInput,
    ModelCard,
    SketchInput,
    Text,
    Toggle,
)
from engines.controls import Slider as SliderControl
from engines.job import Picture, Progress

EVERY: tuple[Control, ...] = (
    SketchInput("edges", "Drawing", "edges", (192, 256)),
    ImageInput("style", "Style"),
    SliderControl("strength", "Variation", 0, 2, 0.1, 0.5, trained=(0, 1)),
    Choice("norm", "Normalisation", (("a", "As trained"), ("b", "Frozen")), "a"),
    Choice("many", "Direction", tuple((c, c.upper()) for c in "abcde"), "c"),
    Toggle("noise", "Dropout noise", True),
    Text("caption", "Caption", "a bird", placeholder="a red bird"),
    Attributes("hair", "Hair", ("Black", "Blond", "Young"), 0, 1, (0, 1, 0.5),
               exclusive=(("Black", "Blond"),)),
)  # fmt: skip


@pytest.fixture
def panel(qtbot) -> ControlPanel:
    made = ControlPanel()
    qtbot.addWidget(made)
    made.build(ModelCard("pix2pix", "All", EVERY, seeded=True))
    made.resize(300, 700)
    made.show()
    return made


def test_every_control_has_a_field_but_what_is_drawn(panel: ControlPanel):
    assert list(panel.fields) == ["strength", "norm", "many", "noise", "caption", "hair"]
    assert list(panel.wells) == ["style"]
    assert isinstance(panel.fields["norm"], SegmentsField)
    assert isinstance(panel.fields["many"], ListField)
    assert panel.seed.isVisible()


def test_every_field_has_a_name_for_screen_readers(panel: ControlPanel):
    slider = panel.fields["strength"].slider
    assert slider.accessibleName() == "Variation"
    assert panel.fields["many"].findChild(QComboBox).accessibleName() == "Direction"
    assert panel.fields["noise"].switch.accessibleName() == "Dropout noise"
    assert panel.seed.line.accessibleName() == "Seed"


@pytest.mark.parametrize(
    "name,value", [("strength", 1.3), ("norm", "b"), ("many", "e"), ("noise", False),
                   ("caption", "a blue bird"), ("hair", [1.0, 0.0, 0.25])]
)  # fmt: skip
def test_setting_a_value_shows_it_and_emits_nothing(panel, qtbot, name, value):
    with qtbot.assertNotEmitted(panel.changed, wait=20):
        panel.set_value(name, value)
    assert shown(panel, name) == value


def shown(panel: ControlPanel, name: str) -> object:
    field = panel.fields[name]
    return {
        "strength": lambda: round(field.slider.number(), 6),
        "norm": lambda: field.segments.value(),
        "many": lambda: field.list.currentData(),
        "noise": lambda: field.switch.isChecked(),
        "caption": lambda: field.line.text(),
        "hair": lambda: [part.slider.number() for part in field.sliders],
    }[name]()


def test_a_slider_moves_by_mouse_and_keys(panel: ControlPanel, qtbot):
    slider = panel.fields["strength"].slider
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() - 9, 10))
    assert got.args[0] == "strength" and got.args[1] == pytest.approx(2.0)
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.keyClick(slider, Qt.Key.Key_Left)
    assert got.args[1] == pytest.approx(1.9)


def test_a_double_click_brings_the_default_back(panel: ControlPanel, qtbot):
    panel.set_value("strength", 1.7)
    slider = panel.fields["strength"].slider
    with qtbot.waitSignal(panel.changed) as got:
        slider.mouseDoubleClickEvent(None)
    assert got.args == ["strength", pytest.approx(0.5)]


def test_a_value_beyond_training_is_marked(panel: ControlPanel):
    field = panel.fields["strength"]
    assert isinstance(field, SliderField)
    panel.set_value("strength", 0.7)
    assert field.number.property("role") == ""
    panel.set_value("strength", 1.5)
    assert field.number.property("role") == "failure" and field.number.toolTip()


def test_the_wheel_scrolls_the_panel_unless_the_slider_has_focus(qtbot):
    slider = Slider(0, 1, 0.1, 0.5)
    qtbot.addWidget(slider)
    slider.show()
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QWheelEvent

    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    slider.clearFocus()
    slider.wheelEvent(event)
    assert slider.number() == pytest.approx(0.5)


def test_choices_and_toggles_emit_their_value(panel: ControlPanel, qtbot):
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.mouseClick(panel.fields["norm"].segments.part("b"), Qt.MouseButton.LeftButton)
    assert got.args == ["norm", "b"]
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.keyClick(panel.fields["noise"].switch, Qt.Key.Key_Space)
    assert got.args == ["noise", False]
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.keyClicks(panel.fields["caption"].line, "!")
    assert got.args == ["caption", "a bird!"]


def test_of_an_exclusive_group_one_is_on(panel: ControlPanel, qtbot):
    black = panel.fields["hair"].sliders[0].slider
    with qtbot.waitSignal(panel.changed) as got:
        qtbot.keyClick(black, Qt.Key.Key_End)
    assert got.args == ["hair", [1.0, 0.0, 0.5]]


def test_strengths_to_both_sides_rest_at_zero(qtbot):
    made = ControlPanel()
    qtbot.addWidget(made)
    change = Attributes("change", "Change", ("Black", "Blond", "Young"), -2, 2,
                        exclusive=(("Black", "Blond"),), trained=(-1, 1))  # fmt: skip
    made.build(ModelCard("stargan", "Faces", (change,)))
    sliders = [part.slider for part in made.fields["change"].sliders]
    assert [s.number() for s in sliders] == [0, 0, 0] and sliders[0].trained == (-1, 1)
    qtbot.keyClick(sliders[2], Qt.Key.Key_Home)
    qtbot.keyClick(sliders[1], Qt.Key.Key_End)
    with qtbot.waitSignal(made.changed) as got:
        qtbot.keyClick(sliders[0], Qt.Key.Key_Home)
    assert got.args == ["change", [-2.0, 0.0, -2.0]]


def test_the_seed_is_typed_rolled_and_locked(panel: ControlPanel, qtbot):
    panel.seed.show_seed(7)
    assert panel.seed.line.text() == "7"
    panel.seed.line.selectAll()
    with qtbot.waitSignal(panel.seed.edited) as got:
        qtbot.keyClicks(panel.seed.line, "1742")
        qtbot.keyClick(panel.seed.line, Qt.Key.Key_Return)
    assert got.args == [1742]
    with qtbot.waitSignal(panel.seed.dice):
        qtbot.mouseClick(panel.seed.roll, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(panel.seed.locked) as got:
        qtbot.mouseClick(panel.seed.lock, Qt.MouseButton.LeftButton)
    assert got.args == [True] and not panel.seed.roll.isEnabled()


def test_a_well_takes_a_picture_and_gives_it_up(panel: ControlPanel, qtbot):
    import numpy as np

    picture = Picture(np.zeros((4, 5, 3), np.uint8))
    with qtbot.waitSignal(panel.picture_changed) as got:
        panel.wells["style"].set_picture(picture)
    assert got.args == ["style"] and panel.picture("style") == picture
    qtbot.keyClick(panel.wells["style"], Qt.Key.Key_Delete)
    assert panel.picture("style") is None


def test_another_card_is_another_form(panel: ControlPanel):
    panel.build(ModelCard("pix2pix", "Bare", (EVERY[0],)))
    assert panel.fields == {} and panel.wells == {}
    assert not panel.seed.isVisible() and panel._empty.isVisible()
    panel.build(None)
    assert panel._empty.text() == "No model is loaded."


def test_options_with_long_words_go_into_a_list():
    short = (("a", "Who it is"), ("b", "Pixels"), ("c", "None"))
    long = (("a", "Who it is"), ("b", "Pixels"), ("c", "The encoder alone"))
    two = (("a", "Drawn anew"), ("b", "The photo, with the changes"))
    assert isinstance(controls.field(Choice("x", "X", short, "a")), SegmentsField)
    assert isinstance(controls.field(Choice("x", "X", long, "a")), ListField)
    assert isinstance(controls.field(Choice("x", "X", two, "a")), ListField)


def test_a_curve_is_thinned_and_steep_ones_are_logarithmic(qtbot):
    panel = ControlPanel()
    qtbot.addWidget(panel)
    control = SliderControl("content", "Content", 0, 1, 0.1, 0.5, term="content")
    panel.build(ModelCard("neural_style", "Style", (control,)))
    panel.show()
    curve = panel.fields["content"].curve  # type: ignore[union-attr]
    for step in range(1, 2001):
        panel.show_terms(1, Progress(step, 2000, terms={"content relu4_2": 1e6 / step}))
    points = curve.points()
    assert len(points) <= MOST and points[-1] == (2000, 500.0) and points[0] == (1, 1e6)
    assert curve.logarithmic() and curve.isVisible()
    for step in range(1, 4):
        terms = {"contented": 7.0, "content": 5.0 - step}
        panel.show_terms(2, Progress(step, 9, terms=terms))
    assert curve.points() == [(1, 4.0), (2, 3.0), (3, 2.0)] and not curve.logarithmic()
    panel.show_terms(3, Progress(1, 9, terms={"style": 1.0}))
    assert not curve.isVisible()
