"""How a photo is turned: the one place that decides it, so that it happens once, whatever the format.

Some readers turn the picture themselves: Pillow's of TIFF while it decodes, HEIF's by what the container
says. So the tag is read before and after the pixels are decoded: what is left of it is ours to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from safelight.vision.pixels import fit

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

JPEG = ("JPEG", "MPO")
"""Pillow's names of what is read at a fraction of its size, with all of its data decoded."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """EXIF orientations, 1 to 8: `told` is what the file says, `left` what is still to be done to the
    decoded pixels. `size` is the picture's at full size, once it is upright."""

    told: int
    left: int
    size: tuple[int, int]


def decode(image: Image.Image, side: int | None = None) -> Turn:
    """Decode the pixels, and say how they are to be turned.

    A JPEG is read at a fraction of its size if that leaves *side* pixels on its longest side. Of
    contradicting tags EXIF's first directory counts, then XMP; in HEIF and AVIF neither, but what the
    container says of the picture. A value that makes no sense is none.
    """
    full = image.size
    if image.format in JPEG and side is not None:
        image.draft(None, fit(full, side))
    if image.format == "PNG":
        image.load()  # its tags may stand behind the pixels
    told = _told(image)
    image.load()
    left = _told(image)
    if image.format not in JPEG:
        full = image.size  # as decoded: before, a TIFF's may be the turned one
    return Turn(told, left, full if left < 5 else (full[1], full[0]))


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The image turned by an orientation."""
    how = _TURNS.get(turn)
    return image if how is None else image.transpose(how)


def _told(image: Image.Image) -> int:
    try:
        value = _tag(image)
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse the photo
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _tag(image: Image.Image) -> object:
    if image.format == "HEIF":
        return 1  # its reader has turned it
    if image.format == "AVIF":
        # Pillow tells the container's turn as EXIF's. XMP, which it would ask next, is not to be asked.
        tags = Image.Exif()
        tags.load(image.info.get("exif", b""))
        return tags.get(ORIENTATION)
    return image.getexif().get(ORIENTATION)
