"""Imports: versions trained elsewhere, fetched and verified by a job."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from safelight.db import imports as rows
from safelight.domain import operations
from safelight.flow.commands import importing as commands
from safelight.web.access import Cx, SubjectThere, Who, v1
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented

router = APIRouter(
    prefix="/v1/subjects/{subject_id}/imports",
    tags=["versions"],
    responses=documented(401, 403, 404, 422, 429, 503),
    dependencies=[SubjectThere],
)


class Import(BaseModel):
    """A version trained elsewhere, as you asked for it."""

    id: UUID
    subject_id: UUID
    model: str
    state: Literal["waiting", "done", "failed"]
    version_id: UUID | None = Field(description="What it became, once it is `done`.")
    error: str | None = Field(description="Why it has `failed`.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, found: operations.Import) -> Import:
        """As the door shows it."""
        return cls.model_validate(found, from_attributes=True)


def where(found: operations.Import) -> str:
    """The path of an import."""
    return f"{v1('subjects', found.subject_id)}/imports/{found.id}"


@router.get("", response_model=Page[Import])
def list_imports(subject_id: UUID, cx: Cx, who: Who, page: Paged) -> object:
    """The imports of a subject, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(
            tx, who.owner_id, subject_id=subject_id, after=page.after, limit=page.one_more
        )
    return page.of(found, Import.of, lambda one: one.id)


@router.get("/{import_id}")
def get_import(subject_id: UUID, import_id: UUID, cx: Cx, who: Who) -> Import:
    """One import: whether it is through, and what became of it."""
    with cx.db.transaction() as tx:
        return Import.of(commands.get_import(tx, who, subject_id, import_id))
