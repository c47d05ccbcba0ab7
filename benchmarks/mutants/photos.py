"""Mutated files through the inspector: no hang, no crash of the job, no memory over the cap.

`make mutants` runs 10,000 (COUNT=...); the default tests run some hundreds. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from safelight.config import cores
from safelight.domain.findings import Level
from safelight.domain.photos import Inspection
from safelight.vision.pool import EyePool
from tests.support.mutants import mutants

SLOWEST = 10.0
"""Seconds for one file."""
CAP = 600e6
"""Bytes of memory for a worker."""


@dataclass
class Outcome:
    """What became of the files."""

    files: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_file: str = ""
    memory: int = 0
    died: int = 0
    wrong: list[str] = field(default_factory=list)


def run(count: int, seed: int = 0, workers: int | None = None) -> Outcome:
    """Every mutant through a pool of eyes, a process each core."""
    outcome = Outcome()
    pids: set[int] = set()
    with tempfile.TemporaryDirectory() as folder, EyePool(workers) as pool:

        def look(name: str, data: bytes) -> tuple[str, Inspection, float]:
            path = Path(folder, name)
            path.write_bytes(data)
            started = time.perf_counter()
            seen = pool.inspect(path, name)
            spent = time.perf_counter() - started
            path.unlink()
            return name, seen, spent

        with ThreadPoolExecutor(pool.workers) as threads:
            # In lots, so that ten thousand files do not wait in memory.
            told = mutants(count, seed)
            while lot := list(islice(told, 20 * pool.workers)):
                for name, seen, spent in threads.map(lambda pair: look(*pair), lot):
                    _judge(outcome, name, seen)
                    if spent > outcome.slowest:
                        outcome.slowest, outcome.slowest_file = spent, name
                    pids.update(up := pool.pids())
                    outcome.memory = max(outcome.memory, *map(_peak, up), 0)
        outcome.died = len(pids) - pool.workers
    return outcome


def _judge(outcome: Outcome, name: str, seen: Inspection) -> None:
    outcome.files += 1
    if seen.facts.decodable:
        outcome.kinds["seen"] += 1
        if seen.facts.measured is None or seen.facts.width < 1:
            outcome.wrong.append(f"{name}: decodable, and nothing was measured")
        return
    outcome.kinds[str(seen.facts.fault)] += 1
    levels = [finding.level for finding in seen.findings]
    if levels != [Level.BLOCK] or not seen.findings[0].message.startswith(f'"{name}" '):
        outcome.wrong.append(f"{name}: {seen.findings}")


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return 0
    told = status.partition("VmHWM:")[2].split()  # none once it only waits to be reaped
    return int(told[0]) * 1024 if told else 0


def main(count: int) -> None:
    """Run, print, and fail if anything is over its limit."""
    started = time.perf_counter()
    outcome = run(count)
    print(f"{outcome.files} files in {time.perf_counter() - started:.0f} s ({cores()} cores here)")
    for kind, number in outcome.kinds.most_common():
        print(f"  {number:6} {kind}")
    print(*outcome.wrong[:10], sep="\n")
    good = not outcome.wrong and outcome.slowest <= SLOWEST and outcome.memory <= CAP
    print(
        json.dumps(
            {
                "files": outcome.files,
                "slowest_seconds": round(outcome.slowest, 2),
                "slowest_file": outcome.slowest_file,
                "memory_mb": round(outcome.memory / 1e6),
                "processes_replaced": outcome.died,
                "without_a_finding_or_a_measurement": len(outcome.wrong),
                "passed": good,
            }
        )
    )
    sys.exit(not good)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
