"""The file that is trained on: upright, sRGB, 8 bits, opaque, no larger than needed, no metadata."""

from __future__ import annotations

import io
import math
from pathlib import Path

from PIL import Image, ImageCms

from safelight.domain.crops import Crop
from safelight.domain.photos import Derived
from safelight.vision.decode import fit, open_photo, orientation_of, over_white, shrunk, upright
from safelight.vision.hashing import sha256_file

QUALITY = 95
"""JPEG quality, with full colour resolution: the trainer sees what the photo had."""


def derive_file(path: Path, target: Path, *, max_side: int, crop: Crop | None = None) -> Derived:
    """Write the training JPEG of the photo at *path* to *target*.

    With *crop*, that part of it in that size; else all of it. The longest side is at most *max_side*
    pixels and nothing is enlarged. The same photo gives the same bytes. `Undecodable` for a photo
    that cannot be decoded.
    """
    with open_photo(path) as image:
        orientation = orientation_of(image)
        profile = image.info.get("icc_profile")
        read_side = max_side if crop is None else _side_for(crop, image.size)
        full = max(image.size)
        image.draft(None, fit(image.size, read_side))
        image.load()
        picture = shrunk(image, read_side)
        picture = upright(to_srgb(over_white(picture), profile), orientation)
        if crop is not None:
            picture = _cut(picture, crop, max(picture.size) / full)
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


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB, by its own ICC profile where it has one that fits."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # A broken profile, or one for other channels than the picture has: as if it had none.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
