"""What a job's fault said is kept in rows and shown to people: no secret is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safelight.db import jobs
from safelight.domain.outcome import Outcome, Park, Wait
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.perform import Work, perform

KIND, QUEUE = Kind.PURGE_TEMPORARY, Queue.CLEANUP
SAID = "no connection to {database} with Bearer {token} and password=hunter22hunter"


def surprise(said: str) -> Outcome:
    raise RuntimeError(said)


@pytest.mark.parametrize(
    "end",
    [
        surprise,
        Park,
        lambda said: Wait(60, reason="failed, will be tried again", error=said),
    ],
    ids=["surprise", "park", "wait"],
)
def test_no_secret_is_in_a_jobs_row_or_its_events(
    cx: Context, end: Callable[[str], Outcome]
) -> None:
    database = cx.settings.database_url.get_secret_value()
    token = "r8_" + "m" * 37
    said = SAID.format(database=database, token=token)
    works = {KIND: Work(lambda *_: "order", lambda *_: None, lambda *_: end(said))}
    with cx.db.transaction() as tx:
        job = jobs.add(tx, KIND, actor="test")
    perform(QUEUE, works, cx, seconds=0)
    with cx.db.transaction() as tx:
        rows: list[dict[str, Any]] = tx.rows(
            "SELECT j::text AS row FROM jobs j UNION ALL SELECT e::text FROM events e"
        )
        found = jobs.get(tx, job)
    text = "\n".join(row["row"] for row in rows)
    assert found is not None
    assert "no connection to postgresql://safelight:***@" in (found.error or "")
    password = database.partition("@")[0].rpartition(":")[2]
    for secret in (password, token, "hunter22hunter"):
        assert secret not in text
