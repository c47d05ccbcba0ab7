"""The directories of a TIFF: of a photo, of a raw photo, or of the EXIF block in another format.

Read with bounds and no more than is asked for; nothing here decodes a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from safelight.vision.parts import Order, Part

MOST_ENTRIES = 4096
"""Entries of one directory that are looked at; a camera writes under two hundred."""
MOST_DIRECTORIES = 64
"""Directories of one file that are looked at."""

SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
"""Bytes of one value, by the type's number."""
_WHOLE = {1, 3, 4, 13, 16, 18}
"""The types of whole numbers without a sign, those that point among them."""

_MAGICS = {42, 43, 0x4F52, 0x5352, 0x55}
"""The number behind the byte order: TIFF, BigTIFF, and the raw photos of Olympus (two) and Panasonic."""

EXIF, GPS, INTEROP, SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x014A


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory: `place` is where it stands, `at` where its value does, `size` the
    value's bytes (not clipped to the part), `inside` whether the value stands in the entry itself."""

    tag: int
    kind: int
    count: int
    place: int
    at: int
    size: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory: where it starts, its entries, its size in bytes with the pointer to the next."""

    start: int
    entries: tuple[Entry, ...]
    size: int
    following: int


class Tiff:
    """A TIFF's header. `first` is the first directory."""

    def __init__(self, part: Part, *, order: Order, wide: bool, first: int) -> None:
        self.part, self.order, self.wide, self.first = part, order, wide, first

    @classmethod
    def open(cls, part: Part) -> Tiff | None:
        """None for what has no TIFF's header."""
        head = part.read(0, 16)
        if len(head) < 8 or head[:2] not in (b"II", b"MM"):
            return None
        order: Order = "little" if head[:2] == b"II" else "big"
        magic = int.from_bytes(head[2:4], order)
        if magic not in _MAGICS:
            return None
        wide = magic == 43
        first = part.number(8 if wide else 4, 8 if wide else 4, order)
        return cls(part, order=order, wide=wide, first=first or 0)

    @property
    def entry_size(self) -> int:
        """Bytes of an entry."""
        return 20 if self.wide else 12

    @property
    def head_size(self) -> int:
        """Bytes of the number of entries before them."""
        return 8 if self.wide else 2

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer."""
        return 8 if self.wide else 4

    def number(self, start: int, size: int) -> int | None:
        """An unsigned number in the file's byte order."""
        return self.part.number(start, size, self.order)

    def directory(self, start: int) -> Directory | None:
        """The directory at *start*; None where none can be. One that is cut off has the entries there are."""
        count = self.number(start, self.head_size) if start > 0 else None
        if count is None:
            return None
        count = min(count, MOST_ENTRIES)
        data = self.part.read(start + self.head_size, count * self.entry_size)
        entries = [
            self._entry(data, n * self.entry_size, start + self.head_size)
            for n in range(len(data) // self.entry_size)
        ]
        size = self.head_size + count * self.entry_size + self.pointer_size
        following = self.number(start + size - self.pointer_size, self.pointer_size) or 0
        return Directory(start, tuple(entries), size, following)

    def _entry(self, data: bytes, at: int, base: int) -> Entry:
        def number(start: int, size: int) -> int:
            piece = data[at + start : at + start + size]
            return int.from_bytes(piece, self.order)

        tag, kind = number(0, 2), number(2, 2)
        count = number(4, self.pointer_size)
        size = SIZES.get(kind, 1) * count
        value = 4 + self.pointer_size
        inside = size <= self.pointer_size
        where = base + at + value if inside else number(value, self.pointer_size)
        return Entry(tag, kind, count, base + at, where, size, inside)

    def values(self, entry: Entry, most: int = 16) -> list[int]:
        """The first whole numbers of an entry; none for another type."""
        if entry.kind not in _WHOLE:
            return []
        size = SIZES[entry.kind]
        data = self.part.read(entry.at, min(entry.count, most) * size)
        return [
            int.from_bytes(data[n : n + size], self.order)
            for n in range(0, len(data) - size + 1, size)
        ]

    def text(self, entry: Entry, most: int = 64) -> str:
        """The text of an entry."""
        return self.part.read(entry.at, min(entry.size, most)).split(b"\0")[0].decode("latin-1")
