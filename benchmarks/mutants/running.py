"""Mutants in processes of their own: bounded in time, memory and disk, replaced when they die.

A process is asked for one mutant by number, makes it from the seed, has it read, and answers in a line of
JSON. So whatever happens, its number is known, and the same file can be made again.
"""

from __future__ import annotations

import json
import queue
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from benchmarks.manners import talk_to, threads
from benchmarks.mutants.outcome import SLOWEST, Outcome, patience
from safelight.config import cores

CAP = 400e6
"""Bytes of memory for a process that reads mutants, with the 100 MB it has before the first."""
DISK = 64e6
"""Bytes that a mutant may leave on the disk while it is read."""
START_SECONDS = 60.0

Say = Callable[[Outcome, int], None]


class Hung(Exception):
    """No answer came in time."""


class Died(Exception):
    """The process is gone."""


class Reader:
    """A process that makes and reads mutants of *kinds* (modules' names); it is started when first asked,
    and again after one that had to be killed."""

    def __init__(self, kinds: Sequence[str], seed: int, seconds: float = SLOWEST) -> None:
        child = ("-m", "benchmarks.mutants.child", str(seed), str(CAP))
        self._command = (sys.executable, *child, *kinds)
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self.seconds = seconds
        """For one mutant, on a machine at rest."""
        self.replaced = 0

    def ask(self, kind: str, number: int) -> dict[str, Any]:
        """The answer to mutant *number* of *kind*. Raises Hung or Died, and the process is gone then."""
        try:
            if self._process is None:
                self._process = talk_to(self._command)
                self._line(START_SECONDS)
            assert self._process.stdin is not None
            self._process.stdin.write(f"{kind} {number}\n".encode())
            # Twice its time, since the mutant has to be made too.
            answer: dict[str, Any] = json.loads(self._line(2 * self.seconds))
        except (Hung, Died, BrokenPipeError) as error:
            self._end()
            self.replaced += 1
            if isinstance(error, BrokenPipeError):
                raise Died(str(error)) from error
            raise
        return answer

    def _line(self, seconds: float) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        deadline = time.monotonic() + seconds * patience()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise Hung
                chunk = process.stdout.read(65_536)
                if not chunk:
                    raise Died(f"exit {process.wait()}")
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _end(self) -> None:
        """Kill and reap it."""
        process, self._process, self._buffer = self._process, None, b""
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()


def run(
    kind: str,
    count: int,
    seed: int = 0,
    *,
    readers: Sequence[Reader] = (),
    numbers: Iterable[int] | None = None,
    say: Say | None = None,
) -> Outcome:
    """Have *count* mutants of *kind* (a module's name) read; *numbers*: these and no others.

    *readers*: processes that have the kind; by default one a core, which end with the run. *say* is told
    now and then how far it is.
    """
    outcome = Outcome(kind.rpartition(".")[2], CAP)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count) if numbers is None else numbers:
        todo.put(number)
    said = [time.monotonic()]
    over = threading.Event()

    def work(reader: Reader) -> None:
        before = reader.replaced
        while not over.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                break
            _judge(outcome, kind, number, reader)
            if say is not None and time.monotonic() - said[0] > 5:
                said[0] = time.monotonic()
                say(outcome, count)
        outcome.died += reader.replaced - before

    with ExitStack() as stack:
        own = [Reader([kind], seed) for _ in range(0 if readers else min(cores(), todo.qsize()))]
        there = [*readers, *(stack.enter_context(reader) for reader in own)]
        with threads(max(1, len(there))) as askers:
            try:
                list(askers.map(work, there))
            finally:
                over.set()  # also by Ctrl-C: what is begun is ended, and nothing else is begun
    return outcome


def _judge(outcome: Outcome, kind: str, number: int, reader: Reader) -> None:
    name = f"{outcome.kind} {number}"
    try:
        answer = reader.ask(kind, number)
    except Hung:
        outcome.endings["hung"] += 1
        outcome.late.append(f"{name}: no end")
    except Died as died:
        outcome.endings["died"] += 1
        outcome.wrong.append(f"{name}: the process died ({died})")
    else:
        outcome.endings[answer["ending"]] += 1
        outcome.took(name, answer["seconds"], reader.seconds)
        outcome.memory = max(outcome.memory, answer["memory"])
        outcome.disk = max(outcome.disk, answer["disk"])
        outcome.wrong += [f"{name}: {said}" for said in answer["wrong"]]
        if answer["disk"] > DISK:
            outcome.wrong.append(f"{name}: it took {answer['disk']:,} bytes of disk")
    outcome.files += 1
