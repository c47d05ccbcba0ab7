"""A file is told by what is in it, by its true name, with what to do; what can be read is read."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from safelight.domain.findings import Level
from safelight.domain.formats import ACCEPTED, ENDINGS, FOREIGN, PhotoType, spoken, type_of
from safelight.vision.container import kind_of
from safelight.vision.decode import readable_formats
from safelight.vision.derive import derive_file
from safelight.vision.inspect import inspect_file
from tests.support import dialects

ROOT = Path(__file__).parents[2]
AVIF = pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def ftyp(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands[1:])) + box(b"mdat", bytes(2000))


def ifd(*entries: tuple[int, int, int], order: str = "<", magic: bytes | None = None) -> bytes:
    """A TIFF of one directory: (tag, type, value), each one value."""
    head = magic or (b"II*\0" if order == "<" else b"MM\0*")
    body = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1)
        + (struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value))
        for tag, kind, value in entries
    )
    return head + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4000)


def with_maker(maker: bytes, *entries: tuple[int, int, int], below: bytes = b"") -> bytes:
    """The same with a maker's name, and a directory below it."""
    count = len(entries) + 1 + bool(below)
    at = 8 + 2 + 12 * count + 4
    rows = sorted(
        [*entries, (0x010F, 2, at)] + ([(0x014A, 4, at + 32)] if below else []), key=lambda e: e[0]
    )
    body = b"".join(
        struct.pack("<HHII", tag, kind, 20 if tag == 0x010F else 1, value)
        for tag, kind, value in rows
    )
    return (
        b"II*\0" + struct.pack("<IH", 8, count) + body + bytes(4) + maker.ljust(32, b"\0") + below
    )


MOSAIC = struct.pack("<HHHII", 1, 0x0106, 3, 1, 32803) + bytes(4)

FILES: dict[str, tuple[bytes, str]] = {
    "cr3": (ftyp(b"crx ", b"crx ", b"isom"), "CR3"),
    "jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + ftyp(b"jxl ", b"jxl "), "JPEG XL"),
    "jxl codestream": (b"\xff\x0a" + bytes(900), "JPEG XL"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"jp2 ", b"jp2 "), "JPEG 2000"),
    "jpeg 2000 codestream": (b"\xff\x4f\xff\x51" + bytes(900), "JPEG 2000"),
    "jpeg-xr": (b"II\xbc\1" + bytes(900), "JPEG XR"),
    "avci": (ftyp(b"avci", b"mif1", b"avci"), "H.264"),
    "psd": (b"8BPS\0\1" + bytes(900), "PSD"),
    "psb": (b"8BPS\0\2" + bytes(900), "PSB"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
    "pdf": (b"\n\n%PDF-1.7\n" + bytes(900), "PDF"),
    "svg": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='x'/>", "SVG"),
    "dng": (ifd((254, 4, 1), (0xC612, 1, 1)), "DNG"),
    "dng, big-endian": (ifd((0xC612, 4, 1), order=">"), "DNG"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(900), "CR2"),
    "nef": (with_maker(b"NIKON CORPORATION", (254, 4, 1), below=MOSAIC), "NEF"),
    "arw": (with_maker(b"SONY", (254, 4, 1), below=MOSAIC), "ARW"),
    "pef": (with_maker(b"PENTAX", (0x0103, 3, 65535)), "PEF"),
    "orf": (ifd((256, 4, 9), magic=b"IIRO"), "ORF"),
    "rw2": (ifd((256, 4, 9), magic=b"IIU\0"), "RW2"),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(900), "RAF"),
    "mp4": (ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "MP4, a film"),
    "mp42": (ftyp(b"mp42", b"isom"), "MP4, a film"),
    "mov": (ftyp(b"qt  ", b"qt  "), "QuickTime film"),
    "old mov": (box(b"wide", b"") + box(b"mdat", bytes(900)), "QuickTime film"),
    "3gp": (ftyp(b"3gp5", b"isom"), "3GP"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(900), "WebM"),
    "avi": (b"RIFF\0\0\0\0AVI LIST" + bytes(900), "AVI, a film"),
    "html": (b"\r\n<!DOCTYPE HTML><html><body>404</body></html>", "web page"),
    "html without a doctype": (b"<html><head><title>502 Bad Gateway", "web page"),
    "html in utf-16": ("<html><body>502</body></html>".encode("utf-16"), "web page"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
    "json": (b'{"message": "Not Found"}', "JSON"),
    "text": ("grüße".encode() * 900, "text"),
    "data url": (b"data:image/jpeg;base64,/9j/4AAQSkZJRg", "Base64"),
    "base64": (
        b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8U" * 9,
        "Base64",
    ),
    "zeros": (bytes(70_000), "zero bytes"),
    "zip": (b"PK\3\4" + bytes(900), "ZIP"),
    "gzip": (b"\x1f\x8b\x08" + bytes(900), "GZIP"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "appledouble": (b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(900), "AppleDouble"),
    "icon": (b"\0\0\1\0\1\0" + bytes(900), "ICO"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_under_a_photos_name_is_told_by_its_own_with_what_to_do(
    tmp_path: Path, kind: str
) -> None:
    data, title = FILES[kind]
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    seen = inspect_file(path, "photo.jpg")
    (finding,) = seen.findings
    assert finding.level is Level.BLOCK
    assert title in finding.message
    known = FOREIGN[seen.facts.format or ""]
    assert seen.facts.fault == ("unsupported-format" if known.picture else "not-an-image")
    assert finding.remedy == known.remedy


def test_words_that_begin_as_a_bitmap_does_are_no_bitmap(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BMW prices of the last quarter, by model and by country.")
    assert kind_of(path) == "text"


def test_a_layered_tiff_with_smaller_copies_of_itself_is_no_raw_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    dialects.quarters().save(path, tiffinfo={254: 0, 0x010F: "NIKON", 0x014A: 8})
    assert kind_of(path) == "tiff"
    assert inspect_file(path, "a.tif").facts.decodable


@AVIF
@pytest.mark.parametrize("brands", [(b"avif", b"mif1", b"miaf"), (b"mif1", b"avif", b"miaf"),
                                    (b"miaf", b"avif", b"mif1"), (b"msf1", b"mif1", b"avif"),
                                    (b"mif1", b"miaf", b"MA1B")])  # fmt: skip
def test_an_avif_is_read_whatever_its_major_brand(
    tmp_path: Path, brands: tuple[bytes, ...]
) -> None:
    path = tmp_path / "a.jpg"
    dialects.quarters((90, 60)).save(path, "AVIF", quality=95)
    data = path.read_bytes()
    assert data[4:12] == b"ftypavif"
    told = brands[0] + bytes(4) + b"".join(brands)
    old = int.from_bytes(data[:4], "big")
    path.write_bytes(data[:8] + told.ljust(old - 8, b"\0")[: old - 8] + data[old:])
    seen = inspect_file(path, "a.jpg")
    assert (seen.facts.format, seen.facts.width, seen.facts.height) == ("avif", 90, 60)
    derive_file(path, tmp_path / "out.jpg", max_side=512)
    with Image.open(tmp_path / "out.jpg") as image:
        assert dialects.is_upright(image)


@AVIF
def test_of_a_moving_avif_the_first_frame_is_used_and_a_warning_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    frames = [dialects.quarters(), Image.new("RGB", dialects.SIZE), Image.new("RGB", dialects.SIZE)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    assert path.read_bytes()[8:12] == b"avis"
    seen = inspect_file(path, "a.avif")
    assert [finding.kind for finding in seen.findings] == ["animated"]
    derive_file(path, tmp_path / "out.jpg", max_side=512)
    with Image.open(tmp_path / "out.jpg") as image:
        assert dialects.is_upright(image)


def test_of_several_pictures_in_a_heic_the_primary_one_is_measured_and_trained_on(
    tmp_path: Path,
) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    several = heif.from_pillow(Image.new("RGB", (40, 60)))
    several.add_from_pillow(dialects.quarters())
    several.save(path, quality=95, primary_index=1)
    facts = inspect_file(path, "a.heic").facts
    assert (facts.width, facts.height, facts.frames) == (*dialects.SIZE, 2)
    derive_file(path, tmp_path / "out.jpg", max_side=512)
    with Image.open(tmp_path / "out.jpg") as image:
        assert dialects.is_upright(image)


def test_a_heic_is_read_whatever_its_major_brand(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    heif.from_pillow(dialects.quarters()).save(path, quality=95)
    data = path.read_bytes()
    for major in (b"heic", b"mif1", b"miaf"):
        path.write_bytes(data[:8] + major + data[12:])
        assert inspect_file(path, "a.heic").facts.format == "heif", major


def test_a_heic_without_its_reader_says_which_extra_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(ftyp(b"heic", b"mif1", b"heic"))
    (finding,) = inspect_file(path, "a.heic").findings
    assert finding.kind == "unsupported-format"
    assert "HEIC" in finding.message
    assert "extra 'heic'" in (finding.remedy or "")


def test_a_file_is_opened_by_the_one_reader_of_what_it_is(tmp_path: Path) -> None:
    """A bitmap's reader and a TIFF's are never tried on a broken JPEG."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(900))
    (finding,) = inspect_file(path, "a.jpg").findings
    assert "jpeg header is broken" in finding.message


@pytest.mark.parametrize(
    ("pixels", "photometric", "says"),
    [
        (np.zeros((40, 60), np.float32), None, "32-bit floating-point samples"),
        (np.zeros((40, 60, 3), np.float32), None, "3 floating-point samples of 32 bits (RGB"),
        (np.zeros((40, 60), np.float16), None, "floating-point samples of 16 bits"),
        (np.zeros((40, 60), np.float64), None, "floating-point samples of 64 bits"),
        (np.zeros((40, 60), np.uint32), None, "32-bit whole samples"),
        (np.zeros((40, 60), np.int16), None, "16-bit signed samples"),
        (np.zeros((40, 60, 3), np.uint32), None, "3 samples of 32 bits (RGB"),
        (np.zeros((40, 60, 3), np.uint16), 8, "3 samples of 16 bits (LAB"),
    ],
)
def test_a_tiff_whose_samples_are_not_read_says_what_they_are(
    tmp_path: Path, pixels: np.ndarray, photometric: int | None, says: str
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(dialects.tiff(pixels, photometric=photometric))
    seen = inspect_file(path, "a.tif")
    assert seen.facts.fault == "unsupported-format"
    assert says in seen.findings[0].message
    assert "header is broken" not in seen.findings[0].message


def test_there_is_one_list_of_accepted_formats() -> None:
    assert {one.pillow for one in ACCEPTED.values()} >= set(readable_formats())
    assert {kind for one in ACCEPTED.values() for kind in one.types} == set(PhotoType)
    assert all(ending == ending.lower() and ending[0] == "." for ending in ENDINGS)
    assert type_of("avif") == "image/avif"
    assert type_of("zip") == "application/octet-stream"
    assert not ACCEPTED.keys() & FOREIGN.keys()
    for page in ("docs/api.md", "docs/eye.md"):
        assert spoken() in (ROOT / page).read_text("utf-8"), page
