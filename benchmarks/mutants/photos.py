"""Photos that are none, or not whole: no hang, no crash of the job, no memory over the cap, a finding each.

They go through the eye as a worker has it: a pool of decoding processes, each of which may die alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from benchmarks.manners import threads
from benchmarks.memory import peak
from benchmarks.mutants.outcome import Outcome
from benchmarks.mutants.running import Say
from safelight.domain.findings import Level
from safelight.domain.photos import Inspection
from safelight.vision.pool import EyePool
from tests.support.mutants import mutants

CAP = 600e6
"""Bytes of memory for a worker."""


def run(
    count: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    numbers: Iterable[int] | None = None,
    say: Say | None = None,
) -> Outcome:
    """Every mutant through a pool of eyes, a process each core."""
    outcome = Outcome("photos", CAP)
    pids: set[int] = set()
    wanted = None if numbers is None else set(numbers)
    said = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, EyePool(workers) as pool:

        def look(name: str, data: bytes) -> tuple[str, Inspection, float]:
            path = Path(folder, name)
            path.write_bytes(data)
            started = time.perf_counter()
            seen = pool.inspect(path, name)
            spent = time.perf_counter() - started
            path.unlink()
            return name, seen, spent

        with threads(pool.workers) as lookers:
            # In lots, so that ten thousand files do not wait in memory.
            told = (
                pair
                for number, pair in enumerate(mutants(count, seed))
                if wanted is None or number in wanted
            )
            while lot := list(islice(told, 20 * pool.workers)):
                for name, seen, spent in lookers.map(lambda pair: look(*pair), lot):
                    _judge(outcome, name, seen)
                    outcome.took(name, spent)
                    pids.update(up := pool.pids())
                    outcome.memory = max(outcome.memory, *map(peak, up), 0)
                if say is not None and time.monotonic() - said > 5:
                    said = time.monotonic()
                    say(outcome, count)
        outcome.died = max(0, len(pids) - pool.workers)
    return outcome


def _judge(outcome: Outcome, name: str, seen: Inspection) -> None:
    outcome.files += 1
    if seen.facts.decodable:
        outcome.endings["seen"] += 1
        if seen.facts.measured is None or seen.facts.width < 1:
            outcome.wrong.append(f"{name}: decodable, and nothing was measured")
        return
    outcome.endings[str(seen.facts.fault)] += 1
    levels = [finding.level for finding in seen.findings]
    if levels != [Level.BLOCK] or not seen.findings[0].message.startswith(f'"{name}" '):
        outcome.wrong.append(f"{name}: {seen.findings}")
