"""Ranges of an open file, read as if they stood one after the other.

Metadata lies scattered over a photo's file: in segments, chunks, extents. A `Part` is such a place, or
several that belong together. Reading clips to it, so no offset of a hostile file leads out of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import BinaryIO, Literal

Order = Literal["little", "big"]

WINDOW = 1024 * 1024
"""Bytes that are looked through at once."""


class Part:
    """Some of *file*: *ranges* are (offset, length), in the order in which they are read.

    With *step* 2, every second byte of them only, from *first* on: text of ASCII in UTF-16.
    """

    def __init__(
        self, file: BinaryIO, ranges: Sequence[tuple[int, int]], *, step: int = 1, first: int = 0
    ) -> None:
        self.file = file
        self._ranges = [(start, length) for start, length in ranges if start >= 0 and length > 0]
        self._step, self._first = step, first
        self._ends = list(accumulate(length for _, length in self._ranges))
        self.size = (self._ends[-1] if self._ends else 0) // step

    @classmethod
    def whole(cls, file: BinaryIO) -> Part:
        """All of the file."""
        return cls(file, [(0, file.seek(0, 2))])

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """Parts of one file, one after the other."""
        ranges = [place for part in parts for place in part.places(0, part.size)]
        return cls(parts[0].file, ranges)

    def read(self, start: int, size: int) -> bytes:
        """At most *size* bytes from *start* on; fewer, or none, where the part ends."""
        if start < 0:
            return b""
        size = max(0, min(size, self.size - start))
        held = bytearray()
        for place, length in self._places(start * self._step, size * self._step):
            self.file.seek(place)
            held += self.file.read(length)
        return bytes(held[self._first :: self._step]) if self._step > 1 else bytes(held)

    def number(self, start: int, size: int, order: Order = "big") -> int | None:
        """The unsigned number of *size* bytes at *start*; None beyond the end."""
        data = self.read(start, size)
        return int.from_bytes(data, order) if len(data) == size else None

    def part(self, start: int, size: int) -> Part:
        """A part of this one, clipped to it."""
        start = max(0, start)
        size = max(0, min(size, self.size - start))
        ranges = list(self._places(start * self._step, size * self._step))
        return Part(self.file, ranges, step=self._step, first=self._first)

    def places(self, start: int, size: int) -> Iterator[tuple[int, int]]:
        """Where in the file the bytes lie: offset and length of each range, clipped to the part."""
        size = max(0, min(size, self.size - start))
        if self._step == 1:
            yield from self._places(start, size)
            return
        for place, length in self._places(start * self._step, size * self._step):
            yield from ((place + n, 1) for n in range(self._first, length, self._step))

    def find(self, what: bytes, start: int, end: int | None = None) -> int:
        """The first place of *what* from *start* on and before *end*; -1 for none. Read in windows, small
        ones first: most of what is looked for is near."""
        end = self.size if end is None else min(end, self.size)
        most = 256
        while start < end:
            size, most = min(most, end - start), min(most * 16, WINDOW)
            window = self.read(start, size + len(what) - 1)
            found = window.find(what)
            if found >= 0:
                return start + found if start + found < end else -1
            start += size
        return -1

    def write(self, start: int, data: bytes) -> None:
        """Put *data* in place of what is there; what would lie beyond the end is left out."""
        done = 0
        for place, length in self.places(start, len(data)):
            self.file.seek(place)
            self.file.write(data[done : done + length])
            done += length

    def fill(self, start: int, size: int, byte: bytes = b"\0") -> None:
        """Put *byte* in place of *size* bytes."""
        for place, length in self.places(start, size):
            self.file.seek(place)
            for _ in range(length // WINDOW):
                self.file.write(byte * WINDOW)
            self.file.write(byte * (length % WINDOW))

    def _places(self, start: int, size: int) -> Iterator[tuple[int, int]]:
        for n in range(bisect_right(self._ends, start), len(self._ranges)):
            if size <= 0:
                return
            place, length = self._ranges[n]
            skipped = start - (self._ends[n] - length)
            part = min(size, length - skipped)
            yield place + skipped, part
            start, size = start + part, size - part


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges (start, end) in order, those that touch as one, those without length left out."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
