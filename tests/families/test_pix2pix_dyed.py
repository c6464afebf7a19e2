"""The multimodal U-Net whose decoder knows the colours of the hints as a field."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines import checkpoint
from engines.checkpoint import open_checkpoint
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.config import MultimodalConfig
from engines.families.pix2pix.multimodal import MultimodalUNet, colour_field

CONFIG = MultimodalConfig((16, 24, 32, 40, 48), 4, (64, 96), dyed=True)


def net(config: MultimodalConfig = CONFIG) -> MultimodalUNet:
    torch.manual_seed(0)
    made = MultimodalUNet(config).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith("dye.weight"):
                weight.normal_(0, 0.3)
    return made


def stroke(colour: tuple[float, float, float], top: int, height: int = 96) -> Tensor:
    hints = torch.zeros((1, 4, height, 64))
    hints[0, :3, top : top + 6, 10:20] = torch.tensor(colour)[:, None, None]
    hints[0, 3, top : top + 6, 10:20] = 1
    return hints


def painted(module: MultimodalUNet, hints: Tensor) -> Tensor:
    edges = torch.ones((1, 1, *hints.shape[2:]))
    with torch.inference_mode():
        return module(edges, hints, torch.zeros((1, 4)), torch.zeros_like(edges))


@pytest.mark.parametrize("dyed", [True, False])
def test_a_file_tells_whether_it_is_dyed(tmp_path: Path, dyed: bool) -> None:
    config = MultimodalConfig(CONFIG.widths, CONFIG.code, CONFIG.native, dyed)
    path = tmp_path / "net.safetensors"
    kept = {"config": {"native": list(config.native)}}
    checkpoint.save(path, net(config).state_dict(), kept)
    assert Pix2Pix().recognise(open_checkpoint(path)) == config


def test_no_stroke_is_no_field() -> None:
    assert not colour_field(torch.zeros((2, 4, 7, 5))).any()


@pytest.mark.parametrize("size", [(1, 1), (24, 16), (7, 5), (1, 9)])
def test_one_colour_reaches_every_cell(size: tuple[int, int]) -> None:
    share = torch.zeros((1, 1, *size))
    share[..., 0, -1] = 0.25
    colour = torch.tensor([0.5, -1.0, 0.25])
    field = colour_field(torch.cat((share * colour[:, None, None], share), 1))
    wanted = torch.cat((colour, torch.ones(1)))[None, :, None, None].expand_as(field)
    torch.testing.assert_close(field, wanted)


def test_of_two_strokes_the_nearer_counts() -> None:
    hints = torch.zeros((1, 4, 32, 8))
    hints[0, :, 0] = torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None]
    hints[0, :, -1] = torch.tensor([-1.0, -1.0, 1.0, 1.0])[:, None]
    field = colour_field(hints)[0]
    assert (field[0, :12] > field[2, :12]).all() and (field[2, 20:] > field[0, 20:]).all()
    assert bool((field[3] == 1).all())


def test_a_stroke_changes_cloth_far_from_it() -> None:
    module = net()
    red, blue = (painted(module, stroke(c, 4)) for c in ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0)))
    far = (red - blue).abs()[..., 64:, 32:]
    assert float(far.mean()) > 0.01


def test_an_odd_multiple_of_the_size_passes() -> None:
    module = net()
    high = CONFIG.multiple_of * 7
    assert painted(module, stroke((1.0, 0.0, 0.0), 4, high)).shape == (1, 3, high, 64)
