"""What follows from one photo's measurements: blurred, filtered, dark, no face, several people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from safelight.domain.findings import Finding, Level, Trust
from safelight.domain.gates import Gates
from safelight.domain.limits import (
    BLOCKY,
    BLURRED_FACE,
    BRIGHT,
    CLIPPED,
    CUT_EYE,
    CUT_SIDEWAYS,
    CUT_UPRIGHT,
    DARK,
    FACE_PIXELS,
    HALF_SIDEWAYS,
    HALF_UPRIGHT,
    LOW_QUALITY,
    LYING,
    SMOOTHED,
    Limit,
)
from safelight.domain.measured import Face, Framing, Measured
from safelight.domain.nouns import SubjectKind


class Find(Protocol):
    """Makes a finding on the photo that is being judged."""

    def __call__(
        self,
        kind: str,
        level: Level,
        says: str,
        measured: str | float | None,
        limit: str | float | None = None,
        remedy: str | None = None,
        source: str | None = None,
        trust: Trust = Trust.MEASURED,
    ) -> Finding: ...


def judge_measured(
    measured: Measured, gates: Gates, find: Find, *, kind: str = SubjectKind.PERSON
) -> tuple[Finding, ...]:
    """The findings on one photo by what was measured of it; *kind* is the subject's.

    What was not measured gives none: the set says once what is missing. A drawn character's face is
    often not found, which is a note on it and a warning on a person.
    """
    return (
        *_faces(measured, gates, find, kind),
        *_whole(measured, gates, find),
        *_sharp(measured, find),
        *_processed(measured, find),
        *_exposed(measured, find),
    )


def is_blurred(measured: Measured | None) -> bool:
    """Whether its face is known to be blurred."""
    sharp = measured.sharpness_face if measured else None
    return sharp is not None and sharp < BLURRED_FACE.value


def is_smoothed(measured: Measured | None) -> bool:
    """Whether its skin looks smoothed: a hint. Hard compression takes fine detail too, and is told by
    itself; so a photo that was compressed hard is not said to be smoothed."""
    detail = measured.smoothing if measured else None
    if measured is None or detail is None or is_compressed(measured):
        return False
    return detail < SMOOTHED.value


def is_compressed(measured: Measured) -> bool:
    """Whether it has lost detail to compression, by its own tables or by what they hide."""
    quality, blocks = measured.jpeg_quality, measured.recompressed
    low = quality is not None and quality < LOW_QUALITY.value
    return low or (blocks is not None and blocks > BLOCKY.value)


MOSTLY = 0.5
"""From this share of full-body photos on a profile is about whole bodies."""


AS_LARGE = 0.6
"""A face of this share of the main one's height may be the subject's as well."""


def knows_who(face: Face) -> bool:
    """Whether the face says who it is: large enough, and its identity was measured."""
    return face.embedding is not None and min(face.width, face.height) >= FACE_PIXELS.value


def _faces(measured: Measured, gates: Gates, find: Find, kind: str) -> Iterator[Finding]:
    if measured.faces is None:
        return
    face = measured.face
    if face is None:
        level = Level.NOTE if kind == SubjectKind.CHARACTER else Level.WARN
        says = "shows no face that was found (faces turned far away are not)"
        remedy = "Send a photo with the face in view, unless the back view is meant."
        yield find(
            "no-face",
            level,
            says,
            0,
            1,
            remedy,
            "the face is to be seen in every photo",
            Trust.HINT,
        )
        return
    people = measured.people if measured.people is not None else len(measured.faces)
    if people > 1:
        wanted = gates.composition is not None and "several-people" in gates.composition.tags
        says = f"shows {people} people"
        out = None if wanted else "Crop it to the one, or send a photo of them alone."
        level = Level.NOTE if wanted else Level.WARN
        yield find(
            "several-people",
            level,
            says,
            people,
            1,
            out,
            "one person throughout, unless the profile asks for more",
        )
    if face.roll is not None and abs(face.roll) > LYING.value:
        says = f"has its face turned by {abs(face.roll):.0f} degrees"
        remedy = "Turn it upright and send it again."
        yield find(
            "face-turned",
            Level.WARN,
            says,
            round(face.roll),
            LYING.value,
            remedy,
            LYING.source,
        )
    yield from _cut(measured, find, kind)
    width = round(min(face.width, face.height))
    if width < FACE_PIXELS.value and measured.framing is not Framing.WIDE:
        says = f"has a face {width} pixels wide; under {FACE_PIXELS.value:g} nobody can be told"
        remedy = "Send a larger copy, or go nearer."
        yield find(
            "face-too-small", Level.NOTE, says, width, FACE_PIXELS.value, remedy, FACE_PIXELS.source
        )


def is_cut(face: Face) -> bool:
    """Whether the photo's edge cuts into the face."""
    if face.beyond_x is None or face.beyond_y is None:
        return face.cut
    return face.beyond_x >= _across(face).value or face.beyond_y >= CUT_UPRIGHT.value


def _across(face: Face) -> Limit:
    """Where a face counts as cut sideways: sooner where an eye is missing."""
    return CUT_EYE if face.eyes is not None and face.eyes < 2 else CUT_SIDEWAYS


def is_half(face: Face) -> bool:
    """Whether about half of the face is beyond the photo's edge."""
    if face.beyond_x is None or face.beyond_y is None:
        return False
    return face.beyond_x >= HALF_SIDEWAYS.value or face.beyond_y >= HALF_UPRIGHT.value


_FILLED = (None, Framing.CLOSE_UP, Framing.UNCLASSIFIED)
"""Framings of which the face is what there is to learn."""


def _cut(measured: Measured, find: Find, kind: str) -> Iterator[Finding]:
    """C7. A close-up of half a face is not trained on: it would teach half a face. Where the body is in the
    photo too, or a whole face beside it may be the subject's, and of a drawing, a person looks."""
    faces = measured.faces or ()
    face = faces[0]
    if not is_cut(face):
        return
    whole = any(o.height >= AS_LARGE * face.height and not is_cut(o) for o in faces[1:])
    alone = measured.framing in _FILLED and not whole and kind != SubjectKind.CHARACTER
    level = Level.BLOCK if is_half(face) and alone else Level.WARN
    remedy = "Send the photo uncropped; a face that is cut off halves the likeness."
    if face.beyond_x is None or face.beyond_y is None:
        says = "has its face cut off by the edge"
        yield find("face-cut", level, says, "cut", "whole", remedy, CUT_SIDEWAYS.source)
        return
    across = _across(face)
    sideways = face.beyond_x / across.value >= face.beyond_y / CUT_UPRIGHT.value
    share, limit = (face.beyond_x, across) if sideways else (face.beyond_y, CUT_UPRIGHT)
    eyes: dict[int | None, str] = {0: ", and with it both eyes", 1: ", and with it an eye"}
    seen = eyes.get(face.eyes, "")
    says = f"has its face cut off by the edge: about {share:.0%} of it is not in the picture{seen}"
    yield find("face-cut", level, says, round(share, 2), limit.value, remedy, limit.source)


def _whole(measured: Measured, gates: Gates, find: Find) -> Iterator[Finding]:
    """R-40: where most photos are to be full-body ones, a body is to be in the photo from head to toe."""
    part = gates.composition.framing.get(Framing.FULL_BODY) if gates.composition else None
    if part is None or part.least < MOSTLY:
        return
    if measured.framing is Framing.FULL_BODY and measured.head_to_toe is False:
        says = "does not show the body from head to toe"
        remedy = "Send one with feet and the top of the head in the picture, and some room around."
        yield find(
            "not-head-to-toe",
            Level.WARN,
            says,
            "cut",
            "whole",
            remedy,
            "whole bodies are learned from photos that show them, head to toe",
        )


def _sharp(measured: Measured, find: Find) -> Iterator[Finding]:
    if not is_blurred(measured):
        return
    sharp = round(measured.sharpness_face or 0.0, 3)
    how = {"motion": " (it moved)", "defocus": " (out of focus)"}.get(measured.blur or "", "")
    says = (
        f"has a blurred face{how}: sharpness {sharp:g}, from {BLURRED_FACE.value:g} on it is sharp"
    )
    remedy = "Send a sharper photo of the same kind in its place."
    yield find(
        "blurred-face", Level.WARN, says, sharp, BLURRED_FACE.value, remedy, BLURRED_FACE.source
    )


def _processed(measured: Measured, find: Find) -> Iterator[Finding]:
    if is_smoothed(measured):
        detail = round(measured.smoothing or 0.0, 3)
        says = f"looks smoothed, as by a beauty filter (fine detail {detail:g})"
        remedy = "Send the photo as the camera made it; a filter is learned with the face."
        yield find(
            "smoothed",
            Level.WARN,
            says,
            detail,
            SMOOTHED.value,
            remedy,
            SMOOTHED.source,
            Trust.HINT,
        )
    remedy = "Send the original and not a copy that a messenger made smaller."
    if measured.jpeg_quality is not None and measured.jpeg_quality < LOW_QUALITY.value:
        quality = round(measured.jpeg_quality)
        says = (
            f"is compressed hard: JPEG quality {quality}, at least {LOW_QUALITY.value:g} is asked"
        )
        yield find(
            "compressed", Level.WARN, says, quality, LOW_QUALITY.value, remedy, LOW_QUALITY.source
        )
    elif measured.recompressed is not None and measured.recompressed > BLOCKY.value:
        blocks = round(measured.recompressed, 2)
        says = f"has been compressed hard before it was saved (blockiness {blocks:g})"
        yield find(
            "compressed",
            Level.WARN,
            says,
            blocks,
            BLOCKY.value,
            remedy,
            BLOCKY.source,
            Trust.HINT,
        )


def _exposed(measured: Measured, find: Find) -> Iterator[Finding]:
    if measured.plain_background:
        return  # a black or white backdrop is meant so, and what lies before it was not measured apart
    remedy = "Send one with more even light, unless it is meant so."
    luma, low, high = measured.luma, measured.clipped_low, measured.clipped_high
    if (luma is not None and luma < DARK.value) or (low is not None and low > CLIPPED.value):
        says = "is very dark"
        yield find("dark", Level.NOTE, says, _r(luma), DARK.value, remedy, DARK.source, Trust.HINT)
    elif (luma is not None and luma > BRIGHT.value) or (high is not None and high > CLIPPED.value):
        says = "is very bright: parts of it have lost their detail"
        yield find(
            "bright", Level.NOTE, says, _r(luma), BRIGHT.value, remedy, BRIGHT.source, Trust.HINT
        )


def _r(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
