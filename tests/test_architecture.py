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


PLANTED = {
    "engines/engine.py": ("from PySide6.QtCore import QObject", "law 1"),
    "engines/images.py": ("def f():\n    import app.studio", "law 1"),
    "app/studio.py": ("def f():\n    import torch.nn as nn", "law 2"),
    "app/widgets/viewer.py": ("from safetensors.torch import load_file", "law 2"),
    "engines/job.py": ("def f():\n    from torch import Tensor", "law 3"),
    "engines/controls.py": ("import qtawesome", "law 3"),
    "engines/catalogue.py": ("import torch", "law 3"),
    "engines/family.py": ("try:\n    import torch\nexcept ImportError:\n    pass", "law 3"),
    "engines/datasets.py": ("import torch\nx = torch.load('a')", "law 4"),
    "app/desk.py": ("import pickle\nx = pickle.loads(b'')", "law 4"),
    "app/widgets/canvas.py": ("from app.studio import Studio", "direction"),
    "app/widgets/rail.py": ("from engines.engine import Engine", "direction"),
    "engines/families/pix2pix/net.py": ("from engines.families.cyclegan import net", "direction"),
    "engines/families/cyclegan/run.py": ("from engines.engine import Engine", "direction"),
    "engines/layers.py": ("from engines.checkpoint import save", "direction"),
    "engines/checkpoint.py": ("def f():\n    from engines.family import families", "direction"),
}


@pytest.mark.parametrize("file", PLANTED)
def test_a_broken_law_is_noticed(tmp_path: Path, file: str) -> None:
    code, law = PLANTED[file]
    for package in ("app/widgets", "engines/families/pix2pix", "engines/families/cyclegan"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "main.py").write_text("import app\n")
    assert architecture.broken(tmp_path) == []
    (tmp_path / file).write_text(code + "\n")
    said = architecture.broken(tmp_path)
    assert said and any(s.startswith(law) and file in s for s in said), said


def test_what_is_allowed_is_not_complained_of(tmp_path: Path) -> None:
    fine = {
        "main.py": "from engines import cli\nimport app\n",
        "app/window.py": "from app.widgets.canvas import Canvas\nfrom engines import Job\n",
        "app/widgets/canvas.py": "from app.pictures import to_qimage\nfrom engines.job import "
        "Picture\n",
        "engines/family.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import "
        "torch\n",
        "engines/cli.py": "def run():\n    import torch\n    from engines.engine import Engine\n",
        "engines/families/pix2pix/__init__.py": "from engines.families.pix2pix.config import "
        "Config\n",
    }
    for file, code in fine.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(code)
    assert architecture.broken(tmp_path) == []


@pytest.mark.parametrize("module", ["engines", *architecture.LAZY, "app.studio", "app.window"])
def test_importing_loads_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
