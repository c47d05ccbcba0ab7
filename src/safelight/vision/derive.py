"""The file that is trained on: upright, sRGB, 8 bits, opaque, no larger than needed, no metadata."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image

from safelight.domain.crops import Crop
from safelight.domain.photos import Derived
from safelight.vision.colour import profile_of, to_srgb
from safelight.vision.decode import open_photo
from safelight.vision.hashing import sha256_file
from safelight.vision.pixels import over_white, shrunk
from safelight.vision.turn import decode, upright

QUALITY = 95
"""JPEG quality, with full colour resolution: the trainer sees what the photo had."""


def derive_file(path: Path, target: Path, *, max_side: int, crop: Crop | None = None) -> Derived:
    """Write the training JPEG of the photo at *path* to *target*.

    With *crop*, that part of it in that size; else all of it. The longest side is at most *max_side*
    pixels and nothing is enlarged. The same photo gives the same bytes. `Undecodable` for a photo
    that cannot be decoded.
    """
    with open_photo(path) as image:
        profile = profile_of(image, path)
        read_side = max_side if crop is None else _side_for(crop, image.size)
        turn = decode(image, read_side)
        picture = shrunk(image, read_side)
        picture = upright(to_srgb(over_white(picture), profile), turn.left)
        if crop is not None:
            picture = _cut(picture, crop, max(picture.size) / max(turn.size))
        picture.info = {}  # comments and profiles would be copied into the JPEG
        picture.save(target, "JPEG", quality=QUALITY, subsampling=0)
    digest, written = sha256_file(target)
    return Derived(picture.width, picture.height, written, digest)


def _side_for(crop: Crop, size: tuple[int, int]) -> int:
    """The longest side at which the cut has twice the pixels it needs: enough for a clean last step."""
    scale = 2 * crop.width / (crop.right - crop.left)
    return max(1, math.ceil(max(size) * min(1.0, scale)))


def _cut(picture: Image.Image, crop: Crop, scale: float) -> Image.Image:
    left, top, right, bottom = (value * scale for value in crop.box)
    box = (left, top, min(right, picture.width), min(bottom, picture.height))
    return picture.resize((crop.width, crop.height), Image.Resampling.LANCZOS, box=box)
