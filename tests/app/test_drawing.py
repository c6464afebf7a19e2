"""A drawing survives JSON, scales, repeats itself by symmetry, and refuses damage plainly."""

import json
import math

import numpy as np
import pytest

from app.drawing import Affine, Drawing, DrawingError, Fill, Move, Raster, Stroke, symmetries
from engines.job import Picture

PEN = Stroke("pen", (((10.25, 20.5, 0.5), (30.0, 40.0, 1.0)),), 3.0)
ALL = Drawing(
    (64, 48),
    (
        PEN,
        Stroke("ellipse", (((9.0, 9.0, 1.0), (14.0, 9.0, 1.0), (9.0, 12.0, 1.0)),), 2.0),
        Fill(((3.0, 4.0, 1.0),), (250, 10, 20), "hints"),
        Move((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 3.0, 4.0)),
        Raster(Picture(np.arange(12, dtype=np.uint8).reshape(3, 4)), (0.0, 0.0, 64.0, 48.0)),
    ),
)


def test_json_and_back():
    assert Drawing.from_json(json.loads(json.dumps(ALL.to_json()))) == ALL


def test_scaling_carries_points_and_widths():
    twice = ALL.scaled((128, 96))
    assert twice.size == (128, 96)
    assert twice.items[0].paths[0][0] == (20.5, 41.0, 0.5) and twice.items[0].width == 6.0
    assert twice.items[3] == Move((2.0, 4.0, 6.0, 8.0), (10.0, 12.0, 6.0, 8.0))
    assert twice.items[4].rect == (0.0, 0.0, 128.0, 96.0)
    assert twice.scaled((64, 48)) == ALL


def test_mirrors_keep_to_the_middle_of_the_sheet():
    point = (10.0, 20.0, 0.5)
    images = [a.point(point) for a in symmetries("both", 0, (64, 48))]
    assert images == [point, (54.0, 20.0, 0.5), (10.0, 28.0, 0.5), (54.0, 28.0, 0.5)]
    assert [a.point(point) for a in symmetries("vertical", 0, (64, 48))] == images[:2]
    assert [a.point(point)[:2] for a in symmetries("horizontal", 0, (64, 48))][1] == (10.0, 28.0)


def test_radial_turns_keep_the_distance_from_the_middle():
    images = [a.point((40.0, 20.0, 1.0)) for a in symmetries("radial", 6, (64, 48))]
    radii = [math.dist(p[:2], (32, 24)) for p in images]
    assert len(set(images)) == 6 and np.allclose(radii, radii[0], atol=0.02)


def test_a_box_is_carried_onto_a_box():
    affine = Affine.box((10, 10, 20, 10), (0, 0, 40, 40))
    assert affine.rect((10, 10, 20, 10)) == (0, 0, 40, 40)


def broken(**changes):
    body = ALL.to_json()
    body["items"][0] = {**body["items"][0], **changes}
    return body


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"size": [0, 5], "items": []},
        {"size": [10**9, 10**9], "items": []},
        {"size": ["a", 2], "items": []},
        {"size": [4, 4], "items": [7]},
        broken(kind="airbrush"),
        broken(paths=[]),
        broken(paths=[[1, 2]]),
        broken(paths=[[1, float("nan"), 1]]),
        broken(paths=[[1, 1e30, 1]]),
        broken(width="thick"),
        broken(layer="sky"),
        broken(kind="ellipse"),
        broken(kind="raster", rect=[0, 0, 1, 1], png="!!"),
        broken(kind="raster", rect=[0, 0, 1, 1], png="AAAA"),
        broken(colour=[1, 2]),
    ],
)
def test_damage_is_refused_in_a_sentence(body):
    with pytest.raises(DrawingError) as refused:
        Drawing.from_json(body)
    assert str(refused.value).endswith(".")
