"""The four laws and the import directions, checked by reading the source. Used by
test_architecture.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TORCH = ("torch", "torchvision", "lightning_fabric", "safetensors.torch", "torchmetrics")
QT = ("PySide6", "qtawesome", "qimage2ndarray", "qtpy", "shiboken6")
UNPICKLERS = (
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "torch.load",
    "dill",
    "joblib.load",
    "numpy.load",
    "np.load",
)
READERS = ("engines/arrays.py", "engines/checkpoint.py", "engines/training.py")
PURE = ("engines.job", "engines.controls")
LAZY = (
    "engines",
    "engines.job",
    "engines.controls",
    "engines.family",
    "engines.catalogue",
    "engines.cli",
    "engines.checkpoint",
    "engines.inert",
    "engines.torchfile",
    "engines.arrays",
    "engines.formats",
    "engines.repairs",
    "engines.unwrap",
    "engines.doctor",
    "engines.images",
    "engines.edges",
    "engines.folders",
    "engines.download",
)

# who may be imported by whom: module prefix -> prefixes of ours that it may import (longest prefix
# wins)
ALLOWED: dict[str, tuple[str, ...]] = {
    "main": ("app", "engines"),
    "app.widgets": (
        "app.widgets",
        "app.pictures",
        "app.theme",
        "app.i18n",
        "app.drawing",
        "app.raster",
        "app.settings",
        "engines.job",
        "engines.controls",
    ),
    "app": ("app", "engines"),
    "engines.job": (),
    "engines.controls": ("engines.job",),
    "engines.folders": (),
    "engines.suspects": (),
    "engines.inert": ("engines.suspects",),
    "engines.torchfile": ("engines.inert",),
    "engines.unwrap": ("engines.inert",),
    "engines.arrays": (),
    "engines.formats": (),
    "engines.repairs": (),
    "engines.marks": (),
    "engines.checkpoint": (
        "engines.inert",
        "engines.torchfile",
        "engines.unwrap",
        "engines.arrays",
        "engines.formats",
        "engines.repairs",
        "engines.job",
    ),
    "engines.layers": (),
    "engines.edges": ("engines.job", "engines.controls"),
    "engines.images": ("engines.job",),
    "engines.tensors": ("engines.job", "engines.images"),
    "engines.pairs": ("engines.edges",),
    "engines.family": ("engines.job", "engines.controls", "engines.checkpoint", "engines.families"),
    "engines.families": (
        "engines.family",
        "engines.layers",
        "engines.images",
        "engines.tensors",
        "engines.edges",
        "engines.training",
        "engines.datasets",
        "engines.checkpoint",
        "engines.controls",
        "engines.job",
        "engines.pairs",
    ),
}
FORBIDDEN: dict[str, tuple[str, ...]] = {"engines": ("app", "main"), "app": ("main",)}


@dataclass(frozen=True)
class Import:
    file: str
    module: str  # the importing module
    target: str  # the imported one
    at_top: bool
    only_types: bool


def imports(root: Path) -> Iterator[Import]:
    """Every import below app/, engines/ and in main.py."""
    files = [root / "main.py", *(root / "app").rglob("*.py"), *(root / "engines").rglob("*.py")]
    for path in sorted(f for f in files if f.is_file()):
        file = path.relative_to(root).as_posix()
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        yield from _imports(ast.parse(path.read_text(encoding="utf-8")), file, module, root)


def _imports(tree: ast.Module, file: str, module: str, root: Path) -> Iterator[Import]:
    for node, at_top, only_types in _walk(tree.body, True, False):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                package = module.split(".")[: None if file.endswith("__init__.py") else -1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            targets = [
                f"{base}.{a.name}" if _is_module(root, f"{base}.{a.name}") else base
                for a in node.names
            ]
        for target in dict.fromkeys(targets):
            yield Import(file, module, target, at_top, only_types)


def _walk(
    body: list[ast.stmt], at_top: bool, only_types: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_top, only_types
            continue
        types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in ("body", "orelse", "finalbody"):
            yield from _walk(
                getattr(node, name, []), inside, only_types or (types and name == "body")
            )
        for handler in getattr(node, "handlers", []):
            yield from _walk(handler.body, inside, only_types)


def _is_module(root: Path, name: str) -> bool:
    path = root / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in prefixes)


def broken(root: Path) -> list[str]:
    """One sentence for every law that is broken below `root`."""
    said: list[str] = []
    for i in imports(root):
        where = f"{i.file} imports {i.target}"
        if i.module.startswith("engines") and _below(i.target, QT):
            said.append(f"law 1: {where}")
        if i.module.split(".")[0] == "engines" and _below(i.target, ("app", "main")):
            said.append(f"law 1: {where}")
        if i.module.split(".")[0] == "app" and _below(i.target, TORCH):
            said.append(f"law 2: {where}")
        if i.module in PURE and _below(i.target, (*TORCH, *QT)):
            said.append(f"law 3: {where}")
        if i.module in LAZY and i.at_top and not i.only_types and _below(i.target, TORCH):
            said.append(f"law 3: {where} when it is imported")
        said += [f"direction: {where}"] if not _may(i) else []
    said += [f"law 4: {file} unpickles with {call}" for file, call in _unpickling(root)]
    return said


def _may(i: Import) -> bool:
    ours = i.target.split(".")[0] in ("app", "engines", "main", "resources")
    if not ours:
        return True
    if i.module.startswith("engines.families."):
        mine, theirs = i.module.split(".")[2], i.target.split(".")
        if i.target.startswith("engines.families.") and theirs[2] != mine:
            return False
        if i.target.startswith(f"engines.families.{mine}") or i.target == "engines.families":
            return True
    if i.target == "engines" and not i.module.startswith("app.widgets"):
        return True
    rules = [p for p in ALLOWED if i.module == p or i.module.startswith(f"{p}.")]
    if rules:
        return (
            i.only_types
            or _below(i.target, ALLOWED[max(rules, key=len)])
            or i.module == "engines.families"
        )
    return not _below(i.target, FORBIDDEN.get(i.module.split(".")[0], ()))


def _unpickling(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted([*(root / "app").rglob("*.py"), *(root / "engines").rglob("*.py")]):
        file = path.relative_to(root).as_posix()
        if file in READERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in UNPICKLERS:
                yield file, name
