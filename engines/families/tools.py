"""Tools: work on pictures that needs no network, as jobs like any other. None imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from engines import edges, images, masks, measure, scans
from engines.controls import Choice, ImageInput, ModelCard, Slider, Toggle
from engines.family import Family, Model, register
from engines.job import Event, Job, Picture, Progress, Result


class Edges(Family):
    """Photo to edge drawing (H, W), 255 paper, 0 ink.

    With a size, the photo is first fitted into a white sheet of that size, so that line widths are
    pixels of the sheet; without one the drawing has the size of the photo.
    """

    id, title, tool = "edges", "Photo to edges", True

    def card(self, config: Any) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("photo", "Photo"),
                Choice("of", "Picture of",
                       (("light", "A photo"), ("measure", "Depth, height or heat")), "light",
                       help="Depth, height or heat: a picture that measures, in grey or in false "
                       "colours; holes are filled, and faint steps count like strong ones."),
                Choice("method", "Lines",
                       (("canny", "Thin lines"), ("outline", "Outline"), ("xdog", "Ink")),
                       "canny",
                       help="Thin lines: at strong changes of colour. Outline: the thing against "
                       "its background. Ink: lines and dark areas, as with a brush."),
                Slider("low", "Faintest line", 0, 300, 1, 60,
                       help="A weaker change of colour is never a line."),
                Slider("high", "Sure line", 0, 400, 1, 140,
                       help="A stronger change of colour is always a line; one between, if it "
                       "touches a sure line."),
                Slider("width", "Line width", 0.5, 12, 0.1, 2.5, unit="px"),
                Slider("smooth", "Smoothing", 0, 8, 0.1, 1.4, unit="px",
                       help="Blurs the photo first: more leaves fewer, calmer lines."),
                Slider("shortest", "Shortest line", 0, 0.5, 0.01, 0.06,
                       help="Shorter lines are dropped; a share of the photo's width."),
            ),
            live=True,
            half_ok=False,
            summary="Draws the edges of a photo as lines on white.",
            paper="Canny 1986, A Computational Approach to Edge Detection; "
            "Winnemoeller et al. 2012, XDoG: An eXtended Difference-of-Gaussians",
        )  # fmt: skip

    def run(self, model: Model | None, job: Job) -> Iterator[Event]:
        photo = job.images["photo"]
        if job.size is not None:
            photo = images.fit_inside(photo, job.size)
        yield Progress(0, 1)
        values = dict(job.values)
        rgb = images.flatten(photo).pixels
        if values.pop("of") == "measure":
            rgb = _measured(job.images["photo"], job.size)
        drawn = edges.photo_to_edges(rgb, **values)  # pyright: ignore[reportArgumentType]
        yield Result((Picture(drawn),))


def _measured(photo: Picture, size: tuple[int, int] | None) -> np.ndarray:
    """(H, W, 3): what was measured, evened out, before a white sheet is put around it."""
    pixels = photo.pixels if photo.channels != 4 else images.flatten(photo).pixels
    values = Picture(scans.to_values(pixels))
    return images.flatten(images.fit_inside(values, size) if size else values).pixels


class Faces(Family):
    """The faces of a photo as JSON, the largest first: a list of {"box": [x, y, width, height],
    "points": [x, y of left eye, right eye, mouth], "score", "notes"} in pixels of the photo."""

    id, title, tool = "faces", "Faces in a photo", True

    def card(self, config: Any) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(ImageInput("photo", "Photo"),),
            half_ok=False,
            summary="Finds faces, with eyes and mouth.",
            paper="Zhou et al. 2019, Objects as Points; Wu et al. 2023, YuNet",
        )

    def run(self, model: Model | None, job: Job) -> Iterator[Event]:
        from engines import faces

        yield Progress(0, 1)
        found = [
            {
                "box": face.box,
                "points": face.points,
                "score": round(face.score, 3),
                "notes": faces.fitness(face.points),
            }
            for face in faces.find(job.images["photo"])
        ]
        yield Result((), (json.dumps(found),))


class Difference(Family):
    """Where and how much a picture differs from what it should be: a map from dark blue (not at
    all) to yellow (by half the range and more), and the numbers of engines/measure.py. The made
    picture is brought to the size of the true one."""

    id, title, tool = "difference", "Difference from the truth", True

    def card(self, config: Any) -> ModelCard:
        return ModelCard(
            self.id,
            self.title,
            controls=(ImageInput("made", "Made picture"), ImageInput("truth", "True picture")),
            half_ok=False,
            summary="Shows where a picture differs from what it should be.",
            paper="Wang et al. 2004, Image Quality Assessment: From Error Visibility to "
            "Structural Similarity",
        )

    def run(self, model: Model | None, job: Job) -> Iterator[Event]:
        made, truth = (images.flatten(job.images[role]) for role in ("made", "truth"))
        if made.size != truth.size:
            made = Picture(images.resize(made.pixels, truth.size))
        yield Progress(0, 1)
        found = measure.difference(made, truth)
        numbers = {
            "difference": float(found.mean()),
            "structure difference": measure.structure_error(truth, made),
        }
        yield Result((measure.error_map(found),), numbers=numbers)


class Mask(Family):
    """A mask (H, W) of a photo by a classic filter (engines/masks.py), 255 where it holds; the
    number "share" says how much of the photo that is, in [0, 1]."""

    id, title, tool = "mask", "Mask from a filter", True

    def card(self, config: Any) -> ModelCard:
        edges_, stripes, light = (("filter", name) for name in ("edges", "stripes", "lightness"))
        return ModelCard(
            self.id,
            self.title,
            controls=(
                ImageInput("photo", "Photo"),
                ImageInput("painted", "What is painted", optional=True, over="photo"),
                Choice("filter", "What it holds",
                       (("edges", "Edges"), ("stripes", "Stripes"), ("lightness", "Lightness")),
                       "edges",
                       help="Edges: where colours change (Sobel). Stripes: a pattern of one "
                       "direction and width (Gabor). Lightness: between two limits."),
                Slider("weakest", "Weakest edge", 1, 60, 0.5, 10, unit="%", when=edges_,
                       help="How much of black to white a colour must change."),
                Slider("smooth", "Width of an edge", 0.05, 3, 0.05, 0.3, unit="%", when=edges_,
                       help="Finer changes are smoothed away; a share of the photo's size."),
                Slider("direction", "Direction", 0, 180, 1, 0, unit="°", when=stripes,
                       help="Of the stripes: 0 is level, 90 upright."),
                Slider("wavelength", "From stripe to stripe", 0.3, 12, 0.1, 1.5, unit="%",
                       when=stripes, help="A share of the photo's size."),
                Slider("faintest", "Faintest stripe", 1, 40, 0.5, 6, unit="%", when=stripes,
                       help="How much of black to white the stripes must differ."),
                Slider("darkest", "Not darker than", 0, 100, 1, 60, when=light),
                Slider("lightest", "Not lighter than", 0, 100, 1, 100, when=light),
                Slider("blur", "Blur", 0, 5, 0.1, 0, unit="%",
                       help="Softens the mask; a share of the photo's size."),
                Toggle("invert", "Everything else instead", False),
                Choice("join", "What is painted already",
                       (("replace", "Replace"), ("add", "Add to"), ("within", "Only in it")),
                       "replace"),
            ),
            half_ok=False,
            summary="Makes a mask of a photo's edges, its pattern or its lightness.",
            paper="Sobel and Feldman 1968; Lindeberg 1998, Edge Detection and Ridge Detection with "
            "Automatic Scale Selection; Daugman 1985, Uncertainty Relation for Resolution in Space",
        )  # fmt: skip

    def run(self, model: Model | None, job: Job) -> Iterator[Event]:
        yield Progress(0, 1)
        values: dict[str, Any] = dict(job.values)
        photo, painted = job.images["photo"], job.images.get("painted")
        made = masks.from_photo(photo, painted=painted, **values)
        yield Result((made,), numbers={"share": float(made.pixels.mean()) / 255})


register(Edges())
register(Faces())
register(Difference())
register(Mask())
