"""``python -m benchmarks.mutants [KIND ...]``: mutants of every kind; the last line is JSON.

Exit code 1: something took over ten seconds or too much memory, or ended in an error without a name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from benchmarks.mutants import KINDS, photos, running
from benchmarks.mutants.outcome import Outcome
from safelight.config import cores
from safelight.local.process import ended_by_signals


def main() -> None:
    """Run, print a table, and fail if anything is over its limit."""
    asked = _asked()
    with ended_by_signals(with_starter=True):
        outcomes = _run(asked)
    _table(outcomes)
    for outcome in outcomes:
        for fault in (outcome.late + outcome.wrong)[:10]:
            print(fault)
    print(json.dumps({"passed": all(o.passed for o in outcomes), "kinds": [*map(_told, outcomes)]}))
    sys.exit(not all(outcome.passed for outcome in outcomes))


def _run(asked: argparse.Namespace) -> list[Outcome]:
    outcomes = []
    for kind in asked.kinds or KINDS:
        count = asked.count or KINDS[kind][1]
        began = time.perf_counter()
        numbers = None if asked.only is None else [asked.only]
        if kind == "photos":
            count = max(count, (asked.only or 0) + 1)
            outcome = photos.run(count, asked.seed, numbers=numbers, say=_say)
        else:
            outcome = running.run(
                f"benchmarks.mutants.{kind}", count, asked.seed, numbers=numbers, say=_say
            )
        outcomes.append(outcome)
        print(
            f"{kind}: {outcome.files:,} in {time.perf_counter() - began:.0f} s, seed {asked.seed} "
            f"({cores()} cores here)",
            file=sys.stderr,
        )
    return outcomes


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mutants of every kind, or of those named.")
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], default=[], metavar="KIND")
    parser.add_argument("--count", type=int, default=0, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the one with this number, for a closer look")
    return parser.parse_args()


def _say(outcome: Outcome, count: int) -> None:
    print(
        f"  {outcome.kind}: {outcome.files:,} of {count:,}, slowest {outcome.slowest:.1f} s, "
        f"{outcome.memory / 1e6:.0f} MB, {len(outcome.wrong) + len(outcome.late)} wrong",
        file=sys.stderr,
        flush=True,
    )


def _table(outcomes: list[Outcome]) -> None:
    print(f"\n{'kind':<10}{'files':>8}{'slowest':>10}{'memory':>10}{'disk':>9}{'died':>6}  endings")
    for o in outcomes:
        endings = ", ".join(f"{word} {count:,}" for word, count in o.endings.most_common())
        print(
            f"{o.kind:<10}{o.files:>8,}{o.slowest:>8.2f} s{o.memory / 1e6:>7.0f} MB"
            f"{o.disk / 1e6:>6.1f} MB{o.died:>6}  {endings}"
        )


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "kind": outcome.kind,
        "files": outcome.files,
        "slowest_seconds": round(outcome.slowest, 2),
        "slowest_file": outcome.slowest_file,
        "memory_mb": round(outcome.memory / 1e6),
        "disk_mb": round(outcome.disk / 1e6, 1),
        "processes_replaced": outcome.died,
        "endings": dict(outcome.endings.most_common()),
        "late": len(outcome.late),
        "wrong": len(outcome.wrong),
        "passed": outcome.passed,
    }


if __name__ == "__main__":
    main()
