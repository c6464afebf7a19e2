"""Files of Torch7: read as inert data, strict about every claim, and never run."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lua import Lua, sequential, write
from refusal import is_one_sentence

from engines import doctor
from engines.checkpoint import CheckpointError, open_checkpoint


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def test_a_net_opens_under_the_places_of_its_modules(tmp_path: Path) -> None:
    kernel, bias, std = numbers(4, 27), numbers(4), np.abs(numbers(4)) + 0.5
    gone = {"gradWeight": numbers(4, 27), "output": numbers(1, 4)}
    convolution = ("cudnn.SpatialConvolution", {
        "weight": kernel, "bias": bias, "nInputPlane": 3, "nOutputPlane": 4, "kW": 3, "kH": 3,
        **gone,
    })  # fmt: skip
    norm = ("nn.SpatialBatchNormalization", {
        "weight": bias, "running_mean": bias, "running_std": std, "eps": 1e-3,
    })  # fmt: skip
    inner = sequential(norm, ("nn.Linear", {"weight": numbers(2, 4, dtype=np.float64)}))
    opened = open_checkpoint(
        write(tmp_path / "net.t7", sequential(convolution, ("nn.ReLU", {}), inner))
    )
    assert opened.format == "torch7"
    assert opened.shapes() == {
        "1.weight": (4, 3, 3, 3), "1.bias": (4,), "3.1.weight": (4,), "3.1.running_mean": (4,),
        "3.1.running_var": (4,), "3.2.weight": (2, 4),
    }  # fmt: skip
    tensors = opened.tensors()
    assert np.array_equal(tensors["1.weight"].numpy(), kernel.reshape(4, 3, 3, 3))
    assert tensors["1.bias"].data_ptr() == tensors["3.1.weight"].data_ptr()  # shared, as it was
    assert torch.allclose(tensors["3.1.running_var"], torch.from_numpy(std**-2 - 1e-3))
    assert tensors["3.2.weight"].dtype == torch.float64
    assert any("variances" in note for note in opened.notes)
    assert opened.not_finite() is None


def test_a_table_gives_the_net_in_it(tmp_path: Path) -> None:
    nets = {"netD": sequential(("nn.Linear", {"weight": numbers(1, 2)})),
            "netG": sequential(("nn.Linear", {"weight": numbers(3, 2)}))}  # fmt: skip
    opened = open_checkpoint(write(tmp_path / "both.t7", nets))
    assert opened.shapes() == {"1.weight": (3, 2)}
    assert any("netG" in note for note in opened.notes)


def refused(path: Path, kind: str = "damaged") -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert caught.value.kind == kind and is_one_sentence(str(caught.value)), str(caught.value)
    return str(caught.value)


def test_a_function_is_refused(tmp_path: Path) -> None:
    lua = Lua()
    lua.int(3, 1, 1)
    lua.value("train")
    lua.int(6)
    lua.text("os.execute('true')")
    lua.value({})
    (tmp_path / "net.t7").write_bytes(lua.out)
    assert "Lua function" in refused(tmp_path / "net.t7")


@pytest.mark.parametrize("count", [1 << 40, -1, (1 << 62)])
def test_a_storage_that_claims_more_than_the_file(tmp_path: Path, count: int) -> None:
    data = write(tmp_path / "net.t7", numbers(3, 2)).read_bytes()
    claimed = data.replace(struct.pack("<q", 6) + data[-24:], struct.pack("<q", count) + data[-24:])
    assert claimed != data
    (tmp_path / "net.t7").write_bytes(claimed)
    assert "cut off" in refused(tmp_path / "net.t7")


def test_a_tensor_that_reaches_beyond_its_storage(tmp_path: Path) -> None:
    data = write(tmp_path / "net.t7", numbers(3, 2)).read_bytes()
    longer = data.replace(struct.pack("<2q", 3, 2), struct.pack("<2q", 300, 2))
    (tmp_path / "net.t7").write_bytes(longer)
    assert "beyond" in refused(tmp_path / "net.t7")


def test_objects_without_end(tmp_path: Path) -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"in": deep}
    assert "more objects" in refused(write(tmp_path / "deep.t7", deep))
    itself: dict[str, Any] = {}
    itself["me"] = itself
    assert "themselves" in refused(write(tmp_path / "itself.t7", itself))
    loop: tuple[str, dict[str, Any]] = ("nn.Sequential", {})
    loop[1]["modules"] = {1: loop}
    assert "themselves" in refused(write(tmp_path / "loop.t7", loop))


def test_every_cut_and_flipped_byte_gives_a_sentence_or_numbers(tmp_path: Path) -> None:
    net = sequential(("nn.Linear", {"weight": numbers(2, 3), "bias": numbers(2), "gone": None}))
    data = write(tmp_path / "net.t7", net).read_bytes()
    for end in range(9, len(data)):
        (tmp_path / "cut.t7").write_bytes(data[:end])
        refused(tmp_path / "cut.t7", "damaged" if end > 12 else "not-weights")
    random = np.random.default_rng(1)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= int(random.integers(1, 256))
        (tmp_path / "flipped.t7").write_bytes(broken)
        try:
            open_checkpoint(tmp_path / "flipped.t7").tensors()
        except CheckpointError as error:
            assert is_one_sentence(str(error)), str(error)


def test_the_doctor_names_it(tmp_path: Path) -> None:
    verdict = doctor.inspect(
        write(tmp_path / "a.t7", sequential(("nn.Linear", {"weight": numbers(2, 3)})))
    )
    assert verdict.format == "torch7" and "does not know" in verdict.message
