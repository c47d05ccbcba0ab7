"""What the eye measured of one photo: numbers and coarse words, no judgement.

Every field is None where nothing could be measured (a model is missing, there is no face): never a
guess. Judging is done elsewhere and may change; what is here changes with the `analyser` only.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

ANALYSER = "eye-3"
"""The version of everything that measures. Facts of another version are measured anew."""

NO_CONSENT = "no consent to keep biometric data is on record"
"""Why identity vectors that were measured are not kept."""


class Framing(StrEnum):
    """How much of the main person is in the photo (R-46 to R-49, R-53). A partition.

    `close_up`: head and shoulders; `medium`: to the hips or the knees; `full_body`: to the feet, and
    tall in the photo; `wide`: to the feet, and small in it; `unclassified`: none could be told.
    """

    CLOSE_UP = "close-up"
    MEDIUM = "medium"
    FULL_BODY = "full-body"
    WIDE = "wide"
    UNCLASSIFIED = "unclassified"


WHOLE_BODY = frozenset({Framing.FULL_BODY, Framing.WIDE})
"""What is to show somebody to the feet."""


class Angle(StrEnum):
    """How far the face is turned from the camera (R-36), coarsely."""

    FRONT = "front"
    THREE_QUARTER_LEFT = "three-quarter-left"
    THREE_QUARTER_RIGHT = "three-quarter-right"
    SIDE_LEFT = "side-left"
    SIDE_RIGHT = "side-right"

    @property
    def side(self) -> str:
        """Front, three-quarter or side, whichever way."""
        return self.value.removesuffix("-left").removesuffix("-right")


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was found. Lengths are in pixels of the upright photo at its full size.

    `score` is the detector's, 0 to 1. `yaw` is the nose's offset along the eye axis in eye
    distances: 0 straight on, negative to the left of the picture; `pitch` its drop below the eyes
    against the mouth's (0.5 or so straight on); `roll` in degrees, clockwise. `sharpness` is
    measured of the main face only (see `Measured`). `beyond_x` and `beyond_y` are the shares of the
    face's width and height, 0 to 1, that lie beyond the photo's edge, sideways and above or below;
    `eyes` is how many of its eyes are in the picture, clear of the edge. They are None where an older
    eye measured, which said no more than `cut`: the box reaches over the edge. `embedding` is the
    identity vector, 128 float16 of length 1 in base64: biometric data, kept for the main face and for
    those as near as it.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    angle: Angle | None = None
    sharpness: float | None = None
    cut: bool = False
    embedding: str | None = None
    beyond_x: float | None = None
    beyond_y: float | None = None
    eyes: int | None = None

    def vector(self) -> tuple[float, ...] | None:
        """The identity vector, or None where it was not measured."""
        if self.embedding is None:
            return None
        data = base64.b64decode(self.embedding)
        return struct.unpack(f"<{len(data) // 2}e", data)

    @staticmethod
    def packed(vector: Sequence[float]) -> str:
        """*vector* at length 1, as `embedding` holds it."""
        length = math.sqrt(sum(value * value for value in vector)) or 1.0
        data = struct.pack(f"<{len(vector)}e", *(value / length for value in vector))
        return base64.b64encode(data).decode("ascii")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Face:
        """The face `asdict` made; keys of a newer version are passed over."""
        known = {key: data[key] for key in cls.__dataclass_fields__ if key in data}
        if known.get("angle") is not None:
            known["angle"] = Angle(known["angle"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one photo beyond its size and format.

    Quality. `sharpness_face` is the main face's, 0 to 0.6: the share of its fine detail that a small
    blur takes away; None where the face is small. `sharpness` is the
    whole picture's Laplacian variance at a fixed size, misled by a blurred background. `blur` is
    `motion` or `defocus`, a hint, where the face is blurred. `luma` is the mean brightness, 0 to 1;
    `clipped_low` and `clipped_high` the shares of pixels at either end. `jpeg_quality` 1 to 100 from
    the tables; `recompressed` the steps at the borders of JPEG's blocks against those within (1.0 to
    1.2 for an original, 1.5 and more where it was saved at 50 before). `smoothing` is the finest
    detail left in the main face's skin against that in its features (about 1; low: smoothed), a hint.

    People. `faces` from the largest down, None where no face was looked for; `people` the faces that
    count as persons. `keypoints` are the 33 points of the pose (x, y as shares of the photo, 0 to 1
    within it, and visibility). `body_height` is the person's share of the photo's height.
    `head_to_toe`: all of the person is in the photo. `occlusion` is a hint: parts of the body that
    should be seen by the framing and are not.

    Scene. `background` is the edge density outside of the person (to 0.02 plain, from 0.14 busy);
    `plain_background` follows from it. `light` is the side of the face that is brighter (`left`,
    `right`, `even`), `contrast` the difference against the mean; `brightness` is `dark`, `normal` or
    `bright`; `warmth` the red-blue balance of the picture, -1 to 1.

    `not_measured` says what was not and why.
    """

    analyser: str = ANALYSER
    sharpness: float | None = None
    sharpness_face: float | None = None
    blur: str | None = None
    luma: float | None = None
    clipped_low: float | None = None
    clipped_high: float | None = None
    jpeg_quality: float | None = None
    recompressed: float | None = None
    smoothing: float | None = None
    faces: tuple[Face, ...] | None = None
    people: int | None = None
    framing: Framing | None = None
    head_to_toe: bool | None = None
    body_height: float | None = None
    keypoints: tuple[tuple[float, float, float], ...] | None = None
    occlusion: tuple[str, ...] | None = None
    background: float | None = None
    plain_background: bool | None = None
    light: str | None = None
    contrast: float | None = None
    brightness: str | None = None
    warmth: float | None = None
    not_measured: tuple[tuple[str, str], ...] = ()
    """What was not measured → why, in words that name the way out."""
    lacked: tuple[str, ...] = ()
    """The models that were not on the machine then."""

    @property
    def face(self) -> Face | None:
        """The main face: the largest; None where there is none or none was looked for."""
        return self.faces[0] if self.faces else None

    @property
    def withheld(self) -> bool:
        """Whether identity was measured and not kept, for want of consent."""
        return ("identity", NO_CONSENT) in self.not_measured

    def without_identity(self) -> Measured:
        """As it is, but without any identity vector: what a door may show."""
        if not self.faces:
            return self
        return replace(self, faces=tuple(replace(face, embedding=None) for face in self.faces))

    def without_consent(self) -> Measured:
        """As it is kept of a subject without consent on record: no identity vector, and why there is none."""
        if not any(face.embedding for face in self.faces or ()):
            return self
        why = {**dict(self.not_measured), "identity": NO_CONSENT}
        return replace(self.without_identity(), not_measured=tuple(sorted(why.items())))

    def to_dict(self) -> dict[str, Any]:
        """The measurements as JSON takes them."""
        return {**asdict(self), "not_measured": dict(self.not_measured)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measured:
        """What `to_dict` made; keys of a newer version are passed over."""
        known = {key: data[key] for key in cls.__dataclass_fields__ if key in data}
        if known.get("occlusion") is not None:
            known["occlusion"] = tuple(known["occlusion"])
        if known.get("faces") is not None:
            known["faces"] = tuple(Face.from_dict(face) for face in known["faces"])
        if known.get("keypoints") is not None:
            known["keypoints"] = tuple((x, y, seen) for x, y, seen in known["keypoints"])
        known["lacked"] = tuple(known.get("lacked", ()))
        if known.get("framing") is not None:
            known["framing"] = Framing(known["framing"])
        known["not_measured"] = tuple(dict(known.get("not_measured", {})).items())
        return cls(**known)
