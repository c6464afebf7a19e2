"""What every family must keep, whatever its paper: written once, run for all that are
registered."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint, gates, images
from engines.backbones import Config as BackboneConfig
from engines.controls import Choice, ImageInput, ModelCard, SketchInput, checked
from engines.engine import Engine
from engines.families.ageing.config import Config as AgeingConfig
from engines.families.anystyle.config import Config as AnyStyleConfig
from engines.families.anystyle.config import MicroConfig, Pair, WCTConfig
from engines.families.attngan.config import Config as AttnConfig
from engines.families.captioning.config import Config as CaptionConfig
from engines.families.colourise.config import Config as ColouriseConfig
from engines.families.cyclegan.config import Config as CycleConfig
from engines.families.cyclegan.config import MobileConfig, PlainConfig
from engines.families.dagan.config import Config as DAGANConfig
from engines.families.enlarge.config import Config as EnlargeConfig
from engines.families.fader.config import Config as FaderConfig
from engines.families.faststyle.config import Config as FastStyleConfig
from engines.families.genegan.config import Config as GeneGANConfig
from engines.families.icgan.config import Config as IcGANConfig
from engines.families.pix2pix.config import (
    JudgedConfig,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
    UNetConfig,
)
from engines.families.pix2pixhd.config import Config as HDConfig
from engines.families.pix2pixhd.config import EncoderConfig
from engines.families.stargan.config import CELEBA, RAFD
from engines.families.stargan.config import Config as StarGANConfig
from engines.families.unmosaic.config import Config as UnmosaicConfig
from engines.family import Family, candidates, families
from engines.job import Event, Job, Picture, Preview, Progress, Result, job_from_png, save_png
from engines.patchgan import JudgeConfig


def compact(scale: int) -> dict[str, Any]:
    """The arguments of a tiny SRVGGNetCompact."""
    sizes = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_conv": 2, "upscale": scale}
    return {**sizes, "act_type": "prelu"}


_SAID = AttnConfig(
    ("<end>", "a", "red", "blue", "hat"), 5, 4, 8, condition=3, noise=4, width=2, residuals=1
)
TINY: dict[str, list[Any]] = {
    "aging": [
        AgeingConfig(z=5, width=2, hidden=8, dense=6, maps=8, reader=True),
        AgeingConfig(("young", "old"), z=4, width=2, hidden=6, dense=8, maps=12),
    ],
    "attngan": [
        replace(_SAID, stages=2, widths=(4, 6, 8, 10), hyphens=True),
        replace(_SAID, stages=3, single=True),
        replace(_SAID, stages=0, widths=(4, 6, 8, 10), side=32),
    ],
    "captioning": [
        CaptionConfig(
            "attend",
            5,
            ("<end>", "a", "red", "blue", "hat"),
            widths=(4, 6, 8),
            embed=4,
            attention=5,
            hidden=6,
            size=(32, 40),
            longest=4,
        ),
        CaptionConfig(
            "late",
            5,
            ("<end>", "a", "red", "blue", "hat"),
            widths=(4, 6),
            embed=4,
            attention=5,
            hidden=6,
            size=(32, 24),
            longest=4,
        ),
        CaptionConfig(
            "show",
            6,
            ("<pad>", "<start>", "<end>", "<unk>", "a", "hat"),
            start=1,
            end=2,
            unknown=3,
            padding=0,
            widths=(4, 6),
            embed=4,
            hidden=6,
            layers=2,
            size=(16, 16),
            longest=4,
        ),
    ],
    "colourise": [ColouriseConfig(bins=5, widths=(4, 6, 8), blocks=1, native=192)],
    "any_style": [
        AnyStyleConfig((4, 6, 8), (1, 2, 1), ((8, 6), (6,), (4, 3)), (True, True, False)),
        MicroConfig((4, 8, 16)),
        WCTConfig((Pair((4, 6), (2, 1), (6, 5, 3)), Pair((4,), (1,), (3,)))),
    ],
    "cyclegan": [
        CycleConfig(ResNetConfig(width=4, blocks=1), ResNetConfig(width=4, blocks=2)),
        CycleConfig(
            ResNetConfig(width=4, blocks=1),
            ResNetConfig(width=4, blocks=1),
            JudgeConfig(width=4, layers=2),
            JudgeConfig(width=4, layers=3, norm="batch"),
        ),
        CycleConfig(MobileConfig(downs=(4, 6, 8), inner=(4, 6), ups=(6, 4))),
        CycleConfig(PlainConfig(width=4)),
        CycleConfig(PlainConfig(width=4, norm="none", root="model")),
    ],
    "enlarge": [
        EnlargeConfig("Compact", compact(scale=4), "RealESRGAN Compact"),
        EnlargeConfig("Compact", compact(scale=2), "RealESRGAN Compact", scale=2),
        EnlargeConfig("Compact", compact(scale=1), "RealESRGAN Compact", scale=1),
    ],
    "fader": [
        FaderConfig(size=64, width=4, most=8, levels=3),
        FaderConfig(("Smile", "Glasses"), size=64, width=4, most=8, levels=3, skips=1),
        FaderConfig(size=64, width=4, most=8, levels=2, norm="instance", upscale="pixelshuffle"),
        FaderConfig(size=64, width=4, most=8, levels=2, upscale="upsampling"),
    ],
    "dagan": [
        DAGANConfig(width=4, locate=(4, 6), blocks=1, judges=2),
        DAGANConfig("Smile", 4, (4, 6), region=0, steep=1.0, classes=1, blocks=0, judges=0),
    ],
    "fast_style": [
        FastStyleConfig("plain", (4, 6, 8), 1, "stripes"),
        FastStyleConfig("torch", (4, 6, 8), 2),
        FastStyleConfig("mobilenet", (4, 6, 8), 1),
    ],
    "genegan": [
        GeneGANConfig(width=4, object=4),
        GeneGANConfig("Glasses", size=96, width=4, levels=4, object=8, face="own"),
    ],
    "icgan": [IcGANConfig(width=2, encoder=2, hidden=(8, 6), z=5)],
    "dream": [
        BackboneConfig(widths=(4, 6, 8), depths=(1, 2, 1), classes=2, hidden=0),
        BackboneConfig("googlenet", (4,), (), classes=3, scale="signed"),
    ],
    "neural_style": [
        BackboneConfig(widths=(4, 6, 8), depths=(1, 2, 1), classes=0, hidden=0),
        BackboneConfig("squeezenet", (8,), (1,), classes=3),
    ],
    "pix2pix": [
        UNetConfig(width=4, depth=5, dropout=False),
        UNetConfig(width=4, depth=2, norm="none"),
        UNetConfig(inputs=1, outputs=3, width=4, depth=6, norm="batch"),
        UNetConfig(inputs=3, outputs=1, width=4, depth=5, norm="instance", dropout=False),
        ResNetConfig(width=4, blocks=2),
        ResNetConfig(width=4, blocks=3, norm="batch", dropout=True),
        TensorFlowConfig(width=4, depth=5),
        MultimodalConfig(widths=(8, 12, 16), code=4, native=(32, 48)),
        JudgedConfig(UNetConfig(width=4, depth=5, dropout=False), JudgeConfig(6, 4, 3, "batch")),
    ],
    "pix2pixhd": [
        HDConfig(labels=12, width=4, downs=3, blocks=1, palette="facades"),
        HDConfig(labels=12, width=4, downs=2, blocks=1, norm="batch", palette="facades"),
        HDConfig(35, width=4, downs=2, blocks=1, enhancers=1, local_blocks=1, native=(2048, 1024)),
        HDConfig(0, False, width=4, downs=3, blocks=2, palette="", native=(512, 512)),
        HDConfig(
            12,
            features=3,
            width=4,
            downs=2,
            blocks=1,
            enhancers=2,
            local_blocks=1,
            encoder=EncoderConfig(4, 2),
            clusters=4,
            palette="facades",
            native=(4096, 2048),
        ),
    ],
    "stargan": [
        StarGANConfig(width=4, blocks=1),
        StarGANConfig(RAFD, width=4, blocks=2, size=64),
        StarGANConfig((*CELEBA, *RAFD), width=4, blocks=1, joint=5, size=64),
        StarGANConfig(("Smile", "Older"), 4, 1, size=64, labeller=(4, 8), template="own"),
        StarGANConfig(width=4, blocks=1, size=64, judge=(2, 5, 64)),
    ],
    "unmosaic": [UnmosaicConfig(widths=(4, 6, 8), blocks=1)],
}
CASES = [(name, config) for name, configs in TINY.items() for config in configs]
each = pytest.mark.parametrize(
    ("name", "config"), CASES, ids=lambda v: v if isinstance(v, str) else type(v).__name__
)


def tensorflow_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the port would have saved: the inverse of from_variables."""
    names = {"weight": ("gamma", "kernel"), "bias": ("beta", "bias")}
    found = {}
    for key, value in state.items():
        side, level, last = key.split(".")
        if side.endswith("_norm"):
            found[
                f"generator/{side[:-5]}_{int(level) + 2}/batch_normalization/{names[last][0]}"
            ] = value
        else:
            kind = "conv2d" if side == "encoder" else "conv2d_transpose"
            turned = value.permute(2, 3, 1, 0).contiguous() if value.dim() == 4 else value
            found[f"generator/{side}_{int(level) + 1}/{kind}/{names[last][1]}"] = turned
    return found


def written(family: Family, config: Any, path: Path) -> Path:
    torch.manual_seed(0)
    state = family.build(config).state_dict()
    if isinstance(config, TensorFlowConfig):
        state = tensorflow_names(state)
    checkpoint.save(path, state, {"family": family.id, "config": family.to_dict(config)})
    return path


def job_for(card: ModelCard, seed: int = 0, size: tuple[int, int] = (36, 40)) -> Job:
    rng = np.random.default_rng(seed)
    pictures = {}
    for control in card.controls:
        if isinstance(control, SketchInput) and control.kind == "hints":
            shape: tuple[int, ...] = (size[1], size[0], 4)
        else:
            shape = (size[1], size[0])
        if isinstance(control, SketchInput | ImageInput) and control is not gates.control_of(card):
            pictures[control.role] = Picture(rng.integers(0, 256, shape, dtype=np.uint8))
    values = {"steps": 10} if card.control("steps") else {}
    return Job(card.family, card.checkpoint, values, pictures, seed=seed)


def grown(config: Any, size: tuple[int, int]) -> tuple[int, int]:
    """The size of a result for a picture of `size`."""
    if isinstance(config, AttnConfig) and config.stages:
        return config.size, config.size
    scale = config.scale if isinstance(config, EnlargeConfig) else 1
    return size[0] * scale, size[1] * scale


def events(engine: Engine, job: Job) -> Iterator[Event]:
    return engine.run(job)


def test_every_family_has_tiny_configurations() -> None:
    assert {name for name, family in families().items() if not family.tool} == set(TINY)


@each
def test_saved_then_recognised_with_the_same_configuration(
    name: str, config: Any, tmp_path: Path
) -> None:
    family = families()[name]
    found = candidates(
        checkpoint.open_checkpoint(written(family, config, tmp_path / "tiny.safetensors"))
    )
    assert found[0] == (family, config)


@each
def test_recognised_without_our_metadata(name: str, config: Any, tmp_path: Path) -> None:
    if isinstance(config, MultimodalConfig):
        pytest.skip("The starter's native size is told by its metadata alone.")
    if isinstance(config, AttnConfig):
        pytest.skip("Its words are told by its metadata, or by a file beside the weights.")
    family = families()[name]
    torch.manual_seed(0)
    state = family.build(config).state_dict()
    state = tensorflow_names(state) if isinstance(config, TensorFlowConfig) else state
    torch.save(state, tmp_path / "latest_net_G.pth")
    found = candidates(checkpoint.open_checkpoint(tmp_path / "latest_net_G.pth"))
    assert found and (found[0][0] is family or found[0][0].id in family.shares)
    module, _ = family.load(found[0][1], checkpoint.open_checkpoint(tmp_path / "latest_net_G.pth"))
    given = family.build(config).state_dict()
    assert {k: v.shape for k, v in module.state_dict().items()} == {
        k: v.shape for k, v in given.items()
    }


@each
def test_events_obey_the_grammar_and_repeat(name: str, config: Any, tmp_path: Path) -> None:
    engine = Engine("cpu")
    path = written(families()[name], config, tmp_path / "tiny.safetensors")
    card = engine.describe(str(path))
    job = job_for(card, seed=5)
    assert checked(job, card).values.keys() == {getattr(c, "name", None) for c in card.controls} - {
        None
    }
    seen = list(events(engine, job))
    assert isinstance(seen[-1], Result) and not any(isinstance(e, Result) for e in seen[:-1])
    assert seen[-1].pictures and seen[-1].pictures[0].size == grown(config, (36, 40))
    again = list(events(engine, job))[-1]
    assert isinstance(again, Result) and again.pictures == seen[-1].pictures
    if card.seeded:
        other = list(events(engine, job.with_(seed=6)))[-1]
        assert isinstance(other, Result) and other.pictures != seen[-1].pictures


@each
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (21, 64), (130, 5)])
def test_any_size_comes_back_as_it_went(
    name: str, config: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(written(families()[name], config, tmp_path / "tiny.safetensors")))
    choices = [c for c in card.controls if isinstance(c, Choice) and c.name == "size"]
    for option in choices[0].options if choices else [("", "")]:
        job = job_for(card, size=size)
        job = job.with_(values={**job.values, "size": option[0]}) if choices else job
        result = list(events(engine, job))[-1]
        assert isinstance(result, Result) and result.pictures[0].size == grown(config, size), option


@each
def test_a_mask_gates_what_the_model_makes(name: str, config: Any, tmp_path: Path) -> None:
    control = gates.control_of(families()[name].card(config))
    if control is None:
        pytest.skip("There is no photo that could stay, or the paper has masks of its own.")
    engine = Engine("cpu")
    card = engine.describe(str(written(families()[name], config, tmp_path / "tiny.safetensors")))
    photo = Picture(np.random.default_rng(3).integers(0, 256, (40, 36, 3), np.uint8))
    job = job_for(card)
    job = job.with_(images={**job.images, control.over: photo})
    mask = np.zeros((40, 36), np.uint8)
    mask[20:], mask[18:20] = 255, 100  # wholly, and by a soft edge
    gated = job.with_(images={**job.images, control.role: Picture(mask)})
    whole = list(events(engine, job))[-1]
    seen = list(events(engine, gated))[-1]
    engine.unload_all()
    engine.load(str(tmp_path / "tiny.safetensors"))
    afresh = list(events(engine, gated))[-1]  # not from a result that is remembered
    assert isinstance(whole, Result) and isinstance(seen, Result) and isinstance(afresh, Result)
    assert seen.pictures == afresh.pictures and checked(gated, card).images == gated.images
    made, free = seen.pictures[0].pixels, images.flatten(whole.pictures[0]).pixels
    scale, stays = len(free) // 40, images.resize(photo.pixels, whole.pictures[0].size)
    assert np.array_equal(made[: 16 * scale], stays[: 16 * scale])
    assert np.array_equal(made[22 * scale :], free[22 * scale :])
    assert not np.array_equal(stays, free)
    if scale == 1:
        soft = stays[18:20] * (155 / 255) + free[18:20] * (100 / 255)
        assert np.abs(made[18:20] - soft).max() <= 0.51


@each
def test_a_run_draws_from_no_global_source(name: str, config: Any, tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(written(families()[name], config, tmp_path / "tiny.safetensors")))
    torch.manual_seed(3)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(events(engine, job_for(card, seed=1)))
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numbers, np.random.get_state()[1])  # noqa: NPY002


@each
def test_closing_a_run_leaves_the_network_as_it_was(name: str, config: Any, tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(written(families()[name], config, tmp_path / "tiny.safetensors")))
    job = job_for(card)
    whole = list(events(engine, job))[-1]
    running = events(engine, job)
    for event in running:
        assert isinstance(event, Progress | Preview | Result)
        break
    running.close()
    after = list(events(engine, job))[-1]
    assert (
        isinstance(whole, Result) and isinstance(after, Result) and whole.pictures == after.pictures
    )


@each
def test_a_job_survives_json_png_and_pickle(name: str, config: Any, tmp_path: Path) -> None:
    engine = Engine("cpu")
    card = engine.describe(str(written(families()[name], config, tmp_path / "tiny.safetensors")))
    job = job_for(card).with_(drawings={"edges": {"strokes": [[1, 2], [3.5, 4]]}})
    save_png(Picture(np.zeros((4, 4), np.uint8)), job, tmp_path / "recipe.png")
    for copy in (
        Job.from_json(job.to_json()),
        job_from_png(tmp_path / "recipe.png"),
        pickle.loads(pickle.dumps(job)),
    ):
        assert copy.digest == job.digest and copy.drawings == job.drawings


@each
def test_the_card_is_plain_data(name: str, config: Any) -> None:
    import json

    card = families()[name].card(config)
    assert ModelCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card
    assert card.title and card.network and card.paper
