"""Whether face and body lie alike in two photos: what a hash of the look cannot tell.

Of a figure on an even ground the hash sees the ground, and two poses before one backdrop come out as
near-duplicates. What was measured of both tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from safelight.domain.limits import (
    ALIKE_BITS,
    ALIKE_CROP,
    ALIKE_PLACE,
    ALIKE_POSE,
    ALIKE_SEEN,
    ALIKE_YAW,
)
from safelight.domain.measured import WHOLE_BODY, Face, Measured
from safelight.domain.photos import PhotoFacts

_TURNED = 0.6
"""Yaw from which on a face is seen from the side, and its yaw is no longer exact."""
_SEEN, _CLEARLY = 0.5, 0.5
"""Visibility of a point that counts, and the difference by which two are told apart."""
_STRETCH = 0.08
"""A crop of 3 % on each side stretches a photo by 6 %."""
_OTHER_SIDE = (
    *(0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9),
    *(i + 1 if i % 2 else i - 1 for i in range(11, 33)),
)
"""The point of the body that is in each one's place in a mirror."""


def lie_alike(one: PhotoFacts, other: PhotoFacts, bits: int, *, mirrored: bool) -> bool:
    """Whether the photos may be one picture by what was measured of both; where *mirrored*, one and the
    mirror image of the other.

    The face is turned alike, and face and body are in the same places, but for what a small crop
    shifts. What was measured of one of them only says nothing. *bits* is how far their looks are
    apart: where that is next to nothing, the measurements must differ by twice as much to count.
    """
    a, b = one.measured, other.measured
    if a is None or b is None:
        return True
    slack = 2.0 if bits <= ALIKE_BITS.value else 1.0
    return _faces_alike(one, other, mirrored, slack) and _bodies_alike(a, b, mirrored, slack)


def _faces_alike(one: PhotoFacts, other: PhotoFacts, mirrored: bool, slack: float) -> bool:
    a, b = one.measured, other.measured
    if a is None or b is None or a.face is None or not b.faces:
        return True
    x, y = _middle(a.face, one)
    # Of several people another may come out as the largest: the face in the same place counts.
    apart, face = min(
        (
            (max(abs(x - (1 - u if mirrored else u)), abs(y - v)), face)
            for face, (u, v) in _places(other)
        ),
        key=lambda pair: pair[0],
    )
    if apart > slack * ALIKE_PLACE.value:
        return False
    if a.face.yaw is None or face.yaw is None:
        return True
    yaw = -face.yaw if mirrored else face.yaw
    return abs(_coarse(a.face.yaw) - _coarse(yaw)) <= slack * ALIKE_YAW.value


def _places(facts: PhotoFacts) -> Iterator[tuple[Face, tuple[float, float]]]:
    measured = facts.measured
    for face in (measured.faces or ()) if measured else ():
        yield face, _middle(face, facts)


def _middle(face: Face, facts: PhotoFacts) -> tuple[float, float]:
    """The face's middle in shares of the photo."""
    return (
        (face.x + face.width / 2) / max(1, facts.width),
        (face.y + face.height / 2) / max(1, facts.height),
    )


def _coarse(yaw: float) -> float:
    return max(-_TURNED, min(_TURNED, yaw))


def _bodies_alike(one: Measured, other: Measured, mirrored: bool, slack: float) -> bool:
    if one.keypoints is None or other.keypoints is None:
        return True
    if one.framing not in WHOLE_BODY or other.framing not in WHOLE_BODY:
        return True  # what is beyond the edge was guessed, and the arms with it
    mine, theirs = np.array(one.keypoints), np.array(other.keypoints)
    if mine.shape != theirs.shape:
        return True
    if mirrored and len(theirs) == len(_OTHER_SIDE):
        theirs = theirs[list(_OTHER_SIDE)] * (-1, 1, 1) + (1, 0, 0)
    inside = np.all([(p[:, :2] >= 0) & (p[:, :2] <= 1) for p in (mine, theirs)], axis=(0, 2))
    mine, theirs = mine[inside], theirs[inside]
    changed = np.abs(mine[:, 2] - theirs[:, 2]) > _CLEARLY
    if changed.sum() > slack * ALIKE_SEEN.value:
        return False
    seen = np.minimum(mine[:, 2], theirs[:, 2]) >= _SEEN
    here, there = mine[seen, :2], theirs[seen, :2]
    if len(here) == 0 or np.abs(here - there).max() <= slack * ALIKE_PLACE.value:
        return True
    # A crop moves and stretches all points as one: what is left beside that is the pose.
    middle, aim = here.mean(axis=0), there.mean(axis=0)
    if np.abs(middle - aim).max() > ALIKE_CROP.value:
        return False
    spread = float(((there - aim) ** 2).sum()) or 1.0
    scale = float(((here - middle) * (there - aim)).sum()) / spread
    scale = min(1 + _STRETCH, max(1 - _STRETCH, scale))
    left = np.abs(here - middle - scale * (there - aim)).max()
    return bool(left <= slack * ALIKE_POSE.value)
