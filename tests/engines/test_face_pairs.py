"""Pairs of portraits: what prototypes change and leave alone, spectacles that are drawn, and
batches that say what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawnfaces import SIDE, portraits
from PIL import Image

from engines.datasets import DataError, make_dataset
from engines.facepairs import FacePairs
from engines.faces import OWN
from engines.faceswaps import FaceSwaps
from engines.prototypes import Prototypes
from engines.spectacles import Spectacles

LABELS = ["smile", "black_hair", "blond_hair"]
DATA = {"kind": "face_pairs", "folder": "faces", "attributes": LABELS, "confidence": 0.7}
MOUTH = np.s_[50:57, 28:45]
HAIR = np.s_[8:14, 28:45]
SKIN = np.s_[40:47, 30:43]
CORNERS = ([0, 0, -1, -1], [0, -1, 0, -1])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FacePairs:
    root = portraits(tmp_path_factory.mktemp("portraits"), 96)
    found = make_dataset(dict(DATA), root, 1)
    assert isinstance(found, FacePairs)
    return found


def the(faces: FacePairs, **labels: float) -> int:
    """The first photo with these known labels."""
    wanted = [(faces.attributes.index(n), v) for n, v in labels.items()]
    return next(
        n
        for n in range(len(faces))
        if all(faces.known[n, k] and faces.labels[n, k] == v for k, v in wanted)
    )


def change(faces: FacePairs, **labels: float) -> np.ndarray:
    return np.array([labels.get(name, 0.0) for name in faces.attributes], np.float32)


def test_a_smile_comes_and_goes_and_nothing_else(faces: FacePairs) -> None:
    closed, smiling = the(faces, smile=0, black_hair=1), the(faces, smile=1, black_hair=1)
    for index, by in ((closed, 1.0), (smiling, -1.0)):
        before = faces.photos[index].astype(float)
        after = faces.prototypes.edited(index, change(faces, smile=by)).astype(float)
        real = np.mean([p[MOUTH].mean() for p, v in zip(faces.photos, faces.labels) if v[0] > 0])
        rest = np.mean([p[MOUTH].mean() for p, v in zip(faces.photos, faces.labels) if v[0] == 0])
        moved = (after - before)[MOUTH].mean() / (real - rest)
        assert 0.25 < by * moved < 1.4  # less than whole: gains are there for that
        assert np.abs(after - before)[HAIR].mean() < 4 and np.abs(after - before)[SKIN].mean() < 4
        assert np.abs(after - before)[CORNERS].max() <= 2


def test_hair_gets_another_colour_and_the_mouth_stays(faces: FacePairs) -> None:
    index = the(faces, smile=0, black_hair=1)
    made = faces.prototypes.edited(index, change(faces, black_hair=-1, blond_hair=1)).astype(float)
    off = made - faces.photos[index]
    assert off[HAIR].mean() > 60  # from black to blond it is 143
    assert off[HAIR][..., 0].mean() > off[HAIR][..., 2].mean() + 20  # and yellow
    assert np.abs(off[MOUTH]).mean() < 6


def test_no_change_gives_the_photo_back(faces: FacePairs) -> None:
    made = faces.prototypes.edited(3, np.zeros(3, np.float32))
    assert np.abs(made.astype(int) - faces.photos[3]).max() <= 1


def test_half_a_change_is_between(faces: FacePairs) -> None:
    index = the(faces, smile=0, black_hair=1)
    steps = [
        faces.prototypes.edited(index, change(faces, smile=s))[MOUTH].mean() for s in (0, 0.5, 1)
    ]
    assert steps[0] + 5 < steps[1] < steps[2] - 5


def test_labels_of_the_face_alone_leave_the_hair(tmp_path: Path) -> None:
    root = portraits(tmp_path)
    asked = {**DATA, "attributes": ["smile", "black_hair"], "where": {"black_hair": "face"}}
    inner = make_dataset(asked, root, 1)
    assert isinstance(inner, FacePairs)
    index = the(inner, black_hair=1)
    made = inner.prototypes.edited(index, change(inner, black_hair=-1)).astype(float)
    assert np.abs(made - inner.photos[index])[6:10, 28:45].mean() < 2


def test_what_is_told_beside_the_labels_does_not_count_for_them() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([[0.0], [1.0]], 100, 0).astype(np.float32)
    also = labels.copy()
    also[:15], also[-15:] = 1, 0  # sharp goes along with the label, not quite
    photos = [
        np.clip(90 + 60 * also[n] + rng.normal(0, 3, (24, 24, 3)), 0, 255).astype(np.uint8)
        for n in range(200)
    ]
    known = np.ones_like(labels)
    middle = np.s_[0, 10:14, 10:14]
    blamed = np.abs(Prototypes(photos, labels, known).colour[middle]).mean()
    free = np.abs(Prototypes(photos, labels, known, also).colour[middle]).mean()
    assert blamed > 15 and free < blamed / 5


def test_spectacles_are_drawn_at_the_eyes() -> None:
    frame, lens, _ = Spectacles().layers(OWN.size[0])
    for x, y in (OWN.left_eye, OWN.right_eye):
        assert lens[round(y), round(x)] == 1 and frame[round(y), round(x)] == 0
    assert lens[:50].max() == 0 and lens[95:].max() == 0
    assert frame[:, 72].max() > 0.5  # the bridge
    half = Spectacles().layers(OWN.size[0] // 2)[1]
    assert half[35, 27] == 1 and half.shape == (72, 72)


def test_spectacles_darken_their_frame_alone() -> None:
    photo = np.full((144, 144, 3), 180, np.uint8)
    glasses = Spectacles(light=0, shadow=0)
    made, frame = glasses.worn(photo).astype(int), glasses.layers(144)[0]
    assert (made[frame == 0] == 180).all()
    assert np.abs(made[frame > 0.98] - np.array(glasses.colour)).max() <= 4


def test_kinds_of_spectacles_differ_and_come_again() -> None:
    kinds = [Spectacles.varied(np.random.default_rng(n)) for n in (1, 2, 1)]
    assert kinds[0] == kinds[2] != kinds[1]


def test_a_batch_says_what_its_pairs_hold(faces: FacePairs) -> None:
    batch = faces.batch(0, 64, (SIDE, SIDE))
    assert batch["photo"].shape == batch["aim"].shape == (64, 3, SIDE, SIDE)
    assert 0.3 < batch["back"].mean() < 0.7
    turned = (batch["change"] + batch["from"]) != 0
    assert not (batch["change"] * batch["from"]).any()
    assert not (turned & (batch["known"] == 0)).any()  # what nobody told is not changed
    values = batch["labels"] + batch["change"] + batch["from"]
    whole = values[(np.abs(values - values.round()) < 1e-6).all(1)]
    assert ((whole >= 0) & (whole <= 1)).all() and len(whole) > 32
    assert (whole[:, 1] * whole[:, 2] == 0).all()  # one colour of hair
    same = ~turned.any(1)
    off = np.abs(batch["photo"] - batch["aim"]).mean((1, 2, 3))
    assert same.any() and off[same].max() < 0.005 and off[~same].min() > off[same].max()


def test_half_of_the_aims_are_photos(faces: FacePairs) -> None:
    plain = FacePairs(faces.folders, attributes=LABELS, confidence=0.7, flip=False)
    rng = np.random.default_rng(3)
    index, by = the(plain, smile=0, black_hair=1), change(plain, smile=1)
    photo, aim = plain.pair(index, by, True, rng)
    lit = np.random.default_rng(3)
    Spectacles.varied(lit)
    assert (aim == plain.lit([plain.photos[index]], lit)[0]).all()
    assert photo[MOUTH].mean() > aim[MOUTH].mean() + 10


def test_the_same_step_gives_the_same_pairs(faces: FacePairs) -> None:
    first, again, other = (faces.batch(n, 4, (36, 36)) for n in (5, 5, 6))
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["photo"] != other["photo"]).any()


def test_neighbours_wear_each_other_s_spectacles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = portraits(tmp_path, glasses=True)
    data = {"kind": "face_swaps", "folder": "faces", "attributes": ["glasses"], "flip": False}
    faces = make_dataset(data, root, 1)
    assert isinstance(faces, FaceSwaps)
    colours = [(255.0, 0.0, 0.0), (0.0, 0.0, 255.0)] * 6
    kinds = iter([Spectacles(colour=colour, thick=0.1) for colour in colours])
    monkeypatch.setattr(Spectacles, "varied", lambda rng: next(kinds))
    batch = faces.batch(0, 12, (SIDE, SIDE))
    bare = faces.labels[batch["index"], 0] == 0
    assert (batch["swaps"] == (bare & bare[np.arange(12) ^ 1])).all() and batch["swaps"].any()

    def redder(pictures: np.ndarray, n: int, than: int) -> float:
        """How much redder than blue the eyes are than without spectacles."""
        off = (pictures[n] - batch["without"][than])[:, 30:40, 18:54].mean((1, 2))
        return float(off[0] - off[2]) * (1 if n % 2 == 0 else -1)

    for n in map(int, np.flatnonzero(batch["swaps"])):
        assert redder(batch["with"], n, n) > 0.1 and redder(batch["other"], n, n ^ 1) > 0.1
    for n in np.flatnonzero(~bare):
        assert (batch["photo"][n] == batch["with"][n]).all()
        bar = np.s_[:, 34:36, 20:52]
        assert batch["without"][n][bar].mean() > batch["with"][n][bar].mean() + 0.3


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    root = portraits(tmp_path)
    for asked in ({"gains": {"beard": 2.0}}, {"where": {"beard": "face"}}):
        with pytest.raises(DataError, match="“beard” is no attribute"):
            make_dataset({**DATA, **asked}, root, 1)
    with pytest.raises(DataError, match="“chin” is none of the places head, face"):
        make_dataset({**DATA, "where": {"smile": "chin"}}, root, 1)
    with pytest.raises(DataError, match="square portraits"):
        make_dataset({**DATA, "size": [48, 64]}, root, 1)
    with pytest.raises(DataError, match="one attribute “glasses”"):
        make_dataset({**DATA, "kind": "face_swaps"}, root, 1)


def test_portraits_that_fit_the_others_badly_make_no_pair(tmp_path: Path) -> None:
    root = portraits(tmp_path)
    strange = root / "faces" / "train" / "5.png"
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(strange)
    faces = make_dataset(dict(DATA), root, 1)
    assert isinstance(faces, FacePairs)
    fits = faces.prototypes.fits
    assert fits.argmin() == 5 and fits[5] < 0.3 < np.median(fits)
    assert faces.weights[5] == 0 and abs(faces.weights.sum() - 1) < 1e-9
    assert 0.7 < (faces.weights > 0).mean() < 0.9
