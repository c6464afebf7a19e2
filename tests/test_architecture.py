"""The laws of ARCHITECTURE.md hold for this tree, and the checker notices when one is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import architecture
import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_laws_hold() -> None:
    assert architecture.broken(ROOT) == []


def test_the_lists_of_the_checker_name_what_is_there() -> None:
    """A renamed module must not fall out of a rule unnoticed."""
    named = {f"engines.{name}" for line in architecture.ENGINES for name in line}
    named |= {f"app.{name}" for line in architecture.APP for name in line}
    for rule in ("LOADS_TORCH", "NEVER_TORCH", "SEES_WIDGETS", "WIDGETS_SEE", "WORKER_SEES",
                 "STUDIO_IS_SEEN_BY", "APP_SEES", "MAIN_SEES", "REGISTRY"):  # fmt: skip
        named |= set(getattr(architecture, rule))
    files = {*architecture.READERS, *(name.replace(".", "/") for name in named)}
    missing = [f for f in sorted(files) if not any(
        (ROOT / f"{f.removesuffix('.py')}{end}").exists() for end in (".py", "/__init__.py")
    )]  # fmt: skip
    assert missing == []


PACKAGES = ("app", "app/widgets", "engines", "engines/families", "engines/families/pix2pix",
            "engines/families/cyclegan")  # fmt: skip
SOUND = {
    "main.py": "def main():\n    from engines import cli\n    import app\n",
    "app/__init__.py": "def start():\n    from app.window import MainWindow\n",
    "app/window.py": "from app.studio import Studio\nfrom app.widgets.canvas import Canvas\n",
    "app/studio.py": "from app.worker import EngineWorker\nfrom engines.job import Job\n",
    "app/worker.py": "from PySide6.QtCore import QThread\nfrom engines import Job\n",
    "app/widgets/canvas.py": "import app.pictures\nfrom engines.job import Picture\n",
    "app/pictures.py": "from engines.job import Picture\n",
    "engines/job.py": "import numpy as np\n",
    "engines/controls.py": "from engines.job import Job\n",
    "engines/images.py": "def f(path):\n    import numpy as n\n"
    "    return n.load(path, allow_pickle=False)\n",
    "engines/layers.py": "import torch\n",
    "engines/checkpoint.py": "import pickle\ndef f(path):\n    from torch import load\n"
    "    return load(path, weights_only=True)\n",
    "engines/family.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
    "def families():\n    import engines.families\n",
    "engines/families/__init__.py": "from engines.families import pix2pix\n",
    "engines/families/pix2pix/__init__.py": "from engines.family import Family\n"
    "def build():\n    from engines.families.pix2pix import net\n",
    "engines/families/pix2pix/net.py": "import torch\nfrom engines.layers import block\n"
    "def f(model):\n    return model.eval()\n",
    "engines/families/cyclegan/net.py": "from engines.layers import block\n",
    "engines/engine.py": "from engines.family import families\n",
    "engines/cli.py": "def run():\n    import torch\n    from engines.engine import Engine\n",
}


def plant(root: Path, files: dict[str, str]) -> list[str]:
    for package in PACKAGES:
        (root / package).mkdir(parents=True, exist_ok=True)
        (root / package / "__init__.py").touch()
    for file, code in files.items():
        (root / file).write_text(code)
    return architecture.broken(root)


def test_what_is_allowed_is_not_complained_of(tmp_path: Path) -> None:
    assert plant(tmp_path, SOUND) == []


# law; file; what is written there
PLANTED = r"""
law 1; engines/engine.py; from PySide6.QtCore import QObject
law 1; engines/images.py; def f(): import app.studio
law 1; engines/cli.py; from app.export import export
law 1; engines/family.py; def f(): import main
law 1; engines/families/pix2pix/net.py; class A: import qtawesome
law 2; app/studio.py; def f(): import torch.nn as nn
law 2; app/widgets/viewer.py; from safetensors.torch import load_file
law 2; app/worker.py; if TYPE_CHECKING: import torch
law 3; engines/job.py; def f(): from torch import Tensor
law 3; engines/controls.py; import qtawesome
law 3; engines/__init__.py; from torch import Tensor
law 3; engines/catalogue.py; import torch
law 3; engines/of_tomorrow.py; import torch
law 3; engines/family.py; try: import torch\nexcept ImportError: pass
law 3; engines/cli.py; with open("a"): import torchvision
law 3; engines/families/cyclegan/__init__.py; import torch
law 3; engines/families/cyclegan/config.py; import torch
law 4; engines/datasets.py; def f(): import torch; torch.load("a")
law 4; engines/datasets.py; def f(): import torch as t; t.load("a", weights_only=True)
law 4; engines/datasets.py; def f(): from torch import load as l; l("a")
law 4; engines/checkpoint.py; def f(): import torch; torch.load("a")
law 4; engines/checkpoint.py; def f(): import torch; torch.load("a", weights_only=False)
law 4; engines/checkpoint.py; def f(w): import torch; torch.load("a", weights_only=w)
law 4; engines/images.py; import numpy as np; np.load("a")
law 4; engines/images.py; import numpy; numpy.load("a", allow_pickle=True)
law 4; engines/families/pix2pix/net.py; import torch; torch.jit.load("a")
law 4; engines/engine.py; def f(): from torch import hub; hub.load("a", "b")
law 4; engines/doctor.py; x = eval("1")
law 4; app/desk.py; import pickle; pickle.loads(b"")
law 4; app/desk.py; from pickle import loads; loads(b"")
law 4; app/history.py; def f(): import joblib as j
direction; app/widgets/canvas.py; from app.studio import Studio
direction; app/widgets/canvas.py; from app.worker import EngineWorker
direction; app/widgets/rail.py; from engines.engine import Engine
direction; app/widgets/rail.py; from engines import Engine
direction; app/studio.py; from app.widgets.canvas import Canvas
direction; app/studio.py; def f(): from app.window import MainWindow
direction; app/studio.py; if TYPE_CHECKING: from app.window import MainWindow
direction; app/worker.py; from app.studio import Studio
direction; app/worker.py; from engines.executor import execute
direction; app/results.py; from app.studio import Studio
direction; app/pictures.py; from app.raster import draw
direction; app/export.py; from engines.cli import main
direction; app/draw.py; import main
direction; main.py; from engines.engine import Engine
direction; engines/families/pix2pix/net.py; from engines.families.cyclegan import net
direction; engines/families/pix2pix/net.py; from ..cyclegan.net import block
direction; engines/families/cyclegan/run.py; from engines.engine import Engine
direction; engines/families/cyclegan/run.py; def f(): from ... import cli
direction; engines/families/cyclegan/run.py; from engines.cluster import run_many
direction; engines/layers.py; from engines.family import Family
direction; engines/checkpoint.py; def f(): from engines.family import families
direction; engines/training.py; from engines.families.pix2pix import net
direction; engines/engine.py; from engines.cluster import run_many
direction; engines/job.py; from engines.controls import Slider
direction; engines/catalogue.py; if TYPE_CHECKING: from engines.engine import Engine
"""
THERE = """
app/studio.py app/window.py app/worker.py app/raster.py app/export.py
engines/engine.py engines/cluster.py engines/cli.py engines/executor.py engines/controls.py
engines/family.py engines/families/pix2pix/net.py engines/families/cyclegan/net.py
"""


@pytest.mark.parametrize("planted", PLANTED.strip().splitlines())
def test_a_broken_law_is_noticed(tmp_path: Path, planted: str) -> None:
    law, file, code = planted.split("; ", 2)
    assert plant(tmp_path, {"main.py": "", **dict.fromkeys(THERE.split(), "")}) == []
    said = plant(tmp_path, {file: code.replace("\\n", "\n") + "\n"})
    assert any(s.startswith(f"{law}: {file} ") for s in said), said


def test_a_circle_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    said = plant(tmp_path, {
        "engines/red.py": "from engines.green import a\n",
        "engines/green.py": "def f():\n    from engines import blue\n",
        "engines/blue.py": "import engines.red\n",
    })  # fmt: skip
    assert len(said) == 1 and said[0].startswith("direction: engines.blue imports")
    assert all(name in said[0] for name in ("engines.red", "engines.green"))
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import engines.red\n"
    assert plant(tmp_path, {"engines/blue.py": types}) == []


def loaded_by(modules: list[str], unwanted: str) -> str:
    """The first of `modules` whose import brings `unwanted` in, "" if none does."""
    code = (
        "import sys\n"
        "from importlib import import_module\n"
        f"for name in {modules!r}:\n"
        "    import_module(name)\n"
        f"    if {unwanted!r} in sys.modules: print(name); break\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def modules_of(package: str) -> list[str]:
    found = (p.relative_to(ROOT).as_posix() for p in sorted((ROOT / package).rglob("*.py")))
    return [f.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in found]


def test_importing_the_engine_loads_no_torch_and_no_qt() -> None:
    lazy = [m for m in modules_of("engines") if architecture._is_lazy(m)]
    assert {"engines", "engines.cli", "engines.catalogue", "engines.engine"} <= set(lazy)
    assert loaded_by(lazy, "torch") == ""
    assert loaded_by(lazy, "PySide6") == ""


def test_importing_the_window_and_all_behind_it_loads_no_torch() -> None:
    assert loaded_by(["main", *modules_of("app")], "torch") == ""


def test_the_probe_for_loaded_modules_finds_them() -> None:
    assert loaded_by(["engines.job", "engines.layers"], "torch") == "engines.layers"
