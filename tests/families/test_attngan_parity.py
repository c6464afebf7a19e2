"""AttnGAN's networks, attention and losses against numbers computed by the reference code."""

from __future__ import annotations

from typing import Any

import parity
import pytest
import torch

from engines.families.attngan import losses
from engines.families.attngan.config import Config, DiscriminatorConfig
from engines.families.attngan.encoder import Inception
from engines.families.attngan.net import (
    Discriminator,
    Generator,
    Said,
    TextEncoder,
    WordAttention,
)

BIRD = Config()
LENGTHS = torch.tensor([18, 11, 4])


def hidden_words(lengths: torch.Tensor, longest: int = 18) -> torch.Tensor:
    return torch.arange(longest)[None] >= lengths[:, None]


def filled(module: torch.nn.Module, manifest: dict[str, Any]) -> Any:
    """`module` with the fixture's weights; its keys, shapes and order are the official ones."""
    ours = [[k, list(v.shape)] for k, v in module.state_dict().items()]
    assert ours == [[k, shape] for k, shape, _ in manifest["state_dict"]]
    if "parameters" in manifest:
        assert sum(p.numel() for p in module.parameters()) == manifest["parameters"]
    return parity.fill(module, manifest["fill"]).eval()


@torch.inference_mode()
def test_the_text_encoder() -> None:
    manifest, golden = parity.case("attngan/text_encoder_bird")
    module = filled(TextEncoder(BIRD), manifest)
    captions = torch.tensor(manifest["inputs"]["captions"])
    words, sentence = module(captions, LENGTHS)
    parity.check(words, "words_emb", manifest, golden)
    parity.check(sentence, "sent_emb", manifest, golden)
    words, sentence = module(captions[1:2, :11], LENGTHS[1:2])
    parity.check(words, "single.words_emb", manifest, golden)
    parity.check(sentence, "single.sent_emb", manifest, golden)


@torch.inference_mode()
def test_the_generator_and_its_mask() -> None:
    manifest, golden = parity.case("attngan/g_net_bird")
    module = filled(Generator(BIRD), manifest)
    given = {"inputs": {k: v for k, v in manifest["inputs"].items() if k.startswith("at.")}}
    z, chance, sentence, words = (
        parity.inputs(given)[f"at.bird.{n}"] for n in ("z", "eps", "sent", "words")
    )
    said = Said(sentence, words, hidden_words(LENGTHS))
    made = module(z, said, chance, reference_mask=True)
    parity.check(made.mean, "mu", manifest, golden)
    parity.check(made.log_variance, "logvar", manifest, golden)
    for stage, picture in enumerate(made.pictures):
        parity.check(picture, f"image{stage}", manifest, golden, 4e-4)
    for stage, share in enumerate(made.attention):
        parity.check(share, f"attention{stage}", manifest, golden, 4e-4)

    # the right mask gives each caption of the batch what it gives alone, where the reference errs
    right = module(z, said, chance)
    row = slice(1, 2)
    alone = module(z[row], Said(sentence[row], words[row, :, :11]), chance[:1])
    again = module(z[row], Said(sentence[row], words[row, :, :11]), chance[row])
    for stage in range(3):
        parity.check(alone.pictures[stage], f"single.image{stage}", manifest, golden, 4e-4)
        assert torch.allclose(right.pictures[stage][row], again.pictures[stage], atol=1e-4)
    for stage in range(2):
        parity.check(alone.attention[stage], f"single.attention{stage}", manifest, golden, 4e-4)
    assert (right.pictures[2][row] - made.pictures[2][row]).abs().max() > 0.1


def test_the_single_generator_has_one_picture_under_the_official_name() -> None:
    module = Generator(Config(width=4, single=True))
    assert [k for k in module.state_dict() if k.startswith("img")] == ["img_net.img.0.weight"]
    with torch.inference_mode():
        made = module.eval()(torch.zeros(1, 100), Said(torch.zeros(1, 256), torch.ones(1, 256, 3)))
    assert [tuple(p.shape) for p in made.pictures] == [(1, 3, 256, 256)]
    assert [tuple(a.shape) for a in made.attention] == [(1, 3, 64, 64), (1, 3, 128, 128)]


@torch.inference_mode()
def test_attention_in_the_generator_and_in_the_matching() -> None:
    manifest, golden = parity.case("attngan/attention_bird")
    told = manifest["inputs"]
    given = {n: parity.picture(n, tuple(told[n]), "normal") for n in told if n.startswith("at.")}
    module = filled(WordAttention(32, 256), manifest)
    hidden, words = given["at.bird.ah"], given["at.bird.aw"]
    context, share = module(hidden, words)
    parity.check(context, "nomask.context", manifest, golden)
    parity.check(share, "nomask.attention", manifest, golden)
    hide = hidden_words(torch.tensor([7, 3]), 7)
    context, share = module(hidden, words, hide, reference_mask=True)
    parity.check(context, "mask.context", manifest, golden)
    parity.check(share, "mask.attention", manifest, golden)

    query, regions = given["at.bird.fq"], given["at.bird.fc"]
    looked = losses.look(regions, query, torch.zeros(2, 5, dtype=torch.bool))
    share = torch.stack([looked.share[n, n] for n in range(2)])
    parity.check(share.view(2, 5, 4, 3), "func_attention.map", manifest, golden)
    context = regions.flatten(2) @ share.transpose(1, 2)
    parity.check(context, "func_attention.context", manifest, golden)


@torch.inference_mode()
@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_discriminators(size: int) -> None:
    manifest, golden = parity.case("attngan/discriminators_bird")
    name = f"D_NET{size}"
    module = filled(Discriminator(DiscriminatorConfig(size)), manifest["networks"][name])
    photo = parity.picture(f"at.bird.d{size}", (2, 3, size, size), "smooth")
    sentence = parity.picture("at.bird.sent", (3, 256), "uniform")[:2]
    parity.check(module.seen(photo), f"{name}.features", manifest, golden)
    real, told = module(photo, sentence)
    parity.check(real.sigmoid(), f"{name}.uncond", manifest, golden)
    parity.check(told.sigmoid(), f"{name}.cond", manifest, golden)


def image_encoder() -> Inception:
    manifest, _ = parity.case("attngan/image_encoder_bird")
    return filled(Inception(256, aligned=False), manifest)  # pyright: ignore[reportReturnType]


@torch.inference_mode()
def test_the_image_encoder_of_both_eras() -> None:
    manifest, golden = parity.case("attngan/image_encoder_bird")
    module = image_encoder()
    photo = parity.inputs(manifest)["at.bird.img"]
    for aligned in (False, True):
        module.aligned = aligned
        regions, code = module(photo)
        word = f"align_corners_{str(aligned).lower()}"
        parity.check(regions, f"{word}.features", manifest, golden)
        parity.check(code, f"{word}.code", manifest, golden)


def damsm_inputs() -> tuple[torch.Tensor, ...]:
    regions = parity.picture("at.bird.rf", (3, 256, 17, 17), "normal") * 0.5
    code = parity.picture("at.bird.cc", (3, 256), "normal")
    words = parity.picture("at.bird.wv", (3, 256, 18), "normal") * 0.5
    return regions, code, words, parity.picture("at.bird.sv", (3, 256), "normal")


@torch.inference_mode()
@pytest.mark.parametrize(
    ("case", "classes"),
    [
        ("no_class_ids", None),
        ("distinct_classes", [0, 1, 2]),
        ("rows_0_and_2_same_class", [0, 1, 0]),
    ],
)
def test_the_matching_losses(case: str, classes: list[int] | None) -> None:
    manifest, golden = parity.case("attngan/losses_bird")
    regions, code, words, sentence = damsm_inputs()
    same = None if classes is None else losses.other_of_same(torch.tensor(classes))
    looked = losses.look(regions, words, hidden_words(LENGTHS))
    found = (
        *losses.matching(looked.scores, same),
        *losses.matching(losses.compare(code, sentence), same),
    )
    known = manifest["values"][case]
    for name, value in zip(("w_loss0", "w_loss1", "s_loss0", "s_loss1"), found):
        assert float(value) == pytest.approx(known[name], rel=1e-4), name
    for n, length in enumerate(LENGTHS.tolist()):
        share = looked.share[n, n, :length].view(1, length, 17, 17)
        parity.check(share, f"words_loss.att{n}", manifest, golden)


@torch.inference_mode()
def test_the_divergence_and_the_adversarial_losses() -> None:
    manifest, _ = parity.case("attngan/losses_bird")
    known = manifest["values"]
    mean = parity.picture("at.bird.mu", (3, 100), "normal")
    log_variance = parity.picture("at.bird.lv", (3, 100), "normal") * 0.3
    assert float(losses.divergence(mean, log_variance)) == pytest.approx(known["KL"], rel=1e-4)

    told, _ = parity.case("attngan/discriminators_bird")
    judge = filled(Discriminator(DiscriminatorConfig(64)), told["networks"]["D_NET64"])
    real = parity.picture("at.bird.dr", (3, 3, 64, 64), "smooth")
    fake = parity.picture("at.bird.df", (3, 3, 64, 64), "uniform")
    condition = parity.picture("at.bird.sent", (3, 256), "uniform")
    found = losses.discriminator_loss(judge, real, fake, condition)
    assert float(found) == pytest.approx(known["discriminator_loss_D64"], rel=1e-4)


@torch.inference_mode()
def test_the_generators_whole_loss() -> None:
    manifest, _ = parity.case("attngan/losses_bird")
    told, _ = parity.case("attngan/discriminators_bird")
    judge = filled(Discriminator(DiscriminatorConfig(64)), told["networks"]["D_NET64"])
    fake = parity.picture("at.bird.df", (3, 3, 64, 64), "uniform")
    condition = parity.picture("at.bird.sent", (3, 256), "uniform")
    _, _, words, _ = damsm_inputs()
    adversarial = losses.generator_loss([judge], [fake], condition)
    regions, code = image_encoder()(fake)
    terms = losses.damsm(regions, code, words, condition, hidden_words(LENGTHS))
    known = manifest["values"]["generator_loss_one_D"]
    assert float(adversarial + 5 * sum(terms)) == pytest.approx(known, rel=1e-4)
