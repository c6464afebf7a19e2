"""What nets for any style are made of, and how they are recognised from key names and shapes.
Imports no torch.

A net is one file of ours, or the files of its parts in one folder: MicroAST's four, or encoders and
decoders of a pruned VGG-19, of as many depths as there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engines import backbones

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
ENCODER, DECODER = "encoder.", "decoder."


@dataclass(frozen=True)
class Config:
    """AdaIN (Huang & Belongie 2017): an encoder that is the beginning of a VGG, and a decoder of as
    many stages.

    widths, depths  of the encoder's stages; the last ends after its first convolution
    stages          from the coarsest to the finest: widths of the decoder's convolutions; the very
                    last gives the three colours
    skips           whether each of them is given the encoder's map of its size, too
    scale           of the encoder's input, as backbones.SCALES has it
    """

    widths: tuple[int, ...] = (24, 48, 96, 192)
    depths: tuple[int, ...] = (2, 2, 3, 1)
    stages: tuple[tuple[int, ...], ...] = ((192, 192, 128), (128, 96), (64, 48), (32, 3))
    skips: tuple[bool, ...] = (True, True, True, False)
    scale: backbones.Scale = "imagenet"

    @property
    def encoder(self) -> backbones.Config:
        return backbones.Config(widths=self.widths, depths=self.depths, classes=0, hidden=0,
                                scale=self.scale)  # fmt: skip

    @property
    def levels(self) -> tuple[str, ...]:
        """Layers whose moments are exchanged, from the coarsest to the finest."""
        count = len(self.widths)
        return tuple(f"relu{count - n}_1" for n, skip in enumerate(self.skips) if skip)

    @property
    def layers(self) -> tuple[str, ...]:
        """The first activation of every stage, from fine to coarse."""
        return tuple(f"relu{n}_1" for n in range(1, len(self.widths) + 1))

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each of the levels."""
        return tuple(w for w, skip in zip(reversed(self.widths), self.skips, strict=True) if skip)

    @property
    def multiple_of(self) -> int:
        return 2 ** (len(self.widths) - 1)

    mixes_own_look = False  # strength goes from the photo's maps to those in the style's look

    @property
    def title(self) -> str:
        return f"AdaIN on {sum(self.depths)} layers of a VGG"

    paper = (
        "Huang & Belongie 2017, Arbitrary Style Transfer in Real-time with Adaptive Instance "
        "Normalization"
    )


@dataclass(frozen=True)
class MicroConfig:
    """MicroAST (Wang et al. 2023): two small encoders, a modulator, a decoder. widths: channels at
    1, 1/2 and 1/4 of the size."""

    widths: tuple[int, int, int] = (16, 32, 64)
    multiple_of = 4
    title = "MicroAST"
    mixes_own_look = True  # strength goes from the photo's own look to the style's
    paper = (
        "Wang et al. 2023, MicroAST: Towards Super-Fast Ultra-Resolution Arbitrary Style Transfer"
    )


@dataclass(frozen=True)
class Pair:
    """An encoder to relu{n}_1 of a pruned VGG-19 and the decoder back. widths, depths: of the
    encoder's stages; decoder: of each convolution on the way back, beginning after the map."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def encoder(self) -> backbones.Config:
        return backbones.Config(widths=self.widths, depths=self.depths, classes=0, hidden=0,
                                pruned=True, scale="unit")  # fmt: skip

    @property
    def level(self) -> int:
        return len(self.widths)


@dataclass(frozen=True)
class WCTConfig:
    """Whitening and colouring (Li et al. 2017) at one level or several, from deep to shallow; nets
    of Wang et al. 2020."""

    pairs: tuple[Pair, ...]
    mixes_own_look = False

    @property
    def multiple_of(self) -> int:
        return 2 ** (self.pairs[0].level - 1)

    @property
    def title(self) -> str:
        levels = ", ".join(str(pair.level) for pair in self.pairs)
        return f"WCT on a pruned VGG-19, level{'s' if len(self.pairs) > 1 else ''} {levels}"

    paper = (
        "Li et al. 2017, Universal Style Transfer via Feature Transforms; Wang et al. 2020, "
        "Collaborative Distillation for Ultra-Resolution Universal Style Transfer"
    )


AnyConfig = Config | MicroConfig | WCTConfig
NETS: dict[str, type[AnyConfig]] = {"adain": Config, "micro": MicroConfig, "wct": WCTConfig}


def to_dict(config: AnyConfig) -> dict[str, Any]:
    name = next(name for name, kind in NETS.items() if isinstance(config, kind))
    return {"net": name, **asdict(config)}


def _frozen(value: Any) -> Any:
    """Lists as tuples, at any depth."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(one) for one in value)
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    return value


# ---- parts ---------------------------------------------------------------------------------------

_MICRO = ("content_encoder", "style_encoder", "modulator", "decoder")


def places(given: Shapes) -> dict[str, str]:
    """Part -> what its names begin with, of a file of ours or of a folder; {} for one net alone."""
    stems = dict.fromkeys(key.split(".", 1)[0] for key in given)
    micro = {part: stem for part in _MICRO for stem in stems if stem.startswith(part)}
    if len(micro) == 4 and len(stems) == 4:
        return {part: f"{stem}." for part, stem in micro.items()}
    found: dict[str, str] = {}
    for stem in stems:
        below = {
            k.removeprefix(f"{stem}."): s for k, s in given.items() if k.startswith(f"{stem}.")
        }
        if part := _half(below):
            found[part] = f"{stem}."
    return found if len(found) == len(stems) else {}


def _half(given: Shapes) -> str | None:
    """ "encoder3" or "decoder3" for half of a pair of level 3, by its shapes."""
    levels = [int(m[1]) for key in given if (m := re.fullmatch(r"conv([1-5])1\.weight", key))]
    if not levels or "conv11.weight" not in given:
        return None
    return f"{'encoder' if 'conv0.weight' in given else 'decoder'}{max(levels)}"


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The same file or folder, its parts called as in our files, without what only their training
    used."""
    found = places(checkpoint.shapes())
    if not found:
        return checkpoint
    kept = checkpoint.inside(found)
    return checkpoint.called({n: o for n, o in kept.items() if not re.search(r"\d_aux\.", n)})


# ---- recognising ---------------------------------------------------------------------------------


def recognise(checkpoint: Checkpoint) -> AnyConfig | None:
    """By every weight: none may lack, none be over."""
    opened = renamed(checkpoint)
    given = opened.shapes()
    for guess in (_guess_adain, _guess_micro, _guess_wct):
        config = guess(opened, given)
        if config is not None and dict(shapes(config)) == given:
            return config
    return None


def _guess_adain(opened: Checkpoint, given: Shapes) -> Config | None:
    found = {k.removeprefix(ENCODER): k for k in given if k.startswith(ENCODER)}
    encoder = backbones.recognise(opened.called(found)) if found else None
    stages = _stages(given)
    if encoder is None or encoder.kind != "vgg" or len(stages) != len(encoder.widths):
        return None
    skips = [True]
    for stage in range(1, len(stages)):
        into = given.get(f"{DECODER}{stage}.0.weight", (0, 0))[1]
        skips.append(into != stages[stage - 1][-1])
    scale = opened.metadata.get("config", {}).get("scale", "imagenet")
    return Config(encoder.widths, encoder.depths, stages, tuple(skips), scale)


def _stages(given: Shapes) -> tuple[tuple[int, ...], ...]:
    found: dict[int, dict[int, int]] = {}
    for key, shape in given.items():
        if match := re.fullmatch(r"decoder\.(\d+)\.(\d+)\.weight", key):
            found.setdefault(int(match[1]), {})[int(match[2])] = shape[0]
    return tuple(tuple(one[n] for n in sorted(one)) for _, one in sorted(found.items()))


def _guess_micro(opened: Checkpoint, given: Shapes) -> MicroConfig | None:
    rows = [given.get(f"content_encoder.enc1.{n}.conv_layer.weight") for n in (0, 4, 8)]
    a, b, c = (row[0] if row else 0 for row in rows)
    return MicroConfig((a, b, c)) if a and b and c else None


def _guess_wct(opened: Checkpoint, given: Shapes) -> WCTConfig | None:
    pairs: list[Pair] = []
    for level in range(5, 0, -1):
        begin = f"encoder{level}."
        found = {k.removeprefix(begin): k for k in given if k.startswith(begin)}
        encoder = backbones.recognise(opened.called(found)) if found else None
        back = tuple(s[0] for k, s in given.items()
                     if k.startswith(f"decoder{level}.") and len(s) == 4)  # fmt: skip
        if encoder is not None and encoder.pruned and back:
            order = _way_back(encoder.depths)
            widths = [given.get(f"decoder{level}.{key}.weight", (0,))[0] for key in order]
            pairs.append(Pair(encoder.widths, encoder.depths, tuple(widths)))
    return WCTConfig(tuple(pairs)) if pairs else None


def _way_back(depths: tuple[int, ...]) -> list[str]:
    """Names of a decoder's convolutions in order of execution: those of the encoder, mirrored."""
    return [f"conv{stage}{n}" for stage in range(len(depths), 0, -1)
            for n in range(depths[stage - 1], 0, -1)]  # fmt: skip


# ---- weights -------------------------------------------------------------------------------------


def shapes(config: AnyConfig) -> Iterator[tuple[str, Shape]]:
    """Every weight by its key."""
    if isinstance(config, Config):
        yield from _adain(config)
    elif isinstance(config, MicroConfig):
        yield from _micro(config)
    else:
        yield from _wct(config)


def _both(key: str, out: int, into: int, kernel: int) -> Iterator[tuple[str, Shape]]:
    yield f"{key}.weight", (out, into, kernel, kernel)
    yield f"{key}.bias", (out,)


def _adain(config: Config) -> Iterator[tuple[str, Shape]]:
    for key, shape in backbones.shapes(config.encoder).items():
        yield ENCODER + key, shape
    last = 0
    for number, widths in enumerate(config.stages):
        into = last + config.skips[number] * config.widths[-1 - number]
        for place, width in enumerate(widths):
            yield from _both(f"{DECODER}{number}.{place}", width, into, 3)
            into = width
        last = into


def _micro(config: MicroConfig) -> Iterator[tuple[str, Shape]]:
    a, b, c = config.widths
    for part in ("content_encoder", "style_encoder"):
        rows = ((0, a, 3, 9), (2, b, 1, 3), (4, b, b, 1), (6, c, 1, 3), (8, c, c, 1))
        for place, out, into, kernel in rows:
            yield from _both(f"{part}.enc1.{place}.conv_layer", out, into, kernel)
        for stem in ("enc1.10", "enc2.0"):
            for half in (1, 2):
                yield from _both(f"{part}.{stem}.conv{half}.conv_layer", c, c, 3)
    for name in ("weight1", "bias1", "weight2", "bias2"):
        yield from _both(f"modulator.{name}.0.conv_layer", c, 1, 3)
    for stem in ("dec1", "dec2"):
        for half in (1, 2):
            yield from _both(f"decoder.{stem}.conv{half}.conv_layer", c, c, 3)
    rows = ((1, b, c // b, 3), (3, b, b, 1), (6, a, b // a, 3), (8, a, a, 1), (10, 3, a, 9))
    for place, out, into, kernel in rows:
        yield from _both(f"decoder.dec3.{place}.conv_layer", out, into, kernel)


def _wct(config: WCTConfig) -> Iterator[tuple[str, Shape]]:
    for pair in config.pairs:
        for key, shape in backbones.shapes(pair.encoder).items():
            yield f"encoder{pair.level}.{key}", shape
        into = pair.widths[-1]
        for key, width in zip(way_back(pair), pair.decoder, strict=True):
            yield from _both(f"decoder{pair.level}.{key}", width, into, 3)
            into = width


def way_back(pair: Pair) -> list[str]:
    return _way_back(pair.depths)
