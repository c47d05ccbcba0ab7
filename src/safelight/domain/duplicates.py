"""Which photos of a set are the same picture, and which of two stays."""

from __future__ import annotations

from collections.abc import Sequence

from safelight.domain.alike import lie_alike
from safelight.domain.findings import Finding, Level, shown
from safelight.domain.gates import Gates
from safelight.domain.members import SetPhoto
from safelight.domain.photos import PhotoFacts
from safelight.domain.quality import is_blurred, is_smoothed

DUPLICATES = {"exact-duplicate", "near-duplicate"}
"""The kinds of finding that take a photo out of a set."""


def distance(one: PhotoFacts, other: PhotoFacts) -> tuple[int, bool]:
    """How far two photos' looks are apart, in bits of 64, and whether it is the mirror image that is
    near. A photo without a hash is as far as can be."""
    return min(_ways(one, other))


def same_look(one: PhotoFacts, other: PhotoFacts, gates: Gates) -> tuple[int, bool] | None:
    """`distance` of two photos that are one picture, None of two that are not.

    They are within `near_duplicate_bits`, and face and body lie alike in them. The hash alone is not
    enough: of a small figure on an even ground it sees the ground.
    """
    near = [
        (bits, mirrored)
        for bits, mirrored in _ways(one, other)
        if bits <= gates.near_duplicate_bits and lie_alike(one, other, bits, mirrored=mirrored)
    ]
    return min(near, default=None)


def same_picture(one: SetPhoto, other: SetPhoto, gates: Gates) -> bool:
    """Whether two photos are one picture: the same file, or the same look."""
    a, b = one.known, other.known
    same_file = a.sha256 is not None and a.sha256 == b.sha256
    return same_file or same_look(a, b, gates) is not None


def _ways(one: PhotoFacts, other: PhotoFacts) -> list[tuple[int, bool]]:
    if one.phash is None or other.phash is None:
        return [(64, False)]
    ways = [((one.phash ^ other.phash).bit_count(), False)]
    if other.mirror_phash is not None:
        ways.append(((one.phash ^ other.mirror_phash).bit_count(), True))
    return ways


def drop_duplicates(
    photos: Sequence[SetPhoto], gates: Gates
) -> tuple[list[SetPhoto], list[Finding]]:
    """The photos without duplicates (R-38), and a finding for each duplicate and each close pair.

    Of two that are the same the one whose face is sharp and not smoothed stays, then the one with
    more pixels, then more bytes, then the earlier. No two that stay are one picture.
    """
    kept: list[SetPhoto] = []
    findings: list[Finding] = []
    # The sort is stable: of equals the earlier one stays.
    for photo in sorted(photos, key=lambda photo: photo.worth, reverse=True):
        doubles = [
            (*look, other)
            for other in kept
            if (look := same_look(photo.known, other.known, gates)) is not None
        ]
        same = next((o for o in kept if o.known.sha256 == photo.known.sha256), None)
        if same is not None and photo.known.sha256 is not None:
            findings.append(_exact(photo, same))
        elif doubles:
            findings.append(_near(photo, min(doubles, key=_bits), gates))
        else:
            pairs = [(*distance(photo.known, other.known), other) for other in kept]
            nearest = min(pairs, key=_bits, default=None)
            kept.append(photo)
            if nearest is not None and nearest[0] <= gates.review_bits:
                findings.append(_close(photo, nearest, gates))
    stay = {photo.id for photo in kept}
    return [photo for photo in photos if photo.id in stay], findings


def _better(stays: SetPhoto, goes: SetPhoto) -> str:
    one, other = stays.known, goes.known
    if is_blurred(other.measured) and not is_blurred(one.measured):
        return "is sharper"
    if is_smoothed(other.measured) and not is_smoothed(one.measured):
        return "is not smoothed"
    if one.pixels > other.pixels:
        return (
            f"has more pixels ({one.width} × {one.height} against {other.width} × {other.height})"
        )
    if one.bytes > other.bytes:
        return f"has more bytes ({one.bytes:,} against {other.bytes:,})"
    return "came first"


def _exact(photo: SetPhoto, same: SetPhoto) -> Finding:
    message = f"{shown(photo.name)} is the same file as {shown(same.name)}, byte for byte; it is used once."
    remedy = "Send another photo in its place."
    return Finding(
        "exact-duplicate", Level.WARN, f"{message} {remedy}", photo.name, photo.id, remedy=remedy
    )


_Pair = tuple[int, bool, SetPhoto]


def _bits(pair: _Pair) -> int:
    return pair[0]


def _near(photo: SetPhoto, nearest: _Pair, gates: Gates) -> Finding:
    bits, mirrored, other = nearest
    remedy = "Send another photo in its place."
    message = (
        f"{shown(photo.name)} shows the same picture as {'the mirror image of ' if mirrored else ''}"
        f"{shown(other.name)} ({bits} of 64 bits apart, {gates.near_duplicate_bits} or fewer is the "
        f"same); {shown(other.name)} {_better(other, photo)} and is kept. {remedy}"
    )
    limit = gates.near_duplicate_bits
    return Finding(
        "near-duplicate",
        Level.WARN,
        message,
        photo.name,
        photo.id,
        measured=bits,
        limit=limit,
        remedy=remedy,
    )


def _close(photo: SetPhoto, nearest: _Pair, gates: Gates) -> Finding:
    bits, mirrored, other = nearest
    remedy = "Look at the two; if they show the same moment, remove one."
    elsewhere = bits <= gates.near_duplicate_bits
    message = (
        f"{shown(photo.name)} is close to {'the mirror image of ' if mirrored else ''}"
        f"{shown(other.name)} ({bits} of 64 bits apart, above {gates.review_bits} is distinct)"
        f"{', but face or body lie otherwise in it' if elsewhere else ''}; both are kept. {remedy}"
    )
    return Finding(
        "similar",
        Level.NOTE,
        message,
        photo.name,
        photo.id,
        measured=bits,
        limit=gates.review_bits,
        remedy=remedy,
    )
