"""Photos that carry where they were taken, in every place that a writer may put it."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.support import dialects

LATITUDE, LONGITUDE = (52.0, 31.0, 12.34), (13.0, 24.0, 36.78)
METHOD = b"ASCII\0\0\0CELLID-SECRET"
SECRETS = (b"SECRET", b"52,31.2057N", b"+52.5200+013.4100", struct.pack("<II", 1234, 100),
           struct.pack(">II", 1234, 100))  # fmt: skip
"""What is nowhere in a file once the location is out of it."""
KEPT = b"KEEP-ME"
"""What is, as often as before."""


def picture(seed: int = 1) -> Image.Image:
    """A small picture with something in it."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (4, 6, 3), np.uint8))
    return soft.resize((96, 64), Image.Resampling.BICUBIC)


def block(order: str = "<", *, wide: bool = False, preview: bytes = b"") -> bytes:
    """An EXIF block made by hand: the first directory, EXIF's, the GPS directory, and a preview's."""

    def entry(tag: int, kind: int, count: int, value: int | bytes) -> bytes:
        told = value if isinstance(value, bytes) else struct.pack(f"{order}I", value)
        if kind == 3 and isinstance(value, int):
            told = struct.pack(f"{order}HH", value, 0)
        if wide:
            return struct.pack(f"{order}HHQ", tag, kind, count) + told.ljust(8, b"\0")
        return struct.pack(f"{order}HHI", tag, kind, count) + told.ljust(4, b"\0")

    size, head, pointer = (20, 8, 8) if wide else (12, 2, 4)

    def directory(entries: list[bytes], following: int = 0) -> bytes:
        count = struct.pack(f"{order}Q" if wide else f"{order}H", len(entries))
        end = struct.pack(f"{order}Q" if wide else f"{order}I", following)
        return count + b"".join(entries) + end

    start = 16 if wide else 8
    first_size = head + 5 * size + pointer
    exif_at = start + first_size
    exif_size = head + 1 * size + pointer
    gps_at = exif_at + exif_size
    gps_size = head + 6 * size + pointer
    ifd1_at = gps_at + gps_size
    ifd1_size = head + 2 * size + pointer
    values_at = ifd1_at + ifd1_size
    held = b""

    def value(data: bytes) -> int:
        nonlocal held
        at = values_at + len(held)
        held += data + bytes(len(data) % 2)
        return at

    def degrees(told: tuple[float, float, float]) -> bytes:
        numbers = (int(told[0]), 1, int(told[1]), 1, round(told[2] * 100), 100)
        return struct.pack(f"{order}6I", *numbers)

    def text(tag: int, data: bytes, kind: int = 2) -> bytes:
        inside = len(data) <= pointer
        return entry(tag, kind, len(data), data if inside else value(data))

    first = [
        text(0x010E, b"before " + KEPT + b"\0"),
        entry(0x0112, 3, 1, 1),
        text(0x013B, b"artist " + KEPT + b"\0"),
        entry(0x8769, 4, 1, exif_at),
        entry(0x8825, 4, 1, gps_at),
    ]
    exif = [text(0x9286, b"ASCII\0\0\0" + KEPT, 7)]
    gps = [
        entry(0, 1, 4, b"\2\3\0\0"),
        text(1, b"N\0"),
        entry(2, 5, 3, value(degrees(LATITUDE))),
        text(3, b"E\0"),
        entry(4, 5, 3, value(degrees(LONGITUDE))),
        text(27, METHOD, 7),
    ]
    at = value(preview)
    ifd1 = [entry(0x0201, 4, 1, at), entry(0x0202, 4, 1, len(preview))]
    name = b"II" if order == "<" else b"MM"
    if wide:
        start_of = name + struct.pack(f"{order}HHHQ", 43, 8, 0, start)
    else:
        start_of = name + struct.pack(f"{order}HI", 42, start)
    body = (
        directory(first, ifd1_at if preview else 0)
        + directory(exif)
        + directory(gps)
        + directory(ifd1)
    )
    return start_of + body + held


XMP = """<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:e="http://ns.adobe.com/exif/1.0/" xmlns:ext="urn:ext" xmlns:dc="http://purl.org/dc/elements/1.1/">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:GPS="urn:gps"
 dc:source="KEEP-ME" exif:GPSLatitude="52,31.2057N" drone-dji:GpsLongtitude = '13.41 SECRET'
 photoshop:City="SECRET town > 1" dc:rights='KEEP-ME "quoted"' GPS:Note="SECRET" exif:ColorSpace="1"/>
<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/">
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">KEEP-ME at exif:GPSLatitude</rdf:li></rdf:Alt></dc:title>
 <exif:GPSLongitude>13,24.613E SECRET</exif:GPSLongitude>
 <e:GPSAltitude rdf:value="SECRET/1"/>
 <ext:LocationShown><rdf:Bag><rdf:li ext:City="SECRET" a="x>y">
  <ext:Sublocation>SECRET</ext:Sublocation></rdf:li></rdf:Bag></ext:LocationShown>
 <dc:subject>KEEP-ME</dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""
"""Location as attributes and elements, under the usual prefixes and others, beside what stays."""
XMP_PROPERTIES = 7


def iptc() -> bytes:
    """An IPTC block: a caption that stays, a city and a country that go."""
    fields = ((120, KEPT), (90, b"SECRET city"), (101, b"SECRET land"), (116, KEPT))
    return b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text for number, text in fields
    )


def resources() -> bytes:
    """Photoshop's resources around it."""
    held = iptc()
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(held)) + held + bytes(len(held) % 2)


def box(kind: bytes, *data: bytes) -> bytes:
    body = b"".join(data)
    return struct.pack(">I", 8 + len(body)) + kind + body


def film(major: bytes = b"mp42") -> bytes:
    """A film's boxes with its place in every way that phones write it, and its maker, who stays."""
    text = b"+52.5200+013.4100/"
    xyz = box(b"\xa9xyz", struct.pack(">HH", len(text), 0x15C7), text)
    loci = box(b"loci", bytes(4), b"\x15\xc7", b"SECRET place\0\0", bytes(12), b"earth\0\0")
    made = box(b"\xa9mak", struct.pack(">HH", 7, 0), KEPT)
    keys = (b"com.apple.quicktime.make", b"com.apple.quicktime.location.ISO6709")
    told = box(
        b"keys", bytes(4), struct.pack(">I", 2),
        *(struct.pack(">I4s", 8 + len(key), b"mdta") + key for key in keys),
    )  # fmt: skip
    values = box(
        b"ilst",
        box(struct.pack(">I", 1), box(b"data", struct.pack(">II", 1, 0), KEPT)),
        box(struct.pack(">I", 2), box(b"data", struct.pack(">II", 1, 0), text)),
    )
    hdlr = box(b"hdlr", bytes(8), b"mdta", bytes(13))
    packet = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP.encode()
    return (
        box(b"ftyp", major, bytes(4), major)
        + box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", box(b"udta", loci)),
              box(b"udta", xyz, made), box(b"meta", hdlr, told, values))
        + box(b"uuid", packet)
        + box(b"mdat", bytes(500))
    )  # fmt: skip


FILM_PROPERTIES = 3


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: bytes, seed: int = 1) -> bytes:
    """A JPEG with segments right behind its start."""
    held = io.BytesIO()
    picture(seed).save(held, "JPEG", quality=90)
    data = held.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def exif_segment(data: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + data)


def xmp_segment(text: str = XMP) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode())


def continued_xmp(piece: int = 1000) -> list[bytes]:
    """XMP that goes on in further segments, broken in the middle of words."""
    more = XMP.encode() + b"<!-- " + KEPT + b" -->" * 500
    digest = hashlib.md5(more).hexdigest().upper().encode()
    packet = XMP.replace("dc:source", f'xmpNote:HasExtendedXMP="{digest.decode()}" dc:source')
    parts = [
        segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0"
            + digest
            + struct.pack(">II", len(more), at)
            + more[at : at + piece],
        )
        for at in range(0, len(more), piece)
    ]
    return [xmp_segment(packet), *reversed(parts)]


def png(*chunks: bytes) -> bytes:
    held = io.BytesIO()
    picture().save(held, "PNG")
    data = held.getvalue()
    for chunk in chunks:
        data = dialects.with_chunk(data, chunk)
    return data


def itxt(text: bytes, *, packed: bool = False) -> bytes:
    body = zlib.compress(text) if packed else text
    return dialects.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes((packed, 0)) + b"\0\0" + body)


def webp() -> bytes:
    held = io.BytesIO()
    picture().save(held, "WEBP", lossless=True, exif=block(">"), xmp=XMP.encode())
    return held.getvalue()


def _saved(format: str, **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        held = io.BytesIO()
        picture().save(held, format, **options)
        return held.getvalue()

    return make


def _with_gps(data: bytes, *, wide: bool) -> bytes:
    """A little-endian TIFF with a GPS directory behind all else, and the pointer to it in its first."""
    size, head, form = (20, 8, "<Q") if wide else (12, 2, "<H")
    pointer = "<Q" if wide else "<I"
    first = struct.unpack_from(pointer, data, 8 if wide else 4)[0]
    count = struct.unpack_from(form, data, first)[0]
    end = first + head + count * size
    entries = [data[first + head + n * size :][:size] for n in range(count)]
    following = data[end : end + struct.calcsize(pointer)]
    # The GPS directory of a block of the same kind, moved: its values are found from where it starts now.
    degrees = struct.pack("<6I", 52, 1, 31, 1, 1234, 100)
    at = len(data) + len(data) % 2
    gps_head = struct.pack(form, 2)
    values = at + len(gps_head) + 2 * size + struct.calcsize(pointer)
    letter = "Q" if wide else "I"
    gps = gps_head
    gps += struct.pack(f"<HH{letter}{letter}", 2, 5, 3, values)
    gps += struct.pack(f"<HH{letter}{letter}", 27, 7, len(METHOD), values + len(degrees))
    gps += bytes(struct.calcsize(pointer)) + degrees + METHOD
    table = at + len(gps)
    entries.append(struct.pack(f"<HH{letter}{letter}", 0x8825, 4, 1, at))
    entries.sort(key=lambda e: struct.unpack_from("<H", e)[0])
    moved = struct.pack(form, count + 1) + b"".join(entries) + following
    whole = bytearray(data.ljust(at, b"\0") + gps + moved)
    struct.pack_into(pointer, whole, 8 if wide else 4, table)
    return bytes(whole)


def tiff() -> bytes:
    """A TIFF whose own directory is the picture's, with every kind of metadata on it."""
    from PIL import TiffImagePlugin

    held = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[0x010E] = KEPT.decode()
    for tag, data in ((700, XMP.encode()), (33723, iptc()), (34377, resources())):
        info[tag] = data
        info.tagtype[tag] = 7
    picture().save(held, "TIFF", tiffinfo=info)
    return _with_gps(held.getvalue(), wide=False)


def big_tiff() -> bytes:
    held = io.BytesIO()
    picture().save(held, "TIFF", tiffinfo={0x010E: KEPT.decode()}, big_tiff=True)
    return _with_gps(held.getvalue(), wide=True)


def mpo() -> bytes:
    """Two pictures in one file, each with its own place, as Pillow and phones write them."""
    held = io.BytesIO()
    first, second = picture(1), picture(2)
    for image in (first, second):
        image.encoderinfo = {"exif": b"Exif\0\0" + block(">")}
    first.save(held, "MPO", save_all=True, append_images=[second], exif=b"Exif\0\0" + block("<"))
    data = held.getvalue()
    if data.count(METHOD) < 2:  # Pillow writes the first one's alone
        at = data.index(b"\xff\xd8", 100)
        extra = exif_segment(block(">"))
        data = data[: at + 2] + extra + data[at + 2 :]
    return data


def heic() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    held = io.BytesIO()
    picture().save(held, "HEIF", quality=80, exif=block(">"), xmp=XMP.encode())
    return held.getvalue()


def gif() -> bytes:
    held = io.BytesIO()
    picture().save(held, "GIF")
    data = held.getvalue()
    trailer = bytes([1, *range(255, -1, -1), 0])
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    return data[:at] + b"!\xff\x0bXMP DataXMP" + XMP.encode() + trailer + data[at:]


def psd() -> bytes:
    held = resources()
    exif = block("<")
    held += b"8BIM\x04\x22\0\0" + struct.pack(">I", len(exif)) + exif + bytes(len(exif) % 2)
    packet = XMP.encode()
    held += b"8BIM\x04\x24\0\0" + struct.pack(">I", len(packet)) + packet + bytes(len(packet) % 2)
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 96, 8, 3)
    return head + struct.pack(">I", 0) + struct.pack(">I", len(held)) + held + bytes(9000)


def cr3() -> bytes:
    gps = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 27, 7, 20, 26) + bytes(4)
    notes = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    inner = box(b"CMT1", block("<")) + box(b"CMT4", gps + b"SECRET SECRET SECRET")
    return box(b"ftyp", b"crx ", bytes(4), b"crx isom") + box(b"moov", box(b"uuid", notes, inner))


def jxl() -> bytes:
    return (
        b"\0\0\0\x0cJXL \r\n\x87\n"
        + box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
        + box(b"Exif", bytes(4), block(">"))
        + box(b"xml ", XMP.encode())
        + box(b"jxlc", bytes(900))
    )


EXIF_TAGS = 6
"""Tags of the GPS directory of `block`."""

FILES: dict[str, tuple[Callable[[], bytes], dict[str, int]]] = {
    "exif.jpg": (lambda: jpeg(exif_segment(block())), {"exif": 6}),
    "exif, big-endian.jpg": (lambda: jpeg(exif_segment(block(">"))), {"exif": 6}),
    "two blocks.jpg": (lambda: jpeg(exif_segment(block()), exif_segment(block(">"))), {"exif": 12}),
    "broken block.jpg": (
        lambda: jpeg(segment(0xE1, b"Exif\0\0" + block()[:150]), segment(0xE1, b"Exif\0\0" + block()[150:])),
        {"exif": 6},
    ),
    "preview.jpg": (
        lambda: jpeg(exif_segment(block(preview=jpeg(exif_segment(block(">")), seed=3)))),
        {"exif": 12},
    ),
    "xmp.jpg": (lambda: jpeg(xmp_segment()), {"xmp": 7}),
    "continued xmp.jpg": (lambda: jpeg(*continued_xmp()), {"xmp": 14}),
    "iptc.jpg": (lambda: jpeg(segment(0xED, b"Photoshop 3.0\0" + resources())), {"iptc": 2}),
    "mpo.jpg": (mpo, {"exif": 12}),
    "motion.jpg": (lambda: jpeg(exif_segment(block())) + film(), {"exif": 6, "film": 3, "xmp": 7}),
    "samsung.jpg": (
        lambda: jpeg() + b"\0\0\x30\x0aMotionPhoto_Data" + film(b"isom") + b"SEFHetc.SEFT",
        {"film": 3, "xmp": 7},
    ),
    "gain map and film.jpg": (
        lambda: jpeg(xmp_segment()) + jpeg(exif_segment(block()), seed=4) + film(b"qt  "),
        {"exif": 6, "film": 3, "xmp": 14},
    ),
    "exif.png": (lambda: png(dialects.png_chunk(b"eXIf", block(">"))), {"exif": 6}),
    "exif with its name.png": (
        lambda: png(dialects.png_chunk(b"eXIf", b"Exif\0\0" + block())), {"exif": 6}
    ),
    "xmp.png": (lambda: png(itxt(XMP.encode())), {"xmp": 7}),
    "packed xmp.png": (lambda: png(itxt(XMP.encode(), packed=True)), {"xmp": 7}),
    "raw profile.png": (lambda: png(dialects.raw_profile(b"Exif\0\0" + block(">"))), {"exif": 6}),
    "words.png": (
        lambda: png(
            dialects.png_chunk(b"tEXt", b"exif:GPSLatitude\x0052,31.2057N"),
            dialects.png_chunk(b"zTXt", b"Location\0\0" + zlib.compress(b"SECRET place" * 9)),
            dialects.png_chunk(b"tEXt", b"Comment\0" + KEPT),
        ),
        {"text": 2},
    ),
    "a.webp": (webp, {"exif": 6, "xmp": 7}),
    "a.tif": (tiff, {"exif": 2, "iptc": 4, "xmp": 7}),
    "big.tif": (big_tiff, {"exif": 2}),
    "a.avif": (_saved("AVIF", quality=90, exif=block(), xmp=XMP.encode()), {"exif": 6, "xmp": 7}),
    "a.heic": (heic, {"exif": 6, "xmp": 7}),
    "motion.heic": (lambda: heic() + box(b"mpvd", film()), {"exif": 6, "film": 3, "xmp": 14}),
    "a.gif": (gif, {"xmp": 7}),
    "a.psd": (psd, {"exif": 6, "iptc": 2, "xmp": 7}),
    "a.cr3": (cr3, {"exif": 7}),
    "a.jxl": (jxl, {"exif": 6, "xmp": 7}),
    "a.mp4": (film, {"film": 3, "xmp": 7}),
    "a.raf": (
        lambda: b"FUJIFILMCCD-RAW " + bytes(900) + jpeg(exif_segment(block()), xmp_segment()),
        {"exif": 6, "xmp": 7},
    ),
}  # fmt: skip
"""Files with a location, and how many properties of it there are."""
