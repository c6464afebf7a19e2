"""Blocks that families share, on tiny networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from engines import layers
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import (
    Config,
    MultimodalConfig,
    ResNetConfig,
    TensorFlowConfig,
    UNetConfig,
)

NETS: dict[str, tuple[Config, tuple[tuple[int, ...], ...]]] = {
    "unet": (UNetConfig(width=4, depth=5), ((2, 3, 32, 64),)),
    "resnet": (ResNetConfig(width=4, blocks=2), ((1, 3, 32, 32),)),
    "tensorflow": (TensorFlowConfig(width=4, depth=4), ((1, 3, 32, 32),)),
    "multimodal": (
        MultimodalConfig(widths=(8, 12, 16), code=4),
        ((1, 1, 32, 32), (1, 4, 32, 32), (1, 4), (1, 1, 32, 32)),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_layer_table_agrees_with_a_real_pass(name: str) -> None:
    config, shapes = NETS[name]
    net = build(config).eval()
    rows = layers.layer_table(net, *shapes)
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        made = net(*(torch.zeros(s) for s in shapes))
    assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()
    last = [row for row in rows if row.kind in ("Conv2d", "ConvTranspose2d")][-1]
    assert last.shape == tuple(made.shape)


def test_layer_table_computes_nothing_and_changes_nothing() -> None:
    net = build(UNetConfig(width=4, depth=5, norm="batch")).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    rows = layers.layer_table(net, (1, 3, 1 << 15, 1 << 15))
    assert rows[0].shape == (1, 4, 1 << 14, 1 << 14)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    assert not any(layer._forward_hooks for layer in net.modules())


def test_layer_table_counts_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 4, 2, 1))
    first, second, third = layers.layer_table(net, (1, 3, 16, 16))
    assert first == layers.Row("0", "Conv2d", (1, 8, 16, 16), 8 * 27 + 8, 256 * 8 * 27)
    assert (second.parameters, second.macs) == (0, 0)
    assert third == layers.Row(
        "2", "ConvTranspose2d", (1, 2, 32, 32), 8 * 2 * 16 + 2, 256 * 8 * 2 * 16
    )


@pytest.mark.parametrize(("count", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_receptive_field_is_what_a_score_sees(count: int, side: int) -> None:
    judge = layers.PatchDiscriminator(1, 4, count, norm="none")
    assert judge.receptive_field() == side
    x = torch.zeros(1, 1, 256, 256, requires_grad=True)
    scores = judge(x)
    middle = scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2]
    (seen,) = torch.autograd.grad(middle, x)
    rows = seen[0, 0].abs().amax(1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == side


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_discriminators_keep_shapes_and_biases_as_the_reference(norm: layers.Norm) -> None:
    patch, pixel = layers.PatchDiscriminator(6, 4, 5, norm), layers.PixelDiscriminator(6, 4, norm)
    x = torch.rand(2, 6, 256, 256)
    assert patch(x).shape == (2, 1, 6, 6) and pixel(x[..., :32, :32]).shape == (2, 1, 32, 32)
    biased = norm == "instance"
    assert ("model.2.bias" in patch.state_dict()) == biased
    assert ("net.5.bias" in pixel.state_dict()) == biased
    widths = [c.out_channels for c in patch.model if isinstance(c, nn.Conv2d)]
    assert widths == [4, 8, 16, 32, 32, 32, 1]


@pytest.mark.parametrize(
    "judge", [layers.PatchDiscriminator(3, 4), layers.PixelDiscriminator(3, 4)]
)
def test_feature_matching_is_blind_to_scores(judge: nn.Module) -> None:
    judge.eval()
    x = torch.rand(1, 3, 64, 64)
    found = layers.features(judge, x)
    assert torch.equal(found[-1], judge(x)) and len(found) == (5 if hasattr(judge, "model") else 3)
    moved = [f + 0.5 for f in found[:-1]] + [found[-1] + 100]
    assert layers.feature_matching(moved, found).item() == pytest.approx(0.5, rel=1e-5)
    fake = x.clone().requires_grad_(True)
    layers.feature_matching(
        layers.features(judge, fake), layers.features(judge, x * 0.9)
    ).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="vanilla, lsgan or wgangp"):
        layers.GANLoss("hinge")


def test_batch_statistics_leave_the_memory_alone() -> None:
    net = build(UNetConfig(width=4, depth=5)).eval()
    x = torch.rand(1, 3, 32, 32)
    before = {k: v.clone() for k, v in net.state_dict().items() if "running" in k}
    with torch.no_grad():
        frozen = net(x)
        layers.use_batch_statistics(net, True)
        trained = net(x)
        layers.use_batch_statistics(net, False)
        again = net(x)
    assert before and all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    assert torch.equal(frozen, again) and not torch.allclose(frozen, trained)


def test_seeded_dropout_repeats_and_keeps_the_mean() -> None:
    drop = layers.SeededDropout().eval()
    x = torch.ones(1, 64, 64, 64)
    assert torch.equal(drop(x), x)

    def drawn(seed: int) -> torch.Tensor:
        layers.seed_dropout(drop, seed)
        return drop(x)

    first = drawn(1)
    assert torch.equal(first, drawn(1)) and not torch.equal(first, drawn(2))
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert first.mean().item() == pytest.approx(1, abs=0.01)
    layers.seed_dropout(drop, None)
    assert torch.equal(drop(x), x)
    assert drop.train()(x).eq(0).any()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("affine", [False, True])
def test_our_instance_norm_is_that_of_torch(count: int, affine: bool) -> None:
    ours, theirs = layers.InstanceNorm2d(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    if affine:
        nn.init.normal_(theirs.weight)
        nn.init.normal_(theirs.bias)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(count, 5, 6, 7).contiguous(memory_format=torch.channels_last) * 3 + 1
    wanted = theirs(x)
    assert torch.allclose(ours(x), wanted, atol=1e-5), "with gradients"
    with torch.inference_mode():
        made = ours(x)
    assert torch.allclose(made, wanted, atol=1e-5)


def test_our_instance_norm_keeps_to_running_statistics() -> None:
    norm = layers.InstanceNorm2d(2, track_running_stats=True).eval()
    norm.running_mean.fill_(3.0)
    with torch.inference_mode():
        made = norm(torch.full((1, 2, 4, 4), 3.0))
    assert torch.allclose(made, torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize(("kernel", "padding", "extra"), [(3, 1, 1), (4, 1, 0)])
def test_even_doublings_paint_no_grid_over_an_even_place(
    kernel: int, padding: int, extra: int
) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(5, 3, kernel, 2, padding, extra)
    x = torch.randn(1, 5, 1, 1).expand(1, 5, 12, 10)
    inside = np.s_[:, :, 4:-4, 4:-4]

    def grid() -> float:
        return float(layer(x)[inside].detach().std((2, 3)).max())

    before = layer.weight.detach().clone()
    assert grid() > 0.1
    layers.even_doublings(nn.Sequential(layer))
    assert grid() < 1e-6
    once = layer.weight.detach().clone()
    layers.even_doublings(layer)
    assert torch.allclose(layer.weight, once, atol=1e-7)  # even ones stay
    # the nearest: the change stands upright on every even set of weights
    other = torch.randn(before.shape, generator=torch.Generator().manual_seed(1))
    held = nn.ConvTranspose2d(5, 3, kernel, 2, padding, extra)
    held.weight.data.copy_(other)
    layers.even_doublings(held)
    assert float(((once - before) * held.weight).sum().detach()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (3, 0, 2, 5)])
def test_a_map_is_mirrored_in_channels_last_as_torch_mirrors_it(padding: Any) -> None:
    x = torch.randn(1, 5, 9, 7).to(memory_format=torch.channels_last)
    made = layers.gathered(x, padding)
    assert torch.equal(made, torch.nn.ReflectionPad2d(padding)(x))
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_biases_before_instance_norms_are_idle() -> None:
    torch.manual_seed(0)
    conv, other = nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 2, 2)
    parts = conv, layers.InstanceNorm2d(4, affine=True), nn.ReLU(), other, nn.BatchNorm2d(4)
    net = nn.Sequential(*parts).eval()
    x = torch.randn(1, 3, 12, 12)
    before = net(x)
    layers.drop_idle_biases(net)
    assert conv.bias is None and other.bias is not None
    torch.testing.assert_close(net(x), before, rtol=1e-4, atol=1e-5)


def test_what_layers_keep_holds_numbers_though_a_pass_was_predicted_first() -> None:
    x = torch.randn(1, 4, 6, 6).to(memory_format=torch.channels_last)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        layers.gathered(mode.from_tensor(x), (5, 5, 5, 5))
    assert type(layers.gathered(x, (5, 5, 5, 5))) is torch.Tensor
    before = layers.kept()
    layers.gathered(x, (5, 5, 4, 4))
    assert len(layers.kept()) == len(before) + 1
    assert all(type(one) is torch.Tensor for one in layers.kept())


def test_channels_of_zeros_change_nothing() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, 2, 1),
        nn.ReLU(True),
        nn.Conv2d(5, 16, 1, bias=False),
        nn.Conv2d(16, 3, 3),
    )
    x = torch.randn(2, 3, 12, 12)
    before = net(x)
    layers.align_channels(net)
    assert [tuple(p.shape[:2]) for p in net.parameters() if p.dim() == 4] == [
        (8, 8),
        (16, 8),
        (8, 16),
    ]
    torch.testing.assert_close(net(x), before)
