"""Photos whose measurements are made up, so that every judgement has cases with a known answer."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Any

from safelight.domain.measured import WHOLE_BODY, Angle, Face, Framing, Measured
from safelight.domain.members import SetPhoto
from safelight.domain.photos import PhotoFacts

ANGLES = (Angle.FRONT, Angle.THREE_QUARTER_LEFT, Angle.SIDE_RIGHT)
FRAMINGS = (
    *(Framing.CLOSE_UP,) * 6,
    *(Framing.MEDIUM,) * 5,
    *(Framing.FULL_BODY,) * 4,
    *(Framing.WIDE,) * 1,
)
"""Sixteen photos in likeness@v2's mix."""


def person(seed: int, noise: float = 0.0, shot: int = 0) -> str:
    """A person's identity vector, as one photo of them has it; *noise* against a length of 1."""
    base = _unit(random.Random(f"person {seed}"))
    own = _unit(random.Random(f"shot {seed} {shot}"))
    return Face.packed([a + noise * b for a, b in zip(base, own, strict=True)])


def _unit(source: random.Random) -> list[float]:
    values = [source.gauss(0, 1) for _ in range(128)]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def looks(seed: int) -> int:
    """64 bits as those of a distinct photo: about 32 of them differ from any other's."""
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8])


def face(who: int = 1, shot: int = 0, **more: Any) -> Face:
    """A sharp face of person *who*, seen from the front, 300 pixels wide."""
    known = Face(
        x=400,
        y=300,
        width=300,
        height=380,
        score=0.95,
        yaw=0.0,
        angle=Angle.FRONT,
        roll=0.0,
        sharpness=0.4,
        embedding=person(who, 0.6, shot),
    )
    return replace(known, **more)


def measured(
    shot: int = 0, *, who: int = 1, faces: tuple[Face, ...] | None = None, **more: Any
) -> Measured:
    """The measurements of a good photo: the framing, angle and light vary with *shot*."""
    found = (face(who, shot, angle=ANGLES[shot % 3]),) if faces is None else faces
    known = Measured(
        sharpness=300.0,
        sharpness_face=found[0].sharpness if found else None,
        luma=0.5,
        clipped_low=0.01,
        clipped_high=0.01,
        jpeg_quality=92.0,
        recompressed=1.1,
        smoothing=1.1,
        faces=found,
        people=len(found),
        framing=FRAMINGS[shot % len(FRAMINGS)],
        head_to_toe=more.get("framing", FRAMINGS[shot % len(FRAMINGS)]) in WHOLE_BODY,
        occlusion=(),
        background=(0.01, 0.08, 0.16)[shot % 3],
        plain_background=shot % 3 == 0,
        light=("left", "right", "even")[shot % 3],
        brightness=("normal", "bright")[shot % 2],
    )
    return replace(known, **more)


def photo(
    shot: int, *, facts: dict[str, Any] | None = None, name: str | None = None, **more: Any
) -> SetPhoto:
    """Photo number *shot* of a good set; *facts* and *more* change its facts and measurements."""
    known = PhotoFacts(
        bytes=500_000,
        sha256=f"{shot:064x}",
        format="jpeg",
        width=1200,
        height=1600,
        phash=looks(shot),
        mirror_phash=looks(-1 - shot),
        measured=measured(shot, **more),
    )
    return SetPhoto(f"id-{shot:03d}", name or f"{shot}.jpg", replace(known, **(facts or {})))


def good_set(count: int = 16) -> list[SetPhoto]:
    """A set that likeness@v2 has nothing to say against."""
    return [photo(shot) for shot in range(count)]
