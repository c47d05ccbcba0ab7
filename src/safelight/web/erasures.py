"""Erasure of a subject or of you as a whole, and the signed statement that proves it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from safelight.db import erasures as rows
from safelight.domain import operations
from safelight.domain.states import ErasureState
from safelight.flow.commands import erasing as commands
from safelight.web.access import Cx, Who, v1
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Line, Text

router = APIRouter(prefix="/v1", tags=["erasures"], responses=documented(401, 403, 422, 429, 503))

Reason = Annotated[
    Text,
    Query(
        min_length=1,
        max_length=500,
        description="It stays in the statement: name nobody in it.",
        examples=["request 2026-114"],
    ),
]


class Erasure(BaseModel):
    """An erasure. Its statement names ids and keys, and no name, trigger or hash."""

    id: UUID
    subject_id: UUID | None = Field(description="null: you, with every subject.")
    state: ErasureState
    reason: str
    asked_at: datetime
    finished_at: datetime | None
    looked_again_at: datetime | None = Field(
        description="When the folders were looked at once more, since uploads may arrive late."
    )
    statement: dict[str, Any] | None = Field(
        description="What was deleted, what the checks found, what cannot be reached."
    )
    signature: str | None = Field(
        description="Ed25519, base64, over the statement as JSON with sorted keys, no spaces, UTF-8."
    )
    public_key: str | None = Field(description="The key it verifies with, base64.")

    @classmethod
    def of(cls, erasure: operations.Erasure) -> Erasure:
        """As the door shows it."""
        return cls.model_validate(erasure, from_attributes=True)


def _asked(erasure: operations.Erasure, response: Response) -> Erasure:
    response.headers["Location"] = v1("erasures", erasure.id)
    return Erasure.of(erasure)


@router.delete("/subjects/{subject_id}", status_code=202, responses=documented(404, 409))
def erase_subject(
    subject_id: UUID, cx: Cx, who: Who, response: Response, reason: Reason = "asked for"
) -> Erasure:
    """Erase a subject for good.

    It is gone for every route at once; its jobs and runs are stopped, its photos, datasets, weights,
    images, rows and the provider's copies follow. 409: a hold keeps it. Safe to repeat.
    """
    with cx.db.transaction() as tx:
        return _asked(commands.erase_subject(tx, who, subject_id, reason=reason), response)


@router.delete("/subjects/{subject_id}/consent", status_code=202, responses=documented(404, 409))
def withdraw_consent(subject_id: UUID, cx: Cx, who: Who, response: Response) -> Erasure:
    """Consent is withdrawn: the subject is erased, as by DELETE of the subject."""
    with cx.db.transaction() as tx:
        return _asked(commands.withdraw_consent(tx, who, subject_id), response)


@router.delete("/owner", status_code=202, responses=documented(409))
def erase_owner(
    cx: Cx,
    who: Who,
    response: Response,
    confirm: Annotated[Line, Query(max_length=200, description="Your owner's name, typed.")],
    reason: Reason = "asked for",
) -> Erasure:
    """Erase everything of yours, this key included.

    Once the key is gone nobody can ask for the statement here: whoever runs the system hands it out
    (`safelight erasures ID`).
    """
    with cx.db.transaction() as tx:
        return _asked(commands.erase_owner(tx, who, confirm=confirm, reason=reason), response)


@router.get("/erasures", response_model=Page[Erasure])
def list_erasures(cx: Cx, who: Who, page: Paged) -> object:
    """Your erasures, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(tx, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Erasure.of, lambda erasure: erasure.id)


@router.get("/erasures/{erasure_id}", responses=documented(404))
def get_erasure(erasure_id: UUID, cx: Cx, who: Who) -> Erasure:
    """One erasure, with its statement once it is done."""
    with cx.db.transaction() as tx:
        return Erasure.of(commands.get_erasure(tx, who, erasure_id))
