"""The networks of fast style; key names are those of the public files. A call takes RGB
(B, 3, H, W) in [0, 255] and gives it painted, in about that range; H and W are multiples of 4, from
16 on."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.faststyle.config import Config
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


def norm(width: int) -> nn.Module:
    return InstanceNorm2d(width, affine=True)


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def build(config: Config) -> nn.Module:
    return TransformerNet(config)
