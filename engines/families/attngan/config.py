"""The configuration of an AttnGAN model: text encoder, generator and image encoder, each of which
may be missing. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

FIRST = 64  # side in pixels of the first stage's picture; every further stage doubles it
END = "<end>"  # word 0 of every vocabulary: the end of a caption, and its padding
TRUNK = 2048, 768  # channels of Inception-v3 behind its last layer and behind Mixed_6e


@dataclass(frozen=True)
class Config:
    """vocabulary  the words of a caption by number, "<end>" first; () if no file tells them
    words       rows of the text encoder's table; 0: there is no text encoder
    word        numbers that stand for a word in the table
    sentence    numbers that stand for a word in its sentence, for a sentence and for a region
    condition, noise   numbers that the generator is given of the sentence, and of chance
    width       channels of the generator at full size
    stages      pictures that the generator paints, 64 pixels and up; 0: there is no generator
    residuals   residual blocks of each stage behind the first
    single      only the last stage paints a picture (AttnDCGAN)
    widths      channels of our image encoder, level by level; (0,): Inception-v3; (): none
    side        pixels at which our image encoder looks
    aligned     Inception sees pictures enlarged as torch did before 0.4, corner on corner
    hyphens     words may hold hyphens, as ours do
    told        the file that the vocabulary was read from, if another
    """

    vocabulary: tuple[str, ...] = ()
    words: int = 5450
    word: int = 300
    sentence: int = 256
    condition: int = 100
    noise: int = 100
    width: int = 32
    stages: int = 3
    residuals: int = 2
    single: bool = False
    widths: tuple[int, ...] = ()
    side: int = 64
    aligned: bool = True
    hyphens: bool = False
    told: str = ""

    @property
    def size(self) -> int:
        """Side in pixels of the last stage's picture."""
        return FIRST * 2 ** max(self.stages - 1, 0)

    @property
    def inception(self) -> bool:
        return self.widths == (0,)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """size of the pictures that it judges: 64, 128 or 256; sentence as in Config. Ours have no
    batch norms, so that their slope can be held flat."""

    size: int = 64
    width: int = 64
    sentence: int = 256
    norm: bool = True


def from_dict(body: Mapping[str, Any]) -> Config:
    """A file that does not say how words are told apart has words that do."""
    made: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items()}
    made.setdefault("hyphens", any("-" in word for word in made.get("vocabulary", ())))
    return Config(**made)


# ---- recognised from names and shapes ------------------------------------------------------------

PARTS = {  # part -> a name that its weights have and no other part's
    "text_encoder": "rnn.weight_ih_l0_reverse",
    "generator": "ca_net.fc.weight",
    "image_encoder": "emb_cnn_code.weight",
}


def places(checkpoint: Checkpoint) -> dict[str, str]:
    """Part -> what its names begin with in a file of ours, a bare part ("") or a folder of the
    official files."""
    made: dict[str, str] = {}
    for key in checkpoint.keys():  # noqa: SIM118  (a method, not a dict)
        for part, name in PARTS.items():
            if key == name or key.endswith(f".{name}"):
                made[part] = max(made.get(part, ""), key.removesuffix(name), key=_age)
    return made


def _age(stem: str) -> tuple[int, str]:
    """Of several files of one part the one of the latest epoch counts."""
    numbers = re.findall(r"\d+", stem)
    return (int(numbers[-1]) if numbers else -1), stem


def recognise(checkpoint: Checkpoint) -> Config | None:
    """What the shapes of the parts say. Not all must be there: two encoders match pictures and
    captions, a generator paints what a text encoder has read. One part alone is no model."""
    found = places(checkpoint)
    if "text_encoder" not in found or len(found) < 2:
        return None
    told = checkpoint.metadata.get("config")
    told = from_dict(told) if isinstance(told, dict) else Config()
    made = replace(told, words=0, stages=0, widths=())
    for part, begin in found.items():
        read = _READERS[part](checkpoint, begin, made)
        if read is None:
            return None
        made = read
    return _with_words(made, checkpoint)


def _with_words(config: Config, checkpoint: Checkpoint) -> Config:
    """With the vocabulary that lies beside the weights, where they do not tell their own."""
    from engines import vocabulary

    if not config.words or config.vocabulary:
        return config
    path = vocabulary.beside(checkpoint.path)
    table = vocabulary.read_table(path)[0] if path else {}
    if not path or not table:
        return config
    words = [""] * (max(table.values()) + 1)
    for word, number in table.items():
        words[number] = word
    return replace(config, vocabulary=tuple(words), told=path.name)


def trouble(config: Config, name: str) -> str:
    """Why the parts that a file or folder holds make no model, in one sentence; "" if they do."""
    if not config.vocabulary:
        return f"The words of {name} are told in a captions.pickle, which must lie beside it."
    if len(config.vocabulary) != config.words:
        return (
            f"{config.told or name} has {len(config.vocabulary):,} words and the text encoder "
            f"{config.words:,}; they belong to different models."
        )
    return ""


def _text(checkpoint: Checkpoint, begin: str, config: Config) -> Config | None:
    table = checkpoint.shape(f"{begin}encoder.weight")
    memory = checkpoint.shape(f"{begin}rnn.weight_hh_l0")
    if not (table and memory) or len(table) != 2 or len(memory) != 2:
        return None
    return replace(config, words=table[0], word=table[1], sentence=2 * memory[1])


def _generator(checkpoint: Checkpoint, begin: str, config: Config) -> Config | None:
    condition = checkpoint.shape(f"{begin}ca_net.fc.weight")
    first = checkpoint.shape(f"{begin}h_net1.fc.0.weight")
    if not (condition and first) or len(condition) != 2 or len(first) != 2:
        return None
    stages = 1
    while checkpoint.shape(f"{begin}h_net{stages + 1}.att.conv_context.weight"):
        stages += 1
    residuals = 0
    while checkpoint.shape(f"{begin}h_net2.residual.{residuals}.block.0.weight"):
        residuals += 1
    return replace(
        config,
        sentence=condition[1],
        condition=condition[0] // 4,
        noise=first[1] - condition[0] // 4,
        width=first[0] // 512,
        stages=stages,
        residuals=residuals if stages > 1 else config.residuals,
        single=checkpoint.shape(f"{begin}img_net.img.0.weight") is not None,
    )


def _image(checkpoint: Checkpoint, begin: str, config: Config) -> Config | None:
    code = checkpoint.shape(f"{begin}emb_cnn_code.weight")
    if not code or len(code) != 2:
        return None
    if checkpoint.shape(f"{begin}Mixed_7c.branch_pool.conv.weight"):
        return replace(config, sentence=code[0], widths=(0,))
    widths: list[int] = []
    for part in ("near", "far"):
        level = 0
        while shape := checkpoint.shape(f"{begin}{part}.{level}.0.weight"):
            widths.append(shape[0])
            level += 1
    return replace(config, sentence=code[0], widths=tuple(widths)) if len(widths) > 3 else None


_READERS: dict[str, Callable[[Checkpoint, str, Config], Config | None]] = {
    "text_encoder": _text,
    "generator": _generator,
    "image_encoder": _image,
}


def renamed(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint under the names of our network."""
    return checkpoint.called(checkpoint.inside(places(checkpoint)))
