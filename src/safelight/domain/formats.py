"""Kinds of files that come under a photo's name: those that are read, and what the others are called.

The one list of accepted formats: doors, hints, docs and the decoder follow it. A file is told by what is
in it, never by its name; `vision.container` finds the kind, here it gets its words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class PhotoType(StrEnum):
    """The content types that an upload may have."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    HEIC = "image/heic"
    HEIF = "image/heif"
    AVIF = "image/avif"
    TIFF = "image/tiff"
    GIF = "image/gif"
    BMP = "image/bmp"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A format that is read. `pillow` is the decoder's name of it; the first type is the usual one."""

    title: str
    pillow: str
    types: tuple[PhotoType, ...]
    endings: tuple[str, ...]


ACCEPTED: Mapping[str, Accepted] = {
    "jpeg": Accepted("JPEG", "JPEG", (PhotoType.JPEG,), (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    "png": Accepted("PNG", "PNG", (PhotoType.PNG,), (".png",)),
    "webp": Accepted("WebP", "WEBP", (PhotoType.WEBP,), (".webp",)),
    "heic": Accepted("HEIC", "HEIF", (PhotoType.HEIC, PhotoType.HEIF), (".heic", ".heif", ".hif")),
    "avif": Accepted("AVIF", "AVIF", (PhotoType.AVIF,), (".avif",)),
    "tiff": Accepted("TIFF", "TIFF", (PhotoType.TIFF,), (".tif", ".tiff")),
    "gif": Accepted("GIF", "GIF", (PhotoType.GIF,), (".gif",)),
    "bmp": Accepted("BMP", "BMP", (PhotoType.BMP,), (".bmp",)),
}
"""What is read, by the name that `vision.container` gives it. HEIC and AVIF where their decoders are."""

ENDINGS = frozenset(ending for one in ACCEPTED.values() for ending in one.endings)
"""What the names of photos end in, in lower case."""


def spoken(last: str = "or") -> str:
    """The accepted formats in words: ``JPEG, PNG, ... or BMP``."""
    *most, end = (one.title for one in ACCEPTED.values())
    return f"{', '.join(most)} {last} {end}"


def type_of(name: str | None) -> str:
    """The content type of a file of this kind, by its name here or the decoder's; that of bytes for one
    that is not read."""
    for kind, one in ACCEPTED.items():
        if name in (kind, one.pillow.lower()):
            return one.types[0].value
    return "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file that is not read: what it is, in words, and the way out. `picture` is whether
    it is one at all."""

    title: str
    remedy: str
    picture: bool = True


EXPORT = "Export it as JPEG, PNG or WebP and send that."
_DEVELOP = (
    "Develop it, export it as JPEG and send that; or send the JPEG that the camera wrote beside it."
)
_STILL = "Send a photo, or save one picture of it as JPEG or PNG and send that."
_DOWNLOAD = (
    "Download the photo itself and send that: this was saved under a photo's name in its place."
)
_UNPACK = "Unpack it and send the photos that are in it."
_PRINT = "Save the picture in it as JPEG or PNG and send that."
_RECOPY = "Copy the photo again: what wrote this file made room for it and never filled it."
_DECODE = "Decode the text into a file and send that."
_OTHER = f"Send the photo itself as {spoken()}."


def _foreign() -> Iterator[tuple[str, Foreign]]:
    for name, title in {
        "heif-avc": "HEIF coded with H.264",
        "heif-vvc": "HEIF coded with VVC",
        "heif-evc": "HEIF coded with EVC",
        "heif-jpeg": "HEIF that holds JPEG",
        "heif-j2k": "HEIF that holds JPEG 2000",
        "heif-raw": "HEIF, uncompressed",
        "jxl": "JPEG XL",
        "jpeg2000": "JPEG 2000",
        "jpeg-xr": "JPEG XR",
        "jpeg-ls": "JPEG-LS",
        "psd": "PSD, a Photoshop document",
        "psb": "PSB, a large Photoshop document",
        "xcf": "XCF, a GIMP document",
        "eps": "EPS or PostScript",
        "svg": "SVG, a drawing",
        "ico": "ICO, an icon",
        "icns": "ICNS, an icon",
        "exr": "OpenEXR",
        "hdr": "Radiance HDR",
        "dds": "DDS, a texture",
        "ktx": "KTX, a texture",
        "pnm": "PNM",
        "qoi": "QOI",
        "flif": "FLIF",
        "bpg": "BPG",
        "fits": "FITS",
        "dicom": "DICOM, a medical picture",
        "wmf": "WMF or EMF, a drawing",
        "pcx": "PCX",
        "mng": "MNG, an animation",
    }.items():
        yield name, Foreign(title, EXPORT)
    for name, title in {
        "dng": "DNG, a raw photo",
        "cr2": "CR2, a raw photo of a Canon",
        "cr3": "CR3, a raw photo of a Canon",
        "crw": "CRW, a raw photo of a Canon",
        "nef": "NEF, a raw photo of a Nikon",
        "arw": "ARW, a raw photo of a Sony",
        "pef": "PEF, a raw photo of a Pentax",
        "srw": "SRW, a raw photo of a Samsung",
        "orf": "ORF, a raw photo of an Olympus",
        "rw2": "RW2, a raw photo of a Panasonic",
        "raf": "RAF, a raw photo of a Fujifilm",
        "x3f": "X3F, a raw photo of a Sigma",
        "mrw": "MRW, a raw photo of a Minolta",
        "raw": "a camera's raw photo",
    }.items():
        yield name, Foreign(title, _DEVELOP)
    for name, title in {
        "mp4": "MP4, a film",
        "mov": "MOV, a QuickTime film",
        "3gp": "3GP, a film",
        "m4a": "M4A, a sound",
        "mkv": "MKV or WebM, a film",
        "avi": "AVI, a film",
        "wav": "WAV, a sound",
        "mpeg": "MPEG, a film",
        "flv": "FLV, a film",
        "wmv": "WMV, a film",
        "ogg": "OGG, a film or a sound",
        "mp3": "MP3, a sound",
        "swf": "SWF, a Flash film",
    }.items():
        yield name, Foreign(title, _STILL, picture=False)
    for name, title in {
        "html": "HTML, a web page",
        "xml": "XML, an error message or a page's data",
        "json": "JSON, an error message or a page's data",
        "url": "a link to a page",
        "git-lfs": "Git LFS's note of where the file is",
    }.items():
        yield name, Foreign(title, _DOWNLOAD, picture=False)
    for name, title in {
        "zip": "ZIP, an archive",
        "gzip": "GZIP, an archive",
        "7z": "7Z, an archive",
        "rar": "RAR, an archive",
        "tar": "TAR, an archive",
        "xz": "XZ, an archive",
        "bzip2": "BZIP2, an archive",
        "zstd": "ZSTD, an archive",
    }.items():
        yield name, Foreign(title, _UNPACK, picture=False)
    yield "pdf", Foreign("PDF, a document", _PRINT)
    yield "office", Foreign("an Office document", _PRINT, picture=False)
    yield "rtf", Foreign("RTF, a document", _PRINT, picture=False)
    yield "zeros", Foreign("nothing but zero bytes", _RECOPY, picture=False)
    yield "data-url", Foreign("a photo written out as text (Base64)", _DECODE, picture=False)
    yield (
        "appledouble",
        Foreign(
            "macOS's notes on a file (AppleDouble)",
            "Send the file of the same name without '._' before it.",
            picture=False,
        ),
    )
    for name, title in {
        "plist": "a property list of Apple's",
        "program": "a program",
        "sqlite": "a database",
        "torch": "Python's pickled data",
        "text": "text",
    }.items():
        yield name, Foreign(title, _OTHER, picture=False)


FOREIGN: Mapping[str, Foreign] = dict(_foreign())
"""What is told by its name and not read."""


def title_of(name: str) -> str:
    """A kind of file in words."""
    if name in ACCEPTED:
        return ACCEPTED[name].title
    return FOREIGN[name].title if name in FOREIGN else name


def way_out(name: str | None) -> str | None:
    """What to do with a file that is not read; None where its kind says nothing."""
    if name == "heic":
        return f"{EXPORT} Or have whoever runs Safelight install its extra 'heic'."
    known = FOREIGN.get(name or "")
    return known.remedy if known else EXPORT if name in ACCEPTED else None
