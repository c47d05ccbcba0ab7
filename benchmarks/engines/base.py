"""What the benchmark asks of an engine."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from benchmarks.manners import start, stop_all, threads
from safelight.local.process import Child
from tests.support.servers import Stores

TIMEOUT = 180.0
WARM = 100
"""Trainings before the clock starts: by then connections are open and statements prepared."""
PRODUCERS = 4
"""Threads that enqueue, as an API's would."""


class Engine(ABC):
    """Worker processes, a way to enqueue one training, and a way to count those that are done."""

    def __init__(self, stores: Stores, folder: Path) -> None:
        self.url = stores.database_url
        self.broker = stores.broker_url
        self._folder = folder
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Schema and client."""

    @abstractmethod
    def commands(self) -> list[tuple[list[str], dict[str, str]]]:
        """The worker processes: (arguments after `python`, environment)."""

    @abstractmethod
    def enqueue(self) -> None:
        """Ask for one training."""

    @abstractmethod
    def done(self) -> int:
        """How many have gone through all five stages, ever."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """With its workers up and warm."""
        children: list[Child] = []
        try:
            for index, (arguments, env) in enumerate(self.commands()):
                name = f"{type(self).__name__}-{index}"
                children.append(start(name, arguments, env, self._folder / f"{name}.log"))
            self.take(WARM)
            yield
        finally:
            stop_all(children)

    def take(self, trainings: int) -> float:
        """Seconds from the first enqueue until *trainings* more are done.

        To count them reads a whole table, at the cost of the engine: it is asked after half of the time
        that is left at the rate so far, and so seldom.
        """
        before = self.done()
        goal = before + trainings
        started = time.perf_counter()
        with threads(PRODUCERS) as producers:
            for _ in producers.map(lambda _: self.enqueue(), range(trainings)):
                pass
        while (done := self.done()) < goal:
            passed = time.perf_counter() - started
            if passed > TIMEOUT:
                raise SystemExit(
                    f"{type(self).__name__}: {goal - done} of {trainings} not done in {TIMEOUT:g} s; "
                    f"see {self._folder}"
                )
            left = passed * (goal - done) / max(1, done - before)
            time.sleep(min(0.2, max(0.02, left / 2)))
        return time.perf_counter() - started

    def latencies(self, times: int) -> list[float]:
        """Seconds from enqueue to done, one at a time, on an idle system."""
        found = []
        for _ in range(times):
            goal = self.done() + 1
            started = time.perf_counter()
            self.enqueue()
            while self.done() < goal:
                time.sleep(0.001)
            found.append(time.perf_counter() - started)
            time.sleep(0.05)
        return found
