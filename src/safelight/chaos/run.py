"""A chaos run from start to verdict."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from safelight.chaos.broken import BREAKS
from safelight.chaos.checks import check
from safelight.chaos.load import Load
from safelight.chaos.nemesis import Nemesis
from safelight.chaos.promises import Verdict, most_succeeded
from safelight.chaos.schedule import draw
from safelight.chaos.waits import LIMIT_SECONDS, sampling
from safelight.chaos.world import World, world
from safelight.db import invariants, jobs

TRAININGS_A_MINUTE = 11.0
STILL_SECONDS = 150.0
"""Where nothing has happened to the subjects' things for so long, what is open is stuck: longer than a
lease, a sweep, a dead link and the longest wait of a retry in these runs."""

GRACE_SECONDS = 15.0
"""From the last fault's end until all workers are back."""
MENDED = ("our account or set-up", "not-found")
"""Why jobs are parked that a person retries when the provider is itself again: no credit, a dead link."""
QUIET_TRAININGS = 3
"""Asked for when it is quiet, so that there are claims to look at."""

Say = Callable[[str], None]


@dataclass
class Report:
    """What a run did and found."""

    seed: int
    minutes: float
    broken: str
    accepted: int = 0
    most_succeeded: bool = False
    refused: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By fault: struck, missed, and the longest until any job's next turn began or ended."""
    retried: int = 0
    provider: dict[str, int] = field(default_factory=dict)
    quiet_seconds: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Every promise held, and most of what was asked for was accepted and half of that succeeded:
        idleness proves nothing."""
        lively = self.accepted > 9 * len(self.refused) and self.most_succeeded
        return lively and all(v.holds for v in self.verdicts)

    @property
    def as_expected(self) -> bool:
        """Every promise held; of a broken build, the one it breaks did not."""
        if self.broken == "-":
            return self.holds
        breaks = BREAKS[self.broken][0]
        return any(v.name == breaks and not v.holds for v in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "seed": self.seed,
            "minutes": self.minutes,
            "broken": None if self.broken == "-" else self.broken,
            "trainings": {"accepted": self.accepted, "refused": self.refused, **self.ended},
            "most_succeeded": self.most_succeeded,
            "parked": self.parked,
            "retried": self.retried,
            "faults": self.faults,
            "provider_faults": self.provider,
            "quiet_seconds": round(self.quiet_seconds, 1),
            "promises": {verdict.name: verdict.to_dict() for verdict in self.verdicts},
            "holds": self.holds,
        }


def run(
    seed: int,
    minutes: float,
    base: Mapping[str, str],
    *,
    broken: str = "-",
    trainings: int | None = None,
    say: Say = lambda _line: None,
    home: Path | None = None,
) -> Report:
    """Start a world, load it, strike at it for *minutes*, let it come to rest, check the promises."""
    report = Report(seed, minutes, broken)
    only = BREAKS[broken][1] if broken != "-" else ()
    strikes = draw(seed, 60 * minutes, only=only)
    count = trainings or max(4, round(minutes * TRAININGS_A_MINUTE))
    with tempfile.TemporaryDirectory(prefix="safelight-chaos-") as folder:
        place = home or Path(folder)
        say(f"seed {seed}: {len(strikes)} faults and {count} trainings in {minutes:g} minutes")
        with world(place, base, broken=broken) as found:
            say("the world is up")
            load = Load(found, count, 60 * minutes, seed)
            nemesis = Nemesis(found, seed)
            load.start()
            nemesis.run(strikes)
            load.finish()
            say("quiet")
            nemesis.quiet()
            started = time.monotonic()
            time.sleep(max(GRACE_SECONDS, nemesis.deaf_until - started))
            report.retried = retry_parked(found)
            with sampling(found) as waits:
                load.more(QUIET_TRAININGS)
                rest(found, STILL_SECONDS if broken == "-" else 45.0, say)
            report.quiet_seconds = time.monotonic() - started
            report.accepted, report.refused = len(load.accepted), load.refused
            report.faults = outcomes(found, nemesis)
            report.provider = found.ask_emulator("faults")["struck"]
            report.verdicts = check(found, load.accepted, waits)
            _count(found, report, load.accepted)
    return report


def retry_parked(found: World) -> int:
    """What a person does once the account is in order and links work: have what was parked for that
    tried again. Returns how many. What is parked as unknown stays."""
    with found.cx.db.transaction() as tx:
        parked = [job for job in invariants.parked_jobs(tx) if job["reason"] in MENDED]
        for job in parked:
            jobs.retry(tx, job["id"], actor="chaos", reason="mended")
    return len(parked)


def outcomes(found: World, nemesis: Nemesis) -> dict[str, dict[str, Any]]:
    """What became of each fault, and how long, at worst, nothing went on after it had ended."""
    told = {}
    with found.cx.db.transaction() as tx:
        for name, met in sorted(nemesis.met.items()):
            turns = [invariants.next_turn(tx, ended) for ended in met.ended]
            seen = [seconds for seconds in turns if seconds is not None]
            worst = round(max(seen), 1) if seen else None
            told[name] = {"struck": met.struck, "missed": met.missed, "next_turn_seconds": worst}
    return told


def rest(found: World, seconds: float, say: Say) -> None:
    """Until nothing is open, or nothing has happened for *seconds*: a slow machine is not a lost job."""
    told = 0.0
    last, moved = -1, time.monotonic()
    while time.monotonic() - moved < seconds:
        with found.cx.db.transaction() as tx:
            open, newest = invariants.open_jobs(tx), invariants.newest_event(tx)
            late = invariants.overdue(tx, LIMIT_SECONDS)
        if not open and not late:
            return
        if newest != last:
            last, moved = newest, time.monotonic()
        if time.monotonic() - told > 10:
            told = time.monotonic()
            kinds = Counter(f"{j['kind']} {j['state']}" for j in open)
            say(f"{len(open)} jobs open: {dict(kinds.most_common(4))}")
        time.sleep(0.5)


def _count(found: World, report: Report, accepted: list[UUID]) -> None:
    with found.cx.db.transaction() as tx:
        trainings, parked = invariants.trainings(tx), invariants.parked_jobs(tx)
    report.most_succeeded = most_succeeded(accepted, trainings)
    report.ended = dict(Counter(row["state"] for row in trainings))
    report.parked = dict(Counter(f"{row['kind']}: {row['reason']}" for row in parked))
