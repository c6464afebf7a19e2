"""The four laws and the directions of imports, checked by reading the source.

Used by test_architecture.py, which also plants broken trees to see that this notices. Imports
inside functions count like those at the top; those below `if TYPE_CHECKING:` count for directions,
and not for what is loaded.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OURS = ("main", "app", "engines", "resources")
TORCH = (
    "torch",
    "spandrel",
    "torchvision",
    "torchmetrics",
    "lightning_fabric",
    "safetensors.torch",
)
QT = ("PySide6", "shiboken6", "qtawesome", "qimage2ndarray", "qtpy")

# law 3: who may load torch when imported; everyone else imports it inside functions
LOADS_TORCH = (
    "engines.backbone_train",
    "engines.backbonenet",
    "engines.captionscore",
    "engines.devices",
    "engines.embedder",
    "engines.evaluate",
    "engines.evaluate_faces",
    "engines.evaluate_labels",
    "engines.evaluate_translators",
    "engines.evaluate_words",
    "engines.executor",
    "engines.findernet",
    "engines.lanemaking",
    "engines.graphs",
    "engines.halves",
    "engines.layers",
    "engines.memory",
    "engines.perceptual",
    "engines.pace",
    "engines.recogniser",
    "engines.residualnet",
    "engines.spoiling",
    "engines.tensors",
    "engines.repeated",
    "engines.replay",
    "engines.tiled",
    "engines.distil",
    "engines.taught",
    "engines.training",
    "engines.unet",
    "engines.windows",
    "engines.families",
)
NEVER_TORCH = ("engines.job", "engines.controls")
LAZY_FAMILY = ("__init__", "config")  # of a family's modules, those that are imported to list it

# law 4: who may touch pickles, and what runs what a file says
READERS = ("engines/checkpoint.py", "engines/inert.py", "engines/torchfile.py")
PICKLES = ("pickle", "_pickle", "cPickle", "pickletools", "dill", "cloudpickle", "joblib", "shelve",
           "marshal")  # fmt: skip
RUNNERS = ("torch.hub", "torch.jit.load", "torch.package", "torch.serialization", "builtins.eval",
           "builtins.exec", "builtins.compile")  # fmt: skip
LOADERS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}

# directions: a line may import those above it, and its own. Modules that are not named are free,
# as long as no circle comes of it.
ENGINES = (
    ("job", "folders", "wording"),
    ("controls", "errors", "download"),
    ("images", "edges", "layers", "checkpoint"),
    ("gates",),
    ("tensors", "sizes", "pairs", "catalogue"),
    ("family", "datasets", "weights"),
    ("doctor", "training", "executor", "loop", "lanestore"),
    ("lanes",),
    ("graphs",),
    ("families",),
    ("engine", "evaluate"),
    ("cluster",),
    ("arguments", "cli"),
)
APP = (
    ("i18n", "theme", "pictures", "drawing", "background", "settings"),
    ("tiles", "raster", "labels", "worker"),
    ("widgets",),
    ("desk", "history", "tasks", "export", "opening", "lastpicture"),
    ("results", "door"),
    ("studio",),
    (
        "window",
        "room",
        "rooms",
        "notices",
        "draw",
        "paint",
        "easel",
        "sheet",
        "mapsheet",
        "mapping",
        "faces",
        "portrait",
        "style",
        "atelier",
        "dream",
        "reverie",
        "translate",
        "slide",
        "words",
        "page",
        "offers",
        "asking",
        "actions",
    ),
)
REGISTRY = ("engines.family", "engines.families")  # asks for the families, so that they register
SEES_WIDGETS = ("app.widgets", "app.window", "app.draw", "app.sheet", "app.asking", "app.actions",
                "app.room", "app.faces", "app.portrait", "app.paint", "app.easel", "app.mapsheet",
                "app.mapping", "app.style", "app.atelier", "app.dream", "app.reverie",
                "app.translate", "app.slide", "app.words", "app.page", "app.offers", "app.rooms",
                "app.notices", "app.masking")  # fmt: skip
WIDGETS_SEE = ("app.widgets", "app.pictures", "app.theme", "app.i18n", "app.drawing",
               "app.raster", "app.tiles", "app.labels", "app.attending", "engines.job",
               "engines.controls")  # fmt: skip
WORKER_SEES = ("engines",)
STUDIO_IS_SEEN_BY = ("app", "app.window", "app.easel", "app.sheet", "app.mapsheet",
                     "app.portrait", "app.atelier", "app.reverie", "app.slide",
                     "app.page", "app.offers", "app.table", "app.masking",
                     "app.explaining")  # fmt: skip
APP_SEES = ("engines", "engines.job", "engines.controls", "engines.errors", "engines.images",
            "engines.edges", "engines.family", "engines.catalogue", "engines.doctor",
            "engines.chain", "engines.folders", "engines.palettes", "engines.mapfiles",
            "engines.beside", "engines.animate", "engines.faces", "engines.journey",
            "engines.stylefilm", "engines.thumbnails", "engines.videofile",
            "engines.wording")  # fmt: skip
MAIN_SEES = ("app", "engines.cli")


@dataclass(frozen=True)
class Import:
    file: str
    module: str  # the importing module
    target: str  # the imported one
    at_top: bool
    only_types: bool


def broken(root: Path) -> list[str]:
    """One sentence for every law that is broken below `root`."""
    found = list(imports(root))
    said = [f"{law}: {i.file} imports {i.target}" for i in found for law in _laws(i)]
    said += [f"direction: {circle}" for circle in _circles(found)]
    said += [f"law 4: {file} uses {what}" for file, what in _foreign_code(root)]
    return list(dict.fromkeys(said))


def _laws(i: Import) -> Iterator[str]:
    """The laws that this import breaks."""
    part = i.module.split(".")[0]
    if part == "engines" and _below(i.target, (*QT, "app", "main")):
        yield "law 1"
    if part == "app" and _below(i.target, TORCH):
        yield "law 2"
    is_loaded = i.at_top and not i.only_types and _is_lazy(i.module)
    if _below(i.target, TORCH) and (is_loaded or i.module in NEVER_TORCH):
        yield "law 3"
    if _below(i.target, QT) and i.module in NEVER_TORCH:
        yield "law 3"
    if i.target.split(".")[0] in OURS and not _may_see(i.module, i.target):
        yield "direction"


def _is_lazy(module: str) -> bool:
    """Whether `module` must be importable without torch."""
    if module.startswith("engines.families."):
        parts = module.split(".")
        return len(parts) == 3 or parts[3] in LAZY_FAMILY
    return module.startswith("engines") and (
        module == "engines.families" or not _below(module, LOADS_TORCH)
    )


# ---- directions ----------------------------------------------------------------------------------


def _may_see(module: str, target: str) -> bool:
    part = module.split(".")[0]
    if part == "main":
        return target in MAIN_SEES or target == "engines"
    if part == "engines":
        return _may_engines(module, target)
    return _may_app(module, target)


def _may_engines(module: str, target: str) -> bool:
    if (module, target) == REGISTRY:
        return True
    if module.startswith("engines.families.") and target.startswith("engines.families."):
        return module.split(".")[2] == target.split(".")[2]
    return _is_above(ENGINES, "engines", module, target)


def _may_app(module: str, target: str) -> bool:
    if target == "main":
        return False
    if _below(module, ("app.widgets",)):
        return _below(target, WIDGETS_SEE)
    if module == "app.worker":
        return _below(target, WORKER_SEES) and _may_see_engines(target)
    if _below(target, ("app.widgets",)):
        return module in SEES_WIDGETS
    if target == "app.studio":
        return module in STUDIO_IS_SEEN_BY
    if target.split(".")[0] == "engines":
        return _may_see_engines(target)
    return _is_above(APP, "app", module, target)


def _may_see_engines(target: str) -> bool:
    return target in APP_SEES


def _is_above(lines: Iterable[tuple[str, ...]], package: str, module: str, target: str) -> bool:
    """Whether `target` stands above `module` or beside it; a package itself sees everything."""
    line = {f"{package}.{name}": n for n, names in enumerate(lines) for name in names}
    mine, theirs = (_line(line, name) for name in (module, target))
    return mine is None or theirs is None or theirs <= mine


def _line(line: dict[str, int], module: str) -> int | None:
    return next((n for name, n in line.items() if _below(module, (name,))), None)


def _circles(found: Iterable[Import]) -> Iterator[str]:
    """Circles of imports, each once, by a depth-first walk."""
    sees: dict[str, set[str]] = defaultdict(set)
    for i in found:
        is_ours = i.target.split(".")[0] in OURS and i.target != i.module
        if is_ours and not i.only_types and (i.module, i.target) != REGISTRY:
            sees[i.module].add(i.target)
    done: set[str] = set()
    for start in sorted(sees):
        yield from _walk_circles(start, sees, [], done)


def _walk_circles(
    module: str, sees: dict[str, set[str]], path: list[str], done: set[str]
) -> Iterator[str]:
    if module in path:
        yield " imports ".join([*path[path.index(module) :], module])
        return
    if module in done:
        return
    for target in sorted(sees.get(module, ())):
        yield from _walk_circles(target, sees, [*path, module], done)
    done.add(module)


# ---- reading -------------------------------------------------------------------------------------


def imports(root: Path) -> Iterator[Import]:
    """Every import below app/, engines/ and in main.py."""
    for path, tree in _sources(root):
        file = path.relative_to(root).as_posix()
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for node, at_top, only_types in _walk(tree.body, True, False):
            for target in _targets(node, file, module, root):
                yield Import(file, module, target, at_top, only_types)


def _sources(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    files = [root / "main.py", *(root / "app").rglob("*.py"), *(root / "engines").rglob("*.py")]
    for path in sorted(f for f in files if f.is_file()):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _targets(node: ast.Import | ast.ImportFrom, file: str, module: str, root: Path) -> list[str]:
    """The modules that a statement imports; `from package import name` gives package.name where
    that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module.split(".")[: None if file.endswith("__init__.py") else -1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, *([base] if base else [])])
    names = [f"{base}.{alias.name}" for alias in node.names]
    return list(dict.fromkeys(n if _is_module(root, n) else base for n in names))


def _walk(
    body: Iterable[ast.AST], at_top: bool, only_types: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """Every import statement, whether it runs at import, and whether only type checkers see it."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_top, only_types
        elif isinstance(node, ast.If) and _asks_for_types(node.test):
            yield from _walk(node.body, at_top, True)
            yield from _walk(node.orelse, at_top, only_types)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(ast.iter_child_nodes(node), at_top and not inside, only_types)


def _asks_for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _is_module(root: Path, name: str) -> bool:
    path = root / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in prefixes)


# ---- law 4 ---------------------------------------------------------------------------------------


def _foreign_code(root: Path) -> Iterator[tuple[str, str]]:
    """(file, what) for everything that could run what a file says."""
    for path, tree in _sources(root):
        file = path.relative_to(root).as_posix()
        names = _names(tree)
        if file not in READERS:
            for name in {n for n in names.values() if _below(n, PICKLES)}:
                yield file, name
        for node in ast.walk(tree):
            called = _called(node, names)
            if called and _below(called, RUNNERS):
                yield file, called
            elif called in LOADERS:
                yield from _loading(node, called, file)


def _loading(node: ast.AST, called: str, file: str) -> Iterator[tuple[str, str]]:
    """torch.load and numpy.load: only in the readers, and only in their safe way."""
    option, safe = LOADERS[called]
    given = next((k.value for k in getattr(node, "keywords", []) if k.arg == option), None)
    is_safe = isinstance(given, ast.Constant) and given.value is safe
    if not is_safe:
        yield file, f"{called} without {option}={safe}"
    elif called == "torch.load" and file not in READERS:
        yield file, called


def _names(tree: ast.Module) -> dict[str, str]:
    """Local name -> what it stands for, for everything that is imported anywhere in the file."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name if alias.asname else alias.name.split(".")[0]
                found[alias.asname or root] = root
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _called(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of what a call calls, "" if it is no call of something imported."""
    if not isinstance(node, ast.Call):
        return ""
    parts, target = [], node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return ""
    if target.id in ("eval", "exec", "compile") and not parts and target.id not in names:
        return f"builtins.{target.id}"
    known = names.get(target.id)
    return ".".join([known, *reversed(parts)]) if known else ""
