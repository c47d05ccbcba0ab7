"""The file that is trained on: upright, sRGB, 8 bits, opaque, no larger than needed, no metadata."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageCms

from safelight.domain.photos import Derived
from safelight.vision.decode import fit, open_photo, orientation_of, over_white, shrunk, upright
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
        image.draft(None, fit(image.size, max_side))
        image.load()
        picture = shrunk(image, max_side)
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
