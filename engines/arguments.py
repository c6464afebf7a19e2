"""The words that `ganvas` understands on the command line; what they do is engines/cli.py."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

FILE = "png (with its recipe inside), jpg, webp or tif"


class _Command(argparse.ArgumentParser):
    """One command, with the options that several have in common."""

    def add_model(self, required: bool = False) -> None:
        self.add_argument("--model", required=required, help="name, name@digest or file")

    def add_family(self) -> None:
        self.add_argument(
            "--family",
            default="",
            help="settles it where weights serve several, as style and dream",
        )

    def add_values(self, help: str = "the value of a control, as often as needed") -> None:
        self.add_argument("--set", action="append", default=[], metavar="CONTROL=VALUE", help=help)

    def add_mask(self, given: str) -> None:
        self.add_argument(
            "--mask",
            metavar="MASK",
            help=f"{given}; or a filter of the photo, such as edges, "
            "lightness:darkest=70,blur=1 or stripes:direction=90,invert=true",
        )

    def add_output(self, help: str, metavar: str = "FILE", required: bool = True) -> None:
        self.add_argument(
            "-o", "--output", type=Path, required=required, metavar=metavar, help=help
        )

    def add_device(self) -> None:
        self.add_argument(
            "--device",
            default="auto",
            metavar="D",
            help="auto (the default), cpu, cuda, cuda:1, mps",
        )

    def add_json(self, help: str = "as JSON") -> None:
        self.add_argument("--json", action="store_true", help=help)


def parser() -> argparse.ArgumentParser:
    """The parsed options have `command`, and `interrupted`: what to say after Ctrl+C."""
    made = argparse.ArgumentParser(
        "ganvas",
        description="Without a command the studio opens, and in it the files that are named. "
        "The commands work without a window.",
    )
    made.add_argument("--version", action="version", version=f"ganvas {_version()}")
    commands = made.add_subparsers(metavar="COMMAND", required=True, parser_class=_Command)

    def command(
        name: str, help: str, interrupted: str = "nothing half-written was left"
    ) -> _Command:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=name, interrupted=interrupted)
        return added

    _models(command("models", "List the models that are here."))
    _inspect(command("inspect", "Say what a weights file is; status 2 if it cannot be used."))
    _run(command("run", "Make one picture from a model and pictures, or again from a PNG of ours."))
    _animate(
        command("animate", "Let values move in time: a film, or a strip where the file is a still.")
    )
    _film(
        command(
            "film",
            "Dream on and on while the picture moves: a film that repeats seamlessly. Or, with "
            "--video, paint a film in a style; it goes on where it was stopped.",
        )
    )
    _lineup(command("lineup", "Show one face to every face model, side by side."))
    _loop(command("loop", "Paint a caption, caption the picture, paint that; say how it drifts."))
    _batch(
        command(
            "batch",
            "Run a model over every picture of a folder; goes on where it was stopped.",
            "the pictures made so far are whole, and the same command goes on with the rest",
        )
    )
    _edges(command("edges", "Draw the edges of a photo as the studio does."))
    _faces(command("faces", "List the faces of a photo; status 1 if none is found."))
    _prepare(command("prepare", "Make joined A|B training pairs from a folder of photos."))
    _train(
        command("train", "Train a model by a recipe.", "--resume goes on from the last saved state")
    )
    _convert(command("convert", "Convert old weights to a safe file of Ganvas."))
    return made


def _models(c: _Command) -> None:
    c.add_argument("--get", metavar="NAME", help="first fetch a model that is not installed")
    c.add_json()


def _inspect(c: _Command) -> None:
    c.add_argument("file", type=Path)
    c.add_json()


def _run(c: _Command) -> None:
    _asking(c)
    c.add_argument(
        "--discriminator",
        type=Path,
        metavar="FILE",
        help="of the model, where it lies in a file of its own: it says what it sees in the result",
    )
    c.add_argument(
        "--caption", metavar="CAPTIONER", help="write what this model says of it into the file"
    )
    c.add_argument(
        "--chain",
        action="store_true",
        help="make the pictures that other models made again too, from the first on",
    )
    c.add_output(f"{FILE}; a captioner needs none", required=False)
    c.add_device()


def _asking(c: _Command) -> None:
    c.add_argument(
        "recipe",
        nargs="?",
        type=Path,
        metavar="RECIPE",
        help="a PNG of Ganvas, or a recipe as .json, to make again; other options change it",
    )
    c.add_model()
    c.add_family()
    c.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="[ROLE=]PATH",
        help="an input picture; the role may be left out where a model needs just one",
    )
    c.add_values()
    c.add_mask("a picture, bright where the result counts")
    c.add_argument("--seed", type=int, metavar="N", help="the source of randomness (0)")


def _animate(c: _Command) -> None:
    _asking(c)
    c.add_argument(
        "--move",
        action="append",
        default=[],
        metavar="NAME=FROM:TO",
        help="a control, or a label such as Smile, that moves; as often as needed",
    )
    c.add_argument("--frames", type=int, default=25, metavar="N", help="pictures one way (25)")
    c.add_argument("--rate", type=float, default=25.0, metavar="R", help="pictures a second (25)")
    c.add_argument("--ease", default="smooth", help="smooth (the default), linear, in, out")
    c.add_argument("--pingpong", action="store_true", help="and back again")
    c.add_output("gif, webp or mp4; or png, jpg, tif: all pictures side by side")
    c.add_device()


def _film(c: _Command) -> None:
    _asking(c)
    c.add_argument(
        "--video", type=Path, metavar="FILE", help="paint this film instead: mp4, mov, mkv, webm"
    )
    c.add_argument(
        "--steady", type=float, metavar="S", help="of a video: 0, every picture alone, to 1 (0.8)"
    )
    c.add_argument("--frames", type=int, default=100, metavar="N", help="pictures (100)")
    c.add_argument("--rate", type=float, default=25.0, metavar="R", help="pictures a second (25)")
    c.add_argument("--zoom", type=float, default=1.02, metavar="Z", help="each to the next (1.02)")
    c.add_argument("--turn", type=float, default=0.0, metavar="DEGREES", help="against the clock")
    c.add_argument(
        "--right", type=float, default=0.0, metavar="S", help="shift, share of the width"
    )
    c.add_argument(
        "--down", type=float, default=0.0, metavar="S", help="shift, share of the height"
    )
    c.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="of each but the first (3; of a video a quarter of the first's)",
    )
    c.add_argument("--octaves", type=int, default=2, metavar="N", help="of each but the first (2)")
    c.add_output("gif, webp or mp4; of a video mp4, its recipe beside it as .json")
    c.add_device()


def _lineup(c: _Command) -> None:
    c.add_argument("photo", type=Path)
    c.add_argument(
        "--model",
        action="append",
        default=[],
        help="name, name@digest or file, as often as needed; else every face model that is here",
    )
    c.add_argument("--wish", default="", metavar="LABEL", help="what changes, such as Smile")
    c.add_argument("--points", default="", help="eyes and mouth, as `faces` lists them")
    c.add_argument("--other", type=Path, help="a second photo, whose object is traded")
    c.add_output("the sheet: png, jpg, webp or tif")
    c.add_device()


def _loop(c: _Command) -> None:
    c.add_argument(
        "recipe", nargs="?", type=Path, metavar="RECIPE", help="a drawing, to begin with its photo"
    )
    c.add_argument("--model", metavar="MODEL", help="the drawing's, where it is not installed")
    c.add_argument("--caption", default="", metavar="TEXT", help="the words to begin with")
    c.add_argument("--captioner", required=True, metavar="MODEL", help="says what pictures show")
    c.add_argument("--painter", default="", metavar="MODEL", help="paints captions")
    c.add_argument("--turns", type=int, default=3, metavar="N", help="how many pictures (3)")
    c.add_argument("--seed", type=int, default=0, metavar="N", help="the source of randomness (0)")
    c.add_output("all pictures on one sheet, png, jpg, webp or tif", required=False)
    c.add_device()


def _batch(c: _Command) -> None:
    c.add_model()
    c.add_family()
    c.add_argument(
        "--like", type=Path, metavar="RECIPE", help="a PNG of Ganvas: the same edit on other photos"
    )
    c.add_argument("--images", type=Path, required=True, metavar="DIR", help="the input pictures")
    c.add_argument("--role", help="what the pictures are for, if the model takes several")
    c.add_values()
    c.add_mask("a picture for all, or a folder with one for each by the same name")
    c.add_argument("--seed", type=int, metavar="N", help="the source of randomness (0)")
    c.add_output("where the results go, each with its recipe inside", "DIR")
    c.add_device()
    c.add_argument("--on", default="here", metavar="PLACE", help="here, or ray: a Ray cluster")


def _edges(c: _Command) -> None:
    c.add_argument("photo", type=Path)
    c.add_values("method (canny, outline, xdog), low, high, width, smooth, shortest")
    c.add_output(FILE)


def _faces(c: _Command) -> None:
    c.add_argument("photo", type=Path)
    c.add_json("as JSON: box, points (eyes and mouth), score and notes of each, in pixels")


def _prepare(c: _Command) -> None:
    c.add_argument("photos", type=Path, metavar="DIR", help="photos, or folders A and B to join")
    c.add_argument(
        "--make",
        default="edges",
        help="edges, grey, lowres, mosaic or labels; or faces: the largest face of each, aligned",
    )
    c.add_output("where the pairs go", "DIR")


def _train(c: _Command) -> None:
    c.add_argument("recipe", metavar="RECIPE", help="a .toml file, or the name of a shipped recipe")
    c.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("GANVAS_DATA", ".")),
        metavar="DIR",
        help="the folder in which the recipe's data folder lies, or that folder itself "
        "(GANVAS_DATA, else the current folder)",
    )
    c.add_output("where state, samples and the model go (runs/NAME)", "DIR", required=False)
    c.add_device()
    c.add_argument("--devices", default="1", metavar="N", help="how many, or auto")
    c.add_argument("--steps", type=int, metavar="N", help="a trial of so many steps in all")
    c.add_argument("--minutes", type=float, metavar="M", help="stop in time, to be resumed")
    c.add_argument("--resume", action="store_true", help="go on from the saved state")
    c.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="a trained model of the recipe's shape, to go on from instead of from chance",
    )
    c.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="where a file is that the recipe names, such as backbone=PATH",
    )
    c.add_json("one JSON line per event on standard output")


def _convert(c: _Command) -> None:
    c.add_argument("old", type=Path)
    c.add_argument("--family", default="", help="settles it where weights fit several families")
    c.add_output("the new file", "NEW.safetensors")
    c.add_argument("--half", action="store_true", help="half precision, half the size")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ganvas")
    except PackageNotFoundError:
        return "(not installed)"
