"""An oriented photo is turned exactly once, whatever the format, and everything made of it lies alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safelight.vision.derive import derive_file
from safelight.vision.inspect import measure
from tests.support import dialects


def check(path: Path, orientation: int, folder: Path) -> None:
    facts = measure(path)
    assert facts.decodable, facts.fault_detail
    assert (facts.width, facts.height) == dialects.SIZE
    made = derive_file(path, folder / "out.jpg", max_side=2048)
    assert (made.width, made.height) == dialects.SIZE
    with Image.open(folder / "out.jpg") as image:
        assert dialects.is_upright(image)
    if path.suffix != ".heic":  # its reader turns it, and tells nobody
        assert facts.orientation == orientation


@pytest.mark.parametrize("ending", dialects.ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_lies_on_its_side_is_turned_once(
    tmp_path: Path, ending: str, orientation: int
) -> None:
    if ending == "heic":
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"a.{ending}"
    dialects.ORIENTED[ending](dialects.lying(orientation), path, orientation)
    check(path, orientation, tmp_path)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("value", [0, 9, 42, 65535])
def test_an_orientation_that_makes_no_sense_is_none(
    tmp_path: Path, ending: str, value: int
) -> None:
    path = tmp_path / f"a.{ending}"
    dialects.ORIENTED[ending](dialects.quarters(), path, value)
    check(path, 1, tmp_path)


@pytest.mark.parametrize("value", [(5, [6, 1]), (4, [6]), (3, [6, 3])])
def test_a_tiff_whose_orientation_has_an_odd_type_is_measured_as_it_is_made(
    tmp_path: Path, value: tuple[int, list[int]]
) -> None:
    """Whatever the reader makes of it, the facts and the training file are of one picture."""
    kind, numbers = value
    path = tmp_path / "odd.tif"
    pixels = np.asarray(dialects.quarters())
    data = dialects.tiff(pixels, extra={dialects.ORIENTATION: (4, [1])})
    # The entry rewritten: a rational of 6 / 1, a long, or two shorts.
    at = data.index(b"\x12\x01\x04\x00")
    if kind == 5:
        tail = len(data)
        data += np.array(numbers, "<u4").tobytes()
        entry = np.array([0x0112, 5], "<u2").tobytes() + np.array([1, tail], "<u4").tobytes()
    else:
        form = "<u2" if kind == 3 else "<u4"
        entry = (
            np.array([0x0112, kind], "<u2").tobytes() + np.array([len(numbers)], "<u4").tobytes()
        )
        entry += np.array(numbers, form).tobytes().ljust(4, b"\0")
    path.write_bytes(data[:at] + entry + data[at + 12 :])
    facts = measure(path)
    made = derive_file(path, tmp_path / "out.jpg", max_side=2048)
    assert (facts.width, facts.height) == (made.width, made.height)


def test_exif_goes_before_xmp_and_xmp_counts_where_it_alone_speaks(tmp_path: Path) -> None:
    both = tmp_path / "both.jpg"
    dialects.lying(6).save(both, quality=95, exif=dialects.exif(6), xmp=dialects.xmp(3))
    check(both, 6, tmp_path)
    plain = tmp_path / "plain.jpg"
    dialects.quarters().save(plain, quality=95, exif=dialects.exif(1), xmp=dialects.xmp(3))
    check(plain, 1, tmp_path)
    alone = tmp_path / "alone.jpg"
    dialects.lying(8).save(alone, quality=95, xmp=dialects.xmp(8))
    check(alone, 8, tmp_path)


def test_of_an_avif_the_container_says_how_it_is_turned_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    dialects.quarters().save(path, quality=95, subsampling="4:4:4", xmp=dialects.xmp(6))
    check(path, 1, tmp_path)


def test_a_heic_is_as_its_container_says_whatever_its_tags_say(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    path = tmp_path / "a.heic"
    dialects.quarters().save(path, "HEIF", quality=95, exif=dialects.exif(1).tobytes())
    data, upright = path.read_bytes(), b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01"
    assert data.count(upright) == 1
    path.write_bytes(data.replace(upright, upright[:-1] + b"\x06"))
    check(path, 1, tmp_path)


def test_the_thumbnails_own_orientation_is_not_the_photos(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    tags = dialects.exif(6)
    tags.get_ifd(1)[dialects.ORIENTATION] = 3
    dialects.lying(6).save(path, quality=95, exif=tags)
    check(path, 6, tmp_path)


def test_a_heics_small_copy_is_never_taken_for_the_photo(tmp_path: Path) -> None:
    """Stripes a pixel wide are grey once they are made smaller; the small copy in the file has them still."""
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    path = tmp_path / "a.heic"
    stripes = np.zeros((120, 180, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(path, "HEIF", quality=95, thumbnails=[90])
    with Image.open(path) as image:
        image.draft(None, (60, 40))
        assert image.size == (90, 60)  # it is there, and the reader would give it
    derive_file(path, tmp_path / "out.jpg", max_side=60)
    with Image.open(tmp_path / "out.jpg") as made:
        assert np.asarray(made, float).std() < 30


@pytest.mark.parametrize("ending", ["tif", "jpg", "avif", "png"])
def test_a_cut_is_made_in_the_upright_photo(tmp_path: Path, ending: str) -> None:
    """Face boxes and crops are in upright pixels: a cut of the red quarter is red."""
    from safelight.domain.crops import Crop

    path = tmp_path / f"a.{ending}"
    dialects.ORIENTED[ending](dialects.lying(6, (1200, 900)), path, 6)
    derive_file(path, tmp_path / "out.jpg", max_side=2048, crop=Crop(0, 0, 600, 450, 300, 225))
    with Image.open(tmp_path / "out.jpg") as image:
        pixels = np.asarray(image, float)[10:-10, 10:-10]
        assert np.abs(pixels.mean(axis=(0, 1)) - dialects.COLOURS[0]).max() < 8
        assert pixels.std(axis=(0, 1)).max() < 12
