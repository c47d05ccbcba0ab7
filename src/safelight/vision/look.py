"""Everything the eye measures of one decoded picture, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from safelight.domain.limits import BLURRED_FACE
from safelight.domain.measured import Measured
from safelight.vision import quality, scene
from safelight.vision.body import look_at_body
from safelight.vision.faces import (
    IDENTITY_WIDTH,
    LIGHT_WIDTH,
    SHARP_WIDTH,
    SMOOTH_WIDTH,
    aligned,
    light_of,
    measured_face,
    turn_of,
)
from safelight.vision.nets import Found, Nets, Picture

SIDE = 1024
"""Longest side of the picture that is looked at."""
_FIND_SIDE = 512
"""Longest side at which faces are looked for first. Where none is found, the whole picture is used:
it costs three times as much and finds faces half as large."""
_SMALLEST = 32
"""Pixels of the shorter side below which nothing is looked for."""
_FACE_SIDE = 224
_IDENTITIES = 3
"""Faces of one photo whose identity is measured: the subject and whoever stands as near."""
_AS_NEAR = 0.4
"""Share of the main face's width from which another face may be the subject's."""
_PERSON = 0.2
"""Share of the main face's width from which another face counts as a person in the photo."""
_ONE_WAY = 1.45
"""From this ratio between directions on, the blur is that of a movement. Measured on 37 faces: sharp or
out of focus 1.1 to 1.4, moved by a twentieth of the face 1.5 to 2.7."""


@dataclass(frozen=True, slots=True)
class File:
    """What the file tells of the picture: `tables` are its JPEG quantisation tables, `reduced` how
    many times smaller the decoder gave it, `turned` whether it was set upright since."""

    width: int
    tables: Mapping[int, Sequence[int]] | None = None
    reduced: int = 1


def look(picture: Picture, stored: Picture, file: File, nets: Nets) -> Measured:
    """Measure an upright BGR picture of at most `SIDE` pixels a side.

    *stored* is the grey picture as it came out of the file, not resized nor turned: blocks are
    looked for in it. `file.width` is the photo's full width when upright.
    """
    nets.missing.clear()
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    luma, low, high = quality.exposure(grey)
    is_jpeg = file.tables is not None
    blocks = quality.blockiness(stored, 8 // file.reduced) if is_jpeg else None
    small = _at_most(picture, _FIND_SIDE)
    small_grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    missed: dict[str, str] = {}
    if is_jpeg and blocks is None:
        missed["recompressed"] = "the photo is read at a fraction of its size"
    person = nets.person(small) if min(small.shape[:2]) >= _SMALLEST else None
    busy = None if person is None else scene.background(small_grey, person)
    if busy is None:
        missed["background"] = (
            "the photo is too small" if person is None else "the person leaves hardly any of it"
        )
    seen = Measured(
        sharpness=round(quality.whole_sharpness(small_grey), 1),
        luma=round(luma, 4),
        clipped_low=round(low, 4),
        clipped_high=round(high, 4),
        jpeg_quality=quality.jpeg_quality(file.tables),
        recompressed=None if blocks is None else round(blocks, 3),
        background=None if busy is None else round(busy, 4),
        plain_background=None if busy is None else busy <= scene.PLAIN,
        brightness=scene.brightness(luma),
        warmth=round(scene.warmth(small), 3),
    )
    found = _find(picture, small, nets)
    if found is None:
        missed |= dict.fromkeys(_BY_FACE, "told from the face, and no face was looked for")
    elif not found:
        missed |= dict.fromkeys(_BY_FACE, "no face was found to start from")
        seen = replace(seen, faces=(), people=0)
    else:
        seen = _with_people(seen, picture, found, nets, file.width / picture.shape[1])
        seen = _with_face(seen, grey, found[0])
        missed |= _unseen(seen, found[0])
    missed |= {_NEEDS[name]: why for name, why in nets.missing.items()}
    return replace(
        seen, not_measured=tuple(sorted(missed.items())), lacked=tuple(sorted(nets.missing))
    )


_NEEDS = {"faces": "faces", "identity": "identity", "pose": "framing", "person": "background"}
"""What is not measured without each model."""


_BY_FACE = ("framing", "identity", "light", "sharpness_face", "smoothing")
"""What is told from the face, or begins at it."""


def _unseen(seen: Measured, main: Found) -> dict[str, str]:
    """What the main face does not tell, and why. Sizes are those of the picture that is looked at."""
    missed = {}
    small = "the face is under {:g} pixels wide at " + str(SIDE)
    if seen.face is not None and seen.face.embedding is None:
        few = min(main.width, main.height) < IDENTITY_WIDTH
        missed["identity"] = small.format(IDENTITY_WIDTH) if few else "the face says nothing"
    if seen.light is None:
        turned = main.width >= LIGHT_WIDTH
        missed["light"] = "a cheek is out of view" if turned else small.format(LIGHT_WIDTH)
    if seen.sharpness_face is None:
        missed["sharpness_face"] = small.format(SHARP_WIDTH)
    if seen.smoothing is None:
        blurred = "the face is blurred" if seen.blur else "the face has no detail"
        missed["smoothing"] = small.format(SMOOTH_WIDTH) if main.width < SMOOTH_WIDTH else blurred
    return missed


def _with_people(
    seen: Measured, picture: Picture, found: list[Found], nets: Nets, scale: float
) -> Measured:
    """Faces, how many people, and how much of the main one's body. *scale*: full size over the
    picture's."""
    main = found[0]
    near = [face for face in found if face.width >= _AS_NEAR * main.width][:_IDENTITIES]
    seen = replace(
        seen,
        faces=tuple(
            measured_face(picture, face, nets, scale=scale, identity=face in near) for face in found
        ),
        people=sum(face.width >= _PERSON * main.width for face in found),
    )
    body = look_at_body(picture, main, nets)
    if body is None:
        return seen
    points = None
    if body.points is not None:
        points = tuple(
            (round(float(x), 3), round(float(y), 3), round(float(sure), 2))
            for x, y, sure in body.points
        )
    return replace(
        seen,
        framing=body.framing,
        head_to_toe=body.head_to_toe,
        body_height=None if body.height is None else round(body.height, 3),
        occlusion=body.hidden,
        keypoints=points,
    )


def _with_face(seen: Measured, grey: Picture, main: Found) -> Measured:
    """Sharpness, blur, smoothing and light of the main face, as far as its size allows."""
    if main.width < LIGHT_WIDTH:
        return seen
    face = aligned(grey, main.points, _FACE_SIDE)
    lit = light_of(face, turn_of(main.points)[0])
    if lit is not None:
        seen = replace(seen, light=lit[0], contrast=round(lit[1], 3))
    if main.width < SHARP_WIDTH:
        return seen
    sharp, ratio = quality.face_sharpness(face)
    if seen.faces:
        first = replace(seen.faces[0], sharpness=round(sharp, 3))
        seen = replace(seen, faces=(first, *seen.faces[1:]))
    seen = replace(seen, sharpness_face=round(sharp, 3))
    if sharp < BLURRED_FACE.value:
        return replace(seen, blur="motion" if ratio > _ONE_WAY else "defocus")
    smooth = quality.smoothing(face) if main.width >= SMOOTH_WIDTH else None
    return replace(seen, smoothing=None if smooth is None else round(smooth, 3))


def _find(picture: Picture, small: Picture, nets: Nets) -> list[Found] | None:
    """The faces in the picture's own pixels; None where the model is missing."""
    if min(small.shape[:2]) < _SMALLEST:
        return []
    found = nets.faces(small)
    if found or found is None or small is picture:
        x, y = picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0]
        return None if found is None else [_grown(face, x, y) for face in found]
    return nets.faces(picture)


def _at_most(picture: Picture, side: int) -> Picture:
    """The picture at a longest side of at most *side*."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Down to a half nothing aliases by it, and it costs a fraction.
    how = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _grown(face: Found, x: float, y: float) -> Found:
    return Found(
        face.x * x,
        face.y * y,
        face.width * x,
        face.height * y,
        face.score,
        face.points * np.array([x, y]),
    )
