"""Cleanup of 200 subjects, 1,000 versions and 20,000 objects, killed ten times at random.

Real stores, the emulator, the real worker and clock. What must go is gone, what is kept or live is
there to the last object, and a second run finds nothing to do.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from safelight import config, deps
from safelight.db.migrate import migrate
from safelight.domain.ids import new_id
from safelight.flow.commands import Actor
from safelight.flow.commands.cleaning import run_cleanup
from safelight.flow.context import Context
from safelight.flow.retention import plan, policy_of
from safelight.local.emulator.state import State
from tests.support.database import fresh_database
from tests.support.emulator import TOKEN, Emulator
from tests.support.emulator import running as emulator_on
from tests.support.past import DRAWING, TRAINING
from tests.support.pipeline import actor, row
from tests.support.processes import wait_until
from tests.support.servers import start_stores

pytestmark = pytest.mark.skipif(
    not os.environ.get("SAFELIGHT_FULL"),
    reason="five minutes of 20,000 objects: `make scale` runs it (SAFELIGHT_FULL=1)",
)
ROOT = Path(__file__).parents[2]
SUBJECTS, VERSIONS, KEEP, LIVE, OBJECTS, KILLS = 200, 5, 2, 20, 20_000, 10
PHOTOS, REMOVED, DRAWINGS, ORPHANS, YOUNG = 15, 5, 4, 100, 80
RULES = """
[versions]
keep = 2
rollback = "7 d"
[previews]
age = "90 d"
keep = 0
[datasets]
age = "90 d"
keep = 1
[orphans]
unseen = "0 s"
age = "0 s"
[pace]
objects = 500
rows = 200
archives = 20
pause = "1 s"
"""


@dataclass
class World:
    cx: Context
    who: Actor
    env: dict[str, str]
    emulator: Emulator
    stay: set[str] = field(default_factory=set)
    go: set[str] = field(default_factory=set)
    archived: set[UUID] = field(default_factory=set)
    kept: set[UUID] = field(default_factory=set)

    def listed(self) -> set[str]:
        return {item.key for item in self.cx.tools.store.list("")}

    def one(self, statement: str, **params: Any) -> dict[str, Any]:
        return row(self.cx, statement, **params)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    stores = start_stores(tmp_path / "stores")
    remote = State(tmp_path / "emulator")
    try:
        rules = tmp_path / "rules.toml"
        rules.write_text(RULES)
        url = fresh_database(stores.database_url)
        migrate(url)
        with emulator_on(tmp_path / "emulator") as emulator:
            env = {
                **os.environ,
                **stores.environment,
                "DATABASE_URL": url,
                "REPLICATE_API_TOKEN": TOKEN,
                "REPLICATE_BASE_URL": emulator.url,
                "SAFELIGHT_RETENTION_FILE": str(rules),
                "SAFELIGHT_LEASE_SECONDS": "3",
                "SAFELIGHT_CLEANUP_SECONDS": "5",
                "SAFELIGHT_LOG_LEVEL": "WARNING",
            }
            cx = deps.open_context(config.load(env), "test")
            made = World(cx, actor(cx), env, emulator)
            fill(made, remote)
            yield made
            deps.close_context(cx)
    finally:
        remote.close()
        stores.remove()


def fill(world: World, remote: State) -> None:
    """The past: rows in bulk, then the objects they name."""
    model = "emulated/lora"
    remote.run(
        "INSERT INTO models (name, account, body) VALUES (?, ?, ?)",
        model,
        "emulated",
        '{"owner": "emulated", "name": "lora", "visibility": "private"}',
    )
    subjects, photos, trainings, drawings, temporary, live = [], [], [], [], [], []
    objects: dict[str, bytes] = {}

    def put(key: str, data: bytes, *, stays: bool) -> str:
        objects[key] = data
        (world.stay if stays else world.go).add(key)
        return key

    for s in range(SUBJECTS):
        subject, is_live = new_id(), s < LIVE
        subjects.append(
            {"id": subject, "owner": world.who.owner_id, "name": f"subject {s}", "t": f"TOK{s:04d}"}
        )
        for p in range(PHOTOS):
            removed = p < REMOVED
            key = put(f"photos/{subject}/{new_id()}", b"jpeg", stays=not removed or is_live)
            photos.append(
                {
                    "id": new_id(),
                    "subject": subject,
                    "name": f"{p}.jpg",
                    "key": key,
                    "removed": removed,
                }
            )
        for number in range(1, VERSIONS + 1):
            training, version = new_id(), new_id()
            weights = b"weights %d of %d" % (number, s)
            prefix = f"datasets/{subject}/{training}"
            put(prefix + ".zip", b"zip", stays=True)
            put(prefix + ".json", b"{}", stays=True)
            active = number == 1
            archived = not active and number <= VERSIONS - KEEP
            (world.archived if archived else world.kept).add(version)
            trainings.append(
                {
                    "dataset": new_id(), "training": training, "version": version, "subject": subject,
                    "number": number, "days": 200 - number, "state": "active" if active else "candidate",
                    "key": prefix, "bytes": len(weights), "sha256": sha256(weights).hexdigest(),
                    "weights": put(f"weights/{subject}/{training}.safetensors", weights, stays=True),
                    "remote": version.hex * 2, "model": model,
                }
            )  # fmt: skip
            remote.run(
                "INSERT INTO versions (id, model, created) VALUES (?, ?, ?)",
                *(version.hex * 2, model, time.time()),
            )
            old = number <= VERSIONS - KEEP
            for _ in range(DRAWINGS):
                id = new_id()
                drawings.append(
                    {
                        "id": id, "image": new_id(), "version": version, "purpose": "preview",
                        "days": 100 if old else 10,
                        "key": put(f"images/{id}/0.png", b"png", stays=not old),
                    }
                )  # fmt: skip
        if is_live:
            training = new_id()
            live.append({"id": training, "subject": subject, "number": VERSIONS + 1})
            key = put(f"temporary/{new_id()}.zip", b"zip", stays=True)
            temporary.append({"key": key, "training": training, "hours": -1})
    for _ in range(ORPHANS):
        put(f"images/{new_id()}/0.png", b"png", stays=False)
    for n in range(OBJECTS - len(objects)):
        key = put(f"temporary/{new_id()}.zip", b"zip", stays=n < YOUNG)
        temporary.append({"key": key, "training": None, "hours": 9 if n < YOUNG else -1})
    assert len(objects) == OBJECTS
    with world.cx.db.transaction() as tx:
        tx.many(
            "INSERT INTO subjects (id, owner_id, name, kind, trigger_word) "
            "VALUES (%(id)s, %(owner)s, %(name)s, 'character', upper(%(name)s))",
            subjects,
        )
        tx.many(
            "INSERT INTO photos (id, subject_id, name, key, state, bytes, removed_at) "
            "VALUES (%(id)s, %(subject)s, %(id)s::uuid::text, %(key)s, "
            "CASE WHEN %(removed)s THEN 'removed' ELSE 'stored' END::photo_state, 4, "
            "CASE WHEN %(removed)s THEN now() - interval '10 days' END)",
            photos,
        )
        tx.many(TRAINING, trainings)
        tx.many(DRAWING, drawings)
        tx.many(
            "INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer, sent, "
            "dataset_id, intent_id, intent_at, provider_id) "
            "SELECT %(id)s::uuid, s.owner_id, s.id, %(number)s, 'training', 'likeness@v1', 't', '{}', "
            "(SELECT id FROM datasets WHERE subject_id = s.id LIMIT 1), gen_random_uuid(), now(), "
            "%(id)s::uuid::text FROM subjects s WHERE s.id = %(subject)s",
            live,
        )
        tx.many(
            "INSERT INTO temporary_objects (key, purpose, training_id, expires_at) "
            "VALUES (%(key)s, 'submission', %(training)s, now() + make_interval(hours => %(hours)s))",
            temporary,
        )
    keys = list(objects)

    def some(part: Sequence[str]) -> None:
        for key in part:
            world.cx.tools.store.put_bytes(key, objects[key], "application/octet-stream")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, (keys[n::8] for n in range(8))))


def command(name: str) -> list[str]:
    """As the Procfile has it."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    words = shlex.split(
        next(line for line in lines if line.startswith(f"{name}: ")).split(": ", 1)[1]
    )
    return [sys.executable, *(["-m", *words] if words[0] == "celery" else words[1:])]


@contextmanager
def process(world: World, name: str, ready: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The worker or the clock, ready; killed with the block."""
    ready.unlink(missing_ok=True)
    started = subprocess.Popen(
        command(name), cwd=ROOT, env={**world.env, "SAFELIGHT_READY_FILE": str(ready)}
    )
    try:
        wait_until(ready.exists, 60, f"{name} is ready")
        yield started
    finally:
        started.kill()
        started.wait(10)


def things_to_do(world: World) -> dict[str, int]:
    with world.cx.db.transaction() as tx:
        return {
            str(line.rule): line.things
            for line in plan(tx, policy_of(world.cx.settings))
            if line.things
        }


def open_jobs(world: World) -> int:
    n: int = world.one(
        "SELECT count(*) AS n FROM jobs WHERE state IN ('ready', 'leased') AND queue = 'cleanup'"
    )["n"]
    return n


def finished(world: World) -> bool:
    return not things_to_do(world) and open_jobs(world) == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_cleanup_killed_ten_times_takes_what_must_go_and_nothing_else(
    world: World, tmp_path: Path
) -> None:
    """R-11 to R-13, R-105, I5."""
    seed = random.randrange(1_000_000)
    dice = random.Random(seed)
    print(f"seed {seed}")
    world.emulator.settings(
        version_delete_seconds=1.0,
        faults=[{"on": "delete_version", "do": "refuse", "status": 409, "times": 5}],
    )
    before = things_to_do(world)
    assert before["versions"] == len(world.archived) == SUBJECTS * (VERSIONS - KEEP - 1)
    assert before["previews"] == SUBJECTS * (VERSIONS - KEEP) * DRAWINGS
    assert before["recycled photos"] == (SUBJECTS - LIVE) * REMOVED
    with world.cx.db.transaction() as tx:
        run_cleanup(tx, world.who, walk=True)
    at_work = 0
    with process(world, "clock", tmp_path / "clock"):
        for _ in range(KILLS):
            with process(world, "cleanup", tmp_path / "worker"):
                time.sleep(dice.uniform(0.2, 3.0))
            at_work += world.one("SELECT count(*) AS n FROM jobs WHERE state = 'leased'")["n"] > 0
            assert world.listed() >= world.stay, "after a kill: everything that is to stay is there"
        with process(world, "cleanup", tmp_path / "worker"):
            wait_until(lambda: finished(world), 600, "cleanup is done")
            assert world.listed() == world.stay
            check(world)
            again(world)
    assert at_work >= KILLS // 2, f"{at_work} of {KILLS} kills hit work"


def check(world: World) -> None:
    """Every row says what the store and the provider show."""
    found = world.one(
        "SELECT array_agg(id) FILTER (WHERE state = 'archived') AS archived, "
        "array_agg(id) FILTER (WHERE state IN ('candidate', 'active')) AS kept, "
        "count(*) FILTER (WHERE state = 'archived' AND provider_deleted_at IS NULL) AS there FROM versions"
    )
    assert set(found["archived"]) == world.archived
    assert set(found["kept"]) == world.kept
    assert found["there"] == 0
    left = set[str]()
    page = None
    while True:
        listed = world.cx.tools.provider.list_versions("emulated/lora", page)
        left |= set(listed.versions)
        page = listed.next
        if page is None:
            break
    assert left == {version.hex * 2 for version in world.kept}
    archivings = world.one(
        "SELECT count(*) AS n, count(DISTINCT noun_id) AS once FROM events "
        "WHERE noun = 'version' AND after = 'archived'"
    )
    assert archivings == {"n": len(world.archived), "once": len(world.archived)}
    assert world.one("SELECT count(*) AS n FROM trainings WHERE state = 'training'") == {"n": LIVE}
    assert world.one("SELECT count(*) AS n FROM jobs WHERE state = 'parked'") == {"n": 0}
    assert world.one("SELECT count(*) AS n FROM strays WHERE place = 'store'") == {"n": 0}


def again(world: World) -> None:
    """A second run, walks and all, finds nothing to do."""
    mark = world.one("SELECT now() AS at")["at"]
    with world.cx.db.transaction() as tx:
        run_cleanup(tx, world.who, walk=True)
    wait_until(lambda: finished(world), 300, "the second run is done")
    reasons = world.one(
        "SELECT array_agg(DISTINCT reason) AS r FROM jobs WHERE finished_at > %(at)s", at=mark
    )["r"]
    assert {"nothing is past its age", "nothing to purge", "0 versions to archive"} <= set(reasons)
    for reason in reasons:
        assert "let go" not in reason, reasons
        assert " purged" not in reason, reasons
    changed = world.one(
        "SELECT count(*) AS n FROM events WHERE at > %(at)s AND noun <> 'job'", at=mark
    )
    assert changed == {"n": 0}
    assert world.listed() == world.stay
