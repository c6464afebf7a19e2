"""A caption typed by keys: completed, underlined where a model does not know a word, put right."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from app.widgets.controls import CaptionField, ControlPanel
from engines.controls import ModelCard, Text

WORDS = ("a", "beige", "black", "dress", "long-sleeved", "on", "red", "shirt")


@pytest.fixture
def panel(qtbot) -> ControlPanel:
    made = ControlPanel()
    qtbot.addWidget(made)
    control = Text("caption", "Caption", placeholder="a red dress", longest=60, words=WORDS)
    made.build(ModelCard("attngan", "Words", (control,), seeded=True))
    made.resize(300, 400)
    made.show()
    qtbot.waitExposed(made)
    box(made).setFocus()
    return made


def the_field(panel: ControlPanel) -> CaptionField:
    field = panel.fields["caption"]
    assert isinstance(field, CaptionField)
    return field


def box(panel: ControlPanel):
    return the_field(panel).caption


def marked(panel: ControlPanel) -> list[str]:
    block = box(panel).document().begin()
    return [block.text()[f.start : f.start + f.length] for f in block.layout().formats()]


def test_every_key_is_told(panel: ControlPanel, qtbot):
    said = []
    panel.changed.connect(lambda name, value: said.append((name, value)))
    qtbot.keyClicks(box(panel), "a red")
    assert said[-1] == ("caption", "a red") and len(said) == 5
    qtbot.keyClick(box(panel), Qt.Key.Key_Return)
    assert box(panel).text() == "a red"


def test_a_setter_does_not_emit(panel: ControlPanel, qtbot):
    with qtbot.assertNotEmitted(panel.changed):
        panel.set_value("caption", "a black shirt")
    assert box(panel).text() == "a black shirt"


def test_a_begun_word_is_offered_and_taken(panel: ControlPanel, qtbot):
    qtbot.keyClicks(box(panel), "a re")
    popup = box(panel).offers
    assert popup.isVisible()
    qtbot.keyClick(popup, Qt.Key.Key_Return)
    assert box(panel).text() == "a red" and not popup.isVisible()
    qtbot.keyClicks(box(panel), " lo")
    qtbot.keyClick(popup, Qt.Key.Key_Escape)
    assert box(panel).text() == "a red lo" and not popup.isVisible()


def test_unknown_words_are_underlined_once_they_cannot_become_known(panel: ControlPanel, qtbot):
    qtbot.keyClicks(box(panel), "a dre")
    assert not marked(panel)
    qtbot.keyClicks(box(panel), "ss, a redd shirt")
    assert marked(panel) == ["redd"]
    field = the_field(panel)
    assert field.unknown.isVisible() and "“redd”" in field.unknown.text()
    qtbot.mouseClick(field.meant, Qt.MouseButton.LeftButton)
    assert box(panel).text() == "a dress, a red shirt" and not marked(panel)
    assert field.unknown.isHidden() and field.meant.isHidden()


def test_parts_of_a_hyphenated_word_are_known_too(panel: ControlPanel):
    panel.set_value("caption", "a red-black long-sleeved shirt")
    assert not box(panel).unknown()
    panel.set_value("caption", "xylophone")
    assert box(panel).unknown() == [("xylophone", ())]
    assert the_field(panel).meant.isHidden()


def test_what_is_pasted_is_cut_and_put_on_one_line(panel: ControlPanel, qtbot):
    QApplication.clipboard().setText("a red\ndress " + "on " * 40)
    box(panel).paste()
    assert box(panel).text().startswith("a red dress on") and len(box(panel).text()) == 60


def test_it_has_a_name_for_screen_readers(panel: ControlPanel):
    assert box(panel).accessibleName() == "Caption"
    assert box(panel).placeholderText() == "a red dress"
