"""What is cut off a photo on its way to the trainer: as little as its bucket asks, and never the subject.

The trainer scales each file to the nearest bucket and cuts off the middle's surroundings, whatever is
there: a face cut off that way halved the likeness (C7). So files are made in a bucket's own shape, by a
cut that knows where face and body are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from safelight.domain.composition import mix_of
from safelight.domain.gates import Gates
from safelight.domain.measured import WHOLE_BODY, Face, Framing, Measured
from safelight.domain.members import SetPhoto
from safelight.domain.photos import PhotoFacts

STEP = 64
"""Pixels: a bucket's sides are multiples of it."""
LONGEST = 2.0
"""The longest bucket's ratio; longer photos are kept whole, for the trainer to cut."""
SEEN = 0.5
"""A point of the body counts from this visibility on."""
AS_NEAR = 0.6
"""Faces this wide against the widest are of people who stand about as near."""
HIPS, KNEES, FEET = (23, 24), (25, 26), tuple(range(27, 33))
FEET_SEEN = 0.3
"""Feet in dark shoes or under a long dress are seen less surely, and `vision.body` counts them from here."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of an upright photo that is kept, in its pixels, and the size of the file made of it."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    def share(self, facts: PhotoFacts) -> tuple[float, float, float, float]:
        """The box in shares of the photo, for drawing it over a thumbnail."""
        wide, tall = facts.width, facts.height
        return self.left / wide, self.top / tall, self.right / wide, self.bottom / tall


@lru_cache(maxsize=8)
def buckets(resolution: int = 1024) -> tuple[tuple[int, int], ...]:
    """The shapes the trainer has at *resolution*: sides in steps of 64, area at most its square."""
    area = resolution * resolution
    found = set()
    for side in range(STEP, resolution + 1, STEP):
        other = area // side // STEP * STEP
        if other <= LONGEST * side:
            found |= {(side, other), (other, side)}
    return tuple(sorted(found))


def needed(facts: PhotoFacts) -> Box | None:
    """The part that must stay: the main face with its hair, and all of the body that was seen.

    None where neither is known.
    """
    measured = facts.measured
    if measured is None:
        return None
    boxes = []
    if measured.face is not None:
        # Of several people about as near, any may be the subject.
        near = AS_NEAR * measured.face.width
        boxes += [_head(face) for face in measured.faces or () if face.width >= near]
    boxes += _body(measured, facts)
    if not boxes:
        return None
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    return (
        max(0.0, left),
        max(0.0, top),
        min(float(facts.width), right),
        min(float(facts.height), bottom),
    )


def plan_crop(facts: PhotoFacts, *, resolution: int = 1024) -> Crop:
    """The cut that makes a bucket of the photo and loses least, with all of `needed` in it.

    Nothing is enlarged: a smaller photo gets the bucket's shape at its own size. A photo that no
    bucket holds without cutting into the subject stays whole.
    """
    return _plan((0.0, 0.0, float(facts.width), float(facts.height)), needed(facts), resolution)


def medium_crop(facts: PhotoFacts, *, resolution: int = 1024, least: int = 512) -> Crop | None:
    """The medium shot within a full-body photo: from above the head to the thighs (R-57).

    None where the pose is not known well enough, or what is left would be under *least* pixels.
    """
    measured = facts.measured
    if measured is None or measured.framing is not Framing.FULL_BODY or measured.face is None:
        return None
    if measured.people != 1:
        return None  # the largest face need not be the subject's
    hips, knees = _height(measured, HIPS), _height(measured, KNEES)
    whole = needed(facts)
    if hips is None or knees is None or whole is None or knees <= hips:
        return None
    bottom = (hips + 0.35 * (knees - hips)) * facts.height
    tall = bottom - whole[1]
    middle = (whole[0] + whole[2]) / 2
    half = max((whole[2] - whole[0]) / 2, tall * 0.45)
    part = (
        max(0.0, middle - half),
        max(0.0, whole[1] - 0.06 * tall),
        min(float(facts.width), middle + half),
        bottom,
    )
    if min(part[2] - part[0], part[3] - part[1]) < least:
        return None
    crop = _plan(part, _head(measured.face), resolution)
    return crop if min(crop.right - crop.left, crop.bottom - crop.top) >= least else None


def balance(kept: Sequence[SetPhoto], gates: Gates, *, resolution: int = 1024) -> list[str]:
    """The ids of the full-body photos of which a medium crop is to be made as well (R-57).

    As many as the target lacks, and never so many that crops outnumber what they are cut from.
    """
    target = gates.composition
    if target is None or not target.crops:
        return []
    mix = mix_of(kept)
    short = mix.missing(Framing.MEDIUM, target, gates)
    can = [
        photo.id
        for photo in sorted(kept, key=lambda photo: photo.worth, reverse=True)
        if medium_crop(photo.known, resolution=resolution, least=gates.min_side) is not None
    ]
    wanted = set(can[:short])
    return [photo.id for photo in kept if photo.id in wanted]


def _plan(part: Box, need: Box | None, resolution: int) -> Crop:
    left, top, right, bottom = part
    wide, tall = right - left, bottom - top
    best: tuple[float, int, int] | None = None
    for across, down in buckets(resolution):
        ratio = across / down
        cut_wide, cut_tall = min(wide, tall * ratio), min(tall, wide / ratio)
        if need is not None and (need[2] - need[0] > cut_wide or need[3] - need[1] > cut_tall):
            continue
        lost = 1 - cut_wide * cut_tall / (wide * tall)
        if best is None or lost < best[0]:
            best = (lost, across, down)
    if best is None or max(wide, tall) > LONGEST * min(wide, tall):
        scale = min(1.0, math.sqrt(resolution * resolution / (wide * tall)))
        size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
        return Crop(round(left), round(top), round(right), round(bottom), *size)
    _, across, down = best
    cut_wide = min(wide, tall * across / down)
    cut_tall = min(tall, wide * down / across)
    x = left + _shift(wide, cut_wide, (need[0] - left, need[2] - left) if need else None)
    y = top + _shift(tall, cut_tall, (need[1] - top, need[3] - top) if need else None)
    scale = min(1.0, across / cut_wide)
    size = (across, down) if scale < 1 else (round(cut_wide), round(cut_tall))
    box = (
        round(x),
        round(y),
        min(round(right), round(x + cut_wide)),
        min(round(bottom), round(y + cut_tall)),
    )
    return Crop(*box, *size)


def _shift(length: float, cut: float, need: tuple[float, float] | None) -> float:
    """Where the cut begins: in the middle, moved no further than the subject asks."""
    start = (length - cut) / 2
    if need is not None:
        start = min(max(start, need[1] - cut), need[0])
    return min(max(start, 0.0), length - cut)


def _head(face: Face) -> Box:
    """The face with hair and chin: a face's box ends at the brow and at the chin."""
    return (
        face.x - 0.35 * face.width,
        face.y - 0.55 * face.height,
        face.x + 1.35 * face.width,
        face.y + 1.25 * face.height,
    )


def _body(measured: Measured, facts: PhotoFacts) -> list[Box]:
    whole = measured.framing in WHOLE_BODY
    points = [
        (x * facts.width, y * facts.height)
        for place, (x, y, seen) in enumerate(measured.keypoints or ())
        if 0 <= x <= 1 and 0 <= y <= 1
        # Of a whole body the feet belong to it wherever they are taken to be.
        if seen >= SEEN or (place in FEET and (whole or seen >= FEET_SEEN))
    ]
    if not points:
        return []
    xs, ys = [x for x, _ in points], [y for _, y in points]
    margin = 0.03 * max(max(xs) - min(xs), max(ys) - min(ys))
    return [(min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin)]


def _height(measured: Measured, which: tuple[int, int]) -> float | None:
    points = measured.keypoints
    if points is None or len(points) <= max(which):
        return None
    seen = [points[i][1] for i in which if points[i][2] >= SEEN]
    return sum(seen) / len(seen) if seen else None
