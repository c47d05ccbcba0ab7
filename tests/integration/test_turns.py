"""Turns at a queue against a real Postgres: fair between owners, in batches where jobs go quickly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from safelight.db import jobs, owners
from safelight.db.transaction import Database
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.perform import Work, perform

KIND, QUEUE = Kind.ARCHIVE_VERSIONS, Queue.CLEANUP
NOTHING: Any = None


@pytest.fixture
def cx(database_url: str, settings: Any) -> Iterator[Context]:
    db = Database(database_url, lambda _hints: None)
    cx = Context(settings, db, NOTHING, NOTHING, Heartbeat(db), "worker-1")
    yield cx
    cx.heartbeat.close()
    db.close()


def add(cx: Context, count: int, owner: UUID | None = None) -> list[UUID]:
    with cx.db.transaction() as tx:
        return [jobs.add(tx, KIND, actor="test", owner_id=owner) for _ in range(count)]


def owner(cx: Context, name: str) -> UUID:
    with cx.db.transaction() as tx:
        return owners.ensure(tx, name).id


def states(cx: Context) -> dict[str, int]:
    with cx.db.transaction() as tx:
        rows = tx.rows("SELECT state::text, count(*) AS n FROM jobs GROUP BY 1")
    return {row["state"]: row["n"] for row in rows}


def recording(ran: list[UUID | None], seconds: float = 0.0) -> dict[Kind, Work[Any, Any]]:
    def do(order: Any, _cx: Context, _pulse: Any) -> None:
        ran.append(order)
        time.sleep(seconds)

    return {KIND: Work(lambda _tx, job, _cx: job.owner_id, do)}


def test_one_owners_thousand_jobs_do_not_make_anothers_single_one_wait(cx: Context) -> None:
    """The single job starts within the time of ten."""
    many, few = owner(cx, "many"), owner(cx, "few")
    add(cx, 1000, many)
    ran: list[UUID | None] = []
    for _ in range(20):
        perform(QUEUE, recording(ran), cx, seconds=0)
    add(cx, 1, few)
    for _ in range(10):
        perform(QUEUE, recording(ran), cx, seconds=0)
    assert ran.count(few) == 1
    assert len(ran) == 30


def test_owners_that_all_have_many_jobs_get_their_turns_in_turn(cx: Context) -> None:
    three = [owner(cx, name) for name in "abc"]
    for one in three:
        add(cx, 30, one)
    ran: list[UUID | None] = []
    for _ in range(30):
        perform(QUEUE, recording(ran), cx, seconds=0)
    assert {one: ran.count(one) for one in three} == dict.fromkeys(three, 10)


def turns(cx: Context, of: UUID) -> list[float]:
    """Where the owner's jobs stand, in seconds from now."""
    with cx.db.transaction() as tx:
        rows = tx.rows(
            "SELECT extract(epoch FROM turn - now())::float8 AS at FROM jobs "
            "WHERE owner_id = %(of)s AND state = 'ready' ORDER BY turn",
            {"of": of},
        )
    return [row["at"] for row in rows]


def spread(at: list[float]) -> bool:
    """Whether each stands about a quantum behind the one before."""
    return all(b - a > jobs.QUANTUM_SECONDS - 1.5 for a, b in pairwise(at))


def test_jobs_of_one_owner_that_waited_for_the_same_moment_come_back_in_fair_turns(
    cx: Context,
) -> None:
    """Midnight, or the end of a 429: they do not all stand before what another asks for then."""
    many, few = owner(cx, "many"), owner(cx, "few")
    with cx.db.transaction() as tx:
        for _ in range(40):
            jobs.add(tx, KIND, actor="test", owner_id=many)
        tx.run("UPDATE jobs SET turn = now()")
    wait: dict[Kind, Work[Any, Any]] = {
        KIND: Work(lambda *_: "order", settle=lambda *_: Wait(3600, reason="midnight"))
    }
    for _ in range(40):
        perform(QUEUE, wait, cx, seconds=0)
    at = turns(cx, many)
    assert len(at) == 40
    assert spread(at)
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE jobs SET due_at = due_at - interval '1 hour', turn = turn - interval '1 hour'"
        )
    ran: list[UUID | None] = []
    add(cx, 1, few)
    for _ in range(5):
        perform(QUEUE, recording(ran), cx, seconds=0)
    assert few in ran


def test_waiting_over_and_over_moves_no_owner_further_and_further_back(cx: Context) -> None:
    many = owner(cx, "many")
    add(cx, 10, many)
    wait: dict[Kind, Work[Any, Any]] = {
        KIND: Work(lambda *_: "order", settle=lambda *_: Wait(0.01, reason="no room"))
    }
    for _ in range(60):
        perform(QUEUE, wait, cx, seconds=0)
        time.sleep(0.01)
    assert turns(cx, many)[-1] < 11 * jobs.QUANTUM_SECONDS


def test_jobs_that_are_retried_together_come_back_in_fair_turns(cx: Context) -> None:
    many = owner(cx, "many")
    ids = add(cx, 20, many)
    with cx.db.transaction() as tx:
        tx.run("UPDATE jobs SET state = 'parked', error = 'x', turn = now()")
    for id in ids:
        with cx.db.transaction() as tx:
            jobs.retry(tx, id, actor="test")
    assert spread(turns(cx, many))


def test_quick_jobs_are_all_done_by_one_hint_in_fewer_transactions_than_jobs(cx: Context) -> None:
    add(cx, 300)
    with cx.db.transaction() as tx:
        before = tx.row("SELECT pg_current_xact_id()::text::bigint AS n")
    ran: list[UUID | None] = []
    while perform(QUEUE, recording(ran), cx):
        pass
    with cx.db.transaction() as tx:
        after = tx.row("SELECT pg_current_xact_id()::text::bigint AS n")
    assert states(cx) == {"done": 300}
    assert len(ran) == 300
    assert before is not None
    assert after is not None
    assert after["n"] - before["n"] < 100


def test_slow_jobs_are_taken_one_at_a_time_so_that_other_slots_have_theirs(cx: Context) -> None:
    add(cx, 8)
    ran: list[UUID | None] = []
    seen: list[int] = []

    def look() -> None:
        while len(ran) < 8:
            seen.append(states(cx).get("leased", 0))
            time.sleep(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    perform(QUEUE, recording(ran, 0.03), cx, seconds=30)
    looking.join()
    assert max(seen) == 1


def test_one_job_of_a_batch_that_fails_to_settle_spoils_none_of_the_others(cx: Context) -> None:
    ids = add(cx, 20)
    bad = ids[9]

    def settle(tx: Any, job: Job, *_: Any) -> Outcome:
        tx.run("INSERT INTO ticks (name, slot) VALUES (%(n)s, now())", {"n": str(job.id)})
        if job.id == bad:
            tx.run("SELECT 1/0")
        return Done()

    perform(QUEUE, {KIND: Work(lambda *_: "order", lambda *_: None, settle)}, cx, seconds=30)
    assert states(cx) == {"done": 19, "ready": 1}
    with cx.db.transaction() as tx:
        written = {row["name"] for row in tx.rows("SELECT name FROM ticks")}
        job = jobs.get(tx, bad)
    assert written == {str(id) for id in ids if id != bad}
    assert job is not None
    assert "DivisionByZero" in (job.error or "")
    assert job.attempts >= 1


def test_one_job_of_a_batch_that_fails_to_begin_spoils_none_of_the_others(cx: Context) -> None:
    ids = add(cx, 20)
    bad = ids[9]

    def begin(_tx: Any, job: Job, _cx: Context) -> str:
        if job.id == bad:
            raise RuntimeError("no such row")
        return "order"

    perform(QUEUE, {KIND: Work(begin)}, cx, seconds=30)
    assert states(cx) == {"done": 19, "ready": 1}


def test_a_batch_whose_lease_was_lost_for_one_job_writes_the_others(cx: Context) -> None:
    """I3: the fence is a job's own."""
    ids = add(cx, 20)
    stolen: list[UUID] = []

    def do(order: Any, _cx: Context, _pulse: Any) -> None:
        if order == ids[9] and not stolen:
            stolen.append(order)
            with cx.db.transaction() as tx:
                tx.run("UPDATE jobs SET fence = fence + 1 WHERE id = %(id)s", {"id": order})

    perform(QUEUE, {KIND: Work(lambda _tx, job, _cx: job.id, do)}, cx, seconds=30)
    assert states(cx) == {"done": 19, "leased": 1}


def test_what_a_paid_job_came_to_is_written_before_the_next_is_begun(cx: Context) -> None:
    """I2: a worker that dies leaves at most one intent behind."""
    with cx.db.transaction() as tx:
        ids = [
            jobs.add(tx, Kind.SUBMIT_GENERATION, actor="test", unique_key=str(n)) for n in range(12)
        ]
    most: list[int] = []

    def do(*_: Any) -> None:
        most.append(states(cx).get("leased", 0))

    while perform(Queue.GENERATE, {Kind.SUBMIT_GENERATION: Work(lambda *_: "order", do)}, cx):
        pass
    assert len(most) == len(ids)
    assert max(most) == 1


def test_a_paid_job_is_taken_alone_among_quick_ones_and_none_is_begun_before_it_is_written(
    cx: Context,
) -> None:
    """I2: a batch that holds quick jobs and paid ones would commit every intent in it at once."""
    kinds = [Kind.SETTLE_GENERATION, Kind.SETTLE_GENERATION, Kind.SUBMIT_GENERATION] * 12
    with cx.db.transaction() as tx:
        for n, kind in enumerate(kinds):
            jobs.add(tx, kind, actor="test", unique_key=str(n))
    held: list[list[str]] = []

    def do(*_: Any) -> None:
        with cx.db.transaction() as tx:
            rows = tx.rows("SELECT kind FROM jobs WHERE state = 'leased'")
        held.append(sorted(str(row["kind"]) for row in rows))

    works = dict.fromkeys(set(kinds), Work(lambda *_: "order", do))
    while perform(Queue.GENERATE, works, cx, seconds=30):
        pass
    assert states(cx) == {"done": len(kinds)}
    assert [one for one in held if "submit_generation" in one] == [["submit_generation"]] * 12


@pytest.mark.parametrize(
    ("quick", "slow"),
    [
        pytest.param(Kind.LOOK_AT_TRAINING, Kind.WATCH_TRAININGS, id="the watch walks"),
        pytest.param(Kind.CANCEL_TRAINING, Kind.PREPARE_SUBMISSION, id="a submission is copied"),
    ],
)
def test_a_slow_kind_of_work_holds_up_no_quick_job_in_its_slot(
    cx: Context, quick: Kind, slow: Kind
) -> None:
    """A batch of looks with the watch among them would make the looks behind it wait for its walk."""
    kinds = [*[quick] * 5, slow, *[quick] * 5]
    with cx.db.transaction() as tx:
        for kind in kinds:
            jobs.add(tx, kind, actor="test")
    beside: list[int] = []

    def walk(*_: Any) -> None:
        beside.append(states(cx)["leased"] - 1)

    works = {quick: Work(lambda *_: "order"), slow: Work(lambda *_: "order", walk)}
    while perform(slow.policy.queue, works, cx, seconds=30):
        pass
    assert beside == [0]
    assert states(cx) == {"done": len(kinds)}


@pytest.mark.parametrize(
    "kind", [Kind.REINSPECT, Kind.SETTLE_TRAINING, Kind.SETTLE_GENERATION], ids=str
)
def test_a_kind_that_is_quick_as_a_rule_shares_commits_and_after_a_slow_job_the_batch_is_one(
    cx: Context, kind: Kind
) -> None:
    """What has to measure, or to read many pages, is the exception: it ends the growth of the batches."""
    with cx.db.transaction() as tx:
        for _ in range(40):
            jobs.add(tx, kind, actor="test")
    together: list[int] = []

    def do(*_: Any) -> None:
        together.append(states(cx)["leased"])
        if len(together) > 20:
            time.sleep(0.03)

    while perform(kind.policy.queue, {kind: Work(lambda *_: "order", do)}, cx, seconds=30):
        pass
    assert max(together[:20]) > 1
    assert set(together[-4:]) == {1}


def test_terminated_connections_are_replaced_without_a_job_failing(cx: Context) -> None:
    add(cx, 5)
    ran: list[UUID | None] = []
    for _ in range(5):
        with cx.db.transaction() as tx:
            tx.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        perform(QUEUE, recording(ran), cx, seconds=0)
    assert states(cx) == {"done": 5}
    assert len(ran) == 5
