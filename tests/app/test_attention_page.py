"""The page that explains attention: its numbers, and what a person can move."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from app.attending import FORMS, SHARES, Setting, attend, relation, scores, weights
from app.widgets.attention import FORMULAS, MEANINGS, SHARING, AttentionPage

QUERY = np.array([1.0, 0.0])
KEYS = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
COLOURS = np.array([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0], [0.0, 0.0, 200.0]])


def test_scores_are_those_of_the_papers() -> None:
    assert scores(QUERY, KEYS, Setting("dot")) == pytest.approx(np.array([2, 0, -1]) / np.sqrt(2))
    assert scores(QUERY, KEYS, Setting("cosine")) == pytest.approx([1, 0, -1])
    turned = Setting("bilinear", turn=90, stretch=3.0)
    matrix = relation(90, 3.0)
    assert scores(QUERY, KEYS, turned) == pytest.approx([QUERY @ matrix @ key for key in KEYS])
    added = scores(QUERY, KEYS, Setting("additive"))
    assert added.shape == (3,) and len(set(added.round(6))) == 3


def test_softmax_shares_one_whole_and_sigmoid_judges_each() -> None:
    scored = np.array([2.0, 0.0, -1.0])
    shared = weights(scored, Setting(share="softmax", sharpness=2.0))
    assert shared.sum() == pytest.approx(1) and shared[0] == pytest.approx(
        np.exp(4) / np.exp([4, 0, -2]).sum()
    )
    apart = weights(scored, Setting(share="sigmoid", sharpness=2.0))
    assert apart == pytest.approx(1 / (1 + np.exp([-4, 0, 2])))
    without = weights(scored[:2], Setting(share="sigmoid", sharpness=2.0))
    assert without == pytest.approx(apart[:2])  # no region takes from another


def test_what_is_read_is_the_mean_of_the_values_by_weight() -> None:
    sharp = attend(QUERY, KEYS, COLOURS, Setting("cosine", sharpness=60))
    assert sharp.read == pytest.approx([200, 0, 0], abs=1e-3)
    for form in FORMS:
        for share in SHARES:
            made = attend(QUERY, KEYS, COLOURS, Setting(form, share))
            assert made.read.min() >= 0 and made.read.max() <= 200


def test_every_form_is_told_in_a_formula_and_a_sentence() -> None:
    assert set(FORMULAS) == set(MEANINGS) == set(FORMS) and set(SHARING) == set(SHARES)


@pytest.fixture
def page(qtbot) -> AttentionPage:
    made = AttentionPage()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def drag(page: AttentionPage, n: int, to: QPointF) -> None:
    start, end = page.plane.head(n).toPoint(), page.plane._place(to).toPoint()
    QTest.mousePress(page.plane, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(page.plane, end)
    QTest.mouseRelease(page.plane, Qt.MouseButton.LeftButton, pos=end)


def test_drawing_the_word_to_a_region_reads_its_colour(page: AttentionPage) -> None:
    before = page.bars.attended
    page.sharpness.setValue(page.sharpness.maximum())
    drag(page, 0, QPointF(-0.9, 0.55))  # where the sky points
    after = page.bars.attended
    assert before is not None and after is not None
    assert int(np.argmax(before.weights)) == 0 and int(np.argmax(after.weights)) == 2
    assert after.weights[2] > 0.9 and page.swatch.tint.blue() > page.swatch.tint.red()
    assert "0.9" in page.bars.accessibleDescription()


def test_an_arrow_moves_by_keys_and_stays_on_the_plane(page: AttentionPage) -> None:
    page.plane.setFocus()
    QTest.keyClick(page.plane, Qt.Key.Key_2)
    for _ in range(60):
        QTest.keyClick(page.plane, Qt.Key.Key_Right)
    arrow = page.plane.arrows[1]
    assert page.plane.held == 1 and 1.4 < arrow.x() <= 1.6
    QTest.mouseClick(page.plane, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert page.plane.arrows[1] == arrow


def test_the_learned_relation_can_be_turned(page: AttentionPage) -> None:
    assert not page.turn.isEnabled() and page.plane.shadow is None
    QTest.mouseClick(page.form.part("bilinear"), Qt.MouseButton.LeftButton)
    assert page.turn.isEnabled() and page.formula.text() == FORMULAS["bilinear"]
    before = page.bars.attended
    page.turn.setValue(page.turn.maximum())  # half a turn: every score is the opposite
    after = page.bars.attended
    assert before is not None and after is not None
    assert after.scores == pytest.approx(-before.scores)
    QTest.mouseClick(page.share.part("sigmoid"), Qt.MouseButton.LeftButton)
    assert page.bars.attended is not None and page.bars.attended.weights.sum() != pytest.approx(1)
