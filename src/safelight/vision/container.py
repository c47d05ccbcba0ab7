"""What kind of file it is, by what is in it: its first bytes, its brands, its first directory.

The names are those of `domain.formats`. Nothing is decoded, and no more than some kilobytes are read.
"""

from __future__ import annotations

import re
from pathlib import Path

from safelight.vision import boxes, tiffs
from safelight.vision.parts import Part

_HEAD = 4096

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff\xf7", "jpeg-ls"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (0, b"\xff\x4f\xff\x51", "jpeg2000"),
    (0, b"II\xbc", "jpeg-xr"),
    (0, b"8BPS\0\1", "psd"),
    (0, b"8BPS\0\2", "psb"),
    (0, b"gimp xcf", "xcf"),
    (0, b"%!PS", "eps"),
    (0, b"\xc5\xd0\xd3\xc6", "eps"),
    (0, b"FUJIFILMCCD-RAW", "raf"),
    (0, b"FOVb", "x3f"),
    (0, b"\0MRM", "mrw"),
    (6, b"HEAPCCDR", "crw"),
    (0, b"\0\0\1\0", "ico"),
    (0, b"\0\0\2\0", "ico"),
    (0, b"icns", "icns"),
    (0, b"\x76\x2f\x31\x01", "exr"),
    (0, b"#?RADIANCE", "hdr"),
    (0, b"#?RGBE", "hdr"),
    (0, b"DDS ", "dds"),
    (0, b"\xabKTX ", "ktx"),
    (0, b"qoif", "qoi"),
    (0, b"FLIF", "flif"),
    (0, b"BPG\xfb", "bpg"),
    (0, b"SIMPLE  =", "fits"),
    (128, b"DICM", "dicom"),
    (0, b"\xd7\xcd\xc6\x9a", "wmf"),
    (40, b" EMF", "wmf"),
    (0, b"\x8aMNG", "mng"),
    (0, b"\x0a\x05\x01\x08", "pcx"),
    (0, b"\x1aE\xdf\xa3", "mkv"),
    (0, b"\0\0\1\xba", "mpeg"),
    (0, b"\0\0\1\xb3", "mpeg"),
    (0, b"FLV\1", "flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wmv"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"FWS", "swf"),
    (0, b"CWS", "swf"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (257, b"ustar", "tar"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"BZh", "bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (0, b"{\\rtf", "rtf"),
    (0, b"\0\5\x16\7", "appledouble"),
    (0, b"bplist00", "plist"),
    (0, b"MZ", "program"),
    (0, b"\x7fELF", "program"),
    (0, b"\xcf\xfa\xed\xfe", "program"),
    (0, b"SQLite format 3\0", "sqlite"),
    (0, b"\x80\x02c", "torch"),
    (0, b"version https://git-lfs", "git-lfs"),
    (0, b"[InternetShortcut]", "url"),
)

_BRANDS: tuple[tuple[str, frozenset[bytes]], ...] = (
    ("cr3", frozenset({b"crx "})),
    ("jxl", frozenset({b"jxl "})),
    ("jpeg2000", frozenset({b"jp2 ", b"jpx ", b"jpm ", b"mjp2", b"jph "})),
    ("avif", frozenset({b"avif", b"avis", b"avio"})),
    (
        "heic",
        frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}),
    ),
    ("heif-avc", frozenset({b"avci", b"avcs"})),
    ("heif-vvc", frozenset({b"vvic", b"vvis"})),
    ("heif-evc", frozenset({b"evbi", b"evbs", b"evmi", b"evms"})),
    ("heif-jpeg", frozenset({b"jpeg", b"jpgs"})),
    ("heif-j2k", frozenset({b"j2ki", b"j2is"})),
)
"""Kinds by brand. A file may bear several; the first kind here that one of them names is the file's,
unless its major brand names a later one."""

_CODED = {
    b"av01": "avif",
    b"hvc1": "heic",
    b"hev1": "heic",
    b"avc1": "heif-avc",
    b"vvc1": "heif-vvc",
    b"evc1": "heif-evc",
    b"jpeg": "heif-jpeg",
    b"j2k1": "heif-j2k",
    b"unci": "heif-raw",
}
"""Kinds by what a picture's items are, for files whose brands say no more than that it is a picture."""

_PICTURE = {b"mif1", b"msf1", b"mif2", b"mif3", b"miaf", b"1pic", b"MiHE", b"MiHB"}
_FILM_TOPS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp"}

_MAKERS = {
    "NIKON": "nef",
    "SONY": "arw",
    "PENTAX": "pef",
    "RICOH": "pef",
    "SAMSUNG": "srw",
    "OLYMPUS": "orf",
    "PANASONIC": "rw2",
    "CANON": "cr2",
}
_SENSOR = {32803, 34892}
"""Photometric interpretations of raw photos: a sensor's mosaic, and linear raw data."""
_PACKED = {34713, 32767, 32769, 65535, 34892, 65000}
"""Compressions of raw photos: Nikon's, Sony's, packed, Pentax's, lossy DNG, Kodak's."""

_DATA_URL = re.compile(rb"data:image/[\w.+-]+;base64,")
_BASE64 = re.compile(rb"(?:/9j/|iVBORw0KGgo|UklGR|R0lGOD)[A-Za-z0-9+/=\r\n]{60,}")
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|title|center)\b", re.IGNORECASE)
_DRAWING = re.compile(rb"<(?:\w+:)?svg[\s>]", re.IGNORECASE)


def kind_of(path: Path) -> str | None:
    """The name of the kind of file; None for one that is not known. An empty file is none."""
    with path.open("rb") as file:
        return kind_of_part(Part.whole(file))


def kind_of_part(part: Part) -> str | None:
    """The same of an open file, or of some of it."""
    head = part.read(0, _HEAD)
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    for told in (_riff, _zip, _bmp):
        if found := told(head):
            return found
    if tiff := tiffs.Tiff.open(part):
        return _tiff(tiff, head)
    if head[4:8] == b"ftyp":
        return _ftyp(part)
    if head[4:8] in _FILM_TOPS and int.from_bytes(head[:4], "big") >= 8:
        return "mov"
    return _text(head)


def _riff(head: bytes) -> str | None:
    if head[:4] not in (b"RIFF", b"RIFX"):
        return None
    return {b"WEBP": "webp", b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])


def _zip(head: bytes) -> str | None:
    if head[:4] not in (b"PK\3\4", b"PK\5\6"):
        return None
    return "office" if b"[Content_Types].xml" in head or b"mimetypeapplication/" in head else "zip"


def _bmp(head: bytes) -> str | None:
    """`BM` alone begins many a text; a bitmap goes on with its sizes."""
    if head[:2] != b"BM" or len(head) < 18:
        return None
    header = int.from_bytes(head[14:18], "little")
    return "bmp" if header in (12, 16, 40, 52, 56, 64, 108, 124) else None


def _tiff(tiff: tiffs.Tiff, head: bytes) -> str:
    """A plain TIFF, or the raw photo that it is: a TIFF's reader would take its thumbnail for it."""
    if head[8:11] == b"CR\2":
        return "cr2"
    if head[2:4] in (b"RO", b"RS", b"OR"):
        return "orf"
    if head[2:4] == b"U\0":
        return "rw2"
    first = tiff.directory(tiff.first)
    if first is None:
        return "tiff"
    found = {entry.tag: entry for entry in first.entries}
    if 0xC612 in found:  # DNGVersion
        return "dng"
    maker = tiff.text(found[0x010F]).upper() if 0x010F in found else ""
    raw = next((name for text, name in _MAKERS.items() if maker.startswith(text)), "raw")
    if _is_raw(tiff, first):
        return raw
    reduced = 0x00FE in found and tiff.values(found[0x00FE], 1)[:1] == [1]
    if reduced and tiffs.SUB_IFDS in found:  # its first picture is a small copy of what lies below
        below = tiff.values(found[tiffs.SUB_IFDS])
        if any(_is_raw(tiff, inner) for at in below if (inner := tiff.directory(at))):
            return raw
    return "tiff"


def _is_raw(tiff: tiffs.Tiff, directory: tiffs.Directory) -> bool:
    told = {e.tag: tiff.values(e, 1) for e in directory.entries if e.tag in (0x0103, 0x0106)}
    packed, colours = told.get(0x0103) or [0], told.get(0x0106) or [0]
    return packed[0] in _PACKED or colours[0] in _SENSOR


def _ftyp(part: Part) -> str:
    """By all brands: the major one is often no more than 'a picture'."""
    told = boxes.brands(part)
    major = told[0] if told else b""
    for name, known in _BRANDS:
        if major in known:
            return name
    if major[:3] == b"qt ":
        return "mov"
    if major[:3] in (b"3gp", b"3g2"):
        return "3gp"
    if major[:3] in (b"M4A", b"M4B", b"M4P"):
        return "m4a"
    for name, known in _BRANDS:
        if known.intersection(told):
            return name
    if _PICTURE.intersection(told):
        found = boxes.items(part)
        coded = set(found.kinds.values()) if found else set()
        return next((name for kind, name in _CODED.items() if kind in coded), "heic")
    return "mp4"


def _text(head: bytes) -> str | None:
    """What is no picture at all: pages, error messages, notes, nothing."""
    if not head:
        return None
    if not head.strip(b"\0"):
        return "zeros"
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace():
        return "pnm"
    plain = head.removeprefix(b"\xef\xbb\xbf")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        plain = head.decode("utf-16", "replace").encode("utf-8", "replace")
    plain = plain.lstrip()
    if _DRAWING.search(plain):
        return "svg"
    if _PAGE.search(plain[:1024]):
        return "html"
    if plain.startswith(b"<?xml") or re.match(rb"<[A-Za-z][\w:.-]*[\s/>]", plain):
        return "xml"
    if _DATA_URL.match(plain) or _BASE64.match(plain):
        return "data-url"
    if plain[:1] in (b"{", b"[") and re.match(rb'[\[{]\s*(?:[\[{"\]}\d-]|true|false|null)', plain):
        return "json"
    return "text" if _is_text(plain) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not the last letter, cut in two
            return False
        text = head[: error.start].decode("utf-8")
    odd = sum(not (char.isprintable() or char in "\t\n\r\f") for char in text)
    return len(text) > 0 and odd <= len(text) // 200
