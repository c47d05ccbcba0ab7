"""A plain tar, header by header: which files are in it and where their bytes lie. Nothing is extracted.

The standard library's reader believes what a header says before it looks: a pax header of gigabytes
is one read, a sparse member of 1.5 kB is 8 EiB, a size below zero leads back to where it was, and in
some of the releases we run on, a header of digits keeps a regular expression busy for hours. The
trainer's archive needs so little of the format that all of it can be checked as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO

from safelight.domain.errors import BadArchive
from safelight.domain.texts import shown

BLOCK = 512
MAX_HEADERS = 20_000
"""The trainer adds one caption a photo to its two files; a set of 10,000 photos has never been seen."""
MAX_NOTES_BYTES = 8 * 1024 * 1024
"""Of all long names and pax headers together: 400 bytes for each of `MAX_HEADERS`."""
MAX_LONG_BYTES = 64 * 1024
"""Of a name that does not fit into a header, and of a pax header: a path is 4,096 at most."""
_NUMBER_DIGITS = 19

_FILE = frozenset({b"0", b"\0", b"7"})
_NO_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
"""Links, devices, folders and pipes: whatever size they claim, no bytes follow."""
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK": "a zip",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar: its name as written, the bytes it has, and where they begin. A link, a folder
    or a device has none and is no `file`."""

    name: str
    size: int
    start: int
    file: bool


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with *head* (512 bytes) begins with the header of a tar."""
    return len(head) == BLOCK and _checks(head)


def members(file: FileIO, size: int) -> Iterator[Member]:
    """Every member of the tar in *file*, which has *size* bytes, in their order.

    Raises:
        BadArchive: it is no plain tar, is cut short, has too many headers, or one with a hole in it.
    """
    place, name, bytes_, more = 0, None, None, False
    notes = 0
    for number in range(MAX_HEADERS + 1):
        head = _read(file, place, min(BLOCK, size - place))
        if not head.strip(b"\0"):
            if more:
                raise _bad("it ends within a member's header")
            if number == 0:
                raise _bad("it is empty")
            return
        if len(head) < BLOCK or not _checks(head):
            raise _not_a_header(head, place)
        if number == MAX_HEADERS:
            raise _bad(f"it has over {MAX_HEADERS:,} members")
        kind = head[156:157]
        place += BLOCK
        data = _number(head[124:136])
        if kind in (b"L", b"K", b"x", b"X", b"g"):
            text = _long(file, place, data, size)
            notes += data
            if notes > MAX_NOTES_BYTES:
                raise _bad(f"its members' names and notes take over {MAX_NOTES_BYTES:,} bytes")
            if kind == b"L":
                name = text.rstrip(b"\0").decode("utf-8", "replace")
            elif kind in (b"x", b"X"):
                name, bytes_ = _pax(text, name, bytes_)
            elif kind == b"g":
                _pax(text, None, None)
            place += _padded(data)
            more = True
            continue
        if kind == b"S":
            raise _bad("it has a sparse member, which the trainer never writes")
        if bytes_ is not None:
            data = bytes_
        named = name if name is not None else _name(head)
        if kind in _NO_DATA:
            data = 0
        if data > size - place:
            raise _bad(
                f"it is cut short: {shown(named, most=80)} has {data:,} bytes and "
                f"{size - place:,} follow"
            )
        is_file = kind in _FILE and not (kind == b"\0" and named.endswith("/"))
        yield Member(named, data, place, is_file)
        place += _padded(data)
        name, bytes_, more = None, None, False


def _bad(why: str) -> BadArchive:
    return BadArchive(f"The trainer's archive cannot be read: {why}.")


def _not_a_header(head: bytes, place: int) -> BadArchive:
    if place:
        return _bad(f"at byte {place:,} there is no header of a tar")
    for magic, what in _COMPRESSED.items():
        if head.startswith(magic):
            return _bad(f"it is {what}, and the trainer's is a plain tar; unpack it first")
    return _bad("it is no tar")


def _read(file: FileIO, place: int, count: int) -> bytes:
    file.seek(place)
    found = b""
    while len(found) < count and (more := file.read(count - len(found))):
        found += more
    return found


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _checks(head: bytes) -> bool:
    """Whether the header's own sum is right; some writers took the bytes as signed."""
    try:
        said = int(head[148:156].strip(b" \0").decode("ascii") or "x", 8)
    except ValueError:
        return False
    rest = head[:148] + b" " * 8 + head[156:]
    return said in (sum(rest), sum(byte - 256 if byte > 127 else byte for byte in rest))


def _number(field: bytes) -> int:
    """A size: octal, or where the first bit is set, binary; never below zero."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise _bad("a member's size is below zero, or beyond all bounds")
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0", 1)[0].strip()
    if not text:
        return 0
    if not all(48 <= byte < 56 for byte in text):
        raise _bad(f"a member's size is {text!r}")
    return int(text, 8)


def _name(head: bytes) -> str:
    name = head[:100].split(b"\0", 1)[0]
    prefix = head[345:500].split(b"\0", 1)[0]
    if head[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return name.decode("utf-8", "replace")


def _long(file: FileIO, place: int, length: int, size: int) -> bytes:
    if length > MAX_LONG_BYTES:
        raise _bad(f"a member's name or notes take {length:,} bytes; {MAX_LONG_BYTES:,} are read")
    if length > size - place:
        raise _bad("it is cut short within a member's header")
    return _read(file, place, length)


def _pax(text: bytes, name: str | None, size: int | None) -> tuple[str | None, int | None]:
    """Name and size out of a pax header (``12 path=lora\\n``), where it has them."""
    while text.strip(b"\0"):
        digits, blank, _ = text[: _NUMBER_DIGITS + 1].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 2 < int(digits) <= len(text):
            raise _bad("the notes on a member do not hold together")
        record, text = text[len(digits) + 1 : int(digits) - 1], text[int(digits) :]
        key, _, value = record.partition(b"=")
        if key.startswith(b"GNU.sparse."):
            raise _bad("it has a sparse member, which the trainer never writes")
        if key == b"path":
            name = value.decode("utf-8", "replace")
        elif key == b"size":
            if not value.isdigit() or len(value) > _NUMBER_DIGITS:
                raise _bad(f"a member's size is {value[:40]!r}")
            size = int(value)
    return name, size
