"""What every benchmark owes to whoever starts it: it says what it does, and leaves nothing behind.

However it ends (by itself, by Ctrl-C, SIGTERM or SIGKILL, with the `make` that started it), no process of
its own outlives it; files of one that was killed go when the next one starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from safelight import logging, scratch
from safelight.local.process import Child, Service, dies_with_us, ended_by_signals
from tests.support.servers import Stores, start_stores

STARTED = time.monotonic()
STOP_SECONDS = 5.0
"""From SIGTERM to SIGKILL: nothing that a benchmark starts has anything to lose."""


def say(text: str) -> None:
    """One line, at once, with the seconds since the start."""
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder of the benchmark's own, gone after it. Main thread only."""
    logging.setup("json", "WARNING")
    scratch.sweep()
    with ended_by_signals(with_starter=True), scratch.folder() as folder:
        yield folder


@contextmanager
def stores_in(folder: Path) -> Iterator[Stores]:
    """Postgres, Valkey and SeaweedFS with their data in *folder*; both go after the block."""
    say("Postgres, Valkey and SeaweedFS start")
    stores = start_stores(folder)
    try:
        yield stores
    finally:
        stores.remove()


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads. Where the block ends, as by a signal, what they have begun is waited for and what
    they have not is given up: take the results within it."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def start(name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> Child:
    """`python ARGUMENTS`, which dies with us; end it with `stop_all`. Its lines go to *log*."""

    def write(_name: str, line: str) -> None:
        with log.open("a") as file:
            file.write(f"{line}\n")

    service = Service(
        name=name,
        argv=(sys.executable, *arguments),
        env={**os.environ, **env},
    )
    child = Child(service, write)
    child.start()
    return child


def stop_all(children: Sequence[Child]) -> None:
    """Ask all at once, then see each to its end: by SIGKILL, with its group, after `STOP_SECONDS`."""
    for child in children:
        child.send(child.service.stop_signal)
    latest = time.monotonic() + STOP_SECONDS
    for child in children:
        child.wait(max(0.0, latest - time.monotonic()))
        child.kill()


def talk_to(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A program that is asked on its standard input, whichever thread asks: it has to end by itself where
    that ends, as it does when we are gone."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def run_to_its_end(
    command: Sequence[str], *, timeout: float = 900, check: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that dies with us."""
    return subprocess.run(dies_with_us(command), capture_output=True, check=check, timeout=timeout)
