"""What all face families keep alike: masks, the fit of a face, pictures that can be made alone; and
the line-up of one face through several models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint, embedder
from engines.controls import Attributes, Choice, ImageInput, ModelCard, Slider, transferred
from engines.engine import Engine
from engines.errors import EngineError
from engines.facefinder import Face
from engines.families.ageing.config import Config as AgeingConfig
from engines.families.dagan.config import Config as DAGANConfig
from engines.families.fader.config import Config as FaderConfig
from engines.families.genegan.config import Config as GeneGANConfig
from engines.families.icgan.config import Config as IcGANConfig
from engines.families.lineup import Lineup, edit
from engines.families.stargan import config as stargan
from engines.family import families
from engines.job import Event, Job, Picture, Progress, Result

STARGAN = stargan.Config(("Smile", "Black hair", "Blond hair"), 4, 1, size=64, labeller=(4,))
TINY: dict[str, Any] = {
    "stargan": STARGAN,
    "fader": FaderConfig(("Smile", "Glasses"), size=64, width=4, most=8, levels=3),
    "genegan": GeneGANConfig("Glasses", size=64, width=4, object=4),
    "icgan": IcGANConfig(width=2, encoder=2, hidden=(8, 6), z=5),
    "aging": AgeingConfig(z=5, width=2, hidden=8, dense=6, maps=8, reader=True),
    "dagan": DAGANConfig(width=4, locate=(4, 6), blocks=1, judges=2),
}
SEVERAL = {
    "stargan": {"targets": "all"},
    "fader": {"targets": "strip", "count": 3.0, "strip": "1"},
    "genegan": {"targets": "strip", "count": 3.0},
    "icgan": {"targets": "all"},
    "aging": {"show": "strip", "search": "none"},
}
CHANGED: dict[str, dict[str, Any]] = {
    "stargan": {"attributes": [1.0, 0.0, 0.0]},
    "fader": {"attributes": [2.0, 0.0], "face_from": "made"},
    "genegan": {"targets": "remove", "face_from": "made"},
    "icgan": {"face_from": "made"},
    "aging": {"face_from": "made", "search": "none"},
    "dagan": {"strength": 1.5},
}
POINTS = [70.0, 62.0, 110.0, 62.0, 90.0, 106.0]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("faces")
    made: dict[str, Path] = {}
    for name, config in TINY.items():
        torch.manual_seed(2)
        family = families()[name]
        made[name] = folder / f"{name}.safetensors"
        body = {"family": name, "config": family.to_dict(config)}
        checkpoint.save(made[name], family.build(config).state_dict(), body)
    return made


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a second photo nobody says where the face is."""
    face = Face((60.0, 40.0, 60.0, 70.0), tuple(POINTS), 0.9)
    monkeypatch.setattr("engines.faces.find", lambda _photo: (face,))


def photo(seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return Picture(rng.integers(0, 255, (9, 10, 3), np.uint8).repeat(20, 0).repeat(18, 1))


def run(model: Path, images: dict[str, Picture] | None = None, **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(model))
    told = {"points": POINTS, **values}
    job = Job(card.family, card.checkpoint, told, {"face": photo(), **(images or {})})
    made = list(engine.run(job))[-1]
    assert isinstance(made, Result)
    return made


@pytest.mark.parametrize("name", list(SEVERAL))
def test_every_picture_of_several_can_be_made_alone(name: str, models: dict[str, Path]) -> None:
    images = {"other": photo(3)} if name == "genegan" else {}
    several = run(models[name], images, **SEVERAL[name])
    assert len(several.pictures) == len(several.values) == len(several.texts) > 1
    told = 0
    for picture, values in zip(several.pictures, several.values):
        if values:
            told += 1
            alone = run(models[name], images, **{**SEVERAL[name], **values})
            far = np.abs(alone.pictures[0].pixels.astype(int) - picture.pixels)
            assert far.mean() < 0.02 and far.max() <= 6, values  # a batch rounds otherwise
    assert 2 * told > len(several.pictures)


@pytest.mark.parametrize("name", list(TINY))
def test_a_mask_holds_every_model_back(name: str, models: dict[str, Path]) -> None:
    painted = np.zeros((90, 90), np.uint8)  # half the photo's size
    painted[30:60, 45:60] = 255
    result = run(models[name], {"mask": Picture(painted)}, **CHANGED[name])
    changed = np.argwhere((result.pictures[0].pixels != photo().pixels).any(2))
    assert len(changed) > 200
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert top >= 60 - 8 and bottom < 120 + 8 and left >= 90 - 8 and right < 120 + 8
    empty = run(models[name], {"mask": Picture(np.zeros((90, 90), np.uint8))}, **CHANGED[name])
    assert empty.pictures[0] == photo()


@pytest.mark.parametrize("name", list(TINY))
def test_the_fit_of_the_face_is_told(name: str, models: dict[str, Path]) -> None:
    fit = run(models[name], **CHANGED[name]).fit
    assert fit is not None and fit.measured["between the eyes"] == pytest.approx(40)
    turned = [70.0, 62.0, 110.0, 62.0, 110.0, 106.0]
    poor = run(models[name], points=turned, **CHANGED[name]).fit
    assert poor is not None and poor.score < 0.5 and "turned aside" in poor.message


def test_the_attended_region_is_told_in_pixels_of_the_photo(models: dict[str, Path]) -> None:
    found = run(models["dagan"]).region
    assert found is not None and min(found[2:]) > 1
    asked = run(models["dagan"], box=[60, 50, 30, 40]).region
    assert asked == pytest.approx((60, 50, 30, 40), abs=0.5)
    assert run(models["stargan"]).region is None


# ---- expressions ---------------------------------------------------------------------------------


def test_expressions_lie_around_a_neutral_face() -> None:
    config = stargan.Config(stargan.RAFD)
    own = list(config.usual)
    at = stargan.RAFD.index
    assert config.axes == (("Sad", "Happy"), ("Angry", "Fearful"), ("Disgusted", "Surprised"))
    assert stargan.mixed(config, own, (0.0, 0.0, 0.0)) == own
    happy, sad = (stargan.mixed(config, own, (v, 0.0, 0.0)) for v in (1.0, -1.0))
    assert happy[at("Happy")] == 1 and sum(happy) == 1
    assert sad[at("Sad")] == 1 and sum(sad) == 1
    mix = stargan.mixed(config, own, (0.25, -0.5, 0.0))
    shares = mix[at("Happy")], mix[at("Angry")], mix[at("Neutral")]
    assert shares == pytest.approx((0.25, 0.5, 0.25)) and sum(mix) == pytest.approx(1)
    assert stargan.mixed(config, own, (0.0, 0.0, 2.0))[at("Surprised")] == 2


def test_in_a_joint_net_an_expression_speaks_to_the_second_set() -> None:
    config = stargan.Config((*stargan.CELEBA, *stargan.RAFD), joint=5)
    own = list(config.usual)
    (told,) = stargan.passes(config, own, [0.0] * 13, (1.0, 0.0, 0.0))
    assert told[-2:] == [0, 1] and told[5 + stargan.RAFD.index("Happy")] == 1
    assert not any(told[:5])


def test_only_nets_with_both_ends_have_expression_sliders() -> None:
    family = families()["stargan"]
    faces = family.card(stargan.Config(stargan.RAFD, size=64)).control("expression")
    assert isinstance(faces, Attributes) and faces.labels[0] == "Sad to happy"
    assert family.card(STARGAN).control("expression") is None


# ---- the line-up ---------------------------------------------------------------------------------


def test_one_face_goes_through_every_model(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder, "between", lambda a, b, _template: 0.0 if a == b else 0.25)
    names = "\n".join(str(models[name]) for name in ("stargan", "genegan", "dagan"))
    job = Job("lineup", values={"models": names, "points": POINTS}, images={"face": photo()})
    *progress, result = list(Engine("cpu").run(job))
    assert isinstance(result, Result) and len(result.pictures) == 4
    assert result.texts[0] == "The photo" and result.sheet is not None
    assert [text.partition(" · ")[0] for text in result.texts[1:]] == [
        "StarGAN", "GeneGAN", "DA-GAN",
    ]  # fmt: skip
    assert all(" · id 0." in text for text in result.texts[1:])
    assert {p.size for p in result.pictures} == {(384, 384)}
    assert result.values[1]["attributes"] == [1.0, 0.0, 0.0]
    assert str(result.values[2]["model"]).startswith("genegan@")
    done = [event.done for event in progress if isinstance(event, Progress)]
    assert done == sorted(done) and done[-1] == 2


def test_a_model_that_fails_leaves_the_others(models: dict[str, Path]) -> None:
    engine = Engine("cpu")

    class Broken:
        def describe(self, reference: str) -> ModelCard:
            if reference == "gone":
                raise EngineError("missing-model", "There is no model gone.")
            return engine.describe(reference)

        def run(self, job: Job) -> Iterator[Event]:
            return engine.run(job)

    values = {"models": f"gone\n{models['fader']}", "points": POINTS, "wish": "Glasses"}
    job = Job("lineup", values=values, images={"face": photo()})
    *_, result = Lineup().run(Broken(), job)
    assert isinstance(result, Result) and len(result.pictures) == 2
    assert "There is no model gone." in result.notes
    assert result.values[1]["attributes"] == [0.0, 1.0]


def test_each_kind_of_model_has_an_edit_of_its_own() -> None:
    swap = Choice("targets", "", (("swap", ""), ("remove", "")), "swap")
    age = Slider("age", "", 0, 5, 1, 0)
    labels = Attributes("attributes", "", ("Smile", "Old"), -1, 1)
    assert edit(ModelCard("x", "", (labels,)), "old") == {"attributes": [0.0, 1.0]}
    assert edit(ModelCard("x", "", (labels,)), "hat") == {"attributes": [1.0, 0.0]}
    assert edit(ModelCard("x", "", (age,))) == {"age": 5}
    assert edit(ModelCard("x", "", (swap,))) == {"targets": "remove"}
    assert edit(ModelCard("x", "", (swap,)), other=True) == {"targets": "swap"}
    assert edit(ModelCard("x", "", (ImageInput("face", ""),))) == {}


def test_an_edit_goes_to_another_photo_without_its_places(models: dict[str, Path]) -> None:
    card = Engine("cpu").describe(str(models["dagan"]))
    values = {"strength": 0.5, "points": POINTS, "box": [1, 2, 3, 4]}
    images = {"face": photo(), "mask": photo(1), "other": photo(2)}
    moved = transferred(Job("dagan", card.checkpoint, values, images), card)
    assert moved.values == {"strength": 0.5, "output": "every"} and not moved.images
    crop = transferred(Job("dagan", card.checkpoint, {"output": "crop"}, images), card)
    assert crop.values == {"output": "crop"}
    card = Engine("cpu").describe(str(models["genegan"]))
    moved = transferred(Job("genegan", card.checkpoint, {}, images), card)
    assert moved.images == {"other": images["other"]}


def test_an_edit_goes_there_and_back(models: dict[str, Path]) -> None:
    values = {"attributes": [1.0, 0.0, 0.0], "output": "crop", "own": "told", "has": [0.0] * 3}
    both = run(models["stargan"], targets="back", **values)
    alone = run(models["stargan"], **values)
    assert both.texts == ("As set", "And back") and both.pictures[0] == alone.pictures[0]
    assert both.pictures[1] not in (both.pictures[0], photo()) and both.sheet is not None


def test_a_joint_net_comes_back_set_by_set() -> None:
    config = stargan.Config((*stargan.CELEBA, *stargan.RAFD), joint=5)
    own = [1.0, 0, 0, 0, 1.0, *config.usual[5:]]
    strengths = [0.0] * 13
    strengths[1], strengths[9] = 1.0, 1.0
    steps = stargan.passes(config, own, strengths)
    back = stargan.returning(config, own, steps)
    assert [step[-2:] for step in steps] == [[1, 0], [0, 1]]
    assert [step[-2:] for step in back] == [[0, 1], [1, 0]]
    assert back[1][:5] == own[:5] and not any(back[1][5:13])


# ---- every face ----------------------------------------------------------------------------------

PAIR = (
    Face((60.0, 40.0, 60.0, 80.0), tuple(POINTS), 0.9),
    Face((230.0, 60.0, 30.0, 40.0), (235.0, 71.0, 253.0, 71.0, 244.0, 92.0), 0.8),
)


def wide() -> Picture:
    pixels = np.random.default_rng(4).integers(0, 255, (17, 34, 3), np.uint8)
    return Picture(pixels.repeat(10, 0).repeat(10, 1))


@pytest.mark.parametrize("name", TINY)
def test_every_face_is_changed_as_if_it_were_alone(
    models: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.faces.find", lambda _photo: PAIR)
    given = {"images": {"face": wide()}, **CHANGED[name]}
    alone = [run(models[name], points=list(face.points), **given) for face in PAIR]
    every = run(models[name], output="every", points=[1.0] * 6, **given)
    assert len(every.pictures) == len(alone[0].pictures)
    steps = [one.picture.pixels.astype(int) - wide().pixels for one in alone]
    both = np.clip(wide().pixels + steps[0] + steps[1], 0, 255)
    assert all(step.any() for step in steps) and np.array_equal(every.picture.pixels, both)
    small = "Face 2 of 2: The face is small, 18 pixels between the eyes: expect a soft result."
    assert small in every.notes and every.fit is not None
    assert small in every.fit.message and every.fit.score == alone[1].fit.score


def test_where_one_face_is_found_it_is_that_one(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.faces.find", lambda _photo: PAIR[1:])
    given = {"images": {"face": wide()}, **CHANGED["stargan"]}
    one = run(models["stargan"], points=list(PAIR[1].points), **given)
    every = run(models["stargan"], output="every", **given)
    assert every.picture == one.picture and every.notes == one.notes
    monkeypatch.setattr("engines.faces.find", lambda _photo: ())
    large = Picture(np.zeros((700, 900, 3), np.uint8))
    with pytest.raises(EngineError, match="No face was found"):
        run(models["stargan"], output="every", images={"face": large}, attributes=[1.0, 0, 0])


@pytest.mark.parametrize("name", SEVERAL)
def test_a_strip_of_every_face_has_as_many_pictures(
    models: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.faces.find", lambda _photo: PAIR)
    given = {"images": {"face": wide()}, **SEVERAL[name]}
    if name == "genegan":
        given["images"] = {"face": wide(), "other": photo(2)}
    alone = run(models[name], points=list(PAIR[0].points), **given)
    every = run(models[name], output="every", **given)
    assert len(every.pictures) == len(alone.pictures)
    assert every.texts in ((), tuple(text.partition(":")[0] for text in alone.texts))


def test_the_attended_region_is_of_one_face_alone(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.faces.find", lambda _photo: PAIR)
    shown = {"images": {"face": wide()}, "show": "attention", "box": [1.0, 2.0, 30.0, 40.0]}
    every = run(models["dagan"], output="every", **shown)
    assert len(every.pictures) == 1 and every.region is None
