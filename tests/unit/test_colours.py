"""Colour as the sender saw it in the training file, or a refusal in true words; bounded whatever is sent."""

import io
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from safelight.domain.photos import Undecodable
from safelight.vision.colour import MOST_PROFILE
from safelight.vision.derive import derive_file
from safelight.vision.inspect import inspect_file, measure
from tests.support import dialects

RED = (210, 40, 40)
SIDE = 96


def flat(colour: tuple[int, ...] | int = RED, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (SIDE, SIDE), colour)


def colour(path: Path) -> list[int]:
    """The middle of the training file. The photo is measured too, and must say the same of itself."""
    facts = measure(path)
    assert facts.decodable, facts.fault_detail
    out = path.with_name("out.jpg")
    derive_file(path, out, max_side=512)
    with Image.open(out) as image:
        assert (image.mode, image.size) == ("RGB", (facts.width, facts.height))
        return [round(v) for v in np.asarray(image, float)[40:56, 40:56].mean(axis=(0, 1))]


def near(found: list[int], wanted: tuple[int, ...], off: int = 6) -> bool:
    return all(abs(a - b) <= off for a, b in zip(found, wanted, strict=True))


def png(image: Image.Image, *chunks: bytes) -> bytes:
    held = io.BytesIO()
    image.save(held, "PNG")
    data = held.getvalue()
    for chunk in chunks:
        data = dialects.with_chunk(data, chunk)
    return data


def points(primaries: int, transfer: int) -> bytes:
    return dialects.png_chunk(b"cICP", bytes((primaries, transfer, 0, 1)))


# Samples and their layouts


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_sixteen_bit_grey_is_scaled_whichever_end_is_white(
    tmp_path: Path, order: Literal["<", ">"], photometric: int
) -> None:
    path = tmp_path / "a.tif"
    value = 120 * 257
    pixels = np.full((SIDE, SIDE), value if photometric else 65535 - value, np.uint16)
    path.write_bytes(dialects.tiff(pixels, photometric=photometric, order=order))
    seen = inspect_file(path, "a")
    if not seen.facts.decodable:  # the one of the four that Pillow does not read
        assert (order, photometric) == (">", 0)
        assert "1 samples of 16 bits (grey, zero is white" in seen.findings[0].message
        return
    assert near(colour(path), (120, 120, 120))
    assert [f.kind for f in seen.findings] == ["sixteen-bit"]


@pytest.mark.parametrize("photometric", [0, 1])
def test_eight_bit_grey_is_right_whichever_end_is_white(tmp_path: Path, photometric: int) -> None:
    path = tmp_path / "a.tif"
    pixels = np.full((SIDE, SIDE), 120 if photometric else 135, np.uint8)
    path.write_bytes(dialects.tiff(pixels, photometric=photometric))
    assert near(colour(path), (120, 120, 120))


def test_sixteen_bit_colour_is_scaled_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = np.full((SIDE, SIDE, 3), [v * 257 for v in RED], np.uint16)
    path.write_bytes(dialects.tiff(pixels))
    assert near(colour(path), RED)
    assert [f.kind for f in inspect_file(path, "a").findings] == ["sixteen-bit"]


@pytest.mark.parametrize("bits", [8, 16])
def test_premultiplied_alpha_is_taken_as_such(tmp_path: Path, bits: int) -> None:
    """Half transparent red, its colour multiplied by a half: over white it is pink."""
    path = tmp_path / "a.tif"
    scale, kind = (1, np.uint8) if bits == 8 else (257, np.uint16)
    pixels = np.full((SIDE, SIDE, 4), [v * scale for v in (105, 20, 20, 128)], kind)
    path.write_bytes(dialects.tiff(pixels, extra={338: (3, [1])}))
    assert near(colour(path), (232, 147, 147))
    assert "alpha" in [f.kind for f in inspect_file(path, "a").findings]


def test_premultiplied_grey_is_taken_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = np.full((SIDE, SIDE, 2), [50, 128], np.uint8)
    path.write_bytes(dialects.tiff(pixels, photometric=1, extra={338: (3, [1])}))
    assert near(colour(path), (177, 177, 177))


def test_one_bit_a_pixel_is_black_or_white(tmp_path: Path) -> None:
    for ending in ("png", "tif", "bmp", "gif"):
        path = tmp_path / f"a.{ending}"
        flat(1, "1").save(path)
        assert near(colour(path), (255, 255, 255)), ending


def test_a_colour_that_is_seen_through_is_white_and_does_not_bleed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = flat((0, 255, 0))
    image.paste(RED, (0, 0, SIDE, SIDE // 2))
    image.save(path, transparency=(0, 255, 0))
    derive_file(path, tmp_path / "out.jpg", max_side=30)
    with Image.open(tmp_path / "out.jpg") as made:
        pixels = np.asarray(made, float)
    assert pixels[-5:].min() > 245
    assert (pixels[..., 1] - pixels[..., 0]).max() < 12  # nowhere green
    assert measure(path).alpha


def test_sixteen_bit_grey_with_a_value_that_is_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    clear = dialects.png_chunk(b"tRNS", struct.pack(">H", 120 * 257))
    deep = Image.fromarray(np.full((SIDE, SIDE), 120 * 257, np.uint16))
    path.write_bytes(png(deep, clear))
    assert near(colour(path), (255, 255, 255))


def test_a_palette_with_alpha_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = flat(1, "P")
    image.putpalette([0, 0, 0, *RED, *[0] * 762])
    image.save(path, transparency=bytes((0, 128, *[255] * 254)))
    assert near(colour(path), (232, 147, 147))


# Profiles


def swapped() -> bytes:
    """sRGB with red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ", 128), profile.index(b"bXYZ", 128)
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


FORMATS = ["a.jpg", "a.png", "a.tif", "a.webp"] + (["a.avif"] if features.check("avif") else [])


@pytest.mark.parametrize("name", FORMATS)
def test_a_profile_is_applied_in_every_format_that_has_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    flat().save(path, icc_profile=swapped(), quality=95)
    assert near(colour(path), RED[::-1], 10)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("profile", [b"x", b"nonsense" * 400, swapped()[:200], bytes(5000)])
def test_a_broken_profile_costs_nothing(tmp_path: Path, name: str, profile: bytes) -> None:
    path = tmp_path / name
    flat().save(path, icc_profile=profile, quality=95)
    assert near(colour(path), RED, 10)


def test_a_profile_for_other_channels_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    flat().save(path, icc_profile=grey, quality=95)
    assert near(colour(path), RED)
    flat((0, 200, 180, 30), "CMYK").save(path, icc_profile=swapped(), quality=95)
    plain = tmp_path / "plain.jpg"
    flat((0, 200, 180, 30), "CMYK").save(plain, quality=95)
    assert colour(path) == colour(plain)


def test_a_huge_profile_is_read_and_one_beyond_all_measure_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(flat(), _iccp(_with_private_tag(swapped(), 3_000_000))))
    assert near(colour(path), RED[::-1], 10)
    huge = tmp_path / "huge.tif"
    profile = swapped() + bytes(MOST_PROFILE)
    flat().save(huge, icc_profile=profile)
    assert near(colour(huge), RED)


def test_a_packed_profile_that_has_no_end_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(flat(), _iccp(bytes(40_000_000))))
    facts = measure(path)
    assert not facts.decodable
    assert "too large" in (facts.fault_detail or "")


def _with_private_tag(profile: bytes, size: int) -> bytes:
    """The profile with a tag of its own behind all others, as large as a printer's tables are."""
    count = int.from_bytes(profile[128:132], "big")
    table = bytearray(profile[132 : 132 + 12 * count])
    for at in range(4, len(table), 12):
        table[at : at + 4] = (int.from_bytes(table[at : at + 4], "big") + 12).to_bytes(4, "big")
    start = len(profile) + 12
    table += b"Priv" + start.to_bytes(4, "big") + (size + 8).to_bytes(4, "big")
    body = profile[132 + 12 * count :] + b"data" + bytes(4 + size)
    total = 132 + len(table) + len(body)
    return total.to_bytes(4, "big") + profile[4:128] + (count + 1).to_bytes(4, "big") + table + body


def _iccp(profile: bytes) -> bytes:
    return dialects.png_chunk(b"iCCP", b"p\0\0" + zlib.compress(profile, 9))


def test_lab_is_turned_into_what_it_means(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    lab = ImageCms.profileToProfile(
        flat(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    lab.save(path)
    assert near(colour(path), RED, 8)


# Gamma, chromaticities and code points


@pytest.mark.parametrize(("gamma", "wanted"), [(100_000, 188), (45_455, 128), (0, 128), (1, 128)])
def test_a_pngs_gamma_is_applied_where_it_makes_sense(
    tmp_path: Path, gamma: int, wanted: int
) -> None:
    """128 of 255 in linear light is 188 in sRGB."""
    path = tmp_path / "a.png"
    chunk = dialects.png_chunk(b"gAMA", struct.pack(">I", gamma))
    path.write_bytes(png(flat((128, 128, 128)), chunk))
    assert near(colour(path), (wanted,) * 3)


def test_srgb_said_goes_before_gamma(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    gamma = dialects.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    path.write_bytes(png(flat((128, 128, 128)), gamma, dialects.png_chunk(b"sRGB", b"\0")))
    assert near(colour(path), (128, 128, 128))


def test_chromaticities_that_swap_red_and_blue_are_applied_and_impossible_ones_are_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.png"
    for places, wanted in (
        ((31270, 32900, 15000, 6000, 30000, 60000, 64000, 33000), RED[::-1]),
        ((31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), RED),
        ((0,) * 8, RED),
        ((31270, 32900, 1, 1, 1, 1, 1, 1), RED),
        ((2**32 - 1,) * 8, RED),
    ):
        path.write_bytes(png(flat(), dialects.png_chunk(b"cHRM", struct.pack(">8I", *places))))
        assert near(colour(path), wanted, 8), places


@pytest.mark.parametrize("transfer", [1, 13])
def test_code_points_of_a_wide_gamut_are_applied(tmp_path: Path, transfer: int) -> None:
    """Display P3's (200, 100, 100) is sRGB's (215, 93, 97), by the standards' own numbers."""
    path = tmp_path / "a.png"
    path.write_bytes(png(flat((200, 100, 100)), points(12, transfer)))
    assert near(colour(path), (215, 93, 97), 4)
    path.write_bytes(png(flat((200, 100, 100)), points(1, transfer)))
    assert near(colour(path), (200, 100, 100), 4)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (11, "not known")])
def test_a_png_in_high_dynamic_range_is_refused_by_name(
    tmp_path: Path, transfer: int, name: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(flat(), points(9, transfer)))
    (finding,) = inspect_file(path, "a.png").findings
    assert finding.kind == "unsupported-format"
    assert name in finding.message
    with pytest.raises(Undecodable, match=name):
        derive_file(path, tmp_path / "out.jpg", max_side=512)


@pytest.mark.parametrize("ending", ["avif", "heic"])
def test_code_points_are_applied_or_refused(tmp_path: Path, ending: str) -> None:
    if ending == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    path = tmp_path / f"a.{ending}"
    flat((200, 100, 100)).save(path, quality=95, subsampling="4:4:4")
    data = path.read_bytes()
    at = data.index(b"nclx") + 4
    for primaries, transfer, wanted in ((12, 13, (215, 93, 97)), (1, 13, (200, 100, 100))):
        path.write_bytes(data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :])
        assert near(colour(path), wanted, 6)
    path.write_bytes(data[:at] + struct.pack(">HH", 9, 16) + data[at + 4 :])
    assert "PQ" in inspect_file(path, path.name).findings[0].message


@pytest.mark.parametrize(
    ("index", "wanted"), [(b"R03\0", (227, 100, 100)), (b"R98\0", (200, 100, 100))]
)
def test_a_camera_that_says_adobe_rgb_without_a_profile_is_believed(
    tmp_path: Path, index: bytes, wanted: tuple[int, ...]
) -> None:
    """Adobe RGB's (200, 100, 100) is sRGB's (227, 100, 100) or so; R98 is plain sRGB."""
    path = tmp_path / "a.jpg"
    inner = struct.pack("<HHHI4sI", 1, 1, 2, 4, index, 0)
    outer = struct.pack("<HHHIII", 1, 0xA005, 4, 1, 8 + 18 + 18, 0)
    block = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8 + 18, 0) + outer + inner
    flat((200, 100, 100)).save(path, quality=95, exif=b"Exif\0\0" + block)
    assert near(colour(path), wanted, 6)
