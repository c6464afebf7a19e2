"""Draws the landscape that the Translate room offers as a sample: sky, hills, a lake, meadows.

`python resources/samples/make.py` writes landscape.jpg beside this file. Drawn by numbers alone;
free for any use.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 640, 480
HORIZON, SHORE = 250, 372  # rows at which the lake begins and ends


def noise(rng: np.random.Generator, size: tuple[int, int], cells: float, octaves: int = 5):
    """(H, W) in about [-1, 1]: clouds of all sizes from 1 / cells of the width down."""
    width, height = size
    made = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave))
        down = max(2, round(across * height / width))
        grid = rng.standard_normal((down, across)).astype(np.float32)
        made += cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return made / 1.6


def mixed(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours (3,) between two by a share (H, W) in [0, 1]."""
    share = np.clip(share, 0, 1)[..., None]
    return low * (1 - share) + high * share


def sky(rng: np.random.Generator) -> np.ndarray:
    rows = np.linspace(0, 1, HORIZON)[:, None] * np.ones((1, WIDTH))
    blue, pale = np.array((86, 138, 196.0)), np.array((238, 214, 178.0))
    made = mixed(blue, pale, rows**1.4)
    stretched = noise(rng, (WIDTH, HORIZON), 3) + 0.5 * noise(rng, (WIDTH, HORIZON), 9)
    clouds = np.clip((stretched - 0.15) * 1.6, 0, 1) * (1 - 0.6 * rows)
    made = mixed(np.zeros(3), np.ones(3), np.ones_like(clouds)) * made
    white = np.array((250, 244, 236.0))
    made = made * (1 - clouds[..., None]) + white * clouds[..., None]
    y, x = np.mgrid[:HORIZON, :WIDTH]
    glow = np.exp(-(((x - 455) / 120) ** 2 + ((y - 205) / 70) ** 2))
    return made + glow[..., None] * np.array((40, 22, -18.0))


def hills(rng: np.random.Generator, made: np.ndarray) -> None:
    """Three ranges, the far ones in haze."""
    ranges = ((178, 46, (128, 148, 168)), (208, 34, (96, 122, 118)), (234, 20, (62, 92, 66)))
    for base, tall, colour in ranges:
        ridge = base + tall * noise(rng, (WIDTH, 2), 4, 6)[0]
        rows = np.arange(HORIZON)[:, None]
        inside = cv2.GaussianBlur((rows > ridge).astype(np.float32), (3, 3), 0.8)[..., None]
        shade = 1 + 0.16 * noise(rng, (WIDTH, HORIZON), 30, 3)[..., None]
        light = 1 + 0.10 * (np.arange(WIDTH)[None, :, None] - 320) / 320
        made[:HORIZON] = made[:HORIZON] * (1 - inside) + np.array(colour) * shade * light * inside


def lake(rng: np.random.Generator, made: np.ndarray) -> None:
    """What stands above, upside down, in ripples that grow towards the shore."""
    end = SHORE + 24  # below what the meadow may leave free
    depth = end - HORIZON
    rows = np.arange(depth)
    ripple = noise(rng, (WIDTH // 4, depth), 6, 5).repeat(4, 1) * (1 + 9 * rows[:, None] / depth)
    x = np.clip(np.arange(WIDTH)[None] + 0.6 * ripple, 0, WIDTH - 1)
    y = np.clip(HORIZON - 1 - rows[:, None] * 1.7 + ripple, 0, HORIZON - 1)
    mirror = cv2.remap(made.astype(np.float32), x.astype(np.float32), y.astype(np.float32),
                       cv2.INTER_LINEAR)  # fmt: skip
    made[HORIZON:end] = mirror * 0.82 + np.array((10, 22, 30.0))


def meadow(rng: np.random.Generator, made: np.ndarray) -> None:
    """Grass blade by blade, and flowers; near things are larger."""
    shore = SHORE + 9 * noise(rng, (WIDTH, 2), 3, 5)[0]
    ground = (np.arange(HEIGHT)[:, None] > shore).astype(np.float32)
    made[:] = np.where(ground[..., None] > 0, np.array((70, 92, 44.0)), made)
    canvas = np.ascontiguousarray(np.clip(made, 0, 255).astype(np.uint8))
    for _ in range(9000):
        x = int(rng.integers(0, WIDTH))
        y = int(shore[x] + (HEIGHT + 14 - shore[x]) * rng.random() ** 0.8)
        near = (y - SHORE) / (HEIGHT - SHORE)
        tip = (x + int(rng.normal(1, 2 + 2 * near)), y - int(3 + 13 * max(near, 0) * rng.random()))
        tint = np.array((92, 118, 48)) + rng.normal(0, 18, 3) + 30 * rng.random()
        cv2.line(canvas, (x, y), tip, np.clip(tint, 0, 255).tolist(), 1, cv2.LINE_AA)
        if rng.random() < 0.035:
            petal = ((222, 70, 58), (240, 206, 88), (236, 232, 226))[int(rng.integers(3))]
            cv2.circle(canvas, tip, 1 + int(2.2 * max(near, 0)), petal, -1, cv2.LINE_AA)
    made[:] = canvas


def tree(rng: np.random.Generator, made: np.ndarray) -> None:
    """A trunk, and leaves in clumps with light from the right."""
    canvas = np.ascontiguousarray(np.clip(made, 0, 255).astype(np.uint8))
    cv2.line(canvas, (112, 404), (118, 262), (58, 46, 38), 9, cv2.LINE_AA)
    for end in ((72, 214), (150, 196), (112, 176)):
        cv2.line(canvas, (117, 286), end, (58, 46, 38), 4, cv2.LINE_AA)
    for _ in range(4200):
        clump = ((78, 208), (122, 168), (156, 208), (112, 232), (96, 150))[int(rng.integers(5))]
        x, y = np.array(clump) + rng.normal(0, (21, 20))
        lit = (x - clump[0] - (y - clump[1])) / 60
        tint = np.array((66, 96, 46)) + 46 * lit + rng.normal(0, 14, 3)
        cv2.circle(canvas, (int(x), int(y)), int(rng.integers(1, 4)),
                   np.clip(tint, 0, 255).tolist(), -1, cv2.LINE_AA)  # fmt: skip
    made[:] = canvas


def landscape(seed: int = 4) -> np.ndarray:
    """(480, 640, 3) uint8."""
    rng = np.random.default_rng(seed)
    made = np.zeros((HEIGHT, WIDTH, 3))
    made[:HORIZON] = sky(rng)
    for part in (hills, lake, meadow, tree):
        part(rng, made)
    grain = rng.normal(0, 3, made.shape)
    soft = cv2.GaussianBlur(made, (3, 3), 0.6) + grain
    return np.clip(soft, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    target = Path(__file__).with_name("landscape.jpg")
    cv2.imwrite(str(target), landscape()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
