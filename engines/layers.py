"""Blocks that several families share: normalisation, discriminators, adversarial losses, and a
table of any network.

Sources: Isola et al. 2017 (PatchGAN, pixel discriminator), Mao et al. 2017 (least squares),
Gulrajani et al. 2017 (gradient penalty), Wang et al. 2018 (feature matching). Key names are those
of the official checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

Norm = Literal["batch", "instance", "none"]


def instance_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """F.instance_norm of (B, C, H, W) without running statistics. One picture without gradients,
    which is what a user waits for, is normalised as a batch: the same numbers, and in channels-last
    no copies there and back."""
    if len(x) == 1 and not torch.is_grad_enabled():
        if weight is None and x.is_cuda:  # cuDNN, which does it in one go, wants weights
            weight, bias = _neutral(x.shape[1], x.device)
        return F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)
    return F.instance_norm(x, weight=weight, bias=bias, eps=eps)


def _neutral(channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weights of a norm that change nothing."""
    one = _kept(("one", channels, device), lambda: torch.ones(channels, device=device))
    return one, _kept(("zero", channels, device), lambda: torch.zeros(channels, device=device))


_KEPT: OrderedDict[Hashable, Tensor] = OrderedDict()
_MOST = 128  # tensors that are kept


def _kept(key: Hashable, make: Callable[[], Tensor]) -> Tensor:
    """What make() gives, made once: not while a pass is only predicted, with tensors that hold no
    numbers."""
    if key in _KEPT:
        _KEPT.move_to_end(key)
        return _KEPT[key]
    made = make()
    if type(made) is Tensor:
        _KEPT[key] = made
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    return made


def kept() -> tuple[Tensor, ...]:
    """What layers keep between passes, for a recording of a pass, which reads it where it lies."""
    return tuple(_KEPT.values())


class InstanceNorm2d(nn.InstanceNorm2d):
    """nn.InstanceNorm2d, through `instance_norm` where it keeps no running statistics."""

    def forward(self, input: Tensor) -> Tensor:
        if self.running_mean is not None or input.dim() != 4:
            return super().forward(input)
        return instance_norm(input, self.weight, self.bias, self.eps)


class ReflectionPad2d(nn.ReflectionPad2d):
    """nn.ReflectionPad2d, which torch computes in contiguous memory: on a card, where networks run
    in channels-last, that copies the map there and back. There one picture without gradients is
    gathered pixel by pixel instead."""

    def forward(self, input: Tensor) -> Tensor:
        one = input.is_cuda and input.dim() == 4 and len(input) == 1 and not torch.is_grad_enabled()
        if one and input.is_contiguous(memory_format=torch.channels_last):
            return gathered(input, self.padding)
        return super().forward(input)


def gathered(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """(1, C, H, W) in channels-last, mirrored beyond its edges by `padding` (left, right, top,
    bottom)."""
    height, width = x.shape[2:]
    left, right, top, bottom = padding
    places = _reflected(height, width, padding, x.device)
    rows = x[0].permute(1, 2, 0).flatten(0, 1).index_select(0, places)
    tall, wide = height + top + bottom, width + left + right
    return rows.reshape(1, tall, wide, -1).permute(0, 3, 1, 2)


def _reflected(
    height: int, width: int, padding: tuple[int, int, int, int], device: torch.device
) -> Tensor:
    """For every pixel of a padded map, row by row, the pixel of the map that it shows."""

    def made() -> Tensor:
        left, right, top, bottom = padding
        down = np.pad(np.arange(height), (top, bottom), mode="reflect")
        across = np.pad(np.arange(width), (left, right), mode="reflect")
        return torch.from_numpy((down[:, None] * width + across).ravel()).to(device)

    return _kept((height, width, padding, device), made)


class Statistics(nn.Module):
    """A layer without weights whose result tells of a whole picture, of each in a batch; where a
    picture comes in tiles, engines/tiled.py gives the result for the whole of it instead."""


class Moments(Statistics):
    """(B, C, h, w) -> (mean, deviation) of each channel, (B, C, 1, 1) each, in single precision;
    the variance divides by n - `correction` and has `eps` added."""

    def __init__(self, correction: int = 0, eps: float = 1e-5) -> None:
        super().__init__()
        self.correction, self.eps = correction, eps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(x.float(), (2, 3), correction=self.correction, keepdim=True)
        return mean, (variance + self.eps).sqrt()


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """Batch norm is affine and keeps running statistics; instance norm neither, as the official
    nets have it."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return InstanceNorm2d(channels)
    return nn.Identity()


def has_bias(norm: Norm) -> bool:
    """Whether the official nets give a bias to the convolution before a norm of this kind."""
    return norm == "instance"


class SameConv(nn.Conv2d):
    """A convolution that pads as Keras and TensorFlow do by "same": one more below and right where
    the number is odd."""

    def forward(self, input: Tensor) -> Tensor:
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        return super().forward(F.pad(input, (before, after, before, after)))


def init_weights(module: nn.Module, gain: float = 0.02) -> None:
    """Normal weights of standard deviation `gain`, zero biases, norm gains around one (official
    default)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, gain)
            nn.init.zeros_(layer.bias)


def drop_idle_biases(module: nn.Module) -> None:
    """Take away what instance norms take away again: the biases of the convolutions before them."""
    for part in module.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for layer, after in pairwise(part):
            is_idle = isinstance(after, nn.InstanceNorm2d) and after.running_mean is None
            if is_idle and isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.bias = None


class AlignedConv2d(nn.Conv2d):
    """A convolution with channels of zeros added, as `align_channels` makes it."""

    def forward(self, input: Tensor) -> Tensor:
        lacking = self.weight.shape[1] - self.in_channels
        x = F.pad(input, (0, 0, 0, 0, 0, lacking)) if lacking else input
        made = self._conv_forward(x, self.weight, self.bias)
        return made[:, : self.out_channels] if len(self.weight) > self.out_channels else made


def align_channels(module: nn.Module, multiple: int = 8) -> None:
    """Bring the channels that convolutions take and give to multiples of what a card's matrix units
    take at once in half precision, by zeros: others are computed by slower kernels."""
    for layer in module.modules():
        if type(layer) is not nn.Conv2d or layer.groups > 1 or layer.padding_mode != "zeros":
            continue
        outputs, inputs = (-n % multiple for n in layer.weight.shape[:2])
        if not inputs and not outputs:
            continue
        weight = F.pad(layer.weight.data, (0, 0, 0, 0, 0, inputs, 0, outputs))
        layer.weight = nn.Parameter(weight, layer.weight.requires_grad)
        if layer.bias is not None:
            bias = F.pad(layer.bias.data, (0, outputs))
            layer.bias = nn.Parameter(bias, layer.bias.requires_grad)
        layer.__class__ = AlignedConv2d


def use_batch_statistics(module: nn.Module, on: bool) -> None:
    """Let batch norms normalise by the picture at hand ("as trained") or by what they remember
    ("frozen").

    Neither changes what they remember: with `on`, momentum is 0 while they are in training mode.
    """
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train(on)
            layer.momentum = 0.0 if on else 0.1


class SeededDropout(nn.Module):
    """Dropout that draws from a generator of its own while `noise` is set, in eval mode too;
    without one it is nn.Dropout. The noise is drawn on the CPU: the same on every device. Holds no
    weights."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.noise: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.noise is None:
            return F.dropout(x, self.p, self.training)
        keep = torch.rand(x.shape, generator=self.noise) >= self.p
        return x * keep.to(x) / (1 - self.p)


def seed_dropout(module: nn.Module, seed: int | None) -> None:
    """One generator for all dropouts of `module`, in order of execution; None switches the noise
    off."""
    noise = None if seed is None else torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, SeededDropout):
            layer.noise = noise


# ---- discriminators ------------------------------------------------------------------------------


class PatchDiscriminator(nn.Module):
    """PatchGAN: (B, inputs, H, W) -> score map (B, 1, h, w). Three layers judge patches of 70x70
    pixels."""

    def __init__(self, inputs: int, width: int = 64, layers: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        bias = has_bias(norm)
        blocks: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        now = width
        for level in range(1, layers + 1):
            before, now = now, width * min(2**level, 8)
            stride = 2 if level < layers else 1
            blocks += [
                nn.Conv2d(before, now, 4, stride, 1, bias=bias),
                norm_layer(norm, now),
                nn.LeakyReLU(0.2, True),
            ]
        blocks.append(nn.Conv2d(now, 1, 4, 1, 1))
        self.model = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def receptive_field(self) -> int:
        """Side in pixels of the patch that one score sees."""
        return receptive_field(
            [(c.kernel_size[0], c.stride[0]) for c in self.model if isinstance(c, nn.Conv2d)]
        )


class PixelDiscriminator(nn.Module):
    """1x1 PatchGAN: judges colours, (B, inputs, H, W) -> (B, 1, H, W)."""

    def __init__(self, inputs: int, width: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        bias = has_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(inputs, width, 1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            norm_layer(norm, 2 * width),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def receptive_field(convolutions: Sequence[tuple[int, int]]) -> int:
    """Side of the input patch that one output sees, for (kernel, stride) from input to output."""
    field = 1
    for kernel, stride in reversed(convolutions):
        field = (field - 1) * stride + kernel
    return field


def seen_on_the_way(main: nn.Sequential, x: Tensor, kind: type[nn.Module]) -> list[Tensor]:
    """The output of every layer of a kind; the last comes last."""
    found = []
    for layer in main:
        x = layer(x)
        if isinstance(layer, kind):
            found.append(x)
    return found


def features(discriminator: nn.Module, x: Tensor) -> list[Tensor]:
    """The output of every activation of a patch or pixel discriminator, then its scores."""
    layers = discriminator.get_submodule("model" if hasattr(discriminator, "model") else "net")
    assert isinstance(layers, nn.Sequential)
    found = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x)
    return [*found, x]


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of all features but the scores."""
    return torch.stack(
        [(f.float() - r.detach().float()).abs().mean() for f, r in zip(fake[:-1], real[:-1])]
    ).mean()


# ---- adversarial losses --------------------------------------------------------------------------


class GANLoss(nn.Module):
    """mode "vanilla" (cross-entropy on logits), "lsgan" (squared distance) or "wgangp" (the mean
    itself)."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        if mode not in ("vanilla", "lsgan", "wgangp"):
            raise ValueError(f"The adversarial loss is vanilla, lsgan or wgangp, not “{mode}”.")
        self.mode = mode

    def forward(self, scores: Tensor, real: bool) -> Tensor:
        if self.mode == "wgangp":
            return -scores.mean() if real else scores.mean()
        target = torch.full_like(scores, float(real))
        if self.mode == "lsgan":
            return F.mse_loss(scores, target)
        return F.binary_cross_entropy_with_logits(scores, target)


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    weight: float = 10.0,
) -> Tensor:
    """weight x mean((|gradient at mix*real + (1-mix)*fake| - 1)^2); mix (B, 1) in [0, 1]."""
    alpha = mix.reshape(-1, *[1] * (real.dim() - 1))
    between = (alpha * real + (1 - alpha) * fake).detach().requires_grad_(True)
    scores = discriminator(between)
    (gradient,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
    norms = (gradient.flatten(1) + 1e-16).norm(2, dim=1)
    return (norms - 1).square().mean() * weight


def uniform(shape: int | Sequence[int], noise: torch.Generator) -> Tensor:
    """Numbers in [0, 1), drawn where the generator is."""
    return torch.rand(shape, generator=noise, device=noise.device)


def normal(shape: int | Sequence[int], noise: torch.Generator) -> Tensor:
    """Normal numbers, drawn where the generator is."""
    return torch.randn(shape, generator=noise, device=noise.device)


def moved(pictures: Tensor, share: float, noise: torch.Generator, light: float = 0.3) -> Tensor:
    """(B, C, H, W) in [-1, 1] moved by up to `share` of the side and made lighter or darker by up
    to `light` at random, differentiably. Done to real and drawn pictures alike it keeps a
    discriminator from learning a small set by heart (Zhao et al. 2020, Differentiable
    Augmentation). A share of 0: unchanged."""
    if not share:
        return pictures
    count = len(pictures)
    theta = torch.eye(2, 3, device=noise.device).repeat(count, 1, 1)
    theta[:, :, 2] = (uniform((count, 2), noise) - 0.5) * 4 * share
    lighter = (uniform((count, 1, 1, 1), noise) - 0.5) * 2 * light
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    found = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    return found + lighter


def holed(pictures: Tensor, share: float, noise: torch.Generator) -> Tensor:
    """(B, C, H, W) with a grey square of `share` of the side at a random place of each, the part of
    Differentiable Augmentation that leaves colours alone. A share of 0: unchanged."""
    if not share:
        return pictures
    count, _, height, width = pictures.shape
    middle = uniform((count, 2, 1), noise)
    rows, columns = (torch.arange(n, device=pictures.device) / n for n in (height, width))
    inside_rows = (rows - middle[:, 0]).abs() < share / 2
    inside_columns = (columns - middle[:, 1]).abs() < share / 2
    return pictures * ~(inside_rows[:, None, :, None] & inside_columns[:, None, None, :])


def differing(photo: Tensor, aim: Tensor, whole: float = 0.25) -> Tensor:
    """(N, 1, H, W) from 0 to 1: where the pictures of a pair (N, 3, H, W) in [-1, 1] differ, 1 from
    a difference of `whole` on."""
    off = (photo - aim).abs().amax(1, keepdim=True) / whole
    return F.max_pool2d(off, 3, 1, 1).clamp(max=1)


@torch.no_grad()
def even_doublings(module: nn.Module) -> None:
    """Change the weights of all transposed convolutions so that of an even input each gives an even
    output: the taps that meet at one place sum up to the same at every place, in each pair of
    channels (Odena et al. 2016, Deconvolution and Checkerboard Artifacts, say why they otherwise
    paint a grid). The nearest such weights; those that are so already stay as they are."""
    for layer in module.modules():
        if not isinstance(layer, nn.ConvTranspose2d):
            continue
        (down, across), weight = layer.stride, layer.weight
        meeting = [weight[:, :, y::down, x::across] for y in range(down) for x in range(across)]
        counts = [taps.shape[2] * taps.shape[3] for taps in meeting]
        means = [taps.mean((2, 3), keepdim=True) for taps in meeting]
        aim = torch.stack(means).sum(0) / sum(1 / count for count in counts)
        for taps, mean, count in zip(meeting, means, counts):
            taps += aim / count - mean


# ---- what a network is made of -------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One layer: its name, kind, output shape, parameters, and multiply-adds for one pass."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


def layer_table(module: nn.Module, *shapes: Sequence[int]) -> list[Row]:
    """Every layer, in order of execution, for one pass over inputs of these shapes.

    Nothing is computed: the pass runs on tensors that have shapes but no numbers, so that any size
    costs neither memory nor time, and the network stays as it is. What a network does between its
    layers (joining, resizing, activations called as functions) has no weights and no row.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    rows: list[Row] = []
    hooks = [
        layer.register_forward_hook(partial(_watch, rows, name))
        for name, layer in module.named_modules()
        if not any(layer.children()) or any(True for _ in layer.parameters(recurse=False))
    ]
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            state = {
                name: torch.empty_like(tensor)
                for name, tensor in (*module.named_parameters(), *module.named_buffers())
            }
            functional_call(module, state, tuple(torch.empty(tuple(shape)) for shape in shapes))
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _watch(
    rows: list[Row], name: str, layer: nn.Module, given: tuple[Tensor, ...], made: Tensor
) -> None:
    count = sum(p.numel() for p in layer.parameters(recurse=False))
    shape = tuple(made.shape) if isinstance(made, Tensor) else ()
    rows.append(Row(name, type(layer).__name__, shape, count, _macs(layer, given[0], made)))


def _macs(layer: nn.Module, given: Tensor, made: Tensor) -> int:
    if isinstance(layer, nn.ConvTranspose2d):
        return given.numel() * layer.weight[0].numel()
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return made.numel() * layer.weight[0].numel()
    return 0
