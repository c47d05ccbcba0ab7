"""The file that is trained on: upright, sRGB, 8 bits, opaque, no larger than needed, no metadata."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageCms

from safelight.domain.photos import Derived
from safelight.vision.decode import (
    eight_bits,
    has_alpha,
    open_photo,
    orientation_of,
    over_white,
    upright,
)
from safelight.vision.hashing import sha256_file

QUALITY = 95
"""JPEG quality, with full colour resolution: the trainer sees what the photo had."""


def derive_file(path: Path, target: Path, *, max_side: int) -> Derived:
    """Write the training JPEG of the photo at *path* to *target*.

    The longest side is at most *max_side* pixels and nothing is enlarged. The same photo gives the
    same bytes. `Undecodable` for a photo that cannot be decoded.
    """
    with open_photo(path) as image:
        orientation = orientation_of(image)
        profile = image.info.get("icc_profile")
        size = _fit(image.size, max_side)
        image.draft(None, size)
        image.load()
        picture = eight_bits(image)
        if picture.mode in {"P", "PA"}:
            picture = picture.convert("RGBA" if has_alpha(picture) else "RGB")
        if picture.size != size:
            # Resized first: what follows then costs a fraction of the memory.
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        picture = upright(to_srgb(over_white(picture), profile), orientation)
        picture.info = {}  # comments and profiles would be copied into the JPEG
        picture.save(target, "JPEG", quality=QUALITY, subsampling=0)
    digest, written = sha256_file(target)
    return Derived(picture.width, picture.height, written, digest)


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


def _fit(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
