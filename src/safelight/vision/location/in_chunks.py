"""Location in PNG, WebP and GIF: their chunks of EXIF, of XMP and of plain words."""

from __future__ import annotations

import io
import re
import zlib
from itertools import product

from safelight.vision.location.sweep import Sweep
from safelight.vision.parts import WINDOW, Part

_MOST_TEXT = 16 * 1024 * 1024
"""Bytes of a packed text once it is unpacked; more is not looked at."""
_XMP = b"XML:com.adobe.xmp"
_RAW = b"Raw profile type "
"""ImageMagick's chunks: a block of another format in hexadecimal."""
_MOST_RAW = 2 * 1024 * 1024
"""Characters of one: an EXIF block has at most 131,072."""
_DIGITS = re.compile(rb"[0-9A-Fa-f]+")
_PLACE = re.compile(rb"gps|location|geotag|latitude|longitude", re.IGNORECASE)
_GIF_XMP = b"!\xff\x0bXMP DataXMP"


def clean_png(part: Part, sweep: Sweep) -> int:
    """Take the location out of a PNG; where it ends. The checksum of a changed chunk is made anew."""
    at = 8
    while len(head := part.read(at, 8)) == 8:
        sweep.step()
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        data = part.part(at + 8, size)
        before = sweep.changes
        try:
            if kind == b"eXIf":
                sweep.run("tiff", _without_name(data))
            elif kind in (b"tEXt", b"zTXt", b"iTXt"):
                _text(kind, data, sweep)
        finally:
            if sweep.changes != before and not sweep.dry and data.size == size:
                sweep.write(part, at + 8 + size, _checksum(kind, data).to_bytes(4, "big"))
        at += 12 + size
        if kind == b"IEND":
            break
    return min(at, part.size)


def _without_name(data: Part) -> Part:
    """An EXIF block without the name that JPEG puts before it, and some writers elsewhere."""
    return data.part(6 if data.read(0, 6) == b"Exif\0\0" else 0, data.size)


def _checksum(kind: bytes, data: Part) -> int:
    value = zlib.crc32(kind)
    for at in range(0, data.size, WINDOW):
        value = zlib.crc32(data.read(at, WINDOW), value)
    return value


def _text(kind: bytes, data: Part, sweep: Sweep) -> None:
    word, null, _ = data.read(0, 80).partition(b"\0")
    if not null:
        return
    start, packed = len(word) + 1, kind == b"zTXt"
    if kind == b"iTXt":
        packed = data.read(start, 1) == b"\1"
        for _ in range(2):  # the language, and the word in it
            start = data.find(b"\0", start + 2 if start == len(word) + 1 else start) + 1
            if not start:
                return
    elif packed:
        start += 1  # the method
    body = data.part(start, data.size)
    if not packed:
        _plain(word, body, sweep)
        return
    if word != _XMP and not word.startswith(_RAW) and not _PLACE.search(word):
        return
    unpacked = _unpacked(body)
    sweep.step((_MOST_TEXT if unpacked is None else len(unpacked)) // 1024)
    if unpacked is None:
        return
    held = io.BytesIO(unpacked)
    before = sweep.changes
    try:
        _plain(word, Part.whole(held), sweep)
    finally:
        if sweep.changes != before and not sweep.dry:
            sweep.write(body, 0, _packed(held.getvalue(), body.size))


def _plain(word: bytes, body: Part, sweep: Sweep) -> None:
    if word == _XMP:
        sweep.run("xmp", body)
    elif word.startswith(_RAW):
        _hexadecimal(body, sweep)
    elif _PLACE.search(word) and body.read(0, 4096).strip():
        sweep.found["text"] += 1
        sweep.fill(body, 0, body.size, b" ")


def _hexadecimal(body: Part, sweep: Sweep) -> None:
    """A block as ImageMagick writes it: its kind, its length, then lines of digits."""
    text = body.read(0, _MOST_RAW)
    lines = re.match(rb"\s*[^\n]{0,80}\n\s*\d+\s", text)
    if lines is None:
        return
    runs = [match.span() for match in _DIGITS.finditer(text, lines.end())]
    digits = b"".join(text[start:end] for start, end in runs)
    block = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    before = len(block) * 2
    name, skipped = _kind_of_block(block)
    held = io.BytesIO(block)
    changes = sweep.changes
    try:
        sweep.run(name, Part.whole(held).part(skipped, len(block)))
    finally:
        if sweep.changes != changes and not sweep.dry:
            told, at = held.getvalue().hex().encode() + digits[before:], 0
            for start, end in runs:
                sweep.write(body, start, told[at : at + end - start])
                at += end - start


def _kind_of_block(block: bytes) -> tuple[str, int]:
    """What a block is, and how many bytes stand before it."""
    if block.startswith(b"Exif\0\0"):
        return "tiff", 6
    if block.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        return "xmp", 29
    if block.startswith(b"8BIM"):
        return "photoshop", 0
    if block.startswith(b"Photoshop 3.0\0"):
        return "photoshop", 14
    if block[:1] == b"\x1c":
        return "iptc", 0
    return ("tiff" if block[:2] in (b"II", b"MM") else "xmp"), 0


def _unpacked(body: Part) -> bytes | None:
    opened = zlib.decompressobj()
    try:
        data = opened.decompress(body.read(0, _MOST_TEXT), _MOST_TEXT)
    except zlib.error:
        return None
    return None if opened.unconsumed_tail else data


def _packed(data: bytes, size: int) -> bytes:
    """*data* packed into exactly *size* bytes. Where it does not go in, nothing is."""
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY)
    ways = list(product((9, 6, 1), strategies, (9, 8)))
    for level, strategy, memory in ways if len(data) <= WINDOW else ways[:1]:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
        raw = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        if (filled := _filled(raw, data, size)) is not None:
            return filled
    return _filled(b"", b"", size) or bytes(size)


def _filled(raw: bytes, data: bytes, size: int) -> bytes | None:
    """The stream with as many empty blocks, of five bytes or six, as make *size*; None if none do."""
    left = size - len(raw) - 8
    sixes = left % 5  # five and one more each
    if left < 6 * sixes:
        return None
    empty = b"\0\0\0\xff\xff" * ((left - 6 * sixes) // 5) + b"\2\0\0\0\xff\xff" * sixes
    return b"\x78\x9c" + raw + empty + b"\3\0" + zlib.adler32(data).to_bytes(4, "big")


def clean_webp(part: Part, sweep: Sweep) -> int:
    """Take the location out of a WebP; where it ends."""
    end = min(8 + (part.number(4, 4, "little") or 0), part.size)
    at = 12
    while at + 8 <= end:
        sweep.step()
        head = part.read(at, 8)
        size = int.from_bytes(head[4:], "little")
        data = part.part(at + 8, size)
        if head[:4] == b"EXIF":
            sweep.run("tiff", _without_name(data))
        elif head[:4] == b"XMP ":
            sweep.run("xmp", data)
        at += 8 + size + size % 2
    return end


def clean_gif(part: Part, sweep: Sweep) -> None:
    """Take the location out of a GIF's XMP, which stands in it as it is."""
    at = part.find(_GIF_XMP, 0)
    if at >= 0:
        start = at + len(_GIF_XMP)
        end = part.find(b"\0", start)
        sweep.run("xmp", part.part(start, (part.size if end < 0 else end) - start))
