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
    # The detector's boxes are tight: a hair's breadth over the edge is no cut.
    slack = 0.05 * found.height
    cut = (
        found.x < -slack
        or found.y < -slack
        or found.x + found.width > width + slack
        or found.y + found.height > height + slack
    )
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
        cut=cut,
        embedding=embedding,
    )


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
