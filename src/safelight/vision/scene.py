"""What surrounds the person: background, brightness, warmth. Pure functions on arrays."""

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


def brightness(luma: float) -> str:
    """The coarse word for a mean brightness."""
    return "dark" if luma < DARK else "bright" if luma > BRIGHT else "normal"


def warmth(picture: Picture) -> float:
    """The balance of red against blue, -1 (all blue) to 1."""
    blue, _, red, _ = cv2.mean(picture)
    return float((red - blue) / max(1.0, red + blue))
