"""CycleGAN: folders of both directions, real files, round trips with their numbers, tiles, and its
training."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from resuming import stopped_and_resumed

from engines import checkpoint, doctor, images, layers, measure, tiled, training, unpaireddata
from engines.checkpoint import open_checkpoint
from engines.datasets import DataError, make_dataset
from engines.engine import Engine
from engines.families.cyclegan import net, train
from engines.families.cyclegan.config import Config, JudgeConfig, PlainConfig
from engines.family import candidates, families
from engines.job import Job, Picture, Progress, Result
from engines.residual import ResNetConfig
from engines.training import Recipe, RecipeError, Stage, load_recipe
from tests import parity

FAMILY = families()["cyclegan"]
RESOURCES = Path(__file__).resolve().parents[2] / "resources"
FOUND = parity.ROOT.parent / "weights" / "cyclegan"
NET = ResNetConfig(width=4, blocks=1)
BOTH = Config(NET, NET)
JUDGED = replace(BOTH, judge_a=JudgeConfig(width=4, layers=2), judge_b=JudgeConfig(width=4))


def noise(width: int, height: int, seed: int = 0) -> Picture:
    """Soft blotches, so that neighbours look alike."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Picture(images.resize(small, (width, height)))


def written(config: Config, path: Path, change: Any = None) -> Path:
    torch.manual_seed(0)
    module = net.CycleGAN(config)
    if change is not None:
        change(module)
    body = {"family": "cyclegan", "config": FAMILY.to_dict(config)}
    checkpoint.save(path, module.state_dict(), body)
    return path


def run(engine: Engine, path: Path, picture: Picture, **values: Any) -> Result:
    job = Job("cyclegan", str(path), values, {"photo": picture})
    result = list(engine.run(job))[-1]
    assert isinstance(result, Result)
    return result


# ---- files and folders ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        {"ab": "latest_net_G_A", "ba": "latest_net_G_B"},
        {"ab": "net_G_A", "ba": "net_G_B", "judge_a": "net_D_B", "judge_b": "net_D_A"},
        {"ab": "netG_A2B", "ba": "netG_B2A", "judge_a": "netD_A", "judge_b": "netD_B"},
    ],
    ids=["official", "with discriminators", "of others"],
)
def test_both_directions_load_from_one_folder(names: dict[str, str], tmp_path: Path) -> None:
    config = JUDGED if "judge_a" in names else BOTH
    torch.manual_seed(0)
    module = net.CycleGAN(config)
    for part, name in names.items():
        torch.save(module.get_submodule(part).state_dict(), tmp_path / f"{name}.pth")
    family, found = candidates(open_checkpoint(tmp_path))[0]
    assert family is FAMILY and found == config
    loaded, _ = family.load(found, open_checkpoint(tmp_path))
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in module.state_dict().items())
    verdict = doctor.inspect(tmp_path)
    assert verdict.kind == "model" and verdict.families[0] == "cyclegan"


def test_of_several_epochs_the_latest_is_used(tmp_path: Path) -> None:
    modules = [net.CycleGAN(BOTH) for _ in range(3)]
    for module, epoch in zip(modules, ("5", "10", "latest")):
        for part, name in (("ab", "G_A"), ("ba", "G_B")):
            state = module.get_submodule(part).state_dict()
            torch.save(state, tmp_path / f"{epoch}_net_{name}.pth")
    loaded, _ = FAMILY.load(BOTH, open_checkpoint(tmp_path))
    latest = modules[-1].state_dict()
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in latest.items())


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def real(name: str) -> Path:
    if not FOUND.is_dir():
        pytest.skip("The weights of others are not here; they lie beside the parity fixtures.")
    return FOUND / name


@pytest.fixture(scope="module")
def face() -> Picture:
    """A blend of faces, on a pale ground."""
    photo = images.open_picture(RESOURCES / "samples" / "faces-one.jpg")
    return Picture(images.resize(images.flatten(photo).pixels, (256, 256)))


def spread(pixels: np.ndarray) -> float:
    """Mean distance of the strongest from the weakest of a pixel's colours (..., 3)."""
    return float((pixels.max(-1).astype(int) - pixels.min(-1)).mean())


def brown_horse() -> tuple[Picture, np.ndarray]:
    """A horse of ellipses and rectangles on grass, and where it is (H, W)."""
    rng = np.random.default_rng(0)

    def soft(cells: int, most: int) -> np.ndarray:
        small = rng.integers(0, most, (cells, cells, 3), dtype=np.uint8)
        return images.resize(small, (256, 256)).astype(int) - most // 2

    mask = np.zeros((256, 256), np.uint8)
    for middle, axes, turn in (((128, 120), (75, 42), 0), ((205, 75), (18, 40), 25),
                               ((222, 48), (26, 13), 20)):  # fmt: skip
        cv2.ellipse(mask, middle, axes, turn, 0, 360, 1, -1)
    for x in (70, 95, 165, 185):
        cv2.rectangle(mask, (x, 140), (x + 12, 215), 1, -1)
    grass = np.array((100, 130, 70)) + soft(64, 20)
    photo = np.where(mask[..., None] > 0, np.array((140, 85, 45)) + soft(16, 40), grass)
    return Picture(cv2.GaussianBlur(photo.astype(np.uint8), (5, 5), 1)), mask > 0


def test_a_found_zebra_net_gives_a_brown_horse_black_and_white_stripes(engine: Engine) -> None:
    horse, where = brown_horse()
    made = run(engine, real("horse2zebra_gancomp_latest_net_G.pth"), horse).pictures[0]
    assert np.ptp(np.percentile(horse.pixels[where].mean(1), [5, 95])) < 40
    dark, light = np.percentile(made.pixels[where].mean(1), [5, 95])
    assert light - dark > 90
    assert spread(made.pixels[where]) < 0.6 * spread(horse.pixels[where])
    beyond = np.ptp(np.percentile(made.pixels[~where].mean(1), [5, 95]))
    assert beyond < 0.6 * (light - dark)  # the grass has none


def test_a_found_sketch_net_draws_black_lines_on_white(engine: Engine, face: Picture) -> None:
    made = run(engine, real("photo2sketch_generator.pth"), face).pictures[0].pixels
    dark, white = np.percentile(made.mean(2), [2, 60])
    assert dark < 40 and white > 250 and spread(made) < 6


def test_a_found_net_trained_on_one_picture_gives_its_yellow(engine: Engine, face: Picture) -> None:
    path = real("strawberry2banana_netG_A2B.pth")
    family, config = candidates(open_checkpoint(path))[0]
    assert family is FAMILY and config.ab == PlainConfig(norm="none", root="model")
    red, green, blue = run(engine, path, face).pictures[0].pixels.mean((0, 1))
    assert red > 200 and green > 160 and blue < 0.7 * green


# ---- there and back ------------------------------------------------------------------------------


class Negative(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


class Dimmed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - 0.2


def test_a_round_trip_shows_where_and_how_much_was_lost(engine: Engine, tmp_path: Path) -> None:
    """There: the negative; back: the negative again, a tenth of the range darker."""
    path = written(BOTH, tmp_path / "both.safetensors")
    model = engine.load(str(path))
    assert isinstance(model.module, net.CycleGAN)
    model.module.ab, model.module.ba = Negative(), torch.nn.Sequential(Negative(), Dimmed())
    rng = np.random.default_rng(0)
    photo = Picture(rng.integers(60, 256, (32, 40, 3), dtype=np.uint8))
    result = run(engine, path, photo, round=True)
    (there,), (back, error) = result.pictures, result.beside.values()
    assert list(result.beside) == ["And back", "Error"] and result.picture is there
    assert np.abs(255 - photo.pixels.astype(int) - there.pixels).max() <= 1
    assert np.abs(photo.pixels.astype(int) - 25 - back.pixels).max() <= 1
    assert np.ptp(error.pixels.reshape(-1, 3).astype(int), axis=0).max() <= 12  # the same all over
    structure, cycle = measure.structure_error(photo, there), measure.difference(photo, back).mean()
    assert structure > 0.9 and cycle == pytest.approx(0.1, abs=0.004)
    assert result.numbers == pytest.approx({"structure error": structure, "cycle error": cycle})


def test_the_other_direction_is_the_other_net_and_its_judge(engine: Engine, tmp_path: Path) -> None:
    def biased(module: net.CycleGAN) -> None:
        for part, value in (("judge_a", 0.25), ("judge_b", 0.75)):
            last = module.get_submodule(f"{part}.model")[-1]  # pyright: ignore[reportIndexIssue]
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.constant_(last.bias, value)

    path = written(JUDGED, tmp_path / "judged.safetensors", biased)
    there, back = (run(engine, path, noise(40, 32), direction=d) for d in ("AtoB", "BtoA"))
    assert there.pictures[0] != back.pictures[0]
    for made, score in ((there, 0.75), (back, 0.25)):
        assert made.numbers["likeness"] == made.numbers["likeness before"] == score
        assert 0 < made.numbers["structure error"] < 1 and "cycle error" not in made.numbers


def test_structure_error_knows_alike_unlike_and_opposite() -> None:
    rng = np.random.default_rng(0)
    photo, other = (Picture(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in "12")
    assert measure.structure_error(photo, photo) < 1e-3
    assert measure.structure_error(photo, Picture(255 - photo.pixels)) > 0.98
    assert 0.45 < measure.structure_error(photo, other) < 0.55
    lighter = Picture((photo.pixels * 0.8 + 40).astype(np.uint8))
    assert measure.structure_error(photo, lighter) < 0.02


# ---- any size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(37, 41), (130, 23), (8, 8)])
def test_any_size_keeps_its_size_and_its_alpha(
    engine: Engine, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = written(BOTH, tmp_path / "both.safetensors")
    rng = np.random.default_rng(0)
    photo = Picture(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8))
    made = run(engine, path, photo).pictures[0]
    assert made.size == size and np.array_equal(made.pixels[..., 3], photo.pixels[..., 3])


def test_tiles_are_one_pass_with_the_same_statistics() -> None:
    torch.manual_seed(0)
    module = net.generator(NET).eval()
    x = torch.rand(1, 3, 160, 200) * 2 - 1
    with torch.inference_mode():
        with tiled.measuring(module) as kept:
            module(tiled.windows(x, 4, 64))
        with tiled.normalising(module, kept):
            whole = module(x)
            made = torch.empty_like(whole)
            reach = tiled.reach(module)
            count = len(list(tiled.tiles(x, module, made, 64, reach, 4)))
    assert count == len(tiled.grid(160, 64, 4)) * len(tiled.grid(200, 64, 4)) == 12
    assert (whole - made).abs().max() < 1e-5


def test_a_large_photo_in_tiles_has_no_seams(engine: Engine, tmp_path: Path) -> None:
    """A step from pixel to pixel is no larger where tiles meet than elsewhere."""
    path = written(BOTH, tmp_path / "both.safetensors", layers.init_weights)
    photo = noise(544, 288)
    whole = run(engine, path, photo, tiles="off").pictures[0].pixels.astype(int)
    events = list(engine.run(Job("cyclegan", str(path), {"tiles": "256"}, {"photo": photo})))
    result = events[-1]
    assert isinstance(result, Result) and "without seams" in result.notes[0]
    assert [e.done for e in events if isinstance(e, Progress)] == list(range(7))
    made = result.pictures[0].pixels.astype(int)
    wrong = np.abs(made - whole)
    ends = [start for start, _ in tiled.grid(544, 256, 4)[1:]]
    steps = np.abs(np.diff(made - whole, axis=1)).mean((0, 2))
    assert wrong.mean() < 4 and all(steps[x - 1] <= 2 * np.median(steps) + 0.5 for x in ends)


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A: blue blotches. B: the like in red, brighter, of other sizes."""
    rng = np.random.default_rng(0)
    for name, colour, count in (("A", (40, 60, 160), 6), ("B", (220, 90, 60), 5)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for number in range(count):
            shade = images.resize(rng.integers(0, 90, (4, 5, 3), dtype=np.uint8), (44, 36))
            pixels = np.clip(shade.astype(int) - 45 + colour, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "data"


NETWORK = {"width": 4, "blocks": 1, "judge_width": 4, "judge_layers": 2, "names": ("Sea", "Fire")}


def recipe(*stages: Stage, **losses: Any) -> Recipe:
    return Recipe(
        "tiny", "cyclegan.train:CycleGANTrainer", stages, {"kind": "unpaired"}, NETWORK, losses,
        {"title": "Tiny"}, seed=1, ema=0.9, every={"losses": 1, "samples": 1000, "state": 2},
    )  # fmt: skip


def read(folder: Path, **told: Any) -> unpaireddata.UnpairedPhotos:
    made = make_dataset({"kind": "unpaired", **told}, folder, 1)
    assert isinstance(made, unpaireddata.UnpairedPhotos)
    return made


def test_batches_of_the_sides_are_drawn_apart_and_repeat(data: Path) -> None:
    found = read(data)
    assert len(found) == 6
    batch = found.batch(3, 4, (24, 16))
    assert batch["a"].shape == batch["b"].shape == (4, 3, 16, 24) and batch["a"].dtype == np.uint8
    assert batch["a"][:, 2].mean() > batch["a"][:, 0].mean() + 60  # blue
    assert batch["b"][:, 0].mean() > batch["b"][:, 2].mean() + 60  # red
    again, later = found.batch(3, 4, (24, 16)), found.batch(4, 4, (24, 16))
    assert all(np.array_equal(batch[n], again[n]) for n in "ab")
    assert not np.array_equal(batch["a"], later["a"])
    assert found.batch(0, 1, (64, 48))["b"].shape == (1, 3, 48, 64)  # larger than any picture


def test_the_folders_of_the_sides_may_be_named_and_large_photos_are_kept_small(
    data: Path, tmp_path: Path
) -> None:
    (data / "A").rename(data / "photo")
    (data / "B").rename(data / "trainB")
    found = read(data, a="photo", b="trainB", keep=18)
    assert {p.shape for side in found.sides for p in side} == {(18, 22, 3)}
    with pytest.raises(DataError, match="holds no two folders A and B or trainA and trainB"):
        read(data)


def test_the_pool_fills_then_gives_old_pictures_for_new() -> None:
    pool, source = train.Pool(4, (3, 2)), torch.Generator().manual_seed(0)
    shown = torch.arange(400.0).view(-1, 1, 1, 1).expand(-1, 3, 2, 3) / 512  # exact in half
    given = [pool(part, 2 * n, source) for n, part in enumerate(shown.split(2))]
    assert torch.equal(torch.cat(given[:2]), shown[:4])  # the first fill it
    values = torch.cat(given)[4:, 0, 0, 0]
    assert torch.equal(torch.cat(given)[:, 1, 1, 2], torch.cat(given)[:, 0, 0, 0])
    old = values < shown[4:, 0, 0, 0]
    assert 0.4 < old.float().mean() < 0.6
    assert len(values.unique()) == len(values)  # what was given or replaced does not come again
    assert torch.equal(train.Pool(0, (3, 2))(shown[:2], 9, source), shown[:2])


def test_losses_agree_with_the_reference() -> None:
    manifest, _ = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    known = manifest["values"]["cyclegan"]
    rules, six = known["setup"]["fill"], ResNetConfig(width=8, blocks=6)
    side = JudgeConfig(width=8)
    config = Config(six, six, side, side)
    both, judges = train.Generators(config), train.Judges(config)
    for module, name in (
        (both.ab, "G_A"), (both.ba, "G_B"), (judges.judge_b, "D_A"), (judges.judge_a, "D_B"),
    ):  # fmt: skip
        parity.fill(module, rules[name])
    a = parity.picture("loss.cyc.A", (1, 3, 64, 64), "smooth")
    b = parity.picture("loss.cyc.B", (1, 3, 64, 64), "uniform")
    made = both(a, b)
    parts = train.generator_losses(a, b, made, judges(made.fake_a, made.fake_b))
    total = train.weighted(parts, 10.0, 0.5)
    total.backward()
    gradient = torch.cat([p.grad.flatten() for p in both.ab.parameters() if p.grad is not None])
    told = judges(torch.cat((a, made.fake_a)), torch.cat((b, made.fake_b)))
    found = {
        "G_A": parts["gan_b"], "G_B": parts["gan_a"], "G": total,
        "cycle_A": 10 * parts["cycle_a"], "cycle_B": 10 * parts["cycle_b"],
        "idt_A": 5 * parts["identity_b"], "idt_B": 5 * parts["identity_a"],
        "D_A": train.judge_loss(told[1]), "D_B": train.judge_loss(told[0]),
        "grad_norm_G_A": gradient.norm(),
    }  # fmt: skip
    assert found.keys() == known.keys() - {"setup"}
    for name, value in found.items():
        assert value.item() == pytest.approx(known[name], rel=1e-4), name


def test_training_learns_and_its_model_opens_with_both_directions(
    data: Path, tmp_path: Path, engine: Engine
) -> None:
    plan = recipe(Stage(40, (16, 16), 2, 5e-3), cycle=5.0, identity=0.0, moved=0.05)
    end = list(training.train(plan, tmp_path / "run", read(data), "cpu"))[-1]
    assert isinstance(end, Result) and end.pictures[0].size == (6 * 16, 6 * 16)
    path = tmp_path / "run" / "model.safetensors"
    card = engine.describe(str(path))
    assert card.family == "cyclegan" and card.title == "Tiny"
    sea = images.open_picture(data / "A" / "0.png")
    result = run(engine, path, sea, round=True)
    made = result.pictures[0].pixels.mean((0, 1))
    assert made[0] > made[2] + 40  # fire is red
    back = result.beside["And back"].pixels.mean((0, 1))
    assert back[2] > back[0] + 40
    # its judges came along; which of two they prefer at the end of a contest is nobody's promise
    assert all(0 < result.numbers[name] < 1 for name in ("likeness", "likeness before"))


def test_resuming_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    """Cut where both pools hold pictures that are shown again."""
    plan = recipe(Stage(3, (12, 12), 2), Stage(6, (16, 12), 2), pool=3, moved=0.05, light=0.1)
    again = stopped_and_resumed(plan, read(data), tmp_path, after=7)
    assert [e.done for e in again if isinstance(e, Progress)] == [7, 8, 9]


def test_wrong_recipes_are_refused(data: Path) -> None:
    with pytest.raises(RecipeError, match="pool holds at least"):
        train.CycleGANTrainer(recipe(Stage(1, (16, 16), 4), pool=3), read(data))
    with pytest.raises(RecipeError, match="cicle"):
        train.CycleGANTrainer(recipe(Stage(1, (16, 16), 4), cicle=3), read(data))


def test_the_shipped_recipe_makes_a_file_below_ten_megabytes(data: Path) -> None:
    path = RESOURCES / "recipes" / "photo-to-monet-teacher.toml"
    shipped = load_recipe(path)
    assert shipped.card["licence"] and tomllib.loads(path.read_text())["name"] == path.stem
    trainer = train.CycleGANTrainer(shipped, read(data))
    numbers = [p.numel() for n in trainer.averaged for p in trainer.modules()[n].parameters()]
    assert 2 * sum(numbers) < 10e6 - 20_000
