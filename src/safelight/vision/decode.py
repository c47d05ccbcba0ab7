"""Opening untrusted photos with Pillow: which formats, how many pixels, and faults under one name.

Every fault comes out as `Undecodable` with its kind; Pillow itself raises a dozen different things. A file
is opened by the one reader of what it is (`vision.container`), never by whichever takes it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import AvifImagePlugin, Image, PngImagePlugin, UnidentifiedImageError, features

from safelight import scratch
from safelight.domain.faults import MAX_PIXELS
from safelight.domain.formats import ACCEPTED, FOREIGN, title_of
from safelight.domain.photos import MAX_BYTES, Undecodable
from safelight.vision import boxes, tiffs
from safelight.vision.container import kind_of
from safelight.vision.parts import Part
from safelight.vision.turn import ORIENTATION

_NO_CANVAS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
"""Formats that Pillow opens without taking memory for the pixels. WebP's reader takes two canvases."""

_BYTES_A_PIXEL = {"JPEG": 2, "WEBP": 16, "HEIF": 10, "AVIF": 12}
"""What a pixel takes while it is decoded; 4 where nothing is said. A JPEG is read at a fraction of its
size, but one saved progressively keeps its coefficients. WebP's reader is that of animations: two canvases,
a frame, and Pillow's own (16.4 measured). HEIF's has planes, a copy in RGB, and Pillow's own (9.1); AVIF's
too (9.3, and 11.8 with transparency)."""
_TURNED_TIFF = 8
"""The same of a TIFF that lies on its side: Pillow turns all of it."""

_MEMORY_MAY_LACK = 200_000_000
"""Bytes from which a decoder that keeps all of a photo twice may not get the memory."""

OUT_OF_MEMORY = "it needs more memory than a photo may take"

_MAJOR = {
    "AVIF": (b"avif", (b"avif", b"avis", b"mif1", b"msf1")),
    "HEIF": (
        b"heic",
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
    ),
}
"""Major brands that Pillow's readers know, and the one that stands in for others."""
_OWN_AVIF = {b"avif", b"avis"}
"""AVIF's reader wants one of these among all brands."""

_MOST_TEXT = 16 * 1024 * 1024
"""Bytes of a PNG's profile or description once it is unpacked; Pillow's own limit is a megabyte."""


def readable_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read: HEIC where pi-heif is installed, AVIF where Pillow
    was built with it. Not all that Pillow has: its EPS reader, for one, starts Ghostscript."""
    try:
        import pi_heif  # noqa: PLC0415 - an extra: absent is a supported state
    except ImportError:
        missing = {"HEIF"}
    else:
        missing = set()
        pi_heif.register_heif_opener()
    if not features.check("avif"):
        missing.add("AVIF")
    return tuple(one.pillow for one in ACCEPTED.values() if one.pillow not in missing)


@contextmanager
def open_photo(path: Path) -> Iterator[Image.Image]:
    """The photo at *path*, its header read and its pixels not yet; `Undecodable` for any fault.

    Faults inside the ``with`` block (the decoding itself) come out as `Undecodable` too.
    """
    kind = kind_of(path)
    reader = _reader_of(path, kind)
    # Pillow keeps its limits in its modules; above this one, it only warns unless warnings are errors.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    PngImagePlugin.MAX_TEXT_CHUNK = _MOST_TEXT
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a process a core: threads within it would only wait
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(_source(path, reader), formats=[reader]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(kind, image.size)
                yield image
        except Undecodable:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(kind, header(path)[:2], str(error)) from error
        except UnidentifiedImageError as error:
            raise _not_opened(path, kind or "", reader) from error
        except MemoryError as error:
            raise Undecodable("overrun", OUT_OF_MEMORY, format=kind) from error
        except Exception as error:  # decoders raise whatever a broken file leads to
            if scratch.is_own(error):
                raise  # our disk is full, or fails: a good photo stays one
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            cut = re.search(
                r"truncat|unexpected end|not enough (?:image )?data", text, re.IGNORECASE
            )
            fault = "truncated" if cut else "undecodable"
            size = header(path)[:2]
            if fault == "undecodable" and decoding_bytes(path) >= _MEMORY_MAY_LACK:
                # Some decoders call it a broken stream when they get no memory.
                fault = "overrun"
                text = f"{text[:100]}; or {size[0]:,} × {size[1]:,} pixels need too much memory"
            raise Undecodable(fault, text[:200], format=kind) from error


def _reader_of(path: Path, kind: str | None) -> str:
    """Pillow's name of the reader for a kind of file; `Undecodable` where there is none."""
    if kind is None:
        empty = path.stat().st_size == 0
        says = "the file is empty" if empty else "its first bytes are those of no image format"
        raise Undecodable("not-an-image", says)
    if kind in FOREIGN:
        known = FOREIGN[kind]
        fault = "unsupported-format" if known.picture else "not-an-image"
        raise Undecodable(fault, known.title, format=kind)
    reader = ACCEPTED[kind].pillow
    if reader not in readable_formats():
        raise Undecodable("unsupported-format", title_of(kind), format=kind)
    return reader


def _source(path: Path, reader: str) -> Path | BinaryIO:
    """What Pillow is to open: the file, or its bytes under a major brand that the reader knows."""
    if reader not in _MAJOR:
        return path
    own, known = _MAJOR[reader]
    with path.open("rb") as file:
        told = boxes.brands(Part.whole(file))
        if told[:1] and told[0] in known and (reader == "HEIF" or _OWN_AVIF.intersection(told)):
            return path
        # Both readers take all of the file into memory in any case.
        file.seek(0)
        head = file.read(12)
        return io.BytesIO(head[:8] + own + file.read(MAX_BYTES))


def header(path: Path) -> tuple[int, int, str | None]:
    """Width, height and Pillow's name of the format by the header alone; (0, 0, None) if unreadable."""
    return _weighed(path)[:3]


def decoding_bytes(path: Path) -> int:
    """The memory that decoding it takes, about, by its header; 0 if that is unreadable."""
    width, height, _, each = _weighed(path)
    return width * height * each


def _weighed(path: Path) -> tuple[int, int, str | None, int]:
    """Width, height, format and bytes a pixel."""
    Image.MAX_IMAGE_PIXELS = None
    try:
        kind = kind_of(path)
        if kind == "webp":
            return *_webp_size(path), "WEBP", _BYTES_A_PIXEL["WEBP"]
        reader = _reader_of(path, kind)
        if reader not in _NO_CANVAS:
            return 0, 0, None, 0
        with Image.open(_source(path, reader), formats=[reader]) as image:
            each = _BYTES_A_PIXEL.get(image.format or "", 4)
            tags = getattr(image, "tag_v2", None)
            if tags is not None and tags.get(ORIENTATION, 1) != 1:
                each = _TURNED_TIFF
            return image.width, image.height, image.format, each
    except Exception:  # noqa: BLE001 - what is wrong with the file is for the decoding to say
        return 0, 0, None, 0
    finally:
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def _webp_size(path: Path) -> tuple[int, int]:
    """Width and height by the first chunk: extended (`VP8X`), lossless (`VP8L`) or lossy (`VP8 `)."""
    with path.open("rb") as file:
        head = file.read(30)
    chunk = head[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = head[26:28], head[28:30]
    return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF


def _too_large(format: str | None, size: tuple[int, int], text: str = "") -> Undecodable:
    detail = f"{size[0]:,} × {size[1]:,} pixels"
    if size == (0, 0):
        number = re.search(r"\((\d+) pixels\)", text)
        detail = f"{int(number.group(1)):,} pixels" if number else "more pixels than the limit"
    return Undecodable("too-many-pixels", detail, format=format, size=size)


def _not_opened(path: Path, kind: str, reader: str) -> Undecodable:
    """Why the reader of its kind does not take it: its header is broken, or it is of a sort not read."""
    why = _said(path, reader)
    if kind == "tiff" and (sort := _tiff_sort(path)):
        return Undecodable("unsupported-format", f"TIFF of {sort}", format=kind)
    if why and re.search(r"unsupported|not support|cannot handle|unknown (?:pixel mode|comp)", why):
        return Undecodable("unsupported-format", f"{title_of(kind)}: {why[:120]}", format=kind)
    return Undecodable("undecodable", f"its {kind} header is broken", format=kind)


def _said(path: Path, reader: str) -> str:
    """What the reader itself says of the file; Pillow keeps it to itself."""
    try:
        with path.open("rb") as file, Image.OPEN[reader][0](file, str(path)):
            return ""
    except Exception as error:  # noqa: BLE001 - readers raise whatever a broken file leads to
        return str(error).splitlines()[0] if str(error) else ""


_COLOURS = {
    0: "grey, zero is white",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
    8: "LAB",
    9: "LAB",
}


def _tiff_sort(path: Path) -> str | None:
    """A whole TIFF's sort of pixels in words; None for one whose first directory makes no sense."""
    with path.open("rb") as file:
        tiff = tiffs.Tiff.open(Part.whole(file))
        first = tiff.directory(tiff.first) if tiff else None
        if tiff is None or first is None:
            return None
        told = {entry.tag: tiff.values(entry, 8) for entry in first.entries}
    if not all(told.get(tag) and told[tag][0] for tag in (256, 257)) or not (
        told.get(273) or told.get(324)
    ):
        return None
    bits, kind = (told.get(258) or [1])[0], (told.get(339) or [1])[0]
    colours = _COLOURS.get((told.get(262) or [99])[0], f"photometric {(told.get(262) or [99])[0]}")
    word = {1: "", 2: "signed ", 3: "floating-point "}.get(kind, "odd ")
    count, packed = (told.get(277) or [1])[0], (told.get(259) or [1])[0]
    return f"{count} {word}samples of {bits} bits ({colours}, compression {packed})"
