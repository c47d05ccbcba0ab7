"""Whether a set varies where it should and keeps the same where it should (R-34, R-36 to R-38, K8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from safelight.domain.composition import Mix
from safelight.domain.findings import Finding, Level, Trust, of_set
from safelight.domain.gates import Gates
from safelight.domain.limits import ALMOST_ALL, LOW_QUALITY, PROCESSED_APART
from safelight.domain.measured import Measured
from safelight.domain.members import SetPhoto
from safelight.domain.quality import is_smoothed

ENOUGH = 5
"""Photos in which a trait was measured, before its variety is judged."""


def judge_variety(photos: Sequence[SetPhoto], mix: Mix, gates: Gates) -> list[Finding]:
    """Findings on the set: one angle, one light, one background, mixed processing."""
    known = [m for photo in photos if (m := photo.known.measured) is not None]
    found = [_angles(mix), _light(known), _background(known, gates)]
    found += [_processing(known, name, has) for name, has in _PROCESSING]
    return [finding for finding in found if finding is not None]


def _angles(mix: Mix) -> Finding | None:
    """R-36: front, three-quarter, side."""
    faces = sum(mix.angles.values())
    if faces < ENOUGH:
        return None
    unseen = [side for side, count in mix.angles.items() if not count]
    side, most = max(mix.angles.items(), key=lambda item: item[1])
    if most / faces > ALMOST_ALL.value:
        level, says = Level.WARN, f"{most} of {faces} faces are seen from one angle ({side})."
    elif unseen:
        level, says = Level.NOTE, f"No face is seen from this angle: {', '.join(unseen)}."
    else:
        return None
    remedy = f"Add photos from {' and '.join(unseen)}." if unseen else "Add photos from others."
    return of_set(
        "one-angle",
        level,
        says,
        round(most / faces, 3),
        ALMOST_ALL.value,
        remedy,
        source="front, three-quarter and side are needed to know a face",
        trust=Trust.HINT,
    )


def _light(known: Sequence[Measured]) -> Finding | None:
    """R-34, K8: illumination should vary."""
    lights = Counter((m.brightness, m.light) for m in known if m.brightness and m.light)
    total = sum(lights.values())
    if total < ENOUGH:
        return None
    (brightness, light), most = lights.most_common(1)[0]
    if most / total <= ALMOST_ALL.value:
        return None
    where = "evenly lit" if light == "even" else f"lit from the {light}"
    says = f"{most} of {total} photos are in the same light ({brightness}, {where})."
    remedy = "Add some in other light: by a window, outdoors, in the evening."
    return of_set(
        "one-light",
        Level.NOTE,
        says,
        round(most / total, 3),
        ALMOST_ALL.value,
        remedy,
        source="light that never varies is learned with the subject",
        trust=Trust.HINT,
    )


def _background(known: Sequence[Measured], gates: Gates) -> Finding | None:
    """R-33, K9: plain ground in every photo is a studio, which some profiles want."""
    plain = [m.plain_background for m in known if m.plain_background is not None]
    if gates.studio_ok or len(plain) < ENOUGH:
        return None
    share = sum(plain) / len(plain)
    if share <= ALMOST_ALL.value:
        return None
    says = f"{sum(plain)} of {len(plain)} photos stand on a plain background."
    remedy = "Add photos in other places; else the background is learned with the face."
    return of_set(
        "one-background",
        Level.NOTE,
        says,
        round(share, 3),
        ALMOST_ALL.value,
        remedy,
        source="studio photos throughout look too polished for a likeness",
    )


def _processing(
    known: Sequence[Measured], name: str, has: Callable[[Measured], bool | None]
) -> Finding | None:
    """K8: light may vary, processing may not."""
    traits = [trait for m in known if (trait := has(m)) is not None]
    if len(traits) < ENOUGH:
        return None
    share = sum(traits) / len(traits)
    if not PROCESSED_APART.value < share < 1 - PROCESSED_APART.value:
        return None
    says = f"{sum(traits)} of {len(traits)} photos are {name} and the others are not."
    remedy = "Send photos that were all made and edited the same way, best of all unedited."
    return of_set(
        "mixed-processing",
        Level.NOTE,
        says,
        round(share, 3),
        PROCESSED_APART.value,
        remedy,
        source=PROCESSED_APART.source,
        trust=Trust.HINT,
    )


def _smoothed(measured: Measured) -> bool | None:
    return None if measured.smoothing is None else is_smoothed(measured)


def _compressed(measured: Measured) -> bool | None:
    quality = measured.jpeg_quality
    return None if quality is None else quality < LOW_QUALITY.value


_PROCESSING: tuple[tuple[str, Callable[[Measured], bool | None]], ...] = (
    ("smoothed", _smoothed),
    ("compressed hard", _compressed),
)
