"""Words: from a key to the 64-pixel stage on the screen, through the real window; and a caption to
the picture of the official size against the plain eager network, interleaved in the same run."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.engine import one_of_each
from benchmarks.studio import _wait
from benchmarks.table import Row, milliseconds
from engines import checkpoint, executor
from engines.controls import checked
from engines.devices import choose
from engines.families.attngan import AttnGAN, draw, words
from engines.families.attngan.config import Config
from engines.families.attngan.net import AttnGAN as Net
from engines.family import Model, families
from engines.job import Job

CAPTION = "a dark red jacket on a beige background"
KNOWN = ("<end>", *sorted({*CAPTION.split(), "blue", "dress"}))
STARTER = Config(KNOWN, len(KNOWN), 64, 128, condition=32, noise=48, width=24, stages=2,
                 widths=(24, 48, 96, 128, 160), hyphens=True)  # fmt: skip
OFFICIAL = Config((*KNOWN, *("" for _ in range(5450 - len(KNOWN)))))  # birds: 64, 128, 256


def rows(quick: bool = False) -> list[Row]:
    return [*_typed(4 if quick else 20), _painted(2 if quick else 15)]


# ---- while typing --------------------------------------------------------------------------------


def _typed(rounds: int) -> list[Row]:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    import app

    running = QApplication.instance()
    qapp = running if isinstance(running, QApplication) else QApplication(["ganvas"])
    with tempfile.TemporaryDirectory() as home:
        os.environ["GANVAS_HOME"] = home
        path = Path(home) / "words.safetensors"
        torch.manual_seed(0)
        body = {"family": "attngan", "config": families()["attngan"].to_dict(STARTER)}
        checkpoint.save(path, Net(STARTER).state_dict(), body)
        window = app.open_window()
        window.show()
        app._begin(window, [str(path)])
        _wait(qapp, lambda: "words" in window.rooms)
        first, last = list[float](), list[float]()
        studio: Any = window.studio
        shown: dict[str, float] = {}
        studio.preview_shown.connect(lambda _: shown.setdefault("preview", time.perf_counter()))
        studio.result_shown.connect(lambda _: shown.setdefault("result", time.perf_counter()))
        box: Any = window.room.field.caption  # type: ignore[attr-defined]
        text = (CAPTION + " ") * (1 + rounds // len(CAPTION))
        for key in text[: rounds + 2]:
            shown.clear()
            began = time.perf_counter()
            QTest.keyClicks(box, key)
            _wait(qapp, lambda: "result" in shown)
            first.append(shown.get("preview", shown["result"]) - began)
            last.append(shown["result"] - began)
        window.close()
        _wait(qapp, lambda: not studio.worker.isRunning())
    return [
        Row("key to the 64-pixel stage, starter's size", milliseconds(first[2:]), "150 ms"),
        Row("key to the picture at 128 pixels", milliseconds(last[2:])),
    ]


# ---- the official size ---------------------------------------------------------------------------


def _painted(rounds: int) -> Row:
    """From a caption's text to its picture of 256 pixels, as a job and by hand."""
    device = choose("auto")
    torch.manual_seed(0)
    plain = Net(OFFICIAL).eval().to(device)
    twin = Net(OFFICIAL).eval()
    twin.load_state_dict(plain.state_dict())
    family = AttnGAN()
    card = family.card(OFFICIAL)
    module = executor.prepare(twin, device, torch.float32)
    model = Model(family, module, OFFICIAL, card, device, torch.float32, executor.execute)
    job = checked(Job("attngan", values={"caption": CAPTION}), card)

    def engine() -> object:
        with torch.inference_mode():
            return [*family.run(model, job)][-1]

    def eager() -> Tensor:
        read = words.read(CAPTION, OFFICIAL)
        with torch.no_grad():
            table = torch.tensor([read.numbers], device=device)
            told = plain("read", table, torch.tensor([table.shape[1]], device=device))
            noise, numbers = draw.chance(model, [0], 1.0)
            made = plain.generator(noise, draw.Said(told[1], told[0], None, None), numbers)
        picture = made.pictures[-1]
        return ((picture[0] + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).cpu()

    eager()
    engine()
    pairs = [one_of_each(eager, engine, device, n % 2 == 1) for n in range(rounds)]
    one, two = zip(*pairs)
    ratio = sorted(a / b for a, b in pairs)[len(pairs) // 2]
    note = f"{ratio:.2f}x eager, which takes {milliseconds(one)}; eager makes no previews"
    return Row("caption to 256 pixels, official size", milliseconds(two), ">= 1x eager", note)
