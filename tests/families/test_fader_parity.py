"""Fader Networks against numbers computed by the reference code."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engines.families.fader.config import Config, planes
from engines.families.fader.net import (
    AutoEncoder,
    Classifier,
    LatentDiscriminator,
    PatchDiscriminator,
    attribute_loss,
)

MALE = Config(("Male",))


def official(module: nn.Module, told: dict[str, Any]) -> nn.Module:
    """`module` filled by the fixture's rule, its names and shapes those of the official file."""
    ours = [[k, list(v.shape)] for k, v in module.state_dict().items()]
    assert ours == [[key, shape] for key, shape, _ in told["state_dict"]]
    assert sum(p.numel() for p in module.parameters()) == told["parameters"]
    return parity.fill(module, told["fill"]).eval()


def close(found: torch.Tensor, golden: np.ndarray) -> None:
    assert tuple(found.shape) == golden.shape
    assert np.abs(found.numpy() - golden).max() < 1e-4


def test_the_autoencoder_and_its_adversaries() -> None:
    manifest, golden = parity.case("fader/ae256_male")
    net = official(AutoEncoder(MALE), manifest)
    vectors = manifest["inputs"].pop("attribute_vectors")
    (x,) = parity.inputs(manifest).values()
    latent = official(LatentDiscriminator(MALE), manifest["latent_discriminator"])
    patches = official(PatchDiscriminator(), manifest["patch_discriminator"])
    with torch.inference_mode():
        features = net(x)
        parity.check(features[-1], "latent", manifest, golden)
        made = [net(*features, attributes=torch.tensor([v]).expand(2, -1)) for v in vectors]
        for number, picture in enumerate(made):
            parity.check(picture, f"decoded.{number}", manifest, golden)
        logits = latent(features[0])
        close(logits, golden["latent_discriminator"])
        close(patches(x), golden["patch_discriminator"])
        known = manifest["losses"]["values"]
        absent = torch.zeros(2, 1)
        right, wrong = (attribute_loss(logits, absent, flipped=f).item() for f in (False, True))
        reconstruction = F.mse_loss(made[0], x).item()
    assert vectors[3] == planes([-10.0])
    assert right == pytest.approx(known["attr_loss_discriminator"], rel=1e-4)
    assert wrong == pytest.approx(known["attr_loss_encoder_flipped"], rel=1e-4)
    assert reconstruction == pytest.approx(known["reconstruction_mse"], rel=1e-4)
    total = reconstruction + 1e-4 * wrong
    assert total == pytest.approx(known["total_at_full_schedule"], rel=1e-4)


def test_the_classifier() -> None:
    manifest, golden = parity.case("fader/classifier128")
    labels = tuple(f"Attribute {n}" for n in range(manifest["configuration"]["n_attr"] // 2))
    net = official(Classifier(Config(labels, size=128)), manifest)
    (x,) = parity.inputs(manifest).values()
    with torch.inference_mode():
        parity.check(net(x), "logits", manifest, golden)
