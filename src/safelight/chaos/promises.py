"""What the promises say of rows and of the provider's ledger: no world is needed to judge by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from safelight.db.transaction import Row
from safelight.domain.states import TERMINAL_GENERATION, TERMINAL_TRAINING, may_move
from safelight.flow.work.watching import VANISHED

SHOWN = 5
"""Violations that are spelled out for each promise."""

Entry = dict[str, Any]
"""A request that the provider accepted, as its ledger has it."""


@dataclass(frozen=True)
class Verdict:
    """One promise: what was looked at, what was found to break it, and what was let pass, and why."""

    name: str
    promise: str
    looked_at: int
    violations: list[str]
    excused: Counter[str] = field(default_factory=Counter)

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
            "excused": dict(self.excused),
        }


def all_ended(
    accepted: list[UUID], trainings: list[Row], generations: list[Row],
    open_jobs: list[Row], parked: list[Row],
) -> Verdict:  # fmt: skip
    """I1. What stands still has a parked job with a reason, a blocked training too."""
    states = {row["id"]: row["state"] for row in trainings}
    stands = {row["target_id"] for row in parked if row["reason"] and row["error"]}
    lost = [f"training {id} was accepted and is nowhere" for id in accepted if id not in states]
    stuck = [
        f"{row['state']}: {row['id']} has neither ended nor a parked job"
        for rows, ended in ((trainings, TERMINAL_TRAINING), (generations, TERMINAL_GENERATION))
        for row in rows
        if row["state"] not in ended and row["id"] not in stands
    ]
    jobs = [f"job {j['id']} ({j['kind']}) is {j['state']}: {j['error']}" for j in open_jobs]
    return Verdict(
        "I1", "every accepted job ends, or stands visibly parked", len(accepted),
        lost + stuck + jobs,
    )  # fmt: skip


def whose(runs: list[Row], ledger: list[Entry]) -> list[tuple[Entry, Row | None]]:
    """Each entry of the ledger with the row whose mark it bears; None: it bears none."""
    known = {mark: row for row in runs for mark in row["intents"]}
    found: list[tuple[Entry, Row | None]] = []
    for entry in ledger:
        text = f"{entry['webhook']} {entry['input'].get('input_images')}"
        found.append((entry, next((known[mark] for mark in known if mark in text), None)))
    return found


def paid_once(runs: list[Row], ledger: list[Entry]) -> Verdict:
    """I2."""
    marks: Counter[str] = Counter()
    strangers = []
    for entry, row in whose(runs, ledger):
        if row is None:
            strangers.append(
                f"{entry['kind']} {entry['id']} was accepted and bears no mark of ours"
            )
        else:
            marks[str(row["id"])] += 1
    twice = [f"{id}: accepted {times} times" for id, times in marks.items() if times > 1]
    return Verdict(
        "I2", "at most one paid request is accepted for each", len(ledger), twice + strangers
    )


def money(runs: list[Row], ledger: list[Entry], parked: list[Row]) -> Verdict:
    """I4, both ways: what is on record was charged, and what was charged is on record."""
    stands = {row["target_id"] for row in parked}
    entries = {entry["id"] for entry in ledger}
    excused: Counter[str] = Counter()
    wrong = [
        f"{row['id']}: recorded {row['cost_micro_usd']} for a run that the provider never had"
        for row in runs
        if row["provider_id"] not in entries and (row["provider_id"] or row["cost_micro_usd"])
    ]
    for entry, row in whose(runs, ledger):
        if row is None:
            continue  # I2 says so
        if row["provider_id"] != entry["id"]:
            if why := _not_on_record(row, stands):
                excused[why] += 1
            else:
                wrong.append(
                    f"{row['id']}: {entry['id']} was accepted for it and is not on record "
                    f"({row['state']}, {row['provider_id']})"
                )
        elif entry["ended_at"] is not None:
            recorded, charged = row["cost_micro_usd"] or 0, round(entry["price_usd"] * 1_000_000)
            if abs(recorded - charged) <= 1:
                continue
            if _vanished(row):
                excused["the run vanished"] += 1
            else:
                wrong.append(f"{row['id']}: recorded {recorded}, charged {charged}")
    return Verdict("I4", "the money recorded is the money charged", len(ledger), wrong, excused)


def only_if(
    runs: list[Row], ledger: list[Entry], parked: list[Row]
) -> tuple[list[str], Counter[str]]:
    """I5's other half: what succeeded at the provider succeeded here, or it is said why not."""
    stands = {row["target_id"] for row in parked if row["reason"] and row["error"]}
    wrong, excused = [], Counter[str]()
    for entry, row in whose(runs, ledger):
        if row is None or entry["status"] != "succeeded" or row["state"] == "succeeded":
            continue
        if row["id"] in stands:
            excused["parked"] += 1
        elif _vanished(row):
            excused["the run vanished"] += 1
        elif row["state"] == "canceled":
            excused["cancelled"] += 1
        else:
            wrong.append(f"{row['id']} is {row['state']}; {entry['id']} succeeded: {row['error']}")
    return wrong, excused


def _not_on_record(row: Row, stands: set[UUID]) -> str | None:
    """Why an accepted request may be without its id on record."""
    if row["state"] == "unknown" and row["id"] in stands:
        return "parked as unknown"
    if row["state"] == "canceled" and "given up" in (row["error"] or ""):
        return "given up by a person"
    return None


def _vanished(row: Row) -> bool:
    return (row["state"], row["error"]) == ("failed", VANISHED)


def legal(moves: list[Row], histories: list[Row]) -> Verdict:
    """I7."""
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


def most_succeeded(accepted: Iterable[UUID], trainings: list[Row]) -> bool:
    """Whether half of what was accepted succeeded, or more: where nothing comes to an end, little is
    promised and nothing is shown."""
    asked = set(accepted)
    good = sum(row["id"] in asked and row["state"] == "succeeded" for row in trainings)
    return bool(asked) and 2 * good >= len(asked)
