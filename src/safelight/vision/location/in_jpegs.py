"""Location in a JPEG: in its EXIF blocks, its XMP with what continues it, its IPTC; and in the pictures and
films that a phone puts behind it."""

from __future__ import annotations

import hashlib
import re

from safelight.vision.location.sweep import Sweep
from safelight.vision.parts import WINDOW, Part

_EXIF = b"Exif\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_MOST_PACKETS = 16
_GUID = len(_MORE_XMP)
_MORE_HEAD = _GUID + 32 + 4 + 4
"""Before continued XMP: its name, the digest of all of it, its length, where this piece belongs."""
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker among a scan's data, in which 0xFF stands before a zero or a restart."""


def clean(part: Part, sweep: Sweep, start: int = 0) -> int:
    """Take the location out of the JPEG that starts at *start*; where it ends."""
    held = _Held()
    end = _segments(part, start, held, sweep)
    for blocks in held.exif:
        sweep.run("tiff", Part.joined(blocks))
    for packet in held.xmp:
        sweep.run("xmp", packet)
    for digest, pieces in held.more.items():
        _continued(digest, pieces, held, sweep)
    if held.photoshop:
        sweep.run("photoshop", Part.joined(held.photoshop))
    return end


class _Held:
    """The metadata of one picture, segments that belong together as one."""

    def __init__(self) -> None:
        self.exif: list[list[Part]] = []
        self.xmp: list[Part] = []
        self.photoshop: list[Part] = []
        self.more: dict[bytes, list[tuple[int, Part, Part]]] = {}
        """Continued XMP by its digest: where a piece belongs, its segment, its text."""


def _segments(part: Part, start: int, held: _Held, sweep: Sweep) -> int:
    at = start + 2
    while at < part.size:
        sweep.step()
        head = part.read(at, 4)
        if len(head) < 2:
            break
        if head[0] != 0xFF:
            at = _next_marker(part, at)
            continue
        marker = head[1]
        if marker == 0xD9:
            return at + 2
        if marker == 0xFF:
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            size = int.from_bytes(head[2:], "big")
            if len(head) < 4 or size < 2:
                break
            _take(marker, part.part(at + 4, size - 2), held)
            at += 2 + size
            if marker == 0xDA:
                at = _next_marker(part, at)
    return part.size


def _take(marker: int, segment: Part, held: _Held) -> None:
    if marker == 0xE1:
        head = segment.read(0, _MORE_HEAD)
        if head.startswith(_EXIF):
            block = segment.part(6, segment.size)
            if head[6:8] in (b"II", b"MM") or not held.exif:
                held.exif.append([block])
            else:  # a block that is too long for one segment goes on in the next
                held.exif[-1].append(block)
        elif head.startswith(_XMP):
            held.xmp.append(segment.part(len(_XMP), segment.size))
        elif head.startswith(_MORE_XMP) and len(head) == _MORE_HEAD:
            digest = head[_GUID : _GUID + 32]
            place = int.from_bytes(head[-4:], "big")
            text = segment.part(_MORE_HEAD, segment.size)
            held.more.setdefault(digest, []).append((place, segment, text))
    elif marker == 0xED and segment.read(0, len(_PHOTOSHOP)) == _PHOTOSHOP:
        held.photoshop.append(segment.part(len(_PHOTOSHOP), segment.size))


def _continued(
    digest: bytes, pieces: list[tuple[int, Part, Part]], held: _Held, sweep: Sweep
) -> None:
    """XMP in several segments, whose text may break in the middle of a word. Its pieces and the packet that
    they continue are tied by the digest of the text, which is another one afterwards."""
    pieces = sorted(pieces, key=lambda piece: piece[0])
    text = Part.joined([piece for _, _, piece in pieces])
    before = sweep.changes
    try:
        sweep.run("xmp", text)
    finally:
        if sweep.changes != before and not sweep.dry:
            _tie(digest, text, [segment for _, segment, _ in pieces], held.xmp, sweep)


def _tie(
    digest: bytes, text: Part, segments: list[Part], packets: list[Part], sweep: Sweep
) -> None:
    new = hashlib.md5(usedforsecurity=False)
    for at in range(0, text.size, WINDOW):
        new.update(text.read(at, WINDOW))
    told = new.hexdigest().upper().encode()
    for segment in segments:
        sweep.write(segment, _GUID, told)
    for packet in packets[:_MOST_PACKETS]:
        at = packet.find(digest, 0)
        if at >= 0:
            sweep.write(packet, at, told)


def _next_marker(part: Part, at: int) -> int:
    """The next marker behind a scan's data."""
    while at < part.size:
        window = part.read(at, WINDOW)
        found = _MARKER.search(window)
        if found:
            return at + found.start()
        at += max(1, len(window) - 1)
    return part.size
