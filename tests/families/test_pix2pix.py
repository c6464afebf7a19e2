"""What pix2pix recognises, and what its controls do to a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import parity
import pytest
import torch
from test_contract import tensorflow_names

from engines import checkpoint, images
from engines.checkpoint import Checkpoint, TensorInfo, open_checkpoint
from engines.engine import Engine, EngineError
from engines.families.pix2pix import JOINED, Pix2Pix
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import (
    Config,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
    UNetConfig,
    recognise,
)
from engines.families.pix2pix.multimodal import MultimodalUNet
from engines.families.pix2pix.net import UNet
from engines.job import Job, Picture, Result

SHIPPED = Path(__file__).resolve().parents[2] / "resources" / "models"
FOUND = parity.ROOT.parent / "weights" / "cyclegan"


def named(shapes: list[list[Any]]) -> Checkpoint:
    """A checkpoint of names and shapes alone."""
    return Checkpoint(Path("x"), "none", {k: TensorInfo(tuple(s), d) for k, s, d, *_ in shapes})


def state(config: Config, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return build(config).state_dict()


def shaped(config: Config) -> list[list[Any]]:
    return [[k, list(v.shape), str(v.dtype)[6:]] for k, v in state(config).items()]


# ---- recognising ---------------------------------------------------------------------------------


OURS: dict[str, Config] = {
    "pix2pix-cyclegan/pix2pix_unet256": UNetConfig(dropout=None),
    "pix2pix-cyclegan/cyclegan_resnet9": ResNetConfig(),
    "pix2pix-tensorflow/pix2pix_tf_ngf64": TensorFlowConfig(),
}


def test_of_all_reference_nets_only_its_own_are_recognised() -> None:
    if not parity.ROOT.is_dir():
        pytest.skip("The parity fixtures are not here; set GANVAS_PARITY to their folder.")
    found, seen = {}, 0
    for path in sorted(parity.ROOT.rglob("manifest.json")):
        manifest = json.loads(path.read_text())
        shapes = manifest.get("state_dict") or manifest.get("variables")
        if not isinstance(shapes, list):
            continue
        seen += 1
        config = recognise(named(shapes))
        if config is not None:
            found[path.parent.relative_to(parity.ROOT).as_posix()] = config
    assert found == OURS and seen > 12


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(width=8, depth=7, dropout=None),
        UNetConfig(2, 5, 6, 8, "instance", None),
        UNetConfig(1, 1, 4, 5, "none", None),
        UNetConfig(3, 3, 4, 2, "batch", None),
        ResNetConfig(width=4, blocks=6),
        ResNetConfig(1, 2, 4, 9, "batch", True),
        ResNetConfig(3, 3, 4, 1, "none", True),
        TensorFlowConfig(4, 1, 4, 6),
    ],
    ids=repr,
)
def test_every_variant_is_read_from_shapes_alone(config: Config) -> None:
    assert recognise(named(shaped(config))) == config


@pytest.mark.parametrize(
    "config", [UNetConfig(width=4), ResNetConfig(width=4), TensorFlowConfig(width=4)]
)
def test_a_convolution_too_few_too_many_or_of_another_shape_is_not_ours(config: Config) -> None:
    shapes = shaped(config)
    places = [i for i, (_, shape, _) in enumerate(shapes) if len(shape) == 4]
    for place in places:
        assert recognise(named(shapes[:place] + shapes[place + 1 :])) != config
        key, shape, dtype = shapes[place]
        side = 1 if key == "model.26.weight" else 0  # how many come out of a ResNet is free
        grown = [n + (axis == side) for axis, n in enumerate(shape)]
        other = [*shapes[:place], [key, grown, dtype], *shapes[place + 1 :]]
        assert recognise(named(other)) is None, key
    assert recognise(named([*shapes, ["attention.weight", [4, 4, 1, 1], "float32"]])) is None


def test_an_affine_instance_norm_is_not_taken_for_batch_norm() -> None:
    shapes = [
        s for s in shaped(UNetConfig(width=4)) if "running" not in s[0] and "num_" not in s[0]
    ]
    assert recognise(named(shapes)) is None


def test_old_instance_norms_with_statistics_are_still_instance_norms(tmp_path: Path) -> None:
    config = ResNetConfig(width=4, blocks=2)
    weights = state(config)
    for layer in ("model.2", "model.10.conv_block.2"):
        width = 4 if layer == "model.2" else 16
        weights[f"{layer}.running_mean"] = torch.zeros(width)
        weights[f"{layer}.running_var"] = torch.ones(width)
    torch.save(weights, tmp_path / "latest_net_G.pth")
    opened = open_checkpoint(tmp_path / "latest_net_G.pth")
    assert recognise(opened) == config
    net, notes = Pix2Pix().load(config, opened)
    assert any("running statistics" in note for note in notes)
    assert torch.equal(net.state_dict()["model.1.weight"], weights["model.1.weight"])


def test_real_files_are_loaded_or_not_claimed() -> None:
    if not FOUND.is_dir():
        pytest.skip("The weights of others are not here; they lie beside the parity fixtures.")
    files = [p for p in FOUND.iterdir() if p.suffix in (".pth", ".pt")]
    assert files
    for path in files:
        opened = open_checkpoint(path)
        config = recognise(opened)
        if config is not None:
            Pix2Pix().load(config, opened)


def test_shipped_models_are_recognised() -> None:
    files = sorted(SHIPPED.glob("*.safetensors"))
    if not files:
        pytest.skip("No starter model is shipped in this checkout.")
    for path in files:
        opened = open_checkpoint(path)
        if opened.metadata.get("family") != "pix2pix":
            continue
        config = recognise(opened)
        assert isinstance(config, MultimodalConfig), path.name
        told = json.loads(json.dumps(Pix2Pix().to_dict(config)))
        assert opened.metadata["config"].items() <= told.items()


# ---- the TensorFlow port -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ":0"])
@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_variables_of_the_port_load_from_every_form(form: str, suffix: str, tmp_path: Path) -> None:
    config = TensorFlowConfig(width=4, depth=4)
    weights = state(config)
    variables = {f"{k}{suffix}": v for k, v in tensorflow_names(weights).items()}
    beside = {
        "generator/encoder_1/conv2d/kernel/Adam": torch.zeros(4, 4, 3, 4),
        "discriminator/layer_1/conv2d/kernel": torch.zeros(4, 4, 6, 4),
        "global_step": torch.zeros(1),
    }
    variables |= {f"{k}{suffix}": v for k, v in beside.items()}
    path = tmp_path / f"port.{form}"
    if form == "npz":
        np.savez(path, **{k: v.numpy() for k, v in variables.items()})
    else:
        from safetensors.torch import save_file

        save_file(variables, path)
    opened = open_checkpoint(path)
    assert recognise(opened) == config
    net, notes = Pix2Pix().load(config, opened)
    assert all(torch.equal(v, weights[k]) for k, v in net.state_dict().items())
    assert any("torch's order" in note for note in notes)

    ours = tmp_path / "ours.safetensors"
    metadata = {"family": "pix2pix", "config": Pix2Pix().to_dict(config)}
    checkpoint.save(ours, net.state_dict(), metadata)
    again, notes = Pix2Pix().load(recognise(open_checkpoint(ours)), open_checkpoint(ours))
    assert all(torch.equal(v, weights[k]) for k, v in again.state_dict().items()) and not notes


@pytest.mark.parametrize(("missing", "kind"), [(True, "mismatch"), (False, "nan")])
def test_the_port_is_loaded_whole_or_not_at_all(missing: bool, kind: str, tmp_path: Path) -> None:
    config = TensorFlowConfig(width=4, depth=4)
    variables = tensorflow_names(state(config))
    name = "generator/decoder_2/batch_normalization/gamma"
    if missing:
        del variables[name]
    else:
        variables[name][0] = float("nan")
    checkpoint.save(tmp_path / "port.safetensors", variables, {})
    opened = open_checkpoint(tmp_path / "port.safetensors")
    with pytest.raises(checkpoint.CheckpointError) as caught:
        Pix2Pix().load(config, opened)
    assert caught.value.kind == kind and "port.safetensors" in str(caught.value)


def test_the_bottleneck_of_the_port_gives_its_offset() -> None:
    from engines.families.pix2pix.tensorflow import BatchStatistics

    norm = BatchStatistics(2)
    norm.bias.data = torch.tensor([0.25, -3.0])
    assert norm(torch.rand(1, 2, 1, 1)).flatten().tolist() == [0.25, -3.0]


# ---- running -------------------------------------------------------------------------------------


class Bench:
    """An engine with one tiny net."""

    def __init__(self, config: Config, folder: Path, metadata: bool = True) -> None:
        self.engine = Engine("cpu")
        path = folder / "net.safetensors"
        said = {"family": "pix2pix", "config": Pix2Pix().to_dict(config)} if metadata else {}
        weights = state(config)
        for key, value in weights.items():  # far from the initial ones, so that differences show
            if value.is_floating_point() and value.dim() == 4:
                weights[key] = value * 4
        checkpoint.save(path, weights, said)
        self.card = self.engine.describe(str(path))

    def names(self) -> set[str]:
        return {getattr(c, "name", "") for c in self.card.controls} - {""}

    def run(self, picture: Picture, seed: int = 0, **values: Any) -> Result:
        role = {"edges": picture}
        job = Job("pix2pix", self.card.checkpoint, values, role, seed=seed)
        result = list(self.engine.run(job))[-1]
        assert isinstance(result, Result)
        return result

    def picture(self, picture: Picture, seed: int = 0, **values: Any) -> Picture:
        return self.run(picture, seed, **values).pictures[0]


def noise(height: int, width: int, *channels: int) -> Picture:
    rng = np.random.default_rng(1)
    return Picture(rng.integers(0, 256, (height, width, *channels), dtype=np.uint8))


def test_controls_are_there_only_where_they_do_something(tmp_path: Path) -> None:
    def names(config: Config) -> set[str]:
        return {getattr(c, "name", "") for c in Pix2Pix().card(config).controls} - {""}

    assert names(UNetConfig()) == {"task", "size", "norm", "noise", "direction"}
    assert names(UNetConfig(norm="instance", dropout=False)) == {"task", "size", "direction"}
    assert names(UNetConfig(depth=5)) == {"task", "size", "norm", "direction"}
    assert names(ResNetConfig()) == {"task", "direction"}
    assert names(ResNetConfig(norm="batch", dropout=True)) == {"task", "norm", "noise", "direction"}
    assert names(TensorFlowConfig()) == {"task", "size", "noise", "direction"}
    assert names(UNetConfig(inputs=4, dropout=False)) == {"size", "norm", "direction"}


def test_unknown_dropout_starts_as_the_reference_options_do() -> None:
    def at_first(config: UNetConfig) -> Any:
        control = Pix2Pix().card(config).control("noise")
        return getattr(control, "default", None)

    assert at_first(UNetConfig(norm="batch", dropout=None)) is True
    assert at_first(UNetConfig(norm="instance", dropout=None)) is False
    assert at_first(UNetConfig(norm="instance", dropout=True)) is True


def test_every_control_changes_the_picture(tmp_path: Path) -> None:
    bench = Bench(UNetConfig(width=8, depth=6), tmp_path)
    sheet = noise(50, 70)
    usual = bench.picture(sheet)
    assert bench.picture(sheet) == usual
    assert bench.picture(sheet, seed=1) != usual
    for name, value in {
        "size": "pad",
        "norm": "frozen",
        "noise": False,
        "direction": "BtoA",
    }.items():
        assert bench.picture(sheet, **{name: value}) != usual, name
    quiet = {"noise": False, "seed": 4}
    assert bench.picture(sheet, **quiet) == bench.picture(sheet, **{**quiet, "seed": 5})


def test_the_native_size_is_neither_resized_nor_padded(tmp_path: Path) -> None:
    bench = Bench(UNetConfig(width=4, depth=6, norm="instance"), tmp_path)
    sheet = noise(64, 64, 3)
    assert bench.picture(sheet, size="pad") == bench.picture(sheet, size="resize")


def test_as_trained_is_what_the_reference_does_without_eval(tmp_path: Path) -> None:
    from engines import tensors

    config = UNetConfig(width=4, depth=5, dropout=False)
    bench = Bench(config, tmp_path)
    sheet = noise(32, 32, 3)
    net = bench.engine.load(bench.card.checkpoint).module
    theirs = build(config)
    theirs.load_state_dict(net.state_dict())
    x = tensors.to_tensor(sheet, 3)
    with torch.inference_mode():
        frozen, trained = theirs.eval()(x), theirs.train()(x)
    for value, made in {"trained": trained, "frozen": frozen}.items():
        steps = bench.picture(sheet, norm=value).pixels.astype(int)
        assert np.abs(steps - tensors.to_picture(made).pixels.astype(int)).max() <= 1, value


def test_a_half_of_a_joined_picture_is_as_good_as_that_half_alone(tmp_path: Path) -> None:
    bench = Bench(ResNetConfig(width=4, blocks=1), tmp_path)
    joined = noise(40, 80, 3)
    left, right = Picture(joined.pixels[:, :40]), Picture(joined.pixels[:, 40:])
    assert bench.picture(joined, direction="AtoB") == bench.picture(left)
    assert bench.picture(joined, direction="BtoA") == bench.picture(right)
    whole = bench.run(joined)
    assert whole.pictures[0].size == (80, 40) and whole.notes[:1] == (JOINED,)
    assert JOINED not in bench.run(left).notes
    with pytest.raises(EngineError, match="no halves") as caught:
        bench.run(noise(9, 1, 3), direction="AtoB")
    assert caught.value.kind == "input"


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (3, 1), (1, 1), (3, 3), (4, 3)])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_any_channels_in_and_out_and_transparency_is_kept(
    inputs: int, outputs: int, channels: tuple[int, ...], tmp_path: Path
) -> None:
    bench = Bench(UNetConfig(inputs, outputs, 4, 5, "instance", False), tmp_path)
    given = noise(32, 40, *channels)
    made = bench.picture(given)
    assert made.size == (40, 32)
    if channels == (4,) and inputs != 4:
        assert np.array_equal(made.pixels[..., 3], given.pixels[..., 3])
    else:
        assert made.channels == outputs


def test_a_net_of_other_channels_is_refused_in_a_sentence(tmp_path: Path) -> None:
    bench = Bench(UNetConfig(6, 3, 4, 5, "instance", False), tmp_path)
    with pytest.raises(EngineError, match="takes 6 channels") as caught:
        bench.run(noise(32, 32, 3))
    assert caught.value.kind == "input"


def test_hints_without_transparency_are_refused_not_ignored(tmp_path: Path) -> None:
    config = MultimodalConfig(widths=(8, 12, 16), code=4, native=(32, 48))
    bench = Bench(config, tmp_path)
    pictures = {"edges": noise(48, 32), "hints": noise(48, 32, 3)}
    with pytest.raises(EngineError, match="no transparency"):
        list(bench.engine.run(Job("pix2pix", bench.card.checkpoint, images=pictures)))


def test_hints_and_variation_reach_the_starter(tmp_path: Path) -> None:
    config = MultimodalConfig(widths=(8, 12, 16), code=4, native=(32, 48))
    bench = Bench(config, tmp_path)
    sheet, empty = noise(48, 32), Picture(np.zeros((48, 32, 4), np.uint8))
    red = np.zeros((48, 32, 4), np.uint8)
    red[10:20, 10:20] = (255, 0, 0, 255)

    def made(hints: Picture | None, **values: Any) -> Picture:
        pictures = {"edges": sheet} | ({"hints": hints} if hints else {})
        job = Job("pix2pix", bench.card.checkpoint, values, pictures)
        result = list(bench.engine.run(job))[-1]
        assert isinstance(result, Result)
        return result.pictures[0]

    assert made(None) == made(empty) != made(Picture(red))
    assert made(None, variation=0) != made(None, variation=1)
    larger = Picture(images.resize(red, (64, 96), smooth=False))
    assert made(larger).size == (32, 48) and made(larger) != made(None)


def test_the_starters_grain_follows_the_seed_and_no_device() -> None:
    net = MultimodalUNet(MultimodalConfig(widths=(8, 12, 16), code=4)).eval()
    one, same, other = (net.sample_noise([seed], (48, 32)) for seed in (1, 1, 2))
    assert one.shape == (1, 1, 32, 48)
    assert torch.equal(one, same) and not torch.equal(one, other)
    given = torch.rand(1, 1, 32, 48), torch.zeros(1, 4, 32, 48), torch.zeros(1, 4)
    with torch.inference_mode():
        assert torch.equal(net(*given, one), net(*given, other)), "untrained, it has no grain"
        for up in net.up:
            torch.nn.init.ones_(up.grain)
        assert not torch.equal(net(*given, one), net(*given, other))


# ---- the networks --------------------------------------------------------------------------------


def test_skip_links_can_be_cut_one_by_one() -> None:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=5, norm="instance")).eval()
    levels = net.levels()
    assert len(levels) == 5 and [block.outermost for block in levels] == [True, *[False] * 4]
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        whole, seen = net(x), []
        for block in levels[1:]:
            block.skip = False
            seen.append(net(x))
            block.skip = True
        assert torch.equal(net(x), whole)
    assert all(not torch.equal(made, whole) for made in seen)
    assert all(made.shape == whole.shape for made in seen)


def test_dropout_lies_where_the_reference_has_it() -> None:
    def places(config: Config) -> list[str]:
        return [n for n, m in build(config).named_modules() if type(m).__name__ == "SeededDropout"]

    middle = "model.model.1.model.3.model.3.model.3.model"
    assert places(UNetConfig(width=4)) == [
        f"{middle}{'.3.model' * deeper}.7" for deeper in (2, 1, 0)
    ]
    assert places(UNetConfig(width=4, depth=5)) == []
    assert places(UNetConfig(width=4, dropout=False)) == []
    assert places(ResNetConfig(width=4, blocks=2, dropout=True)) == [
        "model.10.conv_block.4",
        "model.11.conv_block.4",
    ]


def test_a_misspelt_parameter_is_an_error() -> None:
    with pytest.raises(TypeError):
        UNetConfig(ngf=64)  # type: ignore[call-arg]
