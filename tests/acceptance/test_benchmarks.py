"""However a benchmark ends, nothing that it started goes on, also what heeds no signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import cleanup
from benchmarks.engines.base import Engine
from benchmarks.mutants import running
from tests.support.processes import alive, stat, tree, wait_until

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


STARTER = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "tests.support.bench", sys.argv[1]])
"""


@pytest.mark.parametrize("kind", ["waits", "nohup"])
def test_it_ends_with_the_process_that_started_it_but_under_nohup(kind: str) -> None:
    command = (sys.executable, "-c", STARTER, kind)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as starter:
        assert starter.stdout is not None
        told = next(line for line in starter.stdout if line.startswith("/"))
        folder = Path(told.split()[0])
        started = tree(starter.pid)
        assert len(started) >= 4  # the benchmark, and three that heed nothing
        parents = {pid: stat(pid) for pid in started}
        (benchmark,) = (pid for pid, known in parents.items() if known and known[1] == starter.pid)
        starter.kill()
        if kind == "nohup":
            os.kill(benchmark, signal.SIGHUP)
            time.sleep(3)
            assert alive(started) == started - {starter.pid}
            os.kill(benchmark, signal.SIGTERM)
        wait_until(lambda: not alive(started), 30, "all that was started ends")
        assert not folder.exists()


def test_all_that_starts_processes_for_long_ends_with_its_starter() -> None:
    """The benchmarks by their workplace; those that have none, and chaos, by the same word."""
    for path in (ROOT / "benchmarks").glob("*.py"):
        _, begins, main = path.read_text().partition("def main(")
        if begins:
            assert main.index("with workplace()") < main.index(" say("), (
                f"{path.name}: from the first"
            )
    for place in ("benchmarks/mutants/__main__.py", "src/safelight/cli/chaos.py"):
        assert "ended_by_signals(with_starter=True)" in (ROOT / place).read_text()


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


class Interrupted(Exception):
    """Ctrl-C, for this test."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _fill() -> None:
    slow: Any = SimpleNamespace(put_bytes=lambda *_: time.sleep(0.02))
    cleanup.fill(slow, "a")


def _take() -> None:
    slow: Any = SimpleNamespace(done=lambda: 0, enqueue=lambda: time.sleep(0.02))
    Engine.take(slow, 5_000)


def _mutants() -> None:
    slow: Any = SimpleNamespace(replaced=0, ask=ask, seconds=1.0)
    running.run("kind", 5_000, 0, readers=[slow] * 2)


def ask(*_: object) -> dict[str, Any]:
    time.sleep(0.02)
    return {"ending": "read", "seconds": 0.0, "memory": 0, "disk": 0, "wrong": []}


@pytest.mark.parametrize("work", [_fill, _take, _mutants])
def test_threads_that_have_thousands_of_things_to_do_begin_nothing_new_after_ctrl_c(
    work: Callable[[], None],
) -> None:
    """Who ended the benchmark of cleanup waited until 20,000 objects were put."""
    started = time.monotonic()
    with pytest.raises(Interrupted), interrupted_after(0.3):
        work()
    assert time.monotonic() - started < 5
