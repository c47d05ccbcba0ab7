"""A photo's facts: decoded once, measured, nothing kept of the picture but a hash of its look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from safelight.domain.photos import DECODER, Inspection, PhotoFacts, Undecodable, judge_decoding
from safelight.vision.colour import plain_rgb, profile_of
from safelight.vision.decode import decoding_bytes, open_photo
from safelight.vision.hashing import SIDE, perceptual_hash, sha256_file
from safelight.vision.look import SIDE as LOOK_SIDE
from safelight.vision.look import File, look
from safelight.vision.nets import Nets, Picture, no_memory
from safelight.vision.pixels import has_alpha, over_white, shrunk
from safelight.vision.turn import JPEG, decode, upright

_READ_SIDE = 768
"""Longest side down to which a JPEG may be read at a fraction of its size: the decoder knows halves,
quarters and eighths, so what it gives has 768 to 1,536 pixels."""

_BESIDE_NETS = 128_000_000
"""Bytes from which a picture and the networks are not in memory together: a worker keeps under 600 MB
whatever the photos."""


def needs_room(path: Path) -> bool:
    """True for a photo that is to be decoded by a process that has no networks loaded yet."""
    return decoding_bytes(path) > _BESIDE_NETS


def inspect_file(path: Path, name: str, nets: Nets | None = None) -> Inspection:
    """The facts of the photo at *path*, and the findings that hold under any gates.

    *name* is the producer's, for the messages. Never raises for what is in the file.
    """
    facts = measure(path, nets)
    return Inspection(facts, judge_decoding(facts, name=name))


def measure(path: Path, nets: Nets | None = None) -> PhotoFacts:
    """The facts of the photo at *path*; a photo that cannot be decoded has its fault in them.

    With *nets*, what can be seen in it is measured too.
    """
    digest, size = sha256_file(path)
    facts = PhotoFacts(bytes=size, sha256=digest, decoder=DECODER)
    try:
        return _decoded(path, facts, nets)
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


def _decoded(path: Path, facts: PhotoFacts, nets: Nets | None) -> PhotoFacts:
    with open_photo(path) as image:
        # An MPO is a JPEG that carries a second view of the same moment: not an animation.
        format = "jpeg" if image.format in JPEG else (image.format or "").lower()
        # Of several frames the reader is at the one that is shown: the first, or a HEIC's primary one.
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        profile_of(image, path)  # what cannot be trained on is said before it is looked at
        mode, alpha = image.mode, has_alpha(image)
        bits = _bits(image, path)
        tables = image.quantization if isinstance(image, JpegImageFile) else None
        # Reads a JPEG at a fraction of its size: all of its data is still decoded, so a file that
        # is cut short is still found out.
        turn = decode(image, _READ_SIDE)
        width, height = turn.size
        reduced = max(1, round(max(turn.size) / max(image.size)))
        small = over_white(shrunk(image, LOOK_SIDE))
        phash, mirror = perceptual_hash(upright(shrunk(small, 4 * SIDE), turn.left))
        measured = None
        if nets is not None:
            stored = np.asarray(image.convert("L")) if tables else _NOTHING
            file = File(width, tables, reduced)
            if small is not image:
                image.close()  # its pixels' memory is what the networks are loaded into
            try:
                measured = look(_bgr(upright(small, turn.left)), stored, file, nets)
            except cv2.error as error:
                if no_memory(error):
                    raise MemoryError from error
                raise
    return replace(
        facts,
        format=format,
        width=width,
        height=height,
        orientation=turn.told,
        mode=mode,
        bits=bits,
        alpha=alpha,
        frames=frames,
        phash=phash,
        mirror_phash=mirror,
        measured=measured,
    )


_NOTHING = np.zeros((1, 1), np.uint8)


def _bgr(image: Image.Image) -> Picture:
    return np.asarray(cv2.cvtColor(np.asarray(plain_rgb(image)), cv2.COLOR_RGB2BGR), np.uint8)


def _bits(image: Image.Image, path: Path) -> int:
    """Bits a channel as stored. Pillow reads 16-bit colour as 8 bits without saying so."""
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "PNG":
        with path.open("rb") as file:
            return max(8, file.read(25)[24])  # the depth byte of IHDR
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return max(8, *(int(bits) for bits in tags.get(258, (8,))))
    return 8
