"""Audits: a subject's versions back to what they were made of."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from safelight.domain import operations
from safelight.domain.audit_page import audit_page
from safelight.domain.diagnosis import Symptom
from safelight.domain.errors import Conflict
from safelight.flow.audit import conclude, trace
from safelight.flow.commands import auditing
from safelight.flow.diagnosis import compare_runs, examine
from safelight.web.access import Cx, SubjectThere, Who, v1
from safelight.web.problems import documented

router = APIRouter(
    prefix="/v1/subjects", tags=["versions"], responses=documented(401, 403, 422, 429, 503)
)


class Link(BaseModel):
    """One thing a version stands on."""

    name: str = Field(examples=["photos"])
    state: str = Field(description="`ok`, `differs`, `broken`, `cannot verify` or `not read`.")
    says: str
    expected: str | None
    found: str | None


class VersionAudit(BaseModel):
    """A version, link by link."""

    id: UUID
    number: int
    state: str
    origin: str
    verdict: str
    links: list[Link]
    parameters: dict[str, Any] = Field(description="`asked`, `sent` and `effective`.")
    weights_sha256: str | None
    photos: list[dict[str, Any]]


class Audit(BaseModel):
    """Every version of a subject, at one moment."""

    subject: dict[str, Any]
    at: str
    read: bool = Field(description="Whether the objects were read and hashed.")
    verdict: str = Field(description="The worst of its links.")
    versions: list[VersionAudit]


@router.get("/{subject_id}/audit", responses=documented(404))
def audit(subject_id: UUID, cx: Cx, who: Who) -> Audit:
    """Trace every version back to its photos, parameters, weights and approver, as they are on record.

    Where a link is missing, `cannot verify` is said of it. Objects are `not read`: POST to `audits` has each
    of them read and hashed.
    """
    with cx.db.transaction() as tx:
        return Audit.model_validate(conclude(trace(tx, who, subject_id), None).to_dict())


@router.get("/{subject_id}/audit.html", response_class=HTMLResponse, responses=documented(404))
def audit_html(subject_id: UUID, cx: Cx, who: Who) -> HTMLResponse:
    """The same as one self-contained page."""
    with cx.db.transaction() as tx:
        return _page(conclude(trace(tx, who, subject_id), None).to_dict())


def _page(found: dict[str, Any]) -> HTMLResponse:
    return HTMLResponse(
        audit_page(found),
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


class ReadAudit(BaseModel):
    """An audit that reads and hashes every object: seconds to minutes."""

    id: UUID
    subject_id: UUID
    state: Literal["waiting", "done", "failed"]
    result: Audit | None = Field(description="What was found, once it is `done`.")
    error: str | None = Field(description="Why it has `failed`.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, found: operations.Audit) -> ReadAudit:
        """As the door shows it."""
        return cls.model_validate(found, from_attributes=True)


@router.post("/{subject_id}/audits", status_code=202, responses=documented(404))
def start_audit(subject_id: UUID, cx: Cx, who: Who, response: Response) -> ReadAudit:
    """Have every object of the subject read and hashed, and held against what is on record.

    202: `Location` is where to look. Asked for again while it waits, it is the same audit.
    """
    with cx.db.transaction() as tx:
        made, _ = auditing.request_audit(tx, who, subject_id)
    response.headers["Location"] = f"{v1('subjects', subject_id)}/audits/{made.id}"
    return ReadAudit.of(made)


@router.get(
    "/{subject_id}/audits/{audit_id}", responses=documented(404), dependencies=[SubjectThere]
)
def get_audit(subject_id: UUID, audit_id: UUID, cx: Cx, who: Who) -> ReadAudit:
    """One audit that reads: whether it is through, and what it found."""
    with cx.db.transaction() as tx:
        return ReadAudit.of(auditing.get_audit(tx, who, subject_id, audit_id))


@router.get(
    "/{subject_id}/audits/{audit_id}/page",
    response_class=HTMLResponse,
    responses=documented(404, 409),
    dependencies=[SubjectThere],
)
def get_audit_page(subject_id: UUID, audit_id: UUID, cx: Cx, who: Who) -> HTMLResponse:
    """What it found, as one self-contained page."""
    with cx.db.transaction() as tx:
        found = auditing.get_audit(tx, who, subject_id, audit_id)
    if found.result is None:
        raise Conflict(f"The audit has nothing to show yet: it is {found.state}.")
    return _page(found.result)


class Diagnosed(BaseModel):
    """What a symptom may come from, and the checklist before a retrain."""

    subject: dict[str, Any]
    version: int
    diagnosis: dict[str, Any] | None = Field(
        description="`causes` (surest first, each with evidence, remedy and estimated cost), `checks` to "
        "make first, and what one `cannot_verify`. Null where no symptom was named."
    )
    checklist: list[dict[str, Any]] = Field(description="Eight steps, answered from the data.")


@router.get("/{subject_id}/diagnosis", responses=documented(404))
def diagnose(
    subject_id: UUID,
    cx: Cx,
    who: Who,
    symptom: Symptom | None = None,
    version_id: UUID | None = None,
) -> Diagnosed:
    """Rank what a symptom may come from, with the evidence in this subject's own records.

    No cause is named without evidence.
    """
    with cx.db.transaction() as tx:
        found = examine(tx, who, subject_id, symptom=symptom, version_id=version_id)
    return Diagnosed.model_validate(found.to_dict())


runs = APIRouter(
    prefix="/v1/diff", tags=["versions"], responses=documented(401, 403, 422, 429, 503)
)


@runs.get("", responses=documented(404))
def diff(a: UUID, b: UUID, cx: Cx, who: Who) -> dict[str, Any]:
    """Two runs side by side (each a training's or a version's id): set, parameters, course, weights."""
    with cx.db.transaction() as tx:
        return compare_runs(tx, who, a, b)
