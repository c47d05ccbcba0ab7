"""Subjects: who is to be drawn."""

from __future__ import annotations

from itertools import count
from uuid import UUID

from safelight.db import erasures, subjects
from safelight.db.faults import Violated
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import Subject, SubjectKind
from safelight.domain.triggers import new_trigger
from safelight.flow.commands import Actor
from safelight.flow.commands.consent import needs_consent


def check_kind(kind: str) -> None:
    """Raise Invalid unless *kind* is a kind of subject."""
    if kind not in list(SubjectKind):
        raise Invalid(f"A subject is one of {', '.join(SubjectKind)}; not {kind!r}.")


def create_subject(
    tx: Tx, actor: Actor, *, name: str, kind: str, consent: str | None = None
) -> Subject:
    """A new subject, with the trigger word it keeps for good (R-4, R-5, K23).

    Raises:
        Invalid: the name is empty or too long, or the kind is none of ours.
        Conflict: the owner has a subject of this name.
    """
    name = name.strip()
    if not 1 <= len(name) <= 200:
        raise Invalid(f"A subject's name has 1 to 200 characters; this one has {len(name)}.")
    check_kind(kind)
    if erasures.owner_is_going(tx, actor.owner_id):
        raise Conflict("This owner is being erased: nothing new is made for it.")
    id = new_id()
    try:
        for attempt in count():
            made = subjects.add(
                tx,
                id=id,
                owner_id=actor.owner_id,
                name=name,
                kind=kind,
                trigger_word=new_trigger(id, attempt),
                consent_note=consent,
                actor=actor.name,
            )
            if made is not None:
                return made
        raise AssertionError("count() does not end")
    except Violated as error:
        raise Conflict(
            f"There is a subject named {name!r} already.", hint="Use that one, or another name."
        ) from error


def ensure_subject(
    tx: Tx, actor: Actor, *, name: str, kind: str, consent: str | None = None
) -> Subject:
    """The subject of this name, made unless it is there; consent is put on record if given.

    Raises:
        Conflict: a real person is asked for, and what is there by that name is a character.
    """
    found = subjects.named(tx, actor.owner_id, name.strip())
    if found is None:
        return create_subject(tx, actor, name=name, kind=kind, consent=consent)
    if needs_consent(kind) and not needs_consent(found.kind):
        # Their photos would be taken without consent, by a name that somebody drew before.
        raise Conflict(
            f"{found.name} is a {found.kind} here, and not a {kind}.",
            hint="Give the person a subject of their own, by another name.",
        )
    if consent and found.consented_at is None:
        return record_consent(tx, actor, found.id, consent)
    return found


def record_consent(tx: Tx, actor: Actor, subject_id: UUID, note: str) -> Subject:
    """Put the person's consent on record: *note* says how and by whom it was given."""
    if not note.strip():
        raise Invalid("Consent needs a note that says how and by whom it was given.")
    changed = subjects.record_consent(tx, subject_id, actor.owner_id, note, actor=actor.name)
    return changed or get_subject(tx, actor, subject_id)


def get_subject(tx: Tx, actor: Actor, subject_id: UUID) -> Subject:
    """The subject. Raises NotFound if it is not there or another owner's."""
    return _there(subjects.get(tx, subject_id, actor.owner_id), subject_id)


def lock_subject(tx: Tx, subject_id: UUID, owner_id: UUID) -> Subject:
    """The subject, locked until the transaction ends. Raises NotFound as `get_subject` does."""
    return _there(subjects.lock(tx, subject_id, owner_id), subject_id)


def _there(found: Subject | None, subject_id: UUID) -> Subject:
    if found is None:
        raise NotFound(f"There is no subject {subject_id}.")
    return found
