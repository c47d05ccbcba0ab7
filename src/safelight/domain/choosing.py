"""Which photos of a set to train on, where there are more than the profile takes."""

from __future__ import annotations

from collections.abc import Sequence

from safelight.domain.duplicates import distance
from safelight.domain.members import PhotoForSet


def choose(photos: Sequence[PhotoForSet], most: int) -> list[PhotoForSet]:
    """At most *most* of the photos, those that differ most from each other, in the order given.

    Begins with the largest; then, again and again, takes the one farthest from all taken so far.
    """
    if len(photos) <= most:
        return list(photos)
    left = sorted(photos, key=lambda photo: photo.worth, reverse=True)
    taken = {left.pop(0).id}
    last = next(photo for photo in photos if photo.id in taken)
    apart = {photo.id: 65 for photo in left}
    while len(taken) < most:
        for photo in left:
            apart[photo.id] = min(apart[photo.id], distance(photo.known, last.known)[0])
        last = max(left, key=lambda photo: apart[photo.id])
        left.remove(last)
        taken.add(last.id)
    return [photo for photo in photos if photo.id in taken]
