"""What was measured goes into the database and comes out of it as it was."""

import json
import math

from safelight.domain.measured import ANALYSER, Angle, Face, Framing, Measured
from safelight.domain.photos import PhotoFacts

VECTOR = [math.sin(number) for number in range(128)]
FACE = Face(10.5, 20, 300, 360, 0.93, -0.1, 0.5, 3.0, Angle.FRONT, 0.4, False, Face.packed(VECTOR))
SEEN = Measured(
    sharpness=120.0,
    faces=(FACE, Face(900, 20, 80, 90, 0.8)),
    people=2,
    framing=Framing.FULL_BODY,
    head_to_toe=True,
    keypoints=((0.5, 0.1, 0.99), (0.5, 1.1, 0.2)),
    occlusion=("left-hand",),
    not_measured=(("background", "the model is missing"),),
)


def test_facts_with_measurements_survive_json() -> None:
    facts = PhotoFacts(bytes=3, phash=5, measured=SEEN)
    assert PhotoFacts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
    assert PhotoFacts.from_dict(PhotoFacts(bytes=3).to_dict()).measured is None
    empty = PhotoFacts(bytes=3, measured=Measured())
    assert PhotoFacts.from_dict(json.loads(json.dumps(empty.to_dict()))) == empty


def test_what_a_newer_version_adds_is_passed_over() -> None:
    told = json.loads(json.dumps(SEEN.to_dict()))
    told["new"] = 1
    told["faces"][0]["new"] = 1
    assert Measured.from_dict(told) == SEEN
    assert SEEN.analyser == ANALYSER


def test_the_main_face_is_the_first_and_none_is_none() -> None:
    assert SEEN.face is FACE
    assert Measured().face is None
    assert Measured(faces=()).face is None


def test_an_identity_vector_keeps_its_direction_in_sixteen_bits() -> None:
    vector = FACE.vector()
    assert vector is not None
    assert len(vector) == 128
    assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-3)
    cosine = sum(a * b for a, b in zip(vector, VECTOR, strict=True)) / math.hypot(*VECTOR)
    assert cosine > 0.9999
    assert Face(0, 0, 1, 1, 0.9).vector() is None


def test_an_angle_says_its_side_whichever_way_it_turns() -> None:
    assert Angle.THREE_QUARTER_LEFT.side == Angle.THREE_QUARTER_RIGHT.side == "three-quarter"
    assert (Angle.SIDE_LEFT.side, Angle.FRONT.side) == ("side", "front")
