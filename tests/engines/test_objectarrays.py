"""Dictionaries of arrays in .npy files, read without unpickling."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.checkpoint import CheckpointError, open_checkpoint


class Asks:
    def __reduce__(self) -> Any:
        return (print, ("it ran",))


def test_clusters_are_weights_under_their_keys(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = {26: rng.random((10, 3)).astype(np.float32), 7: np.asfortranarray(rng.random((4, 3)))}
    np.save(tmp_path / "features_clustered_010.npy", given, allow_pickle=True)  # type: ignore[arg-type]
    opened = open_checkpoint(tmp_path / "features_clustered_010.npy")
    assert opened.shapes() == {"26": (10, 3), "7": (4, 3)} and opened.not_finite() is None
    for key, tensor in opened.tensors().items():
        assert np.array_equal(tensor.numpy(), given[int(key)])


def test_what_python_2_wrote(tmp_path: Path) -> None:
    """np.save of old numpy: protocol 2, bytes as text."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array(0), version=(1, 0))
    head = buffer.getvalue()[:128].replace(b"'<i8'", b"'|O' ")
    body = pickle.dumps(np.array({3: array}, object), protocol=2)
    (tmp_path / "old.npy").write_bytes(head + body)
    opened = open_checkpoint(tmp_path / "old.npy")
    assert np.array_equal(opened.tensors()["3"].numpy(), array)


@pytest.mark.parametrize(
    "value", [np.array([Asks()], object), {1: Asks()}, {1: "text"}, {}, np.array([1, "a"], object)]
)
def test_other_objects_are_refused_and_nothing_runs(
    value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "o.npy", value, allow_pickle=True)
    with pytest.raises(CheckpointError, match="Python objects"):
        open_checkpoint(tmp_path / "o.npy")
    assert not capsys.readouterr().out


def test_numbers_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", {1: np.zeros((40, 3))}, allow_pickle=True)  # type: ignore[arg-type]
    data = (tmp_path / "o.npy").read_bytes()
    (tmp_path / "o.npy").write_bytes(data[:-200])
    with pytest.raises(CheckpointError, match="damaged or cut off"):
        open_checkpoint(tmp_path / "o.npy")
