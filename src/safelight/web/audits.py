"""Audits: a subject's versions back to what they were made of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from safelight.domain.audit_page import audit_page
from safelight.domain.diagnosis import Symptom
from safelight.flow.audit import audit_subject
from safelight.flow.diagnosis import compare_runs, examine
from safelight.web.access import Cx, Who
from safelight.web.problems import documented

router = APIRouter(prefix="/v1/subjects", tags=["versions"], responses=documented(401, 422, 503))


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


Read = Query(False, description="Read and hash every object: seconds to minutes.")


@router.get("/{subject_id}/audit", responses=documented(404))
def audit(subject_id: UUID, cx: Cx, who: Who, read: bool = Read) -> Audit:
    """Trace every version back to its photos, parameters, weights and approver.

    Where a link is missing, `cannot verify` is said of it.
    """
    return Audit.model_validate(audit_subject(cx, who, subject_id, read=read).to_dict())


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


@router.get("/{subject_id}/audit.html", response_class=HTMLResponse, responses=documented(404))
def audit_html(subject_id: UUID, cx: Cx, who: Who, read: bool = Read) -> HTMLResponse:
    """The same as one self-contained page."""
    page = audit_page(audit_subject(cx, who, subject_id, read=read).to_dict())
    return HTMLResponse(
        page,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
    )


runs = APIRouter(prefix="/v1/diff", tags=["versions"], responses=documented(401, 422, 503))


@runs.get("", responses=documented(404))
def diff(a: UUID, b: UUID, cx: Cx, who: Who) -> dict[str, Any]:
    """Two runs side by side (each a training's or a version's id): set, parameters, course, weights."""
    with cx.db.transaction() as tx:
        return compare_runs(tx, who, a, b)
