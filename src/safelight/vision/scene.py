"""What surrounds the person: background, colours, brightness. Pure functions on arrays."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from safelight.vision.nets import Picture

PLAIN = 0.03
"""Edge density of the background up to which it is plain. Measured: plain 0.00 to 0.02, busy 0.14 to
0.20."""
DARK, BRIGHT = 0.22, 0.78
"""Mean brightness beyond which a photo is dark or bright."""

_SIDE = 256
_LEVELS = 3


def background(grey: NDArray[np.uint8], person: NDArray[np.float32]) -> float | None:
    """The share of the background's pixels at which there is an edge, on 256 × 256 pixels; None where
    the person leaves less than a twentieth of the photo. *person* is as `Nets.person` gives it."""
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    # Grown by a little, so that the person's own outline does not count.
    grown = cv2.dilate((person > 0.3).astype(np.uint8), np.ones((11, 11), np.uint8))
    outside = grown == 0
    if float(outside.mean()) < 0.05:
        return None
    edges = cv2.Canny(small, 60, 140)
    return float((edges[outside] > 0).mean())


def colours(picture: Picture, person: NDArray[np.float32] | None) -> tuple[float, ...]:
    """The shares of 27 coarse colours, of the background where the person is known, else of all."""
    small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
    mask = None
    if person is not None:
        outside = (cv2.resize(person, (64, 64)) < 0.3).astype(np.uint8)
        mask = outside if float(outside.mean()) >= 0.05 else None
    counts = cv2.calcHist([small], [0, 1, 2], mask, [_LEVELS] * 3, [0, 256] * 3).ravel()
    return tuple(round(float(share), 3) for share in counts / max(1.0, float(counts.sum())))


def brightness(luma: float) -> str:
    """The coarse word for a mean brightness."""
    return "dark" if luma < DARK else "bright" if luma > BRIGHT else "normal"


def warmth(picture: Picture) -> float:
    """The balance of red against blue, -1 (all blue) to 1."""
    blue, _, red, _ = cv2.mean(picture)
    return float((red - blue) / max(1.0, red + blue))


def difference_hash(grey: NDArray[np.uint8]) -> tuple[int, int]:
    """The 64-bit dHash of a picture and of its mirror image: is each pixel brighter than the next?"""
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return _bits(small[:, 1:] > small[:, :-1]), _bits(small[:, -2::-1] > small[:, :0:-1])


def _bits(flags: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(flags.ravel()).tobytes())
