"""Where a photo was taken, taken out of its file in place: no byte moves, no pixel changes.

Cameras and phones write it into EXIF, XMP and IPTC, into previews and second pictures, and into the film that
a motion photo carries. It is overwritten there: a GPS directory with nulls, a property with blanks, a film's
box with an empty one. Everything else stays as it is, and the file keeps its length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from safelight.vision.container import kind_of_part
from safelight.vision.location import in_boxes, in_chunks, in_jpegs, in_texts, in_tiffs
from safelight.vision.location.sweep import Cleaner, Exhausted, Sweep
from safelight.vision.parts import Part

_MOST_BEHIND = 64
"""Pictures, and films, behind the first one."""

_TIFFS = {"tiff", "dng", "nef", "arw", "pef", "srw", "orf", "rw2", "cr2", "raw"}
_BOXES = {"heic", "avif", "cr3", "jxl", "jpeg2000", "mp4", "mov", "3gp", "m4a"}


def count_location(path: Path) -> dict[str, int]:
    """How many properties of the file tell where it was taken, by where they are: ``exif``, ``xmp``,
    ``iptc``, ``film``, ``text``; nothing is changed."""
    with path.open("rb") as file:
        return _swept(file, dry=True)


def remove_location(path: Path) -> dict[str, int]:
    """Take them out of the file at *path*, which keeps its length; how many there were."""
    with path.open("r+b") as file:
        return _swept(file, dry=False)


def _swept(file: BinaryIO, *, dry: bool) -> dict[str, int]:
    sweep = Sweep(_CLEANERS, dry=dry)
    with contextlib.suppress(Exhausted):  # no photo has so much; what came first is out
        _file(Part.whole(file), sweep)
    return dict(sorted(sweep.found.items()))


def _file(part: Part, sweep: Sweep) -> None:
    kind = kind_of_part(part) or ""
    if kind == "jpeg":
        _behind(part, in_jpegs.clean(part, sweep), sweep)
    elif kind == "png":
        _behind(part, in_chunks.clean_png(part, sweep), sweep)
    elif kind == "webp":
        _behind(part, in_chunks.clean_webp(part, sweep), sweep)
    elif kind == "gif":
        in_chunks.clean_gif(part, sweep)
    elif kind in _TIFFS:
        in_tiffs.clean(part, sweep)
    elif kind in _BOXES or kind.startswith("heif"):
        in_boxes.clean(part, sweep)
    elif kind in ("psd", "psb"):
        colours = 26 + 4 + (part.number(26, 4) or 0)
        in_texts.clean_photoshop(part.part(colours + 4, part.number(colours, 4) or 0), sweep)
    else:
        _behind(part, 0, sweep)


def _behind(part: Part, start: int, sweep: Sweep) -> None:
    """The pictures and films that stand behind a picture: second views, gain maps, motion photos."""
    at = start
    for _ in range(_MOST_BEHIND):
        at = part.find(b"\xff\xd8\xff", at)
        if at < 0:
            break
        at = max(at + 3, in_jpegs.clean(part, sweep, at))
    at = start
    for _ in range(_MOST_BEHIND):
        at = part.find(b"ftyp", at)
        if at < 0:
            break
        if at >= 4:
            in_boxes.clean(part.part(at - 4, part.size), sweep)
        at += 4


def _gps(part: Part, sweep: Sweep) -> None:
    """A TIFF whose first directory is the GPS directory."""
    if part.read(8, part.size).strip(b"\0"):
        sweep.found["exif"] += 1
        sweep.fill(part, 8, part.size - 8)


_CLEANERS: Mapping[str, Cleaner] = {
    "tiff": in_tiffs.clean,
    "jpeg": in_jpegs.clean,
    "xmp": in_texts.clean_xmp,
    "iptc": in_texts.clean_iptc,
    "photoshop": in_texts.clean_photoshop,
    "gps": _gps,
}
