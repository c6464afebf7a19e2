"""Words of a text, and what each counts when the text is edited."""

from __future__ import annotations

from engines.wording import carried, tokens


def test_hyphens_join_where_the_model_knows_them_so() -> None:
    assert tokens("A red-black dress, isn't it?", hyphens=True) == ["a", "red-black", "dress",
                                                                    "isnt", "it"]  # fmt: skip
    assert tokens("A red-black café") == ["a", "red", "black", "caf"]


def test_a_word_keeps_its_weight_wherever_it_moves() -> None:
    before, weights = ["a", "red", "top"], [1.0, 0.5, 2.0]
    assert carried(before, weights, ["a", "dark", "red", "top"]) == [1.0, 1.0, 0.5, 2.0]
    assert carried(before, weights, ["red", "top"]) == [0.5, 2.0]
    assert carried(before, weights, ["a", "blue", "top"]) == [1.0, 1.0, 2.0]
    assert carried(before, [1.0, 0.5], before) == [1.0, 0.5, 1.0]
    assert carried([], [], ["a"]) == [1.0]
