"""Our programs as real processes: a worker, the clock, the API, a command; ended by their ids."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import tree, wait_until

ROOT = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
"""Of the environment of whoever runs the tests: his own settings are no business of theirs."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program of ours with these settings."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "SAFELIGHT_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **settings}


def worker(queue: str) -> tuple[str, ...]:
    """The Procfile's line of a queue."""
    return (
        *(sys.executable, "-m", "celery", "-A", f"workers.{queue}", "worker"),
        *("--without-mingle", "--without-gossip", "--loglevel", "INFO", "-n", f"{queue}@%h"),
    )


CLOCK = (sys.executable, "-m", "workers.beat")


def safelight(*arguments: str) -> tuple[str, ...]:
    """A command."""
    return (sys.executable, "-m", "safelight.cli", *arguments)


@dataclass
class Program:
    """A process, and all that it says on both streams."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: Path
    commands: set[str] = field(default_factory=set)
    """The command lines of the process and its children, as far as they were looked at."""

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Its log lines; what is no JSON is left out."""
        found = []
        for line in self.text.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def events(self) -> list[str]:
        return [str(line.get("event")) for line in self.lines()]

    def until(self, event: str, timeout: float = 60) -> None:
        """Wait for a log line."""
        wait_until(
            lambda: event in self.events(), timeout, f"{self.name}: {event}\n{self.text[-3000:]}"
        )

    def until_said(self, words: str, timeout: float = 60) -> None:
        """Wait for these words."""
        wait_until(
            lambda: words in self.text, timeout, f"{self.name}: {words}\n{self.text[-3000:]}"
        )

    def until_ready(self, timeout: float = 60) -> None:
        """Wait until it says that it is, by its file."""
        wait_until(self.ready.exists, timeout, f"{self.name} is ready\n{self.text[-3000:]}")

    def look_at_commands(self) -> None:
        """Note the command lines that anybody on the machine can see."""
        for pid in (self.process.pid, *tree(self.process.pid)):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                self.commands.add(line.replace(b"\0", b" ").decode(errors="replace"))

    def ended(self, timeout: float = 60) -> int:
        """Its exit code."""
        return self.process.wait(timeout)


@contextlib.contextmanager
def running(
    name: str, command: tuple[str, ...], settings: Mapping[str, str], folder: Path
) -> Iterator[Program]:
    """Start it; it is told to end, and killed if it does not, when the block ends."""
    log, ready = folder / f"{name}.log", folder / f"{name}.ready"
    env = {**environment(settings), "SAFELIGHT_READY_FILE": str(ready)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    program = Program(name, process, log, ready)
    try:
        yield program
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def finished(
    command: tuple[str, ...], settings: Mapping[str, str], timeout: float = 120
) -> tuple[int, str, float]:
    """Run it to its end: exit code, all it said, and the seconds it took."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - started
