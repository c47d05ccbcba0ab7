"""Where a photo was taken is taken out of its file: no byte moves, no pixel changes, nothing else goes."""

import hashlib
import io
import random
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.vision.decode import readable_formats
from safelight.vision.location.removal import count_location, remove_location
from safelight.vision.location.sweep import MOST_STEPS
from tests.support import dialects, located

NO_PICTURE = (".psd", ".cr3", ".jxl", ".mp4", ".raf")


def made(folder: Path, name: str) -> Path:
    if name.endswith("heic"):
        pytest.importorskip("pillow_heif")
    path = folder / name
    path.write_bytes(located.FILES[name][0]())
    return path


def texts(data: bytes) -> bytes:
    """The file, and what is packed in it."""
    found, at = [data], 8
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        while at + 8 <= len(data):
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            body = data[at + 8 : at + 8 + size]
            assert int.from_bytes(data[at + 8 + size : at + 12 + size], "big") == zlib.crc32(
                kind + body
            )
            for start in range(len(body)) if kind in (b"zTXt", b"iTXt") else ():
                if body[start : start + 1] == b"\x78":
                    try:
                        text = zlib.decompress(body[start:])
                    except zlib.error:
                        continue
                    digits = b"".join(text.split(b"\n")[3:])
                    found += [text, bytes.fromhex(digits.decode()) if b"\nexif\n" in text else b""]
                    break
            at += 12 + size
    return b"\0".join(found)


def pixels(path: Path) -> np.ndarray:
    """Of all its frames, as RGBA; empty where the file's kind is no picture."""
    if path.suffix in NO_PICTURE:
        return np.zeros(0, np.uint8)
    readable_formats()
    with Image.open(path) as image:
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")).copy())
        return np.concatenate([frame.ravel() for frame in frames])


@pytest.mark.parametrize("name", located.FILES)
def test_the_location_is_gone_and_nothing_else_is(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    before, seen = path.read_bytes(), pixels(path)
    assert any(secret in texts(before) for secret in located.SECRETS)
    wanted = located.FILES[name][1]
    assert count_location(path) == wanted
    assert path.read_bytes() == before
    assert remove_location(path) == wanted
    after = path.read_bytes()
    assert len(after) == len(before)
    for secret in located.SECRETS:
        assert secret not in texts(after), secret
    assert texts(after).count(located.KEPT) == texts(before).count(located.KEPT)
    assert np.array_equal(pixels(path), seen)
    assert remove_location(path) == {}
    assert path.read_bytes() == after


@pytest.mark.parametrize("name", ["exif.jpg", "exif, big-endian.jpg", "a.webp", "exif.png", "a.tif",
                                  "big.tif", "a.avif", "a.heic"])  # fmt: skip
def test_other_tags_read_as_before(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    readable_formats()

    def tags() -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        with Image.open(path) as image:
            told = image.getexif()
            return dict(told), dict(told.get_ifd(0x8769)), dict(told.get_ifd(0x8825))

    first, exif, gps = tags()
    assert gps
    remove_location(path)
    again, exif_again, gps_again = tags()
    assert gps_again == {}
    assert exif_again == exif
    first.pop(0x8825, None)
    for tag in (700, 33723, 34377, 0x8769):  # what is blanked; where EXIF's directory is
        first.pop(tag, None)
        again.pop(tag, None)
    assert again == first


def test_a_photo_without_a_location_is_not_touched(tmp_path: Path) -> None:
    for name in dialects.ORIENTED:
        if name == "heic":
            continue
        path = tmp_path / f"a.{name}"
        dialects.ORIENTED[name](dialects.quarters(), path, 6)
        before = path.read_bytes()
        assert remove_location(path) == {}, name
        assert path.read_bytes() == before


def test_xmp_that_is_continued_keeps_the_digest_that_ties_its_pieces(tmp_path: Path) -> None:
    path = made(tmp_path, "continued xmp.jpg")
    remove_location(path)
    data = path.read_bytes()
    name = b"http://ns.adobe.com/xmp/extension/\0"
    at = data.index(b"HasExtendedXMP=") + 16
    digest = data[at : at + 32]
    pieces = {}
    start = data.find(name)
    while start >= 0:
        size = int.from_bytes(data[start - 2 : start], "big")
        head = start + len(name)
        assert data[head : head + 32] == digest
        place = int.from_bytes(data[head + 36 : head + 40], "big")
        pieces[place] = data[head + 40 : start - 2 + size]
        start = data.find(name, start + 1)
    text = b"".join(pieces[place] for place in sorted(pieces))
    assert hashlib.md5(text).hexdigest().upper().encode() == digest


def test_xmp_is_still_what_it_was_without_the_location(tmp_path: Path) -> None:
    from xml.etree import ElementTree as ET

    path = made(tmp_path, "xmp.jpg")
    remove_location(path)
    data = path.read_bytes()
    start, end = data.index(b"<x:xmpmeta"), data.index(b"</x:xmpmeta>") + 12
    tree = ET.fromstring(data[start:end].decode())
    told = {name for item in tree.iter() for name in (item.tag, *item.attrib)}
    assert not [name for name in told if "GPS" in name.rpartition("}")[2] or name.endswith("City")]
    assert "{http://purl.org/dc/elements/1.1/}source" in told
    assert "{http://ns.adobe.com/exif/1.0/}ColorSpace" in told
    assert "{http://purl.org/dc/elements/1.1/}subject" in told


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_xmp_in_sixteen_bits_is_blanked_too(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.png"
    text = located.XMP.replace("\ufeff", "").encode(encoding)
    path.write_bytes(located.png(located.itxt(text)))
    assert remove_location(path) == {"xmp": 7}
    with Image.open(path) as image:
        image.load()
    left = path.read_bytes()
    assert "SECRET".encode("utf-16-le") not in left
    assert "SECRET".encode("utf-16-be") not in left
    assert (
        left.count("KEEP-ME".encode("utf-16-le")) == 4
        or left.count("KEEP-ME".encode("utf-16-be")) == 4
    )


@pytest.mark.parametrize("size", range(60, 130))
def test_a_packed_text_keeps_its_length_whatever_that_is(tmp_path: Path, size: int) -> None:
    """The blanks pack better than what was there: the rest is filled with empty blocks."""
    words = random.Random(size).randbytes(size).hex().encode()
    path = tmp_path / "a.png"
    text = b"<a exif:GPSLatitude='" + words + b"' dc:b='KEEP-ME'/>"
    path.write_bytes(located.png(located.itxt(text, packed=True)))
    assert remove_location(path) == {"xmp": 1}
    assert b"KEEP-ME" in texts(path.read_bytes())
    assert words not in texts(path.read_bytes())
    with Image.open(path) as image:
        image.load()
        assert "KEEP-ME" in image.info["XML:com.adobe.xmp"]


# Hostile files


def _block(*parts: bytes) -> bytes:
    return located.jpeg(located.exif_segment(b"".join(parts)))


def _nested() -> bytes:
    data = b"SECRET"
    for _ in range(200):
        data = located.box(b"moov", data)
    return located.box(b"ftyp", b"isom", bytes(4)) + data


def _tables_of_items() -> bytes:
    """A picture's tables of items, each of two bytes an item, again and again; and pictures of that."""
    held = struct.pack(">IHH", 0, 0, 8191) + bytes(8)
    tables = located.box(b"iloc", held) * 4000
    meta = located.box(b"meta", bytes(4), located.box(b"hdlr", bytes(24)), tables)
    empty = located.box(b"meta", bytes(4), located.box(b"hdlr", bytes(24)))
    return located.box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta + empty * 4000


def _packed_words() -> bytes:
    """Words of a PNG that unpack to a thousand times as much."""
    bomb = dialects.png_chunk(b"zTXt", b"Location\0\0" + zlib.compress(bytes(16_000_000)))
    return located.png(*[bomb] * 60)


def _packets() -> bytes:
    """Continued XMP, each piece of which is of another whole, to be found in each of many packets."""
    words = b"<x exif:GPSLatitude='1'/>"
    pieces = [
        located.segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0%032X" % n
            + struct.pack(">II", len(words), 0)
            + words,
        )
        for n in range(1600)
    ]
    packet = located.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    return located.jpeg(*pieces, *[packet] * 4800)


def _pictures_within_pictures() -> bytes:
    data = located.jpeg(located.exif_segment(located.block()))
    while len(data) < 30_000:
        data = located.jpeg(located.exif_segment(located.block(preview=data)))
    return data


def _film(*boxes: bytes) -> bytes:
    return located.box(b"ftyp", b"isom", bytes(4)) + b"".join(boxes)


GPS = struct.pack("<HHII", 0x8825, 4, 1, 8)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a directory that points at itself": lambda: _block(
        b"II*\0", struct.pack("<IH", 8, 1), GPS, b"\x08\0\0\0"),
    "more entries than there are": lambda: _block(b"II*\0", struct.pack("<IH", 8, 65_535), GPS * 5000),
    "a pointer past the end": lambda: _block(
        b"II*\0", struct.pack("<IHHHII", 8, 1, 0x8825, 4, 1, 2**32 - 1), bytes(4)),
    "a value of sixteen gigabytes": lambda: _block(
        located.block().replace(struct.pack("<HHI", 2, 5, 3), struct.pack("<HHI", 2, 5, 2**32 - 1))),
    "four billion directories": lambda: _block(
        b"II*\0", struct.pack("<IHHHII", 8, 1, 0x14A, 4, 2**32 - 1, 8), bytes(4)),
    "a chain of directories": lambda: _block(
        b"II*\0\x08\0\0\0",
        *(struct.pack("<HHHIII", 1, 0x10E, 4, 1, 0, 8 + 18 * (n + 1)) for n in range(3000))),
    "four billion strips": lambda: b"II*\0" + struct.pack("<IH", 8, 3) + b"".join(
        struct.pack("<HHII", tag, 4, count, 8)
        for tag, count in ((273, 2**32 - 1), (279, 2**32 - 1), (0x8825, 1))) + bytes(30_000_000),
    "a big tiff that is cut off": lambda: located.block(wide=True)[:60],
    "boxes within boxes": _nested,
    "tables of items": _tables_of_items,
    "packed words": _packed_words,
    "packets of packets": _packets,
    "pictures within pictures": _pictures_within_pictures,
    "xmp without an end": lambda: located.jpeg(
        located.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='" + b"a" * 60_000)),
    "ten thousand segments": lambda: located.jpeg(*[located.segment(0xE5, b"")] * 10_000),
    "nothing but starts": lambda: b"\xff\xd8\xff" * 400_000,
    "nothing but films": lambda: located.jpeg() + b"\0\0\0\x10ftypisom\0\0\0\0" * 100_000,
    "one long word": lambda: located.png(located.itxt(b" " + b"a" * 3_000_000)),
    "a word of gps": lambda: located.png(located.itxt(b"<" + b"gps" * 1_000_000)),
    "many properties": lambda: located.png(located.itxt(b"<a " + b"a:gps='' " * 300_000)),
    "many elements that never end": lambda: located.png(located.itxt(b"<a:gps>" * 200_000)),
    "many open tags": lambda: located.png(located.itxt(b"<a:gps x='" * 200_000)),
    "a text that has no end": lambda: located.png(
        dialects.png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(30_000_000), 1))),
    "boxes of no size": lambda: _film(b"\0\0\0\x08free" * 500_000),
    "keys without an end": lambda: _film(located.box(b"moov", located.box(
        b"meta", located.box(b"hdlr", bytes(20)),
        located.box(b"keys", bytes(8), b"\0\0\0\x08mdta" * 500_000), located.box(b"ilst")))),
    "a photoshop block of nothing": lambda: located.jpeg(
        located.segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5000)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little_and_keeps_its_length(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.bin"
    data = HOSTILE[name]()
    path.write_bytes(data)
    started = time.process_time()
    remove_location(path)
    assert time.process_time() - started < 5
    assert path.stat().st_size == len(data)


@pytest.mark.filterwarnings("ignore")
def test_what_the_picture_needs_is_never_overwritten(tmp_path: Path) -> None:
    """A GPS directory that says it lies in the pixels, in another directory, or in another tag's value."""
    for at in (8, 200, 300):
        data = bytearray(dialects.tiff(np.asarray(located.picture()), extra={0x8825: (4, [at])}))
        path = tmp_path / f"{at}.tif"
        path.write_bytes(data)
        before = pixels(path)
        remove_location(path)
        assert np.array_equal(pixels(path), before)
        with Image.open(path) as image:
            assert 0x8825 not in image.getexif()


def test_the_steps_of_a_file_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safelight.vision.location import sweep

    assert MOST_STEPS >= 100_000
    monkeypatch.setattr(sweep, "MOST_STEPS", 500)
    path = tmp_path / "a.png"
    data = located.png(located.itxt(b"<a " + b"a:gps='SECRET' " * 1000 + b"/>"))
    path.write_bytes(data)
    assert 40 <= remove_location(path)["xmp"] <= 50
    with Image.open(path) as image:  # what was changed until then has its checksum
        image.load()


def test_mutants_of_all_of_them_are_never_a_crash_and_their_pixels_stay(tmp_path: Path) -> None:
    source = random.Random(11)
    whole = {name: make() for name, (make, _) in located.FILES.items() if not name.endswith("heic")}
    names = sorted(whole)
    for number in range(600):
        name = source.choice(names)
        data = bytearray(whole[name])
        for _ in range(source.choice((1, 1, 2, 8, 40))):
            at = source.randrange(len(data))
            if source.random() < 0.3:
                data[at] = source.choice((0, 1, 127, 128, 255))
            else:
                data[at] ^= 1 << source.randrange(8)
        if source.random() < 0.2:
            del data[source.randrange(len(data)) :]
        path = tmp_path / f"a{Path(name).suffix}"
        path.write_bytes(data)
        seen = _decoded(bytes(data))
        started = time.process_time()
        told = count_location(path)
        assert remove_location(path) == told
        assert time.process_time() - started < 5
        assert path.stat().st_size == len(data)
        if seen is not None:
            again = _decoded(path.read_bytes())
            assert again is not None, (number, name)
            assert np.array_equal(again, seen), (number, name)


def _decoded(data: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > 100_000:
                return None
            return np.asarray(image.convert("RGBA")).copy()
    except Exception:
        return None
