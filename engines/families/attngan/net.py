"""AttnGAN (Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional
Generative Adversarial Networks"), key for key as the official checkpoints: text encoder, generator,
discriminators.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.attngan.config import Config, DiscriminatorConfig
from engines.families.attngan.encoder import Inception, Regions


class TextEncoder(nn.Module):
    """words (B, T) int64, padded with 0; lengths (B,) int64, at least 1 ->
    words (B, sentence, T), zero where padded, and sentences (B, sentence)."""

    def __init__(self, config: Config, drop: float = 0.5) -> None:
        super().__init__()
        self.encoder = nn.Embedding(config.words, config.word)
        self.drop = nn.Dropout(drop)
        self.rnn = nn.LSTM(config.word, config.sentence // 2, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The backward half must begin at the last word and not in the padding: each half reads
        captions pushed against the side that it begins at. (Packed sequences want lengths on the
        CPU, for which a GPU would have to wait.)"""
        seen = self.drop(self.encoder(words))
        count, longest = words.shape
        places = torch.arange(longest, device=words.device)[None]
        shift = (longest - lengths)[:, None]
        pushed = seen.gather(1, _wide((places - shift) % longest, seen))
        both, _ = self.rnn(torch.cat((seen, pushed)))
        ahead, back = both[:count], both[count:]
        half = both.shape[2] // 2
        ahead, back = ahead[..., :half], back[..., half:]
        back = back.gather(1, _wide((places + shift) % longest, back))
        inside = (places < lengths[:, None])[..., None]
        last = _wide((lengths - 1)[:, None], ahead)
        sentence = torch.cat((ahead.gather(1, last)[:, 0], back[:, 0]), 1)
        return (torch.cat((ahead, back), 2) * inside).transpose(1, 2), sentence


def _wide(index: Tensor, like: Tensor) -> Tensor:
    """(B, T) -> (B, T, C) as gather wants it."""
    return index[..., None].expand(-1, -1, like.shape[2])


def padding(words: Tensor, lengths: Tensor) -> Tensor:
    """(B, T) bool: true behind the end of a caption."""
    return torch.arange(words.shape[-1], device=words.device)[None] >= lengths[:, None]


# ---- generator -----------------------------------------------------------------------------------


def _up(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(before, 2 * after, 3, 1, 1, bias=False),
        nn.BatchNorm2d(2 * after),
        nn.GLU(1),
    )


class _Augmentation(nn.Module):
    """Conditioning augmentation (Zhang et al. 2017): a sentence becomes a normal distribution."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.fc = nn.Linear(config.sentence, 4 * config.condition)

    def forward(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = F.glu(self.fc(sentence), 1).chunk(2, 1)
        return mean, log_variance


class _First(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        w = 16 * config.width
        self.fc = nn.Sequential(
            nn.Linear(config.noise + config.condition, 32 * w, bias=False),
            nn.BatchNorm1d(32 * w),
            nn.GLU(1),
        )
        self.upsample1 = _up(w, w // 2)
        self.upsample2 = _up(w // 2, w // 4)
        self.upsample3 = _up(w // 4, w // 8)
        self.upsample4 = _up(w // 8, w // 16)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        x = self.fc(torch.cat((condition, noise), 1))
        x = x.view(len(x), -1, 4, 4)
        return self.upsample4(self.upsample3(self.upsample2(self.upsample1(x))))


class WordAttention(nn.Module):
    """hidden (B, width, H, W), words (B, sentence, T), hide (B, T) bool, true where there is no
    word -> what the words say at each place (B, width, H, W), and how much each word counts there
    (B, T, H, W), its sum over words 1. strength (B, T): factors on how much a word counts."""

    def __init__(self, width: int, sentence: int) -> None:
        super().__init__()
        self.conv_context = nn.Conv2d(sentence, width, 1, bias=False)

    def forward(
        self,
        hidden: Tensor,
        words: Tensor,
        hide: Tensor | None = None,
        strength: Tensor | None = None,
        reference_mask: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """With `reference_mask`, place p of picture b is masked by caption (b * H * W + p) % B, as
        the official code does by mistake, which matters to captions of mixed lengths."""
        count, _, height, width = hidden.shape
        said = self.conv_context(words[..., None])[..., 0]
        scores = hidden.flatten(2).transpose(1, 2) @ said
        if hide is not None:
            scores = scores.masked_fill(self._mask(hide, scores, reference_mask), -torch.inf)
        if strength is not None:
            scores = scores + strength.clamp(min=1e-6).log()[:, None]
        share = scores.softmax(2).transpose(1, 2)
        context = (said @ share).view(count, -1, height, width)
        return context, share.view(count, -1, height, width)

    @staticmethod
    def _mask(hide: Tensor, scores: Tensor, reference_mask: bool) -> Tensor:
        if reference_mask:
            return hide.repeat(scores.shape[1], 1).view(scores.shape)
        return hide[:, None]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.GLU(1),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class _Next(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.att = WordAttention(w, config.sentence)
        self.residual = nn.Sequential(*[_Residual(2 * w) for _ in range(config.residuals)])
        self.upsample = _up(2 * w, w)


class _Image(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.img = nn.Sequential(nn.Conv2d(width, 3, 3, 1, 1, bias=False), nn.Tanh())

    def forward(self, hidden: Tensor) -> Tensor:
        return self.img(hidden)


class Said(NamedTuple):
    """A caption as the generator wants it: sentence (B, sentence), words (B, sentence, T), hide
    (B, T) bool, true where there is no word; strength (B, T) or None: how much each word counts."""

    sentence: Tensor
    words: Tensor
    hide: Tensor | None = None
    strength: Tensor | None = None


class Painted(NamedTuple):
    """What the generator makes: pictures (B, 3, S, S) in [-1, 1], stage by stage; the attention
    (B, T, S/2, S/2) of each stage behind the first; mean and log variance of the condition."""

    pictures: list[Tensor]
    attention: list[Tensor]
    mean: Tensor
    log_variance: Tensor


class Generator(nn.Module):
    """Noise (B, noise) and a caption -> Painted. chance (B, condition): the normal numbers of the
    conditioning augmentation; None: the mean is taken."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.stages, self.single = config.stages, config.single
        self.ca_net = _Augmentation(config)
        for stage in range(1, config.stages + 1):
            self.add_module(f"h_net{stage}", _First(config) if stage == 1 else _Next(config))
            if not config.single:
                self.add_module(f"img_net{stage}", _Image(config.width))
        if config.single:
            self.img_net = _Image(config.width)

    def forward(
        self,
        noise: Tensor,
        said: Said,
        chance: Tensor | None = None,
        reference_mask: bool = False,
    ) -> Painted:
        hidden, mean, log_variance = self.begun(noise, said.sentence, chance)
        made = Painted([], [], mean, log_variance)
        self._keep(1, hidden, made)
        for stage in range(2, self.stages + 1):
            hidden, share = self.grown(stage, hidden, said, reference_mask)
            made.attention.append(share)
            self._keep(stage, hidden, made)
        return made

    def begun(
        self, noise: Tensor, sentence: Tensor, chance: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the first stage makes, and mean and log variance of the condition."""
        mean, log_variance = self.ca_net(sentence)
        condition = mean if chance is None else mean + chance * (log_variance / 2).exp()
        return self.get_submodule("h_net1")(condition, noise), mean, log_variance

    def grown(
        self, stage: int, hidden: Tensor, said: Said, reference_mask: bool = False
    ) -> tuple[Tensor, Tensor]:
        """What a stage makes of what the stage before it made, and its attention."""
        part: _Next = self.get_submodule(f"h_net{stage}")  # pyright: ignore[reportAssignmentType]
        context, share = part.att(hidden, said.words, said.hide, said.strength, reference_mask)
        return part.upsample(part.residual(torch.cat((hidden, context), 1))), share

    def picture(self, stage: int, hidden: Tensor) -> Tensor | None:
        """The picture of a stage (B, 3, S, S) in [-1, 1]; None where it paints none."""
        if self.single and stage < self.stages:
            return None
        return self.get_submodule("img_net" if self.single else f"img_net{stage}")(hidden)

    def _keep(self, stage: int, hidden: Tensor, made: Painted) -> None:
        picture = self.picture(stage, hidden)
        if picture is not None:
            made.pictures.append(picture)


class AttnGAN(nn.Module):
    """Whatever parts a model has, each of which does its task, so that a caption can be read once,
    and a picture seen after every stage:

    "read"   words (B, T), lengths (B,) -> words (B, sentence, T), sentence (B, sentence)
    "begin"  noise, sentence, chance -> hidden, picture or None
    "grow"   stage, hidden, sentence, words, hide, strength -> hidden, picture or None, attention
    "see"    photo -> regions, picture
    "table"  -> what stands for each word of the vocabulary (words, word)
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.words:
            self.text_encoder = TextEncoder(config)
        if config.stages:
            self.generator = Generator(config)
        if config.widths:
            self.image_encoder = image_encoder(config)

    def forward(self, task: str, *given: Any) -> Any:
        if task == "read":
            return self.text_encoder(*given)
        if task == "see":
            return self.image_encoder(*given)
        if task == "table":
            return self.text_encoder.encoder.weight
        if task == "begin":
            hidden, _, _ = self.generator.begun(*given)
            return hidden, self.generator.picture(1, hidden)
        stage, hidden, *said = given
        hidden, share = self.generator.grown(stage, hidden, Said(*said))
        return hidden, self.generator.picture(stage, hidden), share


def image_encoder(config: Config) -> nn.Module:
    """photo (B, 3, H, W) in [-1, 1] -> regions (B, sentence, h, w), picture (B, sentence)."""
    if config.inception:
        return Inception(config.sentence, config.aligned)
    return Regions(config.widths, config.sentence, config.side)


# ---- discriminators ------------------------------------------------------------------------------


def _down(before: int, after: int, norm: bool) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 4, 2, 1, bias=not norm),
        nn.BatchNorm2d(after) if norm else nn.Identity(),
        nn.LeakyReLU(0.2),
    ]


def _narrow(before: int, after: int, norm: bool) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, 1, 1, bias=not norm),
        nn.BatchNorm2d(after) if norm else nn.Identity(),
        nn.LeakyReLU(0.2),
    ]


class _Head(nn.Module):
    """features (B, 8 width, 4, 4), and for the conditional head a sentence -> logits (B,)."""

    def __init__(self, width: int, sentence: int, norm: bool) -> None:
        super().__init__()
        if sentence:
            self.jointConv = nn.Sequential(*_narrow(8 * width + sentence, 8 * width, norm))
        self.outlogits = nn.Sequential(nn.Conv2d(8 * width, 1, 4, 4))

    def forward(self, seen: Tensor, sentence: Tensor | None = None) -> Tensor:
        if sentence is not None:
            planes = sentence[..., None, None].expand(-1, -1, *seen.shape[2:])
            seen = self.jointConv(torch.cat((seen, planes), 1))
        return self.outlogits(seen).flatten()


class Discriminator(nn.Module):
    """picture (B, 3, size, size) in [-1, 1] and sentences -> logits; see forward."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        w, norm = config.width, config.norm
        first = [nn.Conv2d(3, w, 4, 2, 1, bias=not norm), nn.LeakyReLU(0.2)]
        for level in range(3):
            first += _down(w * 2**level, w * 2 ** (level + 1), norm)
        self.img_code_s16 = nn.Sequential(*first)
        self.parts = ["img_code_s16"]
        if config.size >= 128:
            self._add("img_code_s32", _down(8 * w, 16 * w, norm))
        if config.size >= 256:
            self._add("img_code_s64", _down(16 * w, 32 * w, norm))
            self._add("img_code_s64_1", _narrow(32 * w, 16 * w, norm))
            self._add("img_code_s64_2", _narrow(16 * w, 8 * w, norm))
        elif config.size >= 128:
            self._add("img_code_s32_1", _narrow(16 * w, 8 * w, norm))
        self.UNCOND_DNET = _Head(w, 0, norm)
        self.COND_DNET = _Head(w, config.sentence, norm)

    def _add(self, name: str, layers: list[nn.Module]) -> None:
        self.add_module(name, nn.Sequential(*layers))
        self.parts.append(name)

    def seen(self, picture: Tensor) -> Tensor:
        """Features (B, 8 width, 4, 4)."""
        for name in self.parts:
            picture = self.get_submodule(name)(picture)
        return picture

    def forward(self, picture: Tensor, *sentences: Tensor) -> tuple[Tensor, ...]:
        """Logits: whether it is a photo (B,), then for each of the sentences (n, sentence), n <= B,
        whether the first n pictures show what it says."""
        seen = self.seen(picture)
        told = [self.COND_DNET(seen[: len(s)], s) for s in sentences]
        return self.UNCOND_DNET(seen), *told
