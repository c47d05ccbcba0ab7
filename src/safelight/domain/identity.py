"""Whether a set shows one person (R-39): each face against the middle of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safelight.domain.findings import Finding, Level, Trust, of_set, shown
from safelight.domain.limits import OTHER_PERSON, OTHER_PERSON_SIDEWAYS, SAME_PERSON
from safelight.domain.members import SetPhoto
from safelight.domain.nouns import SubjectKind
from safelight.domain.quality import knows_who

_ONE = "a likeness is learned from photos of one person, in all of them"
ENOUGH = 3
"""Photos with a face, before one of them can be said to be the odd one out."""
CLEAR = 0.6
"""The share of the faces that must be one person's for it to be clear who is meant."""

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Identity:
    """One photo's face that is nearest to the set's person, and how near.

    `cosine` is to the middle of the other photos' faces (leave one out), so that no photo vouches for
    itself. The middle is a mean and is not stretched to length 1: so `cosine` is the mean over pairs,
    and the limits, which were measured on pairs, hold. (Stretched, it put a stranger at 0.361 who was
    at 0.34 to each of eleven photos.) `face` is the place of that face in the photo's list.
    """

    photo: SetPhoto
    face: int
    cosine: float

    @property
    def same(self) -> bool:
        """Surely the set's person."""
        return self.cosine >= SAME_PERSON.value

    @property
    def other(self) -> bool:
        """Surely another person. From the side that takes more, since profiles score lower."""
        limit = OTHER_PERSON_SIDEWAYS if self._sideways else OTHER_PERSON
        return self.cosine < limit.value

    @property
    def _sideways(self) -> bool:
        measured = self.photo.known.measured
        assert measured is not None
        assert measured.faces is not None
        angle = measured.faces[self.face].angle
        return angle is not None and angle.side == "side"


def identities(photos: Sequence[SetPhoto]) -> list[Identity]:
    """Each photo whose faces say who they are, against the person most of the set shows.

    That person is found from the face that is near to most others: the number counts before how near
    they are, or nine frames of one session would outweigh twenty photos of years. The middle is then
    taken over the faces that are surely theirs, again and again until it no longer changes. Of a photo
    with several people the nearest face counts: whoever stands beside the subject is not held against it.
    """
    known = [(photo, *_vectors(photo)) for photo in photos]
    known = [(photo, places, faces) for photo, places, faces in known if places]
    if len(known) < 2:
        return []
    sets = [faces for _, _, faces in known]
    main = np.stack([faces[0] for faces in sets])
    near = main @ main.T
    many = (near >= OTHER_PERSON.value).sum(axis=1)
    # The mean is under one: it decides between equals only.
    seed = main[int(np.argmax(many + np.clip(near, 0.0, 0.999).mean(axis=1)))]
    best = [_nearest(faces, seed, 1) for faces in sets]
    core = [cosine >= SAME_PERSON.value for _, cosine in best]
    for _ in range(8):
        taken = [faces[place] for faces, (place, _) in zip(sets, best, strict=True)]
        total = sum((face for face, mine in zip(taken, core, strict=True) if mine), seed * 0.0)
        count = sum(core)
        best = [
            _nearest(faces, total - face, count - 1) if mine else _nearest(faces, total, count)
            for faces, face, mine in zip(sets, taken, core, strict=True)
        ]
        before, core = core, [cosine >= SAME_PERSON.value for _, cosine in best]
        if core == before or not any(core):
            break
    return [
        Identity(photo, places[place], cosine)
        for (photo, places, _), (place, cosine) in zip(known, best, strict=True)
    ]


def judge_identity(photos: Sequence[SetPhoto], *, kind: str = SubjectKind.PERSON) -> list[Finding]:
    """A finding for each photo of another person, and each where it cannot be told.

    What is known of identity was measured on people: of a drawn character it is a hint, and takes no
    photo out.
    """
    found = identities(photos)
    if len(found) < ENOUGH:
        return _too_few(photos)
    drawn = kind == SubjectKind.CHARACTER
    other = sum(item.other for item in found)
    if other > (1 - CLEAR) * len(found):
        share = round(1 - other / len(found), 2)
        says = (
            f"The photos show several persons: {len(found) - other} of {len(found)} faces may be one "
            "person's, so it is not clear who is meant."
        )
        remedy = "Take out the photos of whoever is not meant."
        level, trust = (Level.WARN, Trust.HINT) if drawn else (Level.BLOCK, Trust.MEASURED)
        return [
            of_set("several-subjects", level, says, share, CLEAR, remedy, source=_ONE, trust=trust)
        ]
    return [_judged(item, drawn) for item in found if not item.same]


def _judged(item: Identity, drawn: bool) -> Finding:
    photo, cosine = item.photo, round(item.cosine, 3)
    if item.other and not drawn:
        kind, level, limit = "different-person", Level.BLOCK, OTHER_PERSON
        says = "shows another person than the rest of the set"
        remedy = "Take it out; if it is the same person, send one where the face is seen better."
    else:
        kind, level, limit = "unsure-person", Level.WARN, SAME_PERSON
        says = "may show another person than the rest of the set; it is used"
        remedy = "Look at it, and take it out if it is not the same person."
    message = (
        f"{shown(photo.name)} {says}: likeness {cosine:g} to the others, {SAME_PERSON.value:g} or "
        f"more is the same person, under {OTHER_PERSON.value:g} another. {remedy}"
    )
    return Finding(
        kind,
        level,
        message,
        photo.name,
        photo.id,
        trust=Trust.HINT if drawn else Trust.MEASURED,
        measured=cosine,
        limit=limit.value,
        remedy=remedy,
        source=limit.source,
    )


def _too_few(photos: Sequence[SetPhoto]) -> list[Finding]:
    looked = any(
        photo.known.measured and photo.known.measured.faces is not None for photo in photos
    )
    if not looked or not photos:
        return []
    count = sum(bool(_vectors(photo)[0]) for photo in photos)
    says = (
        f"Whether all photos show the same person cannot be told: {count} of {len(photos)} have a face "
        f"that says who it is, at least {ENOUGH} are needed."
    )
    remedy = "Look through the photos yourself."
    return [
        of_set(
            "same-person", Level.NOTE, says, count, ENOUGH, remedy,
            source=_ONE, trust=Trust.NOT_MEASURED,
        )
    ]  # fmt: skip


def _nearest(faces: Vectors, total: Vectors, count: int) -> tuple[int, float]:
    if count == 0:
        return 0, 1.0  # the only face of its person: nothing to hold it against
    near = faces @ (total / count)
    place = int(np.argmax(near))
    return place, float(near[place])


def _vectors(photo: SetPhoto) -> tuple[list[int], Vectors]:
    """The places of the photo's faces that say who they are, and their vectors at length 1."""
    measured = photo.known.measured
    faces = (measured.faces or ()) if measured else ()
    rows = {place: face.vector() for place, face in enumerate(faces) if knows_who(face)}
    if not rows:
        return [], np.empty((0, 0))
    found = np.array(list(rows.values()), dtype=np.float64)
    return list(rows), np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))
