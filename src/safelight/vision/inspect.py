"""A photo's facts: decoded once, measured, nothing kept of the picture but a hash of its look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from safelight.domain.photos import Inspection, PhotoFacts, Undecodable, judge_decoding
from safelight.vision.decode import (
    has_alpha,
    open_photo,
    orientation_of,
    over_white,
    shrunk,
    upright,
)
from safelight.vision.hashing import SIDE, perceptual_hash, sha256_file


def inspect_file(path: Path, name: str) -> Inspection:
    """The facts of the photo at *path*, and the findings that hold under any gates.

    *name* is the producer's, for the messages. Never raises for what is in the file.
    """
    facts = measure(path)
    return Inspection(facts, judge_decoding(facts, name=name))


def measure(path: Path) -> PhotoFacts:
    """The facts of the photo at *path*; a photo that cannot be decoded has its fault in them."""
    digest, size = sha256_file(path)
    facts = PhotoFacts(bytes=size, sha256=digest)
    try:
        return _decoded(path, facts)
    except Undecodable as fault:
        return replace(
            facts,
            format=fault.format,
            width=fault.size[0],
            height=fault.size[1],
            decodable=False,
            fault=fault.kind,
            fault_detail=fault.detail,
        )


def _decoded(path: Path, facts: PhotoFacts) -> PhotoFacts:
    with open_photo(path) as image:
        # An MPO is a JPEG that carries a second view of the same moment: not an animation.
        format = "jpeg" if image.format == "MPO" else (image.format or "").lower()
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        if frames > 1:
            image.seek(0)
        orientation = orientation_of(image)
        width, height = image.size if orientation < 5 else image.size[::-1]
        mode, alpha = image.mode, has_alpha(image)
        bits = _bits(image, path)
        # Reads a JPEG at a fraction of its size: all of its data is still decoded, so a file that
        # is cut short is still found out.
        image.draft(None, (4 * SIDE, 4 * SIDE))
        image.load()
        picture = shrunk(image, 4 * SIDE)
        phash, mirror = perceptual_hash(upright(over_white(picture), orientation))
    return replace(
        facts,
        format=format,
        width=width,
        height=height,
        orientation=orientation,
        mode=mode,
        bits=bits,
        alpha=alpha,
        frames=frames,
        phash=phash,
        mirror_phash=mirror,
    )


def _bits(image: Image.Image, path: Path) -> int:
    """Bits a channel as stored. Pillow reads 16-bit colour PNGs as 8 bits without saying so."""
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "PNG":
        with path.open("rb") as file:
            return max(8, file.read(25)[24])  # the depth byte of IHDR
    return 8
