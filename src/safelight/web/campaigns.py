"""Campaigns: one operation over many subjects, planned, tried, bounded and reported."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from safelight.db import campaigns as rows
from safelight.db.transaction import Tx
from safelight.domain import operations
from safelight.domain.campaigns import CampaignKind, Selection
from safelight.domain.states import CampaignState
from safelight.flow.commands import campaigns as commands
from safelight.web.access import Cx, Who, v1
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Line, Ref, Usd, When

router = APIRouter(
    prefix="/v1/campaigns", tags=["campaigns"], responses=documented(401, 403, 422, 429, 503)
)


class NewCampaign(BaseModel):
    """Whom it is about and what is done. All conditions that are given must hold."""

    kind: CampaignKind
    name: Line = Field(min_length=1, max_length=200, description="What it is for.")
    subject_ids: list[UUID] | None = Field(None, max_length=10_000, description="Only these.")
    of: Literal["person", "model", "character"] | None = Field(
        None, description="Only subjects of this kind."
    )
    made_by: Ref | None = Field(None, description="Only what was trained with this profile.")
    since: When | None = Field(None, description="Only what was trained since then.")
    until: When | None = Field(None, description="Only what was trained before.")
    profile: Ref | None = Field(None, description="The profile to judge or train with.")
    first_batch: int = Field(
        5, ge=0, le=10_000, description="Stand still after so many; 0: do not."
    )
    at_once: int = Field(10, ge=1, le=commands.MAX_AT_ONCE)
    budget_usd: Usd | None = Field(None, description="What would pass it is not begun.")


class Campaign(BaseModel):
    """A campaign."""

    id: UUID
    name: str
    kind: CampaignKind
    state: CampaignState
    reason: str | None = Field(description="Why it stands still, where it does.")
    selection: dict[str, Any]
    profile: str | None
    first_batch: int
    at_once: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, campaign: operations.Campaign) -> Campaign:
        """As the door shows it."""
        return cls.model_validate(campaign, from_attributes=True)


class Counted(BaseModel):
    """What the dry run counted, and what came of it."""

    planned: int
    result: int


class Reason(BaseModel):
    """Why subjects were left out, or failed."""

    state: str
    reason: str | None
    items: int


class CampaignReport(Campaign):
    """A campaign in numbers: the dry run before it starts, the report while it runs and after."""

    subjects: int = Field(description="All that were selected; `items` adds up to it at any time.")
    items: dict[str, int] = Field(description="waiting, running, done, failed, skipped.")
    counts: dict[str, Counted]
    reasons: list[Reason]
    estimate_usd: float
    spent_usd: float
    bound_usd: float = Field(description="Spent, with what is set aside for what is under way.")
    budget_usd: float | None

    @classmethod
    def said(cls, report: commands.Report) -> CampaignReport:
        """As the door shows it."""
        budget = report.campaign.budget_micro_usd
        return cls(
            **Campaign.of(report.campaign).model_dump(),
            subjects=report.subjects,
            items=report.items,
            counts={name: Counted(**n) for name, n in report.counts.items()},
            reasons=[Reason(**r) for r in report.reasons],
            estimate_usd=report.estimate_micro_usd / 1e6,
            spent_usd=report.spent_micro_usd / 1e6,
            bound_usd=report.bound_micro_usd / 1e6,
            budget_usd=None if budget is None else budget / 1e6,
        )


@router.post("", status_code=201, response_model=CampaignReport, responses=documented(404))
def plan_campaign(asked: NewCampaign, who: Who, once: Creates) -> Response:
    """Plan a campaign: that is the dry run.

    Subjects are selected and counted, and nothing is done. Honours `Idempotency-Key`.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = commands.plan_campaign(
            tx,
            who,
            name=asked.name,
            kind=asked.kind,
            selection=Selection(
                kind=asked.of, made_by=asked.made_by, since=asked.since, until=asked.until
            ),
            subject_ids=asked.subject_ids,
            profile=asked.profile,
            first_batch=asked.first_batch,
            at_once=asked.at_once,
            budget_micro_usd=_micro(asked.budget_usd),
        )
        return CampaignReport.said(made), v1("campaigns", made.campaign.id)

    return once(asked, make, status=201)


@router.get("", response_model=Page[Campaign])
def list_campaigns(cx: Cx, who: Who, page: Paged) -> object:
    """Your campaigns, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(tx, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Campaign.of, lambda campaign: campaign.id)


@router.get("/{campaign_id}", responses=documented(404))
def get_campaign(campaign_id: UUID, cx: Cx, who: Who) -> CampaignReport:
    """One campaign, with its report."""
    with cx.db.transaction() as tx:
        return _report(tx, who, campaign_id)


@router.post("/{campaign_id}/start", responses=documented(404, 409))
def start_campaign(
    campaign_id: UUID,
    cx: Cx,
    who: Who,
    confirm: Annotated[
        int | None,
        Query(
            ge=0, le=10_000_000, description="The count of its waiting subjects, where it deletes."
        ),
    ] = None,
) -> CampaignReport:
    """Let it begin with its first batch. 422: it deletes, and the count is not the one to confirm."""
    with cx.db.transaction() as tx:
        commands.start_campaign(tx, who, campaign_id, confirm=confirm)
        return _report(tx, who, campaign_id)


@router.post("/{campaign_id}/pause", responses=documented(404, 409))
def pause_campaign(campaign_id: UUID, cx: Cx, who: Who) -> CampaignReport:
    """Begin with no further subject; those under way come to their end."""
    with cx.db.transaction() as tx:
        commands.pause_campaign(tx, who, campaign_id)
        return _report(tx, who, campaign_id)


@router.post("/{campaign_id}/resume", responses=documented(404, 409))
def resume_campaign(
    campaign_id: UUID,
    cx: Cx,
    who: Who,
    budget_usd: Annotated[Usd | None, Query(description="A new budget.")] = None,
) -> CampaignReport:
    """Go on after the first batch, a pause, or with a higher budget."""
    with cx.db.transaction() as tx:
        commands.resume_campaign(tx, who, campaign_id, budget_micro_usd=_micro(budget_usd))
        return _report(tx, who, campaign_id)


@router.post("/{campaign_id}/stop", responses=documented(404, 409))
def stop_campaign(campaign_id: UUID, cx: Cx, who: Who) -> CampaignReport:
    """End it for good: subjects that wait are skipped, those under way come to their end."""
    with cx.db.transaction() as tx:
        commands.stop_campaign(tx, who, campaign_id)
        return _report(tx, who, campaign_id)


def _report(tx: Tx, who: Who, campaign_id: UUID) -> CampaignReport:
    return CampaignReport.said(commands.report(tx, commands.get_campaign(tx, who, campaign_id)))


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1_000_000)
