"""Campaigns: planned (that is the dry run), started, paused, resumed, stopped, reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from safelight.db import campaigns, jobs
from safelight.db.transaction import Tx
from safelight.domain.campaigns import (
    FIRST_BATCH,
    STOPPED,
    CampaignKind,
    Selection,
    estimate,
    planned,
    why_not,
)
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.nouns import Json
from safelight.domain.operations import Campaign
from safelight.domain.profiles import DEFAULT, get_profile
from safelight.domain.queues import Kind
from safelight.domain.states import CampaignState
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import check_kind

MAX_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign in numbers: the dry run before it starts, the report while it runs and after."""

    campaign: Campaign
    subjects: int
    """All that were selected, those kept out included."""
    items: Json
    """state → how many."""
    counts: Json
    """name → {planned, result}: trainings, versions, images, trackers, zips, bytes, photos."""
    reasons: list[Json]
    """state, reason, items of what was skipped or failed."""
    estimate_micro_usd: int
    spent_micro_usd: int
    bound_micro_usd: int
    """Spent, with what is set aside for trainings under way."""


def plan_campaign(
    tx: Tx,
    actor: Actor,
    *,
    name: str,
    kind: str,
    selection: Selection,
    subject_ids: Sequence[UUID] | None = None,
    profile: str | None = None,
    first_batch: int = 5,
    at_once: int = 10,
    budget_micro_usd: int | None = None,
) -> Report:
    """Select and count; nothing is done yet. What the report says is what `start_campaign` does.

    Raises:
        Invalid: the kind, the profile or a number is out of range, or no subject is selected.
    """
    if kind not in list(CampaignKind):
        raise Invalid(f"A campaign is one of {', '.join(CampaignKind)}; not {kind!r}.")
    if not name.strip():
        raise Invalid("A campaign needs a name, for those who find it later.")
    if first_batch < 0 or not 1 <= at_once <= MAX_AT_ONCE:
        raise Invalid(
            f"first_batch is 0 or more and at_once 1 to {MAX_AT_ONCE}; "
            f"{first_batch} and {at_once} were given."
        )
    if selection.kind is not None:
        check_kind(selection.kind)
    of = CampaignKind(kind)
    chosen = None if of is CampaignKind.PURGE else get_profile(profile or DEFAULT)
    if subject_ids is not None:
        selection = replace(selection, named=len(subject_ids))
    candidates = campaigns.select(tx, actor.owner_id, selection, subject_ids)
    if not candidates:
        raise Invalid("No subject is selected.", hint="Ask for less: each condition must hold.")
    step = campaigns.seconds_a_step(tx, actor.owner_id) if of.trains else None
    items = []
    for one in candidates:
        reason = why_not(of, one)
        cost = estimate(chosen, one.photos, step) if chosen and of.trains and not reason else 0
        counted = {} if reason else planned(of, one)
        items.append({"subject_id": one.id, "planned": counted, "estimate": cost, "reason": reason})
    campaign = campaigns.add(
        tx,
        owner_id=actor.owner_id,
        name=name.strip(),
        kind=kind,
        selection=selection.to_dict(),
        profile=chosen.id if chosen else None,
        first_batch=first_batch,
        at_once=at_once,
        budget_micro_usd=budget_micro_usd,
        actor=actor.name,
        items=items,
    )
    return report(tx, campaign)


def start_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, *, confirm: int | None = None
) -> Campaign:
    """Let a planned campaign begin with its first batch.

    Raises:
        Invalid: it deletes what cannot be had back, and *confirm* is not the number of its subjects.
        Conflict: it is not planned.
    """
    campaign = _locked(tx, actor, campaign_id)
    _require(campaign, CampaignState.PLANNED)
    waiting = campaigns.totals(tx, campaign_id).get("waiting")
    count = waiting.items if waiting else 0
    if not count:
        raise Conflict("No subject takes part: the dry run says why.")
    if CampaignKind(campaign.kind).purges and confirm != count:
        typed = "nothing was" if confirm is None else f"{confirm} was"
        raise Invalid(
            f"This deletes what cannot be had back, of {count} subjects; {typed} typed to confirm.",
            hint=f"Look at the dry run, then confirm the count: {count}.",
        )
    return _run(tx, actor, campaign, None)


def pause_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, *, reason: str = "a person paused it"
) -> Campaign:
    """Begin with no further subject; those under way come to their end."""
    campaign = _locked(tx, actor, campaign_id)
    _require(campaign, CampaignState.RUNNING)
    moved = campaigns.move(
        tx,
        campaign_id,
        CampaignState.RUNNING,
        CampaignState.PAUSED,
        actor=actor.name,
        reason=reason,
    )
    return moved or campaign


def resume_campaign(
    tx: Tx, actor: Actor, campaign_id: UUID, *, budget_micro_usd: int | None = None
) -> Campaign:
    """Go on after the first batch, a pause, or with a higher budget."""
    campaign = _locked(tx, actor, campaign_id)
    _require(campaign, CampaignState.PAUSED)
    return _run(tx, actor, campaign, budget_micro_usd)


def stop_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> Campaign:
    """End it for good: subjects that wait are skipped, those under way come to their end."""
    campaign = _locked(tx, actor, campaign_id)
    _require(
        campaign,
        CampaignState.PLANNED,
        CampaignState.RUNNING,
        CampaignState.PAUSED,
    )
    campaigns.skip_waiting(tx, campaign_id, STOPPED)
    moved = campaigns.move(
        tx,
        campaign_id,
        campaign.state,
        CampaignState.STOPPED,
        actor=actor.name,
        reason="a person stopped it",
    )
    return moved or campaign


def get_campaign(tx: Tx, actor: Actor, campaign_id: UUID) -> Campaign:
    """The campaign. Raises NotFound if it is not there or another owner's."""
    found = campaigns.get(tx, campaign_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no campaign {campaign_id}.")
    return found


def report(tx: Tx, campaign: Campaign) -> Report:
    """The campaign in numbers, as it stands now."""
    totals = campaigns.totals(tx, campaign.id)
    parts = totals.values()
    items: Counter[str] = Counter({state: part.items for state, part in totals.items()})
    return Report(
        campaign=campaign,
        subjects=items.total(),
        items=dict(items),
        counts=campaigns.sums(tx, campaign.id),
        reasons=[dict(row) for row in campaigns.reasons(tx, campaign.id)],
        estimate_micro_usd=sum(part.estimate_micro_usd for part in parts),
        spent_micro_usd=sum(part.cost_micro_usd for part in parts),
        bound_micro_usd=sum(part.bound_micro_usd for part in parts),
    )


def _run(tx: Tx, actor: Actor, campaign: Campaign, budget: int | None) -> Campaign:
    moved = campaigns.move(
        tx,
        campaign.id,
        campaign.state,
        CampaignState.RUNNING,
        actor=actor.name,
        budget_micro_usd=budget,
        past_first=campaign.reason == FIRST_BATCH,
    )
    jobs.add_for(tx, Kind.RUN_CAMPAIGN, campaign.id, actor=actor.name, owner_id=campaign.owner_id)
    return moved or campaign


def _locked(tx: Tx, actor: Actor, campaign_id: UUID) -> Campaign:
    get_campaign(tx, actor, campaign_id)
    jobs.open_of(tx, campaign_id)  # jobs are locked before what they work for
    found = campaigns.lock(tx, campaign_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no campaign {campaign_id}.")
    return found


def _require(campaign: Campaign, *states: Any) -> None:
    if campaign.state not in states:
        said = f": {campaign.reason}" if campaign.reason else ""
        raise Conflict(
            f"The campaign {campaign.name!r} is {campaign.state}{said}; "
            f"for that it has to be {' or '.join(states)}.",
            hint="`safelight campaign show` says where it stands.",
        )
