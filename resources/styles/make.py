"""Draws the style pictures that ship: run `python resources/styles/make.py` to draw them again.

Every picture is a function of its seed: noise, flow fields, strokes, cells. Nothing is taken from
anybody's work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

SIDE = 512
HERE = Path(__file__).resolve().parent
Rng = np.random.Generator


def palette(*codes: str) -> np.ndarray:
    """(N, 3) float RGB in [0, 255] from hexadecimal codes."""
    return np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in codes], np.float32)


def grid(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """x and y in [-1, 1]."""
    line = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def noise(rng: Rng, cells: int, octaves: int = 4, side: int = SIDE) -> np.ndarray:
    """Smooth noise in [0, 1]: random numbers on finer and finer grids, each half as strong."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        n = cells * 2**octave + 3
        field = rng.random((n, n), np.float32)
        total += cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (total - total.min()) / (total.max() - total.min())


def ramp(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours (N, 3) along [0, 1], blended linearly."""
    at = np.clip(values, 0, 1) * (len(colours) - 1)
    low = np.minimum(at.astype(int), len(colours) - 2)
    share = (at - low)[..., None]
    return colours[low] * (1 - share) + colours[low + 1] * share


def relief(picture: np.ndarray, height: np.ndarray, strength: float) -> np.ndarray:
    """Light from the upper left on a surface of this height."""
    dx, dy = (cv2.Sobel(height, cv2.CV_32F, *d, ksize=3) for d in ((1, 0), (0, 1)))
    return picture * np.clip(1 - strength * (dx + dy), 0.45, 1.6)[..., None]


def paper(rng: Rng, picture: np.ndarray, grain: float = 5) -> np.ndarray:
    fine = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 0.8)
    return picture + grain * fine[..., None] / fine.std()


def strokes(
    rng: Rng,
    target: np.ndarray,
    angle: np.ndarray,
    sizes: tuple[tuple[int, float, float], ...],
    jitter: float = 14,
    bristles: int = 5,
) -> np.ndarray:
    """Oil: `sizes` are (count, length, width) of strokes from coarse to fine; each follows the
    angle field, takes the colour of the target below it, and leaves ridges."""
    canvas = cv2.GaussianBlur(target, (0, 0), 12).copy()
    height = np.zeros((SIDE, SIDE), np.float32)
    for count, length, width in sizes:
        for x, y in rng.uniform(0, SIDE, (count, 2)):
            colour = target[int(y), int(x)] + rng.normal(0, jitter, 3)
            points = [(x, y)]
            for _ in range(int(length / 4)):
                px, py = points[-1]
                a = angle[min(max(int(py), 0), SIDE - 1), min(max(int(px), 0), SIDE - 1)]
                points.append((px + 4 * np.cos(a), py + 4 * np.sin(a)))
            path = np.array(points, np.float32)
            ahead = np.array([np.cos(angle[int(y), int(x)]), np.sin(angle[int(y), int(x)])])
            side = np.array([-ahead[1], ahead[0]])
            for b in range(bristles):
                off = (b / max(bristles - 1, 1) - 0.5) * width
                line = ((path + side * off) * 8).round().astype(np.int32)
                tint = np.clip(colour + rng.normal(0, jitter / 2), 0, 255)
                thick = max(1, round(width / bristles * 1.5))
                cv2.polylines(canvas, [line], False, tint.tolist(), thick, cv2.LINE_AA, 3)
                ridge = float(rng.uniform(0.3, 1))
                cv2.polylines(height, [line], False, ridge, thick, cv2.LINE_AA, 3)
    return relief(canvas, cv2.GaussianBlur(height, (0, 0), 0.7), 0.16)


def cells(rng: Rng, count: int, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voronoi cells evened out by Lloyd's rounds: (index of each pixel's cell, distance to the
    cell's border in pixels, centres)."""
    centres = rng.uniform(0, SIDE, (count, 2)).astype(np.float32)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    index = np.zeros((SIDE, SIDE), int)
    for turn in range(rounds + 1):
        for top in range(0, SIDE, 64):
            rows = np.s_[top : top + 64]
            far = (x[rows][..., None] - centres[:, 0]) ** 2 + (
                y[rows][..., None] - centres[:, 1]
            ) ** 2
            index[rows] = far.argmin(-1)
        if turn < rounds:
            size = np.maximum(np.bincount(index.ravel(), minlength=count), 1)
            for axis, place in enumerate((x, y)):
                total = np.bincount(index.ravel(), place.ravel(), minlength=count)
                centres[:, axis] = total / size
    border = cv2.morphologyEx(index.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    distance = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5)
    return index, distance, centres


# ---- the pictures --------------------------------------------------------------------------------


def night_swirls(rng: Rng) -> np.ndarray:
    x, y = grid()
    angle, light = np.full((SIDE, SIDE), 0.25, np.float32), np.zeros((SIDE, SIDE), np.float32)
    pull = np.zeros_like(light)
    turn = np.zeros((SIDE, SIDE, 2), np.float32)
    for _ in range(9):
        cx, cy, r = rng.uniform(-1, 1), rng.uniform(-1, 0.6), rng.uniform(0.12, 0.34)
        d = np.hypot(x - cx, y - cy)
        w = np.exp(-((d / r) ** 2))
        around = np.arctan2(y - cy, x - cx) + np.pi / 2
        turn += w[..., None] * np.stack([np.cos(around), np.sin(around)], -1)
        light += np.exp(-((d / (0.32 * r)) ** 2)) + 0.35 * w * (0.5 + 0.5 * np.cos(26 * d / r))
        pull += w
    base = 0.35 * np.sin(3 * x + 4 * noise(rng, 2)) + 0.1
    turn += np.maximum(1 - pull, 0.12)[..., None] * np.stack([np.cos(base), np.sin(base)], -1)
    angle = np.arctan2(turn[..., 1], turn[..., 0])
    sky = ramp(
        noise(rng, 4) * 0.8 + 0.1 * y, palette("0b1d4a", "14367e", "2a63a8", "5f9bc4", "9fc6cf")
    )
    glow = np.clip(light, 0, 1)[..., None]
    hill = (y > 0.62 + 0.14 * np.sin(3 * x + 1) + 0.05 * np.sin(9 * x)).astype(np.float32)[
        ..., None
    ]
    target = sky * (1 - glow) + ramp(glow[..., 0], palette("e8b83a", "f6dd6a", "fff6c8")) * glow
    target = target * (1 - hill) + ramp(noise(rng, 9), palette("0c1a24", "17402f", "2d5a3a")) * hill
    return strokes(rng, target, angle, ((2200, 40, 9), (5200, 26, 6), (5200, 16, 4)), 12, 4)


def sunflower_field(rng: Rng) -> np.ndarray:
    x, y = grid()
    target = ramp(noise(rng, 5), palette("c9781a", "e8a422", "f6cf4a", "f2e08a"))
    for _ in range(46):
        cx, cy, r = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.06, 0.16)
        d = np.hypot(x - cx, (y - cy) * rng.uniform(1, 1.5))
        petals = d < r * (1 + 0.16 * np.sin(13 * np.arctan2(y - cy, x - cx)))
        target[petals] = palette("f7b71d", "fbd437", "e99512")[rng.integers(3)]
        target[d < 0.42 * r] = palette("4a2a12", "6b3a14", "2f3a1a")[rng.integers(3)]
    gaps = noise(rng, 8) > 0.66
    target[gaps] = ramp(noise(rng, 14), palette("2f5a2a", "5b8a3a", "88a94a"))[gaps]
    angle = noise(rng, 4) * 6.3
    return strokes(rng, target, angle, ((1800, 28, 10), (6000, 18, 6), (6000, 12, 4)), 16, 4)


def mosaic(rng: Rng) -> np.ndarray:
    index, distance, centres = cells(rng, 1300, 3)
    x, y = grid()
    field = noise(rng, 3) * 0.6 + 0.4 * (0.5 + 0.5 * np.sin(7 * np.hypot(x - 0.2, y + 0.1)))
    at = centres.astype(int).clip(0, SIDE - 1)
    tones = ramp(
        field[at[:, 1], at[:, 0]],
        palette("12406b", "1f7a8c", "6bb8a8", "f2d8a0", "e08a3c", "b2402e"),
    )
    tones += rng.normal(0, 13, (len(centres), 1)) + rng.normal(0, 7, (len(centres), 3))
    stone = tones[index] * (0.9 + 0.2 * noise(rng, 60, 2))[..., None]
    stone = relief(stone, np.minimum(distance, 3.5) / 3.5, 0.14)
    grout = np.clip(distance / 1.6, 0, 1)[..., None]
    return stone * grout + palette("cfc4b2")[0] * (0.85 + 0.15 * noise(rng, 90, 1))[..., None] * (
        1 - grout
    )


def stained_glass(rng: Rng) -> np.ndarray:
    index, distance, centres = cells(rng, 150, 1)
    x, y = grid()
    tones = palette(
        "b3122a", "e0462a", "f2a31b", "f7dc6f", "1f8a4c", "0f6f8f", "1b3f9c", "5b2a86", "d9ecf2"
    )
    ring = np.hypot(*(centres - SIDE / 2).T) / (SIDE * 0.72)
    pick = ((ring * 6 + rng.uniform(0, 3.2, len(centres))).astype(int)) % len(tones)
    glass = tones[pick][index]
    streaks = cv2.GaussianBlur(
        rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 1, sigmaY=14
    )
    glass = glass * (0.98 + 0.1 * streaks / streaks.std())[..., None]
    glass = glass * np.clip(1.25 - 0.5 * np.hypot(x * 0.9, y), 0.5, 1.3)[..., None] + 12
    lead = np.clip((distance - 2.6) / 1.4, 0, 1)[..., None]
    shine = np.clip(1 - abs(distance - 1.3) / 1.4, 0, 1)[..., None] * 26
    return glass * lead + (np.array([24, 22, 24], np.float32) + shine) * (1 - lead)


def waves(rng: Rng) -> np.ndarray:
    x, y = grid()
    bend = 0.5 * noise(rng, 3, 3) + 0.16 * np.sin(5 * x)
    phase = 9 * (y + bend) + 1.4 * np.sin(2.2 * x + 5 * bend)
    band = phase % 1
    sheet = np.floor(phase).astype(int)
    blues = palette("0f2b52", "17457f", "2a6aa6", "4f93bd", "86b9cc", "c6dcd6")
    sea = blues[(sheet * 7 + 3) % len(blues)]
    lines = 0.5 + 0.5 * np.sin(2 * np.pi * (band * 4))
    sea = sea * (0.82 + 0.18 * lines)[..., None]
    foam = (band < 0.16 + 0.1 * noise(rng, 40, 2)) & (noise(rng, 12, 3) > 0.36)
    sea[foam] = palette("f4ecd8")[0]
    drops = (noise(rng, 70, 1) > 0.86) & (band < 0.4)
    sea[drops] = palette("f4ecd8")[0]
    edge = (
        cv2.morphologyEx(foam.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    )
    sea[edge] = palette("12305a")[0]
    return paper(rng, cv2.GaussianBlur(sea.astype(np.float32), (0, 0), 0.6), 4)


def ink(rng: Rng) -> np.ndarray:
    sheet = np.full((SIDE, SIDE), 240, np.float32)
    x, y = grid()
    for level in range(7):
        low = -0.55 + 0.2 * level
        line = (
            low + 0.34 * (noise(rng, 3 + level, 4) - 0.5) + 0.12 * np.sin((2 + level) * x + level)
        )
        depth = np.clip((y - line) / 0.42, 0, 1)
        wash = np.where(y > line, np.exp(-3.2 * depth), 0) * (0.3 + 0.11 * level)
        rim = np.exp(-(((y - line) / 0.012) ** 2)) * 0.3
        sheet *= 1 - np.clip(wash * (0.6 + 0.5 * noise(rng, 10)) + rim * noise(rng, 30), 0, 0.93)
    picture = sheet[..., None] * np.array([1.0, 0.985, 0.94], np.float32)
    for _ in range(34):
        cx, reach = rng.uniform(0, SIDE), rng.uniform(20, 70)
        base = rng.uniform(SIDE * 0.45, SIDE)
        path = np.cumsum(rng.normal((0, -reach / 8), (3, 2), (9, 2)), 0) + np.array((cx, base))
        for n in range(8):
            ends = (path[n : n + 2] * 8).astype(np.int32)
            cv2.polylines(picture, [ends], False, (30, 29, 32), max(1, 5 - n // 2), cv2.LINE_AA, 3)
    for cx, cy, r in zip(*rng.uniform(0, SIDE, (2, 90)), rng.exponential(1.6, 90)):
        cv2.circle(picture, (int(cx), int(cy)), int(r) + 1, (40, 38, 40), -1, cv2.LINE_AA)
    seal = np.s_[440:482, 438:480]
    picture[seal] = picture[seal] * 0.15 + palette("b5332a")[0] * 0.85
    for n in range(3):
        cv2.line(picture, (446 + 13 * n, 446), (446 + 13 * n, 476), (236, 220, 205), 3, cv2.LINE_AA)
    return paper(rng, picture, 5)


def woodcut(rng: Rng) -> np.ndarray:
    x, y = grid()
    tone = noise(rng, 3, 4) * 0.75 + 0.25 * (0.5 - 0.5 * y)
    sun = np.hypot(x + 0.3, y + 0.45)
    tone = np.where(sun < 0.3, 0.93, tone)
    turn = 2.4 * noise(rng, 2, 2)
    along = x * np.sin(turn) * 0.6 + y + 0.2 * noise(rng, 6, 2)
    along = np.where(sun < 0.3, sun * 1.2, along)
    lines = np.abs((along * 34) % 1 - 0.5) * 2
    cut = lines - (0.12 + 0.84 * (1 - tone)) + 0.14 * (noise(rng, 80, 2) - 0.5)
    black = 1 / (1 + np.exp(np.clip(cut * 26, -30, 30)))
    ground = ramp(
        np.clip(0.5 - 0.6 * y + 0.3 * noise(rng, 4), 0, 1), palette("efe2c4", "e9c98f", "d9774a")
    )
    return paper(
        rng,
        ground * (1 - black[..., None]) + np.array([28, 24, 26], np.float32) * black[..., None],
        4,
    )


def points(rng: Rng) -> np.ndarray:
    field = noise(rng, 3, 4)
    light = ramp(field, palette("2b3f8c", "3f7fb5", "7fb77e", "e6d25a", "f08a3c", "c93f4a"))
    picture = np.full((SIDE, SIDE, 3), 236, np.float32)
    for radius, count in ((5.0, 5200), (3.6, 9000), (2.4, 12000)):
        for cx, cy in rng.uniform(0, SIDE, (count, 2)):
            colour = light[int(cy), int(cx)]
            kind = rng.random()
            if kind < 0.16:
                colour = 255 - 0.75 * colour
            elif kind < 0.3:
                colour = colour * 0.55 + 110
            colour = np.clip(colour + rng.normal(0, 16, 3), 0, 255)
            r = radius * rng.uniform(0.7, 1.2)
            cv2.circle(
                picture, (int(cx * 8), int(cy * 8)), int(r * 8), colour.tolist(), -1, cv2.LINE_AA, 3
            )
    return paper(rng, picture, 3)


def facets(rng: Rng) -> np.ndarray:
    picture = ramp(noise(rng, 3), palette("8a7a5c", "b7a27a", "d8c7a0")).astype(np.float32)
    tones = palette(
        "3a3a38", "6d6250", "a38a5c", "d6bd86", "efe3c2", "7a8a8c", "45606b", "9c5a3c", "2a2522"
    )
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    for n in range(170):
        size = 190 * 0.986**n + 26
        centre = rng.uniform(0, SIDE, 2)
        count = int(rng.integers(3, 6))
        turns = np.sort(rng.uniform(0, 2 * np.pi, count))
        shape = centre + size * rng.uniform(0.5, 1, (count, 1)) * np.stack(
            [np.cos(turns), np.sin(turns)], 1
        )
        mask = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillPoly(mask, [(shape * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
        a = rng.uniform(0, 6.3)
        slope = np.clip(
            0.5 + ((x - centre[0]) * np.cos(a) + (y - centre[1]) * np.sin(a)) / (2 * size), 0, 1
        )
        tone = tones[rng.integers(len(tones))]
        alpha = (mask * (0.25 + 0.7 * slope))[..., None]
        picture = picture * (1 - alpha) + (tone * (0.75 + 0.4 * slope[..., None])) * alpha
        if rng.random() < 0.6:
            cv2.polylines(
                picture, [(shape * 8).astype(np.int32)], True, (32, 28, 26), 1, cv2.LINE_AA, 3
            )
    canvas = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.2)
    return relief(picture, canvas, 0.05)


def watercolour(rng: Rng) -> np.ndarray:
    picture = np.ones((SIDE, SIDE, 3), np.float32)
    tones = palette("2f7fb8", "3aa6a0", "e3a21f", "d95d6b", "7a4f9e", "2c5a8c", "8fbf4f") / 255
    x, y = grid()
    tooth = noise(rng, 90, 2)
    for n in range(26):
        cx, cy = rng.uniform(-1, 1, 2)
        r = rng.uniform(0.18, 0.5)
        warp = r * (1 + 0.9 * (noise(rng, 5, 5) - 0.5))
        d = np.hypot(x - cx, y - cy) - warp + 0.03 * (tooth - 0.5)
        inside = 1 / (1 + np.exp(np.clip(d * 150, -40, 40)))
        rim = np.exp(-((np.minimum(d, 0) / 0.018) ** 2)) * inside
        pigment = inside * (0.22 + 0.5 * noise(rng, 5, 4) * noise(rng, 3)) + 0.3 * rim
        pigment *= 0.85 + 0.3 * tooth
        tone = tones[n % len(tones)]
        picture *= 1 - pigment[..., None] * (1 - tone) * 0.9
    return paper(rng, 250 * picture * (0.97 + 0.05 * tooth)[..., None], 3)


def marbling(rng: Rng) -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    for turn in range(15):  # each stone pushes the colours aside, each comb pulls them along
        if turn % 5 == 4:
            phase = rng.uniform(0, 1)
            teeth = np.abs(((x * 7 + phase) % 1) - 0.5)
            y = y + 0.16 * np.exp(-teeth * 9) * (1 if turn % 2 else -1)
        elif turn % 5 == 2:
            teeth = np.abs(((y * 4 + rng.uniform(0, 1)) % 1) - 0.5)
            x = x + 0.14 * np.exp(-teeth * 8) * rng.choice([-1, 1])
        else:
            cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.05, 0.14)
            d = np.maximum(np.hypot(x - cx, y - cy), 1e-3)
            pull = np.sqrt(np.maximum(d * d - r * r, 0)) / d
            x, y = cx + (x - cx) * pull, cy + (y - cy) * pull
    band = (9 * y + 1.5 * np.sin(4 * x)) % 1
    tones = palette(
        "13315c", "1f6f8b", "f3ead7", "c8553d", "f3ead7", "d9a441", "5b1f2e", "f3ead7", "2a7f62"
    )
    pick = (band * len(tones)).astype(int) % len(tones)
    picture = tones[pick].astype(np.float32)
    edge = (
        cv2.morphologyEx(pick.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
    )
    picture[edge] = picture[edge] * 0.6 + 30
    return paper(rng, cv2.GaussianBlur(picture, (0, 0), 0.7), 4)


def arcs(rng: Rng) -> np.ndarray:
    big, tile = 4, 64
    picture = np.zeros((SIDE * big // 2, SIDE * big // 2, 3), np.float32)
    tones = palette("e8dcc3", "d9482b", "1d3557", "f0b429", "2a9d8f", "0d1b2a", "e07a5f")
    side = tile * big // 2
    for row in range(SIDE // tile):
        for column in range(SIDE // tile):
            ground, one, two = tones[rng.choice(len(tones), 3, replace=False)]
            part = np.empty((side, side, 3), np.float32)
            part[:] = ground
            kind = rng.integers(4)
            if kind == 0:
                for r, tone in ((1.0, one), (0.66, two), (0.33, ground)):
                    cv2.circle(part, (0, 0), int(side * r), tone.tolist(), -1, cv2.LINE_AA)
            elif kind == 1:
                cv2.circle(part, (0, side // 2), side // 2, one.tolist(), -1, cv2.LINE_AA)
                cv2.circle(part, (side, side // 2), side // 2, two.tolist(), -1, cv2.LINE_AA)
            elif kind == 2:
                cv2.fillPoly(
                    part, [np.array([(0, 0), (side, 0), (0, side)])], one.tolist(), cv2.LINE_AA
                )
                cv2.circle(
                    part, (side * 2 // 3, side * 2 // 3), side // 4, two.tolist(), -1, cv2.LINE_AA
                )
            else:
                for n in range(5):
                    if n % 2:
                        part[n * side // 5 : (n + 1) * side // 5] = one
                cv2.circle(part, (side // 2, side // 2), side // 4, two.tolist(), -1, cv2.LINE_AA)
            part = np.rot90(part, rng.integers(4))
            picture[row * side : (row + 1) * side, column * side : (column + 1) * side] = part
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return paper(rng, picture * (0.94 + 0.1 * noise(rng, 4))[..., None], 5)


def pastel(rng: Rng) -> np.ndarray:
    _, y = grid()
    field = ramp(
        0.6 * noise(rng, 2, 3) + 0.4 * (0.5 + 0.5 * y),
        palette("e8654f", "f2b04a", "5fb59a", "3f7fc4", "8656b8"),
    )
    picture = np.full((SIDE, SIDE, 3), (226, 213, 190), np.float32)
    tooth = rng.random((SIDE, SIDE), np.float32)
    tooth = cv2.GaussianBlur(tooth, (0, 0), 0.9)
    tooth = (tooth - tooth.min()) / (tooth.max() - tooth.min())
    for angle, count in ((0.7, 420), (2.2, 420), (0.9, 520)):
        for cx, cy in rng.uniform(0, SIDE, (count, 2)):
            a = angle + rng.normal(0, 0.12)
            half = rng.uniform(22, 70) * np.array([np.cos(a), np.sin(a)])
            ends = np.array((cx, cy)) + np.array([-half, half])
            wide = rng.uniform(5, 13)
            low = np.maximum(ends.min(0) - wide, 0).astype(int)
            high = np.minimum(ends.max(0) + wide, SIDE).astype(int)
            if (high - low < 2).any():
                continue
            part = np.s_[low[1] : high[1], low[0] : high[0]]
            mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
            cv2.polylines(
                mask, [((ends - low) * 8).astype(np.int32)], False, 1.0, int(wide), cv2.LINE_AA, 3
            )
            colour = field[int(cy), int(cx)] + rng.normal(0, 22, 3)
            held = np.clip((tooth[part] - rng.uniform(0.3, 0.5)) * 9, 0, 1)
            alpha = (mask * held * 0.85)[..., None]
            picture[part] = picture[part] * (1 - alpha) + colour * alpha
    return picture


def knit(rng: Rng) -> np.ndarray:
    rows, columns = 40, 32
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    motif = (np.abs((x % 16) - 8) + np.abs((y % 20) - 10)).astype(int)
    pick = np.where(motif % 6 < 2, 1, np.where(motif % 6 < 3, 2, 0))
    pick = np.where((y % 20 < 2), 3, pick)
    tones = palette("7d1f2b", "f1e7d4", "2f4858", "d8a23a")
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    height = np.zeros((SIDE, SIDE), np.float32)
    w, h = SIDE / columns, SIDE / rows
    for r in range(rows + 1):
        for c in range(columns):
            tone = tones[pick[r % rows, c]] + rng.normal(0, 7)
            for sign in (-1, 1):
                middle = ((c + 0.5 + 0.24 * sign) * w, (r + 0.2) * h)
                axes = (h * 0.72, w * 0.27)
                box = (middle, (axes[0] * 2, axes[1] * 2), 90 - 24 * sign)
                cv2.ellipse(picture, box, tone.tolist(), -1, cv2.LINE_AA)
                cv2.ellipse(height, box, 1.0, -1, cv2.LINE_AA)
                inner = (middle, (axes[0] * 1.4, axes[1] * 1.0), 90 - 24 * sign)
                cv2.ellipse(picture, inner, (tone * 1.13 + 4).tolist(), -1, cv2.LINE_AA)
    fibre = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 0.7)
    return relief(picture, cv2.GaussianBlur(height, (0, 0), 1.2) + 0.1 * fibre, 0.16)


def triangles(rng: Rng) -> np.ndarray:
    spots = [(0, 0), (SIDE - 1, 0), (0, SIDE - 1), (SIDE - 1, SIDE - 1)]
    spots += [tuple(p) for p in rng.uniform(1, SIDE - 2, (230, 2))]
    spots += [(float(n), e) for n in range(40, SIDE, 52) for e in (0.0, SIDE - 1.0)]
    spots += [(e, float(n)) for n in range(40, SIDE, 52) for e in (0.0, SIDE - 1.0)]
    mesh = cv2.Subdiv2D((0, 0, SIDE, SIDE))
    mesh.insert([(float(a), float(b)) for a, b in spots])
    x, y = grid()
    field = 0.65 * noise(rng, 2, 3) + 0.35 * (0.5 - 0.5 * (x * 0.5 + y * 0.8))
    tones = palette("1b1446", "50247a", "a63a79", "e8625c", "f9a65a", "fde8a0")
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    for t in mesh.getTriangleList():
        corners = t.reshape(3, 2)
        cx, cy = corners.mean(0).astype(int).clip(0, SIDE - 1)
        tilt = float(np.sin(np.arctan2(*(corners[1] - corners[0])[::-1]) * 2))
        tone = ramp(np.array(field[cy, cx] + 0.06 * tilt), tones)
        cv2.fillPoly(picture, [(corners * 8).astype(np.int32)], tone.tolist(), cv2.LINE_AA, 3)
    return picture


PICTURES: dict[str, Callable[[Rng], np.ndarray]] = {
    "night-swirls": night_swirls,
    "sunflower-field": sunflower_field,
    "mosaic": mosaic,
    "stained-glass": stained_glass,
    "waves": waves,
    "ink": ink,
    "woodcut": woodcut,
    "points": points,
    "facets": facets,
    "watercolour": watercolour,
    "marbling": marbling,
    "arcs": arcs,
    "pastel": pastel,
    "knit": knit,
    "triangles": triangles,
}


def main(folder: Path = HERE) -> None:
    for n, (name, draw) in enumerate(PICTURES.items()):
        drawn = np.clip(draw(np.random.default_rng(100 + n)), 0, 255).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 86]
        cv2.imwrite(str(folder / f"{name}.jpg"), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), quality)


if __name__ == "__main__":
    main()
