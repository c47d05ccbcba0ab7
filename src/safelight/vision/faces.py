"""One face: turned upright, its angle, its sharpness, its light, its identity."""

from __future__ import annotations

import cv2
import numpy as np

from safelight.domain.measured import Angle, Face
from safelight.vision.nets import Found, Nets, Picture, Points

IDENTITY_WIDTH = 28.0
"""Pixels of a face, in the picture that is looked at, from which its identity can be told."""
SHARP_WIDTH = 100.0
"""Pixels of a face from which its sharpness can be told: below, sharp faces look as blurred ones do."""
LIGHT_WIDTH = 40.0
"""Pixels of a face from which the light on its cheeks can be told."""
SMOOTH_WIDTH = 112.0
"""Pixels of a face from which the grain of skin is in the picture at all."""

_FRONT, _SIDE = 0.17, 0.55
"""The nose's offset along the eye axis in eye distances: front below, side above. Measured on rendered
heads: 0.08 to 0.16 at 10 degrees, 0.24 to 0.41 at 25, 0.5 to 1.0 at 60."""

_AT_EDGE = 0.06
"""Share of a face's box by which it may keep off the edge and still be cut by it: the box of a face that is
cut ends within 0.05 of the edge (1,510 cut faces)."""
_WIDE, _WIDE_TURNED = 2.0, 1.8
"""Widths of a whole face's box in distances from eyes to mouth: 1.8 to 2.2 (65 faces), less from the side."""
_NARROW = 0.71
"""Width of a whole face's box over its height: 0.65 to 0.8."""
_CLEAR = 0.15
"""Distances from eyes to mouth that an eye in the picture keeps off the edge: the detector places an eye that
is cut off at the edge, or just within it."""
_BREADTH = 0.1
"""Share of a face that is a hair's breadth: the detector's boxes are tight."""

_BOTH_CHEEKS = 0.2
"""Yaw up to which both cheeks are in view."""
_UNEVEN = 0.2
"""Difference of the cheeks, of their mean, from which the light comes from one side."""

# Where the five points lie in an aligned face of 112 pixels, as the identity model was trained.
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float64,
)  # fmt: skip


def aligned(picture: Picture, points: Points, side: int) -> Picture:
    """The face upright, its five points where the models expect them, on *side* × *side* pixels."""
    matrix = _similarity(points, _TEMPLATE * (side / 112))
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:  # by area first: sampling alone would alias, and aliasing looks sharp
        size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        ratio = np.array([size[0] / picture.shape[1], size[1] / picture.shape[0]])
        return aligned(small, points * ratio, side)
    # Beyond the photo's edge its last pixels go on: a black border would look like a sharp edge.
    face = cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(face, np.uint8)


def measured_face(
    picture: Picture, found: Found, nets: Nets, *, scale: float, identity: bool
) -> Face:
    """What is kept of a face. *scale* is full size over the picture's; *identity* asks for the vector."""
    height, width = picture.shape[:2]
    yaw, pitch, roll = turn_of(found.points)
    embedding = None
    if identity and min(found.width, found.height) >= IDENTITY_WIDTH:
        vector = nets.identity(aligned(picture, found.points, 112))
        embedding = None if vector is None else Face.packed([float(value) for value in vector])
    sideways, upright = beyond_edge(found, width, height)
    return Face(
        x=round(found.x * scale, 1),
        y=round(found.y * scale, 1),
        width=round(found.width * scale, 1),
        height=round(found.height * scale, 1),
        score=round(found.score, 3),
        yaw=round(yaw, 3),
        pitch=round(pitch, 3),
        roll=round(roll, 1),
        angle=angle_of(yaw),
        cut=max(sideways, upright) > _BREADTH,
        beyond_x=round(sideways, 2),
        beyond_y=round(upright, 2),
        eyes=eyes_within(found, width, height),
        embedding=embedding,
    )


def beyond_edge(found: Found, width: int, height: int) -> tuple[float, float]:
    """The shares of a face's width and height that lie beyond the edges of a picture of *width* × *height*.

    The detector's box ends at the edge whatever is cut off there, so a whole face's size is told from what
    is left: from eyes to mouth its width, from its width its height.
    """
    eyes, mouth = found.points[:2].mean(axis=0), found.points[3:].mean(axis=0)
    down = float(np.hypot(*(mouth - eyes))) or 1.0
    across = min(found.x + found.width, width) - max(found.x, 0)
    tall = min(found.y + found.height, height) - max(found.y, 0)
    near_x, near_y = _AT_EDGE * found.width, _AT_EDGE * found.height
    sideways = upright = 0.0
    if found.x < near_x or found.x + found.width > width - near_x:
        turned = abs(turn_of(found.points)[0]) > _SIDE
        sideways = 1 - across / ((_WIDE_TURNED if turned else _WIDE) * down)
    if found.y < near_y or found.y + found.height > height - near_y:
        upright = 1 - tall * _NARROW / found.width
    return max(0.0, sideways), max(0.0, upright)


def eyes_within(found: Found, width: int, height: int) -> int:
    """How many of a face's eyes lie within the picture, clear of its edge."""
    eyes, mouth = found.points[:2], found.points[3:].mean(axis=0)
    margin = _CLEAR * (float(np.hypot(*(mouth - eyes.mean(axis=0)))) or 1.0)
    room = np.array([width, height]) - margin
    return int(((eyes > margin) & (eyes < room)).all(axis=1).sum())


def turn_of(points: Points) -> tuple[float, float, float]:
    """Yaw, pitch and roll, coarsely (see `Face`), from the five points."""
    left, right, nose, mouth_left, mouth_right = points
    axis = right - left
    between = float(np.hypot(*axis)) or 1.0
    along = axis / between
    down = np.array([-along[1], along[0]])
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    # By the distance of eyes and mouth where the eyes fall together: a face seen from the side.
    unit = max(between, 0.25 * float((mouth - eyes) @ down))
    yaw = float((nose - eyes) @ along) / unit
    pitch = float((nose - eyes) @ down) / (float((mouth - eyes) @ down) or 1.0)
    roll = float(np.degrees(np.arctan2(axis[1], axis[0])))
    return yaw, pitch, roll


def angle_of(yaw: float) -> Angle:
    """The coarse word for a yaw."""
    if abs(yaw) < _FRONT:
        return Angle.FRONT
    if abs(yaw) <= _SIDE:
        return Angle.THREE_QUARTER_LEFT if yaw < 0 else Angle.THREE_QUARTER_RIGHT
    return Angle.SIDE_LEFT if yaw < 0 else Angle.SIDE_RIGHT


def light_of(grey: Picture, yaw: float) -> tuple[str, float] | None:
    """The side of an aligned grey face of 224 pixels that is brighter, and by how much of the mean.

    None for a face that is turned: one of its cheeks is out of view.
    """
    if abs(yaw) > _BOTH_CHEEKS:
        return None
    left = float(np.median(grey[110:160, 50:90]))
    right = float(np.median(grey[110:160, 134:174]))
    contrast = (left - right) / max(1.0, (left + right) / 2)
    side = "even" if abs(contrast) < _UNEVEN else "left" if contrast > 0 else "right"
    return side, contrast


def _similarity(source: Points, target: Points) -> Points:
    """The turn, scale and shift that brings *source* nearest to *target* (least squares, 2 × 3)."""
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    s, t = source - middle, target - aim
    size = float((s * s).sum()) or 1.0
    a = float((s * t).sum()) / size
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / size
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, aim - turn @ middle])
