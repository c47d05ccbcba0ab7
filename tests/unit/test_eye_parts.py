"""What is measured of a picture, part by part, on pictures whose truth is known. No model is needed."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from safelight.domain.limits import BLURRED_FACE, SMOOTHED
from safelight.domain.measured import Angle, Framing
from safelight.vision import quality, scene
from safelight.vision.body import ANKLES, HIPS, KNEES, SHOULDERS, TOES, frame
from safelight.vision.faces import aligned, angle_of, light_of, turn_of
from safelight.vision.inspect import measure
from safelight.vision.nets import Nets
from tests.support import photos


def noise(side: int = 224, seed: int = 1) -> np.ndarray:
    """A picture with detail of every size, as a face has."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 30, (side // step,) * 2), (side, side))
        for step in (1, 2, 4, 16)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def blurred(picture: np.ndarray, sigma: float, upright: float = 0) -> np.ndarray:
    """*upright*: the blur from top to bottom, where it is another."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, sigmaY=upright), np.uint8)


@pytest.mark.parametrize("asked", [30, 50, 75, 90, 95])
def test_jpeg_quality_is_read_from_the_tables(asked: int) -> None:
    held = io.BytesIO()
    Image.fromarray(noise()).save(held, "JPEG", quality=asked)
    image = Image.open(held)
    assert isinstance(image, JpegImageFile)
    assert quality.jpeg_quality(image.quantization) == pytest.approx(asked, abs=0.5)


def test_no_tables_or_odd_ones_are_no_quality() -> None:
    assert quality.jpeg_quality(None) is None
    assert quality.jpeg_quality({}) is None
    assert quality.jpeg_quality({0: [1, 2, 3]}) is None
    assert quality.jpeg_quality({0: [1] * 64}) == 100


def test_recompression_leaves_its_blocks() -> None:
    """R-32."""

    def saved(picture: np.ndarray, asked: int) -> np.ndarray:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, asked])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)

    def blocks(asked: int) -> float:
        found = quality.blockiness(saved(saved(original, asked), 95), 8)
        assert found is not None
        return found

    original = blurred(noise(512), 1)
    found = [blocks(asked) for asked in (95, 50, 20)]
    assert found == sorted(found)
    assert found[0] < 1.2
    assert found[1] > 1.4
    assert quality.blockiness(original, 2) is None, "no pixel lies within a block of two"


def test_a_blurred_face_is_less_sharp_whatever_its_contrast() -> None:
    """R-35, R-45."""
    face = blurred(noise(), 0.6)
    sharp, ratio = quality.face_sharpness(face)
    assert sharp > BLURRED_FACE.value
    assert quality.face_sharpness((face * 0.3).astype(np.uint8))[0] == pytest.approx(
        sharp, abs=0.05
    )
    assert quality.face_sharpness(blurred(face, 3))[0] < BLURRED_FACE.value
    moved, one_way = quality.face_sharpness(blurred(face, 9, 0.01))
    assert moved < BLURRED_FACE.value
    assert one_way > 1.45 > ratio
    assert quality.face_sharpness(np.full((224, 224), 90, np.uint8)) == (0.0, 1.0)


def test_smoothed_skin_loses_its_grain_and_features_keep_theirs() -> None:
    """R-30, R-45."""
    face = noise()
    smooth = blurred(face, 3)
    smooth[76:116] = face[76:116]
    smooth[158:202] = face[158:202]
    untouched, smoothed = quality.smoothing(face), quality.smoothing(smooth)
    assert untouched is not None
    assert smoothed is not None
    assert smoothed < SMOOTHED.value < untouched
    assert quality.smoothing(np.full((224, 224), 90, np.uint8)) is None


def test_exposure_counts_both_ends() -> None:
    grey = np.full((10, 10), 128, np.uint8)
    grey[:2], grey[9:] = 0, 255
    mean, low, high = quality.exposure(grey)
    assert (low, high) == pytest.approx((0.2, 0.1))
    assert mean == pytest.approx((0.7 * 128 / 255) + 0.1, abs=0.01)
    assert [scene.brightness(x) for x in (0.1, 0.5, 0.9)] == ["dark", "normal", "bright"]


def body(*, sole: float, crown: float = 0.05, seen_to: float = 1.0) -> np.ndarray:
    """A person standing upright from *crown* to *sole*; what lies under *seen_to* is not seen."""
    points = np.full((33, 3), (0.5, crown, 0.99))
    for pair, share in ((SHOULDERS, 0.18), (HIPS, 0.5), (KNEES, 0.73), (ANKLES, 0.95), (TOES, 1.0)):
        for i in pair:
            points[i, 1] = crown + share * (sole - crown)
            points[i, 2] = 0.95 if points[i, 1] <= seen_to else 0.05
    return points


@pytest.mark.parametrize(
    ("sole", "framing", "whole"),
    [
        (0.95, Framing.FULL_BODY, True),
        (0.40, Framing.WIDE, True),
        (1.25, Framing.MEDIUM, False),
        (1.75, Framing.MEDIUM, False),
        (4.00, Framing.CLOSE_UP, False),
    ],
)
def test_the_framing_is_what_of_the_body_is_in_the_photo(
    sole: float, framing: Framing, whole: bool
) -> None:
    """R-40, R-46 to R-49."""
    seen = frame(body(sole=sole), crown=0.05, box=(sole - 0.05) / 10)
    assert (seen.framing, seen.head_to_toe) == (framing, whole)


def test_a_cut_off_head_is_not_head_to_toe() -> None:
    seen = frame(body(sole=0.95, crown=-0.05), crown=-0.05, box=0.1)
    assert (seen.framing, seen.head_to_toe) == (Framing.FULL_BODY, False)


def test_a_small_person_whose_feet_are_hidden_is_wide_and_the_feet_are_named() -> None:
    """R-51: a hint."""
    seen = frame(body(sole=0.4, seen_to=0.33), crown=0.05, box=0.035)
    assert seen.framing is Framing.WIDE
    assert not seen.head_to_toe
    assert seen.hidden == ("feet",)


FRONT = np.array([[40, 50], [72, 50], [56, 70], [43, 90], [69, 90]], float)


def test_the_turn_of_a_face_follows_from_its_five_points() -> None:
    """R-36."""
    yaw, pitch, roll = turn_of(FRONT)
    assert (yaw, pitch, roll) == pytest.approx((0, 0.5, 0))
    assert angle_of(yaw) is Angle.FRONT
    turned = FRONT.copy()
    turned[2, 0] += 12
    assert angle_of(turn_of(turned)[0]) is Angle.THREE_QUARTER_RIGHT
    turned[2, 0] += 14
    assert angle_of(turn_of(turned)[0]) is Angle.SIDE_RIGHT
    mirrored = turned[[1, 0, 2, 4, 3]] * (-1, 1) + (112, 0)
    assert angle_of(turn_of(mirrored)[0]) is Angle.SIDE_LEFT
    tilt = np.asarray(cv2.getRotationMatrix2D((56, 70), -20, 1), np.float64)
    tilted = FRONT @ tilt[:, :2].T + tilt[:, 2]
    assert turn_of(tilted) == pytest.approx((0, 0.5, 20), abs=1e-6)


@pytest.mark.parametrize("size", [1, 5])
def test_an_aligned_face_has_its_points_where_the_models_expect_them(size: int) -> None:
    picture = np.zeros((240 * size, 240 * size), np.uint8)
    points = (FRONT + 50) * size
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), 3 * size, 255, -1)
    face = aligned(picture, points, 112)
    for x, y in ((38, 52), (74, 52), (56, 72), (42, 92), (71, 92)):
        assert face[y - 3 : y + 4, x - 3 : x + 4].max() > 120
    beyond = aligned(np.full((60, 60), 200, np.uint8), FRONT - 30, 224)
    assert beyond.min() == 200, "no black edge beyond the photo"


def test_light_from_one_side_is_told() -> None:
    face = np.tile(np.linspace(200, 80, 224), (224, 1)).astype(np.uint8)
    left, right = light_of(face, 0.0), light_of(face[:, ::-1], 0.0)
    assert left is not None
    assert right is not None
    assert (left[0], right[0]) == ("left", "right")
    assert light_of(np.full((224, 224), 99, np.uint8), 0.0) == ("even", 0.0)


def test_a_busy_background_has_edges_and_the_person_does_not_count() -> None:
    """R-52."""
    person = np.zeros((256, 256), np.float32)
    person[60:, 80:180] = 1
    plain = np.full((512, 512, 3), 180, np.uint8)
    plain[150:, 190:330] = np.asarray(photos.picture(1).resize((140, 362)))
    busy = np.asarray(photos.picture(2).resize((512, 512))).copy()
    busy[::24] = 0
    busy[:, ::24] = 255
    quiet, full = (scene.background(p.max(axis=2), person) for p in (plain, busy))
    assert quiet is not None
    assert full is not None
    assert quiet <= scene.PLAIN
    assert full > 0.14
    assert scene.background(plain.max(axis=2), np.ones((256, 256), np.float32)) is None


def test_without_models_what_needs_them_says_so_and_the_rest_is_measured(tmp_path: Path) -> None:
    facts = measure(photos.photo(tmp_path, "a.jpg"), Nets(tmp_path / "no-models"))
    seen = facts.measured
    assert seen is not None
    assert (seen.faces, seen.people, seen.framing, seen.background) == (None, None, None, None)
    why = dict(seen.not_measured)
    assert {"faces", "background", "framing"} <= set(why)
    assert "make models" in why["faces"]
    assert seen.jpeg_quality is not None
    assert seen.sharpness is not None
    assert seen.luma is not None
    assert measure(tmp_path / "a.jpg").measured is None, "no eye, nothing seen"
