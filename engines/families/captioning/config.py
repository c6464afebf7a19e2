"""What the weights of a captioner say of it, in our layout and in the two that people know. Imports
no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
Kind = Literal["attend", "show"]


@dataclass(frozen=True)
class Config:
    """kind       "attend": an LSTM that looks at a grid of features for every word (Xu et al.
               2015); "show": one that is given the whole picture once (Vinyals et al. 2015)
    words      that the decoder can say, with its signs
    vocabulary those words by their number, () where nobody told; start, end, unknown, padding:
               numbers of the signs (start and end may be one), -1 where there is none
    encoder    "own", or a ResNet by torchvision's name ("resnet101")
    widths     channels of our own encoder's stages, each of half the side
    embed, attention, hidden   lengths of a word, of what is compared, of the LSTM's state
    layers     of the LSTM ("show")
    size       (width, height) of the pictures it sees
    cells      side of the grid that an "attend" decoder is given; 0: as the encoder gives it
    longest    words of a caption
    """

    kind: Kind = "attend"
    words: int = 0
    vocabulary: tuple[str, ...] = ()
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
    size: tuple[int, int] = (128, 128)
    cells: int = 0
    longest: int = 20

    @property
    def channels(self) -> int:
        """Of the encoder's last features."""
        if self.encoder == "own":
            return self.widths[-1]
        return 512 if self.encoder in ("resnet18", "resnet34") else 2048

    @property
    def signs(self) -> frozenset[int]:
        """Numbers of the vocabulary that are no words."""
        return frozenset(n for n in (self.start, self.end, self.unknown, self.padding) if n >= 0)

    def text(self, numbers: tuple[int, ...]) -> str:
        """The words of these numbers, without the signs."""
        said = [n for n in numbers if n not in self.signs]
        return " ".join(self.vocabulary[n] if self.vocabulary else f"word{n}" for n in said)


def to_dict(config: Config) -> dict[str, Any]:
    return asdict(config)


def from_dict(body: Mapping[str, Any]) -> Config:
    told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items()}
    return Config(**told)


def recognise(checkpoint: Checkpoint) -> Config | None:
    if checkpoint.metadata.get("family") == "captioning":
        config = from_dict(checkpoint.metadata.get("config", {}))
        shapes = checkpoint.shapes()
        return config if all(shapes.get(k) == s for k, s in layers(config)) else None
    return None


def layers(config: Config) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of the weights that tell a decoder's sizes."""
    if config.kind == "show":
        yield "decoder.embed.weight", (config.words, config.embed)
        yield "decoder.linear.weight", (config.words, config.hidden)
        yield "decoder.lstm.weight_hh_l0", (4 * config.hidden, config.hidden)
        return
    yield "decoder.embedding.weight", (config.words, config.embed)
    yield "decoder.attention.encoder_att.weight", (config.attention, config.channels)
    yield "decoder.attention.decoder_att.weight", (config.attention, config.hidden)
    yield "decoder.decode_step.weight_ih", (4 * config.hidden, config.embed + config.channels)
    yield "decoder.fc.weight", (config.words, config.hidden)
