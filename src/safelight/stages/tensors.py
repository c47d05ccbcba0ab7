"""A safetensors file, read once from end to end: its hash, and of every tensor what can be wrong.

A file of 515 MB is as much work as one of 5 MB in memory: half a megabyte is looked at at a time, in
buffers that are made once. The sums are taken from the bits, at several times the speed of sha256
(`benchmarks/weights.py`).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from safelight import scratch
from safelight.domain.errors import BadArchive
from safelight.domain.texts import shown
from safelight.stages.tensor_header import PACKED, SAID, Declared, declare, read_header
from safelight.stages.tools import Pulse

CHUNK = 512 * 1024
MAX_FILE_BYTES = 32 * 1024**3
"""A file with a hole may say that it has exabytes, all of them zero, and be read for years."""

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
    bytes: int = 0
    value: float | None = None
    """Of a tensor that is one number, as an alpha is: that number."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A safetensors file: bytes, sha256 hex, the header's own notes, its tensors in file order."""

    bytes: int
    sha256: str
    metadata: dict[str, str]
    tensors: tuple[TensorFacts, ...]


def read(path: Path, pulse: Pulse | None = None) -> FileFacts:
    """Read the file once.

    Raises:
        BadArchive: it is not safetensors, its header does not hold together, or it is cut short.
        OwnDisk: our own disk fails.
    """
    with scratch.ours(path):
        size = path.stat().st_size
        file = FileIO(path)
    sha256 = hashlib.sha256()
    with file, scratch.ours(path):
        if size > MAX_FILE_BYTES:
            raise BadArchive(
                f"The weights have {size:,} bytes; at most {MAX_FILE_BYTES:,} are read."
            )
        header = read_header(file, size, sha256.update)
        metadata = header.pop("__metadata__", None) or {}
        declared = declare(header)
        end = declared[-1].end if declared else 0
        left = size - file.tell()
        if end != left:
            said = "are cut short" if left < end else "run on past their end"
            raise BadArchive(
                f"The weights {said}: their header declares {end:,} bytes of tensors and "
                f"{left:,} follow."
            )
        found = tuple(_scan(file, declared, sha256.update, pulse))
    return FileFacts(size, sha256.hexdigest(), _notes(metadata), found)


def notes(path: Path) -> dict[str, str]:
    """What the header says of the file, without looking at the tensors. BadArchive as `read`."""
    with scratch.ours(path), FileIO(path) as file:
        header = read_header(file, path.stat().st_size, _unhashed)
    return _notes(header.get("__metadata__") or {})


def _unhashed(_: bytes) -> None:
    """For whoever needs the header alone."""


def _notes(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The format has texts only; numbers are taken too, and what is neither is none."""
    plain = {k: v for k, v in metadata.items() if isinstance(v, str | int | float)}
    return {key: str(value) for key, value in plain.items()}


def _scan(
    file: FileIO,
    declared: list[Declared],
    hashed: Callable[[memoryview], None],
    pulse: Pulse | None,
) -> Iterator[TensorFacts]:
    buffer = memoryview(bytearray(CHUNK))
    summers = {name: make() for name, make in _SUMMERS.items()}
    for tensor in declared:
        look = summers.get(tensor.dtype)
        odd, squares, left = 0, 0.0, tensor.end - tensor.start
        value = None
        while left:
            if pulse is not None:
                pulse.check()
            piece = buffer[: min(left, CHUNK)]
            filled = 0
            while filled < len(piece):
                got = file.readinto(piece[filled:])
                if not got:
                    said = shown(tensor.name, most=SAID)
                    raise BadArchive(f"The weights end within {said}.")
                filled += got
            hashed(piece)
            if look is not None:
                more, sum_ = look(piece)
                odd, squares = odd + more, squares + sum_
            left -= filled
            if filled <= 8 and math.prod(tensor.shape) == 1:
                value = _single(tensor.dtype, bytes(piece))
        yield TensorFacts(
            tensor.name,
            tensor.dtype,
            tensor.shape,
            odd,
            math.nan if odd else math.sqrt(squares),
            tensor.end - tensor.start,
            value,
        )


def _single(dtype: str, data: bytes) -> float | None:
    if dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    packed = PACKED.get(dtype)
    return float(struct.unpack(packed, data)[0]) if packed else None


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
