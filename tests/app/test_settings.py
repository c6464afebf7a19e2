"""Options declared once, kept in a JSON file."""

from __future__ import annotations

import json

import pytest

from app.settings import OPTIONS, Settings, SettingsError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "settings.json"


def test_fresh_settings_have_the_defaults_and_write_nothing(path):
    settings = Settings(path)
    assert {o.name: settings.get(o.name) for o in OPTIONS} == {o.name: o.default for o in OPTIONS}
    assert not path.exists()


def test_every_default_passes_its_own_check_and_every_option_is_told_apart():
    assert all(o.check(o.default) == o.default for o in OPTIONS)
    assert len({o.name for o in OPTIONS}) == len(OPTIONS)
    assert all(o.label and o.group for o in OPTIONS)


def test_a_change_is_told_once_and_found_by_the_next_start(qtbot, path):
    settings = Settings(path)
    heard = []
    settings.changed.connect(lambda name, value: heard.append((name, value)))
    settings.set("theme", "light")
    settings.set("theme", "light")
    assert heard == [("theme", "light")]
    assert Settings(path).get("theme") == "light"


def test_only_what_differs_from_the_defaults_is_kept(path):
    settings = Settings(path)
    settings.set("export_quality", 50)
    settings.set("theme", "light")
    settings.set("export_quality", 92)
    assert json.loads(path.read_text()) == {"theme": "light"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "pink"),
        ("live", 1),
        ("export_quality", "much"),
        ("shortcuts", []),
        ("device", None),
    ],
)
def test_an_impossible_value_is_refused_in_a_sentence(path, name, value):
    settings = Settings(path)
    with pytest.raises(SettingsError, match=r"cannot be .*\.$"):
        settings.set(name, value)
    assert not path.exists()


def test_numbers_are_clamped(path):
    settings = Settings(path)
    settings.set("export_quality", 1000)
    assert settings.get("export_quality") == 100
    settings.set("smoothing", -1)
    assert settings.get("smoothing") == 0.0


def test_unknown_keys_survive(path):
    path.parent.mkdir()
    path.write_text('{"from_the_future": [1, 2], "theme": "light"}')
    settings = Settings(path)
    settings.set("theme", "system")
    assert json.loads(path.read_text()) == {"from_the_future": [1, 2], "theme": "system"}


def test_an_impossible_value_in_the_file_is_the_default(path):
    path.parent.mkdir()
    path.write_text('{"theme": 7, "export_quality": 80}')
    settings = Settings(path)
    assert settings.get("theme") == "dark"
    assert settings.get("export_quality") == 80
    assert settings.note == ""


@pytest.mark.parametrize("text", ["{broken", "[]", "\x00\x01", ""])
def test_a_broken_file_is_set_aside_with_a_sentence(path, text):
    path.parent.mkdir()
    path.write_text(text)
    settings = Settings(path)
    assert settings.get("theme") == "dark"
    assert "settings.json.broken" in settings.note
    assert (path.parent / "settings.json.broken").read_text() == text
    settings.set("theme", "light")
    assert Settings(path).note == ""


def test_window_state_is_remembered_beside_the_options(path):
    settings = Settings(path)
    settings.remember("window", [1, 2])
    settings.remember("folder", "a")
    settings.reset()
    again = Settings(path)
    assert (again.recall("window"), again.recall("folder")) == ([1, 2], "a")
    assert again.recall("other", 5) == 5


def test_shortcuts_are_text(path):
    settings = Settings(path)
    settings.set("shortcuts", {"undo": "Ctrl+Z"})
    assert Settings(path).get("shortcuts") == {"undo": "Ctrl+Z"}


def test_a_folder_that_cannot_be_written_does_not_stop_the_program(tmp_path):
    (tmp_path / "file").write_text("")
    settings = Settings(tmp_path / "file" / "settings.json")
    settings.set("theme", "light")
    assert settings.get("theme") == "light"
