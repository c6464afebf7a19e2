"""Pictures are compared by digest, and a digest of many megapixels takes longer than a frame: what
comes from disk brings it along from the background."""

from pathlib import Path

import numpy as np

from app import history, opening
from engines.job import Job, Picture, save_png


def kept(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    job = Job("pix2pix", "a@0123456789abcdef", images={"photo": Picture(pixels)})
    save_png(Picture(pixels), job, tmp_path / "kept.png")
    return tmp_path / "kept.png"


def test_what_comes_from_disk_has_its_digest_already(tmp_path: Path) -> None:
    recipe = opening.open_file(kept(tmp_path))
    assert isinstance(recipe, opening.Recipe) and recipe.picture is not None
    job, _ = history._read(kept(tmp_path))
    for picture in (recipe.job.images["photo"], recipe.picture, job.images["photo"]):
        assert "digest" in vars(picture)
    assert "digest" in vars(opening.open_picture(kept(tmp_path)))
