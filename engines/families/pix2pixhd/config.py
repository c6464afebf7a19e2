"""The configuration of a pix2pixHD model, and how it is recognised from key names and shapes.

A model is a generator, and, where its training used object features, their encoder and the
clusters of what the encoder saw. The official code saves these in several files of one folder:
latest_net_G.pth, latest_net_E.pth, features_clustered_010.npy, opt.txt. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engines import palettes, residual
from engines.residual import Norm, ResNetConfig, Shape, below, holds_exactly

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

PICTURE = 3  # channels of a picture
MULTIPLE = {12: "facades", 35: "cityscapes", 150: "ade20k", 182: "coco-stuff"}


@dataclass(frozen=True)
class EncoderConfig:
    """Its input is a picture, its output Config.features channels."""

    width: int = 16
    downs: int = 4
    norm: Norm = "instance"


@dataclass(frozen=True)
class Config:
    """labels     classes of the label map; 0: the input is a picture
    edges      the input has a channel that marks where one object ends and another begins
    features   channels that say how each object looks, in [-1, 1]
    width      channels of the generator at full size
    downs, blocks  halvings and residual blocks of the global generator
    enhancers, local_blocks  local enhancers, each at twice the size, and the blocks of each
    clusters   most feature clusters of a class
    palette    what the classes are, if known (engines/palettes.py)
    native     the size (width, height) it was trained at
    """

    labels: int = 35
    edges: bool = True
    features: int = 0
    width: int = 64
    downs: int = 4
    blocks: int = 9
    enhancers: int = 0
    local_blocks: int = 3
    norm: Norm = "instance"
    encoder: EncoderConfig | None = None
    clusters: int = 0
    palette: str = "cityscapes"
    native: tuple[int, int] = (1024, 512)

    @property
    def inputs(self) -> int:
        return (self.labels or PICTURE) + self.edges + self.features

    @property
    def multiple_of(self) -> int:
        return 2 ** (self.downs + self.enhancers)

    @property
    def minimum(self) -> int:
        """Mirroring by one pixel and normalising need 2x2 at the coarsest level."""
        return 2 * self.multiple_of

    @property
    def global_net(self) -> ResNetConfig:
        """The global generator; below enhancers it ends with features."""
        return ResNetConfig(
            self.inputs,
            0 if self.enhancers else PICTURE,
            self.width * 2**self.enhancers,
            self.blocks,
            self.norm,
            downs=self.downs,
            bias=self.norm == "batch",
        )

    @property
    def encoder_net(self) -> ResNetConfig:
        """Raises ValueError where there is none."""
        if self.encoder is None:
            raise ValueError("no encoder")
        e = self.encoder
        return ResNetConfig(
            PICTURE, self.features, e.width, 0, e.norm, downs=e.downs, bias=e.norm == "batch"
        )


# ---- the parts of a file or folder ---------------------------------------------------------------

_FILE = re.compile(r"(?P<epoch>.*?)_?net_(?P<part>[GE])\.")
_CLUSTERS = re.compile(r"(features_clustered_\d+)\.(\d+)$")


def places(names: tuple[str, ...]) -> dict[str, str]:
    """Part ("generator", "encoder") -> what its names begin with: of a file of ours, of the
    official folder (of several epochs the latest), or of a bare generator ("")."""
    if any(n.startswith("generator.model") for n in names):
        ours = {part: f"{part}." for part in ("generator", "encoder")}
        return {p: b for p, b in ours.items() if any(n.startswith(b) for n in names)}
    found = {(m["part"], m["epoch"]): m[0] for n in names if (m := _FILE.match(n))}
    made = {}
    for letter, part in (("G", "generator"), ("E", "encoder")):
        epochs = [epoch for known, epoch in found if known == letter]
        if epochs:
            made[part] = found[letter, max(epochs, key=_age)]
    return made or {"generator": ""}


def _age(epoch: str) -> tuple[bool, int]:
    return epoch == "latest", int(epoch) if epoch.isdigit() else -1


BUFFERS = ("clusters", "cluster_counts")


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The same file or folder, its parts called as in our files, without a folder's clusters."""
    names = checkpoint.inside(places(checkpoint.keys()))
    return checkpoint.called(names | {key: key for key in BUFFERS if key in checkpoint.infos})


def cluster_names(checkpoint: Checkpoint) -> dict[int, str]:
    """Class -> name of its clusters in a folder's .npy file."""
    found = [m for key in checkpoint.infos if (m := _CLUSTERS.match(key))]
    last = max((m[1] for m in found), default="")
    return {int(m[2]): m[0] for m in found if m[1] == last}


# ---- recognising ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    """A generator of pix2pixHD's layout. CycleGAN's is the same where it takes a picture and halves
    it twice: that one is left to it."""
    parts = places(checkpoint.keys())
    if "generator" not in parts:
        return None
    shapes = checkpoint.shapes()
    net = below(shapes, parts["generator"])
    config = _generator(net)
    if config is None or _is_a_photo_net(config, checkpoint):
        return None
    encoder = residual.recognise(below(shapes, parts["encoder"])) if "encoder" in parts else None
    if "encoder" in parts and (encoder is None or encoder.blocks or encoder.inputs != PICTURE):
        return None
    told = dict(checkpoint.metadata.get("config", {})) or _options(checkpoint)
    given = config.labels  # all channels of the input, so far
    features = encoder.outputs if encoder else int(told.get("features", _features(given)))
    labels, edges = _labels(given - features, told)
    if given - features - edges < 1:
        return None
    rows = [shapes[n] for n in cluster_names(checkpoint).values()]
    known = shapes.get("clusters")
    most = known[1] if known else max((row[0] for row in rows), default=0)
    if any(row[1:] != (features,) for row in rows):
        return None
    native = told.get("native") or _native(config)
    return replace(
        config,
        labels=labels,
        edges=edges,
        features=features,
        encoder=EncoderConfig(encoder.width, encoder.downs, encoder.norm) if encoder else None,
        clusters=most,
        palette=str(told.get("palette", MULTIPLE.get(labels, ""))),
        native=(int(native[0]), int(native[1])),
    )


def _generator(net: Mapping[str, Shape]) -> Config | None:
    """The generator; `labels` holds all channels of its input, and edges and features none."""
    enhancers = 0
    while f"model{enhancers + 1}_1.1.weight" in net:
        enhancers += 1
    trunk = {k: s for k, s in net.items() if k.startswith("model.")}
    inner = residual.recognise(trunk, head=not enhancers)
    if inner is None or not inner.blocks or inner.norm == "none" or inner.dropout:
        return None
    if (inner.norm == "batch" and not inner.bias) or (not enhancers and inner.outputs != PICTURE):
        return None
    local = 0
    while f"model1_2.{local}.conv_block.1.weight" in net:
        local += 1
    config = Config(
        labels=inner.inputs,
        edges=False,
        width=inner.width >> enhancers,
        downs=inner.downs,
        blocks=inner.blocks,
        enhancers=enhancers,
        local_blocks=local if enhancers else Config.local_blocks,
        norm=inner.norm,
    )
    own = {k: s for k, s in net.items() if not k.startswith("model.")}
    return config if holds_exactly(own, _enhancer_weights(config).items()) else None


def _enhancer_weights(config: Config) -> dict[str, Shape]:
    """Of every convolution outside the global generator."""
    found: dict[str, Shape] = {}
    for n in range(1, config.enhancers + 1):
        width = config.width * 2 ** (config.enhancers - n)
        found[f"model{n}_1.1.weight"] = (width, config.inputs, 7, 7)
        found[f"model{n}_1.4.weight"] = (2 * width, width, 3, 3)
        for block in range(config.local_blocks):
            for place in (1, 5):
                key = f"model{n}_2.{block}.conv_block.{place}.weight"
                found[key] = (2 * width, 2 * width, 3, 3)
        found[f"model{n}_2.{config.local_blocks}.weight"] = (2 * width, width, 3, 3)
        if n == config.enhancers:
            found[f"model{n}_2.{config.local_blocks + 4}.weight"] = (PICTURE, width, 7, 7)
    return found


def _is_a_photo_net(config: Config, checkpoint: Checkpoint) -> bool:
    """A net that pix2pix and CycleGAN have too, and that nothing else tells to be pix2pixHD's."""
    if checkpoint.metadata.get("family") == "pix2pixhd" or config.enhancers:
        return False
    return config.downs == 2 and config.labels <= 4 and config.norm == "instance"


def _features(given: int) -> int:
    """Whether a generator of so many inputs, without its encoder, was trained with the official
    three features: the labels that remain must be those of a data set we know."""
    known = {len(palettes.palette(name)) for name in palettes.known()}
    return 3 if given - 1 not in known and given - 4 in known else 0


def _labels(given: int, told: Mapping[str, Any]) -> tuple[int, bool]:
    """(classes, whether there are edges) of `given` channels that are no features. Official
    trainings have edges unless told otherwise."""
    if "edges" in told:
        edges = bool(told["edges"])
    else:
        known = {PICTURE, *(len(palettes.palette(name)) for name in palettes.known())}
        edges = given - 1 in known or given not in known
    labels = given - edges
    is_picture = labels == PICTURE and not told.get("labels")
    return (0 if is_picture else labels), edges


def _native(config: Config) -> tuple[int, int]:
    """The size of official trainings."""
    return (1024 * 2**config.enhancers, 512 * 2**config.enhancers) if config.labels else (512, 512)


_OPTION = re.compile(r"^\s*(\w+): (.*?)\s*(\[default: .*)?$")


def _options(checkpoint: Checkpoint) -> dict[str, Any]:
    """What opt.txt of an official folder says that shapes do not."""
    path = checkpoint.path / "opt.txt"
    if not path.is_file() or path.stat().st_size > 1 << 16:
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = {m[1]: m[2] for line in lines if (m := _OPTION.match(line))}
    told: dict[str, Any] = {}
    if "no_instance" in said:
        told["edges"] = said["no_instance"] != "True"
    if said.get("label_nc", "").isdigit():
        told["labels"] = int(said["label_nc"])
    uses = {said.get("instance_feat"), said.get("label_feat")} & {"True"}
    if uses or "instance_feat" in said:
        told["features"] = int(said.get("feat_num", "3")) if uses else 0
    return told
