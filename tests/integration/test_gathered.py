"""Statements that are put off and go to the database as one: what was meant is what is written."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from safelight.db import jobs
from safelight.db.faults import Violated
from safelight.db.joined import joined
from safelight.db.transaction import Database, Hint, Tx
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context

KIND = Kind.ARCHIVE_VERSIONS


def add(tx: Tx, **more: Any) -> UUID:
    return jobs.add(tx, KIND, actor="test", **more)


def known(cx: Context, *ids: UUID) -> list[bool]:
    with cx.db.transaction() as tx:
        return [jobs.get(tx, id) is not None for id in ids]


@pytest.fixture
def hinted(cx: Context) -> Any:
    """A database of its own, and the hints that it sent."""
    sent: list[Hint] = []
    db = Database(cx.settings.database_url.get_secret_value(), sent.extend)
    yield db, sent
    db.close()


def test_jobs_added_in_a_row_are_there_after_the_commit_with_a_hint_each(
    cx: Context, hinted: Any
) -> None:
    db, sent = hinted
    with db.transaction() as tx:
        ids = [add(tx) for _ in range(5)]
        assert sent == []
    assert known(cx, *ids) == [True] * 5
    assert sent == [Hint(Queue.CLEANUP, id) for id in ids]


def test_of_two_with_one_key_in_a_row_the_first_is_made(cx: Context, hinted: Any) -> None:
    db, sent = hinted
    key = str(uuid4())
    with db.transaction() as tx:
        ids = [add(tx, unique_key=key) for _ in range(2)]
    assert known(cx, *ids) == [True, False]
    assert sent == [Hint(Queue.CLEANUP, ids[0])] * 2


def test_a_kind_of_job_about_a_row_is_one_job_and_another_kind_or_row_is_another(
    cx: Context,
) -> None:
    row, other = uuid4(), uuid4()
    with cx.db.transaction() as tx:
        ids = [
            jobs.add_for(tx, kind, target, actor="test")
            for kind, target in [(KIND, row), (KIND, row), (Kind.ERASE, row), (KIND, other)]
        ]
    assert known(cx, *ids) == [True, False, True, True]


def test_what_is_asked_after_an_addition_sees_it(cx: Context) -> None:
    with cx.db.transaction() as tx:
        target = uuid4()
        ids = [add(tx, target_id=target) for _ in range(3)]
        assert {job.id for job in jobs.open_of(tx, target)} == set(ids)
        add(tx, target_id=target)
        jobs.cancel(tx, actor="test", target_id=target)
        assert jobs.open_of(tx, target) == []


def test_one_of_many_that_is_refused_says_so_and_nothing_is_written_or_hinted(
    cx: Context, hinted: Any
) -> None:
    db, sent = hinted
    with pytest.raises(Violated, match="jobs_owner_id_fkey"), db.transaction() as tx:
        ids = [add(tx), add(tx, owner_id=uuid4()), add(tx)]
    assert known(cx, *ids) == [False] * 3
    assert sent == []
    with db.transaction() as tx:
        again = add(tx)
    assert known(cx, again) == [True]


def test_a_part_that_fails_takes_its_additions_along_and_no_others(cx: Context) -> None:
    with cx.db.transaction() as tx:
        before = add(tx)
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            within = add(tx)
            raise ZeroDivisionError
        with pytest.raises(Violated), tx.savepoint():
            add(tx, owner_id=uuid4())
        after = add(tx)
    assert known(cx, before, within, after) == [True, False, True]


def test_the_last_addition_within_a_callers_transaction_is_in_it(cx: Context) -> None:
    url = cx.settings.database_url.get_secret_value()
    with psycopg.connect(url) as connection:
        with joined(connection) as tx:
            ids = [add(tx), add(tx)]
        assert known(cx, *ids) == [False, False], "the caller has not committed"
        connection.commit()
        assert known(cx, *ids) == [True, True]
