from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.domain.crops import Crop, balance, buckets, medium_crop, needed, plan_crop
from safelight.domain.measured import Face, Framing
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import get_profile
from tests.support.measured import face, good_set, measured, photo

CHARACTER = get_profile("character@v1").gates


def facts(width: int, height: int, **more: Any) -> PhotoFacts:
    return replace(photo(1).known, width=width, height=height, measured=measured(1, **more))


def standing(
    top: float, feet: float, *, middle: float = 0.5, half: float = 0.1
) -> tuple[tuple[float, float, float], ...]:
    """33 points of a body from *top* to *feet*, in shares of the photo."""
    points = [(middle, top + (feet - top) * 0.1, 0.9)] * 33
    tall = feet - top
    for pair, down in (((11, 12), 0.2), ((23, 24), 0.52), ((25, 26), 0.74), ((27, 28), 0.97)):
        for index, side in zip(pair, (-half, half), strict=True):
            points[index] = (middle + side, top + down * tall, 0.9)
    return tuple(points)


def test_buckets_are_the_trainers_shapes() -> None:
    found = buckets(1024)
    assert (1024, 1024) in found
    assert (832, 1216) in found
    assert (896, 1152) in found
    assert all(w % 64 == h % 64 == 0 and w * h <= 1024 * 1024 for w, h in found)
    assert {(h, w) for w, h in found} == set(found)
    assert max(max(w, h) / min(w, h) for w, h in found) <= 2


def test_a_photo_without_measurements_loses_as_little_as_can_be_around_its_middle() -> None:
    crop = plan_crop(replace(facts(3000, 4000), measured=None))
    assert (crop.width, crop.height) == (896, 1152)
    assert crop.box == (0, 71, 3000, 3929)


def test_a_face_at_the_edge_is_not_cut_off() -> None:
    """C7: a face cut off by a square crop halved identity."""
    at_top = Face(x=1200, y=150, width=600, height=700, score=0.9)
    given_facts = facts(3000, 4000, faces=(at_top,))
    crop = plan_crop(given_facts)
    need = needed(given_facts)
    assert need is not None
    assert crop.top == 0
    assert crop.left <= need[0]
    assert crop.right >= need[2]


def test_head_and_feet_stay_where_the_body_fills_the_photo() -> None:
    """R-40: the nearest bucket would take 3.6 % of the height, so a narrower one is taken."""
    body = facts(
        3000,
        4000,
        faces=(face(x=1400, y=150, width=200, height=250),),
        keypoints=standing(0.01, 0.985),
        framing=Framing.FULL_BODY,
    )
    crop = plan_crop(body)
    assert (crop.top, crop.bottom) == (0, 4000)
    assert (crop.width, crop.height) in buckets(1024)
    assert crop.width / crop.height < 0.75


def test_feet_that_were_seen_faintly_are_not_cut_off() -> None:
    """Dark shoes, a long dress: the body was found to be whole."""
    points = list(standing(0.02, 0.985))
    for index in range(27, 33):
        points[index] = (0.5, 0.985, 0.4)
    crop = plan_crop(facts(3000, 4000, framing=Framing.FULL_BODY, keypoints=tuple(points)))
    assert crop.bottom >= 0.985 * 4000


def test_of_several_people_as_near_no_head_is_cut_off_and_none_is_cut_out() -> None:
    """The largest face need not be the subject's."""
    left = Face(x=100, y=500, width=400, height=500, score=0.9)
    right = Face(x=2500, y=600, width=350, height=450, score=0.9)
    far = Face(x=1400, y=20, width=60, height=80, score=0.9)
    two = facts(3000, 4000, faces=(left, right, far), people=2)
    need = needed(two)
    assert need is not None
    assert need[0] <= 100
    assert need[2] >= 2850
    assert need[1] > 100, "who passes by in the distance is not the subject"
    body = standing(0.05, 0.95)
    full = {"framing": Framing.FULL_BODY, "keypoints": body}
    assert medium_crop(facts(3000, 4000, faces=(left,), people=1, **full)) is not None
    assert medium_crop(facts(3000, 4000, faces=(left, right), people=2, **full)) is None


def test_a_small_photo_gets_the_buckets_shape_at_its_own_size() -> None:
    crop = plan_crop(replace(facts(640, 800), measured=None))
    assert (crop.width, crop.height) == (crop.right - crop.left, crop.bottom - crop.top)
    assert min(crop.width, crop.height) >= 600


def test_a_strip_that_no_bucket_holds_stays_whole() -> None:
    crop = plan_crop(replace(facts(4000, 900), measured=None))
    assert crop.box == (0, 0, 4000, 900)
    assert crop.width * crop.height <= 1024 * 1024 + 4000


sizes = st.integers(512, 6000)


@given(sizes, sizes, st.tuples(*[st.floats(0, 1)] * 4), st.sampled_from([512, 768, 1024]))
@settings(deadline=None, max_examples=200)
def test_whatever_the_photo_the_head_is_in_the_cut_and_nothing_is_enlarged(
    width: int, height: int, at: tuple[float, float, float, float], resolution: int
) -> None:
    short = min(width, height)
    size = short * (0.05 + 0.4 * at[2])
    head = face(x=at[0] * (width - size), y=at[1] * (height - size), width=size, height=size)
    one = facts(width, height, faces=(head,), keypoints=None)
    crop = plan_crop(one, resolution=resolution)
    need = needed(one)
    assert need is not None
    assert crop.left <= need[0] + 1
    assert crop.top <= need[1] + 1
    assert crop.right >= need[2] - 1
    assert crop.bottom >= need[3] - 1
    assert 0 <= crop.left < crop.right <= width
    assert 0 <= crop.top < crop.bottom <= height
    assert crop.width <= crop.right - crop.left + 1
    assert crop.height <= crop.bottom - crop.top + 1
    shape = (crop.right - crop.left) / (crop.bottom - crop.top)
    assert crop.width / crop.height == pytest.approx(shape, rel=0.02)


def full_body(shot: int, width: int = 2400, height: int = 3200) -> PhotoFacts:
    return replace(
        photo(shot).known,
        width=width,
        height=height,
        measured=measured(
            shot,
            framing=Framing.FULL_BODY,
            faces=(face(1, shot, x=1100, y=300, width=200, height=260),),
            keypoints=standing(0.08, 0.95),
        ),
    )


def test_a_medium_shot_is_cut_out_of_a_full_body_photo_from_the_head_to_the_thighs() -> None:
    """R-57."""
    one = full_body(1)
    crop = medium_crop(one)
    assert crop is not None
    head = needed(replace(one, measured=replace(one.measured, keypoints=None)))  # type: ignore[type-var]
    assert head is not None
    assert crop.top <= head[1]
    hips, knees = (0.08 + 0.87 * part for part in (0.52, 0.74))
    assert hips * 3200 < crop.bottom < knees * 3200
    assert medium_crop(replace(one, width=700, height=900)) is None, "too few pixels would be left"
    assert medium_crop(photo(1).known) is None, "no pose, no crop"


def test_crops_fill_what_the_target_lacks_and_only_where_the_profile_asks() -> None:
    """R-55, R-57."""
    bodies = [replace(photo(n), facts=full_body(n)) for n in range(12)]
    nears = [photo(20 + n, framing=Framing.CLOSE_UP) for n in range(6)]
    chosen = balance([*bodies, *nears], CHARACTER)
    assert len(chosen) == 5  # a quarter of 18, rounded up
    assert set(chosen) <= {photo.id for photo in bodies}
    assert balance([*bodies, *nears], get_profile("likeness@v2").gates) == []
    assert balance(good_set(), CHARACTER) == []


def test_a_crop_knows_its_place_on_a_thumbnail() -> None:
    crop = Crop(100, 0, 900, 1000, 832, 1024)
    assert crop.share(facts(1000, 2000)) == (0.1, 0.0, 0.9, 0.5)
