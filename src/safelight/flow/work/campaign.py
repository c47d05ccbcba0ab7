"""The rows around a campaign: it is all in its rows, so a turn is one transaction.

An item is begun, with the jobs and rows that follow from it, in the transaction that marks it as
begun: a crash leaves both or neither, and nothing happens twice.
"""

from __future__ import annotations

from typing import Never

from safelight.db import campaigns
from safelight.db.transaction import Tx
from safelight.domain.campaigns import FIRST_BATCH, CampaignKind, Selection
from safelight.domain.errors import NotFound
from safelight.domain.nouns import Job
from safelight.domain.operations import Campaign
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.states import CampaignState
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work import campaign_items
from safelight.flow.work.common import target

LOOK_SECONDS = 5.0
QUARANTINE = 500
"""How many versions a turn stops from drawing."""
BATCH = 20
"""How many subjects a turn begins with: each may be some dozens of rows."""


def _begin(tx: Tx, job: Job, cx: Context) -> Outcome:
    campaign = campaigns.lock(tx, target(job))
    if campaign is None:
        raise NotFound(f"Job {job.id}: there is no campaign {job.target_id}.")
    if campaign.state == CampaignState.RUNNING and _quarantine(tx, campaign, cx.worker):
        return Wait(0.0, reason="stopping what is to be purged from drawing")
    campaigns.refresh_costs(tx, campaign.id)
    for item, progress in campaigns.running(tx, campaign.id):
        campaign_items.go_on(tx, campaign, item, progress, cx.worker)
    if campaign.state == CampaignState.RUNNING:
        why = _begin_more(tx, campaign, cx.worker)
        if why is not None:
            campaigns.move(
                tx,
                campaign.id,
                CampaignState.RUNNING,
                CampaignState.PAUSED,
                actor=cx.worker,
                reason=why,
            )
    return _after(tx, campaign, cx.worker)


def _quarantine(tx: Tx, campaign: Campaign, by: str) -> bool:
    """What a destructive campaign is about draws no more, before the first subject's turn (R-106)."""
    if not CampaignKind(campaign.kind).purges:
        return False
    stopped = campaigns.quarantine(
        tx,
        campaign.id,
        Selection.from_dict(campaign.selection),
        actor=by,
        why=f"campaign {campaign.id}",
        limit=QUARANTINE,
    )
    return stopped > 0


def _begin_more(tx: Tx, campaign: Campaign, by: str) -> str | None:
    """Begin with the next subjects, as far as batch, pace and budget let; else why it stands still."""
    for _ in range(BATCH):
        totals = campaigns.totals(tx, campaign.id)
        under_way = totals["running"].items if "running" in totals else 0
        started = sum(part.started for part in totals.values())
        in_first = campaign.first_batch > 0 and campaign.resumed_at is None
        if in_first and started >= campaign.first_batch:
            # It stands still once those of the batch have come to their end.
            return FIRST_BATCH if not under_way and "waiting" in totals else None
        if under_way >= campaign.at_once:
            return None
        following = campaigns.waiting(tx, campaign.id, limit=1)
        if not following:
            return None
        bound = sum(part.bound_micro_usd for part in totals.values())
        wanted = following[0].estimate_micro_usd
        budget = campaign.budget_micro_usd
        if budget is not None and wanted and bound + wanted > budget:
            return _over_budget(bound, wanted, budget)
        campaign_items.start(tx, campaign, following[0], by)
    return None


def _over_budget(bound: int, wanted: int, budget: int) -> str:
    return (
        f"the budget is reached: ${bound / 1e6:.2f} of ${budget / 1e6:.2f} are spent or set aside, "
        f"and the next subject is estimated at ${wanted / 1e6:.2f}"
    )


def _after(tx: Tx, campaign: Campaign, by: str) -> Outcome:
    totals = campaigns.totals(tx, campaign.id)
    under_way = totals["running"].items if "running" in totals else 0
    waiting = totals["waiting"].items if "waiting" in totals else 0
    now = campaigns.get(tx, campaign.id)
    assert now is not None  # locked above
    said = f"{now.state}: {waiting} waiting, {under_way} under way"
    if under_way:
        return Wait(LOOK_SECONDS, reason=said)
    if now.state != CampaignState.RUNNING:
        return Done(said)
    if waiting:
        return Wait(0.0, reason=said)
    campaigns.move(tx, campaign.id, CampaignState.RUNNING, CampaignState.FINISHED, actor=by)
    return Done("finished")


RUN: Work[Never, Never] = Work(_begin)
