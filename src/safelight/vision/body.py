"""How much of a person is in the photo, by the pose model on a crop seeded from the face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from safelight.domain.measured import Framing
from safelight.vision.nets import SEEN, Found, Nets, Picture, Points

# Points of the body, as the pose model numbers them.
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
HIPS, KNEES, ANKLES, TOES = (23, 24), (25, 26), (27, 28), (31, 32)

_STATURE = 10.0
"""Heights of the detector's face box (brow to chin) in a grown person from crown to sole."""
_CROWN = 0.45
"""Face boxes from the box's top up to the crown of the head."""
_CROP = 11.5
"""Face boxes a side of the crop: the whole person with some room, as the model was trained."""
_NO_HIPS = 3.2
"""Face boxes between the face's top and the photo's lower edge, below which no hips can be in the
photo (they are 4 to 5 below): a close-up, for which the body need not be looked for."""

TALL = 0.5
"""A person seen to the feet is `full-body` from this share of the photo's height, else `wide`. R-59
asks for 0.6 of full-body scenes and 0.4 of medium ones; between them lies the border."""
_TORSO = 0.75
"""From this share of the way from shoulders to hips on, the photo is a medium one: 'to the waist'."""
_BODY_SCORE = 0.5
_FEET_SEEN = 0.3
"""Visibility from which feet count as seen: where they are out of the photo they are placed out of it, so
less is asked of them than of other points."""


@dataclass(frozen=True, slots=True)
class Body:
    """What was seen of the main person. `points` are (x, y, visibility), x and y in shares of the
    photo; None where the framing follows from the face alone. `head_to_toe` is None where feet are in the
    photo and hardly seen."""

    framing: Framing
    head_to_toe: bool | None
    height: float | None = None
    points: Points | None = None
    hidden: tuple[str, ...] = ()


def look_at_body(picture: Picture, face: Found, nets: Nets) -> Body | None:
    """The main person's body; None where the pose model is missing: of close-ups too, which are told
    without it, or a set would seem to hold nothing else."""
    if not nets.has("pose"):
        return None
    height = picture.shape[0]
    if height - face.y < _NO_HIPS * face.height:
        return Body(Framing.CLOSE_UP, head_to_toe=False)
    side = _CROP * face.height
    left = face.x + face.width / 2 - side / 2
    top = face.y - (_CROWN + 0.5) * face.height
    found = nets.pose(_crop(picture, left, top, side))
    if found is None:
        return None
    points, score = found
    points = points.copy()
    points[:, 0] = (left + points[:, 0] * side) / picture.shape[1]
    points[:, 1] = (top + points[:, 1] * side) / height
    if score < _BODY_SCORE:
        return Body(Framing.UNCLASSIFIED, head_to_toe=False, points=points)
    return frame(points, crown=(face.y - _CROWN * face.height) / height, box=face.height / height)


def frame(points: Points, *, crown: float, box: float) -> Body:
    """The framing by the points. *crown* is the top of the head and *box* the height of the face, in
    shares of the photo's height."""

    def seen(*which: int, sure: float = SEEN) -> bool:
        return any(points[i, 2] >= sure and _inside(points[i]) for i in which)

    sole = max(float(points[i, 1]) for i in (*ANKLES, *TOES))
    if seen(*ANKLES, *TOES, sure=_FEET_SEEN):
        tall = min(1.0, sole) - max(0.0, crown)
        framing = Framing.FULL_BODY if tall >= TALL else Framing.WIDE
        # The crown is estimated from the face: half a forehead of doubt.
        within = crown > -0.15 * box and sole <= 1.0 + 0.1 * box
        whole = within and all(_inside(points[i]) for i in ANKLES)
        # Feet that are hardly seen may be behind something: then nothing is said.
        if whole and not seen(*ANKLES, *TOES):
            return Body(framing, None, tall, points, _hidden(points))
        return Body(framing, whole, tall, points, _hidden(points))
    expected = crown + _STATURE * box
    if expected < 1.0 and _STATURE * box < TALL:
        # Small, and there is room below: the feet are hidden, not cut off.
        return Body(Framing.WIDE, head_to_toe=False, points=points, hidden=_hidden(points))
    shoulders = float(points[SHOULDERS, 1].mean())
    hips = float(points[HIPS, 1].mean())
    reach = (1.0 - shoulders) / (hips - shoulders) if hips > shoulders else 0.0
    if seen(*KNEES) or seen(*HIPS) or reach >= _TORSO:
        return Body(Framing.MEDIUM, head_to_toe=False, points=points, hidden=_hidden(points))
    if seen(*SHOULDERS) or crown + 3 * box > 1.0:
        return Body(Framing.CLOSE_UP, head_to_toe=False, points=points)
    return Body(Framing.UNCLASSIFIED, head_to_toe=False, points=points)


def _hidden(points: Points) -> tuple[str, ...]:
    """Parts that lie within the photo and are not seen: a hint, on both sides at once only, because
    the far side of a person who is turned is hidden by the near one."""
    parts = {
        "shoulders": SHOULDERS, "arms": ELBOWS, "hands": WRISTS, "hips": HIPS, "knees": KNEES, "feet": ANKLES,
    }  # fmt: skip
    return tuple(
        name
        for name, pair in parts.items()
        if all(_inside(points[i]) and points[i, 2] < 0.3 for i in pair)
    )


def _inside(point: Points) -> bool:
    return bool(0 <= point[0] <= 1 and 0 <= point[1] <= 1)


def _crop(picture: Picture, left: float, top: float, side: float) -> Picture:
    """A square of *side* pixels out of the picture at 256 × 256, black beyond its edges."""
    # By area first: the sampling of warpAffine alone would alias on a large picture.
    scale = 256 / side
    if scale < 0.5:
        half = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)
        left, top, scale = left * scale, top * scale, 1.0
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(picture, matrix, (256, 256)), np.uint8)
