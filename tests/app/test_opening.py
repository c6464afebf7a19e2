"""What a dropped folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.opening import Folder, open_file
from engines.job import JobError


def test_a_folder_is_pictures_or_weights_or_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no pictures"):
        open_file(tmp_path)
    (tmp_path / "latest_net_G.pth").write_bytes(b"weights")
    assert open_file(tmp_path) is None  # perhaps weights: the doctor is asked
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    assert open_file(tmp_path) == Folder(1)
