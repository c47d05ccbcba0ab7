"""Opening untrusted photos with Pillow: which formats, how many pixels, and faults under one name.

Every fault comes out as `Undecodable` with its kind; Pillow itself raises a dozen different things.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from safelight import scratch
from safelight.domain.photos import MAX_PIXELS, Undecodable

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is tried. Not all that Pillow has: its EPS reader, for one, starts Ghostscript.
Pillow's JPEG reader also takes MPO, which phones write."""

_NO_CANVAS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "HEIF")
"""Formats that Pillow opens without taking memory for the pixels. WebP's reader takes two canvases."""

_BYTES_A_PIXEL = {"JPEG": 2, "WEBP": 16, "HEIF": 10}
"""What a pixel takes while it is decoded; 4 where nothing is said. A JPEG is read at a fraction of its
size, but one saved progressively keeps its coefficients. WebP's reader is that of animations: two canvases,
a frame, and Pillow's own (16.4 measured). HEIF's has planes, a copy in RGB, and Pillow's own (9.1)."""

_MEMORY_MAY_LACK = 200_000_000
"""Bytes from which a decoder that keeps all of a photo twice may not get the memory."""

OUT_OF_MEMORY = "it needs more memory than a photo may take"

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"WEBP", 8, "webp"),
    (b"GIF8", 0, "gif"),
    (b"BM", 0, "bmp"),
    (b"II*\x00", 0, "tiff"),
    (b"MM\x00*", 0, "tiff"),
    (b"ftyphe", 4, "heic"),
    (b"ftypmif1", 4, "heic"),
    (b"ftypmsf1", 4, "heic"),
    (b"ftypavif", 4, "avif"),
    (b"8BPS", 0, "psd"),
    (b"%PDF", 0, "pdf"),
    (b"%!PS", 0, "eps"),
    (b"<svg", 0, "svg"),
    (b"\x00\x00\x00\x0cJXL ", 0, "jxl"),
    (b"\x00\x00\x00\x0cjP  ", 0, "jpeg2000"),
)
_READ = frozenset({"jpeg", "png", "webp", "gif", "bmp", "tiff"})


def readable_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read: HEIC only where pillow-heif is installed."""
    try:
        import pillow_heif  # noqa: PLC0415 - an extra: absent is a supported state
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


@contextmanager
def open_photo(path: Path) -> Iterator[Image.Image]:
    """The photo at *path*, its header read and its pixels not yet; `Undecodable` for any fault.

    Faults inside the ``with`` block (the decoding itself) come out as `Undecodable` too.
    """
    sniffed = sniff(path)
    # Pillow keeps its limit in its module; above it, it only warns unless warnings are errors.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=readable_formats()) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(sniffed, image.size)
                yield image
        except Undecodable:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(sniffed, header(path)[:2], str(error)) from error
        except UnidentifiedImageError as error:
            raise _unidentified(path, sniffed) from error
        except MemoryError as error:
            raise Undecodable("overrun", OUT_OF_MEMORY, format=sniffed) from error
        except Exception as error:  # decoders raise whatever a broken file leads to
            if scratch.is_own(error):
                raise  # our disk is full, or fails: a good photo stays one
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            cut = re.search(
                r"truncat|unexpected end|not enough (?:image )?data", text, re.IGNORECASE
            )
            kind = "truncated" if cut else "undecodable"
            size = header(path)[:2]
            if kind == "undecodable" and decoding_bytes(path) >= _MEMORY_MAY_LACK:
                # Some decoders call it a broken stream when they get no memory.
                kind = "overrun"
                text = f"{text[:100]}; or {size[0]:,} × {size[1]:,} pixels need too much memory"
            raise Undecodable(kind, text[:200], format=sniffed) from error


def sniff(path: Path) -> str | None:
    """The format a file's first bytes claim, in lower case; None for none that is known."""
    with path.open("rb") as file:
        head = file.read(16)
    for magic, offset, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    return None


def header(path: Path) -> tuple[int, int, str | None]:
    """Width, height and Pillow's name of the format by the header alone; (0, 0, None) if unreadable."""
    Image.MAX_IMAGE_PIXELS = None
    try:
        if sniff(path) == "webp":
            return *_webp_size(path), "WEBP"
        formats = [name for name in readable_formats() if name in _NO_CANVAS]
        with Image.open(path, formats=formats) as image:
            return image.width, image.height, image.format
    except Exception:  # noqa: BLE001 - what is wrong with the file is for the decoding to say
        return (0, 0, None)
    finally:
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def decoding_bytes(path: Path) -> int:
    """The memory that decoding it takes, about, by its header; 0 if that is unreadable."""
    width, height, format = header(path)
    return width * height * _BYTES_A_PIXEL.get(format or "", 4)


def _webp_size(path: Path) -> tuple[int, int]:
    """Width and height by the first chunk: extended (`VP8X`), lossless (`VP8L`) or lossy (`VP8 `)."""
    with path.open("rb") as file:
        head = file.read(30)
    chunk = head[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = head[26:28], head[28:30]
    return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse the photo
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned as its EXIF orientation says."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel: 16-bit grey is scaled (Pillow's own convert clips it)."""
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.mode in {"I", "F"}:
        detail = f"32 bits a pixel, Pillow mode {image.mode}"
        raise Undecodable("unsupported-format", detail, format=(image.format or "").lower() or None)
    return image.convert("L") if image.mode == "1" else image


def shrunk(image: Image.Image, max_side: int) -> Image.Image:
    """The image with 8 bits a channel and no palette, its longest side at most *max_side* pixels.

    Comes before anything else is done to the pixels: what follows costs a fraction of the memory and
    the time. Nothing is enlarged.
    """
    size = fit(image.size, max_side)
    picture = eight_bits(image)
    if picture.mode in {"P", "PA"}:
        picture = picture.convert("RGBA" if has_alpha(picture) else "RGB")
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def fit(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The size in pixels that fits into *max_side* a side, in proportion, at least one a side."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def has_alpha(image: Image.Image) -> bool:
    """True if some pixels may be transparent, by channel, palette or colour key."""
    return bool(image.has_transparency_data)


def over_white(image: Image.Image) -> Image.Image:
    """The image without transparency: what could be seen through becomes white."""
    if not has_alpha(image):
        return image
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _too_large(format: str | None, size: tuple[int, int], text: str = "") -> Undecodable:
    detail = f"{size[0]:,} × {size[1]:,} pixels"
    if size == (0, 0):
        number = re.search(r"\((\d+) pixels\)", text)
        detail = f"{int(number.group(1)):,} pixels" if number else "more pixels than the limit"
    return Undecodable("too-many-pixels", detail, format=format, size=size)


def _unidentified(path: Path, sniffed: str | None) -> Undecodable:
    size = path.stat().st_size
    if size == 0:
        return Undecodable("not-an-image", "the file is empty")
    if sniffed is None:
        return Undecodable("not-an-image", "its first bytes are those of no image format")
    if sniffed in _READ:
        return Undecodable("undecodable", f"its {sniffed} header is broken", format=sniffed)
    return Undecodable("unsupported-format", sniffed, format=sniffed)
