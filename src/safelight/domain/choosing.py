"""Which photos of a set to train on, where there are more than the profile takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType

from safelight.domain.duplicates import distance
from safelight.domain.members import SetPhoto

OTHER_FRAMING, OTHER_ANGLE, OTHER_LIGHT = 12, 8, 4
"""Bits of distance that another framing, angle or light is worth, beside the 64 of the look."""
FLAW = 24
"""Bits of distance that each warning on a photo costs."""


def choose(
    photos: Sequence[SetPhoto],
    most: int,
    warned: Mapping[str, int] = MappingProxyType({}),
) -> list[SetPhoto]:
    """At most *most* of the photos, those that differ most from each other, in the order given.

    Begins with the best photo of each kind (framing and angle, the rarest kind first), so that no
    kind is lost while there is room for it; then, again and again, takes the one that is farthest
    from all taken so far. What is *warned* of (how often, by photo id) comes last: an outlier is far
    from all others, and not for that the better photo.
    """
    if len(photos) <= most:
        return list(photos)
    left = sorted(photos, key=lambda p: (-warned.get(p.id, 0), p.worth), reverse=True)
    taken = _one_of_each(left, most, warned)
    chosen = {photo.id for photo in taken}
    left = [photo for photo in left if photo.id not in chosen]
    apart = {photo.id: min(_apart(photo, other) for other in taken) for photo in left}
    while len(taken) < most:
        last = max(left, key=lambda photo: apart[photo.id] - FLAW * warned.get(photo.id, 0))
        left.remove(last)
        taken.append(last)
        for photo in left:
            apart[photo.id] = min(apart[photo.id], _apart(photo, last))
    chosen = {photo.id for photo in taken}
    return [photo for photo in photos if photo.id in chosen]


def _one_of_each(
    best_first: Sequence[SetPhoto], most: int, warned: Mapping[str, int]
) -> list[SetPhoto]:
    """The best photo of each kind. A kind of which all photos are warned of has no place kept for it,
    unless nothing else has its framing."""
    kinds = [_kind(photo) for photo in best_first]
    counts = Counter(kinds)
    first: dict[tuple[Hashable, Hashable], SetPhoto] = {}
    framed: set[Hashable] = set()
    for photo, kind in zip(best_first, kinds, strict=True):
        if kind not in first and (not warned.get(photo.id) or kind[0] not in framed):
            first[kind] = photo
            framed.add(kind[0])
    rarest = sorted(first, key=lambda kind: counts[kind])  # stable: of equals the better one first
    return [first[kind] for kind in rarest[:most]]


def _kind(photo: SetPhoto) -> tuple[Hashable, Hashable]:
    measured = photo.known.measured
    if measured is None:
        return None, None
    angle = measured.face.angle if measured.face else None
    return measured.framing, angle


def _apart(one: SetPhoto, other: SetPhoto) -> int:
    bits = distance(one.known, other.known)[0]
    a, b = one.known.measured, other.known.measured
    if a is None or b is None:
        return bits
    angles = [m.face.angle if m.face else None for m in (a, b)]
    return (
        bits
        + OTHER_FRAMING * (a.framing != b.framing)
        + OTHER_ANGLE * (angles[0] != angles[1])
        + OTHER_LIGHT * ((a.light, a.brightness) != (b.light, b.brightness))
    )
