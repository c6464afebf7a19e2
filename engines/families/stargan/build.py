"""Configuration to network, the one place of the family that imports torch and networks by name."""

from __future__ import annotations

from torch import nn

from engines.families.stargan.config import Config
from engines.families.stargan.net import Generator, LabelledStarGAN


def build(config: Config) -> nn.Module:
    return LabelledStarGAN(config) if config.sees else Generator(config)
