"""Controls refuse in sentences; cards and jobs are checked against each other."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from engines.controls import (
    Attributes,
    Box,
    Choice,
    ClassChoice,
    ControlError,
    ImageInput,
    ModelCard,
    SizeRule,
    SketchInput,
    SketchStats,
    Slider,
    Text,
    Toggle,
    checked,
    defaults,
)
from engines.job import Job, Picture

SLIDER = Slider("width", "Width", 0, 10, 0.5, 3, trained=(1, 5))
CHOICE = Choice("norm", "Norm", (("trained", "As trained"), ("frozen", "Frozen")), "trained")
HAIR = Attributes(
    "face", "Face", ("smile", "black", "blond"), -1, 1, exclusive=(("black", "blond"),)
)
CARD = ModelCard(
    "pix2pix",
    "Shoes",
    (
        SLIDER,
        CHOICE,
        Toggle("noise", "Noise", True),
        Text("word", "Word", longest=5),
        HAIR,
        SketchInput("edges", "Outline", "edges", (64, 64)),
        ImageInput("style", "Style", optional=True),
    ),
    SizeRule(32, 32, native=(64, 64)),
    ("draw",),
    sketch=SketchStats((0.1, 0.2), (0.01, 0.02), (0.5, 1)),
    numbers={"L1": 0.1},
    notes=("One.",),
)
PAPER = Picture(np.full((4, 4), 255, np.uint8))


@pytest.mark.parametrize(
    ("control", "given", "taken"),
    [
        (SLIDER, 4, 4.0),
        (SLIDER, "2.5", 2.5),
        (SLIDER, 99, 10.0),
        (SLIDER, -1, 0.0),
        (CHOICE, "frozen", "frozen"),
        (CHOICE, "Frozen", "frozen"),
        (CARD.controls[2], "off", False),
        (CARD.controls[2], True, True),
        (CARD.controls[3], "blau", "blau"),
        (HAIR, [0, 2, -3], [0.0, 1.0, -1.0]),
        (HAIR, "0.5,0,1", [0.5, 0.0, 1.0]),
    ],
)
def test_values_are_taken_or_brought_into_range(control: Any, given: Any, taken: Any) -> None:
    assert control.check(given) == taken


@pytest.mark.parametrize(
    ("control", "given", "words"),
    [
        (SLIDER, "wide", "needs a number, not “wide”"),
        (SLIDER, True, "needs a number"),
        (SLIDER, float("nan"), "finite"),
        (SLIDER, None, "needs a number"),
        (CHOICE, "melted", "trained, frozen; “melted” is not"),
        (CARD.controls[2], "perhaps", "on or off"),
        (CARD.controls[3], "violet", "longer than 5"),
        (HAIR, [1, 2], "needs 3 numbers: smile, black, blond"),
        (HAIR, "a,b,c", "finite"),
        (HAIR, 3, "needs 3 numbers"),
    ],
)
def test_refusals_are_sentences(control: Any, given: Any, words: str) -> None:
    with pytest.raises(ControlError, match=words) as caught:
        control.check(given)
    assert str(caught.value).endswith(".") or str(caught.value).endswith("neither.")


def test_a_card_survives_json() -> None:
    assert ModelCard.from_dict(json.loads(json.dumps(CARD.to_dict()))) == CARD
    assert ModelCard.from_dict({**CARD.to_dict(), "of the future": 1}) == CARD


def test_defaults_and_lookup() -> None:
    assert defaults(CARD) == {
        "width": 3,
        "norm": "trained",
        "noise": True,
        "word": "",
        "face": [0.0, 0.0, 0.0],
    }
    assert CARD.control("edges") is CARD.controls[5] and CARD.control("nothing") is None
    assert [c.role for c in CARD.inputs()] == ["edges", "style"]


def test_a_job_is_completed_and_checked() -> None:
    job = checked(Job("pix2pix", values={"width": "20"}, images={"edges": PAPER}), CARD)
    assert job.values == {**defaults(CARD), "width": 10.0}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (
            Job("pix2pix", values={"colour": 1}, images={"edges": PAPER}),
            "no control named “colour”",
        ),
        (Job("pix2pix", values={"edges": 1}, images={"edges": PAPER}), "no control named “edges”"),
        (
            Job("pix2pix", images={"edges": PAPER, "mask": PAPER}),
            "no picture named “mask”; it takes edges, style",
        ),
        (Job("pix2pix"), "needs a picture for “Outline”"),
        (Job("pix2pix", images={"edges": PAPER}, seed=2**64), "whole number from 0 to 18446744"),
        (Job("pix2pix", images={"edges": PAPER}, seed=-(2**63) - 1), "whole number from 0"),
    ],
)
def test_jobs_that_do_not_fit_are_refused(job: Job, words: str) -> None:
    with pytest.raises(ControlError, match=words):
        checked(job, CARD)


def test_a_class_is_a_number_or_a_name() -> None:
    kinds = ClassChoice("class", "Which class", ("tabby", "tiger cat", "Persian cat", "crane"))
    for given in (1, 1.0, "1", " Tiger  CAT "):
        assert kinds.check(given) == 1.0 and isinstance(kinds.check(given), float)
    for wrong, words in (
        ("tyger cat", "“tyger cat”; most like it are tiger cat"),
        ("cat", "most like it are tiger cat / Persian cat"),
        ("submarine", "“submarine”; a number from 0 to 3 will do"),
        (4, "the numbers 0 to 3"), (-1, "numbers 0 to 3"), (float("nan"), "numbers 0 to 3"),
        (True, "no class “True”"),
    ):  # fmt: skip
        with pytest.raises(ControlError, match=words):
            kinds.check(wrong)


def test_a_box_is_four_numbers_or_none() -> None:
    box = Box("box", "Box")
    assert box.check("") == box.check([]) == box.default == []
    assert box.check("1, 2.5,30,40") == box.check((1, 2.5, 30, 40)) == [1, 2.5, 30, 40]
    for wrong in ([1, 2, 3], "1,2,x,4", [1, 2, 0, 4], [1, 2, float("nan"), 4]):
        with pytest.raises(ControlError):
            box.check(wrong)
