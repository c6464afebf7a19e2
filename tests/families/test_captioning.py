"""Captioners: the two decoders against their formulas, the beam search against all captions, files
of the projects that people know, and a training that learns words."""

from __future__ import annotations

import itertools
import json
import math
import os
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines import captionscore, checkpoint, doctor, scenes, training, vocabulary
from engines.checkpoint import CheckpointError, open_checkpoint
from engines.engine import Engine
from engines.errors import EngineError
from engines.families import captioning
from engines.families.captioning import config as configs
from engines.families.captioning.config import Config
from engines.families.captioning.net import PATIENCE, Captioner, Said
from engines.family import candidates, families
from engines.job import Job, Picture, Result

WORDS = ("<pad>", "<start>", "<end>", "<unk>", "a", "red", "blue", "hat", "shoe")
SIGNS: dict[str, Any] = {"start": 1, "end": 2, "unknown": 3, "padding": 0}


def attending(**changes: Any) -> Config:
    told = {"vocabulary": WORDS, "widths": (4, 6, 8), "embed": 5, "attention": 7, "hidden": 6,
            "size": (24, 32), "longest": 4, **SIGNS, **changes}  # fmt: skip
    return Config("attend", len(WORDS), **told)


def showing(**changes: Any) -> Config:
    told = {"vocabulary": WORDS, "widths": (4, 6), "embed": 5, "hidden": 6, "layers": 2,
            "size": (16, 16), "longest": 4, **SIGNS, **changes}  # fmt: skip
    return Config("show", len(WORDS), **told)


def looking_late(**changes: Any) -> Config:
    return replace(attending(**changes), kind="late")


def net(config: Config, seed: int = 0, scale: float = 3.0) -> Captioner:
    """With weights large enough that captions differ."""
    torch.manual_seed(seed)
    made = Captioner(config).eval()
    with torch.no_grad():
        for name, weight in made.decoder.named_parameters():
            if weight.ndim > 1 and "embed" not in name:
                weight.mul_(scale)
    return made


def photo(seed: int = 0, size: tuple[int, int] = (24, 32)) -> Tensor:
    return (
        torch.rand((1, 3, size[1], size[0]), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    )


# ---- formulas ------------------------------------------------------------------------------------


def test_the_attending_decoder_is_that_of_the_paper() -> None:
    """One word after another in plain formulas (Xu et al. 2015, 3.1 and 4.2, with its gate)."""
    made = net(attending())
    decoder, w = made.decoder, dict(made.decoder.state_dict())
    grid = torch.randn(2, 8, 2, 3, generator=torch.Generator().manual_seed(1))
    words = torch.tensor([[1, 4, 5], [1, 7, 8]])
    with torch.no_grad():
        logits, attention = decoder(grid, words)
    for row in range(2):
        a = grid[row].flatten(1).T
        h = w["init_h.weight"] @ a.mean(0) + w["init_h.bias"]
        c = w["init_c.weight"] @ a.mean(0) + w["init_c.bias"]
        for t, word in enumerate(words[row]):
            keys = a @ w["attention.encoder_att.weight"].T + w["attention.encoder_att.bias"]
            query = w["attention.decoder_att.weight"] @ h + w["attention.decoder_att.bias"]
            e = F.relu(keys + query) @ w["attention.full_att.weight"][0]
            alpha = (e + w["attention.full_att.bias"]).exp()
            alpha = alpha / alpha.sum()
            z = torch.sigmoid(w["f_beta.weight"] @ h + w["f_beta.bias"]) * (alpha @ a)
            x = torch.cat((w["embedding.weight"][word], z))
            gates = w["decode_step.weight_ih"] @ x + w["decode_step.bias_ih"]
            gates = gates + w["decode_step.weight_hh"] @ h + w["decode_step.bias_hh"]
            i, f, g, o = gates.chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            assert torch.allclose(attention[row, t], alpha, atol=1e-5)
            assert torch.allclose(logits[row, t], w["fc.weight"] @ h + w["fc.bias"], atol=1e-4)


@pytest.mark.parametrize(
    "config", [attending(), looking_late(), showing()], ids=["attend", "late", "show"]
)
def test_saying_word_by_word_is_teaching_them_together(config: Config) -> None:
    made, words = net(config), torch.tensor([[4, 5, 7]])
    with torch.no_grad():
        logits, attention = made.taught(photo(), words)
        given, _ = made.seen(photo())
        seen = made.decoder.look(given)
        for t, word in enumerate((config.start, 4, 5, 7)):
            chances, shares, seen = made.decoder.say(torch.tensor([word]), seen)
            assert torch.allclose(chances, logits[:, t].log_softmax(1), atol=1e-5)
            assert torch.allclose(shares, attention[:, t], atol=1e-6)


def test_attention_sums_to_one_over_the_grid() -> None:
    found = net(attending())(photo(), beams=2)
    assert found["grid"] == (4, 3)
    for said in found["captions"]:
        assert all(math.isclose(float(a.sum().detach()), 1, abs_tol=1e-5) for a in said.attention)
        assert len(said.attention) == len(said.words)


def test_the_late_decoder_looks_after_its_step() -> None:
    """In plain formulas (Luong et al. 2015, 3.1, dot products scaled)."""
    made = net(looking_late())
    decoder, w = made.decoder, dict(made.decoder.state_dict())
    grid = torch.randn(1, 8, 2, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, attention = decoder(grid, torch.tensor([[1, 4, 5]]))
    a = grid[0].flatten(1).T
    h = w["init_h.weight"] @ a.mean(0) + w["init_h.bias"]
    c = w["init_c.weight"] @ a.mean(0) + w["init_c.bias"]
    for t, word in enumerate((1, 4, 5)):
        gates = w["lstm.weight_ih_l0"] @ w["embedding.weight"][word] + w["lstm.bias_ih_l0"]
        i, f, g, o = (gates + w["lstm.weight_hh_l0"] @ h + w["lstm.bias_hh_l0"]).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        keys = a @ w["key.weight"].T + w["key.bias"]
        alpha = (keys @ (w["query.weight"] @ h + w["query.bias"]) / 7**0.5).softmax(0)
        merged = (w["merge.weight"] @ torch.cat((h, alpha @ a)) + w["merge.bias"]).tanh()
        assert torch.allclose(attention[0, t], alpha, atol=1e-5)
        assert torch.allclose(logits[0, t], w["fc.weight"] @ merged + w["fc.bias"], atol=1e-4)


@pytest.mark.parametrize("size", [(22, 30), (17, 43), (1, 3)])
def test_sides_need_not_be_multiples_of_anything(size: tuple[int, int]) -> None:
    found = net(looking_late())(photo(0, size), beams=2)
    assert found["grid"] == tuple(-(-side // 8) for side in (size[1], size[0]))


# ---- beam search ---------------------------------------------------------------------------------


def every_caption(made: Captioner, config: Config) -> list[tuple[float, tuple[int, ...]]]:
    """Score and words of every caption that ends in time, by trying all."""
    words = [n for n in range(config.words) if n not in config.signs]
    found = []
    for length in range(1, config.longest):
        for told in itertools.product(words, repeat=length):
            with torch.no_grad():
                logits, _ = made.taught(photo(), torch.tensor([told]))
            chances = logits[0].log_softmax(1)
            wanted = (*told, config.end)
            total = sum(float(chances[t, word]) for t, word in enumerate(wanted))
            found.append((total / len(wanted) ** PATIENCE, told))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(
    "config", [attending(), looking_late(), showing()], ids=["attend", "late", "show"]
)
def test_a_wide_beam_finds_the_best_of_all_captions(config: Config) -> None:
    made = net(config)
    best = every_caption(made, config)[0]
    with torch.no_grad():
        found = made(photo(), beams=200)["captions"]
    assert found[0].words == best[1]
    assert math.isclose(found[0].score, best[0], abs_tol=1e-4)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)


def test_no_caption_holds_a_sign_or_is_empty() -> None:
    for seed in range(6):
        config = attending()
        for said in net(config, seed)(photo(seed), beams=5)["captions"]:
            assert said.words
            assert not config.signs & set(said.words)


def test_a_captioner_that_never_ends_is_stopped() -> None:
    config = attending()
    made = net(config)
    with torch.no_grad():
        made.decoder.fc.bias[config.end] = -100
    found = made(photo(), beams=3)["captions"]
    assert {len(s.words) for s in found} == {config.longest}


def test_a_caption_s_score_excuses_length() -> None:
    short, long = Said((4,), (-1.0, -1.0), ()), Said((4, 5, 7), (-1.0,) * 4, ())
    assert short.score > long.score > -2 * 2**0.5
    assert math.isclose(captioning.sureness(long), math.exp(-1))


# ---- through the engine --------------------------------------------------------------------------


def write(config: Config, path: Path, seed: int = 0) -> Path:
    family = families()["captioning"]
    body = {"family": "captioning", "config": family.to_dict(config)}
    checkpoint.save(path, net(config, seed).state_dict(), body)
    return path


def asked(path: Path, **values: Any) -> Result:
    engine = Engine("cpu")
    card = engine.describe(str(path))
    pixels = np.random.default_rng(3).integers(0, 256, (50, 30, 3), dtype=np.uint8)
    job = Job("captioning", card.checkpoint, values, {"photo": Picture(pixels)})
    *_, result = engine.run(job)
    assert isinstance(result, Result)
    return result


def test_a_picture_gets_captions_of_different_text_and_how_sure_they_are(tmp_path: Path) -> None:
    result = asked(write(attending(), tmp_path / "net.safetensors"), alternatives=3)
    assert len(set(result.texts)) == len(result.texts) == 3
    assert all(set(t.split()) <= set(WORDS[4:]) for t in result.texts)
    assert result.notes[0].startswith("Sure to ")
    assert result.notes[0].count("%") == 4


def test_each_word_shows_where_it_looked(tmp_path: Path) -> None:
    result = asked(write(attending(), tmp_path / "net.safetensors"), show="attention")
    assert result.texts[1:] == tuple(result.texts[0].split())
    assert len(result.pictures) == len(result.texts)
    for picture in result.pictures[1:]:
        assert picture.size == result.pictures[0].size
        assert (picture.pixels <= result.pictures[0].pixels).all()


def test_a_net_without_attention_says_so(tmp_path: Path) -> None:
    result = asked(write(showing(), tmp_path / "net.safetensors"), show="attention")
    assert captioning.BLIND in result.notes
    assert len(result.pictures) == len(result.texts) == 1


def test_attention_lies_where_the_photo_lies_in_the_padded_picture() -> None:
    where = np.zeros((8, 8), np.float32)
    where[:4] = 1  # the upper half of a square; a wide photo lies in its middle
    config = attending(size=(64, 64))
    seen = captioning.looked(Picture(np.full((16, 64, 3), 200, np.uint8)), where, config)
    assert seen.pixels[:4].mean() > 150
    assert seen.pixels[-4:].mean() < 60


def test_weights_without_a_vocabulary_are_refused_when_asked(tmp_path: Path) -> None:
    torch.save(net(attending()).state_dict(), tmp_path / "captioner.pth")
    with pytest.raises(EngineError, match="no vocabulary tells their words"):
        asked(tmp_path / "captioner.pth")


# ---- other people's files ------------------------------------------------------------------------


def resnet() -> nn.Module:
    from torchvision import models

    return nn.Sequential(*list(models.resnet18(weights=None).children())[:-2])


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "vgg13", "vgg16_bn", "vgg19"])
def test_backbones_go_by_torchvision_s_names(name: str) -> None:
    with torch.device("meta"):
        made = Captioner(attending(encoder=name, widths=(512,)))
    shapes = {k: tuple(v.shape) for k, v in made.encoder.features.state_dict().items()}
    known, channels = configs.known_encoder(shapes)
    assert known == name
    assert made.encoder(torch.empty((1, 3, 64, 64), device="meta")).shape[1] == channels


def yunjey(folder: Path, vocabulary: tuple[str, ...] = WORDS) -> Path:
    """encoder-5-3000.pkl, decoder-5-3000.pkl and vocab.pkl as the tutorial saves them."""
    folder.mkdir()
    torch.manual_seed(0)
    encoder = nn.Module()
    encoder.resnet = nn.Sequential(*resnet(), nn.AdaptiveAvgPool2d(1))
    encoder.linear, encoder.bn = nn.Linear(512, 5), nn.BatchNorm1d(5)
    decoder = nn.Module()
    decoder.embed, decoder.lstm = nn.Embedding(len(WORDS), 5), nn.LSTM(5, 6, 1, batch_first=True)
    decoder.linear = nn.Linear(6, len(WORDS))
    torch.save(encoder.state_dict(), folder / "encoder-5-3000.pkl")
    torch.save(decoder.state_dict(), folder / "decoder-5-3000.pkl")
    pickled(folder / "vocab.pkl", vocabulary)
    return folder


def pickled(path: Path, words: tuple[str, ...]) -> None:
    """A Vocabulary object of a module that nobody has."""
    module = types.ModuleType("build_vocab")
    kind = type("Vocabulary", (), {"__module__": "build_vocab"})
    module.Vocabulary = kind  # type: ignore[attr-defined]
    made = kind()
    made.word2idx = {w: n for n, w in enumerate(words)}
    made.idx2word = dict(enumerate(words))
    made.idx = len(words)
    sys.modules["build_vocab"] = module
    try:
        path.write_bytes(pickle.dumps(made))
    finally:
        del sys.modules["build_vocab"]


def test_the_tutorial_s_three_files_are_one_captioner(tmp_path: Path) -> None:
    folder = yunjey(tmp_path / "tutorial")
    verdict = doctor.inspect(folder)
    assert (verdict.kind, verdict.family) == ("model", "captioning")
    assert verdict.network == "resnet18, LSTM, 5 words"
    assert "Its words are those of vocab.pkl." in verdict.notes
    (family, config), *_ = candidates(open_checkpoint(folder))
    assert (config.start, config.end, config.unknown, config.padding) == (1, 2, 3, 0)
    module, _ = family.load(config, open_checkpoint(folder))
    kept = torch.load(folder / "encoder-5-3000.pkl", weights_only=True)
    assert torch.equal(module.state_dict()["encoder.features.7.1.conv2.weight"],
                       kept["resnet.7.1.conv2.weight"])  # fmt: skip
    assert set(asked(folder).texts[0].split()) <= set(WORDS[4:])


@pytest.mark.parametrize("part", ["encoder-5-3000.pkl", "decoder-5-3000.pkl", "vocab.pkl"])
def test_a_part_alone_says_what_it_is_and_where_it_belongs(part: str, tmp_path: Path) -> None:
    words = (*WORDS, *(f"word{n}" for n in range(20)))
    verdict = doctor.inspect(yunjey(tmp_path / "tutorial", words) / part)
    assert (verdict.kind, verdict.family) == ("other", "captioning")
    assert "folder" in verdict.message


def test_a_vocabulary_of_another_training_is_refused_with_both_sizes(tmp_path: Path) -> None:
    folder = yunjey(tmp_path / "tutorial", (*WORDS, "coat", "scarf"))
    verdict = doctor.inspect(folder)
    assert verdict.kind == "refused"
    assert "says 9 words" in verdict.message
    assert "vocab.pkl has 11" in verdict.message


def test_a_captioner_alone_asks_for_its_vocabulary(tmp_path: Path) -> None:
    folder = yunjey(tmp_path / "tutorial")
    (folder / "vocab.pkl").unlink()
    verdict = doctor.inspect(folder)
    assert verdict.kind == "refused"
    assert "put its vocabulary" in verdict.message


class Whole(nn.Module):
    """Pickled whole, as the other tutorial does."""


def sgrvinod(folder: Path, words: dict[str, int]) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    encoder, decoder = Whole(), Whole()
    encoder.resnet, encoder.adaptive_pool = resnet(), nn.AdaptiveAvgPool2d(14)
    like = net(attending(encoder="resnet18", widths=(512,), vocabulary=())).decoder
    for name, part in like.named_children():
        setattr(decoder, name, part)
    file = folder / "BEST_checkpoint_coco.pth.tar"
    optimiser = torch.optim.Adam(decoder.parameters())
    body = {"epoch": 3, "bleu-4": 0.2, "encoder": encoder, "decoder": decoder,
            "encoder_optimizer": None, "decoder_optimizer": optimiser}  # fmt: skip
    torch.save(body, file)
    (folder / "WORDMAP_coco.json").write_text(json.dumps(words))
    return file


def wordmap(*extra: str) -> dict[str, int]:
    """Some words from 1 on, the signs behind them, the padding 0."""
    plain = ("a", "red", "blue", "hat", "shoe", *extra)
    words = {w: n for n, w in enumerate(plain, 1)}
    for sign in ("<unk>", "<start>", "<end>"):
        words[sign] = len(words) + 1
    return {**words, "<pad>": 0}


def test_a_whole_module_with_its_word_map_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "FEWEST", 4)
    file = sgrvinod(tmp_path / "attend", wordmap())
    verdict = doctor.inspect(file)
    assert (verdict.kind, verdict.family) == ("model", "captioning"), verdict.message
    (_, config), *_ = candidates(open_checkpoint(file))
    assert (config.kind, config.encoder, config.cells) == ("attend", "resnet18", 14)
    assert (config.start, config.end) == (7, 8)
    result = asked(file, show="attention")
    assert set(result.texts[0].split()) <= {"a", "red", "blue", "hat", "shoe"}
    assert len(result.pictures) == 1 + len(result.texts[0].split())


def test_a_word_map_without_its_signs_is_refused_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "FEWEST", 4)
    plain = {w: n for w, n in wordmap().items() if not w.startswith("<")}
    verdict = doctor.inspect(sgrvinod(tmp_path / "attend", plain))
    assert verdict.kind == "refused"
    assert "without its special words <start>, <end> and <unk>" in verdict.message


def test_a_word_map_of_another_size_is_refused_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "FEWEST", 4)
    verdict = doctor.inspect(sgrvinod(tmp_path / "attend", wordmap("coat")))
    assert verdict.kind == "refused"
    assert "says 9 words" in verdict.message
    assert "WORDMAP_coco.json has 10" in verdict.message


REAL = Path(os.environ.get("GANVAS_WEIGHTS", "../shared/weights")) / "captioning"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real vocabularies (GANVAS_WEIGHTS)")


@real
@pytest.mark.parametrize(
    ("file", "signs"),
    [
        ("udacity_vocab.pkl", ("<start>", "<end>", "<unk>")),
        ("coco_vocab_p5.pkl", ("<start>", "<end>", "<unk>")),
        ("flickr_vocab_main.pkl", ("<SOS>", "<EOS>", "<UNK>")),
    ],
)
def test_real_vocabularies_are_read(file: str, signs: tuple[str, ...]) -> None:
    found = vocabulary.read(REAL / file)
    assert tuple(found.words[n] for n in (found.start, found.end, found.unknown)) == signs
    assert len(found.words) > 2000


@real
def test_a_real_word_map_without_its_signs_is_refused() -> None:
    path = REAL / "WORDMAP_coco_5_cap_per_img_5_min_word_freq.json"
    with pytest.raises(CheckpointError, match="9,486 words without its special words"):
        vocabulary.read(path)


# ---- training ------------------------------------------------------------------------------------


def recipe(steps: int) -> training.Recipe:
    stage = training.Stage(steps, (32, 32), 24, 6e-3, 5e-4)
    network = {"widths": [12, 16, 24], "embed": 16, "attention": 16, "hidden": 48, "dropout": 0.0}
    losses = {"hide": 0.0, "forget": 0.0, "smooth": 0.0, "turn": 0.0, "zoom": 0.0, "light": 0.0}
    return training.Recipe("tiny", "captioning.train:CaptionTrainer", (stage,), {}, network, losses,
                           ema=0.9)  # fmt: skip


def test_a_training_learns_words_and_its_file_says_them(tmp_path: Path) -> None:
    data = scenes.drawn(200, (32, 32), pair=0.0, longest=9)
    *_, result = training.train(recipe(40), tmp_path, data, "cpu")
    assert isinstance(result, Result)
    last = (tmp_path / "losses.csv").read_text().splitlines()[-1].split(",")
    assert float(last[1]) < 0.55 * math.log(len(data.vocabulary))
    engine = Engine("cpu")
    card = engine.describe(result.texts[0])
    said = Job("captioning", card.checkpoint, {}, {"photo": Picture(data.photos[0])})
    *_, told = engine.run(said)
    assert isinstance(told, Result)
    assert set(told.texts[0].split()) <= set(scenes.vocabulary())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif("GANVAS_LONG" not in os.environ, reason="a minute of training; set GANVAS_LONG")
def test_a_longer_training_says_what_new_pictures_show(tmp_path: Path) -> None:
    """About 100 seconds of one core, by `ganvas train caption-shapes`: colour and shape are right
    in new pictures, and the colour also in pictures of shapes never seen in that colour."""
    path = Path(__file__).parents[2] / "resources" / "recipes" / "caption-shapes.toml"
    *_, result = training.train_file(path, tmp_path, tmp_path / "run", "cpu")
    assert isinstance(result, Result)
    net = captionscore.load(Path(result.texts[0]))
    shapes = training.load_recipe(path).data["shapes"]
    right = {split: agreed(net, split, shapes) for split in ("train", "test")}
    assert min(right["train"]) >= 0.95, right
    assert right["test"][0] >= 0.95, right


def agreed(net: Captioner, split: str, shapes: list[str]) -> tuple[float, float]:
    """Shares of new pictures whose colour, and whose shape, is said."""
    held = scenes.drawn(300, (32, 32), seed=5, split=split, pair=0.0, shapes=shapes)
    said = captionscore.told_by(net, held.photos)
    pairs = [(scenes.parse(a).things[0], scenes.parse(b[0]).things[0])
             for a, b in zip(said, held.captions)]  # fmt: skip
    return (
        float(np.mean([a.colour == b.colour for a, b in pairs])),
        float(np.mean([a.shape == b.shape for a, b in pairs])),
    )
