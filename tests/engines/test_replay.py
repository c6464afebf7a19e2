"""Recorded steps do what steps do; the rest of a recording needs a card."""

from pathlib import Path

import pytest
import torch

from engines import datasets, replay, training
from tests.engines.test_training import PAIRED, photos, recipe

__all__ = ["photos"]  # a fixture

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA card here.")


def _losses(tmp_path: Path, photos: Path, recorded: bool) -> list[dict[str, float]]:
    text = PAIRED.replace("steps = 6", "steps = 12")
    file = recipe(tmp_path, f"recorded = {str(recorded).lower()}\n{text}")
    read = training.load_recipe(file)
    data = datasets.make_dataset(dict(read.data), photos, read.seed)
    run = training._Run(read, tmp_path / "run", data, "cuda", 1)
    assert (run.replay is not None) == recorded
    return [{name: float(loss) for name, loss in run.step(step).items()} for step in run.batches(0)]


@pytest.mark.gpu
@needs_card
def test_recorded_steps_do_what_steps_do(tmp_path: Path, photos: Path) -> None:
    """Batches, dropout, learning rate and optimisers alike, in every step. A discriminator that has
    all but won tells little: of its losses of 0.05 and less, a change of the weights by a
    millionth moves 3 % within ten steps."""
    plain, again = (_losses(tmp_path, photos, recorded) for recorded in (False, True))
    assert len(plain) == len(again) == 12
    for wanted, found in zip(plain, again, strict=True):
        assert found == pytest.approx(wanted, rel=0.02, abs=0.005)


@pytest.mark.gpu
@needs_card
def test_a_recording_sees_every_batch_seed_and_share() -> None:
    seen = torch.zeros(3, device="cuda")

    def learn(
        batch: replay.Batch, noise: torch.Generator, shares: replay.Shares
    ) -> dict[str, torch.Tensor]:
        drawn = torch.rand((), generator=noise, device=noise.device)
        seen.copy_(torch.stack((batch["x"].sum(), drawn, drawn * shares["a"])))
        return {"x": seen[0] * 1}

    source = torch.cuda.default_generators[0]
    recorder = replay.Replay(learn, source.manual_seed, lambda: 0)
    rows = []
    for step in range(replay.WARM + 4):
        losses = recorder({"x": torch.full((2,), float(step))}, step % 2, {"a": step / 10})
        assert float(losses["x"]) == 2 * step
        rows.append(seen.tolist())
    drawn = [row[1] for row in rows]
    assert drawn[0] != drawn[1]
    assert all(drawn[n] == pytest.approx(drawn[n % 2]) for n in range(len(drawn)))
    assert all(row[2] == pytest.approx(row[1] * n / 10, abs=1e-6) for n, row in enumerate(rows))


def test_an_optimiser_keeps_its_count_and_rate_where_it_is_told() -> None:
    net = torch.nn.Linear(2, 1)
    optimiser = torch.optim.Adam(net.parameters(), 0.5)
    net(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    replay.recordable(optimiser, torch.device("cpu"))
    assert float(optimiser.param_groups[0]["lr"]) == 0.5
    assert optimiser.param_groups[0]["capturable"]
    steps = [state["step"] for state in optimiser.state.values()]
    assert all(isinstance(step, torch.Tensor) and float(step) == 1 for step in steps)
