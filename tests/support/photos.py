"""Makes photo files in known conditions. All drawn from seeds: the same call, the same file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

WIDTH, HEIGHT = 768, 1024
JPEG: dict[str, Any] = {"quality": 92}


@cache
def _grain(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-9, 10, (height, width, 3), dtype=np.int16)


def picture(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A textured picture: soft patches of colour and grain. Other seeds look quite different."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    soft = Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)
    grain = np.roll(_grain(size[1], size[0]), seed, axis=1)
    return Image.fromarray(np.clip(np.asarray(soft, np.int16) + grain, 0, 255).astype(np.uint8))


def photo(folder: Path, name: str, seed: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A plain photo as JPEG (or what *name* ends in)."""
    return _saved(folder, name, lambda path: path.write_bytes(_plain(seed, size, path.suffix)))


@lru_cache(maxsize=64)
def _plain(seed: int, size: tuple[int, int], suffix: str) -> bytes:
    """The file's bytes: a hundred tests begin with the same dozen."""
    file = BytesIO()
    picture(seed, size).save(file, Image.registered_extensions()[suffix], **JPEG)
    return file.getvalue()


def distinct_photos(folder: Path, count: int, *, first: int = 1) -> list[Path]:
    """*count* photos that look different from each other."""
    return [
        photo(folder, f"photo-{seed:03d}.jpg", seed, (640, 800))
        for seed in range(first, first + count)
    ]


def smaller_copy(folder: Path, name: str, seed: int = 1) -> Path:
    """The photo of *seed* again, three quarters as wide and recompressed: the same picture."""

    def save(path: Path) -> None:
        picture(seed).resize((576, 768), Image.Resampling.LANCZOS).save(path, quality=80)

    return _saved(folder, name, save)


def mirrored_copy(folder: Path, name: str, seed: int = 1) -> Path:
    """The photo of *seed*, left and right exchanged."""
    return _saved(folder, name, lambda path: ImageOps.mirror(picture(seed)).save(path, quality=88))


def text_named_jpg(folder: Path) -> Path:
    """A text file that calls itself a JPEG."""
    return _saved(folder, "notes.jpg", lambda path: path.write_text("Not a photo at all.\n" * 1000))


def empty_file(folder: Path) -> Path:
    """A file of no bytes."""
    return _saved(folder, "empty.jpg", lambda path: path.write_bytes(b""))


def truncated_jpeg(folder: Path) -> Path:
    """A JPEG of which the second half is missing."""

    def save(path: Path) -> None:
        picture(900).save(path, "JPEG", quality=92)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])

    return _saved(folder, "truncated.jpg", save)


def truncated_png(folder: Path) -> Path:
    """A PNG of which the second half is missing."""

    def save(path: Path) -> None:
        picture(901).save(path, "PNG", compress_level=1)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])

    return _saved(folder, "truncated.png", save)


def broken_jpeg(folder: Path) -> Path:
    """A file that begins as a JPEG does and goes on as nothing at all."""
    return _saved(
        folder, "broken.jpg", lambda path: path.write_bytes(b"\xff\xd8\xff" + b"?" * 20_000)
    )


def turned_jpeg(folder: Path, orientation: int = 6, seed: int = 5) -> Path:
    """The photo of *seed*, lying on its side in the file, with the EXIF tag that sets it upright."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]

    def save(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "A camera"
        picture(seed).transpose(back).save(path, **JPEG, exif=exif)

    return _saved(folder, f"turned-{orientation}.jpg", save)


def animated_gif(folder: Path) -> Path:
    """A GIF of three frames."""

    def save(path: Path) -> None:
        frames = [picture(seed, (600, 800)) for seed in (20, 21, 22)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0)

    return _saved(folder, "animated.gif", save)


def cmyk_jpeg(folder: Path) -> Path:
    """A JPEG in print colours, its left half pure red."""

    def save(path: Path) -> None:
        image = picture(30)
        image.paste((255, 0, 0), (0, 0, WIDTH // 2, HEIGHT))
        image.convert("CMYK").save(path, **JPEG)

    return _saved(folder, "print.jpg", save)


def sixteen_bit_png(folder: Path) -> Path:
    """A 16-bit grey PNG: a ramp from black to white, left to right, with a little grain."""

    def save(path: Path) -> None:
        ramp = np.linspace(0, 65_535, 800).astype(np.uint16)
        grain = np.random.default_rng(1).integers(0, 64, (800, 800), dtype=np.uint16)
        Image.fromarray(np.minimum(65_471, ramp)[None, :] + grain).save(path)

    return _saved(folder, "deep.png", save)


def alpha_png(folder: Path) -> Path:
    """A PNG whose upper half is transparent over hidden black."""

    def save(path: Path) -> None:
        image = picture(40, (700, 800)).convert("RGBA")
        image.paste((0, 0, 0, 0), (0, 0, 700, 400))
        image.save(path)

    return _saved(folder, "cut-out.png", save)


def tiny(folder: Path) -> Path:
    """A photo of 200 × 300 pixels."""
    return _saved(folder, "tiny.jpg", lambda path: picture(50, (200, 300)).save(path, quality=98))


def flat(folder: Path) -> Path:
    """A large photo of one colour: enough pixels, hardly any bytes."""
    return _saved(folder, "flat.png", lambda path: Image.new("RGB", (600, 600), "teal").save(path))


def odd_name(folder: Path) -> Path:
    """A good photo with spaces and an emoji in its name."""
    return photo(folder, "me at the beach \N{BEACH WITH UMBRELLA} (1).jpg", seed=60)


def huge_png(folder: Path, side: int = 30_000) -> Path:
    """A whole, valid PNG of *side* × *side* pixels, 1 bit each: about 110 kB for 900 megapixels."""

    def save(path: Path) -> None:
        row = b"\0" + bytes((side + 7) // 8)
        packer = zlib.compressobj(1)
        packed = [packer.compress(row * 500) for _ in range(side // 500)]
        packed += [packer.compress(row * (side % 500)), packer.flush()]
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", b"".join(packed)), (b"IEND", b""))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))

    return _saved(folder, "huge.png", save)


def wide_gamut_jpeg(folder: Path) -> Path:
    """A JPEG with a colour profile that is not sRGB: its red and green are exchanged."""
    swapped = _swapped_profile()
    return _saved(
        folder, "profile.jpg", lambda path: picture(70).save(path, **JPEG, icc_profile=swapped)
    )


def _swapped_profile() -> bytes:
    """sRGB with its red and green primaries exchanged in the tag table."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ", 128), profile.index(b"gXYZ", 128)
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _saved(folder: Path, name: str, save: Callable[[Path], object]) -> Path:
    """The file *name* in *folder*, made unless it is there."""
    path = folder / name
    if not path.exists():
        save(path)
    return path
