"""What the weights of a GeneGAN say of it, by the names of TensorFlow's variables or by ours.
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.checkpoint import Checkpoint

Shape = tuple[int, ...]
_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
FIRST = "G_splitter/conv1/W"


@dataclass(frozen=True)
class Config:
    """label   what the object is, as a person calls it
    size    side in pixels of the crops it was trained on
    width   channels of the splitter's first layer, doubling with each
    levels  halvings of the splitter
    object  channels, the last of the code, that are the object; the others are the face
    face    how its crops lie on a face: "celeba" (the reference's alignment) or "own" (our starter)
    """

    label: str = "Object"
    size: int = 64
    width: int = 128
    levels: int = 3
    object: int = 128
    face: str = "celeba"

    @property
    def code(self) -> int:
        """Channels of the code, the face and its object."""
        return self.width * 2 ** (self.levels - 1)

    @property
    def splitter(self) -> tuple[int, ...]:
        """Channels from the photo to the code."""
        return (3, *(self.width * 2**level for level in range(self.levels)))

    @property
    def joiner(self) -> tuple[int, ...]:
        """Channels from the code to the photo."""
        return (self.code, *(self.width * 2**n for n in range(self.levels - 1, 0, -1)), 3)


def variables(config: Config) -> Iterator[tuple[str, str, Shape]]:
    """(TensorFlow's name, our key, TensorFlow's shape) of every weight of splitter and joiner.
    Kernels are (H, W, in, out) of a convolution, (H, W, out, in) of a transposed one."""
    n = config.levels
    for level in range(1, n + 1):
        before, after = config.splitter[level - 1 : level + 1]
        scope = f"G_splitter/conv{level}"
        yield f"{scope}/W", f"splitter.conv{level}.weight", (4, 4, before, after)
        if level > 1:
            yield from _norm(scope, f"splitter.norm{level}", after)
    for level in range(1, n + 1):
        before, after = config.joiner[level - 1 : level + 1]
        scope = f"G_joiner/deconv{level}"
        yield f"{scope}/W", f"joiner.deconv{level}.weight", (4, 4, after, before)
        if level < n:
            yield from _norm(scope, f"joiner.norm{level}", after)
    yield "G_joiner/b", "joiner.bias", (1, 1, 1, 3)


def _norm(scope: str, layer: str, channels: int) -> Iterator[tuple[str, str, Shape]]:
    for theirs, ours in _NORM.items():
        yield f"{scope}/batch_normalization/{theirs}", f"{layer}.{ours}", (channels,)


def turned(shape: Shape) -> Shape:
    """Of a TensorFlow weight in torch's order."""
    if shape == (1, 1, 1, 3):
        return (3,)
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape


def is_foreign(checkpoint: Checkpoint) -> bool:
    """Whether the weights bear TensorFlow's names."""
    return checkpoint.shape(FIRST) is not None


def recognise(checkpoint: Checkpoint) -> Config | None:
    """The configuration of splitter and joiner. How many channels are the object no weight tells:
    a quarter, unless our metadata says else. Critics and slots of an optimiser do not count."""
    shapes = checkpoint.shapes()
    foreign = is_foreign(checkpoint)
    first = shapes.get(FIRST if foreign else "splitter.conv1.weight", ())
    if len(first) != 4:
        return None
    width = first[3] if foreign else first[0]
    pattern = "G_splitter/conv{}/W" if foreign else "splitter.conv{}.weight"
    levels = next((n for n in range(9) if pattern.format(n + 1) not in shapes), 9)
    if not 2 <= levels < 9 or width * 2 ** (levels - 1) % 4:
        return None
    told = checkpoint.metadata.get("config")
    told = told if isinstance(told, dict) else {}
    code = width * 2 ** (levels - 1)
    config = Config(
        str(told.get("label", Config.label))[:60],
        _size(told.get("size"), shapes, code, levels),
        width,
        levels,
        _whole(told.get("object"), code - 1) or code // 4,
        "own" if told.get("face") == "own" else "celeba",
    )
    wanted = {
        theirs if foreign else ours: shape if foreign else turned(shape)
        for theirs, ours, shape in variables(config)
    }
    return config if all(shapes.get(name) == shape for name, shape in wanted.items()) else None


def _whole(value: Any, most: int) -> int:
    """A number between one and `most`, else zero."""
    return value if type(value) is int and 0 < value <= most else 0


def _size(told: Any, shapes: dict[str, Shape], code: int, levels: int) -> int:
    """What our metadata says, else what the critic's last layer tells, which sees every place of
    its last map."""
    if (size := _whole(told, 4096)) and size % 2**levels == 0:
        return size
    places = shapes.get("D_Ax/fct/W", (16 * code, 1))[0] // code
    side = round(places**0.5)
    return side * 2 ** (levels + 1) if side and side * side == places else Config.size
