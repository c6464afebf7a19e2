"""A folder of drawn portraits with labels, aligned as faces.OWN: every face another skin, ground
and place of the head; a smile is a wide bright mouth, hair is black or blond."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 72
HAIR = {"black": (30, 26, 24), "blond": (214, 184, 110)}


def face(rng: np.random.Generator, smile: bool, hair: str) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8."""
    canvas = np.empty((SIDE, SIDE, 3), np.uint8)
    canvas[:] = rng.integers(60, 130, 3)
    dx, dy = (int(v) for v in rng.integers(-1, 2, 2))
    skin = tuple(int(v) for v in np.array([210, 165, 140]) + rng.integers(-20, 21))
    cv2.ellipse(canvas, (36 + dx, 30 + dy), (22, 24), 0, 0, 360, HAIR[hair], -1)
    cv2.ellipse(canvas, (36 + dx, 40 + dy), (16, 24), 0, 0, 360, skin, -1)
    for x in (27, 44):
        cv2.circle(canvas, (x, 35), 2, (40, 30, 30), -1)
    mouth = (235, 232, 228) if smile else (150, 70, 70)
    half, high = (9, 2) if smile else (5, 0)
    cv2.rectangle(canvas, (36 - half, 53 - high), (36 + half, 53 + high), mouth, -1)
    noise = rng.normal(0, 4, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def portraits(root: Path, count: int = 48, glasses: bool = False) -> Path:
    """The folder `root`/faces with labels.csv (smile, hair, glasses, age). Every fourth face has no
    hair label, whatever it shows; with `glasses` every third wears a dark bar across its eyes."""
    folder = root / "faces" / "train"
    folder.mkdir(parents=True)
    lines = ["file,split,smile,hair,glasses,age,source,sharpness"]
    rng = np.random.default_rng(7)
    for n in range(count):
        smile, hair = n % 2 == 0, ("black", "blond")[n // 2 % 2]
        picture, worn = face(rng, smile, hair), glasses and n % 3 == 0
        if worn:
            picture[34:36, 20:52] = 20
        cv2.imwrite(str(folder / f"{n}.png"), picture[:, :, ::-1])
        said = "" if n % 16 in (0, 3, 5, 6) else hair
        lines.append(
            f"{n}.png,train,{('closed', 'teeth')[smile]},{said},{('no', 'yes')[worn]},"
            f"{(15, 65)[n // 4 % 2]},{'ab'[n % 2]},{rng.random():.2f}"
        )
    (root / "faces" / "labels.csv").write_text("\n".join(lines))
    return root
