"""A safetensors file, read once from end to end: its hash, and of every tensor what can be wrong.

A file of 515 MB is as much work as one of 5 MB in memory: half a megabyte is looked at at a time, in
buffers that are made once. The sums are taken from the bits, at several times the speed of sha256
(`benchmarks/weights.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from safelight.domain.errors import BadArchive
from safelight.domain.lora import BYTES

CHUNK = 512 * 1024
MAX_HEADER_BYTES = 10 * 1024 * 1024
"""988 tensors take 0.13 MB of header; kohya's metadata may add a few MB."""

Summer = Callable[[memoryview], tuple[int, float]]
"""Of some bytes of a tensor: how many values are NaN or infinite, and the sum of the squares."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor: its type and shape as declared, what is in it as read."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    not_finite: int
    norm: float
    """Frobenius norm; nan where a value is not finite."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A safetensors file: bytes, sha256 hex, the header's own notes, its tensors in file order."""

    bytes: int
    sha256: str
    metadata: dict[str, str]
    tensors: tuple[TensorFacts, ...]


@dataclass(frozen=True, slots=True)
class _Declared:
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read(path: Path) -> FileFacts:
    """Read the file once.

    Raises:
        BadArchive: it is not safetensors, its header does not hold together, or it is cut short.
    """
    size = path.stat().st_size
    sha256 = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            header = _header(file, size, sha256.update)
            metadata = header.pop("__metadata__", None) or {}
            declared = _declared(header)
            end = declared[-1].end if declared else 0
            left = size - file.tell()
            if end != left:
                said = "are cut short" if left < end else "run on past their end"
                raise BadArchive(
                    f"The weights {said}: their header declares {end:,} bytes of tensors and "
                    f"{left:,} follow."
                )
            found = tuple(_scan(file, declared, sha256.update))
    except OSError as error:
        raise BadArchive(f"The weights cannot be read: {error}.") from error
    notes = {str(key): str(value) for key, value in metadata.items()}
    return FileFacts(size, sha256.hexdigest(), notes, found)


def _header(file: FileIO, size: int, hashed: Callable[[bytes], None]) -> dict[str, Any]:
    first = file.read(8)
    length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise BadArchive(
            f"The weights do not open as safetensors: a header of {length:,} bytes in a file of "
            f"{size:,} (at most {MAX_HEADER_BYTES:,} are read)."
        )
    text = b""
    while len(text) < length and (more := file.read(length - len(text))):
        text += more
    hashed(first)
    hashed(text)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArchive(f"The weights do not open as safetensors: {error}.") from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict | None):
        raise BadArchive("The weights do not open as safetensors: the header is no table.")
    return header


def _declared(header: dict[str, Any]) -> list[_Declared]:
    """The tensors in file order; BadArchive unless they fill it without gap or overlap."""
    found = []
    for name, entry in header.items():
        try:
            dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers = (*shape, start, end)
            if not all(type(number) is int and number >= 0 for number in numbers):
                raise BadArchive(f"The weights' header is wrong about {name}: {entry!r:.200}.")
        except (TypeError, KeyError, ValueError) as error:
            raise BadArchive(f"The weights' header is wrong about {name}: {error}.") from error
        if end - start != BYTES.get(dtype, 0) * math.prod(shape) and dtype in BYTES:
            raise BadArchive(
                f"The weights' header gives {name} {end - start:,} bytes; {dtype} of shape "
                f"{list(shape)} takes {BYTES[dtype] * math.prod(shape):,}."
            )
        found.append(_Declared(name, str(dtype), tuple(shape), start, end))
    found.sort(key=lambda tensor: (tensor.start, tensor.end))
    place = 0
    for tensor in found:
        if tensor.start != place or tensor.end < place:
            raise BadArchive(f"The weights' header leaves a gap or an overlap at {tensor.name}.")
        place = tensor.end
    return found


def _scan(
    file: FileIO, declared: list[_Declared], hashed: Callable[[memoryview], None]
) -> Iterator[TensorFacts]:
    buffer = memoryview(bytearray(CHUNK))
    summers = {name: make() for name, make in _SUMMERS.items()}
    for tensor in declared:
        look = summers.get(tensor.dtype)
        odd, squares, left = 0, 0.0, tensor.end - tensor.start
        while left:
            piece = buffer[: min(left, CHUNK)]
            filled = 0
            while filled < len(piece):
                got = file.readinto(piece[filled:])
                if not got:
                    raise BadArchive(f"The weights end within {tensor.name}.")
                filled += got
            hashed(piece)
            if look is not None:
                more, sum_ = look(piece)
                odd, squares = odd + more, squares + sum_
            left -= filled
        norm = math.nan if odd else math.sqrt(squares)
        yield TensorFacts(tensor.name, tensor.dtype, tensor.shape, odd, norm)


def _half() -> Summer:
    """fp16 by its bits: shifted by 13 they are a float32 that is 2^112 too small, exactly."""
    plain = np.empty(CHUNK // 2, np.uint16)
    wide = np.empty(CHUNK // 2, np.uint32)
    scale = np.float32(2.0**112)

    def look(piece: memoryview) -> tuple[int, float]:
        bits = np.frombuffer(piece, np.uint16)
        size = len(bits)
        magnitude = np.bitwise_and(bits, 0x7FFF, out=plain[:size])
        if int(magnitude.max()) >= 0x7C00:
            return int(np.count_nonzero(magnitude >= 0x7C00)), math.nan
        shifted = wide[:size]
        np.copyto(shifted, magnitude)
        np.left_shift(shifted, 13, out=shifted)
        values = shifted.view(np.float32)
        values *= scale
        return 0, float(np.dot(values, values))

    return look


def _through(widen: Callable[[memoryview], np.ndarray]) -> Callable[[], Summer]:
    """By way of float64: slower, for the types that the trainer does not write."""

    def make() -> Summer:
        def look(piece: memoryview) -> tuple[int, float]:
            with np.errstate(all="ignore"):
                values = widen(piece).astype(np.float64)
                odd = int(np.count_nonzero(~np.isfinite(values)))
                return odd, math.nan if odd else float(np.dot(values, values))

        return look

    return make


def _bf16(piece: memoryview) -> np.ndarray:
    wide = np.frombuffer(piece, np.uint16).astype(np.uint32)
    return np.left_shift(wide, 16).view(np.float32)


def _e5m2(piece: memoryview) -> np.ndarray:
    """fp8 of five exponent bits is the upper byte of fp16."""
    wide = np.frombuffer(piece, np.uint8).astype(np.uint16)
    return np.left_shift(wide, 8).view(np.float16)


def _e4m3_values() -> np.ndarray:
    """fp8 of four exponent bits (bias 7, no infinity, NaN where all bits are set): all 256 values."""
    bits = np.arange(256)
    exponent, mantissa = (bits >> 3) & 15, bits & 7
    value = np.where(
        exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent.astype(float) - 10)
    )
    value = np.where(bits & 0x7F == 0x7F, np.nan, value)
    return np.where(bits & 0x80, -value, value)


_E4M3 = _e4m3_values()

_SUMMERS: dict[str, Callable[[], Summer]] = {
    "F16": _half,
    "BF16": _through(_bf16),
    "F32": _through(lambda piece: np.frombuffer(piece, np.float32)),
    "F64": _through(lambda piece: np.frombuffer(piece, np.float64)),
    "F8_E5M2": _through(_e5m2),
    "F8_E4M3": _through(lambda piece: _E4M3[np.frombuffer(piece, np.uint8)]),
}
