"""The spine against a real Postgres: claim, lease, fence, heartbeat, settle, sweep (I1, I3, I6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from safelight.db import jobs
from safelight.db.faults import DatabaseAway
from safelight.db.transaction import Database, Hint, Tx
from safelight.domain.errors import Invalid, Retryable, Unfinished
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.queues import Kind, Queue
from safelight.flow import sweep
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.perform import Work, Works, perform
from safelight.flow.retention import PERIODIC, WALKS

KIND = Kind.PURGE_TEMPORARY
QUEUE = Queue.CLEANUP


class World:
    """A database, the hints it sent, and two workers that share it."""

    def __init__(self, url: str, settings: Any) -> None:
        self.hints: list[Hint] = []
        self.db = Database(url, self.hints.extend)
        self.settings = settings

    def worker(self, name: str = "worker-1", lease: float | None = None) -> Context:
        settings = self.settings.model_copy(update={"lease_seconds": lease})
        nothing: Any = None
        return Context(
            settings=settings,
            db=self.db,
            tools=nothing,
            broker=nothing,
            heartbeat=Heartbeat(self.db, lease),
            worker=name,
        )

    def add(self, **more: Any) -> UUID:
        with self.db.transaction() as tx:
            return jobs.add(tx, KIND, actor="test", **more)

    def job(self, id: UUID) -> Job:
        with self.db.transaction() as tx:
            found = jobs.get(tx, id)
        assert found is not None
        return found

    def history(self, id: UUID) -> list[tuple[str | None, str]]:
        with self.db.transaction() as tx:
            rows = tx.rows(
                "SELECT before, after FROM events WHERE noun_id = %(id)s ORDER BY id", {"id": id}
            )
        return [(row["before"], row["after"]) for row in rows]

    def expire(self) -> None:
        """Every lease has run out, and the clock has seen it."""
        self.execute("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'leased'")
        with self.db.transaction() as tx:
            jobs.release_expired(tx, 100)

    def execute(self, statement: str, **params: Any) -> None:
        with self.db.transaction() as tx:
            tx.run(statement, params)


@pytest.fixture
def world(database_url: str, settings: Any) -> Iterator[World]:
    world = World(database_url, settings)
    yield world
    world.db.close()


def works(do: Callable[[Any, Context, Any], Any], **more: Any) -> Works:
    def settle(_tx: Any, _job: Job, _order: Any, result: Any, _cx: Context) -> Outcome:
        return result if isinstance(result, Outcome) else Done()

    return {KIND: Work(more.get("begin", lambda *_: "order"), do, more.get("settle", settle))}


def test_a_job_is_claimed_done_and_settled_with_an_event_for_each_step(world: World) -> None:
    id = world.add()
    perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0)
    assert world.job(id).state == "done"
    assert world.history(id) == [(None, "ready"), ("ready", "leased"), ("leased", "done")]


def test_a_hint_that_comes_twice_is_worked_on_once(world: World) -> None:
    world.add()
    ran: list[int] = []
    for _ in range(5):
        perform(QUEUE, works(lambda *_: ran.append(1)), world.worker(), seconds=0)
    assert len(ran) == 1


def test_a_hint_when_nothing_is_due_does_no_harm(world: World) -> None:
    assert perform(QUEUE, works(lambda *_: None), world.worker()) == 0


def test_a_job_is_claimed_only_by_the_queue_it_is_on(world: World) -> None:
    id = world.add()
    perform(Queue.POLL, works(lambda *_: None), world.worker())
    assert world.job(id).state == "ready"


def test_a_kind_of_the_next_release_waits_for_its_workers_and_holds_nothing_up(
    world: World,
) -> None:
    """Old and new workers run together during a deploy; an old one does not even hint at it again."""
    unknown, known = world.add(), world.add()
    world.execute("UPDATE jobs SET kind = 'of_tomorrow' WHERE id = %(id)s", id=unknown)
    world.hints.clear()
    assert perform(QUEUE, works(lambda *_: None), world.worker()) == 1
    assert perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0) == 0
    assert world.job(known).state == "done"
    assert world.history(unknown) == [(None, "ready")]
    assert world.hints == []
    with world.db.transaction() as tx:
        assert jobs.due(tx, QUEUE, 1) == [unknown]  # the clock, whose release does not matter, does


def test_of_many_workers_that_see_a_hint_one_gets_the_job(world: World) -> None:
    id, ran = world.add(), []

    def do(*_: Any) -> None:
        ran.append(1)
        time.sleep(0.05)

    threads = [
        threading.Thread(target=perform, args=(QUEUE, works(do), world.worker(f"w{n}")))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1
    assert world.job(id).attempts == 1


def test_a_hint_is_sent_after_the_commit_and_not_when_the_transaction_fails(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.db.transaction() as tx:
        jobs.add(tx, KIND, actor="test")
        raise ZeroDivisionError
    assert world.hints == []
    id = world.add()
    assert world.hints == [Hint(QUEUE, id)]


def test_a_passing_fault_is_tried_again_after_a_pause_and_costs_no_attempt(world: World) -> None:
    id = world.add()

    def do(*_: Any) -> None:
        raise Retryable("the store is busy")

    perform(QUEUE, works(do), world.worker(), seconds=0)
    job = world.job(id)
    assert (job.state, job.attempts, job.error) == ("ready", 0, "the store is busy")
    assert job.due_at > job.created_at


def test_an_outage_of_an_hour_parks_nothing_and_is_over_within_the_minute(world: World) -> None:
    """I1: servers that come back."""
    id, ran = world.add(), []

    def do(*_: Any) -> None:
        ran.append(1)
        raise Retryable("the store is away")

    for _ in range(3 * KIND.policy.attempts):
        world.execute("UPDATE jobs SET due_at = now() WHERE id = %(id)s AND state = 'ready'", id=id)
        world.execute("UPDATE jobs SET faulty_since = faulty_since - interval '3 min'")
        perform(QUEUE, works(do), world.worker(), seconds=0)
    assert len(ran) == 3 * KIND.policy.attempts
    job = world.job(id)
    assert (job.state, job.attempts) == ("ready", 0)
    assert 29 < (job.due_at - datetime.now(UTC)).total_seconds() <= 60
    world.execute("UPDATE jobs SET due_at = now()")
    perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0)
    assert (world.job(id).state, world.job(id).faulty_since) == ("done", None)


def test_a_fault_that_has_not_passed_in_a_day_parks_the_job_and_a_retry_starts_anew(
    world: World,
) -> None:
    id = world.add()

    def do(*_: Any) -> None:
        raise Retryable("the store is away")

    for _ in range(2):
        perform(QUEUE, works(do), world.worker(), seconds=0)
        world.execute("UPDATE jobs SET due_at = now(), faulty_since = now() - interval '25 hours'")
    job = world.job(id)
    assert (job.state, job.reason) == ("parked", "away for a day")
    assert job.error == "It has met this for 25 hours: the store is away"
    with world.db.transaction() as tx:
        jobs.retry(tx, id, actor="test")
    perform(QUEUE, works(do), world.worker(), seconds=0)
    assert world.job(id).state == "ready"


def test_what_did_not_come_out_as_it_should_is_tried_up_to_the_cap(world: World) -> None:
    id, ran = world.add(), []

    def do(*_: Any) -> None:
        ran.append(1)
        raise Unfinished("the store shows other bytes")

    _spend(world, id, works(do))
    assert len(ran) == KIND.policy.attempts
    assert world.job(id).reason == "attempts spent"


def test_a_fault_that_asks_for_a_pause_gets_at_least_that_pause(world: World) -> None:
    id = world.add()

    def do(*_: Any) -> None:
        raise Retryable("throttled", after=120)

    perform(QUEUE, works(do), world.worker(), seconds=0)
    assert (world.job(id).due_at - world.job(id).created_at).total_seconds() > 119


def test_a_fault_no_retry_mends_parks_the_job_with_its_message(world: World) -> None:
    id = world.add()

    def do(*_: Any) -> None:
        raise Invalid("the trigger is not a trigger")

    perform(QUEUE, works(do), world.worker(), seconds=0)
    job = world.job(id)
    assert (job.state, job.error, job.reason) == (
        "parked",
        "the trigger is not a trigger",
        "invalid",
    )


def _spend(world: World, id: UUID, all_works: Works) -> None:
    for _ in range(KIND.policy.attempts + 3):
        world.execute("UPDATE jobs SET due_at = now() WHERE id = %(id)s AND state = 'ready'", id=id)
        world.expire()
        perform(QUEUE, all_works, world.worker(), seconds=0)


def test_a_surprise_is_tried_up_to_the_cap_and_then_parked(world: World) -> None:
    id, ran = world.add(), []

    def do(*_: Any) -> None:
        ran.append(1)
        raise RuntimeError("boom")

    _spend(world, id, works(do))
    job = world.job(id)
    assert len(ran) == KIND.policy.attempts
    assert (job.state, job.error) == ("parked", "RuntimeError: boom")


def test_a_job_that_cannot_even_begin_is_counted_and_parked(world: World) -> None:
    id = world.add()

    def begin(*_: Any) -> None:
        raise RuntimeError("no such row")

    _spend(world, id, works(lambda *_: None, begin=begin))
    assert world.job(id).state == "parked"
    assert world.job(id).attempts == KIND.policy.attempts


def test_a_job_that_kills_its_worker_every_time_ends_parked_and_not_in_a_loop(
    world: World,
) -> None:
    id, ran = world.add(), []

    def do(*_: Any) -> None:
        ran.append(1)
        raise SystemExit  # as good as a kill: settle is never reached

    for _ in range(KIND.policy.attempts + 3):
        world.expire()
        try:
            perform(QUEUE, works(do), world.worker(), seconds=0)
        except SystemExit:
            continue
    job = world.job(id)
    assert len(ran) == KIND.policy.attempts
    assert job.state == "parked"
    assert job.reason == "attempts spent"


def test_a_worker_whose_lease_has_passed_to_another_writes_nothing(world: World) -> None:
    """I3."""
    id = world.add()
    written: list[str] = []

    def slow(_order: Any, cx: Context, _pulse: Any) -> str:
        # The lease runs out while this worker hangs, and another one takes the job.
        world.expire()
        perform(QUEUE, works(lambda *_: "second", settle=settle), world.worker("second"), seconds=0)
        return "first"

    def settle(tx: Any, _job: Job, _order: Any, result: Any, _cx: Context) -> Outcome:
        tx.run("INSERT INTO ticks (name, slot) VALUES (%(name)s, now())", {"name": result})
        written.append(result)
        return Done(result)

    perform(QUEUE, works(slow, settle=settle), world.worker("first"), seconds=0)
    with world.db.transaction() as tx:
        rows = tx.rows("SELECT name FROM ticks")
    assert [row["name"] for row in rows] == ["second"]
    assert world.job(id).reason == "second"
    assert written == ["second"]


def test_the_heartbeat_keeps_a_lease_alive_for_as_long_as_the_work_takes(world: World) -> None:
    id, ran = world.add(), []

    def long(*_: Any) -> None:
        ran.append(1)
        time.sleep(1.2)

    cx = world.worker(lease=0.45)
    thread = threading.Thread(target=perform, args=(QUEUE, works(long), cx))
    thread.start()
    time.sleep(0.9)
    perform(QUEUE, works(long), world.worker("thief", lease=0.45), seconds=0)
    thread.join()
    assert len(ran) == 1
    assert world.job(id).state == "done"
    cx.heartbeat.close()


class _FailsOnce:
    """A database whose first transaction ends in a surprise."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.failed = False

    def transaction(self) -> Any:
        if not self.failed:
            self.failed = True
            raise RuntimeError("nobody thought of this")
        return self._db.transaction()


def test_the_heartbeat_goes_on_after_a_surprise(world: World) -> None:
    id, ran = world.add(), []

    def long(*_: Any) -> None:
        ran.append(1)
        time.sleep(1.2)

    failing: Any = _FailsOnce(world.db)
    cx = replace(world.worker(lease=0.6), heartbeat=Heartbeat(failing, 0.6))
    thread = threading.Thread(target=perform, args=(QUEUE, works(long), cx))
    thread.start()
    time.sleep(0.9)
    with world.db.transaction() as tx:
        assert jobs.release_expired(tx, 100) == 0
    thread.join()
    assert failing.failed
    assert (len(ran), world.job(id).state) == (1, "done")
    cx.heartbeat.close()


def test_a_server_that_takes_no_writes_is_away(world: World) -> None:
    """A standby that is not promoted yet: an internal error by its class."""
    with pytest.raises(DatabaseAway), world.db.transaction() as tx:
        tx.run("SET TRANSACTION READ ONLY")
        tx.run("UPDATE jobs SET due_at = now()")


def test_a_session_that_the_server_has_ended_is_away(world: World) -> None:
    """SIGSTOP inside a transaction, then SIGCONT."""
    with pytest.raises(DatabaseAway), world.db.transaction() as tx:
        tx.run("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        time.sleep(0.4)
        tx.run("UPDATE jobs SET due_at = now()")


def test_a_job_asked_to_cancel_stops_at_its_next_step(world: World) -> None:
    id = world.add()
    canceled: list[UUID] = []

    def steps(_order: Any, _cx: Context, pulse: Any) -> None:
        with world.db.transaction() as tx:
            jobs.cancel(tx, job_id=id, actor="a person")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            pulse.check()
            time.sleep(0.02)
        raise AssertionError("nobody told it")

    work = Work(
        lambda *_: "order", steps, lambda *_: Done(), lambda _tx, j, _cx: canceled.append(j.id)
    )
    perform(QUEUE, {KIND: work}, world.worker(lease=0.3), seconds=0)
    assert world.job(id).state == "canceled"
    assert canceled == [id]


def test_a_paused_queue_is_not_claimed_from_and_resumes_where_it_was(world: World) -> None:
    id = world.add()
    with world.db.transaction() as tx:
        jobs.set_paused(tx, QUEUE, True, reason="provider is down", actor="ops")
    perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0)
    assert world.job(id).state == "ready"
    world.hints.clear()
    sweep.sweep(world.db, dict)
    assert world.hints == [], "a paused queue is not hinted at"
    with world.db.transaction() as tx:
        jobs.set_paused(tx, QUEUE, False, reason=None, actor="ops")
    sweep.sweep(world.db, dict)
    perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0)
    assert world.job(id).state == "done"


def test_the_sweep_hints_at_all_that_is_due_and_at_jobs_whose_leases_ran_out(
    world: World,
) -> None:
    """I6: the broker lost every message; one sweep later there are hints for all that is due."""
    dead = world.add()
    with world.db.transaction() as tx:
        assert [job.id for job in jobs.claim(tx, QUEUE, "worker that dies")] == [dead]
    world.execute("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'leased'")
    lost, later = world.add(), world.add(delay=60)
    world.hints.clear()
    assert sweep.sweep(world.db, dict) == 2
    assert {hint.job_id for hint in world.hints} == {lost, dead}
    assert world.history(dead)[-1] == ("leased", "ready")
    world.hints.clear()
    assert sweep.sweep(world.db, lambda: {QUEUE: 2}) == 0
    assert world.hints == [], "what the broker holds is enough"
    assert world.job(later).state == "ready"


def test_a_sweep_adds_no_hints_to_a_queue_that_is_full_of_them(world: World) -> None:
    world.add()
    world.hints.clear()
    sweep.sweep(world.db, lambda: dict.fromkeys(Queue, sweep.BATCH))
    assert world.hints == []


def test_a_sweep_goes_on_when_the_broker_cannot_say_how_full_it_is(world: World) -> None:
    id = world.add()
    world.hints.clear()

    def away() -> dict[Queue, int]:
        raise ConnectionError("no broker")

    sweep.sweep(world.db, away)
    assert world.hints == [Hint(QUEUE, id)]


def test_two_clocks_start_the_periodic_work_of_a_slot_once(world: World) -> None:
    first = sweep.periodic(world.db, every=3600)
    second = sweep.periodic(world.db, every=3600)
    assert set(first) == {*PERIODIC, *WALKS}
    assert second == []


def test_a_unique_job_that_is_asked_for_while_it_runs_runs_once_more(world: World) -> None:
    id, ran = world.add(unique_key="watch"), []

    def do(*_: Any) -> None:
        ran.append(1)
        if len(ran) == 1:
            again = world.add(unique_key="watch")
            with world.db.transaction() as tx:
                assert jobs.get(tx, again) is None, "the open one bears the key"

    perform(QUEUE, works(do), world.worker(), seconds=0)
    assert world.job(id).state == "ready"
    assert world.hints[-1] == Hint(QUEUE, id)
    perform(QUEUE, works(do), world.worker(), seconds=0)
    assert world.job(id).state == "done"
    assert world.add(unique_key="watch") != id, "a job that has ended leaves its key free"


def test_a_stage_is_not_carried_out_whose_beginning_was_refused(world: World) -> None:
    id, ran = world.add(), []

    def begin(tx: Tx, _job: Job, _cx: Context) -> str:
        jobs.add(tx, KIND, actor="test", owner_id=uuid4())
        return "order"

    work = Work(begin, lambda *_: ran.append(1))
    perform(QUEUE, {KIND: work}, world.worker(), seconds=0)
    assert world.job(id).state == "parked"
    assert ran == []


def test_a_wait_that_was_no_failure_gives_the_attempts_back(world: World) -> None:
    id = world.add()
    perform(QUEUE, works(lambda *_: Wait(0.0, "still in flight")), world.worker(), seconds=0)
    assert (world.job(id).state, world.job(id).attempts) == ("ready", 0)
    assert world.hints[-1] == Hint(QUEUE, id)


def test_a_parked_job_that_is_retried_starts_its_attempts_anew(world: World) -> None:
    id = world.add()

    def do(*_: Any) -> None:
        raise Invalid("not yet")

    perform(QUEUE, works(do), world.worker(), seconds=0)
    with world.db.transaction() as tx:
        assert jobs.retry(tx, id, actor="a person")
        assert not jobs.retry(tx, id, actor="a person")
    perform(QUEUE, works(lambda *_: None), world.worker(), seconds=0)
    job = world.job(id)
    assert (job.state, job.attempts, job.error) == ("done", 1, None)
    assert ("parked", "ready") in world.history(id)
