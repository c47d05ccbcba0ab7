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
from safelight.flow.commands.versions import get_version
from safelight.flow.context import Context
from safelight.flow.paid import Paid
from safelight.stages import generate, submit


class Decision(StrEnum):
    """What a person found out."""

    ADOPT = "adopt"
    """It was accepted; this is the provider's id for it."""
    RESEND = "resend"
    """It was not accepted; send it anew."""
    GIVE_UP = "give-up"
    """It was not accepted; let it be."""


def look_at_training(cx: Context, actor: Actor, training_id: UUID, provider_id: str) -> None:
    """Before a run is adopted: see at the provider that it is this training's. All owners share the
    account there, so knowing an id gives nobody a right to the run.

    Raises:
        NotFound: no such training, or the provider knows no such run. Conflict: the run does not bear the
        training's mark. Retryable: the provider cannot be asked now.
    """
    with cx.db.transaction() as tx:
        training = get_training(tx, actor, training_id)
    if training.intent_id is None or training.intent_at is None:
        raise Conflict(f"Training {training_id} has sent nothing: it is {training.state}.")
    mark = submit.Mark(
        submit.bears_intent(training.intent_id),
        training.intent_at,
        destination=training.destination,
    )
    _require(mark, cx.tools.provider.get_training(provider_id), provider_id, "training")


def look_at_generation(cx: Context, actor: Actor, generation_id: UUID, provider_id: str) -> None:
    """The same of a generation."""
    with cx.db.transaction() as tx:
        generation = get_generation(tx, actor, generation_id)
        version = get_version(tx, actor, generation.version_id)
    if generation.intent_at is None:
        raise Conflict(f"Generation {generation_id} has sent nothing: it is {generation.state}.")
    mark = submit.Mark(
        generate.is_this_request(generation.input),
        generation.intent_at,
        version=version.provider_version,
    )
    _require(mark, cx.tools.provider.get_prediction(provider_id), provider_id, "generation")


def _require(mark: submit.Mark, run: RemoteRun, provider_id: str, what: str) -> None:
    if run.id != provider_id or not submit.bears(mark, run):
        raise Conflict(
            f"The provider's run {provider_id} is not what this {what} sent.",
            hint="Look for the run whose input is this one's, and say its id; or resend, or give it up.",
        )


def resolve_training(
    tx: Tx,
    actor: Actor,
    training_id: UUID,
    decision: Decision,
    *,
    reason: str,
    provider_id: str | None = None,
) -> Training:
    """Settle a training that is `unknown`. Raises Conflict if it is not, Invalid without an id to adopt.

    A door that adopts calls `look_at_training` first, with no transaction open.
    """
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
