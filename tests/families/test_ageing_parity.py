"""The face-ageing nets against the layer table of the widespread Keras code (it has no weights)."""

from __future__ import annotations

import parity
import torch

from engines.families.ageing.config import Config
from engines.families.ageing.net import AgeCGAN, Discriminator
from engines.layers import SameConv

CASE = "face-aging-cgan/architecture"


def test_the_layers_hold_as_many_weights_as_the_table() -> None:
    manifest, _ = parity.case(CASE)
    with torch.device("meta"):
        net, judge = AgeCGAN(Config()), Discriminator(6)
    counts = manifest["parameters_computed"]
    for name, module in (("encoder", net.encoder), ("generator", net.generator),
                         ("discriminator", judge)):  # fmt: skip
        assert sum(p.numel() for p in module.parameters()) == counts[f"{name}_trainable"], name
    groups = [name.replace("1-18", "0-18") for _, name in manifest["age_categories"]]
    assert Config().groups == tuple(groups) and Config().size == 64


def test_padding_is_that_of_keras() -> None:
    """Of stride two and even sides, "same" pads one more below and right than above and left."""
    conv = SameConv(1, 1, 5, 2, bias=False)
    torch.nn.init.zeros_(conv.weight)
    with torch.no_grad():
        conv.weight[0, 0, 0, 0] = 1  # looks at the first pixel that the kernel covers
        x = torch.arange(36.0).view(1, 1, 6, 6)
        seen = conv(x)
    assert seen.shape == (1, 1, 3, 3)
    assert seen[0, 0].tolist() == [[0, 0, 0], [0, 7, 9], [0, 19, 21]]
    small = SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.zeros_(small.weight)
    with torch.no_grad():
        small.weight[0, 0, 0, 0] = 1
        assert small(x)[0, 0].tolist() == [[0, 2, 4], [12, 14, 16], [24, 26, 28]]
