"""Versions: trained LoRAs, stored and verified. One of a subject draws."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from safelight.db import versions as rows
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.domain.errors import Conflict
from safelight.domain.states import VersionState
from safelight.flow.commands import importing
from safelight.flow.commands import versions as commands
from safelight.stages import layers
from safelight.web import imports
from safelight.web.access import Cx, Who, v1
from safelight.web.imports import Import
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Factor, Line, Object, Ref, Text

router = APIRouter(
    prefix="/v1/versions", tags=["versions"], responses=documented(401, 403, 422, 429, 503)
)

WEIGHTS_SECONDS = 3600


class Version(BaseModel):
    """A version."""

    id: UUID
    subject_id: UUID
    training_id: UUID | None = Field(description="Null for one that was trained elsewhere.")
    number: int = Field(description="Counted within the subject.")
    state: VersionState = Field(description="One version of a subject is `active`: it draws.")
    origin: str = Field(description="`trained` here, or `imported`.")
    trigger_word: str
    lora_scale: float
    guidance: float | None = Field(description="Its own; null: that of its profile's preset.")
    weights_bytes: int | None = Field(description="Null: it was imported without weights.")
    weights_sha256: str | None
    rank: int | None
    tensors: int | None
    provider_model: str | None
    provider_version: str | None
    marks: list[dict[str, Any]] = Field(
        description="What the trainer did otherwise than it was told, where that matters: parameter, "
        "and what was asked, sent and effective."
    )
    created_at: datetime
    approved_at: datetime | None = Field(
        description="Null: nobody approved it; it draws no request."
    )
    approved_by: str | None
    approved_why: str | None
    rejected_at: datetime | None
    rejected_by: str | None
    rejected_why: str | None
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
    if version.stored is None:
        raise Conflict(f"Version {version.number} was imported without weights.")
    return RedirectResponse(
        cx.tools.store.presign_get(version.stored.key, WEIGHTS_SECONDS),
        307,
        {"Cache-Control": "no-store"},
    )


class NewImport(BaseModel):
    """A version trained elsewhere, at the provider. (A file comes in by `safelight import`.)"""

    subject_id: UUID
    model: Line = Field(
        description="`owner/name:version`; without a version, the newest. A model of your own, or one that "
        "everybody may use: another owner's is a 404.",
        max_length=300,
        examples=["acme/selfie-lora"],
    )
    trigger: Line | None = Field(
        None, max_length=100, description="What it was trained with, if its training does not tell."
    )
    scale: Factor = 1.0


@router.post("/import", status_code=202, response_model=Import, responses=documented(404, 409, 502))
def import_version(asked: NewImport, who: Who, once: Creates) -> Response:
    """Take in a version trained elsewhere, as a candidate: approve it once you have looked.

    202: it is fetched and verified without you; `Location` is where to look, `version_id` the version once
    it is there. What can be known of it comes with it; its audit says of the rest that one cannot verify
    it. The same again changes nothing. Honours `Idempotency-Key`.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = importing.request_import(
            tx, who, asked.subject_id, **asked.model_dump(exclude={"subject_id"})
        )
        return Import.of(made), imports.where(made)

    return once(asked, make, status=202)


class Judgement(BaseModel):
    """What was seen in the previews."""

    reason: Text = Field(min_length=1, max_length=1000, examples=["previews look right"])


class Approval(Judgement):
    """An approval; the version draws from now on unless `activate` is false."""

    activate: bool = True


class Tuning(BaseModel):
    """What a version draws with; what is left out stays as it is."""

    scale: Factor | None = Field(None, description="LoRA scale, within the version's own schema.")
    guidance: Factor | None = Field(None, description="2.0 to 3.5 is advised; more looks plastic.")
    reason: Text = Field("tuned", min_length=1, max_length=1000)


@router.post("/{version_id}/approve", responses=documented(404, 409))
def approve_version(version_id: UUID, asked: Approval, cx: Cx, who: Who) -> Version:
    """You looked at its previews: it may draw for users. The active one before is kept."""
    with cx.db.transaction() as tx:
        return Version.of(
            commands.approve_version(
                tx, who, version_id, reason=asked.reason, activate=asked.activate
            )
        )


@router.post("/{version_id}/reject", responses=documented(404, 409))
def reject_version(version_id: UUID, asked: Judgement, cx: Cx, who: Who) -> Version:
    """It may not draw for users. It stays, and may be approved later."""
    with cx.db.transaction() as tx:
        return Version.of(commands.reject_version(tx, who, version_id, reason=asked.reason))


class Retrain(Judgement):
    """A retrain: as the version was trained, but for what is said here."""

    profile: Ref | None = None
    overrides: Object = Field(default_factory=dict, description="Trainer inputs to change.")


class Retrained(BaseModel):
    """The training that was started."""

    training_id: UUID
    number: int
    profile: str


@router.post(
    "/{version_id}/retrain",
    status_code=202,
    response_model=Retrained,
    responses=documented(404, 409),
)
def retrain(version_id: UUID, asked: Retrain, who: Who, once: Creates) -> Response:
    """Reject a candidate and train anew, as it was trained but for what you say here.

    Honours `Idempotency-Key`.
    """

    layers.check(asked.overrides)

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = commands.retrain(tx, who, version_id, **asked.model_dump())
        shown = Retrained(training_id=made.id, number=made.number, profile=made.profile)
        return shown, v1("trainings", made.id)

    return once(asked, make, status=202)


@router.patch("/{version_id}", responses=documented(404, 409))
def tune_version(version_id: UUID, asked: Tuning, cx: Cx, who: Who) -> Version:
    """Set the scale and the guidance it draws with."""
    with cx.db.transaction() as tx:
        return Version.of(commands.tune_version(tx, who, version_id, **asked.model_dump()))


@router.post("/{version_id}/activate", responses=documented(404, 409))
def activate_version(version_id: UUID, cx: Cx, who: Who) -> Version:
    """Let this version draw from now on; the one before steps back and can be taken up again."""
    with cx.db.transaction() as tx:
        return Version.of(commands.activate_version(tx, who, version_id))
