"""3x3 convolutions of a network of OpenVINO by Winograd's minimal filtering, F(4x4, 3x3): 36
multiplications for 16 results where the sums of a convolution take 144 (Lavin & Gray 2016, Fast
Algorithms for Convolutional Neural Networks, sections 4.1 and 4.3). Knows no torch.

In full precision only: the transforms take some two digits of a number, more than bfloat16 can
spare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from engines.lanestore import openvino

STEP, TAP = 4, 3  # the side of what a tile gives, and of the kernel
SIDE = STEP + TAP - 1  # of what it reads
NARROWEST = 64  # channels, in or out: with fewer the transforms cost more than they save
TILES = 16  # of a map, at least
EXTRA = 160_000_000  # bytes by which all weights together may grow: they hold 36 numbers for 9

# Lavin & Gray 2016, section 4.3: interpolation at 0, 1, -1, 2, -2 and infinity
INPUT = np.array([
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
], np.float64)  # fmt: skip
KERNEL = np.array([
    [6, 0, 0],
    [-4, -4, -4],
    [-4, 4, -4],
    [1, 2, 4],
    [1, -2, 4],
    [0, 0, 24],
], np.float64) / 24  # fmt: skip
OUTPUT = np.array([
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
], np.float64)  # fmt: skip


def with_fewer_products(network: Any) -> tuple[Any, int]:
    """A copy of a network of OpenVINO with those of its 3x3 convolutions changed that gain by it,
    the largest maps first, and the bytes by which its weights grow. Unchanged is 0 bytes."""
    network = network.clone()
    found = sorted(_convolutions(network), key=lambda node: -_tiles(node))
    grown = 0
    for node in found:
        more = _weights(node).nbytes * (SIDE**2 - TAP**2) // TAP**2
        if grown + more <= EXTRA:
            node.output(0).replace(_changed(node))
            grown += more
    network.validate_nodes_and_infer_types()
    return network, grown


def _convolutions(network: Any) -> Iterator[Any]:
    """Those that are 3x3, with a step of one, constant weights and enough to do."""
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Convolution" or not node.get_output_partial_shape(0).is_static:
            continue
        told = node.get_attributes()
        plain = list(told["strides"]) == [1, 1] and list(told["dilations"]) == [1, 1]
        plain &= node.input_value(1).get_node().get_type_name() == "Constant"
        if not plain or told["auto_pad"] != "explicit" or _tiles(node) < TILES:
            continue
        outs, ins, *kernel = node.get_input_shape(1)
        if kernel == [TAP, TAP] and min(outs, ins) >= NARROWEST:
            yield node


def _tiles(node: Any) -> int:
    height, width = node.get_output_shape(0)[2:]
    return -(-height // STEP) * -(-width // STEP)


def _weights(node: Any) -> np.ndarray:
    return cast(np.ndarray, node.input_value(1).get_node().data)


def _changed(node: Any) -> Any:
    """What gives the numbers of a convolution: tiles, their transform, a product of matrices for
    each of the 36 places of a tile, and the transform back."""
    ov = openvino().opset13
    weights, told = _weights(node), node.get_attributes()
    (outs, ins), (count, _, height, width) = weights.shape[:2], node.get_output_shape(0)
    down, across = -(-height // STEP), -(-width // STEP)
    tiles, x = down * across, node.input_value(0)

    def shape(*sizes: int) -> Any:
        return ov.constant(np.array(sizes, np.int64))

    def number(values: np.ndarray) -> Any:
        return ov.constant(np.ascontiguousarray(values, np.float32))

    first, last = list(told["pads_begin"]), list(told["pads_end"])
    rest = [down * STEP - height, across * STEP - width]
    if first == last == [1, 1] and rest == [0, 0]:
        auto = "same_upper"  # which is one at every side
    else:
        auto, ends = "valid", [end + more for end, more in zip(last, rest)]
        if any((*first, *ends)):
            nothing = ov.constant(np.float32(0))
            x = ov.pad(x, shape(0, 0, *first), shape(0, 0, *ends), "constant", nothing)
    x = ov.extract_image_patches(x, [SIDE, SIDE], [STEP, STEP], [1, 1], auto)
    x = ov.reshape(x, shape(count, SIDE**2, ins * tiles), False)
    x = ov.matmul(number(np.kron(INPUT, INPUT)), x, False, False)
    x = ov.reshape(x, shape(count, SIDE**2, ins, tiles), False)
    kernels = weights.reshape(-1, TAP**2) @ np.float32(np.kron(KERNEL, KERNEL)).T
    kernels = kernels.reshape(outs, ins, SIDE**2).transpose(2, 0, 1)
    x = ov.matmul(number(kernels), x, False, False)
    x = ov.reshape(x, shape(count, SIDE**2, outs * tiles), False)
    x = ov.matmul(number(np.kron(OUTPUT, OUTPUT)), x, False, False)
    x = ov.reshape(x, shape(count, STEP**2 * outs, down, across), False)
    x = ov.depth_to_space(x, "blocks_first", STEP)
    if rest != [0, 0]:
        x = ov.slice(x, shape(0, 0), shape(height, width), shape(1, 1), shape(2, 3))
    x.set_friendly_name(node.get_friendly_name())
    return x.output(0)
