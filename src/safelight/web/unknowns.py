"""A person settles a request whose reply was lost: adopt it, send it anew, or give it up."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from safelight.domain.states import GenerationState, TrainingState
from safelight.flow.commands import unknowns as commands
from safelight.web.access import Cx, Who
from safelight.web.problems import documented
from safelight.web.text import Text

router = APIRouter(prefix="/v1", responses=documented(401, 403, 422, 429, 503))


class Resolution(BaseModel):
    """What was found out at the provider. Look there first: what is sent again although it was
    accepted is paid twice."""

    decision: commands.Decision
    reason: Text = Field(
        min_length=1,
        max_length=1000,
        description="What you found out, and where; it is kept as an event with who decided.",
        examples=["not in the provider's dashboard an hour later"],
    )
    provider_id: str | None = Field(
        None,
        pattern="^[a-z0-9]{20,40}$",
        description="The provider's id for it; needed to adopt.",
        examples=["rrr4z55ocneqzikepnug6xezpe"],
    )


class ResolvedTraining(BaseModel):
    """Where the training stands now."""

    id: UUID
    state: TrainingState


class ResolvedGeneration(BaseModel):
    """Where the generation stands now."""

    id: UUID
    state: GenerationState


@router.post("/trainings/{training_id}/resolve", tags=["trainings"], responses=documented(404, 409))
def resolve_training(training_id: UUID, body: Resolution, cx: Cx, who: Who) -> ResolvedTraining:
    """Settle a training that is `unknown`."""
    if body.decision is commands.Decision.ADOPT and body.provider_id:
        commands.look_at_training(cx, who, training_id, body.provider_id)
    with cx.db.transaction() as tx:
        done = commands.resolve_training(
            tx,
            who,
            training_id,
            body.decision,
            reason=body.reason,
            provider_id=body.provider_id,
        )
    return ResolvedTraining(id=done.id, state=TrainingState(done.state))


@router.post(
    "/generations/{generation_id}/resolve", tags=["generations"], responses=documented(404, 409)
)
def resolve_generation(
    generation_id: UUID, body: Resolution, cx: Cx, who: Who
) -> ResolvedGeneration:
    """Settle a generation that is `unknown`."""
    if body.decision is commands.Decision.ADOPT and body.provider_id:
        commands.look_at_generation(cx, who, generation_id, body.provider_id)
    with cx.db.transaction() as tx:
        done = commands.resolve_generation(
            tx,
            who,
            generation_id,
            body.decision,
            reason=body.reason,
            provider_id=body.provider_id,
        )
    return ResolvedGeneration(id=done.id, state=GenerationState(done.state))
