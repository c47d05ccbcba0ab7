"""Campaigns and their items: an operation over many subjects, as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into, jsonb
from safelight.domain.campaigns import Candidate, Selection, Totals
from safelight.domain.ids import new_id
from safelight.domain.nouns import Json
from safelight.domain.operations import Campaign, CampaignItem, ItemProgress

sql = statements("campaigns")


def _of(selection: Selection) -> dict[str, str | datetime | None]:
    return {"made_by": selection.made_by, "since": selection.since, "until": selection.until}


def select(
    tx: Tx, owner_id: UUID, selection: Selection, subject_ids: Sequence[UUID] | None
) -> list[Candidate]:
    """The subjects it is about."""
    rows = tx.rows(
        sql.select_subjects,
        {
            "owner_id": owner_id,
            "kind": selection.kind,
            "subject_ids": list(subject_ids) if subject_ids is not None else None,
            **_of(selection),
        },
    )
    return [into(Candidate, row) for row in rows]


def seconds_a_step(tx: Tx, owner_id: UUID) -> float | None:
    """What a step of the owner's trainings took lately."""
    row = tx.row(sql.seconds_a_step, {"owner_id": owner_id})
    return row["seconds"] if row else None


def add(
    tx: Tx,
    *,
    owner_id: UUID,
    name: str,
    kind: str,
    selection: Json,
    profile: str | None,
    first_batch: int,
    at_once: int,
    budget_micro_usd: int | None,
    actor: str,
    items: Sequence[Json],
) -> Campaign:
    """A campaign and its items: subject_id, planned, estimate, reason (None: it takes part) of each."""
    row = tx.row(
        sql.insert_campaign,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "name": name,
            "kind": kind,
            "selection": jsonb(selection),
            "profile": profile,
            "first_batch": first_batch,
            "at_once": at_once,
            "budget": budget_micro_usd,
            "actor": actor,
        },
    )
    assert row is not None
    campaign = into(Campaign, row)
    tx.many(
        sql.insert_item,
        [
            {
                **item,
                "planned": jsonb(item["planned"]),
                "campaign_id": campaign.id,
                "position": place,
            }
            for place, item in enumerate(items, 1)
        ],
    )
    return campaign


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Campaign | None:
    """One campaign; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_campaign, {"id": id, "owner_id": owner_id})
    return into(Campaign, row) if row else None


def lock(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Campaign | None:
    """One campaign, locked until the transaction ends."""
    row = tx.row(sql.lock_campaign, {"id": id, "owner_id": owner_id})
    return into(Campaign, row) if row else None


def find(
    tx: Tx, owner_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[Campaign]:  # fmt: skip
    """Campaigns of an owner, newest first, a page."""
    rows = tx.rows(sql.list_campaigns, {"owner_id": owner_id, "after": after, "limit": limit})
    return [into(Campaign, row) for row in rows]


def move(tx: Tx, id: UUID, before: str, after: str, *, actor: str, reason: str | None = None,
         budget_micro_usd: int | None = None, past_first: bool = False) -> Campaign | None:  # fmt: skip
    """From one state to the next; None: it stands elsewhere by now. *past_first*: its first batch was
    looked at."""
    row = tx.row(
        sql.move_campaign,
        {
            "id": id,
            "before": before,
            "after": after,
            "actor": actor,
            "reason": reason,
            "budget": budget_micro_usd,
            "past_first": past_first,
        },
    )
    return into(Campaign, row) if row else None


def running(tx: Tx, id: UUID) -> list[tuple[CampaignItem, ItemProgress]]:
    """The items whose turn has begun, and where each has got to."""
    rows = tx.rows(sql.running_items, {"id": id})
    return [(into(CampaignItem, row), into(ItemProgress, row)) for row in rows]


def waiting(tx: Tx, id: UUID, *, limit: int) -> list[CampaignItem]:
    """What comes next, in order."""
    rows = tx.rows(sql.next_items, {"id": id, "limit": limit})
    return [into(CampaignItem, row) for row in rows]


def change(tx: Tx, item: CampaignItem, state: str, *, step: str | None = None, reason: str | None = None,
           training_id: UUID | None = None, result: Json | None = None) -> None:  # fmt: skip
    """Where an item stands from now on; what *result* names is added to what it has."""
    tx.run(
        sql.change_item,
        {
            "campaign_id": item.campaign_id,
            "position": item.position,
            "state": state,
            "step": step,
            "reason": reason,
            "training_id": training_id,
            "result": jsonb(result or {}),
        },
    )


def inspecting(tx: Tx, subject_id: UUID) -> list[tuple[CampaignItem, str]]:
    """The items that wait for this subject's photos to be judged anew, each with its profile."""
    rows = tx.rows(sql.inspecting, {"subject_id": subject_id})
    return [(into(CampaignItem, row), row["profile"]) for row in rows]


def skip_waiting(tx: Tx, id: UUID, reason: str) -> int:
    """What has not begun does not begin. How many."""
    return tx.run(sql.skip_waiting, {"id": id, "reason": reason})


def refresh_costs(tx: Tx, id: UUID) -> None:
    """What is under way has cost so much by now."""
    tx.run(sql.refresh_costs, {"id": id})


def totals(tx: Tx, id: UUID) -> dict[str, Totals]:
    """The items by their state; a state that none is in is not there."""
    return {row["state"]: into(Totals, row) for row in tx.rows(sql.totals, {"id": id})}


def sums(tx: Tx, id: UUID) -> dict[str, Any]:
    """name → planned, result: what the dry run counted and what came of it."""
    return {
        row["name"]: {"planned": row["planned"], "result": row["result"]}
        for row in tx.rows(sql.sums, {"id": id})
    }


def reasons(tx: Tx, id: UUID) -> list[Row]:
    """state, reason, items of what was skipped or failed."""
    return tx.rows(sql.reasons, {"id": id})


def items(tx: Tx, id: UUID, *, after: int = 0, limit: int = 100) -> list[CampaignItem]:
    """The items in their order, a page."""
    rows = tx.rows(sql.list_items, {"id": id, "after": after, "limit": limit})
    return [into(CampaignItem, row) for row in rows]


def quarantine(
    tx: Tx, id: UUID, selection: Selection, *, actor: str, why: str, limit: int
) -> int:  # fmt: skip
    """Versions it is about draw no more, a batch; how many were stopped."""
    given = {"id": id, "actor": actor, "why": why, "limit": limit, **_of(selection)}
    return len(tx.rows(sql.quarantine, given))


def bad_versions(tx: Tx, subject_id: UUID, selection: Selection, *, actor: str) -> list[Row]:
    """id, key, bytes, subject_id, training_id of the versions to purge; they draw no more."""
    return tx.rows(sql.bad_versions, {"subject_id": subject_id, "actor": actor, **_of(selection)})


def drawings_of(tx: Tx, version_ids: Sequence[UUID]) -> list[Row]:
    """id, state, tracker of the versions' drawings."""
    return tx.rows(sql.drawings_of, {"ids": list(version_ids)})


def images_of(tx: Tx, version_ids: Sequence[UUID]) -> list[Row]:
    """id, key, bytes of the versions' images."""
    return tx.rows(sql.images_of, {"ids": list(version_ids)})


def datasets_of(tx: Tx, subject_id: UUID, training_ids: Sequence[UUID]) -> list[Row]:
    """id, key, bytes of the sets that only deleted versions were made of."""
    return tx.rows(sql.datasets_of, {"subject_id": subject_id, "training_ids": list(training_ids)})


def expire_inputs(tx: Tx, training_ids: Sequence[UUID]) -> int:
    """The trainings' own copies of their zips may go now."""
    return tx.run(sql.expire_inputs, {"training_ids": list(training_ids)})
