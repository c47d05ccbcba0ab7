"""The same small picture in the dialects of photos: formats, packings, orientations, colours, containers."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, TiffImagePlugin

ORIENTATION = 0x0112
SIZE = (72, 48)
"""Width and height of `quarters`, upright."""

_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
COLOURS = ((220, 30, 30), (30, 200, 40), (40, 60, 220), (230, 220, 50))


def quarters(size: tuple[int, int] = SIZE) -> Image.Image:
    """Red, green, blue and yellow quarters: how it is turned can be seen at its four middles."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = COLOURS[:2]
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = COLOURS[2:]
    return Image.fromarray(pixels)


def is_upright(image: Image.Image, off: int = 40) -> bool:
    """Whether an image shows `quarters` the right way up."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return all(np.abs(pixels[p] - c).max() < off for p, c in zip(places, COLOURS, strict=True))


def lying(orientation: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """`quarters` as a camera stores it that was held so."""
    back = _BACK.get(orientation)
    return quarters(size) if back is None else quarters(size).transpose(back)


def exif(orientation: int | None) -> Image.Exif:
    """An EXIF block with an orientation, or with none."""
    tags = Image.Exif()
    tags[0x010F] = "A camera"
    if orientation is not None:
        tags[ORIENTATION] = orientation
    return tags


def xmp(orientation: int) -> bytes:
    """An XMP packet with an orientation."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


Save = Callable[[Image.Image, Path, int], None]


def _plain(**options: Any) -> Save:
    return lambda image, path, turn: image.save(path, exif=exif(turn), **options)


def _tiff(**options: Any) -> Save:
    return lambda image, path, turn: image.save(path, tiffinfo={ORIENTATION: turn}, **options)


def _mpo(image: Image.Image, path: Path, turn: int) -> None:
    other = Image.new("RGB", image.size, "black")
    image.save(path, "MPO", save_all=True, append_images=[other], exif=exif(turn), quality=95)


def _exif_behind(image: Image.Image, path: Path, turn: int) -> None:
    """A PNG whose EXIF block stands behind the pixels, as the format allows."""
    held = io.BytesIO()
    image.save(held, "PNG")
    data = held.getvalue()
    block = exif(turn).tobytes().removeprefix(b"Exif\0\0")
    path.write_bytes(data[:-12] + png_chunk(b"eXIf", block) + data[-12:])


def _raw_profile(image: Image.Image, path: Path, turn: int) -> None:
    """A PNG with EXIF as ImageMagick writes it: in hexadecimal, within a packed text."""
    held = io.BytesIO()
    image.save(held, "PNG")
    data = held.getvalue()
    path.write_bytes(data[:33] + raw_profile(exif(turn).tobytes()) + data[33:])


def raw_profile(block: bytes) -> bytes:
    """The chunk that ImageMagick puts an EXIF block into."""
    lines = [block.hex()[n : n + 72] for n in range(0, 2 * len(block), 72)]
    text = f"\nexif\n{len(block):8}\n" + "\n".join(lines) + "\n"
    return png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text.encode()))


def _heic(image: Image.Image, path: Path, turn: int) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    image.save(path, "HEIF", quality=95, exif=exif(turn).tobytes())


def _tiled(image: Image.Image, path: Path, turn: int) -> None:
    path.write_bytes(tiff(np.asarray(image), extra={ORIENTATION: (3, [turn])}, tile=48))


def _second_directory(image: Image.Image, path: Path, turn: int) -> None:
    """Two pages, of which the second says that it is turned otherwise."""
    # Into memory: Pillow's writer closes itself again when it is collected, and Python 3.14 reports
    # that this fails where the file is closed by then.
    held = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(held, new=True) as pages:
        for page, how in ((image, turn), (Image.new("RGB", (30, 20)), 3)):
            page.save(pages, "TIFF", tiffinfo={ORIENTATION: how})
            pages.newFrame()
    path.write_bytes(held.getvalue())


ORIENTED: dict[str, Save] = {
    "jpg": _plain(quality=95),
    "progressive.jpg": _plain(quality=95, progressive=True),
    "mpo.jpg": _mpo,
    "png": _plain(),
    "behind.png": _exif_behind,
    "raw-profile.png": _raw_profile,
    "webp": _plain(lossless=True),
    "lossy.webp": _plain(quality=95),
    "avif": _plain(quality=95, subsampling="4:4:4"),
    "tif": _tiff(),
    "lzw.tif": _tiff(compression="tiff_lzw"),
    "deflate.tif": _tiff(compression="tiff_adobe_deflate"),
    "jpeg.tif": _tiff(compression="jpeg", quality=95),
    "big.tif": _tiff(big_tiff=True),
    "tiled.tif": _tiled,
    "pages.tif": _second_directory,
    "heic": _heic,
}
"""How a picture is stored with an orientation, by what the file's name ends in."""


def tiff(
    pixels: np.ndarray,
    *,
    photometric: int | None = None,
    extra: dict[int, tuple[int, list[int]]] | None = None,
    tile: int | None = None,
    order: Literal["<", ">"] = "<",
    sample_format: int | None = None,
) -> bytes:
    """A plain TIFF of an array (height, width[, samples]) of any type; *extra*: tag → (type, values)."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width, samples = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    typed = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(order)))
    if tile is None:
        strips = [typed.tobytes()]
    else:
        across, down = -(-width // tile), -(-height // tile)
        padded = np.zeros((down * tile, across * tile, samples), typed.dtype)
        padded[:height, :width] = typed
        strips = [
            padded[y : y + tile, x : x + tile].tobytes()
            for y in range(0, down * tile, tile)
            for x in range(0, across * tile, tile)
        ]
    default = {1: 1, 2: 1, 3: 2, 4: 2}.get(samples, 1)
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [typed.dtype.itemsize * 8] * samples),
        259: (3, [1]),
        262: (3, [default if photometric is None else photometric]),
        277: (3, [samples]),
        284: (3, [1]),
        339: (3, [kind if sample_format is None else sample_format] * samples),
    }
    if tile is None:
        tags |= {273: (4, [0]), 278: (4, [height]), 279: (4, [len(strips[0])])}
    else:
        tags |= {322: (4, [tile]), 323: (4, [tile])}
        tags |= {324: (4, [0] * len(strips)), 325: (4, [len(s) for s in strips])}
    tags |= extra or {}
    size = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
    at = 8 + 2 + 12 * len(tags) + 4
    values: dict[int, bytes] = {}
    starts: dict[int, int] = {}
    letters = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}

    def packed(tag: int) -> bytes:
        form, numbers = tags[tag]
        return struct.pack(f"{order}{len(numbers)}{letters[form]}", *numbers)

    for tag in sorted(tags):
        values[tag] = packed(tag)
        if len(values[tag]) > 4:
            starts[tag], at = at, at + len(values[tag]) + len(values[tag]) % 2
    pointer = 273 if tile is None else 324
    places = []
    for strip in strips:
        places.append(at)
        at += len(strip)
    tags[pointer] = (4, places)
    values[pointer] = packed(pointer)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    body = b""
    for tag in sorted(tags):
        form, numbers = tags[tag]
        told = values[tag]
        where = told.ljust(4, b"\0") if len(told) <= 4 else struct.pack(f"{order}I", starts[tag])
        head += struct.pack(f"{order}HHI", tag, form, len(numbers)) + where
        body += told + bytes(len(told) % 2) if len(told) > 4 else b""
        assert len(told) == len(numbers) * size[form]
    return head + bytes(4) + body + b"".join(strips)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, chunk: bytes) -> bytes:
    """A PNG with a chunk right behind its header."""
    return png[:33] + chunk + png[33:]
