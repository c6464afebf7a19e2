"""The networks, inputs and losses of pix2pixHD against numbers computed by the reference code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import parity
import pytest
import torch
from torch import Tensor

from engines import backbonenet, backbones, palettes
from engines.families.pix2pixhd import net, style, train
from engines.families.pix2pixhd.config import Config
from engines.families.pix2pixhd.net import Generator, MultiscaleDiscriminator
from engines.job import Picture
from engines.residual import ResNetConfig
from engines.residualnet import ResNet

OFFICIAL = {
    "g_global_512p": lambda: Generator(Config()),
    "g_local_1024p": lambda: Generator(Config(width=32, enhancers=1)),
    "d_multiscale_2": lambda: MultiscaleDiscriminator(39),
}


def same_keys(module: torch.nn.Module, manifest: dict) -> None:
    ours = [[k, list(v.shape)] for k, v in module.state_dict().items()]
    assert ours == [entry[:2] for entry in manifest["state_dict"]]


@pytest.mark.parametrize("name", OFFICIAL)
def test_keys_and_outputs(name: str) -> None:
    manifest, golden = parity.case(f"pix2pixhd/{name}")
    module = OFFICIAL[name]()
    same_keys(module, manifest)
    assert sum(p.numel() for p in module.parameters()) == manifest["parameters"]
    parity.fill(module, manifest["fill"]).eval()
    checked = 0
    for source, given in parity.inputs(manifest).items():
        with torch.inference_mode():
            made = module(given)
        outputs = {f"{source}.out": made}
        if isinstance(made, list):
            outputs = {
                f"{source}.out{scale}.feat{layer}": x
                for scale, found in enumerate(made)
                for layer, x in enumerate(found)
            }
        for wanted, x in outputs.items():
            parity.check(x, wanted, manifest, golden)
            checked += 1
    assert checked == len(manifest["golden"])


def maps(golden: dict[str, np.ndarray]) -> tuple[np.ndarray, Tensor]:
    """(object ids (H, W), the same as a tensor) of a case."""
    ids = golden["inst_map"].astype(np.int64)
    return ids, torch.from_numpy(ids)[None, None]


def photo_of(manifest: dict, name: str) -> Tensor:
    known = manifest["inputs"][name]
    return parity.picture(name, tuple(known["shape"]), known["kind"])


def test_encoder_and_pooling() -> None:
    manifest, golden = parity.case("pix2pixhd/encoder_and_inputs")
    encoder = ResNet(ResNetConfig(3, 3, 16, 0, downs=4))
    same_keys(encoder, manifest)
    parity.fill(encoder, manifest["fill"]).eval()
    photo = photo_of(manifest, "hde.img")
    ids, objects = maps(golden)
    with torch.inference_mode():
        raw = encoder(photo)
        mean = net.pooled(raw, objects)
    parity.check(raw, "encoder_raw", manifest, golden)
    parity.check(mean, "encoder_pooled", manifest, golden)
    for number, known in manifest["instance_means"].items():
        where = np.argwhere(ids == int(number))[0]
        assert mean[0, :, where[0], where[1]].numpy() == pytest.approx(known, abs=1e-5)


def test_labels_and_boundaries() -> None:
    manifest, golden = parity.case("pix2pixhd/encoder_and_inputs")
    facts = manifest["facts"]
    ids, objects = maps(golden)
    labels = np.where(ids < 1000, ids, ids // 1000)
    assert np.array_equal(labels, golden["label_map"])
    hot = net.one_hot(torch.from_numpy(labels)[None, None], 35)
    given = net.generator_input(hot, objects, None)
    assert given.shape[1] == facts["input_channels"]
    assert bool((hot.sum(1) == facts["onehot_sum_per_pixel"]).all())
    counts = {str(n): int(c) for n, c in enumerate(hot.sum((0, 2, 3))) if c}
    assert counts == facts["onehot_label_counts"]
    assert np.array_equal(given[0, -1].numpy(), golden["edge_map"])
    assert given[0, -1].sum() == facts["edge_count"]


def test_features_out_of_clusters() -> None:
    manifest, golden = parity.case("pix2pixhd/encoder_and_inputs")
    known = manifest["sample_features"]
    ids, _ = maps(golden)
    objects = style.Objects.of(np.where(ids < 1000, ids, ids // 1000), ids)
    clusters = {int(k): np.array(v) for k, v in known["cluster_values"].items()}
    vectors = np.stack(
        [
            clusters[int(label)][known["picks"][str(number)]]
            for label, number in zip(objects.labels, objects.numbers)
        ]
    )
    found = style.painted(objects, torch.from_numpy(vectors).float())
    parity.check(found, "sampled_feature_map", manifest, golden)


def test_what_is_clustered() -> None:
    """One row an object: its features and its share of the picture in 1 / 32 of the height."""
    manifest, golden = parity.case("pix2pixhd/encoder_and_inputs")
    ids, tensor = maps(golden)
    encoder = parity.fill(ResNet(ResNetConfig(3, 3, 16, 0, downs=4)), manifest["fill"]).eval()
    with torch.inference_mode():
        raw = encoder(photo_of(manifest, "hde.img"))
    objects = style.Objects.of(np.where(ids < 1000, ids, ids // 1000), ids)
    rows = style.rows(objects, net.pooled(raw, tensor))
    for label, known in manifest["encode_features"]["rows"].items():
        ours = rows[int(label)]
        assert np.sort(ours, 0) == pytest.approx(np.sort(np.array(known), 0), abs=1e-5)
    assert set(rows) == {int(k) for k in manifest["encode_features"]["rows"]}


def test_losses() -> None:
    manifest, golden = parity.case("pix2pixhd/losses")
    known = manifest["values"]
    generator = Generator(Config(width=8, downs=2, blocks=2))
    judge = MultiscaleDiscriminator(39, 8)
    parity.fill(generator, manifest["fill"]["G"])
    parity.fill(judge, manifest["fill"]["D"])
    photo = photo_of(manifest, "hdl.img")
    ids, objects = maps(golden)
    labels = np.where(ids < 1000, ids, ids // 1000)
    given = net.generator_input(
        net.one_hot(torch.from_numpy(labels)[None, None], 35), objects, None
    )
    fake = generator(given)
    parity.check(fake, "fake", manifest, golden)
    on_fake, on_real = judge(torch.cat((given, fake), 1)), judge(torch.cat((given, photo), 1))
    found = {
        "G_GAN": train.adversarial(on_fake, True),
        "G_GAN_Feat": 10 * train.matching(on_fake, on_real),
        "D_real": train.adversarial(on_real, True),
        "D_fake": train.adversarial(on_fake, False),
    }
    for name, value in found.items():
        assert value.item() == pytest.approx(known[name], rel=1e-4), name


def test_perceptual_loss() -> None:
    """The features of VGG-19 and their weighted difference."""
    manifest, golden = parity.case("pix2pixhd/losses")
    known = manifest["vgg"]
    vgg = backbonenet.Backbone(replace(backbones.VGG19, classes=0, hidden=0)).eval()
    rule = {"gain": 1.414, "overrides": []}
    vgg.load_state_dict(
        {
            key: torch.from_numpy(np.asarray(parity.tensor(key, tuple(v.shape), rule)))
            for key, v in vgg.state_dict().items()
        }
    )
    loss = train.VGGLoss(vgg)
    x = parity.picture("hdl.vx", (1, 3, 64, 64), "smooth")
    y = parity.picture("hdl.vy", (1, 3, 64, 64), "uniform")
    with torch.inference_mode():
        a, b = loss.features(x), loss.features(y)
        value = loss(x, y)
    for number, found in enumerate(a, 1):
        parity.check(found, f"vgg_slice{number}", manifest, golden)
    each = [(p - q).abs().mean().item() for p, q in zip(a, b)]
    assert each == pytest.approx(known["per_layer_l1"], rel=1e-4)
    assert value.item() == pytest.approx(known["value"], rel=1e-4)


def test_boundaries_of_painted_regions_are_those_of_the_labels() -> None:
    labels = np.kron(np.array([[1, 2, 1], [3, 3, 2]]), np.ones((5, 4))).astype(np.uint8)
    regions = palettes.regions(Picture(labels).pixels)
    ours, theirs = (
        net.boundaries(torch.from_numpy(x.astype(np.int64))[None, None]) for x in (regions, labels)
    )
    assert torch.equal(ours, theirs) and 0 < ours.sum() < labels.size


def test_two_enhancers_see_three_sizes() -> None:
    config = Config(labels=3, width=4, downs=2, blocks=1, enhancers=2, local_blocks=1)
    module = Generator(config).eval()
    seen: list[tuple[int, ...]] = []
    for part in (module.model, module.model1_1, module.model2_1):
        part.register_forward_hook(lambda _m, given, _o: seen.append(tuple(given[0].shape[-2:])))
    with torch.inference_mode():
        made = module(torch.zeros(1, config.inputs, 32, 64))
    assert made.shape == (1, 3, 32, 64) and seen == [(8, 16), (16, 32), (32, 64)]
    assert replace(config, enhancers=1).multiple_of == 8
