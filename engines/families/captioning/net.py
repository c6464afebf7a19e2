"""Captioners: an encoder that turns a picture into a grid of features, a decoder that says one word
after another, and the beam search over what it could say.

The attending decoder is that of Xu et al. 2015, "Show, Attend and Tell", under the key names of the
best known PyTorch code; the other is Vinyals et al. 2015, "Show and Tell".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.families.captioning.config import Config

State = tuple[Tensor, Tensor]  # of an LSTM
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours
PATIENCE = 0.7  # how far longer captions are excused for their lower score (Wu et al. 2016)


class Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016), perhaps of half the side."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.short = nn.Sequential()
        if stride > 1 or before != width:
            pool: list[nn.Module] = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
            self.short = nn.Sequential(
                *pool, nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.main(x) + self.short(x))


class Encoder(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> a grid (B, channels, h, w): ours has 1 / 16 of the sides for four
    widths, torchvision's 1 / 32, or `cells` each way where they are given."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.cells = config.cells
        self.own = config.encoder == "own"
        if self.own:
            self.stem, self.stages = _stem(config.widths[0]), _stages(config.widths)
        else:
            self.features = _from_torchvision(config.encoder)
            for name, told in (("mean", MEAN), ("deviation", DEVIATION)):
                self.register_buffer(name, torch.tensor(told).view(3, 1, 1), persistent=False)
        if config.kind == "show":
            self.linear = nn.Linear(config.channels, config.embed)
            if config.norm:
                self.bn = nn.BatchNorm1d(config.embed, momentum=0.01)

    def forward(self, photo: Tensor) -> Tensor:
        if self.own:
            grid = self.stages(self.stem(photo))
        else:
            grid = self.features(((photo + 1) / 2 - self.mean) / self.deviation)
        return F.adaptive_avg_pool2d(grid, self.cells) if self.cells else grid

    def whole(self, grid: Tensor) -> Tensor:
        """(B, channels, h, w) -> the vector (B, embed) that a "show" decoder is given."""
        vector = self.linear(grid.mean((2, 3)))
        return self.bn(vector) if hasattr(self, "bn") else vector


def _stem(width: int) -> nn.Sequential:
    first = nn.Conv2d(3, width, 3, 2, 1, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _stages(widths: tuple[int, ...]) -> nn.Sequential:
    blocks: list[nn.Module] = [Residual(widths[0], widths[0], 1)]
    for before, width in pairwise(widths):
        blocks += [Residual(before, width, 2), Residual(width, width, 1)]
    return nn.Sequential(*blocks)


def _from_torchvision(name: str) -> nn.Module:
    """The layers before the classifier, numbered as in nn.Sequential(*children)."""
    from torchvision import models

    if "vgg" in name:
        vgg = models.get_model(name, weights=None, init_weights=False)
        return nn.Sequential(*vgg.get_submodule("features").children())
    return nn.Sequential(*list(models.get_model(name, weights=None).children())[:-2])


class Attention(nn.Module):
    """How much each cell of the grid matters for the next word: additive attention, of sum one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder_att = nn.Linear(config.channels, config.attention)
        self.decoder_att = nn.Linear(config.hidden, config.attention)
        self.full_att = nn.Linear(config.attention, 1)

    def forward(self, keys: Tensor, hidden: Tensor) -> Tensor:
        """keys (B, cells, attention): `encoder_att` of the grid -> shares (B, cells)."""
        alike = F.relu(keys + self.decoder_att(hidden)[:, None])
        return self.full_att(alike)[..., 0].float().softmax(1)


@dataclass
class Seen:
    """What a decoder knows of pictures: grid and keys (B, cells, ...), of which "show" has none,
    and its state."""

    grid: Tensor
    keys: Tensor
    state: State

    def picked(self, rows: Tensor) -> Seen:
        """The same for a selection (B',) of the rows."""
        h, c = self.state
        across = 1 if h.ndim == 3 else 0  # nn.LSTM has its layers first
        state = (h.index_select(across, rows), c.index_select(across, rows))
        if len(self.grid) == 1:
            return Seen(
                self.grid.expand(len(rows), -1, -1), self.keys.expand(len(rows), -1, -1), state
            )
        return Seen(self.grid[rows], self.keys[rows], state)


class AttendingDecoder(nn.Module):
    """Xu et al. 2015, soft attention with the gate beta."""

    def __init__(self, config: Config, dropout: float = 0.5) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.embedding = nn.Embedding(config.words, config.embed)
        self.dropout = nn.Dropout(dropout)
        self.decode_step = nn.LSTMCell(config.embed + config.channels, config.hidden)
        self.init_h = nn.Linear(config.channels, config.hidden)
        self.init_c = nn.Linear(config.channels, config.hidden)
        self.f_beta = nn.Linear(config.hidden, config.channels)
        self.fc = nn.Linear(config.hidden, config.words)

    def look(self, grid: Tensor) -> Seen:
        """grid (B, channels, h, w)"""
        cells = grid.flatten(2).transpose(1, 2)
        mean = cells.mean(1)
        state = (self.init_h(mean), self.init_c(mean))
        return Seen(cells, self.attention.encoder_att(cells), state)

    def step(self, word: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
        """Embedded words (B, embed) -> hidden (B, hidden), attention (B, cells), what is known
        now."""
        hidden = seen.state[0]
        shares = self.attention(seen.keys, hidden)
        looked = torch.einsum("bc,bcd->bd", shares.to(seen.grid.dtype), seen.grid)
        looked = torch.sigmoid(self.f_beta(hidden)) * looked
        joined = torch.cat((word.to(looked.dtype), looked), 1)
        with torch.autocast(joined.device.type, enabled=False):
            kind = self.decode_step.weight_ih.dtype
            h, c = (s.to(kind) for s in seen.state)
            state = self.decode_step(joined.to(kind), (h, c))
        return state[0], shares, Seen(seen.grid, seen.keys, state)

    def forward(self, grid: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: words (B, T) that were said -> logits (B, T, words) of what comes after
        each, attention (B, T, cells) for it."""
        seen = self.look(grid)
        hiddens, shares = [], []
        for word in self.dropout(self.embedding(words)).unbind(1):
            hidden, share, seen = self.step(word, seen)
            hiddens.append(hidden)
            shares.append(share)
        return self.fc(self.dropout(torch.stack(hiddens, 1))), torch.stack(shares, 1)

    def say(self, words: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
        """The last words (B,) -> log-probabilities (B, words) of the next ones, attention."""
        hidden, shares, seen = self.step(self.embedding(words), seen)
        return self.fc(hidden).float().log_softmax(1), shares, seen


class LateDecoder(nn.Module):
    """Global attention after the LSTM's step (Luong et al. 2015) by scaled dot products: what was
    said tells where to look, and both tell the next word. All words of a caption are computed at
    once in training."""

    def __init__(self, config: Config, dropout: float = 0.5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.words, config.embed)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(config.embed, config.hidden, batch_first=True)
        self.init_h = nn.Linear(config.channels, config.hidden)
        self.init_c = nn.Linear(config.channels, config.hidden)
        self.key = nn.Linear(config.channels, config.attention)
        self.query = nn.Linear(config.hidden, config.attention)
        self.merge = nn.Linear(config.hidden + config.channels, config.hidden)
        self.fc = nn.Linear(config.hidden, config.words)

    def look(self, grid: Tensor) -> Seen:
        """grid (B, channels, h, w)"""
        cells = grid.flatten(2).transpose(1, 2)
        mean = cells.mean(1)
        return Seen(cells, self.key(cells), (self.init_h(mean)[None], self.init_c(mean)[None]))

    def _told(self, words: Tensor, seen: Seen) -> tuple[Tensor, Tensor, State]:
        """Words that were said (B, T) -> logits (B, T, words), attention (B, T, cells), state."""
        given = self.dropout(self.embedding(words))
        with torch.autocast(given.device.type, enabled=False):
            kind = next(self.lstm.parameters()).dtype
            h, c = (s.to(kind).contiguous() for s in seen.state)
            hidden, state = self.lstm(given.to(kind), (h, c))
        alike = self.query(hidden) @ seen.keys.transpose(1, 2)
        shares = (alike.float() * self.key.out_features**-0.5).softmax(2)
        looked = shares.to(seen.grid.dtype) @ seen.grid
        merged = torch.tanh(self.merge(torch.cat((hidden.to(looked.dtype), looked), 2)))
        return self.fc(self.dropout(merged)), shares, state

    def forward(self, grid: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """As AttendingDecoder."""
        logits, shares, _ = self._told(words, self.look(grid))
        return logits, shares

    def say(self, words: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
        logits, shares, state = self._told(words[:, None], seen)
        chances = logits[:, 0].float().log_softmax(1)
        return chances, shares[:, 0], Seen(seen.grid, seen.keys, state)


class ShowDecoder(nn.Module):
    """Vinyals et al. 2015: the picture is the first word that the LSTM is given, then it speaks."""

    def __init__(self, config: Config, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.words, config.embed)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(config.embed, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, config.words)

    def look(self, vector: Tensor) -> Seen:
        """vector (B, embed)"""
        _, state = self.lstm(vector[:, None])
        nothing = vector.new_zeros((len(vector), 0, 0))
        return Seen(nothing, nothing, state)

    def forward(self, vector: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """As AttendingDecoder, with attention of no cells."""
        given = torch.cat((vector[:, None], self.dropout(self.embed(words))), 1)
        hiddens, _ = self.lstm(given)
        return self.linear(self.dropout(hiddens[:, 1:])), vector.new_zeros((*words.shape, 0))

    def say(self, words: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
        hidden, state = self.lstm(self.embed(words)[:, None], seen.state)
        chances = self.linear(hidden[:, 0]).float().log_softmax(1)
        return chances, chances.new_zeros((len(words), 0)), Seen(seen.grid, seen.keys, state)


class Captioner(nn.Module):
    def __init__(self, config: Config, dropout: float = 0.5) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        kinds = {"attend": AttendingDecoder, "late": LateDecoder, "show": ShowDecoder}
        self.decoder = kinds[config.kind](config, dropout)

    def seen(self, photo: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Photos (B, 3, H, W) in [-1, 1] -> what the decoder is given of them, and (h, w) of the
        grid."""
        grid = self.encoder(photo)
        given = self.encoder.whole(grid) if self.config.kind == "show" else grid
        return given, (grid.shape[2], grid.shape[3])

    def taught(self, photo: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (B, 3, H, W) in [-1, 1] and captions (B, T) -> logits (B, T + 1, words) of every
        word and of the end, attention (B, T + 1, cells)."""
        start = words.new_full((len(words), 1), self.config.start)
        return self.decoder(self.seen(photo)[0], torch.cat((start, words), 1))

    def forward(self, photo: Tensor, beams: int = 5, longest: int = 0) -> dict[str, Any]:
        """The captions of a photo (1, 3, H, W) that the beam search holds for best; see `beam`."""
        given, grid = self.seen(photo)
        found = beam(self.decoder, self.config, self.decoder.look(given), beams, longest)
        return {"captions": found, "grid": grid}


@dataclass
class Said:
    """A caption while it grows, or whole: numbers of its words, log-probability of each (and of
    the end), attention (cells,) for each."""

    words: tuple[int, ...]
    chances: tuple[float, ...]
    attention: tuple[Tensor, ...]

    @property
    def score(self) -> float:
        """Mean log-probability, longer captions excused."""
        return sum(self.chances) / len(self.chances) ** PATIENCE


def beam(decoder: Any, config: Config, seen: Seen, beams: int, longest: int = 0) -> list[Said]:
    """The best captions, best first, at most `beams`: at every step the `beams` likeliest
    continuations of all are kept, those that say their end are put aside (Sutskever et al. 2014).
    """
    device = seen.state[0].device
    alive, done = [Said((), (), ())], list[Said]()
    for _ in range(longest or config.longest):
        last = [s.words[-1] if s.words else config.start for s in alive]
        chances, shares, seen = decoder.say(torch.tensor(last, device=device), seen)
        chances = _allowed(chances, config, first=not alive[0].words)
        alive, rows, ended = _grown(alive, chances, shares, config, beams)
        done += ended
        if not alive or len(done) >= 2 * beams:
            break
        seen = seen.picked(torch.tensor(rows, device=device))
    if not done:
        done = alive  # it found no end in time: what it has said by then
    return sorted(done, key=lambda said: -said.score)[:beams]


def _allowed(chances: Tensor, config: Config, first: bool) -> Tensor:
    """Without the signs that no caption holds, and without an end before the first word."""
    banned = [n for n in config.signs if n != config.end or first]
    if not banned:
        return chances
    return chances.index_fill(1, torch.tensor(banned, device=chances.device), -torch.inf)


def _grown(
    alive: list[Said], chances: Tensor, shares: Tensor, config: Config, beams: int
) -> tuple[list[Said], list[int], list[Said]]:
    """The captions one word longer, from which row each comes, and those that are whole."""
    before = torch.tensor([sum(s.chances) for s in alive], device=chances.device)
    total = (before[:, None] + chances).flatten()
    best = total.topk(min(2 * beams, len(total)))
    each = chances.flatten()[best.indices].tolist()
    longer, rows, ended = list[Said](), list[int](), list[Said]()
    for place, chance in zip(best.indices.tolist(), each):
        if chance == -torch.inf or len(longer) == beams:
            continue
        row, word = divmod(place, chances.shape[1])
        said = alive[row]
        if word == config.end:
            ended.append(Said(said.words, (*said.chances, chance), said.attention))
        else:
            attention = (*said.attention, shares[row])
            longer.append(Said((*said.words, word), (*said.chances, chance), attention))
            rows.append(row)
    return longer, rows, ended
