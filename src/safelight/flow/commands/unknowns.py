"""A person settles what nobody could find out: whether a request whose reply was lost was accepted.

Each decision leaves an event with who made it and why.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from safelight.db import jobs
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid
from safelight.domain.nouns import Generation, Training
from safelight.domain.provider import RemoteRun, RemoteStatus
from safelight.flow import paid
from safelight.flow.commands import Actor
from safelight.flow.commands.images import get_generation
from safelight.flow.commands.trainings import get_training
from safelight.flow.paid import Paid


class Decision(StrEnum):
    """What a person found out."""

    ADOPT = "adopt"
    """It was accepted; this is the provider's id for it."""
    RESEND = "resend"
    """It was not accepted; send it anew."""
    GIVE_UP = "give-up"
    """It was not accepted; let it be."""


def resolve_training(
    tx: Tx,
    actor: Actor,
    training_id: UUID,
    decision: Decision,
    *,
    reason: str,
    provider_id: str | None = None,
) -> Training:
    """Settle a training that is `unknown`. Raises Conflict if it is not, Invalid without an id to adopt."""
    training = get_training(tx, actor, training_id)
    _resolve(tx, actor, paid.TRAINING, training, decision, reason, provider_id)
    return get_training(tx, actor, training_id)


def resolve_generation(
    tx: Tx,
    actor: Actor,
    generation_id: UUID,
    decision: Decision,
    *,
    reason: str,
    provider_id: str | None = None,
) -> Generation:
    """Settle a generation that is `unknown`, as `resolve_training` does a training."""
    generation = get_generation(tx, actor, generation_id)
    _resolve(tx, actor, paid.GENERATION, generation, decision, reason, provider_id)
    return get_generation(tx, actor, generation_id)


def _resolve(
    tx: Tx,
    actor: Actor,
    what: Paid,
    row: Training | Generation,
    decision: Decision,
    reason: str,
    provider_id: str | None,
) -> None:
    if row.state != what.unknown:
        raise Conflict(f"{row.id} is not unknown: it is {row.state}.")
    if decision is Decision.ADOPT and not provider_id:
        raise Invalid("To adopt it, say the provider's id for it.", hint="--provider-id ID")
    jobs.cancel(tx, target_id=row.id, actor=actor.name, reason=f"resolved: {decision}")
    why = {"decision": str(decision), "reason": reason}
    if decision is Decision.ADOPT:
        assert provider_id is not None
        run = RemoteRun(provider_id, RemoteStatus.STARTING)
        paid.adopt(tx, what, row, what.unknown, run, actor.name, **why)
        paid.follow(tx, row, what.look, actor.name)
    elif decision is Decision.RESEND:
        what.move(tx, row.id, what.unknown, what.waiting, actor=actor.name, detail=why)
        paid.follow(tx, row, what.send, actor.name)
    else:
        gone = "given up by a person"
        what.move(tx, row.id, what.unknown, what.canceled, actor=actor.name, error=gone, detail=why)
