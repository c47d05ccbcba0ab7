"""Ten thousand trainings in flight on the emulator: what watching them costs, and how late we are.

A real poll worker, the clock and the API, real Postgres and Valkey. Provider calls a minute, against one
get each a minute, and the time from the provider's end of a run to our row, first without any webhook,
then with. The last line is JSON. `make bench NAME=watch`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg

from safelight.db.migrate import migrate
from safelight.domain.ids import new_id
from safelight.domain.trainer_inputs import TRAINER
from safelight.local.emulator.course import Course
from safelight.local.emulator.models import TRAINER_VERSION
from safelight.local.emulator.state import State
from safelight.local.emulator.state import new_id as run_id
from tests.support.emulator import TOKEN, Emulator, free_port
from tests.support.servers import start_stores

STEPS = 1000


def fill(
    url: str, emulator: Path, count: int, ending: int, seconds: float, hook: str | None
) -> None:
    """*count* trainings in flight on both sides, *ending* of them evenly within *seconds*."""
    course = Course(STEPS)
    now = time.time()
    chance = random.Random(1)
    state = State(emulator)
    owner, rows, runs = new_id(), [], []
    for number in range(count):
        # The others have from half of their time to all of it before them: none ends meanwhile.
        left = course.ended * chance.uniform(0.5, 1.0)
        due = now + (20 + number / ending * seconds if number < ending else left)
        created = due - course.ended
        intent, id = new_id(), run_id()
        rows.append((new_id(), new_id(), new_id(), intent, id, created))
        webhook = f"{hook}?intent={intent}" if hook else None
        body = {"steps": STEPS, "input_images": f"http://127.0.0.1/{intent}.zip"}
        runs.append(
            (id, "training", "emulated", TRAINER, TRAINER_VERSION, "emulated/bench", json.dumps(body),
             webhook, '["completed"]', created, created + course.started, "processing", due)
        )  # fmt: skip
    chance.shuffle(runs)
    state.close()
    with sqlite3.connect(emulator / "emulator.sqlite") as there:
        there.executemany(
            "INSERT INTO runs (id, kind, account, model, version, destination, input, webhook, filter, "
            "created, started, status, next_at, ready) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
            runs,
        )
    with psycopg.connect(url) as here, here.cursor() as cursor:
        cursor.execute("INSERT INTO owners (id, name) VALUES (%s, 'bench')", (owner,))
        with cursor.copy(
            "COPY subjects (id, owner_id, name, kind, trigger_word) FROM STDIN"
        ) as copy:
            for subject, *_, id, _ in rows:
                copy.write_row((subject, owner, id, "character", f"sl{id[:12]}"))
        with cursor.copy(
            "COPY datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest, "
            "report, photos) FROM STDIN"
        ) as copy:
            for subject, dataset, *_ in rows:
                copy.write_row((dataset, subject, 1, "p", "k", 1, "0" * 64, "m", "{}", "{}", 1))
        with cursor.copy(
            "COPY trainings (id, owner_id, subject_id, number, state, profile, dataset_id, trainer, sent, "
            "intent_id, intent_at, provider_id, provider_status, accepted_at) FROM STDIN"
        ) as copy:
            for subject, dataset, training, intent, id, created in rows:
                at = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(created))
                copy.write_row(
                    (training, owner, subject, 1, "training", "p", dataset, TRAINER, "{}", intent, at,
                     id, "processing", at)
                )  # fmt: skip
        cursor.execute(
            "INSERT INTO jobs (id, queue, kind, max_attempts, lease_seconds, unique_key) "
            "VALUES (%s, 'poll', 'watch_trainings', 1000, 30, 'watch_trainings')",
            (new_id(),),
        )


def run(folder: Path, count: int, ending: int, seconds: float, *, hooks: bool) -> dict[str, Any]:
    """One measurement."""
    with ExitStack() as stack:
        stores = start_stores(folder)
        stack.callback(stores.remove)
        migrate(stores.database_url)
        api = free_port()
        hook = f"http://127.0.0.1:{api}/webhooks/replicate" if hooks else None
        emulator = Emulator(folder / "emulator", ("--time-scale", "1"))
        fill(stores.database_url, emulator.data, count, ending, seconds, hook)
        emulator.start()
        stack.callback(emulator.end)
        env = {
            **os.environ,
            **stores.environment,
            "REPLICATE_API_TOKEN": TOKEN,
            "REPLICATE_BASE_URL": emulator.url,
            "SAFELIGHT_LOG_LEVEL": "WARNING",
        }
        celery = [
            "-m",
            "celery",
            "-A",
            "workers.poll",
            "worker",
            "--without-mingle",
            "--without-gossip",
        ]
        for command in (
            celery,
            ["-m", "workers.beat"],
            ["-m", "safelight.cli", "api", "--port", str(api)],
        ):
            process = subprocess.Popen(
                [sys.executable, *command],
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        time.sleep(20)  # until the first of them ends: all are up, and have looked once
        before = _calls(emulator)
        started = time.monotonic()
        _wait(stores.database_url, ending, seconds + 60)
        minutes = (time.monotonic() - started) / 60
        asked = _calls(emulator) - before
        calls = asked.total() / minutes
        late = _lateness(stores.database_url, emulator)
    return {
        "in_flight": count,
        "ended": len(late),
        "calls_a_minute": round(calls, 1),
        "lists_and_gets": [asked["list"], asked["get"]],
        "times_fewer_than_a_get_each_a_minute": round(count / calls, 1),
        "late_p50_seconds": round(statistics.median(late), 2),
        "late_p95_seconds": round(statistics.quantiles(late, n=20)[18], 2),
    }


def _calls(emulator: Emulator) -> Counter[str]:
    """How many lists and gets the provider was asked for."""
    asked = httpx.get(f"{emulator.url}/_emulator/faults", timeout=10).json()["requests"]
    return Counter({place: asked.get(place, 0) for place in ("list", "get")})


def _wait(url: str, ending: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with psycopg.connect(url, autocommit=True) as here:
        while time.monotonic() < deadline:
            row = here.execute("SELECT count(*) FROM trainings WHERE state = 'storing'").fetchone()
            if row and row[0] >= ending:
                return
            time.sleep(1)


def _lateness(url: str, emulator: Emulator) -> list[float]:
    ended = {entry["id"]: entry["ended_at"] for entry in emulator.ledger() if entry["ended_at"]}
    with psycopg.connect(url) as here:
        rows = here.execute(
            "SELECT t.provider_id, extract(epoch FROM e.at)::float8 FROM trainings t "
            "JOIN events e ON e.noun_id = t.id AND e.after = 'storing'"
        ).fetchall()
    return [at - ended[id] for id, at in rows]


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, default=10_000)
    parser.add_argument("--ending", type=int, default=600, help="how many end while it is measured")
    parser.add_argument("--seconds", type=float, default=100.0)
    given = parser.parse_args()
    result = {}
    for name, hooks in (("without_webhooks", False), ("with_webhooks", True)):
        with tempfile.TemporaryDirectory(prefix="safelight-bench-") as folder:
            result[name] = run(
                Path(folder), given.in_flight, given.ending, given.seconds, hooks=hooks
            )
        print(name, result[name], flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
