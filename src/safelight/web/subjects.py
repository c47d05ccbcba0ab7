"""Subjects: whom or what a LoRA draws."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from safelight.db import subjects as rows
from safelight.db import versions
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.flow.commands import subjects as commands
from safelight.flow.commands import versions as version_commands
from safelight.web.access import Cx, Who, v1
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Line, Text

router = APIRouter(
    prefix="/v1/subjects", tags=["subjects"], responses=documented(401, 403, 422, 429, 503)
)


class NewSubject(BaseModel):
    """A subject to be made."""

    name: Line = Field(
        min_length=1, max_length=200, description="Yours; no two of your subjects share one."
    )
    kind: Literal["person", "model", "character"] = Field(
        description="`person`: a real face. `model`: a real person, whole body. `character`: drawn."
    )
    consent: Text | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="How and by whom consent was given. Photos of a real person (`person`, `model`) are "
        "not taken, and a person is not trained on, without it.",
    )
    model_config = {
        "json_schema_extra": {
            "examples": [
                {"name": "luca", "kind": "person", "consent": "signed by Luca R., form 2026-114"}
            ]
        }
    }


class Consent(BaseModel):
    """Consent, as it goes on record."""

    note: Text = Field(
        min_length=1,
        max_length=2000,
        description="How and by whom it was given.",
        examples=["signed by Luca R. on 12 May, form 2026-114"],
    )


class Rollback(BaseModel):
    """Why the version that draws is left."""

    reason: Text = Field(min_length=1, max_length=1000, examples=["drew the wrong person"])


class Subject(BaseModel):
    """A subject."""

    id: UUID
    name: str
    kind: str
    trigger_word: str = Field(
        description="Stands for the subject in prompts. Made once; you need not write it: prompts "
        "get it."
    )
    consented_at: datetime | None
    consent_note: str | None
    created_at: datetime

    @classmethod
    def of(cls, subject: nouns.Subject) -> Subject:
        """As the door shows it."""
        return cls.model_validate(subject, from_attributes=True)


class SubjectDetail(Subject):
    """A subject and the version that draws it."""

    active_version: UUID | None = Field(description="The version that draws it; null: none yet.")


@router.post("", status_code=201, response_model=Subject, responses=documented(409))
def create_subject(asked: NewSubject, who: Who, once: Creates) -> Response:
    """Make a subject.

    It gets the trigger word that it keeps for good. Honours `Idempotency-Key`.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = commands.create_subject(
            tx, who, name=asked.name, kind=asked.kind, consent=asked.consent
        )
        return Subject.of(made), v1("subjects", made.id)

    return once(asked, make, status=201)


@router.get("", response_model=Page[Subject])
def list_subjects(cx: Cx, who: Who, page: Paged) -> object:
    """Your subjects, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(tx, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Subject.of, lambda subject: subject.id)


@router.get("/{subject_id}", responses=documented(404))
def get_subject(subject_id: UUID, cx: Cx, who: Who) -> SubjectDetail:
    """One subject, and the version that draws it."""
    with cx.db.transaction() as tx:
        subject = commands.get_subject(tx, who, subject_id)
        active = versions.active(tx, subject_id)
    return SubjectDetail(
        **Subject.of(subject).model_dump(), active_version=active.id if active else None
    )


@router.post("/{subject_id}/rollback", responses=documented(404, 409))
def roll_back(subject_id: UUID, asked: Rollback, cx: Cx, who: Who) -> SubjectDetail:
    """Go back to the version that drew before the active one, which is rejected."""
    with cx.db.transaction() as tx:
        now, _ = version_commands.roll_back(tx, who, subject_id, reason=asked.reason)
        subject = commands.get_subject(tx, who, subject_id)
    return SubjectDetail(**Subject.of(subject).model_dump(), active_version=now.id)


@router.put("/{subject_id}/consent", responses=documented(404))
def record_consent(subject_id: UUID, asked: Consent, cx: Cx, who: Who) -> Subject:
    """Put consent on record.

    What is on record stays as it was first given; asking again changes nothing.
    """
    with cx.db.transaction() as tx:
        return Subject.of(commands.record_consent(tx, who, subject_id, asked.note))
