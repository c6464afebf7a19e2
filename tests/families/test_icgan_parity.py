"""IcGAN against the layer table of its Torch7 code (nobody has numbers of the code itself)."""

from __future__ import annotations

from typing import Any

import parity
import torch

from engines.families.icgan.config import CELEBA, Config, thresholded, turned
from engines.families.icgan.net import IcGAN

CASE = "icgan/icgan64"


def official(manifest: dict[str, Any]) -> IcGAN:
    net = IcGAN(Config())
    for part, told in manifest["parts"].items():
        shapes = [(key, tuple(shape)) for key, shape, _ in told["tensors"]]
        module = net.get_submodule(part)
        module.load_state_dict(parity.weights(shapes, told["fill"]), strict=True)
        assert sum(p.numel() for p in module.parameters()) == told["parameters"], part
    return net.eval()


def test_the_nets_are_key_for_key_and_number_for_number() -> None:
    manifest, golden = parity.case(CASE)
    net = official(manifest)
    z = parity.picture("ic.z", (3, 100, 1, 1), "normal").flatten(1)
    y = torch.from_numpy(parity.source("input:ic.y").integers(0, 2, (3, 18))).float() * 2 - 1
    x = parity.picture("ic.x", (3, 3, 64, 64), "smooth")
    with torch.inference_mode():
        made, (code, said) = net(z, y), net(x)
    parity.check(made, "generated", manifest, golden)
    parity.check(code, "encoder_z", manifest, golden)
    parity.check(said, "encoder_y", manifest, golden)
    plain = torch.tensor([thresholded(row) for row in said.tolist()])
    parity.check(plain, "encoder_y_thresholded", manifest, golden)


def test_the_attributes_and_their_groups_are_the_references() -> None:
    manifest, _ = parity.case(CASE)
    wanted = [name.lower().split("_")[0] for name in manifest["attributes_in_order"]]
    ours = [label.lower().replace("moustache", "mustache").split()[0] for label in CELEBA]
    assert ours[:-1] == wanted[:-1] and (ours[-1], wanted[-1]) == ("hat", "wearing")
    config, own = Config(), [-1.0, 1.0, 1.0] + [-1.0] * 15
    bald = turned(config, own, 0)
    assert [i for i, v in enumerate(bald) if v != own[i]] == [0, 1] and bald[:2] == [1.0, -1.0]
    blond = turned(config, own, 3)
    assert blond[2:5] == [-1.0, 1.0, -1.0] and blond[1] == 1.0
    assert turned(config, own, 9)[9] == 1.0 and turned(config, [1.0] * 18, 9)[9] == -1.0
