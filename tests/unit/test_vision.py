"""The vision package in this process; the guarded one is in test_vision_guard.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.domain.faults import MAX_PIXELS
from safelight.domain.findings import Level
from safelight.domain.photos import Inspection, Undecodable
from safelight.vision.decode import decoding_bytes, header
from safelight.vision.derive import derive_file
from safelight.vision.inspect import inspect_file
from tests.support import photos


def look(path: Path) -> Inspection:
    return inspect_file(path, path.name)


def derived(path: Path, folder: Path, max_side: int = 1536) -> Image.Image:
    target = folder / "derived.jpg"
    made = derive_file(path, target, max_side=max_side)
    with Image.open(target) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (made.width, made.height))
        return image.copy()


def colour(image: Image.Image, x: float, y: float) -> np.ndarray:
    """The mean colour around a point given in shares of width and height."""
    left, top = int(image.width * x) - 10, int(image.height * y) - 10
    mean: np.ndarray = np.asarray(image.crop((left, top, left + 20, top + 20)), float).mean((0, 1))
    return mean


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (photos.text_named_jpg, "not-an-image", "is not an image"),
        (photos.empty_file, "not-an-image", "the file is empty"),
        (photos.truncated_jpeg, "truncated", "cut short"),
        (photos.truncated_png, "truncated", "cut short"),
        (photos.broken_jpeg, "undecodable", "jpeg header is broken"),
        (photos.huge_png, "too-many-pixels", "30,000 × 30,000 pixels, the limit is 100,000,000"),
    ],
)
def test_bad_input_is_one_finding_that_blocks_and_names_the_photo(
    tmp_path: Path, make: Callable[[Path], Path], kind: str, says: str
) -> None:
    """R-45; issue 2, 'Bad input'."""
    path = make(tmp_path)
    seen = look(path)
    assert not seen.facts.decodable
    assert seen.facts.sha256 is not None
    assert seen.facts.bytes == path.stat().st_size
    (finding,) = seen.findings
    assert (finding.kind, finding.level) == (kind, Level.BLOCK)
    assert finding.message.startswith(f'"{path.name}" ')
    assert says in finding.message
    with pytest.raises(Undecodable, match=kind):
        derive_file(path, tmp_path / "never.jpg", max_side=1536)


def test_a_truncated_jpeg_is_a_block_finding_even_when_only_its_last_tenth_is_gone(
    tmp_path: Path,
) -> None:
    path = photos.photo(tmp_path, "a.jpg")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 9 // 10])
    assert [item.kind for item in look(path).findings] == ["truncated"]


def test_a_hundred_megapixels_are_the_limit(tmp_path: Path) -> None:
    assert MAX_PIXELS == 10_000**2
    assert look(photos.huge_png(tmp_path, 10_000)).facts.decodable
    (tmp_path / "huge.png").unlink()
    assert look(photos.huge_png(tmp_path, 10_001)).facts.fault == "too-many-pixels"


@pytest.mark.parametrize("head", [b"%PDF-1.7\n", b"8BPS\0\1", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_a_format_that_is_not_read_says_so(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(head + b"x" * 20_000)
    assert look(path).facts.fault == "unsupported-format"


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tiff"])
def test_the_common_formats_are_read_whatever_the_name_says(tmp_path: Path, ending: str) -> None:
    path = photos.photo(tmp_path, f"a.{ending}").rename(tmp_path / "a.dat")
    facts = look(path).facts
    assert (facts.decodable, facts.width, facts.height) == (True, 768, 1024)
    assert facts.format == {"jpg": "jpeg"}.get(ending, ending)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("lossy.webp", {}),
        ("lossless.webp", {"lossless": True}),
        ("extended.webp", {"exif": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"}),
        ("a.heic", {}),
        ("a.png", {}),
    ],
)
def test_a_photos_size_and_the_memory_it_takes_are_told_by_its_header(
    tmp_path: Path, name: str, more: dict[str, Any]
) -> None:
    path = tmp_path / name
    if name.endswith("heic"):
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(photos.picture(3, (642, 801))).save(path, quality=80)
    else:
        photos.picture(3, (642, 801)).save(path, **more)
    assert header(path)[:2] == (642, 801)
    bytes_a_pixel = {".webp": 16, ".heic": 10, ".png": 4}[path.suffix]
    assert decoding_bytes(path) == 642 * 801 * bytes_a_pixel
    path.write_bytes(path.read_bytes()[:14])
    assert decoding_bytes(path) == 0


def test_heic_is_read_where_its_reader_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "phone.heic"
    heif.from_pillow(photos.picture(3)).save(path, quality=80)
    assert (look(path).facts.format, look(path).facts.width) == ("heif", 768)
    assert derived(path, tmp_path).size == (768, 1024)


def test_a_name_with_spaces_and_an_emoji_is_no_trouble(tmp_path: Path) -> None:
    path = photos.odd_name(tmp_path)
    assert look(path).findings == ()
    assert derived(path, tmp_path).size == (768, 1024)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_photo_turned_by_exif_is_measured_and_derived_upright(
    tmp_path: Path, orientation: int
) -> None:
    seen = look(photos.turned_jpeg(tmp_path, orientation))
    plain = look(photos.photo(tmp_path, "plain.jpg", 5)).facts
    assert (seen.facts.width, seen.facts.height) == (768, 1024)
    assert [(item.kind, item.level) for item in seen.findings] == [("turned", Level.NOTE)]
    assert seen.facts.phash is not None
    assert plain.phash is not None
    assert (seen.facts.phash ^ plain.phash).bit_count() <= 4
    turned = derived(photos.turned_jpeg(tmp_path, orientation), tmp_path)
    straight = derived(photos.photo(tmp_path, "plain.jpg", 5), tmp_path)
    assert turned.size == straight.size
    for x, y in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.6, 0.4)):
        assert np.abs(colour(turned, x, y) - colour(straight, x, y)).max() < 12


def test_of_an_animated_gif_the_first_frame_is_used_and_a_warning_says_so(tmp_path: Path) -> None:
    path = photos.animated_gif(tmp_path)
    seen = look(path)
    assert (seen.findings[0].kind, seen.findings[0].level) == ("animated", Level.WARN)
    assert seen.facts.frames == 3
    first = photos.picture(20, (600, 800))
    assert np.abs(colour(derived(path, tmp_path), 0.3, 0.3) - colour(first, 0.3, 0.3)).max() < 30


def test_a_cmyk_jpeg_becomes_srgb_with_its_colours_right(tmp_path: Path) -> None:
    path = photos.cmyk_jpeg(tmp_path)
    assert [item.kind for item in look(path).findings] == ["cmyk"]
    red, green, blue = colour(derived(path, tmp_path), 0.25, 0.5)
    assert red > 240
    assert max(green, blue) < 15


def test_a_sixteen_bit_png_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    path = photos.sixteen_bit_png(tmp_path)
    seen = look(path)
    assert [item.kind for item in seen.findings] == ["sixteen-bit"]
    assert seen.facts.bits == 16
    image = derived(path, tmp_path)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert colour(image, share, 0.5)[0] == pytest.approx(255 * share, abs=3)


def test_transparent_parts_become_white_and_not_the_black_beneath(tmp_path: Path) -> None:
    path = photos.alpha_png(tmp_path)
    assert [item.kind for item in look(path).findings] == ["alpha"]
    image = derived(path, tmp_path)
    assert colour(image, 0.5, 0.2).min() > 252
    assert colour(image, 0.5, 0.8).max() < 252


def test_a_palette_png_with_a_transparent_colour_is_laid_over_white(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    image = Image.new("P", (600, 600), 0)
    image.putpalette([0, 0, 0, 200, 30, 30])
    image.paste(1, (0, 300, 600, 600))
    image.save(path, transparency=0)
    assert look(path).facts.alpha
    made = derived(path, tmp_path)
    assert colour(made, 0.5, 0.2).min() > 252
    assert colour(made, 0.5, 0.8) == pytest.approx([200, 30, 30], abs=4)


def test_a_colour_profile_is_applied_and_not_thrown_away(tmp_path: Path) -> None:
    """The profile says that red and green are exchanged: a converter that ignores it keeps them."""
    path = photos.wide_gamut_jpeg(tmp_path)
    with_profile = np.asarray(derived(path, tmp_path), float)
    plain = np.asarray(derived(photos.photo(tmp_path, "a.jpg", 70), tmp_path), float)
    assert np.abs(with_profile[..., 0] - plain[..., 1]).mean() < 8
    assert np.abs(with_profile[..., 0] - plain[..., 0]).mean() > 20


def test_a_broken_colour_profile_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "broken-profile.jpg"
    photos.picture(70).save(path, quality=92, icc_profile=b"nonsense" * 40)
    plain = derived(photos.photo(tmp_path, "a.jpg", 70), tmp_path)
    assert np.abs(np.asarray(derived(path, tmp_path), float) - np.asarray(plain, float)).max() == 0


def test_the_derived_file_carries_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "told.jpg"
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    photos.picture(7).save(path, quality=92, exif=exif, comment=b"where I live", dpi=(300, 300))
    derive_file(path, tmp_path / "out.jpg", max_side=1536)
    with Image.open(tmp_path / "out.jpg") as image:
        assert dict(image.getexif()) == {}
        assert not {"comment", "icc_profile", "exif", "dpi"} & image.info.keys()
    assert b"where I live" not in (tmp_path / "out.jpg").read_bytes()


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_large_photo_is_made_smaller_in_proportion(tmp_path: Path, ending: str) -> None:
    path = photos.photo(tmp_path, f"large.{ending}", 8, (3000, 2000))
    assert derived(path, tmp_path, 1536).size == (1536, 1024)


def test_nothing_is_enlarged_and_a_sliver_keeps_a_pixel(tmp_path: Path) -> None:
    """R-28: enlarging a small photo does not help."""
    assert derived(photos.tiny(tmp_path), tmp_path).size == (200, 300)
    sliver = tmp_path / "sliver.png"
    Image.new("RGB", (5000, 1), "red").save(sliver)
    assert derived(sliver, tmp_path, 1000).size == (1000, 1)


def test_the_same_photo_gives_the_same_bytes(tmp_path: Path) -> None:
    path = photos.photo(tmp_path, "a.jpg", 9, (2000, 1500))
    first = derive_file(path, tmp_path / "1.jpg", max_side=1024)
    assert derive_file(path, tmp_path / "2.jpg", max_side=1024) == first
    assert (tmp_path / "1.jpg").read_bytes() == (tmp_path / "2.jpg").read_bytes()


def test_resized_recompressed_and_brightened_copies_stay_within_twelve_bits(tmp_path: Path) -> None:
    """vision.md: near-duplicates; distinct photos are 18 or more apart."""
    facts = look(photos.photo(tmp_path, "a.jpg", 1)).facts
    brighter = tmp_path / "brighter.jpg"
    photos.picture(1).point(lambda value: min(255, int(value * 1.3))).save(brighter, quality=85)
    poor = tmp_path / "poor.jpg"
    photos.picture(1).save(poor, quality=20)
    for copy in (photos.smaller_copy(tmp_path, "s.jpg", 1), brighter, poor):
        other = look(copy).facts
        assert facts.phash is not None
        assert other.phash is not None
        assert (facts.phash ^ other.phash).bit_count() <= 12
    mirrored = look(photos.mirrored_copy(tmp_path, "m.jpg", 1)).facts
    assert facts.mirror_phash is not None
    assert mirrored.phash is not None
    assert (facts.mirror_phash ^ mirrored.phash).bit_count() <= 4


def test_the_distinct_photos_of_the_tests_are_distinct(tmp_path: Path) -> None:
    hashes = [look(path).facts.phash or 0 for path in photos.distinct_photos(tmp_path, 20)]
    pairs = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(pairs) > 14


def test_a_broken_exif_block_is_no_reason_to_refuse_a_photo(tmp_path: Path) -> None:
    path = tmp_path / "exif.jpg"
    photos.picture(11).save(path, quality=92, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert look(path).facts.decodable
    assert look(path).facts.orientation == 1
