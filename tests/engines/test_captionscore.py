"""Numbers of captions, on captions whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from engines import captionscore

RED = ["a red hat on a white background", "a red hat", "a hat in red on white"]
NAVY = ["a dark red and navy pair of shoes on an olive background"]


def test_a_caption_of_the_reference_has_the_best_scores() -> None:
    pytest.importorskip("pycocoevalcap")
    right = captionscore.scores([RED[0], NAVY[0]], [RED, NAVY])
    wrong = captionscore.scores(["two blue birds fly", "a cat"], [RED, NAVY])
    assert right["BLEU-4"] == pytest.approx(1, abs=1e-6)
    assert right["CIDEr"] > 5 > 0.5 > wrong["CIDEr"]
    assert wrong["BLEU-1"] < 0.3


@pytest.mark.parametrize(
    ("caption", "colour", "kind", "ground"),
    [
        (RED[0], "red", "hat", "white"),
        (RED[1], "red", "hat", ""),
        (RED[2], "red", "hat", "white"),
        (NAVY[0], "dark red", "pair of shoes", "olive"),
        ("a grey t-shirt on a light blue background", "grey", "t-shirt", "light blue"),
        ("an olive long-sleeved top", "olive", "long-sleeved top", ""),
        ("a bird", "", "", ""),
    ],
)
def test_parts_of_a_garment_s_caption(caption: str, colour: str, kind: str, ground: str) -> None:
    assert captionscore.parts(caption) == {"colour": colour, "kind": kind, "ground": ground}


def test_a_shirt_is_no_t_shirt_and_red_is_not_dark_red() -> None:
    said = ["a red shirt", "a red hat on a white background"]
    known = [["a dark red t-shirt"], RED]
    assert captionscore.exactness(said, known) == {
        "colour": 0.5, "kind": 0.5, "ground": 1.0, "colour and kind": 0.5,
    }  # fmt: skip


def test_the_baseline_is_the_picture_that_looks_most_alike() -> None:
    known = np.stack([np.full((32, 24, 3), v, np.uint8) for v in (0, 100, 200)])
    assert captionscore.nearest(known, known[[2, 0]] + 9).tolist() == [2, 0]
