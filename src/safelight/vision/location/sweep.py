"""What goes through a file and takes the location out: its bounds, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from safelight.vision.parts import Part

MOST_STEPS = 300_000
"""Entries, segments, chunks, boxes and properties of one file that are looked at. A photo has some
hundreds, a hostile file as many as it likes."""
DEEPEST = 4
"""Pictures within pictures: a preview within the EXIF block of a second picture behind the first."""


class Exhausted(Exception):
    """There is more in the file than a photo can have; what came first has been dealt with."""


class Sweep:
    """One pass over a file. A *dry* one changes nothing and only counts.

    `found` is how many properties there were, by where: ``exif`` (tags), ``xmp`` (properties), ``iptc``
    (fields), ``film`` (boxes), ``text`` (of a PNG). *cleaners* is what deals with each kind of place, by
    name, so that none needs to know the others.
    """

    def __init__(self, cleaners: Mapping[str, Cleaner], *, dry: bool = False) -> None:
        self.dry = dry
        self.found: Counter[str] = Counter()
        self.changes = 0
        self._cleaners = cleaners
        self._left = MOST_STEPS
        self._depth = 0

    def run(self, kind: str, part: Part) -> None:
        """Take the location out of a part of a kind; nothing is done too deep within others."""
        if self._depth >= DEEPEST:
            return
        self._depth += 1
        try:
            self._cleaners[kind](part, self)
        finally:
            self._depth -= 1

    def step(self, count: int = 1) -> None:
        """Something was looked at. `Exhausted` when it is enough."""
        self._left -= count
        if self._left < 0:
            raise Exhausted

    def fill(self, part: Part, start: int, size: int, byte: bytes = b"\0") -> None:
        """Put *byte* in place of *size* bytes."""
        self.changes += 1
        if not self.dry:
            part.fill(start, size, byte)

    def write(self, part: Part, start: int, data: bytes) -> None:
        """Put *data* in place of as many bytes."""
        self.changes += 1
        if not self.dry:
            part.write(start, data)


Cleaner = Callable[[Part, Sweep], object]
