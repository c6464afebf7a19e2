"""pix2pixHD beyond what every family keeps: the official folder, objects and their looks, staged
training."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import stopped_and_resumed

from engines import backbonenet, backbones, checkpoint, doctor, labeldata, palettes, training
from engines.catalogue import Catalogue
from engines.datasets import DataError
from engines.engine import Engine
from engines.families.pix2pixhd import net, style, train
from engines.families.pix2pixhd.config import Config, EncoderConfig
from engines.family import candidates, families
from engines.job import Job, Picture, Progress, Result
from engines.training import Recipe, RecipeError, Stage

TINY = Config(12, width=4, downs=2, blocks=1, palette="facades")
FEATURES = replace(TINY, features=3, encoder=EncoderConfig(4, 2), clusters=4)
HD = families()["pix2pixhd"]


def official(
    folder: Path, config: Config = FEATURES, options: str = "", epoch: str = "latest"
) -> Path:
    """What the official training of `config` leaves behind."""
    torch.manual_seed(0)
    made = net.Pix2PixHD(replace(config, clusters=0))
    folder.mkdir(exist_ok=True)
    torch.save(made.generator.state_dict(), folder / f"{epoch}_net_G.pth")
    judge = net.MultiscaleDiscriminator(config.inputs - config.features + 3, 4)
    torch.save(judge.state_dict(), folder / f"{epoch}_net_D.pth")
    if config.encoder:
        torch.save(made.encoder.state_dict(), folder / f"{epoch}_net_E.pth")
    if config.clusters:
        rng = np.random.default_rng(1)
        found: Any = {n: rng.normal(size=(config.clusters, 3)) for n in (1, 2, 5)}
        np.save(folder / "features_clustered_010.npy", found, allow_pickle=True)
    if options:
        (folder / "opt.txt").write_text(options)
    (folder / "loss_log.txt").write_text("(epoch: 1, iters: 100) G_GAN: 0.9\n")
    return folder


def opened(path: Path) -> Config:
    found = candidates(checkpoint.open_checkpoint(path))
    assert found and found[0][0] is HD
    return found[0][1]


def run(engine: Engine, path: Path, seed: int = 0, values: Any = None, **images: Picture) -> Result:
    card = engine.describe(str(path))
    job = Job("pix2pixhd", card.checkpoint, values or {}, images, seed=seed)
    result = list(engine.run(job))[-1]
    assert isinstance(result, Result)
    return result


def street() -> Picture:
    """Two windows and a door on a facade, 48 x 40."""
    labels = np.ones((40, 48), np.uint8)
    labels[5:15, 5:15] = labels[5:15, 30:40] = 2
    labels[25:, 20:28] = 3
    return Picture(labels)


# ---- files ---------------------------------------------------------------------------------------


def test_the_official_folder_is_one_model(tmp_path: Path) -> None:
    folder = official(tmp_path / "label2facade")
    config = opened(folder)
    assert (config.labels, config.edges, config.features) == (12, True, 3)
    assert config.encoder == EncoderConfig(4, 2) and config.clusters == 4
    result = run(Engine("cpu"), folder, labels=street())
    assert result.picture.size == (48, 40)
    module, _ = HD.load(config, checkpoint.open_checkpoint(folder))
    assert module.cluster_counts.tolist() == [0, 4, 4, 0, 0, 4, *[0] * 6]
    assert module.clusters[2].abs().sum() > 0


def test_a_dropped_folder_is_remembered(tmp_path: Path) -> None:
    folder = official(tmp_path / "label2facade")
    assert doctor.inspect(folder).kind == "model"
    shelf = Catalogue(tmp_path / "none", tmp_path / "own.json")
    entry = shelf.add(folder)
    assert (entry.name, entry.installed) == ("label2facade", True)
    assert entry.bytes == sum(file.stat().st_size for file in folder.iterdir())
    engine = Engine("cpu", catalogue=shelf)
    job = Job("pix2pixhd", entry.reference, images={"labels": street()})
    assert isinstance(list(engine.run(job))[-1], Result)
    (folder / "opt.txt").write_text("no_instance: False\n")
    assert shelf.find(str(folder)) != entry  # other files, another model


def test_the_latest_epoch_is_taken(tmp_path: Path) -> None:
    folder = official(tmp_path / "run", TINY, epoch="10")
    official(folder, replace(TINY, width=8), epoch="200")
    assert opened(folder).width == 8
    official(folder, replace(TINY, width=6))
    assert opened(folder).width == 6


OPTIONS = """------------ Options -------------
label_nc: {}
no_instance: {}
instance_feat: {}
feat_num: 3
"""


@pytest.mark.parametrize(
    ("inputs", "options", "wanted"),
    [
        (13, "", (12, True, 0)),
        (12, "", (12, False, 0)),
        (36, "", (35, True, 0)),
        (35, "", (35, False, 0)),
        (39, "", (35, True, 3)),  # the official three features
        (183, "", (182, True, 0)),
        (4, "", (0, True, 0)),
        (20, "", (19, True, 0)),  # a set that nobody told us of
        (20, OPTIONS.format(20, True, False), (20, False, 0)),
        (20, OPTIONS.format(16, False, True), (16, True, 3)),
    ],
)
def test_what_the_inputs_are(
    inputs: int, options: str, wanted: tuple[int, bool, int], tmp_path: Path
) -> None:
    official(tmp_path, Config(inputs, False, width=4, downs=3, blocks=1), options)
    found = opened(tmp_path)
    assert (found.labels, found.edges, found.features) == wanted and found.inputs == inputs


def test_a_clusters_file_of_another_width_is_not_this_models(tmp_path: Path) -> None:
    official(tmp_path)
    wrong: Any = {1: np.zeros((4, 5))}
    np.save(tmp_path / "features_clustered_010.npy", wrong, allow_pickle=True)
    assert not candidates(checkpoint.open_checkpoint(tmp_path))


def test_a_bare_generator_opens_alone(tmp_path: Path) -> None:
    official(tmp_path, replace(TINY, enhancers=2, local_blocks=1))
    verdict = doctor.inspect(tmp_path / "latest_net_G.pth")
    assert (verdict.kind, verdict.families) == ("model", ("pix2pixhd",))
    assert "2 local enhancers" in verdict.network


# ---- objects -------------------------------------------------------------------------------------


def test_objects_are_regions_that_touch_or_whole_classes() -> None:
    labels = street().pixels
    apart = style.Objects.painted(labels, frozenset({2, 3}))
    assert sorted(apart.labels.tolist()) == [1, 2, 2, 3]
    assert len(style.Objects.painted(labels, frozenset({3}))) == 3
    assert sorted(style.Objects.painted(labels, frozenset()).labels.tolist()) == [1, 2, 2, 3]


def test_objects_of_a_map_are_told_apart_by_it() -> None:
    numbers = np.zeros((40, 48), np.uint8)
    numbers[:, 35:] = 1
    found = style.Objects.of(street().pixels, numbers)
    assert len(found) == 5  # the facade and the right window are cut, the door is whole
    assert bool((found.labels[found.places] == street().pixels).all())


def test_what_has_no_number_of_its_own_is_told_apart_as_painted() -> None:
    labels = street().pixels
    things = frozenset({2, 3})
    painted = style.Objects.painted(labels, things)
    same = style.Objects.numbered(labels, np.zeros_like(labels), things)
    assert np.array_equal(same.places, painted.places)
    rows, columns = np.nonzero(labels == 2)
    numbers = np.zeros(labels.shape, np.int64)
    numbers[rows[0], columns[0]] = 9  # one pixel of a window is an object of its own
    cut = style.Objects.numbered(labels, numbers, things)
    assert len(cut) == len(painted) + 1
    own = cut.places[rows[0], columns[0]]
    assert (cut.places == own).sum() == 1 and cut.labels[own] == 2
    assert np.array_equal(cut.places[labels != 2], painted.places[labels != 2])


def test_the_value_most_of_an_object_has() -> None:
    found = style.Objects.of(np.array([[1, 1, 1, 2]]), np.zeros((1, 4)))
    assert found.most(np.array([[7, 3, 7, 0]], np.uint8)).tolist() == [7, 0]


def test_the_seed_draws_looks_class_by_class() -> None:
    labels = street().pixels
    objects = style.Objects.painted(labels, frozenset({2, 3}))
    counts = torch.tensor([0, 4, 4, 0, 0, 0])
    free = np.zeros(len(objects), np.int64)
    drawn = [style.chosen(objects, counts, seed, free) for seed in range(20)]
    window = objects.labels == 2
    assert len({tuple(d[window]) for d in drawn}) > 4
    assert all((d[objects.labels == 3] == -1).all() for d in drawn)
    fewer = style.chosen(objects, torch.tensor([0, 0, 4, 0, 0, 0]), 5, free)
    assert np.array_equal(fewer[window], drawn[5][window])
    asked = style.chosen(objects, counts, 5, np.where(window, 9, 0))
    assert (asked[window] == 3).all()  # the last of four


def test_looks_reach_the_picture(tmp_path: Path) -> None:
    folder, engine = official(tmp_path / "m"), Engine("cpu")
    labels = street()
    first = run(engine, folder, 0, {"style": "1"}, labels=labels).picture
    second = run(engine, folder, 0, {"style": "2"}, labels=labels).picture
    assert first == run(engine, folder, 1, {"style": "1"}, labels=labels).picture != second
    marks = np.zeros((40, 48), np.uint8)
    marks[5:15, 5:15] = 2
    one = run(engine, folder, 0, {"style": "1"}, labels=labels, styles=Picture(marks)).picture
    assert one not in (first, second)
    photo = Picture(np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8))
    seen = run(engine, folder, 0, {"style": "photo"}, labels=labels, photo=photo)
    assert seen.picture not in (first, second, one) and not seen.notes[:-1]
    unused = run(engine, folder, 0, {"style": "1"}, labels=labels, photo=photo)
    assert unused.picture == first and "was not used" in unused.notes[0]
    absent = run(engine, folder, 3, {"style": "photo"}, labels=labels)
    assert absent.picture == run(engine, folder, 3, labels=labels).picture
    assert "no photo" in absent.notes[0]


def test_an_object_map_of_another_size_and_kind(tmp_path: Path) -> None:
    folder, engine = official(tmp_path / "m", TINY), Engine("cpu")
    numbers = np.zeros((20, 24, 3), np.uint8)
    numbers[:, 12:, 2] = 1
    plain = run(engine, folder, labels=street()).picture
    parted = run(engine, folder, labels=street(), objects=Picture(numbers)).picture
    assert parted.size == plain.size and parted != plain


# ---- label maps ----------------------------------------------------------------------------------


def test_a_colour_map_is_read_by_the_palette(tmp_path: Path) -> None:
    folder, engine = official(tmp_path / "m", TINY), Engine("cpu")
    shown = palettes.coloured(street(), palettes.palette("facades"))
    by_colour = run(engine, folder, labels=shown).picture
    assert by_colour == run(engine, folder, labels=street()).picture


def test_colours_without_a_palette_are_refused(tmp_path: Path) -> None:
    folder = official(tmp_path / "m", Config(19, width=4, downs=3, blocks=1, palette=""))
    shown = palettes.coloured(street(), palettes.palette("facades"))
    with pytest.raises(Exception, match="map of class numbers"):
        run(Engine("cpu"), folder, labels=shown)


def test_classes_the_model_never_saw_are_told(tmp_path: Path) -> None:
    folder, engine = official(tmp_path / "m", TINY), Engine("cpu")
    strange = street().pixels.copy()
    strange[:20] = 77
    known = strange.copy()
    known[:20] = palettes.palette("facades").unknown
    told = run(engine, folder, labels=Picture(strange))
    assert "50.0 %" in told.notes[0] and "background" in told.notes[0]
    assert told.picture == run(engine, folder, labels=Picture(known)).picture


def test_painted_boundaries_reach_the_picture(tmp_path: Path) -> None:
    """The channel of boundaries is the last; without its weights they change nothing."""
    folder = official(tmp_path / "m", TINY)
    state = torch.load(folder / "latest_net_G.pth", weights_only=True)
    before = run(Engine("cpu"), folder, labels=street()).picture
    state["model.1.weight"][:, 12] = 0
    torch.save(state, folder / "latest_net_G.pth")
    blind = Engine("cpu")
    plain = run(blind, folder, labels=street()).picture
    numbers = Picture(np.arange(40 * 48, dtype=np.int64).reshape(40, 48).astype(np.uint8))
    assert plain != before
    assert run(blind, folder, labels=street(), objects=numbers).picture == plain


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight photos whose windows are dark and whose doors are red."""
    rng = np.random.default_rng(0)
    for name in ("photo", "label"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(8):
        labels = np.ones((32, 48), np.uint8)
        x = int(rng.integers(2, 20))
        labels[6:16, x : x + 10] = 2
        labels[20:, 30:40] = 3
        colours = np.array([[0, 0, 0], [200, 190, 170], [30, 30, 40], [180, 30, 30]], np.uint8)
        Image.fromarray(labels).save(tmp_path / "data" / "label" / f"{number}.png")
        Image.fromarray(colours[labels]).save(tmp_path / "data" / "photo" / f"{number}.png")
    return tmp_path / "data"


NETWORK = {"width": 4, "downs": 2, "blocks": 1, "local_blocks": 1, "discriminator_width": 4,
           "encoder_width": 4, "encoder_downs": 2}  # fmt: skip


def recipe(*stages: Stage, **network: Any) -> Recipe:
    return Recipe(
        "tiny", "pix2pixhd.train:Pix2PixHDTrainer", stages, {}, {**NETWORK, **network},
        {"vgg": 0.0}, seed=1,
    )  # fmt: skip


def read(folder: Path) -> labeldata.LabelledPhotos:
    return labeldata.make({"palette": "facades"}, folder, 1)


def test_batches_hold_whole_classes_and_repeat(data: Path) -> None:
    found = read(data)
    batch = found.batch(3, 4, (48, 32))
    assert batch["labels"].shape == (4, 1, 32, 48) and set(np.unique(batch["labels"])) <= {1, 2, 3}
    assert np.array_equal(batch["photo"], found.batch(3, 4, (48, 32))["photo"])
    for labels, objects in zip(batch["labels"], batch["objects"]):
        assert all(len(np.unique(labels[objects == n])) == 1 for n in np.unique(objects))
    dark = batch["photo"].mean(1, keepdims=True)[batch["labels"] == 2]
    assert np.median(dark) < -0.6  # windows lie where their label says


def test_data_that_does_not_fit_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match="palette is one of"):
        labeldata.make({"palette": "rainbow"}, data, 0)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(data / "label" / "0.png")
    with pytest.raises(DataError, match="another size"):
        read(data).pair(0)


def test_stages_train_what_they_say(data: Path) -> None:
    plan = recipe(Stage(1, (24, 16), 2), Stage(1, (48, 32), 2), Stage(1, (48, 32), 2), enhancers=1)
    trainer = train.Pix2PixHDTrainer(plan, read(data))
    fabric = training.Fabric(accelerator="cpu", devices=1)

    def moved(step: int) -> dict[str, bool]:
        net_ = trainer.generator
        parts = {"global": net_.generator.model, "tail": net_.tail,
                 "local": net_.generator.get_submodule("model1_2")}  # fmt: skip
        before = {n: [p.clone() for p in m.parameters()] for n, m in parts.items()}
        raw = trainer.data.batch(step, 2, plan.stages[step].size)
        batch = {n: torch.from_numpy(a) for n, a in raw.items()}
        trainer.done = step
        trainer.step(fabric, batch, torch.Generator())
        return {
            n: any(not torch.equal(a, b) for a, b in zip(before[n], m.parameters()))
            for n, m in parts.items()
        }

    assert moved(0) == {"global": True, "tail": True, "local": False}
    assert moved(1) == {"global": False, "tail": False, "local": True}
    assert moved(2) == {"global": True, "tail": False, "local": True}


def test_a_recipe_that_contradicts_itself_is_refused(data: Path) -> None:
    one = Stage(1, (48, 32), 2)
    for wrong in ({"enhancers": 1}, {"parts": ("global",)}, {"parts": ("both", "both")}):
        with pytest.raises(RecipeError):
            train.Pix2PixHDTrainer(recipe(one, **wrong), read(data))


def test_training_learns_and_its_model_opens_with_looks(data: Path, tmp_path: Path) -> None:
    plan = recipe(Stage(60, (48, 32), 4, 2e-3), features=3, clusters=3)
    end = list(training.train(plan, tmp_path / "run", read(data), "cpu"))[-1]
    assert isinstance(end, Result)
    path = tmp_path / "run" / "model.safetensors"
    found = opened(path)
    assert found.features == 3 and 1 <= found.clusters <= 3 and found.palette == "facades"
    made = run(Engine("cpu"), path, labels=Picture(read(data).pair(0)[0])).picture.pixels
    labels = read(data).pair(0)[0]
    assert made[labels == 2].mean() < made[labels == 1].mean() - 40


def test_resuming_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    stages = (Stage(2, (24, 16), 2), Stage(2, (48, 32), 2), Stage(2, (48, 32), 2))
    plan = replace(recipe(*stages, enhancers=1), every={"losses": 1, "state": 3})
    again = stopped_and_resumed(plan, read(data), tmp_path, after=4)
    assert [e.done for e in again if isinstance(e, Progress)] == [4, 5, 6]


def test_without_a_vgg_its_loss_is_left_out_and_told(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "train"):
        plan = replace(recipe(Stage(1, (48, 32), 2)), losses={})
        trainer = train.Pix2PixHDTrainer(plan, read(data))
    assert trainer.vgg is None and "without the VGG loss" in caplog.text
    assert trainer.config.labels == 12


def judged_by(path: Path, widths: tuple[int, ...], data: Path) -> train.Pix2PixHDTrainer:
    """A trainer whose recipe names a random backbone of these widths."""
    config = backbones.Config(widths=widths, depths=(1,) * len(widths), classes=0, hidden=0)
    state = backbonenet.random(config, 1).state_dict()
    checkpoint.save(path, state, backbones.to_metadata(config))
    plan = replace(
        recipe(Stage(1, (48, 32), 2), moved=0.2), losses={}, files={"backbone": str(path)}
    )
    return train.Pix2PixHDTrainer(plan, read(data))


def test_a_small_backbone_takes_the_place_of_vgg19(data: Path, tmp_path: Path) -> None:
    trainer = judged_by(tmp_path / "small.safetensors", (4, 4, 4, 4, 4), data)
    photo = torch.from_numpy(trainer.data.batch(0, 2, (48, 32))["photo"])
    assert trainer.vgg is not None and float(trainer.vgg(photo, photo)) == 0
    made = torch.zeros_like(photo).requires_grad_()
    trainer.vgg(made, photo).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    batch = {n: torch.from_numpy(a) for n, a in trainer.data.batch(0, 2, (48, 32)).items()}
    fabric = training.Fabric(accelerator="cpu", devices=1)
    losses = trainer.step(fabric, batch, torch.Generator().manual_seed(0))
    assert set(losses) == {"D_real", "D_fake", "gan", "matching", "vgg"}
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    with pytest.raises(RecipeError, match="fewer than 5 stages"):
        judged_by(tmp_path / "short.safetensors", (4, 4), data)


def test_a_label_map_and_its_photos_move_together(data: Path, tmp_path: Path) -> None:
    trainer = judged_by(tmp_path / "small.safetensors", (4, 4, 4, 4, 4), data)
    given = torch.rand((2, 13, 32, 48), generator=torch.Generator().manual_seed(1))
    photo, made = given[:, :3], given[:, 3:6].clone().requires_grad_()
    noise = torch.Generator().manual_seed(2)
    real, fake = trainer._judged(given, photo, made, noise)
    assert torch.equal(real[:, :3], real[:, 13:]) and torch.equal(fake[:, 3:6], fake[:, 13:])
    assert not torch.equal(real[:, :13], given) and torch.equal(real[:, :13], fake[:, :13])
    assert fake.requires_grad and not real.requires_grad
