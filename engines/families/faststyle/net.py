"""The networks of fast style; key names are those of the public files. A call takes RGB
(B, 3, H, W) in [0, 255] and gives it painted, in about that range; H and W are multiples of 4, from
32 on."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbones import SCALES
from engines.families.faststyle.config import BORDER, Config
from engines.layers import InstanceNorm2d


class Mirrored(nn.Module):
    """A convolution whose borders are mirrored."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(into, out, kernel, stride, kernel // 2, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2d(x)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Mirrored(width, width, 3), norm(width)
        self.conv2, self.in2 = Mirrored(width, width, 3), norm(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.in1(self.conv1(x)))
        return x + self.in2(self.conv2(y))


class TransformerNet(nn.Module):
    """Johnson et al. 2016 with instance norm (Ulyanov et al. 2016) and nearest upsampling."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c = config.widths
        self.conv1, self.in1 = Mirrored(3, a, 9), norm(a)
        self.conv2, self.in2 = Mirrored(a, b, 3, 2), norm(b)
        self.conv3, self.in3 = Mirrored(b, c, 3, 2), norm(c)
        for number in range(1, config.blocks + 1):
            self.add_module(f"res{number}", Residual(c))
        self.deconv1, self.in4 = Mirrored(c, b, 3), norm(b)
        self.deconv2, self.in5 = Mirrored(b, a, 3), norm(a)
        self.deconv3 = Mirrored(a, 3, 9)
        self.blocks = config.blocks

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.in1(self.conv1(x)))
        y = F.relu(self.in2(self.conv2(y)))
        y = F.relu(self.in3(self.conv3(y)))
        for number in range(1, self.blocks + 1):
            y = self.get_submodule(f"res{number}")(y)
        y = F.relu(self.in4(self.deconv1(doubled(y))))
        y = F.relu(self.in5(self.deconv2(doubled(y))))
        return self.deconv3(y)

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see."""
        return 4 + 1 + 2 + 2 * 4 * self.blocks + 4 + 2 + 4 + 4


class Bare(nn.Module):
    """A convolution, or a transposed one, without mirrored borders."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv2d = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2d(x)


class Shrinking(nn.Module):
    """A residual block whose convolutions take no border; the picture loses two pixels a side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Bare(nn.Conv2d(width, width, 3)), norm(width)
        self.conv2, self.in2 = Bare(nn.Conv2d(width, width, 3)), norm(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.in1(self.conv1(x)))
        return x[..., 2:-2, 2:-2] + self.in2(self.conv2(y))


class TorchNet(nn.Module):
    """As the authors of Johnson et al. 2016 published it: a wide mirrored border that the blocks
    use up, transposed convolutions, a tanh, colours in the order of Caffe."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c = config.widths
        self.conv1, self.in1 = Bare(nn.Conv2d(3, a, 9, 1, 4)), norm(a)
        self.conv2, self.in2 = Bare(nn.Conv2d(a, b, 3, 2, 1)), norm(b)
        self.conv3, self.in3 = Bare(nn.Conv2d(b, c, 3, 2, 1)), norm(c)
        for number in range(1, config.blocks + 1):
            self.add_module(f"res{number}", Shrinking(c))
        self.deconv1, self.in4 = Bare(nn.ConvTranspose2d(c, b, 3, 2, 1, 1)), norm(b)
        self.deconv2, self.in5 = Bare(nn.ConvTranspose2d(b, a, 3, 2, 1, 1)), norm(a)
        self.deconv3 = Bare(nn.Conv2d(a, 3, 9, 1, 4))
        self.blocks = config.blocks
        mean = torch.tensor(SCALES["caffe"][1]).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    mean: Tensor

    def forward(self, x: Tensor) -> Tensor:
        mean, border = self.mean.to(x.dtype), BORDER * self.blocks
        y = F.pad(x.flip(1) - mean, (border,) * 4, mode="reflect")
        y = F.relu(self.in1(self.conv1(y)))
        y = F.relu(self.in2(self.conv2(y)))
        y = F.relu(self.in3(self.conv3(y)))
        for number in range(1, self.blocks + 1):
            y = self.get_submodule(f"res{number}")(y)
        y = F.relu(self.in4(self.deconv1(y)))
        y = F.relu(self.in5(self.deconv2(y)))
        return (150 * torch.tanh(self.deconv3(y)) + mean).flip(1)

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see."""
        return 4 + 1 + 2 + 2 * 4 * self.blocks + 4 + 2 + 4 + 4


class Bottleneck(nn.Module):
    """Sandler et al. 2018, MobileNetV2, without widening: 1x1, 3x3 of each channel alone, 1x1."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.in1 = nn.Conv2d(into, into, 1, bias=False), norm(into)
        self.conv2 = nn.Conv2d(into, into, 3, stride, 1, groups=into, bias=False,
                               padding_mode="reflect")  # fmt: skip
        self.in2 = norm(into)
        self.conv3, self.in3 = nn.Conv2d(into, out, 1, bias=False), norm(out)
        self.residual = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.in1(self.conv1(x)))
        y = F.relu6(self.in2(self.conv2(y)))
        y = self.in3(self.conv3(y))
        return x + y if self.residual else y


class Upward(nn.Module):
    """Twice as large, then a bottleneck."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv1 = Bottleneck(into, out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv1(doubled(x)))


class MobileNet(nn.Module):
    """The transformer net of bottlenecks; its input is normalised as for ImageNet."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c = config.widths
        self.conv1 = nn.Conv2d(3, a, 9, 1, 4, bias=False, padding_mode="reflect")
        self.in1 = norm(a)
        self.conv2, self.conv3 = Bottleneck(a, b, 2), Bottleneck(b, c, 2)
        for number in range(1, config.blocks + 1):
            self.add_module(f"res{number}", Bottleneck(c, c))
        self.upconv1, self.upconv2 = Upward(c, b), Upward(b, a)
        self.conv4 = nn.Conv2d(a, 3, 9, 1, 4, bias=False, padding_mode="reflect")
        self.blocks = config.blocks
        for name, values in zip(("mean", "deviation"), SCALES["imagenet"][1:], strict=True):
            tensor = torch.tensor(values).reshape(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    mean: Tensor
    deviation: Tensor

    def forward(self, x: Tensor) -> Tensor:
        y = (x / 255 - self.mean.to(x.dtype)) / self.deviation.to(x.dtype)
        y = F.relu(self.in1(self.conv1(y)))
        y = self.conv3(self.conv2(y))
        for number in range(1, self.blocks + 1):
            y = self.get_submodule(f"res{number}")(y)
        return self.conv4(self.upconv2(self.upconv1(y)))

    def reach(self) -> int:
        """Pixels to each side that one result pixel can see."""
        return 4 + 1 + 2 + 4 * self.blocks + 4 + 2 + 4 + 4


def norm(width: int) -> nn.Module:
    return InstanceNorm2d(width, affine=True)


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def build(config: Config) -> nn.Module:
    return {"plain": TransformerNet, "torch": TorchNet, "mobilenet": MobileNet}[config.kind](config)
