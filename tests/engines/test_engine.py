"""The engine with tiny real networks: find, load, run, cancel, climb down for want of memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engines import checkpoint, executor, images, layers, memory, tensors
from engines.catalogue import Catalogue
from engines.controls import ImageInput, ModelCard, SizeRule, Slider, gate
from engines.engine import Engine, EngineError
from engines.family import _FAMILIES, Family, Model
from engines.job import Event, Job, Picture, Preview, Progress, Result

MULTIPLE = 8


class Tiny(nn.Module):
    """Down by eight, up by eight, added to the input: needs padding, depends on its weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, MULTIPLE, stride=MULTIPLE)
        self.norm = nn.BatchNorm2d(width)
        self.up = nn.ConvTranspose2d(width, 3, MULTIPLE, stride=MULTIPLE)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x + self.up(torch.relu(self.norm(self.down(x)))))


@dataclass(frozen=True)
class Config:
    width: int


class TinyFamily(Family):
    id, title, shrinks = "tiny", "Tiny", True
    needs_grad = False

    def __init__(self) -> None:
        self.closed = 0
        self.grad: list[tuple[bool, bool]] = []  # (grad enabled, inference mode) at every step

    def recognise(self, checkpoint: checkpoint.Checkpoint) -> Config | None:
        shape = checkpoint.shape("down.weight")
        return None if shape is None or shape[1:] != (3, MULTIPLE, MULTIPLE) else Config(shape[0])

    def build(self, config: Config) -> nn.Module:
        return Tiny(config.width)

    def card(self, config: Config) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("photo", "Photo"),
                Slider("noise", "Noise", 0, 1, 0.01, 0.0),
                Slider("steps", "Steps", 0, 50, 1, 0),
            ),
            size=SizeRule(MULTIPLE, MULTIPLE),
            seeded=True,
            needs_grad=self.needs_grad,
        )

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        try:
            self._watch()
            picture, alpha = images.split_alpha(job.images["photo"])
            for step in range(int(job.values["steps"])):
                yield Progress(step + 1, int(job.values["steps"]))
                self._watch()
                yield Preview(picture)
                self._watch()
            x = tensors.to_tensor(picture, 3, model.device)
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(job.seed))
            x = x + float(job.values["noise"]) * noise.to(model.device)
            padded, crop = tensors.pad_to_multiple(x, MULTIPLE)
            model.memo["last"] = made = crop(model(padded))
            yield Result((images.with_alpha(tensors.to_picture(made), alpha),), notes=("Done.",))
        finally:
            self.closed += 1

    def _watch(self) -> None:
        self.grad.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))


class Twin(TinyFamily):
    """Recognises the same weights."""

    id, title, before = "twin", "Twin", ("tiny",)


@pytest.fixture
def family() -> Iterator[TinyFamily]:
    yield from _registered(TinyFamily())


@pytest.fixture
def twin(family: TinyFamily) -> Iterator[TinyFamily]:
    yield from _registered(Twin())


def _registered(one: TinyFamily) -> Iterator[TinyFamily]:
    from engines.family import families, register

    families()
    register(one)
    yield one
    del _FAMILIES[one.id]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(shipped=tmp_path / "shipped", own=tmp_path / "models.json")


@pytest.fixture
def engine(family: TinyFamily, catalogue: Catalogue) -> Engine:
    return Engine("cpu", catalogue=catalogue)


def weights(path: Path, seed: int = 0, width: int = 4, **metadata: Any) -> str:
    torch.manual_seed(seed)
    checkpoint.save(path, Tiny(width).state_dict(), metadata)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return weights(tmp_path / "small.safetensors")


def photo(width: int = 20, height: int = 12, channels: int = 3, seed: int = 0) -> Picture:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Picture(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def job(reference: str, picture: Picture | None = None, seed: int = 0, **values: Any) -> Job:
    return Job("tiny", reference, values, {"photo": picture or photo()}, seed=seed)


def result(engine: Engine, job: Job) -> Result:
    last = list(engine.run(job))[-1]
    assert isinstance(last, Result)
    return last


def refusal(call: Callable[[], Any], kind: str) -> str:
    with pytest.raises(EngineError) as caught:
        call()
    sentence = str(caught.value)
    assert caught.value.kind == kind, sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 260
    return sentence


# ---- finding and describing ----------------------------------------------------------------------


def test_describe_fills_the_card(engine: Engine, tmp_path: Path) -> None:
    told = {"title": "Blue shirts", "licence": "CC0", "numbers": {"l1": 0.1}, "sheet": "a.png",
            "sketch": {"ink": [0.1, 0.2], "width": [0.01, 0.02], "extent": [0.5, 0.9]}}  # fmt: skip
    path = weights(tmp_path / "shirts.safetensors", card=told)
    card = engine.describe(path)
    assert card.checkpoint == f"shirts@{checkpoint.file_digest(Path(path))}"
    assert (card.title, card.licence, card.numbers["l1"]) == ("Blue shirts", "CC0", 0.1)
    assert card.sketch is not None and card.sketch.width == (0.01, 0.02)
    assert card.parameters == sum(p.numel() for p in Tiny(4).parameters())
    assert card.size == SizeRule(MULTIPLE, MULTIPLE), (
        "what the file says cannot change the size rule"
    )
    assert ModelCard.from_dict(card.to_dict()) == card


def test_a_file_that_was_described_is_found_by_its_digest(engine: Engine, tmp_path: Path) -> None:
    """Though no catalogue knows it and its model has left memory."""
    path = weights(tmp_path / "a.safetensors")
    reference = engine.describe(path).checkpoint
    engine.unload_all()
    assert result(engine, job(reference)).pictures
    weights(tmp_path / "a.safetensors", seed=1)
    engine.unload_all()
    assert "holds other weights now" in refusal(lambda: engine.load(reference), "missing-model")
    Path(path).unlink()
    assert "cannot be read" in refusal(lambda: engine.load(reference), "missing-model")


def test_a_damaged_card_is_left_out_with_a_note(engine: Engine, tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors", card={"title": "A", "sketch": {"ink": 5}})
    card = engine.describe(path)
    assert card.title == "Tiny"
    assert any("damaged" in note for note in card.notes)


def test_a_model_is_found_by_path_name_and_digest(
    engine: Engine, catalogue: Catalogue, model: str
) -> None:
    entry = catalogue.add(model)
    first = engine.load(model)
    assert engine.load("small") is first
    assert engine.load(entry.reference) is first
    assert engine.load(f"any name@{entry.digest}") is first
    assert engine.load(f"{model}@{entry.digest}") is first
    assert first.checkpoint == entry.reference


def test_a_missing_model_is_named_with_its_digest(
    engine: Engine, catalogue: Catalogue, model: str, tmp_path: Path
) -> None:
    sentence = refusal(lambda: engine.load("shirts@0123456789abcdef"), "missing-model")
    assert "shirts" in sentence and "0123456789abcdef" in sentence
    assert "hats" in refusal(lambda: engine.load("hats"), "missing-model")
    assert "no file" in refusal(lambda: engine.load(str(tmp_path / "a.pth")), "missing-model")
    assert "chosen" in refusal(lambda: engine.load(""), "missing-model")
    assert "NUL" not in refusal(lambda: engine.load("a\0b"), "missing-model")
    other = f"{model}@0123456789abcdef"
    assert "other weights" in refusal(lambda: engine.load(other), "missing-model")
    entry = catalogue.add(model)
    weights(Path(model), seed=9)
    assert "other weights" in refusal(lambda: engine.load(entry.reference), "missing-model")
    Path(model).unlink()
    refusal(lambda: engine.load(entry.reference), "missing-model")


def test_weights_that_are_none_are_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    refusal(lambda: engine.load(str(tmp_path / "text.pth")), "checkpoint")
    torch.save({"foreign.weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    assert "foreign" in refusal(lambda: engine.load(str(tmp_path / "foreign.pth")), "checkpoint")
    half = Tiny(4).state_dict()
    del half["up.weight"]
    torch.save(half, tmp_path / "half.pth")
    refusal(lambda: engine.load(str(tmp_path / "half.pth")), "checkpoint")


def test_a_tie_is_settled_by_the_person_once(
    engine: Engine, twin: TinyFamily, catalogue: Catalogue, model: str
) -> None:
    assert [f.id for f in engine.candidates(model)] == ["twin", "tiny"]
    assert engine.describe(model).family == "twin"
    assert engine.describe(model, "tiny").family == "tiny"
    reference = catalogue.add(model, family="tiny").reference
    assert engine.describe(reference).family == "tiny"
    assert engine.describe(model).family == "tiny"
    assert result(engine, job(reference)).pictures[0] == result(engine, job(model)).pictures[0]
    sentence = refusal(lambda: engine.load(model, "pix2pix"), "checkpoint")
    assert "pix2pix" in sentence


def test_what_the_window_adds_later_is_found(
    family: TinyFamily, twin: TinyFamily, model: str
) -> None:
    engine = Engine("cpu")
    refusal(lambda: engine.load("small"), "missing-model")
    reference = Catalogue().add(model, family="tiny").reference
    assert engine.load(reference).family.id == "tiny"
    assert engine.load("small").checkpoint == reference


# ---- running -------------------------------------------------------------------------------------


def test_a_run_gives_its_events_in_order_and_one_result(engine: Engine, model: str) -> None:
    events = list(engine.run(job(model, steps=3)))
    assert events[0] == Progress(0, 0, "Loading small.safetensors")
    assert [type(e) for e in events[1:]] == [Progress, Preview] * 3 + [Result]
    last = events[-1]
    assert isinstance(last, Result) and 0 < last.seconds < 10
    assert [type(e) for e in engine.run(job(engine.load(model).checkpoint))] == [Result]


def test_the_time_between_steps_is_not_engine_time(engine: Engine, model: str) -> None:
    import time

    slept = 0.0
    for event in engine.run(job(model, steps=2)):
        if isinstance(event, Progress):
            time.sleep(0.1)
            slept += 0.1
        if isinstance(event, Result):
            assert event.seconds < slept


def test_the_same_job_twice_is_the_same_picture_and_another_seed_another(
    engine: Engine, catalogue: Catalogue, model: str
) -> None:
    one = result(engine, job(model, noise=0.5, seed=1)).pictures
    assert result(engine, job(model, noise=0.5, seed=1)).pictures == one
    fresh = Engine("cpu", catalogue=catalogue)
    assert result(fresh, job(model, noise=0.5, seed=1)).pictures == one
    assert result(engine, job(model, noise=0.5, seed=2)).pictures != one
    torch.manual_seed(3)
    before = torch.get_rng_state()
    result(engine, job(model, noise=0.5, seed=1))
    assert torch.equal(torch.get_rng_state(), before), "the global source is not touched"


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 257), (8, 8), (300, 200)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_result_has_exactly_the_size_and_alpha_of_the_input(
    engine: Engine, model: str, size: tuple[int, int], channels: int
) -> None:
    given = photo(*size, channels)
    made = result(engine, job(model, given)).pictures[0]
    assert made.size == size
    assert made.channels == (4 if channels == 4 else 3)
    if channels == 4:
        assert np.array_equal(made.pixels[..., 3], given.pixels[..., 3])


def test_a_turned_photo_with_alpha_goes_through_upright(
    engine: Engine, model: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = photo(20, 12, 4)
    Image.fromarray(stored.pixels).save(tmp_path / "turned.png", exif=exif)
    made = result(engine, job(model, images.open_picture(tmp_path / "turned.png"))).pictures[0]
    assert made.size == (12, 20)
    assert np.array_equal(made.pixels[..., 3], np.rot90(stored.pixels[..., 3], 3))


@pytest.mark.slow
def test_24_megapixels(engine: Engine, model: str) -> None:
    large = Picture(np.broadcast_to(photo(6000, 1).pixels, (4000, 6000, 3)))
    assert result(engine, job(model, large)).pictures[0].size == (6000, 4000)


def test_what_a_person_got_wrong_is_told_in_one_sentence(engine: Engine, model: str) -> None:
    runs = [
        job(model).with_(values={"hue": 3}),
        job(model).with_(values={"noise": "much"}),
        job(model).with_(images={}),
        job(model).with_(images={"photo": photo(), "extra": photo()}),
        job(model).with_(family="unheard"),
    ]
    sentences = {refusal(lambda run=run: list(engine.run(run)), "input") for run in runs}
    assert len(sentences) == len(runs)
    assert isinstance(list(engine.run(job(model)))[-1], Result), "the next job runs"


def test_closing_a_run_closes_the_family_and_forgets_nothing(
    engine: Engine, family: TinyFamily, model: str
) -> None:
    events = engine.run(job(model, steps=20))
    next(events), next(events), next(events)
    events.close()
    assert family.closed == 1
    assert isinstance(list(engine.run(job(model)))[-1], Result)
    assert family.closed == 2
    unstarted = engine.run(job(model))
    unstarted.close()
    assert family.closed == 2


def test_the_grad_mode_never_leaks_over_a_yield(
    engine: Engine, family: TinyFamily, model: str
) -> None:
    for _ in engine.run(job(model, steps=2)):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert family.grad == [(False, True)] * 5


def test_a_family_that_needs_gradients_has_them(
    engine: Engine, family: TinyFamily, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TinyFamily, "needs_grad", True)
    with torch.no_grad():
        for _ in engine.run(job(model, steps=2)):
            assert not torch.is_grad_enabled()
    assert family.grad == [(True, False)] * 5
    assert engine.load(model).memo["last"].requires_grad


def test_repairs_are_told_with_the_first_result_and_stay_on_the_card(
    engine: Engine, tmp_path: Path
) -> None:
    wrapped = {"state_dict": {f"module.{k}": v for k, v in Tiny(4).state_dict().items()}}
    torch.save(wrapped, tmp_path / "old.pth")
    first = result(engine, job(str(tmp_path / "old.pth")))
    second = result(engine, job(str(tmp_path / "old.pth")))
    assert len(first.notes) > 1 and first.notes[0] == "Done."
    assert second.notes == ("Done.",)
    told = engine.describe(str(tmp_path / "old.pth")).notes
    assert set(first.notes[1:]) == set(told) and len(set(told)) == len(told)


def test_a_network_that_answers_nonsense_is_named(engine: Engine, model: str) -> None:
    with torch.no_grad():
        engine.load(model).module.get_parameter("up.bias").fill_(float("nan"))
    assert "small" in refusal(lambda: list(engine.run(job(model))), "checkpoint")


def test_half_precision_that_overflows_is_computed_in_full(
    engine: Engine, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "half_type", lambda device, allowed: torch.float16)
    half = engine.load(model)
    assert half.dtype == torch.float16
    assert half.module.get_parameter("up.bias").dtype == torch.float16
    assert half.module.get_parameter("norm.weight").dtype == torch.float32
    answers = [NOT_A_NUMBER]
    half.module.register_forward_hook(lambda m, i, o: o * answers.pop() if answers else o)
    monkeypatch.setattr(nn.BatchNorm2d, "forward", _mixed_batch_norm)
    assert result(engine, job(model)).pictures[0].size == (20, 12)
    assert half.dtype == torch.float32
    assert half.module.get_parameter("up.bias").dtype == torch.float32


NOT_A_NUMBER = float("nan")


def _mixed_batch_norm(self: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """What CUDA does itself: half in and out, full precision inside."""
    return nn.functional.batch_norm(
        x.float(), self.running_mean, self.running_var, self.weight, self.bias
    ).to(x.dtype)


# ---- memory --------------------------------------------------------------------------------------


def test_the_least_recently_used_leaves_first(
    family: TinyFamily, catalogue: Catalogue, tmp_path: Path
) -> None:
    paths = [weights(tmp_path / f"m{i}.safetensors", i, width=64) for i in range(3)]
    size = memory.module_bytes(Tiny(64))
    engine = Engine("cpu", memory_budget=int(size * 2.5), catalogue=catalogue)
    first, second = engine.load(paths[0]), engine.load(paths[1])
    assert engine.memory()["used"] == 2 * size
    assert engine.load(paths[0]) is first
    engine.load(paths[2])
    told = {"used": 2 * size, "budget": int(size * 2.5), "device": "cpu", "lane": ""}
    assert engine.memory() == told
    assert engine.load(paths[0]) is first, "used more recently than the second"
    assert engine.load(paths[1]) is not second


def test_one_model_larger_than_the_budget_still_runs(
    family: TinyFamily, catalogue: Catalogue, model: str
) -> None:
    engine = Engine("cpu", memory_budget=1, catalogue=catalogue)
    assert result(engine, job(model)).pictures[0].size == (20, 12)
    assert engine.load(model) is engine.load(model)


def test_an_evicted_model_takes_its_memo_along(engine: Engine, model: str) -> None:
    class Encoding:
        pass

    loaded = engine.load(model)
    loaded.memo["encoding"] = encoding = Encoding()
    gone = [weakref.ref(loaded), weakref.ref(encoding), weakref.ref(loaded.module)]
    del loaded, encoding
    engine.unload_all()
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    assert engine.memory()["used"] == 0


def test_a_model_at_work_is_not_evicted(
    family: TinyFamily, catalogue: Catalogue, tmp_path: Path
) -> None:
    paths = [weights(tmp_path / f"m{i}.safetensors", i) for i in range(2)]
    engine = Engine("cpu", memory_budget=1, catalogue=catalogue)
    first = engine.load(paths[0])
    long = engine.run(job(paths[0], steps=2))
    next(long), next(long)
    result(engine, job(paths[1]))
    assert engine.load(paths[0]) is first
    assert isinstance(list(long)[-1], Result)


def fail(module: nn.Module, times: int, error: Exception) -> list[tuple[int, int]]:
    """The next `times` passes raise; gives the sizes (width, height) that were tried."""
    tried: list[tuple[int, int]] = []

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tried.append((inputs[0].shape[-1], inputs[0].shape[-2]))
        if len(tried) <= times:
            raise error

    module.register_forward_pre_hook(hook)
    return tried


OUT = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"
    ),
    MemoryError("Unable to allocate 2 GiB for an array"),
    memory.PassTooLarge("predicted"),
]


@pytest.mark.parametrize("error", OUT, ids=lambda e: type(e).__name__)
def test_short_of_memory_the_others_leave_and_it_is_tried_again(
    engine: Engine, model: str, tmp_path: Path, error: Exception
) -> None:
    expected = result(engine, job(model)).pictures
    other = weakref.ref(engine.load(weights(tmp_path / "other.safetensors", 5)))
    tried = fail(engine.load(model).module, 1, error)
    assert result(engine, job(model)).pictures == expected
    assert len(tried) == 2
    assert other() is None


def test_still_short_of_memory_the_picture_becomes_smaller_and_the_result_is_enlarged(
    engine: Engine, model: str
) -> None:
    tried = fail(engine.load(model).module, 2, torch.OutOfMemoryError("CUDA out of memory."))
    made = result(engine, job(model, photo(400, 300)))
    assert tried == [(400, 304), (288, 216), (200, 152)]
    assert made.pictures[0].size == (400, 300)
    assert any("computed at 200 x 150" in note for note in made.notes)


class Gated(TinyFamily):
    def card(self, config: Config) -> ModelCard:
        card = super().card(config)
        return replace(card, controls=(*card.controls, gate()))

    def run(self, model: Model, job: Job) -> Iterator[Event]:
        assert job.images.keys() == {"photo"}, "a family never sees the mask"
        yield from super().run(model, job)


@pytest.fixture
def gated(catalogue: Catalogue) -> Iterator[Engine]:
    registered = _registered(Gated())
    next(registered)
    yield Engine("cpu", catalogue=catalogue)
    next(registered, None)


def right_half(size: tuple[int, int]) -> Picture:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[:, size[0] // 2 :] = 255
    return Picture(mask)


def masked(plain: Job, mask: Picture) -> Job:
    return plain.with_(images={**plain.images, "mask": mask})


def test_of_a_result_that_was_shrunk_the_rest_is_still_the_photo(gated: Engine, model: str) -> None:
    fail(gated.load(model).module, 2, torch.OutOfMemoryError("CUDA out of memory."))
    given = photo(400, 300)
    made = result(gated, masked(job(model, given), right_half((400, 300)))).picture.pixels
    assert np.array_equal(made[:, :200], given.pixels[:, :200])
    assert not np.array_equal(made[:, 200:], given.pixels[:, 200:])


def test_while_the_mask_alone_changes_no_network_runs(gated: Engine, model: str) -> None:
    given, mask = photo(), right_half((20, 12))
    passes = fail(gated.load(model).module, 0, ValueError())
    whole = result(gated, job(model, given, steps=1)).picture
    events = list(gated.run(masked(job(model, given, steps=1), mask)))
    first = events[-1]
    assert isinstance(first, Result) and len(passes) == 1
    assert not any(isinstance(event, Preview) for event in events)
    assert np.array_equal(first.picture.pixels[:, 10:], whole.pixels[:, 10:])
    other = Picture(255 - mask.pixels)
    second = result(gated, masked(job(model, given, steps=1), other)).picture
    assert np.array_equal(second.pixels[:, :10], whole.pixels[:, :10]) and len(passes) == 1
    moved = list(gated.run(masked(job(model, given, steps=1, noise=1), mask)))
    assert len(passes) == 2
    previews = [e.picture for e in moved if isinstance(e, Preview)]
    assert previews == [given]  # TinyFamily shows its photo
    gated.unload_all()
    assert result(gated, masked(job(model, given, steps=1), mask)).picture == first.picture


def test_a_photo_that_the_model_would_not_fit_is_refused_by_its_shape(
    gated: Engine, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = Picture(photo().pixels[:, :10])
    monkeypatch.setattr(tensors, "to_picture", lambda _: narrow)
    plain = masked(job(model), right_half((20, 12)))
    assert "the photo's shape" in refusal(lambda: list(gated.run(plain)), "input")


@pytest.mark.parametrize("shrinks", [True, False])
def test_at_the_end_of_the_ladder_stands_a_sentence(
    engine: Engine, model: str, shrinks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TinyFamily, "shrinks", shrinks)
    tried = fail(engine.load(model).module, 99, torch.OutOfMemoryError("CUDA out of memory."))
    sentence = refusal(lambda: list(engine.run(job(model, photo(400, 300)))), "memory")
    assert "400 x 300" in sentence and "smaller" in sentence
    assert len(tried) == (5 if shrinks else 1)
    assert engine.load(model).memo == {}


def test_other_runtime_errors_are_not_taken_for_want_of_memory(engine: Engine, model: str) -> None:
    tried = fail(engine.load(model).module, 1, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        list(engine.run(job(model)))
    assert len(tried) == 1


def test_loading_short_of_memory_evicts_and_then_refuses(
    engine: Engine, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine.load(model)
    other = weights(tmp_path / "other.safetensors", 5)
    real, left = executor.prepare, [2]

    def short(*arguments: Any) -> nn.Module:
        left[0] -= 1
        if left[0] > 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(*arguments)

    monkeypatch.setattr(executor, "prepare", short)
    engine.load(other)
    assert engine.load(model) is not first, "it made room"
    left[0] = 99
    engine.unload_all()
    assert "load small" in refusal(lambda: engine.load(model), "memory")


def test_a_pass_that_would_not_fit_on_the_cpu_is_not_begun(
    engine: Engine, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU too large a pass ends the program, so it is predicted."""
    monkeypatch.setattr(executor, "LARGE", 1)
    monkeypatch.setattr(memory, "free_bytes", lambda: memory.LOADED + 2_000_000)
    made = result(engine, job(model, photo(400, 300)))
    assert made.pictures[0].size == (400, 300)
    assert any("too little memory" in note for note in made.notes)
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    assert "smaller" in refusal(lambda: list(engine.run(job(model, photo(400, 300)))), "memory")
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    assert result(engine, job(model, photo(400, 300))).notes == ("Done.",)


def test_the_prediction_grows_with_the_picture_and_changes_nothing() -> None:
    module = Tiny(16).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    small = memory.pass_bytes(module, [torch.zeros(1, 3, 64, 64)], {})
    large = memory.pass_bytes(module, [torch.zeros(1, 3, 256, 256)], {})
    assert small is not None and large is not None
    assert 12 * (small - memory.LOADED) < large - memory.LOADED < 20 * (small - memory.LOADED)
    assert large > memory.LOADED + 2 * 3 * 256 * 256 * 4, (
        "the answer and the sum before it are alive together"
    )
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())

    class Undecided(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    assert memory.pass_bytes(Undecided(), [torch.zeros(1, 3, 8, 8)], {}) is None


def test_the_prediction_knows_what_a_convolution_needs_besides() -> None:
    """As measured: weights are sorted anew, maps too unless their channels lie last."""
    conv, given = nn.Conv2d(64, 64, 3, padding=1, bias=False), torch.zeros(1, 64, 384, 384)
    maps, weights = 64 * 384 * 384 * 4, 64 * 64 * 9 * 4
    small = round(weights * (1 + memory.GAPS))
    assert memory.pass_bytes(conv, [given], {}) == memory.LOADED + 2 * maps + small
    last = torch.channels_last
    sorted_ = memory.pass_bytes(conv.to(memory_format=last), [given.to(memory_format=last)], {})
    assert sorted_ == memory.LOADED + maps + small


def test_the_prediction_knows_what_is_kept_of_small_pieces() -> None:
    class Waist(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            count = (x[..., ::4] + 1).shape[0]  # 9 MB, freed before the large ones are made
            return (x + 1) * count

    piece = 64 * 384 * 384 * 4
    needed = memory.pass_bytes(Waist(), [torch.zeros(1, 64, 384, 384)], {})
    assert needed == memory.LOADED + 2 * piece + piece // 4


def test_memory_of_this_computer_is_known() -> None:
    total, free = memory.total_bytes(), memory.free_bytes()
    assert total > 1 << 28
    assert free is None or 0 < free <= total


# ---- executor ------------------------------------------------------------------------------------


def test_a_pass_takes_and_gives_full_precision_on_the_models_device(
    engine: Engine, model: str
) -> None:
    loaded = engine.load(model)
    made = loaded(torch.zeros(1, 3, 16, 16, dtype=torch.float64))
    assert made.dtype == torch.float32 and not made.requires_grad
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    plain = Tiny(4).eval()
    plain.load_state_dict(loaded.module.state_dict())
    assert torch.allclose(made, plain(torch.zeros(1, 3, 16, 16)), atol=1e-6)


def test_networks_get_channels_last_unless_their_norm_copies_there() -> None:
    def strides(module: nn.Module) -> bool:
        ready = executor.prepare(module, torch.device("cpu"), torch.float32)
        return next(ready.parameters()).is_contiguous(memory_format=torch.channels_last)

    assert strides(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    assert not strides(nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8)))
    assert strides(nn.Sequential(nn.Conv2d(3, 8, 3), layers.norm_layer("instance", 8)))
    assert strides(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))


def test_half_precision_is_for_graphics_cards() -> None:
    assert executor.half_type(torch.device("cpu"), True) == torch.float32


# ---- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "", "cuda:99", "tpu", "mps:3"])
def test_a_device_that_is_not_there_is_refused_at_once(device: str) -> None:
    refusal(lambda: Engine(device), "device")


@pytest.mark.skipif(torch.cuda.is_available(), reason="There is a CUDA card here.")
def test_cuda_without_a_card_names_the_remedy() -> None:
    assert "auto or cpu" in refusal(lambda: Engine("cuda"), "device")
    assert Engine("auto").device.type in ("cpu", "mps")


def test_import_and_tools_do_without_torch() -> None:
    code = (
        "import sys; import numpy as np; from engines import Engine, Job, Picture, Result\n"
        "job = Job('edges', images={'photo': Picture(np.eye(64, dtype=np.uint8) * 255)})\n"
        "events = list(Engine().run(job))\n"
        "assert isinstance(events[-1], Result) and events[-1].seconds > 0\n"
        "assert Engine('cpu').describe('edges').title\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_starter_is_described_without_torch_at_the_very_first_start(tmp_path: Path) -> None:
    """resources/loaded.json knows them all; resources/samples/first.py writes it anew. Enlargers
    are recognised by spandrel, which is made of torch."""
    code = (
        "import sys; from engines import Engine; from engines.catalogue import Catalogue\n"
        "engine = Engine('cpu')\n"
        "for entry in [e for e in Catalogue().entries() if e.family != 'enlarge']:\n"
        "    print(engine.describe(entry.reference, entry.family).parameters)\n"
        "assert 'torch' not in sys.modules"
    )
    home = {**os.environ, "GANVAS_HOME": str(tmp_path)}
    call = [sys.executable, "-c", code]
    told = subprocess.run(call, check=True, env=home, capture_output=True, text=True).stdout.split()
    loaded = [Engine("cpu").load(e.reference, e.family).card for e in Catalogue().entries()[:2]]
    assert [int(count) for count in told[:2]] == [card.parameters for card in loaded]
    assert not any(card.notes for card in loaded)


# ---- on a card -----------------------------------------------------------------------------------

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA card here.")


@pytest.mark.gpu
@needs_card
def test_half_precision_on_a_card_agrees_with_full_precision(
    family: TinyFamily, catalogue: Catalogue, model: str
) -> None:
    picture = photo(256, 200)
    half = Engine("cuda", catalogue=catalogue)
    full = Engine("cuda", catalogue=catalogue, half=False)
    cpu = Engine("cpu", catalogue=catalogue)
    assert half.load(model).dtype == torch.float16
    made = [
        result(e, job(model, picture)).pictures[0].pixels.astype(int) for e in (half, full, cpu)
    ]
    assert np.abs(made[0] - made[2]).max() <= 3
    assert np.abs(made[1] - made[2]).max() <= 1
    assert result(half, job(model, picture)).pictures == result(half, job(model, picture)).pictures


@pytest.mark.gpu
@needs_card
def test_a_card_that_is_too_small_climbs_down_and_may_hand_over_to_the_cpu(
    family: TinyFamily, catalogue: Catalogue, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photo(4000, 3000)
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        made = result(Engine("cuda", catalogue=catalogue), job(model, picture))
        assert made.pictures[0].size == (4000, 3000)
        assert any("too little memory" in note for note in made.notes)
        monkeypatch.setattr(TinyFamily, "shrinks", False)
        alone = Engine("cuda", catalogue=catalogue)
        assert "CPU" in refusal(lambda: list(alone.run(job(model, picture))), "memory")
        handing = Engine("cuda", catalogue=catalogue, cpu_fallback=True)
        assert any("on the CPU" in note for note in result(handing, job(model, picture)).notes)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_model_that_was_loaded_before_is_described_without_torch(
    tmp_path: Path, home: Path
) -> None:
    """In a process of its own, since torch is here."""
    code = (
        "import sys\n"
        "from engines.catalogue import Catalogue\n"
        "from pathlib import Path\n"
        "from engines.engine import Engine\n"
        "from engines.weights import Loaded\n"
        "engine = Engine()\n"
        "engine._loaded = Loaded(shipped=Path('none'))  # as for a model of one's own\n"
        "name = Catalogue().default().reference\n"
        "first = engine.memory(), engine.describe(name)\n"
        "print('torch' in sys.modules, first[0]['device'])\n"
        "print(engine.load(name).card == engine.describe(name) == first[1])\n"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                       cwd=Path(__file__).parents[2]).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert told == [["True", "True"], ["False", "True"]]
