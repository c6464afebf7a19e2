"""A student begins with the teacher's strongest channels and comes nearer to it with every step."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engines import checkpoint, distil, residual, training
from engines.datasets import make_dataset
from engines.families.colourise import distil as colours
from engines.families.colourise.config import Config as ColourConfig
from engines.families.colourise.net import ColourNet
from engines.families.cyclegan import distil as cycles
from engines.families.cyclegan.config import Config as CycleConfig
from engines.families.cyclegan.config import JudgeConfig
from engines.families.cyclegan.net import CycleGAN
from engines.families.faststyle import distil as styles
from engines.families.faststyle.config import Config as StyleConfig
from engines.families.faststyle.net import TransformerNet
from engines.families.pix2pix import distil as sketches
from engines.families.pix2pix.config import MultimodalConfig
from engines.families.pix2pix.multimodal import MultimodalUNet
from engines.families.unmosaic import distil as mosaics
from engines.families.unmosaic.config import Config as MosaicConfig
from engines.families.unmosaic.net import MosaicNet
from engines.family import families
from engines.job import Progress, Result
from engines.residual import ResNetConfig
from engines.residualnet import ResNet

WIDE = MultimodalConfig((8, 12, 16, 20), code=3, native=(32, 32), dyed=True, trunk=10)
NARROW = replace(WIDE, widths=(4, 9, 8, 11), trunk=6)


def silence(
    module: nn.Module,
    axes: distil.Axes,
    wide: Mapping[str, int],
    narrow: Mapping[str, int],
    turned: tuple[str, ...] = (),
) -> None:
    """Let no weight read the channels, drawn by chance, that a student has no place for."""
    state = module.state_dict()
    source = torch.Generator().manual_seed(5)
    mute = {g: torch.randperm(n, generator=source)[narrow[g] :] for g, n in wide.items()}
    for name, along in axes.items():
        reads = int(name not in turned)
        if len(along) > reads and state[name].dim() > 2:
            start = 0
            for group in along[reads]:
                state[name].index_fill_(reads, mute[group] + start, 0.0)
                start += wide[group]


@pytest.mark.parametrize("dyed", [True, False])
def test_a_sketcher_without_its_idle_channels_paints_the_same(dyed: bool) -> None:
    wide, narrow = replace(WIDE, dyed=dyed), replace(NARROW, dyed=dyed)
    torch.manual_seed(1)
    teacher, student = MultimodalUNet(wide), MultimodalUNet(narrow)
    nn.init.normal_(teacher.up[0].grain)  # pyright: ignore[reportArgumentType]
    axes, counts = sketches.axes(wide), (sketches.groups(wide), sketches.groups(narrow))
    silence(teacher, axes, *counts)
    distil.begin(student, teacher, axes, *counts)
    hints = torch.rand(2, 4, 32, 32).round()
    given = (torch.rand(2, 1, 32, 32), hints, torch.randn(2, 3), torch.randn(2, 1, 32, 32))
    with torch.inference_mode():
        assert torch.allclose(student(*given), teacher(*given), atol=1e-5)


def test_a_residual_net_without_its_idle_channels_paints_the_same() -> None:
    wide = ResNetConfig(width=6, blocks=2)
    narrow = replace(wide, width=4)
    torch.manual_seed(1)
    teacher, student = ResNet(wide), ResNet(narrow)
    counts = (residual.groups(wide), residual.groups(narrow))
    turned = tuple(residual.turned(wide))
    silence(teacher, residual.axes(wide), *counts, turned)
    distil.begin(student, teacher, residual.axes(wide), *counts, turned)
    picture = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(student(picture), teacher(picture), atol=1e-5)


def write(path: Path, family: str, config: object, module: nn.Module) -> Path:
    body = {"family": family, "config": families()[family].to_dict(config), "card": {}}
    state: dict[str, Tensor] = dict(module.state_dict())
    checkpoint.save(path, state, body)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(2)
    for side in ("a", "b"):
        (tmp_path / "set" / side).mkdir(parents=True)
        for number in range(4):
            pixels = np.kron(random.integers(0, 255, (4, 4, 3)), np.ones((10, 10, 1)))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "set" / side / f"{number}.png")
    return tmp_path


RECIPE = """
name = "student"
trainer = "{trainer}"
[data]
{data}
[network]
{network}
[every]
losses = 1
[[stage]]
size = [32, 32]
batch = 4
steps = 40
rate = 2e-3
[files]
teacher = "../teacher.safetensors"
"""


def trained(folder: Path, text: str) -> tuple[list[float], Path]:
    """How far from its teacher the student was at every step, and its file."""
    (folder / "student.toml").write_text(text)
    out = folder / "run"
    events = list(training.train_file(folder / "student.toml", folder, out, device="cpu"))
    notes = [e.note.split() for e in events if isinstance(e, Progress)]
    return [float(note[note.index("pixel") + 1]) for note in notes], out / "model.safetensors"


def test_a_small_sketcher_learns_from_a_large_one(photos: Path) -> None:
    torch.manual_seed(3)
    write(photos / "teacher.safetensors", "pix2pix", WIDE, MultimodalUNet(WIDE))
    network = f"widths = {list(NARROW.widths)}\ntrunk = {NARROW.trunk}"
    data = 'kind = "edges"\nfolder = "set/a"\nnative = [32, 32]'
    trainer = "pix2pix.distil:MultimodalDistiller"
    off, file = trained(photos, RECIPE.format(trainer=trainer, data=data, network=network))
    assert np.mean(off[-10:]) < 0.85 * off[0]
    made = checkpoint.open_checkpoint(file)
    assert families()["pix2pix"].recognise(made) == NARROW
    told, learnt = (
        checkpoint.open_checkpoint(p).tensors() for p in (file, photos / "teacher.safetensors")
    )
    assert torch.allclose(told["code_spread"].float(), learnt["code_spread"], atol=1e-3)


def test_small_generators_learn_from_large_ones_and_keep_their_judges(photos: Path) -> None:
    torch.manual_seed(3)
    net, judge = ResNetConfig(width=6, blocks=1), JudgeConfig(width=4)
    config = CycleConfig(net, net, judge, judge, ("A", "B"))
    teacher = CycleGAN(config)
    write(photos / "teacher.safetensors", "cyclegan", config, teacher)
    data = 'kind = "unpaired"\nfolder = "set"\na = "a"\nb = "b"'
    trainer = "cyclegan.distil:CycleGANDistiller"
    off, file = trained(photos, RECIPE.format(trainer=trainer, data=data, network="width = 4"))
    assert np.mean(off[-5:]) < 0.8 * np.mean(off[:3])
    made = checkpoint.open_checkpoint(file)
    found = families()["cyclegan"].recognise(made)
    assert isinstance(found, CycleConfig) and found.ab == replace(net, width=4)
    judges = [key for key in teacher.state_dict() if key.startswith("judge")]
    assert judges and all(
        torch.allclose(made.tensors()[key].float(), teacher.state_dict()[key], atol=1e-2)
        for key in judges
    )


def test_judges_of_another_width_learn_the_sides_from_real_pictures(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    for side, cell in (("a", 20), ("b", 2)):
        (tmp_path / "set" / side).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 255, (40 // cell, 40 // cell, 3))
            pixels = np.kron(pixels, np.ones((cell, cell, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / side / f"{number}.png")
    torch.manual_seed(3)
    net = ResNetConfig(width=6, blocks=1)
    config = CycleConfig(net, net, JudgeConfig(width=12), JudgeConfig(width=12), ("A", "B"))
    write(tmp_path / "teacher.safetensors", "cyclegan", config, CycleGAN(config))
    data = 'kind = "unpaired"\nfolder = "set"\na = "a"\nb = "b"'
    trainer, network = "cyclegan.distil:CycleGANDistiller", "width = 4\njudge_width = 6"
    text = RECIPE.format(trainer=trainer, data=data, network=network)
    text = text.replace("steps = 40", "steps = 200").replace("[data]", "ema = 0.9\n[data]", 1)
    _, file = trained(tmp_path, text)
    made = checkpoint.open_checkpoint(file)
    found = families()["cyclegan"].recognise(made)
    assert isinstance(found, CycleConfig)
    assert found.judge_a == found.judge_b == JudgeConfig(width=6)
    student, _ = families()["cyclegan"].load(found, made)
    noise = np.kron(random.integers(0, 255, (4, 3, 2, 2)), np.ones((1, 1, 20, 20)))
    coarse = torch.from_numpy(noise[..., 4:36, 4:36]).float() / 127.5 - 1
    fine = torch.rand(4, 3, 16, 16).repeat_interleave(2, 2).repeat_interleave(2, 3) * 2 - 1
    with torch.inference_mode():
        for part, own, other in (("judge_a", coarse, fine), ("judge_b", fine, coarse)):
            assert float(student(own, part).mean()) > float(student(other, part).mean()) + 0.3


def test_a_small_style_net_learns_from_a_large_one(photos: Path) -> None:
    torch.manual_seed(3)
    config = StyleConfig("plain", (6, 8, 12), 1, "stripes")
    write(photos / "teacher.safetensors", "fast_style", config, TransformerNet(config))
    sets = 'photos = [{folder = "set/a"}]\nstyles = [{folder = "set/b"}]'
    data = f'kind = "styles"\nstyled = false\n{sets}'
    trainer = "faststyle.distil:FastStyleDistiller"
    text = RECIPE.format(trainer=trainer, data=data, network="widths = [4, 6, 8]")
    off, file = trained(photos, text.replace("rate = 2e-3", "rate = 1e-2"))
    assert np.mean(off[-5:]) < 0.8 * np.mean(off[:3])
    found = families()["fast_style"].recognise(checkpoint.open_checkpoint(file))
    assert found == replace(config, widths=(4, 6, 8))


def test_a_style_net_without_its_idle_channels_paints_the_same() -> None:
    wide = StyleConfig("plain", (6, 8, 12), 2)
    narrow = replace(wide, widths=(4, 5, 7))
    torch.manual_seed(1)
    teacher, student = TransformerNet(wide), TransformerNet(narrow)
    counts = (styles.groups(wide), styles.groups(narrow))
    silence(teacher, styles.axes(wide), *counts)
    distil.begin(student, teacher, styles.axes(wide), *counts)
    picture = torch.rand(2, 3, 32, 32) * 255
    with torch.inference_mode():
        assert torch.allclose(student(picture), teacher(picture), atol=1e-3)


def test_a_colouriser_without_its_idle_channels_says_the_same() -> None:
    wide = ColourConfig(bins=5, widths=(6, 8, 10, 12), blocks=2, native=32)
    narrow = replace(wide, widths=(4, 5, 7, 9))
    torch.manual_seed(1)
    teacher, student = ColourNet(wide).eval(), ColourNet(narrow).eval()
    for module in teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean)  # pyright: ignore[reportArgumentType]
    counts = (colours.groups(wide), colours.groups(narrow))
    silence(teacher, colours.axes(wide), *counts)
    distil.begin(student, teacher, colours.axes(wide), *counts)
    grey = torch.rand(2, 1, 32, 32) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(student(grey), teacher(grey), atol=1e-4)


def test_a_mosaic_remover_without_its_idle_channels_restores_the_same() -> None:
    wide = MosaicConfig(widths=(6, 8, 10), blocks=2)
    narrow = replace(wide, widths=(4, 5, 7))
    torch.manual_seed(1)
    teacher, student = MosaicNet(wide).eval(), MosaicNet(narrow).eval()
    for module in teacher.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.2)
            nn.init.normal_(module.bias)  # pyright: ignore[reportArgumentType]
    axes, counts = mosaics.axes(wide), (mosaics.groups(wide), mosaics.groups(narrow))
    silence(teacher, axes, *counts)
    distil.begin(student, teacher, axes, *counts)
    seen, region = torch.rand(2, 3, 16, 16) * 2 - 1, torch.ones(2, 1, 16, 16)
    with torch.inference_mode():
        wanted = teacher(seen, region)
        assert torch.allclose(student(seen, region), wanted, atol=1e-4)
    assert wanted.std() > 0.1


def test_a_student_is_no_wider_than_its_teacher(photos: Path) -> None:
    write(photos / "teacher.safetensors", "pix2pix", NARROW, MultimodalUNet(NARROW))
    data = 'kind = "edges"\nfolder = "set/a"\nnative = [32, 32]'
    trainer, network = "pix2pix.distil:MultimodalDistiller", f"widths = {list(WIDE.widths)}"
    with pytest.raises(training.RecipeError, match="more channels than its teacher"):
        trained(photos, RECIPE.format(trainer=trainer, data=data, network=network))


def test_the_teacher_is_trained_first_where_it_is_not_there_yet(photos: Path) -> None:
    """One command makes both; the events are those of one training with one result at its end."""
    data = 'kind = "edges"\nfolder = "set/a"\nnative = [32, 32]'
    trainer = "pix2pix.distil:MultimodalDistiller"
    text = RECIPE.format(trainer=trainer, data=data, network="widths = [4, 6, 8]")
    text = text.replace("../teacher.safetensors", "../sketcher/model.safetensors")
    first = text[: text.index("[files]")].replace('"student"', '"sketcher"')
    first = first.replace(trainer, "pix2pix.train:MultimodalTrainer")
    first = first.replace("[4, 6, 8]", "[6, 8, 12]\ncode = 3\ndiscriminator = 8")
    (photos / "sketcher.toml").write_text(first)
    (photos / "student.toml").write_text(text)
    out = photos / "runs" / "student"
    events = list(training.train_file(photos / "student.toml", photos, out, "cpu", steps=2))
    assert [type(e).__name__ for e in events].count("Result") == 1
    assert isinstance(events[-1], Result) and (out / "model.safetensors").is_file()
    teacher = photos / "runs" / "sketcher" / "model.safetensors"
    found = families()["pix2pix"].recognise(checkpoint.open_checkpoint(teacher))
    assert isinstance(found, MultimodalConfig) and found.widths == (6, 8, 12)


class _Gridded(nn.Module):
    """A teacher that gives the picture back, with a grid of period four over it."""

    def forward(self, photo: Tensor, part: str) -> Tensor:
        rows, columns = (torch.arange(n) % 4 == 0 for n in photo.shape[2:])
        return photo + 0.4 * (rows[:, None] ^ columns).float()


def test_a_teacher_s_grid_is_not_learned(photos: Path) -> None:
    net = ResNetConfig(width=4, blocks=1)
    config = CycleConfig(net, net, None, None, ("A", "B"))
    write(photos / "teacher.safetensors", "cyclegan", config, CycleGAN(config))
    data = 'kind = "unpaired"\nfolder = "set"\na = "a"\nb = "b"'
    network = "width = 4\nplaces = 64\neven = true"
    text = RECIPE.format(
        trainer="cyclegan.distil:CycleGANDistiller", data=data, network=network
    ).replace("steps = 40", "steps = 2")
    _, file = trained(photos, text)
    (photos / "student.toml").write_text(text.replace("../teacher", "teacher"))
    recipe = training.load_recipe(photos / "student.toml")
    recipe = replace(recipe, files={"teacher": str(photos / "teacher.safetensors")})
    found = make_dataset(dict(recipe.data), photos, 0)
    trainer = training.make_trainer(recipe, found)
    assert isinstance(trainer, cycles.CycleGANDistiller)
    trainer.teacher = _Gridded()
    picture = torch.rand(1, 3, 32, 32)
    learned = trainer.answer((picture, "ab"), torch.Generator().manual_seed(1)) - picture
    once = _Gridded()(picture, "ab") - picture
    assert once.std() > 0.15 and learned.std() < 0.04
    assert abs(float(learned.mean() - once.mean())) < 0.02  # what is moved comes back to its place
    student = checkpoint.open_checkpoint(file).tensors()
    for name in ("ab.model.11.weight", "ab.model.14.weight"):
        taps = student[name].float()
        meeting = [taps[:, :, y::2, x::2].sum((2, 3)) for y in (0, 1) for x in (0, 1)]
        assert all(torch.allclose(meeting[0], m, atol=3e-3) for m in meeting[1:])
