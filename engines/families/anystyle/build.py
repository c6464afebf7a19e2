"""Which network a configuration asks for."""

from __future__ import annotations

from torch import nn

from engines.families.anystyle.config import AnyConfig, Config, MicroConfig
from engines.families.anystyle.microast import MicroAST
from engines.families.anystyle.net import AdaIN
from engines.families.anystyle.wct import WCT


def build(config: AnyConfig) -> nn.Module:
    if isinstance(config, Config):
        return AdaIN(config)
    return MicroAST(config) if isinstance(config, MicroConfig) else WCT(config)
