"""Files that were photos once: cut, flipped, spliced, mislabelled, blown up. One seed, the same files."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, features

from tests.support import located, people

Mutation = Callable[[bytes, random.Random], bytes]


@cache
def originals() -> dict[str, bytes]:
    """Small whole photos, one of each kind that is read, with a face in them."""
    shot = people.Shot(people.person(2), *people.SPANS["medium"], size=(384, 512))
    picture = people.render(shot)
    exif = picture.getexif()
    exif[0x0112] = 6
    exif[0x010E] = "a photo"
    wide = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "jpeg": (picture, {"quality": 90, "exif": exif}),
        "progressive": (picture, {"quality": 80, "progressive": True, "icc_profile": b"x" * 300}),
        "cmyk": (picture.convert("CMYK"), {"quality": 85}),
        "png": (picture.convert("RGBA"), {}),
        "png16": (Image.fromarray(wide), {}),
        "palette": (picture.quantize(64), {}),
        "webp": (picture, {"quality": 80}),
        "gif": (picture.quantize(32), {"save_all": True, "append_images": [picture.quantize(16)]}),
        "tiff": (picture, {"compression": "tiff_lzw"}),
        "tiff-jpeg": (picture, {"compression": "jpeg"}),
        "bmp": (picture, {}),
        "turned-tiff": (picture, {"compression": "tiff_lzw", "tiffinfo": {0x0112: 6}}),
        "mpo": (picture, {"save_all": True, "append_images": [picture.reduce(4)], "quality": 85}),
        "located": (picture, {"quality": 85, "exif": b"Exif\0\0" + located.block(">")}),
    }
    if features.check("avif"):
        made["avif"] = (picture, {"quality": 60, "speed": 10, "exif": located.block()})
    formats = {
        "png16": "PNG",
        "palette": "PNG",
        "progressive": "JPEG",
        "cmyk": "JPEG",
        "tiff-jpeg": "TIFF",
        "turned-tiff": "TIFF",
        "located": "JPEG",
    }
    found = {}
    for name, (image, options) in made.items():
        held = io.BytesIO()
        image.save(held, formats.get(name, name.upper()), **options)
        found[name] = held.getvalue()
    return found


def cut(data: bytes, source: random.Random) -> bytes:
    """The first part only."""
    return data[: source.randrange(len(data))]


def flipped(data: bytes, source: random.Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 3, 10, 100))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def header_broken(data: bytes, source: random.Random) -> bytes:
    """Bytes of the first hundred replaced: sizes, depths, tables, counts."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 2, 6))):
        changed[source.randrange(min(100, len(changed)))] = source.choice((0, 1, 127, 128, 255))
    return bytes(changed)


def hole(data: bytes, source: random.Random) -> bytes:
    """A stretch of it zeroed, or taken out."""
    start = source.randrange(len(data))
    end = min(len(data), start + source.choice((1, 64, 4_000)))
    return data[:start] + (bytes(end - start) if source.random() < 0.5 else b"") + data[end:]


def spliced(data: bytes, source: random.Random) -> bytes:
    """The head of one photo, the tail of another of any kind."""
    other = source.choice(sorted(originals().values()))
    return data[: source.randrange(len(data))] + other[source.randrange(len(other)) :]


def mislabelled(data: bytes, source: random.Random) -> bytes:
    """The first bytes of another kind of file before it, or in place of its own."""
    magic = source.choice(
        (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBP",
         b"%PDF-1.7\n", b"PK\3\4", b"\0\0\0\x18ftypheic",
         b"\0\0\0\x1cftypmif1", b"\0\0\0\x18ftypavif", b"MM\0\x2b", b"8BPS\0\1",
         b"%!PS-Adobe-3.0\n", b"<svg/>")
    )  # fmt: skip
    return magic + data[source.choice((0, len(magic))) :]


def polyglot(data: bytes, source: random.Random) -> bytes:
    """A photo that is something else too: an archive, a page or a script after (or before) it."""
    more = source.choice(
        (
            b"PK\5\6" + bytes(18),
            b"<html><script>alert(1)</script>",
            b"#!/bin/sh\nexit 0\n",
            b"%PDF-1.4\n%%EOF",
        )
    )
    return more + data if source.random() < 0.3 else data + more


def bomb(_data: bytes, source: random.Random) -> bytes:
    """A small file that says it is a huge picture."""
    side = source.choice((9_999, 30_000, 65_500, 2**31 - 1))
    kind = source.randrange(4)
    if kind == 0:
        rows = zlib.compress(bytes(source.choice((100, 1_000_000))))
        head = struct.pack(
            ">IIBBBBB", side, side, source.choice((1, 8, 16)), source.choice((0, 2, 6)), 0, 0, 0
        )
        return (
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", head)
            + _chunk(b"IDAT", rows)
            + _chunk(b"IEND", b"")
        )
    if kind == 1:
        size = min(side, 65_535)
        return b"GIF89a" + struct.pack("<HHBBB", size, size, 0x80, 0, 0) + bytes(6) + b"," + struct.pack(
            "<HHHHB", 0, 0, size, size, 0) + b"\2\2\x4c\1\0;"  # fmt: skip
    if kind == 2:
        return b"BM" + struct.pack(
            "<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0
        )
    tags = (
        (256, side),
        (257, side),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 200),
        (277, 1),
        (278, side),
        (279, 99),
    )
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(300)


def noise(_data: bytes, source: random.Random) -> bytes:
    """Nothing that ever was a photo."""
    return source.randbytes(source.choice((0, 1, 11, 5_000)))


MUTATIONS: tuple[Mutation, ...] = (
    cut, cut, flipped, flipped, flipped, header_broken, header_broken, hole, spliced, mislabelled,
    polyglot, bomb, noise,
)  # fmt: skip


def mutants(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and contents."""
    source = random.Random(seed)
    names = sorted(originals())
    for number in range(count):
        name, mutation = source.choice(names), source.choice(MUTATIONS)
        data = mutation(originals()[name], source)
        if source.random() < 0.2:
            data = mutation(data, source) if data else data
        yield f"{number:05d}-{name}-{mutation.__name__}.{name}", data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
