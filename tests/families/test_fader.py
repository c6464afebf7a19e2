"""Fader Networks as a person meets them: whole pickled modules, sliders far beyond, strips."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from labelled import portraits
from resuming import stopped_and_resumed
from torch import nn

from engines import checkpoint, doctor, training
from engines.controls import Attributes, Slider, defaults
from engines.engine import Engine
from engines.facedata import LabelledFaces
from engines.families.fader.config import Config, combinations, planes, strip
from engines.families.fader.net import AutoEncoder, attribute_loss
from engines.families.fader.train import FaderTrainer
from engines.family import candidates, families
from engines.job import Job, Picture, Result

TINY = Config(("Eyeglasses",), size=32, width=4, most=8, levels=3)
KINDS = [
    TINY,
    Config(("Eyeglasses", "Male", "Young"), size=32, width=4, most=8, levels=3),
    Config(("Male",), size=64, width=4, most=16, levels=4, skips=2),
    Config(("Male",), size=32, width=4, most=8, levels=3, norm="instance"),
    Config(("Male",), size=32, width=4, most=8, levels=3, skips=1, upscale="upsampling"),
    Config(("Male",), size=32, width=4, most=8, levels=3, upscale="pixelshuffle"),
]


def net(config: Config = TINY) -> AutoEncoder:
    torch.manual_seed(3)
    made = AutoEncoder(config).eval()
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                layer.weight.mul_(3)  # an untrained net says too little to be seen
    return made


@pytest.fixture
def upstream() -> Iterator[type[nn.Module]]:
    """A class of the path that the official pickles name, gone when the test has written one."""
    module = ModuleType("src.model")

    class Net(nn.Module):
        """What an official file holds beside its layers: attributes, and hooks of no use."""

        def __init__(self, config: Config, layers: nn.Module) -> None:
            super().__init__()
            self.enc_layers, self.dec_layers = (
                layers.get_submodule(n) for n in ("enc_layers", "dec_layers")
            )
            self.img_sz, self.n_layers = config.size, config.levels
            self.attr = [(label.replace(" ", "_"), 2) for label in config.labels]
            self.instance_norm = config.norm == "instance"

    Net.__module__, Net.__qualname__, Net.__name__ = "src.model", "AutoEncoder", "AutoEncoder"
    module.AutoEncoder = Net  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["src"], sys.modules["src.model"] = ModuleType("src"), module
    yield Net
    for name in ("src", "src.model"):
        sys.modules.pop(name, None)


def forgotten() -> None:
    for name in ("src", "src.model"):
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("config", KINDS, ids=range(len(KINDS)))
def test_a_whole_pickled_module_is_read_as_data(
    config: Config, zipped: bool, upstream: type[nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "eyeglasses.pth"
    torch.save(upstream(config, net(config)), path, _use_new_zipfile_serialization=zipped)
    forgotten()
    opened = checkpoint.open_checkpoint(path)
    assert any("src.model.AutoEncoder" in note for note in opened.notes)
    family, found = candidates(opened)[0]
    assert (family.id, found) == ("fader", config)
    module, _ = family.load(found, opened)
    wanted = net(config).state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in module.state_dict().items())
    assert doctor.inspect(path).kind == "model"
    assert "src.model" not in sys.modules


def test_a_pickled_module_with_nonsense_beside_its_weights_is_read_by_its_shapes(
    upstream: type[nn.Module], tmp_path: Path
) -> None:
    pickled: Any = upstream(TINY, net())
    pickled.attr, pickled.img_sz = [("Male", 3), "what"], 10**9
    torch.save(pickled, tmp_path / "male.pth")
    forgotten()
    ((_, found),) = candidates(checkpoint.open_checkpoint(tmp_path / "male.pth"))
    assert found == Config(("Attribute",), size=32, width=4, most=8, levels=3)


def test_weights_with_a_layer_of_another_shape_are_none_of_ours(tmp_path: Path) -> None:
    state = net().state_dict()
    state["dec_layers.1.0.weight"] = torch.zeros(11, 4, 4, 4)
    torch.save(state, tmp_path / "odd.pth")
    assert not candidates(checkpoint.open_checkpoint(tmp_path / "odd.pth"))


def photo(seed: int = 1, side: int = 32) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Picture(pixels.repeat(side // 4, 0).repeat(side // 4, 1))


def written(path: Path, config: Config = TINY) -> str:
    family = families()["fader"]
    state = net(config).state_dict()
    checkpoint.save(path, state, {"family": "fader", "config": family.to_dict(config)})
    return str(path)


def run(engine: Engine, model: str, face: Picture, **values: Any) -> Result:
    card = engine.describe(model)
    values = {**defaults(card), "output": "crop", **values}
    made = list(engine.run(Job("fader", card.checkpoint, values, {"face": face})))[-1]
    assert isinstance(made, Result)
    return made


def test_without_a_change_the_photo_stays_and_strengths_reach_beyond(tmp_path: Path) -> None:
    engine, model = Engine("cpu"), written(tmp_path / "fader.safetensors")
    control = engine.describe(model).control("attributes")
    assert isinstance(control, Attributes) and control.trained == (-1.0, 1.0)
    assert (control.low, control.high) == (-10.0, 10.0)
    assert run(engine, model, photo()).pictures == (photo(),)
    told = {"own": "told", "has": [0.0]}
    inside, beyond = (run(engine, model, photo(), attributes=[a], **told) for a in (1.0, 8.0))
    assert photo() != inside.pictures[0] != beyond.pictures[0]
    assert not any("beyond" in note for note in inside.notes)
    assert any("beyond" in note for note in beyond.notes)


def test_sliders_of_our_own_net_end_where_its_faces_hold() -> None:
    family = families()["fader"]
    for face, farthest in (("celeba", 10.0), ("own", 3.0)):
        card = family.card(Config(("Smile",), face=face))
        control, reach = card.control("attributes"), card.control("reach")
        assert isinstance(control, Attributes) and isinstance(reach, Slider)
        assert (control.low, control.high, reach.high) == (-farthest, farthest, farthest)


def test_what_is_drawn_is_what_the_decoder_makes_of_the_pair(tmp_path: Path) -> None:
    engine, model = Engine("cpu"), written(tmp_path / "fader.safetensors")
    values = {"own": "told", "has": [0.5], "attributes": [2.5], "face_from": "made"}
    made = run(engine, model, photo(), **values).pictures[0]
    x = torch.from_numpy(photo().pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        wanted = net()(*net()(x), attributes=torch.tensor([planes([3.0])]))
    pixels = ((wanted[0] + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.abs(made.pixels.astype(int) - pixels).max() <= 1


def test_a_slider_runs_the_decoder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"encode": 0, "decode": 0}
    for name in calls:
        plain = getattr(AutoEncoder, name)

        def counted(self: Any, *x: Any, name: str = name, plain: Any = plain) -> Any:
            calls[name] += 1
            return plain(self, *x)

        monkeypatch.setattr(AutoEncoder, name, counted)
    engine, model = Engine("cpu"), written(tmp_path / "fader.safetensors")
    run(engine, model, photo(), attributes=[0.5])
    assert calls == {"encode": 1, "decode": 4}  # once without, once with, the photo's own, the edit
    run(engine, model, photo(), attributes=[0.6])
    assert calls == {"encode": 1, "decode": 5}
    run(engine, model, photo(2), attributes=[0.6])
    assert calls["encode"] == 2
    again = run(engine, model, photo(), attributes=[0.6]).pictures
    assert again == run(Engine("cpu"), model, photo(), attributes=[0.6]).pictures


def test_strips_and_targets(tmp_path: Path) -> None:
    config = Config(("Smile", "Glasses"), size=32, width=4, most=8, levels=3)
    engine, model = Engine("cpu"), written(tmp_path / "fader.safetensors", config)
    values = {"targets": "strip", "strip": "1", "count": 5.0, "reach": 2.0, "own": "told"}
    made = run(engine, model, photo(), **values)
    assert made.texts == tuple(f"Glasses {v:.2f}" for v in (-1, -0.25, 0.5, 1.25, 2))
    assert len(set(made.pictures)) == 5
    single = run(engine, model, photo(), own="told", attributes=[0.0, 1.25])
    assert single.pictures[0] == made.pictures[3]
    every = run(engine, model, photo(), targets="all", own="told", has=[0.0, 1.0])
    assert every.texts == ("Smile", "Glasses")
    alone = run(engine, model, photo(), own="told", has=[0.0, 1.0], attributes=[0.0, -1.0])
    assert every.pictures[1] == alone.pictures[0]


def test_the_photos_attributes_are_those_that_redraw_it_best(tmp_path: Path) -> None:
    config = Config(("Smile", "Glasses"), size=32, width=4, most=8, levels=3)
    model = written(tmp_path / "fader.safetensors", config)
    rows = combinations(2)
    assert sorted(rows) == [[0, 0], [0, 1], [1, 0], [1, 1]] and len(combinations(40)) == 41
    x = torch.from_numpy(photo().pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    made = net(config)
    with torch.inference_mode():
        errors = [
            (made(*made(x), attributes=torch.tensor([planes(row)])) - x).square().mean().item()
            for row in rows
        ]
    best = rows[int(np.argmin(errors))]
    found = [label.lower() for label, on in zip(config.labels, best) if on]
    note = f"The photo is redrawn best with: {', '.join(found) or 'none of its attributes'}."
    assert note in run(Engine("cpu"), model, photo()).notes


def test_the_values_of_a_strip_are_the_authors() -> None:
    assert strip(10.0, 3) == [-9.0, 0.5, 10.0] and strip(1.0, 2) == [0.0, 1.0]
    assert planes([0.25, -10.0]) == [0.75, 0.25, 11.0, -10.0]


# ---- training ------------------------------------------------------------------------------------

NETWORK = {"width": 4, "most": 8, "levels": 3, "hidden": 8, "labels": ["Glasses", "Smile"]}


@pytest.fixture
def people(tmp_path: Path) -> LabelledFaces:
    columns = {"glasses": "yes no " * 6, "smile": "teeth none unsure closed " * 3}
    return LabelledFaces(portraits(tmp_path / "set", columns), attributes=("glasses", "smile"))


def recipe(losses: dict[str, float], precision: str = "32-true") -> training.Recipe:
    return training.Recipe(
        "tiny",
        "fader.train:FaderTrainer",
        (training.Stage(4, (32, 32), 6, 1e-3),),
        {},
        NETWORK,
        {"ramp": 10, **losses},
        {"title": "Tiny"},
        precision=precision,
        every={"losses": 1, "samples": 4, "state": 1},
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("losses", [{}, {"patch": 0.1, "class": 0.1, "moved": 0.1}])
def test_it_trains_and_its_file_is_recognised(
    losses: dict[str, float], precision: str, people: LabelledFaces, tmp_path: Path
) -> None:
    told = recipe(losses, precision)
    result = list(training.train(told, tmp_path / "run", people, "cpu"))[-1]
    assert isinstance(result, Result)
    opened = checkpoint.open_checkpoint(result.texts[0])
    ((family, config),) = candidates(opened)
    assert (family.id, config.labels, config.size) == ("fader", ("Glasses", "Smile"), 32)
    header = (tmp_path / "run" / "losses.csv").read_text().splitlines()[0]
    assert ("patch" in header and "class" in header) == bool(losses)
    family.load(config, opened)


def test_a_training_that_was_cut_ends_with_the_same_weights(
    people: LabelledFaces, tmp_path: Path
) -> None:
    stopped_and_resumed(recipe({"latent": 0.1}), people, tmp_path)


def test_the_weight_of_the_code_rises_linearly_with_the_steps(people: LabelledFaces) -> None:
    trainer = FaderTrainer(recipe({"latent": 0.5}), people)
    found = []
    for trainer.done in range(12):
        found.append(float(trainer.prepare({}, torch.Generator())["latent"]))
    assert found == pytest.approx([min(step / 10, 1) * 0.5 for step in range(12)])
    assert FaderTrainer(recipe({"latent": 0.5, "ramp": 0}), people)._latent_weight() == 0.5


def test_the_judges_of_edited_photos_may_learn_more_slowly(people: LabelledFaces) -> None:
    trainer = FaderTrainer(recipe({"patch": 0.1, "class": 0.1, "rate": 0.5}), people)
    scales = {n: o.param_groups[0]["rate_scale"] for n, o in trainer.optimisers.items()}
    assert scales == {"autoencoder": 1.0, "latent": 1.0, "patch": 0.5, "classifier": 0.5}


def test_unknown_labels_count_in_no_loss(people: LabelledFaces) -> None:
    logits = torch.tensor([[3.0, -1.0, 0.5, 2.0], [0.0, 1.0, 9.0, -9.0]])
    labels, known = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    alone = attribute_loss(logits[:, :2], labels[:, :1])
    other = attribute_loss(logits[:1, 2:], labels[:1, 1:])
    assert torch.allclose(attribute_loss(logits, labels, known), alone + other)


def test_a_recipe_with_mistakes_is_refused_in_a_sentence(people: LabelledFaces) -> None:
    with pytest.raises(training.RecipeError, match="“lambda” is unknown"):
        FaderTrainer(recipe({"lambda": 1.0}), people)
    stages = (training.Stage(1, (32, 32), 6), training.Stage(1, (64, 64), 6))
    with pytest.raises(training.RecipeError, match="one and the same"):
        FaderTrainer(replace(recipe({}), stages=stages), people)
    with pytest.raises(training.RecipeError, match="3 labels for 2"):
        FaderTrainer(replace(recipe({}), network={**NETWORK, "labels": ["a", "b", "c"]}), people)
