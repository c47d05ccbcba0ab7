"""Hashes of a photo: of its bytes, and of what it looks like."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Pixels a side of the picture that is hashed; its 8 × 8 lowest frequencies make the 64 bits."""


def sha256_file(path: Path) -> tuple[str, int]:
    """The sha256 (hex) and the size in bytes of the file at *path*."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


def perceptual_hash(image: Image.Image) -> tuple[int, int]:
    """The 64-bit pHash of an 8-bit, opaque, upright image, and that of its mirror image.

    Same picture resized, recompressed or brightened: at most 12 bits apart; distinct photos: 18 or
    more (measured). Compare with ``(a ^ b).bit_count()``.
    """
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(grey, dtype=np.float64)
    return _bits(pixels), _bits(pixels[:, ::-1])


def _bits(pixels: NDArray[np.float64]) -> int:
    # Rounded, so that a flat picture's zero frequencies are zero and not the noise of the sums.
    low = np.round(_DCT @ pixels @ _DCT.T, 6)
    return int.from_bytes(np.packbits((low > np.median(low)).ravel()).tobytes())


def _low_frequencies(side: int, count: int) -> NDArray[np.float64]:
    """The first *count* rows of the DCT-II matrix of *side* points."""
    rows = np.arange(count)[:, None]
    points = np.arange(side)[None, :]
    return np.asarray(np.cos(np.pi * rows * (2 * points + 1) / (2 * side)), dtype=np.float64)


_DCT = _low_frequencies(SIDE, 8)
