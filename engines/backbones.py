"""Classifiers as sources of features, for style and dream: what they are made of, how their weights
are recognised and where they can be had. Knows no picture and imports no torch; the networks
themselves are backbonenet.py's.

A network is a list of named nodes: convolutions, activations, poolings, joins. VGG (Simonyan &
Zisserman 2015), GoogLeNet (Szegedy et al. 2015) and SqueezeNet (Iandola et al. 2016) have the key
names of torchvision and the layer names of their papers ("conv4_2", "relu4_2", "inception4c/3x3",
"fire5/concat"); our starter is a small VGG, and the pruned VGG-19 of Wang et al. 2020 another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engines.download import fetch
from engines.job import Progress

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Kind = Literal["vgg", "googlenet", "squeezenet"]
Scale = Literal["imagenet", "caffe", "signed", "unit"]
Shape = tuple[int, ...]
FAMILIES = {"neural_style": "style", "dream": "dream"}  # that look through one, and their rooms
METADATA = "backbone"  # where a file of ours says its configuration
CLASSES = "classes"  # and what its training called its classes
HEAD = "class"  # name of the node that gives one number a class, before any softmax
MINIMUM = 32  # pixels on a side that every layer of every backbone has a result for

# (range, mean, deviation): the input is (RGB in [0, 1] x range - mean) / deviation, in the order
# blue, green, red for "caffe"
SCALES: dict[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": (1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": (255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "signed": (1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
CAFFE_FILES = ("d01eb7cb", "00b39a1b")  # digests in the names of the converted Caffe files


@dataclass(frozen=True)
class Config:
    """widths   channels: of each stage (VGG), of the first convolution (others)
    depths   convolutions of each stage (VGG); (version,) 0 or 1 of SqueezeNet; () for GoogLeNet
    classes  that the head tells apart; 0: no head
    hidden   width of the VGG head's two layers; 0: one layer on the mean of the features
    norm     batch norm after each convolution (VGG)
    pruned   the pruned VGG-19: its own key names, a colour matrix first, mirrored borders
    scale    what the first layer is given: "imagenet", "caffe", "signed" or "unit"
    names    of the classes, where the file tells them
    """

    kind: Kind = "vgg"
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: tuple[int, ...] = (2, 2, 4, 4, 4)
    classes: int = 1000
    hidden: int = 4096
    norm: bool = False
    pruned: bool = False
    scale: Scale = "imagenet"
    names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        if self.kind == "googlenet":
            return "GoogLeNet"
        if self.kind == "squeezenet":
            return f"SqueezeNet 1.{self.depths[0]}"
        if self.pruned:
            return "Pruned VGG-19"
        full = self.widths == (64, 128, 256, 512, 512)[: len(self.widths)]
        if not full:
            return f"Small VGG, {sum(self.depths)} layers"
        known: dict[tuple[int, ...], str] = {(2, 2, 4, 4, 4): "VGG-19", (2, 2, 3, 3, 3): "VGG-16"}
        name = known.get(self.depths, "VGG")
        return name + (" with batch norm" if self.norm else "")

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Config:
        """Inverse of dataclasses.asdict, also after JSON."""
        known = {f.name for f in fields(cls)}
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in body.items() if k in known
        }
        return cls(**given)


def units(config: Config) -> float:
    """What one step of 255 is in the input of a network on 0 to 255, in steps of this network's:
    features are multiplied by it to be as large as those of such a network."""
    full, _, deviation = SCALES[config.scale]
    return 255.0 / full * sum(deviation) / 3


VGG16, VGG19 = Config(depths=(2, 2, 3, 3, 3)), Config()
GOOGLENET = Config("googlenet", (64,), (), scale="signed")
SQUEEZENET = Config("squeezenet", (64,), (1,))
STARTER = Config(widths=(24, 48, 96, 192, 256), depths=(2, 2, 3, 3, 2), classes=0, hidden=0)


@dataclass(frozen=True)
class Node:
    """One step. `inputs` name earlier nodes, "" the picture; `key` and `norm` are prefixes in the
    state dict; a "pool" is a maximum unless `mean`; a "grid" is a mean over kernel x kernel cells
    of the whole picture."""

    name: str
    kind: Literal["conv", "relu", "pool", "concat", "grid", "linear"]
    inputs: tuple[str, ...]
    channels: int
    key: str = ""
    norm: str = ""
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    ceil: bool = False
    bias: bool = True


class _Plan:
    """Nodes in order of execution; `at` is the last one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.at = ""

    def add(self, name: str, kind: Any, channels: int = 0, **more: Any) -> None:
        more.setdefault("inputs", (self.at,))
        channels = channels or self.nodes[-1].channels
        self.nodes.append(Node(name, kind, channels=channels, **more))
        self.at = name

    def conv(self, name: str, relu: str, channels: int, key: str, kernel: int, **more: Any) -> None:
        more.setdefault("padding", kernel // 2)
        self.add(name, "conv", channels, key=key, kernel=kernel, **more)
        self.add(relu, "relu")


def nodes(config: Config) -> tuple[Node, ...]:
    """The network as data, in order of execution."""
    plan = _Plan()
    {"vgg": _vgg, "googlenet": _googlenet, "squeezenet": _squeezenet}[config.kind](config, plan)
    return tuple(plan.nodes)


def _vgg(config: Config, plan: _Plan) -> None:
    index = 0
    if config.pruned:
        plan.add("conv0", "conv", 3, key="conv0")
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True), 1):
        for n in range(1, depth + 1):
            key = f"conv{stage}{n}" if config.pruned else f"features.{index}"
            norm = f"features.{index + 1}" if config.norm else ""
            plan.conv(f"conv{stage}_{n}", f"relu{stage}_{n}", width, key, 3, norm=norm)
            index += 3 if config.norm else 2
        if stage < len(config.widths) or not config.pruned:
            plan.add(f"pool{stage}", "pool", kernel=2, stride=2)
        index += 1
    if config.classes and config.hidden:
        plan.add("grid", "grid", kernel=7)
        plan.add("fc6", "linear", config.hidden, key="classifier.0")
        plan.add("relu6", "relu")
        plan.add("fc7", "linear", config.hidden, key="classifier.3")
        plan.add("relu7", "relu")
        plan.add(HEAD, "linear", config.classes, key="classifier.6")
    elif config.classes:
        plan.add("grid", "grid", kernel=1)
        plan.add(HEAD, "linear", config.classes, key="head")


# of GoogLeNet's nine modules: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, after pooling
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def _googlenet(config: Config, plan: _Plan) -> None:
    """As torchvision has it: batch norms without biases, and 3x3 where the paper has 5x5."""

    def conv(name: str, channels: int, key: str, kernel: int, **more: Any) -> None:
        stem, _, leaf = name.rpartition("/")
        relu = f"{stem}/relu_{leaf}" if stem else name.replace("conv", "relu")
        channels = channels * config.widths[0] // 64
        more |= {"norm": f"{key}.bn", "bias": False}
        plan.conv(name, relu, channels, f"{key}.conv", kernel, **more)

    def pool(number: int, kernel: int = 3) -> None:
        plan.add(f"pool{number}", "pool", kernel=kernel, stride=2, ceil=True)

    conv("conv1", 64, "conv1", 7, stride=2)
    pool(1)
    conv("conv2", 64, "conv2", 1)
    conv("conv3", 192, "conv3", 3)
    pool(2)
    for name, (one, less3, three, less5, five, pooled) in _INCEPTIONS.items():
        start, stem, key = plan.at, f"inception{name}", f"inception{name}"
        conv(f"{stem}/1x1", one, f"{key}.branch1", 1)
        ends = [plan.at]
        for size, less, full, branch in (("3x3", less3, three, 2), ("5x5", less5, five, 3)):
            conv(f"{stem}/{size}_reduce", less, f"{key}.branch{branch}.0", 1, inputs=(start,))
            conv(f"{stem}/{size}", full, f"{key}.branch{branch}.1", 3)
            ends.append(plan.at)
        before = next(n for n in plan.nodes if n.name == start).channels
        plan.add(f"{stem}/pool", "pool", before, kernel=3, padding=1, ceil=True, inputs=(start,))
        conv(f"{stem}/pool_proj", pooled, f"{key}.branch4.1", 1)
        _join(plan, f"{stem}/output", [*ends, plan.at])
        if name in ("3b", "4e"):
            pool(int(name[0]), 3 if name == "3b" else 2)
    if config.classes:
        plan.add("grid", "grid", kernel=1)
        plan.add(HEAD, "linear", config.classes, key="fc")


def _squeezenet(config: Config, plan: _Plan) -> None:
    newer, width = config.depths[0], config.widths[0]
    unit = width if newer else width * 64 // 96
    pools = (1, 3, 5) if newer else (1, 4, 8)
    index = 3
    plan.conv("conv1", "relu1", width, "features.0", 3 if newer else 7, stride=2, padding=0)
    plan.add("pool1", "pool", kernel=3, stride=2, ceil=True)
    for number in range(2, 10):
        narrow = (number // 2) * unit // 4
        _fire(plan, f"fire{number}", f"features.{index}", narrow)
        index += 1
        if number in pools:
            plan.add(f"pool{number}", "pool", kernel=3, stride=2, ceil=True)
            index += 1
    if config.classes:
        plan.conv("conv10", "relu10", config.classes, "classifier.1", 1)
        plan.add(HEAD, "grid", kernel=1)


def _fire(plan: _Plan, stem: str, key: str, narrow: int) -> None:
    plan.conv(f"{stem}/squeeze1x1", f"{stem}/relu_squeeze1x1", narrow, f"{key}.squeeze", 1)
    start, ends = plan.at, []
    for kernel in (1, 3):
        name = f"expand{kernel}x{kernel}"
        plan.conv(f"{stem}/{name}", f"{stem}/relu_{name}", 4 * narrow, f"{key}.{name}", kernel,
                  inputs=(start,))  # fmt: skip
        ends.append(plan.at)
    _join(plan, f"{stem}/concat", ends)


def _join(plan: _Plan, name: str, ends: list[str]) -> None:
    wide = sum(n.channels for n in plan.nodes if n.name in ends)
    plan.add(name, "concat", wide, inputs=tuple(ends))


# ---- layers --------------------------------------------------------------------------------------


class LayerError(ValueError):
    """A layer that a network does not have; the message is one sentence for the user."""


@dataclass(frozen=True)
class Layer:
    """stride  pixels of the picture between two numbers; `field` side in pixels of what one sees
    bytes   that its result takes, in single precision, per pixel of the picture
    macs    multiply-adds per pixel of the picture
    """

    name: str
    kind: str
    channels: int
    stride: int
    field: int
    bytes: float
    parameters: int
    macs: float


def layer_table(config: Config) -> tuple[Layer, ...]:
    """Every layer that gives a map, in order of execution; the head is none of them."""
    made: dict[str, Layer] = {"": Layer("", "input", 3, 1, 1, 12.0, 0, 0.0)}
    for node in nodes(config):
        if node.kind in ("grid", "linear") or node.key.startswith("classifier."):
            break
        before = [made[name] for name in node.inputs]
        stride = before[0].stride * node.stride
        field = max(b.field for b in before) + (node.kernel - 1) * before[0].stride
        weights = node.channels * before[0].channels * node.kernel**2 if node.key else 0
        given = (int(bool(node.key and node.bias)) + 2 * int(bool(node.norm))) * node.channels
        made[node.name] = Layer(node.name, node.kind, node.channels, stride, field,
                                4 * node.channels / stride**2, weights + given,
                                weights / stride**2)  # fmt: skip
    return tuple(made.values())[1:]


def layer_names(config: Config) -> tuple[str, ...]:
    return tuple(layer.name for layer in layer_table(config))


def find_layer(config: Config, name: str) -> str:
    """The layer that `name` means, in any common spelling: "relu4_2", "r42", "conv4-2",
    "inception_4c/output", "inception4c". Raises LayerError."""
    known = {_plain(n): n for n in layer_names(config)}
    wanted = _plain(name)
    short = re.fullmatch(r"([rcp])(\d.*)", wanted)
    if short and wanted not in known:
        wanted = {"r": "relu", "c": "conv", "p": "pool"}[short[1]] + short[2]
    for ending in ("", "output", "concat"):
        if wanted + ending in known:
            return known[wanted + ending]
    few = ", ".join(default_style(config))
    raise LayerError(f"{config.title} has no layer “{name}”; it has for example {few}.")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def default_content(config: Config) -> str:
    """Where Gatys et al. keep the content: relu4_2, or what lies as deep."""
    if config.kind == "googlenet":
        return "inception4b/output"
    if config.kind == "squeezenet":
        return "fire6/concat"
    stage = min(4, len(config.depths))
    return f"relu{stage}_{min(2, config.depths[stage - 1])}"


def default_style(config: Config) -> tuple[str, ...]:
    """Five layers, or as many as there are stages, from fine to coarse."""
    if config.kind == "googlenet":
        return ("relu1", "relu3", "inception3b/output", "inception4c/output", "inception5a/output")
    if config.kind == "squeezenet":
        return ("relu1", "fire2/concat", "fire4/concat", "fire6/concat", "fire8/concat")
    return tuple(f"relu{stage}_1" for stage in range(1, len(config.depths) + 1))


# ---- recognising ---------------------------------------------------------------------------------


def shapes(config: Config) -> dict[str, Shape]:
    """Every weight of the network by its key; counters of batch norms left out."""
    found: dict[str, Shape] = {}
    width: dict[str, int] = {"": 3}
    for node in nodes(config):
        before = sum(width[name] for name in node.inputs)
        width[node.name] = node.channels * (node.kernel**2 if node.kind == "grid" else 1)
        if not node.key:
            continue
        kernel = (node.kernel, node.kernel) if node.kind == "conv" else ()
        found[f"{node.key}.weight"] = (node.channels, before, *kernel)
        if node.bias:
            found[f"{node.key}.bias"] = (node.channels,)
        if node.norm:
            for word in ("weight", "bias", "running_mean", "running_var"):
                found[f"{node.norm}.{word}"] = (node.channels,)
    return found


_SURPLUS = re.compile(r"^aux[12]\.|^conv\d\d_aux\.|num_batches_tracked$")
_CAFFE_HEAD = {"classifier.1.": "classifier.0.", "classifier.4.": "classifier.3."}


def recognise(checkpoint: Checkpoint) -> Config | None:
    """The network that these weights belong to, all of them, by names and shapes. What shapes do
    not tell, the scale of the input, is told by our metadata, by the key names of the converted
    Caffe files or by the digests in their file names, and is torchvision's otherwise."""
    given = _renamed(checkpoint.shapes())
    guess = _guess(given)
    if guess is None:
        return None
    if checkpoint.metadata.get(METADATA):
        told = Config.from_dict(checkpoint.metadata[METADATA])
        names = told.names or tuple(map(str, checkpoint.metadata.get(CLASSES, ())))
        guess = replace(guess, scale=told.scale, names=names if len(names) == guess.classes else ())
    elif _is_caffe(checkpoint):
        guess = replace(guess, scale="caffe")
    wanted = shapes(guess)
    has = {k: s for k, s in given.items() if not _SURPLUS.search(k)}
    return guess if has == wanted else None


def _is_caffe(checkpoint: Checkpoint) -> bool:
    has_head = any(k.startswith("classifier.4.") for k in checkpoint.infos)
    return has_head or any(word in checkpoint.path.name for word in CAFFE_FILES)


def _renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    if "classifier.4.weight" not in given:
        return dict(given)
    return {_new_name(key): value for key, value in given.items()}


def _new_name(key: str) -> str:
    for old, new in _CAFFE_HEAD.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def fitted(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint under the keys of our network, without what only its training used."""
    names = {_new_name(k) if "classifier.4.weight" in checkpoint.infos else k: k
             for k in checkpoint.infos}  # fmt: skip
    kept = {new: old for new, old in names.items() if not re.match(r"aux[12]\.|conv\d\d_aux", new)}
    return checkpoint.called(kept)


def _guess(given: Mapping[str, Shape]) -> Config | None:
    """What the names suggest; whether every shape agrees is for the caller to see."""
    if "inception3a.branch1.conv.weight" in given and "conv1.conv.weight" in given:
        classes = given.get("fc.weight", (0,))[0]
        return replace(GOOGLENET, widths=(given["conv1.conv.weight"][0],), classes=classes)
    if "features.3.squeeze.weight" in given and "features.0.weight" in given:
        classes = given.get("classifier.1.weight", (0,))[0]
        first = given["features.0.weight"]
        version = int(len(first) == 4 and first[2] == 3)
        return replace(SQUEEZENET, widths=(first[0],), depths=(version,), classes=classes)
    if "conv0.weight" in given and "conv11.weight" in given:
        return _guess_pruned(given)
    if "features.0.weight" in given:
        return _guess_vgg(given)
    return None


def _guess_pruned(given: Mapping[str, Shape]) -> Config:
    stages: dict[int, list[int]] = {}
    for key, shape in given.items():
        match = re.fullmatch(r"conv([1-9])[1-9]\.weight", key)
        if match:
            stages.setdefault(int(match[1]), []).append(shape[0])
    ordered = [stages[n] for n in sorted(stages)]
    return Config(widths=tuple(s[0] for s in ordered), depths=tuple(map(len, ordered)), classes=0,
                  hidden=0, pruned=True, scale="unit")  # fmt: skip


def _guess_vgg(given: Mapping[str, Shape]) -> Config | None:
    """Stages are read from the gaps between the convolutions' numbers: where one more than the
    activation lies between two, a pooling does."""
    widths = {int(m[1]): s[0] for k, s in given.items()
              if (m := re.fullmatch(r"features\.(\d+)\.weight", k)) and len(s) == 4}  # fmt: skip
    norm = "features.1.running_mean" in given
    step = 3 if norm else 2
    stages: list[list[int]] = []
    last = -step - 1
    for index in sorted(widths):
        if index - last == step + 1:
            stages.append([])
        elif index - last != step:
            return None
        stages[-1].append(widths[index])
        last = index
    head, first = given.get("head.weight"), given.get("classifier.0.weight")
    top = head or given.get("classifier.6.weight", (0,))
    return Config(widths=tuple(s[0] for s in stages), depths=tuple(map(len, stages)),
                  classes=top[0], hidden=first[0] if first else 0, norm=norm)  # fmt: skip


# ---- fetching ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """Weights that others publish. `sha256` holds as much of the digest as they tell (in the file's
    name)."""

    name: str
    title: str
    url: str
    licence: str = "BSD-3-Clause (torchvision); trained on ImageNet"

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[1]

    @property
    def sha256(self) -> str:
        return self.file.rsplit("-", 1)[1].split(".")[0]


_HOME = "https://download.pytorch.org/models/"
PUBLISHED = {
    p.name: p
    for p in (
        Published("vgg19", "VGG-19", _HOME + "vgg19-dcbb9e9d.pth"),
        Published("vgg16", "VGG-16", _HOME + "vgg16-397923af.pth"),
        Published("googlenet", "GoogLeNet", _HOME + "googlenet-1378be20.pth"),
        Published("squeezenet1_0", "SqueezeNet 1.0", _HOME + "squeezenet1_0-b66bff10.pth"),
        Published("squeezenet1_1", "SqueezeNet 1.1", _HOME + "squeezenet1_1-b8a52dc0.pth"),
    )
}  # fmt: skip


def download(name: str, folder: Path, published: Mapping[str, Published] = PUBLISHED
             ) -> Iterator[Progress]:  # fmt: skip
    """Fetch published weights into `folder` under their publisher's file name, verified; at once
    over if they are there. Raises DownloadError."""
    wanted = published[name]
    target = folder / wanted.file
    if not target.is_file():
        yield from fetch((wanted.url,), wanted.sha256, target)


def to_metadata(config: Config) -> dict[str, Any]:
    """What a file of ours says of its network."""
    return {METADATA: asdict(config)}
