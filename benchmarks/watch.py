"""Ten thousand trainings in flight on the emulator: what watching them costs, and how late we are.

A real poll worker, the clock and the API, real Postgres and Valkey. A steady state: lives of 20 to 40
minutes, what has ended lies in the list between what runs, and about as many are accepted a second as
end. Provider calls a minute, over whole turns of the watch, against one get each a minute, and the time
from the provider's end of a run to our row, first without any webhook, then with. The last line is
JSON. `make bench NAME=watch`.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.manners import say, start, stop_all, stores_in, workplace
from safelight.db.migrate import migrate
from safelight.db.transaction import Database
from safelight.domain.ids import new_id
from safelight.domain.queues import Kind
from safelight.domain.trainer_inputs import TRAINER
from safelight.flow import paid
from safelight.local.emulator.course import Course
from safelight.local.emulator.models import TRAINER_VERSION
from safelight.local.emulator.state import State
from safelight.local.emulator.state import new_id as run_id
from safelight.local.process import Child
from tests.support.emulator import TOKEN, Emulator, free_port

STEPS = (1320, 2820)
"""From, to: lives of 20 to 40 minutes (`Course`)."""
WARM = 20.0
"""Seconds until all processes are up and have looked once."""
SEEN = 45.0
"""Seconds after the measurement in which what ended in it is still waited for."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training on both sides: when it is created, and when it ends."""

    id: str
    intent: UUID
    training: UUID
    steps: int
    created: float
    due: float


def steady(count: int, now: float, seconds: float) -> list[Run]:
    """What a steady state of *count* in flight has created in the longest life before *now*, and will
    create in *seconds* from now, oldest first."""
    chance = random.Random(1)
    longest = Course(STEPS[1]).ended
    rate = count / Course(sum(STEPS) // 2).ended
    runs = []
    for _ in range(int(rate * (longest + seconds))):
        steps = chance.randint(*STEPS)
        created = now + chance.uniform(-longest, seconds)
        due = created + Course(steps).ended
        runs.append(Run(run_id(), new_id(), new_id(), steps, created, due))
    return sorted(runs, key=lambda run: run.created)


def there(emulator: Path, runs: Sequence[Run], hook: str | None, now: float) -> None:
    """Put *runs* into the emulator."""
    rows = []
    for run in runs:
        ended = run.due if run.due <= now else None
        url = f"{hook}?intent={run.intent}" if hook else None
        body = {"steps": run.steps, "input_images": f"http://127.0.0.1/{run.intent}.zip"}
        rows.append(
            (run.id, "training", "emulated", TRAINER, TRAINER_VERSION, "emulated/bench", json.dumps(body),
             url, '["completed"]', run.created, run.created + Course(run.steps).started,
             "processing" if ended is None else "succeeded", run.due, ended)
        )  # fmt: skip
    with sqlite3.connect(emulator / "emulator.sqlite", timeout=30) as file:
        file.executemany(
            "INSERT INTO runs (id, kind, account, model, version, destination, input, webhook, filter, "
            "created, started, status, next_at, ended, ready) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
            rows,
        )
    file.close()


def here(cursor: psycopg.Cursor[Any], owner: UUID, runs: Sequence[Run]) -> None:
    """Put *runs* into our tables: accepted, and not ended as far as we know."""
    rows = [(new_id(), new_id(), run) for run in runs]
    with cursor.copy("COPY subjects (id, owner_id, name, kind, trigger_word) FROM STDIN") as copy:
        for subject, _, run in rows:
            copy.write_row((subject, owner, run.id, "character", f"sl{run.id[:12]}"))
    with cursor.copy(
        "COPY datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest, "
        "report, photos) FROM STDIN"
    ) as copy:
        for subject, dataset, _ in rows:
            copy.write_row((dataset, subject, 1, "p", "k", 1, "0" * 64, "m", "{}", "{}", 1))
    with cursor.copy(
        "COPY trainings (id, owner_id, subject_id, number, state, profile, dataset_id, trainer, sent, "
        "intent_id, intent_at, provider_id, provider_status, accepted_at) FROM STDIN"
    ) as copy:
        for subject, dataset, run in rows:
            at = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(run.created))
            copy.write_row(
                (run.training, owner, subject, 1, "training", "p", dataset, TRAINER, "{}", run.intent, at,
                 run.id, "processing", at)
            )  # fmt: skip


def run(folder: Path, count: int, seconds: float, *, hooks: bool) -> dict[str, Any]:
    """One measurement."""
    with ExitStack() as stack:
        stores = stack.enter_context(stores_in(folder))
        migrate(stores.database_url)
        db = Database(stores.database_url, lambda _hints: None)
        stack.callback(db.close)
        api = free_port()
        hook = f"http://127.0.0.1:{api}/webhooks/replicate" if hooks else None
        emulator = Emulator(folder / "emulator", ("--time-scale", "1"))
        State(emulator.data).close()
        owner, now = new_id(), time.time()
        runs = steady(count, now, WARM + seconds + SEEN)
        old = [one for one in runs if one.created <= now]
        there(emulator.data, old, hook, now)
        with psycopg.connect(stores.database_url) as ours, ours.cursor() as cursor:
            cursor.execute("INSERT INTO owners (id, name) VALUES (%s, 'bench')", (owner,))
            in_flight = [one for one in old if one.due > now]
            here(cursor, owner, in_flight)
        with db.transaction() as tx:
            paid.watch(tx, Kind.WATCH_TRAININGS, "bench")
        emulator.start()
        stack.callback(emulator.end)
        env = {
            **stores.environment,
            "REPLICATE_API_TOKEN": TOKEN,
            "REPLICATE_BASE_URL": emulator.url,
            "SAFELIGHT_LOG_LEVEL": "WARNING",
        }
        celery = "-m celery -A workers.poll worker --without-mingle --without-gossip"
        children: list[Child] = []
        stack.callback(stop_all, children)
        for name, command in (
            ("poll", celery.split()),
            ("clock", ["-m", "workers.beat"]),
            ("api", ["-m", "safelight.cli", "api", "--port", str(api)]),
        ):
            children.append(start(name, command, env, folder / f"{name}.log"))
        say(f"{len(in_flight):,} in flight; it is measured for {seconds + WARM + SEEN:.0f} s")
        started = time.time() + WARM
        samples: list[tuple[float, Counter[str]]] = []
        arriving = [one for one in runs if one.created > now]
        while time.time() < started + seconds + SEEN:
            # What a request of ours that was accepted writes: the run on both sides, and the watch.
            while arriving and arriving[0].created <= time.time():
                one = arriving.pop(0)
                there(emulator.data, [one], hook, time.time())
                with psycopg.connect(stores.database_url) as ours, ours.cursor() as cursor:
                    here(cursor, owner, [one])
                with db.transaction() as tx:
                    paid.watch(tx, Kind.WATCH_TRAININGS, "bench")
            samples.append((time.time(), _calls(emulator)))
            time.sleep(0.3)
        turns = _turns(stores.database_url, started, started + seconds)
        if (
            len(turns) > 2 and len(turns) % 2 == 0
        ):  # one over all and one over the older half take turns
            turns.pop()
        minutes, asked = _asked(samples, turns)
        late = _lateness(stores.database_url, emulator, started, started + seconds)
    calls = asked.total() / minutes
    return {
        "in_flight": len(in_flight),
        "arrived": sum(started < one.created <= started + seconds for one in runs),
        "ended": len(late),
        "turns": len(turns) - 1,
        "seconds_a_turn": round(minutes * 60 / (len(turns) - 1), 1),
        "calls_a_minute": round(calls, 1),
        "lists_and_gets_a_minute": [round(asked[p] / minutes, 1) for p in ("list", "get")],
        "times_fewer_than_a_get_each_a_minute": round(len(in_flight) / calls, 1),
        "late_p50_seconds": round(statistics.median(late), 2),
        "late_p95_seconds": round(statistics.quantiles(late, n=20)[18], 2),
    }


def _calls(emulator: Emulator) -> Counter[str]:
    """How many lists and gets the provider was asked for."""
    asked = emulator.own("GET", "faults").json()["requests"]
    return Counter({place: asked.get(place, 0) for place in ("list", "get")})


def _turns(url: str, since: float, until: float) -> list[float]:
    """When the watch began its turns."""
    with psycopg.connect(url) as ours:
        rows = ours.execute(
            "SELECT extract(epoch FROM e.at)::float8 FROM events e JOIN jobs j ON j.id = e.noun_id "
            "WHERE e.noun = 'job' AND j.kind = 'watch_trainings' AND e.after = 'leased' ORDER BY e.id"
        ).fetchall()
    found = [at for (at,) in rows if since <= at <= until]
    if len(found) < 2:
        raise SystemExit(f"{len(found)} turns began in the time measured: measure for longer")
    return found


def _asked(
    samples: Sequence[tuple[float, Counter[str]]], turns: Sequence[float]
) -> tuple[float, Counter[str]]:
    """Minutes from the first turn's begin to the last one's, and the calls in them: a turn's calls come
    together, so a part of a turn would count too many or too few."""
    times = [at for at, _ in samples]
    first, last = (samples[bisect_right(times, at) - 1][1] for at in (turns[0], turns[-1]))
    return (turns[-1] - turns[0]) / 60, last - first


def _lateness(url: str, emulator: Emulator, since: float, until: float) -> list[float]:
    """Seconds from the end to our row, of all that ended between; up to now, where there is none."""
    with psycopg.connect(url) as ours:
        rows = ours.execute(
            "SELECT t.provider_id, extract(epoch FROM min(e.at))::float8 FROM trainings t "
            "JOIN events e ON e.noun_id = t.id AND e.after IN ('storing', 'failed') GROUP BY t.id"
        ).fetchall()
    seen: dict[str, float] = dict(rows)
    now = time.time()
    ended = {e["id"]: e["ended_at"] for e in emulator.ledger() if e["ended_at"]}
    return [seen.get(id, now) - at for id, at in ended.items() if since <= at <= until]


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=200.0, help="how long it is measured")
    given = parser.parse_args()
    result = {}
    for name, hooks in (("without_webhooks", False), ("with_webhooks", True)):
        with workplace() as folder:
            say(name)
            result[name] = run(folder, given.in_flight, given.seconds, hooks=hooks)
        say(f"{name} {result[name]}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
