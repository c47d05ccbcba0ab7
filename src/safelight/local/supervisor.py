"""Keep services running: ready in order, started again when they end, all stopped as one."""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from safelight.local.logs import Log
from safelight.local.process import POLL_INTERVAL, Child, LocalError, Service
from safelight.local.watchdog import MARK

WATCHDOG = Path(__file__).with_name("watchdog.py")

EARLY_ENDS = 4
"""A service that ended so often before it was ever ready will not come up."""


@dataclass(frozen=True)
class Backoff:
    """Seconds before a service that ended is started again: doubled each time, up to `longest`."""

    first: float = 0.5
    longest: float = 30.0
    reset_after: float = 60.0
    """After running so long it starts from `first` again."""

    def pause(self, ends: int) -> float:
        """Seconds to wait after the `ends`-th end in a row (from 1)."""
        return float(min(self.longest, self.first * 2.0 ** (ends - 1)))


class _Kept:
    """A service, its process, and what has happened to it."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.service = child.service
        self.was_ready = False
        self.first_start: float | None = None
        self.started = 0.0
        self.again_at: float | None = None
        self.ends = 0
        self.kill_at: float | None = None


class Supervisor:
    """Runs a list of services. Use it once, by `run` or by `running`.

    Every process is started by the thread that runs the loop, since the kernel's death signal comes
    when the starting thread ends: for `run` that is the caller's, the main thread, for `running` one
    of its own that ends last.
    """

    def __init__(
        self,
        services: Sequence[Service],
        log: Log,
        *,
        hold: Sequence[int] = (),
        backoff: Backoff = Backoff(),  # frozen
    ) -> None:
        """`hold`: file descriptors that the watchdog keeps open until everything has ended."""
        self._log = log
        self._hold = tuple(hold)
        self._backoff = backoff
        self._token = secrets.token_hex(16)
        self._kept: dict[str, _Kept] = {}
        for service in services:
            missing = set(service.needs) - set(self._kept)
            if missing:
                raise ValueError(f"{service.name} needs {missing}, which must come before it.")
            marked = replace(service, env={**service.env, MARK: self._token})
            self._kept[service.name] = _Kept(Child(marked, log.line))
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._watchdog: subprocess.Popen[str] | None = None

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by service."""
        return {
            name: kept.child.pid
            for name, kept in self._kept.items()
            if kept.child.running and kept.child.pid is not None
        }

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP; a second one kills. Main thread only.

        Raises `LocalError` when a service does not come up; everything is stopped by then.
        """

        def handle(_number: int, _frame: FrameType | None) -> None:
            (self._kill if self._stop.is_set() else self._stop).set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            self._loop(on_ready)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def running(self, on_ready: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Run while the block runs; it begins when all are ready, and they are stopped after it.

        Raises `LocalError` as `run` does, at the beginning; later ends are met by restarts.
        """
        ready = threading.Event()
        failures: list[BaseException] = []

        def all_ready() -> None:
            on_ready()
            ready.set()

        def loop() -> None:
            try:
                self._loop(all_ready)
            except BaseException as error:  # noqa: BLE001  # raised again below, in the caller
                failures.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=loop, name="supervisor")
        thread.start()
        try:
            ready.wait()
            if not failures and not self._stop.is_set():
                yield
        finally:
            self._stop.set()
            try:
                thread.join()
            except KeyboardInterrupt:
                self._kill.set()
                thread.join()
                raise
        if failures:
            raise failures[0]

    def _loop(self, on_ready: Callable[[], None]) -> None:
        told = False
        try:
            while not self._stop.is_set():
                self._guard()
                for kept in self._kept.values():
                    self._look(kept)
                if not told and all(kept.was_ready for kept in self._kept.values()):
                    told = True
                    on_ready()
                self._stop.wait(POLL_INTERVAL)
        finally:
            self._stop.set()
            self._end_all()

    def _look(self, kept: _Kept) -> None:
        """Do for one service what is due now."""
        now = time.monotonic()
        if kept.first_start is None:
            if all(self._kept[name].was_ready for name in kept.service.needs):
                kept.first_start = now
                self._start(kept)
        elif kept.again_at is not None:
            if now >= kept.again_at:
                self._start(kept)
        elif kept.child.running:
            self._probe(kept, now)
        elif kept.service.once and kept.child.exit_code() == 0:
            kept.was_ready = True
        else:
            self._ended(kept, now)

    def _probe(self, kept: _Kept, now: float) -> None:
        if kept.was_ready:
            return
        assert kept.first_start is not None
        if kept.child.is_ready():
            kept.was_ready = True
            self._log.say(kept.service.name, f"ready after {now - kept.first_start:.1f} s")
        elif now - kept.first_start > kept.service.ready_timeout:
            raise kept.child.failure()

    def _ended(self, kept: _Kept, now: float) -> None:
        """Plan the next start of a service that ended by itself, or give up."""
        self._tell_watchdog("-", kept)
        kept.child.kill()  # what it left behind, such as the pool of a killed worker
        service, code = kept.service, kept.child.exit_code()
        kept.ends = 1 if now - kept.started > self._backoff.reset_after else kept.ends + 1
        if not service.restart or service.once or (not kept.was_ready and kept.ends >= EARLY_ENDS):
            raise kept.child.failure()
        pause = self._backoff.pause(kept.ends)
        self._log.say(service.name, f"ended with {code}; starting it again in {pause:g} s")
        kept.again_at = now + pause

    def _start(self, kept: _Kept) -> None:
        kept.again_at = None
        kept.started = time.monotonic()
        try:
            kept.child.start()
        except (OSError, LocalError) as error:
            # A full disk may pass; but what never ran will not run by waiting.
            if not kept.was_ready:
                raise
            kept.ends += 1
            kept.again_at = kept.started + self._backoff.pause(kept.ends)
            self._log.say(kept.service.name, f"could not be started: {error}")
            return
        self._tell_watchdog("+", kept)

    def _end_all(self) -> None:
        """Stop in reverse order, each by its own signal and within its own time, then kill."""
        left = [kept for kept in self._kept.values() if kept.child.running]
        while left:
            now = time.monotonic()
            for kept in left:
                if self._kill.is_set():
                    kept.child.kill()
                elif kept.kill_at is None:
                    if not any(self._needs(other, kept) for other in left):
                        kept.kill_at = now + kept.service.stop_timeout
                        kept.child.send(kept.service.stop_signal)
                elif now > kept.kill_at:
                    self._log.say(kept.service.name, "did not stop in time and is killed")
                    kept.child.kill()
            time.sleep(POLL_INTERVAL)
            left = [kept for kept in left if kept.child.running]
        for kept in self._kept.values():
            kept.child.kill()
            self._tell_watchdog("-", kept)
        if self._watchdog is not None:
            # It looks for what has left its group, and ends.
            self._watchdog.communicate()
            self._watchdog = None

    def _needs(self, one: _Kept, other: _Kept) -> bool:
        """Whether `one` needs `other`, by itself or through what it needs."""
        names = one.service.needs
        return other.service.name in names or any(
            self._needs(self._kept[name], other) for name in names
        )

    def _guard(self) -> None:
        """See that the watchdog lives and knows what runs."""
        if self._watchdog is not None and self._watchdog.poll() is None:
            return
        if self._watchdog is not None:
            self._close_watchdog()
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WATCHDOG), self._token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            env={},
            start_new_session=True,
            pass_fds=self._hold,
        )
        for kept in self._kept.values():
            if kept.child.running:
                self._tell_watchdog("+", kept)

    def _tell_watchdog(self, sign: str, kept: _Kept) -> None:
        if self._watchdog is None or self._watchdog.stdin is None:
            return
        # If it was killed just now, the next look starts another, which is told everything.
        with contextlib.suppress(BrokenPipeError):
            number = int(kept.service.death_signal)
            self._watchdog.stdin.write(f"{sign} {kept.child.pid} {number}\n")
            self._watchdog.stdin.flush()

    def _close_watchdog(self) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.stdin.close()
