"""Every text has a translation, with the same placeholders, and is said anew at run time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QLabel
from texts import texts

from app import i18n, samples
from app.i18n import say, set_language, tr
from engines.catalogue import Catalogue, about
from engines.engine import Engine

CODES = [code for code in i18n.languages() if code != "en"]
HOLE = re.compile(r"\{(\w+)\}")


@pytest.fixture(autouse=True)
def english_again():
    yield
    set_language("en")


def table(code: str) -> dict[str, str]:
    return json.loads((i18n.FOLDER / f"{code}.json").read_text("utf-8"))


def test_english_and_chinese_are_there():
    assert i18n.languages() == {"en": "English", "zh_CN": "简体中文"}


def test_the_collector_sees_texts():
    found = texts()
    assert {"Export", "Fit drawing", "{n} results", "Line smoothing", "Turquoise"} <= found
    assert len(found) > 250


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_left_in_english(code: str):
    assert sorted(texts() - set(table(code))) == []


@pytest.mark.parametrize("code", CODES)
def test_samples_have_translated_titles(code: str):
    assert {sample.title for sample in samples.samples()} <= set(table(code))


@pytest.mark.parametrize("code", CODES)
def test_what_shipped_models_say_of_themselves_is_translated(code: str):
    said: set[str] = set()
    for entry in (e for e in Catalogue().entries() if e.shipped):
        told = about(entry.path)
        assert {"summary", "data", "licence"} <= set(told), entry.name
        said |= {entry.title, told["summary"], told["data"], told["licence"]}
    assert sorted(said - set(table(code))) == []


def worded(part: Any, name: str = "") -> Iterator[str]:
    """What stands on a control: labels, hints, units, and the names of what can be chosen."""
    if is_dataclass(part):
        for field in fields(part):
            yield from worded(getattr(part, field.name), field.name)
    elif isinstance(part, tuple | list):
        for one in part:
            pair = isinstance(one, tuple) and len(one) == 2 and name in ("options", "choices")
            yield from worded(one[1], "label") if pair else worded(one, name)
    elif isinstance(part, str) and name in ("label", "title", "help", "hint", "unit", "group"):
        yield part


@pytest.mark.parametrize("code", CODES)
def test_the_controls_of_shipped_models_are_translated(code: str):
    engine, said = Engine("cpu"), set[str]()
    for entry in (e for e in Catalogue().entries() if e.shipped):
        card = engine.describe(f"{entry.name}@{entry.digest}", entry.family)
        said |= {text for control in card.controls for text in worded(control)}
    names = {text for text in said if any(c.islower() for c in text) and len(text) > 2}
    assert len(names) > 100
    assert sorted(names - set(table(code))) == []


@pytest.mark.parametrize("code", CODES)
def test_placeholders_are_the_same(code: str):
    wrong = [
        source
        for source, wanted in table(code).items()
        if sorted(HOLE.findall(source)) != sorted(HOLE.findall(wanted))
    ]
    assert wrong == []


def test_tr_fills_placeholders():
    assert tr("{n} results", n=3) == "3 results"
    set_language("zh_CN")
    assert tr("{n} results", n=3) == "3 个结果"
    assert tr("Model: {title}", title="Hat") == "模型：帽子"  # values that are texts too


def test_sentences_with_values_in_them_are_recognised():
    set_language("zh_CN")
    assert tr("shirt.pth is empty.") == "shirt.pth 是空的。"
    assert tr("Something else of the engine.") == "Something else of the engine."
    with_text = "Pen clothes needs a picture for “Outline” first."
    assert tr(with_text) == "Pen clothes 需要先有“轮廓”的图片。"
    assert tr("Batch: shirts through Edges to cats") == "批量处理：shirts，使用 边缘到猫"


def test_say_follows_the_language_and_the_last_text_counts(qapp: QApplication, qtbot):
    label = QLabel()
    qtbot.addWidget(label)
    say(label, "setText", "Export")
    say(label, "setText", "{n} results", n=2)
    say(label, "setToolTip", "Cancel")
    set_language("zh_CN")
    assert (label.text(), label.toolTip()) == ("2 个结果", "取消")
    set_language("en")
    assert (label.text(), label.toolTip()) == ("2 results", "Cancel")


def test_what_is_gone_is_forgotten(qapp: QApplication):
    label = QLabel()
    say(label, "setText", "Export")
    key = (id(label), "setText")
    assert key in i18n._said
    del label
    set_language("zh_CN")
    assert key not in i18n._said
