"""Location in a TIFF, or in the EXIF block of another format: the GPS directory, and maps' coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from safelight.vision import tiffs
from safelight.vision.location.sweep import Sweep
from safelight.vision.parts import Part, merged
from safelight.vision.tiffs import Directory, Entry, Tiff

_OTHERS = {700: "xmp", 33723: "iptc", 34377: "photoshop"}
_GEO = {33550, 33920, 33922, 34264, 34735, 34736, 34737}
"""GeoTIFF's tags: where the picture lies on a map."""
_STARTS = {273: 279, 324: 325, 0x0201: 0x0202}
"""Where pixels are → how many bytes they have: strips, tiles, a preview."""
_PREVIEW, _PREVIEW_SIZE = 0x0201, 0x0202
_MOST_GPS = 256
"""Entries of a GPS directory; there are 32 tags."""
_MOST_VALUE = 64 * 1024
"""Bytes of one value of it."""

Range = tuple[int, int]


def clean(part: Part, sweep: Sweep) -> None:
    """Take the location out of the TIFF in *part*. What other tags and the pixels use stays as it is."""
    tiff = Tiff.open(part)
    if tiff is None:
        return
    directories = list(_directories(tiff, sweep))
    away = {directory.start: _located(directory) for directory in directories}
    if any(away.values()):
        gone = [
            piece
            for entries in away.values()
            for entry in entries
            for piece in _pieces(tiff, entry, away, sweep)
        ]
        for start, end in _without(merged(gone), merged(_kept(tiff, directories, away, sweep))):
            sweep.fill(part, start, end - start)
        for directory in directories:
            _drop(tiff, directory, away[directory.start], sweep)
    for directory in directories:
        _within(tiff, directory, sweep)


def _directories(tiff: Tiff, sweep: Sweep) -> Iterator[Directory]:
    """Each directory once: the chain, and those below it."""
    todo, seen = [tiff.first], set[int]()
    while todo and len(seen) < tiffs.MOST_DIRECTORIES:
        at = todo.pop(0)
        directory = None if at in seen else tiff.directory(at)
        if directory is None:
            continue
        seen.add(at)
        sweep.step(1 + len(directory.entries))
        for entry in directory.entries:
            if entry.tag in (tiffs.EXIF, tiffs.INTEROP, tiffs.SUB_IFDS):
                todo += tiff.values(entry)
        todo.append(directory.following)
        yield directory


def _located(directory: Directory) -> list[Entry]:
    return [entry for entry in directory.entries if entry.tag == tiffs.GPS or entry.tag in _GEO]


def _pieces(
    tiff: Tiff, entry: Entry, known: Mapping[int, list[Entry]], sweep: Sweep
) -> Iterator[Range]:
    """The bytes that an entry's location takes. A pointer to one of the *known* directories is none to a
    place."""
    if entry.tag in _GEO:
        sweep.found["exif"] += 1
        if not entry.inside:
            yield entry.at, entry.at + min(entry.size, _MOST_VALUE)
        return
    for at in tiff.values(entry, 1) or [tiff.number(entry.at, tiff.pointer_size) or 0]:
        below = None if at in known else tiff.directory(at)
        if below is None:
            continue
        entries = below.entries[:_MOST_GPS]
        sweep.step(1 + len(entries))
        sweep.found["exif"] += len(entries)
        size = tiff.head_size + len(entries) * tiff.entry_size
        whole = len(entries) == len(below.entries)
        yield at, at + (below.size if whole else size)
        for inner in entries:
            if not inner.inside:
                yield inner.at, inner.at + min(inner.size, _MOST_VALUE)


def _kept(
    tiff: Tiff, directories: list[Directory], away: Mapping[int, list[Entry]], sweep: Sweep
) -> Iterator[Range]:
    """What the header, the directories, other entries and the pixels take."""
    yield 0, 16 if tiff.wide else 8
    for directory in directories:
        yield directory.start, directory.start + directory.size
        dropped = {entry.place for entry in away[directory.start]}
        for entry in directory.entries:
            if not entry.inside and entry.place not in dropped:
                yield entry.at, entry.at + entry.size
        yield from _pixels(tiff, directory, sweep)


def _pixels(tiff: Tiff, directory: Directory, sweep: Sweep) -> Iterator[Range]:
    told = {entry.tag: entry for entry in directory.entries}
    for starts, sizes in _STARTS.items():
        if starts not in told or sizes not in told:
            continue
        first = 0
        while places := _some(tiff, told[starts], first):
            sweep.step(len(places))
            lengths = _some(tiff, told[sizes], first)
            yield from ((p, p + n) for p, n in zip(places, lengths, strict=False))
            first += len(places)


def _some(tiff: Tiff, entry: Entry, first: int) -> list[int]:
    """Values of an entry from the one numbered *first* on, at most 4,096."""
    size = tiffs.SIZES.get(entry.kind, 1)
    count = max(0, min(4096, entry.count - first))
    return tiff.values(replace(entry, at=entry.at + first * size, count=count), count)


def _without(ranges: list[Range], kept: list[Range]) -> Iterator[Range]:
    """The ranges without what is kept; both in order."""
    n = 0
    for begin, end in ranges:
        start = begin
        while n < len(kept) and kept[n][1] <= start:
            n += 1
        at = n
        while at < len(kept) and kept[at][0] < end:
            if start < kept[at][0]:
                yield start, kept[at][0]
            start = max(start, kept[at][1])
            at += 1
        if start < end:
            yield start, end


def _drop(tiff: Tiff, directory: Directory, away: list[Entry], sweep: Sweep) -> None:
    """Take entries out of a directory: those behind move up, and nulls fill its end. Where it does not hold
    all of its entries, theirs point nowhere instead."""
    if not away:
        return
    part, size, head = tiff.part, tiff.entry_size, tiff.head_size
    count = tiff.number(directory.start, head) or 0
    table = part.read(directory.start + head, directory.size - head)
    if count != len(directory.entries) or len(table) != directory.size - head:
        for entry in away:
            if entry.inside:
                sweep.fill(part, entry.at, tiff.pointer_size)
            else:
                sweep.fill(part, entry.place + size - tiff.pointer_size, tiff.pointer_size)
        return
    places = {entry.place for entry in away}
    kept = [
        table[entry.place - directory.start - head :][:size]
        for entry in directory.entries
        if entry.place not in places
    ]
    following = table[-tiff.pointer_size :]
    number = len(kept).to_bytes(head, tiff.order)
    data = number + b"".join(kept) + following
    sweep.write(part, directory.start, data.ljust(directory.size, b"\0"))


def _within(tiff: Tiff, directory: Directory, sweep: Sweep) -> None:
    """Other kinds of metadata in a directory, and a preview with metadata of its own."""
    told = {entry.tag: entry for entry in directory.entries}
    for tag, kind in _OTHERS.items():
        if tag in told and not told[tag].inside:
            sweep.run(kind, tiff.part.part(told[tag].at, told[tag].size))
    if _PREVIEW in told and _PREVIEW_SIZE in told:
        starts, sizes = tiff.values(told[_PREVIEW], 1), tiff.values(told[_PREVIEW_SIZE], 1)
        if starts and sizes:
            sweep.run("jpeg", tiff.part.part(starts[0], sizes[0]))
