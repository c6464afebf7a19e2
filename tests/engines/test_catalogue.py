"""Models by name, digest and path; the person's list as several processes write it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from engines import catalogue as catalogues
from engines import checkpoint
from engines.catalogue import Catalogue, split_reference
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


def test_who_asks_while_another_thread_reads_the_list_sees_all_of_it(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    read, seen = catalogues.file_digest, list[int]()

    def slow(path: Path) -> str:
        """Meanwhile another one asks."""
        if not seen:
            seen.append(-1)
            seen.append(len(catalogue.entries()))
        return read(path)

    monkeypatch.setattr(catalogues, "file_digest", slow)
    assert len(catalogue.entries()) == 2 and seen == [-1, 2]


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
    assert catalogue.find("edges-to-hats") is None  # not installed
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


def test_ones_own_model_learns_where_it_is_at_home(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    added = catalogue.add(model(tmp_path / "200000-G.safetensors", 3.0))
    assert added.rooms == ("draw",)
    catalogue.house(added.reference, ("faces",))
    again = Catalogue(shipped, tmp_path / "own.json").find(added.reference)
    assert again is not None and again.rooms == ("faces",) and again.path == added.path
    shoes = catalogue.entries()[0]
    catalogue.house(shoes.reference, ("faces",))
    assert catalogue.entries()[0] == shoes, "a shipped model says it itself"


def test_a_backbone_of_ones_own_is_a_model_of_every_family_that_looks_through_one(
    shipped: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    added = catalogue.add(model(tmp_path / "vgg19-dcbb9e9d.safetensors", 4.0), "neural_style")
    style, dream = (e for e in catalogue.entries() if e.digest == added.digest)
    assert (style.name, style.rooms) == ("vgg19-dcbb9e9d", ("style",)) and style.path == dream.path
    assert (dream.name, dream.family, dream.rooms) == ("vgg19-dcbb9e9d-dream", "dream", ("dream",))
    assert catalogue.find(dream.reference) == dream and catalogue.find(style.reference) == style
    elsewhere = f"my-vgg@{added.digest}"  # as another person called it
    assert catalogue.find(elsewhere, "dream") == dream and catalogue.find(elsewhere) == style
    catalogue.house(dream.reference, dream.rooms)
    assert style in catalogue.entries(), "the other one stays at home where it is"


def test_a_file_that_changed_gets_a_new_digest(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    path = model(tmp_path / "boots.safetensors", 2.0)
    before = catalogue.add(path).digest
    model(path, 3.0)
    after = catalogue.find(str(path))
    assert after is not None and after.digest == file_digest(path) != before


def test_a_name_means_the_file_as_it_is_now(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    path = model(tmp_path / "boots.safetensors", 2.0)
    before = catalogue.add(path)
    model(path, 3.0, card={"title": "Trained longer"})
    now = catalogue.find("boots")
    assert now is not None and now.digest == file_digest(path) and now.title == "Trained longer"
    assert catalogue.find(before.reference) == before  # whoever loads it sees that it has changed


def test_a_path_may_hold_an_at_sign(shipped: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "me@home" / "boots@2.safetensors", 2.0)
    entry = Catalogue(shipped, tmp_path / "own.json").find(str(path))
    assert entry is not None and entry.path == path and entry.name == "boots-2"


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("a@0123456789abcdef", ("a", "0123456789abcdef")),
        ("@0123456789abcdef", ("", "0123456789abcdef")),
        ("me@home/a.pth", ("me@home/a.pth", "")),
        ("me@home/a@0123456789abcdef", ("me@home/a", "0123456789abcdef")),
        ("a@0123", ("a@0123", "")),
    ],
)
def test_references_are_taken_apart(reference: str, parts: tuple[str, str]) -> None:
    assert split_reference(reference) == parts


def test_a_beginning_that_fits_two_models_asks_which(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    catalogue.add(model(tmp_path / "edges-to-boots.safetensors", 2.0))
    assert catalogue.find("edges-to") is None
    said = catalogue.explain("edges-to-")
    assert "edges-to-boots and edges-to-hats and edges-to-shoes; say which" in said


def test_what_the_window_adds_is_seen_by_who_was_there_before(
    shipped: Path, tmp_path: Path
) -> None:
    one, other = (Catalogue(shipped, tmp_path / "own.json") for _ in range(2))
    assert len(one.entries()) == len(other.entries()) == 2
    one.add(model(tmp_path / "boots.safetensors", 2.0))
    other.add(model(tmp_path / "gloves.safetensors", 3.0))
    for catalogue in (one, other):
        assert [e.name for e in catalogue.entries()][2:] == ["gloves", "boots"]


def test_the_list_survives_being_written_from_many_threads(shipped: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(shipped, tmp_path / "own.json")
    files = [model(tmp_path / f"{n}.safetensors", n) for n in range(8)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(catalogue.add, files))
        list(pool.map(lambda _: catalogue.entries(), range(8)))
    named = {e.name for e in catalogue.entries() if not e.shipped}
    assert named == {str(n) for n in range(8)}


def test_a_model_that_is_known_is_fetched_once(shipped: Path, tmp_path: Path) -> None:
    hats = model(tmp_path / "mirror" / "hats.safetensors", 4.0)
    listing = json.loads((shipped / "models.json").read_text())
    listing["models"][1] |= {
        "urls": [hats.as_uri()], "sha256": hashlib.sha256(hats.read_bytes()).hexdigest()
    }  # fmt: skip
    (shipped / "models.json").write_text(json.dumps(listing))
    catalogue = Catalogue(shipped, tmp_path / "data" / "own.json")
    assert "models --get edges-to-hats" in catalogue.explain("edges-to-hats")
    assert [p.done for p in catalogue.get("edges-to-hats")][-1] == hats.stat().st_size
    found = catalogue.find("edges-to-hats")
    assert found is not None and found.shipped and found.digest == file_digest(hats)
    assert found.path == tmp_path / "data" / "models" / "edges-to-hats.safetensors"
    assert list(catalogue.get("edges-to-hats")) == []
    with pytest.raises(CheckpointError, match="no model gloves"):
        list(catalogue.get("gloves"))


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


def test_of_many_names_the_nearest_are_told(tmp_path: Path) -> None:
    catalogue = Catalogue()
    told = catalogue.explain("edges-to-cloths")
    first = told.split("known are ")[1].split(", ")[0]
    assert first == "edges-to-clothes" and told.endswith(", …. Open its file.") and len(told) < 220
