"""The losses of IcGAN, face ageing and DA-GAN by their formulas, on fixed tensors."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engines.families.ageing.train import AgeingTrainer
from engines.families.dagan.net import region_mask
from engines.families.dagan.train import DAGANTrainer
from engines.families.icgan.train import IcGANTrainer
from engines.training import Recipe, Stage

NOISE = torch.Generator()


class Tape:
    """Fabric's part in a step: keeps what is minimised."""

    def __init__(self) -> None:
        self.totals: list[float] = []

    def backward(self, total: Tensor) -> None:
        self.totals.append(float(total.detach()))
        total.backward()


class Faces:
    def __init__(self, count: int) -> None:
        self.attributes = tuple(f"a{n}" for n in range(count))


def recipe(network: dict[str, Any], losses: dict[str, Any]) -> Recipe:
    return Recipe("tiny", "", (Stage(1, (16, 16), 6),), {}, network, losses)


def bce(logits: Tensor, goal: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, goal))


def photos(count: int = 6) -> Tensor:
    torch.manual_seed(7)
    return torch.rand(count, 3, 16, 16) * 2 - 1


def test_icgan_weighs_both_wrongs_half() -> None:
    torch.manual_seed(1)
    network = {"z": 4, "width": 4, "encoder": 4, "hidden": [6, 6], "levels": 2}
    trainer = IcGANTrainer(recipe(network, {}), Faces(3))  # pyright: ignore[reportArgumentType]
    real, fake = photos().chunk(2)
    y = torch.tensor([[1.0, -1, -1], [1, 1, -1], [-1, 1, 1]])
    other = y.roll(1, 0)
    judge = deepcopy(trainer.discriminator)
    right, wrong, drawn = judge(torch.cat((real, real, fake)), torch.cat((y, other, other))).chunk(
        3
    )
    wanted = (bce(right, 1) + 0.5 * bce(wrong, 0) + 0.5 * bce(drawn, 0)) / 2
    tape = Tape()
    trainer._discriminate(tape, real, y, other, fake, None, NOISE)  # type: ignore[arg-type]
    assert tape.totals == [pytest.approx(float(wanted.detach()), rel=1e-5)]


def test_icgan_by_the_paper_learns_codes_of_drawn_and_labels_of_real_faces() -> None:
    torch.manual_seed(1)
    network = {"z": 4, "width": 4, "encoder": 4, "hidden": [6, 6], "levels": 2}
    trainer = IcGANTrainer(recipe(network, {}), Faces(3))  # pyright: ignore[reportArgumentType]
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0]])
    known = torch.tensor([[1.0, 1, 0], [1, 1, 1], [1, 1, 1], [0, 1, 1]])
    batch = {"photo": photos(4), "labels": labels, "known": known}
    before = deepcopy(trainer)
    tape = Tape()
    found = trainer.step(tape, batch, torch.Generator().manual_seed(3))  # type: ignore[arg-type]
    said = before.encoder_y(batch["photo"])
    off = ((said - (labels * 2 - 1)) ** 2)[known > 0].mean()
    assert float(found["y"]) == pytest.approx(float(off.detach()), rel=1e-4)
    assert tape.totals[1] == pytest.approx(float(found["gan"] + found["z"] + found["y"]), rel=1e-5)


def test_ageing_smooths_real_labels_and_takes_euclidean_distances() -> None:
    torch.manual_seed(1)
    network = {"groups": ["a", "b"], "z": 4, "width": 4, "hidden": 6, "dense": 6, "maps": 8,
               "levels": 2, "discriminator_width": 4}  # fmt: skip
    trainer = AgeingTrainer(recipe(network, {}), Faces(2))  # pyright: ignore[reportArgumentType]
    real, fake = photos().chunk(2)
    label = torch.tensor([[1.0, 0], [0, 1], [1, 0]])
    judge = deepcopy(trainer.discriminator)
    right, drawn = judge(torch.cat((real, fake)), torch.cat((label, label.flip(1)))).chunk(2)
    wanted = (bce(right, 0.9) + bce(drawn, 0)) / 2
    tape = Tape()
    trainer._discriminate(tape, real, label, label.flip(1), {"free": fake}, NOISE)  # type: ignore[arg-type]
    assert tape.totals == [pytest.approx(float(wanted.detach()), rel=1e-5)]
    batch = {"photo": photos(4), "labels": torch.eye(2).repeat(2, 1)}
    tape = Tape()
    found = trainer.step(tape, batch, torch.Generator().manual_seed(3))  # type: ignore[arg-type]
    assert tape.totals[1] == pytest.approx(float(found["gan"] + found["encoder"]), rel=1e-5)


def test_dagan_weighs_consistency_and_symmetry_as_published() -> None:
    torch.manual_seed(1)
    network = {"width": 4, "locate": [4, 4], "region": 8, "blocks": 1, "judges": 4, "levels": 2}
    trainer = DAGANTrainer(recipe(network, {}), Faces(1))  # pyright: ignore[reportArgumentType]
    labels = torch.tensor([[1.0], [0], [1], [0], [1], [0]])
    batch = {"photo": photos(), "labels": labels, "known": torch.ones_like(labels)}
    before = deepcopy(trainer)
    tape = Tape()
    found = trainer.step(tape, trainer.prepare(batch, NOISE), NOISE)  # type: ignore[arg-type]
    total = (
        0.4 * found["consistency"]
        + 0.6 * found["symmetry"]
        + found["set"]
        + found["instance"]
        + found["class"]
        + found["made_class"]
    )
    assert tape.totals[1] == pytest.approx(float(total), rel=1e-5)
    photo = torch.cat((batch["photo"][1::2], batch["photo"][::2]))
    mask = region_mask(before.locator(before.encoder(photo)), 16, 200.0)
    code = before.encoder(photo * mask)
    made = photo + mask * (before.generator(code) - photo)
    again = before.encoder(made * mask)
    off = (code - again).abs()
    assert float(found["consistency"]) == pytest.approx(float(off[:3].mean().detach()), rel=1e-3)
    assert float(found["symmetry"]) == pytest.approx(float(off[3:].mean().detach()), rel=1e-3)
    judge = deepcopy(before.set_judge)
    real, fake = judge(torch.cat((photo[3:], made[:3]))).chunk(2)
    alone = before.instance_judge(torch.cat((photo[3:] * mask[3:], made * mask)))
    wanted = bce(real, 1) + bce(fake, 0) + bce(alone[:3], 1) + bce(alone[3:], 0)
    assert tape.totals[0] == pytest.approx(float(wanted.detach()), rel=1e-4)


def test_dagan_passes_over_a_batch_of_one_set_alone() -> None:
    network = {"width": 4, "locate": [4, 4], "region": 8, "blocks": 1, "judges": 4, "levels": 2}
    trainer = DAGANTrainer(recipe(network, {}), Faces(1))  # pyright: ignore[reportArgumentType]
    ones = torch.ones(4, 1)
    tape = Tape()
    batch = {"photo": photos(4), "labels": ones, "known": ones}
    found = trainer.step(tape, trainer.prepare(batch, NOISE), NOISE)  # type: ignore[arg-type]
    assert found == {} and tape.totals == []
