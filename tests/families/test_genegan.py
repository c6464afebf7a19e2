"""GeneGAN as a person meets it: TensorFlow checkpoints, two photos that trade, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfwriter
import torch
from labelled import portraits
from resuming import stopped_and_resumed

from engines import checkpoint, doctor, training
from engines.controls import defaults
from engines.engine import Engine
from engines.facedata import LabelledFaces
from engines.families.genegan.config import Config, variables
from engines.families.genegan.net import Critic, GeneGAN
from engines.families.genegan.train import GeneGANTrainer
from engines.family import candidates, families
from engines.job import Job, Picture, Result

TINY = Config(width=4, object=4)


def net(config: Config = TINY) -> GeneGAN:
    torch.manual_seed(3)
    made = GeneGAN(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 4:
                parameter.mul_(3)  # an untrained net says too little to be seen
        for name, buffer in made.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-0.1, 0.1)
    return made


def named(config: Config = TINY) -> dict[str, np.ndarray[Any, Any]]:
    """Splitter and joiner under TensorFlow's names, with what a saver writes beside them."""
    state = net(config).state_dict()
    found = {}
    for theirs, ours, shape in variables(config):
        value = state[ours]
        turned = value.permute(2, 3, 1, 0) if value.dim() == 4 else value.reshape(shape)
        found[theirs] = np.ascontiguousarray(turned.numpy())
    found |= {f"{name}/RMSProp_1": value for name, value in found.items()}
    critic = config.size // 2 ** (config.levels + 1)
    found["D_Ax/fct/W"] = np.zeros((critic * critic * config.code, 1), np.float32)
    return {**found, "global_step": np.array(500, np.int64)}


def saved(folder: Path, kind: str) -> Path:
    if kind == "npz":
        np.savez(folder / "model.npz", **{f"{k}:0": v for k, v in named().items()})  # pyright: ignore
        return folder / "model.npz"
    (folder / "model").mkdir()
    index = tfwriter.write(folder / "model" / "model.ckpt", named())
    (folder / "model" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    return index if kind == "index" else folder / "model"


@pytest.mark.parametrize("kind", ["npz", "index", "folder"])
def test_variables_of_tensorflow_become_a_model(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, kind)
    opened = checkpoint.open_checkpoint(path)
    ((family, config),) = candidates(opened)
    assert (family.id, config) == ("genegan", TINY)
    module, notes = family.load(config, opened)
    wanted = net().state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in module.state_dict().items())
    assert any("left out" in note for note in notes)
    assert doctor.inspect(path).kind == "model"


def test_the_critic_tells_the_size_and_nonsense_is_not_believed(tmp_path: Path) -> None:
    config = replace(TINY, size=96)
    tfwriter.write(tmp_path / "model.ckpt", named(config))
    ((_, found),) = candidates(checkpoint.open_checkpoint(tmp_path / "model.ckpt.index"))
    assert found == config
    told = {"label": 7, "size": "big", "object": 10**9, "width": 3, "face": []}
    body = {"family": "genegan", "config": told}
    checkpoint.save(tmp_path / "odd.safetensors", net().state_dict(), body)
    ((_, found),) = candidates(checkpoint.open_checkpoint(tmp_path / "odd.safetensors"))
    assert found == Config("7", width=4, object=4)


def test_a_missing_or_infinite_variable_is_named(tmp_path: Path) -> None:
    given = named()
    given["G_joiner/deconv1/batch_normalization/gamma"][0] = np.nan
    tfwriter.write(tmp_path / "bad", given)
    assert "not finite" in doctor.inspect(tmp_path / "bad.index").message
    del given["G_joiner/deconv1/batch_normalization/gamma"]
    tfwriter.write(tmp_path / "part", given)
    assert doctor.inspect(tmp_path / "part.index").kind == "other"


# ---- a run ---------------------------------------------------------------------------------------


def photo(seed: int) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Picture(pixels.repeat(8, 0).repeat(8, 1))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "genegan.safetensors"
    body = {"family": "genegan", "config": families()["genegan"].to_dict(TINY)}
    checkpoint.save(path, net().state_dict(), body)
    return path


def run(model: Path, images: dict[str, Picture], **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(model))
    values = {**defaults(card), "output": "crop", **values}
    made = list(engine.run(Job("genegan", card.checkpoint, values, images)))[-1]
    assert isinstance(made, Result)
    return made


def close(a: Picture, b: Picture) -> bool:
    return bool(np.abs(a.pixels.astype(int) - b.pixels).max() <= 1)


def joined(face: int, thing: int | None) -> Picture:
    """What the net makes of the face of one photo and the object of another (None: zero)."""
    made = net()

    def split(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.from_numpy(photo(seed).pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        return made(x)

    with torch.inference_mode():
        features, own = split(face)
        given = torch.zeros_like(own) if thing is None else split(thing)[1]
        drawn = made(features, given)[0]
    pixels = ((drawn + 1) * 127.5).round().byte().permute(1, 2, 0)
    return Picture(np.ascontiguousarray(pixels.numpy()))


BOTH = {"face": photo(1), "other": photo(2)}


def test_two_photos_trade_their_objects(model: Path) -> None:
    made = run(model, BOTH, face_from="made")
    assert made.texts == ("Photo", "Second photo")
    assert close(made.pictures[0], joined(1, 2)) and close(made.pictures[1], joined(2, 1))
    still = run(model, BOTH, strength=0.0)
    assert still.pictures == (photo(1), photo(2))
    far = run(model, BOTH, strength=2.5, face_from="made")
    assert not close(far.pictures[0], made.pictures[0])


def test_an_object_is_taken_off(model: Path) -> None:
    off = run(model, BOTH, targets="remove", face_from="made")
    assert len(off.pictures) == 1 and close(off.pictures[0], joined(1, None))
    alone = run(model, {"face": photo(1)}, face_from="made")
    assert alone.pictures == off.pictures
    assert any("no second photo" in note for note in alone.notes)
    assert not any("no second photo" in note for note in off.notes)


def test_the_matrix_and_the_strip(model: Path) -> None:
    made = run(model, BOTH, targets="matrix", face_from="made")
    pairs = [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(close(p, joined(*pair)) for p, pair in zip(made.pictures, pairs, strict=True))
    assert made.texts[2] == "Second photo, the photo's object"
    kept = run(model, BOTH, targets="matrix").pictures
    assert kept[0] == photo(1) and kept[3] == photo(2)
    strip = run(model, BOTH, targets="strip", count=3.0, strength=2.0, face_from="made")
    assert strip.texts == ("0.00", "1.00", "2.00")
    assert close(strip.pictures[0], joined(1, 1)) and close(strip.pictures[1], joined(1, 2))
    assert len(run(model, {"face": photo(1)}, targets="matrix").pictures) == 2


# ---- training ------------------------------------------------------------------------------------

NETWORK = {"width": 4, "levels": 2, "object": 3, "critic_width": 4}


@pytest.fixture
def people(tmp_path: Path) -> LabelledFaces:
    columns = {"glasses": "yes no no unsure " * 3}
    return LabelledFaces(portraits(tmp_path / "set", columns), attributes=("glasses",))


def recipe(losses: dict[str, Any], precision: str = "32-true") -> training.Recipe:
    return training.Recipe(
        "tiny",
        "genegan.train:GeneGANTrainer",
        (training.Stage(4, (16, 16), 6, 1e-3),),
        {},
        NETWORK,
        losses,
        {"title": "Tiny"},
        precision=precision,
        every={"losses": 1, "samples": 4, "state": 1},
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    "losses", [{}, {"mode": "lsgan", "often": 1, "moved": 0.1}, {"mode": "vanilla"}]
)
def test_it_trains_and_its_file_is_recognised(
    losses: dict[str, Any], precision: str, people: LabelledFaces, tmp_path: Path
) -> None:
    told = recipe(losses, precision)
    result = list(training.train(told, tmp_path / "run", people, "cpu"))[-1]
    assert isinstance(result, Result)
    opened = checkpoint.open_checkpoint(result.texts[0])
    ((family, config),) = candidates(opened)
    assert config == Config("Glasses", 16, 4, 2, 3)
    family.load(config, opened)
    rows = (tmp_path / "run" / "losses.csv").read_text().splitlines()
    assert len(rows) == 5 and all(np.isfinite(float(v)) for v in rows[-1].split(","))


def test_a_training_that_was_cut_ends_with_the_same_weights(
    people: LabelledFaces, tmp_path: Path
) -> None:
    stopped_and_resumed(recipe({"often": 2, "period": 2}), people, tmp_path)


def stepped(trainer: GeneGANTrainer, data: LabelledFaces, steps: int) -> list[bool]:
    """Whether splitter and joiner learnt, step by step."""
    fabric = training.Fabric(accelerator="cpu", devices=1)
    found = []
    for step in range(steps):
        before = {k: v.clone() for k, v in trainer.generator.named_parameters()}
        batch = {n: torch.from_numpy(v) for n, v in data.batch(step, 6, (16, 16)).items()}
        noise = torch.Generator().manual_seed(step)
        trainer.done = step
        trainer.step(fabric, trainer.prepare(batch, noise), noise)
        after = dict(trainer.generator.named_parameters())
        found.append(any(not torch.equal(before[k], v) for k, v in after.items()))
    return found


def test_the_critics_learn_more_often_and_their_weights_are_clipped(people: LabelledFaces) -> None:
    trainer = GeneGANTrainer(recipe({"often": 3, "period": 2, "clip": 0.005}), people)
    # three updates of the critics for the first of two, then one for the second
    assert stepped(trainer, people, 8) == [False, False, True, True] * 2
    weights = [p for c in (trainer.critic_with, trainer.critic_without) for p in c.parameters()]
    assert max(float(p.abs().max()) for p in weights) <= 0.005
    free = GeneGANTrainer(recipe({"mode": "lsgan", "often": 1}), people)
    assert stepped(free, people, 3) == [True] * 3
    assert max(float(p.abs().max()) for p in free.critic_with.parameters()) > 0.05


def test_halves_have_the_object_and_lack_it(people: LabelledFaces) -> None:
    trainer = GeneGANTrainer(recipe({}), people)
    kinds = {
        has: [people.photo(int(n)) for n in people.split("glasses", has)] for has in (False, True)
    }
    people.flip = False
    for step in range(4):
        batch = {n: torch.from_numpy(v) for n, v in people.batch(step, 6, (16, 16)).items()}
        pair = trainer.prepare(batch, torch.Generator().manual_seed(step))
        for has, half in ((True, pair["with"]), (False, pair["without"])):
            assert half.shape == (3, 3, 16, 16)
            pixels = ((half + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
            assert all(any(np.array_equal(p, k) for k in kinds[has]) for p in pixels)


def test_a_recipe_with_mistakes_is_refused_in_a_sentence(
    people: LabelledFaces, tmp_path: Path
) -> None:
    with pytest.raises(training.RecipeError, match="wgan, lsgan or vanilla"):
        GeneGANTrainer(recipe({"mode": "hinge"}), people)
    with pytest.raises(training.RecipeError, match="1 to 7 channels"):
        GeneGANTrainer(replace(recipe({}), network={**NETWORK, "object": 8}), people)
    alike = LabelledFaces(portraits(tmp_path / "alike", {"smile": "1 1 1"}), attributes=("smile",))
    with pytest.raises(training.RecipeError, match="both kinds"):
        GeneGANTrainer(recipe({}), alike)


def test_the_critic_is_sized_by_the_photo() -> None:
    assert Critic(Config()).fct.weight.shape == (1, 4 * 4 * 512)
    assert Critic(Config(size=96, levels=4, width=8)).fct.weight.shape == (1, 3 * 3 * 64)
