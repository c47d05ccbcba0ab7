"""How Postgres carries out what runs every second: by index, whatever else lies in the table."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from safelight.db import owners
from safelight.db.statements import statements
from safelight.domain.queues import Kind
from safelight.flow.context import Context

PARAMS: dict[str, dict[str, Any]] = {
    "next_due": {"queue": "cleanup", "limit": 64, "known": None},
    "release_expired": {"limit": 1000},
    "claim_jobs": {
        "queue": "cleanup",
        "limit": 1,
        "worker": "w",
        "lease": None,
        "alone": [],
        "known": [str(kind) for kind in Kind],
    },
    "renew_leases": {"ids": [], "fences": [], "lease": None},
    "finish_jobs": {"ids": [], "fences": [], "reasons": [], "worker": "w", "quantum": 10.0},
    "wait_job": {
        "id": uuid4(),
        "fence": 1,
        "worker": "w",
        "seconds": 15.0,
        "reason": "r",
        "error": None,
        "fresh": True,
        "fault": False,
        "quantum": 10.0,
    },
    "retry_job": {"id": uuid4(), "actor": "a", "reason": "r", "quantum": 10.0},
}


@pytest.fixture
def crowded(cx: Context) -> Context:
    """Twenty thousand finished jobs and ten thousand due ones."""
    with cx.db.transaction() as tx:
        for state, count, ended in (("done", 20_000, "now()"), ("ready", 10_000, "NULL")):
            tx.run(
                "INSERT INTO jobs (id, queue, kind, state, max_attempts, lease_seconds, finished_at) "
                f"SELECT gen_random_uuid(), 'cleanup', 'archive_version', '{state}', 8, 30, {ended} "
                f"FROM generate_series(1, {count})"
            )
        tx.run("ANALYZE jobs")
    return cx


@pytest.mark.parametrize("name", PARAMS)
def test_no_statement_of_the_spine_reads_the_whole_table(crowded: Context, name: str) -> None:
    with crowded.db.transaction() as tx:
        rows = tx.rows("EXPLAIN " + getattr(statements("jobs"), name), PARAMS[name])
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Seq Scan on jobs" not in plan, plan
    assert "Sort" not in plan or name != "next_due", plan


@pytest.mark.parametrize("name", ["hold_jobs", "renew_leases", "finish_jobs"])
def test_held_jobs_are_found_by_their_key_also_where_the_plan_is_older_than_the_jobs(
    cx: Context, name: str
) -> None:
    """Not through the index of all that is leased, full of dead entries, and not by reading all."""
    held = {"ids": [uuid4() for _ in range(10)], "fences": [1] * 10, "reasons": [None] * 10}
    params = {**held, "lease": None, "worker": "w", "quantum": 10.0}
    with cx.db.transaction() as tx:
        rows = tx.rows("EXPLAIN " + getattr(statements("jobs"), name), params)
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "jobs_pkey" in plan, plan
    assert "jobs_leased" not in plan, plan


def test_the_place_of_a_fair_turn_is_found_by_index(crowded: Context) -> None:
    """What `fair_turn` asks, with an owner that has thousands of jobs due in the queue."""
    body = "SELECT max(turn) FROM jobs WHERE queue = 'cleanup' AND owner_id = %(owner)s AND state = 'ready'"
    with crowded.db.transaction() as tx:
        owner = owners.ensure(tx, "many").id
        tx.run("UPDATE jobs SET owner_id = %(owner)s WHERE state = 'ready'", {"owner": owner})
        tx.run("ANALYZE jobs")
        rows = tx.rows(
            f"EXPLAIN {body} AND due_at <= now() + interval '1 s'",
            {"owner": owner},
        )
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Index Scan Backward using jobs_turn_of_owner" in plan, plan
