"""Spectacles drawn on aligned portraits: a rim of a superellipse around each eye, bridge,
temples, a shadow below and light on the lenses, in the shapes and colours that opticians sell. A
portrait and the same with spectacles are a pair from which a network learns to put them on and take
them off.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engines.faces import OWN

FINER = 8  # times as finely as the portrait they are drawn
EAR = 0.21  # of the side from an edge, where the temples end at the ears


@dataclass(frozen=True)
class Spectacles:
    """Lengths in distances between the eyes, colours in [0, 255]."""

    width: float = 0.80  # of a lens
    height: float = 0.55
    square: float = 3.0  # exponent of the superellipse: 2 round, 4 nearly square
    thick: float = 0.035
    low: float = 0.06  # how far the lenses' middle lies below the pupils
    wide: float = 1.03  # distance between the lenses' middles
    colour: tuple[float, float, float] = (44, 33, 28)
    light: float = 8.0  # of the lenses
    shadow: float = 0.16
    open: bool = False  # below: without a rim

    @staticmethod
    def varied(rng: np.random.Generator) -> Spectacles:
        """Any pair: wire or horn, round or square, with or without a lower rim."""
        wire = rng.random() < 0.5
        metal = ((150, 130, 95), (120, 120, 125), (80, 70, 62), (35, 30, 30))
        horn = ((30, 26, 26), (66, 42, 28), (92, 60, 38), (40, 40, 52))
        colours = metal if wire else horn
        base = np.array(colours[rng.integers(len(colours))], float) + rng.uniform(-12, 12, 3)
        return Spectacles(
            width=rng.uniform(0.70, 0.90),
            height=rng.uniform(0.42, 0.66),
            square=rng.uniform(2.2, 4.5),
            thick=rng.uniform(0.022, 0.032) if wire else rng.uniform(0.035, 0.065),
            low=rng.uniform(0.0, 0.12),
            wide=rng.uniform(0.98, 1.08),
            colour=(float(base[0]), float(base[1]), float(base[2])),
            light=rng.uniform(-10, 22),
            shadow=rng.uniform(0.0, 0.3),
            open=bool(rng.random() < 0.25),
        )

    def layers(self, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How much of the frame, of a lens and of the frame's shadow each place of a portrait that
        is aligned as faces.OWN holds: three of (side, side) float32 from 0 to 1."""
        scale = side * FINER / OWN.size[0]
        eyes = np.array([OWN.left_eye, OWN.right_eye]) * scale
        unit = float(np.linalg.norm(eyes[1] - eyes[0]))
        middle = eyes.mean(0) + np.array((0, self.low * unit))
        frame = np.zeros((side * FINER,) * 2, np.uint8)
        lens = np.zeros_like(frame)
        line = max(1, round(self.thick * unit))
        turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
        round_ = np.stack((np.cos(turn), np.sin(turn)), 1)
        rim = np.sign(round_) * np.abs(round_) ** (2 / self.square)
        rim *= np.array([self.width, self.height]) * unit / 2
        rim[:, 0] *= 1 - 0.06 * np.sign(rim[:, 1]) * np.abs(rim[:, 1] / (self.height * unit / 2))
        for way in (-1, 1):
            centre = middle + np.array((way * self.wide * unit / 2, 0))
            points = np.round(rim * (way, 1) + centre).astype(np.int32)
            cv2.fillPoly(lens, [points], 255)
            drawn = points[turn > np.pi] if self.open else points
            cv2.polylines(frame, [drawn], not self.open, 255, line, cv2.LINE_AA)
            hinge = centre + unit * np.array((way * self.width / 2, -self.height * 0.22))
            ear = side * FINER * (EAR if way < 0 else 1 - EAR), hinge[1] - 0.02 * unit
            temple = np.round(np.array((hinge, ear))).astype(np.int32)
            cv2.polylines(frame, [temple], False, 255, line, cv2.LINE_AA)
        inner = (self.wide - self.width) * unit / 2
        bridge = np.linspace(-1, 1, 15)
        arch = np.stack((bridge * inner, (bridge**2 - 1) * 0.05 * unit), 1)
        arch = np.round(arch + middle - (0, self.height * unit * 0.14)).astype(np.int32)
        cv2.polylines(frame, [arch], False, 255, line, cv2.LINE_AA)
        shadow = cv2.GaussianBlur(np.roll(frame, round(0.05 * unit), 0), (0, 0), 0.03 * unit)
        small = [
            cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
            for x in (frame, lens, shadow)
        ]
        return small[0], small[1], small[2]

    def worn(self, photo: np.ndarray) -> np.ndarray:
        """(S, S, 3) uint8: an aligned portrait with them on."""
        frame, lens, shadow = (x[..., None] for x in self.layers(photo.shape[0]))
        made = photo.astype(np.float32) * (1 - self.shadow * shadow)
        shine = np.linspace(1.6, 0.4, photo.shape[0], dtype=np.float32)[:, None, None]
        made += lens * self.light * shine
        made += (np.array(self.colour, np.float32) - made) * frame
        return np.clip(made + 0.5, 0, 255).astype(np.uint8)
