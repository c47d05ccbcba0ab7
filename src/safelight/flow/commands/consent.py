"""Consent: without it on record nothing of a real person is taken.

A `person` and a `model` are real people: their photos are biometric whatever the framing, so both doors for
photos stay shut, before the first byte, until consent is on record. A training or an import of a `person`
needs it too. A `model` whose photos came before this was asked for may be trained on as before; the next
photo says what is to be done.
"""

from __future__ import annotations

from safelight.domain.errors import ConsentMissing
from safelight.domain.nouns import Subject, SubjectKind

REAL_PEOPLE = frozenset({SubjectKind.PERSON, SubjectKind.MODEL})
"""The kinds of subject that are somebody."""


def needs_consent(kind: str) -> bool:
    """Whether photos of a subject of this kind are taken only with consent on record."""
    return kind in REAL_PEOPLE


def require_for_photos(subject: Subject) -> None:
    """Refuse a real person's photos while no consent is on record. Raises ConsentMissing."""
    if needs_consent(subject.kind):
        _require(subject)


def require_for_training(subject: Subject) -> None:
    """Refuse to train on a person, or to take in what was, without consent. Raises ConsentMissing."""
    if subject.kind == SubjectKind.PERSON:
        _require(subject)


def _require(subject: Subject) -> None:
    if subject.consented_at is None:
        real = "" if subject.kind == SubjectKind.PERSON else ", a real person"
        raise ConsentMissing(
            f"{subject.name} is a {subject.kind}{real}, and their consent is not on record.",
            hint="Record it first (who gave it, how and when): `--consent NOTE`, or "
            "PUT /v1/subjects/{id}/consent.",
        )
