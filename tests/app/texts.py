"""Every text that the program may show, read from the source: what a translation must hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ASK = {"tr", "say", "label", "button", "tool", "Section", "Switch", "Act", "Option", "tell",
       "show_message", "set_message", "_button", "QUndoCommand", "Change", "Deletion", "ImageWell",
       "SheetView", "Fitted", "Slider", "Choice", "Toggle", "Text", "SketchInput", "ImageInput",
       "EmptyState", "FacePoints", "Gallery", "Attributes", "CanvasHead", "Segments",
       "Brushes", "lasting", "title_line", "__init__"}  # fmt: skip
TABLES = {"PALETTE", "SYMMETRIES", "ROOMS", "STATES", "DEVICES", "WHAT", "OPTIONS", "ACTS",
          "NAMES_OF_TOOLS", "GESTURES", "LOCKED", "FITTED", "EASINGS", "LINEUP", "TARGETS",
          "EMPTY", "WAITING", "GIVEN", "empty", "invitation", "TITLES", "GROUPS", "VIEWS", "DOMAIN",
          "MEANINGS", "SHARING", "REGIONS", "WORD", "SEEDS", "WAY", "LOOP",
          "CELEBA", "RAFD", "TRUTH", "UNKNOWN", "CHIP", "MISSING", "CLASSES"}  # fmt: skip
SAME = {"AtoB", "BtoA", "WebP"}  # values, and a name that is the same everywhere
PLAIN = SAME | {"setText", "setToolTip", "setAccessibleName", "setPlaceholderText",
                "setWindowTitle", "set_words"}  # fmt: skip


def texts() -> set[str]:
    """English sentences and words; what has no lower-case letter or no word is none."""
    found: set[str] = set()
    for path in sorted((ROOT / "app").rglob("*.py")):
        found |= set(_texts(ast.parse(path.read_text("utf-8"))))
    engines = ROOT / "engines"
    places = [
        *engines.glob("families/*/__init__.py"),
        *engines.glob("families/*/config.py"),
        engines / "families" / "tools.py",
    ]
    more = ("faces", "redraw", "residual", "styling", "lanestore")
    for path in (*places, *(engines / f"{name}.py" for name in more)):
        found |= set(_texts(ast.parse(path.read_text("utf-8"))))
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in ASK:
            parts = [*node.args, *(k.value for k in node.keywords)]
            yield from _constants(parts)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_name(t) in TABLES for t in targets):
                yield from _constants([node.value])


def _constants(parts: list[ast.expr]) -> Iterator[str]:
    for part in parts:
        inside = {id(v) for n in ast.walk(part) if isinstance(n, ast.JoinedStr) for v in n.values}
        for node in ast.walk(part):
            text = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
            if (
                isinstance(text, str)
                and id(node) not in inside
                and text not in PLAIN
                and _is_text(text)
            ):
                yield text


def _is_text(text: str) -> bool:
    """A capital first or a space within: names of things in the code have neither."""
    return (
        len(text) > 1
        and any(c.islower() for c in text)
        and (text[0].isupper() or " " in text.strip())
        and not text.startswith(("Ctrl+", "color", "#", "*"))
    )


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))
