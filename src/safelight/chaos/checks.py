"""I1 to I7, checked after the fire against Postgres, the object store and the provider's ledger."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from safelight.chaos import promises
from safelight.chaos.points import PHANTOMS
from safelight.chaos.promises import Verdict
from safelight.chaos.waits import LIMIT_SECONDS, Waits
from safelight.chaos.world import World
from safelight.db import invariants
from safelight.db.transaction import Row
from safelight.domain.errors import SafelightError


def check(world: World, accepted: Iterable[UUID], waits: Waits) -> list[Verdict]:
    """Every promise. The world must be quiet; *waits* were looked at since it is."""
    ledger = world.ask_emulator("ledger")["entries"]
    with world.cx.db.transaction() as tx:
        trainings, generations = invariants.trainings(tx), invariants.generations(tx)
        open_jobs, parked = invariants.open_jobs(tx), invariants.parked_jobs(tx)
        overdue = invariants.overdue(tx, LIMIT_SECONDS)
        stale, histories = invariants.stale_writes(tx), invariants.broken_histories(tx)
        moves, promised = invariants.moves(tx), invariants.promised_objects(tx)
        settles = invariants.settles(tx)
    runs = [*trainings, *generations]
    return [
        promises.all_ended(list(accepted), trainings, generations, open_jobs, parked),
        promises.paid_once(runs, ledger),
        Verdict("I3", "no write by a worker whose lease has passed", settles,
                [f"job {s['id']}: settled under fence {s['fence']} of {s['given']}" for s in stale]),
        promises.money(runs, ledger, parked),
        _stored(world, promised, promises.only_if(runs, ledger, parked)),
        _hinted(world, waits, overdue),
        promises.legal(moves, histories),
    ]  # fmt: skip


def _stored(world: World, promised: list[Row], only_if: tuple[list[str], Counter[str]]) -> Verdict:
    wrong, excused = list(only_if[0]), only_if[1]
    with tempfile.TemporaryDirectory() as folder:
        for row in promised:
            if row["key"] is None:
                wrong.append(f"{row['id']} succeeded and nothing is on record")
            elif fault := _object_fault(world, row, Path(folder) / "object"):
                wrong.append(f"{row['id']}: {row['key']} {fault}")
    return Verdict(
        "I5", "succeeded if and only if stored and verified", len(promised), wrong, excused
    )


def _object_fault(world: World, row: Row, path: Path) -> str | None:
    try:
        world.cx.tools.store.get_file(row["key"], path)
    except SafelightError as error:
        return f"cannot be read: {error}"
    if path.stat().st_size != row["bytes"]:
        return f"has {path.stat().st_size} bytes of {row['bytes']}"
    if hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
        return "has another hash"
    return None


def _hinted(world: World, waits: Waits, overdue: list[Row]) -> Verdict:
    phantoms = [
        f"a hint for job {id} was sent before its commit"
        for file in world.points.glob(f"*/{PHANTOMS}")
        for id in file.read_text().split()
    ]
    late = [
        f"job {j['id']} ({j['kind']}) is {j['state']}, overdue by {j['overdue_seconds']:.0f} s"
        for j in overdue
    ]
    return Verdict(
        "I6",
        "nothing due waits longer than one sweep for a hint",
        waits.claims,
        waits.violations() + late + phantoms,
    )
