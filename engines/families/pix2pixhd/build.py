"""Checkpoint to network: one file of ours or several of the official folder."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from engines.checkpoint import Checkpoint, fill, not_finite
from engines.families.pix2pixhd.config import Config, cluster_names, renamed
from engines.families.pix2pixhd.net import Pix2PixHD


def load(config: Config, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
    """The network in eval mode, and sentences about repairs. Raises CheckpointError."""
    names = {n: name for n, name in cluster_names(checkpoint).items() if n < config.labels}
    bare = Pix2PixHD(replace(config, clusters=0) if names else config)
    notes = fill(bare, renamed(checkpoint))
    if not names:
        return bare.eval(), notes
    whole = Pix2PixHD(config)
    whole.load_state_dict(bare.state_dict(), strict=False)
    tensors = checkpoint.tensors()
    for name in names.values():
        if not bool(torch.isfinite(tensors[name]).all()):
            raise not_finite(checkpoint.path, name)
    whole.keep_clusters({label: tensors[name] for label, name in names.items()})
    return whole.eval(), notes
