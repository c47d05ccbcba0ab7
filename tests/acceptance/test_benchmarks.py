"""However a benchmark ends, nothing that it started goes on, also what heeds no signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import alive, tree, wait_until

ROOT = Path(__file__).parents[2]


@contextmanager
def benchmark(kind: str) -> Iterator[tuple[subprocess.Popen[str], Path, set[int]]]:
    """It runs: the process, its folder, and all that it has started."""
    command = (sys.executable, "-m", "tests.support.bench", kind)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            told = next(line for line in process.stdout if line.startswith("/"))
            folder, *pids = told.split()
            started = {*map(int, pids), *tree(process.pid)}
            assert len(started) >= 3
            yield process, Path(folder), started
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_it_stops_what_heeds_nothing_and_takes_its_files_along(number: int) -> None:
    with benchmark("waits") as (process, folder, started):
        process.send_signal(number)
        wait_until(lambda: process.poll() is not None, 30, "the benchmark ends")
        assert alive(started) == set()
        assert not folder.exists()


def test_killed_it_leaves_nobody_behind_and_the_next_one_removes_its_files() -> None:
    with benchmark("waits") as (process, folder, started):
        process.kill()
        wait_until(lambda: not alive(started), 10, "its children are gone")
        assert folder.exists()
    with benchmark("ends"):
        assert not folder.exists()


@pytest.mark.parametrize("kind", ["ends", "fails"])
def test_by_itself_or_by_an_error_it_ends_with_all_that_it_started(kind: str) -> None:
    with benchmark(kind) as (process, folder, started):
        wait_until(lambda: process.poll() is not None, 30, "the benchmark ends")
        assert process.returncode == (1 if kind == "fails" else 0)
        assert alive(started) == set()
        assert not folder.exists()


def test_killed_it_takes_its_servers_along() -> None:
    with benchmark("stores") as (process, _, started):
        process.kill()
        wait_until(lambda: not alive(started), 20, "Postgres, Valkey and SeaweedFS are gone")


def test_every_benchmark_minds_its_manners() -> None:
    """None starts a process or a store in another way."""
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        text = path.read_text()
        if path.name != "manners.py":
            assert "Popen(" not in text, path.name
            assert "subprocess.run(" not in text, path.name
            assert "start_stores(" not in text, path.name
