"""Generations and the images they made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into, jsonb
from safelight.domain.errors import Conflict
from safelight.domain.ids import new_id
from safelight.domain.masking import mask
from safelight.domain.nouns import Generation, Image, Json, Version
from safelight.domain.provider import RunInFlight
from safelight.domain.states import GenerationState

sql = statements("generations")


def add(
    tx: Tx,
    version: Version,
    *,
    purpose: str,
    prompt: str,
    input: Json,
    actor: str,
    asked_prompt: str | None = None,
    changes: Sequence[Json] = (),
    preset: str | None = None,
) -> Generation:
    """Images are asked for: with *prompt*, which *changes* made out of *asked_prompt*."""
    row = tx.row(
        sql.insert_generation,
        {
            "id": new_id(),
            "owner_id": version.owner_id,
            "subject_id": version.subject_id,
            "version_id": version.id,
            "purpose": purpose,
            "prompt": prompt,
            "asked_prompt": asked_prompt,
            "changes": jsonb(list(changes)),
            "preset": preset,
            "input": jsonb(input),
            "actor": actor,
        },
    )
    assert row is not None
    return into(Generation, row)


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Generation | None:
    """One generation; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_generation, {"id": id, "owner_id": owner_id})
    return into(Generation, row) if row else None


def lock(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Generation | None:
    """One generation, locked until the transaction ends."""
    row = tx.row(sql.lock_generation, {"id": id, "owner_id": owner_id})
    return into(Generation, row) if row else None


def find(
    tx: Tx,
    owner_id: UUID,
    *,
    subject_id: UUID | None = None,
    version_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Generation]:
    """Generations, newest first, a page."""
    rows = tx.rows(
        sql.list_generations,
        {
            "owner_id": owner_id,
            "subject_id": subject_id,
            "version_id": version_id,
            "after": after,
            "limit": limit,
        },
    )
    return [into(Generation, row) for row in rows]


def may(
    tx: Tx,
    id: UUID,
    before: Iterable[GenerationState],
    after: GenerationState,
    *,
    actor: str,
    error: str | None = None,
    detail: Json | None = None,
) -> Generation | None:
    """Move from one of *before* to *after*; None: it stands elsewhere by now."""
    row = tx.row(
        sql.move_generation,
        {
            "id": id,
            "before": [str(state) for state in before],
            "after": str(after),
            "actor": actor,
            "error": error and mask(error),
            "detail": jsonb(detail),
        },
    )
    return into(Generation, row) if row else None


def move(
    tx: Tx,
    id: UUID,
    before: GenerationState,
    after: GenerationState,
    *,
    actor: str,
    error: str | None = None,
    detail: Json | None = None,
) -> Generation:
    """Move from *before* to *after*. Raises Conflict if it stands elsewhere."""
    moved = may(tx, id, [before], after, actor=actor, error=error, detail=detail)
    if moved is None:
        raise Conflict(f"Generation {id} is not {before} any more, so it cannot become {after}.")
    return moved


def set_intent(tx: Tx, id: UUID, intent_id: UUID) -> None:
    """Keep the mark of the request that is about to be sent."""
    tx.run(sql.set_intent, {"id": id, "intent_id": intent_id})


def sent_seconds(tx: Tx, id: UUID) -> float:
    """Seconds since its request left, by the database's clock."""
    row = tx.row(sql.sent_seconds, {"id": id})
    assert row is not None
    seconds: float = row["seconds"]
    return seconds


def set_accepted(tx: Tx, id: UUID, *, provider_id: str, status: str) -> None:
    """Keep the provider's id for it."""
    tx.run(sql.set_accepted, {"id": id, "provider_id": provider_id, "status": status})


def in_flight(tx: Tx) -> list[RunInFlight]:
    """What is to be watched, oldest first."""
    return [into(RunInFlight, row) for row in tx.rows(sql.in_flight)]


def in_flight_one(tx: Tx, id: UUID) -> list[RunInFlight]:
    """The one, as `in_flight` shows it; none: it is not in flight."""
    return [into(RunInFlight, row) for row in tx.rows(sql.in_flight_one, {"id": id})]


def accepted_since(tx: Tx, since: datetime) -> list[str]:
    """The provider's ids of what was accepted since then."""
    return [row["provider_id"] for row in tx.rows(sql.accepted_since, {"since": since})]


def is_known(tx: Tx, provider_id: str) -> bool:
    """Whether a request of ours bears this id."""
    return tx.row(sql.is_known, {"provider_id": provider_id}) is not None


def observe(tx: Tx, observations: Iterable[Mapping[str, Any]]) -> None:
    """Keep what the provider shows of generations in flight."""
    tx.many(sql.observe, [{**o, "output": jsonb(o["output"])} for o in observations])


def add_images(tx: Tx, generation_id: UUID, images: Sequence[Mapping[str, Any]]) -> None:
    """Images, once they are stored: number, key, bytes, sha256, width, height, format of each."""
    tx.many(
        sql.insert_image,
        [{**image, "id": new_id(), "generation_id": generation_id} for image in images],
    )


def images(tx: Tx, ids: Sequence[UUID]) -> list[Image]:
    """The images of these generations."""
    return [into(Image, row) for row in tx.rows(sql.images_of_generations, {"ids": list(ids)})]


def ask_cancel(tx: Tx, id: UUID) -> None:
    """Note that a person asked for it to stop."""
    tx.run(sql.ask_cancel, {"id": id})
