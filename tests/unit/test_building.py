"""A dataset whose photos were measured: cut in the trainer's shapes, captioned with what was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.domain.crops import Crop
from safelight.domain.dataset import Manifest
from safelight.domain.measured import Framing
from safelight.domain.members import SetPhoto
from safelight.domain.profiles import get_profile
from safelight.vision.derive import derive_file
from tests.support import photos as make
from tests.support.measured import face, measured
from tests.unit.test_crops import standing
from tests.unit.test_preprocess_stage import Bench

CHARACTER = replace(
    get_profile("character@v1"), gates=replace(get_profile("character@v1").gates, min_side=256)
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def seen(ref: SetPhoto, shot: int, framing: Framing) -> SetPhoto:
    """The photo (768 × 1024) as one of which this was measured."""
    assert ref.facts is not None
    found = measured(
        shot,
        framing=framing,
        faces=(face(1, shot, x=350, y=90, width=64, height=84),),
        keypoints=standing(0.08, 0.95) if framing is Framing.FULL_BODY else None,
    )
    return replace(ref, facts=replace(ref.facts, measured=found))


def test_crops_of_full_body_photos_are_marked_as_derived_and_counted_apart(bench: Bench) -> None:
    """R-57, R-62: the lineage stays, and the count of photos is that of photos."""
    bodies = [seen(ref, n, Framing.FULL_BODY) for n, ref in enumerate(bench.good(10))]
    result = bench.built(bodies, profile=CHARACTER)
    whole = [photo for photo in result.manifest.photos if not photo.derived]
    parts = [photo for photo in result.manifest.photos if photo.derived]
    assert len(whole) == 10 == result.report.counts["kept"]
    assert len(parts) == 4 == len(result.report.details["crops"])
    assert {part.photo_id for part in parts} == set(result.report.details["crops"])
    assert [photo.file for photo in result.manifest.photos] == [
        f"{n:03d}.jpg" for n in range(1, 15)
    ]
    assert result.report.details["exposures"] == pytest.approx(560 / 14, abs=0.1)
    with bench.archive(result) as archive:
        for part in parts:
            assert part.crop is not None
            assert part.crop[3] < 1024 * 0.75
            assert part.caption.startswith("medium shot photo of slqk24bcdf person")
            with Image.open(archive.open(part.file)) as image:
                assert image.size == (part.width, part.height)
    stored = Manifest.from_dict(result.manifest.to_dict())
    assert stored == result.manifest


def test_captions_say_what_was_measured_and_the_producers_own_stay(bench: Bench) -> None:
    """K10, R-68."""
    refs = [seen(ref, n, Framing.CLOSE_UP) for n, ref in enumerate(bench.good(9))]
    refs[2] = replace(refs[2], caption="[trigger] laughing")
    captions = [photo.caption for photo in bench.built(refs).manifest.photos]
    assert captions[1].startswith("close-up photo of slqk24bcdf person")
    assert captions[2] == "slqk24bcdf laughing"


def test_the_same_measured_photos_make_the_same_zip(bench: Bench) -> None:
    refs = [seen(ref, n, Framing.FULL_BODY) for n, ref in enumerate(bench.good(9))]
    first = bench.built(refs, profile=CHARACTER)
    data = bench.store.objects[first.key]
    again = bench.built(reversed(refs), profile=CHARACTER)
    assert bench.store.objects[again.key] == data


def marked(folder: Path) -> tuple[Image.Image, Crop]:
    """A grey picture of 1600 × 2000 with a red part, and the cut that is exactly that part."""
    pixels = np.full((2000, 1600, 3), 128, np.uint8)
    pixels[300:1500, 200:1160] = (200, 30, 30)
    return Image.fromarray(pixels), Crop(200, 300, 1160, 1500, 480, 600)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_cut_keeps_exactly_its_part_whichever_way_the_file_lies(
    tmp_path: Path, orientation: int, ending: str
) -> None:
    picture, crop = marked(tmp_path)
    back = {
        1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = picture if back is None else picture.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    source, target = tmp_path / f"a.{ending}", tmp_path / "out.jpg"
    more: dict[str, Any] = {"quality": 95} if ending == "jpg" else {}
    stored.save(source, exif=exif, **more)
    made = derive_file(source, target, max_side=2048, crop=crop)
    assert (made.width, made.height) == (480, 600)
    with Image.open(target) as image:
        pixels = np.asarray(image.convert("RGB"), np.int16)
    inner = pixels[3:-3, 3:-3]
    assert np.abs(inner - (200, 30, 30)).max() < 24
    assert derive_file(source, tmp_path / "2.jpg", max_side=2048, crop=crop) == made


def test_a_cut_of_a_real_photo_is_smaller_than_the_photo(tmp_path: Path) -> None:
    source = make.photo(tmp_path, "a.jpg", 3)
    made = derive_file(
        source, tmp_path / "b.jpg", max_side=2048, crop=Crop(0, 0, 400, 400, 320, 320)
    )
    assert (made.width, made.height) == (320, 320)
