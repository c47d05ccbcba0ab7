"""A face that the photo's edge cuts into is told, by how much; one that only touches the edge is not."""

from typing import Any

import numpy as np
import pytest

from benchmarks.eye_truth import cut_faces, turned_heads
from safelight.config import models_folder
from safelight.domain.findings import Finding, Level, Trust
from safelight.domain.gates import Gates
from safelight.domain.measured import Angle, Face, Framing, Measured
from safelight.domain.photos import PhotoFacts, judge_photo
from safelight.vision.faces import beyond_edge, eyes_within
from safelight.vision.models import check
from safelight.vision.nets import Found, Nets

GATES = Gates(block=8, warn=12, ideal_min=15, ideal_max=25, soft_max=30)


def whole(x: float, y: float, turned: float = 0.0) -> Found:
    """A face 142 wide and 200 high, as the detector boxes it, its eyes 68 apart and 71 above the mouth."""
    middle = x + 71 + turned
    eyes, mouth = y + 76, y + 147
    points = [
        (middle - 34, eyes), (middle + 34, eyes), (middle + turned, y + 110),
        (middle - 28, mouth), (middle + 28, mouth),
    ]  # fmt: skip
    return Found(x, y, 142, 200, 0.9, np.array(points, float))


def clipped(face: Found, width: int, height: int) -> Found:
    """What the detector gives of a face that is cut: its box ends at the edge, its points stay at it."""
    left, top = max(0.0, face.x), max(0.0, face.y)
    right, bottom = min(width, face.x + face.width), min(height, face.y + face.height)
    points = np.clip(face.points, 0, [width, height])
    return Found(left, top, right - left, bottom - top, face.score, points)


@pytest.mark.parametrize(
    ("x", "y", "sideways", "upright", "eyes"),
    [
        (400, 300, 0, 0, 2),  # in the middle
        (0, 300, 0, 0, 2),  # at the left edge, whole
        (858, 300, 0, 0, 2),  # at the right edge, whole
        (400, 0, 0, 0, 2),
        (-43, 300, 0.3, 0, 1),
        (-71, 300, 0.5, 0, 1),
        (1000 - 71, 300, 0.5, 0, 1),
        (400, -90, 0, 0.45, 0),
        (400, 1000 - 120, 0, 0.4, 2),
    ],
)
def test_how_much_of_a_face_is_beyond_the_edge(
    x: int, y: int, sideways: float, upright: float, eyes: int
) -> None:
    found = clipped(whole(x, y), 1000, 1000)
    told = beyond_edge(found, 1000, 1000)
    assert told == pytest.approx((sideways, upright), abs=0.06)
    assert eyes_within(found, 1000, 1000) == eyes


def test_a_box_that_reaches_over_the_edge_is_counted_to_the_edge() -> None:
    """The detector guesses what is beyond; what is in the picture is what counts."""
    face = whole(930, 300)
    told = beyond_edge(Found(930, 300, 142, 200, 0.9, face.points), 1000, 1000)
    assert told[0] == pytest.approx(0.5, abs=0.05)


def test_a_profile_at_the_edge_is_narrow_and_not_cut() -> None:
    points = [(12, 76), (30, 76), (2, 110), (14, 147), (26, 147)]
    found = Found(0, 0, 118, 200, 0.9, np.array(points, float))
    assert beyond_edge(found, 1000, 1000)[0] < 0.12


def judged(
    kind: str = "person", framing: Framing | None = Framing.CLOSE_UP, **more: Any
) -> list[Finding]:
    faces = more.pop("faces", None) or (Face(0, 300, 150, 400, 0.9, **more),)
    seen = Measured(faces=faces, people=1, framing=framing)
    facts = PhotoFacts(
        500_000, sha256="ab" * 32, format="jpeg", width=1200, height=1600, measured=seen
    )
    found = judge_photo(facts, GATES, name="half.jpg", kind=kind)
    return [item for item in found if item.kind == "face-cut"]


def test_a_cut_face_is_told_by_what_is_past_its_limit() -> None:
    """An eye at the edge counts sooner than a forehead, of which more is missing here."""
    (finding,) = judged(beyond_x=0.13, beyond_y=0.25, eyes=1)
    assert (finding.measured, finding.limit) == (0.13, 0.12)


def test_half_a_face_in_a_close_up_is_not_trained_on() -> None:
    """C7: a face that is cut off halves the likeness."""
    (finding,) = judged(beyond_x=0.5, beyond_y=0.0, eyes=1)
    assert (finding.level, finding.trust) == (Level.BLOCK, Trust.MEASURED)
    assert (finding.measured, finding.limit) == (0.5, 0.12)
    assert "about 50% of it is not in the picture, and with it an eye" in finding.message
    assert finding.remedy
    assert finding.source


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({"beyond_x": 0.0, "beyond_y": 0.0, "eyes": 2}, None),
        ({"beyond_x": 0.18, "beyond_y": 0.0, "eyes": 2}, None),  # at the edge, both eyes within
        ({"beyond_x": 0.0, "beyond_y": 0.3, "eyes": 2}, None),  # a forehead cropped tightly
        (
            {"beyond_x": 0.0, "beyond_y": 0.0, "eyes": 1, "angle": Angle.SIDE_LEFT},
            None,
        ),  # a profile
        ({"beyond_x": 0.14, "beyond_y": 0.0, "eyes": 1}, Level.WARN),
        ({"beyond_x": 0.25, "beyond_y": 0.0, "eyes": 2}, Level.WARN),
        ({"beyond_x": 0.0, "beyond_y": 0.4, "eyes": 0}, Level.WARN),
        ({"beyond_x": 0.4, "beyond_y": 0.0, "eyes": 1}, Level.BLOCK),
        ({"beyond_x": 0.0, "beyond_y": 0.5, "eyes": 0}, Level.BLOCK),
        ({"beyond_x": 0.4, "beyond_y": 0.0, "eyes": 1, "framing": None}, Level.BLOCK),
        ({"beyond_x": 0.4, "beyond_y": 0.0, "eyes": 1, "framing": Framing.MEDIUM}, Level.WARN),
        ({"beyond_x": 0.4, "beyond_y": 0.0, "eyes": 1, "kind": "character"}, Level.WARN),
        ({"cut": True}, Level.WARN),  # an older eye's word
        ({"cut": False}, None),
    ],
)
def test_a_cut_face_is_told_by_how_much_is_missing(
    more: dict[str, Any], level: Level | None
) -> None:
    assert [item.level for item in judged(**more)] == ([] if level is None else [level])


def test_half_a_face_beside_a_whole_one_is_for_a_person_to_look_at() -> None:
    """The one that is whole may be the subject's."""
    half = Face(0, 300, 300, 400, 0.9, beyond_x=0.4, beyond_y=0.0, eyes=1)
    other = Face(600, 300, 220, 300, 0.9, beyond_x=0.0, beyond_y=0.0, eyes=2)
    assert [item.level for item in judged(faces=(half, other))] == [Level.WARN]
    small = Face(600, 300, 80, 100, 0.9, beyond_x=0.0, beyond_y=0.0, eyes=2)
    assert [item.level for item in judged(faces=(half, small))] == [Level.BLOCK]


def test_facts_of_an_older_eye_are_read_and_looked_at_again() -> None:
    from safelight.stages.preprocess import is_stale

    old = {"x": 1, "y": 2, "width": 3, "height": 4, "score": 0.9, "cut": True}
    face = Face.from_dict(old)
    assert (face.cut, face.beyond_x, face.eyes) == (True, None, None)
    facts = PhotoFacts(9, measured=Measured(analyser="eye-2", faces=(face,)))
    assert is_stale(PhotoFacts.from_dict(facts.to_dict()), frozenset({"faces"}))


@pytest.mark.slow
@pytest.mark.skipif(bool(check(models_folder())), reason="no models: make models")
def test_heads_at_the_edge_are_told_whole_from_cut_whichever_way_they_look() -> None:
    cut, half = cut_faces(list(turned_heads())[:6], Nets(models_folder()), "rendered")
    assert cut.precision(True) >= 0.97, cut.misses
    assert cut.recall(True) >= 0.85, cut.misses
    assert half.precision(True) == 1.0, half.misses
