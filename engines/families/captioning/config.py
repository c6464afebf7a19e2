"""What the weights of a captioner say of it, in our layout and in the two that people know. Imports
no torch.

Ours, and what the others are renamed to: encoder.stem, encoder.stages (our own) or encoder.features
(torchvision's), encoder.linear and encoder.bn ("show"); decoder.* as the known projects have it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Kind = Literal["attend", "late", "show"]


@dataclass(frozen=True)
class Config:
    """kind       "attend": an LSTM that looks at a grid of features before every word (Xu et al.
               2015); "late": one that looks after its step (Luong et al. 2015), so that all words
               are trained at once; "show": one that is given the whole picture once (Vinyals et
               al. 2015)
    words      that the decoder can say, with its signs
    vocabulary those words by their number, () where nobody told; `told` by which file, "" by ours
    start, end, unknown, padding   numbers of the signs (start and end may be one), -1: none
    encoder    "own", or torchvision's name of it ("resnet101")
    widths     channels of our own encoder's stages, each of half the side; else its last alone
    embed, attention, hidden   lengths of a word, of what is compared, of the LSTM's state
    layers     of the LSTM ("show")
    norm       whether the encoder's vector passes a batch norm ("show")
    size       (width, height) of the pictures it sees
    cells      side of the grid that an "attend" decoder is given; 0: as the encoder gives it
    longest    words of a caption
    """

    kind: Kind = "attend"
    words: int = 0
    vocabulary: tuple[str, ...] = ()
    told: str = ""
    start: int = 0
    end: int = 0
    unknown: int = -1
    padding: int = -1
    encoder: str = "own"
    widths: tuple[int, ...] = (32, 64, 112, 176)
    embed: int = 128
    attention: int = 128
    hidden: int = 256
    layers: int = 1
    norm: bool = True
    size: tuple[int, int] = (128, 128)
    cells: int = 0
    longest: int = 20

    @property
    def channels(self) -> int:
        """Of the encoder's last features."""
        return self.widths[-1]

    @property
    def signs(self) -> frozenset[int]:
        """Numbers of the vocabulary that are no words."""
        return frozenset(n for n in (self.start, self.end, self.unknown, self.padding) if n >= 0)

    def text(self, numbers: tuple[int, ...]) -> str:
        """The words of these numbers, without the signs."""
        return " ".join(self.vocabulary[n] for n in numbers if n not in self.signs)

    @property
    def problem(self) -> str:
        """Why no caption can be told, as a sentence; "" where one can."""
        if not self.vocabulary:
            return (
                "This captioner says numbers, and no vocabulary tells their words; put its "
                "vocabulary (vocab.pkl or WORDMAP….json) into the same folder and open that."
            )
        if len(self.vocabulary) != self.words:
            return (
                f"The decoder says {self.words:,} words, and the vocabulary {self.told} has "
                f"{len(self.vocabulary):,}; they belong to different trainings."
            )
        return ""


def from_dict(body: Mapping[str, Any]) -> Config:
    told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items()}
    return Config(**told)


# ---- recognition ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> Config | None:
    shapes = renamed(checkpoint).shapes()
    config = _decoder(shapes)
    config = config and _encoder(config, shapes)
    if config is None or not all(shapes.get(k) == s for k, s in layers(config)):
        return None
    told: dict[str, Any] = checkpoint.metadata.get("config", {})
    return from_dict({**asdict(config), **told}) if told else _with_words(config, checkpoint)


def _decoder(shapes: Shapes) -> Config | None:
    """The decoder's part of a configuration."""
    if key := shapes.get("decoder.key.weight"):
        words = shapes.get("decoder.embedding.weight", (0, 0))
        hidden = shapes.get("decoder.query.weight", (0, 0))[1]
        return Config("late", words[0], embed=words[1], attention=key[0], hidden=hidden,
                      widths=(key[1],))  # fmt: skip
    if words := shapes.get("decoder.embedding.weight"):
        compared = shapes.get("decoder.attention.encoder_att.weight", (0, 0))
        hidden = shapes.get("decoder.attention.decoder_att.weight", (0, 0))[1]
        return Config("attend", words[0], embed=words[1], attention=compared[0], hidden=hidden,
                      widths=(compared[1],))  # fmt: skip
    if words := shapes.get("decoder.embed.weight"):
        hidden = shapes.get("decoder.lstm.weight_hh_l0", (0, 0))[1]
        count = sum(bool(re.fullmatch(r"decoder\.lstm\.weight_hh_l\d+", k)) for k in shapes)
        norm = "encoder.bn.weight" in shapes
        return Config("show", words[0], embed=words[1], hidden=hidden, layers=count, norm=norm)
    return None


def _encoder(config: Config, shapes: Shapes) -> Config | None:
    """The configuration with its encoder's part."""
    if stem := shapes.get("encoder.stem.0.weight"):
        firsts = {
            int(m[1]): s[0]
            for k, s in shapes.items()
            if (m := re.fullmatch(r"encoder\.stages\.(\d+)\.main\.0\.weight", k))
        }
        widths = (stem[0], *(firsts[k] for k in sorted(firsts) if k % 2))
        return replace(config, widths=widths)
    features = {
        k.removeprefix("encoder.features."): s
        for k, s in shapes.items()
        if k.startswith("encoder.features.")
    }
    name, channels = known_encoder(features)
    if not name:
        return None
    attends = config.kind != "show"
    size, cells = ((256, 256), 14) if attends else ((224, 224), 0)
    return replace(config, encoder=name, widths=(channels,), size=size, cells=cells, longest=50)


RESNETS: dict[tuple[tuple[int, ...], int], str] = {
    ((2, 2, 2, 2), 0): "resnet18",
    ((3, 4, 6, 3), 0): "resnet34",
    ((3, 4, 6, 3), 64): "resnet50",
    ((3, 4, 23, 3), 64): "resnet101",
    ((3, 8, 36, 3), 64): "resnet152",
    ((3, 4, 6, 3), 128): "wide_resnet50_2",
    ((3, 4, 23, 3), 128): "wide_resnet101_2",
}
VGGS = {8: "vgg11", 10: "vgg13", 13: "vgg16", 16: "vgg19"}


def known_encoder(features: Shapes) -> tuple[str, int]:
    """torchvision's name of an encoder by its numbered layers, and its last channels; "" for an
    unknown one."""
    if features.get("0.weight", ())[1:] == (3, 7, 7):
        blocks = Counter(
            int(m[1]) for k in features if (m := re.fullmatch(r"(\d)\.\d+\.conv1\.weight", k))
        )
        narrow = features["4.0.conv1.weight"][0] if "4.0.conv3.weight" in features else 0
        name = RESNETS.get((tuple(blocks[n] for n in (4, 5, 6, 7)), narrow), "")
        return name, 2048 if narrow else 512
    convolutions = [s for s in features.values() if len(s) == 4 and s[2:] == (3, 3)]
    if features.get("0.weight") == (64, 3, 3, 3) and len(convolutions) in VGGS:
        norm = "_bn" if any("running_mean" in k for k in features) else ""
        return VGGS[len(convolutions)] + norm, 512
    return "", 0


def layers(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of the weights that tell a decoder's sizes."""
    if config.kind == "show":
        yield "encoder.linear.weight", (config.embed, config.channels)
        yield "decoder.embed.weight", (config.words, config.embed)
        yield "decoder.linear.weight", (config.words, config.hidden)
        yield "decoder.lstm.weight_ih_l0", (4 * config.hidden, config.embed)
        yield "decoder.lstm.weight_hh_l0", (4 * config.hidden, config.hidden)
        return
    yield "decoder.embedding.weight", (config.words, config.embed)
    yield "decoder.fc.weight", (config.words, config.hidden)
    if config.kind == "late":
        yield "decoder.key.weight", (config.attention, config.channels)
        yield "decoder.query.weight", (config.attention, config.hidden)
        yield "decoder.lstm.weight_ih_l0", (4 * config.hidden, config.embed)
        return
    yield "decoder.attention.encoder_att.weight", (config.attention, config.channels)
    yield "decoder.attention.decoder_att.weight", (config.attention, config.hidden)
    yield "decoder.decode_step.weight_ih", (4 * config.hidden, config.embed + config.channels)


def _with_words(config: Config, checkpoint: Checkpoint) -> Config:
    """With the vocabulary that lies beside the weights, if one does."""
    from engines import vocabulary
    from engines.checkpoint import CheckpointError

    known = replace(config, start=1, end=2) if config.encoder != "own" else config
    path = vocabulary.beside(checkpoint.path)
    if path is None:
        return known
    try:
        found = vocabulary.read(path)
    except CheckpointError:
        return replace(known, told=path.name)
    return replace(
        known, vocabulary=found.words, told=path.name, start=found.start, end=found.end,
        unknown=found.unknown, padding=found.padding,
    )  # fmt: skip


# ---- the names of others -------------------------------------------------------------------------

_NAMED = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
_PART = re.compile(r"^(encoder|decoder)[^.]*\.", re.IGNORECASE)
_BODY = re.compile(r"^encoder\.(?!stem|stages|linear|bn|embed)\w+\.(?:features\.)?(.+)$")


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The same file under our names; what it holds besides encoder and decoder is left out."""
    names: dict[str, str] = {}
    for key in checkpoint.infos:
        if (new := _renamed(key, checkpoint)) is not None:
            names[new] = key
    return checkpoint.called(names)


def _renamed(key: str, checkpoint: Checkpoint) -> str | None:
    """Our name of a weight: "encoder-5-3000.resnet.0.weight" is encoder.features.0.weight."""
    part = _PART.match(key)
    if part is None:
        return None
    key = f"{part[1].lower()}.{key[part.end() :]}"
    if key.startswith("decoder."):
        return "decoder.linear" + key[10:] if key.startswith("decoder.fc.") and _is_shown(
            checkpoint
        ) else key  # fmt: skip
    if key.startswith("encoder.embed."):
        return key.replace("embed", "linear", 1)
    if body := _BODY.match(key):
        first, _, rest = body[1].partition(".")
        return None if first == "fc" else f"encoder.features.{_NAMED.get(first, first)}.{rest}"
    return key


def _is_shown(checkpoint: Checkpoint) -> bool:
    keys = checkpoint.infos
    return any(k.endswith("lstm.weight_hh_l0") for k in keys) and "decoder.key.weight" not in keys
