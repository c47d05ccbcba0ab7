"""Versions: trained LoRAs, stored and verified. One of a subject draws."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from safelight.db import versions as rows
from safelight.domain import nouns
from safelight.domain.errors import Conflict
from safelight.domain.states import VersionState
from safelight.flow.commands import images as commands
from safelight.web.access import Cx, Who
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented

router = APIRouter(prefix="/v1/versions", tags=["versions"], responses=documented(401, 422, 503))

WEIGHTS_SECONDS = 3600


class Version(BaseModel):
    """A version."""

    id: UUID
    subject_id: UUID
    training_id: UUID
    number: int = Field(description="Counted within the subject.")
    state: VersionState = Field(description="One version of a subject is `active`: it draws.")
    trigger_word: str
    lora_scale: float
    weights_bytes: int
    weights_sha256: str
    rank: int
    tensors: int
    provider_model: str
    provider_version: str
    created_at: datetime
    activated_at: datetime | None
    archived_at: datetime | None

    @classmethod
    def of(cls, version: nouns.Version) -> Version:
        """As the door shows it."""
        return cls.model_validate(version, from_attributes=True)


@router.get("", response_model=Page[Version])
def list_versions(cx: Cx, who: Who, page: Paged, subject_id: UUID | None = None) -> object:
    """Your versions, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(
            tx, who.owner_id, subject_id=subject_id, after=page.after, limit=page.one_more
        )
    return page.of([v for v, _ in found], Version.of, lambda version: version.id)


@router.get("/{version_id}", responses=documented(404))
def get_version(version_id: UUID, cx: Cx, who: Who) -> Version:
    """One version."""
    with cx.db.transaction() as tx:
        return Version.of(commands.get_version(tx, who, version_id))


@router.get(
    "/{version_id}/weights",
    status_code=307,
    response_class=RedirectResponse,
    responses={307: {"description": "To the file itself, for an hour."}, **documented(404, 409)},
)
def get_weights(version_id: UUID, cx: Cx, who: Who) -> RedirectResponse:
    """The weights: a redirect to `lora.safetensors`, good for an hour.

    Follow it without your API key: the store refuses a request that carries two signatures.
    """
    with cx.db.transaction() as tx:
        version = commands.get_version(tx, who, version_id)
    if version.state == VersionState.DELETED:
        raise Conflict(f"The weights of version {version.number} were deleted.")
    return RedirectResponse(
        cx.tools.store.presign_get(version.weights_key, WEIGHTS_SECONDS),
        307,
        {"Cache-Control": "no-store"},
    )


@router.post("/{version_id}/activate", responses=documented(404, 409))
def activate_version(version_id: UUID, cx: Cx, who: Who) -> Version:
    """Let this version draw from now on; the one before steps back and can be taken up again."""
    with cx.db.transaction() as tx:
        return Version.of(commands.activate_version(tx, who, version_id))
