"""The header of a safetensors file: JSON that says which tensors follow, of what type and where.

Whoever made the file wrote it, so it is held against bounds before anything follows from it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Any, TypeGuard

from safelight.domain.errors import BadArchive
from safelight.domain.lora import BYTES
from safelight.domain.plain_json import NotPlain, parse
from safelight.domain.texts import shown

MAX_HEADER_BYTES = 10 * 1024 * 1024
"""988 tensors take 0.13 MB of header; kohya's metadata may add a few MB."""
MAX_TENSORS = 50_000
"""The largest adapters of the largest models have some 10,000."""
MAX_NAME = 500
"""Characters of a tensor's name."""
MAX_DIMS = 8
_MAX_NODES = 5 * MAX_TENSORS
"""A tensor takes a table and two lists of the header."""
SAID = 120
"""Characters of a name in a message."""
_OTHERS = {
    b"PK\x03\x04": "a file of PyTorch's own: convert it to safetensors",
    b"\x80\x02": "a pickle: convert it to safetensors",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ": "an xz file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    b"GGUF": "GGUF: a LoRA in it is not read",
    b"version ": "a pointer of Git LFS: fetch the file itself",
    b"<": "a web page: the download was refused or has expired",
}
"""What people have in place of weights, by its first bytes."""


PACKED = {
    "F16": "<e", "F32": "<f", "F64": "<d", "BOOL": "<?",
    "I64": "<q", "I32": "<i", "I16": "<h", "I8": "<b",
    "U64": "<Q", "U32": "<I", "U16": "<H", "U8": "<B",
}  # fmt: skip
"""How one value of a type is packed."""
_WIDTHS = {**BYTES, **{dtype: struct.calcsize(packed) for dtype, packed in PACKED.items()}}


@dataclass(frozen=True, slots=True)
class Declared:
    """A tensor as the header has it; `start` and `end` count from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(file: FileIO, size: int, hashed: Callable[[bytes], None]) -> dict[str, Any]:
    """The header's table, `__metadata__` in it; *hashed* sees every byte. BadArchive."""
    first = file.read(8)
    length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise BadArchive(
            f"The weights do not open as safetensors: a header of {length:,} bytes in a file of "
            f"{size:,} (at most {MAX_HEADER_BYTES:,} are read).{_looks_like(first)}"
        )
    text = b""
    while len(text) < length and (more := file.read(length - len(text))):
        text += more
    hashed(first)
    hashed(text)
    try:
        header = parse(text, most=MAX_HEADER_BYTES, nodes=_MAX_NODES, unique=True)
    except NotPlain as error:
        raise BadArchive(
            f"The weights do not open as safetensors. Their header: {shown(str(error))}."
        ) from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict | None):
        raise BadArchive("The weights do not open as safetensors: the header is no table.")
    if len(header) > MAX_TENSORS:
        raise BadArchive(
            f"The weights' header names {len(header):,} tensors; at most {MAX_TENSORS:,} are read."
        )
    return header


def _looks_like(first: bytes) -> str:
    for magic, what in _OTHERS.items():
        if first.startswith(magic):
            return f" It looks like {what}."
    return ""


def declare(header: dict[str, Any]) -> list[Declared]:
    """The tensors in file order; BadArchive unless they fill it without gap or overlap."""
    found = [_entry(name, entry) for name, entry in header.items()]
    found.sort(key=lambda tensor: (tensor.start, tensor.end))
    place = 0
    for tensor in found:
        if tensor.start != place or tensor.end < place:
            raise BadArchive(
                f"The weights' header leaves a gap or an overlap at {shown(tensor.name, most=SAID)}."
            )
        place = tensor.end
    return found


def _entry(name: str, entry: Any) -> Declared:
    if len(name) > MAX_NAME:
        raise BadArchive(
            f"The weights' header has a name of {len(name):,} characters: {shown(name, most=SAID)}."
        )
    entry = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or len(dtype) > 20:
        raise _wrong(name, "its type is no word")
    if not _counts(shape) or len(shape) > MAX_DIMS:
        raise _wrong(name, f"its shape is no list of at most {MAX_DIMS} whole numbers")
    if not _counts(offsets) or len(offsets) != 2:
        raise _wrong(name, "its place is no pair of whole numbers")
    start, end = offsets
    width = _WIDTHS.get(dtype)
    if width is not None and end - start != width * math.prod(shape):
        raise BadArchive(
            f"The weights' header gives {shown(name, most=SAID)} {end - start:,} bytes; {dtype} of "
            f"shape {shape} takes {width * math.prod(shape):,}."
        )
    return Declared(name, dtype, tuple(shape), start, end)


def _wrong(name: str, why: str) -> BadArchive:
    return BadArchive(f"The weights' header is wrong about {shown(name, most=SAID)}: {why}.")


def _counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(number) is int and 0 <= number < 2**63 for number in value
    )
