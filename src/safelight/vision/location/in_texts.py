"""Location in XMP, IPTC and Photoshop's resources: properties and fields, overwritten with blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from safelight.vision.location.sweep import Sweep
from safelight.vision.parts import WINDOW, Part

_PLACES = (
    rb"City|State|Province(?:State|Name)?|Country(?:Code|Name)?|Sublocation|WorldRegion|"
    rb"Location(?:Created|Shown|Name|Id|Code)?|ContentLocation(?:Name|Code)|"
    rb"lat|long|lon|[Ll]atitude|[Ll]ongitude|(?:Absolute|Relative)?Altitude"
)
_PROPERTY = re.compile(
    rb"(?<=[<\s\"'])(?!xmlns:)(?:"
    rb"[\w.-]{0,40}[Gg][Pp][Ss][\w.-]{0,40}:[\w.-]{1,80}"
    rb"|[\w.-]{1,80}:[\w.-]{0,40}[Gg][Pp][Ss][\w.-]{0,40}"
    rb"|[\w.-]{1,80}:(?:" + _PLACES + rb"))(?=[\s=/>])"
)
"""A property's name with its prefix: any of GPS, whatever the prefix, and those that name a place. Prefixes
are a writer's own, so none is asked for."""
_LONGEST = 256
"""More than the longest name that is looked for."""
_HIT = 10
"""Steps that a property costs: it is read and written on its own."""
_IS_ATTRIBUTE = re.compile(rb"\s{0,32}=\s{0,32}([\"'])")
_TAG_END = re.compile(rb"[\"'>]")

_FIELDS = {26, 27, 90, 92, 95, 100, 101}
"""IPTC's fields of record 2: content location, city, sublocation, state, country code and name."""
_RESOURCES = {0x0404: "iptc", 0x0422: "tiff", 0x0423: "tiff", 0x0424: "xmp"}
"""Photoshop's resources that hold metadata of another kind."""


def clean_xmp(part: Part, sweep: Sweep) -> None:
    """Blank the properties of an XMP packet that tell a place, as attributes or as elements."""
    head = part.read(0, 64)
    if b"\0" in head and part.size <= WINDOW:  # UTF-16: every other byte is ASCII's
        first = 1 if head[:1] == b"\0" or head[:2] == b"\xfe\xff" else 0
        part = Part(part.file, list(part.places(0, part.size)), step=2, first=first)
    done = 0
    for start, name, is_element in _properties(part, sweep):
        if start < done:
            continue  # within what was blanked just now
        end = _element(part, start, name, sweep) if is_element else _attribute(part, start, name)
        sweep.step(1 if end is None else _HIT + (end - start) // 1024)
        if end is None:
            continue
        sweep.found["xmp"] += 1
        whole = start - is_element  # with the angle bracket
        sweep.fill(part, whole, end - whole, b" ")
        done = end


def _properties(part: Part, sweep: Sweep) -> Iterator[tuple[int, bytes, bool]]:
    """Where a name is, the name, and whether it is an element's."""
    at = 0
    while at < part.size:
        before = 1 if at else 0
        window = part.read(at - before, WINDOW + _LONGEST + before)
        sweep.step(len(window) // 256)
        for match in _PROPERTY.finditer(window):
            start = match.start() - before
            if start >= WINDOW:
                break
            yield at + start, match[0], window[match.start() - 1 : match.start()] == b"<"
        at += WINDOW


def _attribute(part: Part, start: int, name: bytes) -> int | None:
    """The end of an attribute with its value; None for a name in plain text."""
    after = start + len(name)
    found = _IS_ATTRIBUTE.match(part.read(after, 70))
    if found is None:
        return None
    end = part.find(found[1], after + found.end())
    return part.size if end < 0 else end + 1


def _element(part: Part, start: int, name: bytes, sweep: Sweep) -> int:
    """The end of an element with all that is in it. One that never ends goes to the next tag."""
    at, most = start + len(name), 256
    while True:
        sweep.step()
        window = part.read(at, most)
        found = _TAG_END.search(window)
        if found is None:
            if len(window) < most:
                return part.size
            at, most = at + len(window), min(most * 16, WINDOW)
        elif found[0] == b">":
            at += found.end()
            break
        else:
            end = part.find(found[0], at + found.end())
            sweep.step(((part.size if end < 0 else end) - at) // 1024)
            if end < 0:
                return part.size
            at = end + 1
    if part.read(at - 2, 1) == b"/":
        return at
    close = part.find(b"</" + name, at)
    if close < 0:
        sweep.step((part.size - at) // 1024)  # what was looked through for nothing
        following = part.find(b"<", at)
        return part.size if following < 0 else following
    end = part.find(b">", close)
    return part.size if end < 0 else end + 1


def clean_iptc(part: Part, sweep: Sweep) -> None:
    """Blank the fields of an IPTC block that name a place."""
    at = 0
    while (head := part.read(at, 5)) and len(head) == 5 and head[0] == 0x1C:
        sweep.step()
        size, start = int.from_bytes(head[3:], "big"), at + 5
        if size & 0x8000:  # the length of the length
            long = size & 0x7FFF
            size = part.number(start, long) or 0 if long <= 4 else part.size
            start += long
        if head[1] == 2 and head[2] in _FIELDS and part.read(start, min(size, 64)).strip():
            sweep.found["iptc"] += 1
            sweep.fill(part, start, size, b" ")
        at = start + size


def clean_photoshop(part: Part, sweep: Sweep) -> None:
    """The same for the metadata in Photoshop's resources."""
    at = 0
    while (head := part.read(at, 7)) and len(head) == 7 and head[:1].isalnum():
        sweep.step()
        number = int.from_bytes(head[4:6], "big")
        start = at + 6 + (head[6] + 2) // 2 * 2
        size = part.number(start, 4)
        if size is None:
            return
        if number in _RESOURCES:
            sweep.run(_RESOURCES[number], part.part(start + 4, size))
        at = start + 4 + size + size % 2
