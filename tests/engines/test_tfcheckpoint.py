"""TensorFlow checkpoints without TensorFlow: what savers write, real files, and hostile ones."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tfwriter
import torch
from tfwriter import entry, field, header, plain, snappy, table, write

from engines import doctor, tfcheckpoint
from engines.checkpoint import CheckpointError, open_checkpoint

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)
RNG = np.random.default_rng(0)
VARIABLES = {
    "G/conv1/W": RNG.standard_normal((4, 4, 3, 8)).astype(np.float32),
    "G/conv1/b": RNG.standard_normal(8).astype(np.float16),
    "G/conv2/W": RNG.standard_normal((2, 0, 5)).astype(np.float64),
    "global_step": np.array(12_345, np.int64),
    "flags": np.array([True, False, True]),
    **{f"G/norm{n}/gamma": RNG.standard_normal(300).astype(np.float32) for n in range(40)},
}


def equal(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == VARIABLES.keys()
    for name, value in VARIABLES.items():
        assert found[name].numpy().dtype == value.dtype and found[name].shape == value.shape
        assert np.array_equal(found[name].numpy(), value), name


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("pack", [plain, snappy])
def test_every_variable_comes_back(pack: tfwriter.Block, shards: int, tmp_path: Path) -> None:
    index = write(tmp_path / "model_000500.ckpt", VARIABLES, shards, pack)
    opened = open_checkpoint(index)
    assert opened.format == "tensorflow-checkpoint"
    assert opened.shapes() == {name: value.shape for name, value in VARIABLES.items()}
    equal(opened.tensors())
    assert opened.not_finite() is None


def test_any_of_its_files_and_its_folder_open_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder / "model_000500.ckpt", {"old": np.zeros(2, np.float32)})
    index = write(folder / "model.ckpt", VARIABLES)
    assert tfcheckpoint.index_in(folder) is None  # two, and nothing tells which is the last
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/me/log/model.ckpt"\n')
    digest = open_checkpoint(index).digest
    for path in (folder, folder / "checkpoint", folder / "model.ckpt.data-00000-of-00001"):
        opened = open_checkpoint(path)
        equal(opened.tensors())
        assert opened.digest == digest
    assert open_checkpoint(folder / "model_000500.ckpt.index").keys() == ("old",)
    assert "48 weights" not in doctor.inspect(folder).message
    assert "45 weights" in doctor.inspect(folder).message


def test_names_of_tensorflow_2_lose_their_tail_and_texts_are_left_out(tmp_path: Path) -> None:
    graph = (b"_CHECKPOINTABLE_OBJECT_GRAPH", entry(7, (), 0, 4))
    slices = (b"whole", field(1, 1) + field(2, field(2, field(1, 4))) + field(7, b""))
    piece = (b"\0whole-part", entry(1, (2,), 0, 8))
    variables = {"net/w/.ATTRIBUTES/VARIABLE_VALUE": np.arange(3, dtype=np.float32)}
    index = write(tmp_path / "ckpt-1", variables, extra=(graph, slices, piece))
    opened = open_checkpoint(index)
    assert opened.keys() == ("net/w",)
    assert opened.notes == ("1 variable saved in slices was left out.",)


def test_bfloat16(tmp_path: Path) -> None:
    value = torch.tensor([1.5, -3.0, 0.25], dtype=torch.bfloat16)
    index = write(tmp_path / "half", {"w": np.zeros(3, np.float16)})
    index.write_bytes(table([(b"", header()), (b"w", entry(14, (3,), 0, 6))]))
    data = value.view(torch.uint16).numpy().tobytes()
    (tmp_path / "half.data-00000-of-00001").write_bytes(data)
    assert torch.equal(open_checkpoint(index).tensors()["w"], value)


def test_a_real_checkpoint() -> None:
    index = WEIGHTS / "anime" / "cartoongan_light_shinkai_ckpt" / "generator.index"
    if not index.is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    opened = open_checkpoint(index)
    assert (len(opened.infos), opened.parameters) == (126, 878_433)
    checked = 0
    source = tfcheckpoint.TensorFlow(index)
    for key, value in tfcheckpoint._table(index):
        name = key.decode().removesuffix(tfcheckpoint.OBJECT)
        if name in source.infos and sum(source.infos[name].shape) < 300:
            (told,) = tfcheckpoint._message(value)[6]
            numbers = b"".join(source.blocks(name))
            assert tfwriter.checksum(numbers) == int.from_bytes(told, "little"), name
            checked += 1
    assert checked > 90
    kernel = opened.tensors()["down_conv1/r_model/layer-0/kernel"]
    assert kernel.shape == (1, 1, 96, 96) and 0.01 < float(kernel.std()) < 1


# ---- what is damaged, or meant to harm -----------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert str(caught.value).startswith(path.name)
    return str(caught.value)


def planted(
    folder: Path, *rows: tuple[bytes, bytes], head: bytes = header(), data: int = 64
) -> Path:
    """An index with these rows, and so many bytes of numbers."""
    (folder / "w.data-00000-of-00001").write_bytes(bytes(data))
    index = folder / "w.index"
    index.write_bytes(table([(b"", head), *rows]))
    return index


@pytest.mark.parametrize(
    "row",
    [
        entry(1, (4,), 60, 16),  # ends behind the file
        entry(1, (4,), 1 << 62, 16),
        entry(1, (5,), 0, 16),  # fewer numbers than the shape says
        entry(1, (1 << 62, 1 << 62), 0, 16),
        entry(1, ((1 << 64) - 4,), 0, 16),  # a negative length
        entry(1, (1,) * 40, 0, 4),
        entry(1, (4,), 0, 16, shard=1),
        field(1, b"text") + field(5, 16),
        field(1, 1) + field(2, 7) + field(5, 16),
        field(1, 1) + field(2, field(2, 9)) + field(5, 16),
        b"\x08",
        b"\xff" * 20,
        b"\x0b\x08\x01\x0c",  # a group, which protobuf gave up
    ],
)
def test_an_entry_that_lies_is_refused(row: bytes, tmp_path: Path) -> None:
    assert "damaged" in refused(planted(tmp_path, (b"w", row)))


def test_variables_may_not_share_their_numbers(tmp_path: Path) -> None:
    rows = [(f"w{n}".encode(), entry(1, (16,), 0, 64)) for n in range(5)]
    assert "share their numbers" in refused(planted(tmp_path, *rows))
    twice = [(b"w", entry(1, (4,), 0, 16)), (b"w:0", entry(1, (4,), 16, 16))]
    assert "damaged" in refused(planted(tmp_path, *twice))


def test_kinds_of_numbers_and_computers_that_are_not_read(tmp_path: Path) -> None:
    assert "kind of number" in refused(planted(tmp_path, (b"w", entry(11, (4,), 0, 16))))
    assert "another kind of computer" in refused(planted(tmp_path, head=header(big=True)))
    assert "lacks some of the files" in refused(planted(tmp_path, head=header(2)))
    (tmp_path / "w.index").write_bytes(table([(b"a", b"b")]))
    assert "no TensorFlow checkpoint" in refused(tmp_path / "w.index")


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    index = write(tmp_path / "w", {"a": np.ones(4, np.float32), "b": np.ones(2, np.float32)})
    whole = index.read_bytes()
    for place in range(len(whole) - 48):  # all but the footer is covered by checksums
        index.write_bytes(whole[:place] + bytes((whole[place] ^ 0x20,)) + whole[place + 1 :])
        try:
            shapes = open_checkpoint(index).shapes()
        except CheckpointError:
            continue
        assert shapes == {"a": (4,), "b": (2,)}, place  # only the unused block of filters
    for place in range(len(whole) - 48, len(whole)):
        index.write_bytes(whole[:place] + bytes((whole[place] ^ 0x81,)) + whole[place + 1 :])
        try:
            open_checkpoint(index)
        except CheckpointError as error:
            assert error.kind in ("damaged", "not-weights")
    for cut in range(0, len(whole), 7):
        index.write_bytes(whole[:cut] + whole[-8:])
        assert refused(index)


def test_a_block_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    def bomb(_: bytes) -> tuple[int, bytes]:
        return 1, tfwriter.number(1 << 40) + b"\x00a" + b"\xfe\x01\x00" * 1000

    def liar(_: bytes) -> tuple[int, bytes]:
        return 1, tfwriter.number(5) + b"\x00a" + b"\xfe\x01\x00" * 1000

    def far(_: bytes) -> tuple[int, bytes]:
        return 1, tfwriter.number(64) + b"\x00a" + b"\xfe" + struct.pack("<H", 9)

    def cut(_: bytes) -> tuple[int, bytes]:
        return 1, tfwriter.number(64) + b"\xf4\x01"

    def other(_: bytes) -> tuple[int, bytes]:
        return 4, b"zstd"

    for pack in (bomb, liar, far, cut, other):
        planted(tmp_path)
        (tmp_path / "w.index").write_bytes(table([(b"", header())], pack))
        assert refused(tmp_path / "w.index")


def test_halves_of_a_checkpoint_say_what_they_lack(tmp_path: Path) -> None:
    index = write(tmp_path / "w", VARIABLES, 3)
    (tmp_path / "w.data-00001-of-00003").unlink()
    assert "must lie beside it" in refused(index)
    assert "whose index" in refused(tmp_path / "w.data-00000-of-00003")
    index.unlink()
    assert "whose index" in refused(tmp_path / "w.data-00000-of-00003")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "../../w"\n')
    assert "TensorFlow checkpoint folder" in refused(tmp_path / "checkpoint")


def test_a_list_leads_nowhere_but_to_files_beside_it(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    write(tmp_path / "w", VARIABLES)
    for name in ("../w", "/w", "..\\w", ".."):
        (inside / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
        assert tfcheckpoint.index_of(inside / "checkpoint") is None


def test_a_file_of_numbers_that_shrinks_is_refused_when_read(tmp_path: Path) -> None:
    index = write(tmp_path / "w", VARIABLES)
    opened = open_checkpoint(index)
    (tmp_path / "w.data-00000-of-00001").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="cut off"):
        opened.tensors()
