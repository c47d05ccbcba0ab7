"""One program that we run: what to start, how to see that it is ready, how to end it."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from safelight.domain.errors import SafelightError

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_INTERVAL = 0.05
"""Seconds between two looks at a process or a probe."""

STARTER_INTERVAL = 0.5
"""Seconds between two looks at whether the process that started this one is still there."""

Output = Callable[[str, str], None]
"""Takes a service's name and one line of what it said."""


def dies_with_us(
    argv: Iterable[str],
    death_signal: int = signal.SIGKILL,
    user: tuple[object, object] = ("-", "-"),
) -> list[str]:
    """*argv*, so that the program gets *death_signal* when the thread that starts it ends (Linux), however
    that comes about. The pid is the program's own."""
    launcher = (sys.executable, "-I", "-S", str(LAUNCHER))
    return [*launcher, str(os.getpid()), str(int(death_signal)), *map(str, user), *argv]


@contextlib.contextmanager
def ended_by_signals(*, with_starter: bool = False) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: by an exception, so that what was started in it
    is stopped. A second one changes nothing. Main thread only.

    `with_starter`: the end of the process that started this one, as of a `make` that is killed, ends it
    too, within seconds. Under nohup neither that nor a SIGHUP does.
    """
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = (signal.SIGTERM,) if nohup else (signal.SIGTERM, signal.SIGHUP)
    over = threading.Event()
    if with_starter and not nohup:
        threading.Thread(target=_end_with, args=(os.getppid(), over), daemon=True).start()

    def end(number: int, _frame: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with(starter: int, over: threading.Event) -> None:
    """Not by PR_SET_PDEATHSIG: that is about the thread that started us, and for Linux alone."""
    while not over.wait(STARTER_INTERVAL):
        if os.getppid() != starter:
            os.kill(os.getpid(), signal.SIGTERM)
            return


class LocalError(SafelightError):
    """A part of the local stack did not do what it must."""

    code = "local"

    def __init__(self, message: str, *, hint: str | None = None, said: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.said = tuple(said)

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *(f"  {line}" for line in self.said)))


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program to keep running, or (`once`) a step to run to its end.

    `argv[0]` is a path, or a name looked up on PATH. `ready` is asked often until it says yes and
    must answer within a second or so; without it, to be seen running is enough. For a step, ready
    means ended with 0.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment of the process, not an addition to ours."""
    ready: Callable[[], bool] = lambda: True
    ready_timeout: float = 60.0
    """Seconds from the first start until it must have been ready once."""
    needs: tuple[str, ...] = ()
    """Names of services that must be ready before this one is first started."""
    prepare: Callable[[], None] = lambda: None
    """Runs before each start: folders, configuration, initdb."""
    tidy: Callable[[], None] = lambda: None
    """Runs after each end that we see: removes what it leaves lying about."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
    """Seconds between the stop signal and SIGKILL."""
    death_signal: signal.Signals = signal.SIGKILL
    """Sent by the kernel when the process that started it dies (Linux)."""
    restart: bool = True
    once: bool = False
    user: tuple[int, int] | None = None
    """User and group id to run as; only root may set it."""
    cwd: Path | None = None
    quiet: bool = False
    """Its lines go to its log file only, not to the terminal."""


class Child:
    """A started `Service`. It leads a session of its own, so a terminal's Ctrl-C is ours alone.

    On Linux, start it from a thread that lives as long as it should: the death signal is sent when
    the starting *thread* ends.
    """

    def __init__(self, service: Service, output: Output) -> None:
        self.service = service
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.tail: collections.deque[str] = collections.deque(maxlen=30)
        """The last lines it said, for a message when it fails."""

    @property
    def pid(self) -> int | None:
        """The process's id, which is its session's and group's too; None before the start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Prepare and start it; returns at once. Raises what `prepare` raises."""
        service = self.service
        service.prepare()
        self._process = subprocess.Popen(
            dies_with_us(service.argv, service.death_signal, service.user or ("-", "-")),
            env=dict(service.env),
            cwd=service.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), name=f"log {service.name}", daemon=True
        )
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                self.tail.append(line)
                self._output(self.service.name, line)

    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Started and not ended."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it does its work now; for a step, whether it ended with 0."""
        if self.service.once:
            return self.exit_code() == 0
        return self.running and self.service.ready()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the leading process."""
        if self.running and self.pid is not None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL it and all its group, and wait until the leader is gone."""
        if self._process is None:
            return
        # Also when the leader has ended: pool processes may have outlived it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.service.tidy()
        self._join()

    def stop(self) -> None:
        """End it in its own way, and by SIGKILL after `stop_timeout`; returns when it is gone."""
        self.send(self.service.stop_signal)
        self.wait(self.service.stop_timeout)
        self.kill()

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end; the exit code, or None if it still runs."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    def start_until_ready(self) -> None:
        """Start it and wait until it is ready, starting again if it ends before.

        It may end at first for a good reason: a killed Postgres leaves processes that hold its
        memory for some moments. Raises `LocalError` with its last lines after `ready_timeout`.
        """
        deadline = time.monotonic() + self.service.ready_timeout
        self.start()
        while not self.is_ready():
            if time.monotonic() > deadline:
                failure = self.failure()
                self.kill()
                raise failure
            if not self.running:
                time.sleep(0.5)
                self.start()
            time.sleep(POLL_INTERVAL)

    def failure(self) -> LocalError:
        """What to tell when it did not come up, with its last lines."""
        service, code = self.service, self.exit_code()
        what = (
            f"ended with {code}" + ("" if service.once else " before it was ready")
            if code is not None
            else f"was not ready within {service.ready_timeout:g} s"
        )
        return LocalError(
            f"{service.name} {what}. Its last lines:", said=self.tail or ("(nothing)",)
        )

    def _join(self) -> None:
        if self._reader is not None:
            self._reader.join(timeout=1)
