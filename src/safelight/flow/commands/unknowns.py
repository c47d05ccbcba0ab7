"""A person settles what nobody could find out: whether a request whose reply was lost was accepted.

Each decision leaves an event with who made it and why.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from safelight.db import generations, jobs, trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid
from safelight.domain.nouns import Generation, Training
from safelight.domain.queues import Kind
from safelight.domain.states import GenerationState, TrainingState
from safelight.flow.commands import Actor
from safelight.flow.commands.images import get_generation
from safelight.flow.commands.trainings import get_training


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
    if training.state != TrainingState.UNKNOWN:
        raise Conflict(f"Training {training_id} is not unknown: it is {training.state}.")
    jobs.cancel(tx, target_id=training_id, actor=actor.name, reason=f"resolved: {decision}")
    after = {
        Decision.ADOPT: TrainingState.TRAINING,
        Decision.RESEND: TrainingState.READY,
        Decision.GIVE_UP: TrainingState.CANCELED,
    }[decision]
    if decision is Decision.ADOPT:
        trainings.set_accepted(
            tx, training_id, provider_id=_required(provider_id), status="starting", version=None
        )
    trainings.move(
        tx,
        training_id,
        TrainingState.UNKNOWN,
        after,
        actor=actor.name,
        error="given up by a person" if decision is Decision.GIVE_UP else None,
        detail={"decision": decision, "reason": reason, "provider_id": provider_id},
    )
    if decision is Decision.RESEND:
        jobs.add(
            tx,
            Kind.PREPARE_SUBMISSION,
            actor=actor.name,
            target_id=training_id,
            owner_id=training.owner_id,
            subject_id=training.subject_id,
            unique_key=f"{Kind.PREPARE_SUBMISSION}:{training_id}",
        )
    elif decision is Decision.ADOPT:
        _watch(tx, Kind.WATCH_TRAININGS, actor)
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
    if generation.state != GenerationState.UNKNOWN:
        raise Conflict(f"Generation {generation_id} is not unknown: it is {generation.state}.")
    jobs.cancel(tx, target_id=generation_id, actor=actor.name, reason=f"resolved: {decision}")
    after = {
        Decision.ADOPT: GenerationState.DRAWING,
        Decision.RESEND: GenerationState.QUEUED,
        Decision.GIVE_UP: GenerationState.CANCELED,
    }[decision]
    if decision is Decision.ADOPT:
        generations.set_accepted(
            tx, generation_id, provider_id=_required(provider_id), status="starting"
        )
    generations.move(
        tx,
        generation_id,
        GenerationState.UNKNOWN,
        after,
        actor=actor.name,
        error="given up by a person" if decision is Decision.GIVE_UP else None,
        detail={"decision": decision, "reason": reason, "provider_id": provider_id},
    )
    if decision is Decision.RESEND:
        jobs.add(
            tx,
            Kind.SUBMIT_GENERATION,
            actor=actor.name,
            target_id=generation_id,
            owner_id=generation.owner_id,
            subject_id=generation.subject_id,
            unique_key=f"{Kind.SUBMIT_GENERATION}:{generation_id}",
        )
    elif decision is Decision.ADOPT:
        _watch(tx, Kind.WATCH_GENERATIONS, actor)
    return get_generation(tx, actor, generation_id)


def _required(provider_id: str | None) -> str:
    if not provider_id:
        raise Invalid("To adopt it, say the provider's id for it.", hint="--provider-id ID")
    return provider_id


def _watch(tx: Tx, kind: Kind, actor: Actor) -> None:
    jobs.add(tx, kind, actor=actor.name, unique_key=str(kind))
