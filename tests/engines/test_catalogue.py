import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engines import checkpoint
from engines.catalogue import Catalogue
from engines.checkpoint import CheckpointError, file_digest


def model(path: Path, value: float = 1.0, **metadata: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, {"w": torch.full((2,), value)}, {"family": "pix2pix", **metadata})
    return path


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "resources"
    model(folder / "models" / "edges-to-shoes.safetensors")
    listing = [
        {
            "name": "edges-to-shoes",
            "title": "Edges to shoes",
            "family": "pix2pix",
            "file": "edges-to-shoes.safetensors",
        },
        {
            "name": "edges-to-hats",
            "title": "Edges to hats",
            "family": "pix2pix",
            "file": "edges-to-hats.safetensors",
        },
    ]
    (folder / "models.json").write_text(json.dumps({"models": listing}))
    return folder


def test_shipped_models_come_first_and_missing_ones_are_said(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    shoes, hats = catalogue.entries()
    assert shoes.installed and shoes.shipped and shoes.digest == file_digest(shoes.path)
    assert not hats.installed and catalogue.find("edges-to-hats") is None
    assert "not installed" in catalogue.explain("edges-to-hats")
    assert catalogue.default() == shoes


def test_finding_by_name_digest_beginning_and_path(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    shoes = catalogue.entries()[0]
    own = catalogue.add(
        model(tmp_path / "mine" / "boots.safetensors", 2.0, card={"title": "Boots"})
    )
    assert own.title == "Boots" and own.family == "pix2pix" and not own.shipped
    for reference in (
        own.reference,
        f"@{own.digest}",
        "boots",
        "boo",
        str(own.path),
        f"renamed@{own.digest}",
    ):
        assert catalogue.find(reference) == own, reference
    assert catalogue.find(shoes.reference) == shoes and catalogue.find("edges-to") == shoes
    assert catalogue.find("") is None and catalogue.find("boots@0000000000000000") is None
    assert "other weights" in catalogue.explain("boots@0000000000000000")
    assert "known are edges-to-shoes, boots" in catalogue.explain("gloves")


def test_ones_own_models_are_remembered_until_forgotten(shipped: Path, tmp_path: Path) -> None:
    first = Catalogue(shipped, tmp_path / "data" / "own.json")
    path = model(tmp_path / "boots.safetensors", 2.0)
    digest = first.add(path, "cyclegan").digest
    assert Catalogue(shipped, tmp_path / "data" / "own.json").family_of(digest) == "cyclegan"
    first.forget(f"@{digest}")
    assert Catalogue(shipped, tmp_path / "data" / "own.json").find("boots") is None
    assert path.exists()


def test_a_file_that_changed_gets_a_new_digest(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    path = model(tmp_path / "boots.safetensors", 2.0)
    before = catalogue.add(path).digest
    model(path, 3.0)
    after = catalogue.find(str(path))
    assert after is not None and after.digest == file_digest(path) != before


def test_official_files_are_named_by_their_folder(shipped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "edges2shoes_pretrained"
    folder.mkdir()
    torch.save({"w": torch.zeros(1)}, folder / "latest_net_G.pth")
    assert (
        Catalogue(shipped, tmp_path / "own.json").add(folder / "latest_net_G.pth").name
        == "edges2shoes_pretrained"
    )


def test_a_file_that_is_no_model_is_not_added(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("hello")
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    with pytest.raises(CheckpointError):
        catalogue.add(tmp_path / "notes.pth")
    assert len(catalogue.entries()) == 2


def test_a_broken_list_is_set_aside(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{broken")
    assert len(Catalogue(shipped, tmp_path / "own.json").entries()) == 2
    assert (tmp_path / "own.broken.json").read_text() == "{broken"


def test_listing_models_loads_no_torch() -> None:
    code = (
        "import sys; from engines.catalogue import Catalogue; Catalogue().entries(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=Path(checkpoint.__file__).parent.parent
        ).returncode
        == 0
    )
