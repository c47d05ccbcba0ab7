"""Twenty trainings at once through real workers, while things are killed: nothing but time is lost.

Every process is real: five Celery workers, the clock, the API, Postgres, Valkey, SeaweedFS and the
emulator, under the supervisor of `safelight up`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from safelight import config, deps, scratch
from safelight.domain.queues import Queue
from safelight.domain.states import may_move
from safelight.flow.context import Context
from safelight.local.stack import plan
from tests.support.photos import distinct_photos
from tests.support.pipeline import actor, subject_with_photos, train

TRAININGS = 20
PHOTOS = 8
END_SECONDS = 240


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("stack")
    base = {
        **os.environ,
        "SAFELIGHT_WATCH_SECONDS": "1",
        "SAFELIGHT_LEASE_SECONDS": "6",
        "TMPDIR": str(tmp_path_factory.mktemp("tmp")),
    }
    with plan(home, {}, base_env=base, api_port=None, time_scale=None).running() as environment:
        yield {**base, **environment}


@pytest.fixture(scope="module")
def cx(env: dict[str, str]) -> Iterator[Context]:
    cx = deps.open_context(config.load(env), "test")
    yield cx
    deps.close_context(cx)


def worker_pids(queue: Queue) -> list[psutil.Process]:
    """The worker of *queue* and its pool, of our own stack and no other."""
    ours = psutil.Process().children(recursive=True)
    return [p for p in ours if f"workers.{queue}" in _arguments(p)]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def rows(cx: Context, statement: str, **params: Any) -> list[dict[str, Any]]:
    with cx.db.transaction() as tx:
        return tx.rows(statement, params)


def wait_for(what: Callable[[], bool], *, seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"{why} (waited {seconds:g} s)"
        time.sleep(0.25)


def start_twenty(cx: Context, folder: Path, label: str) -> list[Any]:
    who = actor(cx, label)
    photos = distinct_photos(folder, PHOTOS)
    ids = []
    for number in range(TRAININGS):
        subject = subject_with_photos(cx, who, photos, name=f"{label} {number}")
        ids.append(train(cx, who, subject.id, overrides={"lora_rank": 4}).id)
    return ids


def all_ended_well(cx: Context, ids: list[Any]) -> None:
    """All twenty succeeded with their previews, nothing is stuck, every history is a legal path."""

    def ended() -> bool:
        # The clock's own jobs come and go; what concerns the twenty must end.
        open_jobs = rows(
            cx,
            "SELECT count(*) AS n FROM jobs WHERE state IN ('ready', 'leased') "
            "AND (subject_id IS NOT NULL OR kind LIKE 'watch%%')",
        )
        return not open_jobs[0]["n"]

    wait_for(ended, seconds=END_SECONDS, why="jobs are still open")
    found = rows(cx, "SELECT id, state, error FROM trainings WHERE id = ANY(%(ids)s)", ids=ids)
    assert {(r["state"], r["error"]) for r in found} == {("succeeded", None)}
    stuck = rows(cx, "SELECT kind, state, error FROM jobs WHERE state = 'parked'")
    assert stuck == []
    images = rows(
        cx,
        "SELECT v.training_id, count(i.id) AS n FROM versions v "
        "JOIN generations g ON g.version_id = v.id JOIN images i ON i.generation_id = g.id "
        "WHERE v.training_id = ANY(%(ids)s) GROUP BY 1",
        ids=ids,
    )
    assert len(images) == TRAININGS
    assert {r["n"] for r in images} == {4}, "three previews and their control"
    histories_are_legal(cx)
    weights_are_there(cx, ids)


def histories_are_legal(cx: Context) -> None:
    """I7."""
    events = rows(
        cx,
        "SELECT noun::text, before, after FROM events "
        "WHERE noun IN ('job', 'training', 'version', 'generation', 'photo')",
    )
    illegal = {
        (e["noun"], e["before"], e["after"])
        for e in events
        if not may_move(e["noun"], e["before"], e["after"])
    }
    assert illegal == set()


def weights_are_there(cx: Context, ids: list[Any]) -> None:
    """I5."""
    for version in rows(cx, "SELECT * FROM versions WHERE training_id = ANY(%(ids)s)", ids=ids):
        there = cx.tools.store.head(version["weights_key"])
        assert there is not None
        assert (there.bytes, there.sha256) == (version["weights_bytes"], version["weights_sha256"])


def paid_once(cx: Context, ids: list[Any], env: dict[str, str]) -> None:
    """I2: the provider's own ledger shows one accepted training for each of ours."""
    import httpx

    token = Path(env["EMULATOR_CONTROL_FILE"]).read_text()
    asks = {"Authorization": f"Bearer {token}"}
    ledger = httpx.get(f"{env['REPLICATE_BASE_URL']}/_emulator/ledger", headers=asks).json()
    entries = [e for e in ledger["entries"] if e["kind"] == "training"]
    for row in rows(cx, "SELECT intent_id FROM trainings WHERE id = ANY(%(ids)s)", ids=ids):
        mark = str(row["intent_id"])
        assert sum(mark in str(e["input"]) for e in entries) == 1


def test_twenty_trainings_end_while_one_worker_of_each_queue_is_killed(
    cx: Context, env: dict[str, str], tmp_path: Path
) -> None:
    """I1, I2, I5, I7; and a killed worker's photos do not stay on its disk."""
    left = Path(env["TMPDIR"]) / f"{scratch.PREFIX}killed-before"
    ids = start_twenty(cx, tmp_path, "killed")
    for queue in Queue:
        busy = f"SELECT 1 FROM jobs WHERE queue = '{queue}' AND state = 'leased'"
        deadline = time.monotonic() + 10
        while not rows(cx, busy) and time.monotonic() < deadline:
            time.sleep(0.02)  # kill it while it works, if it works at all
        left.mkdir(exist_ok=True)
        found = worker_pids(queue)
        assert found, f"no worker of {queue} runs"
        for process in found:
            process.kill()
    all_ended_well(cx, ids)
    paid_once(cx, ids, env)
    files = f"{scratch.PREFIX}*"
    wait_for(lambda: not [*left.parent.glob(files)], seconds=30, why="files of the killed are left")


def test_twenty_trainings_end_although_the_broker_is_emptied_in_the_middle(
    cx: Context, env: dict[str, str], tmp_path: Path
) -> None:
    """I1, I6."""
    ids = start_twenty(cx, tmp_path, "flushed")
    broker = redis.Redis(unix_socket_path=env["BROKER_URL"].removeprefix("redis+socket://"))
    wait_for(
        lambda: bool(rows(cx, "SELECT 1 FROM trainings WHERE state = 'training'")),
        seconds=60,
        why="nothing trains",
    )
    for _ in range(3):
        broker.flushall()
        time.sleep(1.0)
    broker.close()
    all_ended_well(cx, ids)
    paid_once(cx, ids, env)
