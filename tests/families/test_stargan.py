"""StarGAN: what its files tell, what its label means, and how it trains."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import stopped_and_resumed

from engines import checkpoint, doctor, tensors, training
from engines.beside import together
from engines.checkpoint import open_checkpoint
from engines.engine import Engine
from engines.facedata import LabelledFaces
from engines.families.stargan import config as configs
from engines.families.stargan.build import build
from engines.families.stargan.config import (
    CELEBA,
    RAFD,
    Config,
    DiscriminatorConfig,
    recognise,
    recognise_discriminator,
    target,
)
from engines.families.stargan.net import (
    Discriminator,
    Labeller,
    class_loss,
    widened,
    widened_head,
)
from engines.families.stargan.net import (
    Generator as Net,
)
from engines.family import candidates, families
from engines.job import Job, Picture, Result

JOINT = Config((*CELEBA, *RAFD), width=4, blocks=1, joint=5)


def test_the_official_pairs_have_their_parameters() -> None:
    with torch.device("meta"):
        generator, discriminator = Net(Config()), Discriminator(DiscriminatorConfig())
    assert sum(p.numel() for p in generator.parameters()) == 8_430_528
    assert sum(p.numel() for p in discriminator.parameters()) == 44_762_048


@pytest.mark.parametrize(("count", "joint"), [(5, 0), (8, 0), (15, 5), (3, 0)])
def test_an_official_file_names_its_labels_by_their_number(
    count: int, joint: int, tmp_path: Path
) -> None:
    labels = {5: CELEBA, 8: RAFD, 15: (*CELEBA, *RAFD), 3: ("Label 1", "Label 2", "Label 3")}[count]
    config = Config(labels, width=4, blocks=2, joint=joint)
    assert config.given == count
    state = build(config).state_dict()
    for name in [n for n in state if n.endswith(".bias")]:
        norm = name.removesuffix(".bias")
        state[f"{norm}.running_mean"] = torch.full_like(state[name], 7.0)
        state[f"{norm}.running_var"] = torch.full_like(state[name], 9.0)
        if count != 8:  # files older than torch 0.4.1 lack the counter
            state[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    torch.save(state, tmp_path / "200000-G.ckpt")
    opened = open_checkpoint(tmp_path / "200000-G.ckpt")
    assert recognise(opened) == config
    module, notes = families()["stargan"].load(config, opened)
    assert any("running statistics" in note for note in notes)
    plain = build(config)
    plain.load_state_dict({k: v for k, v in state.items() if k in plain.state_dict()})
    x, label = torch.rand(1, 3, 16, 16), torch.rand(1, count)
    assert torch.equal(module(x, label), plain(x, label))


@pytest.mark.parametrize(("layers", "size"), [(6, 128), (6, 256), (7, 256), (5, 64)])
def test_the_discriminator_tells_its_size(layers: int, size: int, tmp_path: Path) -> None:
    config = DiscriminatorConfig(5, 2, layers, size)
    torch.save(Discriminator(config).state_dict(), tmp_path / "200000-D.ckpt")
    opened = open_checkpoint(tmp_path / "200000-D.ckpt")
    assert recognise_discriminator(opened) == config
    assert recognise(opened) is None


def test_a_generator_and_its_discriminator_in_one_folder_are_one_model(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    generator = Net(Config(CELEBA, width=4, blocks=1))
    critic = Discriminator(DiscriminatorConfig(5, 2, 5, 64))
    state = generator.state_dict()
    state["main.1.running_mean"] = torch.ones(4)
    torch.save(state, folder / "200000-G.ckpt")
    torch.save(critic.state_dict(), folder / "200000-D.ckpt")
    config = Config(CELEBA, width=4, blocks=1, size=64, judge=(2, 5, 64))
    opened = open_checkpoint(folder)
    assert [c for f, c in candidates(opened) if f.id == "stargan"] == [config]
    module, _ = families()["stargan"].load(config, opened)
    x, label = torch.rand(1, 3, 64, 64), torch.rand(1, 5)
    assert torch.equal(module(x, label), generator(x, label))
    assert torch.equal(module(x), critic(x)[1])
    assert doctor.inspect(folder).kind == "model"
    body = {"family": "stargan", "config": asdict(config)}
    checkpoint.save(tmp_path / "joined.safetensors", module.state_dict(), body)
    assert recognise(open_checkpoint(tmp_path / "joined.safetensors")) == config
    torch.save(state, folder / "model-G.ckpt")  # two generators: nobody can tell which
    assert recognise(open_checkpoint(folder)) is None


def saved_pair(folder: Path, step: str, seed: int) -> tuple[Net, Discriminator]:
    torch.manual_seed(seed)
    pair = Net(Config(CELEBA, width=4, blocks=1)), Discriminator(DiscriminatorConfig(5, 2, 5, 64))
    for net, letter in zip(pair, "GD"):
        torch.save(net.state_dict(), folder / f"{step}-{letter}.ckpt")
    return pair


def test_of_several_pairs_in_a_folder_the_latest_whole_one_is_taken(tmp_path: Path) -> None:
    saved_pair(tmp_path, "90000", 1)
    generator, critic = saved_pair(tmp_path, "200000", 2)
    torch.save(generator.state_dict(), tmp_path / "210000-G.ckpt")  # training was cut
    opened = open_checkpoint(tmp_path)
    ((family, config),) = [(f, c) for f, c in candidates(opened) if f.id == "stargan"]
    module, notes = family.load(config, opened)
    x, label = torch.rand(1, 3, 64, 64), torch.rand(1, 5)
    assert torch.equal(module(x, label), generator(x, label))
    assert all(map(torch.equal, module(x, heads=True), critic(x)))
    assert any("200000" in note for note in notes)
    assert any("200000" in note for note in doctor.inspect(tmp_path).notes)


@pytest.mark.parametrize("dropped", ["90000-G.ckpt", "90000-D.ckpt"])
def test_a_file_and_its_partner_beside_it_open_as_one(dropped: str, tmp_path: Path) -> None:
    folder = tmp_path / "stargan_celeba_128" / "models"
    folder.mkdir(parents=True)
    generator, critic = saved_pair(folder, "90000", 1)
    saved_pair(folder, "200000", 2)  # not these
    made = together(folder / dropped, tmp_path / "own")
    assert made.name == "stargan_celeba_128-90000" and made.is_relative_to(tmp_path / "own")
    assert together(folder / dropped, tmp_path / "own") == made
    opened = open_checkpoint(made)
    module, _ = families()["stargan"].load(recognise(opened), opened)
    x, label = torch.rand(1, 3, 64, 64), torch.rand(1, 5)
    assert torch.equal(module(x, label), generator(x, label))
    assert all(map(torch.equal, module(x, heads=True), critic(x)))
    assert len(list(folder.iterdir())) == 4


def test_files_that_are_no_pair_stay_what_they_are(tmp_path: Path) -> None:
    own = tmp_path / "own"
    saved_pair(tmp_path, "1", 1)
    (tmp_path / "1-D.ckpt").rename(tmp_path / "2-D.ckpt")
    torch.save({"weight": torch.ones(2)}, tmp_path / "3-G.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "3-D.pth")
    (tmp_path / "4-G.txt").write_text("x")
    for name in ("1-G.ckpt", "2-D.ckpt", "3-G.pth", "4-G.txt", "gone-G.ckpt"):
        assert together(tmp_path / name, own) == tmp_path / name
    assert not [p for p in own.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    "told", [None, [], {"labels": 7}, {"labels": ["A"]}, {"joint": 99, "labels": ["A"] * 5},
             {"size": "huge"}, {"size": -4}, {"joint": "x", "labels": list(CELEBA)}]
)  # fmt: skip
def test_a_file_that_tells_nonsense_is_read_by_its_shapes(told: Any, tmp_path: Path) -> None:
    plain = Config(CELEBA, width=4, blocks=1)
    path = tmp_path / "odd.safetensors"
    checkpoint.save(path, build(plain).state_dict(), {"family": "stargan", "config": told})
    assert recognise(open_checkpoint(path)) in (plain, None)
    assert doctor.inspect(path).kind in ("model", "refused")


def test_what_a_photo_shows_is_read_from_logits() -> None:
    assert configs.shown(Config(), [2, 3, -1, 0.5, -4]) == [0, 1, 0, 1, 0]
    assert configs.shown(Config(), [-2, -3, -1, 0.5, 4]) == [0, 0, 0, 1, 1]
    expressions = configs.shown(Config(RAFD), [-9, -8, -7, -6, -5, -4, -3, -2])
    assert expressions == [0, 0, 0, 0, 0, 0, 0, 1]


def test_labels_are_given_everywhere_or_painted() -> None:
    torch.manual_seed(0)
    net = Net(Config(CELEBA, width=4, blocks=1)).eval()
    x, one, other = torch.rand(1, 3, 32, 32), torch.zeros(1, 5), torch.ones(1, 5)
    plane = one[:, :, None, None].expand(-1, -1, 32, 32)
    assert torch.equal(net(x, one), net(x, plane))
    painted = plane.clone()
    painted[..., :16] = 1.0
    half = net(x, painted)
    assert not torch.equal(half, net(x, one)) and not torch.equal(half, net(x, other))


# ---- what a label means --------------------------------------------------------------------------


def test_a_blending_net_leaves_the_photo_where_its_mask_is_black(tmp_path: Path) -> None:
    config = Config(CELEBA, width=4, blocks=1, blend=True)
    net = Net(config).eval()
    torch.nn.init.normal_(net.main[-1].weight)
    photo, label = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 5)
    with torch.inference_mode():
        made, mask = net(photo, label, with_mask=True)
        assert torch.equal(net(photo, label), made)
    assert mask.shape == (2, 1, 16, 16) and 0 <= mask.min() < 0.01 < 0.99 < mask.max() <= 1
    changed = (made - photo).abs()
    assert bool((changed <= 2 * mask + 1e-5).all())
    assert changed[(mask < 1e-3).expand_as(changed)].max() < 0.01 < changed.max()
    checkpoint.save(tmp_path / "a.safetensors", net.state_dict(), {})
    assert recognise(open_checkpoint(tmp_path / "a.safetensors")) == config


class _Says(torch.nn.Module):
    """In the place of a net's layers: the same everywhere."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = torch.tensor(values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.values[:, None, None].expand(len(x), -1, *x.shape[2:])


def test_an_editing_net_moves_and_adds_where_a_label_changes(tmp_path: Path) -> None:
    config = Config(CELEBA, width=4, blocks=1, edits=True)
    net = Net(config).eval()
    checkpoint.save(tmp_path / "a.safetensors", net.state_dict(), {"config": asdict(config)})
    assert recognise(open_checkpoint(tmp_path / "a.safetensors")) == config
    photo = torch.rand(1, 3, 32, 32) * 0.8 - 0.4
    none, smile = torch.zeros(1, 5), torch.tensor([[0.0, 0, 0, 0, 1]])
    with torch.inference_mode():
        assert torch.allclose(net(photo, none), photo, atol=1e-5)
        assert not torch.allclose(net(photo, smile), photo, atol=1e-3)
        net.main = _Says(0.1, 0.0, -0.1, 1.0, -0.5)  # from two pixels right and one above
        made = net(photo, smile)
        added = torch.tensor([0.2, 0.0, -0.2])[:, None, None]
        inside = photo[:, :, 7:23, 10:26] + added
        assert torch.allclose(made[:, :, 8:24, 8:24], inside, atol=1e-4)
        left = smile[:, :, None, None].repeat(1, 1, 32, 32)
        left[..., 16:] = 0.0
        half = net(photo, left)
        assert torch.allclose(half[..., 24:], photo[..., 24:], atol=1e-5)
        assert torch.allclose(half[..., 8:24, 8:10], made[..., 8:24, 8:10], atol=1e-4)


def test_a_hair_colour_clears_the_others_and_other_labels_stay() -> None:
    own = [0.0, 1.0, 0.0, 1.0, 1.0]
    assert target(Config(), own, [1, 0, 0, 0, 0]) == [1, 0, 0, 1, 1]
    assert target(Config(), own, [0.5, 0, 0, 0, 0]) == [0.5, 0.5, 0, 1, 1]
    assert target(Config(), own, [0, -1, 0, 0, 0]) == [0, 0, 0, 1, 1]
    assert target(Config(), own, [1.0, 0, 0.25, 0, 0]) == [1, 0, 0, 1, 1]
    assert target(Config(), own, [0] * 5) == own


def test_strengths_go_on_beyond_the_label() -> None:
    own = [0.0, 1.0, 0.0, 0.0, 1.0]
    assert target(Config(), own, [2, 0, 0, 1.5, 0]) == [2, -1, 0, 1.5, 1]
    assert target(Config(), own, [0, 0, 0, 0, -2]) == [0, 1, 0, 0, -1]


def test_expressions_exclude_each_other() -> None:
    config = Config(RAFD)
    assert config.exclusive == (RAFD,) and config.usual[RAFD.index("Neutral")] == 1
    happy = [float(label == "Happy") for label in RAFD]
    assert target(config, config.usual, happy) == happy


# ---- learning more labels ------------------------------------------------------------------------


def test_new_labels_keep_the_old_weights_and_answers() -> None:
    torch.manual_seed(1)
    old = Net(Config(CELEBA, width=4, blocks=1)).eval()
    new = Net(Config((*CELEBA, "Smile", "Hat"), width=4, blocks=1)).eval()
    new.load_state_dict(widened(old.state_dict(), 2))
    x, label = torch.rand(1, 3, 16, 16), torch.rand(1, 5)
    for added in (torch.zeros(1, 2), torch.ones(1, 2)):
        assert torch.allclose(new(x, torch.cat((label, added), 1)), old(x, label), atol=1e-6)
    before = widened(old.state_dict(), 1, at=2)["main.0.weight"]
    assert torch.equal(before[:, :5], old.state_dict()["main.0.weight"][:, :5])
    assert not before[:, 5].any() and before.shape[1] == 9


def test_new_labels_keep_the_old_class_head() -> None:
    torch.manual_seed(1)
    old = Discriminator(DiscriminatorConfig(5, 2, 3, 16))
    new = Discriminator(DiscriminatorConfig(7, 2, 3, 16))
    new.load_state_dict(widened_head(old.state_dict(), 2))
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(new(x)[0], old(x)[0]) and torch.equal(new(x)[1][:, :5], old(x)[1])
    assert not new(x)[1][:, 5:].any()
    head = widened_head(Labeller((4, 8), 3).state_dict(), 1, key="head.weight")
    Labeller((4, 8), 4).load_state_dict(head)


# ---- runs ----------------------------------------------------------------------------------------


class Bench:
    """An engine with one small model, and the job of a photo of its crop's size."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.engine = Engine("cpu")
        path = folder / "model.safetensors"
        torch.manual_seed(0)
        body = {"family": "stargan", "config": asdict(config)}
        checkpoint.save(path, build(config).state_dict(), body)
        self.card = self.engine.describe(str(path))
        side = config.size or 128
        pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
        self.photo = Picture(pixels)
        face = self.card.face
        assert face is not None
        points = [*face.left_eye, *face.right_eye, *face.mouth]  # as it shall lie: no resampling
        values: dict[str, Any] = {"output": "crop", "points": points}
        self.job = Job("stargan", self.card.checkpoint, values, {"face": self.photo})

    def run(self, images: dict[str, Picture] | None = None, **values: Any) -> Result:
        told = {**self.job.values, **values}
        job = self.job.with_(values=told, images={**self.job.images, **(images or {})})
        result = list(self.engine.run(job))[-1]
        assert isinstance(result, Result)
        return result


SMALL = Config(CELEBA, width=4, blocks=1, size=128)


def test_every_target_comes_in_one_pass(tmp_path: Path) -> None:
    bench = Bench(SMALL, tmp_path)
    made = bench.run(targets="all", has=[1, 0, 0, 1, 1])
    assert made.texts == CELEBA and len(made.pictures) == 5
    assert len({p.digest for p in made.pictures}) == 5
    alone = bench.run(attributes=[0, 0, 0, -1, 0], has=[1, 0, 0, 1, 1])
    apart = alone.pictures[0].pixels.astype(int) - made.pictures[3].pixels  # "Male" turned over
    assert np.abs(apart).max() <= 1  # a batch rounds otherwise


def test_a_mask_keeps_the_rest_as_it_was(tmp_path: Path) -> None:
    bench = Bench(SMALL, tmp_path)
    painted = np.zeros((128, 128, 4), np.uint8)
    painted[:, :64, 3] = 255
    masked = bench.run({"mask": Picture(painted)}, attributes=[1, 0, 0, 0, 0]).pictures[0].pixels
    whole = bench.run(attributes=[1, 0, 0, 0, 0]).pictures[0].pixels
    assert np.array_equal(masked[:, 65:], bench.photo.pixels[:, 65:])
    assert not np.array_equal(masked[:, :64], bench.photo.pixels[:, :64])
    assert not np.array_equal(masked[:, :64], whole[:, :64])  # the label ends at the rim
    full = Picture(np.full((128, 128), 255, np.uint8))
    assert np.array_equal(
        bench.run({"mask": full}, attributes=[1, 0, 0, 0, 0]).pictures[0].pixels, whole
    )


def test_an_editing_net_is_told_what_changes(tmp_path: Path) -> None:
    """Whatever the photo has: what is not asked for stays."""
    bench = Bench(replace(SMALL, edits=True), tmp_path)
    same = bench.run(has=[0, 0, 0, 1, 1]).pictures[0].pixels
    assert np.abs(same.astype(int) - bench.photo.pixels).max() <= 1
    young = bench.run(attributes=[0, 0, 0, 0, 1], has=[0, 0, 0, 1, 0]).pictures
    assert bench.run(attributes=[0, 0, 0, 0, 1], has=[1, 0, 0, 0, 0]).pictures == young
    assert young[0] != bench.photo
    assert bench.run(attributes=[0, 0, 0, 0, 1], has=[1, 0, 0, 0, 1]).pictures == young
    black = bench.run(attributes=[1, 0, 0, 0, 0], has=[1, 0, 0, 0, 1]).pictures[0].pixels
    assert np.abs(black.astype(int) - bench.photo.pixels).max() <= 1  # its hair is black already
    every = bench.run(targets="all", has=[0, 0, 1, 0, 1])
    assert every.pictures[4] == bench.run(attributes=[0, 0, 0, 0, -1]).pictures[0]
    back = bench.run(attributes=[0, 0, 0, 0, 1], targets="back", has=[0] * 5).pictures
    older = bench.run({"face": back[0]}, attributes=[0, 0, 0, 0, -1], has=[0, 0, 0, 0, 1])
    apart = np.abs(back[1].pixels.astype(int) - older.pictures[0].pixels)
    assert np.quantile(apart, 0.99) <= 2  # the first was kept unrounded
    left = np.zeros((128, 128, 4), np.uint8)
    left[:, :64, 3] = 255
    masked = bench.run({"mask": Picture(left)}, attributes=[0, 0, 0, 0, 1], has=[0] * 5)
    pixels = masked.pictures[0].pixels
    assert np.array_equal(pixels[:, 80:], bench.photo.pixels[:, 80:])
    assert not np.array_equal(pixels[:, :64], bench.photo.pixels[:, :64])


def test_strengths_beyond_the_training_are_said(tmp_path: Path) -> None:
    bench = Bench(SMALL, tmp_path)
    inside = bench.run(attributes=[1, 0, 0, 0, 0], has=[0, 0, 0, 0, 1])
    beyond = bench.run(attributes=[1.5, 0, 0, 0, 0], has=[0, 0, 0, 0, 1])
    assert inside.notes == ()
    assert beyond.notes == ("Black hair: beyond what the model was trained on.",)
    assert inside.pictures != beyond.pictures
    assert any("cannot see" in note for note in bench.run().notes)


def test_a_labeller_says_what_the_photo_has(tmp_path: Path) -> None:
    bench = Bench(replace(SMALL, labeller=(4, 8)), tmp_path)
    seen = bench.run()
    assert seen.notes[0].startswith("The model sees: ")
    has = [float(label.lower() in seen.notes[0]) for label in CELEBA]
    assert bench.run(own="told", has=has).pictures == seen.pictures
    other = [1.0 - v for v in has]
    assert bench.run(own="told", has=other).pictures != seen.pictures


def test_both_heads_of_the_discriminator_are_told(tmp_path: Path) -> None:
    bench = Bench(replace(SMALL, judge=(2, 6, 128)), tmp_path)
    has, wish = [0, 0, 1, 0, 1], [1, 0, 0, 0, 0]
    plain = bench.run(own="told", has=has, attributes=wish)
    made = bench.run(own="told", has=has, attributes=wish, explain=True)
    assert plain.judged == () and plain.pictures == made.pictures
    photo, result = made.judged
    assert photo.picture == bench.photo and result.picture == made.picture
    critic = Discriminator(DiscriminatorConfig(5, 2, 6, 128)).eval()
    weights = open_checkpoint(tmp_path / "model.safetensors").tensors()
    critic.load_state_dict({k[9:]: v for k, v in weights.items() if k.startswith("labeller.")})
    with torch.inference_mode():
        source, logits = critic(tensors.to_tensor(bench.photo, 3, torch.device("cpu")))
    assert np.allclose(photo.source, source[0, 0], atol=1e-5)
    assert list(photo.classes.values()) == pytest.approx(logits[0].sigmoid().tolist(), abs=1e-5)
    assert photo.asked == dict(zip(CELEBA, has))
    assert result.asked == dict(zip(CELEBA, [1, 0, 0, 0, 1]))  # black hair clears brown
    for judged in made.judged:
        assert [len(row) for row in judged.source] == [2, 2]
        assert list(judged.classes) == list(CELEBA)
        assert all(0 < p < 1 for p in judged.classes.values())
    many = bench.run(own="told", has=has, targets="all", explain=True)
    assert [j.picture for j in many.judged] == [bench.photo, *many.pictures]
    assert many.judged[4].asked["Male"] == 1
    back = bench.run(own="told", has=has, attributes=wish, targets="back", explain=True)
    assert back.judged[2].asked == photo.asked


def test_what_a_labeller_sees_has_no_source_map(tmp_path: Path) -> None:
    bench = Bench(replace(SMALL, labeller=(4, 8)), tmp_path)
    photo, result = bench.run(explain=True).judged
    assert photo.source == result.source == () and set(photo.classes) == set(CELEBA)
    seen = [label for label, sure in photo.classes.items() if sure > 0.5]
    assert {label for label, on in photo.asked.items() if on} <= set(seen)
    (tmp_path / "blind").mkdir()
    assert Bench(SMALL, tmp_path / "blind").card.control("explain") is None


def test_probabilities_are_those_that_the_class_head_was_trained_for() -> None:
    logits = [0.0, 2.0, -40.0, 800.0, -1.0, *(float(n) for n in range(8))]
    made = configs.probabilities(JOINT, logits)
    given = torch.tensor(logits)
    wanted = torch.cat((given[:5].sigmoid(), given[5:].softmax(0)))
    assert made == pytest.approx(wanted.tolist(), abs=1e-6)


def test_labels_of_two_sets_take_two_passes(tmp_path: Path) -> None:
    config = replace(JOINT, size=128)
    happy = [0.0] * 5 + [float(label == "Happy") for label in RAFD]
    black = [1.0] + [0.0] * 12
    both = [a + b for a, b in zip(happy, black)]
    own = list(config.usual)
    assert configs.passes(config, own, black) == [[1, 0, 0, 0, 0] + [0] * 8 + [1, 0]]
    assert configs.passes(config, own, happy) == [[0] * 5 + happy[5:] + [0, 1]]
    assert len(configs.passes(config, own, both)) == 2
    assert configs.passes(config, own, [0] * 13) == [[0] * 13 + [1, 0]]
    bench = Bench(config, tmp_path)
    one, two = bench.run(attributes=black).pictures[0], bench.run(attributes=both).pictures[0]
    assert one != two
    after = bench.run({"face": one}, attributes=happy).pictures[0]
    assert np.abs(after.pixels.astype(int) - two.pixels).mean() < 3  # but for rounding between
    assert len(bench.run(targets="all").pictures) == 13


def test_a_discriminator_alone_is_named(tmp_path: Path) -> None:
    torch.save(
        Discriminator(DiscriminatorConfig(5, 2, 6, 128)).state_dict(), tmp_path / "200000-D.ckpt"
    )
    verdict = doctor.inspect(tmp_path / "200000-D.ckpt")
    assert verdict.kind == "other" and verdict.family == "stargan"
    assert "discriminator" in verdict.message and "200000-G.ckpt" in verdict.message
    assert "5 labels and 128 pixels" in verdict.message


# ---- losses --------------------------------------------------------------------------------------


def test_unknown_labels_do_not_count() -> None:
    logits = torch.tensor([[5.0, -3.0, 0.2], [1.0, 1.0, 1.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    known = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    class_loss(logits, labels, known=known).backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0 and not logits.grad[1].any() and logits.grad[0, 0] != 0
    full = class_loss(logits[:1, [0, 2]], labels[:1, [0, 2]])
    assert torch.allclose(class_loss(logits, labels, known=known), full)
    expected = torch.nn.functional.cross_entropy(logits[:1], labels[:1].argmax(1))
    assert torch.allclose(class_loss(logits, labels, True, known), expected)


# ---- training ------------------------------------------------------------------------------------

NETWORK = {"width": 4, "blocks": 1, "discriminator_width": 4, "discriminator_layers": 3}


def faces(folder: Path, columns: dict[str, list[str]]) -> Path:
    """Twelve small portraits with the labels given."""
    count = len(next(iter(columns.values())))
    rng = np.random.default_rng(0)
    (folder / "train").mkdir(parents=True)
    lines = [",".join(["file", "split", *columns])]
    for number in range(count):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "train" / f"{number}.png")
        values = [column[number] for column in columns.values()]
        lines.append(",".join([f"train/{number}.png", "train", *values]))
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def recipe(**changes: Any) -> training.Recipe:
    told = training.Recipe(
        "tiny",
        "stargan.train:StarGANTrainer",
        (training.Stage(4, (16, 16), 8),),
        {},
        {**NETWORK, "discriminator_size": 16, "labeller": [4, 8], "labels": ["Smile", "Hat"]},
        {"critics": 2, "single": 0.5},
        {"title": "Tiny"},
    )
    return replace(told, **changes)


@pytest.fixture
def smiles(tmp_path: Path) -> LabelledFaces:
    columns = {"smile": ["teeth", "closed"] * 6, "hat": ["yes", "no", ""] * 4}
    return LabelledFaces(faces(tmp_path / "set", columns), attributes=("smile", "hat"))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_trains_and_its_file_is_recognised(
    precision: str, smiles: LabelledFaces, tmp_path: Path
) -> None:
    told = recipe(precision=precision)
    events = list(training.train(told, tmp_path / "run", smiles, "cpu"))
    assert isinstance(events[-1], Result)
    opened = open_checkpoint(events[-1].texts[0])
    config = recognise(opened)
    assert config == Config(("Smile", "Hat"), 4, 1, size=16, labeller=(4, 8))
    module, _ = families()["stargan"].load(config, opened)
    x = torch.rand(1, 3, 16, 16)
    assert module(x).shape == (1, 2) and module(x, torch.ones(1, 2)).shape == x.shape
    row = (tmp_path / "run" / "losses.csv").read_text().splitlines()
    wanted = "step,labeller,D_real,D_fake,D_slope,D_class,gan,class,reconstruction,mask"
    assert row[0] == wanted and all(np.isfinite(float(v)) for v in row[1].split(","))


def test_a_training_that_was_cut_ends_with_the_same_weights(
    smiles: LabelledFaces, tmp_path: Path
) -> None:
    stopped_and_resumed(recipe(every={"state": 2, "losses": 1}), smiles, tmp_path)


def test_the_discriminator_learns_several_times_for_one_of_the_generator(
    smiles: LabelledFaces, tmp_path: Path
) -> None:
    told = recipe(losses={"critics": 4}, stages=(training.Stage(3, (16, 16), 8),))
    run = training._Run(told, tmp_path, smiles, "cpu", 1)
    for step in run.batches(0):
        run.step(step)
    run.close()
    states = {n: o.state_dict()["state"] for n, o in run.trainer.optimisers.items()}
    updates = {name: {int(s["step"]) for s in state.values()} for name, state in states.items()}
    assert updates == {"generator": {3}, "discriminator": {12}, "labeller": {3}}


def test_two_sets_are_told_apart_by_the_mask(tmp_path: Path) -> None:
    from engines.families.stargan.train import StarGANTrainer

    first = faces(tmp_path / "one", {"smile": ["teeth", "closed"] * 3})
    second = faces(tmp_path / "two", {"Happy": ["1", "0"] * 3, "Sad": ["0", "1"] * 3})
    data = LabelledFaces((first, second), attributes=("smile", "Happy", "Sad"))
    network = {**NETWORK, "discriminator_size": 16, "joint": 1}
    labels = {"labels": ["Smile", "Happy", "Sad"]}
    trainer = StarGANTrainer(recipe(network={**network, **labels}), data)
    assert trainer.parts == [(slice(0, 1), False), (slice(1, 3), True)]
    own, known = torch.from_numpy(data.labels), torch.from_numpy(data.known)
    noise = torch.Generator().manual_seed(0)
    target_, told = trainer._targets(own, known, noise)
    assert torch.equal(told, known)  # a photo's target is one of its own set
    vector = trainer._vector(target_, known)
    assert vector.shape == (12, 5) and trainer.generator.main[0].in_channels == 8
    assert vector[:6, 3:].tolist() == [[1, 0]] * 6 and not vector[:6, 1:3].any()
    assert vector[6:, 3:].tolist() == [[0, 1]] * 6 and not vector[6:, :1].any()
    assert vector[6:, 1:3].sum(1).tolist() == [1] * 6
    events = list(
        training.train(recipe(network={**network, **labels}), tmp_path / "run", data, "cpu")
    )
    assert isinstance(events[-1], Result)
    assert recognise(open_checkpoint(events[-1].texts[0])) == replace(
        JOINT, labels=("Smile", "Happy", "Sad"), joint=1, size=16
    )


def test_a_training_may_keep_its_discriminator(smiles: LabelledFaces, tmp_path: Path) -> None:
    told = recipe()
    told = replace(told, network={**told.network, "keep_discriminator": True})
    told = replace(told, stages=(training.Stage(1, (32, 32), 8),))  # larger than it judges
    path = Path(list(training.train(told, tmp_path / "run", smiles, "cpu"))[-1].texts[0])  # type: ignore[union-attr]
    opened = open_checkpoint(path)
    config = recognise(opened)
    assert config is not None and config.judge == (4, 3, 16) and not config.labeller
    assert config.size == 32
    module, _ = families()["stargan"].load(config, opened)
    source, logits = module(torch.rand(1, 3, 32, 32), heads=True)
    assert source.shape == (1, 1, 4, 4) and logits.shape == (1, 2)


def test_a_trained_pair_goes_on_with_more_labels(smiles: LabelledFaces, tmp_path: Path) -> None:
    from engines.families.stargan.train import StarGANTrainer

    torch.manual_seed(2)
    generator = Net(Config(("Smile",), 4, 1))
    judge = Discriminator(DiscriminatorConfig(1, 4, 3, 16))
    start, critic = tmp_path / "G.safetensors", tmp_path / "D.ckpt"
    old = Config(("Smile",), 4, 1)
    body = {"family": "stargan", "config": asdict(old)}
    checkpoint.save(start, generator.state_dict(), body)
    torch.save(judge.state_dict(), critic)
    told = recipe()
    more = {**told.network, "start": str(start), "start_discriminator": str(critic)}
    trainer = StarGANTrainer(replace(told, network=more), smiles)
    x = torch.rand(1, 3, 16, 16)
    assert torch.allclose(
        trainer.generator(x, torch.tensor([[1.0, 1.0]])), generator(x, torch.tensor([[1.0]]))
    )
    assert torch.equal(trainer.discriminator(x)[1][:, :1], judge(x)[1])
    wrong = {**more, "width": 8}
    with pytest.raises(training.RecipeError, match="another width"):
        StarGANTrainer(replace(told, network=wrong), smiles)


def test_a_recipe_with_mistakes_is_refused_in_a_sentence(smiles: LabelledFaces) -> None:
    from engines.families.stargan.train import StarGANTrainer

    with pytest.raises(training.RecipeError, match="wings"):
        StarGANTrainer(recipe(network={"wings": 2}), smiles)
    with pytest.raises(training.RecipeError, match="1 labels for 2"):
        StarGANTrainer(recipe(network={"labels": ["Smile"]}), smiles)


def test_every_target_is_shown_on_one_sheet_with_its_name(tmp_path: Path) -> None:
    made = Bench(SMALL, tmp_path).run(targets="all")
    assert made.sheet is not None and made.picture == made.sheet
    assert made.sheet.width * made.sheet.height > sum(p.width * p.height for p in made.pictures)


def test_paint_costs_more_where_no_label_that_changes_shows(
    smiles: LabelledFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smile shows in the upper half, the hat in the left one."""
    from engines.families.stargan.train import StarGANTrainer

    shows = np.zeros((2, 4, 4), np.float32)
    shows[0, :2], shows[1, :, :2] = 1, 1
    monkeypatch.setattr(smiles, "regions", lambda: shows)
    told = recipe(
        network={**recipe().network, "blend": True}, losses={"critics": 2, "outside": 3.0}
    )
    trainer = StarGANTrainer(told, smiles)
    own = torch.zeros(3, 2)
    target_ = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    price = trainer._price(own, target_, torch.zeros(3, 1, 16, 16))
    assert price[0, 0, :8].eq(1).all() and price[0, 0, 8:].eq(4).all()
    assert price[1, 0, 8:, 8:].eq(4).all() and price[1].sum() == 64 * 4 + 192
    assert price[2].eq(4).all()
    plain = StarGANTrainer(recipe(network=told.network), smiles)
    assert plain._price(own, target_, torch.zeros(3, 1, 16, 16)).eq(1).all()


def test_it_trains_with_regions_and_moved_pictures(smiles: LabelledFaces, tmp_path: Path) -> None:
    losses = {"critics": 2, "mask": 0.1, "outside": 3.0, "moved": 0.1, "light": 0.1}
    told = recipe(network={**recipe().network, "blend": True}, losses=losses)
    stopped_and_resumed(replace(told, every={"state": 2, "losses": 1}), smiles, tmp_path)
