"""I1 to I7, checked after the fire against Postgres, the object store and the provider's ledger."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from safelight.chaos.points import PHANTOMS
from safelight.chaos.world import World
from safelight.db import invariants
from safelight.db.transaction import Row
from safelight.domain.errors import SafelightError
from safelight.domain.states import TERMINAL_GENERATION, TERMINAL_TRAINING, may_move

OVERDUE_SECONDS = 5.0
"""With all workers up and nothing in the way, a due job is claimed within a second or two: a sweep, and
a turn. Past this nobody was told of it."""
SHOWN = 5
"""Violations that are spelled out for each promise."""


@dataclass(frozen=True)
class Verdict:
    """One promise: what was looked at, and what was found to break it."""

    name: str
    promise: str
    looked_at: int
    violations: list[str]

    @property
    def holds(self) -> bool:
        """Nothing broke it."""
        return not self.violations

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "promise": self.promise,
            "holds": self.holds,
            "looked_at": self.looked_at,
            "violations": len(self.violations),
            "examples": self.violations[:SHOWN],
        }


def check(world: World, accepted: Iterable[UUID]) -> list[Verdict]:
    """Every promise. The world must be quiet."""
    ledger = world.ask_emulator("ledger")["entries"]
    with world.cx.db.transaction() as tx:
        trainings, generations = invariants.trainings(tx), invariants.generations(tx)
        open_jobs, parked = invariants.open_jobs(tx), invariants.parked_jobs(tx)
        overdue = invariants.overdue(tx, OVERDUE_SECONDS)
        stale, histories = invariants.stale_writes(tx), invariants.broken_histories(tx)
        moves, promised = invariants.moves(tx), invariants.promised_objects(tx)
        made = invariants.jobs_made(tx)
    runs = [*trainings, *generations]
    return [
        _all_ended(list(accepted), trainings, generations, open_jobs, parked),
        _paid_once(runs, ledger),
        Verdict("I3", "no write by a worker whose lease has passed", len(runs),
                [f"job {s['id']}: settled under fence {s['fence']} of {s['given']}" for s in stale]),
        _money(runs, ledger),
        _stored(world, promised),
        _hinted(world, made, overdue),
        _legal(moves, histories),
    ]  # fmt: skip


def _all_ended(
    accepted: list[UUID], trainings: list[Row], generations: list[Row],
    open_jobs: list[Row], parked: list[Row],
) -> Verdict:  # fmt: skip
    states = {row["id"]: row["state"] for row in trainings}
    stands = {row["target_id"] for row in parked if row["reason"] and row["error"]}
    lost = [f"training {id} was accepted and is nowhere" for id in accepted if id not in states]
    stuck = [
        f"{row['state']}: {row['id']} has neither ended nor a parked job"
        for rows, ended in ((trainings, TERMINAL_TRAINING), (generations, TERMINAL_GENERATION))
        for row in rows
        if row["state"] not in ended and row["id"] not in stands and row["state"] != "blocked"
    ]
    jobs = [f"job {j['id']} ({j['kind']}) is {j['state']}: {j['error']}" for j in open_jobs]
    return Verdict(
        "I1", "every accepted job ends, or stands visibly parked", len(accepted),
        lost + stuck + jobs,
    )  # fmt: skip


def _paid_once(runs: list[Row], ledger: list[dict[str, Any]]) -> Verdict:
    marks: Counter[str] = Counter()
    known = {mark: row["id"] for row in runs for mark in row["intents"]}
    strangers = []
    for entry in ledger:
        text = f"{entry['webhook']} {entry['input'].get('input_images')}"
        found = {known[mark] for mark in known if mark in text}
        marks.update(str(id) for id in found)
        if not found:
            strangers.append(
                f"{entry['kind']} {entry['id']} was accepted and bears no mark of ours"
            )
    twice = [f"{id}: accepted {times} times" for id, times in marks.items() if times > 1]
    return Verdict(
        "I2", "at most one paid request is accepted for each", len(ledger), twice + strangers
    )


def _money(runs: list[Row], ledger: list[dict[str, Any]]) -> Verdict:
    charged = {e["id"]: e["price_usd"] for e in ledger if e["ended_at"] is not None}
    wrong = []
    for row in runs:
        price = charged.get(row["provider_id"])
        vanished = row["error"] and "knows it no more" in row["error"]
        if price is None or vanished:
            continue
        recorded = row["cost_micro_usd"] or 0
        if abs(recorded - round(price * 1_000_000)) > 1:
            wrong.append(f"{row['id']}: recorded {recorded}, charged {round(price * 1_000_000)}")
    return Verdict("I4", "the money recorded is the money charged", len(charged), wrong)


def _stored(world: World, promised: list[Row]) -> Verdict:
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for row in promised:
            if row["key"] is None:
                wrong.append(f"{row['id']} succeeded and nothing is on record")
            elif fault := _object_fault(world, row, Path(folder) / "object"):
                wrong.append(f"{row['id']}: {row['key']} {fault}")
    return Verdict("I5", "succeeded means stored and verified", len(promised), wrong)


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


def _hinted(world: World, made: int, overdue: list[Row]) -> Verdict:
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
        "I6", "nothing due waits longer than one sweep for a hint", made, late + phantoms
    )


def _legal(moves: list[Row], histories: list[Row]) -> Verdict:
    illegal = [
        f"{m['noun']}: {m['before']} to {m['after']}"
        for m in moves
        if not may_move(m["noun"], m["before"], m["after"])
    ]
    broken = [
        f"{h['noun']} {h['noun_id']}: was {h['prior']}, then {h['before']} to {h['after']}"
        for h in histories
    ]
    return Verdict(
        "I7", "every history is a path in the state diagram", len(moves), illegal + broken
    )
