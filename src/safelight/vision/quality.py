"""How good the pixels are: sharpness, exposure, compression, smoothing. Pure functions on arrays.

`Grey` is a picture of one channel and 8 bits. Where a number depends on the picture's size, the size
is part of the function's contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

SHARP_SIDE = 512
"""Longest side at which the whole picture's sharpness is measured, so that sizes compare."""

_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113),
    *(92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
"""The example table of the JPEG standard (ITU-T T.81, K.1), which quality numbers scale."""


def sharpness(grey: Grey) -> float:
    """The variance of the Laplacian: higher is sharper. Depends on the picture's size."""
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def whole_sharpness(grey: Grey) -> float:
    """`sharpness` of the picture at `SHARP_SIDE`; a blurred background lowers it."""
    height, width = grey.shape
    scale = SHARP_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return sharpness(grey)


def exposure(grey: Grey) -> tuple[float, float, float]:
    """The mean brightness (0 to 1), and the shares of pixels at the black and at the white end."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    total = float(counts.sum()) or 1.0
    mean = float(counts @ np.arange(256)) / total / 255
    return mean, float(counts[:3].sum()) / total, float(counts[253:].sum()) / total


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> float | None:
    """The quality (1 to 100) at which a JPEG was saved, from its luminance table; None without one.

    Within 0.2 for qualities of 30 to 95; other encoders' own tables come out as the nearest scale.
    """
    if not tables or 0 not in tables or len(tables[0]) != 64:
        return None
    # Ends of the range are clipped by the encoder and say nothing: the sum of the rest is the scale.
    used = sorted(tables[0])
    base = sorted(_LUMINANCE)
    pairs = [(u, b) for u, b in zip(used, base, strict=True) if 1 < u < 255]
    if not pairs:
        return 100.0 if used[-1] <= 1 else 1.0
    scale = 100 * sum(u for u, _ in pairs) / sum(b for _, b in pairs)
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return round(min(100.0, max(1.0, quality)), 1)


def blockiness(grey: Grey, period: int) -> float | None:
    """Steps across the borders of JPEG's blocks against steps within them: about 1 for an original,
    more the harder it was compressed.

    *period* is the side of a block in this picture: 8, or less where the decoder gave a smaller
    picture. None for less than 4, where no pixel lies within a block but at its border.
    """
    if period < 4 or min(grey.shape) < 8 * period:
        return None
    # The middle is enough, and starts at a block's border.
    top, left = (max(0, (side - 512) // 2) // 8 * 8 for side in grey.shape)
    values = grey[top : top + 512, left : left + 512].astype(np.int16)
    ratios = []
    across = np.abs(np.diff(values, axis=1)).mean(axis=0)
    down = np.abs(np.diff(values, axis=0)).mean(axis=1)
    for step in (across, down):
        border = np.arange(len(step)) % period == period - 1
        within = float(step[~border].mean())
        ratios.append((float(step[border].mean()) + 0.1) / (within + 0.1))
    return float(np.mean(ratios))


def smoothing(face: Grey) -> float | None:
    """How much of the finest detail is left in the skin against that in eyes, nose and mouth, on an
    aligned face of 224 pixels: about 1 untouched, low where skin was smoothed and features were not.

    Each is its detail of one pixel over its detail of three, so that neither contrast nor blur of the
    whole face counts. A hint.
    """
    values = face.astype(np.float32)
    soft, softer = cv2.GaussianBlur(values, (0, 0), 1.0), cv2.GaussianBlur(values, (0, 0), 3.0)
    fine, coarse = np.abs(values - soft), np.abs(soft - softer)
    # The median: a wrinkle, a hair or the edge of a pair of glasses is not skin.
    skin = np.mean([np.median(fine[part]) for part in _SKIN]) / (
        np.mean([np.median(coarse[part]) for part in _SKIN]) + 0.1
    )
    features = np.mean([fine[part].mean() for part in _FEATURES]) / (
        np.mean([coarse[part].mean() for part in _FEATURES]) + 0.1
    )
    return float(skin / features) if features > 0.02 else None


_SKIN = (np.s_[20:56, 70:154], np.s_[116:150, 36:72], np.s_[116:150, 152:188])
_FEATURES = (np.s_[82:112, 52:172], np.s_[160:200, 76:148])
"""Forehead and cheeks; eyes and nose, mouth: rows and columns of an aligned face of 224 pixels."""


def face_sharpness(face: Grey) -> tuple[float, float]:
    """How sharp an aligned face of 224 pixels is, and how much that depends on the direction.

    The share of the steps from pixel to pixel that a small blur takes away (a blurred face has little
    to lose), in the direction that has least; and the ratio of the best direction to it. Unlike the
    Laplacian's variance it depends neither on contrast nor much on the face's size.
    """
    values = face.astype(np.float32)
    soft: _Floats = np.asarray(cv2.GaussianBlur(values, (0, 0), 1.5), np.float32)
    shares = []
    for step in _STEPS:
        before, after = float(np.abs(step(values)).mean()), float(np.abs(step(soft)).mean())
        shares.append(1 - after / before if before > 0.05 else 0.0)
    low, high = min(shares), max(shares)
    return low, high / low if low > 0.01 else 1.0


_Floats = NDArray[np.floating[Any]]
_STEPS: tuple[Callable[[_Floats], _Floats], ...] = (
    lambda x: x[:, 1:] - x[:, :-1],
    lambda x: x[1:] - x[:-1],
    lambda x: x[1:, 1:] - x[:-1, :-1],
    lambda x: x[1:, :-1] - x[:-1, 1:],
)
"""Along the rows, the columns and both diagonals."""
