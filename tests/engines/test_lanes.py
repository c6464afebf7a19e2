"""Lanes for drafts: converted once for real, the rest with facts and files at the seams."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import checkpoint, graphs, lanemaking, lanes, lanestore
from engines.catalogue import Catalogue
from engines.controls import ModelCard
from engines.engine import Engine
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.build import build
from engines.families.pix2pix.config import ResNetConfig, UNetConfig
from engines.family import Model
from engines.job import Job, Picture, Result
from engines.lanes import Lane, Lanes, Workshop
from engines.lanestore import (
    STATES,
    Argument,
    Call,
    Facts,
    Order,
    Store,
    read_order,
    write_order,
)
from engines.layers import seed_dropout, use_batch_statistics

TINY = UNetConfig(width=4, depth=6, dropout=True)  # batch norm, dropout: both modes of the card
SHAPE = (1, 3, 64, 64)
CALL = Call((Argument("", SHAPE),))


def drawing(seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    checkpoint.save(path, build(TINY).state_dict(), {})
    return path


def order(weights: Path, call: Call = CALL) -> Order:
    return Order(str(weights), checkpoint.file_digest(weights), "pix2pix", call)


def job(reference: str, seed: int = 0, **values: Any) -> Job:
    return Job("pix2pix", reference, values, {"edges": drawing(seed)}, seed=seed)


def last(engine: Engine, job: Job, draft: bool = False) -> Result:
    result = list(engine.run(job, draft))[-1]
    assert isinstance(result, Result)
    return result


# ---- a real lane ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Order]:
    """A lane in both precisions of the card's hardest mode: batch statistics and seeded noise.
    Nothing is faster on so small a net: for the test all that is faithful is kept."""
    store = Store(tmp_path_factory.mktemp("lanes"))
    asked = order(weights, replace(CALL, batch_statistics=True, noise=True))
    samples = [[np.float32(drawing(n).pixels.transpose(2, 0, 1)[None] / 127.5 - 1)]
               for n in range(3)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanemaking, "GAINS", {"fp32": 0.0, "bf16": 0.0, "int8": 0.0})
        patch.setattr(lanemaking, "VISIBLE", 1.0)  # random weights, eight bits
        patch.setattr(lanemaking, "ROUNDS", 1)
        told: list[Facts] = []

        def tell() -> None:
            told.append(store.facts(asked.key()) or Facts())

        facts = lanemaking.make(asked, samples, store, ("fp32", "int8"), tell)
    assert facts.refused == {} and set(facts.files) == {"fp32", "int8"}
    assert set(told[0].files) == {"fp32"}, "fp32 is there before int8"
    assert facts.differs["fp32"] < 1e-5 < facts.differs["int8"]
    return store, asked


@pytest.fixture
def store(made: tuple[Store, Order], tmp_path: Path) -> Store:
    """A copy of what was made."""
    shutil.copytree(made[0].folder, tmp_path / "lanes")
    return Store(tmp_path / "lanes")


@pytest.fixture
def engine(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """With that lane, which nobody mistrusts, and no process in the background."""
    monkeypatch.setattr(lanes, "VISIBLE", 255.0)
    monkeypatch.setattr("engines.engine.find_spec", find_spec)
    catalogue = Catalogue(shipped=tmp_path / "shipped", own=tmp_path / "models.json")
    engine = Engine("cpu", catalogue=catalogue, lanes=("fp32", "int8"))
    assert engine._workshop is not None
    engine._workshop.store = store
    yield engine
    engine._workshop.close()


def ready(engine: Engine, wanted: Job) -> None:
    """Two drafts, between which the lane is opened."""
    assert engine._workshop is not None
    last(engine, wanted, draft=True)
    engine._workshop.wait()


def test_a_draft_takes_the_lane_and_the_exact_picture_never_does(
    engine: Engine, weights: Path
) -> None:
    plain = last(Engine("cpu"), job(str(weights), seed=7))
    first = last(engine, job(str(weights), seed=7), draft=True)
    assert first.picture == plain.picture and not first.draft, "at first torch draws drafts too"
    ready(engine, job(str(weights), seed=7))
    assert engine.memory()["lane"] == "OpenVINO int8"
    draft = last(engine, job(str(weights), seed=7), draft=True)
    assert draft.draft and draft.picture != plain.picture
    exact = last(engine, job(str(weights), seed=7))
    assert exact.picture == plain.picture and not exact.draft


def test_the_noise_of_a_lane_is_that_of_the_seed(made: tuple[Store, Order], weights: Path) -> None:
    store, asked = made
    facts = store.facts(asked.key())
    assert facts is not None and len(facts.dropouts) == 1
    lane = Lane(store, asked.key(), facts, "fp32", 1)
    net = Pix2Pix().load(TINY, checkpoint.open_checkpoint(weights))[0]
    use_batch_statistics(net, True)
    x = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        for seed in (3, 4):
            seed_dropout(net, seed)
            exact = net(x)
            seed_dropout(net, seed)
            assert torch.allclose(lane([x], net), exact, atol=2e-5)
    seed_dropout(net, 3)
    assert not torch.allclose(lane([x], net), exact, atol=1e-2)


def sixteen(weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Facts]:
    monkeypatch.setattr(lanemaking, "GAINS", {"fp32": 0.0, "bf16": 0.0})
    monkeypatch.setattr(lanemaking, "VISIBLE", 1.0)
    monkeypatch.setattr(lanemaking, "ROUNDS", 1)
    store, samples = Store(folder), [[np.zeros(SHAPE, np.float32)]] * 2
    return store, lanemaking.make(order(weights), samples, store, ("fp32", "bf16"))


def test_sixteen_bits_come_from_the_file_of_full_precision(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not lanestore.knows_bfloat16():
        pytest.skip("This processor does not compute in bfloat16.")
    store, facts = sixteen(weights, tmp_path, monkeypatch)
    assert facts.files["bf16"] == facts.files["fp32"] and not facts.refused
    assert facts.differs["fp32"] < 1e-5 and facts.differs["bf16"] < 0.1
    hints = [
        Lane(store, order(weights).key(), facts, precision, 1)
        ._request.get_compiled_model()
        .get_property("INFERENCE_PRECISION_HINT")
        .get_type_name()
        for precision in ("fp32", "bf16")
    ]
    assert hints == ["f32", "bf16"]


def test_a_processor_without_bfloat16_is_not_asked_for_it(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanemaking, "knows_bfloat16", lambda: False)
    _, facts = sixteen(weights, tmp_path, monkeypatch)
    assert set(facts.files) == {"fp32"} and facts.refused == {"bf16": "slower"}


def test_a_draft_that_can_be_told_from_the_exact_picture_ends_int8(
    engine: Engine, weights: Path, monkeypatch: pytest.MonkeyPatch, made: tuple[Store, Order],
    store: Store,
) -> None:  # fmt: skip
    wanted = job(str(weights))
    ready(engine, wanted)
    last(engine, wanted, draft=True)
    last(engine, wanted)
    assert engine.memory()["lane"] == "OpenVINO int8", "within what nobody sees"
    monkeypatch.setattr(lanes, "VISIBLE", 0.0)
    last(engine, wanted, draft=True)
    last(engine, wanted)
    ready(engine, wanted)
    assert engine.memory()["lane"] == "OpenVINO fp32"
    facts = store.facts(made[1].key())
    assert (
        facts is not None and set(facts.files) == {"fp32"} and facts.refused == {"int8": "visible"}
    )


def test_a_broken_lane_costs_no_picture_and_is_forgotten(
    engine: Engine, weights: Path, made: tuple[Store, Order], store: Store
) -> None:
    for path in store.place(made[1].key()).glob("*.xml"):
        path.write_bytes(b"x" * path.stat().st_size)
    ready(engine, job(str(weights)))
    result = last(engine, job(str(weights)), draft=True)
    assert not result.draft and result.pictures
    assert store.facts(made[1].key()) is None, "made again when it is worth it"


def test_a_lane_with_fewer_products_opens_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is the plain network's, so that bf16 may share it."""
    torch.manual_seed(0)
    network = build(ResNetConfig(width=16, blocks=1)).eval()
    path = tmp_path / "wide.safetensors"
    checkpoint.save(path, network.state_dict(), {})
    monkeypatch.setattr(lanemaking, "GAINS", {"fp32": 0.0})
    monkeypatch.setattr(lanemaking, "ROUNDS", 1)
    store, asked = Store(tmp_path / "lanes"), order(path)
    samples = [np.random.default_rng(0).uniform(-1, 1, SHAPE).astype(np.float32)]
    facts = lanemaking.make(asked, [samples], store, ("fp32",))
    assert facts.winograd and facts.error == ""
    lane = Lane(store, asked.key(), facts, "fp32", 1)
    assert lane.bytes == facts.files["fp32"][1] + 2 * 27 * 4 * 64 * 64
    given = torch.from_numpy(samples[0])
    with torch.no_grad():
        apart = (lane([given], network) - network(given)).abs()
    assert apart.max() < 1e-4


def test_another_process_makes_the_lane_and_says_what_it_measured(
    weights: Path, tmp_path: Path
) -> None:
    workshop = Workshop(("fp32",), Store(tmp_path), threads=1)
    way = lanes._Way(state="ordered")
    workshop.make(order(weights), ("fp32",), way, [[np.zeros(SHAPE, np.float32)]] * 2)
    workshop.wait()
    workshop.close()
    facts = workshop.store.facts(order(weights).key())
    assert way.state == "settled" and facts is not None and facts.error == ""
    assert set(facts.measured) == {"torch", "fp32"} and facts.differs["fp32"] < 1e-5
    assert (way.lane is not None) == ("fp32" in facts.files)
    assert way.why == facts.refused.get("fp32", "")


def test_a_process_that_fails_leaves_torch(tmp_path: Path) -> None:
    workshop = Workshop(("fp32",), Store(tmp_path), threads=1)
    (tmp_path / "weights.pth").write_bytes(b"none")
    way = lanes._Way(state="ordered")
    asked = Order(str(tmp_path / "weights.pth"), "0" * 16, "pix2pix", CALL)
    workshop.make(asked, ("fp32",), way, [[np.zeros(SHAPE, np.float32)]])
    workshop.wait()
    workshop.close()
    facts = workshop.store.facts(asked.key())
    assert (way.state, way.lane, way.why) == ("settled", None, "unconvertible")
    assert facts is not None and "other weights" in facts.error


def test_a_network_whose_way_depends_on_numbers_stays_in_torch() -> None:
    class Undecided(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if x.sum() > 0 else x

    run = lanemaking.Pass(Undecided(), Call((Argument("", (2,)),)))
    with pytest.raises(TypeError, match="depends"):
        lanemaking.convert(run, [np.ones(2, np.float32)])


# ---- which calls qualify -------------------------------------------------------------------------


def model(**changes: Any) -> Model:
    card = replace(ModelCard("pix2pix", "Tiny"), **changes)
    net = build(TINY).eval()
    return Model(Pix2Pix(), net, TINY, card, torch.device("cpu"), torch.float32, lambda *_: None)


def test_calls_are_told_apart_by_shape_value_and_mode() -> None:
    tiny, x = model(), torch.zeros(SHAPE)
    plain = lanes.call_of(tiny, [x], {})
    assert plain == CALL
    assert lanes.call_of(tiny, [x, "part"], {"k": 2}) == Call(
        (*CALL.arguments, Argument("", None, "part"), Argument("k", None, 2))
    )
    use_batch_statistics(tiny.module, True)
    seed_dropout(tiny.module, 0)
    assert lanes.call_of(tiny, [x], {}) == replace(CALL, batch_statistics=True, noise=True)


def test_what_only_torch_can_do_is_left_to_torch() -> None:
    x = torch.zeros(SHAPE)
    refused = [
        lanes.call_of(model(needs_grad=True), [x], {}),
        lanes.call_of(model(), [[x]], {}),
        lanes.call_of(model(), [x.long()], {}),
        lanes.call_of(model(), [], {}),
        lanes.call_of(model(), [torch.empty(1).expand(lanes.LARGEST)], {}),
    ]
    hooked, training, mixed = model(), model(), model()
    next(hooked.module.children()).register_forward_hook(lambda *_: None)
    training.module.train()
    next(m for m in mixed.module.modules() if isinstance(m, torch.nn.BatchNorm2d)).train()
    refused += [lanes.call_of(one, [x], {}) for one in (hooked, training, mixed)]
    assert refused == [None] * len(refused)


def test_a_lane_is_made_only_for_a_call_that_comes_again() -> None:
    class Watched(Workshop):
        asked: list[str]

        def open(self, order: Order, precisions: Any, way: Any) -> None:
            self.asked = [*getattr(self, "asked", []), "open"]
            way.state = "absent"

        def make(self, order: Order, precisions: Any, way: Any, samples: Any) -> None:
            self.asked.append(f"make from {len(samples)}")

    workshop = Watched(("fp32",))
    tiny, x = model(), torch.zeros(SHAPE)
    ways = Lanes(workshop, Path("x"), "0", "pix2pix")
    for _ in range(5):
        assert ways.run(tiny, [x], {}) is None
    assert workshop.asked == ["open", f"make from {lanes.WORTH}"]
    assert ways.state == STATES["preparing"]
    ways.run(tiny, [torch.zeros((1, 3, 128, 64))], {})
    assert workshop.asked[2:] == ["open"], "another size is another call"


# ---- on disk -------------------------------------------------------------------------------------


def test_an_order_survives_its_file(weights: Path, tmp_path: Path) -> None:
    call = Call(
        (*CALL.arguments, Argument("part", None, "decode"), Argument("n", (2,))), True, True
    )
    sample = [np.ones(SHAPE, np.float32), np.array([1, 2], np.float32)]
    write_order(tmp_path / "o", order(weights, call), [sample] * 11)
    found, samples = read_order(tmp_path / "o")
    assert found == order(weights, call) and len(samples) == 11
    assert all(np.array_equal(a, b) for a, b in zip(samples[10], sample))


def test_keys_follow_weights_and_call_and_not_the_path(weights: Path) -> None:
    one = order(weights)
    assert one.key() == replace(one, path="elsewhere").key()
    others = [replace(one, digest="1" * 16), replace(one, family="cyclegan"),
              replace(one, call=replace(CALL, noise=True))]  # fmt: skip
    assert len({one.key(), *(other.key() for other in others)}) == 4


def entry(store: Store, key: str, size: int, used: float) -> None:
    folder = store.place(key)
    folder.mkdir(parents=True)
    (folder / "a.xml").write_bytes(b"")
    (folder / "a.bin").write_bytes(b"0" * size)
    store.publish(key, Facts(files={"fp32": store.kept(key, "a")}))
    os.utime(folder / "facts.json", (used, used))


def test_the_least_recently_used_lanes_leave_first(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=2500)
    for n, key in enumerate(("old", "used", "new")):
        entry(store, key, 1000, 1e9 + n)
    assert store.facts("old") is not None, "reading it is using it"
    store.prune()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]


@pytest.mark.parametrize("how", ["cut", "gone", "garbage", "other"])
def test_a_broken_entry_is_deleted_and_never_fatal(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    entry(store, "key", 100, 1e9)
    folder = store.place("key")
    if how == "cut":
        (folder / "a.bin").write_bytes(b"0" * 50)
    elif how == "gone":
        (folder / "a.xml").unlink()
    else:
        (folder / "facts.json").write_text("{" if how == "garbage" else json.dumps({"x": 1}))
    assert store.facts("key") is None
    assert not folder.exists()
    assert store.facts("key") is None


# ---- on a graphics card --------------------------------------------------------------------------


def test_graphs_refuse_what_no_graph_can_stand_for() -> None:
    tiny, x = model(), torch.zeros(SHAPE)
    assert graphs.key_of(tiny, [x], {}) is None, "not on the card"
    seed_dropout(tiny.module, 0)
    assert graphs.key_of(tiny, [x], {}) is None, "noise is drawn on the processor"
    assert graphs.Graphs().run(tiny, [x], {}) is None


def test_what_cannot_be_recorded_stays_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    tried: list[int] = []
    monkeypatch.setattr(graphs, "key_of", lambda *_: ("key",))
    monkeypatch.setattr(graphs, "_record", lambda *_: (tried.append(1), fail()))
    ours, tiny = graphs.Graphs(), model()
    for _ in range(5):
        assert ours.run(tiny, [torch.zeros(SHAPE)], {}) is None
    assert tried == [1] and ours.state == graphs.EAGER and ours.runs == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA card here.")
def test_a_graph_gives_what_the_network_gives(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.engine.find_spec", find_spec)
    catalogue = Catalogue(shipped=tmp_path / "shipped", own=tmp_path / "models.json")
    engine = Engine("cuda", catalogue=catalogue, half=False, lanes=("fp32",))
    for seed in range(6):
        wanted = job(str(weights), seed, noise=False)
        draft, exact = last(engine, wanted, draft=True), last(engine, wanted)
        recorded = engine.memory()["lane"]
        assert draft.draft == (seed >= lanes.WORTH - 1), f"pass {seed} in {recorded}"
        apart = np.abs(draft.picture.pixels.astype(int) - exact.picture.pixels.astype(int))
        assert not apart.any(), f"pass {seed} in {recorded}: {apart.max()} of 255 apart"
    assert engine.memory()["lane"] == graphs.RECORDED
