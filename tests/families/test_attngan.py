"""AttnGAN on the engine's side: bundles of official files, captions and their unknown words, word
weights, attention, ranking, strips, matching."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint
from engines.controls import Text
from engines.doctor import inspect
from engines.engine import Engine
from engines.errors import EngineError
from engines.families.attngan import words
from engines.families.attngan.config import Config, from_dict, recognise
from engines.families.attngan.net import AttnGAN
from engines.job import Event, Job, Picture, Preview, Progress, Result

VOCABULARY = ("<end>", "a", "red", "blue", "long-sleeved", "top", "bird", "wings", "with")
CONFIG = Config(
    VOCABULARY, len(VOCABULARY), 6, 8, condition=3, noise=4, width=2, stages=2, residuals=1,
    widths=(4, 6, 8, 10), side=32, hyphens=True,
)  # fmt: skip


def ours(path: Path, config: Config = CONFIG) -> Path:
    torch.manual_seed(0)
    module = AttnGAN(config)
    for norm in module.modules():  # so that what it paints is told by what it is given
        if isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 3.0)
            torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    body = {"family": "attngan", "config": {**config.__dict__}}
    checkpoint.save(path, module.state_dict(), body)
    return path


def official(folder: Path, config: Config, table: dict[Any, Any] | None = None) -> Path:
    """The files as the official code and its readers lay them out."""
    folder.mkdir()
    module = AttnGAN(config)
    names = {"text_encoder": "text_encoder200", "generator": "bird_AttnGAN2",
             "image_encoder": "image_encoder200"}  # fmt: skip
    for part, name in names.items():
        if hasattr(module, part):
            state = {
                k: v for k, v in getattr(module, part).state_dict().items()
                if not k.endswith("num_batches_tracked")
            }  # fmt: skip
            torch.save(state, folder / f"{name}.pth")
    if table is None:
        table = dict(enumerate(config.vocabulary))
    words = {word: n for n, word in table.items()}
    body = [[[1, 2, 3]] * 9, [[2, 1]], table, words]
    (folder / "captions.pickle").write_bytes(pickle.dumps(body, 2))
    return folder


def run(path: Path, values: dict[str, Any], seed: int = 0, **images: Picture) -> list[Event]:
    engine = Engine("cpu")
    card = engine.describe(str(path))
    return list(engine.run(Job(card.family, card.checkpoint, values, images, seed=seed)))


def result(path: Path, values: dict[str, Any], seed: int = 0, **images: Picture) -> Result:
    last = run(path, values, seed, **images)[-1]
    assert isinstance(last, Result)
    return last


# ---- captions ------------------------------------------------------------------------------------


def test_tokens_are_the_official_ones() -> None:
    import parity

    manifest, _ = parity.case("attngan/tokenisation_bird")
    config = Config(tuple(manifest["vocabulary"]))
    for row in manifest["rows"]:
        assert list(words.read(row["sentence"], config).numbers) == row["indices"], row["sentence"]
        assert list(words.read(row["sentence"], config).words) == row["kept"]


def test_unknown_words_are_told_with_what_is_like_them() -> None:
    read = words.read("A redd bird, with xylophones", CONFIG)
    assert read.words == ("a", "bird", "with")
    assert read.unknown == (("redd", ("red",)), ("xylophones", ()))
    assert read.notes()[0] == "The model does not know “redd”; it knows red."
    assert read.notes()[1] == "The model does not know “xylophones”."


def test_a_word_that_is_being_typed_is_not_unknown() -> None:
    assert words.read("a red wi", CONFIG).unknown == ()
    assert [word for word, _ in words.read("a red wi ", CONFIG).unknown] == ["wi"]
    assert [word for word, _ in words.read("a wi red", CONFIG).unknown] == ["wi"]


def test_hyphens_hold_words_together_where_the_model_knows_them_so() -> None:
    assert words.read("a long-sleeved top", CONFIG).words == ("a", "long-sleeved", "top")
    assert words.read("a red-blue top", CONFIG).words == ("a", "red", "blue", "top")
    assert words.read("a red-blue top", CONFIG, [1, 0.5]).weights == (1.0, 0.5, 0.5, 1.0)
    assert not words.read("  ", CONFIG).numbers


def test_a_vocabulary_with_hyphens_tells_that_words_hold_them() -> None:
    body = asdict(CONFIG)
    del body["hyphens"]
    assert from_dict(body).hyphens
    assert not from_dict({**body, "vocabulary": ["<end>", "red"]}).hyphens
    assert not from_dict({**body, "hyphens": False}).hyphens


# ---- running -------------------------------------------------------------------------------------


def test_every_stage_is_seen_and_the_last_is_the_result(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    events = run(path, {"caption": "a red bird"})
    assert [type(e) for e in events] == [Preview, Progress, Progress, Result]
    assert isinstance(events[0], Preview) and events[0].picture.size == (64, 64)
    assert isinstance(events[-1], Result) and events[-1].picture.size == (128, 128)
    other = result(path, {"caption": "a blue bird"})
    assert other.pictures != events[-1].pictures and not other.notes
    stages = result(path, {"caption": "a red bird", "output": "stages"})
    assert stages.texts == ("a red bird", "64 px")
    assert stages.pictures == (events[-1].picture, events[0].picture)


def test_each_word_has_a_map_and_they_share_every_place(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    caption = {"caption": "a red bird", "output": "maps"}
    made = result(path, caption)
    assert made.texts == ("a red bird", "a", "red", "bird")
    assert [p.pixels.shape for p in made.pictures] == [(128, 128, 3), *[(128, 128)] * 3]
    assert all(p.pixels.max() == 255 for p in made.pictures[1:])
    lit = result(path, {**caption, "output": "words"})
    assert lit.pictures[0] == made.pictures[0]
    assert (lit.pictures[2].pixels <= made.pictures[0].pixels).all()


def test_nothing_known_still_paints_and_says_so(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    for caption in ("", "qqq"):
        made = result(path, {"caption": caption})
        assert made.picture.size == (128, 128)
        assert "No word of the caption is known" in made.notes[-1]


def test_a_words_weight_leads_from_without_it_to_more_of_it(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    same = result(path, {"caption": "a red bird"})
    assert result(path, {"caption": "a red bird", "weights": "1, 1, 1"}).pictures == same.pictures
    more = result(path, {"caption": "a red bird", "weights": "1, 2"})
    assert more.pictures != same.pictures
    with pytest.raises(EngineError, match="Word weights are numbers with commas between them"):
        run(path, {"caption": "a red bird", "weights": "1, heavy"})


def test_a_weight_of_nothing_leaves_the_word_out_of_sentence_and_attention(tmp_path: Path) -> None:
    from engines.families.attngan import draw

    engine = Engine("cpu")
    path = str(ours(tmp_path / "words.safetensors"))
    model = engine.load(path)
    none = draw.said(model, words.read("a red bird", CONFIG, [1, 0, 1]))
    without = draw.said(model, words.read("a bird", CONFIG))
    assert torch.allclose(none.sentence, without.sentence, atol=1e-6)
    made = draw.Painting()
    list(draw.stages(model, none, draw.chance(model, [0], 1.0), made))
    assert made.attention[0, 1].max() < 1e-4


def test_six_seeds_come_in_the_order_of_how_they_match(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    made = result(path, {"caption": "a red bird", "output": "seeds"}, seed=7)
    seeds = [int(text.split()[1].rstrip(":")) for text in made.texts]
    totals = [float(text.split()[2]) for text in made.texts]
    assert sorted(seeds) == list(range(7, 13)) and totals == sorted(totals, reverse=True)
    alone = result(path, {"caption": "a red bird"}, seed=seeds[0])
    assert [v["seed"] for v in made.values] == seeds
    difference = alone.picture.pixels.astype(int) - made.pictures[0].pixels
    assert np.abs(difference).max() <= 1
    matched = result(path, {"caption": "a red bird", "output": "match"}, photo=made.pictures[0])
    assert matched.texts[0].startswith("a red bird: ") and len(matched.texts) == 4
    assert list(matched.numbers) == ["caption", "total", "word 1", "word 2", "word 3"]
    assert matched.numbers["total"] == pytest.approx(totals[0], abs=0.02)
    assert matched.texts[2] == f"red: {matched.numbers['word 2']:.2f}"


def test_the_strip_begins_and_ends_with_its_captions(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    made = result(path, {"caption": "a red bird", "until": "blue top", "output": "strip"})
    assert made.texts[0] == "0%" and made.texts[-1] == "100%" and len(made.pictures) == 7
    for caption, picture in (("a red bird", made.pictures[0]), ("blue top", made.pictures[-1])):
        alone = result(path, {"caption": caption}).picture
        assert np.abs(alone.pixels.astype(int) - picture.pixels).max() <= 2
    assert made.pictures[3] not in (made.pictures[0], made.pictures[-1])


def test_a_place_on_the_way_to_the_other_caption(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    both = {"caption": "a red bird", "until": "blue top"}
    strip = result(path, {**both, "output": "strip"})
    for n in (0, 3, 6):
        alone = result(path, {**both, **strip.values[n]}).picture
        assert np.abs(alone.pixels.astype(int) - strip.pictures[n].pixels).max() <= 2
    without = result(path, {"caption": "a red bird", "until": " ", "toward": 0.5})
    assert without.picture == result(path, {"caption": "a red bird"}).picture


def test_variety_of_nothing_is_the_same_for_every_seed(tmp_path: Path) -> None:
    path = ours(tmp_path / "words.safetensors")
    made = [result(path, {"caption": "a bird", "variety": 0.0}, seed).pictures for seed in (1, 2)]
    assert made[0] == made[1]


def test_two_encoders_alone_match_pictures(tmp_path: Path) -> None:
    path = ours(tmp_path / "damsm.safetensors", replace(CONFIG, stages=0))
    photo = Picture(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))
    made = result(path, {"caption": "a red bird"}, photo=photo)
    assert made.pictures[0] == photo and len(made.pictures) == 4
    assert all(-1 <= float(text.split(": ")[1]) <= 1 for text in made.texts)
    generator = ours(tmp_path / "words.safetensors")
    with pytest.raises(EngineError, match="Give a picture to match with the caption"):
        run(generator, {"caption": "a bird", "output": "match"})


def test_a_match_tells_the_nearest_words_of_each(tmp_path: Path) -> None:
    path = ours(tmp_path / "damsm.safetensors", replace(CONFIG, stages=0))
    photo = Picture(np.full((40, 30, 3), 90, np.uint8))
    made = result(path, {"caption": "red top"}, photo=photo)
    table = Engine("cpu").load(str(path))("table").detach().numpy()
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    red = VOCABULARY.index("red")
    order = [n for n in np.argsort(-(unit @ unit[red])) if n not in (0, red)][:3]
    says = ", ".join(f"{VOCABULARY[n]} {unit[n] @ unit[red]:.2f}" for n in order)
    assert made.notes == (f"Nearest in meaning to “red”: {says}.", made.notes[1])
    assert made.notes[1].startswith("Nearest in meaning to “top”: ")


def test_the_card_tells_the_words_for_completion(tmp_path: Path) -> None:
    card = Engine("cpu").describe(str(ours(tmp_path / "words.safetensors")))
    control = card.control("caption")
    assert isinstance(control, Text) and control.words == tuple(sorted(VOCABULARY[1:]))
    assert card.rooms == ("words",) and card.seeded


# ---- official files ------------------------------------------------------------------------------

BIRD = replace(
    CONFIG, word=300, sentence=256, condition=100, noise=100, stages=3, residuals=2, width=2,
    widths=(), hyphens=False,
)  # fmt: skip


def test_a_folder_of_official_files_is_one_model(tmp_path: Path) -> None:
    folder = official(tmp_path / "bird", BIRD)
    config = recognise(checkpoint.open_checkpoint(folder))
    assert config == replace(BIRD, told="captions.pickle", side=64)
    assert inspect(folder).kind == "model"
    made = result(folder, {"caption": "A red bird, with wings"})
    assert made.picture.size == (256, 256) and made.texts == ("a red bird with wings",)
    assert "Its words are those of captions.pickle." in made.notes


def test_the_official_image_encoder_ranks(tmp_path: Path) -> None:
    folder = official(tmp_path / "bird", replace(BIRD, widths=(0,), stages=0))
    photo = Picture(np.full((60, 50, 3), 90, np.uint8))
    made = result(folder, {"caption": "a red bird"}, photo=photo)
    assert len(made.pictures) == 4


def test_other_words_than_the_encoders_are_refused_with_both_sizes(tmp_path: Path) -> None:
    folder = official(tmp_path / "bird", BIRD, dict(enumerate(VOCABULARY[:-2])))
    verdict = inspect(folder)
    assert verdict.kind == "refused"
    assert "captions.pickle has 7 words and the text encoder 9" in verdict.message


def test_parts_that_are_no_model_say_what_is_missing(tmp_path: Path) -> None:
    folder = official(tmp_path / "bird", BIRD)
    for name, part in (("bird_AttnGAN2", "generator"), ("text_encoder200", "text encoder")):
        message = inspect(folder / f"{name}.pth").message
        assert f"is an AttnGAN {part}; put generator, text encoder and captions.pickle" in message
    message = inspect(folder / "captions.pickle").message
    assert "is the vocabulary of an AttnGAN; put it into" in message
    (folder / "captions.pickle").unlink()
    assert "told in a captions.pickle, which must lie beside it" in inspect(folder).message


def test_python_2_words_are_read_as_text(tmp_path: Path) -> None:
    """Byte strings of protocol 2, as Python 2 wrote them: BINSTRING, latin-1 inside."""
    table = b"".join(
        b"K" + bytes([n]) + b"U" + bytes([len(w)]) + w
        for n, w in enumerate((b"<end>", b"caf\xe9", b"red"))
    )
    back = b"".join(
        b"U" + bytes([len(w)]) + w + b"K" + bytes([n])
        for n, w in enumerate((b"<end>", b"caf\xe9", b"red"))
    )
    body = b"\x80\x02](](](K\x01K\x02ee]}(" + table + b"u}(" + back + b"ue."
    (tmp_path / "captions.pickle").write_bytes(body)
    from engines import vocabulary

    assert vocabulary.read_table(tmp_path / "captions.pickle")[0]["red"] == 2
