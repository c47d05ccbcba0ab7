"""Location in ISO's boxes: of films, also of those that a phone hides in a photo, and in the metadata of
HEIF, AVIF, JPEG XL, JPEG 2000 and CR3 pictures."""

from __future__ import annotations

from bisect import bisect_right

from safelight.vision import boxes
from safelight.vision.boxes import Box
from safelight.vision.location.sweep import DEEPEST, Sweep
from safelight.vision.parts import Part, merged

_HOLDS = {b"moov", b"trak", b"mdia", b"udta", b"ilst", b"mpvd", b"moof", b"traf"}
"""Boxes that hold boxes."""
_PLACES = {b"\xa9xyz", b"loci", b"GPS0", b"gps0", b"gps ", b"\xa9loc"}
"""Boxes that tell a place: QuickTime's, 3GPP's, and those of dashboard cameras."""
_FREE = b"free"
"""The type of a box that readers pass over."""

_IDS = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("4a706754696666457869662d3e4a5032"): "tiff",  # JPEG 2000
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",  # JPEG 2000
}
"""Boxes of others, by what they hold."""
_GEO_JP2 = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_NOTES = {b"CMT1": "tiff", b"CMT2": "tiff", b"CMT4": "gps"}
"""CR3's directories, each as a TIFF of its own; the last is the GPS directory."""

_ITEMS = {b"Exif": "exif", b"application/rdf+xml": "xmp"}


def clean(part: Part, sweep: Sweep) -> None:
    """Take the location out of a file, or part of one, that consists of boxes."""
    _clean(part, 0, part.size, sweep, 0)
    meta = next((box for box in boxes.boxes(part) if box.kind == b"meta"), None)
    if meta is not None:
        _items(part, meta, sweep)


def _clean(part: Part, start: int, end: int, sweep: Sweep, depth: int) -> None:
    for box in boxes.boxes(part, start, end):
        sweep.step()
        size = box.end - box.body
        if box.kind in _PLACES:
            _free(part, box, sweep)
        elif box.kind == b"meta":
            _meta(part, box, sweep)
        elif box.kind in _HOLDS and depth < 2 * DEEPEST:
            _clean(part, box.body, box.end, sweep, depth + 1)
        elif box.kind == b"uuid":
            _of_another(part, box, sweep, depth)
        elif box.kind in (b"XMP_", b"xml "):
            sweep.run("xmp", part.part(box.body, size))
        elif box.kind == b"Exif":  # JPEG XL: as an item of HEIF
            _exif(part.part(box.body, size), sweep)


def _free(part: Part, box: Box, sweep: Sweep) -> None:
    """Make a box one that readers pass over, with nothing in it."""
    sweep.found["film"] += 1
    kind = box.start + 4
    sweep.write(part, kind, _FREE)
    sweep.fill(part, box.body, box.end - box.body)


def _of_another(part: Part, box: Box, sweep: Sweep, depth: int) -> None:
    id, start, size = part.read(box.body, 16), box.body + 16, box.end - box.body - 16
    if id in _IDS:
        sweep.run(_IDS[id], part.part(start, size))
    elif id == _GEO_JP2:
        _free(part, box, sweep)
    elif id == _CANON and depth < 2 * DEEPEST:
        for inner in boxes.boxes(part, start, box.end):
            sweep.step()
            if inner.kind in _NOTES:
                held = part.part(inner.body, inner.end - inner.body)
                sweep.run(_NOTES[inner.kind], held)


def _meta(part: Part, box: Box, sweep: Sweep) -> None:
    """QuickTime's keys and values, without a version before them or with."""
    body = box.body if part.read(box.body + 4, 4) == b"hdlr" else box.body + 4
    inner = list(boxes.boxes(part, body, box.end))
    keys = next((b for b in inner if b.kind == b"keys"), None)
    named = _located(part, keys, sweep) if keys else set()
    for held in inner:
        sweep.step()
        if held.kind == b"ilst":
            for value in boxes.boxes(part, held.body, held.end):
                sweep.step()
                if int.from_bytes(value.kind, "big") in named or value.kind in _PLACES:
                    _free(part, value, sweep)
        elif held.kind in (b"XMP_", b"xml "):
            sweep.run("xmp", part.part(held.body, held.end - held.body))


def _located(part: Part, keys: Box, sweep: Sweep) -> set[int]:
    """The numbers, from 1 on, of the keys that tell a place."""
    found, at = set(), keys.body + 8
    number = 0
    while at + 8 <= keys.end:
        sweep.step()
        number += 1
        size = part.number(at, 4) or 0
        if size < 8:
            break
        name = part.read(at + 8, min(size - 8, 256)).lower()
        if b"location" in name or b"gps" in name:
            found.add(number)
        at += size
    return found


def _items(part: Part, meta: Box, sweep: Sweep) -> None:
    """A picture's metadata. Where it would share bytes with the picture, or with what leads to it, it is let
    be: no writer does so."""
    found = boxes.items(part)
    if found is None:
        return
    sweep.step(len(found.kinds) + sum(map(len, found.places.values())))
    mine = {item: _ITEMS[kind] for item, kind in found.kinds.items() if kind in _ITEMS}
    if not mine:
        return
    others = [(meta.start, meta.start + 8)]
    others += [
        (start, start + size)
        for item, places in found.places.items()
        if item not in mine
        for start, size in places
    ]
    others += [
        (box.start, box.end)
        for box in boxes.boxes(part, meta.body + 4, meta.end)
        if box.kind != b"idat"
    ]
    taken = merged(others)
    for item, kind in mine.items():
        places = found.places.get(item, [])
        sweep.step(1 + len(places))
        if not places or any(_shares(place, taken) for place in places):
            continue
        held = Part.joined([part.part(start, size) for start, size in places])
        if kind == "exif":
            _exif(held, sweep)
        else:
            sweep.run("xmp", held)


def _shares(place: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    start, size = place
    n = bisect_right(taken, (start, start))
    before = n > 0 and taken[n - 1][1] > start
    return before or (n < len(taken) and taken[n][0] < start + size)


def _exif(held: Part, sweep: Sweep) -> None:
    """An EXIF block behind four bytes that say how far it is."""
    start = 4 + (held.number(0, 4) or 0)
    sweep.run("tiff", held.part(start, held.size))
