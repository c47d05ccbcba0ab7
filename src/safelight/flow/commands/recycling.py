"""Commands on what may be deleted: removing and having back, holding and releasing."""

from __future__ import annotations

from uuid import UUID

from safelight.db import recycling
from safelight.db.faults import Violated
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.recycled import Hold
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import remove_photo

NOUNS = ("photo", "image", "version")
"""What a person can remove; a subject is erased (`flow.commands.erasing`)."""


def remove(tx: Tx, actor: Actor, noun: str, id: UUID) -> None:
    """Take it out: gone for everyone at once, and for good when its recycle window is over.

    Raises:
        NotFound; Conflict: it draws (a version), or was removed already.
    """
    _known(tx, actor, noun, id)
    if noun == "photo":
        remove_photo(tx, actor, id)
    elif not recycling.remove(tx, noun, id, actor.owner_id, actor=actor.name):
        raise Conflict(
            f"The {noun} {id} cannot be removed: it was already, or it is the version that draws.",
            hint="Make another version draw first, or erase the subject.",
        )


def restore(tx: Tx, actor: Actor, noun: str, id: UUID) -> None:
    """Have it back.

    Raises:
        NotFound; Conflict: it was not removed, its window is over, or its place is taken.
    """
    _known(tx, actor, noun, id)
    try:
        done = recycling.restore(tx, noun, id, actor.owner_id, actor=actor.name)
    except Violated:
        raise Conflict(f"The {noun} was sent again meanwhile, and is there.") from None
    if not done:
        raise Conflict(
            f"The {noun} {id} cannot be had back: it was not removed, or its recycle window is over.",
            hint="What can be is listed by `safelight recycled`.",
        )


def place_hold(tx: Tx, actor: Actor, id: UUID, reason: str) -> Hold:
    """Let nothing delete what this id names, nor what hangs on it: no rule, no person, no erasure.

    Raises:
        NotFound: nothing of the owner's has this id. Invalid: no reason. Conflict: it is held.
    """
    if not reason.strip():
        raise Invalid("A hold needs a reason: who will release it has to know why it was placed.")
    noun = recycling.noun_of(tx, id, actor.owner_id)
    if noun is None:
        raise NotFound(f"Nothing of yours that can be held has the id {id}.")
    hold = recycling.place_hold(
        tx, actor.owner_id, noun, id, reason=reason.strip(), actor=actor.name
    )
    if hold is None:
        raise Conflict(f"The {noun} {id} is on hold already.")
    return hold


def release_hold(tx: Tx, actor: Actor, id: UUID) -> Hold:
    """Let the rules apply again to what is held; *id* is the hold's or the thing's. NotFound."""
    hold = recycling.release_hold(tx, id, actor.owner_id, actor=actor.name)
    if hold is None:
        raise NotFound(f"No hold in force has the id {id}, or is on what has it.")
    return hold


def _known(tx: Tx, actor: Actor, noun: str, id: UUID) -> None:
    if noun not in NOUNS:
        raise Invalid(f"A {noun} cannot be removed.", hint=f"It can be: {', '.join(NOUNS)}.")
    if recycling.noun_of(tx, id, actor.owner_id) != noun:
        raise NotFound(f"There is no {noun} {id}.")
