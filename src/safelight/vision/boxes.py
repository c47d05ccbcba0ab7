"""The boxes of ISO's media files: HEIF and AVIF pictures, films, JPEG XL and JPEG 2000.

Read with bounds; a box that says it is longer than what holds it ends with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from safelight.vision.parts import Part

MOST_BOXES = 4096
"""Boxes in a row that are looked at."""
MOST_ITEMS = 4096
"""Items of a picture that are looked at; a phone's photo has about sixty tiles."""
MOST_EXTENTS = 8192


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its type, where it starts, and its content."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(part: Part, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes from *start* on, one after the other, as far as they make sense."""
    end = part.size if end is None else min(end, part.size)
    for _ in range(MOST_BOXES):
        head = part.read(start, 16)
        if len(head) < 8 or start + 8 > end:
            return
        size, body = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        stop = end if size == 0 else start + size
        if stop < body:
            return
        yield Box(head[4:8], start, body, min(stop, end))
        if stop >= end:
            return
        start = stop


def brands(part: Part) -> tuple[bytes, ...]:
    """The major and the compatible brands of a file that begins with ``ftyp``; none for another."""
    head = part.read(0, 8)
    if head[4:8] != b"ftyp":
        return ()
    size = int.from_bytes(head[:4], "big")
    data = part.read(8, min(size - 8 if size >= 16 else 256, 1024))
    found = [data[n : n + 4] for n in range(0, len(data) - 3, 4) if n != 4]  # 4: the version
    return tuple(found)


@dataclass(slots=True)
class Items:
    """What a picture's ``meta`` box tells: the items, where their bytes are, and what is said of them."""

    primary: int | None = None
    kinds: dict[int, bytes] = field(default_factory=dict)
    """Item → its type; ``mime`` ones by their content type."""
    places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Item → (offset in the file, length) of each extent."""
    properties: list[Box] = field(default_factory=list)
    of: dict[int, list[int]] = field(default_factory=dict)
    """Item → the places, from 1 on, of its `properties`."""

    def of_primary(self, kind: bytes) -> list[Box]:
        """The primary item's properties of a kind."""
        mine = self.of.get(self.primary, []) if self.primary is not None else []
        found = [self.properties[n - 1] for n in mine if 0 < n <= len(self.properties)]
        return [box for box in found if box.kind == kind]


def items(part: Part) -> Items | None:
    """The items of a picture; None for a file without a ``meta`` box at its top."""
    meta = next((box for box in boxes(part) if box.kind == b"meta"), None)
    if meta is None:
        return None
    found = Items()
    told: dict[bytes, Box] = {}
    for box in boxes(part, meta.body + 4, meta.end):
        told.setdefault(box.kind, box)  # a picture has one of each
    data = told[b"idat"].body if b"idat" in told else None
    for box in told.values():
        reader = _Reader(part, box.body, box.end)
        if box.kind == b"pitm":
            found.primary = reader.number(2 if reader.version() == 0 else 4)
        elif box.kind == b"iinf":
            _kinds(part, box, found)
        elif box.kind == b"iloc":
            _places(reader, found, data)
        elif box.kind == b"iprp":
            _properties(part, box, found)
    return found


class _Reader:
    """Numbers one after the other; zeros beyond the end."""

    def __init__(self, part: Part, at: int, end: int) -> None:
        self.part, self.at, self.end = part, at, end
        self.flags = 0

    def number(self, size: int) -> int:
        data = self.part.read(self.at, min(size, max(0, self.end - self.at)))
        self.at += size
        return int.from_bytes(data, "big") if len(data) == size else 0

    def version(self) -> int:
        """The version of a full box, its flags beside it."""
        word = self.number(4)
        self.flags = word & 0xFFFFFF
        return word >> 24

    @property
    def done(self) -> bool:
        return self.at >= self.end


def _kinds(part: Part, box: Box, found: Items) -> None:
    reader = _Reader(part, box.body, box.end)
    reader.number(2 if reader.version() == 0 else 4)
    for entry in boxes(part, reader.at, box.end):
        if entry.kind != b"infe" or len(found.kinds) >= MOST_ITEMS:
            continue
        info = _Reader(part, entry.body, entry.end)
        version = info.version()
        if version < 2:
            continue
        number = info.number(2 if version == 2 else 4)
        info.number(2)
        kind = part.read(info.at, 4)
        if kind == b"mime":
            texts = part.read(info.at + 4, min(300, entry.end - info.at - 4)).split(b"\0")
            kind = texts[1] if len(texts) > 1 else kind
        found.kinds[number] = kind


def _places(reader: _Reader, found: Items, data: int | None) -> None:
    version = reader.version()
    sizes = reader.number(2)
    wide, long, base_size, index = (sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15)
    count = reader.number(2 if version < 2 else 4)
    left = MOST_EXTENTS
    for _ in range(min(count, MOST_ITEMS)):
        if reader.done:
            return
        number = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        extents = []
        for _ in range(reader.number(2)):
            if reader.done:
                return
            left -= 1
            if left < 0:
                return
            if version and index:
                reader.number(index)
            start = reader.number(wide) + base
            length = reader.number(long) if long else reader.part.size - start  # none: to the end
            if method == 0:
                extents.append((start, length))
            elif method == 1 and data is not None:
                extents.append((data + start, length))
        found.places[number] = extents


def _properties(part: Part, box: Box, found: Items) -> None:
    left = MOST_ITEMS  # of all its tables: there may be several
    for inner in boxes(part, box.body, box.end):
        if inner.kind == b"ipco":
            found.properties = list(boxes(part, inner.body, inner.end))
        elif inner.kind == b"ipma":
            reader = _Reader(part, inner.body, inner.end)
            version = reader.version()
            wide = 2 if reader.flags & 1 else 1
            for _ in range(min(reader.number(4), left)):
                if reader.done:
                    break
                left -= 1
                number = reader.number(2 if version == 0 else 4)
                told = [reader.number(wide) for _ in range(reader.number(1))]
                found.of[number] = [n & (0x7FFF if wide == 2 else 0x7F) for n in told]
