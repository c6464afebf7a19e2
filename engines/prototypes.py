"""What an attribute looks like on any face, from labelled portraits alone: the classic transform by
prototypes (Rowland & Perrett 1995, "Manipulating Facial Appearance through Shape and Color";
Tiddeman, Burt & Perrett 2001, "Prototyping and Transforming Facial Textures for Perception
Research"). All portraits are laid over their mean by optical flow; there a ridge regression says
how far shape, colour and the strength of fine detail go with each label, all labels at once, so
that what goes along with another (grey hair with age) counts for that one alone. An edit moves,
colours and roughens a portrait by the difference. Knows no network.

Networks that learn faces from a few hundred portraits learn from these pairs beside their own
losses: a discriminator that has seen so few lets paint pass for hair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

SMOOTH = (1 / 24, 1 / 29, 1 / 36, 1 / 41)  # of the side: how smooth the flow of each round is
FARTHEST = 1 / 16  # of the side, that a flow may go
FINE = 1 / 72  # of the side: detail is what a blur by this much takes away
AROUND = 1 / 48  # of the side, over which the strength of detail is told
RIDGE = 5.0  # photos
SURE = 1.5  # standard errors from which an effect is believed; it fades to nothing below
INVERSIONS = 12  # steps of the fixed point that turns a flow around
# ellipses of the mean: middle across and down, half its width and height, in sides
WHERE = {
    "head": (0.5, 0.5, 0.40, 0.52),  # with the hair
    "face": (0.5, 0.58, 0.25, 0.34),
    "eyes": (0.5, 0.51, 0.36, 0.15),  # with what glasses cover
    "mouth": (0.5, 0.70, 0.25, 0.20),  # with the cheeks
}


def grid(side: int) -> np.ndarray:
    """(side, side, 2) float32: every place, across and down."""
    return np.stack(np.meshgrid(*[np.arange(side, dtype=np.float32)] * 2), -1)


def warped(picture: np.ndarray, place: np.ndarray, how: int = cv2.INTER_LINEAR) -> np.ndarray:
    """What a picture (S, S, ...) has at `place` (S, S, 2); beyond its edges, what is there."""
    across, down = cv2.split(place)
    return cv2.remap(picture, across, down, how, borderMode=cv2.BORDER_REPLICATE)


def registered(photos: Sequence[np.ndarray]) -> np.ndarray:
    """Portraits (S, S, 3) uint8, aligned by the eyes, laid over their mean by optical flow: (N, S,
    S, 2) float16, where each place of the mean lies in a portrait, less the place."""
    side = photos[0].shape[0]
    places, even = grid(side), [_even(photo) for photo in photos]
    seeker = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    seeker.setFinestScale(1)
    mean = np.stack(even).mean(0, dtype=np.float32)
    flows = np.zeros((len(even), side, side, 2), np.float16)
    for smooth in SMOOTH:
        mean = (mean + mean[:, ::-1]) / 2  # a face is about symmetrical
        aim = np.clip(128 + (mean - mean.mean()) * 45 / mean.std(), 0, 255).astype(np.uint8)
        total, way = np.zeros_like(mean), np.zeros((side, side, 2), np.float32)
        for number, photo in enumerate(even):
            flow = seeker.calc(aim, photo, None)  # type: ignore
            flow = cv2.GaussianBlur(flow, (0, 0), smooth * side)
            flow = np.clip(flow, -FARTHEST * side, FARTHEST * side)
            flows[number] = flow
            total += warped(photo, places + flow)
            way += flow
        mean = warped(total / len(even), places - way / len(even))
    return flows


def inverted(flow: np.ndarray) -> np.ndarray:
    """A flow (S, S, 2) turned around, float16: where each place of a portrait lies in the mean,
    less the place."""
    flow, side = flow.astype(np.float32), flow.shape[0]
    places, back = grid(side), -flow
    for _ in range(INVERSIONS):
        back = -warped(flow, places + back)
    return cv2.GaussianBlur(back, (0, 0), side / 96).astype(np.float16)


def blended(photos: Sequence[np.ndarray], flows: np.ndarray) -> np.ndarray:
    """(S, S, 3) float32: the mean of registered portraits in their mean shape, sharp where a mean
    of portraits as they lie would be soft."""
    places = grid(photos[0].shape[0])
    laid = [warped(p.astype(np.float32), places + f) for p, f in zip(photos, flows)]
    shape = inverted(flows.astype(np.float32).mean(0)).astype(np.float32)
    return warped(np.mean(laid, 0), places + shape)


class Prototypes:
    """Portraits laid over each other, and what their labels change.

    photos  (N, S, S, 3) uint8, aligned by the eyes, N at least a few dozen
    labels  (N, A) in [0, 1]; known (N, A): 0 where a label says nothing, which counts as the mean
    also    (N, B): what else sets the portraits apart and is to be left alone (source, focus)
    where   of each label the place of WHERE that it changes; without it the head
    """

    def __init__(
        self,
        photos: Sequence[np.ndarray],
        labels: np.ndarray,
        known: np.ndarray,
        also: np.ndarray | None = None,
        where: Sequence[str] = (),
    ) -> None:
        self.photos = photos
        self.side = side = photos[0].shape[0]
        self._grid = grid(side)
        flows = registered(photos)
        self._back = np.stack([inverted(flow) for flow in flows])
        shown = labels * known
        mean = shown.sum(0) / np.maximum(known.sum(0), 1)
        off = (labels - mean) * known
        if also is not None:
            off = np.concatenate((off, also - also.mean(0)), 1)
        count = labels.shape[1]
        laid = [warped(p, self._grid + f) for p, f in zip(photos, flows)]
        self.fits = _alike(laid)
        self.colour = self._slopes(off, (p.astype(np.float32) for p in laid))[:count]
        self.detail = self._slopes(off, (self._strength(p) for p in laid))[:count]
        self.shape = self._slopes(off, (f.astype(np.float32) for f in flows))[:count]
        inside = [self._oval(WHERE[place]) for place in where or ["head"] * count]
        for slopes in (self.shape, self.colour, self.detail):
            slopes *= np.stack(inside)[..., None]

    def _oval(self, oval: tuple[float, float, float, float]) -> np.ndarray:
        """(S, S) from 0 to 1: inside of an ellipse, fading out around it."""
        across, down, width, height = oval
        place = (self._grid + 0.5) / self.side
        far = np.hypot((place[..., 0] - across) / width, (place[..., 1] - down) / height)
        return np.clip((1.12 - far) / 0.24, 0, 1)

    # ---- what labels change ----

    def _strength(self, laid: np.ndarray) -> np.ndarray:
        """(S, S, 1): natural logarithm of how strong fine detail is around each place."""
        high = np.abs(laid.astype(np.float32) - self._low(laid)).mean(2)
        return np.log(cv2.GaussianBlur(high, (0, 0), AROUND * self.side) + 1)[..., None]

    def _low(self, picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), FINE * self.side)

    def _slopes(self, off: np.ndarray, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """(A, S, S, C) float32: by how much each label changes what `pictures` yields, faded where
        the change is no larger than chance would make it."""
        told = list(pictures)
        shape = told[0].shape
        flat = np.stack([p.reshape(-1) for p in told])
        mean = flat.mean(0)
        normal = off.T @ off + RIDGE * np.eye(off.shape[1])
        inverse = np.linalg.inv(normal).astype(np.float32)
        slopes = inverse @ (off.T.astype(np.float32) @ (flat - mean))
        flat -= mean
        flat -= off.astype(np.float32) @ slopes
        left = np.square(flat).sum(0) / max(1, len(flat) - off.shape[1])
        error = np.sqrt(np.diag(inverse)[:, None] * left)
        ratio = np.square(slopes / np.maximum(error, 1e-6)).reshape(-1, *shape).mean(-1)
        ratio = np.stack([cv2.GaussianBlur(r, (0, 0), self.side / 96) for r in ratio])
        sure = np.clip(1 - SURE**2 / np.maximum(ratio, 1e-6), 0, 1)
        return (slopes.reshape(-1, *shape) * sure[..., None]).astype(np.float32)

    # ---- edits ----

    def place(self, index: int) -> np.ndarray:
        """(S, S, 2) float32: where each place of a portrait lies in the mean."""
        return self._grid + self._back[index].astype(np.float32)

    def edited(self, index: int, change: np.ndarray) -> np.ndarray:
        """(S, S, 3) uint8: a portrait whose labels are changed by `change` (A,), 1 from absent to
        present."""
        change = change.astype(np.float32)
        place = self.place(index)
        move = warped(np.tensordot(change, self.shape, 1), place)
        photo = warped(self.photos[index].astype(np.float32), self._grid - move, cv2.INTER_CUBIC)
        place = place - move
        colour = warped(np.tensordot(change, self.colour, 1), place)
        rough = warped(np.tensordot(change, self.detail, 1), place)
        low = self._low(photo)
        made = low + colour + (photo - low) * np.exp(np.clip(rough, -2.5, 1.2))[..., None]
        return np.clip(made + 0.5, 0, 255).astype(np.uint8)


def _alike(laid: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) from -1 to 1: the correlation of each of the portraits that are laid over each other
    with their mean, in even light. It is low where a head is turned or hair lies otherwise."""
    even = np.stack([_even(photo).astype(np.float32).ravel() for photo in laid])
    even -= even.mean(1, keepdims=True)
    mean = even.mean(0)
    return even @ mean / np.sqrt(np.square(even).sum(1) * np.square(mean).sum())


def _even(photo: np.ndarray) -> np.ndarray:
    """Grey (S, S) uint8 of even light and contrast, for matching."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    wide = photo.shape[0] / 12
    grey -= cv2.GaussianBlur(grey, (0, 0), wide)
    spread = np.sqrt(cv2.GaussianBlur(grey * grey, (0, 0), wide)) + 8
    return np.clip(128 + 50 * grey / spread, 0, 255).astype(np.uint8)
