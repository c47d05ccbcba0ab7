"""Campaigns: an operation over many subjects as data, counted before, bounded while, added up after.

R-11 (what S2 purged), R-105 (its reset), R-106 (what is contaminated does not draw), R-107.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from safelight.clients.replicate import ReplicateProvider
from safelight.db import jobs
from safelight.domain.campaigns import FIRST_BATCH, Selection
from safelight.domain.errors import Conflict, Invalid, SafelightError
from safelight.domain.ids import new_id
from safelight.domain.operations import Campaign
from safelight.domain.queues import Kind, Queue
from safelight.domain.triggers import new_trigger
from safelight.flow.commands import Actor
from safelight.flow.commands.campaigns import (
    Report,
    get_campaign,
    pause_campaign,
    plan_campaign,
    report,
    resume_campaign,
    start_campaign,
    stop_campaign,
)
from safelight.flow.commands.erasing import erase_subject
from safelight.flow.commands.images import request_generation
from safelight.flow.context import Context
from safelight.flow.perform import perform
from safelight.flow.work import WORKS
from tests.support.campaigns import END, SUBJECT
from tests.support.emulator import TOKEN, running
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    actor,
    drain,
    hurry,
    only,
    row,
    subject_with_photos,
    train,
    until,
)

PROFILE = "selfie-reset@2025-07-22"
OLD = "selfie-detail@2025-12-14"
VERSIONS = 5


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def who(cx: Context) -> Actor:
    return actor(cx)


def people(cx: Context, who: Actor, count: int, **more: Any) -> list[UUID]:
    """Subjects with versions, drawings and sets, as rows; weights and images as objects too."""
    ids = [new_id() for _ in range(count)]
    given = {
        "kind": "person",
        "consented": True,
        "photos": 15,
        "versions": VERSIONS,
        "profile": OLD,
    }
    with cx.db.transaction() as tx:
        for id in ids:
            tx.run(
                SUBJECT,
                {
                    **given,
                    **more,
                    "id": id,
                    "owner": who.owner_id,
                    "name": str(id),
                    "trigger": new_trigger(id),
                },
            )
        keys = [
            r["key"]
            for r in tx.rows(
                "SELECT weights_key AS key FROM versions WHERE subject_id = ANY(%(ids)s) UNION ALL "
                "SELECT i.key FROM images i JOIN generations g ON g.id = i.generation_id "
                "WHERE g.subject_id = ANY(%(ids)s)",
                {"ids": ids},
            )
        ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: cx.tools.store.put_bytes(key, b"x", "x/y"), keys))
    return ids


def plan(cx: Context, who: Actor, kind: str, **more: Any) -> Report:
    given: dict[str, Any] = {"name": kind, "selection": Selection(), **more}
    with cx.db.transaction() as tx:
        return plan_campaign(tx, who, kind=kind, **given)


def now(cx: Context, who: Actor, campaign: Campaign) -> Report:
    with cx.db.transaction() as tx:
        return report(tx, get_campaign(tx, who, campaign.id))


def turns(cx: Context) -> None:
    """What the campaign does until it waits: its own job, and nothing of the trainings'."""
    hurry(cx, kinds=["run_campaign"])
    only(cx, Kind.RUN_CAMPAIGN, Kind.REINSPECT)


def end_trainings(cx: Context, *, cost: int, state: str = "succeeded") -> int:
    with cx.db.transaction() as tx:
        return tx.run(END, {"cost": cost, "state": state})


def count(cx: Context, what: str, **params: Any) -> int:
    return int(row(cx, f"SELECT count(*) AS n FROM {what}", **params)["n"])


@pytest.mark.timeout(300)
def test_the_reset_of_200_is_counted_tried_on_five_bounded_by_its_budget_and_adds_up(
    cx: Context, who: Actor, provider: ScriptedProvider
) -> None:
    """R-105: purge models, trackers, images and zips, then force a retrain of everyone."""
    good = people(cx, who, 194)
    people(cx, who, 3, consented=False)
    people(cx, who, 1, photos=0)
    live = people(cx, who, 1)[0]
    held = people(cx, who, 1)[0]
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO trainings (id, owner_id, subject_id, number, profile, trainer) "
            "VALUES (gen_random_uuid(), %(o)s, %(s)s, 99, 'p', 't')",
            {"o": who.owner_id, "s": live},
        )
        tx.run(
            "INSERT INTO holds (id, owner_id, noun, noun_id, reason, placed_by) "
            "VALUES (gen_random_uuid(), %(o)s, 'subject', %(s)s, 'case 12', 'mia')",
            {"o": who.owner_id, "s": held},
        )

    # The dry run counts and does nothing.
    dry = plan(cx, who, "reset", profile=PROFILE, first_batch=5, at_once=30)
    assert (dry.subjects, dry.items) == (200, {"waiting": 194, "skipped": 6})
    assert {r["reason"]: r["items"] for r in dry.reasons} == {
        "consent is not on record": 3,
        "it has no photos": 1,
        "a training is open": 1,
        "a hold keeps it": 1,
    }
    assert dry.counts["versions"] == {"planned": 194 * VERSIONS, "result": 0}
    assert dry.counts["images"]["planned"] == dry.counts["trackers"]["planned"] == 194 * VERSIONS
    assert dry.counts["trainings"] == {"planned": 194, "result": 0}
    each = dry.estimate_micro_usd // 194
    assert each * 194 == dry.estimate_micro_usd
    assert 1_000_000 < each < 4_000_000, "1,200 steps at the second a step that is on record"
    assert count(cx, "versions WHERE state = 'deleted'") == 0

    campaign = dry.campaign
    try_five(cx, who, campaign, each, good[-1])
    spend_the_budget(cx, who, campaign, each)
    come_to_the_end(cx, who, campaign, each)
    add_up(now(cx, who, campaign), cx, each)
    # What was decided is carried out by the sweep: here and at the provider.
    _purge(cx)
    for id in (good[0], good[-1]):
        assert list(cx.tools.store.list(f"weights/{id}/")) == []
    for id in (live, held):
        assert len(list(cx.tools.store.list(f"weights/{id}/"))) == VERSIONS
    assert count(cx, "jobs WHERE kind = 'delete_remote_version'") == 194 * VERSIONS


def try_five(cx: Context, who: Actor, campaign: Campaign, each: int, last: UUID) -> None:
    """The count is typed; from the first turn on nothing that is to be purged draws (R-106); five
    subjects have their turn, and it stands still."""
    for typed in (None, 200):
        with pytest.raises(Invalid, match="194 subjects"), cx.db.transaction() as tx:
            start_campaign(tx, who, campaign.id, confirm=typed)
    with cx.db.transaction() as tx:
        start_campaign(tx, who, campaign.id, confirm=194)

    turns(cx)
    assert count(cx, "versions WHERE state = 'active'") == 6
    with pytest.raises(Conflict), cx.db.transaction() as tx:
        request_generation(tx, who, prompt="x", subject_id=last)
    assert count(cx, "trainings WHERE state = 'queued' AND profile = %(p)s", p=PROFILE) == 5
    assert end_trainings(cx, cost=each) == 5
    turns(cx)
    first = now(cx, who, campaign)
    assert (first.campaign.state, first.campaign.reason) == ("paused", FIRST_BATCH)
    assert first.items == {"done": 5, "waiting": 189, "skipped": 6}
    assert first.spent_micro_usd == 5 * each
    assert first.counts["versions"]["result"] == 5 * VERSIONS
    turns(cx)
    assert now(cx, who, campaign).items == first.items, "paused, it begins with nothing"


def spend_the_budget(cx: Context, who: Actor, campaign: Campaign, each: int) -> None:
    """Resumed with a budget for a hundred, it begins thirty at a time; killed in its turn, and hinted
    at four times at once, it begins with no subject twice."""
    with cx.db.transaction() as tx:
        resume_campaign(tx, who, campaign.id, budget_micro_usd=100 * each)
    for _ in range(20):
        _die_in_a_turn(cx, campaign)
        _four_at_once(cx, campaign)
        turns(cx)
        under_way = now(cx, who, campaign)
        assert under_way.items.get("running", 0) <= 30
        assert under_way.bound_micro_usd <= 100 * each
        if under_way.campaign.state == "paused":
            break
        end_trainings(cx, cost=each)
    while end_trainings(cx, cost=each):
        turns(cx)
    over = now(cx, who, campaign)
    assert over.campaign.state == "paused"
    assert over.campaign.reason is not None
    assert over.campaign.reason.startswith("the budget is reached")
    assert over.items == {"done": 100, "waiting": 94, "skipped": 6}
    assert over.spent_micro_usd == 100 * each


def come_to_the_end(cx: Context, who: Actor, campaign: Campaign, each: int) -> None:
    """A higher budget carries it to its end; two trainings fail."""
    with cx.db.transaction() as tx:
        resume_campaign(tx, who, campaign.id, budget_micro_usd=200 * each)
    turns(cx)
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE trainings SET state = 'failed', error = 'out of memory', cost_micro_usd = 7, "
            "finished_at = now() WHERE id IN (SELECT id FROM trainings WHERE state = 'queued' "
            "AND profile = %(p)s LIMIT 2)",
            {"p": PROFILE},
        )
    for _ in range(20):
        turns(cx)
        if not end_trainings(cx, cost=each):
            break
    turns(cx)


def add_up(end: Report, cx: Context, each: int) -> None:
    """The report, and what it says against what is there."""
    assert end.campaign.state == "finished"
    assert end.items == {"done": 192, "failed": 2, "skipped": 6}
    assert sum(end.items.values()) == end.subjects == 200
    assert end.spent_micro_usd == end.bound_micro_usd == 192 * each + 2 * 7
    paid = row(
        cx,
        "SELECT sum(cost_micro_usd)::bigint AS n FROM trainings WHERE profile = %(p)s",
        p=PROFILE,
    )
    assert end.spent_micro_usd == paid["n"]
    assert end.counts["trainings"] == {"planned": 194, "result": 192}
    for name in ("versions", "images", "trackers", "bytes"):
        assert end.counts[name]["planned"] == end.counts[name]["result"]
    assert end.counts["zips"]["result"] == 194 * VERSIONS
    assert count(cx, "versions WHERE state = 'deleted'") == 194 * VERSIONS
    once = row(
        cx,
        "SELECT count(*) AS n, count(DISTINCT subject_id) AS subjects FROM trainings WHERE profile = %(p)s",
        p=PROFILE,
    )
    assert once == {"n": 194, "subjects": 194}


def _purge(cx: Context) -> None:
    for _ in range(60):
        hurry(cx, kinds=["purge_temporary"])
        only(cx, Kind.PURGE_TEMPORARY)


def _next(cx: Context, campaign: Campaign) -> bool:
    """The campaign's job is the next one its queue takes; False: there is none."""
    with cx.db.transaction() as tx:
        found = tx.rows(
            "UPDATE jobs SET turn = 'epoch', due_at = now() WHERE state = 'ready' AND target_id = %(id)s "
            "RETURNING id",
            {"id": campaign.id},
        )
    return bool(found)


def _die_in_a_turn(cx: Context, campaign: Campaign) -> None:
    """A worker claims the job, does its turn, and dies before the commit."""
    if not _next(cx, campaign):
        return
    with pytest.raises(KeyboardInterrupt), cx.db.transaction() as tx:
        (claimed,) = jobs.claim(tx, Queue.CLEANUP, "doomed")
        assert claimed.target_id == campaign.id
        WORKS[Kind.RUN_CAMPAIGN].begin(tx, claimed, cx)
        raise KeyboardInterrupt


def _four_at_once(cx: Context, campaign: Campaign) -> None:
    """Four workers look into the queue at once."""
    if not _next(cx, campaign):
        return
    threads = [
        threading.Thread(target=perform, args=(Queue.CLEANUP, WORKS, cx), kwargs={"seconds": 0})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_retrain_is_paused_resumed_and_stopped_and_what_runs_comes_to_its_end(
    cx: Context, who: Actor
) -> None:
    people(cx, who, 6)
    dry = plan(cx, who, "retrain", profile=PROFILE, first_batch=0, at_once=2)
    with pytest.raises(Conflict, match="planned"), cx.db.transaction() as tx:
        resume_campaign(tx, who, dry.campaign.id)
    with cx.db.transaction() as tx:
        start_campaign(tx, who, dry.campaign.id)
    turns(cx)
    with cx.db.transaction() as tx:
        pause_campaign(tx, who, dry.campaign.id)
    assert end_trainings(cx, cost=5) == 2
    turns(cx)
    assert now(cx, who, dry.campaign).items == {"done": 2, "waiting": 4}
    with cx.db.transaction() as tx:
        resume_campaign(tx, who, dry.campaign.id)
    turns(cx)
    with cx.db.transaction() as tx:
        stop_campaign(tx, who, dry.campaign.id)
    assert now(cx, who, dry.campaign).items == {"done": 2, "running": 2, "skipped": 2}
    end_trainings(cx, cost=5)
    turns(cx)
    end = now(cx, who, dry.campaign)
    assert (end.campaign.state, end.items) == ("stopped", {"done": 4, "skipped": 2})
    assert end.reasons == [{"state": "skipped", "reason": "the campaign was stopped", "items": 2}]
    assert end.spent_micro_usd == 20
    assert count(cx, "versions WHERE state = 'deleted'") == 0, "a retrain deletes nothing"
    with pytest.raises(Conflict), cx.db.transaction() as tx:
        resume_campaign(tx, who, dry.campaign.id)


def test_a_purge_takes_what_a_bad_release_made_and_nothing_else(cx: Context, who: Actor) -> None:
    bad, other = people(cx, who, 2, profile=PROFILE), people(cx, who, 2)
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE versions SET created_at = now() - interval '30 days' WHERE number < 3",
        )
    since = datetime.now(UTC) - timedelta(days=1)
    dry = plan(cx, who, "purge", selection=Selection(made_by=PROFILE, since=since))
    assert (dry.items, dry.estimate_micro_usd) == ({"waiting": 2}, 0)
    assert dry.counts["versions"]["planned"] == 2 * 3
    with cx.db.transaction() as tx:
        start_campaign(tx, who, dry.campaign.id, confirm=2)
    turns(cx)
    assert now(cx, who, dry.campaign).campaign.state == "finished"
    left = "versions WHERE subject_id = ANY(%(ids)s) AND state <> 'deleted'"
    assert (count(cx, left, ids=bad), count(cx, left, ids=other)) == (4, 10)
    assert count(cx, "images WHERE purged_at IS NULL") == 14
    assert count(cx, "versions WHERE state = 'active'") == 2, "the others draw as before"


def test_a_purge_waits_for_a_drawing_in_flight(cx: Context, who: Actor) -> None:
    (one,) = people(cx, who, 1)
    with cx.db.transaction() as tx:
        drawing = request_generation(tx, who, prompt="x", subject_id=one)
        tx.run(
            "UPDATE generations SET state = 'drawing', provider_id = 'p', intent_id = gen_random_uuid(), "
            "intent_at = now() WHERE id = %(id)s",
            {"id": drawing.id},
        )
    dry = plan(cx, who, "purge", first_batch=0)
    with cx.db.transaction() as tx:
        start_campaign(tx, who, dry.campaign.id, confirm=1)
    turns(cx)
    assert now(cx, who, dry.campaign).items == {"running": 1}
    assert count(cx, "versions WHERE state = 'deleted'") == 0
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE generations SET state = 'failed', error = 'x', finished_at = now() "
            "WHERE state = 'drawing'"
        )
    turns(cx)
    assert now(cx, who, dry.campaign).items == {"done": 1}
    assert count(cx, "versions WHERE state = 'deleted'") == VERSIONS


def test_sets_are_judged_anew_under_other_thresholds(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    luca = subject_with_photos(cx, who, distinct_photos(tmp_path, 4), name="Luca")
    people(cx, who, 1, photos=0)
    dry = plan(cx, who, "reinspect", profile=PROFILE, first_batch=0)
    assert (dry.items, dry.counts["photos"]["planned"]) == ({"waiting": 1, "skipped": 1}, 4)
    with cx.db.transaction() as tx:
        start_campaign(tx, who, dry.campaign.id)
    turns(cx)
    turns(cx)
    end = now(cx, who, dry.campaign)
    assert (end.campaign.state, end.items) == ("finished", {"done": 1, "skipped": 1})
    assert end.counts["photos"] == {"planned": 4, "result": 4}
    assert (
        count(cx, "photos WHERE subject_id = %(id)s AND inspected_at IS NOT NULL", id=luca.id) == 4
    )
    # Judged under what they were judged under, nothing changes; one that was judged otherwise does.
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE photos SET state = "
            "CASE state WHEN 'accepted' THEN 'rejected' ELSE 'accepted' END::photo_state "
            "WHERE id IN (SELECT id FROM photos WHERE subject_id = %(id)s LIMIT 1)",
            {"id": luca.id},
        )
    again = plan(cx, who, "reinspect", profile=PROFILE, subject_ids=[luca.id])
    with cx.db.transaction() as tx:
        start_campaign(tx, who, again.campaign.id)
    turns(cx)
    turns(cx)
    assert now(cx, who, again.campaign).counts["judged_otherwise"]["result"] == 1


def test_a_subject_that_is_erased_leaves_its_line_without_its_name(cx: Context, who: Actor) -> None:
    one, two = people(cx, who, 2)
    dry = plan(cx, who, "retrain", profile=PROFILE, first_batch=0, subject_ids=[one, two])
    with cx.db.transaction() as tx:
        erase_subject(tx, who, one, reason="x")
    for _ in range(3):
        hurry(cx, kinds=["erase"])
        drain(cx)
    with cx.db.transaction() as tx:
        start_campaign(tx, who, dry.campaign.id)
    turns(cx)
    assert now(cx, who, dry.campaign).items == {"running": 1, "skipped": 1}
    text = row(
        cx,
        "SELECT string_agg(i::text, '') || c::text AS t FROM campaign_items i, campaigns c "
        "GROUP BY c.*",
    )
    assert str(one) not in text["t"]


def test_what_cannot_be_is_refused_before_anything_is_planned(cx: Context, who: Actor) -> None:
    people(cx, who, 1)
    for wrong in (
        {"kind": "explode"},
        {"kind": "retrain", "at_once": 0},
        {"kind": "retrain", "name": " "},
        {"kind": "retrain", "profile": "none@1"},
        {"kind": "retrain", "selection": Selection(kind="character")},
    ):
        with pytest.raises(SafelightError) as refused:
            plan(cx, who, **wrong)
        assert getattr(refused.value, "status", 500) in (404, 422), wrong
    assert count(cx, "campaigns") == 0


def test_a_reset_through_the_whole_pipeline_ends_with_a_new_version_and_the_money_that_was_charged(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """R-105, R-107, I4: purged here and at the provider, trained again, and paid as its ledger says."""
    photos = distinct_photos(tmp_path, 12)
    with running(tmp_path / "emulator", "--time-scale", "3000") as emulator:
        emulator.settings(version_delete_seconds=0.2)
        provider = ReplicateProvider(TOKEN, emulator.url, ("127.0.0.1",))
        real = replace(cx, tools=replace(cx.tools, provider=provider))
        two = [subject_with_photos(real, who, photos, name=name) for name in ("a", "b")]
        for subject in two:
            train(real, who, subject.id)
        drawn = "generations WHERE purpose <> 'request' AND state = 'succeeded'"
        live = "generations WHERE state NOT IN ('succeeded', 'failed', 'canceled')"
        until(real, lambda: count(real, drawn) >= 2 and count(real, live) == 0)
        first = len(emulator.ledger())
        old = {str(id["v"]) for id in _rows(real, "SELECT provider_version AS v FROM versions")}
        dry = plan(real, who, "reset", profile="likeness@v1", first_batch=1, at_once=2)
        with real.db.transaction() as tx:
            start_campaign(tx, who, dry.campaign.id, confirm=2)
        until(real, lambda: now(real, who, dry.campaign).campaign.state == "paused")
        assert now(real, who, dry.campaign).items == {"done": 1, "waiting": 1}
        with real.db.transaction() as tx:
            resume_campaign(tx, who, dry.campaign.id)
        until(real, lambda: now(real, who, dry.campaign).campaign.state == "finished")
        gone = "versions WHERE provider_deleted_at IS NOT NULL"
        until(real, lambda: count(real, gone) == 2)
        end = now(real, who, dry.campaign)
        charged = sum(round(e["price_usd"] * 1e6) for e in emulator.ledger()[first:])
        provider.close()
    assert (end.items, end.counts["trainings"]["result"]) == ({"done": 2}, 2)
    assert end.spent_micro_usd == pytest.approx(charged, abs=20), "what the provider charged (I4)"
    assert end.counts["versions"] == {"planned": 2, "result": 2}
    left = _rows(
        real, "SELECT provider_version AS v, weights_key FROM versions WHERE state <> 'deleted'"
    )
    assert len(left) == 2
    assert not {version["v"] for version in left} & old
    for version in left:
        assert real.tools.store.head(version["weights_key"])


def _rows(cx: Context, statement: str) -> list[dict[str, Any]]:
    with cx.db.transaction() as tx:
        return tx.rows(statement)
