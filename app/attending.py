"""Attention on a toy pair, in numbers: how a query is compared with keys, how scores become
weights, and what is read out. Knows no widget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

FORMS = ("dot", "cosine", "additive", "bilinear")
SHARES = ("softmax", "sigmoid")
MIXING: Numbers = np.array([[1.6, 0.0], [0.0, 1.6], [-1.6, 0.3]])  # of additive attention: W_q
KEYING: Numbers = np.array([[1.6, 0.3], [-0.3, 1.6], [0.0, -1.6]])  # W_k
ASKING: Numbers = np.array([1.2, 1.2, 1.2])  # v


@dataclass(frozen=True)
class Setting:
    """turn, stretch: of the bilinear relation, in degrees and as a factor of the first axis;
    sharpness: what the scores are multiplied with before they become weights."""

    form: str = "dot"
    share: str = "softmax"
    sharpness: float = 1.0
    turn: float = 0.0
    stretch: float = 1.0


@dataclass(frozen=True)
class Attended:
    """For each key its score and its weight in [0, 1]; and the mean of the values by weight."""

    scores: Numbers
    weights: Numbers
    read: Numbers


def relation(turn: float, stretch: float) -> Numbers:
    """The matrix (2, 2) that stands between query and key in bilinear attention."""
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.diag([stretch, 1.0])


def scores(query: Numbers, keys: Numbers, setting: Setting) -> Numbers:
    """One for each of the keys (N, 2):

    "dot"       q . k / sqrt(2)            Vaswani et al. 2017
    "cosine"    q . k / (|q| |k|)
    "additive"  v . tanh(W_q q + W_k k)    Bahdanau et al. 2015
    "bilinear"  q W k                      Luong et al. 2015
    """
    if setting.form == "additive":
        return np.tanh(MIXING @ query + keys @ KEYING.T) @ ASKING
    if setting.form == "bilinear":
        return keys @ (relation(setting.turn, setting.stretch).T @ query)
    if setting.form == "cosine":
        lengths = np.linalg.norm(keys, axis=1) * np.linalg.norm(query)
        return keys @ query / np.maximum(lengths, 1e-9)
    return keys @ query / np.sqrt(len(query))


def weights(scored: Numbers, setting: Setting) -> Numbers:
    """Softmax: shares of one whole, so that keys compete. Sigmoid: each for itself."""
    sharp = scored * setting.sharpness
    if setting.share == "sigmoid":
        return 1 / (1 + np.exp(-sharp))
    risen = np.exp(sharp - sharp.max())
    return risen / risen.sum()


def attend(query: Numbers, keys: Numbers, values: Numbers, setting: Setting) -> Attended:
    """values (N, D). By sigmoid the weights do not sum to one: what is read is their sum, not more
    than one whole of it, so that a colour stays one."""
    scored = scores(query, keys, setting)
    shared = weights(scored, setting)
    return Attended(scored, shared, shared @ values / max(float(shared.sum()), 1.0))
